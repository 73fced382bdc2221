//! Each call is told once as a whole, with whose failure it was, beside the attempts that it took.

use super::*;

fn concluded(house: &House) -> Vec<(Operation, Option<Fault>)> {
    let concluded = house.recorder.concluded.lock().unwrap();
    concluded.iter().map(|one| (one.operation, one.fault)).collect()
}

fn faults(house: &House) -> Vec<Option<Fault>> {
    house.recorder.outcomes.lock().unwrap().iter().map(|outcome| outcome.fault).collect()
}

#[tokio::test]
async fn a_call_that_was_saved_by_a_fallback_has_succeeded() {
    let house = House::of(&[("a/x", OVERLOADED), ("b/y", HELLO)]);
    ask(&house, &mut String::new()).await.unwrap();
    assert_eq!(faults(&house), [Some(Fault::Provider), None]);
    assert_eq!(concluded(&house), [(Operation::Plan, None)]);
}

#[tokio::test]
async fn a_failure_is_that_of_whoever_has_to_do_something() {
    for (answer, fault) in [
        (OVERLOADED, Fault::Provider),
        (BAD_REQUEST, Fault::Caller),
        (CUT_LATER, Fault::Provider),
        ("{fault: {kind: status, status: 401}}", Fault::Own),
    ] {
        let house = House::of(&[("a/x", answer)]);
        ask(&house, &mut String::new()).await.unwrap_err();
        assert_eq!(concluded(&house), [(Operation::Plan, Some(fault))], "{answer}");
        assert!(faults(&house).iter().all(|told| *told == Some(fault)), "{answer}");
    }
}

#[tokio::test]
async fn a_call_that_reaches_nobody_is_told_too() {
    let house = House::choosing(&[("a/x", HELLO)], Choice::Auto);
    ask(&house, &mut String::new()).await.unwrap_err();
    assert_eq!(concluded(&house), [(Operation::Plan, Some(Fault::Own))]);

    let house = House::of(&[("a/x", HELLO)]);
    house.breaker(0).force_open();
    ask(&house, &mut String::new()).await.unwrap_err();
    assert_eq!(concluded(&house), [(Operation::Plan, Some(Fault::Policy))]);
    assert!(faults(&house).is_empty());
}

#[tokio::test]
async fn who_goes_away_ends_the_call_himself() {
    let house = House::of(&[("a/x", HANGS)]);
    let request = request();
    let mut on_event = |_: &Event| {};
    let mut call = Box::pin(house.gateway.call(house.question(&request), &mut on_event));
    assert!(futures_util::poll!(&mut call).is_pending());
    assert!(concluded(&house).is_empty());
    drop(call);
    assert_eq!(concluded(&house), [(Operation::Plan, Some(Fault::Caller))]);
    assert_eq!(faults(&house), [Some(Fault::Caller)]);
}
