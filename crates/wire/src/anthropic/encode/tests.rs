//! What is written for the vendor.

use chat::{
    Effort, Lifetime, Media, Part, Role, Seal, Source, Thinking, Thought, Tool, ToolCall, ToolChoice,
    ToolResult, Turn,
};
use units::TokenCount;

use super::*;
use crate::transcript::{request, to};

/// Names no generation: takes all that is asked.
const ANY: &str = "claude-x";

fn body(request: &Request, model: &str) -> Value {
    encode(request, &to(model)).body
}

fn unsaid(request: &Request, model: &str) -> Vec<&'static str> {
    encode(request, &to(model)).unsaid
}

fn asks(thinking: Thinking, max: Option<u64>) -> Request {
    Request {
        turns: vec![Turn::user("x")],
        thinking: Some(thinking),
        max_output: max.map(TokenCount),
        ..Request::default()
    }
}

fn point(lifetime: Lifetime) -> Part {
    Part::CachePoint { lifetime }
}

fn call(id: &str) -> Part {
    Part::ToolCall(ToolCall { id: id.to_owned(), name: "read".to_owned(), arguments: "{}".to_owned() })
}

fn result(id: &str, content: Vec<Part>) -> Part {
    Part::ToolResult(ToolResult { call_id: id.to_owned(), content, is_error: false })
}

fn assistant(parts: Vec<Part>) -> Turn {
    Turn { role: Role::Assistant, parts }
}

fn user(parts: Vec<Part>) -> Turn {
    Turn { role: Role::User, parts }
}

fn thought(text: &str, issuer: &str, whole: bool) -> Part {
    let seal = Seal { issuer: Some(issuer.to_owned()), value: "sig".to_owned(), whole };
    Part::Thought(Thought { text: text.to_owned(), seal: Some(seal) })
}

fn png() -> Part {
    Part::Image(Media {
        mime: None,
        source: Source::Base64("iVBORw0KGgoAAA".to_owned()),
        name: None,
        detail: None,
    })
}

#[test]
fn encodes_a_whole_conversation() {
    let expected = json!({
        "model": "claude-x",
        "max_tokens": 100,
        "stream": true,
        "temperature": 0.2,
        "system": "Be brief.",
        "tools": [{"name": "read", "description": "Reads a file.", "input_schema": {"type": "object"}}],
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "hello"}]},
            {"role": "assistant", "content": [
                {"type": "text", "text": "I look."},
                {"type": "tool_use", "id": "a", "name": "read", "input": {"path": "x"}},
                {"type": "tool_use", "id": "b", "name": "read", "input": {}},
                {"type": "tool_use", "id": "c", "name": "read", "input": {"arguments_that_are_no_json_object": "{\"path"}},
            ]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "a", "content": "ok"},
                {"type": "tool_result", "tool_use_id": "b", "content": "gone", "is_error": true},
                {"type": "tool_result", "tool_use_id": "c", "content": "bad", "is_error": true},
                {"type": "text", "text": "go on"},
            ]},
        ],
    });
    assert_eq!(encode(&request(), &to("claude-x")).body, expected);
}

#[test]
fn leaves_out_what_was_not_asked_for() {
    let body = encode(&chat::Request::default(), &to("m")).body;
    assert_eq!(body, json!({"model": "m", "max_tokens": 4096, "stream": true, "messages": []}));
}

