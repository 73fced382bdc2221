//! Bytes that go out and come back as they are, over real connections on loopback.

use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use clock::Clock;

use crate::loopback::{KEY, Server, Then, answer_of, client, question};
use crate::{Dialect, Error, FailureClass, HttpEndpoint, Method, Refusal, Relayed, Verbatim, Way};

const BODY: &str = "{\"model\" : \"m\",\r\n \"b\":1,\"a\":2}";

async fn send(endpoint: &HttpEndpoint, way: Way<'_>) -> Result<Relayed, Error> {
    let headers = [("anthropic-beta", "one,two".to_owned())];
    let body = Bytes::from_static(BODY.as_bytes());
    let call =
        Verbatim { way, headers: &headers, credential: None, body: &body, waits: question().call().waits };
    client(&Clock::real()).relay(endpoint, &call).await
}

async fn drain(mut answer: Relayed) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    while let Some(piece) = answer.chunk().await? {
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes)
}

async fn refusal_of(answer: String) -> Error {
    let server = Server::start(answer, Then::Close).await;
    send(&server.endpoint(Dialect::Anthropic), Way::Messages).await.unwrap_err()
}

#[tokio::test]
async fn bytes_go_out_and_come_back_as_they_are() {
    let said = "{ \"z\":1,\"a\":\"\u{e9}\u{1f600}\" }\r\n";
    let answer = answer_of("200 OK", "application/json", "request-id: req_1\r\nx-internal: no\r\n", said);
    let mut server = Server::start(answer, Then::Close).await;
    let answer = send(&server.endpoint(Dialect::Anthropic), Way::Messages).await.unwrap();
    assert_eq!((answer.status(), answer.content_type()), (200, "application/json".to_owned()));
    assert_eq!(answer.headers(), [("request-id".to_owned(), "req_1".to_owned())]);
    assert_eq!(drain(answer).await.unwrap(), said.as_bytes());

    let request = server.seen.recv().await.unwrap();
    assert!(request.ends_with(&format!("\r\n\r\n{BODY}")), "{request}");
    assert!(request.contains("anthropic-beta: one,two\r\n"), "{request}");
    assert!(request.contains("anthropic-version: 2023-06-01\r\n"), "{request}");
    assert_eq!(request.matches(KEY).count(), 1);
}

#[tokio::test]
async fn every_way_has_its_place_at_the_provider() {
    let gemini = |method| Way::Gemini { model: "g-1", method };
    for (dialect, way, place) in [
        (Dialect::Anthropic, Way::Messages, "/v1/messages"),
        (Dialect::Anthropic, Way::CountTokens, "/v1/messages/count_tokens"),
        (Dialect::OpenAiChat, Way::ChatCompletions, "/v1/chat/completions"),
        (Dialect::OpenAiChat, Way::Responses, "/v1/responses"),
        (Dialect::OpenAiChat, Way::InputTokens, "/v1/responses/input_tokens"),
        (Dialect::OpenAiChat, Way::Embeddings, "/v1/embeddings"),
        (Dialect::Gemini, gemini(Method::Generate), "/v1beta/models/g-1:generateContent"),
        (Dialect::Gemini, gemini(Method::StreamEvents), "/v1beta/models/g-1:streamGenerateContent?alt=sse"),
        (Dialect::Gemini, gemini(Method::StreamArray), "/v1beta/models/g-1:streamGenerateContent"),
        (Dialect::Gemini, gemini(Method::CountTokens), "/v1beta/models/g-1:countTokens"),
        (Dialect::Gemini, gemini(Method::Embed), "/v1beta/models/g-1:embedContent"),
        (Dialect::Gemini, gemini(Method::EmbedBatch), "/v1beta/models/g-1:batchEmbedContents"),
    ] {
        let mut server = Server::start(answer_of("200 OK", "application/json", "", "{}"), Then::Close).await;
        let endpoint = HttpEndpoint { also: Some(Dialect::OpenAiResponses), ..server.endpoint(dialect) };
        assert!(endpoint.offers(way), "{way:?}");
        drain(send(&endpoint, way).await.unwrap()).await.unwrap();
        let request = server.seen.recv().await.unwrap();
        assert!(request.starts_with(&format!("POST {place} HTTP/1.1\r\n")), "{request}");
    }
}

