//! What a supervisor keeps of its children when they are gone, and what it writes down of their ends.

use std::sync::{Arc, LazyLock, Mutex, Weak};

use supervision::{Birth, ChildError, ChildSpec, Mailbox, Restart, Strategy, SupervisorSpec};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber, span};

use crate::bodies::{
    Do, House, Worker, ended, eventually, is, is_forgotten, lives, restarts, root, stop, until,
};

const STRATEGIES: [Strategy; 4] =
    [Strategy::OneForOne, Strategy::OneForAll, Strategy::RestForOne, Strategy::Dynamic];

fn patient(strategy: Strategy) -> SupervisorSpec {
    SupervisorSpec { limit: restarts(1000), ..root(strategy, vec![]) }
}

/// A child, and something that goes when its factory is let go.
fn child_with_keepsake(house: &House, id: &str) -> (ChildSpec, Mailbox<Worker>, Weak<()>) {
    let plan = house.plan(id);
    let keepsake = Arc::downgrade(&plan.keepsake);
    let (child, worker) = plan.build();
    (child, worker, keepsake)
}

#[actix_rt::test]
async fn nothing_that_a_temporary_child_was_started_with_is_kept_after_its_end() {
    for strategy in STRATEGIES {
        let house = House::new();
        let tree = house.start(patient(strategy)).await;
        // The second meets whatever the end of the first may have left behind.
        for _ in 0..2 {
            let (child, worker, keepsake) = child_with_keepsake(&house, "child");
            tree.root().start_child(child.restart(Restart::Temporary)).await.unwrap();
            worker.tell(Do::Panic).unwrap();
            until(tree.root(), "child", is_forgotten).await;
            eventually("its factory is let go", || keepsake.strong_count() == 0).await;
        }
        stop(tree).await;
    }
}

#[actix_rt::test]
async fn what_a_resting_child_was_started_with_is_kept_until_it_is_deleted() {
    for strategy in [Strategy::OneForOne, Strategy::OneForAll, Strategy::RestForOne] {
        let house = House::new();
        let tree = house.start(patient(strategy)).await;
        for restart in [Restart::Permanent, Restart::Transient] {
            let (child, _, keepsake) = child_with_keepsake(&house, "child");
            tree.root().start_child(child.restart(restart)).await.unwrap();
            tree.root().terminate_child("child").await.unwrap();
            assert!(keepsake.strong_count() > 0);
            tree.root().delete_child("child").await.unwrap();
            eventually("its factory is let go", || keepsake.strong_count() == 0).await;
        }
        stop(tree).await;
    }
}

/// How a child of each restart rule is brought to its end.
#[derive(Clone, Copy, Debug, PartialEq)]
enum How {
    Killed,
    Normal,
    Abnormal,
    Terminated,
}

#[actix_rt::test]
async fn the_spec_of_a_temporary_child_is_never_kept_and_all_others_are() {
    for strategy in [Strategy::OneForOne, Strategy::OneForAll, Strategy::RestForOne] {
        for how in [How::Killed, How::Normal, How::Abnormal, How::Terminated] {
            let house = House::new();
            let tree = house.start(patient(strategy)).await;
            let sup = tree.root();
            for restart in [Restart::Permanent, Restart::Transient, Restart::Temporary] {
                let id = format!("{restart:?}");
                let (child, worker) = house.worker(id.as_str());
                sup.start_child(child.restart(restart)).await.unwrap();
                match how {
                    How::Killed => sup.kill_child(&id).await.unwrap(),
                    How::Normal => worker.tell(Do::Finish).unwrap(),
                    How::Abnormal => worker.tell(Do::Panic).unwrap(),
                    How::Terminated => sup.terminate_child(&id).await.unwrap(),
                }

                let again = house.child(id.as_str()).restart(restart);
                let rests = how == How::Terminated || (how == How::Normal && restart == Restart::Transient);
                if restart == Restart::Temporary {
                    until(sup, &id, is_forgotten).await;
                    assert_eq!(sup.start_child(again).await, Ok(Birth::Lives), "{how:?}");
                } else if rests {
                    until(sup, &id, is(supervision::State::Ended)).await;
                    let present = Err(ChildError::AlreadyPresent(id.clone()));
                    assert_eq!(sup.start_child(again).await, present, "{how:?}");
                    assert_eq!(sup.restart_child(&id).await, Ok(Birth::Lives));
                } else {
                    until(sup, &id, lives(2)).await;
                    let started = Err(ChildError::AlreadyStarted(id.clone()));
                    assert_eq!(sup.start_child(again).await, started, "{how:?}");
                }
            }
            stop(tree).await;
        }
    }
}

/// The log of all trees whose root is called `logged`.
static LOG: LazyLock<Mutex<Vec<(Level, String)>>> = LazyLock::new(Mutex::default);

struct Ear;

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.0.push_str(&format!("{field}={value:?} "));
    }
}

impl Subscriber for Ear {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("supervision")
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(String::new());
        event.record(&mut line);
        if line.0.contains("logged/") {
            LOG.lock().unwrap().push((*event.metadata().level(), line.0));
        }
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

#[actix_rt::test]
async fn each_end_is_logged_once_with_its_path_its_generation_and_what_was_wrong() {
    tracing::subscriber::set_global_default(Ear).unwrap();
    let house = House::new();
    let (child, worker) = house.worker("child1");
    let spec = SupervisorSpec { limit: restarts(1), ..SupervisorSpec::new("logged") };
    let tree = house.start(spec).await;
    tree.root().start_child(child).await.unwrap();
    tree.root().start_child(house.child("child2")).await.unwrap();

    tree.root().terminate_child("child2").await.unwrap();
    worker.tell(Do::Panic).unwrap();
    worker.tell(Do::Panic).unwrap();
    ended(&tree).await;
    stop(tree).await;

    let log = LOG.lock().unwrap();
    let ends: Vec<_> = log.iter().filter(|(_, line)| line.contains("end=")).collect();
    let expected = [
        (Level::INFO, "logged/child2", "generation=1 ", "shutdown"),
        (Level::WARN, "logged/child1", "generation=1 ", "told to panic"),
        (Level::ERROR, "logged/child1", "generation=2 ", "told to panic"),
    ];
    assert_eq!(ends.len(), expected.len(), "{ends:?}");
    for ((level, line), (expected, path, generation, why)) in ends.into_iter().zip(expected) {
        let says_all = [path, generation, why].iter().all(|word| line.contains(word));
        assert!(*level == expected && says_all, "{level} {line}");
    }
}
