//! Transcripts in the documented shapes.

use chat::{Event, StopReason};
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::transcript::{arguments, play, request, started, text, to, usage};

const TURN: &str = concat!(
    r#"data: {"candidates":[{"content":{"parts":[{"text":"hmm","thought":true}],"role":"model"},"index":0}],"usageMetadata":{"promptTokenCount":100,"thoughtsTokenCount":5,"totalTokenCount":105},"modelVersion":"m","responseId":"r"}"#,
    "\r\n\r\n",
    r#"data: {"candidates":[{"content":{"parts":[{"text":"Grüße 😀"}],"role":"model"},"index":0}]}"#,
    "\r\n\r\n",
    r#"data: {"candidates":[{"content":{"parts":[{"functionCall":{"name":"read","args":{"path":"a"}},"thoughtSignature":"Eq=="},{"functionCall":{"id":"f1","name":"list"}}],"role":"model"},"finishReason":"STOP","index":0}],"usageMetadata":{"promptTokenCount":100,"cachedContentTokenCount":40,"toolUsePromptTokenCount":3,"candidatesTokenCount":20,"thoughtsTokenCount":5,"totalTokenCount":128}}"#,
    "\r\n\r\n",
);

fn turn() -> Vec<Event> {
    vec![
        usage([100, 0, 0, 5, 5]),
        text("Grüße 😀"),
        started(0, "call_0", "read"),
        arguments(0, "{\"path\":\"a\"}"),
        started(1, "f1", "list"),
        arguments(1, "{}"),
        usage([63, 40, 0, 25, 5]),
        Event::Stopped { reason: StopReason::ToolUse },
    ]
}

fn play_chunks(chunks: &[&str]) -> (Vec<Event>, Result<(), Error>) {
    let stream: String = chunks.iter().map(|chunk| format!("data: {chunk}\r\n\r\n")).collect();
    play(Decoder::default(), stream.as_bytes(), 50)
}

proptest! {
    #[test]
    fn any_split_of_the_bytes_gives_the_same_events(piece in 1usize..400) {
        let (events, end) = play(Decoder::default(), TURN.as_bytes(), piece);
        prop_assert_eq!(events, turn());
        prop_assert_eq!(end, Ok(()));
    }

    // The frame ends with the CR of its empty line.
    #[test]
    fn a_stream_cut_anywhere_is_never_a_whole_one(keep in 0usize..TURN.len() - 1) {
        let (events, end) = play(Decoder::default(), &TURN.as_bytes()[..keep], 64);
        prop_assert!(turn().starts_with(&events));
        prop_assert_eq!(end, Err(Error::Cut { dialect: DIALECT }));
    }
}

#[test]
fn a_finish_reason_in_every_chunk_stops_only_once_and_at_the_end() {
    let chunk = |text: &str| {
        format!(r#"{{"candidates":[{{"content":{{"parts":[{{"text":"{text}"}}]}},"finishReason":"STOP"}}]}}"#)
    };
    let (events, _) = play_chunks(&[&chunk("a"), &chunk("b")]);
    assert_eq!(events, [text("a"), text("b"), Event::Stopped { reason: StopReason::EndOfTurn }]);
}

#[test]
fn a_prompt_that_is_blocked_is_a_refusal() {
    let (events, end) = play_chunks(&[
        r#"{"promptFeedback":{"blockReason":"PROHIBITED_CONTENT"},"usageMetadata":{"promptTokenCount":7}}"#,
    ]);
    assert_eq!(events, [usage([7, 0, 0, 0, 0]), Event::Stopped { reason: StopReason::Refusal }]);
    assert_eq!(end, Ok(()));
}

#[test]
fn maps_every_documented_finish() {
    let cases = [
        ("STOP", StopReason::EndOfTurn),
        ("MAX_TOKENS", StopReason::MaxOutput),
        ("SAFETY", StopReason::Refusal),
        ("MALFORMED_FUNCTION_CALL", StopReason::Other("MALFORMED_FUNCTION_CALL".to_owned())),
    ];
    for (word, reason) in cases {
        let chunk = format!(r#"{{"candidates":[{{"finishReason":"{word}"}}]}}"#);
        assert_eq!(play_chunks(&[&chunk]).0, [Event::Stopped { reason }]);
    }
}

#[test]
fn an_error_in_the_stream_has_its_status() {
    let error = r#"{"error":{"code":503,"message":"The model is overloaded.","status":"UNAVAILABLE"}}"#;
    let (events, end) = play_chunks(&[r#"{"candidates":[{"content":{"parts":[{"text":"x"}]}}]}"#, error]);
    assert_eq!(events, [text("x")]);
    assert_eq!(end, Err(Error::Reported { status: 503, message: "The model is overloaded.".to_owned() }));
}

#[test]
fn refuses_what_is_not_of_the_dialect_without_showing_it() {
    for data in ["{\"secret", "{\"candidates\":\"secret\"}"] {
        let error = play_chunks(&[data]).1.unwrap_err();
        assert!(matches!(error, Error::Malformed { .. }), "{error:?}");
        assert!(!format!("{error} {error:?}").contains("secret"));
    }
}

#[test]
fn encodes_a_whole_conversation() {
    let call = |id: &str, args| json!({"functionCall": {"id": id, "name": "read", "args": args}});
    let result =
        |id: &str, response| json!({"functionResponse": {"id": id, "name": "read", "response": response}});
    let expected = json!({
        "systemInstruction": {"parts": [{"text": "Be brief."}]},
        "generationConfig": {"maxOutputTokens": 100, "temperature": 0.2},
        "tools": [{"functionDeclarations": [{"name": "read", "description": "Reads a file.", "parametersJsonSchema": {"type": "object"}}]}],
        "contents": [
            {"role": "user", "parts": [{"text": "hello"}]},
            {"role": "model", "parts": [
                {"text": "I look."},
                call("a", json!({"path": "x"})),
                call("b", json!({})),
                call("c", json!({"arguments_that_are_no_json_object": "{\"path"})),
            ]},
            {"role": "user", "parts": [
                {"text": "go on"},
                result("a", json!({"output": "ok"})),
                result("b", json!({"error": "gone"})),
                result("c", json!({"error": "bad"})),
            ]},
        ],
    });
    assert_eq!(encode(&request(), &to("unused")).body, expected);
}

#[test]
fn reads_error_bodies_and_lists_of_models() {
    let body = br#"{"error":{"code":400,"message":"API key not valid.","status":"INVALID_ARGUMENT"}}"#;
    assert_eq!(error_message(body).as_deref(), Some("API key not valid."));
    assert_eq!(error_message(&[b"[".as_slice(), body, b"]"].concat()).as_deref(), Some("API key not valid."));
    assert_eq!(error_message(b""), None);
    assert_eq!(models(br#"{"models":[{"name":"models/gemini-x"}]}"#), Ok(vec!["gemini-x".to_owned()]));
    assert_eq!(models(b"{}"), Ok(Vec::new()));
}
