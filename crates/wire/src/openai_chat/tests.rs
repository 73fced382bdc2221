//! Transcripts in the documented shapes, and in those of compatible servers.

use chat::{Event, StopReason};
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::transcript::{arguments, play, request, started, text, to, usage};
use crate::{Encoded, freeform};

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
        began("c", Some("m")),
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

fn began(id: &str, model: Option<&str>) -> Event {
    Event::Began { id: Some(id.to_owned()), model: model.map(str::to_owned) }
}

fn thought(text: &str) -> Event {
    Event::Thought { text: text.to_owned() }
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
    assert_eq!(
        play_chunks(&[refusal]).0,
        [Event::Refusal { text: "No.".to_owned() }, stopped(StopReason::Refusal)]
    );
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

/// Hard case 2.
#[test]
fn role_text_and_a_call_in_the_first_chunk_and_chunks_without_choices() {
    let first = r#"{"id":"x","choices":[{"index":0,"delta":{"role":"assistant","content":"a","tool_calls":[{"index":0,"id":"i","type":"function","function":{"name":"n","arguments":"{}"}}]},"finish_reason":null}]}"#;
    let filter = r#"{"id":"","choices":[],"prompt_filter_results":[{"prompt_index":0}]}"#;
    let last = r#"{"id":"x","choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}],"usage":{"prompt_tokens":3,"completion_tokens":4}}"#;
    let (events, end) = play_chunks(&[filter, first, last]);
    let call = [started(0, "i", "n"), arguments(0, "{}")];
    let ending = [stopped(StopReason::ToolUse), usage([3, 0, 0, 4, 0])];
    assert_eq!(events, [&[began("x", None), text("a")], call.as_slice(), &ending].concat());
    assert_eq!(end, Ok(()));
}

/// Hard case 3.
#[test]
fn a_name_in_pieces_is_put_together_before_its_call_is_told() {
    let piece = |function: &str| {
        format!(r#"{{"choices":[{{"delta":{{"tool_calls":[{{"index":0,"function":{function}}}]}}}}]}}"#)
    };
    let chunks = [piece(r#"{"name":"read"}"#), piece(r#"{"name":"_file"}"#), piece(r#"{"arguments":"{}"}"#)];
    let chunks: Vec<&str> = chunks.iter().map(String::as_str).collect();
    assert_eq!(play_chunks(&chunks).0, [started(0, "call_0", "read_file"), arguments(0, "{}")]);
    let repeated = [piece(r#"{"name":"read"}"#), piece(r#"{"name":"read","arguments":"{}"}"#)];
    let repeated: Vec<&str> = repeated.iter().map(String::as_str).collect();
    assert_eq!(play_chunks(&repeated).0, [started(0, "call_0", "read"), arguments(0, "{}")]);
}

/// Hard case 3.
#[test]
fn calls_without_ids_or_with_the_same_get_ids_that_no_other_turn_has() {
    let chunk = r#"{"id":"chatcmpl-9","choices":[{"delta":{"tool_calls":[{"index":0,"function":{"name":"a","arguments":"{}"}},{"index":1,"id":"","function":{"name":"b","arguments":{"x":1}}}]}}]}"#;
    let calls = [started(0, "call_chatcmpl9_0", "a"), arguments(0, "{}")];
    let more = [started(1, "call_chatcmpl9_1", "b"), arguments(1, "{\"x\":1}")];
    assert_eq!(play_chunks(&[chunk]).0[1..], [calls, more].concat());
    let same = r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"s","function":{"name":"a","arguments":"1"}},{"index":1,"id":"s","function":{"name":"b","arguments":"2"}}]}}]}"#;
    let expected = [started(0, "s", "a"), arguments(0, "1"), started(1, "s_1", "b"), arguments(1, "2")];
    assert_eq!(play_chunks(&[same]).0, expected);
}

/// Hard case 3.
#[test]
fn calls_in_one_chunk_without_ids_and_arguments_are_not_one() {
    let chunk = r#"{"choices":[{"delta":{"tool_calls":[{"function":{"name":"a","arguments":""}},{"function":{"name":"b"}}]},"finish_reason":"stop"}]}"#;
    let calls = [started(0, "call_0", "a"), started(1, "call_1", "b"), stopped(StopReason::ToolUse)];
    assert_eq!(play_chunks(&[chunk]).0, calls);
}

