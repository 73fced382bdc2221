//! All keys as a request reads them: found by id, compared by digest, judged by time.
//!
//! Lookups cost no wait: a request asks the snapshot in force and nobody else.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use units::{KeyId, UnixMillis};

use crate::{Digest, Grant, Presented};

/// The most keys, those that are over among them.
pub const MAX_KEYS: usize = 10_000;
/// A use is noted this often at most, in milliseconds.
pub const USED_EVERY_MS: i64 = 60_000;

/// Everything that is kept of a key.
#[derive(Clone, Debug)]
pub struct Record {
    /// What it grants.
    pub grant: Grant,
    /// Of its secret.
    pub digest: Digest,
    /// When it was made.
    pub created_at: UnixMillis,
    /// From then on it opens nothing, whatever its expiry says.
    pub revoked_at: Option<UnixMillis>,
    /// When it was last used, to about a minute; `None` before its first use.
    pub last_used_at: Option<UnixMillis>,
    /// The key that it took the place of.
    pub rotated_from: Option<KeyId>,
}

/// Why a key opens nothing. The caller is told none of this; the log is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// It has not the form of a key.
    #[error("it has not the form of a key")]
    Malformed,
    /// Its checksum does not fit.
    #[error("its checksum does not fit: it was mistyped or cut")]
    Mistyped,
    /// There is no key of this id.
    #[error("there is no key of this id")]
    Unknown,
    /// The id is right, and the secret is not.
    #[error("its secret is not that of the key of this id")]
    WrongSecret,
    /// Its time is over.
    #[error("it has expired")]
    Expired,
    /// Somebody took it back.
    #[error("it was revoked")]
    Revoked,
    /// It is from before keys with `admin` could not be confined, and would not be confined.
    #[error(
        "it has the scope `admin` and is confined to roots or models, which no key with `admin` can be: make another"
    )]
    ConfinedAdmin,
}

impl Record {
    /// Whether it opens nothing any more.
    pub fn is_over(&self, now: UnixMillis) -> bool {
        self.judge(now).is_err()
    }

    fn judge(&self, now: UnixMillis) -> Result<(), Invalid> {
        if self.revoked_at.is_some() {
            return Err(Invalid::Revoked);
        }
        if self.grant.is_confined_admin() {
            return Err(Invalid::ConfinedAdmin);
        }
        match self.grant.expires_at {
            Some(end) if end <= now => Err(Invalid::Expired),
            _ => Ok(()),
        }
    }
}

#[derive(Clone, Debug)]
struct Entry {
    grant: Arc<Grant>,
    record: Record,
    /// Shared by all snapshots: what one of them notes is not lost to the next.
    used: Arc<AtomicI64>,
}

/// Some keys.
#[derive(Clone, Debug, Default)]
pub struct Keyring(BTreeMap<KeyId, Entry>);

impl Keyring {
    /// A keyring of these keys, which keeps the uses that `before` has noted.
    pub fn new(records: impl IntoIterator<Item = Record>, before: &Self) -> Self {
        let mut keyring = Self::default();
        for record in records {
            let used = before.0.get(&record.grant.id).map(|entry| entry.used.clone());
            keyring.insert(record, used.unwrap_or_default());
        }
        keyring
    }

    /// This keyring with `record` in the place of the key of its id, or beside the others.
    pub fn with(&self, record: Record) -> Self {
        let mut keyring = self.clone();
        let used = self.0.get(&record.grant.id).map(|entry| entry.used.clone());
        keyring.insert(record, used.unwrap_or_default());
        keyring
    }

    fn insert(&mut self, record: Record, used: Arc<AtomicI64>) {
        let grant = Arc::new(record.grant.clone());
        used.fetch_max(record.last_used_at.map_or(0, |at| at.0), Ordering::Relaxed);
        self.0.insert(grant.id.clone(), Entry { grant, record, used });
    }

    /// What this key grants now, and notes that it was used.
    ///
    /// # Errors
    /// Why it grants nothing. Expiry and revocation are told only of a key whose secret is right.
    pub fn resolve(&self, text: &str, now: UnixMillis) -> Result<Arc<Grant>, Invalid> {
        let presented = Presented::parse(text)?;
        let entry = self.0.get(&presented.id).ok_or(Invalid::Unknown)?;
        if !entry.record.digest.matches(&presented.digest) {
            return Err(Invalid::WrongSecret);
        }
        entry.record.judge(now)?;
        if now.0 - entry.used.load(Ordering::Relaxed) >= USED_EVERY_MS {
            entry.used.fetch_max(now.0, Ordering::Relaxed);
        }
        Ok(entry.grant.clone())
    }

    /// Whether a key opens anything now.
    pub fn has_valid(&self, now: UnixMillis) -> bool {
        self.0.values().any(|entry| !entry.record.is_over(now))
    }

    /// A key's record as it stands, its last use among it.
    pub fn get(&self, id: &KeyId) -> Option<Record> {
        self.0.get(id).map(Entry::standing)
    }

