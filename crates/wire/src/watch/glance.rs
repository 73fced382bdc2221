//! What an answer of any shape says was used, seen while its bytes pass: a JSON object or events, a picture of megabytes
//! among it. Nothing but the usage is kept.

use memchr::memchr2;
use serde_json::Value;
use units::TokenCount;

/// The most bytes of what is told about usage.
const MAX_TOLD: usize = 4 * 1024;
/// Where it stands.
const NAMES: [&[u8]; 2] = [b"usage", b"usageMetadata"];
const MAX_NAME: usize = 16;

/// Looks for the usage in bytes that pass.
#[derive(Debug, Default)]
pub struct Glance {
    depth: u32,
    in_text: bool,
    is_escaped: bool,
    /// The last text directly in the outermost object.
    name: Vec<u8>,
    /// Whether that is the name of the value that follows.
    is_named: bool,
    /// What is told, while it is read.
    told: Option<Vec<u8>>,
    usage: Option<chat::Usage>,
}

impl Glance {
    /// Looks at the next bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        let mut at = 0;
        while at < bytes.len() {
            if self.in_text && !self.is_escaped && self.told.is_none() && self.depth != 1 {
                match memchr2(b'"', b'\\', &bytes[at..]) {
                    Some(next) => at += next,
                    None => return,
                }
            }
            self.take(bytes[at]);
            at += 1;
        }
    }

    /// What was used, as far as it was told.
    pub fn usage(&self) -> Option<chat::Usage> {
        self.usage
    }

    fn take(&mut self, byte: u8) {
        if let Some(told) = self.told.as_mut() {
            told.push(byte);
            if told.len() > MAX_TOLD {
                self.told = None;
            }
        }
        if self.in_text {
            self.text(byte);
            return;
        }
        match byte {
            // What is no JSON, as the names of events, has no texts.
            b'"' if self.depth > 0 => {
                self.in_text = true;
                if self.depth == 1 {
                    self.name.clear();
                }
            }
            b':' if self.depth == 1 => self.is_named = NAMES.contains(&self.name.as_slice()),
            b',' if self.depth == 1 => self.is_named = false,
            b'{' | b'[' => {
                if byte == b'{' && self.depth == 1 && self.is_named {
                    self.told = Some(vec![byte]);
                }
                self.depth = self.depth.saturating_add(1);
            }
            b'}' | b']' => {
                self.depth = self.depth.saturating_sub(1);
                if self.depth == 1 {
                    self.is_named = false;
                    self.told();
                }
            }
            _ => {}
        }
    }

    fn text(&mut self, byte: u8) {
        if std::mem::take(&mut self.is_escaped) {
            return;
        }
        match byte {
            b'\\' => self.is_escaped = true,
            b'"' => self.in_text = false,
            byte if self.depth == 1 && self.name.len() < MAX_NAME => self.name.push(byte),
            _ => {}
        }
    }

    fn told(&mut self) {
        let Some(told) = self.told.take() else { return };
        if let Ok(told) = serde_json::from_slice(&told) {
            self.usage = Some(read(&told));
        }
    }
}

/// Whichever vendor's words; who tells only a sum tells what was read.
fn read(told: &Value) -> chat::Usage {
    let count = |names: &[&str]| names.iter().find_map(|name| told.pointer(name)?.as_u64());
    let cached = count(&["/input_tokens_details/cached_tokens", "/prompt_tokens_details/cached_tokens"]);
    let cached = cached.or_else(|| count(&["/cachedContentTokenCount"])).unwrap_or(0);
    let output = count(&["/output_tokens", "/completion_tokens", "/candidatesTokenCount"]);
    let sum = count(&["/total_tokens", "/totalTokenCount"]).unwrap_or(0);
    let input = count(&["/input_tokens", "/prompt_tokens", "/promptTokenCount"]);
    let input = input.unwrap_or_else(|| sum.saturating_sub(output.unwrap_or(0)));
    chat::Usage {
        input: TokenCount(input.saturating_sub(cached)),
        cached_input: TokenCount(cached.min(input)),
        output: TokenCount(output.unwrap_or(0)),
        ..chat::Usage::default()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn seen(answer: &str, piece: usize) -> Option<(u64, u64, u64)> {
        let mut glance = Glance::default();
        answer.as_bytes().chunks(piece).for_each(|piece| glance.push(piece));
        glance.usage().map(|usage| (usage.input.0, usage.cached_input.0, usage.output.0))
    }

    #[test]
    fn usage_is_found_in_whole_answers_and_in_events_however_they_are_cut() {
        let picture = "A\\\"{".repeat(3_000);
        let whole = format!(
            r#"{{ "data":[{{"b64_json":"{picture}","usage":{{"input_tokens":1}}}}], "usage" : {{"input_tokens":9,"output_tokens":4,"input_tokens_details":{{"cached_tokens":2}}}}, "x":{{}} }}"#
        );
        let events = format!(
            "event: image_generation.completed\ndata: {{\"b64\":\"{picture}\",\"usage\":null}}\n\ndata: {{\"usage\":{{\"prompt_tokens\":7,\"completion_tokens\":0}}}}\n\ndata: [DONE]\n\n"
        );
        for piece in [1, 3, 64, 1 << 20] {
            assert_eq!(seen(&whole, piece), Some((7, 2, 4)));
            assert_eq!(seen(&events, piece), Some((7, 0, 0)));
        }
        assert_eq!(seen(r#"{"results":[],"usage":{"total_tokens":5}}"#, 9), Some((5, 0, 0)));
        assert_eq!(
            seen(r#"{"usageMetadata":{"promptTokenCount":3,"candidatesTokenCount":1}}"#, 9),
            Some((3, 0, 1))
        );
        for none in [
            r#"{"usage":7}"#,
            r#"{"x":"usage","y":{"input_tokens":1}}"#,
            "usage: {",
            "{\"a\":{\"usage\":{\"input_tokens\":1}}}",
        ] {
            assert_eq!(seen(none, 5), None, "{none}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic_or_keep_much(bytes in prop::collection::vec(prop::sample::select(b"\"\\{}[]:,usage1 \n".to_vec()), 0..400)) {
            let mut glance = Glance::default();
            glance.push(&bytes);
            prop_assert!(glance.name.len() <= MAX_NAME);
        }
    }
}
