//! The writer: who may append, what a group is, whom a bad write hurts, and what a failing database does.

use diesel::Connection as _;
use tokio::sync::oneshot;
use units::{Fence, Seq, TokenCount, UnixMillis, WorkflowId};

use super::*;
use crate::connection::each;
use crate::fixture::{CommitCount, Place, Running, append, execute, new_workflow, usage};
use crate::{Append, Claimed, MAX_APPEND_EVENTS, MAX_PAYLOAD_BYTES, MAX_USAGE_ROWS};

mod grouping;
mod interleaving;

type Answer<T> = oneshot::Receiver<Result<T, WriteError>>;

fn appending(append: Append) -> (Write, Answer<Seq>) {
    let (reply, answer) = oneshot::channel();
    (Write::Append { append, reply }, answer)
}

/// Runs a writer over what is waiting already, to the end.
fn run(writer: Writer, writes: Vec<Write>) -> (Result<(), Error>, Vec<Vec<Committed>>) {
    let (inbox, waiting) = mpsc::channel(writes.len().max(1));
    for write in writes {
        inbox.try_send(write).unwrap();
    }
    drop(inbox);
    let mut hints = Vec::new();
    let end = writer.run(waiting, |grown| hints.push(grown.to_vec()));
    (end, hints)
}

fn watch(writer: &mut Writer, commits: &CommitCount) {
    each!(&mut writer.connection, one => one.set_instrumentation(commits.clone()));
}

fn ids(place: &Place, workflow: &WorkflowId) -> Vec<u64> {
    let events = place.readers().events_after(workflow, Seq(0), 1000).unwrap();
    assert!(
        events.iter().zip(1..).all(|(event, seq)| event.seq == Seq(seq)),
        "a gap or a double: {events:?}"
    );
    events.into_iter().map(|event| event.id.0).collect()
}

#[test]
fn a_writer_that_ends_leaves_no_log_behind_though_readers_are_open() {
    // A file has a log; a server keeps its own.
    let place = Place::file();
    let running = place.start();
    let readers = place.readers();
    let (id, _) = running.owned(1);
    running.append(append(&id, Fence(1), Seq(0), &[11, 12])).unwrap();
    let log = place.path.with_extension("db-wal");
    let length = || std::fs::metadata(&log).map_or(0, |found| found.len());
    assert!(length() > 0, "{} is not where the log is", log.display());
    running.stop().unwrap();
    assert_eq!(length(), 0);
    assert_eq!(readers.events_after(&id, Seq(0), 10).unwrap().len(), 2);
}

#[test]
fn an_append_goes_where_its_sender_knows_the_end() {
    let place = Place::new();
    let running = place.start();
    let (id, claimed) = running.owned(1);
    assert_eq!(claimed, Claimed { fence: Fence(1), last_seq: Seq(0) });
    assert_eq!(running.append(append(&id, Fence(1), Seq(0), &[11, 12])).unwrap(), Seq(2));

    for stale in [Seq(0), Seq(1), Seq(3), Seq(u64::MAX)] {
        let refused = running.append(append(&id, Fence(1), stale, &[13]));
        assert!(matches!(refused, Err(WriteError::OutOfSequence { last: Seq(2) })), "{refused:?}");
    }
    assert_eq!(running.append(append(&id, Fence(1), Seq(2), &[13])).unwrap(), Seq(3));
    assert_eq!(ids(&place, &id), [11, 12, 13]);
    running.stop().unwrap();
}

#[test]
fn a_claim_fences_off_the_owner_before() {
    let place = Place::new();
    let running = place.start();
    let (id, first) = running.owned(1);
    running.append(append(&id, first.fence, Seq(0), &[1])).unwrap();
    let second = running.claim(&id).unwrap();
    assert_eq!(second, Claimed { fence: Fence(2), last_seq: Seq(1) });

    let mut zombie = append(&id, first.fence, Seq(1), &[2]);
    zombie.status = Some("done".to_owned());
    zombie.outcome = Some("done".to_owned());
    zombie.usage = vec![usage("zombie", Some(&id))];
    let refused = running.append(zombie);
    assert!(matches!(refused, Err(WriteError::Fenced { current: Fence(2) })), "{refused:?}");

    let row = place.readers().workflow(&id).unwrap().unwrap();
    assert_eq!((row.status.as_str(), row.outcome, row.last_seq), ("planning", None, Seq(1)));
    assert_eq!(place.readers().usage_of(&id).unwrap(), []);
    running.stop().unwrap();
}

