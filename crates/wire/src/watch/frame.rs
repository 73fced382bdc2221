//! What one frame shows: which are worth parsing, and what of them is kept.

use std::borrow::Cow;

use memchr::memmem::Finder;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value};

use super::{MAX_KEPT_BYTES, Start, Watch, usage};
use crate::decode::parse;
use crate::{Decode, Dialect, Error, anthropic, gemini, openai_chat, sse};

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
const FRAME: &str = "a frame";
const GEMINIS_USAGE: &str = "\"usageMetadata\"";

/// What stands in each frame that is worth parsing once output has begun. As keys of JSON they cannot stand in a text
/// of the model, where quotes are escaped; and a frame that holds one for nothing is only parsed in vain.
pub(super) fn markers(dialect: Dialect) -> &'static [&'static str] {
    match dialect {
        Dialect::Anthropic => &["message_", "\"error\""],
        Dialect::OpenAiChat => &["\"usage\"", "\"finish_reason\"", "\"error\"", "[DONE]"],
        Dialect::OpenAiResponses => {
            &["response.completed", "response.incomplete", "response.failed", "\"error\""]
        }
        Dialect::Gemini => &["\"finishReason\"", "\"error\"", "\"blockReason\"", GEMINIS_USAGE],
    }
}

/// Whether a marker stands there with a value: some servers send each field with each chunk, null.
fn has_value(frame: &[u8], marker: &Finder<'_>) -> bool {
    marker.find_iter(frame).any(|at| {
        let after = frame[at + marker.needle().len()..].trim_ascii_start();
        let value = after.strip_prefix(b":").map(<[u8]>::trim_ascii_start);
        !value.is_some_and(|value| value.starts_with(b"null"))
    })
}

/// Whether these bytes are no event but an object or a list.
pub(super) fn is_plain_json(frame: &[u8]) -> bool {
    matches!(frame.trim_ascii_start().first(), Some(b'{' | b'['))
}

/// The data of a frame: of an event, or what stands in a list or for itself.
fn data(frame: &[u8]) -> Option<Cow<'_, [u8]>> {
    let frame = frame.strip_prefix(BYTE_ORDER_MARK).unwrap_or(frame);
    let plain = frame.trim_ascii_start();
    let plain = plain.strip_prefix(b"[").or(plain.strip_prefix(b",")).unwrap_or(plain).trim_ascii_start();
    if plain.starts_with(b"{") {
        return Some(Cow::Borrowed(plain));
    }
    let mut data: Option<Cow<'_, [u8]>> = None;
    for line in frame.split(|byte| matches!(byte, b'\n' | b'\r')) {
        let Some(value) = line.strip_prefix(b"data:") else { continue };
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match &mut data {
            None => data = Some(Cow::Borrowed(value)),
            Some(data) => {
                let data = data.to_mut();
                data.push(b'\n');
                data.extend_from_slice(value);
            }
        }
    }
    data
}

impl Watch {
    /// Looks into a whole frame; tells whether it is to be dropped.
    pub(super) fn frame(&mut self, frame: &[u8]) -> bool {
        if self.fault.is_some() || self.has_ended {
            return false;
        }
        if self.dialect == Dialect::OpenAiResponses && data(frame).is_some() {
            self.events += 1;
        }
        if self.start == Start::Waiting {
            return self.look_into(frame);
        }
        let mut found = self.markers.iter().filter(|marker| has_value(frame, marker));
        let Some(first) = found.next() else { return false };
        let is_for_usage_alone = first.needle() == GEMINIS_USAGE.as_bytes();
        if is_for_usage_alone && frame.len() <= MAX_KEPT_BYTES {
            self.kept.clear();
            self.kept.extend_from_slice(frame);
            self.told = None;
            return false;
        }
        self.look_into(frame)
    }

    /// Parses a frame; tells whether it is to be dropped.
    pub(super) fn look_into(&mut self, frame: &[u8]) -> bool {
        self.look_into_kept();
        let Some(data) = data(frame) else { return false };
        let data = data.trim_ascii();
        if data.is_empty() {
            return false;
        }
        let looked = match self.dialect {
            Dialect::Anthropic => self.anthropic(data).map(|()| false),
            Dialect::OpenAiChat => self.chunk(data),
            Dialect::OpenAiResponses => self.responses(data).map(|()| false),
            Dialect::Gemini => self.gemini(data).map(|()| false),
        };
        looked.unwrap_or_else(|fault| {
            if self.start == Start::Waiting {
                self.start = Start::Failed;
            }
            self.fault.get_or_insert(fault);
            false
        })
    }

