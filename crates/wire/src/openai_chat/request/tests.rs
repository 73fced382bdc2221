//! Requests as OpenAI's own clients, and those of others, send them.

use chat::{
    Effort, Lifetime, Media, Part, Role, Seal, Source, Thought, Tool, ToolCall, ToolChoice, ToolInput, Turn,
};
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::openai_chat::encode;
use crate::{To, seal};

fn ask(body: Value) -> Asked {
    request(body.to_string().as_bytes()).unwrap()
}

fn refusal(body: Value) -> String {
    request(body.to_string().as_bytes()).unwrap_err().to_string()
}

fn with(fields: Value) -> Value {
    let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]});
    for (name, value) in fields.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

fn call(id: &str, name: &str, arguments: &str) -> Part {
    let [id, name, arguments] = [id, name, arguments].map(str::to_owned);
    Part::ToolCall(ToolCall { id, name, arguments })
}

fn result(id: &str, content: Vec<Part>) -> Part {
    Part::ToolResult(chat::ToolResult { call_id: id.to_owned(), content, is_error: false })
}

fn image(source: Source, mime: Option<&str>) -> Part {
    Part::Image(Media { mime: mime.map(str::to_owned), source, name: None, detail: None })
}

/// Hard cases 5, 8 and 15.
#[test]
fn understands_messages_of_all_roles() {
    let asked = ask(json!({
        "model": "gpt-x",
        "stream": true,
        "stream_options": {"include_usage": true, "include_obfuscation": false},
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "developer", "content": [{"type": "text", "text": "And kind.", "cache_control": {"type": "ephemeral", "ttl": "1h"}}]},
            {"role": "user", "content": [
                {"type": "text", "text": "look"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
                {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
                {"type": "input_audio", "input_audio": {"data": "BBBB", "format": "mp3"}},
                {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,CCCC"}},
                {"type": "hologram", "hologram": {}},
            ]},
            {"role": "assistant", "content": "", "tool_calls": [
                {"id": "a", "type": "function", "function": {"name": "read", "arguments": "{\"p\":1}"}},
                {"id": "b", "type": "custom", "custom": {"name": "patch", "input": "x\"y"}},
            ]},
            {"role": "tool", "tool_call_id": "a", "content": "ok"},
            {"role": "tool", "tool_call_id": "b", "content": [{"type": "text", "text": "done"}, {"type": "image_url", "image_url": {"url": "https://example.com/b.png"}}]},
            {"role": "system", "content": "Hurry."},
            {"role": "assistant", "content": null, "refusal": "No."},
            {"role": "user", "content": "go on", "name": "Ann"},
        ],
    }));
    assert!(asked.is_streamed && asked.wants_usage);
    assert_eq!(asked.unsaid, ["messages.content.hologram", "messages.name"]);
    let hour = Part::CachePoint { lifetime: Lifetime::Hour };
    assert_eq!(asked.request.system, [Part::text("Be brief."), Part::text("And kind."), hour]);
    let url = |url: &str| image(Source::Url(url.to_owned()), None);
    let bytes = |mime: &str, bytes: &str, name: Option<&str>| Media {
        mime: Some(mime.to_owned()),
        source: Source::Base64(bytes.to_owned()),
        name: name.map(str::to_owned),
        detail: None,
    };
    let seen = vec![
        Part::text("look"),
        Part::Image(bytes("image/png", "AAAA", None)),
        url("https://example.com/a.png"),
        Part::Audio(bytes("audio/mpeg", "BBBB", None)),
        Part::Document(bytes("application/pdf", "CCCC", Some("a.pdf"))),
    ];
    let results = vec![
        result("a", vec![Part::text("ok")]),
        result("b", vec![Part::text("done"), url("https://example.com/b.png")]),
    ];
    let turn = |role, parts| Turn { role, parts };
    let expected = [
        turn(Role::User, seen),
        turn(
            Role::Assistant,
            vec![call("a", "read", "{\"p\":1}"), call("b", "patch", r#"{"input":"x\"y"}"#)],
        ),
        turn(Role::User, results),
        turn(Role::System, vec![Part::text("Hurry.")]),
        turn(Role::Assistant, vec![Part::Refusal { text: "No.".to_owned() }]),
        turn(Role::User, vec![Part::text("go on")]),
    ];
    assert_eq!(asked.request.turns, expected);
}

/// Hard case 6.
#[test]
fn seals_come_back_through_the_side_fields() {
    let own = Seal { issuer: Some("anthropic/a".to_owned()), value: "sig".to_owned(), whole: false };
    let hidden = Seal { issuer: Some("anthropic/a".to_owned()), value: "enc".to_owned(), whole: true };
    let asked = ask(json!({"model": "m", "messages": [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": "a", "reasoning_content": "hm", "reasoning_details": [
            {"type": "reasoning.text", "text": "hm", "signature": seal::pack(&own), "index": 0},
            {"type": "reasoning.encrypted", "data": seal::pack(&hidden), "index": 1},
        ], "tool_calls": [{"id": "a", "type": "function", "function": {"name": "n", "arguments": "{}"}, "extra_content": {"google": {"thought_signature": seal::pack(&own)}}}]},
        {"role": "assistant", "content": "b", "reasoning": "well"},
    ]}));
    let thought = |text: &str, seal: Option<&Seal>| {
        Part::Thought(Thought { text: text.to_owned(), seal: seal.cloned() })
    };
    let parts = vec![
        thought("hm", Some(&own)),
        thought("", Some(&hidden)),
        Part::text("a"),
        thought("", Some(&own)),
        call("a", "n", "{}"),
    ];
    assert_eq!(asked.request.turns[1].parts, parts);
    assert_eq!(asked.request.turns[2].parts, [thought("well", None), Part::text("b")]);
    assert!(asked.unsaid.is_empty());
}

/// Hard cases 4, 7 and 14.
#[test]
fn understands_what_stands_beside_the_messages() {
    let schema = json!({"type": "object"});
    let asked = ask(with(json!({
        "max_tokens": 5, "max_completion_tokens": 9, "temperature": 1, "top_p": 0.5, "seed": -3, "stop": "END",
        "frequency_penalty": 0.1, "presence_penalty": 0.2, "parallel_tool_calls": false, "reasoning_effort": "xhigh",
        "user": "u", "safety_identifier": "s", "prompt_cache_key": "k", "metadata": {"a": "b"}, "store": false, "n": 1,
        "logprobs": false, "logit_bias": {}, "service_tier": "auto", "modalities": ["text"], "verbosity": null,
        "response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": schema, "strict": true}},
        "tools": [
            {"type": "function", "function": {"name": "read", "description": "Reads.", "parameters": schema, "strict": true}},
            {"type": "custom", "custom": {"name": "patch", "format": {"type": "grammar", "grammar": {"syntax": "lark", "definition": "d"}}}},
        ],
        "tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [{"type": "function", "function": {"name": "read"}}]}},
    })));
    assert_eq!(asked.unsaid, Vec::<String>::new());
    let request = asked.request;
    assert_eq!(request.max_output, Some(TokenCount(9)));
    assert_eq!((request.temperature, request.top_p, request.seed), (Some(1.0), Some(0.5), Some(-3)));
    assert_eq!((request.stop, request.parallel_tools), (vec!["END".to_owned()], Some(false)));
    assert_eq!(request.thinking, Some(Thinking::Effort(Effort::Higher)));
    assert_eq!((request.user.as_deref(), request.cache_key.as_deref()), (Some("s"), Some("k")));
    assert!(matches!(request.format, Format::Schema { strict: Some(true), .. }));
    assert_eq!(request.tool_choice, ToolChoice::RequiredAmong(vec!["read".to_owned()]));
    assert_eq!(request.tools[0], Tool { strict: Some(true), ..Tool::new("read", "Reads.", schema) });
    let grammar = json!({"type": "grammar", "syntax": "lark", "definition": "d"});
    assert_eq!(request.tools[1].input, ToolInput::Text { grammar: Some(grammar) });
    let named = json!({"tool_choice": {"type": "function", "function": {"name": "x"}}});
    assert_eq!(ask(with(named)).request.tool_choice, ToolChoice::Named("x".to_owned()));
    let router = json!({"reasoning": {"max_tokens": 2000, "exclude": true}, "stop": ["a", "b"]});
    let request = ask(with(router)).request;
    assert_eq!(
        (request.thinking, request.show_thoughts),
        (Some(Thinking::Budget(TokenCount(2000))), Some(false))
    );
}

