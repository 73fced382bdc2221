//! What a watch sees, whatever way the bytes are cut, and what it leaves as it was.

use proptest::prelude::*;
use serde_json::json;
use units::TokenCount;

use super::*;
use crate::{Decode, anthropic, gemini, openai_chat, sse};

const ANTHROPIC: &str = concat!(
    "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"model\":\"claude\",\"usage\":{\"input_tokens\":3,\"cache_read_input_tokens\":5,\"output_tokens\":1}}}\n\n",
    "event: ping\ndata: {\"type\":\"ping\"}\n\n",
    "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n",
    "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"h\u{fc}t \\\"error\\\": message_stop\"}}\n\n",
    "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n",
    "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\",\"stop_sequence\":null},\"usage\":{\"output_tokens\":7}}\n\n",
    "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
);
const CHAT: &str = concat!(
    ": OPENROUTER PROCESSING\n\n",
    "data: {\"id\":\"c1\",\"model\":\"gpt\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"finish_reason\":null}],\"usage\":null}\n\n",
    "data: {\"id\":\"c1\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"\u{1f600}\"},\"finish_reason\":null}],\"usage\":null}\n\n",
    "data: {\"id\":\"c1\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}],\"usage\":null}\n\n",
    "data: {\"id\":\"c1\",\"choices\":[],\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":4,\"prompt_tokens_details\":{\"cached_tokens\":6},\"completion_tokens_details\":{\"reasoning_tokens\":2}}}\n\n",
    "data: [DONE]\n\n",
);
const RESPONSES: &str = concat!(
    "event: response.created\ndata: {\"type\":\"response.created\",\"response\":{\"id\":\"resp_1\",\"model\":\"gpt\",\"status\":\"in_progress\",\"error\":null,\"usage\":null}}\n\n",
    "event: response.output_item.added\ndata: {\"type\":\"response.output_item.added\",\"item\":{\"type\":\"message\"}}\n\n",
    "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"delta\":\"h\u{fc}t\"}\n\n",
    "event: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{\"id\":\"resp_1\",\"status\":\"completed\",\"error\":null,\"usage\":{\"input_tokens\":10,\"input_tokens_details\":{\"cached_tokens\":4},\"output_tokens\":5,\"output_tokens_details\":{\"reasoning_tokens\":2},\"total_tokens\":15}}}\n\n",
);
const GEMINI: &str = concat!(
    "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"\"}]}}],\"modelVersion\":\"gemini\",\"responseId\":\"g1\",\"usageMetadata\":{\"promptTokenCount\":9}}\r\n\r\n",
    "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"h\u{fc}t\"}]}}],\"usageMetadata\":{\"promptTokenCount\":9,\"candidatesTokenCount\":1}}\r\n\r\n",
    "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"!\"}]}}],\"usageMetadata\":{\"promptTokenCount\":9,\"candidatesTokenCount\":2}}\r\n\r\n",
    "data: {\"candidates\":[{\"finishReason\":\"STOP\"}],\"usageMetadata\":{\"promptTokenCount\":9,\"cachedContentTokenCount\":4,\"candidatesTokenCount\":3,\"thoughtsTokenCount\":2}}\r\n\r\n",
);
const STREAMS: [(Dialect, &str); 4] = [
    (Dialect::Anthropic, ANTHROPIC),
    (Dialect::OpenAiChat, CHAT),
    (Dialect::OpenAiResponses, RESPONSES),
    (Dialect::Gemini, GEMINI),
];

/// What came out, what was seen, how it began, how it ended.
type Watched = (Vec<u8>, Seen, Start, Result<(), Error>);

fn watched(mut watch: Watch, pieces: &[&[u8]]) -> Watched {
    let mut out = Vec::new();
    for piece in pieces {
        watch.push(&Bytes::copy_from_slice(piece), &mut out).unwrap();
    }
    let start = watch.start();
    let end = watch.finish(&mut out);
    (out.concat(), watch.seen().clone(), start, end)
}

