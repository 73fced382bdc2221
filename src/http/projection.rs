//! A workflow's state as it is shown: its phase, its tasks and how far they are, its reviews, its costs.

use review::Review;
use store::WorkflowRow;
use workflow::{Phase, Progress, Stage, State};

use super::views::{
    ModelTotals, PlanView, ReviewView, TaskState, TaskView, Verdict, WorkflowLine, WorkflowView,
};

pub(super) fn line(row: WorkflowRow) -> WorkflowLine {
    let WorkflowRow { id, goal, root, status, fence: _, last_seq, created_at, updated_at, outcome } = row;
    WorkflowLine { id, goal, root, status, outcome, created_at, updated_at, last_seq }
}

pub(super) fn view(row: WorkflowRow, state: &State, totals: Vec<store::ModelTotals>) -> WorkflowView {
    WorkflowView {
        line: line(row),
        phase: phase(state).to_owned(),
        mode: state.settings().map(|settings| settings.mode),
        check: state.check().to_vec(),
        plan: state.plan().map(|plan| PlanView { summary: plan.summary.clone(), tasks: tasks(state) }),
        reviews: state.reviews().enumerate().map(|(place, given)| review(place + 1, given)).collect(),
        totals: totals.into_iter().map(total).collect(),
    }
}

fn phase(state: &State) -> &'static str {
    match state.phase() {
        Phase::New => "new",
        Phase::Planning => "planning",
        Phase::Editing => "editing",
        Phase::Reviewing => "reviewing",
        Phase::Compensating => "compensating",
        Phase::Finished(_) => "finished",
    }
}

fn tasks(state: &State) -> Vec<TaskView> {
    state.progress().into_iter().map(task).collect()
}

fn task(progress: Progress) -> TaskView {
    let Progress { task, group, stage, attempt } = progress;
    let state = match stage {
        Stage::Waiting => TaskState::Waiting,
        Stage::Editing => TaskState::Editing,
        Stage::Committed => TaskState::Committed,
        Stage::Undone => TaskState::Undone,
    };
    let (id, title, depends_on, writes) = (task.id, task.title, task.depends_on, task.writes);
    TaskView { id, title, group, state, attempt, depends_on, writes }
}

fn review(round: usize, review: &Review) -> ReviewView {
    let verdict = match review.verdict {
        review::Verdict::Approve => Verdict::Approve,
        review::Verdict::RequestChanges => Verdict::RequestChanges,
    };
    ReviewView { round, verdict, summary: review.summary.clone(), findings: review.findings.len() }
}

fn total(total: store::ModelTotals) -> ModelTotals {
    let store::ModelTotals { deployment, calls, usage, cost, unpriced_calls } = total;
    ModelTotals {
        deployment,
        calls,
        input: usage.input,
        cached_input: usage.cached_input,
        cache_written: usage.cache_written,
        output: usage.output,
        cost_nanodollars: cost,
        unpriced_calls,
    }
}

#[cfg(test)]
mod tests {
    use units::{Fence, Seq, TaskId, UnixMillis, WorkflowId};
    use workflow::{Command, Mode, Settings, apply, decide};

    use super::*;

