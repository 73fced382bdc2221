//! A whole answer, and how it is put together from its events.

use serde::{Deserialize, Serialize};

use crate::{Citation, Event, Part, StopReason, Thought, ToolCall, Usage};

/// What a model answered, as far as an agent reads it.
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

/// What a model answered, whole: every part in the order of its beginning.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// What the provider calls the answer.
    pub id: Option<String>,
    /// Which model answered, in the provider's words.
    pub model: Option<String>,
    /// What it said.
    pub parts: Vec<Part>,
    /// Where its text comes from, as far as it was told.
    pub citations: Vec<Citation>,
    /// What the provider said was used; zero where it said nothing.
    pub usage: Usage,
    /// Why it stopped.
    pub stop: StopReason,
}

impl Answer {
    /// The answer as parts of an assistant's turn.
    pub fn parts(&self) -> Vec<Part> {
        let text = (!self.text.is_empty()).then(|| Part::text(&*self.text));
        text.into_iter().chain(self.tool_calls.iter().cloned().map(Part::ToolCall)).collect()
    }
}

impl From<Message> for Answer {
    fn from(message: Message) -> Self {
        let Message { parts, usage, stop, .. } = message;
        let (mut text, mut tool_calls) = (String::new(), Vec::new());
        for part in parts {
            if let Part::ToolCall(call) = part {
                tool_calls.push(call);
            } else {
                text.push_str(part.as_text().unwrap_or_default());
            }
        }
        Self { text, tool_calls, usage, stop }
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
    id: Option<String>,
    model: Option<String>,
    parts: Vec<Part>,
    /// Where in `parts` the tool call of each index is.
    calls: Vec<(u32, usize)>,
    citations: Vec<Citation>,
    usage: Usage,
    stop: Option<StopReason>,
}

impl Assembler {
    /// Takes the next event.
    pub fn push(&mut self, event: &Event) {
        match event {
            Event::Began { id, model } => {
                self.id = id.clone().or(self.id.take());
                self.model = model.clone().or(self.model.take());
            }
            Event::Text { text } => match self.parts.last_mut() {
                Some(Part::Text { text: so_far }) => so_far.push_str(text),
                _ => self.parts.push(Part::text(text)),
            },
            Event::Refusal { text } => match self.parts.last_mut() {
                Some(Part::Refusal { text: so_far }) => so_far.push_str(text),
                _ => self.parts.push(Part::Refusal { text: text.clone() }),
            },
            Event::Thought { text } => match self.parts.last_mut() {
                Some(Part::Thought(thought)) if thought.seal.is_none() => thought.text.push_str(text),
                _ => self.parts.push(Part::Thought(Thought { text: text.clone(), seal: None })),
            },
            Event::Sealed(seal) => match self.parts.last_mut() {
                Some(Part::Thought(thought)) if thought.seal.is_none() => thought.seal = Some(seal.clone()),
                _ => {
                    let thought = Thought { text: String::new(), seal: Some(seal.clone()) };
                    self.parts.push(Part::Thought(thought));
                }
            },
            Event::Media { part } => self.parts.push(part.clone()),
            Event::Cited(citation) => self.citations.push(citation.clone()),
            Event::ToolCallStarted { index, id, name } => {
                self.calls.push((*index, self.parts.len()));
                let call = ToolCall { id: id.clone(), name: name.clone(), arguments: String::new() };
                self.parts.push(Part::ToolCall(call));
            }
            Event::ToolCallArguments { index, json } => {
                let place = self.calls.iter().find(|(known, _)| known == index);
                if let Some(Part::ToolCall(call)) = place.and_then(|(_, place)| self.parts.get_mut(*place)) {
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

    /// What was used in all, where that is known from elsewhere.
    pub fn used(&mut self, usage: Usage) {
        self.usage = usage;
    }

    /// The whole answer as an agent reads it, or what there was of it.
    ///
    /// # Errors
    /// When the model had not stopped.
    pub fn finish(self) -> Result<Answer, Incomplete> {
        self.message().map(Answer::from)
    }

    /// The whole answer, or what there was of it.
    ///
    /// # Errors
    /// When the model had not stopped.
    pub fn message(self) -> Result<Message, Incomplete> {
        let Self { id, model, parts, citations, usage, stop, .. } = self;
        let Some(stop) = stop else {
            let text = parts.iter().filter_map(Part::as_text).collect();
            return Err(Incomplete { text, usage });
        };
        Ok(Message { id, model, parts, citations, usage, stop })
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