fn usage(counts: [u64; 5]) -> Option<chat::Usage> {
    let [input, cached_input, cache_written, output, reasoning] = counts.map(TokenCount);
    Some(chat::Usage { input, cached_input, cache_written, output, reasoning })
}

/// The usage and the end as the dialect's decoder has them.
fn decoded(dialect: Dialect, stream: &[u8]) -> (Option<chat::Usage>, Result<(), Error>) {
    let mut decoder: Box<dyn Decode> = match dialect {
        Dialect::Anthropic => Box::new(anthropic::Decoder::default()),
        Dialect::OpenAiChat | Dialect::OpenAiResponses => Box::new(openai_chat::Decoder::default()),
        Dialect::Gemini => Box::new(gemini::Decoder::default()),
    };
    let mut usage = None;
    for frame in sse::Decoder::default().push(stream).unwrap() {
        match decoder.push(&frame) {
            Ok(events) => {
                for event in events {
                    if let chat::Event::Usage(used) = event {
                        usage = Some(used);
                    }
                }
            }
            Err(error) => return (usage, Err(error)),
        }
    }
    (usage, decoder.finish().map(drop))
}

#[test]
fn a_whole_stream_of_each_dialect_is_seen_and_left_as_it_is() {
    for ((dialect, stream), (id, model, counts)) in STREAMS.into_iter().zip([
        ("msg_1", "claude", [3, 5, 0, 7, 0]),
        ("c1", "gpt", [4, 6, 0, 4, 2]),
        ("resp_1", "gpt", [6, 4, 0, 5, 2]),
        ("g1", "gemini", [5, 4, 0, 5, 2]),
    ]) {
        let (out, seen, start, end) = watched(Watch::new(dialect), &[stream.as_bytes()]);
        assert_eq!(out, stream.as_bytes());
        let expected = Seen {
            id: Some(id.to_owned()),
            model: Some(model.to_owned()),
            usage: usage(counts),
            is_stopped: true,
        };
        assert_eq!((seen, start, end), (expected, Start::Output, Ok(())), "{dialect:?}");
    }
}

#[test]
fn a_split_at_any_byte_changes_nothing_pain_22() {
    for (dialect, stream) in STREAMS {
        let make =
            || if dialect == Dialect::OpenAiChat { Watch::without_usage() } else { Watch::new(dialect) };
        for stream in [
            stream.to_owned(),
            stream.replace("\r\n", "\n").replace('\n', "\r\n"),
            stream.replace("\r\n", "\n").replace('\n', "\r"),
        ] {
            let at_once = watched(make(), &[stream.as_bytes()]);
            assert_eq!(at_once.3, Ok(()), "{dialect:?}");
            for at in 0..=stream.len() {
                let (head, tail) = stream.as_bytes().split_at(at);
                assert_eq!(watched(make(), &[head, tail]), at_once, "{dialect:?} split at {at}");
            }
            let single: Vec<&[u8]> = stream.as_bytes().chunks(1).collect();
            assert_eq!(watched(make(), &single), at_once, "{dialect:?} byte by byte");
        }
    }
}

#[test]
fn events_of_responses_are_numbered_by_how_many_were_whole() {
    let stream = format!(": waits\n\n{RESPONSES}");
    let ends: Vec<usize> = stream.match_indices("\n\n").skip(1).map(|(at, _)| at + 2).collect();
    for cut in 0..stream.len() {
        let mut watch = Watch::new(Dialect::OpenAiResponses);
        watch.push(&Bytes::copy_from_slice(&stream.as_bytes()[..cut]), &mut Vec::new()).unwrap();
        let whole = ends.iter().filter(|end| **end <= cut).count();
        assert_eq!(watch.events(), whole as u64, "at byte {cut}");
    }
}

