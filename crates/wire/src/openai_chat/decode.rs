//! Events out of OpenAI's chunks: deltas of text and of several tool calls, a finish reason, usage, `[DONE]`.

use chat::{Event, Part, Seal, StopReason};

use super::chunk::{CallDelta, Choice, Chunk, Content, CustomDelta, Delta, FunctionDelta, Piece};
use super::details::{self, Detail};
use super::failure::Reported;
use super::{DIALECT, media};
use crate::decode::{Decode, next_tool_call, parse};
use crate::{Error, citing, freeform, sse};

/// The most bytes of a name that comes in pieces.
const MAX_NAME: usize = 1_024;
/// The most bytes of an answer's id that go into the ids of its calls.
const MAX_ANSWER: usize = 48;

/// Decodes one answer.
#[derive(Debug, Default)]
pub struct Decoder {
    began: bool,
    /// What the ids of calls without one begin with.
    answer: String,
    calls: Vec<Call>,
    /// The last call is not told yet: more of its name may come.
    pending: Option<Pending>,
    /// The thought that no seal has ended yet: some entries repeat it whole beside the seal.
    thought: String,
    refused: bool,
    /// Something was said in pieces.
    told: bool,
    stopped: bool,
    done: bool,
}

/// A tool call by the server's own index and id; its place in the list is our index.
#[derive(Debug)]
struct Call {
    index: u64,
    /// As the server says it.
    id: Option<String>,
    /// It takes a text, of which this much of the JSON around it was told.
    text: Option<bool>,
}

#[derive(Debug)]
struct Pending {
    id: String,
    name: String,
    seal: Option<Seal>,
    /// It came in an earlier chunk: within one, each entry is a call of its own.
    is_older: bool,
}

/// The events of a whole answer.
///
/// # Errors
/// When the body is none, or holds an error although the status said that all was well.
pub fn answer(body: &[u8]) -> Result<Vec<Event>, Error> {
    let chunk: Chunk = parse(DIALECT, "an answer", body)?;
    let mut decoder = Decoder::default();
    let mut events = decoder.take(chunk)?;
    events.extend(decoder.finish()?);
    Ok(events)
}

impl Decode for Decoder {
    fn push(&mut self, frame: &sse::Frame) -> Result<Vec<Event>, Error> {
        let data = frame.data.trim();
        if data == "[DONE]" {
            self.done = true;
        }
        if self.done || data.is_empty() {
            return Ok(Vec::new());
        }
        self.take(parse(DIALECT, "a chunk", data.as_bytes())?)
    }

    fn ended(&self) -> bool {
        self.done && self.stopped
    }

    /// A finish reason makes the answer whole, also where a server leaves out `[DONE]`.
    fn finish(&mut self) -> Result<Vec<Event>, Error> {
        if self.stopped { Ok(Vec::new()) } else { Err(Error::Cut { dialect: DIALECT }) }
    }
}

impl Decoder {
    fn take(&mut self, mut chunk: Chunk) -> Result<Vec<Event>, Error> {
        if let Some(error) = chunk.error {
            return Err(error.into());
        }
        let mut events = Vec::new();
        let usage = chunk.take_usage();
        self.begin(chunk.id, chunk.model, &mut events);
        // Only one answer was asked for.
        for choice in chunk.choices.into_iter().flatten().filter(|choice| choice.index == 0) {
            self.choose(choice, &mut events)?;
        }
        events.extend(usage.map(|usage| Event::Usage(usage.into())));
        Ok(events)
    }

    fn begin(&mut self, id: Option<String>, model: Option<String>, events: &mut Vec<Event>) {
        let [id, model] = [id, model].map(|text| text.filter(|text| !text.is_empty()));
        if self.began || (id.is_none() && model.is_none()) {
            return;
        }
        self.began = true;
        self.answer = id.as_deref().unwrap_or_default().chars().filter(char::is_ascii_alphanumeric).collect();
        self.answer.truncate(MAX_ANSWER);
        events.push(Event::Began { id, model });
    }

    fn choose(&mut self, choice: Choice, events: &mut Vec<Event>) -> Result<(), Error> {
        if let Some(error) = choice.error {
            return Err(error.into());
        }
        let before = events.len();
        if let Some(pending) = &mut self.pending {
            pending.is_older = true;
        }
        if let Some(mut delta) = choice.delta.or(choice.message.filter(|_| !self.told)) {
            self.say(&mut delta, events);
            for call in delta.tool_calls.into_iter().flatten() {
                self.extend(call, events)?;
            }
        }
        self.told |= events.len() > before || self.pending.is_some();
        if let Some(word) = choice.finish_reason.filter(|word| !word.is_empty() && !self.stopped) {
            self.tell(events);
            self.close(events);
            self.stopped = true;
            let sequence = choice.stop_reason.and_then(|text| text.as_str().map(str::to_owned));
            events.push(Event::Stopped { reason: self.stop_reason(word, sequence)? });
        }
        Ok(())
    }

