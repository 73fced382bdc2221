//! One life of a supervisor: a state machine over its children, driven by their ends, by requests and by time.
//!
//! It never awaits a child: starts and stops are requests whose outcomes come back as occurrences, so a child that
//! hangs or keeps failing never hangs its supervisor. Occurrences of an older generation are ignored.

mod regroup;

use std::future::poll_fn;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Instant;

use tokio::sync::mpsc;
use tracing::{error, info};

use self::regroup::Regroup;
use super::member::{Child, KILL_GRACE, Next, Phase, Reply, log_end};
use super::{ChildError, Command, Handle, Limit, SupervisorSpec};
use crate::child::{ChildSpec, Launch, Occurrence, Report, Restart, Role, Surroundings, What};
use crate::control::{Control, Request};
use crate::end::End;
use crate::intensity::Window;
use crate::view::{State, Vitals};

/// Late words of children that were left behind.
const LEFT_BEHIND: usize = 64;

/// The running supervisor.
pub(super) struct Family {
    path: Arc<str>,
    spec: SupervisorSpec,
    handle: Handle,
    surroundings: Surroundings,
    children: Vec<Child>,
    shown: Arc<Mutex<Vec<Arc<Vitals>>>>,
    window: Window,
    serials: u64,
    reports: mpsc::Sender<Occurrence>,
    occurrences: mpsc::Receiver<Occurrence>,
    regroup: Option<Regroup>,
    ending: Option<End>,
}

/// A supervisor that is cut off leaves nobody behind.
impl Drop for Family {
    fn drop(&mut self) {
        for child in &self.children {
            child.control.ask_for(Request::Kill);
        }
    }
}

impl Family {
    pub(super) fn new(
        path: Arc<str>,
        spec: SupervisorSpec,
        handle: Handle,
        surroundings: Surroundings,
        shown: Arc<Mutex<Vec<Arc<Vitals>>>>,
    ) -> Self {
        // What a life that was cut off left behind is shown no longer.
        shown.lock().unwrap_or_else(PoisonError::into_inner).clear();
        // A start and an end of each child, and room for what those say that were left behind as stuck.
        let (reports, occurrences) =
            mpsc::channel(2 * spec.max_children.max(spec.children.len()) + LEFT_BEHIND);
        let mut family = Self {
            path,
            spec,
            handle,
            surroundings,
            children: Vec::new(),
            shown,
            window: Window::default(),
            serials: 0,
            reports,
            occurrences,
            regroup: None,
            ending: None,
        };
        for child in family.spec.children.clone() {
            family.adopt(child, None);
        }
        family
    }

    /// Lives until it is stopped, gives up, or a significant child is done.
    pub(super) async fn run(
        mut self,
        inbox: Arc<tokio::sync::Mutex<mpsc::Receiver<Command>>>,
        control: Arc<Control>,
        on_start: impl FnOnce(),
    ) -> End {
        let mut inbox = inbox.lock().await;
        let mut on_start = Some(on_start);
        loop {
            self.settle_due();
            if let Some(end) = self.step() {
                return end;
            }
            if self.ending.is_none()
                && !self.children.iter().any(Child::is_yet_to_start)
                && let Some(on_start) = on_start.take()
            {
                on_start();
            }
            let wake = self.next_wake();
            let clock = self.surroundings.clock.clone();
            tokio::select! {
                biased;
                request = requested(&control), if self.ending.is_none() => self.end_by(request),
                Some(occurrence) = self.occurrences.recv() => {
                    let starting = on_start.is_some();
                    self.on_occurrence(occurrence, starting);
                }
                Some(command) = inbox.recv(), if self.ending.is_none() => self.on_command(command),
                () = sleep_until(&clock, wake) => {}
            }
        }
    }

    fn end_by(&mut self, request: Request) {
        self.ending = Some(if request == Request::Kill { End::Killed } else { End::Shutdown });
        if request == Request::Kill {
            for child in &self.children {
                child.control.ask_for(Request::Kill);
            }
        }
    }

