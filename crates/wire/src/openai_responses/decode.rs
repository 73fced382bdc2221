//! Events out of a stream of Responses: items that begin, grow and are done, and the answer that holds them all.
//!
//! Servers leave out what stands elsewhere, too: deltas when an item is done in one go, items when the answer is.

use chat::{Event, Part, Seal, StopReason};
use serde_json::Value;

use super::DIALECT;
use super::sent::{Item, Response, Sent, Words};
use crate::decode::{Decode, next_tool_call, parse};
use crate::openai_chat::failure::Reported;
use crate::openai_chat::media;
use crate::{Error, citing, freeform, sse};

/// The most items of one answer.
const MAX_ITEMS: usize = 1_024;

/// Events that say more of an item.
const GROWTH: [&str; 9] = [
    "response.output_text.delta",
    "response.refusal.delta",
    "response.reasoning_summary_part.added",
    "response.reasoning_summary_text.delta",
    "response.reasoning_text.delta",
    "response.function_call_arguments.delta",
    "response.function_call_arguments.done",
    "response.custom_tool_call_input.delta",
    "response.custom_tool_call_input.done",
];

/// Decodes one answer.
#[derive(Debug, Default)]
pub struct Decoder {
    began: bool,
    items: Vec<Known>,
    calls: usize,
    /// How many characters of text there are.
    said: u64,
    refused: bool,
    stopped: bool,
}

/// What is known of an item, by the server's own index or id.
#[derive(Debug, Default)]
struct Known {
    index: Option<u64>,
    id: Option<String>,
    /// It is a call, with our index.
    call: Option<u32>,
    /// The call takes a text, of which this much of the JSON around it was told.
    text: Option<Wrapped>,
    /// Something of its content was told.
    told: bool,
    /// How many characters of text stand before its own.
    from: Option<u64>,
    /// Its thought comes as a summary, or as it is: one of them is enough.
    summarized: Option<bool>,
    done: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wrapped {
    NotYet,
    Opened,
    Closed,
}

/// The events of a whole answer.
///
/// # Errors
/// When the body is none, or holds an error although the status said that all was well.
pub fn answer(body: &[u8]) -> Result<Vec<Event>, Error> {
    let response: Response = parse(DIALECT, "an answer", body)?;
    let mut decoder = Decoder::default();
    let mut events = Vec::new();
    decoder.end(response, &mut events)?;
    decoder.finish()?;
    Ok(events)
}

impl Decode for Decoder {
    fn push(&mut self, frame: &sse::Frame) -> Result<Vec<Event>, Error> {
        let data = frame.data.trim();
        if self.stopped || data.is_empty() || data == "[DONE]" {
            return Ok(Vec::new());
        }
        let mut events = Vec::new();
        self.take(parse(DIALECT, "an event", data.as_bytes())?, &mut events)?;
        Ok(events)
    }

    fn ended(&self) -> bool {
        self.stopped
    }

    fn finish(&mut self) -> Result<Vec<Event>, Error> {
        if self.stopped { Ok(Vec::new()) } else { Err(Error::Cut { dialect: DIALECT }) }
    }
}

impl Decoder {
    fn take(&mut self, mut sent: Sent, events: &mut Vec<Event>) -> Result<(), Error> {
        let delta = sent.delta.take().filter(|delta| !delta.is_empty());
        match (sent.r#type.as_str(), sent.response.take(), sent.item.take(), delta) {
            ("response.created" | "response.in_progress", Some(response), _, _) => {
                self.begin(&response, events)
            }
            ("response.completed" | "response.incomplete" | "response.failed", Some(response), _, _) => {
                self.end(response, events)?;
            }
            ("error", ..) => return Err(reported(sent)),
            ("response.output_item.added", _, Some(item), _) => {
                let place = self.place(sent.output_index, item.id.as_deref())?;
                self.start(place, &item, events)?;
            }
            ("response.output_item.done", _, Some(item), _) => {
                let place = self.place(sent.output_index, item.id.as_deref())?;
                self.complete(place, item, events)?;
            }
            (kind, None, None, delta) if GROWTH.contains(&kind) => {
                let place = self.place(sent.output_index, sent.item_id.as_deref())?;
                self.grow(place, sent, delta, events);
            }
            _ => {}
        }
        Ok(())
    }

    fn begin(&mut self, response: &Response, events: &mut Vec<Event>) {
        if !std::mem::replace(&mut self.began, true) {
            events.push(Event::Began { id: response.id.clone(), model: response.model.clone() });
        }
    }

