//! The grammar of the stream: what official clients read.

use chat::{Assembler, Part, Seal};
use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::anthropic::{Decoder, answer, whole};
use crate::transcript::{arguments, began, head, joined, play, sealed, started, text, thought, usage};

fn encoded(events: &[Event]) -> String {
    let request = chat::Request::default();
    let mut encoder = Encoder::new(&head(&request));
    let mut out = Vec::new();
    events.iter().for_each(|event| encoder.event(event, &mut out));
    encoder.end(&mut out);
    String::from_utf8(out).unwrap()
}

fn stopped(reason: StopReason) -> Event {
    Event::Stopped { reason }
}

/// Each frame's name and data; every name is the data's type.
fn frames(stream: &str) -> Vec<Value> {
    let frames = stream.split_terminator("\n\n").map(|frame| {
        let (event, data) = frame.strip_prefix("event: ").unwrap().split_once("\ndata: ").unwrap();
        let data: Value = serde_json::from_str(data).unwrap();
        assert_eq!(data["type"], event);
        data
    });
    frames.collect()
}

/// Blocks are numbered without a gap and never overlap; the message begins and ends once.
fn assert_grammar(frames: &[Value]) {
    let kinds: Vec<&str> = frames.iter().map(|frame| frame["type"].as_str().unwrap()).collect();
    assert_eq!(
        (kinds[0], &kinds[kinds.len() - 2..]),
        ("message_start", &["message_delta", "message_stop"][..])
    );
    let (mut open, mut next) = (None, 0);
    for frame in &frames[1..frames.len() - 2] {
        match frame["type"].as_str().unwrap() {
            "content_block_start" => {
                assert_eq!((open, frame["index"].as_u64()), (None, Some(next)));
                open = Some(next);
            }
            "content_block_delta" => assert_eq!(frame["index"].as_u64(), open),
            "content_block_stop" => {
                assert_eq!((frame["index"].as_u64(), open.take()), (Some(next), Some(next)));
                next += 1;
            }
            other => panic!("{other} amid the blocks"),
        }
    }
    assert_eq!(open, None);
}

#[test]
fn writes_the_documented_stream() {
    let stream = encoded(&[
        began("msg_9", "upstream"),
        usage([25, 100, 7, 1, 0]),
        thought("hm\nm"),
        sealed("Eq==", false),
        text("Gr"),
        text("üße"),
        started(0, "toolu_1", "read"),
        arguments(0, "{\"a\":"),
        arguments(0, "1}"),
        usage([25, 100, 7, 89, 5]),
        stopped(StopReason::ToolUse),
    ]);
    let expected = r#"event: message_start
data: {"type":"message_start","message":{"id":"msg_9","type":"message","role":"assistant","model":"m","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":25,"cache_creation_input_tokens":7,"cache_read_input_tokens":100,"output_tokens":1}}}

event: content_block_start
data: {"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"hm\nm"}}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"Eq=="}}

event: content_block_stop
data: {"type":"content_block_stop","index":0}

event: content_block_start
data: {"type":"content_block_start","index":1,"content_block":{"type":"text","text":""}}

event: content_block_delta
data: {"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"Gr"}}

event: content_block_delta
data: {"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"üße"}}

event: content_block_stop
data: {"type":"content_block_stop","index":1}

event: content_block_start
data: {"type":"content_block_start","index":2,"content_block":{"type":"tool_use","id":"toolu_1","name":"read","input":{}}}

event: content_block_delta
data: {"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":"{\"a\":"}}

event: content_block_delta
data: {"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":"1}"}}

event: content_block_stop
data: {"type":"content_block_stop","index":2}

event: message_delta
data: {"type":"message_delta","delta":{"stop_reason":"tool_use","stop_sequence":null},"usage":{"input_tokens":25,"cache_creation_input_tokens":7,"cache_read_input_tokens":100,"output_tokens":89,"output_tokens_details":{"thinking_tokens":5}}}

event: message_stop
data: {"type":"message_stop"}

"#;
    assert_eq!(stream, expected);
}

