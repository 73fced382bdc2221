//! One workflow instance: holds its state, stores every event before it acts on it, and keeps in progress what is pending.
//!
//! It promises: nothing is shown or done that is not stored; one append is in flight at a time; an answer that was
//! stored is not paid for again. It calls no model and writes to no workspace but to undo. A restart claims the
//! workflow anew, folds its history and begins what is pending again; a leftover of an older life is fenced off.
//! Given up on, it comes back to undo what was done. Mailbox: 256; when it is full the sender is told.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, ActorFuture, ActorFutureExt, AtomicResponse, Context, Handler, Message, WrapFuture};
use supervision::{
    ActorSpec, Backoff, ChildError, ChildSpec, End, Failure, Intensity, Life, Mailbox, NotStarted, Restart,
    Role, Start, WhileDown, actor,
};
use tracing::{info, warn};
use units::{Fence, UnixMillis, WorkflowId};
use workflow::{Action, CallKey, Command, Event, Memo, Phase, Refused, decide, pending};

use crate::agent::{self, Agent, Assignment};
use crate::blocking;
use crate::compensation;
use crate::roster::{self, Folded};
use crate::workbench::Workbench;
use crate::writer::{self, Pen};

/// How long a step rests after its first failure, and at most.
const FIRST_REST: Duration = Duration::from_millis(500);
const LONGEST_REST: Duration = Duration::from_secs(60);
/// How often it may crash while it undoes.
const UNDOING: Intensity = Intensity { restarts: 3, period: Duration::from_secs(5) };
/// How long to wait before a claim is tried again.
const CLAIM_AGAIN: Duration = Duration::from_secs(1);

/// The actor of one workflow.
pub struct Instance {
    life: Life,
    own: Mailbox<Self>,
    record: Record,
    fence: Fence,
    folded: Folded,
    /// What the tables say of its agents and tasks; nothing is known of that at the beginning of a life.
    told: store::Projection,
    role: Role,
    /// What has begun and not told its end.
    in_flight: BTreeSet<String>,
    /// What the world has failed and is not to begin again yet.
    resting: BTreeSet<String>,
    /// How long each of them rested last.
    rests: BTreeMap<String, Duration>,
    /// A life before this one crashed while it undid.
    undoing_crashed: bool,
}

/// A command on its way into the store; nothing else is handled until it has got there.
type Telling = Pin<Box<dyn ActorFuture<Instance, Output = Result<(), Refused>>>>;

/// Which workflow it is, and what it works with.
#[derive(Clone)]
pub(crate) struct Record {
    pub(crate) workflow: WorkflowId,
    pub(crate) pen: Pen,
    pub(crate) readers: store::Readers,
    pub(crate) workbench: Workbench,
    /// Spans the workflow, in whatever trace it was started.
    pub(crate) trace: tracing::Span,
}

/// Do what this command says, if the state allows it; the answer comes when it is stored.
#[derive(Message)]
#[rtype(result = "Result<(), Refused>")]
pub struct Tell {
    /// What is wished or reported.
    pub command: Command,
    /// What the call behind it used; stored in the same transaction.
    pub usage: Option<store::UsageRow>,
}

/// A model's remembered answer.
#[derive(Message)]
#[rtype(result = "Option<Arc<Memo>>")]
pub struct Recall {
    /// To which call.
    pub key: CallKey,
}

/// Something that was in flight has come to its end.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Report {
    /// The action's name.
    pub action: String,
    /// What is to be told; nothing when all has been; or what failed.
    pub outcome: Result<Option<Command>, Failure>,
}

/// A step that the world failed may begin again.
#[derive(Message)]
#[rtype(result = "()")]
struct Rested {
    action: String,
}

// === Instance ===

impl Instance {
    /// The instance as the significant child of its workflow's supervisor.
    pub(crate) fn child(record: Record, clock: &clock::Clock) -> (ChildSpec, Mailbox<Self>) {
        let spec = ActorSpec {
            id: "instance".to_owned(),
            capacity: 256,
            while_down: WhileDown::Keep,
            clock: clock.clone(),
        };
        let (child, mailbox) = actor(spec, move |start: Start<Self>| Self::revive(record.clone(), start));
        let child = child.restart(Restart::Transient).significant().compensates(UNDOING);
        (child.backoff(Backoff { min: Duration::from_millis(100), ..Backoff::default() }), mailbox)
    }

