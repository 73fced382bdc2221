//! Why a template cannot be read or rendered.

use std::fmt;

/// One of the two texts of a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// What the model is told about its role.
    System,
    /// What it is asked.
    User,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::System => "system",
            Self::User => "user",
        })
    }
}

/// What is wrong with a template, or with the inputs that it was given.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The file is no YAML, or not of a template's form.
    #[error(transparent)]
    File(#[from] yaml::Error),
    /// More templates than are kept.
    #[error("there are more than {limit} templates; remove some")]
    TooMany {
        /// How many may be.
        limit: usize,
    },
    /// A file whose name says something else than its text.
    #[error(
        "{path}: the template is named `{name}`; name it after its file, `family/name`, and the file `family/name.yaml`"
    )]
    Misnamed {
        /// The file.
        path: String,
        /// What it calls itself.
        name: String,
    },
    /// A file outside of the families.
    #[error("{path}: no family of templates; put it beneath one of {}", crate::FAMILIES.join(", "))]
    UnknownFamily {
        /// The file.
        path: String,
    },
    /// Two files for one template.
    #[error("template `{name}` is given twice; keep one")]
    Duplicate {
        /// The template.
        name: String,
    },
    /// A text that is no template.
    #[error("template `{name}`, {part}, line {line}: {message}")]
    Syntax {
        /// The template.
        name: String,
        /// Which of its texts.
        part: Part,
        /// The line within that text, from 1.
        line: usize,
        /// What is wrong.
        message: String,
    },
    /// A text names what is no input.
    #[error("template `{name}` uses `{input}`, which is not among its inputs; declare it or mend the name")]
    Undeclared {
        /// The template.
        name: String,
        /// What it uses.
        input: String,
    },
    /// An input that no text uses, or that is declared twice.
    #[error("template `{name}` declares the input `{input}` twice or never uses it; remove it")]
    Idle {
        /// The template.
        name: String,
        /// The input.
        input: String,
    },
    /// Nobody knows this template.
    #[error("there is no template `{name}`; {}", near(near_names))]
    UnknownTemplate {
        /// What was asked for.
        name: String,
        /// Known names that are near, the nearest first; all of them where none is near.
        near_names: Vec<String>,
    },
    /// A required input is missing, or null.
    #[error("template `{name}` needs the input `{input}`")]
    MissingInput {
        /// The template.
        name: String,
        /// The input.
        input: String,
    },
    /// An input that the template does not have.
    #[error("template `{name}` has no input `{input}`; it has {}", known.join(", "))]
    ExtraInput {
        /// The template.
        name: String,
        /// The input.
        input: String,
        /// What it has.
        known: Vec<String>,
    },
    /// An input of another shape than the template expects, or a template that computes too long.
    #[error("template `{name}`, {part}, line {line}: {message}")]
    Render {
        /// The template.
        name: String,
        /// Which of its texts.
        part: Part,
        /// The line within that text, from 1.
        line: usize,
        /// What is wrong.
        message: String,
    },
    /// The text would be longer than any model takes.
    #[error("template `{name}` gives more than {limit} bytes; give it less context")]
    TooLarge {
        /// The template.
        name: String,
        /// The most that is rendered, in bytes.
        limit: usize,
    },
}

fn near(names: &[String]) -> String {
    match names {
        [] => "there are none at all".to_owned(),
        _ => format!("near: {}", names.join(", ")),
    }
}