#[test]
fn case_1_and_pain_16_interleaved_calls_become_blocks_one_after_the_other() {
    let frames = frames(&encoded(&[
        text("a"),
        started(0, "x", "read"),
        started(1, "y", "read"),
        arguments(1, "{\"y\":"),
        arguments(0, "{\"x\":1}"),
        arguments(1, "2}"),
        stopped(StopReason::EndOfTurn),
    ]));
    assert_grammar(&frames);
    let pieces: Vec<&str> =
        frames.iter().filter_map(|frame| frame.pointer("/delta/partial_json")?.as_str()).collect();
    assert_eq!(pieces, ["{\"x\":1}", "{\"y\":", "2}"]);
    assert_eq!(frames[frames.len() - 2]["delta"]["stop_reason"], "tool_use");
}

#[test]
fn case_3_no_arguments_are_an_empty_object() {
    let frames = frames(&encoded(&[started(0, "x", "read"), stopped(StopReason::ToolUse)]));
    assert_grammar(&frames);
    assert_eq!(frames[2]["delta"]["partial_json"], "{}");
}

#[test]
fn case_9_every_stop_has_its_word() {
    for (reason, word, sequence) in [
        (StopReason::EndOfTurn, "end_turn", Value::Null),
        (StopReason::StopSequence { text: Some("END".to_owned()) }, "stop_sequence", Value::from("END")),
        (StopReason::StopSequence { text: None }, "stop_sequence", Value::Null),
        (StopReason::Paused, "pause_turn", Value::Null),
        (StopReason::MaxOutput, "max_tokens", Value::Null),
        (StopReason::Refusal, "refusal", Value::Null),
        (StopReason::Other("OTHER".to_owned()), "end_turn", Value::Null),
    ] {
        let frames = frames(&encoded(&[text("x"), stopped(reason)]));
        assert_eq!(
            frames[frames.len() - 2]["delta"],
            json!({"stop_reason": word, "stop_sequence": sequence})
        );
    }
}

#[test]
fn case_6_seals_of_others_are_packed_wherever_the_dialect_has_a_place() {
    let foreign = |whole| Seal { issuer: Some("gemini".to_owned()), value: "v".to_owned(), whole };
    let frames = frames(&encoded(&[
        Event::Sealed(foreign(false)),
        text("a"),
        Event::Sealed(foreign(true)),
        thought("b"),
        Event::Sealed(foreign(true)),
        stopped(StopReason::EndOfTurn),
    ]));
    assert_grammar(&frames);
    let blocks: Vec<&str> =
        frames.iter().filter_map(|frame| frame.pointer("/content_block/type")?.as_str()).collect();
    assert_eq!(blocks, ["thinking", "text", "redacted_thinking", "thinking"]);
    let signature = frames[2]["delta"]["signature"].as_str().unwrap();
    assert_eq!(seal::unpack(signature, true), foreign(false));
    let data = frames.iter().find_map(|frame| frame.pointer("/content_block/data")?.as_str()).unwrap();
    assert_eq!(seal::unpack(data, false), foreign(true));
}

#[test]
fn an_answer_of_nothing_is_whole_too() {
    let frames = frames(&encoded(&[stopped(StopReason::EndOfTurn)]));
    assert_grammar(&frames);
    assert_eq!(frames[0]["message"]["id"], "msg_1");
}

#[test]
fn case_10_usage_that_comes_last_is_told_last() {
    let frames = frames(&encoded(&[
        began("chatcmpl-1", "x"),
        text("a"),
        stopped(StopReason::EndOfTurn),
        usage([10, 3, 0, 7, 2]),
    ]));
    assert_grammar(&frames);
    assert_eq!(
        (&frames[0]["message"]["id"], &frames[0]["message"]["usage"]["input_tokens"]),
        (&json!("msg_1"), &json!(0))
    );
    let usage = json!({"input_tokens": 10, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 3, "output_tokens": 7, "output_tokens_details": {"thinking_tokens": 2}});
    assert_eq!(frames[frames.len() - 2]["usage"], usage);
}

