//! The real tree, driven step by step and compared with what the model foresees.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use clock::Clock;
use futures_util::future::join_all;
use futures_util::poll;
use supervision::{AskError, Handle, Mailbox, Node, Pool, State, Tree};

use crate::build::{Built, child, supervisor};
use crate::ledger::{contradiction, is_complete};
use crate::model::{Answer, End, Expected, Fate, Model, ROOT, Sight, Wait};
use crate::plan::{Letter, Plan, Request, Step};
use crate::puppet::{Deliver, Hold, Ledger, Puppet, name};
use crate::words::{answer, counted, described, lived};

/// Longer than any plan, in the tree's own time.
const FOR_EVER: Duration = Duration::from_secs(1_000_000);

/// A tree under test and what is observed of it.
struct World {
    clock: Clock,
    began: Instant,
    ledger: Ledger,
    workers: BTreeMap<String, Built>,
    fates: Arc<Mutex<Vec<Fate>>>,
    tree: Tree,
    /// How long it may take to come to rest, in the machine's own time.
    patience: Duration,
}

/// Something that a task will leave there.
type Slot<T> = Arc<Mutex<Option<T>>>;

/// Runs a plan on a real tree; an error says where it went another way than the model.
pub(crate) async fn run(plan: &Plan, patience: Duration) -> Result<(), String> {
    let (clock, ledger, mut workers) = (Clock::manual(), Ledger::default(), BTreeMap::new());
    let began = clock.now();
    let (mut model, expected) = Model::start(plan);
    let spec = supervisor(ROOT, ROOT, &plan.root, &clock, &ledger, &mut workers);
    let starting = spawn(Tree::start(spec, clock.clone(), Pool::new(plan.threads)));
    let tree =
        match (taken(patience, &starting).await.ok_or("the tree does not come to a start")?, model.end()) {
            (Ok(tree), None) => tree,
            (Err(end), Some(foreseen)) if name(&end) == foreseen.name() => {
                let why = contradiction(&expected.ledger, &ledger.entries());
                return why.map_or(Ok(()), |why| Err(format!("start: {why}")));
            }
            (started, foreseen) => {
                return Err(format!("the start went {:?}, foreseen was {foreseen:?}", started.err()));
            }
        };
    let mut world = World { clock, began, ledger, workers, fates: Arc::default(), tree, patience };
    world.rest(&model, &expected).await.map_err(|why| format!("start: {why}"))?;
    for (number, step) in plan.steps.iter().enumerate() {
        let expected = model.apply(step);
        world.ledger.clear();
        let taken = world.take(step, &model, &expected).await;
        taken.map_err(|why| format!("step {number}, {step:?}: {why}"))?;
        if model.end().is_some() {
            break;
        }
    }
    world.stop(model).await.map_err(|why| format!("the tree's own stop: {why}"))
}

impl World {
    async fn take(&mut self, step: &Step, model: &Model, expected: &Expected) -> Result<(), String> {
        let mut answered = None;
        let mut built = BTreeMap::new();
        match step {
            Step::Rig { path, births } => lock(&self.workers[path].script).extend(births),
            Step::Send { path, letters } => self.send(path, letters).await?,
            Step::Advance { by } => self.clock.advance(Duration::from_millis(*by)),
            Step::Ask { supervisor, request } => {
                answered = Some(self.ask(supervisor, request, &mut built)?);
            }
        }
        self.sit_out(expected).await?;
        if let Some(answered) = answered {
            let answer = taken(self.patience, &answered).await.ok_or("the request has no answer")?;
            if let (Step::Ask { supervisor, request: Request::Start(sprout) }, true) =
                (step, answer.is_of_a_start())
            {
                let path = format!("{supervisor}/{}", sprout.id);
                self.workers.retain(|place, _| *place != path && !place.starts_with(&format!("{path}/")));
                self.workers.append(&mut built);
            }
            if Some(&answer) != expected.answer.as_ref() {
                return Err(format!("foreseen was {:?}, the answer is {answer:?}", expected.answer));
            }
        }
        self.rest(model, expected).await
    }