    fn adopt(&mut self, spec: ChildSpec, on_start: Option<Reply>) {
        self.serials += 1;
        let path = format!("{}/{}", self.path, spec.id());
        spec.body.enter(&path, &self.surroundings.registry);
        spec.body.vitals().set_state(State::Waiting);
        self.show(|shown| shown.push(spec.body.vitals().clone()));
        self.children.push(Child::new(self.serials, spec, on_start));
    }

    /// Does what can be done without waiting; an end when all is over.
    fn step(&mut self) -> Option<End> {
        if self.ending.is_some() {
            return self.stop_last();
        }
        self.advance_regroup();
        // Who was asked for starts at once; all others one after the other, each start acknowledged before the next.
        let under_way = |child: &Child| child.on_start.is_none() && child.phase == Phase::Starting;
        let start_under_way = self.children.iter().any(under_way);
        for place in 0..self.children.len() {
            let child = &self.children[place];
            if child.phase == Phase::Waiting && (child.on_start.is_some() || !start_under_way) {
                let in_order = child.on_start.is_none();
                let after = child.spec.body.vitals().last_end();
                self.launch(place, after);
                if in_order {
                    break;
                }
            }
        }
        None
    }

    /// Stops children one by one from the youngest; the family's end once none is left.
    fn stop_last(&mut self) -> Option<End> {
        while let Some(child) = self.children.last_mut() {
            match child.phase {
                Phase::Starting | Phase::Running => {
                    let now = self.surroundings.clock.now();
                    child.begin_stop(now);
                    return None;
                }
                Phase::Stopping { .. } => return None,
                Phase::Waiting | Phase::Held | Phase::BackingOff { .. } | Phase::Parked | Phase::Ended => {
                    let place = self.children.len() - 1;
                    self.forget(place);
                }
            }
        }
        self.ending.clone()
    }

    fn launch(&mut self, place: usize, after: Option<End>) {
        let child = &mut self.children[place];
        let vitals = child.spec.body.vitals();
        let generation = vitals.next_generation();
        child.control = Arc::default();
        child.phase = Phase::Starting;
        let report = Report { child: child.serial, generation, to: self.reports.clone(), done: false };
        child.spec.body.launch(Launch {
            path: Arc::from(format!("{}/{}", self.path, child.spec.id())),
            generation,
            role: child.role,
            after,
            control: child.control.clone(),
            report,
            surroundings: self.surroundings.clone(),
            parent: Some(self.handle.clone()),
        });
    }

    fn on_occurrence(&mut self, occurrence: Occurrence, starting: bool) {
        let known = |child: &Child| {
            child.serial == occurrence.child && child.spec.body.vitals().generation() == occurrence.generation
        };
        let Some(place) = self.children.iter().position(known) else { return };
        match occurrence.what {
            What::Started => self.on_started(place),
            What::Ended(end) => self.on_ended(place, end, starting),
        }
    }

    fn on_started(&mut self, place: usize) {
        let now = self.surroundings.clock.now();
        let child = &mut self.children[place];
        let vitals = child.spec.body.vitals();
        info!(child.path = %format!("{}/{}", self.path, child.spec.id()), generation = vitals.generation(), "started");
        child.running_since = Some(now);
        if let Some(cell) = &child.spec.cell {
            cell.up(vitals.generation());
        }
        if child.phase == Phase::Starting {
            child.phase = Phase::Running;
            vitals.set_state(State::Running);
        }
        if let Some(reply) = child.on_start.take() {
            // Who asked may have stopped waiting.
            let _ = reply.send(Ok(()));
        }
    }

