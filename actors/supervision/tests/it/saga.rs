//! Rollback is supervision: a toy saga that is given up on undoes what it did, in reverse, at least once, wherever its
//! process was killed meanwhile. All that outlives the process is the saga's own journal.

mod journal;
mod killed;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actix::prelude::*;
use clock::Clock;
use supervision::{
    ActorSpec, Backoff, ChildSpec, Down, End, Follows, Intensity, Life, Limit, Mailbox, Pool, Restart, Role,
    State, Tree, WhileDown, actor,
};

use self::journal::{Journal, Points, STEPS, Written};
use crate::bodies::{Diary, WITHIN, is, until};
use crate::puppet::{Script, generation, group, until_so};

/// Does the steps of its journal one by one; the last of them is a bug.
struct Saga {
    life: Life,
    role: Role,
    mailbox: Mailbox<Self>,
    journal: Arc<Journal>,
    faults: Arc<Faults>,
}

/// What goes wrong while it undoes.
#[derive(Default)]
struct Faults {
    /// The first undoing in this process panics when it is half done.
    once: AtomicBool,
    /// No undoing ever works.
    always: AtomicBool,
}

#[derive(Message)]
#[rtype(result = "()")]
struct GoOn;

impl Actor for Saga {
    type Context = Context<Self>;

    fn started(&mut self, _: &mut Self::Context) {
        self.mailbox.tell(GoOn).unwrap();
    }
}

impl Handler<GoOn> for Saga {
    type Result = ();

    fn handle(&mut self, _: GoOn, _: &mut Self::Context) {
        let past = self.journal.fold();
        if past.is_over {
            return self.life.finish();
        }
        if self.role == Role::Compensating && !past.is_aborting {
            self.journal.append("abort");
        } else if past.is_aborting {
            self.undo(past.to_undo());
        } else {
            let step = past.done;
            if past.intended.len() == step {
                self.journal.intend(step);
            }
            self.journal.act(STEPS[step].0, Some(STEPS[step].1));
            assert!(step + 1 < STEPS.len(), "the last step is a bug, after its effect");
            self.journal.append(&format!("done {step}"));
        }
        self.mailbox.tell(GoOn).unwrap();
    }
}

impl Saga {
    fn undo(&self, step: Option<(usize, Option<String>)>) {
        let Some((step, before)) = step else { return self.journal.append("end") };
        self.journal.append(&format!("undo {step}"));
        self.journal.act(STEPS[step].0, before.as_deref());
        let is_faulty = self.faults.always.load(Ordering::SeqCst);
        assert!(!is_faulty && !self.faults.once.swap(false, Ordering::SeqCst), "a fault while undoing");
        self.journal.append(&format!("undone {step}"));
    }
}

const TWICE: Intensity = Intensity { restarts: 2, period: Duration::from_secs(60) };

/// The saga as a child that puts up with two restarts, and with two more while it undoes.
fn saga(journal: &Arc<Journal>, faults: &Arc<Faults>, diary: &Diary) -> (ChildSpec, Mailbox<Saga>) {
    let clock = Clock::real();
    let spec = ActorSpec { id: "saga".to_owned(), capacity: 4, while_down: WhileDown::Keep, clock };
    let (own, wrong, notes) = (journal.clone(), faults.clone(), diary.clone());
    let (child, mailbox) = actor(spec, move |start| {
        let (journal, faults, notes) = (own.clone(), wrong.clone(), notes.clone());
        async move {
            let after = start.after.as_ref().map_or("nothing", End::name);
            notes.write(format!("lives {:?} after {after}", start.role));
            Ok(Saga { life: start.life, role: start.role, mailbox: start.mailbox, journal, faults })
        }
    });
    let (journal, notes) = (journal.clone(), diary.clone());
    let child = child.monitor(move |down: &Down| {
        let follows = match down.follows {
            Follows::Restart { .. } => "restart".to_owned(),
            Follows::Compensation | Follows::Sleep | Follows::GivenUp | Follows::Nothing => {
                format!("{:?}", down.follows)
            }
        };
        assert!(
            down.follows != Follows::Compensation || !journal.fold().is_aborting,
            "it is told before anything else happens"
        );
        notes.write(format!("{} {}", down.end.name(), follows));
    });
    (child.restart(Restart::Transient).backoff(Backoff::NONE).compensates(TWICE), mailbox)
}

#[actix_rt::test]
async fn given_up_on_it_is_told_first_and_then_undoes_in_reverse_in_a_role_of_its_own() {
    let folder = journal::Folder::new("told");
    let journal = Arc::new(Journal::open(folder.path(), Written::ToDisk, Points::none()));
    let faults = Arc::new(Faults { once: AtomicBool::new(true), ..Faults::default() });
    let diary = Diary::default();
    let (child, mailbox) = saga(&journal, &faults, &diary);
    let own = Limit::PerChild(TWICE);
    let tree = Tree::start(group("root", own, vec![child]), Clock::real(), Pool::new(1)).await.unwrap();

    until(&tree, "root/saga", is(State::Ended)).await;
    // A normal end while it compensates is the end.
    until_so(|| mailbox.is_closed()).await;
    tree.stop().await;

    let expected = [
        "lives Regular after nothing",
        "panicked restart",
        "lives Regular after panicked",
        "panicked restart",
        "lives Regular after panicked",
        "panicked Compensation",
        "lives Compensating after panicked",
        "panicked restart",
        "lives Compensating after panicked",
        "normal Nothing",
    ];
    assert_eq!(diary.lines(), expected);
    folder.is_as_before();
    folder.was_undone_in_reverse();
    let last = STEPS.len() - 1;
    assert_eq!(
        folder.lines().iter().filter(|line| **line == format!("undo {last}")).count(),
        2,
        "at least once"
    );
    assert_eq!(folder.files(), ["journal", "one", "three"], "supervision itself wrote nothing");
}

