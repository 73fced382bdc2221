//! HTTP/1.1 on a bare socket: requests in, answers out, and every way to break one.

use std::io;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::counts::Received;

const MAX_HEAD_BYTES: usize = 64 * 1024;
const MAX_BODY_BYTES: usize = 64 * 1024 * 1024;
const MAX_HEADERS: usize = 100;

/// A request, and whether the connection stays open after it.
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) received: Received,
    pub(crate) keeps_alive: bool,
}

pub(crate) struct Connection {
    stream: TcpStream,
    read: BytesMut,
}

fn bad(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

impl Connection {
    pub(crate) fn new(stream: TcpStream) -> io::Result<Self> {
        // A delayed packet of ours would be measured as somebody else's latency.
        stream.set_nodelay(true)?;
        Ok(Self { stream, read: BytesMut::with_capacity(8 * 1024) })
    }

    /// The next request; nothing when the client has closed.
    pub(crate) async fn request(&mut self) -> io::Result<Option<Request>> {
        let (method, mut received, keeps_alive, length) = loop {
            if let Some((head, taken)) = parse_head(&self.read)? {
                let _head = self.read.split_to(taken);
                break head;
            }
            if self.read.len() > MAX_HEAD_BYTES {
                return Err(bad("the head is too large"));
            }
            if self.stream.read_buf(&mut self.read).await? == 0 {
                return if self.read.is_empty() { Ok(None) } else { Err(bad("half a request")) };
            }
        };
        if received.header("expect").is_some_and(|value| value.eq_ignore_ascii_case("100-continue")) {
            self.stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
        }
        received.body = match length {
            Length::Known(length) => self.take(length).await?,
            Length::Chunked => self.chunks().await?,
        };
        Ok(Some(Request { method, received, keeps_alive }))
    }

    async fn take(&mut self, length: usize) -> io::Result<Bytes> {
        if length > MAX_BODY_BYTES {
            return Err(bad("the body is too large"));
        }
        self.read.reserve(length.saturating_sub(self.read.len()));
        while self.read.len() < length {
            if self.stream.read_buf(&mut self.read).await? == 0 {
                return Err(bad("half a body"));
            }
        }
        Ok(self.read.split_to(length).freeze())
    }

    async fn chunks(&mut self) -> io::Result<Bytes> {
        let mut body = BytesMut::new();
        loop {
            let size = loop {
                match httparse::parse_chunk_size(&self.read).map_err(|_| bad("no chunk"))? {
                    httparse::Status::Complete((taken, size)) => {
                        let _size = self.read.split_to(taken);
                        break usize::try_from(size).map_err(|_| bad("a chunk is too large"))?;
                    }
                    httparse::Status::Partial if self.read.len() > MAX_HEAD_BYTES => {
                        return Err(bad("no chunk"));
                    }
                    httparse::Status::Partial => {
                        if self.stream.read_buf(&mut self.read).await? == 0 {
                            return Err(bad("half a body"));
                        }
                    }
                }
            };
            if body.len().saturating_add(size) > MAX_BODY_BYTES {
                return Err(bad("the body is too large"));
            }
            let chunk = self.take(size + 2).await?;
            if size == 0 {
                return Ok(body.freeze());
            }
            body.extend_from_slice(&chunk[..size]);
        }
    }

    /// Writes a whole answer at once.
    pub(crate) async fn whole(&mut self, status: u16, headers: &str, body: &[u8]) -> io::Result<()> {
        self.claimed(status, headers, body, body.len()).await
    }

    /// Writes an answer that claims to have this many bytes.
    pub(crate) async fn claimed(
        &mut self,
        status: u16,
        headers: &str,
        body: &[u8],
        length: usize,
    ) -> io::Result<()> {
        let mut answer = head(status, headers);
        answer.extend_from_slice(format!("content-length: {length}\r\n\r\n").as_bytes());
        answer.extend_from_slice(body);
        self.stream.write_all(&answer).await
    }

    /// Begins an answer that comes in chunks.
    pub(crate) async fn begin(&mut self, status: u16, headers: &str) -> io::Result<()> {
        let mut answer = head(status, headers);
        answer.extend_from_slice(b"transfer-encoding: chunked\r\n\r\n");
        self.stream.write_all(&answer).await
    }

    /// Writes one chunk, in one packet where it fits.
    pub(crate) async fn chunk(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut chunk = Vec::with_capacity(bytes.len() + 12);
        chunk.extend_from_slice(format!("{:x}\r\n", bytes.len()).as_bytes());
        chunk.extend_from_slice(bytes);
        chunk.extend_from_slice(b"\r\n");
        self.stream.write_all(&chunk).await
    }

    /// Ends the chunks.
    pub(crate) async fn end(&mut self) -> io::Result<()> {
        self.stream.write_all(b"0\r\n\r\n").await
    }

    /// Has the socket closed with a reset.
    pub(crate) fn reset(self) -> io::Result<()> {
        self.stream.set_zero_linger()
    }

    /// Waits; an error when the client hangs up meanwhile.
    pub(crate) async fn pause(&mut self, pause: Duration) -> io::Result<()> {
        tokio::select! {
            () = wait(pause) => Ok(()),
            gone = Self::gone(&mut self.stream, &mut self.read) => Err(gone),
        }
    }

    /// Waits until the client hangs up.
    pub(crate) async fn hang(&mut self) -> io::Error {
        Self::gone(&mut self.stream, &mut self.read).await
    }

    async fn gone(stream: &mut TcpStream, read: &mut BytesMut) -> io::Error {
        loop {
            if read.len() > MAX_HEAD_BYTES {
                return bad("too much was sent ahead");
            }
            match stream.read_buf(read).await {
                Ok(0) => return io::ErrorKind::ConnectionAborted.into(),
                Ok(_) => {}
                Err(error) => return error,
            }
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "it plays how slow a vendor is, to others' clocks")]
async fn wait(pause: Duration) {
    tokio::time::sleep(pause).await;
}

fn head(status: u16, headers: &str) -> Vec<u8> {
    let mut head = Vec::with_capacity(512);
    head.extend_from_slice(format!("HTTP/1.1 {status} {}\r\n{headers}", reason(status)).as_bytes());
    head
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        302 => "Found",
        400 => "Bad Request",
        401 => "Unauthorized",
        404 => "Not Found",
        405 => "Method Not Allowed",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        503 => "Service Unavailable",
        _ => "Other",
    }
}

enum Length {
    Known(usize),
    Chunked,
}

type Head = (String, Received, bool, Length);

/// The head and how many bytes it has, once it is there.
fn parse_head(bytes: &[u8]) -> io::Result<Option<(Head, usize)>> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    let status = request.parse(bytes).map_err(|_| bad("no request"))?;
    let httparse::Status::Complete(taken) = status else { return Ok(None) };
    let headers: Vec<(String, String)> = request
        .headers
        .iter()
        .map(|header| (header.name.to_ascii_lowercase(), String::from_utf8_lossy(header.value).into_owned()))
        .collect();
    let method = request.method.unwrap_or_default().to_owned();
    let target = request.path.unwrap_or_default().to_owned();
    let received = Received { target, headers, body: Bytes::new() };
    let length = match (received.header("transfer-encoding"), received.header("content-length")) {
        (Some(_), _) => Length::Chunked,
        (None, Some(length)) => Length::Known(length.parse().map_err(|_| bad("no length"))?),
        (None, None) => Length::Known(0),
    };
    let closes = received.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
    let keeps_alive = request.version == Some(1) && !closes;
    Ok(Some(((method, received, keeps_alive, length), taken)))
}
