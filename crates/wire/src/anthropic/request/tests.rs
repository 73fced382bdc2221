//! What clients of this dialect send, Claude Code above all.

use chat::{Effort, Lifetime, Media, Seal, Source, Thought, ToolCall, ToolResult};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::anthropic::encode;
use crate::transcript::to;

fn asked(body: &Value) -> Asked {
    request(body.to_string().as_bytes()).unwrap()
}

fn minimal(mut body: Value) -> Value {
    let fields = body.as_object_mut().unwrap();
    fields.entry("model").or_insert(json!("m"));
    fields.entry("messages").or_insert(json!([{"role": "user", "content": "x"}]));
    body
}

fn user(content: Value) -> Value {
    minimal(json!({"messages": [{"role": "user", "content": content}]}))
}

fn parts(content: Value) -> Vec<Part> {
    asked(&user(content)).request.turns.remove(0).parts
}

fn point(lifetime: Lifetime) -> Part {
    Part::CachePoint { lifetime }
}

fn seal(value: &str, whole: bool) -> Option<Seal> {
    Some(Seal { issuer: None, value: value.to_owned(), whole })
}

/// In the shape of what Claude Code sends in the middle of a task.
fn claude_code() -> Value {
    json!({
        "model": "claude-sonnet-4-5", "max_tokens": 32_000, "stream": true,
        "metadata": {"user_id": "user_1_account__session_2"},
        "system": [
            {"type": "text", "text": "x-anthropic-billing-header: cc_version=2.1; cch=1;"},
            {"type": "text", "text": "You are a coding agent.", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
            {"type": "text", "text": "Rules.", "cache_control": {"type": "ephemeral"}},
        ],
        "tools": [
            {"name": "Bash", "description": "Runs.", "input_schema": {"type": "object", "properties": {"command": {"type": "string"}}}, "eager_input_streaming": true},
            {"name": "Read", "input_schema": {"type": "object"}, "cache_control": {"type": "ephemeral"}},
            {"type": "web_search_20250305", "name": "web_search", "max_uses": 8},
        ],
        "thinking": {"type": "adaptive", "display": "summarized"},
        "output_config": {"effort": "xhigh"},
        "context_management": {"edits": [{"type": "clear_thinking_20251015"}]},
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "Fix it."}]},
            {"role": "assistant", "content": [
                {"type": "thinking", "thinking": "hmm", "signature": "Eq=="},
                {"type": "redacted_thinking", "data": "Em=="},
                {"type": "text", "text": "I look."},
                {"type": "tool_use", "id": "toolu_1", "name": "Bash", "input": {"command": "ls", "n": 1.50}, "caller": {"type": "direct"}},
                {"type": "tool_use", "id": "toolu_2", "name": "Read", "input": {}},
            ]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "toolu_1", "content": "no such file", "is_error": true},
                {"type": "tool_result", "tool_use_id": "toolu_2", "content": [
                    {"type": "text", "text": "a picture"},
                    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBOR"}},
                ]},
                {"type": "text", "text": "go on", "cache_control": {"type": "ephemeral"}},
            ]},
            {"role": "system", "content": "Be quick."},
        ],
    })
}