#[test]
fn a_usage_chunk_that_was_not_asked_for_is_taken_out_hard_case_2() {
    let chunk = CHAT.split_inclusive("\n\n").find(|frame| frame.contains("\"choices\":[],")).unwrap();
    let (out, seen, _, end) = watched(Watch::without_usage(), &[CHAT.as_bytes()]);
    assert_eq!(String::from_utf8(out).unwrap(), CHAT.replace(chunk, ""));
    assert_eq!((seen.usage, end), (usage([4, 6, 0, 4, 2]), Ok(())));
}

#[test]
fn chunks_that_share_their_usage_or_have_none_are_kept_hard_case_2() {
    let stream = "data: {\"choices\":[],\"prompt_filter_results\":[]}\n\ndata: {\"choices\":[{\"delta\":{\"content\":\"a\"},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":1}}\n\ndata: [DONE]\n\n";
    let (out, seen, start, end) = watched(Watch::without_usage(), &[stream.as_bytes()]);
    assert_eq!(out, stream.as_bytes());
    assert_eq!((seen.usage, start, end), (usage([1, 0, 0, 0, 0]), Start::Output, Ok(())));
}

#[test]
fn output_begins_with_the_first_piece_that_a_client_would_miss() {
    for (dialect, stream, nth) in [
        (Dialect::Anthropic, ANTHROPIC, 3),
        (Dialect::OpenAiChat, CHAT, 2),
        (Dialect::OpenAiResponses, RESPONSES, 2),
        (Dialect::Gemini, GEMINI, 1),
    ] {
        let end = if dialect == Dialect::Gemini { "\r\n\r\n" } else { "\n\n" };
        let mut watch = Watch::new(dialect);
        let starts: Vec<Start> = stream
            .split_inclusive(end)
            .map(|frame| {
                watch.push(&Bytes::copy_from_slice(frame.as_bytes()), &mut Vec::new()).unwrap();
                watch.start()
            })
            .collect();
        assert_eq!(starts.iter().position(|start| *start == Start::Output), Some(nth), "{dialect:?}");
        assert!(starts[..nth].iter().all(|start| *start == Start::Waiting), "{dialect:?}");
    }
}

#[test]
fn thoughts_calls_and_empty_ends_are_output_too() {
    for (dialect, frame) in [
        (
            Dialect::Anthropic,
            "{\"type\":\"content_block_start\",\"content_block\":{\"type\":\"tool_use\",\"id\":\"a\",\"name\":\"b\",\"input\":{}}}",
        ),
        (
            Dialect::Anthropic,
            "{\"type\":\"content_block_delta\",\"delta\":{\"type\":\"thinking_delta\",\"thinking\":\"a\"}}",
        ),
        (Dialect::Anthropic, "{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"}}"),
        (Dialect::OpenAiChat, "{\"choices\":[{\"delta\":{\"reasoning_content\":\"a\"}}]}"),
        (
            Dialect::OpenAiChat,
            "{\"id\":7,\"choices\":[{\"delta\":{\"role\":\"assistant\",\"tool_calls\":[{\"index\":0}]}}]}",
        ),
        (
            Dialect::OpenAiResponses,
            "{\"type\":\"response.output_item.added\",\"item\":{\"type\":\"function_call\"}}",
        ),
        (
            Dialect::OpenAiResponses,
            "{\"type\":\"response.function_call_arguments.done\",\"arguments\":\"{}\"}",
        ),
        (
            Dialect::Gemini,
            "{\"candidates\":[{\"content\":{\"parts\":[{\"functionCall\":{\"name\":\"a\"}}]}}]}",
        ),
        (Dialect::Gemini, "{\"promptFeedback\":{\"blockReason\":\"SAFETY\"}}"),
    ] {
        let stream = format!("data: {frame}\n\n");
        assert_eq!(watched(Watch::new(dialect), &[stream.as_bytes()]).2, Start::Output, "{frame}");
    }
}

