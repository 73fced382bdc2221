//! Requests as Codex and OpenAI's own clients send them.

use chat::{Effort, Media, Role, Seal, Source, Thought, Tool, ToolCall, ToolChoice, ToolInput, Turn};
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::openai_responses::encode;
use crate::{To, seal};

fn ask(body: Value) -> (Asked, Kept) {
    request(body.to_string().as_bytes()).unwrap()
}

fn call(id: &str, name: &str, arguments: &str) -> Part {
    let [id, name, arguments] = [id, name, arguments].map(str::to_owned);
    Part::ToolCall(ToolCall { id, name, arguments })
}

fn result(id: &str, content: Vec<Part>) -> Part {
    Part::ToolResult(chat::ToolResult { call_id: id.to_owned(), content, is_error: false })
}

fn turn(role: Role, parts: Vec<Part>) -> Turn {
    Turn { role, parts }
}

/// Hard cases 6, 8, 13 and pain 17: all that Codex sends.
#[test]
fn understands_codex() {
    let own = Seal { issuer: Some("anthropic/a".to_owned()), value: "sig".to_owned(), whole: false };
    let (asked, kept) = ask(json!({
        "model": "gpt-5-codex", "instructions": "You are Codex.", "stream": true, "store": false,
        "include": ["reasoning.encrypted_content"], "prompt_cache_key": "k", "parallel_tool_calls": false,
        "tool_choice": "auto", "reasoning": {"effort": "high", "summary": "auto"}, "text": {"verbosity": "medium"},
        "client_metadata": {"x": "y"},
        "tools": [
            {"type": "function", "name": "shell", "description": "Runs.", "strict": false, "parameters": {"type": "object"}},
            {"type": "custom", "name": "apply_patch", "description": "Edits.", "format": {"type": "grammar", "syntax": "lark", "definition": "d"}},
            {"type": "web_search"},
        ],
        "input": [
            {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "<permissions>"}]},
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "fix it"}, {"type": "input_image", "image_url": "data:image/png;base64,AAAA", "detail": "high"}]},
            {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "a"}, {"type": "summary_text", "text": "b"}], "content": null, "encrypted_content": "enc"},
            {"type": "reasoning", "summary": [], "encrypted_content": seal::pack(&own)},
            {"type": "message", "role": "assistant", "phase": "commentary", "content": [{"type": "output_text", "text": "I look."}]},
            {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "shell", "arguments": "{}"},
            {"type": "custom_tool_call", "call_id": "c2", "name": "apply_patch", "input": "*** Begin\nx"},
            {"type": "function_call_output", "call_id": "c1", "output": "ok"},
            {"type": "custom_tool_call_output", "call_id": "c2", "output": [{"type": "input_text", "text": "done"}, {"type": "input_image", "image_url": "https://example.com/a.png"}]},
            {"role": "user", "content": "go on"},
            {"type": "web_search_call", "id": "ws_1", "status": "completed"},
        ],
    }));
    assert_eq!(kept, Kept { store: Some(false), previous: None, instructions: 1 });
    assert_eq!((asked.model.as_str(), asked.is_streamed), ("gpt-5-codex", true));
    assert_eq!(asked.unsaid, ["input.web_search_call", "tools.web_search"]);
    let request = asked.request;
    assert_eq!(request.system, [Part::text("You are Codex."), Part::text("<permissions>")]);
    let image = |source, mime: Option<&str>, detail: Option<&str>| {
        let [mime, detail] = [mime, detail].map(|text| text.map(str::to_owned));
        Part::Image(Media { mime, source, name: None, detail })
    };
    let seen = image(Source::Base64("AAAA".to_owned()), Some("image/png"), Some("high"));
    let shown = image(Source::Url("https://example.com/a.png".to_owned()), None, None);
    let theirs = Seal { issuer: None, value: "enc".to_owned(), whole: true };
    let thought = |text: &str, seal| Part::Thought(Thought { text: text.to_owned(), seal: Some(seal) });
    let said = vec![
        thought("a\n\nb", theirs),
        thought("", own),
        Part::text("I look."),
        call("c1", "shell", "{}"),
        call("c2", "apply_patch", r#"{"input":"*** Begin\nx"}"#),
    ];
    let results = vec![result("c1", vec![Part::text("ok")]), result("c2", vec![Part::text("done"), shown])];
    let turns = [
        turn(Role::User, vec![Part::text("fix it"), seen]),
        turn(Role::Assistant, said),
        turn(Role::User, results),
        turn(Role::User, vec![Part::text("go on")]),
    ];
    assert_eq!(request.turns, turns);
    assert_eq!((request.thinking, request.show_thoughts), (Some(Thinking::Effort(Effort::High)), Some(true)));
    let grammar = json!({"type": "grammar", "syntax": "lark", "definition": "d"});
    assert_eq!(request.tools[1].input, ToolInput::Text { grammar: Some(grammar) });
    assert_eq!(request.tools[0].strict, Some(false));
}

