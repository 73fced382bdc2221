//! A panic anywhere in a life, or beside it, harms neither the neighbour on the same thread nor the supervisor.

use std::io::Write as _;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use clock::Clock;
use supervision::{AskError, Cell, ChildSpec, End, Follows, Mailbox, Node, State, Tree};

use crate::bodies::WITHIN;
use crate::puppet::{Moment, Puppet, Run, Script, boom, generation, grown, hold, leave, run, thread};

/// One that is to panic, and its neighbour on the same thread.
struct Pair {
    tree: Tree,
    puppet: Mailbox<Puppet>,
    neighbour: Mailbox<Puppet>,
}

impl Pair {
    async fn grow(script: Script, change: impl FnOnce(ChildSpec) -> ChildSpec) -> Self {
        let clock = script.clock.clone();
        let (child, puppet) = script.build();
        let (beside, neighbour) = Script::new("neighbour", &clock).build();
        let tree = grown(&clock, 2, vec![change(child.beside("one")), beside.beside("one")]).await;
        assert_eq!(puppet.ask(thread(), WITHIN).await, neighbour.ask(thread(), WITHIN).await);
        Self { tree, puppet, neighbour }
    }

    /// Waits for that life of the puppet, while its supervisor lives.
    async fn reaches(&self, generation: u64) -> Node {
        loop {
            let view = self.tree.view();
            assert_eq!(
                (view.state, view.generation),
                (State::Running, 1),
                "the supervisor lives its first life"
            );
            let puppet = view.children.into_iter().find(|child| child.id == "puppet").unwrap();
            if puppet.state == State::Running && puppet.generation == generation {
                return puppet;
            }
            tokio::task::yield_now().await;
        }
    }

    /// Waits for that life of the puppet, and sees that nobody else had another one.
    async fn harms_nobody(self, reaches: u64) -> End {
        let node = self.reaches(reaches).await;
        assert_eq!(self.puppet.ask(generation(), WITHIN).await, Ok(reaches));
        assert_eq!(self.neighbour.ask(generation(), WITHIN).await, Ok(1));
        assert_eq!(self.tree.stop().await, End::Shutdown);
        node.last_end.unwrap()
    }
}

/// A puppet that panics at one moment of one of its lives.
fn fragile(when: Moment, of: u64) -> Script {
    Script::new("puppet", &Clock::real())
        .at(move |moment, life| assert!((moment, life.generation()) != (when, of), "told to panic"))
}

fn panicked(message: &str) -> End {
    End::Panicked { message: message.to_owned() }
}

#[actix_rt::test]
async fn a_panic_before_the_start_is_acknowledged_is_a_failed_start_and_is_tried_again() {
    for when in [Moment::Called, Moment::Building, Moment::Started] {
        let pair = Pair::grow(fragile(when, 2), |child| child).await;
        pair.puppet.tell(boom()).unwrap();
        let reason = "told to panic".to_owned();
        assert_eq!(pair.harms_nobody(3).await, End::StartFailed { reason }, "{when:?}");
    }
}

#[actix_rt::test]
async fn a_panic_in_stopping_or_stopped_is_how_the_life_ended() {
    for when in [Moment::Stopping, Moment::Stopped] {
        let pair = Pair::grow(fragile(when, 1), |child| child).await;
        pair.puppet.tell(leave()).unwrap();
        assert_eq!(pair.harms_nobody(2).await, panicked("told to panic"), "{when:?}");
    }
}

#[actix_rt::test]
async fn a_panic_in_the_actors_drop_is_contained_after_a_normal_end_and_after_a_panic() {
    let pair = Pair::grow(fragile(Moment::Dropped, 1), |child| child).await;
    pair.puppet.tell(leave()).unwrap();
    pair.harms_nobody(2).await;

    let pair = Pair::grow(fragile(Moment::Dropped, 1), |child| child).await;
    let handling = pair.puppet.ask(run(|_, _| -> () { panic!("the first one") }), WITHIN).await;
    assert!(matches!(handling, Err(AskError::Panicked { .. })), "{handling:?}");
    assert_eq!(pair.harms_nobody(2).await, panicked("the first one"));
}

#[actix_rt::test]
async fn after_a_panic_nothing_more_of_the_broken_actor_runs_but_its_drop() {
    let moments: Arc<Mutex<Vec<Moment>>> = Arc::default();
    let seen = moments.clone();
    let script = Script::new("puppet", &Clock::real()).at(move |moment, life| {
        if life.generation() == 1 {
            seen.lock().unwrap().push(moment);
        }
    });
    let pair = Pair::grow(script, |child| child).await;
    pair.puppet.tell(boom()).unwrap();
    pair.harms_nobody(2).await;

    let expected = [Moment::Called, Moment::Building, Moment::Started, Moment::Dropped];
    assert_eq!(*moments.lock().unwrap(), expected);
}

