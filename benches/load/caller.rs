//! Clients that keep their connections: each sends the next request when the last is answered, on a bare socket.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// An answer: when its first bytes behind the head were there, when all were, and the events in it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answered {
    pub(crate) first: Duration,
    pub(crate) whole: Duration,
    pub(crate) events: usize,
}

struct Line {
    stream: TcpStream,
    answer: Vec<u8>,
}

/// A request as it goes over the wire.
pub(crate) fn request(address: SocketAddr, path: &str, key: &str, body: &str) -> Vec<u8> {
    format!(
        "POST {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {key}\r\nanthropic-version: 2023-06-01\r\n\
         content-type: application/json\r\naccept: application/json\r\nuser-agent: load/1\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// Sends so many requests over so many connections.
pub(crate) async fn load(
    address: SocketAddr,
    request: &[u8],
    connections: usize,
    requests: u64,
) -> Vec<Answered> {
    let each = requests / u64::try_from(connections).expect("few connections");
    let lines = join_all((0..connections).map(|_| Line::open(address))).await;
    let answers = join_all(lines.into_iter().map(|mut line| async move {
        let mut answers = Vec::new();
        for _ in 0..each {
            answers.push(line.ask(request).await);
        }
        answers
    }));
    answers.await.into_iter().flatten().collect()
}

impl Line {
    async fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.expect("the server listens");
        stream.set_nodelay(true).expect("a socket has that option");
        Self { stream, answer: Vec::with_capacity(64 * 1_024) }
    }

    async fn ask(&mut self, request: &[u8]) -> Answered {
        self.answer.clear();
        let sent = Instant::now();
        self.stream.write_all(request).await.expect("the server reads");
        let head = loop {
            if let Some(at) = find(&self.answer, b"\r\n\r\n") {
                break at + 4;
            }
            self.more().await;
        };
        if self.answer.len() == head {
            self.more().await;
        }
        let first = sent.elapsed();
        match length(&self.answer[..head]) {
            Some(length) => {
                while self.answer.len() < head + length {
                    self.more().await;
                }
            }
            None => {
                while !self.answer.ends_with(b"\r\n0\r\n\r\n") {
                    self.more().await;
                }
            }
        }
        let whole = sent.elapsed();
        assert!(
            self.answer.starts_with(b"HTTP/1.1 200"),
            "the answer is no success: {}",
            String::from_utf8_lossy(&self.answer)
        );
        let events = self.answer.windows(6).filter(|bytes| bytes == b"data: ").count();
        Answered { first, whole, events }
    }

    async fn more(&mut self) {
        let more = self.stream.read_buf(&mut self.answer).await.expect("the server answers");
        assert_ne!(more, 0, "the server keeps the connection");
    }
}

/// Where these bytes are, first.
pub(crate) fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|here| here == wanted)
}

/// The length that a head tells.
pub(crate) fn length(head: &[u8]) -> Option<usize> {
    let head = std::str::from_utf8(head).ok()?;
    head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
    })
}
