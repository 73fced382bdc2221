//! What clients of this dialect send.

use chat::{Media, Part, Seal, Source, Thought, ToolCall, ToolResult};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::gemini::encode;
use crate::transcript::to;

fn asked(body: &Value) -> Asked {
    request(body.to_string().as_bytes(), "gemini-x", true).unwrap()
}

fn minimal(mut body: Value) -> Value {
    body.as_object_mut().unwrap().entry("contents").or_insert(json!([{"parts": [{"text": "x"}]}]));
    body
}

fn parts(role: &str, parts: Value) -> Vec<Part> {
    asked(&json!({"contents": [{"role": role, "parts": parts}]})).request.turns.remove(0).parts
}

fn call(id: &str, name: &str, arguments: &str) -> Part {
    Part::ToolCall(ToolCall { id: id.to_owned(), name: name.to_owned(), arguments: arguments.to_owned() })
}

fn thought(text: &str, value: Option<&str>) -> Part {
    let seal = value.map(|value| Seal { issuer: None, value: value.to_owned(), whole: false });
    Part::Thought(Thought { text: text.to_owned(), seal })
}

#[test]
fn understands_all_of_a_request() {
    let body = json!({
        "systemInstruction": {"parts": [{"text": "Be brief."}]},
        "contents": [{"role": "user", "parts": [{"text": "hello"}]}],
        "tools": [
            {"functionDeclarations": [
                {"name": "read", "description": "Reads.", "parametersJsonSchema": {"type": "object"}},
                {"name": "list", "parameters": {"type": "OBJECT", "properties": {"d": {"type": "STRING"}}}},
                {"name": "now"},
            ]},
            {"googleSearch": {}},
        ],
        "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["read"]}},
        "safetySettings": [{}], "labels": {"a": "b"}, "cachedContent": "c",
        "generationConfig": {
            "maxOutputTokens": 100, "temperature": 0.2, "topP": 0.9, "topK": 40.0, "candidateCount": 2, "seed": 7,
            "stopSequences": ["END"], "presencePenalty": 0.5, "frequencyPenalty": -0.5,
            "responseMimeType": "application/json", "responseSchema": {"type": "STRING", "nullable": true},
            "thinkingConfig": {"includeThoughts": true, "thinkingLevel": "low"},
            "responseModalities": ["TEXT", "IMAGE"], "speechConfig": {},
        },
    });
    let Asked { model, is_streamed, request, unsaid, .. } = asked(&body);
    assert_eq!((model.as_str(), is_streamed), ("gemini-x", true));
    let expected = [
        "cachedContent",
        "safetySettings",
        "generationConfig.speechConfig",
        "generationConfig.candidateCount",
        "generationConfig.responseModalities",
        "tools.googleSearch",
    ];
    assert_eq!(unsaid, expected);
    let schema = json!({"type": "object", "properties": {"d": {"type": "string"}}});
    let format = Format::Schema {
        name: None,
        description: None,
        schema: json!({"type": ["string", "null"]}),
        strict: None,
    };
    let expected = Request {
        system: vec![Part::text("Be brief.")],
        turns: vec![Turn::user("hello")],
        tools: vec![
            Tool::new("read", "Reads.", json!({"type": "object"})),
            Tool::new("list", "", schema),
            Tool::new("now", "", json!({"type": "object"})),
        ],
        tool_choice: ToolChoice::Named("read".to_owned()),
        max_output: Some(TokenCount(100)),
        temperature: Some(0.2),
        top_p: Some(0.9),
        top_k: Some(40),
        frequency_penalty: Some(-0.5),
        presence_penalty: Some(0.5),
        seed: Some(7),
        stop: vec!["END".to_owned()],
        thinking: Some(Thinking::Effort(Effort::Low)),
        show_thoughts: Some(true),
        format,
        ..Request::default()
    };
    assert_eq!(request, expected);
}

#[test]
fn fields_may_be_spelled_in_snake_case() {
    let body = minimal(
        json!({"system_instruction": {"parts": [{"text": "s"}]}, "generation_config": {"max_output_tokens": 5}}),
    );
    let request = asked(&body).request;
    assert_eq!((request.system, request.max_output), (vec![Part::text("s")], Some(TokenCount(5))));
}