    const PLAN: &str = r#"{"summary":"Two things.","tasks":[
        {"id":"a","title":"A","detail":"Do a.","writes":["a.txt"]},
        {"id":"b","title":"B","detail":"Do b.","writes":["b.txt"]},
        {"id":"c","title":"C","detail":"Do c.","depends_on":["a"],"writes":["c.txt"]}]}"#;

    fn start() -> Command {
        let settings = Settings {
            mode: Mode::Run,
            plan_attempts: 3,
            edit_attempts: 3,
            review_rounds: 3,
            parallel_editors: 1,
            step_failures: 3,
        };
        Command::Start {
            goal: "g".to_owned(),
            root: "/w".to_owned(),
            check: Vec::new(),
            settings,
            requester: None,
        }
    }

    fn state(commands: impl IntoIterator<Item = Command>) -> State {
        commands.into_iter().fold(State::default(), |state, command| {
            decide(&state, command).unwrap().iter().fold(state.clone(), apply)
        })
    }

    fn planned() -> Command {
        Command::PlanAnswered { attempt: 1, text: PLAN.to_owned() }
    }

    fn commit(task: &str, attempt: u32) -> [Command; 2] {
        let (task, transaction): (TaskId, _) = (task.parse().unwrap(), format!("{task}-{attempt}"));
        let paths = vec![format!("{task}.txt")];
        [
            Command::BeginCommit { task: task.clone(), attempt, transaction: transaction.clone(), paths },
            Command::CommitDone { task, attempt, transaction },
        ]
    }

    fn shown(state: &State) -> Vec<(String, usize, TaskState, u32)> {
        let show = |task: TaskView| (task.id.to_string(), task.group, task.state, task.attempt);
        tasks(state).into_iter().map(show).collect()
    }

    fn row(id: &str) -> WorkflowRow {
        WorkflowRow {
            id: WorkflowId::from_random(7),
            goal: id.to_owned(),
            root: "/w".to_owned(),
            status: "editing".to_owned(),
            fence: Fence(1),
            last_seq: Seq(3),
            created_at: UnixMillis(1),
            updated_at: UnixMillis(2),
            outcome: None,
        }
    }

    #[test]
    fn a_task_shows_its_group_and_how_far_it_is() {
        let reject = Command::EditRejected {
            task: "a".parse().unwrap(),
            attempt: 1,
            reason: workflow::Rejection::ValidationFailed { output: "no".to_owned() },
        };
        let before = state([start(), planned(), reject.clone()]);
        assert_eq!(
            shown(&before),
            [
                ("a".to_owned(), 1, TaskState::Editing, 2),
                ("b".to_owned(), 1, TaskState::Waiting, 0),
                ("c".to_owned(), 2, TaskState::Waiting, 0),
            ]
        );
        let after = state([start(), planned(), reject].into_iter().chain(commit("a", 2)));
        assert_eq!(shown(&after)[0], ("a".to_owned(), 1, TaskState::Committed, 2));
        assert_eq!(shown(&after)[1].2, TaskState::Editing);
    }

    #[test]
    fn what_was_undone_is_not_shown_as_committed() {
        let undone = Command::CompensationDone { transaction: "a-1".to_owned(), conflicts: Vec::new() };
        let abort = Command::Abort { by: "me".to_owned() };
        let state = state([start(), planned()].into_iter().chain(commit("a", 1)).chain([abort, undone]));
        assert_eq!(shown(&state)[0], ("a".to_owned(), 1, TaskState::Undone, 1));
        assert_eq!(phase(&state), "finished");
    }

    #[test]
    fn a_revision_is_a_group_after_all_others() {
        let review = r#"{"verdict":"request_changes","summary":"No.","findings":[
            {"severity":"error","path":"a.txt","title":"T","detail":"D"}]}"#;
        let reviewed = Command::ReviewAnswered { round: 1, attempt: 1, text: review.to_owned() };
        let commits = ["a", "b", "c"].into_iter().flat_map(|task| commit(task, 1));
        let state = state([start(), planned()].into_iter().chain(commits).chain([reviewed]));
        assert_eq!(shown(&state)[3], ("revise-1".to_owned(), 3, TaskState::Editing, 1));
        let view = view(row("g"), &state, Vec::new());
        assert_eq!((view.reviews[0].round, view.reviews[0].verdict), (1, Verdict::RequestChanges));
    }

    #[test]
    fn a_view_reads_back_as_it_was_written() {
        let view = view(row("g"), &state([start(), planned()]), Vec::new());
        let json = serde_json::to_string(&view).unwrap();
        assert_eq!(serde_json::from_str::<WorkflowView>(&json).unwrap(), view);
    }
}
