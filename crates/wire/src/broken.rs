//! How a stream that was relayed as it came ends when its provider broke off: in the client's own dialect.

use serde_json::json;

use crate::{Dialect, Failure};

/// The bytes that end a stream which broke off between two frames. No dialect's own end follows: an answer that was cut
/// never passes for a whole one. `events` is how many a client of Responses has, which numbers them.
pub fn broken_events(dialect: Dialect, failure: &Failure<'_>, events: u64) -> Vec<u8> {
    let Failure { status, message, code, request_id, .. } = *failure;
    let text = match dialect {
        Dialect::Anthropic => {
            let error = json!({"type": kind(status), "message": message});
            let body = json!({"type": "error", "error": error, "request_id": request_id});
            format!("event: error\ndata: {body}\n\n")
        }
        Dialect::OpenAiChat => {
            let error = json!({"message": message, "type": "server_error", "param": null, "code": code});
            format!("data: {}\n\n", json!({"error": error}))
        }
        Dialect::OpenAiResponses => {
            let body = json!({
                "type": "error",
                "code": code,
                "message": message,
                "param": null,
                "sequence_number": events,
            });
            format!("event: error\ndata: {body}\n\n")
        }
        Dialect::Gemini => format!("data: {}\r\n\r\n", gemini(failure)),
    };
    text.into_bytes()
}

/// The bytes that end Gemini's stream in one JSON array after its provider broke off between two elements.
pub fn broken_array(failure: &Failure<'_>) -> Vec<u8> {
    format!(",\r\n{}]", gemini(failure)).into_bytes()
}

fn gemini(failure: &Failure<'_>) -> serde_json::Value {
    let Failure { status, message, .. } = *failure;
    let word = match status {
        429 => "RESOURCE_EXHAUSTED",
        503 | 529 => "UNAVAILABLE",
        504 => "DEADLINE_EXCEEDED",
        _ => "INTERNAL",
    };
    json!({"error": {"code": status, "message": message, "status": word}})
}

/// Anthropic's word for a status that a stream breaks off with.
fn kind(status: u16) -> &'static str {
    match status {
        429 => "rate_limit_error",
        503 | 529 => "overloaded_error",
        504 => "timeout_error",
        _ => "api_error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Decode, Error, anthropic, gemini, openai_chat, sse};

    const FAILURE: Failure<'static> = Failure {
        status: 529,
        message: "broke \"off\"\n",
        code: "answer_cut",
        param: None,
        request_id: "r-1",
    };

    fn read(dialect: Dialect, mut decoder: impl Decode) -> Error {
        let mut frames = sse::Decoder::default();
        let frames = frames.push(&broken_events(dialect, &FAILURE, 7)).unwrap();
        let read: Result<Vec<_>, _> = frames.iter().map(|frame| decoder.push(frame)).collect();
        read.and_then(|_| decoder.finish()).unwrap_err()
    }

    #[test]
    fn each_dialect_reads_it_as_an_error_with_its_words() {
        let errors = [
            read(Dialect::Anthropic, anthropic::Decoder::default()),
            read(Dialect::OpenAiChat, openai_chat::Decoder::default()),
            read(Dialect::Gemini, gemini::Decoder::default()),
        ];
        for error in errors {
            let Error::Reported { message, .. } = error else { panic!("{error:?}") };
            assert_eq!(message, FAILURE.message);
        }
    }

    #[test]
    fn an_array_stays_json() {
        let text = format!("[{{}}{}", String::from_utf8(broken_array(&FAILURE)).unwrap());
        let list: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap();
        assert_eq!(list[1]["error"]["status"], "UNAVAILABLE");
    }
}
