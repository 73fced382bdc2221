//! One life of a supervisor: a state machine over its children, driven by their ends, by requests and by time.
//!
//! It never awaits a child: starts and stops are requests whose outcomes come back as occurrences, so a child that
//! hangs or keeps failing never hangs its supervisor. Occurrences of an older generation are ignored.

mod administration;
mod ends;
mod regroup;
mod stopping;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::{mpsc, watch};
use tracing::{error, info};

use self::regroup::Regroup;
use super::handle::{Birth, Command, Handle};
use super::member::{Child, Origin, Phase};
use super::roster::Roster;
use super::{Strategy, SupervisorSpec};
use crate::cell::Cell;
use crate::child::{ChildSpec, Launch, Occurrence, Report, Surroundings, What};
use crate::control::Request;
use crate::end::{End, panic_message};
use crate::intensity::Window;
use crate::life::Life;
use crate::summons::Summons;
use crate::view::State;
use crate::vitals::Vitals;

/// So many words of children are heard in a row.
const TURN: usize = 64;
/// Late words of children that were left behind.
const LEFT_BEHIND: usize = 64;

/// The running supervisor.
pub(super) struct Family {
    own: Arc<Vitals>,
    spec: Arc<SupervisorSpec>,
    handle: Handle,
    surroundings: Arc<Surroundings>,
    life: Life,
    /// What of `life` was asked for and is done already.
    heard: Request,
    roster: Roster,
    window: Window,
    reports: mpsc::Sender<Occurrence>,
    occurrences: mpsc::Receiver<Occurrence>,
    summons: Arc<Summons>,
    alarm: watch::Receiver<usize>,
    regroup: Option<Regroup>,
    /// Its first children are not all there yet: one that does not start keeps it from starting.
    is_starting: bool,
    ending: Option<End>,
    /// All children have been told to stop at once.
    all_told: bool,
}

/// A supervisor that is cut off leaves nobody behind.
impl Drop for Family {
    fn drop(&mut self) {
        for child in self.roster.iter() {
            child.ask_for(Request::Kill);
            child.spec.body.vitals().leave();
        }
    }
}

impl Family {
    pub(super) fn new(
        own: Arc<Vitals>,
        spec: Arc<SupervisorSpec>,
        handle: Handle,
        surroundings: Arc<Surroundings>,
        life: Life,
    ) -> Self {
        // What a life that was cut off left behind is shown no longer.
        own.children().clear();
        // A start and an end of each child, and room for what those say that were left behind as stuck.
        let (reports, occurrences) = mpsc::channel(2 * spec.max_children + LEFT_BEHIND);
        let alarm = surroundings.seating.alarm();
        let mut family = Self {
            own,
            spec,
            handle,
            surroundings,
            life,
            heard: Request::Live,
            roster: Roster::default(),
            window: Window::default(),
            reports,
            occurrences,
            summons: Arc::default(),
            alarm,
            regroup: None,
            is_starting: true,
            ending: None,
            all_told: false,
        };
        for child in family.spec.clone().children.iter().cloned() {
            let serial = family.adopt(child, Origin::Static);
            family.roster.enter(serial, Phase::Waiting);
        }
        family
    }

    /// Lives until it is stopped, gives up, or its significant children are done.
    pub(super) async fn run(
        mut self,
        inbox: Arc<tokio::sync::Mutex<mpsc::Receiver<Command>>>,
        on_start: impl FnOnce(),
    ) -> End {
        let mut inbox = inbox.lock().await;
        let mut on_start = Some(on_start);
        let (life, clock, summons) =
            (self.life.clone(), self.surroundings.clock.clone(), self.summons.clone());
        loop {
            self.settle_due();
            if let Some(end) = self.step() {
                return end;
            }
            let has_settled = self.regroup.is_none() && self.roster.has_settled();
            if self.is_starting && self.ending.is_none() && has_settled {
                self.is_starting = false;
                if let Some(on_start) = on_start.take() {
                    on_start();
                }
            }
            let wake = self.next_wake();
            tokio::select! {
                biased;
                request = life.control().beyond(self.heard) => self.end_by(request),
                end = life.control().settled(), if self.ending.is_none() => self.ending = Some(end),
                Some(occurrence) = self.occurrences.recv() => {
                    self.on_occurrence(occurrence);
                    self.catch_up();
                }
                called = summons.next() => self.wake(called),
                Ok(()) = self.alarm.changed() => self.leave_stuck(),
                Some(command) = inbox.recv() => self.on_command(command),
                () = sleep_until(&clock, wake) => {}
            }
        }
    }

    fn adopt(&mut self, spec: ChildSpec, origin: Origin) -> u64 {
        let vitals = spec.body.vitals().clone();
        let path = Arc::from(format!("{}/{}", self.own.path(), vitals.id()));
        vitals.set_path(&path);
        vitals.set_state(State::Waiting);
        self.surroundings.registry.enter(path, spec.entry());
        vitals.take();
        let serial = self.roster.adopt(spec, origin);
        self.own.children().insert(serial, vitals);
        serial
    }

    /// Does what can be done without waiting; an end when all is over.
    fn step(&mut self) -> Option<End> {
        if self.ending.is_some() {
            return self.stop_all();
        }
        self.advance_regroup();
        while let Some(serial) = self.roster.next_in_order() {
            self.launch(serial);
            self.roster.starts_in_order(serial);
        }
        None
    }