#[actix_rt::test]
async fn a_panic_in_a_spawned_future_is_the_actors_and_nobody_elses() {
    let beside_the_mailbox = || run(|puppet, _| puppet.life.spawn(async { panic!("in a task") }));
    let in_the_context = || {
        run(|puppet, context| {
            use actix::{AsyncContext, WrapFuture};
            context.spawn(async { panic!("in the context") }.into_actor(puppet));
        })
    };
    let cases: [(&str, Run<()>); 2] =
        [("in a task", beside_the_mailbox()), ("in the context", in_the_context())];
    for (message, what) in cases {
        let pair = Pair::grow(Script::new("puppet", &Clock::real()), |child| child).await;
        pair.puppet.tell(what).unwrap();
        assert_eq!(pair.harms_nobody(2).await, panicked(message));
    }
}

/// Panics when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("a bomb goes off");
    }
}

#[actix_rt::test]
async fn a_panic_whose_payload_panics_when_it_is_dropped_is_contained() {
    let pair = Pair::grow(Script::new("puppet", &Clock::real()), |child| child).await;
    let what: Run<()> = run(|_, _| std::panic::panic_any(Bomb));
    let told = pair.puppet.ask(what, WITHIN).await;
    assert!(matches!(told, Err(AskError::Panicked { .. })), "{told:?}");
    pair.harms_nobody(2).await;

    let pair = Pair::grow(Script::new("puppet", &Clock::real()), |child| child).await;
    pair.puppet.tell(run(|puppet, _| puppet.life.spawn(async { std::panic::panic_any(Bomb) }))).unwrap();
    pair.harms_nobody(2).await;

    let pair = Pair::grow(Script::new("puppet", &Clock::real()), |child| child).await;
    let _watch = pair.puppet.place().monitor(|_| std::panic::panic_any(Bomb));
    pair.puppet.tell(boom()).unwrap();
    pair.harms_nobody(2).await;
}

#[actix_rt::test]
async fn a_message_that_panics_when_it_is_let_go_harms_nobody_but_its_own_place() {
    let pair = Pair::grow(Script::new("puppet", &Clock::real()), |child| child).await;
    let (_release, held) = tokio::sync::oneshot::channel();
    pair.puppet.ask(hold(held), WITHIN).await.unwrap();
    let bomb = Bomb;
    pair.puppet.tell(run(move |_, _| drop(bomb))).unwrap();

    pair.tree.root().terminate_child("puppet").await.unwrap();
    pair.tree.root().restart_child("puppet").await.unwrap();

    pair.harms_nobody(2).await;
}

// === Who listens ===

#[actix_rt::test]
async fn a_monitor_that_panics_is_alone_with_it() {
    let heard: Arc<Mutex<Vec<(u64, Follows)>>> = Arc::default();
    let ear = heard.clone();
    let change = |child: ChildSpec| child.monitor(|_| panic!("a monitor panics"));
    let pair = Pair::grow(Script::new("puppet", &Clock::real()), change).await;
    let place = pair.puppet.place();
    let _one = place.monitor(|_| panic!("another one"));
    let _two = place.monitor(move |down| ear.lock().unwrap().push((down.generation, down.follows)));

    pair.puppet.tell(boom()).unwrap();
    pair.reaches(2).await;
    pair.puppet.tell(boom()).unwrap();
    assert_eq!(pair.harms_nobody(3).await, panicked("told to panic"));

    let heard = heard.lock().unwrap();
    let generations: Vec<_> = heard.iter().map(|(generation, _)| *generation).collect();
    assert_eq!(generations, [1, 2, 3], "the last one as the tree stopped");
}

/// A cell that panics at each word it is told.
struct Touchy;

impl Cell for Touchy {
    fn down(&self, _: &End, _: Option<Instant>) {
        panic!("a cell panics as it goes down");
    }

    fn up(&self, _: u64) {
        panic!("a cell panics as it comes up");
    }
}

#[actix_rt::test]
async fn a_cell_that_panics_is_alone_with_it() {
    let change = |child: ChildSpec| child.cell(Arc::new(Touchy));
    let pair = Pair::grow(Script::new("puppet", &Clock::real()), change).await;
    pair.puppet.tell(boom()).unwrap();
    assert_eq!(pair.harms_nobody(2).await, panicked("told to panic"));
}

// === What cannot be contained ===

const CHILD: &str = "containment::a_process_whose_actor_panics_while_it_unwinds";

/// A panic inside a `Drop` that runs because of a panic: Rust aborts the process before any guard is asked. Nothing in
/// the process can contain it; it is for the service manager, and for the durable parts, which survive a kill.
#[test]
#[ignore = "it aborts its own process; the test beside it starts it in another one"]
fn a_process_whose_actor_panics_while_it_unwinds() {
    let mut asked = String::new();
    std::io::stdin().read_line(&mut asked).unwrap();
    if asked != "abort\n" {
        return;
    }
    actix_rt::System::new().block_on(async {
        let pair = Pair::grow(Script::new("puppet", &Clock::real()), |child| child).await;
        let twice = run(|_, _| {
            let _bomb = Bomb;
            panic!("the first panic");
        });
        let _: Result<(), _> = pair.puppet.ask(twice, WITHIN).await;
        pair.harms_nobody(2).await;
    });
}

#[test]
fn a_second_panic_while_the_first_one_unwinds_ends_the_process_and_that_is_known() {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", CHILD, "--ignored"]);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"abort\n").unwrap();

    let status = child.wait().unwrap();

    const SIGABRT: i32 = 6;
    assert_eq!(status.signal(), Some(SIGABRT), "{status}");
}
