//! A workflow as it is told to a person: from its events and its progress to lines, and to steps that begin and end.
//!
//! It only tells; how it looks is the screen's. What it is given may be anything: texts are made printable later.

use std::collections::{BTreeMap, BTreeSet};

use actors::feed::Progress;
use plan::Plan;
use review::{Finding, Review, Severity, Verdict};
use units::TaskId;
use workflow::{Event, Rejection, Step};

use super::printable;

/// The most lines that a reason is shown with.
const MAX_REASON_LINES: usize = 6;
/// The most findings of a review that are shown.
const MAX_FINDINGS: usize = 20;

/// What has been told so far.
#[derive(Debug, Default)]
pub(crate) struct Story {
    tasks: BTreeMap<TaskId, String>,
    commits: BTreeMap<String, (TaskId, Vec<String>)>,
    /// The steps under way, and how many bytes each one's model has written.
    running: BTreeMap<String, usize>,
    over: BTreeSet<String>,
}

/// What the screen is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// Something stands.
    Line(Line),
    /// A step is under way from now on.
    Begins {
        /// Its name.
        step: String,
        /// Its name for people.
        label: String,
    },
    /// What a step does now.
    Notes {
        /// Its name.
        step: String,
        /// What it does.
        text: String,
    },
    /// A step is under way no more.
    Ends {
        /// Its name.
        step: String,
    },
}

/// A line that stays, and what belongs below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    /// What kind of news it is.
    pub(crate) mark: Mark,
    /// What is told.
    pub(crate) text: String,
    /// What belongs to it, a line each.
    pub(crate) details: Vec<String>,
}

/// A kind of news.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    /// It is said.
    Said,
    /// It went well.
    Done,
    /// It was refused or failed, and is tried again or given up.
    Failed,
    /// It was taken back.
    Undone,
    /// A person has to look.
    Attention,
}

impl Line {
    /// A line with nothing below it.
    pub(crate) fn new(mark: Mark, text: impl Into<String>) -> Self {
        Self { mark, text: text.into(), details: Vec::new() }
    }

    /// The same, with these lines below it.
    pub(crate) fn with(self, details: Vec<String>) -> Self {
        Self { details, ..self }
    }
}

impl Story {
    /// What a stored event tells.
    pub(crate) fn event(&mut self, event: &Event) -> Vec<Told> {
        match event {
            Event::Started { goal, root, check, settings: _, requester: _ } => {
                vec![Told::Line(started(goal, root, check))]
            }
            Event::CallAnswered { .. } => Vec::new(),
            Event::Planned { attempt, plan } => {
                self.tasks = plan.tasks.iter().map(|task| (task.id.clone(), task.title.clone())).collect();
                self.ends(&Step::Plan { attempt: *attempt }, planned(plan))
            }
            Event::PlanRejected { attempt, reason } => {
                let text = format!("plan (attempt {attempt}): it cannot be used");
                self.ends(&Step::Plan { attempt: *attempt }, failed(text, reason))
            }
            Event::EditRejected { task, attempt, reason } => {
                self.ends(&edit(task, *attempt), rejected(task, *attempt, reason))
            }
            Event::CommitStarted { task, attempt, transaction, paths } => {
                self.commits.insert(transaction.clone(), (task.clone(), paths.clone()));
                let text = format!("commits {}", files(paths));
                vec![Told::Notes { step: edit(task, *attempt).to_string(), text }]
            }
            Event::Committed { task, attempt, transaction } => {
                let paths = self.paths(transaction);
                let text = format!("committed {task}: {}", title(&self.tasks, task));
                let details = vec![format!("{}: {}", files(paths), paths.join(", "))];
                let line = Line::new(Mark::Done, text).with(details);
                self.ends(&edit(task, *attempt), line)
            }
            Event::CommitUndone { task, attempt, transaction: _ } => {
                let text = format!("the commit of {task} was cut off and is rolled back; it is made again");
                self.ends(&edit(task, *attempt), Line::new(Mark::Undone, text))
            }
            Event::Reviewed { round, review } => self.ends_review(*round, reviewed(*round, review)),
            Event::ReviewRejected { round, attempt, reason } => {
                let text = format!("review {round} (attempt {attempt}): it cannot be used");
                self.ends(&Step::Review { round: *round, attempt: *attempt }, failed(text, reason))
            }
            Event::StepFailed { step, reason } => {
                self.ends(step, failed(format!("{} failed; it is tried again", label(step)), reason))
            }
            Event::AbortRequested { .. }
            | Event::GaveUp { .. }
            | Event::Compensated { .. }
            | Event::CompensationFailed { .. }
            | Event::Finished { .. } => self.ending(event),
        }
    }

