//! Streams in the documented grammar, and as servers write it that leave parts of it out.

use proptest::prelude::*;

use super::*;
use crate::transcript::{arguments, play, started, text, usage};

const TURN: &str = r#"event: response.created
data: {"type":"response.created","sequence_number":0,"response":{"id":"resp_1","object":"response","created_at":1,"status":"in_progress","model":"gpt-5.2","output":[],"error":null,"usage":null}}

event: response.in_progress
data: {"type":"response.in_progress","sequence_number":1,"response":{"id":"resp_1","status":"in_progress","output":[]}}

event: response.output_item.added
data: {"type":"response.output_item.added","sequence_number":2,"output_index":0,"item":{"id":"rs_1","type":"reasoning","summary":[],"encrypted_content":"early"}}

data: {"type":"response.reasoning_summary_part.added","item_id":"rs_1","output_index":0,"summary_index":0,"part":{"type":"summary_text","text":""}}

data: {"type":"response.reasoning_summary_text.delta","item_id":"rs_1","output_index":0,"summary_index":0,"delta":"one"}

data: {"type":"response.reasoning_summary_part.added","item_id":"rs_1","output_index":0,"summary_index":1,"part":{"type":"summary_text","text":""}}

data: {"type":"response.reasoning_summary_text.delta","item_id":"rs_1","output_index":0,"summary_index":1,"delta":"two"}

data: {"type":"response.output_item.done","output_index":0,"item":{"id":"rs_1","type":"reasoning","summary":[{"type":"summary_text","text":"one"},{"type":"summary_text","text":"two"}],"encrypted_content":"enc"}}

data: {"type":"response.output_item.added","output_index":1,"item":{"id":"msg_1","type":"message","role":"assistant","content":[]}}

data: {"type":"response.content_part.added","item_id":"msg_1","output_index":1,"content_index":0,"part":{"type":"output_text","text":""}}

data: {"type":"response.output_text.delta","item_id":"msg_1","output_index":1,"content_index":0,"delta":"Grüße 😀"}

data: {"type":"response.output_text.done","item_id":"msg_1","output_index":1,"content_index":0,"text":"Grüße 😀"}

data: {"type":"response.output_item.done","output_index":1,"item":{"id":"msg_1","type":"message","role":"assistant","content":[{"type":"output_text","text":"Grüße 😀"}]}}

data: {"type":"response.output_item.added","output_index":2,"item":{"id":"fc_1","type":"function_call","call_id":"call_a","name":"read","arguments":""}}

data: {"type":"response.function_call_arguments.delta","item_id":"fc_1","output_index":2,"delta":"{\"a\":"}

data: {"type":"response.function_call_arguments.delta","item_id":"fc_1","output_index":2,"delta":"1}"}

data: {"type":"response.function_call_arguments.done","item_id":"fc_1","output_index":2,"arguments":"{\"a\":1}"}

data: {"type":"response.output_item.done","output_index":2,"item":{"id":"fc_1","type":"function_call","call_id":"call_a","name":"read","arguments":"{\"a\":1}"}}

data: {"type":"response.output_item.added","output_index":3,"item":{"id":"ctc_1","type":"custom_tool_call","call_id":"call_b","name":"patch","input":""}}

data: {"type":"response.custom_tool_call_input.delta","item_id":"ctc_1","output_index":3,"delta":"x\"y"}

data: {"type":"response.custom_tool_call_input.done","item_id":"ctc_1","output_index":3,"input":"x\"y"}

data: {"type":"response.output_item.done","output_index":3,"item":{"id":"ctc_1","type":"custom_tool_call","call_id":"call_b","name":"patch","input":"x\"y"}}

data: {"type":"response.completed","response":{"id":"resp_1","status":"completed","model":"gpt-5.2","output":[{"id":"rs_1","type":"reasoning","summary":[]},{"id":"msg_1","type":"message","content":[]}],"usage":{"input_tokens":100,"input_tokens_details":{"cached_tokens":64},"output_tokens":30,"output_tokens_details":{"reasoning_tokens":12},"total_tokens":130}}}

"#;

fn thought(text: &str) -> Event {
    Event::Thought { text: text.to_owned() }
}

fn sealed(value: &str) -> Event {
    Event::Sealed(Seal { issuer: None, value: value.to_owned(), whole: true })
}

fn stopped(reason: StopReason) -> Event {
    Event::Stopped { reason }
}

fn began(id: &str) -> Event {
    Event::Began { id: Some(id.to_owned()), model: None }
}

