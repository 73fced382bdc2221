//! Streams whose provider is silent: the client is given signs of life, by the clock, between whole frames, and none too early.

use bytes::Bytes;
use clock::Clock;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use upstream::{Dialect, Endpoint, HttpEndpoint, Way};

use super::*;
use crate::{Asking, Begun, Out, Relay};

const EVERY: Duration = Duration::from_secs(15);
const CHAT: &str = r#"{"model":"a/x","stream":true,"stream_options":{"include_usage":true},"messages":[{"role":"user","content":"hi"}]}"#;
pub(super) const MESSAGES: &str =
    r#"{"model":"a/x","max_tokens":9,"stream":true,"messages":[{"role":"user","content":"hi"}]}"#;
pub(super) const HEAD: &str =
    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
pub(super) const FIRST: &str =
    "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"one\"}}]}\n\n";
pub(super) const LAST: &str = "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";

/// What a client is given.
struct Heard(mpsc::UnboundedSender<String>);

impl Out for Heard {
    fn begin(&mut self, begun: Begun) {
        self.0.send(format!("<{}>", begun.status)).unwrap();
    }

    async fn give(&mut self, bytes: Bytes) {
        self.0.send(String::from_utf8(bytes.to_vec()).unwrap()).unwrap();
    }

    fn cut(&mut self) {
        unreachable!("the dialect has words for it");
    }
}

async fn provider() -> (TcpListener, House) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base_url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    let (dialect, also) = (Dialect::OpenAiChat, None);
    let endpoint = Endpoint::Http(HttpEndpoint {
        dialect,
        also,
        base_url,
        extras: None,
        key: None,
        keys: None,
        is_traced: false,
        has_account_routes: false,
        lets_through: false,
    });
    let choice = Choice::Named(vec!["a/x".parse().unwrap()]);
    (listener, House::build(Clock::manual(), vec![("a/x", endpoint)], choice))
}

async fn asked(listener: &TcpListener) -> TcpStream {
    let (mut socket, _) = listener.accept().await.unwrap();
    let mut head = Vec::new();
    // Enough of it: the question ends with its only text, or goes on for a few bytes that nobody waits for.
    while !head.windows(4).any(|end| end == b"\"hi\"") {
        assert_ne!(socket.read_buf(&mut head).await.unwrap(), 0);
    }
    socket
}

/// Asks in these words, and plays `provide` beside it; what the client was given, joined.
pub(super) async fn heard(
    dialect: wire::Dialect,
    body: &str,
    provide: impl AsyncFnOnce(TcpStream, &Clock, &mut mpsc::UnboundedReceiver<String>),
) -> Result<(), Error> {
    let (listener, house) = provider().await;
    let (sender, mut receiver) = mpsc::unbounded_channel();
    let bytes = Bytes::copy_from_slice(body.as_bytes());
    let hot = wire::hot::read(dialect, &bytes).unwrap();
    let way = if dialect == wire::Dialect::Anthropic { Way::Messages } else { Way::ChatCompletions };
    let relay = Relay {
        dialect,
        way,
        model: "a/x",
        body: &bytes,
        hot: &hot,
        request_id: "r",
        headers: &[],
        credential: None,
    };
    let within = Duration::from_secs(600);
    let (operation, client) = (Operation::Chat, &access::Principal::Operator);
    let asking = Asking { relay, operation, client, within, keep_alive: EVERY };
    let mut out = Heard(sender);
    let playing = async {
        let socket = asked(&listener).await;
        provide(socket, &house.clock, &mut receiver).await;
    };
    let (result, ()) = tokio::join!(house.gateway.relay(asking, &mut out), playing);
    result
}

