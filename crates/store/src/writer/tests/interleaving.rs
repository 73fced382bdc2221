//! Law: however two owners interleave, grouped in whatever way, no position is lost or given twice.

use std::cell::RefCell;

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Step {
    /// An owner claims the workflow.
    Claim(usize),
    /// An owner appends so many events where it believes the end to be, or off by one.
    Append { owner: usize, events: usize, early: bool },
    /// What was sent so far becomes one group, and both owners read their answers.
    Group,
}

/// What an owner believes; it learns from answers alone.
#[derive(Clone, Copy, Default)]
struct Belief {
    fence: Fence,
    last: Seq,
}

#[derive(Default)]
struct Model {
    fence: u64,
    history: Vec<(u64, u64)>,
}

enum Sent {
    Claim(usize, Answer<Claimed>, Claimed),
    Append(usize, Answer<Seq>, Result<Seq, String>),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let owner = 0..2usize;
    let step = prop_oneof![
        1 => owner.clone().prop_map(Step::Claim),
        5 => (owner, 0..4usize, prop::bool::weighted(0.1))
            .prop_map(|(owner, events, early)| Step::Append { owner, events, early }),
        3 => Just(Step::Group),
    ];
    prop::collection::vec(step, 1..40)
}

impl Model {
    fn claim(&mut self) -> Claimed {
        self.fence += 1;
        Claimed { fence: Fence(self.fence), last_seq: Seq(self.history.len() as u64) }
    }

    fn append(&mut self, append: &Append) -> Result<Seq, String> {
        let last = Seq(self.history.len() as u64);
        if append.fence.0 != self.fence {
            return Err(WriteError::Fenced { current: Fence(self.fence) }.to_string());
        }
        if append.after != last {
            return Err(WriteError::OutOfSequence { last }.to_string());
        }
        self.history.extend(append.events.iter().map(|event| (event.id.0, self.fence)));
        Ok(Seq(self.history.len() as u64))
    }
}

fn learn(sent: Vec<Sent>, owners: &mut [Belief; 2]) {
    for sent in sent {
        match sent {
            Sent::Claim(owner, answer, expected) => {
                let claimed = answer.blocking_recv().unwrap().unwrap();
                assert_eq!(claimed, expected);
                owners[owner] = Belief { fence: claimed.fence, last: claimed.last_seq };
            }
            Sent::Append(owner, answer, expected) => {
                let answer = answer.blocking_recv().unwrap();
                if let Ok(last) | Err(WriteError::OutOfSequence { last }) = answer {
                    owners[owner].last = last;
                }
                assert_eq!(answer.map_err(|error| error.to_string()), expected);
            }
        }
    }
}

fn check(writer: &mut Writer, workflow: &WorkflowId, steps: Vec<Step>) -> Model {
    let mut model = Model::default();
    let mut owners = [Belief::default(); 2];
    let (mut group, mut sent) = (Vec::new(), Vec::new());
    let mut next_event = 0;
    for step in steps.into_iter().chain([Step::Group]) {
        match step {
            Step::Claim(owner) => {
                let (reply, answer) = oneshot::channel();
                group.push(Write::Claim { workflow: workflow.clone(), at: UnixMillis(0), reply });
                sent.push(Sent::Claim(owner, answer, model.claim()));
            }
            Step::Append { owner, events, early } => {
                let belief = owners[owner];
                let ids: Vec<u64> = (next_event..next_event + events as u64).collect();
                next_event += events as u64;
                let after = Seq(belief.last.0 + u64::from(early));
                let append = append(workflow, belief.fence, after, &ids);
                let expected = model.append(&append);
                let (write, answer) = appending(append);
                group.push(write);
                sent.push(Sent::Append(owner, answer, expected));
            }
            Step::Group => {
                writer.write(std::mem::take(&mut group), &mut |_: &[Committed]| ()).unwrap();
                learn(std::mem::take(&mut sent), &mut owners);
            }
        }
    }
    model
}

#[test]
fn two_owners_neither_lose_nor_double_a_position() {
    let place = Place::new();
    // Cases share the database, as opening one costs more than all their steps; each has a workflow of its own.
    let shared = RefCell::new((Writer::open(&place.database).unwrap(), 0));
    let readers = place.readers();
    proptest!(|(steps in steps())| {
        let (writer, number) = &mut *shared.borrow_mut();
        *number += 1;
        let new = new_workflow(*number);
        let workflow = new.id.clone();
        let (reply, _answer) = oneshot::channel();
        writer.write(vec![Write::Create { new, reply }], &mut |_: &[Committed]| ()).unwrap();

        let model = check(writer, &workflow, steps);

        let history = readers.events_after(&workflow, Seq(0), 1000).unwrap();
        let read: Vec<_> = history.iter().map(|event| (event.id.0, event.fence.0)).collect();
        prop_assert_eq!(read, model.history);
        prop_assert!(history.iter().zip(1..).all(|(event, seq)| event.seq == Seq(seq)));
        let row = readers.workflow(&workflow).unwrap().unwrap();
        prop_assert_eq!((row.fence, row.last_seq), (Fence(model.fence), Seq(history.len() as u64)));
    });
}
