//! Laws of streams: however they are cut, the same comes of them.

use bytes::Bytes;
use chat::{Assembler, Event, Request};
use wire::watch::{Seen, Start, Watch};
use wire::{Dialect, Error, Failure, sse};

use super::answers::same;
use super::dialects::{Words, head, of_letter};

/// How much longer than a stream its other words may be, and what any may be long.
const MOST: (usize, usize) = (1_024, 16 * 1024);

pub(crate) fn frames_are_the_same_however_they_are_cut(stream: &[u8], piece: usize) {
    let whole = frames(stream, stream.len());
    assert_eq!(frames(stream, piece), whole);
    if let Ok(frames) = whole {
        let bytes: usize =
            frames.iter().map(|frame| frame.data.len() + frame.event.as_ref().map_or(0, String::len)).sum();
        assert!(bytes <= stream.len(), "{} bytes became {bytes}", stream.len());
    }
}

fn frames(stream: &[u8], piece: usize) -> Result<Vec<sse::Frame>, Error> {
    let mut decoder = sse::Decoder::default();
    let mut frames = Vec::new();
    for bytes in stream.chunks(piece.max(1)) {
        frames.extend(decoder.push(bytes)?);
    }
    Ok(frames)
}

/// What came of a stream that was watched.
#[derive(Debug, PartialEq)]
struct Passed {
    bytes: Vec<u8>,
    start: Start,
    seen: Seen,
    end: Result<(), Error>,
}

pub(crate) fn what_goes_past_goes_past_whole(letter: u8, stream: &[u8], piece: usize) {
    let passed = |piece: usize, looks: Looks| {
        let mut watch = if letter == b'C' { Watch::without_usage() } else { Watch::new(of_letter(letter)) };
        let mut pieces = Vec::new();
        let stream = Bytes::copy_from_slice(stream);
        for at in (0..stream.len()).step_by(piece.max(1)) {
            let piece = stream.slice(at..stream.len().min(at + piece.max(1)));
            watch.push(&piece, &mut pieces).expect("no frame is that large");
            if looks == Looks::Often {
                watch.usage();
            }
        }
        let end = watch.finish(&mut pieces);
        let seen = watch.seen().clone();
        Passed { bytes: pieces.concat(), start: watch.start(), seen, end }
    };
    let whole = passed(stream.len(), Looks::AtLast);
    if letter == b'C' {
        assert!(whole.bytes.len() <= stream.len());
    } else {
        assert_eq!(whole.bytes, stream, "each byte goes on");
    }
    assert_eq!(passed(piece, Looks::AtLast), whole, "however it is cut");
    assert_eq!(passed(piece, Looks::Often), whole, "however often it is looked at");
}

#[derive(Clone, Copy, PartialEq)]
enum Looks {
    Often,
    AtLast,
}

pub(crate) fn a_stream_is_the_same_in_all_words(words: &Words, stream: &[u8], piece: usize) {
    let (events, end) = played(words, stream, stream.len());
    assert_eq!(played(words, stream, piece), (events.clone(), end.clone()), "however it is cut");
    let mut assembler = Assembler::default();
    events.iter().for_each(|event| assembler.push(event));
    let message = assembler.message();
    let request = Request::default();
    for other in Words::all() {
        for is_array in [false, true] {
            if is_array && other.dialect != Dialect::Gemini {
                continue;
            }
            let mut encoder = wire::encoder(other.dialect, is_array, &head(&request));
            let mut said = Vec::new();
            events.iter().for_each(|event| encoder.event(event, &mut said));
            if end.is_ok() {
                encoder.end(&mut said);
            } else {
                let (status, message, code) = (502, "it broke off", "answer_cut");
                encoder.fail(&Failure { status, message, code, param: None, request_id: "1" }, &mut said);
            }
            assert!(said.len() <= MOST.0 * stream.len() + MOST.1, "{} became {}", stream.len(), said.len());
            if is_array {
                serde_json::from_slice::<Vec<serde_json::Value>>(&said).expect("an array is one in the end");
                continue;
            }
            let (heard, heard_end) = played(other, &said, said.len());
            match (&end, &message) {
                (Ok(()), Ok(message)) => {
                    assert_eq!(heard_end, Ok(()), "{:?} reads what it says", other.dialect);
                    // What a provider says after its end has no place in other words.
                    if !goes_on_after_its_end(&events) {
                        same(other, message, &heard);
                    }
                }
                // An answer without its end has no proper one in other words.
                (Err(_), _) => {
                    assert!(heard_end.is_err(), "{:?} takes what broke off for whole", other.dialect)
                }
                (Ok(()), Err(_)) => {}
            }
        }
    }
}

fn goes_on_after_its_end(events: &[Event]) -> bool {
    let after = events.iter().skip_while(|event| !matches!(event, Event::Stopped { .. }));
    after.skip(1).any(|event| !matches!(event, Event::Usage(_)))
}

/// All events until the end or the first error.
fn played(words: &Words, stream: &[u8], piece: usize) -> (Vec<Event>, Result<(), Error>) {
    let frames = match frames(stream, piece) {
        Ok(frames) => frames,
        Err(error) => return (Vec::new(), Err(error)),
    };
    let mut decoder = (words.decoder)();
    let mut events = Vec::new();
    for frame in frames {
        match decoder.push(&frame) {
            Ok(more) => events.extend(more),
            Err(error) => return (events, Err(error)),
        }
    }
    let end = decoder.finish().map(|more| events.extend(more));
    (events, end)
}
