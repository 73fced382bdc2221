//! The gateway over a real connection: what a script, which keeps no state, cannot play.

use std::convert::Infallible;

use clock::Clock;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use units::{Nanodollars, TokenCount};
use upstream::{Dialect, Endpoint, HttpEndpoint};

use super::house::played;
use super::*;

/// A provider on the loopback that gives these answers, one a connection, and then none.
struct Provider {
    listener: TcpListener,
    answers: Vec<String>,
}

impl Provider {
    async fn with(answers: Vec<String>) -> Self {
        Self { listener: TcpListener::bind("127.0.0.1:0").await.unwrap(), answers }
    }

    fn endpoint(&self, dialect: Dialect) -> Endpoint {
        let base_url = format!("http://{}", self.listener.local_addr().unwrap()).parse().unwrap();
        Endpoint::Http(HttpEndpoint {
            dialect,
            also: None,
            base_url,
            extras: None,
            key: None,
            keys: None,
            is_traced: false,
            has_account_routes: false,
            lets_through: false,
        })
    }

    async fn serve(self) -> Infallible {
        for answer in self.answers {
            let (mut socket, _) = self.listener.accept().await.unwrap();
            let mut reader = BufReader::new(&mut socket);
            let mut length = 0;
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).await.unwrap();
                let line = line.trim_end().to_ascii_lowercase();
                if line.is_empty() {
                    break;
                }
                if let Some(value) = line.strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
            }
            reader.read_exact(&mut vec![0; length]).await.unwrap();
            // The caller may hang up in the middle of its answer.
            let _ = socket.write_all(answer.as_bytes()).await;
            let _ = socket.shutdown().await;
        }
        std::future::pending().await
    }
}

fn stream(frames: &[String]) -> String {
    let body: String = frames.iter().map(|frame| format!("{frame}\n\n")).collect();
    format!("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n{body}")
}

fn anthropic(kind: &str, rest: &str) -> String {
    format!("event: {kind}\ndata: {{\"type\":\"{kind}\",{rest}}}")
}

fn message_start() -> String {
    anthropic(
        "message_start",
        r#""message":{"id":"m","type":"message","role":"assistant","content":[],"model":"x","stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":100,"output_tokens":1}}"#,
    )
}

fn openai(text: &str, finish: &str) -> String {
    format!(
        r#"data: {{"id":"c","object":"chat.completion.chunk","created":1,"model":"x","choices":[{{"index":0,"delta":{{"content":"{text}"}},"finish_reason":{finish}}}]}}"#
    )
}

pub(super) fn openai_answer() -> String {
    stream(&[openai("hello", "null"), openai("", "\"stop\""), "data: [DONE]".to_owned()])
}

async fn asked(
    provider: Provider,
    dialect: Dialect,
    fallback: Option<&str>,
) -> (House, Result<Receipt, Error>, Vec<Event>) {
    let mut endpoints = vec![("a/x", provider.endpoint(dialect))];
    endpoints.extend(fallback.map(|answer| ("b/y", played(&format!("rules: [{{answer: {answer}}}]")))));
    let ids = endpoints.iter().map(|(id, _)| id.parse().unwrap()).collect();
    let house = House::build(Clock::real(), endpoints, Choice::Named(ids));
    let request = request();
    let mut events = Vec::new();
    let mut on_event = |event: &Event| events.push(event.clone());
    let result = tokio::select! {
        result = house.gateway.call(house.question(&request), &mut on_event) => result,
        never = provider.serve() => match never {},
    };
    (house, result, events)
}

#[tokio::test]
async fn a_provider_that_was_over_its_limit_answers_when_asked_again() {
    let limited =
        "HTTP/1.1 429 Too Many Requests\r\nretry-after: 0\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    let provider = Provider::with(vec![limited.to_owned(), openai_answer()]).await;
    let (house, result, _) = asked(provider, Dialect::OpenAiChat, None).await;
    let receipt = result.unwrap();
    assert_eq!(receipt.answer.text, "hello");
    assert_eq!(receipt.attempts.len(), 1);
    let ends: Vec<_> = house.ends().into_iter().map(|(_, end)| end).collect();
    assert_eq!(ends, [End::Failed(FailureClass::Limited), End::Answered]);
}

