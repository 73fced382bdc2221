//! The provider: speaks the dialect of OpenAI on loopback, answers by a rule, and keeps a ledger.
//!
//! A call counts as answered when its last byte is on the way to a caller who still listens. Calls can be held back.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use serde_json::{Value, json};

use crate::house::LIMIT;

/// Tokens that every answer reports.
pub(crate) const INPUT_TOKENS: u64 = 100;
pub(crate) const OUTPUT_TOKENS: u64 = 10;

/// One call as it came in.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// The model, which these tests name for its role.
    pub(crate) model: String,
    /// The text of all messages.
    pub(crate) text: String,
    /// The trace that the call says it belongs to.
    pub(crate) traceparent: Option<String>,
    /// Whether it asks for the answer in pieces.
    pub(crate) is_streamed: bool,
    /// The whole body: two calls of one body ask for the same thing.
    pub(crate) body: String,
}

/// What the provider says to it.
pub(crate) enum Says {
    /// An answer.
    Text(String),
    /// Calls of tools, by name and arguments.
    Calls(Vec<(&'static str, Value)>),
    /// An HTTP status that is no success.
    Fails(u16),
    /// A bad request, with these words.
    Refuses(&'static str),
}

/// Answers a call.
pub(crate) type Rule = Box<dyn Fn(&Asked) -> Says + Send + Sync>;

/// A provider that listens until it is dropped.
pub(crate) struct Vendor {
    address: SocketAddr,
    desk: Arc<Desk>,
}

struct Desk {
    rule: Rule,
    ledger: Mutex<Ledger>,
    changed: Condvar,
}

#[derive(Default)]
struct Ledger {
    asked: Vec<Asked>,
    answered: Vec<Asked>,
    held: Vec<Pattern>,
    closed: bool,
}

/// Which calls are meant: those of a model with a word in their text.
#[derive(Clone, PartialEq, Eq)]
struct Pattern {
    model: String,
    word: String,
}

impl Pattern {
    fn new(model: &str, word: &str) -> Self {
        Self { model: model.to_owned(), word: word.to_owned() }
    }

    fn fits(&self, asked: &Asked) -> bool {
        asked.model == self.model && asked.text.contains(&self.word)
    }
}

impl Vendor {
    /// Listens on a free port.
    pub(crate) fn open(rule: Rule) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let desk = Arc::new(Desk { rule, ledger: Mutex::default(), changed: Condvar::new() });
        let shared = desk.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                if shared.ledger().closed {
                    return;
                }
                let (Ok(stream), desk) = (stream, shared.clone()) else { continue };
                // A caller who is gone is what these tests are about.
                thread::spawn(move || desk.serve(stream).unwrap_or_default());
            }
        });
        Self { address, desk }
    }

    /// Where its API is.
    pub(crate) fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// Keeps calls of `model` with `word` in their text waiting from now on.
    pub(crate) fn hold(&self, model: &str, word: &str) {
        self.desk.ledger().held.push(Pattern::new(model, word));
    }

    /// Answers what was held, and holds it no more.
    pub(crate) fn release(&self, model: &str, word: &str) {
        let pattern = Pattern::new(model, word);
        self.desk.ledger().held.retain(|held| *held != pattern);
        self.desk.changed.notify_all();
    }

    /// Waits until so many such calls have come in, held ones among them.
    pub(crate) fn await_asked(&self, model: &str, word: &str, times: usize) {
        let pattern = Pattern::new(model, word);
        let count = |ledger: &Ledger| ledger.asked.iter().filter(|asked| pattern.fits(asked)).count();
        let ledger = self.desk.ledger();
        let waited = self.desk.changed.wait_timeout_while(ledger, LIMIT, |ledger| count(ledger) < times);
        let (ledger, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        let (found, timed_out) = (count(&ledger), timeout.timed_out());
        drop(ledger);
        assert!(!timed_out, "`{model}` was asked {found} times about `{word}`, not {times} times");
    }

    /// Every call that came in.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.desk.ledger().asked.clone()
    }

    /// Every call that was answered to its end.
    pub(crate) fn answered(&self) -> Vec<Asked> {
        self.desk.ledger().answered.clone()
    }
}

impl Drop for Vendor {
    fn drop(&mut self) {
        self.desk.ledger().closed = true;
        self.desk.changed.notify_all();
        // Wakes the listener, which then sees that it is over.
        drop(TcpStream::connect(self.address));
    }
}