#[test]
fn an_error_before_any_output_leaves_the_way_to_another_provider_open() {
    for (dialect, stream, status) in [
        (
            Dialect::Anthropic,
            "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"busy\"}}\n\n",
            529,
        ),
        (
            Dialect::OpenAiChat,
            "data: {\"error\":{\"message\":\"busy\",\"code\":429},\"choices\":[]}\n\n",
            429,
        ),
        (
            Dialect::OpenAiResponses,
            "data: {\"type\":\"error\",\"code\":\"rate_limit_exceeded\",\"message\":\"busy\"}\n\n",
            429,
        ),
        (
            Dialect::OpenAiResponses,
            "data: {\"type\":\"response.failed\",\"response\":{\"error\":{\"code\":\"server_error\",\"message\":\"busy\"}}}\n\n",
            500,
        ),
        (Dialect::Gemini, "data: {\"error\":{\"code\":503,\"message\":\"busy\"}}\r\n\r\n", 503),
        (Dialect::Gemini, "[{\"error\":{\"code\":503,\"message\":\"busy\"}}]", 503),
        (Dialect::OpenAiChat, "{\"error\":{\"message\":\"busy\",\"code\":429}}", 429),
        (
            Dialect::Anthropic,
            "{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"busy\"}}\n",
            529,
        ),
    ] {
        let mut watch = Watch::new(dialect);
        let mut out = Vec::new();
        watch.push(&Bytes::from_static(stream.as_bytes()), &mut out).unwrap();
        let expected = Error::Reported { status, message: "busy".to_owned() };
        assert_eq!((watch.start(), watch.fault()), (Start::Failed, Some(&expected)), "{stream}");
        let end = watch.finish(&mut out);
        assert_eq!((out.concat(), end), (stream.as_bytes().to_vec(), Err(expected)));
    }
}

#[test]
fn an_error_after_output_is_passed_on_and_told_pain_15() {
    let frames: Vec<&str> = CHAT.split_inclusive("\n\n").collect();
    for error in [
        // With empty choices it could pass for a usage chunk.
        "data: {\"error\":{\"message\":\"busy\",\"code\":502},\"choices\":[]}\n\n",
        // Plain JSON behind the stream, with and without an empty line.
        "{\"error\":{\"message\":\"busy\",\"code\":502}}\n\n",
        "{\"error\":{\"message\":\"busy\",\"code\":502}}",
    ] {
        let stream = [frames[1], frames[2], error].concat();
        for watch in [Watch::new(Dialect::OpenAiChat), Watch::without_usage()] {
            let (out, _, start, end) = watched(watch, &[stream.as_bytes()]);
            let expected = Err(Error::Reported { status: 502, message: "busy".to_owned() });
            assert_eq!((out, start, end), (stream.clone().into_bytes(), Start::Output, expected));
        }
    }
}

#[test]
fn a_stream_that_is_cut_anywhere_before_its_end_is_told_pain_15() {
    for (dialect, stream) in STREAMS {
        let ends = match dialect {
            Dialect::Anthropic => stream.len(),
            Dialect::OpenAiChat => {
                stream.find("\"stop\"").map_or(0, |at| at + stream[at..].find("\n\n").unwrap() + 2)
            }
            Dialect::OpenAiResponses => stream.len(),
            // An empty line that ends with CR alone is one, too.
            Dialect::Gemini => stream.len() - 1,
        };
        for at in 0..ends {
            let (out, _, _, end) = watched(Watch::new(dialect), &[&stream.as_bytes()[..at]]);
            assert_eq!(
                (out.len(), end),
                (at, Err(Error::Cut { dialect: dialect.name() })),
                "{dialect:?} at {at}"
            );
        }
        assert_eq!(watched(Watch::new(dialect), &[&stream.as_bytes()[..ends]]).3, Ok(()), "{dialect:?}");
    }
}