    /// The whole tree ends, by itself or because it is stopped now.
    async fn stop(self, mut model: Model) -> Result<(), String> {
        let mut expected = None;
        if model.end().is_none() {
            self.ledger.clear();
            expected = Some(model.stop());
        }
        let foreseen = model.end().map(End::name);
        let Self { clock, began, ledger, workers, fates, tree, patience } = self;
        let viewer = tree.viewer();
        let stopped = spawn(tree.stop());
        if let Some(expected) = &expected {
            sit_out(&clock, began, expected, patience, || viewer()).await?;
        }
        let end = taken(patience, &stopped).await.map(|end| name(&end));
        if end != foreseen {
            return Err(format!("the root ended by {end:?}, foreseen was {foreseen:?}"));
        }
        let Some(expected) = expected else { return Ok(()) };
        until(patience, || *lock(&fates) == model.fates()).await;
        drop(workers);
        let fates = differences(&lock(&fates), model.fates());
        contradiction(&expected.ledger, &ledger.entries()).or(fates).map_or(Ok(()), Err)
    }

    // === Acting ===

    /// Posts letters one after the other so that all are there before the first of them is handled.
    async fn send(&self, path: &str, letters: &[Letter]) -> Result<(), String> {
        let mailbox = self.workers[path].mailbox.clone();
        let place = mailbox.place();
        let is_awake = place.state() == State::Running && !place.node().suspended;
        let mut held = None;
        if is_awake && letters.len() > 1 {
            let (release, hold) = tokio::sync::oneshot::channel();
            held = Some(release);
            let holding = mailbox.clone();
            let entered = spawn(async move { holding.ask(Hold(hold), FOR_EVER).await });
            taken(self.patience, &entered)
                .await
                .ok_or("the actor does not answer")?
                .map_err(|why| format!("not held: {why}"))?;
        }
        for letter in letters {
            self.post(&mailbox, *letter).await;
        }
        drop(held);
        Ok(())
    }

    async fn post(&self, mailbox: &Mailbox<Puppet>, letter: Letter) {
        let mailbox = mailbox.clone();
        let mut asked = Box::pin(async move { mailbox.ask(Deliver(letter), FOR_EVER).await });
        let number = {
            let mut fates = lock(&self.fates);
            fates.push(Fate::Waits);
            fates.len() - 1
        };
        // Its first poll posts it; so the next one comes after it.
        match poll!(asked.as_mut()) {
            std::task::Poll::Ready(result) => lock(&self.fates)[number] = fate(result),
            std::task::Poll::Pending => {
                let fates = self.fates.clone();
                actix_rt::spawn(async move {
                    let result = asked.await;
                    lock(&fates)[number] = fate(result);
                });
            }
        }
    }

    fn ask(
        &self,
        path: &str,
        request: &Request,
        built: &mut BTreeMap<String, Built>,
    ) -> Result<Slot<Answer>, String> {
        let handle = self.handle(path)?;
        let child = if let Request::Start(sprout) = request {
            Some(child(path, sprout, &self.clock, &self.ledger, built))
        } else {
            None
        };
        let request = request.clone();
        Ok(spawn(async move {
            match &request {
                Request::Start(_) => lived(handle.start_child(child.expect("it was built above")).await),
                Request::Restart(id) => lived(handle.restart_child(id).await),
                Request::Terminate(id) => answer(handle.terminate_child(id).await),
                Request::Delete(id) => answer(handle.delete_child(id).await),
                Request::Kill(id) => answer(handle.kill_child(id).await),
                Request::Suspend(id) => answer(handle.suspend_child(id).await),
                Request::Resume(id) => answer(handle.resume_child(id).await),
                Request::Describe(id) => described(handle.child(id).await.map(|child| vec![child])),
                Request::Which => described(handle.which_children().await),
                Request::Count => counted(handle.count_children().await),
            }
        }))
    }