#[test]
fn case_7_max_tokens_exceed_the_budget() {
    for (model, thinking, max, thinks, limit) in [
        (
            ANY,
            Thinking::Budget(TokenCount(2_000)),
            Some(8_000),
            json!({"type": "enabled", "budget_tokens": 2_000}),
            8_000,
        ),
        (
            ANY,
            Thinking::Budget(TokenCount(100)),
            Some(8_000),
            json!({"type": "enabled", "budget_tokens": 1_024}),
            8_000,
        ),
        (
            ANY,
            Thinking::Budget(TokenCount(8_000)),
            Some(8_000),
            json!({"type": "enabled", "budget_tokens": 6_000}),
            8_000,
        ),
        (
            ANY,
            Thinking::Budget(TokenCount(8_000)),
            None,
            json!({"type": "enabled", "budget_tokens": 8_000}),
            12_096,
        ),
        (ANY, Thinking::Budget(TokenCount(9_000)), Some(1_024), Value::Null, 1_024),
        (
            "claude-sonnet-4-5",
            Thinking::Effort(Effort::Low),
            Some(4_096),
            json!({"type": "enabled", "budget_tokens": 1_024}),
            4_096,
        ),
        ("claude-3-5-haiku-20241022", Thinking::Adaptive, None, Value::Null, 12_288),
        (ANY, Thinking::Off, None, json!({"type": "disabled"}), 4_096),
    ] {
        let request = asks(thinking, max);
        let body = body(&request, model);
        assert_eq!(
            (&body["thinking"], &body["max_tokens"]),
            (&thinks, &json!(limit)),
            "{model} {thinking:?} {max:?}"
        );
        assert_eq!(unsaid(&request, model).contains(&"thinking"), thinks.is_null());
    }
}

#[test]
fn case_7_effort_is_said_by_a_word_where_the_model_knows_words() {
    for (model, thinking, word) in [
        (ANY, Thinking::Effort(Effort::Minimal), json!("low")),
        (ANY, Thinking::Effort(Effort::Higher), json!("xhigh")),
        ("claude-opus-4-6", Thinking::Effort(Effort::Higher), json!("high")),
        ("claude-opus-5", Thinking::Budget(TokenCount(20_000)), json!("high")),
        ("claude-opus-5", Thinking::Effort(Effort::Max), json!("max")),
        ("claude-opus-5", Thinking::Adaptive, Value::Null),
    ] {
        let body = body(&asks(thinking, None), model);
        assert_eq!(body["thinking"]["type"], "adaptive", "{model}");
        assert_eq!(body.pointer("/output_config/effort").unwrap_or(&Value::Null), &word, "{model}");
    }
}

#[test]
fn case_7_sampling_is_left_out_and_named_where_the_api_refuses_it() {
    let free =
        Request { temperature: Some(1.5), top_p: Some(0.9), top_k: Some(5), ..asks(Thinking::Off, None) };
    let encoded = encode(&free, &to(ANY));
    assert_eq!((&encoded.body["temperature"], &encoded.body["top_p"]), (&json!(1.0), &json!(0.9)));
    assert_eq!(encoded.unsaid, ["temperature"]);
    let encoded = encode(&free, &to("claude-sonnet-4-5"));
    assert_eq!((&encoded.body["top_p"], &encoded.body["top_k"]), (&Value::Null, &json!(5)));
    let thinks = Request { thinking: Some(Thinking::Adaptive), ..free.clone() };
    for (request, model) in [(&thinks, ANY), (&free, "claude-opus-5")] {
        let encoded = encode(request, &to(model));
        assert_eq!(encoded.unsaid, ["temperature", "top_p", "top_k"]);
        assert!(encoded.body.get("temperature").is_none() && encoded.body.get("top_k").is_none());
    }
}

#[test]
fn a_call_that_is_forced_is_not_thought_about() {
    let request = Request {
        tools: vec![Tool::new("t", "", json!({}))],
        tool_choice: ToolChoice::Named("t".to_owned()),
        parallel_tools: Some(false),
        ..asks(Thinking::Adaptive, None)
    };
    let encoded = encode(&request, &to(ANY));
    assert_eq!(
        encoded.body["tool_choice"],
        json!({"type": "tool", "name": "t", "disable_parallel_tool_use": true})
    );
    assert_eq!(encoded.body["tools"], json!([{"name": "t", "input_schema": {"type": "object"}}]));
    assert_eq!((encoded.body.get("thinking"), encoded.unsaid), (None, vec!["thinking"]));
}