    /// An item's place in the list. Some servers give an item another id in each event, some leave out the index.
    fn place(&mut self, index: Option<u64>, id: Option<&str>) -> Result<usize, Error> {
        let id = id.filter(|id| !id.is_empty());
        let is_it = |known: &Known| match (index, known.index) {
            (Some(index), Some(known)) => index == known,
            _ => id.is_some() && id == known.id.as_deref(),
        };
        // What names no item goes on with the last one.
        let is_it = |known: &Known| is_it(known) || (index.is_none() && id.is_none());
        if let Some(place) = self.items.iter().rposition(is_it) {
            return Ok(place);
        }
        if self.items.len() == MAX_ITEMS {
            return Err(malformed("an answer must not have more than 1024 items"));
        }
        self.items.push(Known { index, id: id.map(str::to_owned), ..Known::default() });
        Ok(self.items.len() - 1)
    }

    fn start(&mut self, place: usize, item: &Item, events: &mut Vec<Event>) -> Result<(), Error> {
        let is_text = match item.r#type.as_str() {
            "function_call" => false,
            "custom_tool_call" => true,
            _ => return Ok(()),
        };
        let Some(name) = item.name.clone().filter(|name| !name.is_empty()) else { return Ok(()) };
        let known = &mut self.items[place];
        if known.call.is_some() {
            return Ok(());
        }
        let index = next_tool_call(self.calls)?;
        self.calls += 1;
        known.call = Some(index);
        known.text = is_text.then_some(Wrapped::NotYet);
        let ids = [item.call_id.as_deref(), item.id.as_deref()];
        let id = ids.into_iter().flatten().find(|id| !id.is_empty());
        let id = id.map_or_else(|| format!("call_{index}"), str::to_owned);
        events.push(Event::ToolCallStarted { index, id, name });
        Ok(())
    }

    fn grow(&mut self, place: usize, sent: Sent, delta: Option<String>, events: &mut Vec<Event>) {
        let known = &mut self.items[place];
        match (sent.r#type.as_str(), delta) {
            ("response.output_text.delta", Some(text)) => {
                known.told = true;
                known.from.get_or_insert(self.said);
                self.said += citing::characters(&text);
                events.push(Event::Text { text });
            }
            ("response.refusal.delta", Some(text)) => {
                known.told = true;
                self.refused = true;
                events.push(Event::Refusal { text });
            }
            ("response.reasoning_summary_part.added", _) if known.told && sent.summary_index > Some(0) => {
                events.push(Event::Thought { text: "\n\n".to_owned() });
            }
            ("response.reasoning_summary_text.delta", Some(text)) => known.think(true, text, events),
            ("response.reasoning_text.delta", Some(text)) => known.think(false, text, events),
            (
                "response.function_call_arguments.delta" | "response.custom_tool_call_input.delta",
                Some(piece),
            ) => {
                known.argue(&piece, events);
            }
            ("response.function_call_arguments.done" | "response.custom_tool_call_input.done", _) => {
                known.settle(sent.arguments.or(sent.input), events);
            }
            _ => {}
        }
    }