    fn on_ended(&mut self, place: usize, end: End, starting: bool) {
        let now = self.surroundings.clock.now();
        let child = &mut self.children[place];
        if matches!(child.phase, Phase::Ended | Phase::Parked | Phase::Held | Phase::BackingOff { .. }) {
            return;
        }
        if let Some(cell) = &child.spec.cell {
            cell.down(&end);
        }
        let is_bystander = child.on_stop.is_empty()
            && self.ending.is_none()
            && self.regroup.is_some_and(|regroup| child.serial >= regroup.from);
        if is_bystander && child.spec.restart != Restart::Temporary {
            return self.hold(place, end);
        }
        let was_told = matches!(child.phase, Phase::Stopping { .. });
        let failed_first_start = child.on_start.is_some() || (starting && !child.dynamic);
        let is_over = was_told
            || self.ending.is_some()
            || (failed_first_start && matches!(end, End::StartFailed { .. }));
        let next =
            if is_over { Next::Done } else { child.after(&end, self.spec.limit, &mut self.window, now) };
        log_end(&self.path, child, &end, &next);
        let was_last = !matches!(next, Next::Restart { .. });
        if let Some(monitor) = &child.spec.monitor {
            monitor(&end, was_last);
        }
        match next {
            Next::Restart { after } => {
                let until = now + after;
                child.phase = Phase::BackingOff { until };
                child.spec.body.go_down(Some(until));
                child.spec.body.vitals().ended(end, State::BackingOff);
                self.take_along(place, until);
            }
            Next::Done => self.on_done(place, end, starting && !was_told),
            Next::GiveUp => self.give_up(place, end),
        }
    }

    fn on_done(&mut self, place: usize, end: End, starting: bool) {
        let child = &mut self.children[place];
        child.phase = Phase::Ended;
        if !child.dynamic && self.ending.is_none() {
            child.spec.body.close();
        }
        child.spec.body.vitals().ended(end.clone(), State::Ended);
        if let Some(reply) = child.on_start.take() {
            let _ = reply.send(Err(ChildError::StartFailed(end.clone())));
        }
        let failed_at_birth = starting && !child.dynamic && matches!(end, End::StartFailed { .. });
        let is_significant = child.spec.significant;
        if child.dynamic || self.ending.is_some() || !child.on_stop.is_empty() {
            self.forget(place);
        }
        if self.ending.is_none() && failed_at_birth {
            self.ending = Some(end);
        } else if self.ending.is_none() && is_significant {
            self.ending = Some(End::Shutdown);
        }
    }

    fn give_up(&mut self, place: usize, end: End) {
        let child = &mut self.children[place];
        if child.spec.compensates && child.role == Role::Regular {
            child.role = Role::Compensating;
            child.window = Window::default();
            child.failures = 0;
            child.spec.body.vitals().ended(end.clone(), State::Starting);
            self.launch(place, Some(end));
            return;
        }
        match self.spec.limit {
            Limit::PerChild(_) => {
                if let Some(reply) = child.on_start.take() {
                    let _ = reply.send(Err(ChildError::StartFailed(end.clone())));
                }
                child.phase = Phase::Parked;
                child.spec.body.close();
                child.spec.body.vitals().ended(end, State::Parked);
            }
            Limit::Shared(_) => {
                child.phase = Phase::Ended;
                child.spec.body.vitals().ended(end, State::Ended);
                self.ending = Some(End::GaveUp { child: child.spec.id().to_owned() });
            }
        }
    }

    fn on_command(&mut self, command: Command) {
        match command {
            Command::Start(spec, reply) => {
                let refusal = if self.place_of(spec.id()).is_some() {
                    ChildError::AlreadyStarted(spec.id().to_owned())
                } else if self.children.len() >= self.spec.max_children {
                    ChildError::TooMany(self.spec.max_children)
                } else {
                    return self.adopt(*spec, Some(reply));
                };
                let _ = reply.send(Err(refusal));
            }
            Command::Terminate(id, reply) => match self.place_of(&id) {
                None => drop(reply.send(Err(ChildError::NotFound(id)))),
                Some(place) => self.terminate(place, reply),
            },
            Command::Kill(id, reply) => match self.place_of(&id) {
                None => drop(reply.send(Err(ChildError::NotFound(id)))),
                Some(place) => {
                    self.children[place].control.ask_for(Request::Kill);
                    let _ = reply.send(Ok(()));
                }
            },
        }
    }

