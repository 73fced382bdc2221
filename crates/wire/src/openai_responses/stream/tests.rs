//! What a client reads, held against the published grammar and against our own decoder.

use chat::{Assembler, Message, Request, Thought, Tool, ToolCall};
use proptest::prelude::*;

use super::*;
use crate::openai_responses::{Decoder, answer, whole};
use crate::transcript::{arguments, play, started, text, usage};
use crate::{freeform, seal};

fn asked() -> Request {
    let patch = Tool { input: ToolInput::Text { grammar: None }, ..Tool::new("patch", "", json!({})) };
    let system = vec![Part::text("Be brief.")];
    Request {
        system,
        tools: vec![Tool::new("read", "", json!({"properties": {}})), patch],
        ..Request::default()
    }
}

fn head(request: &Request) -> Head<'_> {
    Head { id: "1", model: "m", created_s: 7, wants_usage: true, issuer: "x", request }
}

fn written(events: &[Event]) -> Vec<u8> {
    let request = asked();
    let kept = Kept { store: Some(true), previous: Some("resp_0".to_owned()), instructions: 1 };
    let mut encoder = Encoder::keeping(&head(&request), &kept);
    let mut out = Vec::new();
    for event in events {
        encoder.event(event, &mut out);
    }
    encoder.end(&mut out);
    out
}

/// Each frame's data; its `event` says the same type.
fn frames(bytes: &[u8]) -> Vec<Value> {
    let text = std::str::from_utf8(bytes).unwrap();
    let frame = |frame: &str| {
        let (event, data) = frame.split_once('\n').unwrap();
        let data: Value = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
        assert_eq!(event.strip_prefix("event: "), data["type"].as_str());
        data
    };
    text.split_terminator("\n\n").map(frame).collect()
}

fn types(frames: &[Value]) -> Vec<&str> {
    frames
        .iter()
        .map(|frame| frame["type"].as_str().unwrap())
        .map(|kind| kind.trim_start_matches("response."))
        .collect()
}

fn stopped(reason: StopReason) -> Event {
    Event::Stopped { reason }
}

fn sealed(whole: bool) -> Seal {
    Seal { issuer: Some("anthropic".to_owned()), value: "sig".to_owned(), whole }
}

fn turn() -> Vec<Value> {
    let events = [
        Event::Thought { text: "hm".to_owned() },
        Event::Sealed(sealed(false)),
        text("a"),
        text("b"),
        started(0, "c0", "read"),
        arguments(0, "{}"),
        started(1, "c1", "patch"),
        arguments(1, "{\"input\":\"x\"}"),
        usage([1, 2, 3, 4, 5]),
        stopped(StopReason::ToolUse),
    ];
    frames(&written(&events))
}

/// Hard case 13 and pain 17.
#[test]
fn a_stream_has_the_published_grammar() {
    let frames = turn();
    let grammar = [
        "created",
        "in_progress",
        "output_item.added",
        "reasoning_summary_part.added",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.done",
        "reasoning_summary_part.done",
        "output_item.done",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "output_item.added",
        "function_call_arguments.delta",
        "function_call_arguments.done",
        "output_item.done",
        "output_item.added",
        "custom_tool_call_input.delta",
        "custom_tool_call_input.done",
        "output_item.done",
        "completed",
    ];
    assert_eq!(types(&frames), grammar);
    for (number, frame) in frames.iter().enumerate() {
        assert_eq!(frame["sequence_number"], json!(number));
    }
    let items: Vec<(&str, &str, u64)> = frames
        .iter()
        .filter(|frame| frame["type"] == "response.output_item.added")
        .map(|frame| {
            (
                frame["item"]["id"].as_str().unwrap(),
                frame["item"]["type"].as_str().unwrap(),
                frame["output_index"].as_u64().unwrap(),
            )
        })
        .collect();
    let expected = [
        ("rs_1_0", "reasoning", 0),
        ("msg_1_1", "message", 1),
        ("fc_1_2", "function_call", 2),
        ("ctc_1_3", "custom_tool_call", 3),
    ];
    assert_eq!(items, expected);
}

