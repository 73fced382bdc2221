//! What is given back, paid and reported, also when nobody waits any longer.

use units::Nanodollars;

use super::*;

#[tokio::test]
async fn a_cancelled_call_gives_back_its_probe_and_its_place() {
    let house = House::of(&[("a/x", HANGS)]);
    house.breaker(0).down(None);
    assert!(house.breaker(0).up(1));
    let request = request();
    let mut on_event = |_: &Event| {};
    let mut call = Box::pin(house.gateway.call(house.question(&request), &mut on_event));
    assert!(futures_util::poll!(&mut call).is_pending());
    assert_eq!(house.load(0).in_flight(), 1);
    assert!(house.breaker(0).try_enter(house.clock.now()).is_err(), "the one probe is under way");

    house.clock.advance(Duration::from_secs(5));
    drop(call);
    assert_eq!(house.load(0).in_flight(), 0);
    assert!(house.breaker(0).try_enter(house.clock.now()).is_ok(), "its permit came back");
    assert_eq!(house.ends(), [("a/x".to_owned(), End::Cancelled)]);
    assert_eq!(house.load(0).latency(), Some(Duration::from_secs(5)), "it would have taken longer");
}

#[tokio::test]
async fn a_call_cancelled_while_it_waits_to_ask_again_holds_nothing() {
    let house = House::of(&[("a/x", "{fault: {kind: status, status: 429, retry_after_s: 3}}")]);
    let request = request();
    let mut on_event = |_: &Event| {};
    let mut call = Box::pin(house.gateway.call(house.question(&request), &mut on_event));
    assert!(futures_util::poll!(&mut call).is_pending());
    assert_eq!(house.load(0).in_flight(), 0);
    drop(call);
    assert_eq!(house.ends().len(), 1, "the failed attempt, and nothing that was cancelled");
}

#[tokio::test]
async fn an_answer_is_paid_by_its_usage() {
    let house = House::of(&[("a/x", HELLO)]);
    let receipt = ask(&house, &mut String::new()).await.unwrap();
    // 100 tokens at 3 dollars and 20 at 15 dollars for a million.
    let cost = Some(Nanodollars(300_000 + 300_000));
    assert_eq!(receipt.cost, cost);
    let outcomes = house.recorder.outcomes.lock().unwrap();
    assert_eq!((outcomes[0].usage, outcomes[0].cost), (receipt.usage, cost));
    assert_eq!(outcomes[0].role, "planner");
}

#[tokio::test]
async fn an_answer_without_a_price_costs_an_unknown_amount_and_not_nothing() {
    let mut house = House::of(&[("a/x", HELLO)]);
    let known = &house.deployments[0];
    let unpriced = Deployment {
        id: known.id.clone(),
        endpoint: known.endpoint.clone(),
        price: None,
        breaker: known.breaker.clone(),
        dropped: known.dropped.clone(),
        load: known.load.clone(),
    };
    let table = house.gateway.routes.load_full().table().clone();
    house.deployments = vec![Arc::new(unpriced)];
    let routes = Routes::try_new(table, house.deployments.clone()).unwrap();
    house.gateway.routes.store(Arc::new(routes));

    let receipt = ask(&house, &mut String::new()).await.unwrap();
    assert_eq!(receipt.cost, None);
    assert_eq!(pricing::shown(receipt.cost).to_string(), "not priced");
    assert_ne!(receipt.usage, Usage::default());
}

#[tokio::test]
async fn the_time_to_the_first_output_is_remembered_apart_from_the_whole() {
    let slow = "{text: abcd, piece_bytes: 2, first_byte_ms: 3000, between_pieces_ms: 1000}";
    let house = House::of(&[("a/x", slow)]);
    let receipt = ask(&house, &mut String::new()).await.unwrap();
    assert_eq!(house.load(0).latency(), Some(Duration::from_secs(3)));
    assert!(receipt.duration > Duration::from_secs(3));
    let outcomes = house.recorder.outcomes.lock().unwrap();
    assert_eq!(outcomes[0].first_output, Some(Duration::from_secs(3)));
    assert_eq!(outcomes[0].duration, receipt.duration);
}

#[tokio::test]
async fn a_call_keeps_the_routes_it_began_with() {
    let house = House::of(&[("a/x", "{text: hello there, first_byte_ms: 1000}")]);
    let request = request();
    let mut on_event = |_: &Event| {};
    let mut call = Box::pin(house.gateway.call(house.question(&request), &mut on_event));
    assert!(futures_util::poll!(&mut call).is_pending());
    house.gateway.routes.store(Arc::default());
    assert_eq!(driven(&house.clock, call).await.unwrap().answer.text, "hello there");
    assert!(matches!(ask(&house, &mut String::new()).await, Err(Error::NoCandidate(_))));
}
