//! One connection's conversation: which answer a request gets, and how it is written or broken.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use memchr::memmem;
use serde::Deserialize;
use serde_json::Value;
use tokio::net::TcpStream;

use crate::counts::{Received, Tally, count, present};
use crate::http::{Connection, Request};
use crate::refusal::Refusal;
use crate::route::{Route, Task, Vendor, route, unauthorized};
use crate::said::{Asked, Said, seal};
use crate::{Scenario, anthropic, gemini, openai_chat, openai_other, openai_responses};

/// The most answers that are kept ready.
const MAX_READY: usize = 256;
const HUGE_LINE_BYTES: usize = 100 * 1024 * 1024;
const HTML: &str = "<!DOCTYPE html>\n<html><body><h1>Welcome</h1><p>This is no API.</p></body></html>\n";
const DRIBBLE: Duration = Duration::from_millis(1);

/// What all connections have in common.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) tally: Tally,
    address: SocketAddr,
    ready: Mutex<HashMap<Key, Arc<Vec<Bytes>>>>,
}

/// What an answer depends on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    task: Task,
    model: String,
    asked: Asked,
}

/// What may follow on the connection.
#[derive(PartialEq)]
enum Then {
    Next,
    Close,
    Reset,
}

impl Shared {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self { tally: Tally::default(), address, ready: Mutex::default() }
    }

    /// The pieces of an answer; a whole one is a single piece.
    fn pieces(&self, scenario: Scenario, key: Key) -> Arc<Vec<Bytes>> {
        let mut ready = self.ready.lock().expect("nobody panics with it");
        if let Some(pieces) = ready.get(&key) {
            return pieces.clone();
        }
        if ready.len() == MAX_READY {
            ready.clear();
        }
        let said = Said::of(scenario, &key.asked);
        let pieces = Arc::new(write(&key, &said).into_iter().map(Bytes::from).collect::<Vec<_>>());
        ready.insert(key, pieces.clone());
        pieces
    }
}

fn write(key: &Key, said: &Said) -> Vec<String> {
    let model = &key.model;
    let is_streamed = key.asked.is_streamed;
    match key.task {
        Task::Messages if is_streamed => anthropic::frames(model, said),
        Task::Messages => vec![anthropic::whole(model, said).to_string()],
        Task::Chat if is_streamed => openai_chat::frames(model, said, key.asked.wants_usage),
        Task::Chat => vec![openai_chat::whole(model, said).to_string()],
        Task::Responses if is_streamed => openai_responses::frames(model, said),
        Task::Responses => vec![openai_responses::whole(model, said).to_string()],
        Task::StreamGenerate { is_list } => gemini::frames(model, said, is_list),
        Task::Generate => vec![gemini::whole(model, said).to_string()],
        Task::CountTokens | Task::Embeddings | Task::Embed | Task::EmbedBatch | Task::Models => Vec::new(),
        Task::Pictures | Task::Speech | Task::Transcription | Task::Predict | Task::Account => Vec::new(),
    }
}

/// Answers all that comes over one connection.
pub(crate) async fn converse(stream: TcpStream, shared: &Shared) -> io::Result<()> {
    count(&shared.tally.connections);
    let _open = present(&shared.tally.open_connections);
    let mut connection = Connection::new(stream)?;
    loop {
        let request = match connection.request().await {
            Ok(Some(request)) => request,
            Ok(None) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                return connection.whole(400, "connection: close\r\n", b"").await;
            }
            Err(error) => return Err(error),
        };
        let then = match request.received.target.strip_prefix("/_standin/") {
            Some(page) => own(&mut connection, page, shared).await?,
            None => vendors(&mut connection, &request, shared).await?,
        };
        match then {
            Then::Next if request.keeps_alive => {}
            Then::Next | Then::Close => return Ok(()),
            Then::Reset => return connection.reset(),
        }
    }
}