#[test]
fn geminis_list_is_watched_like_its_events() {
    let objects: Vec<&str> =
        GEMINI.split_terminator("\r\n\r\n").map(|frame| &frame["data: ".len()..]).collect();
    let list = format!("[{}\r\n]", objects.join(",\r\n")).replace("h\u{fc}t", "a } \\\" ] [ { \\\\");
    let of_events = watched(Watch::new(Dialect::Gemini), &[GEMINI.as_bytes()]);
    for at in 0..=list.len() {
        let (head, tail) = list.as_bytes().split_at(at);
        let (out, seen, start, end) = watched(Watch::new(Dialect::Gemini), &[head, tail]);
        assert_eq!(
            (out, &seen, start, &end),
            (list.clone().into_bytes(), &of_events.1, of_events.2, &of_events.3),
            "{at}"
        );
    }
    let open = &list[..list.len() - 1];
    assert_eq!(
        watched(Watch::new(Dialect::Gemini), &[open.as_bytes()]).3,
        Err(Error::Cut { dialect: "Gemini" })
    );
}

#[test]
fn a_page_of_html_is_no_answer() {
    for (dialect, _) in STREAMS {
        let (_, seen, start, end) =
            watched(Watch::new(dialect), &[b"<html>\n\n<body>data: {}</body>\n\n</html>\n"]);
        assert_eq!(
            (seen, start, end),
            (Seen::default(), Start::Waiting, Err(Error::Cut { dialect: dialect.name() }))
        );
    }
}

#[test]
fn a_frame_without_end_takes_bounded_memory() {
    let piece = Bytes::from(vec![b'x'; 1024 * 1024]);
    let mut watch = Watch::new(Dialect::OpenAiChat);
    let taken = (0..1_000).take_while(|_| watch.push(&piece, &mut Vec::new()).is_ok()).count();
    assert_eq!(taken, MAX_FRAME_BYTES / piece.len());
    assert!(watch.open.capacity() <= 2 * MAX_FRAME_BYTES);
}

#[test]
fn a_picture_of_several_megabytes_passes_in_one_frame() {
    let picture = "A".repeat(5 * 1024 * 1024);
    let stream = format!(
        "data: {{\"candidates\":[{{\"content\":{{\"parts\":[{{\"inlineData\":{{\"data\":\"{picture}\"}}}}]}},\"finishReason\":\"STOP\"}}],\"usageMetadata\":{{\"promptTokenCount\":2}}}}\r\n\r\n"
    );
    let pieces: Vec<&[u8]> = stream.as_bytes().chunks(16 * 1024).collect();
    let (out, seen, _, end) = watched(Watch::new(Dialect::Gemini), &pieces);
    assert_eq!((out.len(), seen.usage, end), (stream.len(), usage([2, 0, 0, 0, 0]), Ok(())));
}

#[test]
fn geminis_usage_counts_from_whichever_chunk_told_it_last() {
    let chunk = |text: &str, rest: &str| {
        format!("data: {{\"candidates\":[{{\"content\":{{\"parts\":[{{\"text\":\"{text}\"}}]}}{rest}}}]")
    };
    let stream = [
        chunk("a", "") + "}\n\n",
        chunk("b", "") + ",\"usageMetadata\":{\"promptTokenCount\":3}}\n\n",
        chunk("c", ",\"finishReason\":\"STOP\"") + "}\n\n",
    ]
    .concat();
    assert_eq!(watched(Watch::new(Dialect::Gemini), &[stream.as_bytes()]).1.usage, usage([3, 0, 0, 0, 0]));
}

#[test]
fn what_was_used_is_known_of_a_stream_that_nobody_waited_for_pain_12() {
    let mut watch = Watch::new(Dialect::Gemini);
    let head: String = GEMINI.split_inclusive("\r\n\r\n").take(3).collect();
    watch.push(&Bytes::from(head), &mut Vec::new()).unwrap();
    assert_eq!(watch.usage(), usage([9, 0, 0, 2, 0]));
}

