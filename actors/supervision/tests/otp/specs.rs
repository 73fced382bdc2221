//! Specs that contradict themselves are refused, with a word about what is wrong; all others are taken.

use std::time::Duration;

use supervision::{
    AutoShutdown, Birth, ChildError, ChildSpec, End, Intensity, Limit, Restart, Shutdown, Strategy,
    SupervisorSpec,
};

use crate::bodies::{Do, House, counts, ended, root, stop, which};

const RULES: [Restart; 3] = [Restart::Permanent, Restart::Transient, Restart::Temporary];
const AUTO: [AutoShutdown; 3] =
    [AutoShutdown::Never, AutoShutdown::AnySignificant, AutoShutdown::AllSignificant];

async fn why_it_cannot_be(house: &House, spec: SupervisorSpec) -> String {
    match house.try_start(spec).await.err() {
        Some(End::StartFailed { reason }) => reason,
        other => panic!("{other:?}"),
    }
}

#[actix_rt::test]
async fn every_combination_of_rules_is_taken_but_those_that_contradict_themselves() {
    let house = House::new();
    for auto_shutdown in AUTO {
        let tree = house.start(SupervisorSpec { auto_shutdown, ..root(Strategy::OneForOne, vec![]) }).await;
        let sup = tree.root();
        for restart in RULES {
            for shutdown in [
                Shutdown::Kill,
                Shutdown::Timeout(Duration::ZERO),
                Shutdown::Timeout(Duration::from_secs(1)),
                Shutdown::Infinity,
            ] {
                let worker = house.child("child");
                let group = house.group(SupervisorSpec::new("child")).0;
                for child in [worker, group] {
                    let child = child.restart(restart).shutdown(shutdown);
                    assert_eq!(sup.start_child(child.clone()).await, Ok(Birth::Lives));
                    sup.terminate_child("child").await.unwrap();
                    // A temporary one is forgotten already.
                    let _ = sup.delete_child("child").await;

                    let born = sup.start_child(child.significant()).await;
                    if auto_shutdown == AutoShutdown::Never || restart == Restart::Permanent {
                        let refused =
                            matches!(&born, Err(ChildError::BadCombination { id, .. }) if id == "child");
                        assert!(refused, "{auto_shutdown:?} {restart:?}: {born:?}");
                    } else {
                        assert_eq!(born, Ok(Birth::Lives), "{auto_shutdown:?} {restart:?}");
                        sup.terminate_child("child").await.unwrap();
                        let _ = sup.delete_child("child").await;
                    }
                    assert_eq!(counts(sup).await, [0, 0, 0, 0]);
                }
            }
        }
        assert_eq!(stop(tree).await, End::Shutdown);
    }
}

#[actix_rt::test]
async fn a_refusal_says_what_contradicts_what() {
    let house = House::new();
    let spec = SupervisorSpec {
        auto_shutdown: AutoShutdown::AnySignificant,
        ..root(Strategy::OneForOne, vec![house.child("elder")])
    };
    let tree = house.start(spec).await;

    let refused = tree.root().start_child(house.child("child").significant()).await.unwrap_err().to_string();

    assert!(["child", "significant", "permanent"].iter().all(|word| refused.contains(word)), "{refused}");
    assert_eq!(which(tree.root()).await.len(), 1, "what is refused leaves no trace");
    stop(tree).await;
}

#[actix_rt::test]
async fn a_tree_with_a_contradiction_does_not_start_says_where_it_is_and_starts_nobody() {
    let house = House::new();
    let elder = || house.child("elder");
    let significant = || house.child("child").significant();
    let any = AutoShutdown::AnySignificant;

    for (auto_shutdown, bad, words) in [
        (any, significant(), ["child", "permanent"]),
        (AutoShutdown::Never, significant().restart(Restart::Transient), ["child", "auto_shutdown"]),
        (AutoShutdown::Never, house.child("elder"), ["elder", "id"]),
    ] {
        let spec = root(Strategy::OneForOne, vec![elder(), bad]);
        let reason = why_it_cannot_be(&house, SupervisorSpec { auto_shutdown, ..spec }).await;
        assert!(words.iter().all(|word| reason.contains(word)) && reason.contains("root"), "{reason}");
    }
    let spec = root(Strategy::OneForOne, vec![elder(), house.child("child")]);
    let reason = why_it_cannot_be(&house, SupervisorSpec { max_children: 1, ..spec }).await;
    assert!(reason.contains("root") && reason.contains('2') && reason.contains('1'), "{reason}");

    assert_eq!(house.diary.take(), Vec::<String>::new());
}

#[actix_rt::test]
async fn a_contradiction_deep_in_the_tree_keeps_all_of_it_from_staying_up() {
    let house = House::new();
    let twins: Vec<ChildSpec> = vec![house.child("twin"), house.child("twin")];
    let (inner, _) = house.group(SupervisorSpec { children: twins, ..SupervisorSpec::new("inner") });

    let reason = why_it_cannot_be(&house, root(Strategy::OneForOne, vec![house.child("elder"), inner])).await;

    assert!(reason.contains("root/inner") && reason.contains("twin"), "{reason}");
    assert!(house.diary.has("elder ended shutdown"));
    assert!(!house.diary.has("twin started"));
}

#[actix_rt::test]
async fn there_are_no_more_children_than_there_may_be() {
    let house = House::new();
    for strategy in [Strategy::OneForOne, Strategy::Dynamic] {
        let spec = SupervisorSpec { max_children: 2, ..root(strategy, vec![]) };
        let tree = house.start(spec).await;
        let sup = tree.root();
        sup.start_child(house.child("child1").restart(Restart::Temporary)).await.unwrap();
        sup.start_child(house.child("child2")).await.unwrap();

        assert_eq!(sup.start_child(house.child("child3")).await, Err(ChildError::TooMany(2)));
        sup.terminate_child("child1").await.unwrap();
        assert_eq!(sup.start_child(house.child("child3")).await, Ok(Birth::Lives));
        stop(tree).await;
    }
}

#[actix_rt::test]
async fn an_intensity_of_zero_puts_up_with_nothing_and_a_long_one_with_a_lot() {
    for (restarts, panics) in [(0, 1), (7, 8)] {
        let house = House::new();
        let (child, worker) = house.worker("child");
        let limit = Limit::Shared(Intensity { restarts, period: Duration::from_secs(1) });
        let tree = house.start(SupervisorSpec { limit, ..root(Strategy::OneForOne, vec![child]) }).await;

        for _ in 0..panics {
            worker.tell(Do::Panic).unwrap();
        }

        assert_eq!(ended(&tree).await, End::GaveUp { child: "child".to_owned() });
        let ends = house.diary.take().iter().filter(|line| line.ends_with("panicked")).count();
        assert_eq!(ends, panics);
        stop(tree).await;
    }
}
