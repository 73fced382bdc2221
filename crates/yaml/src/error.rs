//! What was wrong, where, and what was probably meant.

use std::fmt;

/// A document that cannot be used, with its place: `config/x.yaml:12:3: unknown key …`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Error {
    /// The document's name, as the caller gave it.
    pub name: String,
    /// The line, from 1, where one is known.
    pub line: Option<usize>,
    /// The column, from 1, where a line is known.
    pub column: Option<usize>,
    /// What was wrong.
    pub message: String,
    /// The known word that is nearest to the one found, if any is near.
    pub suggestion: Option<String>,
}

/// Below this likeness (Jaro-Winkler, 0 to 1) a known word is no suggestion.
const NEAR: f64 = 0.75;

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
            if let Some(column) = self.column {
                write!(f, ":{column}")?;
            }
        }
        write!(f, ": {}", self.message)?;
        if let Some(word) = &self.suggestion {
            write!(f, "; did you mean `{word}`?")?;
        }
        Ok(())
    }
}

impl Error {
    pub(crate) fn plain(name: &str, message: String) -> Self {
        Self { name: name.to_owned(), line: None, column: None, message, suggestion: None }
    }

    /// An error in a text that the user wrote: its line means something.
    pub(crate) fn located(name: &str, error: &serde_yaml::Error) -> Self {
        let place = error.location();
        Self {
            line: place.as_ref().map(serde_yaml::Location::line),
            column: place.as_ref().map(serde_yaml::Location::column),
            ..Self::unlocated(name, error)
        }
    }

    /// An error in a text that nobody wrote, such as merged layers.
    pub(crate) fn unlocated(name: &str, error: &serde_yaml::Error) -> Self {
        let full = error.to_string();
        let suffix =
            error.location().map(|place| format!(" at line {} column {}", place.line(), place.column()));
        let bare = suffix.and_then(|suffix| full.strip_suffix(&suffix)).unwrap_or(&full);
        match Unknown::read(bare) {
            Some(unknown) => unknown.explain(name),
            None => Self::plain(name, in_own_words(bare)),
        }
    }
}

/// serde's `unknown field` and `unknown variant`, taken apart.
struct Unknown<'a> {
    /// The path of the mapping that holds it; empty at the top.
    path: &'a str,
    noun: &'static str,
    found: &'a str,
    known: Vec<&'a str>,
}

impl<'a> Unknown<'a> {
    fn read(message: &'a str) -> Option<Self> {
        let (noun, at, start) = [("key", "unknown field `"), ("value", "unknown variant `")]
            .into_iter()
            .find_map(|(noun, words)| message.find(words).map(|at| (noun, at, at + words.len())))?;
        let path = message[..at].trim_end_matches([':', ' ']);
        let rest = &message[start..];
        let end = ["`, expected ", "`, there are no "].into_iter().find_map(|words| rest.find(words))?;
        let known = rest[end + 1..].split('`').skip(1).step_by(2).collect();
        Some(Self { path, noun, found: &rest[..end], known })
    }

    fn explain(&self, name: &str) -> Error {
        let suggestion = self.nearest();
        let mut message = format!("unknown {} `{}`", self.noun, self.found);
        if !self.path.is_empty() {
            let preposition = if self.noun == "key" { "in" } else { "of" };
            message.push_str(&format!(" {preposition} `{}`", self.path));
        }
        if suggestion.is_none() {
            let known: Vec<String> = self.known.iter().map(|word| format!("`{word}`")).collect();
            message.push_str(&match known.as_slice() {
                [] => "; nothing may stand here".to_owned(),
                _ => format!("; known here: {}", known.join(", ")),
            });
        }
        Error { suggestion: suggestion.map(str::to_owned), ..Error::plain(name, message) }
    }

    fn nearest(&self) -> Option<&'a str> {
        let scored = self.known.iter().map(|word| (strsim::jaro_winkler(word, self.found), *word));
        let best = scored.max_by(|(one, _), (other, _)| one.total_cmp(other))?;
        (best.0 >= NEAR).then_some(best.1)
    }
}

fn in_own_words(message: &str) -> String {
    match message {
        "recursion limit exceeded" => "nested too deeply; at most 127 levels are read".to_owned(),
        "repetition limit exceeded" => "aliases repeat too much; write the values out".to_owned(),
        "deserializing from YAML containing more than one document is not supported" => {
            "more than one document; keep one and remove the `---` between them".to_owned()
        }
        other => other.to_owned(),
    }
}