/// Hard cases 6, 10 and 13.
#[test]
fn deltas_and_items_have_the_published_shape() {
    let frames = turn();
    assert_eq!(
        frames[10],
        json!({"type": "response.output_text.delta", "sequence_number": 10, "item_id": "msg_1_1", "output_index": 1, "content_index": 0, "delta": "a", "logprobs": []})
    );
    assert_eq!(
        frames[7]["item"],
        json!({"id": "rs_1_0", "type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}], "encrypted_content": seal::pack(&sealed(false))})
    );
    assert_eq!(
        frames[18]["item"],
        json!({"id": "fc_1_2", "type": "function_call", "status": "completed", "call_id": "c0", "name": "read", "arguments": "{}"})
    );
    assert_eq!(
        frames[22]["item"],
        json!({"id": "ctc_1_3", "type": "custom_tool_call", "status": "completed", "call_id": "c1", "name": "patch", "input": "x"})
    );
    let done: Vec<&Value> = frames
        .iter()
        .filter(|frame| frame["type"] == "response.output_item.done")
        .map(|frame| &frame["item"])
        .collect();
    let response = &frames[23]["response"];
    assert_eq!(response["output"].as_array().unwrap().iter().collect::<Vec<_>>(), done);
    let used = json!({"input_tokens": 6, "input_tokens_details": {"cached_tokens": 2, "cache_write_tokens": 3}, "output_tokens": 4, "output_tokens_details": {"reasoning_tokens": 5}, "total_tokens": 10});
    assert_eq!(response["usage"], used);
}

/// What the types of OpenAI's own client library need in each answer.
#[test]
fn the_answer_in_the_stream_has_all_published_fields() {
    let frames = frames(&written(&[text("a"), stopped(StopReason::EndOfTurn)]));
    let needed = [
        "id",
        "object",
        "created_at",
        "status",
        "error",
        "incomplete_details",
        "instructions",
        "metadata",
        "model",
        "output",
        "parallel_tool_calls",
        "temperature",
        "tool_choice",
        "tools",
        "top_p",
        "usage",
        "text",
        "reasoning",
        "truncation",
        "store",
        "previous_response_id",
    ];
    for frame in [&frames[0], frames.last().unwrap()] {
        for name in needed {
            assert!(frame["response"].get(name).is_some(), "{name}");
        }
    }
    let response = &frames[0]["response"];
    assert_eq!(
        (&response["id"], &response["object"], &response["status"]),
        (&json!("resp_1"), &json!("response"), &json!("in_progress"))
    );
    assert_eq!((&response["created_at"], &response["instructions"]), (&json!(7), &json!("Be brief.")));
    assert_eq!((&response["store"], &response["previous_response_id"]), (&json!(true), &json!("resp_0")));
    assert_eq!(
        response["tools"][0],
        json!({"type": "function", "name": "read", "description": "", "parameters": {"properties": {}}, "strict": false})
    );
}

/// Hard case 3.
#[test]
fn calls_whose_arguments_come_by_turns_stay_whole_and_empty_ones_are_an_object() {
    let events = [
        started(0, "c0", "read"),
        arguments(0, "{\"a\""),
        started(1, "c1", "read"),
        arguments(0, ":1}"),
        started(2, "c2", "read"),
        stopped(StopReason::ToolUse),
    ];
    let frames = frames(&written(&events));
    let output = frames.last().unwrap()["response"]["output"].clone();
    let given: Vec<&str> =
        output.as_array().unwrap().iter().map(|item| item["arguments"].as_str().unwrap()).collect();
    assert_eq!(given, ["{\"a\":1}", "{}", "{}"]);
}

/// Hard cases 9 and 12.
#[test]
fn every_end_is_the_dialects_own_and_none_says_done() {
    let last = |events: &[Event]| {
        let bytes = written(events);
        assert!(!String::from_utf8_lossy(&bytes).contains("[DONE]"));
        frames(&bytes).pop().unwrap()
    };
    let cut = last(&[text("a"), stopped(StopReason::MaxOutput)]);
    assert_eq!(
        (&cut["type"], &cut["response"]["incomplete_details"]["reason"]),
        (&json!("response.incomplete"), &json!("max_output_tokens"))
    );
    let filtered = last(&[stopped(StopReason::Refusal)]);
    assert_eq!(filtered["response"]["incomplete_details"]["reason"], "content_filter");
    let refused = last(&[Event::Refusal { text: "No.".to_owned() }, stopped(StopReason::Refusal)]);
    assert_eq!(
        (&refused["type"], &refused["response"]["output"][0]["content"][0]["refusal"]),
        (&json!("response.completed"), &json!("No."))
    );
    let sequence = last(&[stopped(StopReason::StopSequence { text: Some("END".to_owned()) })]);
    assert_eq!(sequence["response"]["metadata"]["stop_sequence"], "END");
}

/// Hard cases 11 and 12.
#[test]
fn a_failure_is_a_failed_answer_with_a_code_that_codex_knows() {
    let request = asked();
    let failed = |status, code, begun: bool| {
        let mut encoder = Encoder::new(&head(&request));
        let mut out = Vec::new();
        if begun {
            encoder.event(&text("half"), &mut out);
        }
        encoder.fail(&Failure { status, message: "m", code, param: None, request_id: "r" }, &mut out);
        let (_, end) = play(Decoder::default(), &out, 9);
        assert!(matches!(end, Err(crate::Error::Reported { .. })), "{end:?}");
        frames(&out).pop().unwrap()
    };
    let rate = failed(429, "upstream_rate_limited", true);
    assert_eq!((&rate["type"], &rate["response"]["status"]), (&json!("response.failed"), &json!("failed")));
    assert_eq!(rate["response"]["error"], json!({"code": "rate_limit_exceeded", "message": "m"}));
    assert_eq!(failed(502, "upstream_cut", false)["response"]["error"]["code"], "server_error");
    assert_eq!(
        failed(400, "context_length_exceeded", false)["response"]["error"]["code"],
        "context_length_exceeded"
    );
}

/// A message that the dialect can say: any order of thoughts, words and calls.
fn message() -> impl Strategy<Value = Message> {
    let part = prop_oneof![
        ".{1,12}".prop_map(Part::text),
        ".{1,12}".prop_map(|text| Part::Refusal { text }),
        (".{0,12}", any::<bool>())
            .prop_map(|(text, whole)| { Part::Thought(Thought { text, seal: Some(sealed(whole)) }) }),
        ("[a-z]{1,5}", prop::sample::select(vec!["read", "patch"]), ".{0,12}").prop_map(
            |(id, name, text)| {
                Part::ToolCall(ToolCall { id, name: name.to_owned(), arguments: freeform::wrap(&text) })
            }
        ),
    ];
    (prop::collection::vec(part, 0..6), any::<[u32; 4]>()).prop_map(|(parts, counts)| {
        let [input, cached_input, cache_written, output] =
            counts.map(|count| units::TokenCount(count.into()));
        let usage = Usage { input, cached_input, cache_written, output, reasoning: output };
        Message {
            id: Some("resp_1".to_owned()),
            model: Some("m".to_owned()),
            parts,
            citations: Vec::new(),
            usage,
            stop: StopReason::MaxOutput,
        }
    })
}

fn events(message: &Message) -> Vec<Event> {
    let mut events = Vec::new();
    let mut index = 0;
    for part in &message.parts {
        if let Part::Thought(thought) = part {
            if !thought.text.is_empty() {
                events.push(Event::Thought { text: thought.text.clone() });
            }
            events.extend(thought.seal.clone().map(Event::Sealed));
        } else if let Part::ToolCall(call) = part {
            events.push(started(index, &call.id, &call.name));
            events.push(arguments(index, &call.arguments));
            index += 1;
        } else if let Part::Refusal { text } = part {
            events.push(Event::Refusal { text: text.clone() });
        } else {
            events.extend(part.as_text().map(text));
        }
    }
    events.push(Event::Usage(message.usage));
    events.push(stopped(message.stop.clone()));
    events
}

/// The message of these events, its seals unpacked as a request's decoder does it, and pieces of one kind as one.
fn assembled(events: &[Event]) -> Message {
    let mut assembler = Assembler::default();
    events.iter().for_each(|event| assembler.push(event));
    let mut message = assembler.message().unwrap();
    for part in &mut message.parts {
        if let Part::Thought(Thought { seal: Some(seal), .. }) = part
            && seal.issuer.is_none()
        {
            *seal = seal::unpack(&seal.value, seal.whole);
        }
    }
    message
}

proptest! {
    #[test]
    fn what_was_written_is_read_again(message in message(), piece in 1usize..200) {
        let expected = Message { id: None, model: None, ..assembled(&events(&message)) };
        let same = |read: &[Event]| {
            let message = assembled(read);
            prop_assert_eq!((message.id.as_deref(), message.model.as_deref()), (Some("resp_1"), Some("m")));
            prop_assert_eq!(Message { id: None, model: None, ..message }, expected.clone());
            Ok(())
        };
        let (read, end) = play(Decoder::default(), &written(&events(&message)), piece);
        prop_assert_eq!(end, Ok(()));
        same(&read)?;
        let request = asked();
        same(&answer(&whole(&message, &head(&request))).unwrap())?;
    }
}
