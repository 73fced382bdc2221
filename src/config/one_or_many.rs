//! Settings that are written as one text or as a list of texts.

use std::fmt;
use std::marker::PhantomData;
use std::path::PathBuf;

use routing::MAX_CHAIN;
use serde::de::{self, Deserializer, SeqAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};
use units::{DeploymentId, ModelName};

/// What a role asks: `auto`, a provider, a model, `provider/model`, or a list of the latter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Any model that is ready.
    Auto,
    /// A provider of this name, else a model of this name at whatever provider has one.
    Word(ModelName),
    /// These and no other, in this order.
    Chain(Vec<DeploymentId>),
}

impl<'de> Deserialize<'de> for Wanted {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Texts::<Self>(PhantomData))
    }
}

impl Serialize for Wanted {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Auto => serializer.serialize_str("auto"),
            Self::Word(word) => word.serialize(serializer),
            Self::Chain(chain) => match chain.as_slice() {
                [only] => only.serialize(serializer),
                chain => chain.serialize(serializer),
            },
        }
    }
}

impl OneOrMany for Wanted {
    const EXPECTED: &'static str = "`auto`, a provider, a model, provider/model or a list of the latter";
    const MOST: usize = MAX_CHAIN;

    fn one(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            text if text.contains('/') => Self::many(vec![text.to_owned()]),
            text => text.parse().map(Self::Word).map_err(|error| error.to_string()),
        }
    }

    fn many(texts: Vec<String>) -> Result<Self, String> {
        if texts.is_empty() {
            return Err("an empty list: name a provider/model, or write auto".to_owned());
        }
        let parsed: Result<Vec<_>, _> = texts.iter().map(|text| text.parse()).collect();
        parsed.map(Self::Chain).map_err(|error| error.to_string())
    }
}

/// Names of environment variables; the first that is set counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variables(pub Vec<String>);

impl<'de> Deserialize<'de> for Variables {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Texts::<Self>(PhantomData))
    }
}

impl Serialize for Variables {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.as_slice() {
            [only] => only.serialize(serializer),
            names => names.serialize(serializer),
        }
    }
}

impl OneOrMany for Variables {
    const EXPECTED: &'static str = "the name of an environment variable, or a list of names";
    const MOST: usize = 8;

    fn one(text: &str) -> Result<Self, String> {
        Self::many(vec![text.to_owned()])
    }

    fn many(texts: Vec<String>) -> Result<Self, String> {
        let is_name = |text: &String| {
            let starts = text.starts_with(|first: char| first.is_ascii_uppercase() || first == '_');
            starts && text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
        };
        // What stands here by mistake may be the key itself: it is not repeated.
        if texts.is_empty() || !texts.iter().all(is_name) {
            return Err(
                "no name of a variable: use A-Z, 0-9 and `_`; the key itself does not belong here".into()
            );
        }
        Ok(Self(texts))
    }
}

/// Folders; as one text they are separated by `:`, as in `PATH`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Folders(pub Vec<PathBuf>);

impl<'de> Deserialize<'de> for Folders {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Texts::<Self>(PhantomData))
    }
}

impl OneOrMany for Folders {
    const EXPECTED: &'static str = "a list of folders";
    const MOST: usize = 256;

    fn one(text: &str) -> Result<Self, String> {
        Self::many(text.split(':').map(ToOwned::to_owned).collect())
    }

    fn many(texts: Vec<String>) -> Result<Self, String> {
        if texts.len() > Self::MOST || texts.iter().any(String::is_empty) {
            return Err(format!("one of the folders has no name, or there are more than {}", Self::MOST));
        }
        Ok(Self(texts.into_iter().map(PathBuf::from).collect()))
    }
}

/// What is written as one text or as a list of texts.
pub(super) trait OneOrMany: Sized {
    const EXPECTED: &'static str;
    const MOST: usize;

    fn one(text: &str) -> Result<Self, String>;
    fn many(texts: Vec<String>) -> Result<Self, String>;
}

/// Reads it.
pub(super) struct Texts<T>(pub(super) PhantomData<T>);

impl<'de, T: OneOrMany> Visitor<'de> for Texts<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::EXPECTED)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        T::one(text).map_err(E::custom)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<T, A::Error> {
        let mut texts = Vec::new();
        while let Some(text) = sequence.next_element::<String>()? {
            if texts.len() == T::MOST {
                return Err(de::Error::custom(format!("more than {} entries: remove some", T::MOST)));
            }
            texts.push(text);
        }
        T::many(texts).map_err(de::Error::custom)
    }
}
