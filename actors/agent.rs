//! The one pipeline that every agent runs: render, ask, let the model read, ask again, hand the answer over.
//!
//! An agent lives for one attempt at one step. It promises: each answer is durable before anything is made of it, and
//! an answer that is remembered is not asked for again. It writes to no workspace; the tools that it offers only read.
//! A crash ends the attempt as failed; the next one begins with what is remembered. Mailbox: none, it takes no messages.

use std::sync::Arc;
use std::time::Duration;

use access::{Models, Requester};
use actix::{Actor, Context};
use chat::{Answer, Event, Part, Request, Role, StopReason, ToolResult, Turn};
use gateway::{Call, Operation};
use supervision::{
    ActorSpec, AskError, ChildSpec, End, Failure, Life, Mailbox, Restart, Start, WhileDown, actor,
};
use tracing::{Instrument, Span, info_span};
use units::{UnixMillis, WorkflowId};
use workflow::{Action, Asked, CallKey, Command, Refused, Step};
use workspace::Workspace;

use crate::feed::Progress;
use crate::instance::{Instance, Recall, Report, Tell};
use crate::recorder::Recorder;
use crate::tools::Reading;
use crate::workbench::{Asking, Workbench};
use crate::{editor, planner, reviewer};

/// The most questions of one conversation.
const MAX_TURNS: u32 = 24;
/// How long the instance may take to store what it is told.
const TELL_WITHIN: Duration = Duration::from_secs(60);
/// How long to wait before it is told again.
const TELL_AGAIN: Duration = Duration::from_millis(500);

/// The actor of one attempt.
pub struct Agent {
    life: Life,
    assignment: Arc<Assignment>,
}

/// What an agent is to do, and with what.
pub(crate) struct Assignment {
    pub(crate) workflow: WorkflowId,
    pub(crate) goal: String,
    pub(crate) check: Vec<String>,
    /// Who asked for the workflow with a key.
    pub(crate) requester: Option<Requester>,
    pub(crate) workspace: Workspace,
    pub(crate) workbench: Workbench,
    pub(crate) instance: Mailbox<Instance>,
    /// The plan as text, once there is one.
    pub(crate) plan: String,
    /// The transactions that stand, oldest first: what a reviewer looks at.
    pub(crate) committed: Vec<String>,
    pub(crate) action: Action,
    pub(crate) step: Step,
    /// The workflow's span.
    pub(crate) trace: Span,
}

/// What an attempt came to: what the instance is to be told, or nothing where it knows already.
pub(crate) type Attempted = Option<Command>;

impl Agent {
    /// An agent as a child of its workflow's supervisor; `id` is unique among its siblings.
    pub(crate) fn child(id: String, assignment: Assignment, clock: &clock::Clock) -> ChildSpec {
        let spec = ActorSpec { id, capacity: 1, while_down: WhileDown::Refuse, clock: clock.clone() };
        let assignment = Arc::new(assignment);
        let watched = assignment.clone();
        let (child, _) = actor(spec, move |start: Start<Self>| {
            let assignment = assignment.clone();
            async move { Ok(Self { life: start.life, assignment }) }
        });
        child.restart(Restart::Temporary).monitor(move |down| {
            let outcome = match &down.end {
                End::Normal | End::Shutdown | End::Passivated => Ok(None),
                End::Failed(failure) => Err(failure.clone()),
                end @ (End::Panicked { .. }
                | End::Killed
                | End::StartFailed { .. }
                | End::GaveUp { .. }
                | End::Stuck
                | End::Linked { .. }) => Err(Failure::new(format!("its agent ended: {end:?}"))),
            };
            let report = Report { action: watched.action.name(), outcome };
            if let Err(refused) = watched.instance.tell(report) {
                // The instance is gone for good: nothing is pending any more.
                tracing::debug!(?refused, "an agent's end was not told");
            }
        })
    }
}

impl Actor for Agent {
    type Context = Context<Self>;

    fn started(&mut self, _: &mut Self::Context) {
        let (life, assignment) = (self.life.clone(), self.assignment.clone());
        self.life.spawn(async move {
            let outcome = attempt(&assignment).instrument(assignment.span()).await;
            let report = Report { action: assignment.action.name(), outcome };
            match assignment.instance.ask(report, TELL_WITHIN).await {
                Ok(()) | Err(AskError::Closed { .. }) => life.finish(),
                Err(error) => life.fail(Failure::new(error)),
            }
        });
    }
}

