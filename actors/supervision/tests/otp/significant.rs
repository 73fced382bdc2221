//! Significant children: whose end ends their supervisor too, and whose does not.

use supervision::{AutoShutdown, Birth, ChildSpec, End, Mailbox, Restart, State, Strategy, SupervisorSpec};

use crate::bodies::{
    Do, Grown, House, Sup, Worker, counts, ended, is, is_forgotten, lives, restarts, root, stop, until, which,
};

const AUTO: [AutoShutdown; 3] =
    [AutoShutdown::Never, AutoShutdown::AnySignificant, AutoShutdown::AllSignificant];

fn spec(strategy: Strategy, auto_shutdown: AutoShutdown) -> SupervisorSpec {
    SupervisorSpec { auto_shutdown, limit: restarts(5), ..root(strategy, vec![]) }
}

/// The supervisor has dealt with all that happened before this, and lives on.
async fn lives_on(sup: &Sup) {
    counts(sup).await;
}

/// It shut itself down, with all that were left.
async fn is_done(house: &House, tree: Grown, left: &[&str]) {
    assert_eq!(ended(&tree).await, End::Shutdown);
    for id in left {
        assert!(house.diary.has(&format!("{id} ended shutdown")), "{id}");
    }
    stop(tree).await;
}

async fn end_by(sup: &Sup, worker: &Mailbox<Worker>, id: &str, how: Option<Do>) {
    match how {
        Some(how) => worker.tell(how).unwrap(),
        None => sup.kill_child(id).await.unwrap(),
    }
}

#[actix_rt::test]
async fn no_end_of_a_temporary_child_matters_that_is_not_significant() {
    for auto_shutdown in AUTO {
        let house = House::new();
        let tree = house.start(spec(Strategy::OneForOne, auto_shutdown)).await;
        let start = async || {
            let (child, worker) = house.worker("child1");
            tree.root().start_child(child.restart(Restart::Temporary)).await.unwrap();
            worker
        };

        start().await;
        tree.root().terminate_child("child1").await.unwrap();
        lives_on(tree.root()).await;
        for how in [None, Some(Do::Panic), Some(Do::Fail), Some(Do::Finish)] {
            let worker = start().await;
            end_by(tree.root(), &worker, "child1", how).await;
            until(tree.root(), "child1", is_forgotten).await;
            lives_on(tree.root()).await;
        }
        assert_eq!(stop(tree).await, End::Shutdown, "{auto_shutdown:?}");
    }
}

#[actix_rt::test]
async fn no_end_of_a_transient_child_matters_that_is_not_significant() {
    for auto_shutdown in AUTO {
        let house = House::new();
        let tree = house.start(spec(Strategy::OneForOne, auto_shutdown)).await;
        let (child, worker) = house.worker("child1");
        tree.root().start_child(child.restart(Restart::Transient)).await.unwrap();

        tree.root().terminate_child("child1").await.unwrap();
        lives_on(tree.root()).await;
        assert_eq!(tree.root().restart_child("child1").await, Ok(Birth::Lives));
        for (how, generation) in [(None, 3), (Some(Do::Panic), 4), (Some(Do::Fail), 5)] {
            end_by(tree.root(), &worker, "child1", how).await;
            until(tree.root(), "child1", lives(generation)).await;
        }
        worker.tell(Do::Finish).unwrap();
        until(tree.root(), "child1", is(State::Ended)).await;
        lives_on(tree.root()).await;
        assert_eq!(stop(tree).await, End::Shutdown, "{auto_shutdown:?}");
    }
}

/// Two significant children and one that is not, all of one restart rule.
async fn three(
    strategy: Strategy,
    auto_shutdown: AutoShutdown,
    restart: Restart,
) -> (House, Grown, Vec<Mailbox<Worker>>) {
    let house = House::new();
    let tree = house.start(spec(strategy, auto_shutdown)).await;
    let mut workers = Vec::new();
    let significant = ChildSpec::significant;
    let plain: fn(ChildSpec) -> ChildSpec = |child| child;
    for (id, weight) in [("child1", significant as fn(_) -> _), ("child2", significant), ("child3", plain)] {
        let (child, worker) = house.worker(id);
        tree.root().start_child(weight(child.restart(restart))).await.unwrap();
        workers.push(worker);
    }
    (house, tree, workers)
}

