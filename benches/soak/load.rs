//! Mixed load on the doors there are: whole runs and plans, streams of both kinds, calls of models in each dialect, reads,
//! errors, hang-ups, reloads.
//!
//! All of it is one task: who loads does not compete with who is loaded.

use std::cell::Cell;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::{LocalBoxFuture, join_all};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use units::{Seq, WorkflowId};
use workflow::Mode;

use crate::stage::{ALPHA, BETA, HOPELESS, SLOW, Stage};

/// The kinds of load, each with its pause between two turns, in milliseconds.
const KINDS: [(&str, u64); 10] = [
    ("runs", 200),
    ("plans over WebSockets", 100),
    ("failures", 300),
    ("aborts", 300),
    ("hang-ups", 100),
    ("reads", 50),
    ("errors", 70),
    ("reloads", 2_000),
    ("calls of models", 30),
    ("command-line clients", 500),
];
/// Calls of models: where, which, whether as a stream, and what the answer has at its end. Some are relayed as they are and
/// some translated, some break off, and of what never ends in time the client has enough after the first words.
const CALLS: [(Dialect, &str, bool, &str); 12] = [
    (Dialect::Messages, "anthropic/text", false, "\"end_turn\""),
    (Dialect::Messages, "anthropic/stream-200", true, "message_stop"),
    (Dialect::Messages, "openai/tools", true, "message_stop"),
    (Dialect::Messages, "gemini/thinking", true, "message_stop"),
    (Dialect::ChatCompletions, "openai/text", false, "\"stop\""),
    (Dialect::ChatCompletions, "openai/stream-200", true, "[DONE]"),
    (Dialect::ChatCompletions, "anthropic/thinking", true, "[DONE]"),
    (Dialect::ChatCompletions, "openai/dies", true, "error"),
    (Dialect::Responses, "openai/text", true, "response.completed"),
    (Dialect::Responses, "anthropic/tools", true, "response.completed"),
    (Dialect::Gemini, "gemini/stream-200", true, "\"STOP\""),
    (Dialect::Messages, "anthropic/stream-500-paced-10", true, LEFT),
];
/// The client leaves in the middle.
const LEFT: &str = "";
/// The longest that one turn may take.
const TURN_WITHIN: Duration = Duration::from_secs(60);
/// The most bytes of an answer that are looked at.
const MAX_ANSWER_BYTES: u64 = 8 << 20;

type Turn = std::io::Result<()>;

#[derive(Clone, Copy)]
enum Dialect {
    Messages,
    ChatCompletions,
    Responses,
    Gemini,
}

/// The load of one soak.
pub(crate) struct Load<'a> {
    stage: &'a Stage,
    until: Instant,
    done: [Cell<u64>; KINDS.len()],
    failed: Cell<u64>,
}

impl<'a> Load<'a> {
    pub(crate) fn new(stage: &'a Stage, length: Duration) -> Self {
        let until = stage.clock.now() + length;
        Self { stage, until, done: Default::default(), failed: Cell::new(0) }
    }

    pub(crate) fn is_over(&self) -> bool {
        self.stage.clock.now() >= self.until
    }

    pub(crate) fn counts(&self) -> String {
        let done: Vec<String> =
            KINDS.iter().zip(&self.done).map(|((name, _), done)| format!("{name} {}", done.get())).collect();
        format!("{}, turns that failed {}", done.join(", "), self.failed.get())
    }

