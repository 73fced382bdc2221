//! What the stand-in plays, held against the decoders of `wire`.

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use wire::watch::{self, Watch};
use wire::{Dialect, Error};

use super::*;

/// Paths, whole and streamed.
fn paths(dialect: Dialect, model: &str) -> [String; 2] {
    match dialect {
        Dialect::Anthropic => ["/v1/messages"; 2].map(str::to_owned),
        Dialect::OpenAiChat => ["/v1/chat/completions"; 2].map(str::to_owned),
        Dialect::OpenAiResponses => ["/v1/responses"; 2].map(str::to_owned),
        Dialect::Gemini => [":generateContent", ":streamGenerateContent?alt=sse"]
            .map(|action| format!("/v1beta/models/{model}{action}")),
    }
}

const KEYS: &str = "x-api-key: standin-key\r\nauthorization: Bearer standin-key\r\nx-goog-api-key: standin-key\r\nanthropic-version: 2023-06-01\r\n";

fn written(path: &str, headers: &str, body: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nhost: x\r\n{headers}content-length: {}\r\n\r\n{body}", body.len())
}

/// The bytes that come back over a connection of its own.
async fn raw(standin: &Standin, request: &str) -> Vec<u8> {
    let mut stream = TcpStream::connect(standin.address()).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // Some scenarios end with a reset.
    stream.read_to_end(&mut answer).await.ok();
    answer
}

/// Head and body, chunks put together; an end that did not come is told.
fn apart(answer: &[u8]) -> (String, Vec<u8>, bool) {
    let text = String::from_utf8_lossy(answer).into_owned();
    let Some(end) = text.find("\r\n\r\n") else { return (text, Vec::new(), false) };
    let (head, mut rest) = (text[..end].to_owned(), &answer[end + 4..]);
    if !head.contains("chunked") {
        return (head, rest.to_vec(), true);
    }
    let mut body = Vec::new();
    while let Ok(httparse::Status::Complete((taken, size))) = httparse::parse_chunk_size(rest) {
        let size = size as usize;
        if size == 0 {
            return (head, body, true);
        }
        let Some(chunk) = rest.get(taken..taken + size) else { break };
        body.extend_from_slice(chunk);
        rest = &rest[taken + size + 2..];
    }
    (head, body, false)
}

async fn asked(
    standin: &Standin,
    dialect: Dialect,
    model: &str,
    is_streamed: bool,
) -> (String, Vec<u8>, bool) {
    let schema = json!({"type": "object", "properties": {"city": {"type": "string"}}});
    // Each vendor reads its own.
    let body = json!({
        "model": model,
        "stream": is_streamed,
        "stream_options": {"include_usage": true},
        "output_config": {"format": {"type": "json_schema", "schema": schema}},
        "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": schema}},
        "text": {"format": {"type": "json_schema", "name": "n", "schema": schema}},
        "generationConfig": {"responseMimeType": "application/json", "responseJsonSchema": schema},
    });
    let path = &paths(dialect, model)[usize::from(is_streamed)];
    let headers = format!("{KEYS}connection: close\r\n");
    apart(&raw(standin, &written(path, &headers, &body.to_string())).await)
}

fn watched(dialect: Dialect, body: &[u8]) -> (watch::Seen, Result<(), Error>) {
    let mut watch = Watch::new(dialect);
    watch.push(&Bytes::copy_from_slice(body), &mut Vec::new()).unwrap();
    let end = watch.finish(&mut Vec::new());
    (watch.seen().clone(), end)
}

#[tokio::test]
async fn an_object_is_given_only_to_who_asks_for_its_shape() {
    let standin = Standin::start().await.unwrap();
    for dialect in Dialect::ALL {
        for (index, path) in paths(dialect, "json").iter().enumerate() {
            let body = json!({"model": "json", "stream": index == 1}).to_string();
            let headers = format!("{KEYS}connection: close\r\n");
            let (head, _, _) = apart(&raw(&standin, &written(path, &headers, &body)).await);
            assert!(head.starts_with("HTTP/1.1 400"), "{dialect:?}: {head}");
        }
    }
}

