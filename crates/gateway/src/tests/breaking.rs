//! Breakers: who opens them, who does not, and what a call does when they are open.

use cells::State;

use super::house::TRIPS_AFTER;
use super::*;

#[tokio::test]
async fn a_broken_provider_is_passed_by_without_a_call() {
    let house = House::of(&[("a/x", OVERLOADED), ("b/y", HELLO)]);
    for _ in 0..TRIPS_AFTER {
        assert_eq!(house.breaker(0).state(), State::Closed);
        ask(&house, &mut String::new()).await.unwrap();
    }
    assert_eq!(house.breaker(0).state(), State::Open);
    assert_eq!(house.trips(), 1);
    let calls = |id: &str| house.ends().iter().filter(|(called, _)| called == id).count();
    let before = calls("a/x");

    let receipt = ask(&house, &mut String::new()).await.unwrap();
    assert_eq!(calls("a/x"), before);
    assert_eq!(receipt.deployment.to_string(), "b/y");
    assert!(matches!(receipt.attempts[0].why, Why::Open { .. }));
    assert_eq!(house.trips(), 1);
}

#[tokio::test]
async fn a_row_of_failures_is_broken_by_a_success_and_not_by_the_clients_own_mistakes() {
    let script = "
rules:
  - match: {prompt: {contains: [good]}}
    answer: {text: fine}
  - match: {prompt: {contains: [bad]}}
    answer: {fault: {kind: status, status: 400}}
  - answer: {fault: {kind: hang, after_bytes: 0}}
";
    let house = House::with_script("a/x", script);
    let ask = async |prompt: &str| {
        let request = chat::Request { turns: vec![chat::Turn::user(prompt)], ..request() };
        let mut on_event = |_: &Event| {};
        driven(&house.clock, Box::pin(house.gateway.call(house.question(&request), &mut on_event))).await
    };
    for prompt in ["", "", "", "good", "", "", "bad", ""] {
        let _ = ask(prompt).await;
        assert_eq!(house.breaker(0).state(), State::Closed);
    }
    let _ = ask("").await;
    assert_eq!(house.breaker(0).state(), State::Open, "a bad request stands in between and ends no row");
}

#[tokio::test]
async fn limits_keys_and_bad_requests_open_nothing() {
    for status in [400, 401, 404, 429] {
        let answer = format!("{{fault: {{kind: status, status: {status}, retry_after_s: 60}}}}");
        let house = House::of(&[("a/x", &answer)]);
        for _ in 0..2 * TRIPS_AFTER {
            assert!(ask(&house, &mut String::new()).await.is_err());
        }
        assert_eq!(house.breaker(0).state(), State::Closed, "{status}");
        assert_eq!(house.trips(), 0);
    }
}

#[tokio::test]
async fn what_the_deployment_does_wrong_opens_it() {
    let faults = [
        "{fault: {kind: status, status: 500}}",
        "{fault: {kind: status, status: 503}}",
        "{text: x, fault: {kind: cut, after_bytes: 0}}",
        HANGS,
        CUT_LATER,
    ];
    for fault in faults {
        let house = House::of(&[("a/x", fault)]);
        for _ in 0..TRIPS_AFTER {
            assert!(ask(&house, &mut String::new()).await.is_err());
        }
        assert_eq!(house.breaker(0).state(), State::Open, "{fault}");
        assert_eq!(house.trips(), 1, "{fault}");
    }
}

#[tokio::test]
async fn a_callers_haste_does_not_speak_against_the_deployment() {
    let house = House::of(&[("a/x", HANGS)]);
    let request = request();
    for _ in 0..2 * TRIPS_AFTER {
        let mut on_event = |_: &Event| {};
        let question = Call { within: Duration::from_secs(1), ..house.question(&request) };
        let call = Box::pin(house.gateway.call(question, &mut on_event));
        assert!(driven(&house.clock, call).await.is_err());
    }
    assert_eq!(house.breaker(0).state(), State::Closed);
    assert!(house.load(0).latency() >= Some(Duration::from_secs(1)), "but it was slow");
}

#[tokio::test]
async fn when_all_are_open_the_caller_learns_when_to_come_back() {
    let house = House::of(&[("a/x", HELLO), ("b/y", HELLO)]);
    for (place, seconds) in [(0, 40), (1, 7)] {
        house.breaker(place).down(Some(house.clock.now() + Duration::from_secs(seconds)));
    }
    let error = ask(&house, &mut String::new()).await.unwrap_err();
    assert!(house.ends().is_empty());
    let text = error.to_string();
    assert!(text.contains("a/x: passed by") && text.contains("b/y: passed by"), "{text}");
    let Error::Unavailable { retry_after: Some(after), .. } = error else { panic!("{text}") };
    assert!(after >= Duration::from_secs(7) && after < Duration::from_secs(8), "{after:?}");
}

