//! Embeddings: `embedContent`, which takes one text, and `batchEmbedContents`, which takes many.

use serde::Deserialize;
use serde_json::{Value, json};
use units::TokenCount;

use super::{DIALECT, Reported};
use crate::decode::parse;
use crate::reading::{List, Path, read};
use crate::unread::{Names, Unread};
use crate::{EmbedAsked, Embeddings, Error, Invalid};

/// The most texts of one request.
const MAX_TEXTS: usize = 2_048;
/// The most parts of one text.
const MAX_PARTS: usize = 1_024;

#[derive(Deserialize)]
struct Body {
    requests: Option<List<One, MAX_TEXTS>>,
    #[serde(flatten)]
    one: One,
}

#[derive(Deserialize)]
struct One {
    content: Option<Content>,
    #[serde(rename = "outputDimensionality", alias = "output_dimensionality")]
    dimensions: Option<u32>,
    #[serde(flatten)]
    unread: Unread,
}

#[derive(Deserialize)]
struct Content {
    #[serde(default)]
    parts: List<Text, MAX_PARTS>,
}

#[derive(Deserialize)]
struct Text {
    text: Option<String>,
}

/// Understands a client's request to `model`: of one text, or of many in `requests`.
///
/// # Errors
/// When it is not what the dialect has there; the error names the field.
pub fn embed_request(body: &[u8], model: &str) -> Result<EmbedAsked, Invalid> {
    let Body { requests, one } = read(body)?;
    let list = Path::of("requests");
    let is_batch = requests.is_some();
    let ones = requests.map_or_else(|| vec![one], |requests| requests.0);
    let (mut texts, mut dimensions, mut unsaid) = (Vec::with_capacity(ones.len()), None, Names::default());
    for (place, one) in ones.into_iter().enumerate() {
        unsaid.unread("", &one.unread, &["model"]);
        dimensions = dimensions.or(one.dimensions);
        let path = list.index(place);
        let invalid = |field: &'static str, rule: &str| {
            if is_batch { path.breaks(field, rule) } else { Invalid::new(field, rule) }
        };
        let content = one.content.ok_or_else(|| invalid("content", "is required"))?;
        let parts: Option<Vec<String>> = content.parts.into_iter().map(|part| part.text).collect();
        texts.push(parts.ok_or_else(|| invalid("content", "must be text"))?.join("\n"));
    }
    let (model, is_packed) = (model.to_owned(), false);
    Ok(EmbedAsked { model, texts, dimensions, is_packed, unsaid: unsaid.into_names() })
}

/// The body of `batchEmbedContents`; `model` is the provider's name for it.
pub fn encode_embed(asked: &EmbedAsked, model: &str) -> Value {
    let requests: Vec<Value> = asked
        .texts
        .iter()
        .map(|text| {
            let mut request =
                json!({"model": format!("models/{model}"), "content": {"parts": [{"text": text}]}});
            if let Some(dimensions) = asked.dimensions {
                request["outputDimensionality"] = json!(dimensions);
            }
            request
        })
        .collect();
    json!({ "requests": requests })
}

/// What the provider answers, to one text or to many.
///
/// # Errors
/// When the body is no such answer.
pub fn embedded(body: &[u8]) -> Result<Embeddings, Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Answer {
        error: Option<Reported>,
        embedding: Option<Vector>,
        #[serde(default)]
        embeddings: Vec<Vector>,
        usage_metadata: Option<Usage>,
    }
    #[derive(Deserialize)]
    struct Vector {
        #[serde(default)]
        values: Vec<f32>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Usage {
        prompt_token_count: Option<u64>,
    }
    let answer: Answer = parse(DIALECT, "embeddings", body)?;
    if let Some(error) = answer.error {
        return Err(error.into());
    }
    let vectors = answer.embedding.into_iter().chain(answer.embeddings).map(|vector| vector.values).collect();
    let used = answer.usage_metadata.and_then(|usage| usage.prompt_token_count).unwrap_or(0);
    Ok(Embeddings { vectors, used: TokenCount(used) })
}

/// A client's answer, in the form in which it asked: of many, or of one.
pub fn embed_answer(embeddings: &Embeddings, is_batch: bool) -> Vec<u8> {
    let values = |vector: &Vec<f32>| json!({ "values": vector });
    let mut answer = match embeddings.vectors.first() {
        Some(only) if !is_batch => json!({"embedding": values(only)}),
        Some(_) | None => json!({"embeddings": embeddings.vectors.iter().map(values).collect::<Vec<_>>()}),
    };
    if embeddings.used.0 > 0 {
        answer["usageMetadata"] =
            json!({"promptTokenCount": embeddings.used, "totalTokenCount": embeddings.used});
    }
    answer.to_string().into_bytes()
}