#[tokio::test]
async fn each_vendor_tells_the_same_whole_and_streamed() {
    let standin = Standin::start().await.unwrap();
    for model in [
        "text",
        "tools",
        "thinking",
        "json",
        "refusal",
        "truncated",
        "image-result",
        "a/b/stream-5",
        "split-3",
    ] {
        for dialect in Dialect::ALL {
            let (head, body, is_whole) = asked(&standin, dialect, model, true).await;
            let (streamed, end) = watched(dialect, &body);
            assert!(head.contains("200") && is_whole, "{dialect:?} {model}: {head}");
            assert_eq!(end, Ok(()), "{dialect:?} {model}");
            let (_, body, _) = asked(&standin, dialect, model, false).await;
            let whole = watch::whole(dialect, &body).unwrap();
            assert_eq!(whole, streamed, "{dialect:?} {model}");
            let usage = whole.usage.unwrap();
            assert_eq!((usage.input.0, usage.cached_input.0), (8, 4), "{dialect:?} {model}");
            assert_eq!(whole.model.as_deref(), Some(model));
        }
    }
}

fn texts(mut decoder: impl wire::Decode, body: &[u8]) -> (String, Vec<String>) {
    let mut assembler = chat::Assembler::default();
    let frames = wire::sse::Decoder::default().push(body).unwrap();
    for frame in &frames {
        decoder.push(frame).unwrap().iter().for_each(|event| assembler.push(event));
    }
    decoder.finish().unwrap().iter().for_each(|event| assembler.push(event));
    let answer = assembler.finish().unwrap();
    (answer.text, answer.tool_calls.into_iter().map(|call| call.arguments).collect())
}

#[tokio::test]
async fn the_decoders_understand_text_and_parallel_calls() {
    let standin = Standin::start().await.unwrap();
    for model in ["text", "tools"] {
        let body = |dialect| asked(&standin, dialect, model, true);
        let said = [
            texts(wire::anthropic::Decoder::default(), &body(Dialect::Anthropic).await.1),
            texts(wire::openai_chat::Decoder::default(), &body(Dialect::OpenAiChat).await.1),
            texts(wire::gemini::Decoder::default(), &body(Dialect::Gemini).await.1),
        ];
        for (text, calls) in said {
            if model == "text" {
                assert_eq!(
                    (text.as_str(), calls.len()),
                    ("Hello from the stand-in: gr\u{fc}\u{df}e, \u{1f600} and 日本語.", 0)
                );
            } else {
                let calls: Vec<Value> =
                    calls.iter().map(|call| serde_json::from_str(call).unwrap()).collect();
                assert_eq!(calls, [json!({"city": "Paris"}), json!({"city": "Z\u{fc}rich"})]);
            }
        }
    }
}

#[tokio::test]
async fn every_fault_is_played_in_every_dialect() {
    let standin = Standin::start().await.unwrap();
    for dialect in Dialect::ALL {
        for model in ["dies", "dies-hard", "cut", "dies-first"] {
            let (_, body, is_whole) = asked(&standin, dialect, model, true).await;
            assert_eq!(is_whole, model == "cut", "{dialect:?} {model}");
            let (_, end) = watched(dialect, &body);
            // Gemini gives a reason to stop only at its end, and so is half of it cut, too.
            assert_eq!(end, Err(Error::Cut { dialect: dialect.name() }), "{dialect:?} {model}");
        }
        for model in ["error-in-200", "error-mid-stream"] {
            let (head, body, _) = asked(&standin, dialect, model, true).await;
            assert!(head.contains("200"));
            assert!(
                matches!(watched(dialect, &body).1, Err(Error::Reported { status: 500, .. })),
                "{dialect:?} {model}"
            );
        }
        let (_, body, _) = asked(&standin, dialect, "error-in-200", false).await;
        assert!(matches!(watch::whole(dialect, &body), Err(Error::Reported { status: 500, .. })));
        let (head, body, _) = asked(&standin, dialect, "lies-about-length", false).await;
        assert!(head.contains(&format!("content-length: {}", body.len() + 100)));
        let (head, body, _) = asked(&standin, dialect, "html", true).await;
        assert!(head.contains("text/html") && body.starts_with(b"<!DOCTYPE html>"));
        let (head, _, _) = asked(&standin, dialect, "redirect", false).await;
        assert!(head.contains("302") && head.contains(&format!("location: {}", standin.url())));
        let (head, body, _) = asked(&standin, dialect, "error-429", true).await;
        assert!(head.contains("429") && head.contains("retry-after: 3"));
        assert!(matches!(watch::whole(dialect, &body), Err(Error::Reported { status: 429, .. })));
        assert!(asked(&standin, dialect, "error-529", false).await.0.contains("529"));
        assert!(asked(&standin, dialect, "no-such-model", false).await.0.contains("404"));
    }
}

