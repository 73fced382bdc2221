//! Transcripts in the documented shapes, and in those of compatible servers.

use chat::{Event, StopReason};
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::transcript::{arguments, play, request, started, text, to, usage};

const TURN: &str = r#": OPENROUTER PROCESSING

data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":"","refusal":null},"logprobs":null,"finish_reason":null}],"usage":null}

data: {"id":"c","choices":[{"index":0,"delta":{"content":"Grüße 😀"},"finish_reason":null}]}

data: {"id":"c","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"call_a","type":"function","function":{"name":"read","arguments":""}}]},"finish_reason":null}]}

data: {"id":"c","choices":[{"index":0,"delta":{"tool_calls":[{"index":1,"id":"call_b","type":"function","function":{"name":"list","arguments":"{}"}}]},"finish_reason":null}]}

data: {"id":"c","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\"path\":"}}]},"finish_reason":null}]}

data: {"id":"c","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"\"a\"}"}}]},"finish_reason":null}]}

data: {"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}

data: {"id":"c","choices":[],"usage":{"prompt_tokens":100,"completion_tokens":30,"total_tokens":130,"prompt_tokens_details":{"cached_tokens":64,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":12}}}

data: [DONE]

"#;

fn turn() -> Vec<Event> {
    vec![
        text("Grüße 😀"),
        started(0, "call_a", "read"),
        started(1, "call_b", "list"),
        arguments(1, "{}"),
        arguments(0, "{\"path\":"),
        arguments(0, "\"a\"}"),
        stopped(StopReason::ToolUse),
        usage([36, 64, 0, 30, 12]),
    ]
}

fn stopped(reason: StopReason) -> Event {
    Event::Stopped { reason }
}

fn play_chunks(chunks: &[&str]) -> (Vec<Event>, Result<(), Error>) {
    let stream: String = chunks.iter().map(|chunk| format!("data: {chunk}\n\n")).collect();
    play(Decoder::default(), stream.as_bytes(), 50)
}

proptest! {
    #[test]
    fn any_split_of_the_bytes_gives_the_same_events(piece in 1usize..400) {
        let (events, end) = play(Decoder::default(), TURN.as_bytes(), piece);
        prop_assert_eq!(events, turn());
        prop_assert_eq!(end, Ok(()));
    }

    #[test]
    fn a_stream_cut_before_its_finish_reason_is_never_a_whole_one(keep in 0usize..TURN.find("data: {\"id\":\"c\",\"choices\":[],").unwrap() - 1) {
        let (events, end) = play(Decoder::default(), &TURN.as_bytes()[..keep], 64);
        prop_assert!(turn().starts_with(&events));
        prop_assert_eq!(end, Err(Error::Cut { dialect: DIALECT }));
    }
}

#[test]
fn a_done_without_a_finish_reason_is_a_cut() {
    let (_, end) = play_chunks(&[r#"{"choices":[{"delta":{"content":"half"}}]}"#, "[DONE]"]);
    assert_eq!(end, Err(Error::Cut { dialect: DIALECT }));
}

#[test]
fn takes_text_call_finish_and_usage_in_one_chunk() {
    let chunk = r#"{"choices":[{"index":0,"delta":{"content":"x","tool_calls":[{"function":{"name":"n","arguments":"{}"}}]},"finish_reason":"stop"}],"usage":{"prompt_tokens":2,"completion_tokens":1}}"#;
    let (events, end) = play_chunks(&[chunk]);
    let call = [started(0, "call_0", "n"), arguments(0, "{}")];
    let expected =
        [&[text("x")], call.as_slice(), &[stopped(StopReason::ToolUse), usage([2, 0, 0, 1, 0])]].concat();
    assert_eq!((events, end), (expected, Ok(())));
}

#[test]
fn parallel_calls_that_share_an_index_stay_apart_by_their_ids() {
    let call = |id: &str| {
        format!(
            r#"{{"choices":[{{"delta":{{"tool_calls":[{{"index":0,"id":"{id}","function":{{"name":"n","arguments":"{{}}"}}}}]}}}}]}}"#
        )
    };
    let (events, _) = play_chunks(&[&call("a"), &call("b")]);
    assert_eq!(events, [started(0, "a", "n"), arguments(0, "{}"), started(1, "b", "n"), arguments(1, "{}")]);
}

#[test]
fn an_id_that_is_repeated_goes_on_with_its_call() {
    let more = r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"a","function":{"name":"n","arguments":"1"}}]}}]}"#;
    assert_eq!(play_chunks(&[more, more]).0, [started(0, "a", "n"), arguments(0, "1"), arguments(0, "1")]);
}

#[test]
fn a_call_without_a_name_is_refused_and_not_lost() {
    let (_, end) = play_chunks(&[
        r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{}"}}]}}]}"#,
    ]);
    assert!(matches!(end, Err(Error::Malformed { .. })));
}

