//! A rule as it is written in YAML.

use std::collections::BTreeMap;

use serde::Deserialize;
use units::ModelName;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Document {
    #[serde(default)]
    pub(crate) models: Vec<ModelName>,
    #[serde(default)]
    pub(crate) rules: Vec<Rule>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rule {
    #[serde(default, rename = "match")]
    pub(crate) condition: Condition,
    pub(crate) answer: Written,
}

/// What a question must be; what is left out always holds.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Condition {
    pub(crate) role: Option<String>,
    pub(crate) model: Option<ModelName>,
    #[serde(default)]
    pub(crate) prompt: Prompt,
}

/// What the system's text, all turns' texts and all tool results, joined by newlines, must hold.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Prompt {
    #[serde(default)]
    pub(crate) contains: Vec<String>,
    #[serde(default)]
    pub(crate) lacks: Vec<String>,
    pub(crate) regex: Option<String>,
}

/// An answer and the manner of its arrival.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Written {
    #[serde(default)]
    pub(crate) text: String,
    #[serde(default)]
    pub(crate) tool_calls: Vec<ToolCall>,
    pub(crate) usage: Option<Usage>,
    pub(crate) stop: Option<Stop>,
    #[serde(default)]
    pub(crate) first_byte_ms: u64,
    #[serde(default = "default_piece_bytes")]
    pub(crate) piece_bytes: u64,
    #[serde(default)]
    pub(crate) between_pieces_ms: u64,
    pub(crate) fault: Option<Fault>,
}

fn default_piece_bytes() -> u64 {
    24
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ToolCall {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) arguments: BTreeMap<String, serde_json::Value>,
}

/// As a provider counts: `input` is read at the full price, `cached_input` comes on top.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Usage {
    pub(crate) input: u64,
    pub(crate) output: u64,
    #[serde(default)]
    pub(crate) cached_input: u64,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Stop {
    EndOfTurn,
    ToolUse,
    MaxOutput,
    Refusal,
}

/// How the answer goes wrong.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Fault {
    Status {
        status: u16,
        retry_after_s: Option<u64>,
        #[serde(default)]
        message: String,
    },
    Cut {
        after_bytes: u64,
    },
    Hang {
        after_bytes: u64,
    },
}
