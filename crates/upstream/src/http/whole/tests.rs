//! Answers that come whole, over real connections on loopback.

use std::time::Duration;

use chat::{Event, StopReason};
use clock::Clock;
use futures_util::future::join;

use crate::loopback::{KEY, Server, Then, answer_of, client, drain, question};
use crate::{Call, Dialect, Endpoint, Error, FailureClass, Wait};

const ANTHROPIC: &str = r#"{"type":"message","id":"m","model":"x","content":[{"type":"text","text":"hi"}],"stop_reason":"end_turn"}"#;
const OPENAI: &str = r#"{"id":"m","model":"x","choices":[{"index":0,"message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}]}"#;
const RESPONSES: &str = r#"{"id":"m","model":"x","status":"completed","output":[{"type":"message","content":[{"type":"output_text","text":"hi"}]}]}"#;
const GEMINI: &str = r#"{"responseId":"m","modelVersion":"x","candidates":[{"content":{"parts":[{"text":"hi"}]},"finishReason":"STOP"}]}"#;

fn json(body: &str) -> String {
    answer_of("200 OK", "application/json", "", body)
}

async fn ask(clock: &Clock, server: &Server, dialect: Dialect) -> (Vec<Event>, Result<(), Error>) {
    let question = question();
    let call = Call { is_streamed: false, ..question.call() };
    match client(clock).call(&Endpoint::Http(server.endpoint(dialect)), &call).await {
        Ok(stream) => drain(stream).await,
        Err(error) => (Vec::new(), Err(error)),
    }
}

async fn refusal_of(answer: String) -> Error {
    let server = Server::start(answer, Then::Close).await;
    ask(&Clock::real(), &server, Dialect::OpenAiChat).await.1.unwrap_err()
}

#[tokio::test]
async fn a_whole_answer_is_asked_for_and_comes_as_its_events() {
    for (dialect, body, path) in [
        (Dialect::Anthropic, ANTHROPIC, "/v1/messages"),
        (Dialect::OpenAiChat, OPENAI, "/v1/chat/completions"),
        (Dialect::OpenAiResponses, RESPONSES, "/v1/responses"),
        (Dialect::Gemini, GEMINI, "/v1beta/models/model-x:generateContent"),
    ] {
        let mut server = Server::start(json(body), Then::Close).await;
        let (events, end) = ask(&Clock::real(), &server, dialect).await;
        end.unwrap();
        let [Event::Began { .. }, text, stopped] = &events[..] else { panic!("{dialect:?}: {events:?}") };
        assert_eq!(text, &Event::Text { text: "hi".to_owned() });
        assert_eq!(stopped, &Event::Stopped { reason: StopReason::EndOfTurn });
        let request = server.seen.recv().await.unwrap();
        assert!(request.starts_with(&format!("POST {path} HTTP/1.1\r\n")), "{request}");
        assert!(!request.contains("\"stream\":true") && !request.contains("stream_options"), "{request}");
        assert_eq!(request.matches(KEY).count(), 1);
    }
}

#[tokio::test]
async fn what_is_no_whole_answer_is_refused_for_what_it_is() {
    let html = refusal_of(answer_of("200 OK", "text/html", "", "<p>hi</p>")).await;
    assert!(matches!(html, Error::WrongContent { .. }), "{html}");
    let nonsense = refusal_of(json("[[[")).await;
    assert!(matches!(nonsense, Error::Malformed { .. }), "{nonsense}");
    let unfinished = refusal_of(json(r#"{"choices":[{"index":0,"message":{"content":"hi"}}]}"#)).await;
    assert!(matches!(unfinished, Error::Cut { .. }), "{unfinished}");
    let inside = refusal_of(json(&format!(r#"{{"error":{{"message":"no, {KEY}"}}}}"#))).await;
    assert!(matches!(inside, Error::Reported { .. }) && !inside.to_string().contains(KEY), "{inside}");
}

#[tokio::test]
async fn a_body_that_breaks_off_is_the_networks_failure() {
    let broken = refusal_of(answer_of("200 OK", "application/json", "content-length: 999\r\n", OPENAI)).await;
    assert_eq!(broken.class(), FailureClass::Network, "{broken}");
}

#[tokio::test]
async fn a_body_that_does_not_end_is_waited_for_no_longer_than_a_first_output() {
    let clock = Clock::manual();
    let answer = answer_of("200 OK", "application/json", "content-length: 999\r\n", OPENAI);
    let server = Server::start(answer, Then::Hang).await;
    let question = question();
    let call = Call { is_streamed: false, ..question.call() };
    let endpoint = Endpoint::Http(server.endpoint(Dialect::OpenAiChat));
    let mut stream = client(&clock).call(&endpoint, &call).await.unwrap();
    let (next, ()) = join(stream.next(), async { clock.advance(Duration::from_secs(30)) }).await;
    let error = next.unwrap().unwrap_err();
    assert!(matches!(error, Error::Timeout { waited_for: Wait::FirstEvent, .. }), "{error:?}");
    assert!(stream.next().await.is_none());
}