/// Hard case 5.
#[test]
fn a_result_without_its_call_is_told_in_words() {
    use chat::{Part, Role, ToolResult, Turn};
    let parts = vec![Part::ToolResult(ToolResult::text("gone", "ok", false))];
    let request = chat::Request { turns: vec![Turn { role: Role::User, parts }], ..chat::Request::default() };
    let encoded = encode(&request, &to("gpt-4o"));
    let expected = json!([{"role": "user", "content": "What the tool call gone answered:\nok"}]);
    assert_eq!(encoded.body["messages"], expected);
}

proptest! {
    #[test]
    fn no_frames_make_it_panic_or_endless(frames in prop::collection::vec(frame(), 0..20)) {
        let frames: Vec<&str> = frames.iter().map(String::as_str).collect();
        let (events, _) = play_chunks(&frames);
        prop_assert!(events.len() <= 12 * frames.len().max(1) + 8);
    }
}

/// A chunk of fields in any mixture.
fn frame() -> impl Strategy<Value = String> {
    let field = prop::sample::select(vec![
        r#""content":"x""#,
        r#""reasoning":"r""#,
        r#""reasoning_details":[{"type":"reasoning.text","text":"r","signature":"s"},{"type":"x"}]"#,
        r#""refusal":"n""#,
        r#""tool_calls":[{"index":0,"function":{"name":"a"}}]"#,
        r#""tool_calls":[{"index":1,"id":"i","function":{"arguments":"{"}}]"#,
        r#""tool_calls":[{"index":0,"id":"i","custom":{"name":"c","input":"t"}},{"index":0,"id":"i","custom":{"input":"t"}}]"#,
        r#""images":[{"image_url":{"url":"data:,"}}],"audio":{"data":"x"}"#,
    ]);
    let fields = prop::collection::hash_set(field, 0..3);
    let finish = prop::sample::select(vec!["null", "\"stop\"", "\"length\"", "\"\""]);
    (fields, finish, "[a-z]{0,3}").prop_map(|(fields, finish, id)| {
        let fields: Vec<&str> = fields.into_iter().collect();
        let delta = fields.join(",");
        format!(r#"{{"id":"{id}","choices":[{{"delta":{{{delta}}},"finish_reason":{finish}}}]}}"#)
    })
}

/// Hard case 6.
#[test]
fn thoughts_are_read_in_the_fields_of_all_servers_and_once() {
    let delta = |delta: &str| format!(r#"{{"choices":[{{"delta":{delta}}}]}}"#);
    for plain in [
        r#"{"reasoning_content":"hm","content":null}"#,
        r#"{"reasoning":"hm"}"#,
        r#"{"reasoning_content":"hm","reasoning":"hm"}"#,
        r#"{"reasoning":"hm","reasoning_details":[{"type":"reasoning.text","text":"hm","index":0}]}"#,
        r#"{"reasoning_details":[{"type":"reasoning.summary","summary":"hm"}]}"#,
        r#"{"content":[{"type":"thinking","thinking":[{"type":"text","text":"hm"}]}]}"#,
    ] {
        assert_eq!(play_chunks(&[&delta(plain)]).0, [thought("hm")], "{plain}");
    }
    let signed = delta(
        r#"{"reasoning_details":[{"type":"reasoning.text","signature":"sig","format":"f","index":0}]}"#,
    );
    let seal =
        |value: &str, whole| Event::Sealed(chat::Seal { issuer: None, value: value.to_owned(), whole });
    let value = r#"{"format":"f","type":"reasoning.text","signature":"sig"}"#;
    assert_eq!(play_chunks(&[&signed]).0, [seal(value, false)]);
    let hidden = delta(r#"{"reasoning_details":[{"type":"reasoning.encrypted","data":"abc","id":"r"}]}"#);
    let value = r#"{"id":"r","type":"reasoning.encrypted","data":"abc"}"#;
    assert_eq!(play_chunks(&[&hidden]).0, [seal(value, true)]);
}

/// Pain 19.
#[test]
fn a_signature_of_googles_stands_before_its_call() {
    let chunk = r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"i","function":{"name":"n","arguments":"{}"},"extra_content":{"google":{"thought_signature":"sig"}}}]}}]}"#;
    let seal = chat::Seal { issuer: None, value: "sig".to_owned(), whole: false };
    assert_eq!(play_chunks(&[chunk]).0, [Event::Sealed(seal), started(0, "i", "n"), arguments(0, "{}")]);
}

