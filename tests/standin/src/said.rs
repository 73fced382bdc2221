//! What the model says in a scenario, before a vendor puts it into its own shape.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::Scenario;
use crate::route::Vendor;

pub(crate) const CREATED_S: u64 = 1_700_000_000;
/// The tool that is called.
pub(crate) const TOOL: &str = "get_weather";

/// What the model says.
#[derive(Clone, Debug)]
pub(crate) struct Said {
    pub(crate) thought: Option<&'static str>,
    /// The text, in the pieces that a stream gives.
    pub(crate) texts: Vec<String>,
    /// Arguments of each call, in pieces.
    pub(crate) calls: Vec<Vec<&'static str>>,
    pub(crate) stop: Stop,
    pub(crate) output: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    End,
    Tools,
    Length,
    Refused,
}

/// Tokens of each request; four of them come from the cache.
pub(crate) const INPUT: u64 = 12;
pub(crate) const CACHED: u64 = 4;

impl Said {
    pub(crate) fn text(&self) -> String {
        self.texts.concat()
    }

    /// Tokens that were thought.
    pub(crate) fn reasoning(&self) -> u64 {
        if self.thought.is_some() { 5 } else { 0 }
    }

    fn plain(texts: Vec<String>) -> Self {
        let output = texts.len() as u64;
        Self { thought: None, texts, calls: Vec::new(), stop: Stop::End, output }
    }

    /// What is said, given what came with the request.
    pub(crate) fn of(scenario: Scenario, asked: &Asked) -> Self {
        let words = |text: &str| text.split_inclusive(' ').map(str::to_owned).collect::<Vec<_>>();
        match scenario {
            Scenario::Tools if !asked.has_results => {
                let calls =
                    vec![vec!["{\"city\":", "\"Paris\"}"], vec!["{\"city\":\"Z\u{fc}", "rich\"", "}"]];
                Self { calls, stop: Stop::Tools, output: 20, ..Self::plain(words("I look it up.")) }
            }
            Scenario::Truncated => {
                let calls = vec![vec!["{\"city\":\"Paris\"}"], vec!["{\"city\":\"Z\u{fc}"]];
                Self { calls, stop: Stop::Length, output: 20, ..Self::plain(Vec::new()) }
            }
            Scenario::Thinking => {
                let thought = Some("First I think: 2 + 2. Then I say it.");
                Self { thought, output: 9, ..Self::plain(words("The answer is 4.")) }
            }
            Scenario::Refusal => {
                Self { stop: Stop::Refused, ..Self::plain(words("I cannot help with that.")) }
            }
            Scenario::ImageResult => {
                let pictures = if asked.pictures == 1 { "picture" } else { "pictures" };
                Self::plain(words(&format!("I see {} {pictures}.", asked.pictures)))
            }
            Scenario::Json => Self::plain(
                ["{\"city\":", "\"Z\u{fc}rich\",", "\"degrees\":", "21}"].map(str::to_owned).to_vec(),
            ),
            Scenario::Stream { pieces, .. } => {
                Self::plain((0..pieces).map(|piece| format!("word{piece} ")).collect())
            }
            Scenario::Text
            | Scenario::Tools
            | Scenario::Error(_)
            | Scenario::ErrorIn200
            | Scenario::ErrorMidStream
            | Scenario::Dies
            | Scenario::DiesHard
            | Scenario::DiesFirst
            | Scenario::Cut
            | Scenario::Hangs
            | Scenario::HangsMidStream
            | Scenario::Dribbles
            | Scenario::Split(_)
            | Scenario::Html
            | Scenario::HugeLine
            | Scenario::LiesAboutLength
            | Scenario::Redirect => {
                Self::plain(words("Hello from the stand-in: gr\u{fc}\u{df}e, \u{1f600} and 日本語."))
            }
        }
    }
}

/// What of a request changes the answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Asked {
    pub(crate) is_streamed: bool,
    pub(crate) wants_usage: bool,
    pub(crate) has_results: bool,
    pub(crate) pictures: u32,
}

/// What proves to a vendor that a thought is its own.
pub(crate) fn seal(vendor: Vendor) -> String {
    STANDARD.encode(format!("sealed by the stand-in of {vendor:?}, and by nobody else"))
}