    fn handle(&self, path: &str) -> Result<Handle, String> {
        match path {
            ROOT => Ok(self.tree.root().clone()),
            path => {
                let found = self.tree.registry().supervisor(path);
                found.ok_or_else(|| format!("the registry knows no supervisor at {path}"))
            }
        }
    }

    async fn sit_out(&self, expected: &Expected) -> Result<(), String> {
        sit_out(&self.clock, self.began, expected, self.patience, || self.tree.view()).await
    }

    // === Comparing ===

    /// Waits until all is as foreseen, asks everybody, and looks again: a transition too many is caught as well.
    async fn rest(&self, model: &Model, expected: &Expected) -> Result<(), String> {
        if let Some(end) = model.end() {
            let is_over = || self.tree.place().state() == State::Ended;
            if !until(self.patience, is_over).await {
                return Err(format!("the root lives on, foreseen was its end by {end:?}"));
            }
        }
        until(self.patience, || self.is_as_foreseen(model, expected)).await;
        self.compare(model, expected)?;
        if model.end().is_none() {
            self.ask_all(model).await?;
            // Who has answered is about to wait for the clock again.
            until(self.patience, || self.next_timer() == model.next_timer()).await;
            self.compare(model, expected).map_err(|why| format!("after all had come to rest: {why}"))?;
        }
        Ok(())
    }

    /// Everybody who lives answers, so nothing is under way any more.
    async fn ask_all(&self, model: &Model) -> Result<(), String> {
        let mut asked = Vec::new();
        for (path, sight) in model.sights() {
            let Some(worker) = self.workers.get(&path) else { continue };
            if sight.state == "running" && !sight.suspended {
                let mailbox = worker.mailbox.clone();
                asked.push(async move { (path, mailbox.ask(Deliver(Letter::Note), FOR_EVER).await, sight) });
            }
        }
        let answers =
            taken(self.patience, &spawn(join_all(asked))).await.ok_or("not everybody who lives answers")?;
        for (path, answer, sight) in answers {
            if answer != Ok(sight.generation) {
                return Err(format!(
                    "{path} answers {answer:?}, foreseen was generation {}",
                    sight.generation
                ));
            }
        }
        let mut asked = Vec::new();
        for (path, children) in model.families() {
            let handle = self.handle(&path)?;
            asked.push(
                async move { (handle.count_children().await.map(|counts| counts.specs), path, children) },
            );
        }
        let answers =
            taken(self.patience, &spawn(join_all(asked))).await.ok_or("not every supervisor answers")?;
        for (answer, path, children) in answers {
            if answer != Ok(children) {
                return Err(format!("{path} knows {answer:?} children, foreseen were {children}"));
            }
        }
        Ok(())
    }

    fn is_as_foreseen(&self, model: &Model, expected: &Expected) -> bool {
        is_complete(&expected.ledger, self.ledger.len())
            && *lock(&self.fates) == model.fates()
            && (model.end().is_some()
                || (sights(&self.tree.view()) == model.sights() && self.next_timer() == model.next_timer()))
    }

    fn compare(&self, model: &Model, expected: &Expected) -> Result<(), String> {
        let mut why = contradiction(&expected.ledger, &self.ledger.entries()).unwrap_or_default();
        why.extend(differences(&lock(&self.fates), model.fates()));
        if model.end().is_none() {
            let (seen, foreseen) = (sights(&self.tree.view()), model.sights());
            for path in seen.keys().chain(foreseen.keys().filter(|path| !seen.contains_key(*path))) {
                let (seen, foreseen) = (seen.get(path), foreseen.get(path));
                if seen != foreseen {
                    write!(why, "\n{path}\n  foreseen: {foreseen:?}\n  seen:     {seen:?}")
                        .expect("a string grows");
                }
            }
            let (seen, foreseen) = (self.next_timer(), model.next_timer());
            if seen != foreseen {
                write!(why, "\nnext timer: foreseen {foreseen:?}, seen {seen:?}").expect("a string grows");
            }
        }
        if why.is_empty() { Ok(()) } else { Err(why) }
    }