#[tokio::test]
async fn a_line_of_a_hundred_megabytes_is_refused_by_who_watches_it() {
    let standin = Standin::start().await.unwrap();
    let body = "{\"model\":\"huge-line\",\"stream\":true}";
    let mut stream = TcpStream::connect(standin.address()).await.unwrap();
    stream.write_all(written("/v1/chat/completions", KEYS, body).as_bytes()).await.unwrap();
    let (mut watch, mut piece) = (Watch::new(Dialect::OpenAiChat), vec![0; 64 * 1024]);
    let refused = loop {
        let length = stream.read(&mut piece).await.unwrap();
        assert!(length > 0, "it ended before it was refused");
        // The chunks' own marks are no matter here.
        let taken = watch.push(&Bytes::copy_from_slice(&piece[..length]), &mut Vec::new());
        if let Err(error) = taken {
            break error;
        }
    };
    assert_eq!(refused, Error::FrameTooLarge { limit: watch::MAX_FRAME_BYTES });
    drop(stream);
    while standin.counts().in_flight > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(standin.counts().aborted, 1);
}

#[tokio::test]
async fn a_dribble_says_the_same_as_all_at_once() {
    let standin = Standin::start().await.unwrap();
    let whole = async |model| {
        let (_, body, _) = asked(&standin, Dialect::Anthropic, model, false).await;
        serde_json::from_slice::<Value>(&body).unwrap()
    };
    let (dribbled, at_once) = (whole("dribbles").await, whole("text").await);
    assert_eq!(dribbled["content"], at_once["content"]);
}

#[tokio::test]
async fn geminis_list_is_one() {
    let standin = Standin::start().await.unwrap();
    let request =
        written("/v1beta/models/tools:streamGenerateContent", &format!("{KEYS}connection: close\r\n"), "{}");
    let (_, body, _) = apart(&raw(&standin, &request).await);
    let list: Vec<Value> = serde_json::from_slice(&body).unwrap();
    assert!(list.len() > 2);
    assert_eq!(watched(Dialect::Gemini, &body).1, Ok(()));
}

#[tokio::test]
async fn a_key_is_asked_for_in_each_vendors_way() {
    let standin = Standin::start().await.unwrap();
    for dialect in Dialect::ALL {
        let path = &paths(dialect, "text")[0];
        for headers in ["", "x-api-key: wrong\r\nauthorization: Bearer wrong\r\nx-goog-api-key: wrong\r\n"] {
            let request = written(path, &format!("{headers}connection: close\r\n"), "{\"model\":\"text\"}");
            let (head, body, _) = apart(&raw(&standin, &request).await);
            assert!(head.contains("401"), "{head}");
            assert!(
                matches!(watch::whole(dialect, &body), Err(Error::Reported { status: 401, .. })),
                "{dialect:?}"
            );
        }
    }
    assert_eq!(standin.counts().keyless, 8);
    let request =
        written("/v1/messages", "x-api-key: standin-key\r\nconnection: close\r\n", "{\"model\":\"text\"}");
    assert!(
        String::from_utf8(raw(&standin, &request).await)
            .unwrap()
            .contains("anthropic-version: header is required")
    );
}

