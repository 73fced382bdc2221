//! A batch that is refused is written row by row, each row once, wherever the life that writes it ends.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use supervision::{Intensity, Limit, Pool, SupervisorSpec, Tree};
use units::UnixMillis;

use super::*;
use crate::feed::Feed;
use crate::metrics::{Families, Spans};
use crate::writer::Writer;

const ROWS: u64 = 6;
/// Which one no database takes.
const REFUSED: u64 = 3;

fn row(number: u64) -> Record {
    let odd = if number == REFUSED { "\0" } else { "" };
    Record::Request(store::RequestRow {
        at: UnixMillis(1),
        request_id: format!("{number}{odd}"),
        principal: "socket".to_owned(),
        door: "socket".to_owned(),
        method: "GET".to_owned(),
        route: "/".to_owned(),
        status: 200,
        duration_ms: 1,
        bytes_in: None,
        bytes_out: None,
    })
}

/// Gathers until so many rows are known to be written, and is cut off there.
async fn gather_until(passage: &Passage, backlog: &Arc<Backlog>, recorded: u64) {
    let mut life = pin!(passage.gather(backlog, Duration::ZERO));
    poll_fn(|context| {
        let Poll::Pending = life.as_mut().poll(context) else { panic!("it goes on for ever") };
        if passage.recorded() >= recorded { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

#[actix_rt::test]
async fn a_life_that_ends_between_the_rows_of_a_refused_batch_doubles_and_loses_none() {
    for cut in 1..ROWS {
        let folder = tempfile::tempdir().unwrap();
        let database = store::Database::Sqlite(folder.path().join("history.db"));
        let clock = Clock::real();
        let families = Families::new(&Spans::new());
        let (feed, feed_mailbox, _) = Feed::child(&clock);
        let (writer, pen, turn) = Writer::child(database.clone(), feed_mailbox, &families.storage(), &clock);
        let limit = Limit::Shared(Intensity::default());
        let root = SupervisorSpec { limit, children: vec![feed, writer], ..SupervisorSpec::new("root") };
        let tree = Tree::start(root, clock.clone(), Pool::new(1)).await.unwrap();

        let node = NodeId::from_random(7);
        let passage = Passage::new(node.clone(), 0, pen, None, clock);
        let backlog = Arc::new(Backlog::default());
        (1..=ROWS).for_each(|number| backlog.push(row(number)));
        gather_until(&passage, &backlog, cut).await;
        assert_eq!(backlog.len() as u64, ROWS - passage.recorded(), "cut after {cut}");
        gather_until(&passage, &backlog, ROWS).await;

        let readers = store::Readers::open(&database, 1.try_into().unwrap()).unwrap();
        let found = readers.requests(&store::RequestQuery::default()).unwrap();
        let mut found: Vec<String> = found.into_iter().map(|one| one.row.request_id).collect();
        found.reverse();
        let expected = (1..=ROWS).filter(|number| *number != REFUSED).map(|number| number.to_string());
        assert_eq!(found, expected.collect::<Vec<_>>(), "cut after {cut}");
        assert_eq!((readers.recorded(&node).unwrap(), backlog.len()), (ROWS, 0));
        tree.stop().await;
        turn.is_over().await;
    }
}
