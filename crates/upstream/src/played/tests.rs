//! Scripts as providers, by a clock that stands still.

use std::sync::Arc;
use std::time::Duration;

use chat::{Event, StopReason};
use clock::Clock;
use futures_util::future::join;
use scripted::Script;

use crate::loopback::{ask, client, question};
use crate::{Endpoint, Error, FailureClass, Wait};

fn endpoint(answer: &str) -> Endpoint {
    let rules = format!("rules: [{{match: {{role: editor}}, answer: {answer}}}]");
    Endpoint::Scripted(Arc::new(Script::parse("test.yaml", &rules).unwrap()))
}

fn text(text: &str) -> Event {
    Event::Text { text: text.to_owned() }
}

#[tokio::test]
async fn plays_an_answer_by_the_clock() {
    let clock = Clock::manual();
    let endpoint = endpoint("{text: abcd, piece_bytes: 2, first_byte_ms: 500, between_pieces_ms: 40}");
    let (client, question) = (client(&clock), question());
    let call = question.call();
    let (stream, ()) = join(client.call(&endpoint, &call), async {
        assert_eq!(clock.next_wake(), Some(clock.now() + Duration::from_millis(500)));
        clock.advance(Duration::from_millis(500));
    })
    .await;
    let mut stream = stream.unwrap();
    assert_eq!(stream.next().await.unwrap().unwrap(), text("ab"));
    let (next, ()) = join(stream.next(), async {
        assert_eq!(clock.next_wake(), Some(clock.now() + Duration::from_millis(40)));
        clock.advance(Duration::from_millis(40));
    })
    .await;
    assert_eq!(next.unwrap().unwrap(), text("cd"));
    assert!(matches!(stream.next().await, Some(Ok(Event::Usage(_)))));
    let end = stream.next().await.unwrap().unwrap();
    assert_eq!(end, Event::Stopped { reason: StopReason::EndOfTurn });
    assert!(stream.next().await.is_none());
}

#[tokio::test]
async fn a_status_refuses_the_call_before_there_is_a_stream() {
    let endpoint = endpoint("{fault: {kind: status, status: 529, retry_after_s: 3, message: full}}");
    let question = question();
    let error = client(&Clock::manual()).call(&endpoint, &question.call()).await.unwrap_err();
    assert_eq!(error.class(), FailureClass::Overloaded);
    assert_eq!(error.retry_after(), Some(Duration::from_secs(3)));
}

#[tokio::test]
async fn a_cut_is_an_error_after_what_was_said() {
    let endpoint = endpoint("{text: abcdef, fault: {kind: cut, after_bytes: 3}}");
    let (events, end) = ask(&client(&Clock::manual()), &endpoint).await;
    assert_eq!(events, [text("abc")]);
    assert!(matches!(end, Err(Error::Cut { .. })));
}

#[tokio::test]
async fn a_hang_ends_by_the_waits_of_the_call() {
    for (after_bytes, seconds, expected) in [(0, 30, Wait::FirstEvent), (3, 10, Wait::MoreBytes)] {
        let clock = Clock::manual();
        let endpoint =
            endpoint(&format!("{{text: abcdef, fault: {{kind: hang, after_bytes: {after_bytes}}}}}"));
        let client = client(&clock);
        let asked = ask(&client, &endpoint);
        let ((_, end), ()) = join(asked, async { clock.advance(Duration::from_secs(seconds)) }).await;
        let error = end.unwrap_err();
        assert!(matches!(error, Error::Timeout { waited_for, .. } if waited_for == expected), "{error:?}");
    }
}

#[tokio::test]
async fn a_question_without_a_rule_is_the_callers_fault() {
    let rules = "rules: [{match: {role: planner}, answer: {text: x}}]";
    let endpoint = Endpoint::Scripted(Arc::new(Script::parse("test.yaml", rules).unwrap()));
    let error = ask(&client(&Clock::manual()), &endpoint).await.1.unwrap_err();
    assert!(matches!(error, Error::NoRule(_)));
    assert_eq!(error.class(), FailureClass::Client);
}