    fn terminate(&mut self, place: usize, reply: Reply) {
        let now = self.surroundings.clock.now();
        let child = &mut self.children[place];
        child.on_stop.push(reply);
        match child.phase {
            Phase::Starting | Phase::Running => child.begin_stop(now),
            Phase::Stopping { .. } => {}
            Phase::Waiting | Phase::Held | Phase::BackingOff { .. } | Phase::Parked | Phase::Ended => {
                self.forget(place)
            }
        }
    }

    /// Takes a child out of the family for good.
    fn forget(&mut self, place: usize) {
        let child = self.children.remove(place);
        let vitals = child.spec.body.vitals().clone();
        vitals.set_state(State::Ended);
        // A static child's place outlives this life of its supervisor: the next one starts it again.
        if child.dynamic || self.ending.is_none() || matches!(self.ending, Some(End::Shutdown)) {
            child.spec.body.close();
            self.surroundings.registry.leave(&format!("{}/{}", self.path, child.spec.id()));
        } else {
            child.spec.body.go_down(None);
        }
        self.show(|shown| shown.retain(|other| !Arc::ptr_eq(other, &vitals)));
        for reply in child.on_stop {
            let _ = reply.send(Ok(()));
        }
    }

    /// Starts whose backoff is over, kills whose time to stop is over.
    fn settle_due(&mut self) {
        let now = self.surroundings.clock.now();
        for place in 0..self.children.len() {
            let child = &mut self.children[place];
            match child.phase {
                Phase::BackingOff { until }
                    if until <= now && self.ending.is_none() && self.regroup.is_none() =>
                {
                    let after = child.spec.body.vitals().last_end();
                    self.launch(place, after);
                }
                Phase::Stopping { deadline: Some(deadline), killed } if deadline <= now => {
                    if killed {
                        error!(child.path = %format!("{}/{}", self.path, child.spec.id()), "stuck, left behind");
                        let generation = child.spec.body.vitals().generation();
                        let occurrence =
                            Occurrence { child: child.serial, generation, what: What::Ended(End::Killed) };
                        self.on_occurrence(occurrence, false);
                        return;
                    }
                    child.control.ask_for(Request::Kill);
                    child.phase = Phase::Stopping { deadline: Some(now + KILL_GRACE), killed: true };
                }
                Phase::Waiting
                | Phase::Held
                | Phase::Starting
                | Phase::Running
                | Phase::BackingOff { .. }
                | Phase::Stopping { .. }
                | Phase::Parked
                | Phase::Ended => {}
            }
        }
    }

    fn next_wake(&self) -> Option<Instant> {
        let due = |child: &Child| match child.phase {
            Phase::BackingOff { until } if self.ending.is_none() && self.regroup.is_none() => Some(until),
            Phase::Stopping { deadline, .. } => deadline,
            Phase::Waiting
            | Phase::Held
            | Phase::Starting
            | Phase::Running
            | Phase::BackingOff { .. }
            | Phase::Parked
            | Phase::Ended => None,
        };
        let regroup =
            self.regroup.map(|regroup| regroup.until).filter(|until| *until > self.surroundings.clock.now());
        self.children.iter().filter_map(due).chain(regroup).min()
    }

    fn place_of(&self, id: &str) -> Option<usize> {
        self.children.iter().position(|child| child.spec.id() == id)
    }

    fn show(&self, change: impl FnOnce(&mut Vec<Arc<Vitals>>)) {
        change(&mut self.shown.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

async fn requested(control: &Control) -> Request {
    poll_fn(|cx| {
        control.register(cx.waker());
        match control.request() {
            Request::Live => Poll::Pending,
            request @ (Request::Stop | Request::Kill) => Poll::Ready(request),
        }
    })
    .await
}

async fn sleep_until(clock: &clock::Clock, wake: Option<Instant>) {
    match wake {
        Some(at) => clock.sleep_until(at).await,
        None => std::future::pending().await,
    }
}