#[test]
fn cases_5_6_8_and_pains_20_and_21_understands_claude_code() {
    let Asked { model, is_streamed, wants_usage, request, unsaid } = asked(&claude_code());
    assert_eq!((model.as_str(), is_streamed, wants_usage), ("claude-sonnet-4-5", true, true));
    assert_eq!(unsaid, ["context_management", "tools.web_search_20250305"]);
    let system = [
        Part::text("You are a coding agent."),
        point(Lifetime::Hour),
        Part::text("Rules."),
        point(Lifetime::Short),
    ];
    assert_eq!(request.system, system);
    assert_eq!(
        request.tools.iter().map(|tool| tool.cache).collect::<Vec<_>>(),
        [None, Some(Lifetime::Short)]
    );
    assert_eq!(
        (request.thinking, request.show_thoughts),
        (Some(Thinking::Effort(Effort::Higher)), Some(true))
    );
    assert_eq!(request.user.as_deref(), Some("user_1_account__session_2"));
    assert_eq!(request.max_output, Some(TokenCount(32_000)));
    let call = |id: &str, name: &str, arguments: &str| {
        Part::ToolCall(ToolCall { id: id.to_owned(), name: name.to_owned(), arguments: arguments.to_owned() })
    };
    let assistant = vec![
        Part::Thought(Thought { text: "hmm".to_owned(), seal: seal("Eq==", false) }),
        Part::Thought(Thought { text: String::new(), seal: seal("Em==", true) }),
        Part::text("I look."),
        call("toolu_1", "Bash", r#"{"command":"ls","n":1.5}"#),
        call("toolu_2", "Read", "{}"),
    ];
    assert_eq!(request.turns[1], Turn { role: Role::Assistant, parts: assistant });
    let png = Media {
        mime: Some("image/png".to_owned()),
        source: Source::Base64("iVBOR".to_owned()),
        name: None,
        detail: None,
    };
    let content = vec![Part::text("a picture"), Part::Image(png)];
    let results = vec![
        Part::ToolResult(ToolResult::text("toolu_1", "no such file", true)),
        Part::ToolResult(ToolResult { call_id: "toolu_2".to_owned(), content, is_error: false }),
        Part::text("go on"),
        point(Lifetime::Short),
    ];
    assert_eq!(request.turns[2], Turn { role: Role::User, parts: results });
    assert_eq!(request.turns[3], Turn { role: Role::System, parts: vec![Part::text("Be quick.")] });
}

#[test]
fn case_8_of_a_billing_line_only_the_line_is_left_out() {
    let system = json!("x-anthropic-billing-header: cc_version=2.1; cch=1;\n\nYou are.");
    assert_eq!(asked(&minimal(json!({ "system": system }))).request.system, [Part::text("You are.")]);
}

#[test]
fn case_3_arguments_keep_their_bytes() {
    let body = r#"{"model":"m","messages":[{"role":"assistant","content":[{"type":"tool_use","id":"a","name":"n","input":{ "b": 1.50, "a":"\u00e9" }}]}]}"#;
    let Part::ToolCall(call) = &request(body.as_bytes()).unwrap().request.turns[0].parts[0] else { panic!() };
    assert_eq!(call.arguments, r#"{ "b": 1.50, "a":"\u00e9" }"#);
}

#[test]
fn pain_18_a_seal_of_another_issuer_comes_back_with_its_name() {
    let other = Seal { issuer: Some("gemini".to_owned()), value: "v".to_owned(), whole: true };
    let signature = crate::seal::pack(&other);
    let content = json!([{"type": "thinking", "thinking": "", "signature": signature}, {"type": "thinking", "thinking": "t", "signature": ""}]);
    let thought = |text: &str, seal| Part::Thought(Thought { text: text.to_owned(), seal });
    assert_eq!(parts(content), [thought("", Some(other)), thought("t", None)]);
}

#[test]
fn case_15_reads_images_and_documents_from_everywhere() {
    let media = |mime: Option<&str>, source, name: Option<&str>| Media {
        mime: mime.map(str::to_owned),
        source,
        name: name.map(str::to_owned),
        detail: None,
    };
    let found = parts(json!([
        {"type": "image", "source": {"type": "url", "url": "https://x/y.png"}},
        {"type": "image", "source": {"type": "file", "file_id": "file_1"}},
        {"type": "document", "title": "T", "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBE"}},
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "words"}, "citations": {"enabled": false}},
        {"type": "document", "source": {"type": "content", "content": [{"type": "text", "text": "inner"}]}},
        {"type": "search_result", "source": "https://s", "title": "S", "content": [{"type": "text", "text": "found"}]},
    ]));
    assert_eq!(
        found,
        [
            Part::Image(media(None, Source::Url("https://x/y.png".to_owned()), None)),
            Part::Image(media(None, Source::File("file_1".to_owned()), None)),
            Part::Document(media(Some("application/pdf"), Source::Base64("JVBE".to_owned()), Some("T"))),
            Part::Document(media(Some("text/plain"), Source::Text("words".to_owned()), None)),
            Part::text("inner"),
            Part::Document(media(Some("text/plain"), Source::Text("found".to_owned()), Some("S"))),
        ]
    );
}

#[test]
fn names_what_no_other_dialect_can_say() {
    let body = minimal(json!({
        "container": "c", "mcp_servers": [{}], "service_tier": "auto", "speed": null,
        "thinking": {"type": "enabled", "budget_tokens": 2000}, "output_config": {"effort": "low"},
        "tools": [{"type": "bash_20250124", "name": "bash"}, {"name": "t", "input_schema": {}, "defer_loading": true}],
        "messages": [{"role": "user", "content": [
            {"type": "text", "text": "x", "citations": [{}]},
            {"type": "document", "context": "c", "source": {"type": "text", "data": "d"}, "citations": {"enabled": true}},
            {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}},
            {"type": "web_search_tool_result", "tool_use_id": "s", "content": {"type": "web_search_tool_result_error"}},
        ]}],
    }));
    let expected = [
        "container",
        "mcp_servers",
        "citations",
        "document.context",
        "messages.server_tool_use",
        "messages.web_search_tool_result",
        "output_config.effort",
        "tools.bash_20250124",
        "tools.defer_loading",
    ];
    let found = asked(&body).unsaid;
    for name in expected {
        assert!(found.iter().any(|found| found == name), "{name} is missing in {found:?}");
    }
    assert_eq!(found.len(), expected.len(), "{found:?}");
}

