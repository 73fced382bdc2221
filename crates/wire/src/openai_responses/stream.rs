//! Events as a client of `/v1/responses` reads them.
//!
//! The grammar: created, in_progress; for each item added, its pieces, done; at last completed, incomplete or failed.
//! Items get their index in the order in which they begin. A call stays open as long as its arguments may still grow,
//! since those of several calls may come by turns.

use chat::{Citation, Event, Part, Seal, StopReason, ToolInput, Usage};
use serde::Serialize;
use serde::de::IgnoredAny;
use serde_json::{Value, json};

use super::Kept;
use super::item::{self, Call, Kind};
use super::response::{Frame, State, status};
use crate::{Encode, Failure, Head, citing};

/// Writes one answer as a stream.
#[derive(Debug)]
pub struct Encoder {
    frame: Frame,
    /// Tools that take a text.
    text_tools: Vec<String>,
    has_begun: bool,
    sequence: u64,
    /// Items that are done, each in its place; null while it is open.
    output: Vec<Value>,
    open: Option<Open>,
    /// How many characters of text there are.
    said: u64,
    calls: Vec<Calling>,
    usage: Usage,
    stop: Option<StopReason>,
}

/// The item to which text or thoughts are added.
#[derive(Debug)]
enum Open {
    Message { place: usize, id: String, done: Vec<Value>, piece: Option<Piece> },
    Reasoning { place: usize, id: String, text: String },
}

/// What a message says in one go, and where that comes from.
#[derive(Debug)]
struct Piece {
    kind: Kind,
    text: String,
    annotations: Vec<Value>,
}

#[derive(Debug)]
struct Calling {
    index: u32,
    place: usize,
    item: String,
    id: String,
    name: String,
    arguments: String,
    is_text: bool,
}

/// A piece of an item.
#[derive(Serialize)]
struct Delta<'a> {
    item_id: &'a str,
    output_index: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_index: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    summary_index: Option<usize>,
    delta: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    logprobs: Option<[(); 0]>,
}

impl<'a> Delta<'a> {
    fn new(item_id: &'a str, output_index: usize, delta: &'a str) -> Self {
        Self { item_id, output_index, content_index: None, summary_index: None, delta, logprobs: None }
    }
}

/// Appends one event; `fields` is an object that is not empty.
fn send(sequence: &mut u64, kind: &str, fields: &impl Serialize, out: &mut Vec<u8>) {
    preamble(sequence, kind, out);
    let at = out.len();
    serde_json::to_writer(&mut *out, fields).expect("texts and numbers are always JSON, and a Vec takes all");
    // The object's brace is in the way of those before it.
    out[at] = b',';
    out.extend_from_slice(b"\n\n");
}

fn preamble(sequence: &mut u64, kind: &str, out: &mut Vec<u8>) {
    for part in
        ["event: ", kind, "\ndata: {\"type\":\"", kind, "\",\"sequence_number\":", &sequence.to_string()]
    {
        out.extend_from_slice(part.as_bytes());
    }
    *sequence += 1;
}

impl Encoder {
    /// An answer of this head that is not kept.
    pub fn new(head: &Head<'_>) -> Self {
        Self::keeping(head, &Kept::default())
    }

    /// An answer of this head that says what is kept of it.
    pub fn keeping(head: &Head<'_>, kept: &Kept) -> Self {
        let tools = head.request.tools.iter();
        let text_tools = tools.filter(|tool| matches!(tool.input, ToolInput::Text { .. }));
        Self {
            frame: Frame::new(head, kept),
            text_tools: text_tools.map(|tool| tool.name.clone()).collect(),
            has_begun: false,
            sequence: 0,
            output: Vec::new(),
            open: None,
            said: 0,
            calls: Vec::new(),
            usage: Usage::default(),
            stop: None,
        }
    }

    fn respond(&mut self, kind: &str, state: &State<'_>, out: &mut Vec<u8>) {
        preamble(&mut self.sequence, kind, out);
        out.extend_from_slice(b",\"response\":");
        self.frame.write(state, out);
        out.extend_from_slice(b"}\n\n");
    }

