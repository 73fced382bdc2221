//! What comes back from a model, piece by piece.

use std::ops::AddAssign;

use serde::{Deserialize, Serialize};
use units::TokenCount;

use crate::{Citation, Part, Seal};

/// A piece of an answer, in the order of its arrival.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Event {
    /// The answer has begun.
    Began {
        /// What the provider calls the answer.
        id: Option<String>,
        /// Which model answers, in the provider's words.
        model: Option<String>,
    },
    /// More text.
    Text {
        /// What follows the text so far.
        text: String,
    },
    /// More of what the model thinks.
    Thought {
        /// What follows the thought so far.
        text: String,
    },
    /// The thought so far is sealed; without one before it, the seal belongs to what follows.
    Sealed(Seal),
    /// More of the words in which the model refuses.
    Refusal {
        /// What follows the refusal so far.
        text: String,
    },
    /// A picture or a sound of the model's making, whole.
    Media {
        /// What it made.
        part: Part,
    },
    /// Where something in the text so far comes from.
    Cited(Citation),
    /// A tool call begins.
    ToolCallStarted {
        /// Which of the answer's tool calls, counted from 0.
        index: u32,
        /// Pairs the call with its result.
        id: String,
        /// The tool's name.
        name: String,
    },
    /// More of a tool call's arguments.
    ToolCallArguments {
        /// Which of the answer's tool calls.
        index: u32,
        /// What follows the JSON text so far.
        json: String,
    },
    /// What was used so far; a later one replaces an earlier one.
    Usage(Usage),
    /// The answer is whole; nothing follows but usage.
    Stopped {
        /// Why the model stopped.
        reason: StopReason,
    },
}

/// Why a model stopped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopReason {
    /// It had said all.
    EndOfTurn,
    /// It met one of the request's `stop`s.
    StopSequence {
        /// Which, where the provider says it.
        text: Option<String>,
    },
    /// It wants to be asked to go on.
    Paused,
    /// It waits for a tool.
    ToolUse,
    /// It met `max_output`: the answer is cut.
    MaxOutput,
    /// It, or a filter before it, refused.
    Refusal,
    /// Another reason, in the vendor's word.
    Other(String),
}

/// What a call used. The parts do not overlap: the whole input is `input + cached_input + cache_written`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Input read at the full price.
    pub input: TokenCount,
    /// Input read from the provider's cache.
    pub cached_input: TokenCount,
    /// Input written to the provider's cache.
    pub cache_written: TokenCount,
    /// All output, reasoning among it.
    pub output: TokenCount,
    /// The part of the output that was reasoning.
    pub reasoning: TokenCount,
}

impl AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        self.input = self.input.saturating_add(other.input);
        self.cached_input = self.cached_input.saturating_add(other.cached_input);
        self.cache_written = self.cache_written.saturating_add(other.cache_written);
        self.output = self.output.saturating_add(other.output);
        self.reasoning = self.reasoning.saturating_add(other.reasoning);
    }
}