#[test]
fn a_bare_text_is_a_users_turn_and_kept_conversations_stand_beside_it() {
    let (asked, kept) = ask(json!({
        "model": "m", "input": "hi", "previous_response_id": "resp_1", "store": true, "max_output_tokens": 9,
        "text": {"format": {"type": "json_schema", "name": "x", "schema": {}, "strict": true}, "verbosity": "low"},
        "tool_choice": {"type": "function", "name": "f"}, "truncation": "auto", "user": "u",
    }));
    assert_eq!(kept, Kept { store: Some(true), previous: Some("resp_1".to_owned()), instructions: 0 });
    assert_eq!(asked.request.turns, [Turn::user("hi")]);
    assert!(matches!(asked.request.format, Format::Schema { strict: Some(true), .. }));
    assert_eq!(asked.request.tool_choice, ToolChoice::Named("f".to_owned()));
    assert_eq!(asked.unsaid, ["text.verbosity", "truncation"]);
}

#[test]
fn tells_the_field_and_the_rule_and_never_the_content() {
    let input = |item: Value| json!({"model": "m", "input": [item]});
    let cases = [
        (json!({"model": "m"}), "input: is needed"),
        (json!({"model": "m", "input": 5}), "input: must be a string or a list"),
        (
            input(json!({"type": "item_reference", "id": "secret"})),
            "input[0].type: must not be item_reference",
        ),
        (input(json!({"role": "secret", "content": "x"})), "input[0].role: must be user"),
        (input(json!({"type": "function_call", "name": "x"})), "input[0].call_id: is needed"),
        (input(json!({"type": "function_call_output", "call_id": "x"})), "input[0].output: is needed"),
        (
            input(json!({"role": "user", "content": [{"type": "input_image"}]})),
            "input[0].content[0].image_url: is needed",
        ),
        (
            json!({"model": "m", "input": "x", "conversation": "secret"}),
            "conversation: is kept by OpenAI alone",
        ),
        (json!({"model": "m", "input": "x", "background": true}), "background: must be false"),
        (
            json!({"model": "m", "input": "x", "previous_response_id": 5}),
            "previous_response_id: must be the id",
        ),
    ];
    for (body, expected) in cases {
        let words = request(body.to_string().as_bytes()).unwrap_err().to_string();
        assert!(words.starts_with(expected), "{words}");
        assert!(!words.contains("secret"), "{words}");
    }
}