#[actix_rt::test]
async fn past_its_own_limit_while_it_undoes_it_is_parked_and_harms_nobody() {
    let folder = journal::Folder::new("parked");
    let journal = Arc::new(Journal::open(folder.path(), Written::ToDisk, Points::none()));
    let faults = Arc::new(Faults { always: AtomicBool::new(true), ..Faults::default() });
    let diary = Diary::default();
    let (child, mailbox) = saga(&journal, &faults, &diary);
    let (beside, neighbour) = Script::new("neighbour", &Clock::real()).build();
    let own = Limit::PerChild(TWICE);
    let tree =
        Tree::start(group("root", own, vec![child, beside]), Clock::real(), Pool::new(1)).await.unwrap();

    until(&tree, "root/saga", is(State::Parked)).await;

    until_so(|| mailbox.is_closed()).await;
    assert_eq!(neighbour.ask(generation(), WITHIN).await, Ok(1));
    let lines = diary.lines();
    let undoing = lines.iter().filter(|line| line.starts_with("lives Compensating")).count();
    assert_eq!(undoing, 3, "two restarts were put up with: {lines:#?}");
    assert_eq!(lines.last().unwrap(), "panicked GivenUp");

    // Whoever repaired the fault may start it again: it is the journal that knows what is left to do.
    faults.always.store(false, Ordering::SeqCst);
    tree.root().restart_child("saga").await.unwrap();
    until(&tree, "root/saga", is(State::Ended)).await;
    assert_eq!(tree.stop().await, End::Shutdown);
    folder.is_as_before();
    folder.was_undone_in_reverse();
}

#[actix_rt::test]
async fn past_its_own_limit_under_a_shared_one_it_escalates_and_goes_on_undoing_in_a_new_life_of_its_supervisor()
 {
    let folder = journal::Folder::new("escalates");
    let journal = Arc::new(Journal::open(folder.path(), Written::ToDisk, Points::none()));
    let faults = Arc::new(Faults { always: AtomicBool::new(true), ..Faults::default() });
    let diary = Diary::default();
    let (child, _) = saga(&journal, &faults, &diary);
    let (inner, handle) = group("inner", Limit::Shared(TWICE), vec![child]).into_child();
    let repaired = faults.clone();
    let gave_up = Diary::default();
    let notes = gave_up.clone();
    let inner = inner.backoff(Backoff::NONE).monitor(move |down| {
        notes.write(format!("{:?}", down.end));
        repaired.always.store(false, Ordering::SeqCst);
    });
    let tree = crate::puppet::grown(&Clock::real(), 1, vec![inner]).await;

    until_so(|| folder.lines().last().is_some_and(|line| line == "end")).await;
    until(&tree, "root/inner/saga", is(State::Ended)).await;

    assert_eq!(handle.place().generation(), 2);
    assert_eq!(gave_up.lines(), [format!("{:?}", End::GaveUp { child: "saga".to_owned() })]);
    assert!(diary.lines().contains(&"panicked GivenUp".to_owned()));
    tree.stop().await;
    folder.is_as_before();
    folder.was_undone_in_reverse();
}

#[actix_rt::test]
async fn what_the_world_does_to_it_while_it_undoes_never_makes_it_be_given_up_on() {
    let clock = Clock::real();
    let diary = Diary::default();
    let notes = diary.clone();
    let script = Script::new("saga", &clock);
    let (child, puppet) = script.build();
    let none = Intensity { restarts: 0, ..TWICE };
    let child = child.compensates(none).monitor(move |down| notes.write(format!("{:?}", down.follows)));
    let spec = group("root", Limit::PerChild(none), vec![child]);
    let tree = Tree::start(spec, clock, Pool::new(1)).await.unwrap();
    let role =
        || crate::puppet::run(|puppet, _| (puppet.life.generation(), puppet.role, puppet.after.clone()));
    puppet.tell(crate::puppet::boom()).unwrap();
    let told_to_panic = Some(End::Panicked { message: "told to panic".to_owned() });
    assert_eq!(puppet.ask(role(), WITHIN).await, Ok((2, Role::Compensating, told_to_panic)));

    let world = supervision::Failure::new("the disk is full");
    for life in 3..=20 {
        let failure = world.clone();
        puppet.tell(crate::puppet::run(move |puppet, _| puppet.life.fail(failure))).unwrap();
        let after = Some(End::Failed(world.clone()));
        assert_eq!(puppet.ask(role(), WITHIN).await, Ok((life, Role::Compensating, after)));
    }
    assert_eq!(diary.lines()[0], "Compensation");
    assert!(!diary.lines().contains(&"GivenUp".to_owned()));
    tree.stop().await;
}