    /// All records as they stand, the newest first.
    pub fn records(&self) -> Vec<Record> {
        let mut records: Vec<Record> = self.0.values().map(Entry::standing).collect();
        records
            .sort_by(|one, other| (other.created_at, &other.grant.id).cmp(&(one.created_at, &one.grant.id)));
        records
    }

    /// The keys whose last use is newer than `recorded` says, with that use.
    pub fn uses(&self, recorded: &BTreeMap<KeyId, UnixMillis>) -> Vec<(KeyId, UnixMillis)> {
        let used = |(id, entry): (&KeyId, &Entry)| {
            let at = entry.standing().last_used_at?;
            let known = recorded.get(id).copied().or(entry.record.last_used_at);
            known.is_none_or(|known| known < at).then(|| (id.clone(), at))
        };
        self.0.iter().filter_map(used).collect()
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Entry {
    fn standing(&self) -> Record {
        let used = self.used.load(Ordering::Relaxed);
        Record { last_used_at: (used > 0).then_some(UnixMillis(used)), ..self.record.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Key, Models, SECRET_BYTES};

    fn record(key: &Key) -> Record {
        Record {
            grant: Grant {
                id: key.id.clone(),
                name: "ci".to_owned(),
                scopes: "workflows".parse().unwrap(),
                expires_at: None,
                models: Models::default(),
                roots: Vec::new(),
                tags: BTreeMap::new(),
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
    fn opens_for_the_right_secret_alone() {
        let (one, other) = (key(1), key(2));
        let keyring = Keyring::new([record(&one)], &Keyring::default());
        let now = UnixMillis(10);
        assert_eq!(keyring.resolve(one.text.expose(), now).unwrap().id, one.id);
        assert_eq!(keyring.resolve(other.text.expose(), now), Err(Invalid::Unknown));
        let forged = Key::from_random(1, &[9; SECRET_BYTES]);
        assert_eq!(keyring.resolve(forged.text.expose(), now), Err(Invalid::WrongSecret));
    }

    #[test]
    fn an_expiry_takes_effect_on_its_millisecond_and_a_revocation_at_once() {
        let key = key(1);
        let mut expiring = record(&key);
        expiring.grant.expires_at = Some(UnixMillis(100));
        let keyring = Keyring::new([expiring.clone()], &Keyring::default());
        let text = key.text.expose();
        assert!(keyring.resolve(text, UnixMillis(99)).is_ok() && keyring.has_valid(UnixMillis(99)));
        assert_eq!(keyring.resolve(text, UnixMillis(100)), Err(Invalid::Expired));
        assert!(!keyring.has_valid(UnixMillis(100)));
        let revoked = keyring.with(Record { revoked_at: Some(UnixMillis(5)), ..expiring });
        assert_eq!(revoked.resolve(text, UnixMillis(6)), Err(Invalid::Revoked));
        // Who does not know the secret does not learn what became of the key.
        let forged = Key::from_random(1, &[9; SECRET_BYTES]);
        assert_eq!(revoked.resolve(forged.text.expose(), UnixMillis(6)), Err(Invalid::WrongSecret));
    }

    #[test]
    fn a_confined_key_with_admin_from_before_the_rule_opens_nothing() {
        let (old, free) = (key(1), key(2));
        let with = |key: &Key, roots: &[&str]| {
            let mut record = record(key);
            record.grant.scopes = "admin".parse().unwrap();
            record.grant.roots = roots.iter().map(Into::into).collect();
            record
        };
        let keyring = Keyring::new([with(&old, &["/work"])], &Keyring::default());
        assert_eq!(keyring.resolve(old.text.expose(), UnixMillis(9)), Err(Invalid::ConfinedAdmin));
        assert!(!keyring.has_valid(UnixMillis(9)));
        let keyring = keyring.with(with(&free, &[]));
        assert!(keyring.resolve(free.text.expose(), UnixMillis(9)).is_ok());
    }

    #[test]
    fn a_use_is_noted_coarsely_and_survives_a_new_snapshot() {
        let key = key(1);
        let keyring = Keyring::new([record(&key)], &Keyring::default());
        let none = BTreeMap::new();
        assert_eq!(keyring.uses(&none), []);
        let (first, soon, later) = (USED_EVERY_MS, USED_EVERY_MS + 1, 2 * USED_EVERY_MS);
        for now in [first, soon] {
            keyring.resolve(key.text.expose(), UnixMillis(now)).unwrap();
            assert_eq!(keyring.uses(&none), [(key.id.clone(), UnixMillis(first))]);
        }
        let next = Keyring::new([record(&key)], &keyring);
        keyring.resolve(key.text.expose(), UnixMillis(later)).unwrap();
        assert_eq!(next.get(&key.id).unwrap().last_used_at, Some(UnixMillis(later)));
        let recorded = [(key.id.clone(), UnixMillis(later))].into();
        assert_eq!(next.uses(&recorded), []);
    }
}
