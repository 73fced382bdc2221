//! What is written for the vendor.

use chat::{Effort, Lifetime, Media, Part, Role, Seal, Source, Thought, ToolCall, ToolResult, Turn};
use units::TokenCount;

use super::*;
use crate::transcript::{request, to};

fn body(request: &Request, model: &str) -> Value {
    encode(request, &to(model)).body
}

fn user(parts: Vec<Part>) -> Turn {
    Turn { role: Role::User, parts }
}

fn assistant(parts: Vec<Part>) -> Turn {
    Turn { role: Role::Assistant, parts }
}

fn thought(text: &str, issuer: &str) -> Part {
    let seal = Seal { issuer: Some(issuer.to_owned()), value: "sig".to_owned(), whole: false };
    Part::Thought(Thought { text: text.to_owned(), seal: Some(seal) })
}

fn call(id: &str) -> Part {
    Part::ToolCall(ToolCall { id: id.to_owned(), name: "read".to_owned(), arguments: String::new() })
}

fn call_json(id: &str) -> Value {
    json!({"functionCall": {"id": id, "name": "read", "args": {}}})
}

fn signed(mut part: Value, signature: &str) -> Value {
    part["thoughtSignature"] = json!(signature);
    part
}

fn parts(turn: Turn, model: &str) -> Value {
    let request = Request { turns: vec![turn], ..Request::default() };
    body(&request, model)["contents"][0]["parts"].clone()
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
                result("a", json!({"output": "ok"})),
                result("b", json!({"error": "gone"})),
                result("c", json!({"error": "bad"})),
                {"text": "go on"},
            ]},
        ],
    });
    assert_eq!(encode(&request(), &to("unused")).body, expected);
}

#[test]
fn case_6_and_pain_19_a_seal_stands_on_the_part_that_follows() {
    let old = "gemini-2.5-pro";
    assert_eq!(
        parts(assistant(vec![thought("hmm", "tests"), call("a"), call("b")]), old),
        json!([{"text": "hmm", "thought": true}, signed(call_json("a"), "sig"), call_json("b")])
    );
    assert_eq!(
        parts(assistant(vec![Part::text("x"), thought("", "tests")]), old),
        json!([{"text": "x"}, {"text": "", "thoughtSignature": "sig"}])
    );
    assert_eq!(
        parts(assistant(vec![thought("a", "tests"), thought("", "tests"), Part::text("x")]), old),
        json!([{"text": "a", "thought": true, "thoughtSignature": "sig"}, {"text": "x", "thoughtSignature": "sig"}])
    );
}

#[test]
fn pain_18_thoughts_of_others_are_left_out_and_named() {
    let request = Request {
        turns: vec![assistant(vec![thought("hmm", "others"), Part::text("x")])],
        ..Request::default()
    };
    let encoded = encode(&request, &to("gemini-2.5-pro"));
    assert_eq!(encoded.body["contents"][0]["parts"], json!([{"text": "x"}]));
    assert_eq!(encoded.unsaid, ["thoughts"]);
}

#[test]
fn a_newer_model_is_told_of_calls_that_it_did_not_make() {
    let turn = || assistant(vec![thought("hmm", "others"), call("a"), call("b")]);
    assert_eq!(
        parts(turn(), "gemini-3-pro-preview"),
        json!([signed(call_json("a"), "skip_thought_signature_validator"), call_json("b")])
    );
    assert_eq!(parts(turn(), "gemini-2.5-flash"), json!([call_json("a"), call_json("b")]));
}

#[test]
fn pain_20_pictures_of_results_are_kept() {
    let png = Part::Image(Media {
        mime: None,
        source: Source::Base64("iVBORw0KGgoA".to_owned()),
        name: None,
        detail: None,
    });
    let result = Part::ToolResult(ToolResult {
        call_id: "a".to_owned(),
        content: vec![Part::text("1"), png],
        is_error: false,
    });
    let turns = vec![assistant(vec![call("a")]), user(vec![Part::text("look"), result])];
    let request = Request { turns, ..Request::default() };
    let inline = json!({"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgoA"}});
    let response = json!({"id": "a", "name": "read", "response": {"output": "1"}});
    let mut with_parts = response.clone();
    with_parts["parts"] = json!([inline]);
    assert_eq!(
        body(&request, "gemini-3.1-pro")["contents"][1]["parts"],
        json!([{"functionResponse": with_parts}, {"text": "look"}])
    );
    assert_eq!(
        body(&request, "gemini-2.5-pro")["contents"][1]["parts"],
        json!([{"functionResponse": response}, {"text": "look"}, inline])
    );
}

