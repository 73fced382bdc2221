//! Table `api_keys`: what is kept of each key, its digest instead of its secret. A key that is over stays as a row.

use access::{Digest, Grant, Models, Record};
use diesel::prelude::*;
use units::{KeyId, UnixMillis};

use crate::connection::{Connection, each};
use crate::error::{Error, WriteError};
use crate::schema::api_keys;
use crate::write::Claimed;

/// What happens to keys.
#[derive(Clone, Debug)]
pub enum KeyChange {
    /// A new one; [`WriteError::KeyExists`] where its id is taken.
    Create(Box<Record>),
    /// One is taken back; one that is already stays as it is.
    Revoke {
        /// Which.
        id: KeyId,
        /// When.
        at: UnixMillis,
    },
    /// A new one takes the place of another, which works until `until`, or shorter where it expires before.
    Rotate {
        /// The new one; its `rotated_from` is the old one.
        new: Box<Record>,
        /// The old one.
        old: KeyId,
        /// The old one's last moment.
        until: UnixMillis,
    },
    /// When keys were last used.
    Used(Vec<(KeyId, UnixMillis)>),
}

#[derive(Insertable, Queryable, Selectable)]
#[diesel(table_name = api_keys)]
struct Row {
    id: String,
    name: String,
    digest: String,
    scopes: String,
    models: String,
    roots: String,
    tags: String,
    created_at: i64,
    expires_at: Option<i64>,
    revoked_at: Option<i64>,
    last_used_at: Option<i64>,
    rotated_from: Option<String>,
}

impl KeyChange {
    /// Refuses what is beyond a bound.
    pub(crate) fn check(&self) -> Result<(), WriteError> {
        match self {
            Self::Create(new) | Self::Rotate { new, .. } => {
                new.grant.check().map_err(|reason| WriteError::BadGrant { reason })
            }
            Self::Revoke { .. } => Ok(()),
            Self::Used(uses) if uses.len() > access::MAX_KEYS => Err(WriteError::TooLarge {
                what: "uses of keys in a write",
                size: uses.len() as u64,
                most: access::MAX_KEYS as u64,
            }),
            Self::Used(_) => Ok(()),
        }
    }
}

impl From<&Record> for Row {
    fn from(record: &Record) -> Self {
        let grant = &record.grant;
        Self {
            id: grant.id.to_string(),
            name: grant.name.clone(),
            digest: record.digest.to_hex(),
            scopes: grant.scopes.to_string(),
            models: grant.models_text(),
            roots: grant.roots_text(),
            tags: grant.tags_text(),
            created_at: record.created_at.0,
            expires_at: grant.expires_at.map(|at| at.0),
            revoked_at: record.revoked_at.map(|at| at.0),
            last_used_at: record.last_used_at.map(|at| at.0),
            rotated_from: record.rotated_from.as_ref().map(ToString::to_string),
        }
    }
}

impl TryFrom<Row> for Record {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self, Error> {
        let parse_id =
            |id: String| KeyId::try_from(id).map_err(|reason| Error::Damaged { table: "api_keys", reason });
        let id = parse_id(row.id)?;
        let damaged = |reason| Error::DamagedKey { id: id.clone(), reason };
        Ok(Self {
            digest: Digest::from_hex(&row.digest).map_err(damaged)?,
            created_at: UnixMillis(row.created_at),
            revoked_at: row.revoked_at.map(UnixMillis),
            last_used_at: row.last_used_at.map(UnixMillis),
            rotated_from: row.rotated_from.map(parse_id).transpose()?,
            grant: Grant {
                name: row.name,
                scopes: row.scopes.parse().map_err(damaged)?,
                expires_at: row.expires_at.map(UnixMillis),
                models: Models::from_lines(&row.models).map_err(damaged)?,
                roots: row.roots.lines().map(Into::into).collect(),
                tags: Grant::tags_from_lines(&row.tags).map_err(damaged)?,
                id,
            },
        })
    }
}

pub(crate) fn change(
    connection: &mut Connection,
    change: &KeyChange,
) -> QueryResult<Result<Claimed, WriteError>> {
    match change {
        KeyChange::Create(new) => insert(connection, new),
        KeyChange::Revoke { id, at } => {
            let living = api_keys::table.find(id.as_str()).filter(api_keys::revoked_at.is_null());
            let revoke = diesel::update(living).set(api_keys::revoked_at.eq(at.0));
            if each!(connection, one => revoke.execute(one))? == 1 {
                return Ok(Ok(Claimed::default()));
            }
            standing(connection, id)
        }
        KeyChange::Rotate { new, old, until } => {
            let old = api_keys::table.find(old.as_str());
            let later = api_keys::expires_at.is_null().or(api_keys::expires_at.gt(until.0));
            let shorten = diesel::update(old.filter(later)).set(api_keys::expires_at.eq(until.0));
            each!(connection, one => shorten.execute(one))?;
            insert(connection, new)
        }
        KeyChange::Used(uses) => {
            for (id, at) in uses {
                let note =
                    diesel::update(api_keys::table.find(id.as_str())).set(api_keys::last_used_at.eq(at.0));
                each!(connection, one => note.execute(one))?;
            }
            Ok(Ok(Claimed::default()))
        }
    }
}

fn insert(connection: &mut Connection, new: &Record) -> QueryResult<Result<Claimed, WriteError>> {
    let row = Row::from(new);
    let insert = diesel::insert_into(api_keys::table).values(row).on_conflict(api_keys::id).do_nothing();
    let made = each!(connection, one => insert.execute(one))?;
    let taken = || WriteError::KeyExists { id: new.grant.id.clone() };
    Ok(if made == 1 { Ok(Claimed::default()) } else { Err(taken()) })
}

