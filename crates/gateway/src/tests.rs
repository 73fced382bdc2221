//! The gateway with real clients and scripted providers, on a clock that the tests move.

mod breaking;
mod citing;
mod concluding;
mod counting;
mod dropping;
mod house;
mod laws;
mod settling;
mod silent;
mod unproven;
mod wires;

use std::time::Duration;

use chat::StopReason;
use routing::Choice;
use upstream::FailureClass;

use super::*;
use house::{House, ask, driven, request};

const HELLO: &str = "{text: hello there, usage: {input: 100, output: 20}}";
const OVERLOADED: &str = "{fault: {kind: status, status: 529, message: overloaded}}";
const BAD_REQUEST: &str = "{fault: {kind: status, status: 400, message: too many tools}}";
const HANGS: &str = "{text: hello, fault: {kind: hang, after_bytes: 0}}";
const CUT_LATER: &str = "{text: hello there, piece_bytes: 2, fault: {kind: cut, after_bytes: 5}}";

#[tokio::test]
async fn an_answer_is_shown_as_it_comes_and_handed_back_whole() {
    let house = House::of(&[("a/x", HELLO)]);
    let mut shown = String::new();
    let receipt = ask(&house, &mut shown).await.unwrap();

    assert_eq!(receipt.answer.text, "hello there");
    assert_eq!(shown, "hello there");
    assert_eq!(receipt.answer.stop, StopReason::EndOfTurn);
    assert_eq!(receipt.deployment.to_string(), "a/x");
    assert!(receipt.attempts.is_empty());
    assert_eq!(house.ends(), [("a/x".to_owned(), End::Answered)]);
}

#[tokio::test]
async fn an_overloaded_provider_is_followed_by_the_next_one() {
    let house = House::of(&[("a/x", OVERLOADED), ("b/y", HELLO)]);
    let mut shown = String::new();
    let receipt = ask(&house, &mut shown).await.unwrap();

    assert_eq!(receipt.deployment.to_string(), "b/y");
    assert_eq!(shown, "hello there");
    assert_eq!(receipt.attempts.len(), 1);
    assert_eq!(receipt.attempts[0].deployment.to_string(), "a/x");
    assert_eq!(receipt.attempts[0].why.class(), Some(FailureClass::Overloaded));
}

#[tokio::test]
async fn what_was_shown_is_never_continued_by_somebody_else() {
    let house = House::of(&[("a/x", CUT_LATER), ("b/y", HELLO)]);
    let mut shown = String::new();
    let error = ask(&house, &mut shown).await.unwrap_err();

    assert_eq!(shown, "hello");
    let Error::Interrupted(interrupted) = error else { panic!("{error}") };
    assert_eq!(interrupted.deployment.to_string(), "a/x");
    assert_eq!(interrupted.why.class(), Some(FailureClass::Network));
    assert!(interrupted.to_string().contains("not whole"));
    assert_eq!(house.ends(), [("a/x".to_owned(), End::Interrupted(FailureClass::Network))]);
}

#[tokio::test]
async fn an_answer_that_ran_out_of_room_says_so() {
    let house = House::of(&[("a/x", "{text: hel, stop: max_output}")]);
    let receipt = ask(&house, &mut String::new()).await.unwrap();
    assert_eq!(receipt.answer.stop, StopReason::MaxOutput);
}

#[tokio::test]
async fn a_bad_request_goes_to_nobody_else() {
    let house = House::of(&[("a/x", BAD_REQUEST), ("b/y", HELLO)]);
    let error = ask(&house, &mut String::new()).await.unwrap_err();
    assert!(matches!(error, Error::Refused { .. }));
    assert!(error.to_string().contains("a/x") && error.to_string().contains("too many tools"), "{error}");
    assert_eq!(house.ends().len(), 1);
}

#[tokio::test]
async fn a_script_answers_nobody_who_did_not_name_it() {
    let house = House::choosing(&[("a/x", HELLO)], Choice::Auto);
    let error = ask(&house, &mut String::new()).await.unwrap_err();
    assert!(matches!(error, Error::NoCandidate(_)));
    assert!(error.to_string().contains("a/x: a script answers only when it is named"));
    assert!(house.ends().is_empty());
}

#[tokio::test]
async fn a_provider_is_left_alone_as_long_as_it_asks() {
    let limited = "{fault: {kind: status, status: 429, retry_after_s: 3}}";
    let house = House::of(&[("a/x", limited)]);
    let request = request();
    let mut on_event = |_: &Event| {};
    let mut call = Box::pin(house.gateway.call(house.question(&request), &mut on_event));

    assert!(futures_util::poll!(&mut call).is_pending());
    assert_eq!(house.ends().len(), 1);

    house.clock.advance(Duration::from_millis(2_999));
    assert!(futures_util::poll!(&mut call).is_pending());
    assert_eq!(house.ends().len(), 1, "it asked again too early");

    house.clock.advance(Duration::from_secs(1));
    assert!(futures_util::poll!(&mut call).is_pending());
    assert_eq!(house.ends().len(), 2);

    let error = driven(&house.clock, call).await.unwrap_err();
    assert_eq!(house.ends().len(), 3);
    let Error::Unavailable { attempts, retry_after, .. } = error else { panic!("{error}") };
    assert_eq!(attempts.len(), 3);
    assert!(retry_after.is_some());
}

