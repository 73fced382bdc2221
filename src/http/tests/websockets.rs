//! The same events over a WebSocket, what it answers to what a client says, and what a reader costs that does not read.

use actors::feed::Progress;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use units::WorkflowId;
use workflow::Event;

use super::stage::{PLANNED, SLOW, Stage};

const TEXT: u8 = 1;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

struct Socket(TcpStream);

impl Socket {
    async fn open(stage: &Stage, id: &WorkflowId, after: u64) -> Self {
        let (socket, head) = Self::ask(stage, id, after).await;
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        // What RFC 6455 says to this key.
        assert!(head.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{head}");
        socket
    }

    async fn ask(stage: &Stage, id: &WorkflowId, after: u64) -> (Self, String) {
        Self::ask_with(stage, id, after, "").await
    }

    /// With this header more.
    async fn ask_with(stage: &Stage, id: &WorkflowId, after: u64, header: &str) -> (Self, String) {
        let address = stage.server.addresses().tcp;
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!(
            "GET /v1/workflows/{id}/ws?after={after} HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\n{header}\
             Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        (Self(stream), String::from_utf8(head).unwrap())
    }

    async fn read(&mut self) -> (u8, Vec<u8>) {
        let head = self.0.read_u16().await.unwrap();
        let [first, second] = head.to_be_bytes();
        assert_eq!(first & 0x80, 0x80, "a whole frame");
        let length = match second {
            126 => u64::from(self.0.read_u16().await.unwrap()),
            127 => self.0.read_u64().await.unwrap(),
            length => u64::from(length),
        };
        let mut payload = vec![0; usize::try_from(length).unwrap()];
        self.0.read_exact(&mut payload).await.unwrap();
        (first & 0x0f, payload)
    }

    /// A client's frames are masked; this mask changes nothing.
    async fn write(&mut self, opcode: u8, payload: &[u8]) {
        let mut frame = vec![0x80 | opcode, 0x80 | u8::try_from(payload.len()).unwrap(), 0, 0, 0, 0];
        frame.extend_from_slice(payload);
        self.0.write_all(&frame).await.unwrap();
    }

    /// Everything to the close, and its code.
    async fn rest(&mut self) -> (Vec<Value>, u16) {
        let mut texts = Vec::new();
        loop {
            match self.read().await {
                (TEXT, payload) => texts.push(serde_json::from_slice(&payload).unwrap()),
                (CLOSE, payload) => return (texts, u16::from_be_bytes([payload[0], payload[1]])),
                (PING, _) => {}
                (opcode, _) => panic!("opcode {opcode}"),
            }
        }
    }
}

fn stored(texts: &[Value]) -> Vec<(u64, Event)> {
    let stored = texts.iter().filter(|text| text.get("seq").is_some());
    let read =
        |text: &Value| (text["seq"].as_u64().unwrap(), Event::decode(&text["event"].to_string()).unwrap());
    stored.map(read).collect()
}

#[actix_rt::test]
async fn shows_the_same_events_as_the_other_stream_and_closes_at_the_end() {
    let stage = Stage::open().await;
    let id = stage.start(PLANNED).await;
    let expected: Vec<_> = stage.events(&id).await.into_iter().map(|(seq, event)| (seq.0, event)).collect();
    for after in 0..=expected.len() {
        let mut socket = Socket::open(&stage, &id, after as u64).await;
        let (texts, code) = socket.rest().await;
        assert_eq!(stored(&texts), expected[after..]);
        assert_eq!(texts.last().unwrap()["end"]["seq"], expected.len() as u64);
        assert_eq!(code, 1000);
        assert_eq!(socket.0.read(&mut [0; 1]).await.unwrap(), 0, "the connection is closed");
    }
    stage.close().await;
}

#[actix_rt::test]
async fn opens_nothing_for_an_unknown_workflow_or_a_number_that_is_not_there() {
    let stage = Stage::open().await;
    let unknown = WorkflowId::from_random(1);
    assert!(Socket::ask(&stage, &unknown, 0).await.1.starts_with("HTTP/1.1 404 "));
    let id = stage.start(PLANNED).await;
    assert!(Socket::ask(&stage, &id, 1_000).await.1.starts_with("HTTP/1.1 400 "));
    stage.close().await;
}

#[actix_rt::test]
async fn a_client_may_ask_whether_it_lives_and_has_nothing_else_to_say() {
    let stage = Stage::open().await;
    let id = stage.start(SLOW).await;
    let mut socket = Socket::open(&stage, &id, 0).await;
    socket.write(PING, b"still there?").await;
    loop {
        let (opcode, payload) = socket.read().await;
        if opcode == PONG {
            assert_eq!(payload, b"still there?");
            break;
        }
    }
    socket.write(TEXT, b"do this").await;
    assert_eq!(socket.rest().await.1, 1008);

    let mut polite = Socket::open(&stage, &id, 0).await;
    polite.write(CLOSE, &1000_u16.to_be_bytes()).await;
    assert_eq!(polite.rest().await.1, 1000);
    stage.close().await;
}

#[actix_rt::test]
async fn whose_key_opens_nothing_any_more_is_closed_as_such() {
    let stage = Stage::open().await;
    let id = stage.start(SLOW).await;
    let (revoked, expiring) = (stage.key("workflows").await, stage.key("workflows").await);
    let mut sockets = Vec::new();
    for key in [&revoked, &expiring] {
        let header = format!("Authorization: Bearer {}\r\n", key.key.0);
        let (mut socket, head) = Socket::ask_with(&stage, &id, 0, &header).await;
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        assert_eq!(socket.read().await.0, TEXT);
        sockets.push(socket);
    }
    stage.client.revoke_key(&revoked.view.id).await.unwrap();
    stage.client.rotate_key(&expiring.view.id, 0).await.unwrap();
    // Nothing happens in the workflow: the next word that it is quiet would be the longest wait.
    for mut socket in sockets {
        let (texts, code) = socket.rest().await;
        assert!(stored(&texts).is_empty() && code == 1008, "{code} {texts:?}");
        assert_eq!(socket.0.read(&mut [0; 1]).await.unwrap(), 0, "the connection is closed");
    }
    stage.close().await;
}

#[actix_rt::test]
async fn a_stopping_server_says_that_it_comes_back() {
    let stage = Stage::open().await;
    let id = stage.start(SLOW).await;
    let mut socket = Socket::open(&stage, &id, 0).await;
    assert_eq!(socket.read().await.0, TEXT);
    stage.close().await;
    let (texts, code) = socket.rest().await;
    assert_eq!(code, 1012);
    assert_eq!(texts.last(), Some(&serde_json::json!({ "stopping": { "seq": 1 } })));
}

#[actix_rt::test]
async fn a_reader_that_does_not_read_costs_a_bounded_amount_and_misses_no_event() {
    const SHOWN: usize = 4_000;
    const BYTES: usize = 64 * 1024;
    let stage = Stage::open().await;
    let id = stage.start(SLOW).await;
    let mut stalled = Socket::open(&stage, &id, 0).await;
    assert_eq!(stalled.read().await.0, TEXT);

    let step = "plan/1".to_owned();
    let progress = Progress::Output { step, text: "x".repeat(BYTES) };
    for _ in 0..SHOWN {
        stage.server.doors().pulses.show(&id, progress.clone());
        tokio::task::yield_now().await;
    }
    // Others are served meanwhile, on every worker.
    for _ in 0..8 {
        assert_eq!(stage.get("/healthz").await.0, 200);
    }
    stage.client.abort(&id, "me").await.unwrap();
    let expected: Vec<_> = stage.events(&id).await.into_iter().map(|(seq, event)| (seq.0, event)).collect();

    let (texts, code) = stalled.rest().await;
    let passed = texts.iter().filter(|text| text.get("progress").is_some()).count();
    // What the system's buffers and the ring of progress hold, and not what was shown.
    assert!(passed < SHOWN / 4, "{passed}");
    assert_eq!(stored(&texts), expected[1..]);
    assert_eq!(code, 1000);
    stage.close().await;
}