fn turn() -> Vec<Event> {
    vec![
        Event::Began { id: Some("resp_1".to_owned()), model: Some("gpt-5.2".to_owned()) },
        thought("one"),
        thought("\n\n"),
        thought("two"),
        sealed("enc"),
        text("Grüße 😀"),
        started(0, "call_a", "read"),
        arguments(0, "{\"a\":"),
        arguments(0, "1}"),
        started(1, "call_b", "patch"),
        arguments(1, "{\"input\":\"x\\\"y"),
        arguments(1, "\"}"),
        usage([36, 64, 0, 30, 12]),
        stopped(StopReason::ToolUse),
    ]
}

fn play_events(events: &[&str]) -> (Vec<Event>, Result<(), Error>) {
    let stream: String = events.iter().map(|event| format!("data: {event}\n\n")).collect();
    play(Decoder::default(), stream.as_bytes(), 50)
}

proptest! {
    #[test]
    fn any_split_of_the_bytes_gives_the_same_events(piece in 1usize..400) {
        let (events, end) = play(Decoder::default(), TURN.as_bytes(), piece);
        prop_assert_eq!(events, turn());
        prop_assert_eq!(end, Ok(()));
    }

    #[test]
    fn a_stream_cut_before_its_end_is_never_a_whole_one(keep in 0usize..TURN.len() - 1) {
        let (events, end) = play(Decoder::default(), &TURN.as_bytes()[..keep], 64);
        prop_assert!(turn().starts_with(&events));
        prop_assert_eq!(end, Err(Error::Cut { dialect: DIALECT }));
    }
}

proptest! {
    #[test]
    fn no_events_make_it_panic_or_endless(events in prop::collection::vec(event(), 0..20)) {
        let events: Vec<&str> = events.iter().map(String::as_str).collect();
        let (told, _) = play_events(&events);
        prop_assert!(told.len() <= 8 * events.len() + 8);
    }
}