#[test]
fn knows_no_workflow_that_was_not_created_and_creates_none_twice() {
    let place = Place::new();
    let running = place.start();
    let (id, _) = running.owned(1);
    let again = running.ask(|reply| Write::Create { new: new_workflow(1), reply });
    assert!(matches!(again, Err(WriteError::Exists(known)) if known == id));
    assert_eq!(place.readers().workflow(&id).unwrap().unwrap().fence, Fence(1));

    let unknown = WorkflowId::from_random(2);
    assert!(matches!(running.claim(&unknown), Err(WriteError::NotFound(_))));
    let refused = running.append(append(&unknown, Fence(1), Seq(0), &[1]));
    assert!(matches!(refused, Err(WriteError::NotFound(_))));
    assert_eq!(ids(&place, &unknown), [0; 0]);
    running.stop().unwrap();
}

#[test]
fn what_waits_becomes_one_commit() {
    const WAITING: u64 = 100;
    let place = Place::new();
    let running = place.start();
    let owned: Vec<_> = (0..WAITING).map(|number| running.owned(number).0).collect();
    running.stop().unwrap();

    let mut writer = Writer::open(&place.database).unwrap();
    let commits = CommitCount::default();
    watch(&mut writer, &commits);
    let (writes, answers): (Vec<_>, Vec<_>) =
        owned.iter().map(|id| appending(append(id, Fence(1), Seq(0), &[5]))).unzip();
    let (end, hints) = run(writer, writes);
    end.unwrap();

    assert_eq!(commits.get(), 1);
    assert!(answers.into_iter().all(|answer| answer.blocking_recv().unwrap().unwrap() == Seq(1)));
    let hinted: Vec<_> = owned.iter().map(|id| Committed { workflow: id.clone(), seq: Seq(1) }).collect();
    assert_eq!(hints, [hinted]);
}

#[test]
fn a_group_has_a_most_of_writes_and_of_bytes() {
    let place = Place::new();
    let running = place.start();
    let (id, _) = running.owned(1);
    running.stop().unwrap();
    let count_commits = |writes: Vec<Write>| {
        let mut writer = Writer::open(&place.database).unwrap();
        let commits = CommitCount::default();
        watch(&mut writer, &commits);
        run(writer, writes).0.unwrap();
        commits.get()
    };

    let small =
        (0..2 * MAX_BATCH_WRITES as u64 + 1).map(|n| appending(append(&id, Fence(1), Seq(n), &[n])).0);
    assert_eq!(count_commits(small.collect()), 3);

    let start = 2 * MAX_BATCH_WRITES as u64 + 1;
    let heavy = (start..start + 5).map(|n| {
        let mut heavy = append(&id, Fence(1), Seq(n), &[n]);
        heavy.events[0].payload = "x".repeat(MAX_PAYLOAD_BYTES);
        appending(heavy).0
    });
    assert_eq!(count_commits(heavy.collect()), 2);
    assert_eq!(place.readers().workflow(&id).unwrap().unwrap().last_seq, Seq(start + 5));
}

#[test]
fn a_poison_write_hurts_only_itself() {
    let place = Place::new();
    let running = place.start();
    let (good, _) = running.owned(1);
    let (bad, _) = running.owned(2);
    running.stop().unwrap();

    // The usage of a workflow that there is not breaks a foreign key: the statement fails, and the group with it.
    let mut poison = append(&bad, Fence(1), Seq(0), &[7]);
    poison.usage = vec![usage("poison", Some(&WorkflowId::from_random(99)))];
    let mut usual = append(&good, Fence(1), Seq(1), &[2]);
    usual.usage = vec![usage("usual", Some(&good))];
    let (writes, mut answers): (Vec<_>, Vec<_>) =
        [append(&good, Fence(1), Seq(0), &[1]), poison, usual].into_iter().map(appending).unzip();
    let (told, heard) = std::sync::mpsc::sync_channel(16);
    let writer =
        Writer::open(&place.database).unwrap().watched(move |transaction| told.send(transaction).unwrap());
    let (end, hints) = run(writer, writes);
    end.unwrap();
    let begins = |writes| Transaction::Begins { writes };
    let (committed, failed) = (Transaction::Committed, Transaction::Failed);
    let expected = [begins(3), failed, begins(1), committed, begins(1), failed, begins(1), committed];
    assert_eq!(heard.iter().collect::<Vec<_>>(), expected);

    let mut next = || answers.remove(0).blocking_recv().unwrap();
    assert_eq!(next().unwrap(), Seq(1));
    let refused = next();
    assert!(matches!(refused, Err(WriteError::Refused(_))), "{refused:?}");
    assert_eq!(next().unwrap(), Seq(2));
    assert_eq!(ids(&place, &good), [1, 2]);
    assert_eq!(place.readers().usage_of(&good).unwrap().len(), 1);
    // The poison's events went with its usage, and its position is free again.
    assert_eq!(ids(&place, &bad), [0; 0]);
    assert_eq!(place.readers().workflow(&bad).unwrap().unwrap().last_seq, Seq(0));
    assert!(hints.iter().flatten().all(|hint| hint.workflow == good));
}