    /// Launches it, unless a restart that is under way would stop it at once: then it starts with the others.
    fn launch_in_peace(&mut self, serial: u64) {
        if !self.is_bystander(serial) {
            return self.launch(serial);
        }
        self.roster.enter(serial, Phase::Held);
        if let Some(child) = self.roster.get(serial) {
            child.spec.body.vitals().set_state(State::BackingOff);
        }
    }

    fn launch(&mut self, serial: u64) {
        self.roster.enter(serial, Phase::Starting);
        let Some(child) = self.roster.get_mut(serial) else { return };
        let vitals = child.spec.body.vitals();
        let after = vitals.last_end();
        let clock = self.surroundings.clock.clone();
        let life = Life::begin(vitals, clock, Some(self.handle.clone()));
        child.life = Some(life.clone());
        let generation = life.generation();
        let report = Report { child: serial, generation, to: self.reports.clone(), done: false };
        let seat = child.spec.body.launch(Launch {
            life,
            role: child.role,
            after,
            passivate_after: child.spec.passivate_after,
            beside: child.spec.beside.clone(),
            report,
            surroundings: self.surroundings.clone(),
        });
        child.seat = Some(seat);
    }

    /// What has come meanwhile is one turn: after it the family looks once at what is due and who starts next.
    fn catch_up(&mut self) {
        for _ in 0..TURN {
            let Ok(occurrence) = self.occurrences.try_recv() else { return };
            self.on_occurrence(occurrence);
        }
    }

    fn on_occurrence(&mut self, occurrence: Occurrence) {
        let is_current = |child: &Child| {
            child.spec.body.vitals().generation() == occurrence.generation && child.phase.is_alive()
        };
        let serial = occurrence.child;
        if !self.roster.get(serial).is_some_and(is_current) {
            return;
        }
        match occurrence.what {
            What::Started => self.on_started(serial),
            What::Ignored => self.on_ignored(serial),
            What::Ended(end) => self.on_ended(serial, end),
        }
    }

    fn on_started(&mut self, serial: u64) {
        let now = self.surroundings.clock.now();
        let Some(child) = self.roster.get_mut(serial) else { return };
        let vitals = child.spec.body.vitals().clone();
        info!(child.path = %vitals.path(), generation = vitals.generation(), "started");
        child.running_since = Some(now);
        child.newborn = false;
        let reply = child.on_start.take();
        tell_cell(child, |cell| cell.up(vitals.generation()));
        if child.phase == Phase::Starting {
            vitals.set_state(State::Running);
            self.roster.enter(serial, Phase::Running);
        }
        if let Some(reply) = reply {
            // Who asked may have stopped waiting.
            let _ = reply.send(Ok(Birth::Lives));
        }
    }

    /// Those that messages wait for are started again.
    fn wake(&mut self, called: impl IntoIterator<Item = u64>) {
        for serial in called {
            let is_asleep = self.roster.get(serial).is_some_and(|child| child.phase == Phase::Asleep);
            if is_asleep && self.ending.is_none() {
                self.launch_in_peace(serial);
            }
        }
    }

    /// Who lives on a thread that does not answer is held to have ended.
    fn leave_stuck(&mut self) {
        let is_stuck =
            |child: &Child| child.phase.is_alive() && child.seat.as_ref().is_some_and(|seat| seat.is_stuck());
        let stuck: Vec<_> =
            self.roster.iter().filter(|child| is_stuck(child)).map(|child| child.serial).collect();
        for serial in stuck {
            self.leave_behind(serial);
        }
    }

    /// The generation cannot be reached any more: should it ever come back, it ends, and nobody hears of it.
    fn leave_behind(&mut self, serial: u64) {
        let Some(child) = self.roster.get(serial) else { return };
        error!(child.path = %child.spec.body.vitals().path(), "stuck, left behind");
        child.ask_for(Request::Kill);
        if let Some(seat) = &child.seat {
            seat.mistrust();
        }
        self.on_ended(serial, End::Stuck);
    }

    /// Starts whose backoff is over, kills whose time to stop is over.
    fn settle_due(&mut self) {
        let now = self.surroundings.clock.now();
        while let Some((_, serial)) = self.due().filter(|(at, _)| *at <= now) {
            match self.roster.get(serial).map(|child| child.phase) {
                Some(Phase::Stopping { killed: true, .. }) => self.leave_behind(serial),
                Some(Phase::Stopping { killed: false, .. }) => self.kill(serial, now),
                _ => self.launch(serial),
            }
        }
    }

    fn next_wake(&self) -> Option<Instant> {
        let now = self.surroundings.clock.now();
        let regroup = self.regroup.map(|regroup| regroup.until).filter(|until| *until > now);
        self.due().map(|(at, _)| at).into_iter().chain(regroup).min()
    }

    fn due(&self) -> Option<(Instant, u64)> {
        self.roster.next_due(self.ending.is_some() || self.regroup.is_some())
    }

    fn is_dynamic(&self) -> bool {
        self.spec.strategy == Strategy::Dynamic
    }
}

/// Tells a child's cell of its life; a panic of the cell is not the supervisor's.
fn tell_cell(child: &Child, tell: impl FnOnce(&dyn Cell)) {
    let Some(cell) = &child.spec.cell else { return };
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| tell(cell.told.as_ref()))) {
        let path = child.spec.body.vitals().path();
        let panic = panic_message(panic);
        error!(child.path = %path, panic, "a cell panicked");
    }
}

async fn sleep_until(clock: &clock::Clock, wake: Option<Instant>) {
    match wake {
        Some(at) => clock.sleep_until(at).await,
        None => std::future::pending().await,
    }
}
