//! Transcripts in the documented shapes.

use chat::{Event, StopReason};
use proptest::prelude::*;

use super::*;
use crate::transcript::{arguments, began, play, sealed, started, text, thought, usage};
use crate::{EmbedAsked, Embeddings};

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
        began("r", "m"),
        thought("hmm"),
        usage([100, 0, 0, 5, 5]),
        text("Grüße 😀"),
        sealed("Eq==", false),
        started(0, "call_r_0", "read"),
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
    fn pain_22_any_split_of_the_bytes_gives_the_same_events(piece in 1usize..400) {
        let (events, end) = play(Decoder::default(), TURN.as_bytes(), piece);
        prop_assert_eq!(events, turn());
        prop_assert_eq!(end, Ok(()));
    }

    // The frame ends with the CR of its empty line.
    #[test]
    fn pain_15_a_stream_cut_anywhere_is_never_a_whole_one(keep in 0usize..TURN.len() - 1) {
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
fn case_9_maps_every_documented_finish() {
    let cases = [
        ("STOP", StopReason::EndOfTurn),
        ("MAX_TOKENS", StopReason::MaxOutput),
        ("SAFETY", StopReason::Refusal),
        ("IMAGE_SAFETY", StopReason::Refusal),
        ("CONTINUATION", StopReason::Paused),
        ("MALFORMED_FUNCTION_CALL", StopReason::Other("MALFORMED_FUNCTION_CALL".to_owned())),
    ];
    for (word, reason) in cases {
        let chunk = format!(r#"{{"candidates":[{{"finishReason":"{word}"}}]}}"#);
        assert_eq!(play_chunks(&[&chunk]).0, [Event::Stopped { reason }]);
    }
}

#[test]
fn case_11_an_error_in_the_stream_has_its_status() {
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
fn reads_error_bodies_and_lists_of_models() {
    let body = br#"{"error":{"code":400,"message":"API key not valid.","status":"INVALID_ARGUMENT"}}"#;
    assert_eq!(error_message(body).as_deref(), Some("API key not valid."));
    assert_eq!(error_message(&[b"[".as_slice(), body, b"]"].concat()).as_deref(), Some("API key not valid."));
    assert_eq!(error_message(b""), None);
    assert_eq!(models(br#"{"models":[{"name":"models/gemini-x"}]}"#), Ok(vec!["gemini-x".to_owned()]));
    assert_eq!(models(b"{}"), Ok(Vec::new()));
}

#[test]
fn pain_15_a_bare_error_after_the_chunks_is_no_success() {
    let stream = concat!(
        "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"x\"}]},\"finishReason\":\"STOP\"}]}\r\n\r\n",
        "{\n  \"error\": {\n    \"code\": 503,\n    \"message\": \"Shed.\"\n  }\n}\n",
    );
    let (events, end) = play(Decoder::default(), stream.as_bytes(), 7);
    assert_eq!(events, [text("x")]);
    assert_eq!(end, Err(Error::Reported { status: 503, message: "Shed.".to_owned() }));
}

#[test]
fn a_picture_that_the_model_made_is_an_event() {
    let (events, _) = play_chunks(&[
        r#"{"candidates":[{"content":{"parts":[{"inlineData":{"mimeType":"image/png","data":"iVBOR"},"thoughtSignature":"s"}]}}]}"#,
    ]);
    let media = chat::Media {
        mime: Some("image/png".to_owned()),
        source: chat::Source::Base64("iVBOR".to_owned()),
        name: None,
        detail: None,
    };
    assert_eq!(events, [sealed("s", false), Event::Media { part: chat::Part::Image(media) }]);
}

#[test]
fn a_whole_answer_is_the_same_events_as_a_streamed_one() {
    let chunks: Vec<&str> = TURN.split_terminator("\r\n\r\n").map(|frame| &frame["data: ".len()..]).collect();
    let list = format!("[{}]", chunks.join(",\n"));
    assert_eq!(answer(list.as_bytes()), Ok(turn()));
    assert_eq!(
        answer(br#"{"error":{"code":429,"message":"Slow down."}}"#),
        Err(Error::Reported { status: 429, message: "Slow down.".to_owned() })
    );
    assert_eq!(answer(b"{}"), Err(Error::Cut { dialect: DIALECT }));
}

#[test]
fn errors_say_their_status_and_the_field() {
    let failure = |status| {
        error(&Failure {
            status,
            message: "no such model",
            code: "model_not_found",
            param: Some("model"),
            request_id: "r",
        })
    };
    let body: serde_json::Value = serde_json::from_slice(&failure(404)).unwrap();
    assert_eq!((&body["error"]["code"], &body["error"]["status"]), (&404.into(), &"NOT_FOUND".into()));
    assert!(body.to_string().starts_with("{\"error\":"));
    assert_eq!(error_message(&failure(404)).as_deref(), Some("no such model"));
    for (status, word) in [(402, "FAILED_PRECONDITION"), (429, "RESOURCE_EXHAUSTED"), (529, "INTERNAL")] {
        let body: serde_json::Value = serde_json::from_slice(&failure(status)).unwrap();
        assert_eq!(body["error"]["status"], word);
    }
}

#[test]
fn lists_models_and_counts_tokens_both_ways() {
    assert_eq!(models(&models_list(["a", "b"])), Ok(vec!["a".to_owned(), "b".to_owned()]));
    assert!(String::from_utf8(model("a")).unwrap().contains("models/a"));
    let tokens = units::TokenCount(7);
    assert_eq!(counted(&count_answer(tokens)), Ok(tokens));
    let asked = crate::transcript::request();
    let body = encode_count(&asked, &crate::transcript::to("gemini-x")).body;
    assert_eq!(body["generateContentRequest"]["model"], "models/gemini-x");
    let again = count_request(body.to_string().as_bytes(), "gemini-x").unwrap();
    assert_eq!(again.request.tools, asked.tools);
    assert_eq!(count_request(br#"{"contents":[]}"#, "m").unwrap().model, "m");
}

#[test]
fn embeds_one_text_or_many() {
    let body = br#"{"content":{"parts":[{"text":"a"}]},"outputDimensionality":8,"taskType":"X"}"#;
    let one = embed_request(body, "m").unwrap();
    assert_eq!((one.texts.as_slice(), one.dimensions), (&["a".to_owned()][..], Some(8)));
    assert_eq!(one.unsaid, ["taskType"]);
    let texts = vec!["a".to_owned(), "b".to_owned()];
    let many =
        EmbedAsked { model: "m".to_owned(), texts, dimensions: None, is_packed: false, unsaid: Vec::new() };
    assert_eq!(embed_request(encode_embed(&many, "m").to_string().as_bytes(), "m"), Ok(many));
    assert_eq!(embed_request(br#"{"requests":[{}]}"#, "m").unwrap_err().field, "requests[0].content");
    assert_eq!(embed_request(b"{}", "m").unwrap_err().field, "content");
    for is_batch in [true, false] {
        let vectors = Embeddings { vectors: vec![vec![0.5, -1.0]], used: units::TokenCount(3) };
        assert_eq!(embedded(&embed_answer(&vectors, is_batch)), Ok(vectors));
    }
    let error = embedded(br#"{"error":{"code":429,"message":"m"}}"#);
    assert_eq!(error, Err(Error::Reported { status: 429, message: "m".to_owned() }));
}

proptest! {
    /// Whatever comes, a decoder answers and does not panic.
    #[test]
    fn no_bytes_make_it_panic(data in ".{0,120}") {
        let _ = answer(data.as_bytes());
        let _ = super::request(data.as_bytes(), "m", true);
        let _ = embed_request(data.as_bytes(), "m");
    }
}
