//! Events as the chunks that a client of `/v1/chat/completions` reads.

use chat::{Event, Media, Part, Seal, StopReason, ToolInput, Usage};
use serde::Serialize;
use serde::de::IgnoredAny;
use serde_json::{Value, json};

use super::whole::{finish, picture};
use super::{details, failure, usage};
use crate::{Encode, Failure, Head, citing, freeform};

const END: &[u8] = b"data: [DONE]\n\n";

/// Writes one answer as chunks.
#[derive(Debug)]
pub struct Encoder {
    id: String,
    model: String,
    created_s: i64,
    wants_usage: bool,
    /// Tools that take a text.
    text_tools: Vec<String>,
    /// All of a chunk up to its delta; empty until the answer's id is known.
    before: Vec<u8>,
    has_role: bool,
    refused: bool,
    /// The thought so far, which a seal is told with.
    thought: String,
    /// How many thoughts were told with their seals.
    sealed: usize,
    /// A seal that belongs to what follows.
    held: Option<Seal>,
    /// Calls of tools that take a text are told whole: what comes is JSON around it.
    custom: Vec<Custom>,
    /// Calls without any arguments so far: nothing is no JSON.
    bare: Vec<u32>,
    usage: Usage,
}

#[derive(Debug)]
struct Custom {
    index: u32,
    id: String,
    name: String,
    arguments: String,
}

#[derive(Default, Serialize)]
struct Delta<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    /// Null in the first delta where the answer does not begin with text.
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<Option<&'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refusal: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_content: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_details: Option<[Value; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_calls: Option<[Call<'a>; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    images: Option<[Value; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    audio: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    annotations: Option<[Value; 1]>,
}

#[derive(Serialize)]
struct Call<'a> {
    index: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    r#type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    function: Option<Function<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    custom: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    extra_content: Option<Value>,
}

#[derive(Serialize)]
struct Function<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    arguments: &'a str,
}

impl Encoder {
    /// An answer of this head.
    pub fn new(head: &Head<'_>) -> Self {
        let tools = head.request.tools.iter();
        let text_tools = tools.filter(|tool| matches!(tool.input, ToolInput::Text { .. }));
        Self {
            id: format!("chatcmpl-{}", head.id),
            model: head.model.to_owned(),
            created_s: head.created_s,
            wants_usage: head.wants_usage,
            text_tools: text_tools.map(|tool| tool.name.clone()).collect(),
            before: Vec::new(),
            has_role: false,
            refused: false,
            thought: String::new(),
            sealed: 0,
            held: None,
            custom: Vec::new(),
            bare: Vec::new(),
            usage: Usage::default(),
        }
    }

    /// Writes all of a chunk that stands before its choices.
    fn open(&mut self, out: &mut Vec<u8>) {
        if self.before.is_empty() {
            let chunk = json!({
                "id": self.id,
                "object": "chat.completion.chunk",
                "created": self.created_s,
                "model": self.model,
            });
            let chunk = chunk.to_string();
            self.before.extend_from_slice(b"data: ");
            self.before.extend_from_slice(chunk.strip_suffix('}').unwrap_or(&chunk).as_bytes());
        }
        out.extend_from_slice(&self.before);
    }

