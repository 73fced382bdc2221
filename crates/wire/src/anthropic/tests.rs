//! Transcripts in the documented shapes.

use chat::{Event, StopReason};
use proptest::prelude::*;

use super::*;
use crate::Decode;
use crate::transcript::{arguments, began, play, sealed, started, text, thought, usage};

const TURN: &str = r#"event: message_start
data: {"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","content":[],"model":"m","stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":25,"cache_creation_input_tokens":7,"cache_read_input_tokens":100,"output_tokens":1}}}

event: content_block_start
data: {"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"hmm"}}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"Eq=="}}

event: content_block_stop
data: {"type":"content_block_stop","index":0}

event: content_block_start
data: {"type":"content_block_start","index":1,"content_block":{"type":"text","text":""}}

event: ping
data: {"type":"ping"}

event: content_block_delta
data: {"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"Grüße 😀"}}

event: content_block_stop
data: {"type":"content_block_stop","index":1}

event: content_block_start
data: {"type":"content_block_start","index":2,"content_block":{"type":"tool_use","id":"toolu_1","name":"read","input":{}}}

event: content_block_delta
data: {"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":""}}

event: content_block_delta
data: {"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":"{\"path\": \"a"}}

event: content_block_delta
data: {"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":".rs\"}"}}

event: content_block_stop
data: {"type":"content_block_stop","index":2}

event: content_block_start
data: {"type":"content_block_start","index":3,"content_block":{"type":"tool_use","id":"toolu_2","name":"list","input":{"dir":"."}}}

event: content_block_stop
data: {"type":"content_block_stop","index":3}

event: message_delta
data: {"type":"message_delta","delta":{"stop_reason":"tool_use","stop_sequence":null},"usage":{"output_tokens":89,"output_tokens_details":{"thinking_tokens":7}}}

event: message_stop
data: {"type":"message_stop"}

"#;

fn turn() -> Vec<Event> {
    vec![
        began("msg_1", "m"),
        usage([25, 100, 7, 1, 0]),
        thought("hmm"),
        sealed("Eq==", false),
        text("Grüße 😀"),
        started(0, "toolu_1", "read"),
        arguments(0, "{\"path\": \"a"),
        arguments(0, ".rs\"}"),
        started(1, "toolu_2", "list"),
        arguments(1, "{\"dir\":\".\"}"),
        usage([25, 100, 7, 89, 7]),
        Event::Stopped { reason: StopReason::ToolUse },
    ]
}

proptest! {
    #[test]
    fn pain_22_any_split_of_the_bytes_gives_the_same_events(piece in 1usize..400) {
        let (events, end) = play(Decoder::default(), TURN.as_bytes(), piece);
        prop_assert_eq!(events, turn());
        prop_assert_eq!(end, Ok(()));
    }

    #[test]
    fn pain_15_a_stream_cut_anywhere_is_never_a_whole_one(keep in 0usize..TURN.len() - 1) {
        let (events, end) = play(Decoder::default(), &TURN.as_bytes()[..keep], 64);
        prop_assert!(turn().starts_with(&events));
        prop_assert_eq!(end, Err(Error::Cut { dialect: DIALECT }));
    }
}

#[test]
fn case_11_an_error_in_the_stream_keeps_what_came_before_and_its_status() {
    let error = "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n";
    let cut = TURN.find("event: content_block_stop").unwrap();
    let (events, end) = play(Decoder::default(), format!("{}{error}", &TURN[..cut]).as_bytes(), 10);
    assert_eq!(events, [began("msg_1", "m"), usage([25, 100, 7, 1, 0]), thought("hmm")]);
    assert_eq!(end, Err(Error::Reported { status: 529, message: "Overloaded".to_owned() }));
}

