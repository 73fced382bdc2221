//! What is said in one dialect and carried through another comes back as it was, for tests of all of them together.

use chat::{
    Assembler, Citation, Event, Message, Part, Request, Role, Seal, StopReason, Thought, Tool, ToolCall,
    ToolResult, Turn, Usage,
};
use proptest::prelude::*;
use serde_json::{Value, json};
use units::TokenCount;

use crate::transcript::{head, joined, play_any, to};
use crate::{Decode, Encode, Encoded, Error, Head, To, anthropic, gemini, openai_chat, openai_responses};

/// One dialect's functions, behind one face.
struct Dialect {
    name: &'static str,
    request: fn(&[u8]) -> Request,
    encode: fn(&Request, &To<'_>) -> Encoded,
    answer: fn(&[u8]) -> Result<Vec<Event>, Error>,
    whole: fn(&Message, &Head<'_>) -> Vec<u8>,
    encoder: fn(&Head<'_>) -> Box<dyn Encode>,
    decoder: fn() -> Box<dyn Decode>,
    /// A client's next request, made of the answer that it got.
    goes_on: fn(&Value) -> Value,
}

const ALL: [Dialect; 4] = [
    Dialect {
        name: "Anthropic",
        request: |body| anthropic::request(body).unwrap().request,
        encode: anthropic::encode,
        answer: anthropic::answer,
        whole: anthropic::whole,
        encoder: |head| Box::new(anthropic::Encoder::new(head)),
        decoder: || Box::new(anthropic::Decoder::default()),
        goes_on: |answer| json!({"model": "m", "messages": [{"role": "assistant", "content": answer["content"]}]}),
    },
    Dialect {
        name: "Gemini",
        request: |body| gemini::request(body, "m", false).unwrap().request,
        encode: gemini::encode,
        answer: gemini::answer,
        whole: gemini::whole,
        encoder: |head| Box::new(gemini::Encoder::new(head, gemini::Form::Sse)),
        decoder: || Box::new(gemini::Decoder::default()),
        goes_on: |answer| json!({"contents": [answer["candidates"][0]["content"]]}),
    },
    Dialect {
        name: "Chat Completions",
        request: |body| openai_chat::request(body).unwrap().request,
        encode: openai_chat::encode,
        answer: openai_chat::answer,
        whole: openai_chat::whole,
        encoder: |head| Box::new(openai_chat::Encoder::new(head)),
        decoder: || Box::new(openai_chat::Decoder::default()),
        goes_on: |answer| json!({"model": "m", "messages": [answer["choices"][0]["message"]]}),
    },
    Dialect {
        name: "Responses",
        request: |body| openai_responses::request(body).unwrap().0.request,
        encode: openai_responses::encode,
        answer: openai_responses::answer,
        whole: openai_responses::whole,
        encoder: |head| Box::new(openai_responses::Encoder::new(head)),
        decoder: || Box::new(openai_responses::Decoder::default()),
        goes_on: |answer| json!({"model": "m", "input": answer["output"]}),
    },
];

impl Dialect {
    /// The request, said in this dialect and understood again.
    fn carry(&self, request: &Request) -> Request {
        let body = (self.encode)(request, &to("m")).body;
        (self.request)(body.to_string().as_bytes())
    }
}

fn call(id: &str) -> Part {
    Part::ToolCall(ToolCall {
        id: id.to_owned(),
        name: "read".to_owned(),
        arguments: r#"{"path":"ü"}"#.to_owned(),
    })
}

fn conversation() -> Request {
    let result = |id: &str, is_error| Part::ToolResult(ToolResult::text(id, "ok", is_error));
    Request {
        system: vec![Part::text("Be brief.")],
        turns: vec![
            Turn::user("hello"),
            Turn {
                role: Role::Assistant,
                parts: vec![Part::text("I look."), call("call_a"), call("call_b")],
            },
            Turn { role: Role::User, parts: vec![result("call_a", false), result("call_b", false)] },
            Turn { role: Role::Assistant, parts: vec![Part::text("Done.")] },
            Turn::user("thanks"),
        ],
        tools: vec![Tool::new(
            "read",
            "Reads a file.",
            json!({"type": "object", "properties": {"path": {"type": "string"}}}),
        )],
        max_output: Some(TokenCount(8_000)),
        ..Request::default()
    }
}

fn answered() -> Vec<Event> {
    let count = TokenCount;
    let (input, cached_input, output) = (count(10), count(3), count(9));
    let used = Usage { input, cached_input, cache_written: count(0), output, reasoning: count(4) };
    let started =
        |index, id: &str| Event::ToolCallStarted { index, id: id.to_owned(), name: "read".to_owned() };
    let arguments = |index, json: &str| Event::ToolCallArguments { index, json: json.to_owned() };
    vec![
        Event::Text { text: "Grü".to_owned() },
        Event::Text { text: "ße 😀".to_owned() },
        started(0, "call_a"),
        started(1, "call_b"),
        arguments(1, "{\"b\":"),
        arguments(0, "{\"a\":1}"),
        arguments(1, "2}"),
        Event::Usage(used),
        Event::Stopped { reason: StopReason::ToolUse },
    ]
}

fn message(events: &[Event]) -> Message {
    let mut assembler = Assembler::default();
    events.iter().for_each(|event| assembler.push(event));
    Message { id: None, model: None, ..assembler.message().unwrap() }
}

#[test]
fn a_conversation_comes_back_from_every_dialect_as_it_went() {
    for from in &ALL {
        let asked = from.carry(&conversation());
        for through in &ALL {
            let mut back = from.carry(&through.carry(&asked));
            // Responses has to be told that a tool is not strict; the others take it for granted.
            for (tool, asked) in back.tools.iter_mut().zip(&asked.tools) {
                tool.strict = tool.strict.filter(|strict| *strict).or(asked.strict);
            }
            assert_eq!(back, asked, "{} through {}", from.name, through.name);
        }
    }
}

#[test]
fn an_answer_is_the_same_in_every_dialect_streamed_and_whole() {
    let request = conversation();
    let expected = message(&answered());
    for dialect in &ALL {
        let mut encoder = (dialect.encoder)(&head(&request));
        let mut out = Vec::new();
        answered().iter().for_each(|event| encoder.event(event, &mut out));
        encoder.end(&mut out);
        for piece in [1, 7, 4_096] {
            let (events, end) = play_any(&mut *(dialect.decoder)(), &out, piece);
            assert_eq!(end, Ok(()), "{}", dialect.name);
            assert_eq!(message(&joined(&events)), expected, "{}", dialect.name);
        }
        let whole = (dialect.whole)(&expected, &head(&request));
        assert_eq!(message(&(dialect.answer)(&whole).unwrap()), expected, "{}", dialect.name);
    }
}

/// Text with characters of more than one byte, cut in two, and pages for all of it and for a part.
fn cited(from: u64, to: u64) -> Vec<Event> {
    let text = |text: &str| Event::Text { text: text.to_owned() };
    let page = |url: &str| {
        let [url, title] = [url, "Ünder"].map(str::to_owned);
        Event::Cited(Citation { url, title: Some(title), quoted: None, from, to })
    };
    vec![
        text("Grü"),
        text("ße 😀 von dort."),
        page("https://one.example/"),
        page("https://two.example/"),
        Event::Stopped { reason: StopReason::EndOfTurn },
    ]
}

#[test]
fn the_pages_that_an_answer_comes_from_are_told_in_every_dialect_streamed_and_whole() {
    let request = conversation();
    for dialect in &ALL {
        // Anthropic's are about a whole block.
        let spans = if dialect.name == "Anthropic" { vec![(0, 17)] } else { vec![(0, 17), (6, 7), (8, 11)] };
        for (from, to) in spans {
            let expected = message(&cited(from, to));
            assert_eq!(expected.citations.len(), 2);
            let mut encoder = (dialect.encoder)(&head(&request));
            let mut out = Vec::new();
            cited(from, to).iter().for_each(|event| encoder.event(event, &mut out));
            encoder.end(&mut out);
            for piece in [1, 4_096] {
                let (events, end) = play_any(&mut *(dialect.decoder)(), &out, piece);
                assert_eq!(end, Ok(()), "{}", dialect.name);
                let found = message(&joined(&events)).citations;
                assert_eq!(found, expected.citations, "{}", dialect.name);
            }
            let whole = (dialect.whole)(&expected, &head(&request));
            let found = message(&(dialect.answer)(&whole).unwrap()).citations;
            assert_eq!(found, expected.citations, "{} whole", dialect.name);
        }
    }
}

#[test]
fn a_place_is_counted_from_the_answers_beginning_wherever_its_text_stands() {
    let request = conversation();
    let mut events = cited(20, 24);
    events.insert(2, Event::Thought { text: "hm".to_owned() });
    events.insert(3, Event::Text { text: "And more: 😀.".to_owned() });
    let expected = message(&events);
    for dialect in ALL.iter().filter(|dialect| dialect.name != "Anthropic") {
        let whole = (dialect.whole)(&expected, &head(&request));
        let found = message(&(dialect.answer)(&whole).unwrap()).citations;
        assert_eq!(found, expected.citations, "{} whole", dialect.name);
        let mut encoder = (dialect.encoder)(&head(&request));
        let mut out = Vec::new();
        events.iter().for_each(|event| encoder.event(event, &mut out));
        encoder.end(&mut out);
        let (events, end) = play_any(&mut *(dialect.decoder)(), &out, 64);
        assert_eq!(end, Ok(()), "{}", dialect.name);
        assert_eq!(message(&joined(&events)).citations, expected.citations, "{}", dialect.name);
    }
}

#[test]
fn case_6_and_pains_18_and_19_a_sealed_thought_comes_back_through_every_client() {
    let request = conversation();
    for whole in [false, true] {
        for (words, follows) in [("hmm", Part::text("x")), ("", call("call_a"))] {
            let seal = Seal { issuer: Some("one".to_owned()), value: "v?>~".to_owned(), whole };
            let thought = Part::Thought(Thought { text: words.to_owned(), seal: Some(seal) });
            let stop = StopReason::EndOfTurn;
            let parts = vec![thought.clone(), follows.clone()];
            let (id, model, usage) = (None, None, Usage::default());
            let answer = Message { id, model, parts, citations: Vec::new(), usage, stop };
            for dialect in &ALL {
                let body = (dialect.whole)(&answer, &head(&request));
                let body = (dialect.goes_on)(&serde_json::from_slice(&body).unwrap());
                let turns = (dialect.request)(body.to_string().as_bytes()).turns;
                let back: Vec<Part> = turns.into_iter().flat_map(|turn| turn.parts).collect();
                let place = back.iter().position(|part| *part == thought);
                assert!(
                    place.is_some_and(|place| back[place + 1] == follows),
                    "{}: {body} {back:?}",
                    dialect.name
                );
            }
        }
    }
}

/// The `place`th value of the tree, in the order in which it is written.
fn value_at<'a>(value: &'a mut Value, place: &mut usize) -> Option<&'a mut Value> {
    if *place == 0 {
        return Some(value);
    }
    *place -= 1;
    match value {
        Value::Array(entries) => entries.iter_mut().find_map(|entry| value_at(entry, place)),
        Value::Object(fields) => fields.values_mut().find_map(|field| value_at(field, place)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}

fn odd() -> impl Strategy<Value = Value> {
    let values = [
        json!(null),
        json!(true),
        json!(-1),
        json!(1.5),
        json!(u64::MAX),
        json!(""),
        json!("\u{0}ü"),
        json!([]),
        json!({}),
        json!([[{}]]),
        json!({"type": "text"}),
        json!({"type": "object", "$ref": "#"}),
        json!("tool_use"),
        json!("ANY"),
    ];
    prop::sample::select(values.to_vec())
}

proptest! {
    /// Whatever stands in a field, it is refused with its place or carried on, and nothing panics.
    #[test]
    fn no_value_in_any_field_makes_it_panic(
        changes in prop::collection::vec((any::<prop::sample::Index>(), odd()), 1..4),
        from in 0usize..2,
    ) {
        let mut asked = conversation();
        asked.turns[1].parts.insert(0, Part::Thought(Thought { text: "hm".to_owned(), seal: None }));
        let mut body = (ALL[from].encode)(&asked, &to("m")).body;
        if from == 0 {
            body["messages"][0]["content"][0]["cache_control"] = json!({"type": "ephemeral", "ttl": "1h"});
            body["messages"][1]["content"][0] = json!({"type": "thinking", "thinking": "hm", "signature": "s"});
            body["messages"][2]["content"][0]["content"] = json!([{"type": "image", "source": {"type": "url", "url": "u"}}]);
            body["thinking"] = json!({"type": "enabled", "budget_tokens": 2_000});
            body["output_config"] = json!({"effort": "low", "format": {"type": "json_schema", "schema": {}}});
            body["tool_choice"] = json!({"type": "tool", "name": "read"});
        } else {
            body["contents"][1]["parts"][0]["thoughtSignature"] = json!("s");
            body["contents"][2]["parts"][0]["functionResponse"]["parts"] = json!([{"inlineData": {"mimeType": "image/png", "data": "A"}}]);
            body["generationConfig"]["thinkingConfig"] = json!({"thinkingLevel": "LOW", "includeThoughts": true});
            body["generationConfig"]["responseSchema"] = json!({"type": "OBJECT", "properties": {"a": {"type": "STRING"}}});
            body["generationConfig"]["responseMimeType"] = json!("application/json");
            body["toolConfig"] = json!({"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["read"]}});
        }
        for (place, odd) in changes {
            let mut place = place.index(110);
            if let Some(value) = value_at(&mut body, &mut place) {
                *value = odd;
            }
        }
        let bytes = body.to_string().into_bytes();
        let asked = match from {
            0 => anthropic::request(&bytes),
            _ => gemini::request(&bytes, "m", false),
        };
        match asked {
            Err(invalid) => prop_assert!(!invalid.field.is_empty() && !invalid.rule.is_empty()),
            Ok(asked) => for dialect in &ALL {
                for model in ["m", "claude-sonnet-4-5", "claude-opus-5", "gemini-2.0-flash", "gemini-3-pro", "gpt-5"] {
                    let _ = (dialect.encode)(&asked.request, &to(model));
                }
            },
        }
    }
}

#[test]
fn signs_of_life_between_frames_say_nothing_to_whoever_reads_them() {
    for dialect in &ALL {
        let kind = crate::Dialect::ALL
            .into_iter()
            .find(|kind| match dialect.name {
                "Chat Completions" => *kind == crate::Dialect::OpenAiChat,
                "Responses" => *kind == crate::Dialect::OpenAiResponses,
                name => kind.name() == name,
            })
            .unwrap();
        let request = Request::default();
        let said = |sign: &[u8]| {
            let mut encoder = (dialect.encoder)(&head(&request));
            let mut out = Vec::new();
            for event in answered() {
                encoder.event(&event, &mut out);
                if !out.is_empty() {
                    out.extend_from_slice(sign);
                }
            }
            encoder.end(&mut out);
            out
        };
        let (plain, kept) = (said(b""), said(crate::keep_alive(kind, false)));
        assert!(kept.len() > plain.len());
        let read = |bytes: &[u8]| play_any(&mut *(dialect.decoder)(), bytes, 5);
        assert_eq!(read(&kept), read(&plain), "{}", dialect.name);
        // Whoever only watches is told nothing by them either.
        let watched = |bytes: &[u8]| {
            let mut watch = crate::watch::Watch::new(kind);
            watch.push(&bytes::Bytes::copy_from_slice(bytes), &mut Vec::new()).unwrap();
            (watch.finish(&mut Vec::new()), watch.seen().clone())
        };
        assert_eq!(watched(&kept), watched(&plain), "{}", dialect.name);
    }
}