    fn say(&mut self, delta: &mut Delta, events: &mut Vec<Event>) {
        let before = events.len();
        let details = delta.reasoning_details.take().unwrap_or_default();
        let words = delta.reasoning_content.take().filter(|text| !text.is_empty()).or(delta.reasoning.take());
        self.think(words, details, events);
        match delta.content.take() {
            Some(Content::Text(text)) => events.extend(said(text).map(|text| Event::Text { text })),
            Some(Content::Parts(parts)) => parts.into_iter().for_each(|part| piece(part, events)),
            None => {}
        }
        let refusal = delta.refusal.take().and_then(said);
        self.refused |= refusal.is_some();
        events.extend(refusal.map(|text| Event::Refusal { text }));
        for image in delta.images.take().into_iter().flatten() {
            events.push(Event::Media { part: Part::Image(media::at_address(image.image_url.url)) });
        }
        if let Some(data) = delta.audio.take().and_then(|audio| audio.data).and_then(said) {
            // The sound's type was the client's to choose, and the answer does not repeat it.
            let sound = chat::Media { mime: None, ..media::of_sound(data, "") };
            events.push(Event::Media { part: Part::Audio(sound) });
        }
        events.extend(citing::of_openai(delta.annotations.take(), 0));
        if events.len() > before {
            let new = events.split_off(before);
            self.tell(events);
            events.extend(new);
        }
    }

    /// Entries hold the same words as the plain field, and the seals.
    fn think(&mut self, words: Option<String>, details: Vec<Detail>, events: &mut Vec<Event>) {
        let thoughts = details::thoughts(details);
        if let Some(text) =
            words.and_then(said).filter(|_| thoughts.iter().all(|thought| thought.text.is_empty()))
        {
            self.thought.push_str(&text);
            events.push(Event::Thought { text });
        }
        for chat::Thought { text, seal } in thoughts {
            let is_repeated = seal.is_some() && text == self.thought;
            if let Some(text) = said(text).filter(|_| !is_repeated) {
                self.thought.push_str(&text);
                events.push(Event::Thought { text });
            }
            if let Some(seal) = seal {
                self.thought.clear();
                events.push(Event::Sealed(seal));
            }
        }
    }

    fn extend(&mut self, delta: CallDelta, events: &mut Vec<Event>) -> Result<(), Error> {
        let id = delta.id.filter(|id| !id.is_empty());
        let text = delta.custom.is_some();
        let (name, piece) = match (delta.function, delta.custom) {
            (_, Some(CustomDelta { name, input })) => (name, input),
            (function, None) => {
                let FunctionDelta { name, arguments } = function.unwrap_or_default();
                (name, arguments.map(|arguments| arguments.0))
            }
        };
        let name = name.filter(|name| !name.is_empty());
        let index = match self.find(delta.index, id.as_deref(), name.is_some()) {
            Some(index) => {
                self.name_on(index, name)?;
                index
            }
            None => {
                let signature = delta.extra_content.and_then(|extra| extra.google?.thought_signature);
                self.start(delta.index, id, name, text, events)?;
                if let (Some(pending), Some(value)) = (&mut self.pending, signature.and_then(said)) {
                    pending.seal = Some(Seal { issuer: None, value, whole: false });
                }
                u32::try_from(self.calls.len() - 1).expect("there are at most MAX_TOOL_CALLS")
            }
        };
        if let Some(piece) = piece.and_then(said) {
            self.tell(events);
            let json = self.as_arguments(index, piece);
            events.push(Event::ToolCallArguments { index, json });
        }
        Ok(())
    }

    fn start(
        &mut self,
        index: u64,
        id: Option<String>,
        name: Option<String>,
        is_text: bool,
        events: &mut Vec<Event>,
    ) -> Result<(), Error> {
        let Some(name) = name else { return Err(malformed("a tool call must begin with its name")) };
        self.tell(events);
        let place = next_tool_call(self.calls.len())?;
        let is_taken = |id: &str| self.calls.iter().any(|call| call.id.as_deref() == Some(id));
        let told = id.clone().filter(|id| !is_taken(id));
        let made = || match (&id, self.answer.as_str()) {
            (Some(id), _) => format!("{id}_{place}"),
            (None, "") => format!("call_{place}"),
            (None, answer) => format!("call_{answer}_{place}"),
        };
        let pending = Pending { id: told.unwrap_or_else(made), name, seal: None, is_older: false };
        self.calls.push(Call { index, id, text: is_text.then_some(false) });
        self.pending = Some(pending);
        Ok(())
    }