#[test]
fn case_10_a_delta_may_correct_all_counts() {
    let delta = r#"{"type":"message_delta","delta":{"stop_reason":"max_tokens"},"usage":{"input_tokens":3,"cache_read_input_tokens":4,"cache_creation_input_tokens":null,"output_tokens":5}}"#;
    let (events, _) = play(Decoder::default(), format!("data: {delta}\n\n").as_bytes(), 9);
    assert_eq!(events, [usage([3, 4, 0, 5, 0]), Event::Stopped { reason: StopReason::MaxOutput }]);
}

#[test]
fn case_9_maps_every_documented_stop() {
    let cases = [
        ("end_turn", StopReason::EndOfTurn),
        ("stop_sequence", StopReason::StopSequence { text: None }),
        ("refusal", StopReason::Refusal),
        ("pause_turn", StopReason::Paused),
        ("model_context_window_exceeded", StopReason::MaxOutput),
        ("new", StopReason::Other("new".to_owned())),
    ];
    for (word, reason) in cases {
        let frame =
            format!("data: {{\"type\":\"message_delta\",\"delta\":{{\"stop_reason\":\"{word}\"}}}}\n\n");
        assert_eq!(play(Decoder::default(), frame.as_bytes(), 99).0, [Event::Stopped { reason }]);
    }
}

#[test]
fn refuses_what_is_not_of_the_dialect_without_showing_it() {
    for data in ["{\"secret", "{\"type\":\"content_block_start\",\"index\":\"secret\"}", "\"secret\""] {
        let error = play(Decoder::default(), format!("data: {data}\n\n").as_bytes(), 99).1.unwrap_err();
        assert!(matches!(error, Error::Malformed { .. }), "{error:?}");
        assert!(!format!("{error} {error:?}").contains("secret"));
    }
}

#[test]
fn bounds_the_tool_calls() {
    let call = |index: u32| {
        format!(
            "data: {{\"type\":\"content_block_start\",\"index\":{index},\"content_block\":{{\"type\":\"tool_use\",\"id\":\"t\",\"name\":\"n\",\"input\":{{}}}}}}\n\n"
        )
    };
    let stream: String = (0..129).map(call).collect();
    let (events, end) = play(Decoder::default(), stream.as_bytes(), 4096);
    assert_eq!((events.len(), end), (128, Err(Error::TooManyToolCalls { limit: 128 })));
}

#[test]
fn reads_error_bodies_and_lists_of_models() {
    let body =
        br#"{"type":"error","error":{"type":"not_found_error","message":"model: x"},"request_id":"r"}"#;
    assert_eq!(error_message(body).as_deref(), Some("model: x"));
    assert_eq!(error_message(b"<html>"), None);
    let list = br#"{"data":[{"type":"model","id":"claude-x","display_name":"X"}],"has_more":false}"#;
    assert_eq!(models(list), Ok(vec!["claude-x".to_owned()]));
    assert!(models(b"{}").is_err());
}

#[test]
fn arguments_that_come_twice_count_once() {
    let stream = concat!(
        "data: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"tool_use\",\"id\":\"t\",\"name\":\"n\",\"input\":{\"a\":1}}}\n\n",
        "data: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"{\\\"a\\\":1}\"}}\n\n",
        "data: {\"type\":\"content_block_stop\",\"index\":0}\n\n",
    );
    assert_eq!(
        play(Decoder::default(), stream.as_bytes(), 99).0,
        [started(0, "t", "n"), arguments(0, "{\"a\":1}")]
    );
}

#[test]
fn case_6_a_thought_that_is_hidden_or_encrypted_is_a_seal() {
    let stream = concat!(
        "data: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"s1\"}}\n\n",
        "data: {\"type\":\"content_block_stop\",\"index\":0}\n\n",
        "data: {\"type\":\"content_block_start\",\"index\":1,\"content_block\":{\"type\":\"redacted_thinking\",\"data\":\"d\"}}\n\n",
        "data: {\"type\":\"content_block_stop\",\"index\":1}\n\n",
        "data: {\"type\":\"content_block_start\",\"index\":2,\"content_block\":{\"type\":\"server_tool_use\",\"id\":\"s\",\"name\":\"web_search\",\"input\":{}}}\n\n",
        "data: {\"type\":\"content_block_delta\",\"index\":2,\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"{}\"}}\n\n",
    );
    assert_eq!(play(Decoder::default(), stream.as_bytes(), 99).0, [sealed("s1", false), sealed("d", true)]);
}

const WHOLE: &str = r#"{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[
    {"type":"thinking","thinking":"hmm","signature":"Eq=="},
    {"type":"text","text":"Gr\u00fc\u00dfe \ud83d\ude00","citations":null},
    {"type":"tool_use","id":"toolu_1","name":"read","input":{"path": "a.rs"}},
    {"type":"tool_use","id":"toolu_2","name":"list","input":{"dir":"."}}
],"stop_reason":"tool_use","stop_sequence":null,"usage":{"input_tokens":25,"cache_creation_input_tokens":7,"cache_read_input_tokens":100,"output_tokens":89,"output_tokens_details":{"thinking_tokens":7}}}"#;