/// What it tells of itself.
async fn own(connection: &mut Connection, page: &str, shared: &Shared) -> io::Result<Then> {
    let json = "content-type: application/json\r\n";
    match page {
        "counts" => {
            let counts = serde_json::to_vec(&shared.tally.counts()).expect("numbers are JSON");
            connection.whole(200, json, &counts).await?;
        }
        "last" => {
            let body = shared.tally.last().map(|last| last.body).unwrap_or_default();
            connection.whole(200, "content-type: application/octet-stream\r\n", &body).await?;
        }
        "redirected" => {
            count(&shared.tally.redirected);
            connection.whole(200, json, b"{}").await?;
        }
        _ => connection.whole(404, "", b"").await?,
    }
    Ok(Then::Next)
}

async fn vendors(connection: &mut Connection, request: &Request, shared: &Shared) -> io::Result<Then> {
    let tally = &shared.tally;
    count(&tally.requests);
    let _in_flight = present(&tally.in_flight);
    tally.keep(request.received.clone());
    let Some(route) = route(&request.method, &request.received) else {
        return refuse(
            connection,
            Vendor::OpenAi,
            Refusal { status: 404, message: "there is no such route" },
        )
        .await;
    };
    if let Some(refusal) = unauthorized(route.vendor, &request.received) {
        count(&tally.keyless);
        return refuse(connection, route.vendor, refusal).await;
    }
    let answered = answer(connection, &route, &request.received, shared).await;
    if answered.is_err() {
        tally.aborted.fetch_add(1, Ordering::Relaxed);
    }
    answered
}

async fn refuse(connection: &mut Connection, vendor: Vendor, refusal: Refusal) -> io::Result<Then> {
    let body = refusal.body(vendor).to_string();
    connection.whole(refusal.status, &refusal.headers(vendor), body.as_bytes()).await?;
    Ok(Then::Next)
}

/// The fields of a request's body that matter, whichever vendor's.
#[derive(Default, Deserialize)]
struct Fields {
    model: Option<String>,
    stream: Option<bool>,
    stream_options: Option<StreamOptions>,
    encoding_format: Option<String>,
    /// Of embeddings, and of Responses.
    input: Option<Value>,
    /// Of Gemini's batch.
    requests: Option<Vec<serde::de::IgnoredAny>>,
}

#[derive(Deserialize)]
struct StreamOptions {
    include_usage: Option<bool>,
}

async fn answer(
    connection: &mut Connection,
    route: &Route<'_>,
    received: &Received,
    shared: &Shared,
) -> io::Result<Then> {
    let vendor = route.vendor;
    let fields: Fields = match serde_json::from_slice(&received.body) {
        Ok(fields) => fields,
        Err(_) if matches!(route.task, Task::Models | Task::Transcription | Task::Account) => {
            Fields::default()
        }
        Err(_) => {
            return refuse(
                connection,
                vendor,
                Refusal { status: 400, message: "the body is no JSON object" },
            )
            .await;
        }
    };
    let model = route.model.or(fields.model.as_deref()).unwrap_or_default().to_owned();
    if route.task == Task::Speech {
        connection.whole(200, &headers(vendor, "audio/mpeg"), openai_other::SOUND).await?;
        return Ok(Then::Next);
    }
    if let Some(body) = side(route, &fields, &model) {
        connection
            .whole(200, headers(vendor, "application/json").as_str(), body.to_string().as_bytes())
            .await?;
        return Ok(Then::Next);
    }
    let Some(scenario) = Scenario::of(&model) else {
        return refuse(connection, vendor, Refusal { status: 404, message: "there is no such model" }).await;
    };
    let asked = match asked(route, &fields, scenario, &received.body) {
        Ok(asked) => asked,
        Err(refusal) => return refuse(connection, vendor, refusal).await,
    };
    let key = Key { task: route.task, model, asked };
    play(connection, vendor, scenario, key, shared).await
}