#[test]
fn case_12_a_failure_ends_the_stream_in_its_own_words() {
    let request = chat::Request::default();
    let mut encoder = Encoder::new(&head(&request));
    let mut out = Vec::new();
    encoder.event(&text("half"), &mut out);
    out.extend_from_slice(crate::keep_alive(crate::Dialect::Anthropic, false));
    let failure =
        Failure { status: 529, message: "Overloaded", code: "overloaded", param: None, request_id: "r" };
    encoder.fail(&failure, &mut out);
    let stream = String::from_utf8(out).unwrap();
    assert!(stream.ends_with("event: ping\ndata: {\"type\":\"ping\"}\n\nevent: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"},\"request_id\":\"r\"}\n\n"));
    let (_, end) = play(Decoder::default(), stream.as_bytes(), 7);
    assert_eq!(end, Err(crate::Error::Reported { status: 529, message: "Overloaded".to_owned() }));
}

#[test]
fn a_picture_is_not_lost_in_silence() {
    let media = chat::Media {
        mime: Some("image/png".to_owned()),
        source: chat::Source::Base64("x".to_owned()),
        name: None,
        detail: None,
    };
    let frames =
        frames(&encoded(&[Event::Media { part: Part::Image(media) }, stopped(StopReason::EndOfTurn)]));
    assert_grammar(&frames);
    assert!(frames[2]["delta"]["text"].as_str().unwrap().contains("image/png"));
}

/// What a block of an answer can be, in pieces.
fn block(index: u32) -> impl Strategy<Value = Vec<Event>> {
    let words = prop::collection::vec("[a-zä😀\"\\\\\n]{1,5}", 1..4);
    prop_oneof![
        words.clone().prop_map(|words| words.iter().map(|word| text(word)).collect()),
        words.clone().prop_map(|words| {
            words.iter().map(|word| thought(word)).chain([sealed("s=", false)]).collect()
        }),
        Just(vec![sealed("whole", true)]),
        words.prop_map(move |words| {
            let json = json!({ "a": words }).to_string();
            let (one, two) = json.split_at(3);
            vec![started(index, &format!("t{index}"), "n"), arguments(index, one), arguments(index, two)]
        }),
    ]
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    prop::collection::vec(any::<prop::sample::Index>(), 0..6)
        .prop_flat_map(|places| {
            places.iter().enumerate().map(|(n, _)| block(u32::try_from(n).unwrap())).collect::<Vec<_>>()
        })
        .prop_map(|blocks| {
            let mut events = vec![began("msg_7", "m"), usage([9, 8, 7, 1, 0])];
            // A call's index is its place among the calls.
            let mut calls = 0;
            for mut block in blocks {
                let is_call = matches!(block[0], Event::ToolCallStarted { .. });
                for event in &mut block {
                    if let Event::ToolCallStarted { index, .. } | Event::ToolCallArguments { index, .. } =
                        event
                    {
                        *index = calls;
                    }
                }
                calls += u32::from(is_call);
                events.extend(block);
            }
            let reason = if calls > 0 { StopReason::ToolUse } else { StopReason::MaxOutput };
            events.extend([usage([9, 8, 7, 6, 5]), stopped(reason)]);
            events
        })
}

proptest! {
    #[test]
    fn events_survive_being_written_and_read(events in events(), piece in 1usize..90) {
        let stream = encoded(&events);
        assert_grammar(&frames(&stream));
        let (read, end) = play(Decoder::default(), stream.as_bytes(), piece);
        prop_assert_eq!(end, Ok(()));
        prop_assert_eq!(joined(&read), joined(&events));
    }

    #[test]
    fn a_whole_answer_survives_being_written_and_read(events in events()) {
        let request = chat::Request::default();
        let message = |events: &[Event]| {
            let mut assembler = Assembler::default();
            events.iter().for_each(|event| assembler.push(event));
            assembler.message().unwrap()
        };
        let written = message(&events);
        let read = message(&answer(&whole(&written, &head(&request))).unwrap());
        prop_assert_eq!(read, written);
    }
}
