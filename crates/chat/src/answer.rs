//! A whole answer, and how it is put together from its events.

use serde::{Deserialize, Serialize};

use crate::{Event, Part, StopReason, ToolCall, Usage};

/// What a model answered, whole.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// All text, joined.
    pub text: String,
    /// The tools it wants to run, in order.
    pub tool_calls: Vec<ToolCall>,
    /// What the provider said was used; zero where it said nothing.
    pub usage: Usage,
    /// Why it stopped.
    pub stop: StopReason,
}

impl Answer {
    /// The answer as parts of an assistant's turn.
    pub fn parts(&self) -> Vec<Part> {
        let text = (!self.text.is_empty()).then(|| Part::Text { text: self.text.clone() });
        text.into_iter().chain(self.tool_calls.iter().cloned().map(Part::ToolCall)).collect()
    }
}

/// The stream ended before the model said that it had stopped: the answer is cut and may not pass for a whole one.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("the stream ended before the model had stopped, after {} bytes of text", .text.len())]
pub struct Incomplete {
    /// What had arrived.
    pub text: String,
    /// What was used by then, as far as it was said.
    pub usage: Usage,
}

/// Folds events into an answer.
#[derive(Debug, Default)]
pub struct Assembler {
    text: String,
    tool_calls: Vec<(u32, ToolCall)>,
    usage: Usage,
    stop: Option<StopReason>,
}

impl Assembler {
    /// Takes the next event.
    pub fn push(&mut self, event: &Event) {
        match event {
            Event::Text { text } => self.text.push_str(text),
            Event::ToolCallStarted { index, id, name } => {
                let call = ToolCall { id: id.clone(), name: name.clone(), arguments: String::new() };
                self.tool_calls.push((*index, call));
            }
            Event::ToolCallArguments { index, json } => {
                if let Some((_, call)) = self.tool_calls.iter_mut().find(|(known, _)| known == index) {
                    call.arguments.push_str(json);
                }
            }
            Event::Usage(usage) => self.usage = *usage,
            Event::Stopped { reason } => self.stop = Some(reason.clone()),
        }
    }

    /// What was used so far: what a call that ends early is billed by.
    pub fn usage(&self) -> Usage {
        self.usage
    }

    /// The whole answer, or what there was of it.
    pub fn finish(self) -> Result<Answer, Incomplete> {
        let Some(stop) = self.stop else {
            return Err(Incomplete { text: self.text, usage: self.usage });
        };
        let tool_calls = self.tool_calls.into_iter().map(|(_, call)| call).collect();
        Ok(Answer { text: self.text, tool_calls, usage: self.usage, stop })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_of_parallel_calls_do_not_mix() {
        let mut assembler = Assembler::default();
        for (index, id) in [(0, "a"), (1, "b")] {
            assembler.push(&Event::ToolCallStarted { index, id: id.to_owned(), name: "read".to_owned() });
        }
        for (index, json) in [(0, "{\"x\""), (1, "{}"), (0, ":1}")] {
            assembler.push(&Event::ToolCallArguments { index, json: json.to_owned() });
        }
        assembler.push(&Event::Stopped { reason: StopReason::ToolUse });

        let answer = assembler.finish().unwrap();
        let arguments: Vec<_> = answer.tool_calls.iter().map(|call| call.arguments.as_str()).collect();
        assert_eq!(arguments, ["{\"x\":1}", "{}"]);
    }

    #[test]
    fn a_stream_without_its_stop_is_no_answer() {
        let mut assembler = Assembler::default();
        assembler.push(&Event::Text { text: "half".to_owned() });
        assert_eq!(assembler.finish().unwrap_err().text, "half");
    }
}