#[tokio::test]
async fn what_fails_before_its_first_output_is_paid_all_the_same() {
    let overloaded = anthropic("error", r#""error":{"type":"overloaded_error","message":"Overloaded"}"#);
    let provider = Provider::with(vec![stream(&[message_start(), overloaded])]).await;
    let (house, result, _) = asked(provider, Dialect::Anthropic, Some(HELLO)).await;
    let receipt = result.unwrap();
    assert_eq!(receipt.deployment.to_string(), "b/y");

    let failed = &receipt.attempts[0];
    assert_eq!(failed.why.class(), Some(FailureClass::Overloaded));
    assert_eq!(failed.usage.input, TokenCount(100));
    assert!(failed.cost >= Some(Nanodollars(300_000)));
    let outcomes = house.recorder.outcomes.lock().unwrap();
    assert_eq!((outcomes[0].usage, outcomes[0].cost), (failed.usage, failed.cost));
    assert_eq!(receipt.usage.input, TokenCount(100), "the answer's own usage, not the sum");
}

/// OpenAI says first that the answer begins, and then that it has failed.
#[tokio::test]
async fn an_answer_of_responses_that_failed_before_its_first_output_is_anothers() {
    let event = |kind: &str, response: &str| {
        format!("event: {kind}\ndata: {{\"type\":\"{kind}\",\"response\":{{\"id\":\"r\",{response}}}}}")
    };
    let failed = r#""status":"failed","error":{"code":"rate_limit_exceeded","message":"slow down"}"#;
    let frames = [
        event("response.created", r#""status":"in_progress","error":null"#),
        event("response.failed", failed),
    ];
    let provider = Provider::with(vec![stream(&frames)]).await;
    let (_, result, events) = asked(provider, Dialect::OpenAiResponses, Some(HELLO)).await;
    let receipt = result.unwrap();
    assert_eq!(receipt.deployment.to_string(), "b/y");
    assert_eq!(receipt.attempts[0].why.class(), Some(FailureClass::Limited));
    let begun: Vec<_> = events.iter().filter(|event| matches!(event, Event::Began { .. })).collect();
    assert!(begun.len() <= 1, "{events:?}");
}

#[tokio::test]
async fn usage_that_was_held_back_is_shown_before_the_first_output() {
    let provider = Provider::with(vec![stream(&[
        message_start(),
        anthropic("content_block_start", r#""index":0,"content_block":{"type":"text","text":""}"#),
        anthropic("content_block_delta", r#""index":0,"delta":{"type":"text_delta","text":"hello"}"#),
        anthropic("content_block_stop", r#""index":0"#),
        anthropic(
            "message_delta",
            r#""delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":7}"#,
        ),
        "event: message_stop\ndata: {\"type\":\"message_stop\"}".to_owned(),
    ])])
    .await;
    let (_, result, events) = asked(provider, Dialect::Anthropic, None).await;
    assert_eq!(result.unwrap().usage.output, TokenCount(7));
    let begins = matches!(&events[..3], [Event::Began { .. }, Event::Usage(_), Event::Text { .. }]);
    assert!(begins, "{events:?}");
}

#[tokio::test]
async fn an_answer_without_end_is_stopped() {
    let megabyte = "x".repeat(1_000_000);
    let frames: Vec<_> = (0..18).map(|_| openai(&megabyte, "null")).collect();
    let provider = Provider::with(vec![stream(&frames)]).await;
    let (house, result, _) = asked(provider, Dialect::OpenAiChat, None).await;
    let Err(Error::Interrupted(interrupted)) = result else { panic!("it was not stopped") };
    assert!(matches!(interrupted.why, Why::TooLarge));
    assert_eq!(house.load(0).in_flight(), 0);
}

#[tokio::test]
async fn nobody_at_the_other_end_is_a_failure_of_the_network() {
    let provider = Provider::with(vec![]).await;
    let endpoint = provider.endpoint(Dialect::OpenAiChat);
    drop(provider);
    let choice = Choice::Named(vec!["a/x".parse().unwrap()]);
    let house = House::build(Clock::real(), vec![("a/x", endpoint)], choice);
    let request = request();
    let error = house.gateway.call(house.question(&request), &mut |_| {}).await.unwrap_err();
    let Error::Unavailable { attempts, .. } = error else { panic!("{error}") };
    assert!(attempts.iter().all(|attempt| attempt.why.class() == Some(FailureClass::Network)));
}