#[actix_rt::test]
async fn a_significant_child_that_was_terminated_on_request_does_not_matter() {
    for restart in [Restart::Temporary, Restart::Transient] {
        for auto_shutdown in [AutoShutdown::AnySignificant, AutoShutdown::AllSignificant] {
            let (_, tree, _) = three(Strategy::OneForOne, auto_shutdown, restart).await;
            for id in ["child1", "child2"] {
                tree.root().terminate_child(id).await.unwrap();
                lives_on(tree.root()).await;
            }
            until(tree.root(), "child3", lives(1)).await;
            assert_eq!(stop(tree).await, End::Shutdown);
        }
    }
}

#[actix_rt::test]
async fn any_end_of_a_significant_temporary_child_ends_its_supervisor_where_one_is_enough() {
    for how in [None, Some(Do::Panic), Some(Do::Fail), Some(Do::Finish)] {
        let (house, tree, workers) =
            three(Strategy::OneForOne, AutoShutdown::AnySignificant, Restart::Temporary).await;
        end_by(tree.root(), &workers[0], "child1", how).await;
        is_done(&house, tree, &["child2", "child3"]).await;
    }
}

#[actix_rt::test]
async fn only_the_last_significant_temporary_child_ends_its_supervisor_where_all_are_needed() {
    for how in [None, Some(Do::Panic), Some(Do::Fail), Some(Do::Finish)] {
        let (house, tree, workers) =
            three(Strategy::OneForOne, AutoShutdown::AllSignificant, Restart::Temporary).await;

        end_by(tree.root(), &workers[0], "child1", how).await;
        until(tree.root(), "child1", is_forgotten).await;
        until(tree.root(), "child2", lives(1)).await;
        until(tree.root(), "child3", lives(1)).await;

        end_by(tree.root(), &workers[1], "child2", how).await;
        is_done(&house, tree, &["child3"]).await;
    }
}

#[actix_rt::test]
async fn a_significant_transient_child_ends_its_supervisor_by_its_normal_end_alone() {
    let (house, tree, workers) =
        three(Strategy::OneForOne, AutoShutdown::AnySignificant, Restart::Transient).await;

    for (how, generation) in [(None, 2), (Some(Do::Panic), 3), (Some(Do::Fail), 4)] {
        end_by(tree.root(), &workers[0], "child1", how).await;
        until(tree.root(), "child1", lives(generation)).await;
        until(tree.root(), "child2", lives(1)).await;
    }
    workers[0].tell(Do::Finish).unwrap();

    is_done(&house, tree, &["child2", "child3"]).await;
}

#[actix_rt::test]
async fn only_the_last_significant_transient_child_ends_its_supervisor_where_all_are_needed() {
    let (house, tree, workers) =
        three(Strategy::OneForOne, AutoShutdown::AllSignificant, Restart::Transient).await;

    workers[0].tell(Do::Finish).unwrap();
    until(tree.root(), "child1", is(State::Ended)).await;
    until(tree.root(), "child2", lives(1)).await;
    workers[1].tell(Do::Panic).unwrap();
    until(tree.root(), "child2", lives(2)).await;
    workers[1].tell(Do::Finish).unwrap();

    is_done(&house, tree, &["child3"]).await;
}

#[actix_rt::test]
async fn significant_dynamic_children_end_their_supervisor_too() {
    for (auto_shutdown, is_enough) in
        [(AutoShutdown::AnySignificant, true), (AutoShutdown::AllSignificant, false)]
    {
        let (house, tree, workers) = three(Strategy::Dynamic, auto_shutdown, Restart::Temporary).await;

        workers[0].tell(Do::Finish).unwrap();
        if is_enough {
            is_done(&house, tree, &["child2", "child3"]).await;
            continue;
        }
        until(tree.root(), "child1", is_forgotten).await;
        until(tree.root(), "child2", lives(1)).await;
        workers[1].tell(Do::Finish).unwrap();
        is_done(&house, tree, &["child3"]).await;
    }
}

