//! What is read of requests, and what is refused.

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::patch;

fn read_text(dialect: Dialect, body: &str) -> Hot<'_> {
    read(dialect, body.as_bytes()).unwrap()
}

fn refused(dialect: Dialect, body: &str) -> String {
    read(dialect, body.as_bytes()).unwrap_err().to_string()
}

#[test]
fn reads_what_claude_code_sends() {
    let body = r#"{"model":"claude","max_tokens":32000,"stream":true,"thinking":{"type":"enabled","budget_tokens":1024},
        "system":[{"type":"text","text":"s","cache_control":{"type":"ephemeral"}}],"tools":[{"name":"Read"}],
        "messages":[{"role":"user","content":[{"type":"tool_result","tool_use_id":"a","content":[{"type":"image"}]}]}],
        "metadata":{"user_id":"u"}}"#;
    let hot = read_text(Dialect::Anthropic, body);
    assert_eq!(hot.model.as_deref(), Some("claude"));
    assert_eq!(hot.max_output, Some(TokenCount(32_000)));
    assert!(hot.is_streamed && hot.wants_usage && hot.has_tools && hot.has_media && hot.has_thinking);
    let names: Vec<_> = hot.fields.iter().map(|field| &*field.name).collect();
    assert_eq!(
        names,
        ["model", "max_tokens", "stream", "thinking", "system", "tools", "messages", "metadata"]
    );
    assert_eq!(&body[hot.fields.get("model").unwrap().value.clone()], "\"claude\"");
}

#[test]
fn a_small_request_asks_for_nothing_special() {
    for (dialect, body) in [
        (
            Dialect::Anthropic,
            r#"{"model":"m","messages":[{"role":"user","content":"an \"image\""}],"thinking":{"type":"disabled"},"tools":[]}"#,
        ),
        (
            Dialect::OpenAiChat,
            r#"{"model":"m","messages":[{"role":"user","content":"{\"type\":\"image_url\"}"}],"stream":null,"reasoning_effort":"none","tools":null}"#,
        ),
        (
            Dialect::OpenAiResponses,
            r#"{"model":"m","input":"hello","reasoning":{"effort":"none","summary":null}}"#,
        ),
        (
            Dialect::Gemini,
            r#"{"contents":[{"parts":[{"text":"inlineData"}]}],"generationConfig":{"thinkingConfig":{"thinkingBudget":0}}}"#,
        ),
    ] {
        let hot = read_text(dialect, body);
        assert!(!hot.is_streamed && !hot.has_tools && !hot.has_media && !hot.has_thinking, "{dialect:?}");
        assert_eq!((hot.max_output, hot.model.is_some()), (None, dialect != Dialect::Gemini));
        assert_eq!(hot.wants_usage, dialect != Dialect::OpenAiChat);
    }
}

#[test]
fn reads_each_dialects_own_words() {
    let hot = read_text(
        Dialect::OpenAiChat,
        r#"{"model":"m","max_tokens":1,"max_completion_tokens":2,"stream":true,"stream_options":{"include_usage":true},
            "reasoning_effort":"low","messages":[{"role":"user","content":[{"image_url":{"url":"u"},"type":"image_url"}]}],"functions":[{}]}"#,
    );
    assert!(hot.is_streamed && hot.wants_usage && hot.has_tools && hot.has_media && hot.has_thinking);
    assert_eq!(hot.max_output, Some(TokenCount(2)));
    let hot = read_text(
        Dialect::OpenAiResponses,
        r#"{"model":"m","input":[{"type":"function_call_output","output":[{"type":"input_image"}]}],"max_output_tokens":3,
            "reasoning":{"effort":"high"},"previous_response_id":"resp_1","store":false}"#,
    );
    assert!(hot.has_media && hot.has_thinking);
    assert_eq!(
        (hot.previous.as_deref(), hot.store, hot.max_output),
        (Some("resp_1"), Some(false), Some(TokenCount(3)))
    );
    let hot = read_text(
        Dialect::Gemini,
        r#"{"contents":[{"parts":[{"inline_data":{"data":"AA=="}}]}],"tools":[{"functionDeclarations":[]}],
            "generation_config":{"maxOutputTokens":4,"thinkingConfig":{"thinkingLevel":"low"}}}"#,
    );
    assert!(hot.has_media && hot.has_thinking && hot.has_tools);
    assert_eq!(hot.max_output, Some(TokenCount(4)));
}

#[test]
fn malformed_bodies_are_refused_with_their_place() {
    let deep = format!("{{\"messages\":{}", "[".repeat(10_000));
    for (body, expected) in [
        ("", "body: must be JSON: a value is missing (byte 0)"),
        ("hello", "body: must be JSON: a value is missing (byte 0)"),
        ("[]", "body: must be an object"),
        (
            "{\"model\":\"a\"",
            "body: must be JSON: a comma or the end of a list or an object is missing (byte 12)",
        ),
        ("{\"model\":\"a\"}{", "body: must be JSON: something follows its end (byte 13)"),
        ("{\"a\":\"\t\"}", "body: must be JSON: a string holds a control character (byte 6)"),
        (&deep, "body: must be JSON: lists and objects are nested too deeply (byte 138)"),
    ] {
        assert_eq!(refused(Dialect::Anthropic, body), expected);
    }
    let error = read(Dialect::OpenAiChat, b"{\"model\":\"\xff\"}").unwrap_err();
    assert_eq!(error.to_string(), "body: must be JSON: it is not UTF-8 (byte 10)");
}