/// An event of any type with any item.
fn event() -> impl Strategy<Value = String> {
    let kinds = GROWTH.into_iter().chain([
        "response.output_item.added",
        "response.output_item.done",
        "response.created",
        "response.completed",
    ]);
    let kinds = prop::sample::select(kinds.collect::<Vec<_>>());
    let item = prop::sample::select(vec!["message", "reasoning", "function_call", "custom_tool_call", "odd"]);
    (kinds, item, prop::option::of(0u64..3), "[ab]?").prop_map(|(kind, item, index, id)| {
        let index = index.map_or_else(|| "null".to_owned(), |index| index.to_string());
        let item = format!(r#"{{"type":"{item}","id":"{id}","name":"n","arguments":"{{}}","input":"x","summary":[{{"text":"s"}}],"content":[{{"text":"t"}}],"encrypted_content":"e"}}"#);
        let rest = match kind {
            "response.output_item.added" | "response.output_item.done" => format!(r#""item":{item}"#),
            "response.created" | "response.completed" => format!(r#""response":{{"output":[{item}]}}"#),
            _ => r#""delta":"d","arguments":"{}","input":"x""#.to_owned(),
        };
        format!(r#"{{"type":"{kind}","output_index":{index},"item_id":"{id}",{rest}}}"#)
    })
}

const DONE: &str = r#"{"type":"response.completed","response":{"id":"r","status":"completed","output":[]}}"#;

/// Hard case 3 and pain 17.
#[test]
fn arguments_that_come_only_when_all_is_done_are_not_lost() {
    let added = r#"{"type":"response.output_item.added","output_index":0,"item":{"id":"fc","type":"function_call","call_id":"c","name":"n","arguments":""}}"#;
    let done = r#"{"type":"response.function_call_arguments.done","item_id":"fc","output_index":0,"arguments":"{\"a\":1}"}"#;
    let item = r#"{"type":"response.output_item.done","output_index":0,"item":{"id":"fc","type":"function_call","call_id":"c","name":"n","arguments":"{\"a\":1}"}}"#;
    let completed = r#"{"type":"response.completed","response":{"id":"r","output":[{"id":"fc","type":"function_call","call_id":"c","name":"n","arguments":{"a":1}}]}}"#;
    let call = vec![started(0, "c", "n"), arguments(0, "{\"a\":1}")];
    let stop = vec![stopped(StopReason::ToolUse)];
    let cases = [
        (vec![added, done, item, DONE], [call.clone(), vec![began("r")], stop.clone()].concat()),
        (vec![added, item, DONE], [call.clone(), vec![began("r")], stop.clone()].concat()),
        (vec![item, DONE], [call.clone(), vec![began("r")], stop.clone()].concat()),
        (vec![completed], [vec![began("r")], call, stop].concat()),
    ];
    for (events, expected) in cases {
        assert_eq!(play_events(&events), (expected, Ok(())));
    }
}

#[test]
fn text_and_thoughts_that_come_only_with_their_items_are_not_lost_and_none_is_told_twice() {
    let reasoning = r#"{"type":"response.output_item.done","output_index":0,"item":{"id":"rs","type":"reasoning","summary":[],"content":[{"type":"reasoning_text","text":"hm"}],"encrypted_content":""}}"#;
    let message = r#"{"type":"response.output_item.done","output_index":1,"item":{"id":"m","type":"message","content":[{"type":"output_text","text":"a"},{"type":"refusal","refusal":"No."}]}}"#;
    let refusal = Event::Refusal { text: "No.".to_owned() };
    let expected = vec![thought("hm"), text("a"), refusal, began("r"), stopped(StopReason::Refusal)];
    assert_eq!(play_events(&[reasoning, message, DONE]), (expected, Ok(())));
    let raw = r#"{"type":"response.reasoning_text.delta","item_id":"rs","output_index":0,"content_index":0,"delta":"hm"}"#;
    let summary = r#"{"type":"response.reasoning_summary_text.delta","item_id":"rs","output_index":0,"summary_index":0,"delta":"hm"}"#;
    let expected = vec![thought("hm"), began("r"), stopped(StopReason::EndOfTurn)];
    assert_eq!(play_events(&[raw, summary, DONE]), (expected, Ok(())));
}

#[test]
fn events_that_nobody_knows_are_passed_by_however_many() {
    let mut events = vec![r#"{"type":"keepalive"}"#; 2_000];
    events.push(r#"{"type":"response.web_search_call.searching","item_id":"ws","output_index":0}"#);
    events.push(r#"{"type":"response.output_text.delta","delta":"a"}"#);
    events.push(r#"{"type":"response.output_text.delta","delta":"b"}"#);
    events.push(DONE);
    let expected = vec![text("a"), text("b"), began("r"), stopped(StopReason::EndOfTurn)];
    assert_eq!(play_events(&events), (expected, Ok(())));
}

/// Hard cases 9 and 11.
#[test]
fn every_end_has_its_meaning() {
    let end = |kind: &str, rest: &str| {
        play_events(&[&format!(
            r#"{{"type":"response.{kind}","response":{{"id":"r","status":"{kind}",{rest}}}}}"#
        )])
    };
    let reason = |word: &str| {
        end("incomplete", &format!(r#""incomplete_details":{{"reason":"{word}"}}"#)).0[1].clone()
    };
    assert_eq!(reason("max_output_tokens"), stopped(StopReason::MaxOutput));
    assert_eq!(reason("content_filter"), stopped(StopReason::Refusal));
    assert_eq!(reason("odd"), stopped(StopReason::Other("odd".to_owned())));
    let failed = end("failed", r#""error":{"code":"rate_limit_exceeded","message":"m"}"#).1;
    assert_eq!(failed, Err(Error::Reported { status: 429, message: "m".to_owned() }));
    for error in [
        r#"{"type":"error","code":"server_error","message":"m","param":null}"#,
        r#"{"type":"error","error":{"type":"server_error","message":"m"}}"#,
    ] {
        assert_eq!(play_events(&[error]).1, Err(Error::Reported { status: 500, message: "m".to_owned() }));
    }
}

#[test]
fn a_whole_answer_gives_the_events_of_its_stream_and_an_error_inside_a_200_is_one() {
    let body = br#"{"id":"r","status":"completed","output":[{"id":"a","type":"reasoning","summary":[],"encrypted_content":"enc"},{"id":"b","type":"message","content":[{"type":"output_text","text":"a"}]},{"id":"c","type":"custom_tool_call","call_id":"i","name":"p","input":"x"},{"id":"d","type":"image_generation_call","result":"AAAA"}],"usage":{"input_tokens":3,"output_tokens":2}}"#;
    let events = answer(body).unwrap();
    let image = media::at_address("data:image/png;base64,AAAA".to_owned());
    let expected = [
        began("r"),
        sealed("enc"),
        text("a"),
        started(0, "i", "p"),
        arguments(0, "{\"input\":\"x"),
        arguments(0, "\"}"),
        Event::Media { part: Part::Image(image) },
        usage([3, 0, 0, 2, 0]),
        stopped(StopReason::ToolUse),
    ];
    assert_eq!(events, expected);
    let failed = br#"{"id":"r","status":"failed","error":{"code":"server_error","message":"m"},"output":[]}"#;
    assert_eq!(answer(failed), Err(Error::Reported { status: 500, message: "m".to_owned() }));
    assert_eq!(answer(br#"{"id":"r","status":"in_progress"}"#), Err(Error::Cut { dialect: DIALECT }));
}

#[test]
fn refuses_what_is_not_of_the_dialect_without_showing_it() {
    for data in ["{\"secret", "{\"type\":5,\"x\":\"secret\"}", "secret"] {
        let error = play_events(&[data]).1.unwrap_err();
        assert!(matches!(error, Error::Malformed { .. }), "{error:?}");
        assert!(!format!("{error} {error:?}").contains("secret"));
    }
}