    async fn revive(record: Record, start: Start<Self>) -> Result<Self, NotStarted> {
        let claimed = claim(&record, &start.life).await?;
        let (readers, workflow) = (record.readers.clone(), record.workflow.clone());
        let folded = blocking(move || Folded::read(&readers, &workflow)).await?;
        let state = &folded.state;
        if state.seq() != claimed.last_seq {
            return Err(Failure::new("the history grew while it was read").into());
        }
        let crashed = matches!(start.after, Some(End::Panicked { .. }));
        let undoing_crashed = crashed && matches!(state.phase(), Phase::Compensating);
        info!(workflow.id = %record.workflow, seq = state.seq().0, phase = state.status(), "revived");
        Ok(Self {
            life: start.life,
            own: start.mailbox,
            record,
            fence: claimed.fence,
            folded,
            told: store::Projection::default(),
            role: start.role,
            in_flight: BTreeSet::new(),
            resting: BTreeSet::new(),
            rests: BTreeMap::new(),
            undoing_crashed,
        })
    }

    /// Begins what is pending and not in flight; ends when nothing is left to do.
    fn advance(&mut self) {
        if self.folded.state.outcome().is_some() {
            self.life.finish();
            return;
        }
        let wanted = pending(&self.folded.state);
        for action in wanted {
            let name = action.name();
            if !self.resting.contains(&name) && self.in_flight.insert(name) {
                self.begin(action);
            }
        }
    }

    fn begin(&mut self, action: Action) {
        match &action {
            Action::Plan { .. } | Action::Edit { .. } | Action::Review { .. } => self.begin_agent(action),
            Action::Conclude => self.report_later(action.name(), async { Ok(Some(Command::Conclude)) }),
            Action::ResolveCommit { task, attempt, transaction } => {
                let (task, attempt, transaction) = (task.clone(), *attempt, transaction.clone());
                let (workbench, root) = (self.record.workbench.clone(), self.root());
                self.report_later(action.name(), async move {
                    let is_done = compensation::resolve(&workbench, &root, &transaction).await?;
                    Ok(Some(if is_done {
                        Command::CommitDone { task, attempt, transaction }
                    } else {
                        Command::CommitLost { task, attempt, transaction }
                    }))
                });
            }
            Action::Compensate { transaction } => {
                let transaction = transaction.clone();
                let (workbench, root) = (self.record.workbench.clone(), self.root());
                self.report_later(action.name(), async move {
                    Ok(Some(match compensation::undo(&workbench, &root, &transaction).await {
                        Ok(conflicts) => Command::CompensationDone { transaction, conflicts },
                        Err(failure) => Command::CompensationFailed { transaction, reason: failure.reason },
                    }))
                });
            }
        }
    }

    fn begin_agent(&mut self, action: Action) {
        let Some(step) = action.step() else { return };
        let (name, root) = (action.name(), self.root());
        let workspace = match self.record.workbench.open(root.as_ref()) {
            Ok(workspace) => workspace,
            Err(error) => return self.report_later(name, async move { Err(Failure::new(error)) }),
        };
        // One agent for a step, over lives of this instance too.
        let id = format!("{}-{}", step.role().name(), step.to_string().replace('/', "-"));
        let assignment = Assignment {
            workflow: self.record.workflow.clone(),
            goal: self.folded.state.goal().unwrap_or_default().to_owned(),
            check: self.folded.state.check().to_vec(),
            requester: self.folded.state.requester().cloned(),
            workspace,
            workbench: self.record.workbench.clone(),
            instance: self.own.clone(),
            plan: self.plan(),
            committed: self.standing(),
            action,
            step,
            trace: self.record.trace.clone(),
        };
        let child = Agent::child(id, assignment, self.life.clock());
        let Some(siblings) = self.life.siblings().cloned() else { return };
        let own = self.own.clone();
        self.life.spawn(async move {
            let error = match siblings.start_child(child).await {
                // One that has outlived an earlier life of this instance goes on: a second would pay again. One that
                // is just ending tells its end, and then this is looked at again.
                // A supervisor that ends takes this instance along: what is pending begins in its next life.
                Ok(_) | Err(ChildError::AlreadyStarted(_) | ChildError::Unavailable) => return,
                Err(error) => error,
            };
            let report = Report { action: name, outcome: Err(Failure::new(error)) };
            if let Err(refused) = own.tell(report) {
                warn!(?refused, "a step that did not start was not told");
            }
        });
    }

