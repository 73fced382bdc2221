//! Table `responses`: answers that clients of OpenAI's Responses have had kept, each with the whole conversation before it.
//!
//! A row needs no other: one that goes takes no conversation with it that went on. Each has an owner, and nobody else
//! finds it. What an owner has beyond its room goes with the write that went beyond, the oldest first.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use units::UnixMillis;

use crate::connection::{Connection, each};
use crate::error::{Error, WriteError};
use crate::readers::Readers;
use crate::schema::responses;
use crate::write::{MAX_NAME_BYTES, text, within};

/// The most bytes of one answer and of the conversation before it, together.
pub const MAX_RESPONSE_BYTES: usize = 32 << 20;

/// An answer that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResponseRow {
    /// What clients call it.
    pub id: String,
    /// Whose it is.
    pub owner: String,
    /// When it was given.
    pub at: UnixMillis,
    /// Who gave it: provider/model.
    pub deployment: String,
    /// All that the model was given, a list of items as JSON: the conversation before the answer.
    pub given: String,
    /// The answer as its client has it, as JSON.
    pub answer: String,
}

/// How much one owner may have kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResponseRoom {
    /// Answers.
    pub rows: u64,
    /// Bytes of all of them, each with the conversation before it.
    pub bytes: u64,
}

/// What happens to answers that are kept.
#[derive(Clone, Debug)]
pub enum ResponseChange {
    /// One is kept; the oldest of its owner's that have no room beside it go.
    Keep {
        /// The answer; its id is new.
        row: Box<ResponseRow>,
        /// How much its owner may have.
        room: ResponseRoom,
    },
    /// One goes, if it is its owner's.
    Forget {
        /// Which.
        id: String,
        /// Whose.
        owner: String,
    },
}

#[derive(Insertable, Queryable, Selectable)]
#[diesel(table_name = responses)]
struct Record {
    id: String,
    owner: String,
    at: i64,
    weight: i64,
    deployment: String,
    given: String,
    answer: String,
}

impl ResponseRow {
    fn weight(&self) -> usize {
        self.given.len() + self.answer.len()
    }
}

impl ResponseChange {
    /// Refuses what is beyond a bound.
    pub(crate) fn check(&self) -> Result<(), WriteError> {
        let name =
            |what, name: &str| within(what, name.len(), MAX_NAME_BYTES).and_then(|()| text(what, name));
        match self {
            Self::Keep { row, .. } => {
                name("the id of an answer", &row.id)?;
                name("the owner of an answer", &row.owner)?;
                name("who gave an answer", &row.deployment)?;
                text("an answer", &row.answer)?;
                text("what an answer is to", &row.given)?;
                within("bytes of an answer that is kept", row.weight(), MAX_RESPONSE_BYTES)
            }
            Self::Forget { id, owner } => {
                name("the id of an answer", id)?;
                name("the owner of an answer", owner)
            }
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Keep { row, .. } => row.weight(),
            Self::Forget { .. } => 0,
        }
    }
}

/// How many rows were written, or are gone because they were to be forgotten.
pub(crate) fn change(connection: &mut Connection, change: &ResponseChange) -> QueryResult<u64> {
    match change {
        ResponseChange::Keep { row, room } => {
            insert(connection, row)?;
            make_room(connection, row, *room)?;
            Ok(1)
        }
        ResponseChange::Forget { id, owner } => {
            let own = responses::table.filter(responses::id.eq(id)).filter(responses::owner.eq(owner));
            let gone = each!(connection, one => diesel::delete(own).execute(one))?;
            Ok(gone as u64)
        }
    }
}

fn insert(connection: &mut Connection, row: &ResponseRow) -> QueryResult<()> {
    let record = Record {
        id: row.id.clone(),
        owner: row.owner.clone(),
        at: row.at.0,
        weight: row.weight() as i64,
        deployment: row.deployment.clone(),
        given: row.given.clone(),
        answer: row.answer.clone(),
    };
    each!(connection, one => diesel::insert_into(responses::table).values(&record).execute(one))?;
    Ok(())
}

/// Removes the oldest of an owner's that have no room beside this one.
fn make_room(connection: &mut Connection, row: &ResponseRow, room: ResponseRoom) -> QueryResult<()> {
    let most = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let weight = row.weight() as i64;
    let sql = "DELETE FROM responses WHERE id IN (SELECT id FROM \
               (SELECT id, ROW_NUMBER() OVER newest AS place, SUM(weight) OVER newest AS total \
               FROM responses WHERE owner = $1 AND id <> $2 WINDOW newest AS (ORDER BY at DESC, id DESC)) AS others \
               WHERE place > $3 OR total > $4)";
    each!(connection, one => diesel::sql_query(sql)
        .bind::<Text, _>(&row.owner)
        .bind::<Text, _>(&row.id)
        .bind::<BigInt, _>(most(room.rows.saturating_sub(1)))
        .bind::<BigInt, _>(most(room.bytes).saturating_sub(weight))
        .execute(one))?;
    Ok(())
}

