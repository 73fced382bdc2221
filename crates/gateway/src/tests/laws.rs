//! What holds whatever the candidates do.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Answers,
    Overloaded,
    BadKey,
    BadRequest,
    CutBefore,
    CutAfter,
    Hangs,
}

const KINDS: [Kind; 7] = [
    Kind::Answers,
    Kind::Overloaded,
    Kind::BadKey,
    Kind::BadRequest,
    Kind::CutBefore,
    Kind::CutAfter,
    Kind::Hangs,
];

fn script(kind: Kind) -> &'static str {
    match kind {
        Kind::Answers => HELLO,
        Kind::Overloaded => OVERLOADED,
        Kind::BadKey => "{fault: {kind: status, status: 401}}",
        Kind::BadRequest => BAD_REQUEST,
        Kind::CutBefore => "{text: hello, fault: {kind: cut, after_bytes: 0}}",
        Kind::CutAfter => CUT_LATER,
        Kind::Hangs => HANGS,
    }
}

/// The first candidate that decides the call, and who comes before it.
fn decider(kinds: &[Kind]) -> Option<(usize, Kind)> {
    let decides = |kind: &Kind| matches!(kind, Kind::Answers | Kind::BadRequest | Kind::CutAfter);
    kinds.iter().copied().enumerate().find(|(_, kind)| decides(kind))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_first_who_can_decides_and_nothing_stays_behind(
        kinds in prop::collection::vec(prop::sample::select(KINDS.as_slice()), 1..6),
    ) {
        let names: Vec<_> = (0..kinds.len()).map(|place| format!("p/{place}")).collect();
        let candidates: Vec<_> = names.iter().zip(&kinds).map(|(name, kind)| (name.as_str(), script(*kind))).collect();
        let house = House::of(&candidates);
        let mut shown = String::new();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let result = runtime.block_on(ask(&house, &mut shown));

        match (decider(&kinds), result) {
            (Some((place, Kind::Answers)), Ok(receipt)) => {
                prop_assert_eq!(receipt.deployment.to_string(), names[place].as_str());
                prop_assert_eq!(receipt.attempts.len(), place);
                prop_assert_eq!(shown, receipt.answer.text);
            }
            (Some((_, Kind::BadRequest)), Err(Error::Refused { .. })) => prop_assert_eq!(shown, ""),
            (Some((_, Kind::CutAfter)), Err(Error::Interrupted(_))) => prop_assert_eq!(shown, "hello"),
            (None, Err(Error::Unavailable { attempts, .. })) => {
                prop_assert_eq!(shown, "");
                prop_assert!(attempts.len() >= kinds.len());
                prop_assert_eq!(attempts.len(), house.ends().len());
            }
            (expected, result) => prop_assert!(false, "{expected:?} became {result:?}"),
        }
        for place in 0..kinds.len() {
            prop_assert_eq!(house.load(place).in_flight(), 0);
        }
        prop_assert!(house.ends().iter().all(|(_, end)| *end != End::Cancelled));
    }
}
