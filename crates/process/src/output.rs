//! A program's output in bounded memory: its beginning and its end, with a line that says how much is left out.

use std::collections::VecDeque;

/// What a program wrote to its output and error output, in the order it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// The text; bytes that are no UTF-8 became `U+FFFD`. Where bytes are left out, a line says how many.
    pub text: String,
    /// How many bytes are left out.
    pub left_out_bytes: u64,
}

/// Keeps the first and the last half of what it is given.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    head: Vec<u8>,
    tail: VecDeque<u8>,
    head_limit: usize,
    tail_limit: usize,
    dropped_bytes: u64,
}

impl Kept {
    pub(crate) fn new(limit_bytes: usize) -> Self {
        let head_limit = limit_bytes / 2;
        Self { head_limit, tail_limit: limit_bytes - head_limit, ..Self::default() }
    }

    pub(crate) fn push(&mut self, bytes: &[u8]) {
        let (first, rest) = bytes.split_at(bytes.len().min(self.head_limit - self.head.len()));
        self.head.extend_from_slice(first);
        let (skipped, last) = rest.split_at(rest.len().saturating_sub(self.tail_limit));
        let too_many = (self.tail.len() + last.len()).saturating_sub(self.tail_limit);
        self.tail.drain(..too_many);
        self.tail.extend(last);
        self.dropped_bytes += (skipped.len() + too_many) as u64;
    }

    pub(crate) fn finish(self) -> Output {
        let Self { mut head, tail, dropped_bytes, .. } = self;
        let tail = Vec::from(tail);
        if dropped_bytes == 0 {
            head.extend_from_slice(&tail);
            return Output { text: String::from_utf8_lossy(&head).into_owned(), left_out_bytes: 0 };
        }
        // The cut may lie within a character; its parts are no error of the program's.
        let head = &head[..head.len() - unfinished_character(&head)];
        let tail = &tail[continued_character(&tail)..];
        let cut_bytes = self.head_limit - head.len() + self.tail_limit - tail.len();
        let left_out_bytes = dropped_bytes + cut_bytes as u64;
        let (head, tail) = (String::from_utf8_lossy(head), String::from_utf8_lossy(tail));
        Output { text: format!("{head}\n[... {left_out_bytes} bytes left out ...]\n{tail}"), left_out_bytes }
    }
}

/// How many bytes at the end begin a character that is not complete.
fn unfinished_character(bytes: &[u8]) -> usize {
    for (back, byte) in bytes.iter().rev().take(3).enumerate() {
        let length = match byte {
            0x80..=0xbf => continue,
            0xc2..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xf4 => 4,
            _ => 1,
        };
        return if length > back + 1 { back + 1 } else { 0 };
    }
    0
}

/// How many bytes at the start go on with a character that began before.
fn continued_character(bytes: &[u8]) -> usize {
    bytes.iter().take(3).take_while(|byte| **byte & 0xc0 == 0x80).count()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn kept(limit_bytes: usize, chunks: &[Vec<u8>]) -> Output {
        let mut kept = Kept::new(limit_bytes);
        chunks.iter().for_each(|chunk| kept.push(chunk));
        kept.finish()
    }

    #[test]
    fn keeps_all_that_fits_and_says_what_does_not() {
        assert_eq!(kept(6, &[b"abcdef".to_vec()]), Output { text: "abcdef".into(), left_out_bytes: 0 });
        let cut = kept(6, &[b"abcdefgh".to_vec()]);
        assert_eq!(cut.text, "abc\n[... 2 bytes left out ...]\nfgh");
        assert_eq!(kept(0, &[b"abc".to_vec()]).left_out_bytes, 3);
    }

    proptest! {
        #[test]
        fn how_the_output_was_chunked_does_not_matter(
            limit in 0usize..40,
            chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..30), 0..8),
        ) {
            prop_assert_eq!(kept(limit, &chunks), kept(limit, &[chunks.concat()]));
        }

        #[test]
        fn a_cut_never_breaks_a_character(limit in 0usize..40, text in ".{0,60}") {
            let text = text.replace('\u{fffd}', "?");
            let output = kept(limit, &[text.clone().into_bytes()]);
            let broken = output.text.contains('\u{fffd}');
            prop_assert!(!broken);
            if let Some((head, rest)) = output.text.split_once("\n[... ") {
                let (_, tail) = rest.split_once(" bytes left out ...]\n").unwrap();
                prop_assert!(text.starts_with(head) && text.ends_with(tail));
                prop_assert_eq!(head.len() + tail.len() + output.left_out_bytes as usize, text.len());
                prop_assert!(head.len() + tail.len() <= limit);
            } else {
                prop_assert_eq!(output.text, text);
            }
        }
    }
}
