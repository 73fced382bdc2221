//! What official clients read.

use chat::Assembler;
use proptest::prelude::*;

use super::*;
use crate::gemini::{Decoder, answer, whole};
use crate::transcript::{arguments, began, head, joined, play, sealed, started, text, thought, usage};

fn encoded(events: &[Event], form: Form) -> String {
    let request = chat::Request::default();
    let mut encoder = Encoder::new(&head(&request), form);
    let mut out = Vec::new();
    for event in events {
        encoder.event(event, &mut out);
        if form == Form::List {
            out.extend_from_slice(crate::keep_alive(crate::Dialect::Gemini, true));
        }
    }
    encoder.end(&mut out);
    String::from_utf8(out).unwrap()
}

fn stopped(reason: StopReason) -> Event {
    Event::Stopped { reason }
}

#[test]
fn case_12_writes_the_documented_stream_and_ends_without_a_mark() {
    let stream = encoded(
        &[
            began("r", "upstream"),
            thought("hm"),
            sealed("s", false),
            started(0, "c", "read"),
            arguments(0, "{\"a\":"),
            arguments(0, "1}"),
            text("Grüße"),
            usage([63, 30, 7, 25, 5]),
            stopped(StopReason::ToolUse),
        ],
        Form::Sse,
    );
    let tail = r#""modelVersion":"m","responseId":"r"}"#;
    let part = |part: &str| {
        format!(
            r#"data: {{"candidates":[{{"content":{{"parts":[{part}],"role":"model"}},"index":0}}],{tail}"#
        )
    };
    let expected = [
        part(r#"{"text":"hm","thought":true}"#),
        part(r#"{"functionCall":{"id":"c","name":"read","args":{"a":1}},"thoughtSignature":"s"}"#),
        part(r#"{"text":"Grüße"}"#),
        format!(
            r#"data: {{"candidates":[{{"content":{{"parts":[{{"text":""}}],"role":"model"}},"finishReason":"STOP","index":0}}],"usageMetadata":{{"promptTokenCount":100,"candidatesTokenCount":20,"totalTokenCount":125,"cachedContentTokenCount":30,"thoughtsTokenCount":5}},{tail}"#
        ),
    ];
    let frames: Vec<&str> = stream.split_terminator("\r\n\r\n").collect();
    assert_eq!(frames, expected);
}

#[test]
fn case_12_without_sse_a_stream_is_one_list() {
    let list = encoded(&[text("a"), text("b"), stopped(StopReason::MaxOutput)], Form::List);
    let chunks: Vec<Value> = serde_json::from_str(&list).unwrap();
    assert_eq!(chunks.len(), 3);
    assert_eq!(chunks[2]["candidates"][0]["finishReason"], "MAX_TOKENS");
    let empty: Vec<Value> =
        serde_json::from_str(&encoded(&[stopped(StopReason::EndOfTurn)], Form::List)).unwrap();
    assert_eq!(empty.len(), 1);
}

#[test]
fn case_11_a_failure_is_a_bare_error_that_clients_do_not_pass_by() {
    let failure = Failure { status: 503, message: "gone", code: "upstream", param: None, request_id: "r" };
    for written in [true, false] {
        for form in [Form::Sse, Form::List] {
            let request = chat::Request::default();
            let mut encoder = Encoder::new(&head(&request), form);
            let mut out = Vec::new();
            if written {
                encoder.event(&text("half"), &mut out);
            }
            encoder.fail(&failure, &mut out);
            let expected = Err(crate::Error::Reported { status: 503, message: "gone".to_owned() });
            if form == Form::Sse {
                assert_eq!(play(Decoder::default(), &out, 5).1, expected);
                assert!(!String::from_utf8(out).unwrap().contains("data: {\"error\""));
            } else {
                assert_eq!(answer(&out).map(|_| ()), expected);
            }
        }
    }
}

#[test]
fn case_9_every_stop_has_its_word() {
    for (reason, word) in [
        (StopReason::EndOfTurn, "STOP"),
        (StopReason::StopSequence { text: None }, "STOP"),
        (StopReason::Paused, "STOP"),
        (StopReason::ToolUse, "STOP"),
        (StopReason::MaxOutput, "MAX_TOKENS"),
        (StopReason::Refusal, "SAFETY"),
        (StopReason::Other("MALFORMED_FUNCTION_CALL".to_owned()), "MALFORMED_FUNCTION_CALL"),
        (StopReason::Other("weird".to_owned()), "OTHER"),
    ] {
        assert_eq!(stop_word(&reason), word);
    }
}

/// What a block of an answer can be, in pieces.
fn block() -> impl Strategy<Value = Vec<Event>> {
    let words = || prop::collection::vec("[a-zä😀\"\\\\\n]{1,5}", 1..4);
    prop_oneof![
        words().prop_map(|words| words.iter().map(|word| text(word)).collect::<Vec<_>>()),
        (words(), words()).prop_map(|(thoughts, words)| {
            let thoughts = thoughts.iter().map(|word| thought(word)).chain([sealed("s=", false)]);
            thoughts.chain(words.iter().map(|word| text(word))).collect()
        }),
        words().prop_map(|words| {
            let json = json!({ "a": words }).to_string();
            let (one, two) = json.split_at(3);
            vec![started(0, "", "n"), arguments(0, one), arguments(0, two)]
        }),
    ]
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    prop::collection::vec(block(), 0..6).prop_map(|blocks| {
        let mut events = vec![began("r", "m")];
        let mut calls = 0;
        for mut block in blocks {
            let is_call = matches!(block[0], Event::ToolCallStarted { .. });
            for event in &mut block {
                match event {
                    Event::ToolCallStarted { index, id, .. } => (*index, *id) = (calls, format!("c{calls}")),
                    Event::ToolCallArguments { index, .. } => *index = calls,
                    Event::Began { .. }
                    | Event::Text { .. }
                    | Event::Thought { .. }
                    | Event::Sealed(_)
                    | Event::Refusal { .. }
                    | Event::Media { .. }
                    | Event::Cited(_)
                    | Event::Usage(_)
                    | Event::Stopped { .. } => {}
                }
            }
            calls += u32::from(is_call);
            events.extend(block);
        }
        let reason = if calls > 0 { StopReason::ToolUse } else { StopReason::MaxOutput };
        events.extend([usage([9, 8, 0, 6, 5]), stopped(reason)]);
        events
    })
}

proptest! {
    #[test]
    fn events_survive_being_written_and_read(events in events(), piece in 1usize..90) {
        let (read, end) = play(Decoder::default(), encoded(&events, Form::Sse).as_bytes(), piece);
        prop_assert_eq!(end, Ok(()));
        prop_assert_eq!(joined(&read), joined(&events));
        let read = answer(encoded(&events, Form::List).as_bytes()).unwrap();
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
