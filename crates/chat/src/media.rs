//! Images, documents and sound.

use serde::{Deserialize, Serialize};

/// An image, a document or a sound, and where its bytes are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Media {
    /// Its type, as `image/png`; `None` where the sender left it to the receiver.
    pub mime: Option<String>,
    /// Where its bytes are.
    pub source: Source,
    /// A document's name or title.
    pub name: Option<String>,
    /// How closely a model is to look: a vendor's word, as `low` or `high`.
    pub detail: Option<String>,
}

/// Where the bytes are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// Here, in standard base64.
    Base64(String),
    /// Here, as plain text.
    Text(String),
    /// Behind this address; the provider fetches it, never this server.
    Url(String),
    /// At the provider, under the id it gave.
    File(String),
}