/// What is no conversation.
fn side(route: &Route<'_>, fields: &Fields, model: &str) -> Option<Value> {
    let names = Scenario::NAMED.map(|(name, _)| name);
    Some(match (route.task, route.vendor) {
        (Task::CountTokens, Vendor::Gemini) => gemini::count(),
        (Task::CountTokens, Vendor::OpenAi) => openai_responses::count(),
        (Task::CountTokens, Vendor::Anthropic) => anthropic::count(),
        (Task::Embeddings, _) => {
            let inputs = fields.input.as_ref().and_then(Value::as_array).map_or(1, Vec::len);
            openai_chat::embeddings(model, inputs, fields.encoding_format.as_deref() == Some("base64"))
        }
        (Task::Embed, _) => serde_json::json!({"embedding": gemini::embedding()}),
        (Task::EmbedBatch, _) => {
            let inputs = fields.requests.as_ref().map_or(0, Vec::len);
            serde_json::json!({"embeddings": vec![gemini::embedding(); inputs]})
        }
        (Task::Pictures, _) => openai_other::pictures(),
        (Task::Transcription, _) => openai_other::transcription(),
        (Task::Account, vendor) => serde_json::json!({"kept_by": format!("{vendor:?}")}),
        (Task::Predict, _) => serde_json::json!({"predictions": [{"mimeType": "image/png"}]}),
        (Task::Models, Vendor::Anthropic) => anthropic::models(&names),
        (Task::Models, Vendor::OpenAi) => openai_chat::models(&names),
        (Task::Models, Vendor::Gemini) => gemini::models(&names),
        (Task::Messages | Task::Chat | Task::Responses, _) => return None,
        (Task::Generate | Task::StreamGenerate { .. } | Task::Speech, _) => return None,
    })
}

/// What of the request changes the answer. A seal that is not the vendor's own is refused, as vendors do.
fn asked(route: &Route<'_>, fields: &Fields, scenario: Scenario, body: &[u8]) -> Result<Asked, Refusal> {
    let is_asked_for = fields.stream == Some(true) && route.vendor != Vendor::Gemini;
    let is_streamed = is_asked_for || matches!(route.task, Task::StreamGenerate { .. });
    let wants_usage =
        fields.stream_options.as_ref().is_some_and(|options| options.include_usage == Some(true));
    let mut asked = Asked { is_streamed, wants_usage, ..Asked::default() };
    let has_seals =
        [&b"ignature\""[..], b"encrypted_content\""].iter().any(|key| memmem::find(body, key).is_some());
    if has_seals || matches!(scenario, Scenario::Tools | Scenario::ImageResult | Scenario::Json) {
        let body: Value = serde_json::from_slice(body)
            .map_err(|_| Refusal { status: 400, message: "the body is no JSON object" })?;
        look(&body, route.vendor, &mut asked)?;
        if scenario == Scenario::Json && !names_a_city(schema(route, &body)) {
            return Err(Refusal { status: 400, message: "no schema with a city was asked for" });
        }
    }
    Ok(asked)
}

/// The schema that the answer is to have, where this route has it.
fn schema<'a>(route: &Route<'_>, body: &'a Value) -> Option<&'a Value> {
    match route.task {
        Task::Messages => body.pointer("/output_config/format/schema"),
        Task::Chat => body.pointer("/response_format/json_schema/schema"),
        Task::Responses => body.pointer("/text/format/schema"),
        Task::Generate | Task::StreamGenerate { .. } => {
            let format = body.get("generationConfig").or_else(|| body.get("generation_config"))?;
            let is_json = format.get("responseMimeType").and_then(Value::as_str) == Some("application/json");
            let schema = format.get("responseJsonSchema").or_else(|| format.get("responseSchema"));
            schema.filter(|_| is_json)
        }
        Task::CountTokens | Task::Embeddings | Task::Embed | Task::EmbedBatch | Task::Models => None,
        Task::Pictures | Task::Speech | Task::Transcription | Task::Predict | Task::Account => None,
    }
}

fn names_a_city(schema: Option<&Value>) -> bool {
    schema.is_some_and(|schema| schema.pointer("/properties/city").is_some())
}