    /// An item is done: what was not told of it yet is told now.
    fn complete(&mut self, place: usize, item: Item, events: &mut Vec<Event>) -> Result<(), Error> {
        if std::mem::replace(&mut self.items[place].done, true) {
            return Ok(());
        }
        self.start(place, &item, events)?;
        let known = &mut self.items[place];
        match item.r#type.as_str() {
            "message" => {
                let mut at = known.from.unwrap_or(self.said);
                for Words { text, refusal, annotations } in item.content.into_iter().flatten() {
                    let (base, text, refusal) = (at, said(text), said(refusal));
                    at += text.as_deref().map_or(0, citing::characters);
                    if !known.told {
                        events.extend(text.map(|text| Event::Text { text }));
                        self.refused |= refusal.is_some();
                        events.extend(refusal.map(|text| Event::Refusal { text }));
                    }
                    events.extend(citing::of_openai(annotations, base));
                }
                self.said = self.said.max(at);
            }
            "reasoning" => {
                if !known.told {
                    let words = |list: Option<Vec<Words>>| -> Vec<String> {
                        list.into_iter().flatten().filter_map(|words| said(words.text)).collect()
                    };
                    let (summary, content) = (words(item.summary), words(item.content));
                    let text = if summary.is_empty() { content } else { summary }.join("\n\n");
                    events.extend(said(Some(text)).map(|text| Event::Thought { text }));
                }
                let value = said(item.encrypted_content);
                events.extend(value.map(|value| Event::Sealed(Seal { issuer: None, value, whole: true })));
            }
            "function_call" => known.settle(item.arguments.map(in_words), events),
            "custom_tool_call" => known.settle(item.input.map(in_words), events),
            "image_generation_call" => {
                if let Some(Value::String(bytes)) = item.result {
                    let url = media::data("image/png", &bytes);
                    events.push(Event::Media { part: Part::Image(media::at_address(url)) });
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn end(&mut self, mut response: Response, events: &mut Vec<Event>) -> Result<(), Error> {
        if let Some(error) = response.error.take() {
            return Err(error.into());
        }
        if matches!(response.status.as_deref(), Some("failed" | "cancelled")) {
            return Err(Reported::Text("the answer failed".to_owned()).into());
        }
        self.begin(&response, events);
        for (index, item) in (0..).zip(response.output.take().into_iter().flatten()) {
            let place = self.place(Some(index), item.id.as_deref())?;
            self.complete(place, item, events)?;
        }
        events.extend(response.usage.take().map(|usage| Event::Usage(usage.into())));
        if matches!(response.status.as_deref(), Some("queued" | "in_progress")) {
            return Ok(());
        }
        self.stopped = true;
        events.push(Event::Stopped { reason: self.stop_reason(response) });
        Ok(())
    }

    fn stop_reason(&self, response: Response) -> StopReason {
        if let Some(reason) = response.incomplete_details.and_then(|details| details.reason) {
            return match reason.as_str() {
                "max_output_tokens" => StopReason::MaxOutput,
                "content_filter" => StopReason::Refusal,
                _ => StopReason::Other(reason),
            };
        }
        let noted = |name: &str| Some(response.metadata.as_ref()?.get(name)?.as_str()?.to_owned());
        if response.status.as_deref() == Some("incomplete") {
            StopReason::MaxOutput
        } else if self.calls > 0 {
            StopReason::ToolUse
        } else if self.refused {
            StopReason::Refusal
        } else if let Some(text) = noted("stop_sequence") {
            StopReason::StopSequence { text: Some(text) }
        } else {
            noted("stop_reason").map_or(StopReason::EndOfTurn, StopReason::Other)
        }
    }
}

impl Known {
    fn think(&mut self, summarized: bool, text: String, events: &mut Vec<Event>) {
        if *self.summarized.get_or_insert(summarized) == summarized {
            self.told = true;
            events.push(Event::Thought { text });
        }
    }

    fn argue(&mut self, piece: &str, events: &mut Vec<Event>) {
        let Some(index) = self.call else { return };
        self.told = true;
        let json = match self.text {
            None => piece.to_owned(),
            Some(Wrapped::NotYet) => freeform::OPENING.to_owned() + &freeform::escape(piece),
            Some(Wrapped::Opened) => freeform::escape(piece),
            Some(Wrapped::Closed) => return,
        };
        self.text = self.text.map(|_| Wrapped::Opened);
        events.push(Event::ToolCallArguments { index, json });
    }

    /// The arguments are whole; if they did not come in pieces, they come now.
    fn settle(&mut self, whole: Option<String>, events: &mut Vec<Event>) {
        let Some(index) = self.call else { return };
        if let Some(whole) = said(whole).filter(|_| !self.told) {
            self.argue(&whole, events);
        }
        let json = match self.text {
            None | Some(Wrapped::Closed) => return,
            Some(Wrapped::NotYet) => freeform::wrap(""),
            Some(Wrapped::Opened) => freeform::CLOSING.to_owned(),
        };
        self.text = Some(Wrapped::Closed);
        events.push(Event::ToolCallArguments { index, json });
    }
}

fn reported(sent: Sent) -> Error {
    let Sent { error, message, code, .. } = sent;
    error.unwrap_or(Reported::Full { message, r#type: None, code }).into()
}

fn malformed(rule: &'static str) -> Error {
    Error::Malformed { dialect: DIALECT, what: "an answer", column: 0, rule }
}

fn said(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}

/// Arguments are a text; some servers write the object itself.
fn in_words(arguments: Value) -> String {
    match arguments {
        Value::String(text) => text,
        other @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
            if other.is_null() {
                String::new()
            } else {
                other.to_string()
            }
        }
    }
}

#[cfg(test)]
mod tests;