    /// When somebody in the tree waits for the clock next, apart from the test's own deadlines.
    fn next_timer(&self) -> Option<u64> {
        let at = self.clock.next_wake()?.duration_since(self.began);
        (at < FOR_EVER).then(|| millis(at))
    }
}

/// Lets the time of those pass that do not stop when they are told to.
async fn sit_out(
    clock: &Clock,
    began: Instant,
    expected: &Expected,
    patience: Duration,
    view: impl Fn() -> Node,
) -> Result<(), String> {
    let mut waits = expected.waits.clone();
    waits.sort_by_key(|wait| wait.until);
    for wait in &waits {
        let now = millis(clock.now().duration_since(began));
        if wait.until <= now {
            continue;
        }
        let told: Vec<_> = waits.iter().filter(|other| other.since <= now && other.until > now).collect();
        // Only they, and those above them that wait for them, are still stopping.
        let is_foreseen = || {
            let view = view();
            let nodes = view.walk();
            let stopping: Vec<_> = nodes.iter().filter(|(_, node)| node.state == State::Stopping).collect();
            let is_waited_for = |path: &str| told.iter().any(|wait| wait.path.starts_with(path));
            let is_it = |wait: &Wait, path: &str, node: &Node| {
                path == wait.path && node.generation == wait.generation
            };
            told.iter().all(|wait| stopping.iter().any(|(path, node)| is_it(wait, path, node)))
                && stopping.iter().all(|(path, _)| is_waited_for(path))
        };
        if !until(patience, is_foreseen).await {
            return Err(format!(
                "foreseen was that {told:?} are told to stop, and that nobody else is stopping"
            ));
        }
        clock.advance(Duration::from_millis(wait.until - now));
    }
    Ok(())
}

fn sights(view: &Node) -> BTreeMap<String, Sight> {
    let sight = |node: &Node| Sight {
        state: crate::words::state(node.state),
        generation: node.generation,
        last_end: node.last_end.as_ref().map(name),
        suspended: node.suspended,
        queued: node.queued,
    };
    view.walk().into_iter().map(|(path, node)| (path, sight(node))).collect()
}

fn fate(result: Result<u64, AskError>) -> Fate {
    match result {
        Ok(generation) => Fate::Answered { generation },
        Err(AskError::Panicked { .. }) => Fate::Panicked,
        Err(AskError::Busy { .. }) => Fate::Busy,
        Err(AskError::Down { .. }) => Fate::Down,
        Err(AskError::Closed { .. }) => Fate::Closed,
        Err(AskError::Unanswered { .. } | AskError::TimedOut { .. }) => Fate::Unanswered,
    }
}

fn differences(seen: &[Fate], foreseen: &[Fate]) -> Option<String> {
    let pairs = seen.iter().zip(foreseen).enumerate();
    let wrong: Vec<_> = pairs.filter(|(_, (seen, foreseen))| seen != foreseen).collect();
    (!wrong.is_empty()).then(|| format!("\nmessages (number, (seen, foreseen)): {wrong:?}"))
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).expect("a test's time fits")
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

// === Waiting ===

/// Polls until it is so; false when it does not come to be.
async fn until(patience: Duration, is_so: impl Fn() -> bool) -> bool {
    let clock = Clock::real();
    let deadline = clock.now() + patience;
    while !is_so() {
        if clock.now() > deadline {
            return false;
        }
        // To the tasks of this thread, then to other threads.
        tokio::task::yield_now().await;
        std::thread::yield_now();
    }
    true
}

fn spawn<T: 'static>(work: impl Future<Output = T> + 'static) -> Slot<T> {
    let slot: Slot<T> = Arc::default();
    let there = slot.clone();
    actix_rt::spawn(async move {
        let result = work.await;
        *lock(&there) = Some(result);
    });
    slot
}

async fn taken<T>(patience: Duration, slot: &Slot<T>) -> Option<T> {
    until(patience, || lock(slot).is_some()).await;
    lock(slot).take()
}