    /// Parses the frame that was kept for its usage, if there is one.
    pub(super) fn look_into_kept(&mut self) {
        if !self.kept.is_empty() {
            let kept = std::mem::take(&mut self.kept);
            self.told = None;
            self.look_into(&kept);
        }
    }

    fn began(&mut self, is_output: bool) {
        if is_output && self.start == Start::Waiting {
            self.start = Start::Output;
        }
    }

    fn named(&mut self, id: Option<String>, model: Option<String>) {
        if self.seen.id.is_none() {
            self.seen.id = id.filter(|id| !id.is_empty());
        }
        if self.seen.model.is_none() {
            self.seen.model = model.filter(|model| !model.is_empty());
        }
    }

    fn anthropic(&mut self, data: &[u8]) -> Result<(), Error> {
        let frame: AnthropicFrame = parse(self.dialect.name(), FRAME, data)?;
        if frame.r#type == "error" {
            return Err(reported(self.dialect, data));
        }
        let message = frame.message.unwrap_or_default();
        self.named(message.id, message.model);
        for usage in [message.usage, frame.usage].into_iter().flatten() {
            self.counted = self.counted.then(usage);
            self.seen.usage = Some(self.counted.into());
        }
        let is_stopped = frame.delta.is_some_and(|delta| delta.stop_reason.is_some());
        let is_block = frame.content_block.is_some_and(|block| {
            let is_said = [block.text, block.thinking].into_iter().flatten().any(|text| !text.is_empty());
            is_said || !matches!(block.r#type.as_str(), "text" | "thinking")
        });
        self.began(is_stopped || is_block || frame.r#type == "content_block_delta");
        self.has_ended |= frame.r#type == "message_stop";
        self.seen.is_stopped |= is_stopped;
        Ok(())
    }

    fn chunk(&mut self, data: &[u8]) -> Result<bool, Error> {
        if data == b"[DONE]" {
            self.has_ended = true;
            return Ok(false);
        }
        let chunk: Chunk = parse(self.dialect.name(), FRAME, data)?;
        if chunk.error.is_some() {
            return Err(reported(self.dialect, data));
        }
        // Servers that are compatible in all else have numbers here.
        let word = |value: Option<Value>| value.as_ref().and_then(Value::as_str).map(str::to_owned);
        self.named(word(chunk.id), word(chunk.model));
        let choices = chunk.choices.unwrap_or_default();
        let is_usage_alone = choices.is_empty() && chunk.usage.is_some();
        self.seen.usage = chunk.usage.map(chat::Usage::from).or(self.seen.usage);
        for choice in choices {
            let is_stopped = choice.finish_reason.is_some_and(|word| !word.is_empty());
            self.seen.is_stopped |= is_stopped;
            let is_said = choice.delta.is_some_and(|delta| {
                delta.iter().any(|(name, value)| name != "role" && says_something(value))
            });
            self.began(is_stopped || is_said);
        }
        Ok(self.drops_usage && is_usage_alone)
    }

    fn responses(&mut self, data: &[u8]) -> Result<(), Error> {
        let frame: ResponsesFrame = parse(self.dialect.name(), FRAME, data)?;
        let response = frame.response.unwrap_or_default();
        self.named(response.id, response.model);
        self.seen.usage = response.usage.map(chat::Usage::from).or(self.seen.usage);
        let is_spoken = match frame.r#type.as_str() {
            "error" => {
                // The error is the event, or within it.
                let fields = (frame.code, frame.message);
                return Err(frame
                    .error
                    .unwrap_or(ResponsesError { code: fields.0, message: fields.1 })
                    .into());
            }
            "response.failed" => return Err(response.error.unwrap_or_default().into()),
            "response.completed" | "response.incomplete" => {
                (self.seen.is_stopped, self.has_ended) = (true, true);
                true
            }
            "response.output_item.added" => {
                frame.item.is_some_and(|item| !matches!(item.r#type.as_str(), "message" | "reasoning"))
            }
            "response.content_part.added" | "response.reasoning_summary_part.added" => false,
            other => other.ends_with(".delta") || other.ends_with(".done"),
        };
        self.began(is_spoken);
        Ok(())
    }

    fn gemini(&mut self, data: &[u8]) -> Result<(), Error> {
        let chunk: GeminiChunk = parse(self.dialect.name(), FRAME, data)?;
        if chunk.error.is_some() {
            return Err(reported(self.dialect, data));
        }
        self.named(chunk.response_id, chunk.model_version);
        self.seen.usage = chunk.usage_metadata.map(chat::Usage::from).or(self.seen.usage);
        let is_blocked = chunk.prompt_feedback.is_some_and(|feedback| feedback.block_reason.is_some());
        let is_finished = chunk.candidates.iter().any(|candidate| candidate.finish_reason.is_some());
        self.seen.is_stopped |= is_blocked || is_finished;
        let mut parts = chunk.candidates.iter().flat_map(|candidate| &candidate.content.parts);
        let is_said = parts.any(|part| part.values().any(says_something));
        self.began(is_blocked || is_finished || is_said);
        Ok(())
    }
}

/// The usage that one of Gemini's frames tells.
pub(super) fn geminis_usage(frame: &[u8]) -> Option<chat::Usage> {
    let data = data(frame)?;
    let chunk: GeminiChunk = serde_json::from_slice(data.trim_ascii()).ok()?;
    chunk.usage_metadata.map(chat::Usage::from)
}

fn says_something(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(list) => !list.is_empty(),
        Value::Object(object) => !object.is_empty(),
    }
}

/// The error that a frame reports, in the words of its dialect's decoder.
pub(super) fn reported(dialect: Dialect, data: &[u8]) -> Error {
    let frame = sse::Frame { event: None, data: String::from_utf8_lossy(data).into_owned() };
    let decoded = match dialect {
        Dialect::Anthropic => anthropic::Decoder::default().push(&frame),
        Dialect::OpenAiChat | Dialect::OpenAiResponses => openai_chat::Decoder::default().push(&frame),
        Dialect::Gemini => gemini::Decoder::default().push(&frame),
    };
    decoded.err().unwrap_or(Error::Reported { status: 500, message: String::new() })
}

#[derive(Deserialize)]
struct AnthropicFrame {
    #[serde(default)]
    r#type: String,
    message: Option<AnthropicMessage>,
    usage: Option<usage::Anthropic>,
    delta: Option<AnthropicChange>,
    content_block: Option<AnthropicBlock>,
}

#[derive(Default, Deserialize)]
struct AnthropicMessage {
    id: Option<String>,
    model: Option<String>,
    usage: Option<usage::Anthropic>,
}

#[derive(Deserialize)]
struct AnthropicChange {
    stop_reason: Option<String>,
}

#[derive(Deserialize)]
struct AnthropicBlock {
    #[serde(default)]
    r#type: String,
    text: Option<String>,
    thinking: Option<String>,
}

#[derive(Deserialize)]
struct Chunk {
    error: Option<IgnoredAny>,
    id: Option<Value>,
    model: Option<Value>,
    choices: Option<Vec<Choice>>,
    usage: Option<openai_chat::usage::Usage>,
}

#[derive(Deserialize)]
struct Choice {
    delta: Option<Map<String, Value>>,
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct ResponsesFrame {
    #[serde(default)]
    r#type: String,
    response: Option<Response>,
    item: Option<Item>,
    error: Option<ResponsesError>,
    code: Option<String>,
    message: Option<String>,
}

#[derive(Default, Deserialize)]
pub(super) struct Response {
    pub(super) id: Option<String>,
    pub(super) model: Option<String>,
    pub(super) usage: Option<usage::Responses>,
    pub(super) error: Option<ResponsesError>,
    pub(super) status: Option<String>,
}

#[derive(Deserialize)]
struct Item {
    #[serde(default)]
    r#type: String,
}

#[derive(Default, Deserialize)]
pub(super) struct ResponsesError {
    code: Option<String>,
    message: Option<String>,
}

impl From<ResponsesError> for Error {
    /// The codes are those of Chat Completions.
    fn from(error: ResponsesError) -> Self {
        let ResponsesError { code, message } = error;
        let body = serde_json::json!({"error": {"code": code, "message": message}});
        reported(Dialect::OpenAiResponses, body.to_string().as_bytes())
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct GeminiChunk {
    error: Option<IgnoredAny>,
    response_id: Option<String>,
    model_version: Option<String>,
    #[serde(default)]
    candidates: Vec<Candidate>,
    prompt_feedback: Option<PromptFeedback>,
    usage_metadata: Option<usage::Gemini>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Candidate {
    #[serde(default)]
    content: Content,
    finish_reason: Option<String>,
}

#[derive(Default, Deserialize)]
struct Content {
    #[serde(default)]
    parts: Vec<Map<String, Value>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PromptFeedback {
    pub(super) block_reason: Option<String>,
}
