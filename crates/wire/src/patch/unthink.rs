//! Thoughts in a request that is relayed as it is, taken out with their seals: their vendor did not take them for its own.
//!
//! A conversation is walked as its dialect has it: what only looks like a thought, in the arguments of a call or in the
//! schema of a tool, is left alone.

use std::ops::Range;

use super::Cuts;
use crate::hot::scan::{Fault, Scan};
use crate::{Dialect, Invalid, gemini};

/// The body without thoughts and seals; nothing where there are none. `model` is whom it goes to.
///
/// # Errors
/// When the body is no JSON, which no body is that was read before.
pub fn unthink(dialect: Dialect, model: &str, body: &[u8]) -> Result<Option<Vec<u8>>, Invalid> {
    let mut scan = Scan::of_bytes(body)?;
    let wants_seals = dialect == Dialect::Gemini && gemini::wants_signatures(model);
    let mut walk = Walk { dialect, wants_seals, is_call: false, cuts: Cuts::default() };
    scan.members_if_any(|scan, key| match (dialect, scan.key_at(&key)) {
        (Dialect::Anthropic | Dialect::OpenAiChat, "messages")
        | (Dialect::OpenAiResponses, "input")
        | (Dialect::Gemini, "contents") => walk.list(scan, Walk::turn).map(drop),
        _ => scan.skip().map(drop),
    })?;
    scan.end()?;
    let Walk { cuts, .. } = walk;
    Ok((!cuts.is_empty()).then(|| cuts.apply(body)))
}

struct Walk {
    dialect: Dialect,
    /// A call without a seal is refused, unless it is told that there is none.
    wants_seals: bool,
    /// The part that is being read is a call.
    is_call: bool,
    cuts: Cuts,
}

/// What becomes of a member, an element, or of what holds it.
#[derive(Clone, Copy, PartialEq)]
enum Fate {
    Stays,
    Goes,
    /// All around it goes too.
    TakesAlong,
}