#[test]
fn names_what_no_other_dialect_can_say() {
    let asked = ask(with(json!({
        "logprobs": true, "top_logprobs": 2, "logit_bias": {"1": 5}, "store": true, "verbosity": "low",
        "web_search_options": {}, "prediction": {"type": "content"}, "service_tier": "flex", "modalities": ["text", "audio"],
        "reasoning_effort": "ludicrous", "tools": [{"type": "web_search"}],
    })));
    let named = [
        "tools.web_search",
        "reasoning_effort",
        "logit_bias",
        "logprobs",
        "modalities",
        "prediction",
        "service_tier",
        "store",
        "top_logprobs",
        "verbosity",
        "web_search_options",
    ];
    assert_eq!(asked.unsaid, named);
    let many: serde_json::Map<_, _> =
        (0..999).map(|n| (format!("field{n}{}", "ü".repeat(99)), json!(1))).collect();
    let unsaid = ask(with(Value::Object(many))).unsaid;
    assert!(unsaid.len() == 32 && unsaid.iter().all(|name| name.len() <= 64));
}

#[test]
fn tells_the_field_and_the_rule_and_never_the_content() {
    let messages = |messages: Value| json!({"model": "m", "messages": messages});
    let cases = [
        (json!({}), "model: is needed"),
        (json!({"model": "m"}), "messages: is needed"),
        (json!({"model": 5, "messages": []}), "model: must be a string"),
        (messages(json!("secret")), "messages: must be a list"),
        (messages(json!(["secret"])), "messages[0]: must be an object"),
        (messages(json!([{"role": "secret", "content": "x"}])), "messages[0].role: must be system"),
        (messages(json!([{"role": "user"}])), "messages[0].content: is needed"),
        (
            messages(json!([{"role": "user", "content": 5}])),
            "messages[0].content: must be a string or a list",
        ),
        (
            messages(json!([{"role": "user", "content": [{"type": "text", "text": ["secret"]}]}])),
            "messages[0].content[0].text: must be a string",
        ),
        (messages(json!([{"role": "tool", "content": "x"}])), "messages[0].tool_call_id: is needed"),
        (
            messages(json!([{"role": "assistant", "tool_calls": [{"id": "a", "function": {}}]}])),
            "messages[0].tool_calls[0].function.name: is needed",
        ),
        (with(json!({"n": 2})), "n: must be 1"),
        (with(json!({"functions": []})), "functions: is the old way"),
        (with(json!({"stream": "secret"})), "stream: must be true or false"),
        (with(json!({"temperature": "secret"})), "temperature: must be a number"),
        (with(json!({"max_tokens": -1})), "max_tokens: must be an integer from 1"),
        (with(json!({"stop": [5]})), "stop: must be a string or a list"),
        (with(json!({"tools": [{"type": "function"}]})), "tools[0].function: is needed"),
        (
            with(json!({"tools": [{"type": "function", "function": {"name": "secret", "parameters": 1}}]})),
            "tools[0].function.parameters: must be a JSON Schema",
        ),
        (with(json!({"tool_choice": "secret"})), "tool_choice: must be auto"),
        (
            with(json!({"response_format": {"type": "json_schema", "json_schema": {}}})),
            "response_format.json_schema.schema: is needed",
        ),
    ];
    for (body, expected) in cases {
        let words = refusal(body);
        assert!(words.starts_with(expected), "{words}");
        assert!(!words.contains("secret"), "{words}");
    }
    let bound = json!({"model": "m", "messages": vec![json!({"role": "user", "content": "x"}); 10_001]});
    assert!(refusal(bound).starts_with("messages: must have at most"));
}