#[tokio::test]
async fn a_silent_provider_costs_a_client_signs_of_life_and_nothing_else() {
    let ended = heard(wire::Dialect::OpenAiChat, CHAT, async |mut socket, clock, given| {
        socket.write_all(format!("{HEAD}{FIRST}").as_bytes()).await.unwrap();
        assert_eq!(given.recv().await.unwrap(), "<200>");
        assert_eq!(given.recv().await.unwrap(), FIRST);
        for _ in 0..2 {
            clock.advance(EVERY);
            assert_eq!(given.recv().await.unwrap(), ": keep-alive\n\n");
        }
        // Half a frame is no frame: it waits, and so nothing stands within it.
        let (half, rest) = LAST.split_at(20);
        socket.write_all(half.as_bytes()).await.unwrap();
        clock.advance(EVERY);
        assert_eq!(given.recv().await.unwrap(), ": keep-alive\n\n");
        socket.write_all(rest.as_bytes()).await.unwrap();
        socket.shutdown().await.unwrap();
        let mut last = String::new();
        while last.len() < LAST.len() {
            last.push_str(&given.recv().await.unwrap());
        }
        assert_eq!(last, LAST);
    })
    .await;
    ended.unwrap();
}

#[tokio::test]
async fn in_other_words_the_sign_is_the_clients_own() {
    let ended = heard(wire::Dialect::Anthropic, MESSAGES, async |mut socket, clock, given| {
        socket.write_all(format!("{HEAD}{FIRST}").as_bytes()).await.unwrap();
        assert_eq!(given.recv().await.unwrap(), "<200>");
        assert!(given.recv().await.unwrap().contains("message_start"));
        clock.advance(EVERY);
        assert_eq!(given.recv().await.unwrap(), "event: ping\ndata: {\"type\":\"ping\"}\n\n");
        socket.write_all(LAST.as_bytes()).await.unwrap();
        socket.shutdown().await.unwrap();
        let mut last = String::new();
        while !last.contains("message_stop") {
            last = given.recv().await.unwrap();
        }
    })
    .await;
    ended.unwrap();
}

#[tokio::test]
async fn nothing_is_given_before_the_answer_has_begun() {
    let ended = heard(wire::Dialect::OpenAiChat, CHAT, async |mut socket, clock, given| {
        // A role alone is no output: somebody else could still answer.
        let role = "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\"}}]}\n\n";
        socket.write_all(format!("{HEAD}{role}").as_bytes()).await.unwrap();
        for _ in 0..3 {
            tokio::task::yield_now().await;
            clock.advance(EVERY);
        }
        assert!(given.try_recv().is_err());
        socket.write_all(format!("{FIRST}{LAST}").as_bytes()).await.unwrap();
        socket.shutdown().await.unwrap();
        assert_eq!(given.recv().await.unwrap(), "<200>");
        let mut all = String::new();
        while !all.contains("[DONE]") {
            all.push_str(&given.recv().await.unwrap());
        }
        assert_eq!(all, format!("{role}{FIRST}{LAST}"));
    })
    .await;
    ended.unwrap();
}

#[tokio::test]
async fn signs_of_life_are_the_gateways_and_no_reason_to_wait_for_ever() {
    let mut breaks = String::new();
    let ended = heard(wire::Dialect::OpenAiChat, CHAT, async |mut socket, clock, given| {
        socket.write_all(format!("{HEAD}{FIRST}").as_bytes()).await.unwrap();
        while given.recv().await.unwrap() != FIRST {}
        while !breaks.contains("error") {
            clock.advance(EVERY);
            breaks.push_str(&given.recv().await.unwrap());
        }
    })
    .await;
    let Err(Error::Interrupted(interrupted)) = ended else { panic!("{ended:?}") };
    assert_eq!(interrupted.why.class(), Some(FailureClass::Timeout));
    assert!(breaks.starts_with(": keep-alive\n\n") && !breaks.contains("[DONE]"), "{breaks}");
}

#[tokio::test]
async fn an_answer_that_comes_whole_is_waited_for_as_long_as_the_call_may_take() {
    let whole =
        CHAT.replace("\"stream\":true,\"stream_options\":{\"include_usage\":true}", "\"stream\":false");
    let ended = heard(wire::Dialect::OpenAiChat, &whole, async |mut socket, clock, _| {
        // Far more than the wait for the first event of a stream.
        clock.advance(Duration::from_secs(500));
        tokio::task::yield_now().await;
        let body = r#"{"id":"c","object":"chat.completion","created":1,"model":"x","choices":[{"index":0,"message":{"role":"assistant","content":"one"},"finish_reason":"stop"}]}"#;
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n";
        let answer = format!("{head}content-length: {}\r\n\r\n{body}", body.len());
        socket.write_all(answer.as_bytes()).await.unwrap();
    })
    .await;
    ended.unwrap();
}