#[test]
fn compatible_servers_counts_are_read_as_where_their_answers_are_translated() {
    let deepseeks = r#"{"prompt_tokens":10,"completion_tokens":5,"prompt_cache_hit_tokens":4}"#;
    let xais = r#"{"prompt_tokens":10,"completion_tokens":5,"total_tokens":22,"completion_tokens_details":{"reasoning_tokens":7}}"#;
    for (counts, expected) in [(deepseeks, [6, 4, 0, 5, 0]), (xais, [10, 0, 0, 12, 7])] {
        let stream = format!(
            "data: {{\"choices\":[{{\"delta\":{{\"content\":\"x\"}},\"finish_reason\":\"stop\"}}],\"usage\":{counts}}}\n\ndata: [DONE]\n\n"
        );
        assert_eq!(watched(Watch::new(Dialect::OpenAiChat), &[stream.as_bytes()]).1.usage, usage(expected));
        let answer =
            format!("{{\"choices\":[{{\"message\":{{}},\"finish_reason\":\"stop\"}}],\"usage\":{counts}}}");
        assert_eq!(whole(Dialect::OpenAiChat, answer.as_bytes()).unwrap().usage, usage(expected));
    }
}

#[test]
fn to_ask_what_was_used_changes_nothing() {
    let mut stream = GEMINI.split_inclusive("\r\n\r\n").map(str::to_owned).collect::<Vec<_>>();
    // One in the middle that nobody can read, and that is there for its usage alone.
    stream.insert(2, "data: {\"usageMetadata\":\r\n\r\n".to_owned());
    let end = |asks: bool| {
        let mut watch = Watch::new(Dialect::Gemini);
        for frame in &stream {
            watch.push(&Bytes::from(frame.clone()), &mut Vec::new()).unwrap();
            if asks {
                watch.usage();
            }
        }
        (watch.finish(&mut Vec::new()), watch.seen().clone())
    };
    assert_eq!(end(true), end(false));
}

#[test]
fn whole_answers_show_the_same() {
    for (dialect, body, counts) in [
        (
            Dialect::Anthropic,
            json!({"type": "message", "id": "i", "model": "m", "content": [], "stop_reason": "end_turn", "usage": {"input_tokens": 1, "cache_creation_input_tokens": 2, "output_tokens": 3, "output_tokens_details": {"thinking_tokens": 2}}}),
            [1, 0, 2, 3, 2],
        ),
        (
            Dialect::OpenAiChat,
            json!({"id": "i", "model": "m", "choices": [{"finish_reason": "stop"}], "usage": {"prompt_tokens": 5, "completion_tokens": 3, "input_tokens": 5, "prompt_tokens_details": null}}),
            [5, 0, 0, 3, 0],
        ),
        (
            Dialect::OpenAiResponses,
            json!({"id": "i", "model": "m", "status": "completed", "error": null, "usage": {"input_tokens": 5, "output_tokens": 3}}),
            [5, 0, 0, 3, 0],
        ),
        (
            Dialect::Gemini,
            json!({"responseId": "i", "modelVersion": "m", "candidates": [{"finishReason": "STOP"}], "usageMetadata": {"promptTokenCount": 5, "candidatesTokenCount": 3}}),
            [5, 0, 0, 3, 0],
        ),
    ] {
        let expected = Seen {
            id: Some("i".to_owned()),
            model: Some("m".to_owned()),
            usage: usage(counts),
            is_stopped: true,
        };
        assert_eq!(whole(dialect, body.to_string().as_bytes()), Ok(expected), "{dialect:?}");
        assert!(matches!(whole(dialect, b"<html>"), Err(Error::Malformed { .. })));
    }
}

