//! Events out of Anthropic's stream: `message_start`, blocks one after the other, `message_delta`, `message_stop`.

use chat::Event;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::answer::Block;
use super::{DIALECT, Reported, Usage, stop_reason};
use crate::decode::{Decode, next_tool_call, parse};
use crate::{Error, citing, seal, sse};

/// Decodes one answer.
#[derive(Debug, Default)]
pub struct Decoder {
    usage: chat::Usage,
    calls: Vec<Call>,
    /// Of the open block; it counts when the block ends, and a later one replaces it.
    signature: Option<String>,
    /// How many characters of text there are, and how many before the open block.
    said: u64,
    from: u64,
    /// Of the open block: they are told when all of it is.
    cited: Vec<Value>,
    stopped: bool,
    ended: bool,
}

#[derive(Debug)]
struct Call {
    block: u64,
    /// Arguments that came with the block's start; they count if no delta follows, as some compatible servers have it.
    whole: Option<String>,
}

/// One flat structure for all types of events: most of a stream is small deltas, and so each is read once.
#[derive(Deserialize)]
struct Incoming<'a> {
    r#type: String,
    message: Option<Started>,
    index: Option<u64>,
    #[serde(borrow)]
    content_block: Option<Block<'a>>,
    delta: Option<Delta>,
    usage: Option<Usage>,
    error: Option<Reported>,
}

#[derive(Deserialize)]
struct Started {
    id: Option<String>,
    model: Option<String>,
    usage: Option<Usage>,
}

/// More of a block, or how the message ends.
#[derive(Deserialize)]
struct Delta {
    text: Option<String>,
    thinking: Option<String>,
    signature: Option<String>,
    partial_json: Option<String>,
    citation: Option<Value>,
    stop_reason: Option<String>,
    stop_sequence: Option<String>,
}

impl Decode for Decoder {
    fn push(&mut self, frame: &sse::Frame) -> Result<Vec<Event>, Error> {
        if self.ended {
            return Ok(Vec::new());
        }
        let incoming: Incoming<'_> = parse(DIALECT, "a frame", frame.data.as_bytes())?;
        if let Some(error) = incoming.error {
            return Err(error.into());
        }
        match incoming.r#type.as_str() {
            "message_start" => {
                let Started { id, model, usage } = given(incoming.message)?;
                Ok([Event::Began { id, model }].into_iter().chain(self.used(usage)).collect())
            }
            "content_block_start" => self.start(given(incoming.index)?, given(incoming.content_block)?),
            "content_block_delta" => self.extend(given(incoming.index)?, given(incoming.delta)?),
            "content_block_stop" => Ok(self.stop(given(incoming.index)?)),
            "message_delta" => Ok(self.change(given(incoming.delta)?, incoming.usage)),
            "message_stop" => {
                self.ended = true;
                Ok(Vec::new())
            }
            // The documentation asks to pass by what is unknown.
            _ => Ok(Vec::new()),
        }
    }

    fn ended(&self) -> bool {
        self.ended && self.stopped
    }

    fn finish(&mut self) -> Result<Vec<Event>, Error> {
        if self.ended() { Ok(Vec::new()) } else { Err(Error::Cut { dialect: DIALECT }) }
    }
}

impl Decoder {
    fn used(&mut self, usage: Option<Usage>) -> Option<Event> {
        usage?.put_into(&mut self.usage);
        Some(Event::Usage(self.usage))
    }

    fn change(&mut self, delta: Delta, usage: Option<Usage>) -> Vec<Event> {
        let mut events: Vec<Event> = self.used(usage).into_iter().collect();
        if let Some(reason) = delta.stop_reason.filter(|_| !self.stopped) {
            self.stopped = true;
            events.push(Event::Stopped { reason: stop_reason(reason, delta.stop_sequence) });
        }
        events
    }

    fn start(&mut self, place: u64, block: Block<'_>) -> Result<Vec<Event>, Error> {
        self.from = self.said;
        match block.r#type.as_str() {
            "text" => Ok(self.say(block.text)),
            "thinking" => {
                self.sign(block.signature);
                Ok(thought(block.thinking))
            }
            "redacted_thinking" => Ok(vec![Event::Sealed(seal::unpack(&given(block.data)?, true))]),
            "tool_use" => {
                let index = next_tool_call(self.calls.len())?;
                let whole =
                    block.input.map(RawValue::get).filter(|json| json.starts_with('{') && *json != "{}");
                let whole = whole.map(str::to_owned);
                self.calls.push(Call { block: place, whole });
                Ok(vec![Event::ToolCallStarted { index, id: given(block.id)?, name: given(block.name)? }])
            }
            _ => Ok(Vec::new()),
        }
    }

    fn extend(&mut self, block: u64, delta: Delta) -> Result<Vec<Event>, Error> {
        let Delta { text, thinking, signature, partial_json, citation, .. } = delta;
        self.sign(signature);
        self.cited.extend(citation.filter(|_| self.cited.len() < citing::MAX_CITATIONS));
        let mut events = self.say(text);
        events.extend(thought(thinking));
        if let Some(json) = partial_json.filter(|json| !json.is_empty()) {
            // Tools of the vendor's own, too, have arguments; those are not told.
            if let Some((index, call)) = self.call(block) {
                call.whole = None;
                events.push(Event::ToolCallArguments { index, json });
            }
        }
        Ok(events)
    }

    fn stop(&mut self, block: u64) -> Vec<Event> {
        let seal = self.signature.take().map(|signature| Event::Sealed(seal::unpack(&signature, false)));
        let whole = self.call(block).and_then(|(index, call)| Some((index, call.whole.take()?)));
        let whole = whole.map(|(index, json)| Event::ToolCallArguments { index, json });
        let cited = std::mem::take(&mut self.cited);
        let cited = cited.iter().filter_map(|citation| citing::of_anthropic(citation, self.from, self.said));
        seal.into_iter().chain(whole).chain(cited).collect()
    }

    fn say(&mut self, text: Option<String>) -> Vec<Event> {
        self.said += text.as_deref().map_or(0, citing::characters);
        said(text)
    }

    fn sign(&mut self, signature: Option<String>) {
        self.signature = signature.filter(|signature| !signature.is_empty()).or(self.signature.take());
    }

    fn call(&mut self, block: u64) -> Option<(u32, &mut Call)> {
        (0..).zip(&mut self.calls).find(|(_, call)| call.block == block)
    }
}

/// What has to be there in an event of this type.
fn given<T>(value: Option<T>) -> Result<T, Error> {
    let rule = "a field is missing";
    value.ok_or(Error::Malformed { dialect: DIALECT, what: "a frame", column: 0, rule })
}

fn said(text: Option<String>) -> Vec<Event> {
    text.filter(|text| !text.is_empty()).map(|text| Event::Text { text }).into_iter().collect()
}

fn thought(text: Option<String>) -> Vec<Event> {
    text.filter(|text| !text.is_empty()).map(|text| Event::Thought { text }).into_iter().collect()
}
