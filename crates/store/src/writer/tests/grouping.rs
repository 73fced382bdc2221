//! Law: a group comes to what its writes come to one by one, in each answer and in every row.

use std::cell::RefCell;
use std::fmt::Debug;

use proptest::prelude::*;
use units::TaskId;

use super::*;
use crate::schema::workflows;
use crate::{AgentRow, Projection, Reply, TaskRow};

/// So many workflows there are; one more is named.
const WORKFLOWS: usize = 4;

/// One write, as a sender means it.
#[derive(Clone, Copy, Debug)]
enum Step {
    Claim {
        workflow: usize,
    },
    Append {
        workflow: usize,
        events: u64,
        /// How far the sender is off: 1 knows the end.
        after: u64,
        /// How far its token is off.
        fence: u64,
        with: With,
    },
    Flush,
}

/// What an append brings beside its events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum With {
    Nothing,
    /// Of one of a few calls, so that some are counted already.
    Usage {
        call: u64,
    },
    UsageOfNobody,
    Agents,
    Outcome,
    TooMuch,
}

/// A write that can be sent to both.
enum Planned {
    Claim(WorkflowId),
    Append(Append),
    Flush,
}

type Answered = Box<dyn FnOnce() -> String>;

/// A database, and who writes to it.
struct Side {
    place: Place,
    writer: Writer,
}

/// Where fences and histories stand, if all goes as it should; what is planned after something else is off, which is fine.
struct Course {
    ids: Vec<WorkflowId>,
    standing: [Claimed; WORKFLOWS + 1],
    written: u64,
}

fn steps() -> impl Strategy<Value = Vec<Vec<Step>>> {
    let workflow = || prop_oneof![20 => 0..WORKFLOWS, 1 => Just(WORKFLOWS)];
    let with = prop_oneof![
        6 => Just(With::Nothing),
        3 => (0..6u64).prop_map(|call| With::Usage { call }),
        1 => Just(With::UsageOfNobody),
        3 => Just(With::Agents),
        1 => Just(With::Outcome),
        1 => Just(With::TooMuch),
    ];
    let off = || prop_oneof![8 => Just(1u64), 1 => Just(0), 1 => Just(2)];
    let append =
        (workflow(), 0..4u64, off(), off(), with).prop_map(|(workflow, events, after, fence, with)| {
            Step::Append { workflow, events, after, fence, with }
        });
    let step = prop_oneof![
        1 => workflow().prop_map(|workflow| Step::Claim { workflow }),
        10 => append,
        1 => Just(Step::Flush),
    ];
    prop::collection::vec(prop::collection::vec(step, 1..12), 1..4)
}

impl Course {
    fn plan(&mut self, step: Step) -> Planned {
        match step {
            Step::Flush => Planned::Flush,
            Step::Claim { workflow } => {
                self.standing[workflow].fence.0 += 1;
                Planned::Claim(self.ids[workflow].clone())
            }
            Step::Append { workflow, events, after, fence, with } => {
                let (id, standing) = (self.ids[workflow].clone(), self.standing[workflow]);
                let events: Vec<u64> = (self.written..self.written + events).collect();
                self.written += events.len() as u64;
                let last = Seq((standing.last_seq.0 + after).saturating_sub(1));
                let token = Fence((standing.fence.0 + fence).saturating_sub(1));
                let is_right =
                    (after, fence) == (1, 1) && !matches!(with, With::TooMuch | With::UsageOfNobody);
                if is_right {
                    self.standing[workflow].last_seq.0 += events.len() as u64;
                }
                Planned::Append(self.with(with, append(&id, token, last, &events)))
            }
        }
    }

    fn with(&self, with: With, append: Append) -> Append {
        let rows = |call: &str, of: &WorkflowId| {
            vec![usage(call, Some(of)), usage(&format!("{of}/{call}"), Some(of))]
        };
        match with {
            With::Nothing => append,
            With::Usage { call } => {
                Append { usage: rows(&format!("{}/{call}", self.ids[0]), &append.workflow), ..append }
            }
            With::UsageOfNobody => Append { usage: rows("of nobody", &self.ids[WORKFLOWS]), ..append },
            With::Agents => Append {
                projection: Some(projection(self.written)),
                status: Some(format!("at {}", self.written)),
                ..append
            },
            With::Outcome => Append { outcome: Some(format!("ended at {}", self.written)), ..append },
            With::TooMuch => Append { status: Some("x".repeat(513)), ..append },
        }
    }
}

