//! Keys over the wire: a secret is in one answer alone, and shows itself nowhere else.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use access::{Models, Record, Scope};
use serde::{Deserialize, Serialize};
use units::{KeyId, UnixMillis};

/// The body of `POST /admin/keys`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyOrder {
    /// What people call it.
    pub name: String,
    /// Which doors it opens.
    pub scopes: Vec<Scope>,
    /// How long it lives, in seconds; left out, until it is revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in_s: Option<u64>,
    /// Which models it may use, as `provider` or `provider/model`; all where none is named.
    #[serde(default, skip_serializing_if = "Models::are_all")]
    pub models: Models,
    /// Beneath which folders it may work; wherever the server may, where none is named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roots: Vec<PathBuf>,
    /// What its holder wants to find again in the records.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
}

/// The body of `POST /admin/keys/{id}/rotate`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RotateOrder {
    /// How long the old key goes on, in seconds.
    pub overlap_s: u64,
}

/// Answers what makes a key: the only time that its text is shown.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MadeKey {
    /// The key's text.
    pub key: ShownOnce,
    /// What is kept of it.
    #[serde(flatten)]
    pub view: KeyView,
}

/// A key's text on its way to its holder.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ShownOnce(pub String);

impl fmt::Debug for ShownOnce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// Answers `GET /admin/keys`: the newest first.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct KeyList {
    /// All keys, those that are over among them.
    pub keys: Vec<KeyView>,
}

/// A key without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyView {
    /// Its public part.
    pub id: KeyId,
    /// What people call it.
    pub name: String,
    /// Whether it opens anything now.
    pub state: KeyState,
    /// Which doors it opens.
    pub scopes: Vec<Scope>,
    /// Which models it may use; all where none is named.
    pub models: Models,
    /// Beneath which folders it may work; wherever the server may, where none is named.
    pub roots: Vec<PathBuf>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// When it was made.
    pub created_at: UnixMillis,
    /// When it expires.
    pub expires_at: Option<UnixMillis>,
    /// When it was revoked.
    pub revoked_at: Option<UnixMillis>,
    /// When it was last used, to about a minute.
    pub last_used_at: Option<UnixMillis>,
    /// The key that it took the place of.
    pub rotated_from: Option<KeyId>,
}

/// Whether a key opens anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyState {
    /// It does.
    Valid,
    /// Its time is over.
    Expired,
    /// It was taken back.
    Revoked,
}

impl KeyView {
    /// A key as it is at `now`.
    pub(crate) fn new(record: Record, now: UnixMillis) -> Self {
        let state = match (record.revoked_at, record.is_over(now)) {
            (Some(_), _) => KeyState::Revoked,
            (None, true) => KeyState::Expired,
            (None, false) => KeyState::Valid,
        };
        let grant = record.grant;
        Self {
            id: grant.id,
            name: grant.name,
            state,
            scopes: grant.scopes.iter().collect(),
            models: grant.models,
            roots: grant.roots,
            tags: grant.tags,
            created_at: record.created_at,
            expires_at: grant.expires_at,
            revoked_at: record.revoked_at,
            last_used_at: record.last_used_at,
            rotated_from: record.rotated_from,
        }
    }
}
