//! A vendor that costs next to nothing: bytes that were made beforehand, so that it is never what a round waits for.
//!
//! It speaks Chat Completions on a bare socket, asks for no key, and looks at the first bytes of a body only: whether a
//! stream is wanted, and of the model that is called `paced`.

use std::fmt::Write;
use std::net::SocketAddr;
use std::time::Duration;

use actix_rt::Arbiter;
use clock::Clock;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::caller::{find, length};

/// The events of a stream with words in them.
pub(crate) const WORDS: usize = 40;
/// All events of a stream: words, the end, usage, and what Chat Completions ends with.
pub(crate) const EVENTS: usize = WORDS + 3;
/// Between two events of a paced stream.
const PACE: Duration = Duration::from_millis(50);
/// How much of a body is looked at.
const LOOKED_AT: usize = 1_024;

const WHOLE: &str = r#"{"id":"chatcmpl-1","object":"chat.completion","created":1764000000,"model":"plain","choices":[{"index":0,"message":{"role":"assistant","content":"The quick brown fox jumps over the lazy dog, and then it does so again, because the dog has not noticed it the first time.","refusal":null,"annotations":[]},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":31,"completion_tokens":27,"total_tokens":58,"prompt_tokens_details":{"cached_tokens":0,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":0,"audio_tokens":0,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}},"service_tier":"default","system_fingerprint":"fp_1"}"#;
const STREAM_HEAD: &[u8] =
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n";

/// Starts it on a thread of its own; it ends with the process.
pub(crate) fn start() -> SocketAddr {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("loopback has a free port");
    let address = listener.local_addr().expect("it is bound");
    listener.set_nonblocking(true).expect("a socket has that option");
    Arbiter::new().spawn(async move {
        let listener = TcpListener::from_std(listener).expect("it is a socket");
        let whole = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{WHOLE}",
            WHOLE.len()
        );
        let (whole, events): (&'static str, &'static [String]) = (whole.leak(), events().leak());
        loop {
            let (stream, _) = listener.accept().await.expect("there are descriptors enough");
            actix_rt::spawn(async move {
                // Who hung up is told nothing more.
                let _ = converse(stream, whole, events).await;
            });
        }
    });
    address
}

async fn converse(mut stream: TcpStream, whole: &str, events: &[String]) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let clock = Clock::real();
    let mut read = Vec::with_capacity(16 * 1_024);
    loop {
        let head = loop {
            if let Some(at) = find(&read, b"\r\n\r\n") {
                break at + 4;
            }
            if stream.read_buf(&mut read).await? == 0 {
                return Ok(());
            }
        };
        let end = head + length(&read[..head]).unwrap_or(0);
        read.reserve(end.saturating_sub(read.len()));
        while read.len() < end {
            if stream.read_buf(&mut read).await? == 0 {
                return Ok(());
            }
        }
        let looked_at = &read[head..end.min(head + LOOKED_AT)];
        let is_paced = find(looked_at, b"\"paced\"").is_some();
        if find(looked_at, b"\"stream\":true").is_none() {
            stream.write_all(whole.as_bytes()).await?;
        } else {
            stream.write_all(STREAM_HEAD).await?;
            for event in events {
                stream.write_all(event.as_bytes()).await?;
                if is_paced {
                    clock.sleep(PACE).await;
                }
            }
            stream.write_all(b"0\r\n\r\n").await?;
        }
        read.drain(..end);
    }
}

/// The chunks of a stream, an event each.
fn events() -> Vec<String> {
    let begin = r#"{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1764000000,"model":"plain","service_tier":"default","system_fingerprint":"fp_1","#;
    let mut events: Vec<String> = (0..WORDS)
        .map(|word| format!(r#"{begin}"choices":[{{"index":0,"delta":{{"content":"word{word} "}},"logprobs":null,"finish_reason":null}}],"usage":null}}"#))
        .collect();
    events.push(format!(r#"{begin}"choices":[{{"index":0,"delta":{{}},"logprobs":null,"finish_reason":"stop"}}],"usage":null}}"#));
    events.push(format!(r#"{begin}"choices":[],"usage":{{"prompt_tokens":31,"completion_tokens":40,"total_tokens":71,"prompt_tokens_details":{{"cached_tokens":0}},"completion_tokens_details":{{"reasoning_tokens":0}}}}}}"#));
    events.push("[DONE]".to_owned());
    for event in &mut events {
        let frame = format!("data: {event}\n\n");
        event.clear();
        write!(event, "{:x}\r\n{frame}\r\n", frame.len()).expect("a string takes all");
    }
    events
}