#[test]
fn an_error_inside_a_200_is_an_error() {
    for (dialect, body, status) in [
        (
            Dialect::Anthropic,
            json!({"type": "error", "error": {"type": "rate_limit_error", "message": "busy"}}),
            429,
        ),
        (Dialect::OpenAiChat, json!({"error": {"code": 401, "message": "busy"}}), 401),
        (
            Dialect::OpenAiResponses,
            json!({"status": "failed", "error": {"code": "rate_limit_exceeded", "message": "busy"}}),
            429,
        ),
        (Dialect::Gemini, json!({"error": {"code": 503, "message": "busy"}}), 503),
    ] {
        let expected = Error::Reported { status, message: "busy".to_owned() };
        assert_eq!(whole(dialect, body.to_string().as_bytes()), Err(expected), "{dialect:?}");
    }
}

fn frames_of(dialect: Dialect) -> impl Strategy<Value = serde_json::Value> {
    let text = "[a-z\u{e4}\u{1f600}\"{}\\[\\]\\\\]{0,8}";
    let count = proptest::option::of(0_u64..50);
    (text, count.clone(), count, 0_u8..6).prop_map(move |(text, one, two, kind)| match (dialect, kind) {
        (Dialect::Anthropic, 0) => json!({"type": "message_start", "message": {"usage": {"input_tokens": one, "output_tokens": two}}}),
        (Dialect::Anthropic, 1) => json!({"type": "message_delta", "delta": {"stop_reason": one.map(|_| "end_turn")}, "usage": {"output_tokens": two, "cache_read_input_tokens": one}}),
        (Dialect::Anthropic, 2) => json!({"type": "message_stop"}),
        (Dialect::Anthropic, _) => json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}}),
        (Dialect::OpenAiChat, 0) => json!({"choices": [], "usage": {"prompt_tokens": one.unwrap_or(9), "completion_tokens": two.unwrap_or(9), "prompt_tokens_details": {"cached_tokens": two}}}),
        (Dialect::OpenAiChat, 1) => json!({"choices": [{"delta": {}, "finish_reason": one.map(|_| "stop")}], "usage": null}),
        (Dialect::OpenAiChat, 2) => json!({"choices": [{"delta": {"content": text}}], "usage": one.map(|one| json!({"prompt_tokens": one}))}),
        (Dialect::Gemini, 0) => json!({"candidates": [{"finishReason": one.map(|_| "STOP")}], "usageMetadata": {"promptTokenCount": two.unwrap_or(1)}}),
        (Dialect::Gemini, _) => json!({"candidates": [{"content": {"parts": [{"text": text}]}}], "usageMetadata": one.map(|one| json!({"promptTokenCount": one, "thoughtsTokenCount": 1}))}),
        _ => json!({"choices": [{"delta": {"content": text}, "finish_reason": null}], "usage": null}),
    })
}

fn stream_of(dialects: &'static [Dialect]) -> impl Strategy<Value = (Dialect, Vec<String>)> {
    proptest::sample::select(dialects).prop_flat_map(|dialect| {
        let frames = proptest::collection::vec((frames_of(dialect), 0_u8..5), 0..8);
        frames.prop_map(move |frames| {
            let write = |(frame, form): (serde_json::Value, u8)| match form {
                0 => format!("data:{frame}\r\n\r\n"),
                1 => format!(": ping\n\ndata: {frame}\n\n"),
                2 => format!("event: x\rdata: {frame}\r\r"),
                _ => format!("data: {frame}\n\n"),
            };
            (dialect, frames.into_iter().map(write).collect())
        })
    })
}