fn part() -> impl Strategy<Value = Part> {
    prop_oneof![
        "[a-z ]{1,9}".prop_map(Part::text),
        "[A-Za-z0-9+/]{4}".prop_map(|bytes| image(Source::Base64(bytes), Some("image/png"))),
        "[a-z]{1,9}".prop_map(|path| image(Source::Url(format!("https://example.com/{path}")), None)),
    ]
}

fn turns() -> impl Strategy<Value = Vec<Turn>> {
    let user = prop::collection::vec(part(), 1..4).prop_map(|parts| Turn { role: Role::User, parts });
    let used = ("[a-z]{1,9}", "[a-z]{1,9}", any::<bool>(), prop::collection::vec(part(), 1..3));
    let used = used.prop_map(|(id, text, failed, content)| {
        let seal = Seal {
            issuer: Some("x".to_owned()),
            value: format!("{{\"type\":\"reasoning.text\",\"signature\":\"{text}\"}}"),
            whole: false,
        };
        let thought = Part::Thought(Thought { text: text.clone(), seal: Some(seal) });
        let called = vec![
            thought,
            Part::text(text),
            call(&id, "read", "{\"a\":1}"),
            call(&id, "patch", "{\"input\":\"x\"}"),
        ];
        let answer = chat::ToolResult { call_id: id, content, is_error: failed };
        [(Role::Assistant, called), (Role::User, vec![Part::ToolResult(answer), Part::text("and")])]
            .map(|(role, parts)| Turn { role, parts })
    });
    let turns = prop_oneof![user.prop_map(|turn| vec![turn]), used.prop_map(|turns| turns.to_vec())];
    prop::collection::vec(turns, 1..4).prop_map(|turns| turns.concat())
}

