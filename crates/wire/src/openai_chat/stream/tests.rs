//! What a client of OpenAI's reads, held against the published shape of chunks and against our own decoder.

use chat::{Assembler, Message, Request, Thought, Tool, ToolCall};
use proptest::prelude::*;

use super::*;
use crate::openai_chat::{Decoder, answer, whole};
use crate::transcript::{arguments, play, started, text, usage};

fn asked() -> Request {
    let patch = Tool { input: ToolInput::Text { grammar: None }, ..Tool::new("patch", "", json!({})) };
    Request { tools: vec![Tool::new("read", "", json!({})), patch], ..Request::default() }
}

fn head(request: &Request, wants_usage: bool) -> Head<'_> {
    Head { id: "1", model: "m", created_s: 7, wants_usage, issuer: "x", request }
}

fn written(events: &[Event], wants_usage: bool) -> Vec<u8> {
    let request = asked();
    let mut encoder = Encoder::new(&head(&request, wants_usage));
    let mut out = Vec::new();
    for event in events {
        encoder.event(event, &mut out);
    }
    encoder.end(&mut out);
    out
}

fn chunks(bytes: &[u8]) -> Vec<Value> {
    let frames = std::str::from_utf8(bytes).unwrap().split_terminator("\n\n");
    let data = frames.map(|frame| frame.strip_prefix("data: ").unwrap()).filter(|data| *data != "[DONE]");
    data.map(|data| serde_json::from_str(data).unwrap()).collect()
}

fn thought(text: &str) -> Event {
    Event::Thought { text: text.to_owned() }
}

fn sealed(whole: bool) -> Seal {
    Seal { issuer: Some("anthropic".to_owned()), value: "sig".to_owned(), whole }
}

fn stopped(reason: StopReason) -> Event {
    Event::Stopped { reason }
}