#[test]
fn case_4_every_tool_choice_is_understood() {
    for (choice, expected, parallel) in [
        (json!({"type": "auto", "disable_parallel_tool_use": true}), ToolChoice::Auto, Some(false)),
        (json!({"type": "any"}), ToolChoice::Required, None),
        (json!({"type": "none"}), ToolChoice::None, None),
        (
            json!({"type": "tool", "name": "t", "disable_parallel_tool_use": false}),
            ToolChoice::Named("t".to_owned()),
            Some(true),
        ),
    ] {
        let request = asked(&minimal(json!({"tool_choice": choice}))).request;
        assert_eq!((request.tool_choice, request.parallel_tools), (expected, parallel));
    }
}

#[test]
fn case_7_thinking_and_effort_become_one() {
    for (thinking, effort, expected) in [
        (Value::Null, Value::Null, None),
        (json!({"type": "disabled"}), Value::Null, Some(Thinking::Off)),
        (json!({"type": "adaptive"}), Value::Null, Some(Thinking::Adaptive)),
        (json!({"type": "adaptive"}), json!("max"), Some(Thinking::Effort(Effort::Max))),
        (Value::Null, json!("low"), Some(Thinking::Effort(Effort::Low))),
        (
            json!({"type": "enabled", "budget_tokens": 2048}),
            Value::Null,
            Some(Thinking::Budget(TokenCount(2048))),
        ),
    ] {
        let body = minimal(json!({"thinking": thinking, "output_config": {"effort": effort}}));
        assert_eq!(asked(&body).request.thinking, expected);
    }
}

#[test]
fn case_16_a_mark_of_the_whole_request_is_one_on_its_last_block() {
    let body = minimal(json!({"cache_control": {"type": "ephemeral", "ttl": "1h"}}));
    assert_eq!(asked(&body).request.turns[0].parts, [Part::text("x"), point(Lifetime::Hour)]);
}

#[test]
fn case_14_structured_output_is_understood_at_both_places() {
    let format = json!({"type": "json_schema", "schema": {"type": "object"}});
    for body in [json!({"output_config": {"format": format}}), json!({"output_format": format})] {
        let expected = Format::Schema {
            name: None,
            description: None,
            schema: json!({"type": "object"}),
            strict: Some(true),
        };
        assert_eq!(asked(&minimal(body)).request.format, expected);
    }
}