/// Whether there is such a key at all.
fn standing(connection: &mut Connection, id: &KeyId) -> QueryResult<Result<Claimed, WriteError>> {
    let query = api_keys::table.find(id.as_str()).select(api_keys::created_at);
    let found: Option<i64> = each!(connection, one => query.first(one).optional())?;
    Ok(found.map(|_| Claimed::default()).ok_or_else(|| WriteError::NoKey { id: id.clone() }))
}

/// All of them.
pub(crate) fn all(connection: &mut Connection, most: usize) -> Result<Vec<Record>, Error> {
    let query = api_keys::table.order(api_keys::id).limit(most as i64 + 1);
    let rows: Vec<Row> = each!(connection, one => query.select(Row::as_select()).load(one))?;
    if rows.len() > most {
        return Err(Error::TooMany { what: "keys", most });
    }
    rows.into_iter().map(Record::try_from).collect()
}

#[cfg(test)]
mod tests {
    use access::{Key, Keyring, SECRET_BYTES};

    use super::*;
    use crate::Write;
    use crate::fixture::{Place, execute};

    fn record(key: &Key) -> Record {
        Record {
            grant: Grant {
                id: key.id.clone(),
                name: "Übersetzer’s key".to_owned(),
                scopes: "gateway,workflows".parse().unwrap(),
                expires_at: Some(UnixMillis(5_000)),
                models: Models(vec!["demo".parse().unwrap(), "other/some/model".parse().unwrap()]),
                roots: vec!["/w/a b".into(), "/srv".into()],
                tags: [("team".to_owned(), "a=b; c".to_owned()), ("env".to_owned(), String::new())].into(),
            },
            digest: key.digest,
            created_at: UnixMillis(1),
            revoked_at: None,
            last_used_at: None,
            rotated_from: None,
        }
    }

    fn key(number: u8) -> Key {
        Key::from_random(number.into(), &[number; SECRET_BYTES])
    }

    #[test]
    fn a_key_reads_back_and_opens_after_the_database_was_opened_anew() {
        let place = Place::new();
        let key = key(1);
        let writer = place.start();
        let create = |reply| Write::Keys { change: KeyChange::Create(Box::new(record(&key))), reply };
        writer.ask(create).unwrap();
        assert!(matches!(writer.ask(create), Err(WriteError::KeyExists { .. })));
        writer.stop().unwrap();

        let read = place.readers().keys().unwrap();
        assert_eq!(read[0].grant, record(&key).grant);
        let keyring = Keyring::new(read, &Keyring::default());
        assert!(keyring.resolve(key.text.expose(), UnixMillis(4_999)).is_ok());
    }

    #[test]
    fn a_revocation_keeps_its_first_time_and_wants_a_key() {
        let place = Place::new();
        let (known, unknown) = (key(1), key(2));
        let writer = place.start();
        let change = |change| writer.ask(|reply| Write::Keys { change, reply });
        change(KeyChange::Create(Box::new(record(&known)))).unwrap();
        for at in [10, 20] {
            change(KeyChange::Revoke { id: known.id.clone(), at: UnixMillis(at) }).unwrap();
        }
        let none = change(KeyChange::Revoke { id: unknown.id.clone(), at: UnixMillis(1) });
        assert!(matches!(none, Err(WriteError::NoKey { id }) if id == unknown.id));
        change(KeyChange::Used(vec![(known.id.clone(), UnixMillis(9))])).unwrap();
        let read = &place.readers().keys().unwrap()[0];
        assert_eq!((read.revoked_at, read.last_used_at), (Some(UnixMillis(10)), Some(UnixMillis(9))));
        writer.stop().unwrap();
    }

    #[test]
    fn a_rotation_never_lengthens_the_old_keys_life_and_comes_whole_or_not_at_all() {
        let place = Place::new();
        let (old, new) = (key(1), key(2));
        let writer = place.start();
        let change = |change| writer.ask(|reply| Write::Keys { change, reply });
        change(KeyChange::Create(Box::new(record(&old)))).unwrap();
        let successor = Record { rotated_from: Some(old.id.clone()), ..record(&new) };
        let rotate =
            |until| KeyChange::Rotate { new: Box::new(successor.clone()), old: old.id.clone(), until };
        change(rotate(UnixMillis(9_000))).unwrap();
        let read = place.readers().keys().unwrap();
        assert_eq!(read[0].grant.expires_at, Some(UnixMillis(5_000)));
        assert_eq!(read[1].rotated_from, Some(old.id.clone()));
        assert!(matches!(change(rotate(UnixMillis(1))), Err(WriteError::KeyExists { .. })));
        writer.stop().unwrap();
    }

    #[test]
    fn a_grant_beyond_its_bounds_and_a_damaged_row_are_told() {
        let place = Place::new();
        let writer = place.start();
        let mut bad = record(&key(1));
        bad.grant.name.clear();
        let refused = writer.ask(|reply| Write::Keys { change: KeyChange::Create(Box::new(bad)), reply });
        assert!(matches!(refused, Err(WriteError::BadGrant { .. })));
        let good = KeyChange::Create(Box::new(record(&key(1))));
        writer.ask(|reply| Write::Keys { change: good, reply }).unwrap();
        writer.stop().unwrap();
        execute(&mut place.connection(), "UPDATE api_keys SET scopes = 'root'").unwrap();
        let read = place.readers().keys().unwrap_err();
        assert!(matches!(&read, Error::DamagedKey { id, .. } if *id == key(1).id), "{read}");
    }
}
