//! Frames out of bytes, split everywhere.

use proptest::prelude::*;

use super::*;

fn decode(pieces: &[&[u8]]) -> Result<Vec<Frame>, Error> {
    let mut decoder = Decoder::default();
    pieces.iter().try_fold(Vec::new(), |mut frames, piece| {
        frames.extend(decoder.push(piece)?);
        Ok(frames)
    })
}

fn data(text: &str) -> Frame {
    Frame { event: None, data: text.to_owned() }
}

const STREAM: &str = "\u{feff}: hello\r\nevent: delta\r\ndata:{\"a\":\"ü€😀\"}\r\n\r\ndata: one\rdata:  two\r\r\
                      : OPENROUTER PROCESSING\n\nid: 7\nretry: 3\ndata\n\nevent: empty\n\ndata: last\n\ndata: torn";

fn frames() -> Vec<Frame> {
    let first = Frame { event: Some("delta".to_owned()), data: "{\"a\":\"ü€😀\"}".to_owned() };
    vec![first, data("one\n two"), data(""), data("last")]
}

#[test]
fn reads_every_line_ending_a_mark_comments_and_data_of_many_lines() {
    assert_eq!(decode(&[STREAM.as_bytes()]), Ok(frames()));
}

#[test]
fn a_split_at_any_byte_gives_the_same_frames() {
    for at in 0..=STREAM.len() {
        let (head, tail) = STREAM.as_bytes().split_at(at);
        assert_eq!(decode(&[head, tail]), Ok(frames()), "split at {at}");
    }
}

#[test]
fn a_mark_later_than_at_the_start_is_part_of_the_line() {
    assert_eq!(decode(&["data: 1\n\n\u{feff}data: 2\n\n".as_bytes()]), Ok(vec![data("1")]));
}

#[test]
fn pain_15_a_bare_error_after_the_frames_is_a_frame() {
    let stream = "data: 1\r\n\r\n{\n  \"error\": {\n    \"message\": \"}\"\n  }\n}\n";
    let frames = vec![data("1"), data("{  \"error\": {    \"message\": \"}\"  }}")];
    for at in 0..=stream.len() {
        let (head, tail) = stream.as_bytes().split_at(at);
        assert_eq!(decode(&[head, tail]), Ok(frames.clone()), "split at {at}");
    }
    assert_eq!(decode(&[b"{\"error\":1}\ndata: 2\n\n"]), Ok(vec![data("{\"error\":1}"), data("2")]));
    assert_eq!(decode(&[b"{\"torn\n\ndata: 2\n\n"]), Ok(vec![data("2")]));
}

#[test]
fn refuses_what_is_not_utf8() {
    assert_eq!(decode(&[b"data: \xff\n"]), Err(Error::NotUtf8));
}

#[test]
fn refuses_a_frame_that_is_too_large_in_one_line_or_in_many() {
    let refused = Err(Error::FrameTooLarge { limit: MAX_FRAME_BYTES });
    assert_eq!(decode(&[&vec![b'x'; MAX_FRAME_BYTES + 1]]), refused);
    let line = [b"data: ".as_slice(), &[b'x'; 1000], b"\n"].concat();
    assert_eq!(decode(&[&line.repeat(1_100)]), refused);
}

#[test]
fn keep_alive_comments_never_add_up() {
    let comments = b": keep-alive\n".repeat(MAX_FRAME_BYTES / 10);
    assert_eq!(decode(&[&comments, b"data: 1\n\n"]), Ok(vec![data("1")]));
}

#[test]
fn a_frame_of_exactly_the_limit_passes() {
    let text = "x".repeat(MAX_FRAME_BYTES - "data:".len());
    assert_eq!(decode(&[format!("data:{text}\n\n").as_bytes()]), Ok(vec![data(&text)]));
}

proptest! {
    #[test]
    fn any_bytes_in_any_split_give_what_they_give_at_once(
        bytes in proptest::collection::vec(prop_oneof![Just(b'\n'), Just(b'\r'), Just(b':'), Just(b'd'), any::<u8>()], 0..200),
        piece in 1usize..7,
    ) {
        let pieces: Vec<&[u8]> = bytes.chunks(piece).collect();
        prop_assert_eq!(decode(&pieces), decode(&[&bytes]));
    }

    #[test]
    fn what_is_written_is_read(texts in proptest::collection::vec("[^\r\n\u{feff}]{0,40}(\n[^\r\n]{0,20}){0,2}", 1..6), piece in 1usize..9) {
        let stream: String = texts
            .iter()
            .map(|text| text.split('\n').map(|line| format!("data: {line}\n")).collect::<String>() + "\n")
            .collect();
        let pieces: Vec<&[u8]> = stream.as_bytes().chunks(piece).collect();
        let expected: Vec<Frame> = texts.iter().map(|text| data(text)).collect();
        prop_assert_eq!(decode(&pieces), Ok(expected));
    }
}