#[actix_rt::test]
async fn a_significant_child_that_a_sibling_took_along_does_not_matter() {
    for strategy in [Strategy::OneForOne, Strategy::OneForAll, Strategy::RestForOne] {
        for auto_shutdown in [AutoShutdown::AnySignificant, AutoShutdown::AllSignificant] {
            let house = House::new();
            let tree = house.start(spec(strategy, auto_shutdown)).await;
            for id in ["child1", "child2", "child3"] {
                let child = house.child(id).restart(Restart::Transient);
                let child = if id == "child2" { child } else { child.significant() };
                tree.root().start_child(child).await.unwrap();
            }

            tree.root().kill_child("child2").await.unwrap();
            until(tree.root(), "child2", lives(2)).await;

            let (first, third) = match strategy {
                Strategy::OneForAll => (2, 2),
                Strategy::RestForOne => (1, 2),
                Strategy::OneForOne | Strategy::Dynamic => (1, 1),
            };
            until(tree.root(), "child1", lives(first)).await;
            until(tree.root(), "child3", lives(third)).await;
            assert_eq!(stop(tree).await, End::Shutdown, "{strategy:?} {auto_shutdown:?}");
        }
    }
}

#[actix_rt::test]
async fn a_significant_temporary_child_that_a_sibling_took_along_is_forgotten_and_does_not_matter() {
    for strategy in [Strategy::OneForAll, Strategy::RestForOne] {
        let house = House::new();
        let tree = house.start(spec(strategy, AutoShutdown::AnySignificant)).await;
        tree.root().start_child(house.child("child1")).await.unwrap();
        let bystander = house.child("child2").restart(Restart::Temporary).significant();
        tree.root().start_child(bystander).await.unwrap();

        tree.root().kill_child("child1").await.unwrap();
        until(tree.root(), "child1", lives(2)).await;

        until(tree.root(), "child2", is_forgotten).await;
        assert_eq!(which(tree.root()).await.len(), 1);
        assert_eq!(stop(tree).await, End::Shutdown);
    }
}

/// A supervisor with a supervisor with a significant child.
async fn two_floors(house: &House, weight: impl Fn(ChildSpec) -> ChildSpec) -> (Grown, Mailbox<Worker>) {
    let tree = house.start(spec(Strategy::OneForOne, AutoShutdown::AnySignificant)).await;
    let inner = SupervisorSpec { auto_shutdown: AutoShutdown::AnySignificant, ..SupervisorSpec::new("sup1") };
    let (inner, handle) = house.group(inner);
    let (child, worker) = house.worker("child1");
    tree.root().start_child(weight(inner.restart(Restart::Transient))).await.unwrap();
    handle.start_child(child.restart(Restart::Transient).significant()).await.unwrap();
    (tree, worker)
}

#[actix_rt::test]
async fn a_significant_supervisor_that_shuts_itself_down_takes_its_own_supervisor_with_it() {
    let house = House::new();
    let (tree, worker) = two_floors(&house, ChildSpec::significant).await;
    worker.tell(Do::Finish).unwrap();
    is_done(&house, tree, &["sup1"]).await;
}

#[actix_rt::test]
async fn a_supervisor_that_is_not_significant_shuts_itself_down_alone() {
    let house = House::new();
    let (tree, worker) = two_floors(&house, |child| child).await;
    worker.tell(Do::Finish).unwrap();
    until(tree.root(), "sup1", is(State::Ended)).await;
    lives_on(tree.root()).await;
    assert!(house.diary.has("sup1 ended shutdown"));
    assert_eq!(stop(tree).await, End::Shutdown);
}