/// Hard case 9.
#[test]
fn stop_beside_a_call_is_a_wish_for_a_tool_and_vllms_stop_text_is_kept() {
    let call = r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"i","function":{"name":"n"}}]},"finish_reason":"stop"}]}"#;
    assert_eq!(play_chunks(&[call]).0, [started(0, "i", "n"), stopped(StopReason::ToolUse)]);
    let sequence = r#"{"choices":[{"delta":{},"finish_reason":"stop","stop_reason":"END"}]}"#;
    let text = Some("END".to_owned());
    assert_eq!(play_chunks(&[sequence]).0, [stopped(StopReason::StopSequence { text })]);
    let token = r#"{"choices":[{"delta":{},"finish_reason":"stop","stop_reason":128009}]}"#;
    assert_eq!(play_chunks(&[token]).0, [stopped(StopReason::EndOfTurn)]);
    let broken = r#"{"choices":[{"delta":{},"finish_reason":"error"}]}"#;
    assert!(matches!(play_chunks(&[broken]).1, Err(Error::Reported { .. })));
}

/// Hard case 10.
#[test]
fn thinking_that_a_server_counts_beside_the_completion_is_output_too() {
    let used = |usage: &str| play_chunks(&[&format!(r#"{{"choices":[],"usage":{usage}}}"#)]).0[0].clone();
    let xai = r#"{"prompt_tokens":10,"completion_tokens":5,"total_tokens":35,"completion_tokens_details":{"reasoning_tokens":20}}"#;
    assert_eq!(used(xai), usage([10, 0, 0, 25, 20]));
    let google = r#"{"prompt_tokens":10,"completion_tokens":5,"total_tokens":35}"#;
    assert_eq!(used(google), usage([10, 0, 0, 25, 20]));
    let openai = r#"{"prompt_tokens":10,"completion_tokens":25,"total_tokens":35,"completion_tokens_details":{"reasoning_tokens":20}}"#;
    assert_eq!(used(openai), usage([10, 0, 0, 25, 20]));
    let deepseek = r#"{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15,"prompt_cache_hit_tokens":4,"prompt_cache_miss_tokens":6}"#;
    assert_eq!(used(deepseek), usage([6, 4, 0, 5, 0]));
    let groq = r#"{"choices":[],"x_groq":{"usage":{"prompt_tokens":10,"completion_tokens":5}}}"#;
    assert_eq!(play_chunks(&[groq]).0, [usage([10, 0, 0, 5, 0])]);
}

/// Pain 15.
#[test]
fn an_error_beside_empty_choices_and_a_raw_one_after_the_stream_are_no_answers() {
    let beside = r#"{"choices":[],"error":{"message":"m","code":503}}"#;
    assert_eq!(play_chunks(&[beside]).1, Err(Error::Reported { status: 503, message: "m".to_owned() }));
    let raw = "data: {\"choices\":[{\"delta\":{\"content\":\"x\"}}]}\n\n{\"error\": {\"code\": 503}}\n";
    let reported = Err(Error::Reported { status: 503, message: String::new() });
    assert_eq!(play(Decoder::default(), raw.as_bytes(), 7).1, reported);
}

#[test]
fn a_whole_answer_gives_the_events_of_its_stream_and_an_error_inside_a_200_is_one() {
    let body = br#"{"id":"c","model":"m","choices":[{"index":0,"message":{"role":"assistant","reasoning_content":"hm","content":"a","tool_calls":[{"id":"i","type":"function","function":{"name":"n","arguments":"{}"}},{"id":"j","type":"custom","custom":{"name":"p","input":"x\"y"}}]},"finish_reason":"tool_calls"}],"usage":{"prompt_tokens":1,"completion_tokens":2}}"#;
    let expected = vec![
        began("c", Some("m")),
        thought("hm"),
        text("a"),
        started(0, "i", "n"),
        arguments(0, "{}"),
        started(1, "j", "p"),
        arguments(1, r#"{"input":"x\"y"#),
        arguments(1, r#""}"#),
        stopped(StopReason::ToolUse),
        usage([1, 0, 0, 2, 0]),
    ];
    assert_eq!(answer(body), Ok(expected));
    let error = answer(br#"{"error":{"message":"m","type":"rate_limit_error"}}"#).unwrap_err();
    assert_eq!(error, Error::Reported { status: 429, message: "m".to_owned() });
    assert_eq!(answer(br#"{"choices":[]}"#), Err(Error::Cut { dialect: DIALECT }));
    assert!(matches!(answer(b"<html>"), Err(Error::Malformed { .. })));
}

/// MiniMax's way to end a stream.
#[test]
fn a_stream_that_ends_with_the_whole_answer_says_nothing_twice() {
    let piece = r#"{"choices":[{"index":0,"delta":{"content":"a"}}]}"#;
    let whole = r#"{"object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"a"},"finish_reason":"stop"}]}"#;
    assert_eq!(play_chunks(&[piece, whole]).0, [text("a"), stopped(StopReason::EndOfTurn)]);
    assert_eq!(play_chunks(&[whole]).0, [text("a"), stopped(StopReason::EndOfTurn)]);
}

/// Hard case 8.
#[test]
fn instructions_are_one_message_without_what_is_meant_for_another_vendors_billing() {
    use chat::Part;
    let system =
        ["x-anthropic-billing-header: cc_version=2", "Be brief.", "Be kind."].map(Part::text).to_vec();
    let request = chat::Request { system, ..chat::Request::default() };
    let expected = json!([{"role": "system", "content": "Be brief.\n\nBe kind."}]);
    assert_eq!(encode(&request, &to("llama3")).body["messages"], expected);
}

/// Hard case 11.
#[test]
fn errors_are_written_so_that_they_are_read_again() {
    let failure = crate::Failure {
        status: 404,
        message: "no such model",
        code: "model_not_found",
        param: Some("model"),
        request_id: "r",
    };
    let body = error(&failure);
    let value: serde_json::Value = serde_json::from_slice(&body).unwrap();
    let expected = json!({"error": {"message": "no such model", "type": "invalid_request_error", "param": "model", "code": "model_not_found"}});
    assert_eq!(value, expected);
    assert_eq!(error_message(&body).as_deref(), Some("no such model"));
    assert_eq!(models(&models_list(["a", "b"], 5)), Ok(vec!["a".to_owned(), "b".to_owned()]));
}

/// Hard case 5 and pain 20.
#[test]
fn a_tools_image_follows_in_the_users_message_and_its_answer_is_plain_text() {
    use chat::{Media, Part, Role, Source, ToolResult, Turn};
    let image = Media {
        mime: Some("image/png".to_owned()),
        source: Source::Base64("AAAA".to_owned()),
        name: None,
        detail: None,
    };
    let result = ToolResult {
        call_id: "a".to_owned(),
        content: vec![Part::text("seen"), Part::Image(image)],
        is_error: false,
    };
    let parts = vec![Part::text("go on"), Part::ToolResult(result)];
    let call = chat::ToolCall { id: "a".to_owned(), name: "look".to_owned(), arguments: String::new() };
    let called = Turn { role: Role::Assistant, parts: vec![Part::ToolCall(call)] };
    let turns = vec![called, Turn { role: Role::User, parts }];
    let request = chat::Request { turns, ..chat::Request::default() };
    let body = encode(&request, &to("gpt-4o")).body;
    let called = json!({"id": "a", "type": "function", "function": {"name": "look", "arguments": "{}"}});
    let expected = json!([
        {"role": "assistant", "content": null, "tool_calls": [called]},
        {"role": "tool", "tool_call_id": "a", "content": "seen"},
        {"role": "user", "content": [
            {"type": "text", "text": "What the tool call a answered:"},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
            {"type": "text", "text": "go on"},
        ]},
    ]);
    assert_eq!(body["messages"], expected);
}

/// Pain 18 and hard case 6.
#[test]
fn a_seal_goes_back_to_its_issuer_alone() {
    use chat::{Part, Role, Seal, Thought, ToolCall, Turn};
    let sealed = |value: &str, issuer: &str, text: &str| {
        let seal = Seal { issuer: Some(issuer.to_owned()), value: value.to_owned(), whole: false };
        Part::Thought(Thought { text: text.to_owned(), seal: Some(seal) })
    };
    let call =
        || Part::ToolCall(ToolCall { id: "a".to_owned(), name: "n".to_owned(), arguments: String::new() });
    let message = |parts: Vec<Part>, model: &str| {
        let turns = vec![Turn { role: Role::Assistant, parts }];
        let encoded = encode(&chat::Request { turns, ..chat::Request::default() }, &to(model));
        (encoded.body["messages"][0].clone(), encoded.unsaid)
    };
    let entry = r#"{"type":"reasoning.text","signature":"s"}"#;
    let (own, unsaid) = message(vec![sealed(entry, "tests", "hm"), call()], "x");
    let details = json!([{"type": "reasoning.text", "signature": "s", "text": "hm", "index": 0}]);
    assert_eq!((&own["reasoning_details"], unsaid), (&details, vec![]));
    let (google, _) = message(vec![sealed("sig", "tests", ""), call()], "gemini-3-pro");
    assert_eq!(google["tool_calls"][0]["extra_content"]["google"]["thought_signature"], "sig");
    let (others, unsaid) = message(vec![sealed("sig", "somebody", "hm"), call()], "x");
    assert_eq!(unsaid, ["thoughts"]);
    assert!(!others.to_string().contains("sig") && !others.to_string().contains("hm"));
    let (deepseek, _) = message(vec![sealed("sig", "somebody", "hm"), call()], "deepseek-chat");
    assert_eq!(deepseek["reasoning_content"], "hm");
    assert_eq!(message(vec![sealed("sig", "somebody", "hm")], "x").0, json!(null));
}

/// Hard cases 4, 14, 16.
#[test]
fn says_choices_formats_and_keys_as_each_server_takes_them() {
    use chat::{Format, Thinking, Tool, ToolChoice, ToolInput};
    let grammar = json!({"type": "grammar", "syntax": "lark", "definition": "start: x"});
    let request = chat::Request {
        tools: vec![
            Tool::new("read", "", json!({"type": "object"})),
            Tool {
                name: "patch".to_owned(),
                description: "Patches.".to_owned(),
                input: ToolInput::Text { grammar: Some(grammar.clone()) },
                ..Tool::default()
            },
        ],
        tool_choice: ToolChoice::RequiredAmong(vec!["patch".to_owned()]),
        parallel_tools: Some(false),
        thinking: Some(Thinking::Effort(chat::Effort::High)),
        format: Format::Schema { name: None, description: None, schema: json!({}), strict: Some(true) },
        stop: vec!["END".to_owned()],
        top_k: Some(5),
        cache_key: Some("k".to_owned()),
        user: Some("u".repeat(65)),
        ..chat::Request::default()
    };
    let Encoded { body, unsaid } = encode(&request, &to("gpt-5.2"));
    assert_eq!(
        body["tools"][1],
        json!({"type": "custom", "custom": {"name": "patch", "description": "Patches.", "format": {"type": "grammar", "grammar": {"syntax": "lark", "definition": "start: x"}}}})
    );
    assert_eq!(
        body["tool_choice"],
        json!({"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [{"type": "custom", "custom": {"name": "patch"}}]}})
    );
    assert_eq!(
        (&body["parallel_tool_calls"], &body["reasoning_effort"], &body["prompt_cache_key"]),
        (&json!(false), &json!("high"), &json!("k"))
    );
    assert_eq!(
        body["response_format"],
        json!({"type": "json_schema", "json_schema": {"name": "answer", "schema": {}, "strict": true}})
    );
    assert_eq!(unsaid, ["top_k", "stop", "user"]);

    let Encoded { body, unsaid } = encode(&request, &to("llama3"));
    assert_eq!(body["tools"].as_array().unwrap().len(), 1);
    assert_eq!(body["tools"][0]["function"]["parameters"], freeform::schema());
    assert!(body["tools"][0]["function"]["description"].as_str().unwrap().contains("start: x"));
    assert_eq!((&body["tool_choice"], &body["stop"]), (&json!("required"), &json!(["END"])));
    assert_eq!(unsaid, ["top_k", "thinking", "user", "cache_key"]);
}
