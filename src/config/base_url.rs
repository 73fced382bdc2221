//! A provider's base URL: what is not allowed in it is refused without being shown.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use reqwest::Url;
use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize, Serializer};

/// Where a provider's API is: `http` or `https`, without user name, query or fragment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseUrl(Url);

impl BaseUrl {
    /// The URL.
    pub fn url(&self) -> &Url {
        &self.0
    }

    /// Whether only this machine can answer there.
    pub fn is_loopback(&self) -> bool {
        let host = self.0.host_str().unwrap_or_default().trim_matches(['[', ']']);
        host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
    }
}

impl FromStr for BaseUrl {
    type Err = &'static str;

    /// None of the reasons repeats the URL: what is wrong with it may be a password in it.
    fn from_str(text: &str) -> Result<Self, &'static str> {
        let url: Url = text.parse().map_err(|_| "no URL: write for example http://127.0.0.1:8000/v1")?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
            return Err("its scheme must be http or https, as in http://127.0.0.1:8000/v1");
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("a user name or password does not belong in it; use `api_key`");
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err("it may have no query and no fragment");
        }
        Ok(Self(url))
    }
}

impl<'de> Deserialize<'de> for BaseUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(UrlText)
    }
}

impl Serialize for BaseUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.as_str())
    }
}

struct UrlText;

impl Visitor<'_> for UrlText {
    type Value = BaseUrl;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a URL")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<BaseUrl, E> {
        text.parse().map_err(E::custom)
    }
}