#[tokio::test]
async fn no_more_retries_are_made_than_the_policy_allows() {
    for max_retries in [0, 1, 4] {
        let house = House::of(&[("a/x", "{fault: {kind: status, status: 429}}")]);
        house.under(routing::Policy { max_retries, ..routing::Policy::default() });
        let error = ask(&house, &mut String::new()).await.unwrap_err();
        assert!(matches!(error, Error::Unavailable { .. }));
        assert_eq!(house.ends().len(), max_retries as usize + 1);
    }
}

#[tokio::test]
async fn without_fallback_the_next_candidate_is_left_in_peace() {
    let house = House::of(&[("a/x", "{fault: {kind: status, status: 429}}"), ("b/y", HELLO)]);
    house.under(routing::Policy { fallback: false, max_retries: 1 });
    assert!(ask(&house, &mut String::new()).await.is_err());
    assert!(house.ends().iter().all(|(deployment, _)| deployment == "a/x"), "{:?}", house.ends());
    assert_eq!(house.ends().len(), 2);
}

#[tokio::test]
async fn who_wants_more_time_than_a_call_waits_is_reported_at_once() {
    let house = House::of(&[("a/x", "{fault: {kind: status, status: 429, retry_after_s: 600}}")]);
    let request = request();
    let mut on_event = |_: &Event| {};
    let mut call = Box::pin(house.gateway.call(house.question(&request), &mut on_event));
    let std::task::Poll::Ready(Err(error)) = futures_util::poll!(&mut call) else { panic!("it waits") };
    let Error::Unavailable { retry_after, .. } = &error else { panic!("{error}") };
    assert_eq!(*retry_after, Some(Duration::from_secs(600)));
    assert!(error.to_string().contains("try again in 600 s"));
}

#[tokio::test]
async fn a_wait_that_would_outlast_the_call_is_not_begun() {
    let house = House::of(&[("a/x", "{fault: {kind: status, status: 429, retry_after_s: 20}}")]);
    let request = request();
    let mut on_event = |_: &Event| {};
    let question = Call { within: Duration::from_secs(10), ..house.question(&request) };
    let mut call = Box::pin(house.gateway.call(question, &mut on_event));
    assert!(futures_util::poll!(&mut call).is_ready());
}

#[tokio::test]
async fn a_provider_that_hangs_before_its_first_output_is_followed_by_the_next_one() {
    let house = House::of(&[("a/x", HANGS), ("b/y", HELLO)]);
    let receipt = ask(&house, &mut String::new()).await.unwrap();
    assert_eq!(receipt.deployment.to_string(), "b/y");
    assert_eq!(receipt.attempts[0].why.class(), Some(FailureClass::Timeout));
    assert_eq!(receipt.attempts[0].duration, house.gateway.patience.first_byte);
    assert_eq!(receipt.duration, house.gateway.patience.first_byte);
}

#[tokio::test]
async fn no_time_is_no_call() {
    let house = House::of(&[("a/x", HELLO)]);
    let request = request();
    let question = Call { within: Duration::ZERO, ..house.question(&request) };
    let error = house.gateway.call(question, &mut |_| {}).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable { .. }));
    assert!(house.ends().is_empty());
}

#[tokio::test]
async fn the_longest_time_there_is_breaks_nothing() {
    let house = House::of(&[("a/x", HELLO)]);
    let request = request();
    let question = Call { within: Duration::MAX, ..house.question(&request) };
    assert!(house.gateway.call(question, &mut |_| {}).await.is_ok());
}

#[tokio::test]
async fn what_nobody_can_read_but_the_scripts_author_is_in_no_message() {
    let house = House::with_script("a/x", "rules: [{match: {role: nobody}, answer: {text: hi}}]");
    let error = ask(&house, &mut String::new()).await.unwrap_err();
    assert!(matches!(error, Error::Refused { .. }));
    assert!(error.to_string().contains("no rule for the role `planner`"), "{error}");
    assert!(!error.to_string().contains("the secret question"), "{error}");
}

#[test]
fn a_call_can_move_between_threads() {
    fn sendable<T: Send>(_: T) {}
    let house = House::of(&[("a/x", HELLO)]);
    let request = request();
    sendable(house.gateway.call(house.question(&request), &mut |_| {}));
}

#[test]
fn a_table_that_promises_more_than_is_published_is_refused() {
    let house = House::of(&[("a/x", HELLO)]);
    let table = house.gateway.routes.load_full().table().clone();
    let error = Routes::try_new(table, []).unwrap_err();
    assert!(matches!(error, Error::Unpublished { .. }));
}