fn look(value: &Value, vendor: Vendor, asked: &mut Asked) -> Result<(), Refusal> {
    match value {
        Value::Array(list) => list.iter().try_for_each(|value| look(value, vendor, asked)),
        Value::Object(object) => {
            let kind = object.get("type").and_then(Value::as_str).unwrap_or_default();
            let is_picture = matches!(kind, "image" | "image_url" | "input_image");
            asked.pictures += u32::from(is_picture || object.contains_key("inlineData"));
            let is_result = matches!(kind, "tool_result" | "function_call_output");
            let role = object.get("role").and_then(Value::as_str);
            asked.has_results |= is_result || role == Some("tool") || object.contains_key("functionResponse");
            for (name, value) in object {
                let is_seal = matches!(name.as_str(), "signature" | "thoughtSignature" | "encrypted_content");
                if is_seal && value.as_str().is_some_and(|given| !is_own(vendor, given)) {
                    return Err(Refusal::foreign_seal(vendor));
                }
                look(value, vendor, asked)?;
            }
            Ok(())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(()),
    }
}

/// Whether a seal is the vendor's, or what Gemini takes for one on calls that it did not make.
fn is_own(vendor: Vendor, given: &str) -> bool {
    given == seal(vendor) || (vendor == Vendor::Gemini && given == "skip_thought_signature_validator")
}

fn headers(vendor: Vendor, content: &str) -> String {
    let id = match vendor {
        Vendor::Anthropic => "request-id: req_standin\r\n",
        Vendor::OpenAi => "x-request-id: req_standin\r\nopenai-processing-ms: 1\r\n",
        Vendor::Gemini => "",
    };
    format!("content-type: {content}\r\n{id}")
}

async fn play(
    connection: &mut Connection,
    vendor: Vendor,
    scenario: Scenario,
    key: Key,
    shared: &Shared,
) -> io::Result<Then> {
    let task = key.task;
    let is_streamed = key.asked.is_streamed;
    let is_events = is_streamed && task != Task::StreamGenerate { is_list: true };
    let content = if is_events { "text/event-stream" } else { "application/json" };
    let headers = headers(vendor, content);
    let failed = Refusal::asked_for(500);
    match scenario {
        Scenario::Error(status) => return refuse(connection, vendor, Refusal::asked_for(status)).await,
        Scenario::ErrorMidStream if !is_streamed => return refuse(connection, vendor, failed).await,
        Scenario::DiesFirst => return Ok(Then::Close),
        Scenario::Hangs => return Err(connection.hang().await),
        Scenario::Html => {
            connection.whole(200, "content-type: text/html\r\n", HTML.as_bytes()).await?;
            return Ok(Then::Next);
        }
        Scenario::Redirect => {
            let to = format!("location: http://{}/_standin/redirected\r\n", shared.address);
            connection.whole(302, &to, b"").await?;
            return Ok(Then::Next);
        }
        Scenario::ErrorIn200 => {
            let said =
                if is_streamed { failed.frame(vendor, task, 0) } else { failed.body(vendor).to_string() };
            connection.whole(200, &headers, said.as_bytes()).await?;
            return Ok(Then::Next);
        }
        Scenario::HugeLine => return huge_line(connection, &headers).await,
        Scenario::Text
        | Scenario::Tools
        | Scenario::ImageResult
        | Scenario::Thinking
        | Scenario::Json
        | Scenario::Refusal
        | Scenario::Truncated
        | Scenario::ErrorMidStream
        | Scenario::Dies
        | Scenario::DiesHard
        | Scenario::Cut
        | Scenario::HangsMidStream
        | Scenario::Dribbles
        | Scenario::Split(_)
        | Scenario::LiesAboutLength
        | Scenario::Stream { .. } => {}
    }
    let pieces = shared.pieces(scenario, key);
    let body = Body { headers, pieces: &pieces, is_streamed };
    if scenario == Scenario::ErrorMidStream {
        let error = failed.frame(vendor, task, body.half());
        return body.then_error(connection, &error).await;
    }
    body.play(connection, scenario).await
}

async fn huge_line(connection: &mut Connection, headers: &str) -> io::Result<Then> {
    connection.begin(200, headers).await?;
    connection.chunk(b"data: {\"x\":\"").await?;
    let piece = vec![b'x'; 64 * 1024];
    for _ in 0..HUGE_LINE_BYTES / piece.len() {
        connection.chunk(&piece).await?;
    }
    connection.chunk(b"\"}\n\n").await?;
    connection.end().await?;
    Ok(Then::Next)
}

/// An answer that is about to be written.
struct Body<'a> {
    headers: String,
    pieces: &'a [Bytes],
    is_streamed: bool,
}

