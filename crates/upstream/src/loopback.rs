//! A real HTTP server on loopback that answers as a test wrote it, and what tests ask of it.

use std::sync::Arc;
use std::time::Duration;

use chat::{Event, Request, Turn};
use clock::Clock;
use secrets::Secret;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use units::{ModelName, TokenCount};

use crate::{Call, Client, Dialect, Endpoint, Error, EventStream, HttpEndpoint, Options, Waits};

pub(crate) const KEY: &str = "sk-key-that-nobody-may-see";

/// What the server does when it has written its answer.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Then {
    /// Closes the connection.
    Close,
    /// Keeps it open and is silent.
    Hang,
}

pub(crate) struct Server {
    pub(crate) address: String,
    /// Each request, when it has been read; then an empty text when the client has closed the connection.
    pub(crate) seen: mpsc::UnboundedReceiver<String>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    /// Answers every connection with `answer`.
    pub(crate) async fn start(answer: impl Into<Vec<u8>>, then: Then) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let answer: Arc<[u8]> = answer.into().into();
        let (sender, seen) = mpsc::unbounded_channel();
        let task = tokio::runtime::Handle::current().spawn(async move {
            let mut open = Vec::new();
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                let serve = serve(socket, Arc::clone(&answer), then, sender.clone());
                open.push(AbortOnDrop(tokio::runtime::Handle::current().spawn(serve)));
            }
        });
        Self { address, seen, task }
    }

    /// This server as a provider with a key.
    pub(crate) fn endpoint(&self, dialect: Dialect) -> HttpEndpoint {
        let base = match dialect {
            Dialect::OpenAiChat | Dialect::OpenAiResponses => "/v1",
            Dialect::Anthropic | Dialect::Gemini => "",
        };
        HttpEndpoint {
            dialect,
            also: None,
            base_url: format!("{}{base}", self.address).parse().unwrap(),
            extras: None,
            key: Some(Secret::try_new(KEY).unwrap()),
            keys: None,
            is_traced: false,
            has_account_routes: false,
            lets_through: false,
        }
    }
}

struct AbortOnDrop(tokio::task::JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn serve(mut socket: TcpStream, answer: Arc<[u8]>, then: Then, seen: mpsc::UnboundedSender<String>) {
    let Some(request) = read_request(&mut socket).await else { return };
    // A test that has seen enough has dropped its end; the same goes for a client that has gone away.
    let _ = seen.send(request);
    let _ = socket.write_all(&answer).await;
    if then == Then::Hang {
        let mut rest = Vec::new();
        let _ = socket.read_to_end(&mut rest).await;
        let _ = seen.send(String::new());
    }
}

pub(crate) async fn read_request(socket: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
                return Some(text.into_owned());
            }
        }
        let mut piece = [0; 4096];
        match socket.read(&mut piece).await {
            Ok(0) | Err(_) => return None,
            Ok(read) => bytes.extend_from_slice(&piece[..read]),
        }
    }
}

/// A success whose body ends with the connection.
pub(crate) fn stream_of(body: &str) -> String {
    answer_of("200 OK", "text/event-stream; charset=utf-8", "", body)
}

pub(crate) fn answer_of(status: &str, content_type: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\ncontent-type: {content_type}\r\n{headers}connection: close\r\n\r\n{body}")
}

pub(crate) fn client(clock: &Clock) -> Client {
    Client::try_new(&Options::default(), clock.clone()).unwrap()
}

/// A question that can be asked with [`call`].
pub(crate) struct Asked {
    pub(crate) model: ModelName,
    pub(crate) request: Request,
}

pub(crate) fn question() -> Asked {
    let turns = vec![Turn::user("a prompt that nobody may see")];
    let request = Request { turns, max_output: Some(TokenCount(64)), ..Request::default() };
    Asked { model: "model-x".parse().unwrap(), request }
}

impl Asked {
    /// Waits 30 s for the first event, 10 s between bytes, 100 s in all.
    pub(crate) fn call(&self) -> Call<'_> {
        Call {
            role: "editor",
            model: &self.model,
            request: &self.request,
            issuer: "",
            is_streamed: true,
            waits: Waits {
                first_byte: Duration::from_secs(30),
                between_bytes: Duration::from_secs(10),
                total: Duration::from_secs(100),
            },
        }
    }
}

/// Calls and reads until the end or the first error.
pub(crate) async fn ask(client: &Client, endpoint: &Endpoint) -> (Vec<Event>, Result<(), Error>) {
    match client.call(endpoint, &question().call()).await {
        Ok(stream) => drain(stream).await,
        Err(error) => (Vec::new(), Err(error)),
    }
}

pub(crate) async fn drain(mut stream: EventStream) -> (Vec<Event>, Result<(), Error>) {
    let mut events = Vec::new();
    while let Some(next) = stream.next().await {
        match next {
            Ok(event) => events.push(event),
            Err(error) => {
                assert!(stream.next().await.is_none(), "something came after an error");
                return (events, Err(error));
            }
        }
    }
    (events, Ok(()))
}
