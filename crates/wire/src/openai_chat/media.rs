//! Images, files and sounds as both of OpenAI's APIs have them: addresses, many of them of the kind `data:`.

use chat::{Media, Source};

/// An address, or the bytes in it.
pub(crate) fn at_address(url: String) -> Media {
    let (mime, source) = match in_data(&url) {
        Some((mime, start)) => {
            let mime = mime.to_owned();
            // The bytes may be many; they stay where they are.
            let mut bytes = url;
            bytes.drain(..start);
            (Some(mime).filter(|mime| !mime.is_empty()), Source::Base64(bytes))
        }
        None => (None, Source::Url(url)),
    };
    Media { mime, source, name: None, detail: None }
}

/// The type in a `data:` address, and where its base64 begins.
fn in_data(url: &str) -> Option<(&str, usize)> {
    let rest = url.strip_prefix("data:")?;
    let (head, _) = rest.split_once(',')?;
    let mime = head.strip_suffix(";base64")?;
    let mime = mime.split(';').next().unwrap_or(mime);
    Some((mime, "data:".len() + head.len() + 1))
}

/// The bytes as a `data:` address.
pub(crate) fn data(mime: &str, base64: &str) -> String {
    let mut url = String::with_capacity(mime.len() + base64.len() + 13);
    for part in ["data:", mime, ";base64,", base64] {
        url.push_str(part);
    }
    url
}

/// The address of an image.
pub(crate) fn address(media: &Media) -> Option<String> {
    match &media.source {
        Source::Base64(bytes) => Some(data(media.mime.as_deref().unwrap_or("image/png"), bytes)),
        Source::Url(url) => Some(url.clone()),
        Source::Text(_) | Source::File(_) => None,
    }
}

/// What OpenAI calls a sound's type.
pub(crate) fn sound(media: &Media) -> Option<(&str, &'static str)> {
    let Source::Base64(bytes) = &media.source else { return None };
    let format = match media.mime.as_deref()? {
        "audio/wav" | "audio/x-wav" | "audio/wave" => "wav",
        "audio/mpeg" | "audio/mp3" => "mp3",
        _ => return None,
    };
    Some((bytes, format))
}

/// A sound of OpenAI's type.
pub(crate) fn of_sound(data: String, format: &str) -> Media {
    let mime = if format == "mp3" { "audio/mpeg".to_owned() } else { format!("audio/{format}") };
    Media { mime: Some(mime), source: Source::Base64(data), name: None, detail: None }
}

/// A file's bytes: OpenAI wants a `data:` address, and its clients sometimes send bare base64.
pub(crate) fn of_file(data: String, name: Option<String>) -> Media {
    let media = at_address(data);
    match media.source {
        Source::Base64(_) => Media { name, ..media },
        Source::Url(bytes) | Source::Text(bytes) | Source::File(bytes) => Media {
            mime: Some("application/pdf".to_owned()),
            source: Source::Base64(bytes),
            name,
            detail: None,
        },
    }
}