    /// What progress tells.
    pub(crate) fn progress(&mut self, progress: Progress) -> Vec<Told> {
        match progress {
            Progress::StepStarted { step } => {
                self.over.remove(&step);
                self.begins(&step)
            }
            // What comes late, or belongs to a step that is over, tells nothing.
            Progress::Output { step, .. } | Progress::Note { step, .. } if self.over.contains(&step) => {
                Vec::new()
            }
            Progress::Note { step, text } => {
                let mut told = self.begins(&step);
                told.push(Told::Notes { step, text });
                told
            }
            Progress::Output { step, text } => {
                let mut told = self.begins(&step);
                let written = self.running.entry(step.clone()).or_default();
                *written += text.len();
                let text = format!("writes, {}", bytes(*written));
                told.push(Told::Notes { step, text });
                told
            }
        }
    }

    /// The end, and what leads to it.
    fn ending(&mut self, event: &Event) -> Vec<Told> {
        let line = match event {
            Event::AbortRequested { by } => {
                Line::new(Mark::Undone, format!("abort, asked for by {by}: what was committed is undone"))
            }
            Event::GaveUp { reason } => failed("gives up: what was committed is undone".to_owned(), reason),
            Event::Compensated { transaction, conflicts } => {
                let (task, paths) = match self.commits.get(transaction) {
                    Some((task, paths)) => (task.as_str(), files(paths)),
                    None => (transaction.as_str(), "its files".to_owned()),
                };
                let kept = conflicts.iter().map(|path| format!("left as somebody changed it: {path}"));
                Line::new(Mark::Undone, format!("undone: {task} ({paths})")).with(kept.collect())
            }
            Event::CompensationFailed { transaction, reason } => {
                let text = format!("transaction {transaction} could not be undone");
                Line { mark: Mark::Attention, ..failed(text, reason) }
            }
            // How it ended is reported with its cost and its diff.
            Event::Finished { outcome: _ } => {
                let steps = std::mem::take(&mut self.running);
                return steps.into_keys().map(|step| Told::Ends { step }).collect();
            }
            Event::Started { .. }
            | Event::CallAnswered { .. }
            | Event::Planned { .. }
            | Event::PlanRejected { .. }
            | Event::EditRejected { .. }
            | Event::CommitStarted { .. }
            | Event::Committed { .. }
            | Event::CommitUndone { .. }
            | Event::Reviewed { .. }
            | Event::ReviewRejected { .. }
            | Event::StepFailed { .. } => return Vec::new(),
        };
        vec![Told::Line(line)]
    }

    fn begins(&mut self, step: &str) -> Vec<Told> {
        if self.running.contains_key(step) {
            return Vec::new();
        }
        self.running.insert(step.to_owned(), 0);
        let label = step.parse().map_or_else(|_| step.to_owned(), |step: Step| label(&step));
        vec![Told::Begins { step: step.to_owned(), label }]
    }

    fn ends(&mut self, step: &Step, line: Line) -> Vec<Told> {
        let step = step.to_string();
        self.running.remove(&step);
        self.over.insert(step.clone());
        vec![Told::Ends { step }, Told::Line(line)]
    }

    /// A review that was given does not say at which attempt.
    fn ends_review(&mut self, round: u32, line: Line) -> Vec<Told> {
        let prefix = format!("review/{round}/");
        let steps: Vec<String> =
            self.running.keys().filter(|step| step.starts_with(&prefix)).cloned().collect();
        let mut told = Vec::new();
        for step in steps {
            self.running.remove(&step);
            self.over.insert(step.clone());
            told.push(Told::Ends { step });
        }
        told.push(Told::Line(line));
        told
    }

    fn paths(&self, transaction: &str) -> &[String] {
        self.commits.get(transaction).map_or(&[], |(_, paths)| paths)
    }
}

fn edit(task: &TaskId, attempt: u32) -> Step {
    Step::Edit { task: task.clone(), attempt }
}