/// One agent and two tasks, one of them twice: the later row is the one that stays.
fn projection(number: u64) -> Projection {
    let agent = AgentRow {
        step: "plan/1".to_owned(),
        role: "planner".to_owned(),
        attempt: 1,
        prompt: number.is_multiple_of(2).then(|| ("plan".to_owned(), number.to_string())),
        deployment: number.is_multiple_of(3).then(|| "local/model".parse().unwrap()),
        calls: 1,
        failures: 0,
        started_at: UnixMillis(1),
        ended_at: None,
        outcome: number.is_multiple_of(2).then(|| "accepted".to_owned()),
    };
    let task = |task: &str, status: &str| TaskRow {
        task: TaskId::try_from(task.to_owned()).unwrap(),
        place: 0,
        title: format!("title {number}"),
        group: 1,
        status: status.to_owned(),
        attempt: 1,
        depends_on: "[]".to_owned(),
        reads: "[]".to_owned(),
        writes: "[]".to_owned(),
    };
    let again = AgentRow { calls: 2, ..agent.clone() };
    let tasks = vec![task("one", "ready"), task("two", "ready"), task("one", &number.to_string())];
    Projection { agents: vec![agent, again], tasks }
}

fn asking<T: Debug + Send + 'static>(write: impl FnOnce(Reply<T>) -> Write) -> (Write, Answered) {
    let (reply, answer) = oneshot::channel::<Result<T, WriteError>>();
    let answered = || match answer.blocking_recv().unwrap() {
        Ok(done) => format!("{done:?}"),
        Err(error) => error.to_string(),
    };
    (write(reply), Box::new(answered))
}

impl Planned {
    fn send(&self) -> (Write, Answered) {
        match self {
            Self::Claim(workflow) => {
                let workflow = workflow.clone();
                asking(|reply| Write::Claim { workflow, at: UnixMillis(7), reply })
            }
            Self::Append(append) => asking(|reply| Write::Append { append: append.clone(), reply }),
            Self::Flush => asking(|reply| Write::Flush { reply }),
        }
    }
}

impl Side {
    fn new() -> Self {
        let place = Place::new();
        let writer = Writer::open(&place.database).unwrap();
        Self { place, writer }
    }

    /// Writes one group; the answers and the hints.
    fn write(&mut self, planned: &[Planned]) -> (Vec<String>, Vec<Committed>) {
        let (writes, answers): (Vec<_>, Vec<_>) = planned.iter().map(Planned::send).unzip();
        let mut hints = Vec::new();
        self.writer.write(writes, &mut |grown: &[Committed]| hints.extend_from_slice(grown)).unwrap();
        (answers.into_iter().map(|answer| answer()).collect(), hints)
    }

    fn create(&mut self, number: u64) -> WorkflowId {
        let new = new_workflow(number);
        let id = new.id.clone();
        let (write, answer) = asking(|reply| Write::Create { new, reply });
        self.writer.write(vec![write], &mut |_: &[Committed]| ()).unwrap();
        assert_eq!(answer(), "()");
        id
    }

    /// All that is stored of a workflow.
    fn stored(&mut self, readers: &crate::Readers, id: &WorkflowId) -> Vec<String> {
        let query = workflows::table.find(id.as_str()).select((workflows::projected_seq, workflows::bytes));
        let kept: Option<(i64, i64)> =
            each!(&mut self.writer.connection, one => query.first(one).optional()).unwrap();
        let mut stored = vec![format!("{kept:?} {:?}", readers.workflow(id).unwrap())];
        stored.extend(readers.events_after(id, Seq(0), 1000).unwrap().iter().map(|row| format!("{row:?}")));
        stored.extend(readers.usage_of(id).unwrap().iter().map(|row| format!("{row:?}")));
        stored.extend(readers.agents_of(id).unwrap().iter().map(|row| format!("{row:?}")));
        stored.extend(readers.tasks_of(id).unwrap().iter().map(|row| format!("{row:?}")));
        stored
    }
}

#[test]
fn a_group_comes_to_what_its_writes_come_to_one_by_one() {
    // Cases share the databases, as opening one costs more than all their steps; each has workflows of its own.
    let shared = RefCell::new((Side::new(), Side::new(), 0u64));
    let readers = {
        let sides = shared.borrow();
        [sides.0.place.readers(), sides.1.place.readers()]
    };
    proptest!(|(groups in steps())| {
        let (grouped, single, number) = &mut *shared.borrow_mut();
        let made = (0..WORKFLOWS).map(|_| {
            *number += 1;
            grouped.create(*number);
            single.create(*number)
        });
        let ids = made.chain([WorkflowId::from_random(u64::MAX)]).collect();
        let mut course = Course { ids, standing: [Claimed::default(); WORKFLOWS + 1], written: 0 };
        for group in groups {
            let planned: Vec<Planned> = group.into_iter().map(|step| course.plan(step)).collect();
            let together = grouped.write(&planned);
            let one_by_one: Vec<_> = planned.chunks(1).map(|one| single.write(one)).collect();
            let (answers, hints): (Vec<_>, Vec<_>) = one_by_one.into_iter().unzip();
            prop_assert_eq!(together, (answers.concat(), hints.concat()));
        }
        for id in &course.ids {
            prop_assert_eq!(grouped.stored(&readers[0], id), single.stored(&readers[1], id));
        }
    });
}