async fn attempt(assignment: &Assignment) -> Result<Attempted, Failure> {
    assignment.show(Progress::StepStarted { step: assignment.step.to_string() });
    match &assignment.action {
        Action::Plan { attempt, feedback } => planner::plan(assignment, *attempt, feedback.as_deref()).await,
        Action::Edit { task, attempt, feedback } => {
            editor::edit(assignment, task, *attempt, feedback.as_deref()).await
        }
        Action::Review { round, attempt, feedback } => {
            reviewer::review(assignment, *round, *attempt, feedback.as_deref()).await
        }
        Action::ResolveCommit { .. } | Action::Compensate { .. } | Action::Conclude => {
            Err(Failure::new("no agent does this"))
        }
    }
}

impl Assignment {
    /// The span of the attempt, by OpenTelemetry's conventions for agents.
    fn span(&self) -> Span {
        let role = self.step.role().name();
        info_span!(
            parent: &self.trace,
            "agent",
            otel.name = format!("invoke_agent {role}"),
            gen_ai.operation.name = "invoke_agent",
            gen_ai.agent.name = role,
            workflow.id = %self.workflow,
            step = %self.step,
        )
    }

    /// Shows followers what goes on.
    pub(crate) fn show(&self, progress: Progress) {
        self.workbench.parts().pulses.show(&self.workflow, progress);
    }

    /// Says in a few words what the step does now.
    pub(crate) fn note(&self, text: impl Into<String>) {
        self.show(Progress::Note { step: self.step.to_string(), text: text.into() });
    }

    /// Renders a template with these inputs.
    pub(crate) fn render(
        &self,
        template: &str,
        inputs: serde_json::Value,
    ) -> Result<prompts::Rendered, Failure> {
        let serde_json::Value::Object(inputs) = inputs else {
            return Err(Failure::new("a template's inputs are named"));
        };
        self.workbench.parts().templates.load_full().render(template, &inputs).map_err(Failure::new)
    }

    /// Tells the instance; what it has heard already or does not want any more is no failure.
    pub(crate) async fn tell(
        &self,
        command: Command,
        usage: Option<store::UsageRow>,
    ) -> Result<Result<(), Refused>, Failure> {
        self.instance.ask(Tell { command, usage }, TELL_WITHIN).await.map_err(Failure::new)
    }

    /// Asks the model until it has no more to look up, and gives its last text.
    pub(crate) async fn converse(
        &self,
        rendered: prompts::Rendered,
        reading: &dyn Reading,
        asking: Asking,
    ) -> Result<String, Failure> {
        let prompt = (rendered.name, rendered.hash);
        let mut request = Request {
            system: Some(rendered.system)
                .filter(|text| !text.is_empty())
                .map(Part::text)
                .into_iter()
                .collect(),
            turns: vec![Turn::user(rendered.user)],
            tools: reading.tools(),
            max_output: Some(asking.max_output),
            temperature: asking.temperature,
            ..Request::default()
        };
        for turn in 1..=MAX_TURNS {
            let key = CallKey::new(self.step.clone(), turn);
            let answer = self.answer(&key, &request, asking, &prompt).await?;
            match answer.stop {
                StopReason::MaxOutput => {
                    let limit = asking.max_output;
                    return Err(Failure::new(format!(
                        "the answer was cut at {limit} tokens: raise max_output_tokens for this role"
                    )));
                }
                StopReason::Refusal => return Err(Failure::new("the model refused to answer")),
                StopReason::EndOfTurn
                | StopReason::ToolUse
                | StopReason::StopSequence { .. }
                | StopReason::Paused
                | StopReason::Other(_) => {}
            }
            if answer.tool_calls.is_empty() {
                return Ok(answer.text);
            }
            let mut results = Vec::with_capacity(answer.tool_calls.len());
            for call in &answer.tool_calls {
                self.note(format!("{} {}", call.name, call.arguments));
                let doing = self.workbench.parts().gateway.tool(reading.call(call));
                let (content, is_error) = match doing.await {
                    Ok(content) => (content, false),
                    Err(reason) => (reason, true),
                };
                results.push(Part::ToolResult(ToolResult::text(&*call.id, content, is_error)));
            }
            request.turns.push(Turn { role: Role::Assistant, parts: answer.parts() });
            request.turns.push(Turn { role: Role::User, parts: results });
        }
        Err(Failure::new(format!("the model asked for more than {MAX_TURNS} rounds of reading")))
    }

