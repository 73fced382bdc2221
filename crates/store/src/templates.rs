//! Table `prompts`: each version of each template that a server ever had, so that a call's prompt can be looked up.

use diesel::prelude::*;
use units::UnixMillis;

use crate::connection::{Connection, each};
use crate::error::{Error, WriteError};
use crate::readers::{MAX_LISTED, Readers};
use crate::schema::prompts;
use crate::write::{MAX_NAME_BYTES, text, within};

/// The most bytes of each of a template's texts.
const MAX_TEXT_BYTES: usize = 1 << 20;

/// One version of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PromptRow {
    /// The template's name.
    pub name: String,
    /// The hash of its file.
    pub version: String,
    /// The version as its author counts.
    pub number: u32,
    /// What it is for.
    pub description: String,
    /// What the model is told about its role.
    pub system: String,
    /// What it is asked.
    pub user: String,
    /// When a server had it first.
    pub first_at: UnixMillis,
}

#[derive(Insertable, Queryable, Selectable)]
#[diesel(table_name = prompts)]
struct Record {
    name: String,
    version: String,
    number: i64,
    description: String,
    system_text: String,
    user_text: String,
    first_at: i64,
}

impl From<Record> for PromptRow {
    fn from(record: Record) -> Self {
        Self {
            name: record.name,
            version: record.version,
            number: u32::try_from(record.number).unwrap_or(u32::MAX),
            description: record.description,
            system: record.system_text,
            user: record.user_text,
            first_at: UnixMillis(record.first_at),
        }
    }
}

pub(crate) fn check(rows: &[PromptRow]) -> Result<(), WriteError> {
    within("prompts of a write", rows.len(), MAX_LISTED)?;
    for row in rows {
        for name in [&row.name, &row.version] {
            within("bytes of a prompt's name", name.len(), MAX_NAME_BYTES)?;
            text("a prompt's name", name)?;
        }
        for part in [&row.description, &row.system, &row.user] {
            within("bytes of a prompt", part.len(), MAX_TEXT_BYTES)?;
            text("a prompt", part)?;
        }
    }
    Ok(())
}

/// Writes the versions that are new; their number.
pub(crate) fn insert(connection: &mut Connection, rows: &[PromptRow]) -> QueryResult<u64> {
    let mut new = 0;
    for row in rows {
        let record = Record {
            name: row.name.clone(),
            version: row.version.clone(),
            number: row.number.into(),
            description: row.description.clone(),
            system_text: row.system.clone(),
            user_text: row.user.clone(),
            first_at: row.first_at.0,
        };
        let insert = diesel::insert_into(prompts::table)
            .values(record)
            .on_conflict((prompts::name, prompts::version))
            .do_nothing();
        new += each!(connection, one => insert.execute(one))? as u64;
    }
    Ok(new)
}

/// The name and the version of each.
pub(crate) fn versions(connection: &mut Connection) -> QueryResult<Vec<(String, String)>> {
    let query = prompts::table.select((prompts::name, prompts::version));
    each!(connection, one => query.load(one))
}

impl Readers {
    /// All versions of all templates, by name and by when a server had them first.
    ///
    /// # Errors
    /// [`Error::TooMany`] beyond [`MAX_LISTED`].
    pub fn prompts(&self) -> Result<Vec<PromptRow>, Error> {
        self.read(|connection| {
            let query = prompts::table
                .order((prompts::name, prompts::first_at, prompts::number, prompts::version))
                .limit(MAX_LISTED as i64 + 1);
            let records: Vec<Record> = each!(connection, one => query.select(Record::as_select()).load(one))?;
            if records.len() > MAX_LISTED {
                return Err(Error::TooMany { what: "versions of prompts", most: MAX_LISTED });
            }
            Ok(records.into_iter().map(PromptRow::from).collect())
        })
    }
}