    fn begin(&mut self, out: &mut Vec<u8>) {
        if !std::mem::replace(&mut self.has_begun, true) {
            let state = State { status: "in_progress", ..State::default() };
            self.respond("response.created", &state, out);
            self.respond("response.in_progress", &state, out);
        }
    }

    fn added(&mut self, item: &Value, place: usize, out: &mut Vec<u8>) {
        let fields = json!({"output_index": place, "item": item});
        send(&mut self.sequence, "response.output_item.added", &fields, out);
    }

    fn done(&mut self, item: Value, place: usize, out: &mut Vec<u8>) {
        let fields = json!({"output_index": place, "item": item});
        send(&mut self.sequence, "response.output_item.done", &fields, out);
        self.output[place] = item;
    }

    /// The next item's place.
    fn next(&mut self) -> usize {
        self.output.push(Value::Null);
        self.output.len() - 1
    }

    fn say(&mut self, kind: Kind, text: &str, out: &mut Vec<u8>) {
        if !matches!(self.open, Some(Open::Message { .. })) {
            self.close(out);
            let place = self.next();
            let id = self.frame.names.item("msg", place);
            self.added(&item::message(&id, "in_progress", &[]), place, out);
            self.open = Some(Open::Message { place, id, done: Vec::new(), piece: None });
        }
        let sequence = &mut self.sequence;
        let Some(Open::Message { place, id, done, piece }) = &mut self.open else { return };
        if piece.as_ref().is_some_and(|open| open.kind != kind) {
            end_piece(sequence, *place, id, piece, done, out);
        }
        let so_far = piece.get_or_insert_with(|| {
            let fields = json!({"item_id": id, "output_index": place, "content_index": done.len(), "part": kind.piece("")});
            send(sequence, "response.content_part.added", &fields, out);
            Piece { kind, text: String::new(), annotations: Vec::new() }
        });
        so_far.text.push_str(text);
        let delta = Delta { content_index: Some(done.len()), ..Delta::new(id, *place, text) };
        match kind {
            Kind::Text => {
                self.said += citing::characters(text);
                let delta = Delta { logprobs: Some([]), ..delta };
                send(sequence, "response.output_text.delta", &delta, out);
            }
            Kind::Refusal => send(sequence, "response.refusal.delta", &delta, out),
        }
    }

    /// A text that is not open any more can be told nothing.
    fn cite(&mut self, citation: &Citation, out: &mut Vec<u8>) {
        let Some(Open::Message { place, id, done, piece: Some(piece) }) = &mut self.open else { return };
        let base = self.said.saturating_sub(citing::characters(&piece.text));
        let annotation = citing::for_responses(citation, base);
        let fields = json!({
            "item_id": id, "output_index": place, "content_index": done.len(),
            "annotation_index": piece.annotations.len(), "annotation": annotation,
        });
        if piece.kind == Kind::Text {
            send(&mut self.sequence, "response.output_text.annotation.added", &fields, out);
            piece.annotations.push(annotation);
        }
    }

    fn think(&mut self, text: &str, out: &mut Vec<u8>) {
        if !matches!(self.open, Some(Open::Reasoning { .. })) {
            self.reason(out);
            if let Some(Open::Reasoning { place, id, .. }) = &self.open {
                let fields = json!({"item_id": id, "output_index": place, "summary_index": 0, "part": item::summary("")});
                send(&mut self.sequence, "response.reasoning_summary_part.added", &fields, out);
            }
        }
        let Some(Open::Reasoning { place, id, text: so_far }) = &mut self.open else { return };
        so_far.push_str(text);
        let delta = Delta { summary_index: Some(0), ..Delta::new(id, *place, text) };
        send(&mut self.sequence, "response.reasoning_summary_text.delta", &delta, out);
    }