proptest! {
    #[test]
    fn usage_and_end_are_those_of_the_full_decoder(
        (dialect, frames) in stream_of(&[Dialect::Anthropic, Dialect::OpenAiChat, Dialect::Gemini]), piece in 1_usize..40,
    ) {
        let stream = frames.concat();
        let pieces: Vec<&[u8]> = stream.as_bytes().chunks(piece).collect();
        let (out, seen, _, end) = watched(Watch::new(dialect), &pieces);
        let decoded = decoded(dialect, stream.as_bytes());
        prop_assert_eq!(String::from_utf8(out).unwrap(), stream);
        prop_assert_eq!((seen.usage, end), decoded);
    }

    #[test]
    fn only_usage_chunks_are_taken_out((dialect, frames) in stream_of(&[Dialect::OpenAiChat]), piece in 1_usize..40) {
        let stream = frames.concat();
        let pieces: Vec<&[u8]> = stream.as_bytes().chunks(piece).collect();
        let (out, seen, _, _) = watched(Watch::without_usage(), &pieces);
        // A comment before a chunk is a frame of its own.
        let kept = |frame: &String| if !frame.contains("\"choices\":[]") { frame.clone() } else if frame.starts_with(':') { ": ping\n\n".to_owned() } else { String::new() };
        let expected: String = frames.iter().map(kept).collect();
        prop_assert_eq!(String::from_utf8(out).unwrap(), expected);
        prop_assert_eq!(seen.usage, watched(Watch::new(dialect), &[stream.as_bytes()]).1.usage);
    }

    #[test]
    fn any_bytes_in_any_split_pass_unchanged_and_are_seen_alike(
        bytes in proptest::collection::vec(prop_oneof![Just(b'\n'), Just(b'\r'), Just(b'{'), Just(b'}'), Just(b'['), Just(b'"'), Just(b'\\'), any::<u8>()], 0..120),
        piece in 1_usize..7,
    ) {
        for (dialect, _) in STREAMS {
            let pieces: Vec<&[u8]> = bytes.chunks(piece).collect();
            let at_once = watched(Watch::new(dialect), &[&bytes]);
            prop_assert_eq!(&at_once.0, &bytes);
            prop_assert_eq!(watched(Watch::new(dialect), &pieces), at_once);
        }
        prop_assert_eq!(&watched(Watch::without_usage(), &[&bytes]).0, &bytes);
    }
}

/// Not a test of anything but speed: `cargo test --release -p wire -- --ignored --nocapture forty_events`.
#[test]
#[ignore = "measures"]
fn forty_events_cost_a_few_microseconds() {
    for (dialect, stream) in STREAMS {
        let end = if dialect == Dialect::Gemini { "\r\n\r\n" } else { "\n\n" };
        let frames: Vec<&str> = stream.split_inclusive(end).collect();
        let nth = frames
            .iter()
            .position(|frame| frame.contains("h\u{fc}t") || frame.contains('\u{1f600}'))
            .unwrap();
        let mut pieces: Vec<Bytes> = vec![Bytes::from(frames[nth].to_owned()); 40];
        pieces.splice(0..0, frames[..nth].iter().map(|frame| Bytes::from((*frame).to_owned())));
        pieces.extend(frames[nth + 1..].iter().map(|frame| Bytes::from((*frame).to_owned())));
        let mut times: Vec<u128> = (0..1_001)
            .map(|_| {
                let before = std::time::Instant::now();
                let mut watch = Watch::new(dialect);
                let mut out = Vec::with_capacity(1);
                for piece in &pieces {
                    out.clear();
                    watch.push(piece, &mut out).unwrap();
                }
                watch.finish(&mut out).unwrap();
                before.elapsed().as_nanos()
            })
            .collect();
        times.sort_unstable();
        println!("{dialect:?}: {} pieces: median {} ns, 99 % {} ns", pieces.len(), times[500], times[990]);
    }
}

#[test]
fn a_frame_that_is_not_whole_is_not_passed_on() {
    let mut watch = Watch::new(Dialect::Anthropic);
    let mut out = Vec::new();
    watch
        .push(&Bytes::from_static(b"event: ping\ndata: {\"type\":\"ping\"}\n\nevent: con"), &mut out)
        .unwrap();
    watch.push(&Bytes::from_static(b"tent_block_start\ndata: {\"ty"), &mut out).unwrap();
    assert_eq!(out.concat(), b"event: ping\ndata: {\"type\":\"ping\"}\n\n");
    assert!(matches!(watch.finish(&mut Vec::new()), Err(Error::Cut { .. })));
}