impl Desk {
    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&self, mut stream: TcpStream) -> std::io::Result<()> {
        stream.set_nodelay(true)?;
        let Some((path, traceparent, body)) = read_request(&stream)? else { return Ok(()) };
        if !path.ends_with("/chat/completions") {
            let body = r#"{"object":"list","data":[]}"#;
            return stream
                .write_all(head("200 OK", "application/json", Some(body.len())).as_bytes())
                .and_then(|()| stream.write_all(body.as_bytes()));
        }
        let asked = Asked { traceparent, ..asked(body) };
        self.note(&asked);
        if !self.may_answer(&asked) || !listens(&stream)? {
            return Ok(());
        }
        let (message, reason) = match (self.rule)(&asked) {
            Says::Text(text) => (json!({"content": text}), "stop"),
            Says::Calls(calls) => (json!({"tool_calls": tool_calls(&calls)}), "tool_calls"),
            Says::Fails(status) => return refuse(&mut stream, status, "played by a test"),
            Says::Refuses(words) => return refuse(&mut stream, 400, words),
        };
        // Noted before the end is sent, so that nobody knows of the answer earlier than the ledger.
        if !asked.is_streamed {
            let whole = whole(&message, reason).to_string();
            stream.write_all(head("200 OK", "application/json", Some(whole.len())).as_bytes())?;
            self.ledger().answered.push(asked);
            return stream.write_all(whole.as_bytes());
        }
        stream.write_all(head("200 OK", "text/event-stream", None).as_bytes())?;
        for frame in frames(&message, reason) {
            stream.write_all(format!("data: {frame}\n\n").as_bytes())?;
        }
        self.ledger().answered.push(asked);
        stream.write_all(b"data: [DONE]\n\n")
    }

    fn note(&self, asked: &Asked) {
        self.ledger().asked.push(asked.clone());
        self.changed.notify_all();
    }

    /// Waits while the call is held; `false` when the provider was closed meanwhile.
    fn may_answer(&self, asked: &Asked) -> bool {
        let is_held = |ledger: &mut Ledger| !ledger.closed && ledger.held.iter().any(|held| held.fits(asked));
        let ledger = self.changed.wait_while(self.ledger(), is_held).unwrap_or_else(PoisonError::into_inner);
        !ledger.closed
    }
}

fn refuse(stream: &mut TcpStream, status: u16, words: &str) -> std::io::Result<()> {
    let body = json!({"error": {"message": words, "type": "server_error"}}).to_string();
    let head = head(&format!("{status} Refused"), "application/json", Some(body.len()));
    stream.write_all(format!("{head}{body}").as_bytes())
}

/// Whether the caller is still there: one that was killed has closed its end.
fn listens(stream: &TcpStream) -> std::io::Result<bool> {
    stream.set_nonblocking(true)?;
    let peeked = stream.peek(&mut [0]);
    stream.set_nonblocking(false)?;
    Ok(matches!(peeked, Err(error) if error.kind() == ErrorKind::WouldBlock))
}

fn read_request(stream: &TcpStream) -> std::io::Result<Option<(String, Option<String>, String)>> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let Some(path) = line.split(' ').nth(1).map(str::to_owned) else { return Ok(None) };
    let (mut length, mut traceparent) = (0, None);
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().unwrap();
        }
        if name.eq_ignore_ascii_case("traceparent") {
            traceparent = Some(value.trim().to_owned());
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok(Some((path, traceparent, String::from_utf8(body).unwrap())))
}

fn asked(body: String) -> Asked {
    let json: Value = serde_json::from_str(&body).unwrap();
    let mut text = String::new();
    for message in json["messages"].as_array().unwrap() {
        writeln!(text, "{}", message["content"].as_str().unwrap_or_default()).unwrap();
    }
    let is_streamed = json["stream"].as_bool().unwrap_or(false);
    Asked { model: json["model"].as_str().unwrap().to_owned(), text, traceparent: None, is_streamed, body }
}

fn head(status: &str, kind: &str, length: Option<usize>) -> String {
    let length = length.map(|length| format!("content-length: {length}\r\n")).unwrap_or_default();
    format!("HTTP/1.1 {status}\r\ncontent-type: {kind}\r\n{length}connection: close\r\n\r\n")
}

fn tool_calls(calls: &[(&str, Value)]) -> Vec<Value> {
    let call = |(index, (name, arguments)): (usize, &(&str, Value))| {
        let function = json!({"name": name, "arguments": arguments.to_string()});
        json!({"index": index, "id": format!("call_{index}"), "type": "function", "function": function})
    };
    calls.iter().enumerate().map(call).collect()
}

fn whole(message: &Value, reason: &str) -> Value {
    let mut message = message.clone();
    message["role"] = json!("assistant");
    let choice = json!({"index": 0, "message": message, "finish_reason": reason});
    json!({"id": "chatcmpl-1", "object": "chat.completion", "choices": [choice], "usage": usage()})
}

/// Text in two pieces, for an answer comes in pieces; a piece for each call of a tool.
fn frames(message: &Value, reason: &str) -> Vec<Value> {
    let delta = |delta: Value| json!({"choices": [{"index": 0, "delta": delta}]});
    let mut frames = if let Some(text) = message["content"].as_str() {
        let (first, second) = text.split_at(text.floor_char_boundary(text.len() / 2));
        vec![delta(json!({"content": first})), delta(json!({"content": second}))]
    } else {
        let calls = message["tool_calls"].as_array().into_iter().flatten();
        calls.map(|call| delta(json!({"tool_calls": [call]}))).collect()
    };
    frames.push(json!({"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]}));
    frames.push(json!({"choices": [], "usage": usage()}));
    frames
}

fn usage() -> Value {
    json!({"prompt_tokens": INPUT_TOKENS, "completion_tokens": OUTPUT_TOKENS})
}