impl Body<'_> {
    fn half(&self) -> usize {
        self.pieces.len() / 2
    }

    async fn play(&self, connection: &mut Connection, scenario: Scenario) -> io::Result<Then> {
        match scenario {
            Scenario::Dies => self.half_of_it(connection).await.map(|()| Then::Close),
            Scenario::DiesHard => {
                self.half_of_it(connection).await?;
                // A reset would overtake what was just written.
                connection.pause(Duration::from_millis(20)).await?;
                Ok(Then::Reset)
            }
            Scenario::HangsMidStream => {
                self.half_of_it(connection).await?;
                Err(connection.hang().await)
            }
            Scenario::Cut => {
                let whole = self.pieces.concat();
                let cut = if self.is_streamed {
                    self.pieces[..self.half()].concat()
                } else {
                    whole[..whole.len() / 2].to_vec()
                };
                connection.whole(200, &self.headers, &cut).await.map(|()| Then::Next)
            }
            Scenario::LiesAboutLength => {
                let whole = self.pieces.concat();
                let length = whole.len() + 100;
                connection.claimed(200, &self.headers, &whole, length).await.map(|()| Then::Close)
            }
            Scenario::Dribbles => self.in_pieces(connection, 1, DRIBBLE).await,
            Scenario::Split(bytes) => self.in_pieces(connection, bytes as usize, Duration::ZERO).await,
            Scenario::Stream { pace, .. } => self.all(connection, pace).await,
            Scenario::Text
            | Scenario::Tools
            | Scenario::ImageResult
            | Scenario::Thinking
            | Scenario::Json
            | Scenario::Refusal
            | Scenario::Truncated
            | Scenario::Error(_)
            | Scenario::ErrorIn200
            | Scenario::ErrorMidStream
            | Scenario::DiesFirst
            | Scenario::Hangs
            | Scenario::Html
            | Scenario::HugeLine
            | Scenario::Redirect => self.all(connection, Duration::ZERO).await,
        }
    }

    async fn all(&self, connection: &mut Connection, pace: Duration) -> io::Result<Then> {
        let [whole] = self.pieces else {
            connection.begin(200, &self.headers).await?;
            for (at, piece) in self.pieces.iter().enumerate() {
                if at > 0 && !pace.is_zero() {
                    connection.pause(pace).await?;
                }
                connection.chunk(piece).await?;
            }
            return connection.end().await.map(|()| Then::Next);
        };
        connection.whole(200, &self.headers, whole).await.map(|()| Then::Next)
    }

    /// What comes before it breaks off: half of the frames, or of the bytes.
    async fn half_of_it(&self, connection: &mut Connection) -> io::Result<()> {
        if !self.is_streamed {
            let whole = self.pieces.concat();
            return connection.claimed(200, &self.headers, &whole[..whole.len() / 2], whole.len()).await;
        }
        connection.begin(200, &self.headers).await?;
        for piece in &self.pieces[..self.half()] {
            connection.chunk(piece).await?;
        }
        Ok(())
    }

    async fn then_error(&self, connection: &mut Connection, error: &str) -> io::Result<Then> {
        self.half_of_it(connection).await?;
        connection.chunk(error.as_bytes()).await?;
        connection.end().await.map(|()| Then::Next)
    }

    async fn in_pieces(&self, connection: &mut Connection, bytes: usize, pace: Duration) -> io::Result<Then> {
        connection.begin(200, &self.headers).await?;
        for piece in self.pieces.concat().chunks(bytes) {
            connection.chunk(piece).await?;
            if !pace.is_zero() {
                connection.pause(pace).await?;
            }
        }
        connection.end().await.map(|()| Then::Next)
    }
}
