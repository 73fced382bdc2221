//! From what went over the wire to what a person may look at later.

use secrets::Redactor;
use serde::{Deserialize, Serialize};
use units::UnixMillis;

use super::CaptureId;

/// Headers whose values hold no secret; of all others the names alone are kept.
const SHOWN_HEADERS: [&str; 24] = [
    "accept",
    "accept-encoding",
    "anthropic-beta",
    "anthropic-version",
    "cache-control",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "date",
    "host",
    "idempotency-key",
    "last-event-id",
    "location",
    "openai-beta",
    "openai-processing-ms",
    "retry-after",
    "traceparent",
    "transfer-encoding",
    "user-agent",
    "vary",
    "x-request-id",
    "x-stainless-lang",
    "x-stainless-package-version",
];
const WITHHELD: &str = "[withheld]";
/// The longest value of a header that is kept, and the longest target, in bytes.
const MAX_LINE_BYTES: usize = 2_048;

/// A request and its answer as they went over the wire.
#[derive(Clone, Debug, Default)]
pub struct Exchange {
    /// When it came.
    pub at: UnixMillis,
    /// Its number.
    pub request_id: String,
    /// Who asked, by name.
    pub who: String,
    /// How.
    pub method: String,
    /// The template of its route.
    pub route: String,
    /// What was asked for, its query among it.
    pub target: String,
    /// The answer's status; none where the request was given up before there was one.
    pub status: Option<u16>,
    /// From its head to the end of the answer, in milliseconds.
    pub duration_ms: u64,
    /// The request.
    pub request: Half,
    /// The answer.
    pub answer: Half,
}

/// One direction.
#[derive(Clone, Debug, Default)]
pub struct Half {
    /// Names and values.
    pub headers: Vec<(String, String)>,
    /// What follows them.
    pub body: Body,
}

/// The beginning of a body.
#[derive(Clone, Debug, Default)]
pub struct Body {
    /// Its first bytes.
    pub first: Vec<u8>,
    /// How many there were.
    pub bytes: u64,
    /// Whether its end was seen.
    pub is_whole: bool,
}

/// What a list tells of a capture.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// Names it.
    pub id: CaptureId,
    /// When the request came.
    pub at: UnixMillis,
    /// Its number.
    pub request_id: String,
    /// Who asked, by name.
    pub who: String,
    /// How.
    pub method: String,
    /// The template of its route.
    pub route: String,
    /// The answer's status; none where the request was given up before there was one.
    pub status: Option<u16>,
    /// From its head to the end of the answer, in milliseconds.
    pub duration_ms: u64,
}

/// A request and its answer without secrets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capture {
    /// What a list tells of it.
    #[serde(flatten)]
    pub summary: Summary,
    /// What was asked for, its query among it.
    pub target: String,
    /// The request.
    pub request: Shown,
    /// The answer.
    pub answer: Shown,
}

/// One direction without secrets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    /// Its headers.
    pub headers: Vec<Header>,
    /// The body, or its beginning; none where it is no text that can be looked through.
    pub text: Option<String>,
    /// How many bytes went over the wire.
    pub bytes: u64,
    /// Whether `text` is only its beginning.
    pub is_cut: bool,
    /// Whether the body came to its end.
    pub is_whole: bool,
}

/// A header; its value is only there where no secret can be in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// Takes the secrets out.
pub(super) fn shown(id: CaptureId, exchange: Exchange, redactor: &Redactor) -> Capture {
    let Exchange { at, request_id, who, method, route, target, status, duration_ms, request, answer } =
        exchange;
    Capture {
        summary: Summary { id, at, request_id, who, method, route, status, duration_ms },
        target: line(&target, redactor),
        request: half(request, redactor),
        answer: half(answer, redactor),
    }
}

fn half(half: Half, redactor: &Redactor) -> Shown {
    let is_packed = half.headers.iter().any(|(name, value)| {
        name.eq_ignore_ascii_case("content-encoding") && !value.eq_ignore_ascii_case("identity")
    });
    let Body { first, bytes, is_whole } = half.body;
    let is_cut = bytes > first.len() as u64;
    let text = if is_packed { None } else { readable(first, is_cut || !is_whole) };
    let text = text
        .map(|text| if is_cut || !is_whole { redactor.redact_cut(&text) } else { redactor.redact(&text) });
    let header = |(name, value): (String, String)| {
        let is_shown = SHOWN_HEADERS.iter().any(|shown| name.eq_ignore_ascii_case(shown));
        let value = if is_shown { line(&value, redactor) } else { WITHHELD.to_owned() };
        Header { name, value }
    };
    Shown { headers: half.headers.into_iter().map(header).collect(), text, bytes, is_cut, is_whole }
}

fn line(text: &str, redactor: &Redactor) -> String {
    if text.len() <= MAX_LINE_BYTES {
        return redactor.redact(text);
    }
    redactor.redact_cut(&text[..text.floor_char_boundary(MAX_LINE_BYTES)])
}

/// UTF-8 without control characters. What could be anything, UTF-16 among it, cannot be looked through for secrets.
fn readable(bytes: Vec<u8>, is_cut: bool) -> Option<String> {
    let text = match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) if is_cut && error.utf8_error().error_len().is_none() => {
            let end = error.utf8_error().valid_up_to();
            let mut bytes = error.into_bytes();
            bytes.truncate(end);
            String::from_utf8(bytes).ok()?
        }
        Err(_) => return None,
    };
    (!text.contains(|c: char| c.is_control() && !c.is_whitespace())).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "sk-proj-aB3dE6gH9jK2mN5pQ8sT1vW4";

    fn of(headers: &[(&str, &str)], body: &[u8], bytes: u64) -> Shown {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let body = Body { first: body.to_vec(), bytes, is_whole: true };
        half(Half { headers, body }, &Redactor::default())
    }

    #[test]
    fn only_headers_that_hold_no_secret_are_shown() {
        let headers = [
            ("Authorization", "Bearer abc"),
            ("X-Api-Key", "abc"),
            ("x-vault", "abc"),
            ("Cookie", "a=abc"),
            ("User-Agent", "curl/8"),
            ("location", "/v1/x?token=abc"),
        ];
        let shown = of(&headers, b"", 0);
        assert!(!format!("{shown:?}").contains("abc"), "{shown:?}");
        assert_eq!(shown.headers[4], Header { name: "User-Agent".to_owned(), value: "curl/8".to_owned() });
        assert_eq!(shown.headers[0].value, WITHHELD);
    }

    #[test]
    fn what_cannot_be_looked_through_is_not_kept() {
        let utf16: Vec<u8> = KEY.encode_utf16().flat_map(u16::to_le_bytes).collect();
        for body in [utf16.as_slice(), b"\xff\xfe", b"a\0b", &[0x1f, 0x8b, 8]] {
            assert_eq!(of(&[], body, body.len() as u64).text, None, "{body:?}");
        }
        assert_eq!(of(&[("content-encoding", "gzip")], b"text", 4).text, None);
        assert_eq!(of(&[("content-encoding", "identity")], b"text", 4).text.as_deref(), Some("text"));
    }

    #[test]
    fn a_body_that_is_cut_shows_no_half_of_a_key_or_a_character() {
        let body = format!("{{\"a\":\"é\",\"b\":\"{KEY}\"}}");
        for end in 0..body.len() {
            let shown = of(&[], &body.as_bytes()[..end], body.len() as u64);
            assert!(shown.is_cut);
            assert!(!shown.text.unwrap().contains("sk-"), "{end}");
        }
    }
}
