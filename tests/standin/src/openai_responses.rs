//! What OpenAI's Responses sends. Source: `openai.types.responses` of the Python SDK.

use serde_json::{Value, json};

use crate::route::Vendor;
use crate::said::{self, CACHED, CREATED_S, INPUT, Said, Stop, TOOL};

fn response(model: &str, status: &str, output: Value, said: Option<&Said>) -> Value {
    let usage = said.map(|said| {
        json!({
            "input_tokens": INPUT,
            "input_tokens_details": {"cached_tokens": CACHED, "cache_write_tokens": 0},
            "output_tokens": said.output,
            "output_tokens_details": {"reasoning_tokens": said.reasoning()},
            "total_tokens": INPUT + said.output,
        })
    });
    let incomplete = (status == "incomplete").then(|| json!({"reason": "max_output_tokens"}));
    json!({
        "id": "resp_standin", "object": "response", "created_at": CREATED_S, "status": status, "background": false,
        "error": null, "incomplete_details": incomplete, "instructions": null, "max_output_tokens": null,
        "model": model, "output": output, "parallel_tool_calls": true, "previous_response_id": null,
        "reasoning": {"effort": null, "summary": null}, "service_tier": "default",
        "temperature": 1.0, "text": {"format": {"type": "text"}}, "tool_choice": "auto", "tools": [], "top_p": 1.0,
        "truncation": "disabled", "usage": usage, "user": null, "metadata": {},
    })
}

fn status(said: &Said) -> &'static str {
    match said.stop {
        Stop::End | Stop::Tools | Stop::Refused => "completed",
        Stop::Length => "incomplete",
    }
}

fn reasoning(thought: &str) -> Value {
    json!({
        "id": "rs_standin", "type": "reasoning", "summary": [{"type": "summary_text", "text": thought}],
        "encrypted_content": said::seal(Vendor::OpenAi),
    })
}

fn content(said: &Said, text: &str) -> Value {
    match said.stop {
        Stop::Refused => json!({"type": "refusal", "refusal": text}),
        Stop::End | Stop::Tools | Stop::Length => {
            json!({"type": "output_text", "annotations": [], "logprobs": [], "text": text})
        }
    }
}

fn message(status: &str, content: Value) -> Value {
    json!({"id": "msg_standin", "type": "message", "status": status, "role": "assistant", "content": content})
}

fn call(index: usize, status: &str, arguments: &str) -> Value {
    json!({
        "id": format!("fc_standin{index}"), "type": "function_call", "status": status,
        "call_id": format!("call_standin{index}"), "name": TOOL, "arguments": arguments,
    })
}

fn items(said: &Said) -> Vec<Value> {
    let mut items: Vec<Value> = said.thought.map(reasoning).into_iter().collect();
    if !said.texts.is_empty() {
        items.push(message("completed", json!([content(said, &said.text())])));
    }
    items.extend(
        said.calls.iter().enumerate().map(|(index, pieces)| call(index, "completed", &pieces.concat())),
    );
    items
}

/// The answer as one body.
pub(crate) fn whole(model: &str, said: &Said) -> Value {
    response(model, status(said), items(said).into(), Some(said))
}

/// Numbers the events as they are written.
struct Stream {
    frames: Vec<String>,
}

impl Stream {
    fn push(&mut self, kind: &str, mut data: Value) {
        data["type"] = kind.into();
        data["sequence_number"] = self.frames.len().into();
        self.frames.push(format!("event: {kind}\ndata: {data}\n\n"));
    }

    fn item(&mut self, at: usize, begun: Value, done: Value, pieces: impl FnOnce(&mut Self)) {
        self.push("response.output_item.added", json!({"output_index": at, "item": begun}));
        pieces(self);
        self.push("response.output_item.done", json!({"output_index": at, "item": done}));
    }

    fn thought(&mut self, at: usize, thought: &str) {
        let place = |mut data: Value| {
            data["item_id"] = "rs_standin".into();
            data["output_index"] = at.into();
            data["summary_index"] = 0.into();
            data
        };
        let part = |text: &str| json!({"part": {"type": "summary_text", "text": text}});
        self.push("response.reasoning_summary_part.added", place(part("")));
        for text in thought.split_inclusive(' ') {
            self.push("response.reasoning_summary_text.delta", place(json!({"delta": text})));
        }
        self.push("response.reasoning_summary_text.done", place(json!({"text": thought})));
        self.push("response.reasoning_summary_part.done", place(part(thought)));
    }

    fn text(&mut self, at: usize, said: &Said) {
        let place = |mut data: Value| {
            data["item_id"] = "msg_standin".into();
            data["output_index"] = at.into();
            data["content_index"] = 0.into();
            data
        };
        let is_refused = said.stop == Stop::Refused;
        let kind = if is_refused { "response.refusal" } else { "response.output_text" };
        self.push("response.content_part.added", place(json!({"part": content(said, "")})));
        for text in &said.texts {
            let delta =
                if is_refused { json!({"delta": text}) } else { json!({"delta": text, "logprobs": []}) };
            self.push(&format!("{kind}.delta"), place(delta));
        }
        let text = said.text();
        let done = if is_refused { json!({"refusal": text}) } else { json!({"text": text, "logprobs": []}) };
        self.push(&format!("{kind}.done"), place(done));
        self.push("response.content_part.done", place(json!({"part": content(said, &said.text())})));
    }

    fn arguments(&mut self, at: usize, index: usize, pieces: &[&str]) {
        let id = format!("fc_standin{index}");
        for json in pieces {
            let delta = json!({"item_id": id, "output_index": at, "delta": json});
            self.push("response.function_call_arguments.delta", delta);
        }
        let done = json!({"item_id": id, "output_index": at, "arguments": pieces.concat()});
        self.push("response.function_call_arguments.done", done);
    }
}

/// The answer as a stream.
pub(crate) fn frames(model: &str, said: &Said) -> Vec<String> {
    let mut stream = Stream { frames: Vec::new() };
    for kind in ["response.created", "response.in_progress"] {
        stream.push(kind, json!({"response": response(model, "in_progress", json!([]), None)}));
    }
    let mut at = 0;
    if let Some(thought) = said.thought {
        let begun = json!({"id": "rs_standin", "type": "reasoning", "summary": []});
        stream.item(at, begun, reasoning(thought), |stream| stream.thought(at, thought));
        at += 1;
    }
    if !said.texts.is_empty() {
        let done = message("completed", json!([content(said, &said.text())]));
        stream.item(at, message("in_progress", json!([])), done, |stream| stream.text(at, said));
        at += 1;
    }
    for (index, pieces) in said.calls.iter().enumerate() {
        let done = call(index, "completed", &pieces.concat());
        stream.item(at, call(index, "in_progress", ""), done, |stream| stream.arguments(at, index, pieces));
        at += 1;
    }
    let kind = format!("response.{}", status(said));
    stream.push(&kind, json!({"response": whole(model, said)}));
    stream.frames
}

/// The frame that ends a stream with an error: an event of its own at the beginning, the answer's end later on.
pub(crate) fn failed(code: Option<&str>, message: &str, number: usize) -> String {
    let mut stream = Stream { frames: vec![String::new(); number] };
    if number == 0 {
        stream.push("error", json!({"code": code, "message": message, "param": null}));
    } else {
        let mut response = response("error-mid-stream", "failed", json!([]), None);
        response["error"] = json!({"code": code, "message": message});
        stream.push("response.failed", json!({"response": response}));
    }
    stream.frames.pop().unwrap_or_default()
}

pub(crate) fn count() -> Value {
    json!({"object": "response.input_tokens", "input_tokens": INPUT})
}