/// Hard case 5 and pain 20: here a tool's result may hold an image.
#[test]
fn encodes_results_thoughts_and_tools_as_a_provider_wants_them() {
    let seal = |issuer: &str| Seal { issuer: Some(issuer.to_owned()), value: "enc".to_owned(), whole: true };
    let thought =
        |text: &str, issuer| Part::Thought(Thought { text: text.to_owned(), seal: Some(seal(issuer)) });
    let image = Part::Image(Media {
        mime: Some("image/png".to_owned()),
        source: Source::Base64("AA".to_owned()),
        name: None,
        detail: None,
    });
    let failed = chat::ToolResult {
        call_id: "b".to_owned(),
        content: vec![Part::text("gone"), image],
        is_error: true,
    };
    let asked = chat::Request {
        system: vec![Part::text("Be brief.")],
        turns: vec![
            turn(
                Role::Assistant,
                vec![
                    thought("hm", "tests"),
                    thought("no", "other"),
                    Part::text("x"),
                    call("a", "patch", "{\"input\":\"p\"}"),
                    call("b", "read", ""),
                ],
            ),
            turn(
                Role::User,
                vec![Part::text("go on"), result("a", vec![Part::text("ok")]), Part::ToolResult(failed)],
            ),
        ],
        tools: vec![
            Tool { input: ToolInput::Text { grammar: None }, ..Tool::new("patch", "p", json!({})) },
            Tool::new("read", "r", json!({})),
        ],
        tool_choice: ToolChoice::Among(vec!["patch".to_owned()]),
        thinking: Some(Thinking::Effort(Effort::Low)),
        show_thoughts: Some(true),
        max_output: Some(TokenCount(5)),
        stop: vec!["END".to_owned()],
        temperature: Some(0.5),
        ..chat::Request::default()
    };
    let encoded = encode(&asked, &To { model: "gpt-5.2", is_streamed: true, issuer: "tests" });
    let expected = json!({
        "model": "gpt-5.2", "stream": true, "store": false, "instructions": "Be brief.",
        "include": ["reasoning.encrypted_content"], "reasoning": {"effort": "low", "summary": "auto"}, "max_output_tokens": 16,
        "tools": [
            {"type": "custom", "name": "patch", "description": "p"},
            {"type": "function", "name": "read", "description": "r", "parameters": {}, "strict": false},
        ],
        "tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "custom", "name": "patch"}]},
        "input": [
            {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}], "encrypted_content": "enc"},
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "x"}]},
            {"type": "custom_tool_call", "call_id": "a", "name": "patch", "input": "p"},
            {"type": "function_call", "call_id": "b", "name": "read", "arguments": "{}"},
            {"type": "custom_tool_call_output", "call_id": "a", "output": "ok"},
            {"type": "function_call_output", "call_id": "b", "output": [
                {"type": "input_text", "text": "The tool failed: "},
                {"type": "input_text", "text": "gone"},
                {"type": "input_image", "image_url": "data:image/png;base64,AA"},
            ]},
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "go on"}]},
        ],
    });
    assert_eq!(encoded.body, expected);
    assert_eq!(encoded.unsaid, ["thoughts", "temperature", "stop"]);
}

fn turns() -> impl Strategy<Value = Vec<Turn>> {
    let words = "[a-z ]{1,9}";
    let user = words.prop_map(|text| vec![turn(Role::User, vec![Part::text(text)])]);
    let used = ("[a-z]{1,70}", words, any::<bool>()).prop_map(|(id, text, is_error)| {
        let seal = Seal { issuer: Some("x".to_owned()), value: text.clone(), whole: true };
        let thought = Part::Thought(Thought { text: text.clone(), seal: Some(seal) });
        let said = vec![
            thought,
            Part::text(&*text),
            call(&id, "read", "{}"),
            call("p", "patch", "{\"input\":\"x\"}"),
        ];
        let content = vec![Part::text(text)];
        let answer = Part::ToolResult(chat::ToolResult { call_id: id, content, is_error });
        vec![turn(Role::Assistant, said), turn(Role::User, vec![answer, result("p", vec![Part::text("ok")])])]
    });
    prop::collection::vec(prop_oneof![user, used], 1..5).prop_map(|turns| turns.concat())
}

proptest! {
    /// What was once said in this dialect is said in the same words again.
    #[test]
    fn a_request_survives_its_way_through_chat(turns in turns(), streamed: bool) {
        let patch = Tool { input: ToolInput::Text { grammar: None }, ..Tool::new("patch", "p", json!({})) };
        let asked = chat::Request {
            system: vec![Part::text("Be brief.")],
            turns,
            tools: vec![Tool { strict: Some(false), ..Tool::new("read", "r", json!({"type": "object"})) }, patch],
            tool_choice: ToolChoice::RequiredAmong(vec!["read".to_owned()]),
            parallel_tools: Some(true),
            format: Format::Json,
            cache_key: Some("k".to_owned()),
            user: Some("u".to_owned()),
            ..chat::Request::default()
        };
        for model in ["gpt-5.2", "llama3"] {
            let to = To { model, is_streamed: streamed, issuer: "x" };
            let once = encode(&asked, &to).body;
            let (again, kept) = request(once.to_string().as_bytes()).unwrap();
            prop_assert_eq!(&again.unsaid, &Vec::<String>::new());
            prop_assert_eq!(kept.store, Some(false));
            // A provider's own seals come back from nobody known; the gateway knows whose they are.
            let mut known = again.request;
            for part in known.turns.iter_mut().flat_map(|turn| &mut turn.parts) {
                if let Part::Thought(Thought { seal: Some(seal), .. }) = part {
                    seal.issuer = Some("x".to_owned());
                }
            }
            prop_assert_eq!(&encode(&known, &to).body, &once);
            if model == "gpt-5.2" {
                prop_assert_eq!(known.tools, asked.tools.clone());
                prop_assert_eq!(known.tool_choice, asked.tool_choice.clone());
            }
        }
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = request(&bytes);
    }
}