/// Hard cases 2 and 12.
#[test]
fn chunks_have_the_published_shape() {
    let events = [
        Event::Began { id: Some("msg_1".to_owned()), model: Some("other".to_owned()) },
        text("a"),
        text("b"),
        started(0, "i", "read"),
        arguments(0, "{}"),
        started(1, "j", "read"),
        usage([1, 2, 3, 4, 5]),
        stopped(StopReason::ToolUse),
    ];
    let bytes = written(&events, true);
    assert!(bytes.ends_with(b"\n\ndata: [DONE]\n\n"));
    let chunk = |delta: Value, finish: Value| {
        json!({
            "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 7, "model": "m",
            "choices": [{"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish}],
            "usage": null,
        })
    };
    let call = |call: Value| chunk(json!({"tool_calls": [call]}), json!(null));
    let usage = json!({
        "prompt_tokens": 6, "completion_tokens": 4, "total_tokens": 10,
        "prompt_tokens_details": {"cached_tokens": 2, "cache_write_tokens": 3, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 5, "audio_tokens": 0, "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0},
    });
    let expected = [
        chunk(json!({"role": "assistant", "content": "a"}), json!(null)),
        chunk(json!({"content": "b"}), json!(null)),
        call(
            json!({"index": 0, "id": "i", "type": "function", "function": {"name": "read", "arguments": ""}}),
        ),
        call(json!({"index": 0, "function": {"arguments": "{}"}})),
        call(
            json!({"index": 1, "id": "j", "type": "function", "function": {"name": "read", "arguments": ""}}),
        ),
        call(json!({"index": 1, "function": {"arguments": "{}"}})),
        chunk(json!({}), json!("tool_calls")),
        json!({"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 7, "model": "m", "choices": [], "usage": usage}),
    ];
    assert_eq!(chunks(&bytes), expected);
}

/// Hard case 2.
#[test]
fn usage_is_told_to_nobody_who_did_not_ask_and_no_content_stands_beside_calls() {
    let events = [started(0, "i", "read"), arguments(0, "{}"), usage([1; 5]), stopped(StopReason::ToolUse)];
    let bytes = written(&events, false);
    let all = String::from_utf8(bytes.clone()).unwrap();
    assert!(!all.contains("usage") && !all.contains("\"content\":\"\""), "{all}");
    assert_eq!(chunks(&bytes)[0]["choices"][0]["delta"]["content"], Value::Null);
}

/// Hard cases 6 and 12.
#[test]
fn a_failure_is_an_error_frame_without_the_end_of_a_whole_answer() {
    let request = asked();
    let mut encoder = Encoder::new(&head(&request, true));
    let mut out = Vec::new();
    encoder.event(&text("half"), &mut out);
    let failure = Failure { status: 502, message: "cut", code: "upstream_cut", param: None, request_id: "r" };
    encoder.fail(&failure, &mut out);
    assert!(!String::from_utf8_lossy(&out).contains("[DONE]"));
    let (events, end) = play(Decoder::default(), &out, 5);
    assert_eq!(events[1..], [text("half")]);
    assert_eq!(end, Err(crate::Error::Reported { status: 500, message: "cut".to_owned() }));
}

/// Hard case 6, pains 18 and 19.
#[test]
fn seals_stand_packed_in_the_side_fields() {
    let seal = |whole| Event::Sealed(sealed(whole));
    let events = [
        thought("hm"),
        seal(false),
        seal(true),
        seal(false),
        started(0, "i", "read"),
        stopped(StopReason::ToolUse),
    ];
    let deltas: Vec<Value> =
        chunks(&written(&events, false)).iter().map(|chunk| chunk["choices"][0]["delta"].clone()).collect();
    let [open, whole] = [false, true].map(|whole| crate::seal::pack(&sealed(whole)));
    assert_eq!(deltas[0]["reasoning_content"], "hm");
    assert_eq!(
        deltas[1]["reasoning_details"][0],
        json!({"type": "reasoning.text", "text": "hm", "signature": open, "index": 0})
    );
    assert_eq!(
        deltas[2]["reasoning_details"][0],
        json!({"type": "reasoning.encrypted", "data": whole, "index": 1})
    );
    assert_eq!(deltas[3]["tool_calls"][0]["extra_content"]["google"]["thought_signature"], open);
}

#[test]
fn a_tool_that_takes_a_text_is_called_with_a_text() {
    let events = [
        started(0, "i", "patch"),
        arguments(0, "{\"input\":\"a\\n"),
        arguments(0, "b\"}"),
        stopped(StopReason::ToolUse),
    ];
    let call = &chunks(&written(&events, false))[0]["choices"][0]["delta"]["tool_calls"][0];
    assert_eq!(
        *call,
        json!({"index": 0, "id": "i", "type": "custom", "custom": {"name": "patch", "input": "a\nb"}})
    );
}

/// Hard case 9.
#[test]
fn every_reason_to_stop_has_a_word() {
    let word =
        |reason: StopReason| chunks(&written(&[text("x"), stopped(reason)], false))[1]["choices"][0].clone();
    let sequence = word(StopReason::StopSequence { text: Some("END".to_owned()) });
    assert_eq!((&sequence["finish_reason"], &sequence["stop_reason"]), (&json!("stop"), &json!("END")));
    let other = word(StopReason::Other("MALFORMED".to_owned()));
    assert_eq!(
        (&other["finish_reason"], &other["native_finish_reason"]),
        (&json!("stop"), &json!("MALFORMED"))
    );
    for (reason, expected) in [
        (StopReason::EndOfTurn, "stop"),
        (StopReason::MaxOutput, "length"),
        (StopReason::Paused, "length"),
        (StopReason::Refusal, "content_filter"),
        (StopReason::ToolUse, "tool_calls"),
    ] {
        assert_eq!(word(reason)["finish_reason"], expected);
    }
}

/// A message that the dialect can say: thoughts first, then words, then calls.
fn message() -> impl Strategy<Value = Message> {
    let words = ".{1,12}";
    let thought = (words, any::<bool>())
        .prop_map(|(text, whole)| Part::Thought(Thought { text, seal: Some(sealed(whole)) }));
    let call = ("[a-z]{1,5}", prop::sample::select(vec!["read", "patch"]), ".{0,12}");
    let call = call.prop_map(|(id, name, text)| (id, name.to_owned(), freeform::wrap(&text)));
    let calls = prop::collection::vec(call, 0..4);
    let thoughts = prop::collection::vec(thought, 0..3);
    (thoughts, prop::option::of(words), calls, any::<[u32; 4]>()).prop_map(
        |(mut parts, words, calls, counts)| {
            parts.extend(words.map(Part::text));
            let stop = if calls.is_empty() { StopReason::MaxOutput } else { StopReason::ToolUse };
            parts.extend((0..).zip(calls).map(|(n, (id, name, arguments))| {
                Part::ToolCall(ToolCall { id: format!("{id}{n}"), name, arguments })
            }));
            let [input, cached_input, cache_written, output] =
                counts.map(|count| units::TokenCount(count.into()));
            let reasoning = units::TokenCount(output.0 / 2);
            let usage = Usage { input, cached_input, cache_written, output, reasoning };
            Message {
                id: Some("chatcmpl-x".to_owned()),
                model: Some("m".to_owned()),
                parts,
                citations: Vec::new(),
                usage,
                stop,
            }
        },
    )
}

fn events(message: &Message) -> Vec<Event> {
    let mut events = vec![Event::Began { id: message.id.clone(), model: message.model.clone() }];
    let mut index = 0;
    for part in &message.parts {
        if let Part::Thought(thought) = part {
            events.push(Event::Thought { text: thought.text.clone() });
            events.extend(thought.seal.clone().map(Event::Sealed));
        } else if let Part::ToolCall(call) = part {
            events.push(started(index, &call.id, &call.name));
            events.push(arguments(index, &call.arguments));
            index += 1;
        } else {
            events.extend(part.as_text().map(text));
        }
    }
    events.push(Event::Usage(message.usage));
    events.push(stopped(message.stop.clone()));
    events
}

fn assembled(events: &[Event]) -> Message {
    let mut assembler = Assembler::default();
    events.iter().for_each(|event| assembler.push(event));
    assembler.message().unwrap()
}

proptest! {
    #[test]
    fn what_was_written_is_read_again(message in message(), piece in 1usize..200) {
        let (read, end) = play(Decoder::default(), &written(&events(&message), true), piece);
        prop_assert_eq!(end, Ok(()));
        prop_assert_eq!(assembled(&read), message.clone());
        let request = asked();
        let body = whole(&message, &head(&request, true));
        prop_assert_eq!(assembled(&answer(&body).unwrap()), message);
    }
}