    /// Opens an item for a thought.
    fn reason(&mut self, out: &mut Vec<u8>) {
        self.close(out);
        let place = self.next();
        let id = self.frame.names.item("rs", place);
        self.added(&item::reasoning(&id, None, None), place, out);
        self.open = Some(Open::Reasoning { place, id, text: String::new() });
    }

    fn seal(&mut self, seal: &Seal, out: &mut Vec<u8>) {
        if !matches!(self.open, Some(Open::Reasoning { .. })) {
            self.reason(out);
        }
        self.close_sealed(Some(seal), out);
    }

    fn close(&mut self, out: &mut Vec<u8>) {
        self.close_sealed(None, out);
        self.settle(|arguments| serde_json::from_str::<IgnoredAny>(arguments).is_ok(), out);
    }

    /// Ends the open item, if there is one.
    fn close_sealed(&mut self, seal: Option<&Seal>, out: &mut Vec<u8>) {
        match self.open.take() {
            None => {}
            Some(Open::Message { place, id, mut done, mut piece }) => {
                end_piece(&mut self.sequence, place, &id, &mut piece, &mut done, out);
                self.done(item::message(&id, "completed", &done), place, out);
            }
            Some(Open::Reasoning { place, id, text }) => {
                if !text.is_empty() {
                    let mut fields =
                        json!({"item_id": id, "output_index": place, "summary_index": 0, "text": text});
                    send(&mut self.sequence, "response.reasoning_summary_text.done", &fields, out);
                    fields["part"] = item::summary(&text);
                    if let Some(fields) = fields.as_object_mut() {
                        fields.shift_remove("text");
                    }
                    send(&mut self.sequence, "response.reasoning_summary_part.done", &fields, out);
                }
                let text = Some(text.as_str()).filter(|text| !text.is_empty());
                self.done(item::reasoning(&id, text, seal), place, out);
            }
        }
    }

    fn start(&mut self, index: u32, id: &str, name: &str, out: &mut Vec<u8>) {
        self.close(out);
        let place = self.next();
        let is_text = self.text_tools.iter().any(|tool| tool == name);
        let item = self.frame.names.item(if is_text { "ctc" } else { "fc" }, place);
        self.added(&item::call(&item, "in_progress", is_text, Call { id, name, given: "" }), place, out);
        let [id, name] = [id, name].map(str::to_owned);
        self.calls.push(Calling { index, place, item, id, name, arguments: String::new(), is_text });
    }

    fn argue(&mut self, index: u32, json: &str, out: &mut Vec<u8>) {
        let Some(call) = self.calls.iter_mut().rfind(|call| call.index == index) else { return };
        call.arguments.push_str(json);
        // A text is told whole: what comes is JSON around it.
        if !call.is_text && !json.is_empty() {
            let delta = Delta::new(&call.item, call.place, json);
            send(&mut self.sequence, "response.function_call_arguments.delta", &delta, out);
        }
    }

    /// Ends the calls whose arguments are whole.
    fn settle(&mut self, is_whole: impl Fn(&str) -> bool, out: &mut Vec<u8>) {
        let calls = std::mem::take(&mut self.calls);
        let (whole, open): (Vec<_>, Vec<_>) = calls.into_iter().partition(|call| is_whole(&call.arguments));
        self.calls = open;
        for call in whole {
            self.end_call(&call, out);
        }
    }

    fn end_call(&mut self, calling: &Calling, out: &mut Vec<u8>) {
        let Calling { index: _, place, item, id, name, arguments, is_text } = calling;
        let given = item::given(arguments, *is_text);
        let sequence = &mut self.sequence;
        let delta = Delta::new(item, *place, &given);
        if *is_text {
            send(sequence, "response.custom_tool_call_input.delta", &delta, out);
            let fields = json!({"item_id": item, "output_index": place, "input": given});
            send(sequence, "response.custom_tool_call_input.done", &fields, out);
        } else {
            if *arguments != given {
                send(sequence, "response.function_call_arguments.delta", &delta, out);
            }
            let fields = json!({"item_id": item, "output_index": place, "name": name, "arguments": given});
            send(sequence, "response.function_call_arguments.done", &fields, out);
        }
        let call = Call { id, name, given: &given };
        self.done(item::call(item, "completed", *is_text, call), *place, out);
    }