#[test]
fn case_3_calls_without_ids_are_paired_with_their_results() {
    let body = json!({"contents": [
        {"role": "user", "parts": [{"text": "q"}]},
        {"role": "model", "parts": [
            {"functionCall": {"name": "read", "args": { "n": 1 }}},
            {"functionCall": {"name": "list"}},
            {"functionCall": {"name": "read", "args": {}}},
        ]},
        {"role": "function", "parts": [
            {"functionResponse": {"name": "list", "response": {"error": "gone"}}},
            {"functionResponse": {"name": "read", "response": {"output": "one"}}},
            {"functionResponse": {"name": "read", "response": {"size": 3}}},
        ]},
    ]});
    let request = asked(&body).request;
    assert_eq!(
        request.turns[1].parts,
        [call("call_0", "read", r#"{"n":1}"#), call("call_1", "list", "{}"), call("call_2", "read", "{}")]
    );
    let results = [
        Part::ToolResult(ToolResult::text("call_1", "gone", true)),
        Part::ToolResult(ToolResult::text("call_0", "one", false)),
        Part::ToolResult(ToolResult::text("call_2", r#"{"size":3}"#, false)),
    ];
    assert_eq!((request.turns[2].role, &request.turns[2].parts[..]), (Role::User, &results[..]));
}

#[test]
fn case_6_a_signature_seals_what_was_thought_before_its_part() {
    assert_eq!(
        parts(
            "model",
            json!([
                {"text": "hmm", "thought": true},
                {"functionCall": {"id": "a", "name": "n"}, "thoughtSignature": "1"},
                {"text": "said", "thoughtSignature": "2"},
                {"text": "", "thoughtSignature": "3"},
            ])
        ),
        [
            thought("hmm", Some("1")),
            call("a", "n", "{}"),
            thought("", Some("2")),
            Part::text("said"),
            thought("", Some("3")),
        ]
    );
    let none = json!([{"functionCall": {"id": "a", "name": "n"}, "thoughtSignature": "skip_thought_signature_validator"}]);
    assert_eq!(parts("model", none), [call("a", "n", "{}")]);
}

#[test]
fn pain_18_a_seal_of_another_issuer_comes_back_with_its_name() {
    let other = Seal { issuer: Some("anthropic".to_owned()), value: "v".to_owned(), whole: true };
    let found = parts("model", json!([{"text": "x", "thoughtSignature": crate::seal::pack(&other)}]));
    assert_eq!(found[0], Part::Thought(Thought { text: String::new(), seal: Some(other) }));
}

#[test]
fn the_pieces_of_a_streamed_answer_are_one_turn() {
    let piece = |part: Value| json!({"role": "model", "parts": [part]});
    let body = json!({"contents": [
        {"role": "user", "parts": [{"text": "a"}, {"text": "b"}]},
        piece(json!({"text": "h", "thought": true})),
        piece(json!({"text": "m", "thought": true})),
        piece(json!({"text": "Gr", "thoughtSignature": "s"})),
        piece(json!({"text": "\u{fc}\u{df}e"})),
        piece(json!({"text": ""})),
        {"role": "user", "parts": [{"text": "c"}]},
    ]});
    let turns = asked(&body).request.turns;
    assert_eq!(turns[0].parts, [Part::text("a"), Part::text("b")]);
    assert_eq!(turns[1].parts, [thought("hm", Some("s")), Part::text("Grüße")]);
    assert_eq!(turns.len(), 3);
}

#[test]
fn base64_in_the_other_alphabet_is_understood() {
    let seal = Seal { issuer: Some("anthropic".to_owned()), value: "??>>~~".to_owned(), whole: false };
    let packed = crate::seal::pack(&seal);
    assert!(packed.contains(['+', '/']));
    let signature = packed.replace('+', "-").replace('/', "_");
    let found = parts("model", json!([{"text": "x", "thoughtSignature": signature}]));
    assert_eq!(found[0], Part::Thought(Thought { text: String::new(), seal: Some(seal) }));
    let own = parts("model", json!([{"text": "x", "thoughtSignature": "a-_b"}]));
    assert_eq!(own[0], thought("", Some("a-_b")));
    let image = parts("user", json!([{"inlineData": {"mimeType": "image/png", "data": "-_8"}}]));
    let Part::Image(Media { source: Source::Base64(data), .. }) = &image[0] else { panic!("{image:?}") };
    assert_eq!(data, "+/8=");
}

#[test]
fn case_15_reads_media_from_everywhere() {
    let media = |mime: &str, source| Media { mime: Some(mime.to_owned()), source, name: None, detail: None };
    let data = || Source::Base64("AA==".to_owned());
    assert_eq!(
        parts(
            "user",
            json!([
                {"inlineData": {"mimeType": "image/png", "data": "AA=="}},
                {"inline_data": {"mime_type": "audio/wav", "data": "AA=="}},
                {"inlineData": {"mimeType": "application/pdf", "data": "AA=="}},
                {"fileData": {"mimeType": "image/png", "fileUri": "https://x/y.png"}},
                {"fileData": {"mimeType": "image/png", "fileUri": "https://generativelanguage.googleapis.com/v1beta/files/f"}},
            ])
        ),
        [
            Part::Image(media("image/png", data())),
            Part::Audio(media("audio/wav", data())),
            Part::Document(media("application/pdf", data())),
            Part::Image(media("image/png", Source::Url("https://x/y.png".to_owned()))),
            Part::Image(media(
                "image/png",
                Source::File("https://generativelanguage.googleapis.com/v1beta/files/f".to_owned())
            )),
        ]
    );
}

#[test]
fn what_is_wrong_is_said_with_its_place_and_without_its_value() {
    let part = |part: Value| json!({"contents": [{"parts": [part]}]});
    for (body, field) in [
        (json!({}), "contents"),
        (json!({"contents": "secret"}), "contents"),
        (json!({"contents": [{"role": "secret", "parts": []}]}), "contents[0].role"),
        (part(json!({"text": 5})), "contents[0].parts[0].text"),
        (part(json!({"inlineData": {"data": "secret"}})), "contents[0].parts[0].inlineData.mimeType"),
        (part(json!({"functionCall": {"args": {}}})), "contents[0].parts[0].functionCall.name"),
        (
            part(json!({"functionCall": {"name": "n", "args": "secret"}})),
            "contents[0].parts[0].functionCall.args",
        ),
        (
            part(json!({"functionResponse": {"name": "n", "response": "secret"}})),
            "contents[0].parts[0].functionResponse.response",
        ),
        (
            minimal(json!({"tools": [{"functionDeclarations": [{}]}]})),
            "tools[0].functionDeclarations[0].name",
        ),
        (
            minimal(json!({"toolConfig": {"functionCallingConfig": {"mode": "secret"}}})),
            "toolConfig.functionCallingConfig.mode",
        ),
        (minimal(json!({"generationConfig": {"topK": 1.5}})), "generationConfig.topK"),
        (
            minimal(json!({"generationConfig": {"thinkingConfig": {"thinkingLevel": "secret"}}})),
            "generationConfig.thinkingConfig.thinkingLevel",
        ),
        (
            minimal(json!({"generationConfig": {"thinkingConfig": {"thinkingBudget": -2}}})),
            "generationConfig.thinkingConfig.thinkingBudget",
        ),
        (minimal(json!({"generationConfig": {"responseSchema": {}}})), "generationConfig.responseMimeType"),
    ] {
        let error = request(body.to_string().as_bytes(), "m", false).unwrap_err();
        assert_eq!(error.field, field, "{body}: {error}");
        assert!(!error.to_string().contains("secret"), "{error}");
    }
    let twice = br#"{"contents":[],"contents":[]}"#;
    assert_eq!(request(twice, "m", false).unwrap_err(), Invalid::new("contents", "must not be given twice"));
}

fn words() -> impl Strategy<Value = String> {
    "[a-zA-Zäß😀\"]{1,8}"
}

/// A question, thoughts, calls and their results: as `chat` has them, and as this dialect can say them.
fn exchange(first: usize) -> impl Strategy<Value = Vec<Turn>> {
    (words(), prop::option::of(words()), words(), 1usize..3, any::<bool>()).prop_map(
        move |(question, thought, text, calls, is_error)| {
            let thought = thought.map(|text| {
                let seal = Seal { issuer: Some("tests".to_owned()), value: "s".to_owned(), whole: false };
                Part::Thought(Thought { text, seal: Some(seal) })
            });
            let ids: Vec<String> = (0..calls).map(|number| format!("c{}", first * 10 + number)).collect();
            let call = |id: &String| call(id, "n", &json!({ "a": text }).to_string());
            let result = |id: &String| Part::ToolResult(ToolResult::text(&**id, "ok", is_error));
            let assistant =
                thought.into_iter().chain([Part::text(&*text)]).chain(ids.iter().map(call)).collect();
            vec![
                Turn::user(question),
                Turn { role: Role::Assistant, parts: assistant },
                Turn { role: Role::User, parts: ids.iter().map(result).collect() },
                Turn { role: Role::Assistant, parts: vec![Part::text("done")] },
            ]
        },
    )
}

proptest! {
    /// What this dialect can say survives being said and understood.
    #[test]
    fn a_request_survives_its_own_dialect(
        exchanges in (exchange(0), exchange(1)),
        model in prop::sample::select(vec!["gemini-2.5-pro", "gemini-3.1-pro"]),
        temperature in prop::option::of((0u32..20).prop_map(|tenths| f64::from(tenths) / 10.0)),
        top_k in prop::option::of(1u32..100),
        seed in prop::option::of(any::<i32>()),
        stop in prop::collection::vec(words(), 0..2),
        thinking in prop::option::of((1_024u64..9_000).prop_map(|budget| Thinking::Budget(TokenCount(budget)))),
    ) {
        let request = Request {
            system: vec![Part::text("s")],
            turns: [exchanges.0, exchanges.1].concat(),
            tools: vec![Tool::new("n", "d", json!({"type": "object"}))],
            max_output: Some(TokenCount(8_000)),
            show_thoughts: thinking.map(|_| true),
            seed: seed.map(i64::from),
            temperature,
            top_k,
            stop,
            thinking,
            ..Request::default()
        };
        let encoded = encode(&request, &to(model));
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