impl Walk {
    /// Passes by a list; it goes when all in it goes.
    fn list(
        &mut self,
        scan: &mut Scan<'_>,
        each: fn(&mut Self, &mut Scan<'_>) -> Result<Fate, Fault>,
    ) -> Result<Fate, Fault> {
        let mut items = Vec::new();
        scan.elements_if_any(|scan| {
            scan.peek();
            let start = scan.place();
            let fate = each(self, scan)?;
            items.push((start..scan.place(), fate == Fate::Goes));
            Ok(())
        })?;
        Ok(self.remove(&items))
    }

    /// Passes by an object; it goes when all in it goes, or when a member takes it along.
    fn object(
        &mut self,
        scan: &mut Scan<'_>,
        each: fn(&mut Self, &mut Scan<'_>, &str) -> Result<Fate, Fault>,
    ) -> Result<Fate, Fault> {
        let (mut members, mut is_taken) = (Vec::new(), false);
        scan.members_if_any(|scan, key| {
            let fate = each(self, scan, scan.key_at(&key))?;
            is_taken |= fate == Fate::TakesAlong;
            members.push((key.start..scan.place(), fate == Fate::Goes));
            Ok(())
        })?;
        if is_taken { Ok(Fate::Goes) } else { Ok(self.remove(&members)) }
    }

    fn remove(&mut self, items: &[(Range<usize>, bool)]) -> Fate {
        self.cuts.remove(items);
        let is_emptied = !items.is_empty() && items.iter().all(|(_, goes)| *goes);
        if is_emptied { Fate::Goes } else { Fate::Stays }
    }

    /// A message, an item or a content.
    fn turn(&mut self, scan: &mut Scan<'_>) -> Result<Fate, Fault> {
        self.object(scan, |walk, scan, name| match (walk.dialect, name) {
            // A turn of which nothing is left would be refused.
            (Dialect::Anthropic, "content") | (Dialect::Gemini, "parts") => {
                let fate = walk.list(scan, Self::part)?;
                Ok(if fate == Fate::Goes { Fate::TakesAlong } else { Fate::Stays })
            }
            (Dialect::OpenAiResponses, "type") => Ok(kind(scan.raw()?, &["\"reasoning\""])),
            (
                Dialect::OpenAiChat,
                "reasoning" | "reasoning_content" | "reasoning_details" | "extra_content",
            ) => scan.skip().map(|_| Fate::Goes),
            (Dialect::OpenAiChat, "tool_calls") => walk.list(scan, Self::call).map(|_| Fate::Stays),
            _ => scan.skip().map(|_| Fate::Stays),
        })
    }

    /// A block, or a part.
    fn part(&mut self, scan: &mut Scan<'_>) -> Result<Fate, Fault> {
        self.is_call = self.wants_seals && is_call(scan.clone())?;
        self.object(scan, |walk, scan, name| match (walk.dialect, name) {
            (Dialect::Anthropic, "type") => Ok(kind(scan.raw()?, &["\"thinking\"", "\"redacted_thinking\""])),
            (Dialect::Gemini, "thought") => Ok(kind(scan.raw()?, &["true"])),
            (Dialect::Gemini, "thoughtSignature" | "thought_signature") => walk.signature(scan),
            _ => scan.skip().map(|_| Fate::Stays),
        })
    }

    fn signature(&mut self, scan: &mut Scan<'_>) -> Result<Fate, Fault> {
        let place = scan.skip()?;
        if !self.is_call {
            return Ok(Fate::Goes);
        }
        let none = format!("\"{}\"", gemini::NO_SIGNATURE);
        if scan.text_at(&place) != none {
            self.cuts.replace(place, none);
        }
        Ok(Fate::Stays)
    }

    /// A call of Chat Completions; seals of Gemini's stand beside it.
    fn call(&mut self, scan: &mut Scan<'_>) -> Result<Fate, Fault> {
        self.object(scan, |_, scan, name| {
            let fate = if name == "extra_content" { Fate::Goes } else { Fate::Stays };
            scan.skip().map(|_| fate)
        })
    }
}

fn kind(found: &str, thoughts: &[&str]) -> Fate {
    if thoughts.contains(&found) { Fate::TakesAlong } else { Fate::Stays }
}

/// Whether a part calls a function; its seal may stand before that.
fn is_call(mut ahead: Scan<'_>) -> Result<bool, Fault> {
    let mut is_call = false;
    ahead.members_if_any(|scan, key| {
        is_call |= matches!(scan.key_at(&key), "functionCall" | "function_call");
        scan.skip().map(drop)
    })?;
    Ok(is_call)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn left(dialect: Dialect, body: &str) -> Option<String> {
        let left = unthink(dialect, "gemini-3-pro", body.as_bytes()).unwrap();
        left.map(|body| String::from_utf8(body).unwrap())
    }

    #[test]
    fn thoughts_and_seals_go_and_every_other_byte_stays() {
        for (dialect, before, after) in [
            (
                Dialect::Anthropic,
                r#"{"messages":[ {"role":"user","content":"hi"},{"content":[{"type":"thinking","thinking":"t","signature":"s"}, {"type":"redacted_thinking","data":"d"}, {"type":"text", "text":"ho"}],"role":"assistant"}], "x" :1}"#,
                r#"{"messages":[ {"role":"user","content":"hi"},{"content":[{"type":"text", "text":"ho"}],"role":"assistant"}], "x" :1}"#,
            ),
            (
                Dialect::OpenAiResponses,
                r#"{"input":[{"role":"user","content":"hi"},{"type":"reasoning","summary":[],"encrypted_content":"e"},{"type":"function_call","name":"f"}]}"#,
                r#"{"input":[{"role":"user","content":"hi"},{"type":"function_call","name":"f"}]}"#,
            ),
            (
                Dialect::OpenAiChat,
                r#"{"messages":[{"reasoning_details":[{"signature":"s"}],"content":"a","reasoning_content":"t","tool_calls":[{"id":"c","extra_content":{"google":{"thought_signature":"s"}}}]}]}"#,
                r#"{"messages":[{"content":"a","tool_calls":[{"id":"c"}]}]}"#,
            ),
            (
                Dialect::Gemini,
                r#"{"contents":[{"parts":[{"text":"t","thought":true},{"thoughtSignature":"s","functionCall":{"name":"f"}},{"text":"a","thought_signature":"s"}],"role":"model"}]}"#,
                r#"{"contents":[{"parts":[{"thoughtSignature":"skip_thought_signature_validator","functionCall":{"name":"f"}},{"text":"a"}],"role":"model"}]}"#,
            ),
        ] {
            assert_eq!(left(dialect, before).as_deref(), Some(after));
            assert_eq!(left(dialect, after), None, "there is nothing more to take out");
        }
    }

    #[test]
    fn an_older_gemini_needs_no_excuse_for_a_call_without_a_seal() {
        let body = r#"{"contents":[{"parts":[{"functionCall":{},"thoughtSignature":"s"}]}]}"#;
        let left = unthink(Dialect::Gemini, "gemini-2.5-pro", body.as_bytes()).unwrap().unwrap();
        assert_eq!(String::from_utf8(left).unwrap(), r#"{"contents":[{"parts":[{"functionCall":{}}]}]}"#);
    }

    #[test]
    fn a_turn_that_was_nothing_but_a_thought_goes_too() {
        let of = |turn: &str| format!(r#"{{"a":[{{"b":1}},{turn}{{"c":2}}]}}"#);
        for (dialect, turns, thought) in [
            (Dialect::Anthropic, "messages", r#"{"role":"assistant","content":[{"type":"thinking"}]},"#),
            (Dialect::Gemini, "contents", r#"{"parts":[{"thoughtSignature":"s"}]},"#),
        ] {
            let of = |turn: &str| of(turn).replace("\"a\"", &format!("\"{turns}\""));
            assert_eq!(left(dialect, &of(thought)), Some(of("")));
        }
    }

    #[test]
    fn what_only_looks_like_a_thought_or_stands_elsewhere_is_left_alone() {
        for (dialect, body) in [
            (
                Dialect::Anthropic,
                r#"{"messages":[{"content":[{"type":"tool_use","input":{"type":"thinking","signature":"s"}}]}]}"#,
            ),
            (
                Dialect::Anthropic,
                r#"{"tools":[{"type":"thinking"}],"thinking":{"type":"enabled"},"messages":[{"content":"thinking"}]}"#,
            ),
            (Dialect::OpenAiResponses, r#"{"reasoning":{"type":"reasoning"},"input":"reasoning"}"#),
            (Dialect::OpenAiResponses, r#"{"input":[{"type":"message","content":[{"type":"reasoning"}]}]}"#),
            (Dialect::OpenAiChat, r#"{"reasoning":{},"messages":[{"content":[{"reasoning":1}]}]}"#),
            (
                Dialect::Gemini,
                r#"{"contents":[{"parts":[{"functionCall":{"args":{"thoughtSignature":"s","thought":true}}},{"thought":false}]}]}"#,
            ),
            (Dialect::Gemini, "[]"),
        ] {
            assert_eq!(left(dialect, body), None, "{body}");
        }
    }

    proptest! {
        #[test]
        fn what_is_left_is_json_and_has_no_thoughts(
            blocks in prop::collection::vec((0_usize..4, "[a-z\"]{0,4}"), 0..6), spaces in " {0,2}", last in any::<bool>(),
        ) {
            let block = |(kind, text): &(usize, String)| {
                let kind = ["text", "thinking", "redacted_thinking", "tool_use"][*kind];
                format!("{{\"type\":{spaces}\"{kind}\",\"x\":{}}}", serde_json::json!(text))
            };
            let content: Vec<String> = blocks.iter().map(block).collect();
            let turn = format!("{{\"content\":[{}]}}", content.join(&format!("{spaces},")));
            let other = "{\"content\":\"hi\"}";
            let turns = if last { format!("{other},{turn}") } else { format!("{turn},{other}") };
            let body = format!("{{\"messages\":[{turns}],\"z\":1}}");
            let thoughts = blocks.iter().filter(|(kind, _)| matches!(kind, 1 | 2)).count();
            let after = left(Dialect::Anthropic, &body);
            prop_assert_eq!(after.is_some(), thoughts > 0);
            let after: serde_json::Value = serde_json::from_str(after.as_deref().unwrap_or(&body)).unwrap();
            let turns = after["messages"].as_array().unwrap();
            let kept: usize = turns.iter().filter_map(|turn| turn["content"].as_array()).map(Vec::len).sum();
            prop_assert_eq!(kept, blocks.len() - thoughts);
            prop_assert_eq!(turns.len(), if thoughts > 0 && kept == 0 { 1 } else { 2 });
        }
    }
}