#[test]
fn maps_every_documented_finish() {
    let cases = [
        ("stop", StopReason::EndOfTurn),
        ("length", StopReason::MaxOutput),
        ("content_filter", StopReason::Refusal),
        ("odd", StopReason::Other("odd".to_owned())),
    ];
    for (word, reason) in cases {
        let chunk = format!(r#"{{"choices":[{{"delta":{{}},"finish_reason":"{word}"}}]}}"#);
        assert_eq!(play_chunks(&[&chunk]).0, [stopped(reason)]);
    }
    let refusal = r#"{"choices":[{"delta":{"refusal":"No."},"finish_reason":"stop"}]}"#;
    assert_eq!(play_chunks(&[refusal]).0, [text("No."), stopped(StopReason::Refusal)]);
}

#[test]
fn reads_the_usage_chunk_of_every_server() {
    let finish = r#"{"choices":[{"delta":{},"finish_reason":"stop"}]}"#;
    let vllm =
        r#"{"choices":null,"usage":{"prompt_tokens":5,"completion_tokens":3,"prompt_tokens_details":null}}"#;
    assert_eq!(play_chunks(&[finish, vllm]).0[1], usage([5, 0, 0, 3, 0]));
    let writes = r#"{"choices":[],"usage":{"prompt_tokens":50,"completion_tokens":3,"prompt_tokens_details":{"cached_tokens":10,"cache_write_tokens":20}}}"#;
    assert_eq!(play_chunks(&[finish, writes]).0[1], usage([20, 10, 20, 3, 0]));
    let wrong = r#"{"choices":[],"usage":{"prompt_tokens":5,"completion_tokens":0,"prompt_tokens_details":{"cached_tokens":9}}}"#;
    assert_eq!(play_chunks(&[finish, wrong]).0[1], usage([0, 9, 0, 0, 0]));
}

#[test]
fn an_error_in_the_stream_has_its_status_in_every_spelling() {
    let cases = [
        (r#"{"error":{"message":"m","type":"server_error","code":null}}"#, 500),
        (r#"{"error":{"message":"m","type":"requests","code":"rate_limit_exceeded"}}"#, 429),
        (
            r#"{"error":{"message":"m","code":502},"choices":[{"delta":{"content":""},"finish_reason":"error"}]}"#,
            502,
        ),
        (r#"{"error":{"message":"m","type":"insufficient_quota","code":"insufficient_quota"}}"#, 402),
        (r#"{"error":"m"}"#, 500),
    ];
    for (chunk, status) in cases {
        let (events, end) = play_chunks(&[r#"{"choices":[{"delta":{"content":"x"}}]}"#, chunk]);
        assert_eq!(events, [text("x")]);
        assert_eq!(end, Err(Error::Reported { status, message: "m".to_owned() }), "{chunk}");
    }
}

#[test]
fn refuses_what_is_not_of_the_dialect_without_showing_it() {
    for data in ["{\"secret", "{\"choices\":\"secret\"}", "secret"] {
        let error = play_chunks(&[data]).1.unwrap_err();
        assert!(matches!(error, Error::Malformed { .. }), "{error:?}");
        assert!(!format!("{error} {error:?}").contains("secret"));
    }
}

#[test]
fn encodes_a_whole_conversation() {
    let call = |id: &str, arguments: &str| json!({"id": id, "type": "function", "function": {"name": "read", "arguments": arguments}});
    let expected = json!({
        "model": "local",
        "stream": true,
        "stream_options": {"include_usage": true},
        "max_tokens": 100,
        "temperature": 0.2,
        "tools": [{"type": "function", "function": {"name": "read", "description": "Reads a file.", "parameters": {"type": "object"}}}],
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "hello"},
            {"role": "assistant", "content": "I look.", "tool_calls": [call("a", "{\"path\":\"x\"}"), call("b", "{}"), call("c", "{\"path")]},
            {"role": "tool", "tool_call_id": "a", "content": "ok"},
            {"role": "tool", "tool_call_id": "b", "content": "The tool failed: gone"},
            {"role": "tool", "tool_call_id": "c", "content": "The tool failed: bad"},
            {"role": "user", "content": "go on"},
        ],
    });
    assert_eq!(encode(&request(), &to("local")).body, expected);
}

#[test]
fn speaks_to_reasoning_models_as_they_want_it() {
    let body = encode(&request(), &to("gpt-5.2")).body;
    assert_eq!(body["max_completion_tokens"], 100);
    assert!(body.get("max_tokens").is_none() && body.get("temperature").is_none());
}

#[test]
fn reads_error_bodies_and_lists_of_models() {
    assert_eq!(error_message(br#"{"error":{"message":"no","type":"x","code":"y"}}"#).as_deref(), Some("no"));
    assert_eq!(error_message(br#"{"error":"model not found"}"#).as_deref(), Some("model not found"));
    assert_eq!(error_message(b"oops"), None);
    let list = br#"{"object":"list","data":[{"id":"llama3:8b","object":"model"},{"id":"qwen"}]}"#;
    assert_eq!(models(list), Ok(vec!["llama3:8b".to_owned(), "qwen".to_owned()]));
    assert_eq!(models(br#"{"object":"list","data":null}"#), Ok(Vec::new()));
    assert!(models(b"[]").is_err());
}
