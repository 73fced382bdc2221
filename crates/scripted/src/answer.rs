//! A written answer becomes steps: waits, events and faults.

use std::time::Duration;

use chat::{Event, StopReason, Usage};
use units::TokenCount;

use crate::rule::{self, Stop, Written};

/// The next thing that happens on the stream.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Nothing, for this long.
    Wait(Duration),
    /// An event arrives.
    Emit(Event),
    /// The call fails; no step follows.
    Fail(Fault),
}

/// How a scripted call fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The provider refuses before it answers.
    Status {
        /// The HTTP status, 400 to 599.
        status: u16,
        /// How long it asks to be left alone.
        retry_after: Option<Duration>,
        /// What it says.
        message: String,
    },
    /// The connection breaks.
    Cut,
    /// Nothing comes any more, and the connection stays open.
    Hang,
}

impl Written {
    /// What happens when this is the answer to a prompt of `prompt_bytes`.
    pub(crate) fn steps(&self, prompt_bytes: usize) -> Vec<Step> {
        let mut steps = Steps { pause: Duration::from_millis(self.between_pieces_ms), ..Steps::default() };
        if self.first_byte_ms > 0 {
            steps.list.push(Step::Wait(Duration::from_millis(self.first_byte_ms)));
        }
        let (fault, room) = match &self.fault {
            Some(rule::Fault::Status { status, retry_after_s, message }) => {
                let retry_after = retry_after_s.map(Duration::from_secs);
                steps.list.push(Step::Fail(Fault::Status {
                    status: *status,
                    retry_after,
                    message: message.clone(),
                }));
                return steps.list;
            }
            Some(rule::Fault::Cut { after_bytes }) => (Some(Fault::Cut), *after_bytes),
            Some(rule::Fault::Hang { after_bytes }) => (Some(Fault::Hang), *after_bytes),
            None => (None, u64::MAX),
        };
        steps.room = usize::try_from(room).unwrap_or(usize::MAX);

        let output_bytes = self.play(&mut steps);
        match fault {
            Some(fault) => steps.list.push(Step::Fail(fault)),
            None => {
                steps.list.push(Step::Emit(Event::Usage(self.usage(prompt_bytes, output_bytes))));
                steps.list.push(Step::Emit(Event::Stopped { reason: self.stop_reason() }));
            }
        }
        steps.list
    }

    /// Text and tool calls in pieces; returns how many bytes there would be without a fault.
    fn play(&self, steps: &mut Steps) -> usize {
        let piece = usize::try_from(self.piece_bytes).unwrap_or(usize::MAX);
        steps.say(&self.text, piece, |text| Event::Text { text });
        let mut bytes = self.text.len();
        for (index, call) in (0u32..).zip(&self.tool_calls) {
            let arguments =
                serde_json::to_string(&call.arguments).expect("a map with text keys is always valid JSON");
            bytes += call.name.len() + arguments.len();
            if steps.room == 0 {
                continue;
            }
            steps.emit(Event::ToolCallStarted {
                index,
                id: format!("call_{index}"),
                name: call.name.clone(),
            });
            steps.say(&arguments, piece, |json| Event::ToolCallArguments { index, json });
        }
        bytes
    }

    fn usage(&self, prompt_bytes: usize, output_bytes: usize) -> Usage {
        let estimate = |bytes: usize| TokenCount((bytes as u64 / 4).max(1));
        match self.usage {
            Some(usage) => Usage {
                input: TokenCount(usage.input),
                cached_input: TokenCount(usage.cached_input),
                output: TokenCount(usage.output),
                ..Usage::default()
            },
            None => {
                Usage { input: estimate(prompt_bytes), output: estimate(output_bytes), ..Usage::default() }
            }
        }
    }

    fn stop_reason(&self) -> StopReason {
        match self.stop {
            Some(Stop::EndOfTurn) => StopReason::EndOfTurn,
            Some(Stop::ToolUse) => StopReason::ToolUse,
            Some(Stop::MaxOutput) => StopReason::MaxOutput,
            Some(Stop::Refusal) => StopReason::Refusal,
            None if self.tool_calls.is_empty() => StopReason::EndOfTurn,
            None => StopReason::ToolUse,
        }
    }
}

/// Steps so far, and how many bytes may still come before the fault.
#[derive(Default)]
struct Steps {
    list: Vec<Step>,
    pause: Duration,
    room: usize,
    begun: bool,
}

impl Steps {
    fn emit(&mut self, event: Event) {
        if self.begun && !self.pause.is_zero() {
            self.list.push(Step::Wait(self.pause));
        }
        self.begun = true;
        self.list.push(Step::Emit(event));
    }

    fn say(&mut self, text: &str, piece_bytes: usize, event: impl Fn(String) -> Event) {
        let mut rest = &text[..text.floor_char_boundary(self.room)];
        // A fault inside a character leaves no room for what follows, either.
        self.room = if rest.len() < text.len() { 0 } else { self.room - text.len() };
        while !rest.is_empty() {
            let (piece, later) = rest.split_at(boundary(rest, piece_bytes));
            self.emit(event(piece.to_owned()));
            rest = later;
        }
    }
}

/// The last character boundary within `limit` bytes, but after at least one character.
fn boundary(text: &str, limit: usize) -> usize {
    match text.floor_char_boundary(limit) {
        0 => text.ceil_char_boundary(1),
        at => at,
    }
}