#[tokio::test]
async fn the_actor_that_has_to_fail_learns_how_long_its_provider_wants_to_be_left_alone() {
    let house = House::of(&[("a/x", "{fault: {kind: status, status: 503, retry_after_s: 90}}")]);
    for _ in 0..TRIPS_AFTER {
        assert!(ask(&house, &mut String::new()).await.is_err());
    }
    let wanted = Some(Duration::from_secs(90));
    assert_eq!(*house.recorder.trips.lock().unwrap(), [(house.deployments[0].id.clone(), wanted)]);

    let error = ask(&house, &mut String::new()).await.unwrap_err();
    let Error::Unavailable { retry_after, .. } = error else { panic!("{error}") };
    assert!(retry_after >= wanted, "who is refused learns it too");
}

#[tokio::test]
async fn a_probe_closes_the_breaker_with_its_first_output() {
    let slow = "{text: hello there, piece_bytes: 2, between_pieces_ms: 1000}";
    let house = House::of(&[("a/x", slow)]);
    house.breaker(0).down(None);
    assert!(house.breaker(0).up(1));

    let request = request();
    let mut on_event = |_: &Event| {};
    let mut call = Box::pin(house.gateway.call(house.question(&request), &mut on_event));
    assert!(futures_util::poll!(&mut call).is_pending());
    assert_eq!(house.breaker(0).state(), State::Closed);
    assert!(driven(&house.clock, call).await.is_ok());
}

#[tokio::test]
async fn a_thousand_callers_at_once_meet_the_single_probe_of_a_half_open_breaker() {
    let house = House::of(&[("a/x", HANGS)]);
    house.breaker(0).down(None);
    assert!(house.breaker(0).up(1));
    let request = request();
    let ask = async || {
        let mut on_event = |_: &Event| {};
        house.gateway.call(house.question(&request), &mut on_event).await
    };
    let mut probes = Vec::new();
    let mut refused = 0;
    for _ in 0..1000 {
        let mut call = Box::pin(ask());
        match futures_util::poll!(&mut call) {
            std::task::Poll::Pending => probes.push(call),
            std::task::Poll::Ready(answer) => {
                let Err(Error::Unavailable { attempts, .. }) = answer else { panic!("{answer:?}") };
                assert!(matches!(attempts[0].why, Why::Open { forced: false, .. }));
                refused += 1;
            }
        }
    }
    assert_eq!((probes.len(), refused), (1, 999));
    assert_eq!(house.load(0).in_flight(), 1);
    assert!(house.ends().is_empty(), "who was refused called nobody");
}

#[tokio::test]
async fn what_an_operator_holds_open_is_passed_by_and_said_so() {
    let house = House::of(&[("a/x", HELLO), ("b/y", HELLO)]);
    house.breaker(0).force_open();
    let receipt = ask(&house, &mut String::new()).await.unwrap();
    assert_eq!(receipt.deployment.to_string(), "b/y");
    assert!(matches!(receipt.attempts[0].why, Why::Open { retry_after: None, forced: true }));
    assert!(receipt.attempts[0].why.to_string().contains("by hand"));

    house.breaker(0).release();
    assert_eq!(ask(&house, &mut String::new()).await.unwrap().deployment.to_string(), "a/x");
}

#[tokio::test]
async fn what_an_operator_holds_closed_is_called_however_often_it_fails() {
    for hold in [cells::Breaker::force_closed, cells::Breaker::disable] {
        let house = House::of(&[("a/x", OVERLOADED), ("b/y", HELLO)]);
        hold(house.breaker(0));
        for _ in 0..3 * TRIPS_AFTER {
            assert_eq!(ask(&house, &mut String::new()).await.unwrap().attempts.len(), 1);
        }
        assert_eq!((house.trips(), house.ends().len()), (0, usize::from(6 * TRIPS_AFTER)));
    }
}

#[tokio::test]
async fn many_failures_among_successes_open_it_too() {
    let script = "
rules:
  - match: {prompt: {contains: [good]}}
    answer: {text: fine}
  - answer: {fault: {kind: cut, after_bytes: 0}}
";
    let build = |id: &'static str, script: &str| (id, house::played(script));
    let endpoints = vec![build("a/x", script), build("b/y", "rules: [{answer: {text: fine}}]")];
    let ids = ["a/x", "b/y"].map(|id| id.parse().unwrap());
    let house = House::build(clock::Clock::manual(), endpoints, Choice::Named(ids.into()));
    let ask = async |prompt: &str| {
        let request = chat::Request { turns: vec![chat::Turn::user(prompt)], ..request() };
        let mut on_event = |_: &Event| {};
        driven(&house.clock, Box::pin(house.gateway.call(house.question(&request), &mut on_event))).await
    };
    // Never two failures in a row, and half of all calls.
    for _ in 0..4 {
        ask("good").await.unwrap();
        ask("bad").await.unwrap();
        assert_eq!(house.breaker(0).state(), State::Closed);
    }
    ask("good").await.unwrap();
    assert_eq!(house.breaker(0).state(), State::Closed, "9 calls are too few to say");
    ask("bad").await.unwrap();
    assert_eq!(house.breaker(0).state(), State::Open);
    assert_eq!(house.trips(), 1);
}