#[test]
fn what_is_wrong_is_said_with_its_place_and_without_its_value() {
    let deep = serde_json::from_str::<Value>(&format!("{}{}", "[".repeat(110), "]".repeat(110))).unwrap();
    for (body, field) in [
        (json!({"messages": []}), "model"),
        (json!({"model": "m"}), "messages"),
        (json!({"model": "m", "messages": "secret"}), "messages"),
        (json!({"model": "m", "messages": [{"role": "secret", "content": ""}]}), "messages[0].role"),
        (json!({"model": "m", "messages": [{"role": "user"}]}), "messages[0].content"),
        (user(json!(7)), "messages[0].content"),
        (user(json!([{"type": "text"}])), "messages[0].content[0].text"),
        (user(json!([{"text": "secret"}])), "messages[0].content[0].type"),
        (
            user(json!([{"type": "text", "text": "secret", "cache_control": {"ttl": "secret"}}])),
            "messages[0].content[0].cache_control.ttl",
        ),
        (
            user(json!([{"type": "image", "source": {"type": "secret"}}])),
            "messages[0].content[0].source.type",
        ),
        (user(json!([{"type": "image", "source": {"type": "url"}}])), "messages[0].content[0].source.url"),
        (
            user(json!([{"type": "image", "source": {"type": "base64", "data": 5}}])),
            "messages[0].content[0].source.data",
        ),
        (
            user(json!([{"type": "tool_use", "id": "a", "name": "n", "input": "secret"}])),
            "messages[0].content[0].input",
        ),
        (
            user(json!([{"type": "tool_use", "id": "a", "name": "n", "input": {"a": deep}}])),
            "messages[0].content[0].input",
        ),
        (
            user(json!([{"type": "tool_result", "tool_use_id": "a", "content": [{"type": "image"}]}])),
            "messages[0].content[0].content[0].source",
        ),
        (minimal(json!({"max_tokens": "secret"})), "max_tokens"),
        (minimal(json!({"max_tokens": -1})), "max_tokens"),
        (minimal(json!({"tools": [{"name": "n"}]})), "tools[0].input_schema"),
        (minimal(json!({"tools": [{"name": "n", "input_schema": "secret"}]})), "tools[0].input_schema"),
        (minimal(json!({"tool_choice": {"type": "secret"}})), "tool_choice.type"),
        (minimal(json!({"tool_choice": {"type": "tool"}})), "tool_choice.name"),
        (minimal(json!({"thinking": {"type": "enabled"}})), "thinking.budget_tokens"),
        (minimal(json!({"thinking": {"type": "secret"}})), "thinking.type"),
        (minimal(json!({"output_config": {"effort": "secret"}})), "output_config.effort"),
        (minimal(json!({"system": [{"type": "text"}]})), "system[0].text"),
    ] {
        let error = request(body.to_string().as_bytes()).unwrap_err();
        assert_eq!(error.field, field, "{body}: {error}");
        assert!(!error.to_string().contains("secret"), "{error}");
    }
    for (body, rule) in [
        (&b"{\"model\":\"m\",\"model\":\"n\",\"messages\":[]}"[..], "must not be given twice"),
        (
            b"{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"role\":\"user\",\"content\":\"\"}]}",
            "must not be given twice",
        ),
        (b"{\"model\":\"\xff\"}", "must be UTF-8"),
        (b"", "must be JSON; it ends too early"),
    ] {
        assert_eq!(request(body).unwrap_err().rule, rule);
    }
    let nested = format!(r#"{{"model":"m","messages":[],"x":{}{}}}"#, "[".repeat(10_000), "]".repeat(10_000));
    assert!(request(nested.as_bytes()).unwrap_err().rule.contains("nested"));
}

fn words() -> impl Strategy<Value = String> {
    "[a-zA-Zäß😀\"\\\\]{1,8}"
}

/// A question, thoughts, calls and their results: as `chat` has them, and as this dialect can say them.
fn exchange() -> impl Strategy<Value = Vec<Turn>> {
    let thought = prop::option::of((words(), any::<bool>()));
    (words(), thought, words(), 0usize..3, any::<bool>()).prop_map(
        |(question, thought, text, calls, is_error)| {
            let thought = thought.map(|(text, whole)| {
                let text = if whole { String::new() } else { text };
                let seal = Seal { issuer: Some("tests".to_owned()), value: "s".to_owned(), whole };
                Part::Thought(Thought { text, seal: Some(seal) })
            });
            let call = |number: usize| {
                let arguments = json!({ "a": text }).to_string();
                Part::ToolCall(ToolCall { id: format!("t{number}"), name: "n".to_owned(), arguments })
            };
            let result =
                |number: usize| Part::ToolResult(ToolResult::text(format!("t{number}"), "ok", is_error));
            let assistant: Vec<Part> =
                thought.into_iter().chain([Part::text(&*text)]).chain((0..calls).map(call)).collect();
            let mut turns = vec![Turn::user(question), Turn { role: Role::Assistant, parts: assistant }];
            if calls > 0 {
                turns.push(Turn { role: Role::User, parts: (0..calls).map(result).collect() });
                turns.push(Turn { role: Role::Assistant, parts: vec![Part::text("done")] });
            }
            turns
        },
    )
}

fn thinking_asked() -> impl Strategy<Value = Option<Thinking>> {
    let efforts = [Effort::Low, Effort::Medium, Effort::High, Effort::Higher, Effort::Max];
    prop::option::of(prop_oneof![
        Just(Thinking::Off),
        Just(Thinking::Adaptive),
        (1_024u64..4_000).prop_map(|budget| Thinking::Budget(TokenCount(budget))),
        prop::sample::select(efforts.to_vec()).prop_map(Thinking::Effort),
    ])
}

proptest! {
    /// What this dialect can say survives being said and understood.
    #[test]
    fn a_request_survives_its_own_dialect(
        exchanges in prop::collection::vec(exchange(), 1..3),
        thinking in thinking_asked(),
        lifetime in prop::option::of(prop_oneof![Just(Lifetime::Short), Just(Lifetime::Hour)]),
        stop in prop::collection::vec(words(), 0..2),
        user in prop::option::of(words()),
    ) {
        let mut request = Request {
            system: vec![Part::text("s")],
            turns: exchanges.concat(),
            tools: vec![Tool { cache: lifetime, strict: Some(true), ..Tool::new("n", "d", json!({"type": "object"})) }],
            max_output: Some(TokenCount(8_000)),
            thinking,
            stop,
            user,
            ..Request::default()
        };
        request.turns.extend([Turn::user("q")]);
        request.turns.last_mut().unwrap().parts.extend(lifetime.map(point));
        let encoded = encode(&request, &to("claude-x"));
        prop_assert!(encoded.unsaid.is_empty(), "{:?}", encoded.unsaid);
        let mut again = asked(&encoded.body);
        prop_assert!(again.unsaid.is_empty());
        for part in again.request.turns.iter_mut().flat_map(|turn| &mut turn.parts) {
            if let Part::Thought(Thought { seal: Some(seal), .. }) = part {
                prop_assert_eq!(seal.issuer.replace("tests".to_owned()), None);
            }
        }
        prop_assert_eq!(again.request, request);
    }
}