    /// The kinds of which no turn went well.
    pub(crate) fn missing(&self) -> Vec<&'static str> {
        let kinds = KINDS.iter().zip(&self.done);
        kinds.filter(|(_, done)| done.get() == 0).map(|((name, _), _)| *name).collect()
    }

    pub(crate) async fn run(&self) {
        join_all((0..KINDS.len()).map(|kind| self.repeat(kind))).await;
    }

    async fn repeat(&self, kind: usize) {
        let mut turn = 0;
        while !self.is_over() {
            match self.stage.clock.timeout(TURN_WITHIN, self.turn(kind, turn)).await {
                Ok(Ok(())) => self.done[kind].set(self.done[kind].get() + 1),
                Ok(Err(_)) | Err(clock::Elapsed) => self.failed.set(self.failed.get() + 1),
            }
            turn += 1;
            self.stage.clock.sleep(Duration::from_millis(KINDS[kind].1)).await;
        }
    }

    fn turn(&self, kind: usize, turn: u64) -> LocalBoxFuture<'_, Turn> {
        match kind {
            0 => self.whole_run().boxed_local(),
            1 => self.plan_over_websocket().boxed_local(),
            2 => self.to_its_end(HOPELESS, Mode::PlanOnly).map(|end| end.map(drop)).boxed_local(),
            3 => self.abort().boxed_local(),
            4 => self.hang_up(turn).boxed_local(),
            5 => self.read(turn).boxed_local(),
            6 => self.err(turn).boxed_local(),
            7 => self.reload(turn).boxed_local(),
            8 => self.call_a_model(turn).boxed_local(),
            _ => self.come_and_go().boxed_local(),
        }
    }

    /// A run that changes the workspace back or forth.
    async fn whole_run(&self) -> Turn {
        let text = std::fs::read_to_string(self.stage.work().join("a.txt"))?;
        let goal = if text.starts_with("alpha") { BETA } else { ALPHA };
        let id = self.to_its_end(goal, Mode::Run).await?;
        let view = self.stage.client.workflow(&id).await.map_err(other)?;
        if view.line.status != "done" {
            return Err(std::io::Error::other(view.line.status));
        }
        self.stage.client.diff(&id).await.map_err(other).map(drop)
    }

    async fn to_its_end(&self, goal: &str, mode: Mode) -> std::io::Result<WorkflowId> {
        let client = &self.stage.client;
        let id = client.start(&self.stage.order(goal, mode)).await.map_err(other)?;
        let mut events = client.follow(&id, Seq(0));
        while let Some(event) = events.next().await {
            event.map_err(other)?;
        }
        Ok(id)
    }

    async fn plan_over_websocket(&self) -> Turn {
        let order = self.stage.order(BETA, Mode::PlanOnly);
        let id = self.stage.client.start(&order).await.map_err(other)?;
        let request = format!(
            "GET /v1/workflows/{id}/ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        let seen = exchange(self.socket().await?, request.as_bytes()).await?;
        expect(&seen, "{\"end\":{\"seq\":")
    }

    async fn abort(&self) -> Turn {
        let client = &self.stage.client;
        let id = client.start(&self.stage.order(SLOW, Mode::PlanOnly)).await.map_err(other)?;
        client.abort(&id, "the soak").await.map_err(other)?;
        let mut events = client.follow(&id, Seq(0));
        while let Some(event) = events.next().await {
            event.map_err(other)?;
        }
        Ok(())
    }

    /// Whoever asks goes away: in the middle of a head, of a body, of a stream.
    async fn hang_up(&self, turn: u64) -> Turn {
        let address = self.stage.address;
        match turn % 3 {
            0 => TcpStream::connect(address).await?.write_all(b"GET /v1/workf").await,
            1 => {
                let head = "POST /v1/workflows HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
                            Content-Length: 5000\r\n\r\n{\"goal\":";
                self.socket().await?.write_all(head.as_bytes()).await
            }
            _ => {
                let client = &self.stage.client;
                let id = client.start(&self.stage.order(SLOW, Mode::PlanOnly)).await.map_err(other)?;
                let mut stream = self.socket().await?;
                let request = format!("GET /v1/workflows/{id}/events HTTP/1.1\r\nHost: x\r\n\r\n");
                stream.write_all(request.as_bytes()).await?;
                stream.read_exact(&mut [0; 64]).await?;
                drop(stream);
                client.abort(&id, "the soak").await.map_err(other)
            }
        }
    }

    async fn read(&self, turn: u64) -> Turn {
        let paths = [
            "/healthz",
            "/metrics",
            "/admin/tree",
            "/admin/config",
            "/v1/providers",
            "/v1/workflows?limit=20",
        ];
        let path = paths[usize::try_from(turn).unwrap_or_default() % paths.len()];
        let address = self.stage.address;
        let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
        // What else may be read over TCP depends on keys.
        let seen = match path {
            "/healthz" => exchange(TcpStream::connect(address).await?, request.as_bytes()).await?,
            _ => exchange(self.socket().await?, request.as_bytes()).await?,
        };
        expect(&seen, " 200 OK")
    }

    async fn err(&self, turn: u64) -> Turn {
        let address = self.stage.address;
        let (request, status) = match turn % 4 {
            0 => (format!("GET /none HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"), " 404 "),
            1 => ("GET /healthz HTTP/1.1\r\nHost: elsewhere\r\nConnection: close\r\n\r\n".to_owned(), " 4"),
            2 => (
                format!(
                    "GET /v1/workflows/zzzzzzzzzzzz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
                ),
                " 404 ",
            ),
            _ => {
                let body = format!("{{\"goal\": {}", "[".repeat(50_000));
                let head = "POST /v1/workflows HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nConnection: close\r\n";
                let request = format!("{head}Content-Length: {}\r\n\r\n{body}", body.len());
                let stream = self.socket().await?;
                return expect(&exchange(stream, request.as_bytes()).await?, " 400 ");
            }
        };
        expect(&exchange(TcpStream::connect(address).await?, request.as_bytes()).await?, status)
    }

    async fn socket(&self) -> std::io::Result<UnixStream> {
        UnixStream::connect(self.stage.socket()).await
    }

    /// Every fifth configuration is wrong.
    async fn reload(&self, turn: u64) -> Turn {
        if turn % 5 == 4 {
            self.stage.write_configuration("routing: {maxRetries: many}\n");
        } else {
            self.stage.configure(turn);
        }
        self.stage.client.configuration().await.map_err(other).map(drop)
    }

    /// As clients of the vendors do.
    async fn call_a_model(&self, turn: u64) -> Turn {
        let (dialect, model, is_streamed, end) =
            CALLS[usize::try_from(turn).unwrap_or_default() % CALLS.len()];
        let words = dialect.words(model, is_streamed);
        let (address, key, path) = (self.stage.address, &self.stage.key, dialect.path(model, is_streamed));
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {key}\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{words}",
            words.len()
        );
        let mut stream = TcpStream::connect(address).await?;
        if end == LEFT {
            stream.write_all(request.as_bytes()).await?;
            return stream.read_exact(&mut [0; 64]).await.map(drop);
        }
        expect(&exchange(stream, request.as_bytes()).await?, end)
    }

    /// As each command of the command line does.
    async fn come_and_go(&self) -> Turn {
        let client = impresario::client::Client::connect(&self.stage.socket()).await.map_err(other)?;
        client.tree().await.map_err(other).map(drop)
    }
}