/// A step's name for people.
pub(crate) fn label(step: &Step) -> String {
    let again = |attempt: &u32| if *attempt > 1 { format!(", attempt {attempt}") } else { String::new() };
    match step {
        Step::Plan { attempt } => format!("plan{}", again(attempt)),
        Step::Edit { task, attempt } => format!("edit {task}{}", again(attempt)),
        Step::Review { round, attempt } => format!("review {round}{}", again(attempt)),
    }
}

fn title<'a>(tasks: &'a BTreeMap<TaskId, String>, task: &TaskId) -> &'a str {
    tasks.get(task).map_or("what the review asked for", String::as_str)
}

fn files(paths: &[String]) -> String {
    match paths.len() {
        1 => "1 file".to_owned(),
        count => format!("{count} files"),
    }
}

fn bytes(count: usize) -> String {
    if count < 1_000 { format!("{count} B") } else { format!("{}.{} kB", count / 1_000, count % 1_000 / 100) }
}

fn started(goal: &str, root: &str, check: &[String]) -> Line {
    let check = match check {
        [] => "checked by nothing: no command was given or found, so edits are not tested".to_owned(),
        check => format!("checked by `{}`", check.join(" ")),
    };
    let mut details = printable::lines(goal, MAX_REASON_LINES);
    details.extend([format!("in {root}"), check]);
    Line::new(Mark::Said, "goal").with(details)
}

fn planned(plan: &Plan) -> Line {
    let groups = plan.groups();
    let count = |count: usize, word: &str| format!("{count} {word}{}", if count == 1 { "" } else { "s" });
    let text = format!("plan: {} in {}", count(plan.tasks.len(), "task"), count(groups.len(), "group"));
    let line = |number: usize, id: &TaskId| {
        let task = plan.tasks.iter().find(|task| task.id == *id);
        format!("{number}  {id}: {}", task.map_or("", |task| task.title.as_str()))
    };
    let details = (1..).zip(&groups).flat_map(|(number, group)| group.iter().map(move |id| line(number, id)));
    Line::new(Mark::Done, text).with(details.collect())
}

fn failed(text: String, reason: &str) -> Line {
    Line::new(Mark::Failed, text).with(printable::lines(reason, MAX_REASON_LINES))
}

fn rejected(task: &TaskId, attempt: u32, reason: &Rejection) -> Line {
    const KEPT: &str = "rolled back, nothing was written to the workspace";
    let (what, details) = match reason {
        Rejection::Unparseable { detail } => {
            (format!("the answer cannot be read → {KEPT}"), printable::lines(detail, MAX_REASON_LINES))
        }
        Rejection::DoesNotApply { detail } => {
            (format!("the edits do not apply → {KEPT}"), printable::lines(detail, MAX_REASON_LINES))
        }
        Rejection::OutsideClaim { paths } => {
            (format!("it writes what the task may not write → {KEPT}"), paths.clone())
        }
        Rejection::ValidationFailed { output } => {
            (format!("the check failed → {KEPT}"), printable::telling(output))
        }
        Rejection::Conflict { paths } => (
            "somebody changed the same files meanwhile → theirs stand, it is done again on top".to_owned(),
            paths.clone(),
        ),
    };
    Line::new(Mark::Failed, format!("edit {task} (attempt {attempt}): {what}")).with(details)
}

fn reviewed(round: u32, review: &Review) -> Line {
    let (mark, verdict) = match review.verdict {
        Verdict::Approve => (Mark::Done, "approved"),
        Verdict::RequestChanges => (Mark::Failed, "changes requested"),
    };
    let finding = |finding: &Finding| {
        let severity = match finding.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Note => "note",
        };
        let line = finding.line.map(|line| format!(":{line}")).unwrap_or_default();
        format!("{severity} in {}{line}: {}", finding.path, finding.title)
    };
    let mut details: Vec<String> = review.findings.iter().take(MAX_FINDINGS).map(finding).collect();
    if review.findings.len() > MAX_FINDINGS {
        details.push(format!("… {} more findings", review.findings.len() - MAX_FINDINGS));
    }
    Line::new(mark, format!("review {round}: {verdict}: {}", review.summary)).with(details)
}

#[cfg(test)]
mod tests;