#[tokio::test]
async fn the_last_request_is_kept_as_it_came_also_from_chunks() {
    let standin = Standin::start().await.unwrap();
    let request = format!(
        "POST /v1/messages HTTP/1.1\r\n{KEYS}X-Odd: A\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n8\r\n{{\"model\"\r\n9\r\n : \"text\"\r\n3\r\n }} \r\n0\r\n\r\n"
    );
    let (head, ..) = apart(&raw(&standin, &request).await);
    assert!(head.contains("200"), "{head}");
    let last = standin.last().unwrap();
    assert_eq!(last.body, &b"{\"model\" : \"text\" } "[..]);
    assert_eq!((last.target.as_str(), last.header("x-odd")), ("/v1/messages", Some("A")));
}

#[tokio::test]
async fn one_connection_serves_many_requests_and_all_is_counted() {
    let standin = Standin::start().await.unwrap();
    let request = written("/v1/chat/completions", KEYS, "{\"model\":\"text\"}");
    let last =
        written("/v1/chat/completions", &format!("{KEYS}connection: close\r\n"), "{\"model\":\"text\"}");
    let answer = raw(&standin, &[request.clone(), request, last].concat()).await;
    assert_eq!(String::from_utf8(answer).unwrap().matches("HTTP/1.1 200").count(), 3);
    let counts = standin.counts();
    assert_eq!((counts.connections, counts.requests, counts.in_flight, counts.aborted), (1, 3, 0, 0));
    let page = "GET /_standin/counts HTTP/1.1\r\nconnection: close\r\n\r\n";
    let (_, body, _) = apart(&raw(&standin, page).await);
    assert_eq!(serde_json::from_slice::<Value>(&body).unwrap()["requests"], 3);
}

#[tokio::test]
async fn who_hangs_up_is_counted() {
    let standin = Standin::start().await.unwrap();
    for model in ["hangs", "hangs-mid-stream", "stream-100000-paced-50"] {
        let body = json!({"model": model, "stream": true}).to_string();
        let mut stream = TcpStream::connect(standin.address()).await.unwrap();
        stream.write_all(written("/v1/messages", KEYS, &body).as_bytes()).await.unwrap();
        while standin.counts().in_flight == 0 {
            tokio::task::yield_now().await;
        }
        drop(stream);
        while standin.counts().in_flight > 0 {
            tokio::task::yield_now().await;
        }
    }
    assert_eq!(standin.counts().aborted, 3);
    assert!(standin.is_serving());
}

#[tokio::test]
async fn a_seal_of_another_is_refused_and_its_own_is_not() {
    let standin = Standin::start().await.unwrap();
    for (dialect, vendor) in [
        (Dialect::Anthropic, route::Vendor::Anthropic),
        (Dialect::OpenAiResponses, route::Vendor::OpenAi),
        (Dialect::Gemini, route::Vendor::Gemini),
    ] {
        for (seal, status) in [(said::seal(vendor), "200"), ("other".to_owned(), "400")] {
            let body = json!({"model": "text", "messages": [{"content": [
                {"type": "thinking", "signature": seal}, {"thoughtSignature": seal}, {"encrypted_content": seal},
            ]}]});
            let request = written(
                &paths(dialect, "text")[0],
                &format!("{KEYS}connection: close\r\n"),
                &body.to_string(),
            );
            let (head, ..) = apart(&raw(&standin, &request).await);
            assert!(head.contains(status), "{dialect:?}: {head}");
        }
    }
}

#[tokio::test]
async fn results_end_the_calls_and_pictures_are_seen() {
    let standin = Standin::start().await.unwrap();
    let ask = async |model: &str, content: Value| {
        let body = json!({"model": model, "messages": [{"role": "user", "content": content}]}).to_string();
        let request = written("/v1/messages", &format!("{KEYS}connection: close\r\n"), &body);
        serde_json::from_slice::<Value>(&apart(&raw(&standin, &request).await).1).unwrap()
    };
    let result = json!([{"type": "tool_result", "content": [{"type": "image"}]}]);
    assert_eq!(ask("tools", json!("hi")).await["stop_reason"], "tool_use");
    assert_eq!(ask("tools", result.clone()).await["stop_reason"], "end_turn");
    assert_eq!(ask("image-result", result).await["content"][0]["text"], "I see 1 picture.");
}

