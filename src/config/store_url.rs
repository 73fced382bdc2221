//! The URL of the store's database: a password in it is refused without being shown.

use std::fmt;
use std::str::FromStr;

use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize, Serializer};
use store::PostgresUrl;

/// Where PostgreSQL is, without a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreUrl {
    text: String,
    url: PostgresUrl,
}

impl StoreUrl {
    /// The URL.
    pub fn url(&self) -> &PostgresUrl {
        &self.url
    }
}

impl FromStr for StoreUrl {
    type Err = String;

    /// None of the reasons repeats the URL: what is wrong with it may be a password in it.
    fn from_str(text: &str) -> Result<Self, String> {
        let url: PostgresUrl = text.parse().map_err(|reason: store::BadAddress| reason.to_string())?;
        if url.has_password() {
            return Err("a password does not belong in it; put it into a variable that `password_env` names"
                .to_owned());
        }
        Ok(Self { text: text.to_owned(), url })
    }
}

impl<'de> Deserialize<'de> for StoreUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(UrlText)
    }
}

impl Serialize for StoreUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

struct UrlText;

impl Visitor<'_> for UrlText {
    type Value = StoreUrl;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a URL such as postgres://user@host/database, or null")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<StoreUrl, E> {
        text.parse().map_err(E::custom)
    }
}
