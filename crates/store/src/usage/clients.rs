//! Which client had a call made, and what each of them used.

use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use units::UnixMillis;

use super::{Record, UsageRow};
use crate::connection::{Connection, each};
use crate::error::{Error, WriteError};
use crate::readers::{MAX_PAGE_ROWS, Readers};
use crate::schema::model_usage;
use crate::write::{MAX_NAME_BYTES, text, within};

/// The most bytes of a key's tags, each with the end of its line.
const MAX_TAGS_BYTES: usize = access::MAX_TAGS * (access::MAX_TAG_BYTES + 1);

/// Who had a call made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Client {
    /// The principal: `operator`, or `key/<id>`.
    pub principal: String,
    /// The tags that the key had then, one `name=value` a line; empty where it has none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub tags: String,
    /// Whether its own credential at the provider paid, so that the call cost the operator nothing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub pays: bool,
}

/// A client's call as it stands in the table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedUsage {
    /// Its place there: who reads on names the last one that was read.
    pub id: u64,
    /// The call.
    #[serde(flatten)]
    pub row: UsageRow,
}

/// Which clients' calls are wanted; the default are the newest of all.
#[derive(Clone, Debug, Default)]
pub struct UsageQuery {
    /// From this time on.
    pub since: Option<UnixMillis>,
    /// Of this principal alone.
    pub principal: Option<String>,
    /// Only what was recorded before this one.
    pub before: Option<u64>,
    /// At most so many; as many as a page holds where none is given.
    pub limit: Option<usize>,
}

impl Client {
    pub(crate) fn check(&self) -> Result<(), WriteError> {
        within("bytes of a call's principal", self.principal.len(), MAX_NAME_BYTES)?;
        within("bytes of a call's tags", self.tags.len(), MAX_TAGS_BYTES)?;
        text("a call's principal", &self.principal)?;
        text("a call's tags", &self.tags)
    }
}

impl Readers {
    /// The clients' calls that a query asks for, those first that were recorded last; at most its limit and
    /// [`MAX_PAGE_ROWS`].
    ///
    /// # Errors
    /// [`Error::Read`] and [`Error::Damaged`].
    pub fn usage_of_clients(&self, query: &UsageQuery) -> Result<Vec<RecordedUsage>, Error> {
        self.read(|connection| list(connection, query))
    }
}

fn list(connection: &mut Connection, query: &UsageQuery) -> Result<Vec<RecordedUsage>, Error> {
    let limit = query.limit.unwrap_or(MAX_PAGE_ROWS).min(MAX_PAGE_ROWS);
    let records: Vec<(i64, Record)> = each!(connection, one => {
        let mut found = model_usage::table
            .select((model_usage::id, Record::as_select()))
            .filter(model_usage::principal.is_not_null())
            .order(model_usage::id.desc())
            .limit(limit as i64)
            .into_boxed();
        if let Some(since) = query.since {
            found = found.filter(model_usage::at.ge(since.0));
        }
        if let Some(principal) = &query.principal {
            found = found.filter(model_usage::principal.eq(principal));
        }
        if let Some(before) = query.before {
            found = found.filter(model_usage::id.lt(i64::try_from(before).unwrap_or(i64::MAX)));
        }
        found.load(one)
    })?;
    let recorded = |(id, record): (i64, Record)| {
        Ok(RecordedUsage { id: id.cast_unsigned(), row: UsageRow::try_from(record)? })
    };
    records.into_iter().map(recorded).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{Place, usage};

    fn called(key: &str, principal: &str, tags: &str) -> UsageRow {
        let client = Client { principal: principal.to_owned(), tags: tags.to_owned(), pays: key == "3" };
        UsageRow { client: Some(client), ..usage(key, None) }
    }

    #[test]
    fn what_each_client_used_is_asked_for_by_its_name_and_read_on_page_by_page() {
        let place = Place::new();
        let running = place.start();
        let rows = vec![
            called("1", "key/a", "team=red\nrun=7"),
            usage("2", None),
            called("3", "key/b", ""),
            UsageRow { at: UnixMillis(9), ..called("4", "key/a", "team=blue") },
        ];
        running.used(rows.clone());
        running.stop().unwrap();

        let readers = place.readers();
        let found = |query: &UsageQuery| -> Vec<UsageRow> {
            readers.usage_of_clients(query).unwrap().into_iter().map(|found| found.row).collect()
        };
        let all = UsageQuery::default();
        assert_eq!(found(&all), [rows[3].clone(), rows[2].clone(), rows[0].clone()]);
        let of = |principal: &str| UsageQuery { principal: Some(principal.to_owned()), ..all.clone() };
        assert_eq!(found(&of("key/a")), [rows[3].clone(), rows[0].clone()]);
        assert_eq!(found(&of("key/c")), []);
        let last = readers.usage_of_clients(&UsageQuery { limit: Some(1), ..of("key/a") }).unwrap().remove(0);
        assert_eq!(found(&UsageQuery { before: Some(last.id), ..of("key/a") }), [rows[0].clone()]);
        assert_eq!(found(&UsageQuery { since: Some(UnixMillis(5)), ..all }), [rows[3].clone()]);
    }

    #[test]
    fn what_no_column_can_hold_is_refused_and_an_older_versions_record_is_read() {
        for wrong in [called("1", "key/\0", ""), called("1", "key/a", &"x".repeat(MAX_TAGS_BYTES + 1))] {
            assert!(wrong.client.unwrap().check().is_err());
        }
        let mut older = serde_json::to_value(called("1", "key/a", "")).unwrap();
        older.as_object_mut().unwrap().remove("client");
        assert_eq!(serde_json::from_value::<UsageRow>(older).unwrap(), usage("1", None));
    }
}