proptest! {
    /// What was once said in this dialect is said in the same words again.
    #[test]
    fn a_request_survives_its_way_through_chat(turns in turns(), streamed: bool, most in prop::option::of(1u64..9), stop in prop::collection::vec("[a-z]{1,3}", 0..3)) {
        let tool = Tool { input: ToolInput::Text { grammar: None }, ..Tool::new("patch", "p", json!({})) };
        let asked = chat::Request {
            system: vec![Part::text("Be brief.")],
            turns,
            tools: vec![Tool::new("read", "r", json!({"type": "object"})), tool],
            tool_choice: ToolChoice::Named("patch".to_owned()),
            parallel_tools: Some(false),
            max_output: most.map(TokenCount),
            stop,
            format: Format::Json,
            ..chat::Request::default()
        };
        for model in ["gpt-4o", "gpt-5.2", "llama3"] {
            let to = To { model, is_streamed: streamed, issuer: "x" };
            let once = encode(&asked, &to).body;
            let again = request(once.to_string().as_bytes()).unwrap();
            prop_assert_eq!(&again.unsaid, &Vec::<String>::new());
            prop_assert_eq!((again.model.as_str(), again.is_streamed), (model, streamed));
            // A provider's own entries come back from nobody known; the gateway knows whose they are.
            let mut known = again.request;
            for part in known.turns.iter_mut().flat_map(|turn| &mut turn.parts) {
                if let Part::Thought(Thought { seal: Some(seal), .. }) = part {
                    seal.issuer = Some("x".to_owned());
                }
            }
            prop_assert_eq!(&encode(&known, &to).body, &once);
            if model == "gpt-5.2" {
                prop_assert_eq!(known.tools, asked.tools.clone());
            }
        }
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = request(&bytes);
    }
}