    fn delta(&mut self, mut delta: Delta<'_>, out: &mut Vec<u8>) {
        if !std::mem::replace(&mut self.has_role, true) {
            delta.role = Some("assistant");
            delta.content.get_or_insert(None);
        }
        self.open(out);
        out.extend_from_slice(br#","choices":[{"index":0,"delta":"#);
        write(&delta, out);
        out.extend_from_slice(br#","logprobs":null,"finish_reason":null}]"#);
        self.close(out);
    }

    fn close(&self, out: &mut Vec<u8>) {
        // With usage asked for, OpenAI says null in all chunks but the last.
        let usage: &[u8] = if self.wants_usage { br#","usage":null"# } else { b"" };
        out.extend_from_slice(usage);
        out.extend_from_slice(b"}\n\n");
    }

    fn seal(&mut self, seal: &Seal, out: &mut Vec<u8>) {
        if self.thought.is_empty() && !seal.whole {
            self.release(out);
            self.held = Some(seal.clone());
            return;
        }
        let thought = std::mem::take(&mut self.thought);
        self.detail(&thought, seal, out);
    }

    fn detail(&mut self, thought: &str, seal: &Seal, out: &mut Vec<u8>) {
        let entry = details::for_client(thought, seal, self.sealed);
        self.sealed += 1;
        self.delta(Delta { reasoning_details: Some([entry]), ..Delta::default() }, out);
    }

    /// Tells the seal that waited for a call and found none.
    fn release(&mut self, out: &mut Vec<u8>) {
        if let Some(seal) = self.held.take() {
            self.detail("", &seal, out);
        }
    }

    fn start(&mut self, index: u32, id: &str, name: &str, out: &mut Vec<u8>) {
        self.thought.clear();
        self.tell_custom(|arguments| serde_json::from_str::<IgnoredAny>(arguments).is_ok(), out);
        if self.text_tools.iter().any(|tool| tool == name) {
            let [id, name] = [id, name].map(str::to_owned);
            self.release(out);
            self.custom.push(Custom { index, id, name, arguments: String::new() });
            return;
        }
        self.bare.push(index);
        let extra_content = self.held.take().map(|seal| signed(&seal));
        let function = Some(Function { name: Some(name), arguments: "" });
        let call =
            Call { index, id: Some(id), r#type: Some("function"), function, custom: None, extra_content };
        self.delta(Delta { tool_calls: Some([call]), ..Delta::default() }, out);
    }

    fn extend(&mut self, index: u32, json: &str, out: &mut Vec<u8>) {
        if let Some(custom) = self.custom.iter_mut().find(|custom| custom.index == index) {
            custom.arguments.push_str(json);
            return;
        }
        self.bare.retain(|bare| *bare != index);
        let function = Some(Function { name: None, arguments: json });
        let call = Call { index, id: None, r#type: None, function, custom: None, extra_content: None };
        self.delta(Delta { tool_calls: Some([call]), ..Delta::default() }, out);
    }

    /// Tells the calls of tools that take a text whose arguments are whole.
    fn tell_custom(&mut self, is_whole: impl Fn(&str) -> bool, out: &mut Vec<u8>) {
        let (whole, open) =
            std::mem::take(&mut self.custom).into_iter().partition(|custom| is_whole(&custom.arguments));
        self.custom = open;
        let whole: Vec<Custom> = whole;
        for Custom { index, id, name, arguments } in whole {
            let custom = json!({"name": name, "input": freeform::unwrap(&arguments)});
            let custom = Some(custom);
            let call = Call {
                index,
                id: Some(&id),
                r#type: Some("custom"),
                function: None,
                custom,
                extra_content: None,
            };
            self.delta(Delta { tool_calls: Some([call]), ..Delta::default() }, out);
        }
    }

    fn show(&mut self, part: &Part, out: &mut Vec<u8>) {
        let delta = match part {
            Part::Image(image) => Delta { images: picture(image).map(|image| [image]), ..Delta::default() },
            Part::Audio(Media { source: chat::Source::Base64(data), .. }) => {
                Delta { audio: Some(json!({"data": data})), ..Delta::default() }
            }
            Part::Text { .. }
            | Part::Audio(_)
            | Part::Document(_)
            | Part::Thought(_)
            | Part::Refusal { .. }
            | Part::ToolCall(_)
            | Part::ToolResult(_)
            | Part::CachePoint { .. } => return,
        };
        self.delta(delta, out);
    }

    fn stop(&mut self, reason: &StopReason, out: &mut Vec<u8>) {
        self.release(out);
        for index in std::mem::take(&mut self.bare) {
            self.extend(index, "{}", out);
        }
        self.tell_custom(|_| true, out);
        let delta = if self.has_role { json!({}) } else { json!({"role": "assistant", "content": ""}) };
        self.has_role = true;
        let mut choice = json!({"index": 0, "delta": delta, "logprobs": null});
        finish(reason, self.refused, &mut choice);
        self.open(out);
        out.extend_from_slice(br#","choices":["#);
        write(&choice, out);
        out.push(b']');
        self.close(out);
    }
}

impl Encode for Encoder {
    fn event(&mut self, event: &Event, out: &mut Vec<u8>) {
        match event {
            Event::Began { id, .. } => {
                if let Some(id) =
                    id.as_ref().filter(|id| id.starts_with("chatcmpl-") && self.before.is_empty())
                {
                    self.id.clone_from(id);
                }
            }
            Event::Text { text } => {
                self.thought.clear();
                self.release(out);
                self.delta(Delta { content: Some(Some(text)), ..Delta::default() }, out);
            }
            Event::Thought { text } => {
                self.release(out);
                self.thought.push_str(text);
                self.delta(Delta { reasoning_content: Some(text), ..Delta::default() }, out);
            }
            Event::Sealed(seal) => self.seal(seal, out),
            Event::Refusal { text } => {
                self.thought.clear();
                self.release(out);
                self.refused = true;
                self.delta(Delta { refusal: Some(text), ..Delta::default() }, out);
            }
            Event::Media { part } => {
                self.release(out);
                self.show(part, out);
            }
            Event::Cited(citation) => {
                let annotations = Some([citing::for_chat(citation)]);
                self.delta(Delta { annotations, ..Delta::default() }, out);
            }
            Event::ToolCallStarted { index, id, name } => self.start(*index, id, name, out),
            Event::ToolCallArguments { index, json } => self.extend(*index, json, out),
            Event::Usage(usage) => self.usage = *usage,
            Event::Stopped { reason } => self.stop(reason, out),
        }
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        if self.wants_usage {
            self.open(out);
            out.extend_from_slice(br#","choices":[],"usage":"#);
            write(&usage::written(&self.usage), out);
            out.extend_from_slice(b"}\n\n");
        }
        out.extend_from_slice(END);
    }

    /// An error frame, as OpenAI's own clients look for; without `[DONE]`, which would make the answer look whole.
    fn fail(&mut self, failure: &Failure<'_>, out: &mut Vec<u8>) {
        out.extend_from_slice(b"data: ");
        write(&failure::body(failure), out);
        out.extend_from_slice(b"\n\n");
    }
}

/// A seal where Google's compatible endpoint has the signature of a call.
pub(super) fn signed(seal: &Seal) -> Value {
    json!({"google": {"thought_signature": crate::seal::pack(seal)}})
}

pub(super) fn write(value: &impl Serialize, out: &mut Vec<u8>) {
    serde_json::to_writer(out, value).expect("texts and numbers are always JSON, and a Vec takes all");
}

#[cfg(test)]
mod tests;