#[test]
fn a_field_that_is_read_may_not_stand_there_twice_however_it_is_written() {
    for body in ["{\"model\":\"a\",\"model\":\"b\"}", "{\"model\":\"a\",\"mo\\u0064el\":\"b\"}"] {
        assert_eq!(refused(Dialect::OpenAiChat, body), "model: must stand there only once");
    }
    let twice = r#"{"stream_options":{"include_usage":false,"include_usage":true}}"#;
    assert_eq!(
        refused(Dialect::OpenAiChat, twice),
        "stream_options.include_usage: must stand there only once"
    );
    assert!(read(Dialect::OpenAiChat, b"{\"x\":1,\"x\":2}").is_ok());
}

#[test]
fn wrong_types_are_refused_by_the_fields_name() {
    for (dialect, body, expected) in [
        (Dialect::Anthropic, "{\"model\":7}", "model: must be a text"),
        (Dialect::Anthropic, "{\"stream\":\"yes\"}", "stream: must be true or false"),
        (Dialect::Anthropic, "{\"max_tokens\":-1}", "max_tokens: must be a whole number of tokens"),
        (Dialect::Anthropic, "{\"messages\":{}}", "messages: must be a list"),
        (Dialect::OpenAiChat, "{\"tools\":{}}", "tools: must be a list"),
        (Dialect::OpenAiChat, "{\"stream_options\":[]}", "stream_options: must be an object"),
        (Dialect::OpenAiResponses, "{\"input\":5}", "input: must be a text or a list"),
        (Dialect::Gemini, "{\"generationConfig\":[]}", "generationConfig: must be an object"),
    ] {
        assert_eq!(refused(dialect, body), expected);
    }
}

#[test]
fn what_is_no_json_later_on_is_told_before_a_wrong_type() {
    assert!(refused(Dialect::Anthropic, "{\"model\":7,}").starts_with("body: must be JSON"));
}

#[test]
fn fields_are_bounded() {
    let many = |count: usize| {
        let fields: Vec<String> = (0..count).map(|field| format!("\"f{field}\":0")).collect();
        format!("{{{}}}", fields.join(","))
    };
    assert!(read(Dialect::Gemini, many(MAX_FIELDS).as_bytes()).is_ok());
    assert_eq!(refused(Dialect::Gemini, &many(MAX_FIELDS + 1)), "body: must have at most 256 fields");
}

proptest! {
    /// Words that matter, in any order, with any punctuation.
    #[test]
    fn any_jumble_is_read_patched_and_unsealed_or_refused_and_never_more(
        words in proptest::collection::vec(proptest::sample::select(vec![
            "{", "}", "[", "]", ":", ",", "\"model\"", "\"stream\"", "\"messages\"", "\"content\"", "\"type\"", "\"image\"",
            "\"input\"", "\"tools\"", "\"stream_options\"", "\"include_usage\"", "\"generationConfig\"", "\"thinkingConfig\"",
            "\"thinking\"", "\"signature\"", "true", "null", "1", "-", "\"", "\\", " ", "\"aW1wcmVzYXJpbzE6AQJ1c3g=\"",
        ]), 0..24),
        is_object: bool,
    ) {
        let mut body = words.concat();
        if is_object {
            body = format!("{{\"model\":\"m\",\"messages\":[{body}]}}");
        }
        for dialect in Dialect::ALL {
            let Ok(hot) = read(dialect, body.as_bytes()) else { continue };
            prop_assert!(serde_json::from_str::<Value>(&body).unwrap().is_object());
            let mut patch = patch::Patch::new(body.as_bytes(), &hot.fields).unwrap();
            patch.set_text("model", "other").include_usage().unwrap().remove("tools");
            let patched: Value = serde_json::from_slice(&patch.apply().unwrap()).unwrap();
            prop_assert_eq!(&patched["model"], "other");
            prop_assert_eq!(&patched["stream_options"]["include_usage"], &Value::Bool(true));
            if let Some(unsealed) = patch::unseal(body.as_bytes(), "us").unwrap() {
                prop_assert!(serde_json::from_slice::<Value>(&unsealed.body).unwrap().is_object());
            }
        }
    }
}

/// Not a test of anything but speed: `cargo test --release -p wire -- --ignored --nocapture a_large_prompt`.
#[test]
#[ignore = "measures"]
fn a_large_prompt_is_read_in_a_fraction_of_a_millisecond() {
    let line = "    let value = map.get(\\\"key\\\").unwrap_or(&\\\"\\\\n\\\"); // a line of code as prompts hold it\\n";
    let block = format!("{{\"type\":\"text\",\"text\":\"{}\"}}", line.repeat(40));
    let turn = format!("{{\"role\":\"user\",\"content\":[{}]}}", vec![block; 10].join(","));
    let turns = vec![turn; 400_000 / (line.len() * 400)].join(",");
    let body = format!("{{\"model\":\"m\",\"stream\":true,\"max_tokens\":1,\"messages\":[{turns}]}}");
    let mut times: Vec<u128> = (0..201)
        .map(|_| {
            let before = std::time::Instant::now();
            std::hint::black_box(read(Dialect::Anthropic, std::hint::black_box(body.as_bytes())).unwrap());
            before.elapsed().as_micros()
        })
        .collect();
    times.sort_unstable();
    println!("{} bytes: median {} µs, worst {} µs", body.len(), times[100], times[200]);
}
