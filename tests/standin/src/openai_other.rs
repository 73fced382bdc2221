//! What others of OpenAI's routes send. Source: `openai.types` of the Python SDK.

use serde_json::{Value, json};

use crate::said::{CREATED_S, INPUT};

/// No sound, and no text either.
pub(crate) const SOUND: &[u8] = b"ID3\x04\xff\xfb\x00\"usage\":{";

pub(crate) fn pictures() -> Value {
    json!({
        "created": CREATED_S, "data": [{"b64_json": "iVBORw0KGgo="}],
        "usage": {
            "input_tokens": INPUT, "output_tokens": 272, "total_tokens": INPUT + 272,
            "input_tokens_details": {"text_tokens": INPUT, "image_tokens": 0},
        },
    })
}

pub(crate) fn transcription() -> Value {
    json!({
        "text": "Hello there.",
        "usage": {"type": "tokens", "input_tokens": INPUT, "output_tokens": 4, "total_tokens": INPUT + 4},
    })
}