#[test]
fn case_4_every_tool_choice_has_its_words() {
    let tools =
        vec![Tool::new("a", "", json!({"type": "object"})), Tool::new("b", "", json!({"type": "object"}))];
    for (choice, expected, offered) in [
        (ToolChoice::Auto, Value::Null, 2),
        (ToolChoice::None, json!({"type": "none"}), 2),
        (ToolChoice::Required, json!({"type": "any"}), 2),
        (ToolChoice::Among(vec!["b".to_owned()]), Value::Null, 1),
        (ToolChoice::RequiredAmong(vec!["b".to_owned()]), json!({"type": "any"}), 1),
    ] {
        let request = Request { tools: tools.clone(), tool_choice: choice, ..Request::default() };
        let body = body(&request, ANY);
        assert_eq!(body.get("tool_choice").unwrap_or(&Value::Null), &expected);
        assert_eq!(body["tools"].as_array().unwrap().len(), offered);
    }
}

#[test]
fn case_6_and_pain_18_thoughts_go_back_to_their_issuer_and_to_nobody_else() {
    let said = Part::text("x");
    let turns = |issuer: &str| {
        vec![
            Turn::user("q"),
            assistant(vec![thought("hmm", issuer, false), thought("", issuer, true), said.clone()]),
        ]
    };
    let own = encode(&Request { turns: turns("tests"), ..Request::default() }, &to(ANY));
    assert_eq!(
        own.body["messages"][1]["content"],
        json!([
            {"type": "thinking", "thinking": "hmm", "signature": "sig"},
            {"type": "redacted_thinking", "data": "sig"},
            {"type": "text", "text": "x"},
        ])
    );
    assert!(own.unsaid.is_empty());
    let other = encode(&Request { turns: turns("others"), ..Request::default() }, &to(ANY));
    assert_eq!(other.body["messages"][1]["content"], json!([{"type": "text", "text": "x"}]));
    assert_eq!(other.unsaid, ["thoughts"]);
}

#[test]
fn a_model_that_waits_for_results_thinks_by_budget_only_with_its_own_thoughts() {
    let asked = |issuer: &str| Request {
        turns: vec![
            Turn::user("q"),
            assistant(vec![thought("hmm", issuer, false), call("a")]),
            user(vec![result("a", vec![Part::text("ok")])]),
        ],
        ..asks(Thinking::Budget(TokenCount(2_000)), Some(8_000))
    };
    assert_eq!(body(&asked("tests"), ANY)["thinking"]["type"], "enabled");
    assert_eq!(unsaid(&asked("others"), ANY), ["thinking", "thoughts"]);
    assert_eq!(body(&asked("others"), "claude-opus-5")["thinking"]["type"], "adaptive");
}

#[test]
fn case_5_and_pain_20_results_stand_first_and_sides_take_turns() {
    let request = Request {
        turns: vec![
            Turn::user("q"),
            assistant(vec![call("a.1")]),
            assistant(vec![call("b")]),
            user(vec![Part::text("by the way")]),
            user(vec![result("a.1", vec![Part::text("1"), png()])]),
            user(vec![result("b", Vec::new())]),
        ],
        ..Request::default()
    };
    let image = json!({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgoAAA"}});
    assert_eq!(
        body(&request, ANY)["messages"],
        json!([
            {"role": "user", "content": [{"type": "text", "text": "q"}]},
            {"role": "assistant", "content": [
                {"type": "tool_use", "id": "a_1", "name": "read", "input": {}},
                {"type": "tool_use", "id": "b", "name": "read", "input": {}},
            ]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "a_1", "content": [{"type": "text", "text": "1"}, image]},
                {"type": "tool_result", "tool_use_id": "b"},
                {"type": "text", "text": "by the way"},
            ]},
        ])
    );
}

#[test]
fn case_5_a_result_without_its_call_becomes_text() {
    let request =
        Request { turns: vec![user(vec![result("gone", vec![Part::text("ok")])])], ..Request::default() };
    let content = &body(&request, ANY)["messages"][0]["content"];
    assert_eq!(content[0]["type"], "text");
    assert_eq!(content[1], json!({"type": "text", "text": "ok"}));
}