#[tokio::test]
async fn a_provider_offers_its_own_dialect_alone() {
    let server = Server::start("", Then::Close).await;
    let anthropic = server.endpoint(Dialect::Anthropic);
    let compatible = server.endpoint(Dialect::OpenAiChat);
    for way in [Way::ChatCompletions, Way::Responses, Way::Embeddings] {
        assert!(!anthropic.offers(way), "{way:?}");
    }
    assert!(!compatible.offers(Way::Responses) && !compatible.offers(Way::Messages));
    let newer = server.endpoint(Dialect::OpenAiResponses);
    assert!(newer.offers(Way::Responses) && newer.offers(Way::Embeddings));
    assert!(!newer.offers(Way::ChatCompletions) && !newer.offers(Way::Messages));
    let both = HttpEndpoint { also: Some(Dialect::OpenAiChat), ..newer };
    assert!(both.offers(Way::Responses) && both.offers(Way::ChatCompletions));
}

#[tokio::test]
async fn a_refusal_is_told_whole_and_without_the_key() {
    let said = format!(
        r#"{{"type":"error","error":{{"type":"rate_limit_error","message":"slow, {KEY}"}},"request_id":"req_2"}}"#
    );
    let headers = "retry-after: 7\r\nanthropic-ratelimit-requests-remaining: 0\r\n";
    let error = refusal_of(answer_of("429 Too Many Requests", "application/json", headers, &said)).await;
    assert_eq!((error.class(), error.retry_after()), (FailureClass::Limited, Some(Duration::from_secs(7))));
    assert!(!format!("{error} {error:?}").contains(KEY));

    let Error::Status { refusal: Some(refusal), .. } = error else { panic!("{error:?}") };
    let Refusal { headers, body, .. } = *refusal;
    let body = String::from_utf8(body).unwrap();
    assert!(body.contains("\"request_id\":\"req_2\"") && !body.contains(KEY), "{body}");
    let names: Vec<&str> = headers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["retry-after", "anthropic-ratelimit-requests-remaining"]);
}

#[tokio::test]
async fn what_nobody_could_read_is_not_handed_on() {
    for (kind, said) in [("text/html", "<html>bad gateway</html>"), ("application/json", "{\"error\":")] {
        let error = refusal_of(answer_of("502 Bad Gateway", kind, "", said)).await;
        assert!(matches!(error, Error::Status { status: 502, refusal: None, .. }), "{error:?}");
    }
}

#[tokio::test]
async fn redirects_and_packed_answers_are_refused() {
    let moved = answer_of("307 Temporary Redirect", "text/plain", "location: http://elsewhere/\r\n", "");
    assert!(matches!(refusal_of(moved).await, Error::Redirected { status: 307, .. }));
    let packed = answer_of("200 OK", "application/json", "content-encoding: gzip\r\n", "xx");
    assert!(matches!(refusal_of(packed).await, Error::WrongContent { expected: "identity", .. }));
}

#[tokio::test]
async fn a_body_shorter_than_it_said_is_an_error_and_no_end() {
    let answer = answer_of("200 OK", "application/json", "content-length: 100\r\n", "{\"half\":");
    let server = Server::start(answer, Then::Close).await;
    let answer = send(&server.endpoint(Dialect::Anthropic), Way::Messages).await.unwrap();
    assert!(matches!(drain(answer).await, Err(Error::Network { .. })));
}

#[tokio::test]
async fn dropping_the_answer_closes_the_call() {
    let answer = answer_of("200 OK", "text/event-stream", "", "data: {}\n\n");
    let mut server = Server::start(answer, Then::Hang).await;
    let mut answer = send(&server.endpoint(Dialect::Anthropic), Way::Messages).await.unwrap();
    assert!(answer.chunk().await.unwrap().is_some());
    assert!(server.seen.recv().await.unwrap().starts_with("POST"));
    let pending = futures_util::poll!(std::pin::pin!(answer.chunk()));
    assert!(matches!(pending, Poll::Pending));
    drop(answer);
    assert_eq!(server.seen.recv().await.unwrap(), "");
}