#[tokio::test]
async fn what_is_no_conversation_is_answered_too() {
    let standin = Standin::start().await.unwrap();
    for (path, body, pointer, expected) in [
        ("/v1/messages/count_tokens", json!({"model": "text"}), "/input_tokens", json!(12)),
        ("/v1/images/generations", json!({"model": "text"}), "/usage/output_tokens", json!(272)),
        ("/v1/audio/transcriptions", json!({}), "/text", json!("Hello there.")),
        ("/v1beta/models/text:predict", json!({}), "/predictions/0/mimeType", json!("image/png")),
        ("/v1/responses/input_tokens", json!({"model": "text"}), "/input_tokens", json!(12)),
        ("/v1beta/models/text:countTokens", json!({}), "/totalTokens", json!(12)),
        ("/v1/models/text:countTokens", json!({}), "/totalTokens", json!(12)),
        ("/v1beta/models/text:embedContent", json!({}), "/embedding/values/0", json!(0.5)),
        (
            "/v1beta/models/text:batchEmbedContents",
            json!({"requests": [{}, {}]}),
            "/embeddings/1/values/0",
            json!(0.5),
        ),
        ("/v1/embeddings", json!({"model": "text", "input": ["a", "b"]}), "/data/1/embedding/1", json!(-0.5)),
        (
            "/v1/embeddings",
            json!({"model": "text", "input": "a", "encoding_format": "base64"}),
            "/data/0/embedding",
            json!("AAAAPwAAAL8AAIA+AACAvg=="),
        ),
    ] {
        let request = written(path, &format!("{KEYS}connection: close\r\n"), &body.to_string());
        let (head, answer, _) = apart(&raw(&standin, &request).await);
        let answer: Value = serde_json::from_slice(&answer).unwrap();
        assert_eq!(answer.pointer(pointer), Some(&expected), "{path}: {head}");
    }
    for (path, headers, pointer) in [
        ("/v1/models", "authorization: Bearer standin-key\r\n", "/data/0/object"),
        ("/v1/models", KEYS, "/data/0/display_name"),
        ("/v1beta/models?key=standin-key", "", "/models/0/name"),
    ] {
        let request = format!("GET {path} HTTP/1.1\r\n{headers}connection: close\r\n\r\n");
        let answer: Value = serde_json::from_slice(&apart(&raw(&standin, &request).await).1).unwrap();
        assert!(answer.pointer(pointer).is_some(), "{path}: {answer}");
    }
}

#[tokio::test]
async fn bad_requests_are_refused_in_bounded_memory() {
    let standin = Standin::start().await.unwrap();
    for request in [
        "nonsense\r\n\r\n".to_owned(),
        format!("POST /v1/messages HTTP/1.1\r\nx: {}", "y".repeat(70_000)),
        "POST /v1/messages HTTP/1.1\r\ncontent-length: 99999999999\r\n\r\n".to_owned(),
        "POST /v1/messages HTTP/1.1\r\ncontent-length: x\r\n\r\n".to_owned(),
    ] {
        let answer = String::from_utf8(raw(&standin, &request).await).unwrap();
        assert!(answer.is_empty() || answer.contains("400"), "{answer}");
    }
    let (head, ..) =
        apart(&raw(&standin, &written("/v1/messages", &format!("{KEYS}connection: close\r\n"), "{")).await);
    assert!(head.contains("400"));
    assert!(standin.is_serving());
}

#[test]
fn names_are_read_and_nothing_else_is() {
    for (name, scenario) in Scenario::NAMED {
        assert_eq!(Scenario::of(&format!("vendor/{name}")), Some(scenario));
    }
    let pace = std::time::Duration::from_millis(20);
    assert_eq!(Scenario::of("stream-64-paced-20"), Some(Scenario::Stream { pieces: 64, pace }));
    for name in
        ["", "texts", "error-200", "error-x", "split-0", "stream-0", "stream-1-paced-x", "stream-9999999"]
    {
        assert_eq!(Scenario::of(name), None, "{name}");
    }
}