#[test]
fn case_8_instructions_midway_are_said_as_the_model_takes_them() {
    let system = |text: &str| Turn { role: Role::System, parts: vec![Part::text(text)] };
    let request = Request {
        system: vec![Part::text("first")],
        turns: vec![system("early"), Turn::user("q"), system("late"), assistant(vec![Part::text("a ")])],
        ..Request::default()
    };
    let new = body(&request, "claude-opus-5");
    assert_eq!(new["system"], "first\n\nearly");
    assert_eq!(new["messages"][1], json!({"role": "system", "content": [{"type": "text", "text": "late"}]}));
    assert_eq!(new["messages"][2]["content"][0]["text"], "a");
    let old = body(&request, "claude-sonnet-4-5");
    assert_eq!(
        old["messages"][0]["content"][1],
        json!({"type": "text", "text": "<system>\nlate\n</system>"})
    );
}

#[test]
fn case_16_and_pain_21_keeps_the_last_four_cache_points_the_longer_ones_first_and_none_on_thoughts() {
    let turns = vec![
        user(vec![Part::text("1"), point(Lifetime::Short)]),
        assistant(vec![thought("hmm", "tests", false), point(Lifetime::Short), call("a")]),
        user(vec![result("a", vec![Part::text("ok"), point(Lifetime::Hour)])]),
    ];
    let request = Request {
        tools: vec![Tool { cache: Some(Lifetime::Hour), ..Tool::new("t", "", json!({"type": "object"})) }],
        system: vec![Part::text("a"), point(Lifetime::Hour), Part::text("b"), point(Lifetime::Hour)],
        turns,
        ..Request::default()
    };
    let Encoded { body, unsaid } = encode(&request, &to(ANY));
    assert_eq!(unsaid, ["cache_point", "cache_lifetime"]);
    assert!(body["tools"][0].get("cache_control").is_none());
    assert_eq!(body["system"][0]["cache_control"], json!({"type": "ephemeral", "ttl": "1h"}));
    assert_eq!(body["system"][1]["cache_control"], json!({"type": "ephemeral", "ttl": "1h"}));
    assert_eq!(body["messages"][0]["content"][0]["cache_control"], json!({"type": "ephemeral"}));
    assert_eq!(body["messages"][2]["content"][0]["cache_control"], json!({"type": "ephemeral"}));
    assert!(body["messages"][1]["content"][0].get("cache_control").is_none());
    assert_eq!(body.to_string().matches("cache_control").count(), 4);
}

#[test]
fn case_14_structured_output_closes_its_objects() {
    let schema = json!({"type": "object", "properties": {"a": {"type": "array", "items": {"type": "object", "additionalProperties": true}}}});
    let format = Format::Schema { name: Some("n".to_owned()), description: None, schema, strict: None };
    let request = Request { format, ..asks(Thinking::Effort(Effort::Low), None) };
    assert_eq!(
        body(&request, ANY)["output_config"],
        json!({"effort": "low", "format": {"type": "json_schema", "schema": {
            "type": "object",
            "properties": {"a": {"type": "array", "items": {"type": "object", "additionalProperties": true}}},
            "additionalProperties": false,
        }}})
    );
    assert_eq!(unsaid(&Request { format: Format::Json, ..Request::default() }, ANY), ["format"]);
}

#[test]
fn names_what_it_cannot_say() {
    let media = |source| Media { mime: Some("video/mp4".to_owned()), source, name: None, detail: None };
    let request = Request {
        turns: vec![user(vec![
            Part::Audio(media(Source::Text(String::new()))),
            Part::Document(media(Source::Base64(String::new()))),
            Part::Image(Media {
                detail: Some("low".to_owned()),
                ..media(Source::Url("https://x/y".to_owned()))
            }),
        ])],
        frequency_penalty: Some(1.0),
        presence_penalty: Some(1.0),
        seed: Some(1),
        stop: vec![" ".to_owned(), "x".to_owned()],
        user: Some("u".repeat(257)),
        cache_key: Some("k".to_owned()),
        ..Request::default()
    };
    let Encoded { body, unsaid } = encode(&request, &to(ANY));
    assert_eq!(
        unsaid,
        [
            "audio",
            "document",
            "detail",
            "stop",
            "user",
            "frequency_penalty",
            "presence_penalty",
            "seed",
            "cache_key"
        ]
    );
    assert_eq!(body["stop_sequences"], json!(["x"]));
}