    fn show(&mut self, part: &Part, out: &mut Vec<u8>) {
        let Part::Image(image) = part else { return };
        let id = self.frame.names.item("ig", self.output.len());
        let Some(item) = item::image(&id, image) else { return };
        self.close(out);
        let place = self.next();
        let begun =
            json!({"id": id, "type": "image_generation_call", "status": "in_progress", "result": null});
        self.added(&begun, place, out);
        self.done(item, place, out);
    }

    /// The items that are done.
    fn take_output(&mut self) -> Vec<Value> {
        std::mem::take(&mut self.output).into_iter().filter(|item| !item.is_null()).collect()
    }
}

impl Encode for Encoder {
    fn event(&mut self, event: &Event, out: &mut Vec<u8>) {
        self.begin(out);
        match event {
            Event::Began { .. } => {}
            Event::Text { text } => self.say(Kind::Text, text, out),
            Event::Refusal { text } => self.say(Kind::Refusal, text, out),
            Event::Thought { text } => self.think(text, out),
            Event::Sealed(seal) => self.seal(seal, out),
            Event::Media { part } => self.show(part, out),
            Event::Cited(citation) => self.cite(citation, out),
            Event::ToolCallStarted { index, id, name } => self.start(*index, id, name, out),
            Event::ToolCallArguments { index, json } => self.argue(*index, json, out),
            Event::Usage(usage) => self.usage = *usage,
            Event::Stopped { reason } => {
                self.close_sealed(None, out);
                self.settle(|_| true, out);
                self.stop = Some(reason.clone());
            }
        }
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        self.begin(out);
        let output = self.take_output();
        let (usage, stop) = (self.usage, self.stop.take().unwrap_or(StopReason::EndOfTurn));
        let status = status(&stop, &output);
        let kind = if status == "incomplete" { "response.incomplete" } else { "response.completed" };
        let state =
            State { status, output: &output, usage: Some(&usage), error: Value::Null, stop: Some(&stop) };
        self.respond(kind, &state, out);
    }

    fn fail(&mut self, failure: &Failure<'_>, out: &mut Vec<u8>) {
        self.begin(out);
        let output = self.take_output();
        let usage = self.usage;
        let error = json!({"code": code(failure), "message": failure.message});
        let state = State { status: "failed", output: &output, usage: Some(&usage), error, stop: None };
        self.respond("response.failed", &state, out);
    }
}

/// What happened in the dialect's words; Codex tries again after the ones it does not know.
fn code<'a>(failure: &Failure<'a>) -> &'a str {
    match (failure.status, failure.code) {
        (_, code @ ("context_length_exceeded" | "insufficient_quota")) => code,
        (402, _) => "insufficient_quota",
        (429, _) => "rate_limit_exceeded",
        (500.., _) => "server_error",
        (_, code) => code,
    }
}

/// Ends the open piece of a message, if there is one.
fn end_piece(
    sequence: &mut u64,
    place: usize,
    id: &str,
    piece: &mut Option<Piece>,
    done: &mut Vec<Value>,
    out: &mut Vec<u8>,
) {
    let Some(Piece { kind, text, annotations }) = piece.take() else { return };
    let mut fields = json!({"item_id": id, "output_index": place, "content_index": done.len()});
    match kind {
        Kind::Text => {
            fields["text"] = json!(text);
            fields["logprobs"] = json!([]);
            send(sequence, "response.output_text.done", &fields, out);
        }
        Kind::Refusal => {
            fields["refusal"] = json!(text);
            send(sequence, "response.refusal.done", &fields, out);
        }
    }
    let piece = kind.cited(&text, &annotations);
    let fields = json!({"item_id": id, "output_index": place, "content_index": done.len(), "part": piece});
    send(sequence, "response.content_part.done", &fields, out);
    done.push(piece);
}

#[cfg(test)]
mod tests;
