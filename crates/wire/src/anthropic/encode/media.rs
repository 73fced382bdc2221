//! Images and documents as blocks.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chat::{Media, Source};
use serde_json::{Value, json};

use crate::unsaid::Unsaid;

/// How the base64 of a picture begins, of each type that the API takes.
const BEGINNINGS: [(&str, &str); 4] =
    [("iVBORw0KGgo", "image/png"), ("/9j/", "image/jpeg"), ("R0lGOD", "image/gif"), ("UklGR", "image/webp")];

/// A picture; `None` where its bytes are nowhere that the API looks.
pub(super) fn image(media: &Media, left: &mut Unsaid) -> Option<Value> {
    if media.detail.is_some() {
        left.note("detail");
    }
    let source = match &media.source {
        Source::Base64(data) => {
            let seen = BEGINNINGS.iter().find(|(beginning, _)| data.starts_with(beginning));
            let mime = media
                .mime
                .as_deref()
                .filter(|mime| *mime != "image/*" && *mime != "application/octet-stream");
            let mime = match mime {
                Some("image/jpg") => "image/jpeg",
                Some(mime) => mime,
                None => seen.map_or("image/png", |(_, mime)| *mime),
            };
            json!({"type": "base64", "media_type": mime, "data": data})
        }
        Source::Url(url) => json!({"type": "url", "url": url}),
        Source::File(id) => json!({"type": "file", "file_id": id}),
        Source::Text(_) => {
            left.note("image");
            return None;
        }
    };
    Some(json!({"type": "image", "source": source}))
}

/// A PDF or a text; `None` for what the API takes as neither.
pub(super) fn document(media: &Media, left: &mut Unsaid) -> Option<Value> {
    let source = match &media.source {
        Source::Base64(data) => match media.mime.as_deref() {
            None | Some("application/pdf") => {
                Some(json!({"type": "base64", "media_type": "application/pdf", "data": data}))
            }
            Some(mime) if is_text(mime) => {
                let text = STANDARD.decode(data).ok().and_then(|bytes| String::from_utf8(bytes).ok());
                text.map(|text| plain(&text))
            }
            Some(_) => None,
        },
        Source::Text(text) => Some(plain(text)),
        Source::Url(url) => Some(json!({"type": "url", "url": url})),
        Source::File(id) => Some(json!({"type": "file", "file_id": id})),
    };
    let Some(source) = source else {
        left.note("document");
        return None;
    };
    let mut block = json!({"type": "document", "source": source});
    if let Some(name) = &media.name {
        block["title"] = json!(name);
    }
    Some(block)
}

fn plain(text: &str) -> Value {
    json!({"type": "text", "media_type": "text/plain", "data": text})
}

fn is_text(mime: &str) -> bool {
    mime.starts_with("text/") || mime == "application/json"
}
