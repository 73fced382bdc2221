//! OpenAI's `/v1/embeddings`, and what is compatible with it. Source: the API reference.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _, SeqAccess, Visitor, value::SeqAccessDeserializer};
use serde_json::{Value, json};
use units::TokenCount;

use crate::decode::parse;
use crate::fields;
use crate::openai_chat::failure::Reported;
use crate::openai_chat::request::MAX_MODEL;
use crate::{EmbedAsked, Embeddings, Error, Invalid};

pub use crate::openai_chat::{error, error_message};

const DIALECT: &str = "OpenAI Embeddings";
/// The most texts of one request, which is OpenAI's own limit.
const MAX_TEXTS: usize = 2_048;
/// The most vectors of an answer, and numbers of a vector.
const MAX_LENGTH: usize = 65_536;

/// Understands the body of `POST /v1/embeddings`.
///
/// # Errors
/// When a field is missing, of a wrong type or out of its range. Tokens in place of texts are refused: they mean
/// something to one model alone.
pub fn request(body: &[u8]) -> Result<EmbedAsked, Invalid> {
    const INPUT: &str = "must be a string or a list of 1 to 2048 strings, and no tokens";
    let mut fields = fields::body(body)?;
    let mut unsaid = Vec::new();
    let model = fields.name("model", MAX_MODEL)?;
    let texts = match fields.take("input") {
        Some(Value::String(text)) => vec![text],
        Some(Value::Array(list)) if (1..=MAX_TEXTS).contains(&list.len()) => {
            let text = |value| if let Value::String(text) = value { Some(text) } else { None };
            let texts: Option<_> = list.into_iter().map(text).collect();
            texts.ok_or_else(|| fields.must("input", INPUT))?
        }
        Some(_) | None => return Err(fields.must("input", INPUT)),
    };
    let dimensions = match fields.count("dimensions")?.map(u32::try_from) {
        Some(Ok(count)) => Some(count),
        Some(Err(_)) => return Err(fields.must("dimensions", "must be less than 2^32")),
        None => None,
    };
    let is_packed = match fields.text("encoding_format")?.as_deref() {
        Some("base64") => true,
        Some("float") | None => false,
        Some(_) => return Err(fields.must("encoding_format", "must be float or base64")),
    };
    fields.pass_by(&["user"]);
    fields.unread("", &mut unsaid);
    Ok(EmbedAsked { model, texts, dimensions, is_packed, unsaid })
}

/// The body of `POST /v1/embeddings`; `model` is the provider's name for it.
pub fn encode(asked: &EmbedAsked, model: &str) -> Value {
    let mut body = json!({"model": model, "input": asked.texts});
    if let Some(dimensions) = asked.dimensions {
        body["dimensions"] = json!(dimensions);
    }
    body
}

/// The vectors of an answer.
///
/// # Errors
/// When the body is none, or holds an error although the status said that all was well.
pub fn answer(body: &[u8]) -> Result<Embeddings, Error> {
    #[derive(Deserialize)]
    struct Body {
        error: Option<Reported>,
        #[serde(default)]
        data: Vec<Entry>,
        usage: Option<Used>,
    }
    #[derive(Deserialize)]
    struct Entry {
        index: Option<usize>,
        embedding: Vector,
    }
    #[derive(Deserialize)]
    struct Used {
        prompt_tokens: Option<u64>,
    }
    let Body { error, data, usage } = parse(DIALECT, "an answer", body)?;
    if let Some(error) = error {
        return Err(error.into());
    }
    if data.is_empty() || data.len() > MAX_LENGTH {
        return Err(Error::Malformed {
            dialect: DIALECT,
            what: "an answer",
            column: 0,
            rule: "it holds no vectors, or too many",
        });
    }
    let mut entries: Vec<(usize, Vec<f32>)> =
        (0..).zip(data).map(|(place, entry)| (entry.index.unwrap_or(place), entry.embedding.0)).collect();
    entries.sort_by_key(|(index, _)| *index);
    let used = usage.and_then(|usage| usage.prompt_tokens).unwrap_or(0);
    let vectors = entries.into_iter().map(|(_, vector)| vector).collect();
    Ok(Embeddings { vectors, used: TokenCount(used) })
}

