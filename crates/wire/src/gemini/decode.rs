//! Events out of Gemini's chunks, each of which is a whole response; the stream ends without a mark.

use chat::{Event, Media, Part, Source};
use serde_json::Value;
use serde_json::value::RawValue;

use super::DIALECT;
use super::chunk::{Blob, Chunk, ContentPart, FunctionCall, stop_reason};
use crate::decode::{Decode, next_tool_call, parse};
use crate::{Error, citing, seal, sse};

/// Decodes one answer.
#[derive(Debug, Default)]
pub struct Decoder {
    has_begun: bool,
    /// What the provider calls the answer: calls that it does not name are named by it.
    id: Option<String>,
    calls: usize,
    /// All of the text, where places of the grounding are.
    said: String,
    /// The last one says all.
    grounding: Option<Value>,
    finish: Option<String>,
}

impl Decode for Decoder {
    fn push(&mut self, frame: &sse::Frame) -> Result<Vec<Event>, Error> {
        self.read(frame.data.as_bytes())
    }

    fn ended(&self) -> bool {
        false
    }

    /// Only the end tells which finish reason was the last: some models send one with every chunk.
    fn finish(&mut self) -> Result<Vec<Event>, Error> {
        let word = self.finish.take().ok_or(Error::Cut { dialect: DIALECT })?;
        let grounding = self.grounding.take();
        let mut events =
            grounding.map(|grounding| citing::of_gemini(&grounding, &self.said)).unwrap_or_default();
        events.push(Event::Stopped { reason: stop_reason(word, self.calls > 0) });
        Ok(events)
    }
}

impl Decoder {
    /// Takes a chunk, or a whole answer.
    pub(super) fn read(&mut self, json: &[u8]) -> Result<Vec<Event>, Error> {
        let chunk: Chunk<'_> = parse(DIALECT, "a chunk", json)?;
        if let Some(error) = chunk.error {
            return Err(error.into());
        }
        let mut events = Vec::new();
        let is_named = chunk.response_id.is_some() || chunk.model_version.is_some();
        if is_named && !std::mem::replace(&mut self.has_begun, true) {
            self.id.clone_from(&chunk.response_id);
            events.push(Event::Began { id: chunk.response_id, model: chunk.model_version });
        }
        // Only one answer was asked for.
        for candidate in chunk.candidates.into_iter().filter(|candidate| candidate.index == 0) {
            for part in candidate.content.into_iter().flat_map(|content| content.parts) {
                self.take(part, &mut events)?;
            }
            self.grounding = candidate.grounding_metadata.or(self.grounding.take());
            self.finish = candidate.finish_reason.or(self.finish.take());
        }
        let blocked = chunk.prompt_feedback.and_then(|feedback| feedback.block_reason);
        if blocked.is_some() {
            self.finish = Some("SAFETY".to_owned());
        }
        events.extend(chunk.usage_metadata.map(|usage| Event::Usage(usage.into())));
        Ok(events)
    }

    /// A signature stands on the part that follows the thought; on a thought itself it seals that one.
    fn take(&mut self, part: ContentPart<'_>, events: &mut Vec<Event>) -> Result<(), Error> {
        let ContentPart { text, thought, thought_signature, function_call, inline_data } = part;
        let text = text.filter(|text| !text.is_empty());
        let signature = thought_signature.filter(|signature| !signature.is_empty());
        let sealed = signature.map(|signature| Event::Sealed(seal::unpack(&signature, false)));
        if thought {
            events.extend(text.map(|text| Event::Thought { text }));
            events.extend(sealed);
            return Ok(());
        }
        events.extend(sealed);
        self.said.push_str(text.as_deref().unwrap_or_default());
        events.extend(text.map(|text| Event::Text { text }));
        events.extend(inline_data.map(|blob| Event::Media { part: made(blob) }));
        match function_call {
            Some(call) => self.call(call, events),
            None => Ok(()),
        }
    }

    fn call(&mut self, call: FunctionCall<'_>, events: &mut Vec<Event>) -> Result<(), Error> {
        let index = next_tool_call(self.calls)?;
        self.calls += 1;
        let id = call.id.filter(|id| !id.is_empty()).unwrap_or_else(|| match &self.id {
            // No two answers may use the same, for they come together in one conversation.
            Some(answer) => format!("call_{answer}_{index}"),
            None => format!("call_{index}"),
        });
        events.push(Event::ToolCallStarted { index, id, name: call.name });
        let json = call.args.map_or("{}", RawValue::get).to_owned();
        events.push(Event::ToolCallArguments { index, json });
        Ok(())
    }
}

fn made(blob: Blob) -> Part {
    let Blob { mime_type, data } = blob;
    let kind = if mime_type.starts_with("audio/") { Part::Audio } else { Part::Image };
    kind(Media { mime: Some(mime_type), source: Source::Base64(data), name: None, detail: None })
}