#[test]
fn case_7_thinking_is_said_as_the_model_takes_it() {
    let budget = |tokens: u64| Some(Thinking::Budget(TokenCount(tokens)));
    for (model, thinking, expected, unsaid) in [
        ("gemini-2.5-flash", Some(Thinking::Off), json!({"thinkingBudget": 0}), false),
        ("gemini-2.5-pro", Some(Thinking::Off), json!({"thinkingBudget": 128}), true),
        (
            "gemini-2.5-flash",
            Some(Thinking::Adaptive),
            json!({"thinkingBudget": -1, "includeThoughts": true}),
            false,
        ),
        (
            "gemini-2.5-flash",
            budget(60_000),
            json!({"thinkingBudget": 24_576, "includeThoughts": true}),
            false,
        ),
        (
            "gemini-2.5-pro",
            Some(Thinking::Effort(Effort::Low)),
            json!({"thinkingBudget": 1_024, "includeThoughts": true}),
            false,
        ),
        (
            "gemini-3-pro",
            Some(Thinking::Effort(Effort::Minimal)),
            json!({"thinkingLevel": "LOW", "includeThoughts": true}),
            false,
        ),
        (
            "gemini-3-flash",
            Some(Thinking::Effort(Effort::Max)),
            json!({"thinkingLevel": "HIGH", "includeThoughts": true}),
            false,
        ),
        ("gemini-3-flash", Some(Thinking::Off), json!({"thinkingLevel": "MINIMAL"}), true),
        ("gemini-3-flash", Some(Thinking::Adaptive), json!({"includeThoughts": true}), false),
        ("gemini-2.0-flash", Some(Thinking::Adaptive), Value::Null, true),
        ("gemini-2.0-flash", None, Value::Null, false),
    ] {
        let request = Request { thinking, ..Request::default() };
        let encoded = encode(&request, &to(model));
        let found = encoded.body.pointer("/generationConfig/thinkingConfig").unwrap_or(&Value::Null);
        assert_eq!(
            (found, encoded.unsaid.contains(&"thinking")),
            (&expected, unsaid),
            "{model} {thinking:?}"
        );
    }
    let hidden =
        Request { thinking: Some(Thinking::Adaptive), show_thoughts: Some(false), ..Request::default() };
    assert_eq!(
        body(&hidden, "gemini-3-flash")["generationConfig"]["thinkingConfig"],
        json!({"includeThoughts": false})
    );
}

#[test]
fn case_4_every_tool_choice_has_its_mode() {
    let names = || vec!["a".to_owned(), "b".to_owned()];
    for (choice, expected) in [
        (ToolChoice::Auto, Value::Null),
        (ToolChoice::None, json!({"mode": "NONE"})),
        (ToolChoice::Required, json!({"mode": "ANY"})),
        (ToolChoice::Named("a".to_owned()), json!({"mode": "ANY", "allowedFunctionNames": ["a"]})),
        (ToolChoice::Among(names()), json!({"mode": "VALIDATED", "allowedFunctionNames": ["a", "b"]})),
        (ToolChoice::RequiredAmong(names()), json!({"mode": "ANY", "allowedFunctionNames": ["a", "b"]})),
    ] {
        let tools = vec![Tool::new("a", "", json!({}))];
        let request = Request { tools, tool_choice: choice, ..Request::default() };
        let body = body(&request, "gemini-3-pro");
        assert_eq!(body.pointer("/toolConfig/functionCallingConfig").unwrap_or(&Value::Null), &expected);
    }
}

#[test]
fn case_14_a_schema_goes_where_the_model_takes_it() {
    let schema = json!({"type": "object", "additionalProperties": false});
    let format = Format::Schema { name: None, description: None, schema: schema.clone(), strict: None };
    let request = Request { format, ..Request::default() };
    let config = |model: &str| body(&request, model)["generationConfig"].clone();
    assert_eq!(
        config("gemini-3-pro"),
        json!({"responseMimeType": "application/json", "responseJsonSchema": schema})
    );
    assert_eq!(
        config("gemini-2.0-flash"),
        json!({"responseMimeType": "application/json", "responseSchema": {"type": "OBJECT"}})
    );
    let json_mode = Request { format: Format::Json, ..Request::default() };
    assert_eq!(
        body(&json_mode, "gemini-3-pro")["generationConfig"],
        json!({"responseMimeType": "application/json"})
    );
}

#[test]
fn case_8_instructions_midway_are_a_users_text() {
    let system = |text: &str| Turn { role: Role::System, parts: vec![Part::text(text)] };
    let request = Request {
        system: vec![Part::text("a"), Part::CachePoint { lifetime: Lifetime::Short }],
        turns: vec![system("b"), Turn::user("q"), system("late")],
        ..Request::default()
    };
    let encoded = encode(&request, &to("gemini-3-pro"));
    assert_eq!(encoded.body["systemInstruction"], json!({"parts": [{"text": "a"}, {"text": "b"}]}));
    assert_eq!(
        encoded.body["contents"],
        json!([{"role": "user", "parts": [{"text": "q"}, {"text": "<system>\nlate\n</system>"}]}])
    );
    assert_eq!(encoded.unsaid, ["cache_point"]);
}

#[test]
fn names_what_it_cannot_say() {
    let request = Request {
        tools: vec![Tool { strict: Some(true), ..Tool::new("t", "", json!({})) }],
        parallel_tools: Some(false),
        user: Some("u".to_owned()),
        cache_key: Some("k".to_owned()),
        ..Request::default()
    };
    assert_eq!(
        encode(&request, &to("gemini-3-pro")).unsaid,
        ["strict", "parallel_tools", "user", "cache_key"]
    );
}

#[test]
fn case_5_a_result_without_its_call_becomes_text() {
    let result = Part::ToolResult(ToolResult::text("gone", "ok", false));
    let written = parts(user(vec![result]), "gemini-3-pro");
    assert_eq!(written[1], json!({"text": "ok"}));
    assert!(written[0]["text"].as_str().unwrap().contains("no longer"));
}