impl Readers {
    /// An answer that this owner has had kept since; `None` where there is none.
    ///
    /// # Errors
    /// [`Error::Read`].
    pub fn response(
        &self,
        id: &str,
        owner: &str,
        since: Option<UnixMillis>,
    ) -> Result<Option<ResponseRow>, Error> {
        self.read(|connection| get(connection, id, owner, since))
    }
}

fn get(
    connection: &mut Connection,
    id: &str,
    owner: &str,
    since: Option<UnixMillis>,
) -> Result<Option<ResponseRow>, Error> {
    // One of the databases refuses such a text, and neither holds it.
    if id.contains('\0') {
        return Ok(None);
    }
    let since = since.map_or(i64::MIN, |since| since.0);
    let query = responses::table
        .filter(responses::id.eq(id))
        .filter(responses::owner.eq(owner))
        .filter(responses::at.ge(since));
    let found: Option<Record> =
        each!(connection, one => query.select(Record::as_select()).first(one).optional())?;
    Ok(found.map(|record| ResponseRow {
        id: record.id,
        owner: record.owner,
        at: UnixMillis(record.at),
        deployment: record.deployment,
        given: record.given,
        answer: record.answer,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Write;
    use crate::fixture::{Place, Running};

    const ROOM: ResponseRoom = ResponseRoom { rows: 3, bytes: 1_000 };

    fn row(id: &str, owner: &str, at: i64, bytes: usize) -> ResponseRow {
        ResponseRow {
            id: id.to_owned(),
            owner: owner.to_owned(),
            at: UnixMillis(at),
            deployment: "openai/text".to_owned(),
            given: "[]".to_owned(),
            answer: "x".repeat(bytes - 2),
        }
    }

    fn keep(writer: &Running, row: ResponseRow, room: ResponseRoom) -> Result<u64, WriteError> {
        let change = ResponseChange::Keep { row: Box::new(row), room };
        writer.ask(|reply| Write::Responses { change, reply })
    }

    fn kept(place: &Place, owner: &str) -> String {
        let readers = place.readers();
        let is_there = |id: &&str| readers.response(id, owner, None).unwrap().is_some();
        ["a", "b", "c", "d", "e"].into_iter().filter(is_there).collect()
    }

    #[test]
    fn an_answer_is_its_owners_alone_and_only_for_so_long() {
        let place = Place::new();
        let writer = place.start();
        keep(&writer, row("a", "key/1", 10, 9), ROOM).unwrap();
        assert!(matches!(keep(&writer, row("a", "key/2", 11, 9), ROOM), Err(WriteError::Refused(_))));
        let readers = place.readers();
        let read = |id: &str, owner: &str, since| readers.response(id, owner, since).unwrap();
        assert_eq!(read("a", "key/1", Some(UnixMillis(10))), Some(row("a", "key/1", 10, 9)));
        assert_eq!(read("a", "key/1", Some(UnixMillis(11))), None, "its time is over");
        assert_eq!(read("a", "key/2", None), None, "it is another's");
        assert_eq!(read("a\0", "key/1", None), None);
        let forget = |owner: &str| {
            let change = ResponseChange::Forget { id: "a".to_owned(), owner: owner.to_owned() };
            writer.ask(|reply| Write::Responses { change, reply }).unwrap()
        };
        assert_eq!((forget("key/2"), forget("key/1"), forget("key/1")), (0, 1, 0));
        assert_eq!(read("a", "key/1", None), None);
        writer.stop().unwrap();
    }

    #[test]
    fn the_oldest_of_an_owner_go_where_there_is_no_room_and_nobody_elses() {
        let place = Place::new();
        let writer = place.start();
        keep(&writer, row("e", "key/2", 1, 900), ROOM).unwrap();
        for (at, id) in (2..).zip(["a", "b", "c", "d"]) {
            keep(&writer, row(id, "key/1", at, 100), ROOM).unwrap();
        }
        assert_eq!(kept(&place, "key/1"), "bcd", "three are the most");
        keep(&writer, row("a", "key/1", 9, 800), ROOM).unwrap();
        assert_eq!(kept(&place, "key/1"), "acd", "as many bytes as may be");
        keep(&writer, row("b", "key/1", 10, 950), ROOM).unwrap();
        assert_eq!(kept(&place, "key/1"), "b");
        assert_eq!(kept(&place, "key/2"), "e");
        writer.stop().unwrap();
    }

    #[test]
    fn what_no_row_may_hold_is_refused() {
        let place = Place::new();
        let writer = place.start();
        let large = row("a", "key/1", 1, MAX_RESPONSE_BYTES + 1);
        assert!(matches!(keep(&writer, large, ROOM), Err(WriteError::TooLarge { .. })));
        let odd = row("a\0", "key/1", 1, 9);
        assert!(matches!(keep(&writer, odd, ROOM), Err(WriteError::NotText { .. })));
        writer.stop().unwrap();
    }
}