    fn plan(&self) -> String {
        let Some(plan) = self.folded.state.plan() else { return String::new() };
        let task = |task: &plan::Task| format!("- {}: {}", task.id, task.title);
        let tasks: Vec<String> = self.folded.state.tasks().map(task).collect();
        format!("{}\n{}", plan.summary, tasks.join("\n"))
    }

    /// The transactions that nothing has undone, oldest first.
    fn standing(&self) -> Vec<String> {
        let standing = self.folded.state.commits().iter().filter(|commit| !commit.compensated);
        standing.map(|commit| commit.transaction.clone()).collect()
    }

    fn root(&self) -> String {
        self.folded.state.root().unwrap_or_default().to_owned()
    }

    fn report_later(
        &self,
        action: String,
        work: impl Future<Output = Result<Option<Command>, Failure>> + 'static,
    ) {
        let own = self.own.clone();
        self.life.spawn(async move {
            let report = Report { action, outcome: work.await };
            if let Err(refused) = own.tell(report) {
                warn!(?refused, "what came of a step was not told");
            }
        });
    }

    /// Lets a step that the world failed wait, longer each time, before it begins again.
    fn rest(&mut self, action: &str, retry_after: Option<Duration>) {
        let before = self.rests.get(action).copied().unwrap_or(FIRST_REST / 2);
        let rest = (before * 2).min(LONGEST_REST);
        self.rests.insert(action.to_owned(), rest);
        self.resting.insert(action.to_owned());
        let (own, clock, action) = (self.own.clone(), self.life.clock().clone(), action.to_owned());
        self.life.spawn(async move {
            clock.sleep(rest.max(retry_after.unwrap_or_default())).await;
            if let Err(refused) = own.tell(Rested { action }) {
                warn!(?refused, "a step that may begin again was not told");
            }
        });
    }

    /// What a failure of the world means for the step that it hit.
    fn failed(&self, action: &str, failure: Failure) -> Option<Command> {
        let hit = pending(&self.folded.state).into_iter().find(|pending| pending.name() == action)?;
        match (hit.step(), hit) {
            (Some(step), _) => Some(Command::StepFailed { step, reason: failure.reason }),
            (None, Action::Compensate { transaction }) => {
                Some(Command::CompensationFailed { transaction, reason: failure.reason })
            }
            (None, _) => None,
        }
    }

    /// Decides, stores, applies, goes on: in that order, and nothing else is handled meanwhile.
    fn tell(&mut self, command: Command, usage: Option<store::UsageRow>) -> Telling {
        // Who has just begun a commit makes it; only who finds it after a restart asks the journal.
        if let Command::BeginCommit { task, attempt, transaction, .. } = &command {
            let (task, attempt, transaction) = (task.clone(), *attempt, transaction.clone());
            self.in_flight.insert(Action::ResolveCommit { task, attempt, transaction }.name());
        }
        let events = match decide(&self.folded.state, command) {
            Ok(events) => events,
            Err(refused) => {
                self.advance();
                return Box::pin(async { Err(refused) }.into_actor(self));
            }
        };
        let at = agent::now(&self.record.workbench);
        let next = events.iter().fold(self.folded.clone(), |folded, event| folded.after(event, at));
        let rows = next.rows();
        let append = self.append((&events, at), &next, roster::changes(&self.told, &rows), usage);
        let pen = self.record.pen.clone();
        let stored = async move {
            let append = append?;
            pen.write(|reply| store::Write::Append { append, reply }).await.map_err(Failure::new)
        };
        Box::pin(stored.into_actor(self).then(move |stored, this, _| -> Telling {
            match stored {
                Ok(_) => {
                    // Once for each workflow: nothing is decided about one that has ended.
                    if let (None, Some(outcome)) = (this.folded.state.outcome(), next.state.outcome()) {
                        this.record.workbench.ended(&this.record.workflow, outcome);
                    }
                    this.folded = next;
                    this.told = rows;
                    this.advance();
                    Box::pin(async { Ok(()) }.into_actor(this))
                }
                // What the store holds is the truth: the next generation reads it and goes on from there.
                Err(failure) => {
                    this.life.fail(failure);
                    Box::pin(std::future::pending().into_actor(this))
                }
            }
        }))
    }