/// The body of an answer, as the client asked for it.
pub fn whole(embeddings: &Embeddings, asked: &EmbedAsked) -> Vec<u8> {
    let vector = |vector: &Vec<f32>| {
        if asked.is_packed { json!(packed(vector)) } else { json!(vector) }
    };
    let entry = |(index, it): (usize, &Vec<f32>)| json!({"object": "embedding", "index": index, "embedding": vector(it)});
    let data: Vec<Value> = embeddings.vectors.iter().enumerate().map(entry).collect();
    let used = json!({"prompt_tokens": embeddings.used, "total_tokens": embeddings.used});
    json!({"object": "list", "data": data, "model": asked.model, "usage": used}).to_string().into_bytes()
}

fn packed(vector: &[f32]) -> String {
    let bytes: Vec<u8> = vector.iter().flat_map(|number| number.to_le_bytes()).collect();
    STANDARD.encode(bytes)
}

/// Numbers, or base64 of them.
struct Vector(Vec<f32>);

impl<'de> Deserialize<'de> for Vector {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = Vector;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("numbers, or base64 of them")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Vector, E> {
                let bytes = STANDARD.decode(text).map_err(|_| E::custom("no base64"))?;
                let (numbers, rest) = bytes.as_chunks::<4>();
                if !rest.is_empty() {
                    return Err(E::custom("no whole numbers"));
                }
                Ok(Vector(numbers.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, numbers: A) -> Result<Vector, A::Error> {
                let numbers: Vec<f32> = Vec::deserialize(SeqAccessDeserializer::new(numbers))?;
                if numbers.len() > MAX_LENGTH {
                    return Err(A::Error::custom("too many numbers"));
                }
                Ok(Vector(numbers))
            }
        }

        deserializer.deserialize_any(Either)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn asked(is_packed: bool) -> EmbedAsked {
        EmbedAsked {
            model: "m".to_owned(),
            texts: vec!["a".to_owned()],
            dimensions: None,
            is_packed,
            unsaid: Vec::new(),
        }
    }

    proptest! {
        #[test]
        fn vectors_survive_both_forms(vectors in prop::collection::vec(prop::collection::vec(-1e3f32..1e3, 0..9), 1..4), is_packed: bool) {
            let embeddings = Embeddings { vectors, used: TokenCount(7) };
            prop_assert_eq!(answer(&whole(&embeddings, &asked(is_packed))), Ok(embeddings));
        }
    }

    #[test]
    fn understands_a_request_and_says_what_is_wrong_with_one() {
        let body = br#"{"model":"m","input":["a","b"],"dimensions":256,"encoding_format":"base64","user":"u","odd":1}"#;
        let read = request(body).unwrap();
        assert_eq!((read.texts.len(), read.dimensions, read.is_packed), (2, Some(256), true));
        assert_eq!(read.unsaid, ["odd"]);
        assert_eq!(encode(&read, "n"), json!({"model": "n", "input": ["a", "b"], "dimensions": 256}));
        assert_eq!(request(br#"{"model":"m","input":"a"}"#).unwrap().texts, ["a"]);
        for (input, field) in [("[1,2]", "input"), ("[]", "input"), ("null", "input"), ("[[1]]", "input")] {
            let body = format!(r#"{{"model":"m","input":{input}}}"#);
            assert_eq!(request(body.as_bytes()).unwrap_err().field, field);
        }
    }

    #[test]
    fn vectors_are_put_in_their_order_and_an_error_inside_a_200_is_one() {
        let body = br#"{"data":[{"index":1,"embedding":[2]},{"index":0,"embedding":"AACAPw=="}],"usage":{"prompt_tokens":3}}"#;
        assert_eq!(answer(body), Ok(Embeddings { vectors: vec![vec![1.0], vec![2.0]], used: TokenCount(3) }));
        let error = answer(br#"{"error":{"message":"m","code":429}}"#);
        assert_eq!(error, Err(Error::Reported { status: 429, message: "m".to_owned() }));
        for body in
            [r#"{"data":[]}"#, r#"{"data":[{"embedding":"AAA"}]}"#, r#"{"data":[{"embedding":"AAAA"}]}"#]
        {
            assert!(matches!(answer(body.as_bytes()), Err(Error::Malformed { .. })), "{body}");
        }
    }
}