impl Dialect {
    fn path(self, model: &str, is_streamed: bool) -> String {
        match self {
            Self::Messages => "/v1/messages".to_owned(),
            Self::ChatCompletions => "/v1/chat/completions".to_owned(),
            Self::Responses => "/v1/responses".to_owned(),
            Self::Gemini if is_streamed => format!("/v1beta/models/{model}:streamGenerateContent?alt=sse"),
            Self::Gemini => format!("/v1beta/models/{model}:generateContent"),
        }
    }

    fn words(self, model: &str, is_streamed: bool) -> String {
        let said = "Say a few words.";
        let head = format!("\"model\":\"{model}\",\"stream\":{is_streamed}");
        match self {
            Self::Messages => {
                format!(
                    "{{{head},\"max_tokens\":500,\"messages\":[{{\"role\":\"user\",\"content\":\"{said}\"}}]}}"
                )
            }
            Self::ChatCompletions => {
                format!("{{{head},\"messages\":[{{\"role\":\"user\",\"content\":\"{said}\"}}]}}")
            }
            Self::Responses => format!("{{{head},\"input\":\"{said}\"}}"),
            Self::Gemini => {
                format!("{{\"contents\":[{{\"role\":\"user\",\"parts\":[{{\"text\":\"{said}\"}}]}}]}}")
            }
        }
    }
}

/// Sends and reads until the server closes.
async fn exchange(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    request: &[u8],
) -> std::io::Result<Vec<u8>> {
    stream.write_all(request).await?;
    let mut seen = Vec::new();
    stream.take(MAX_ANSWER_BYTES).read_to_end(&mut seen).await?;
    Ok(seen)
}

fn expect(seen: &[u8], words: &str) -> Turn {
    let text = String::from_utf8_lossy(seen);
    if text.contains(words) { Ok(()) } else { Err(std::io::Error::other(text.into_owned())) }
}

fn other(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> std::io::Error {
    std::io::Error::other(error)
}