    fn append(
        &self,
        (events, at): (&[Event], UnixMillis),
        next: &Folded,
        projection: store::Projection,
        usage: Option<store::UsageRow>,
    ) -> Result<store::Append, Failure> {
        let event = |event: &Event| -> Result<store::NewEvent, Failure> {
            let random = getrandom::u64().map_err(|error| Failure::new(format!("no randomness: {error}")))?;
            let (kind, payload) = (event.kind().to_owned(), event.encode());
            Ok(store::NewEvent { id: store::EventId(random), kind, payload, at })
        };
        Ok(store::Append {
            workflow: self.record.workflow.clone(),
            fence: self.fence,
            after: self.folded.state.seq(),
            events: events.iter().map(event).collect::<Result<_, _>>()?,
            usage: usage.into_iter().collect(),
            projection: Some(projection),
            status: Some(next.state.status().to_owned()),
            outcome: next.state.outcome().map(|outcome| cut(outcome.to_string())),
        })
    }
}

impl Actor for Instance {
    type Context = Context<Self>;

    fn started(&mut self, _: &mut Self::Context) {
        let reason = "its instance crashed too often".to_owned();
        let word = match self.role {
            Role::Compensating if self.undoing_crashed => Command::AbandonCompensation { reason },
            Role::Compensating => Command::GiveUp { reason },
            Role::Regular => return self.advance(),
        };
        // What is pending is begun after this is stored, and not before.
        self.report_later("end".to_owned(), async { Ok(Some(word)) });
    }
}

impl Handler<Tell> for Instance {
    type Result = AtomicResponse<Self, Result<(), Refused>>;

    fn handle(&mut self, Tell { command, usage }: Tell, _: &mut Self::Context) -> Self::Result {
        AtomicResponse::new(self.tell(command, usage))
    }
}

impl Handler<Recall> for Instance {
    type Result = Option<Arc<Memo>>;

    fn handle(&mut self, Recall { key }: Recall, _: &mut Self::Context) -> Self::Result {
        self.folded.state.answer(&key).cloned().map(Arc::new)
    }
}

impl Handler<Report> for Instance {
    type Result = AtomicResponse<Self, ()>;

    fn handle(&mut self, Report { action, outcome }: Report, _: &mut Self::Context) -> Self::Result {
        let command = match outcome {
            Ok(command) => command,
            Err(failure) => {
                warn!(workflow.id = %self.record.workflow, action, reason = failure.reason, "a step failed");
                self.rest(&action, failure.retry_after);
                self.failed(&action, failure)
            }
        };
        self.in_flight.remove(&action);
        if let Some(task) = action.strip_prefix("edit/") {
            // Its editor is gone: a commit that it left open is resolved by asking the journal.
            self.in_flight.retain(|name| !name.starts_with(&format!("commit/{task}/")));
        }
        let Some(command) = command else {
            self.advance();
            return AtomicResponse::new(Box::pin(async {}.into_actor(self)));
        };
        let workflow = self.record.workflow.clone();
        AtomicResponse::new(Box::pin(self.tell(command, None).map(move |told, _, _| {
            if let Err(refused) = told {
                info!(workflow.id = %workflow, action, %refused, "what came of a step was of no use");
            }
        })))
    }
}

impl Handler<Rested> for Instance {
    type Result = ();

    fn handle(&mut self, Rested { action }: Rested, _: &mut Self::Context) {
        self.resting.remove(&action);
        self.advance();
    }
}

/// Claims the workflow, however long the store cannot write: a crash of this life would help nobody.
async fn claim(record: &Record, life: &Life) -> Result<store::Claimed, Failure> {
    loop {
        let (workflow, at) = (record.workflow.clone(), agent::now(&record.workbench));
        match record.pen.write(|reply| store::Write::Claim { workflow, at, reply }).await {
            Ok(claimed) => return Ok(claimed),
            Err(error @ writer::Error::Refused(store::WriteError::NotFound(_))) => {
                return Err(Failure::new(error));
            }
            Err(error) => warn!(workflow.id = %record.workflow, %error, "cannot claim the workflow yet"),
        }
        life.clock().sleep(CLAIM_AGAIN).await;
    }
}

/// An outcome may name many paths, and quote what no database takes; the events have all of it.
fn cut(outcome: String) -> String {
    let mut outcome = outcome.replace('\0', "\u{fffd}");
    outcome.truncate(outcome.floor_char_boundary(store::MAX_OUTCOME_BYTES));
    outcome
}
