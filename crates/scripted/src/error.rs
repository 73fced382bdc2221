//! What can be wrong with a script, and with a question to it.

use units::ModelName;

/// What is wrong with a script. Each is for the script's author to mend.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is no YAML, or not of a script's shape.
    #[error(transparent)]
    Yaml(#[from] yaml::Error),
    /// It has no rules, or more than are allowed.
    #[error("{script}: it has {found} rules; write 1 to {limit}")]
    RuleCount {
        /// The script's name.
        script: String,
        /// How many there are.
        found: usize,
        /// How many there may be.
        limit: usize,
    },
    /// A regular expression does not compile, or compiles to more than is allowed.
    #[error("{script}: the regex of rule {rule} cannot be used: {source}")]
    Regex {
        /// The script's name.
        script: String,
        /// Which rule, counted from 1.
        rule: usize,
        /// What the regex engine says.
        source: Box<regex::Error>,
    },
    /// A number lies outside its bounds.
    #[error("{script}: `{key}` of rule {rule} is {found}; use {least} to {most}")]
    OutOfBounds {
        /// The script's name.
        script: String,
        /// Which rule, counted from 1.
        rule: usize,
        /// Which number.
        key: &'static str,
        /// What it is.
        found: u64,
        /// The smallest that is allowed.
        least: u64,
        /// The largest that is allowed.
        most: u64,
    },
}

/// No rule matches a question.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{script}: no rule matches role `{role}`, model `{model}` and a prompt that begins {prompt:?}: add a rule for it"
)]
pub struct NoRule {
    /// The script's name.
    pub script: String,
    /// Who asked.
    pub role: String,
    /// Which model was asked.
    pub model: ModelName,
    /// The first 200 characters of the prompt.
    pub prompt: String,
}