#[test]
fn a_whole_answer_is_the_same_events_as_a_streamed_one() {
    let mut streamed = chat::Assembler::default();
    turn().iter().for_each(|event| streamed.push(event));
    let mut whole = chat::Assembler::default();
    answer(WHOLE.as_bytes()).unwrap().iter().for_each(|event| whole.push(event));
    assert_eq!(whole.message().unwrap(), streamed.message().unwrap());
}

#[test]
fn an_error_inside_a_200_is_an_error() {
    let body = br#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#;
    assert_eq!(answer(body), Err(Error::Reported { status: 529, message: "Overloaded".to_owned() }));
    assert_eq!(answer(br#"{"content":[],"stop_reason":null}"#), Err(Error::Cut { dialect: DIALECT }));
    let error = answer(b"<html>secret").unwrap_err();
    assert!(!error.to_string().contains("secret"));
}

#[test]
fn errors_say_their_type_and_the_field() {
    let failure = |status, param| {
        error(&Failure { status, message: "is required", code: "x", param, request_id: "req_1" })
    };
    let body: serde_json::Value = serde_json::from_slice(&failure(400, Some("model"))).unwrap();
    assert_eq!(
        body,
        serde_json::json!({"type": "error", "error": {"type": "invalid_request_error", "message": "model: is required"}, "request_id": "req_1"})
    );
    for (status, kind) in [
        (401, "authentication_error"),
        (422, "invalid_request_error"),
        (529, "overloaded_error"),
        (503, "overloaded_error"),
        (502, "api_error"),
    ] {
        let body: serde_json::Value = serde_json::from_slice(&failure(status, None)).unwrap();
        assert_eq!(body["error"]["type"], kind);
        assert_eq!(error_message(&failure(status, None)).as_deref(), Some("is required"));
    }
}

#[test]
fn lists_models_as_the_vendor_does() {
    assert_eq!(models(&models_list(["a", "b"])), Ok(vec!["a".to_owned(), "b".to_owned()]));
    assert_eq!(models(&models_list([])), Ok(Vec::new()));
    assert!(String::from_utf8(model("a")).unwrap().contains("\"display_name\":\"a\""));
}

#[test]
fn counts_tokens_both_ways() {
    assert_eq!(counted(&count_answer(TokenCount(7))), Ok(TokenCount(7)));
    let request = crate::transcript::request();
    let body = encode_count(&request, &crate::transcript::to("claude-x")).body;
    let fields: Vec<&str> = body.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(fields, ["model", "tools", "system", "messages"]);
}

proptest! {
    /// Whatever comes, a decoder answers and does not panic.
    #[test]
    fn no_bytes_make_it_panic(data in ".{0,120}") {
        let _ = answer(data.as_bytes());
        let _ = Decoder::default().push(&crate::sse::Frame { event: None, data: data.clone() });
        let _ = super::request(data.as_bytes());
    }
}