    /// A remembered answer, or a new one that is remembered before it is returned.
    async fn answer(
        &self,
        key: &CallKey,
        request: &Request,
        asking: Asking,
        (template, version): &(String, String),
    ) -> Result<Answer, Failure> {
        let remembered = self.instance.ask(Recall { key: key.clone() }, TELL_WITHIN).await;
        if let Some(memo) = remembered.map_err(Failure::new)? {
            return Ok(memo.answer.clone());
        }
        let step = self.step.to_string();
        let parts = self.workbench.parts();
        let mut on_event = |event: &Event| {
            if let Event::Text { text } = event {
                self.show(Progress::Output { step: step.clone(), text: text.clone() });
            }
        };
        let operation = match key.role() {
            workflow::Role::Planner => Operation::Plan,
            workflow::Role::Editor => Operation::Edit,
            workflow::Role::Reviewer => Operation::Review,
        };
        let models = self.requester.as_ref().map_or(Models::ALL, |requester| &requester.models);
        // Before the call: what is paid for has a name, whatever happens then.
        let call_key = self.call_key(key)?;
        let call = Call { role: key.role().name(), operation, models, request, within: asking.within };
        let receipt = parts.gateway.call(call, &mut on_event).await.map_err(world)?;
        let usage = store::UsageRow {
            at: parts.gateway.clock.wall(),
            call_key,
            workflow: Some(self.workflow.clone()),
            role: key.role().name().to_owned(),
            deployment: receipt.deployment.clone(),
            usage: receipt.usage,
            cost: receipt.cost,
            outcome: "answered".to_owned(),
            duration_ms: receipt.duration.as_millis().try_into().unwrap_or(u64::MAX),
            client: None,
        };
        let owed = Owed::new(usage, &parts.recorder);
        if let Some(parameter) = receipt.dropped {
            self.note(format!("{} refuses `{}`: asked without it", receipt.deployment, parameter.name()));
        }
        let answer = receipt.answer;
        let (deployment, cost) = (receipt.deployment, receipt.cost);
        let took_ms = receipt.duration.as_millis().try_into().unwrap_or(u64::MAX);
        let asked = Asked { template: template.clone(), version: version.clone(), took_ms };
        let (key, asked) = (key.clone(), Some(asked));
        let command = Command::RecordAnswer { key, answer: answer.clone(), deployment, cost, asked };
        match self.record(command, owed.row()).await? {
            Ok(()) => {
                owed.settled();
                Ok(answer)
            }
            // Told before, by this call or by another one that was paid for as well.
            Err(Refused::Duplicate { .. }) => Ok(answer),
            // It cannot be remembered, but it was paid for.
            Err(refused) => Err(Failure::new(refused)),
        }
    }

    /// A name for one real call: asked again after a crash, the same question is another call and costs again.
    fn call_key(&self, key: &CallKey) -> Result<String, Failure> {
        let random = getrandom::u64().map_err(|error| Failure::new(format!("no randomness: {error}")))?;
        Ok(format!("{}/{key}/{random:016x}", self.workflow))
    }

    /// Tells of an answer until it is stored or refused: it was paid for, and telling twice does no harm.
    async fn record(
        &self,
        command: Command,
        usage: Option<&store::UsageRow>,
    ) -> Result<Result<(), Refused>, Failure> {
        loop {
            let tell = Tell { command: command.clone(), usage: usage.cloned() };
            match self.instance.ask(tell, TELL_WITHIN).await {
                Ok(told) => return Ok(told),
                Err(error @ AskError::Closed { .. }) => return Err(Failure::new(error)),
                Err(error) => tracing::warn!(%error, "an answer is not stored yet"),
            }
            self.workbench.parts().gateway.clock.sleep(TELL_AGAIN).await;
        }
    }
}

/// What a call used and nobody has stored yet. However its agent ends, the recorder has the row then; where the instance
/// has stored it after all, both have the same key, and it counts once.
struct Owed {
    /// Empty once it is settled.
    row: Option<store::UsageRow>,
    recorder: Recorder,
}

impl Owed {
    fn new(row: store::UsageRow, recorder: &Recorder) -> Self {
        Self { row: Some(row), recorder: recorder.clone() }
    }

    fn row(&self) -> Option<&store::UsageRow> {
        self.row.as_ref()
    }

    /// The instance has stored it.
    fn settled(mut self) {
        self.row = None;
    }
}

impl Drop for Owed {
    fn drop(&mut self) {
        if let Some(row) = self.row.take() {
            self.recorder.usage(row);
        }
    }
}

/// A call that failed, with the time when it may be tried again.
fn world(error: gateway::Error) -> Failure {
    let retry_after = match &error {
        gateway::Error::Unavailable { retry_after, .. } => *retry_after,
        gateway::Error::NoCandidate(_)
        | gateway::Error::NotOffered { .. }
        | gateway::Error::NoAccount
        | gateway::Error::Refused { .. }
        | gateway::Error::Interrupted(_)
        | gateway::Error::Unpublished { .. } => None,
    };
    Failure { reason: error.to_string(), retry_after }
}

/// When something happens, for rows.
pub(crate) fn now(workbench: &Workbench) -> UnixMillis {
    workbench.parts().gateway.clock.wall()
}
