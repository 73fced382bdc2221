//! `reasoning_details`: thoughts with their seals, in a field that OpenRouter gave to the dialect.
//!
//! Source: OpenRouter's page on reasoning tokens; entries are `reasoning.text` with a `signature`, `reasoning.summary`
//! and `reasoning.encrypted` with `data`, and have to come back as they were. A provider's seal is the entry without its
//! words, as JSON; a seal of ours stands packed where the signature would.

use chat::{Seal, Thought};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::seal;

/// The most entries of one message.
pub(crate) const MAX_DETAILS: usize = 1_024;

/// One entry, as it is sent.
#[derive(Deserialize)]
pub(crate) struct Detail {
    #[serde(default)]
    r#type: String,
    text: Option<String>,
    summary: Option<String>,
    signature: Option<String>,
    data: Option<String>,
    /// A place in the list, which says nothing of the thought.
    #[serde(rename = "index")]
    _index: Option<u64>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

impl Detail {
    /// What can be read, and the seal.
    pub(crate) fn into_thought(self) -> Thought {
        let Self { r#type, text, summary, signature, data, _index, mut rest } = self;
        let text = text.or(summary).unwrap_or_default();
        let full = |seal: &Option<String>| seal.as_deref().is_some_and(|seal| !seal.is_empty());
        let (name, value) = match (signature, data) {
            (signature, Some(data)) if !full(&signature) && !data.is_empty() => ("data", data),
            (Some(signature), _) if !signature.is_empty() => ("signature", signature),
            _ => return Thought { text, seal: None },
        };
        let whole = name == "data";
        if value.starts_with(seal::PREFIX) {
            return Thought { text, seal: Some(seal::unpack(&value, whole)) };
        }
        rest.retain(|_, value| !value.is_null());
        rest.insert("type".to_owned(), Value::String(r#type));
        rest.insert(name.to_owned(), Value::String(value));
        Thought { text, seal: Some(Seal { issuer: None, value: Value::Object(rest).to_string(), whole }) }
    }
}

/// The thought as an entry for the provider that sealed it; `None` when its seal is no entry.
pub(crate) fn of_provider(thought: &Thought, seal: &Seal, index: usize) -> Option<Value> {
    let Ok(Value::Object(mut entry)) = serde_json::from_str(&seal.value) else { return None };
    if !thought.text.is_empty() {
        let name = if entry.get("type").is_some_and(|kind| kind == "reasoning.summary") {
            "summary"
        } else {
            "text"
        };
        entry.insert(name.to_owned(), Value::from(thought.text.as_str()));
    }
    entry.insert("index".to_owned(), Value::from(index));
    Some(Value::Object(entry))
}

/// The thought as an entry for a client.
pub(crate) fn for_client(text: &str, seal: &Seal, index: usize) -> Value {
    let packed = seal::pack(seal);
    if text.is_empty() {
        return json!({"type": "reasoning.encrypted", "data": packed, "index": index});
    }
    json!({"type": "reasoning.text", "text": text, "signature": packed, "index": index})
}

/// The thoughts that entries hold; what stands apart from its signature is put together.
pub(crate) fn thoughts(details: Vec<Detail>) -> Vec<Thought> {
    let mut thoughts: Vec<Thought> = Vec::new();
    for next in details.into_iter().map(Detail::into_thought) {
        match thoughts.last_mut() {
            Some(last) if last.seal.is_none() => {
                last.text.push_str(&next.text);
                last.seal = next.seal;
            }
            Some(_) | None => thoughts.push(next),
        }
    }
    thoughts.retain(|thought| !thought.text.is_empty() || thought.seal.is_some());
    thoughts
}