#[test]
fn usage_of_a_known_key_counts_once() {
    let place = Place::new();
    let running = place.start();
    let (id, claimed) = running.owned(1);
    let mut first = append(&id, claimed.fence, Seq(0), &[1]);
    first.usage = vec![usage("call/1", Some(&id)), usage("call/1", Some(&id)), usage("call/2", Some(&id))];
    running.append(first.clone()).unwrap();

    let mut dearer = usage("call/1", Some(&id));
    dearer.usage.input = TokenCount(1_000_000);
    let second = Append { after: Seq(1), usage: vec![dearer.clone()], ..first };
    running.append(second).unwrap();
    running.used(vec![dearer]);

    let readers = place.readers();
    let keys: Vec<_> = readers.usage_of(&id).unwrap().into_iter().map(|row| row.call_key).collect();
    assert_eq!(keys, ["call/1", "call/2"]);
    assert_eq!(readers.usage_by_model(&id).unwrap()[0].usage.input, TokenCount(20));
    running.stop().unwrap();
}

#[test]
fn a_flush_is_answered_after_what_was_sent_before() {
    let place = Place::new();
    let running = place.start();
    let (id, claimed) = running.owned(1);
    let (write, _unasked) = appending(append(&id, claimed.fence, Seq(0), &[1]));
    running.inbox.blocking_send(write).unwrap();
    running.ask(|reply| Write::Flush { reply }).unwrap();
    assert_eq!(ids(&place, &id), [1]);
    running.stop().unwrap();
}

#[test]
fn a_hint_comes_before_the_answer_and_what_it_tells_can_be_read() {
    let place = Place::new();
    let running = place.start();
    let (id, claimed) = running.owned(1);
    running.append(append(&id, claimed.fence, Seq(0), &[1, 2])).unwrap();
    assert_eq!(*running.hints.lock().unwrap(), [[Committed { workflow: id.clone(), seq: Seq(2) }]]);
    running.stop().unwrap();

    let readers = place.readers();
    let (write, _answer) = appending(append(&id, claimed.fence, Seq(2), &[3]));
    let (inbox, waiting) = mpsc::channel(1);
    inbox.try_send(write).unwrap();
    drop(inbox);
    let mut seen = None;
    let writer = Writer::open(&place.database).unwrap();
    writer.run(waiting, |_| seen = readers.event_id_at(&id, Seq(3)).unwrap()).unwrap();
    assert_eq!(seen.map(|event| event.0), Some(3));
}

#[test]
fn refuses_what_is_beyond_a_bound_and_writes_nothing_of_it() {
    let place = Place::new();
    let running = place.start();
    let (id, claimed) = running.owned(1);
    let fits = append(&id, claimed.fence, Seq(0), &[1, 2]);
    let changed = |change: fn(&mut Append)| {
        let mut append = fits.clone();
        change(&mut append);
        append
    };
    let beyond = [
        changed(|append| append.events[1].payload = "x".repeat(MAX_PAYLOAD_BYTES + 1)),
        changed(|append| append.events[1].kind = "x".repeat(513)),
        changed(|append| append.status = Some("x".repeat(513))),
        changed(|append| append.outcome = Some("x".repeat((64 << 10) + 1))),
        changed(|append| append.usage = vec![usage("a", None); MAX_USAGE_ROWS + 1]),
        changed(|append| append.usage = vec![usage(&"x".repeat(513), None)]),
        append(&id, claimed.fence, Seq(0), &vec![1; MAX_APPEND_EVENTS + 1]),
        changed(|append| {
            append.events = vec![append.events[0].clone(); 5];
            for event in &mut append.events {
                event.payload = "x".repeat(MAX_PAYLOAD_BYTES);
            }
        }),
        changed(|append| {
            append.usage = vec![usage("a", None)];
            append.usage[0].usage.cached_input = TokenCount(u64::MAX);
        }),
        changed(|append| {
            append.usage = vec![usage("a", None)];
            append.usage[0].duration_ms = u64::MAX;
        }),
    ];
    for (number, append) in beyond.into_iter().enumerate() {
        let refused = running.append(append);
        assert!(matches!(refused, Err(WriteError::TooLarge { .. })), "{number}: {refused:?}");
    }
    let unstorable = [
        changed(|append| append.events[1].payload.push('\0')),
        changed(|append| append.events[1].kind.push('\0')),
        changed(|append| append.status = Some("\0".to_owned())),
        changed(|append| append.outcome = Some("\0".to_owned())),
        changed(|append| append.usage = vec![usage("a\0", None)]),
    ];
    for (number, append) in unstorable.into_iter().enumerate() {
        let refused = running.append(append);
        assert!(matches!(refused, Err(WriteError::NotText { .. })), "{number}: {refused:?}");
    }
    let mut new = new_workflow(2);
    new.goal = "a\0b".to_owned();
    let refused = running.ask(|reply| Write::Create { new, reply });
    assert!(matches!(refused, Err(WriteError::NotText { what: "the goal" })), "{refused:?}");
    let mut new = new_workflow(2);
    new.goal = "x".repeat((64 << 10) + 1);
    let refused = running.ask(|reply| Write::Create { new, reply });
    assert!(matches!(refused, Err(WriteError::TooLarge { .. })));

    let largest = changed(|append| append.events[1].payload = "x".repeat(MAX_PAYLOAD_BYTES));
    assert_eq!(running.append(largest).unwrap(), Seq(2));
    running.stop().unwrap();
}