    /// More of a name, as long as nothing else of its call has come; some servers repeat the whole of it.
    fn name_on(&mut self, index: u32, more: Option<String>) -> Result<(), Error> {
        let is_last = usize::try_from(index).is_ok_and(|index| index + 1 == self.calls.len());
        if let (Some(pending), Some(more)) = (self.pending.as_mut().filter(|_| is_last), more)
            && pending.name != more
        {
            pending.name.push_str(&more);
            if pending.name.len() > MAX_NAME {
                return Err(malformed("a tool's name must not be endless"));
            }
        }
        Ok(())
    }

    /// Tells the call whose name is whole now.
    fn tell(&mut self, events: &mut Vec<Event>) {
        let Some(Pending { id, name, seal, is_older: _ }) = self.pending.take() else { return };
        events.extend(seal.map(Event::Sealed));
        let index = u32::try_from(self.calls.len() - 1).expect("there are at most MAX_TOOL_CALLS");
        events.push(Event::ToolCallStarted { index, id, name });
    }

    fn as_arguments(&mut self, index: u32, piece: String) -> String {
        let call = usize::try_from(index).ok().and_then(|index| self.calls.get_mut(index));
        match call.and_then(|call| call.text.as_mut()) {
            None => piece,
            Some(opened) => {
                let opening = if std::mem::replace(opened, true) { "" } else { freeform::OPENING };
                format!("{opening}{}", freeform::escape(&piece))
            }
        }
    }

    /// Ends the JSON around the texts.
    fn close(&self, events: &mut Vec<Event>) {
        for (index, call) in (0..).zip(&self.calls) {
            let Some(opened) = call.text else { continue };
            let opening = if opened { "" } else { freeform::OPENING };
            events.push(Event::ToolCallArguments { index, json: format!("{opening}{}", freeform::CLOSING) });
        }
    }

    /// The call that a delta goes on with. An id goes before an index: Ollama gives all parallel calls the index 0.
    fn find(&self, index: u64, id: Option<&str>, named: bool) -> Option<u32> {
        let mut calls = self.calls.iter();
        let last_is_nameless = self.pending.as_ref().is_some_and(|pending| pending.is_older)
            && self.calls.last().is_some_and(|call| call.index == index);
        let place = match id {
            Some(id) => {
                calls.rposition(|call| call.id.as_deref() == Some(id) && (call.index == index || !named))
            }
            None => calls.rposition(|call| call.index == index).filter(|_| !named || last_is_nameless),
        };
        place.and_then(|place| u32::try_from(place).ok())
    }

    fn stop_reason(&self, word: String, sequence: Option<String>) -> Result<StopReason, Error> {
        Ok(match word.as_str() {
            "stop" if self.refused => StopReason::Refusal,
            // Some servers say `stop` although they wait for a tool.
            "stop" | "eos" | "end_turn" if !self.calls.is_empty() => StopReason::ToolUse,
            "stop" if sequence.is_some() => StopReason::StopSequence { text: sequence },
            "stop" | "eos" | "end_turn" => StopReason::EndOfTurn,
            "tool_calls" | "function_call" => StopReason::ToolUse,
            "length" | "max_tokens" => StopReason::MaxOutput,
            "content_filter" => StopReason::Refusal,
            // OpenRouter and DeepSeek: the answer broke off, and what was wrong is said nowhere else.
            "error" | "insufficient_system_resource" => return Err(Reported::Text(word).into()),
            _ => StopReason::Other(word),
        })
    }
}

fn malformed(rule: &'static str) -> Error {
    Error::Malformed { dialect: DIALECT, what: "a chunk", column: 0, rule }
}

fn said(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

fn piece(piece: Piece, events: &mut Vec<Event>) {
    match piece {
        Piece::Text { text } => events.extend(said(text).map(|text| Event::Text { text })),
        Piece::Thinking { thinking } => {
            for piece in thinking {
                if let Piece::Text { text } = piece {
                    events.extend(said(text).map(|text| Event::Thought { text }));
                }
            }
        }
        Piece::Unknown => {}
    }
}