#[test]
fn a_full_disk_is_told_to_all_who_wait_and_loses_nothing_acknowledged() {
    let place = Place::file();
    let running = place.start();
    let (id, _) = running.owned(1);
    running.append(append(&id, Fence(1), Seq(0), &[1])).unwrap();
    running.stop().unwrap();

    let mut writer = Writer::open(&place.database).unwrap();
    // No page more than there are: SQLite then fails as it does on a full disk.
    execute(&mut writer.connection, "PRAGMA max_page_count = 1").unwrap();
    let mut heavy = append(&id, Fence(1), Seq(1), &[2]);
    heavy.events[0].payload = "x".repeat(1 << 20);
    let after = append(&id, Fence(1), Seq(2), &[3]);
    let (writes, answers): (Vec<_>, Vec<_>) = [heavy, after].into_iter().map(appending).unzip();
    let (end, hints) = run(writer, writes);

    let error = end.unwrap_err();
    assert!(matches!(error, Error::WriterFailed { .. }), "{error:?}");
    assert!(error.to_string().contains("full"), "{error}");
    for answer in answers {
        assert!(matches!(answer.blocking_recv().unwrap(), Err(WriteError::Database(_))));
    }
    assert_eq!(hints, [[]; 0]);
    assert_eq!(ids(&place, &id), [1]);

    let fresh = place.start();
    assert_eq!(fresh.append(append(&id, Fence(1), Seq(1), &[2])).unwrap(), Seq(2));
    fresh.stop().unwrap();
}

#[test]
fn after_a_failure_every_waiting_reply_is_answered_and_the_inbox_is_closed() {
    let place = Place::new();
    let running = place.start();
    let (id, _) = running.owned(1);
    running.stop().unwrap();
    let mut writer = Writer::open(&place.database).unwrap();
    execute(&mut writer.connection, "DROP TABLE workflow_events").unwrap();

    // More than one group, so that some still wait in the inbox when the first group fails.
    let count = MAX_BATCH_WRITES as u64 + 40;
    let (inbox, waiting) = mpsc::channel(count as usize);
    let answers: Vec<_> = (0..count)
        .map(|n| {
            let (write, answer) = appending(append(&id, Fence(1), Seq(0), &[n]));
            inbox.try_send(write).unwrap();
            answer
        })
        .collect();
    assert!(matches!(writer.run(waiting, |_| ()), Err(Error::WriterFailed { .. })));
    for answer in answers {
        assert!(matches!(answer.blocking_recv().unwrap(), Err(WriteError::Database(_))));
    }
    assert!(inbox.is_closed());
}

#[test]
fn a_caller_who_left_does_not_stop_the_writer() {
    let place = Place::new();
    let running = place.start();
    let (id, claimed) = running.owned(1);
    let (write, answer) = appending(append(&id, claimed.fence, Seq(0), &[1]));
    drop(answer);
    running.inbox.blocking_send(write).unwrap();
    assert_eq!(running.append(append(&id, claimed.fence, Seq(1), &[2])).unwrap(), Seq(2));
    running.stop().unwrap();
}

#[test]
fn many_senders_lose_nothing() {
    const SENDERS: u64 = 8;
    const APPENDS: u64 = 25;
    let place = Place::new();
    let running = place.start();
    std::thread::scope(|scope| {
        for sender in 0..SENDERS {
            let running: &Running = &running;
            scope.spawn(move || {
                let (id, claimed) = running.owned(sender);
                for n in 0..APPENDS {
                    assert_eq!(running.append(append(&id, claimed.fence, Seq(n), &[n])).unwrap(), Seq(n + 1));
                }
            });
        }
    });
    for sender in 0..SENDERS {
        assert_eq!(ids(&place, &WorkflowId::from_random(sender)), (0..APPENDS).collect::<Vec<_>>());
    }
    running.stop().unwrap();
}

#[test]
fn the_time_of_a_claim_is_kept() {
    let place = Place::new();
    let running = place.start();
    let (id, _) = running.owned(1);
    assert_eq!(place.readers().workflow(&id).unwrap().unwrap().updated_at, UnixMillis(2));
    running.stop().unwrap();
}
