//! Packed seals in a request that is relayed as it is: those of the one whom it goes to are unpacked, others taken out.
//!
//! A client gets packed seals when another provider stood in, and sends them back later to the one that it began with.
//! They are found by their first bytes, so that a body without any costs one search.

use std::ops::Range;

use super::Cuts;
use crate::hot::scan::{Fault, Scan};
use crate::{Invalid, seal};

/// A body whose seals are all its issuer's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsealed {
    /// The body; all other bytes are as they were.
    pub body: Vec<u8>,
    /// How many seals of others went, each with the thought that is worth nothing without it.
    pub dropped: u32,
}

/// Unpacks the seals of `issuer` and takes out those of others; nothing when there is none.
///
/// # Errors
/// When there is one and the body is no JSON.
pub fn unseal(body: &[u8], issuer: &str) -> Result<Option<Unsealed>, Invalid> {
    if memchr::memmem::find(body, seal::PREFIX.as_bytes()).is_none() {
        return Ok(None);
    }
    let mut scan = Scan::of_bytes(body)?;
    let mut walk = Walk { issuer, cuts: Cuts::default(), dropped: 0 };
    walk.value(&mut scan)?;
    scan.end()?;
    let Walk { cuts, dropped, .. } = walk;
    Ok((!cuts.is_empty()).then(|| Unsealed { body: cuts.apply(body), dropped }))
}

struct Walk<'i> {
    issuer: &'i str,
    cuts: Cuts,
    dropped: u32,
}

/// What becomes of a value after what was found in it.
#[derive(Clone, Copy, PartialEq)]
enum Fate {
    Stays,
    Goes,
    /// Nothing is left in it.
    Emptied,
}

/// What one object shows of itself while it is read.
#[derive(Default)]
struct Shown<'a> {
    kind: &'a str,
    /// Where a packed seal stands that makes up the object, and its bare value where it is the issuer's.
    seal: Option<(Range<usize>, Option<String>)>,
    is_emptied: bool,
    /// It is of our making.
    is_ours: bool,
    /// All members, and whether they go.
    members: Vec<(Range<usize>, bool)>,
}

impl Walk<'_> {
    fn value(&mut self, scan: &mut Scan<'_>) -> Result<Fate, Fault> {
        match scan.peek() {
            b'{' => self.object(scan),
            b'[' => self.list(scan),
            _ => scan.skip().map(|_| Fate::Stays),
        }
    }

    fn list(&mut self, scan: &mut Scan<'_>) -> Result<Fate, Fault> {
        let mut items = Vec::new();
        scan.elements(|scan| {
            scan.peek();
            let start = scan.place();
            let fate = self.value(scan)?;
            items.push((start..scan.place(), fate == Fate::Goes));
            Ok(())
        })?;
        self.cuts.remove(&items);
        let is_emptied = !items.is_empty() && items.iter().all(|(_, goes)| *goes);
        Ok(if is_emptied { Fate::Emptied } else { Fate::Stays })
    }

    fn object<'a>(&mut self, scan: &mut Scan<'a>) -> Result<Fate, Fault> {
        let mut shown = Shown::default();
        scan.members(|scan, key| {
            let name = scan.key_at(&key);
            let goes = self.member(scan, name, &mut shown)?;
            shown.members.push((key.start..scan.place(), goes));
            Ok(())
        })?;
        let is_thought = matches!(
            shown.kind,
            "\"thinking\""
                | "\"redacted_thinking\""
                | "\"reasoning\""
                | "\"reasoning.text\""
                | "\"reasoning.summary\""
                | "\"reasoning.encrypted\""
        );
        match shown.seal {
            Some((_, None)) if is_thought => {
                self.dropped += 1;
                return Ok(Fate::Goes);
            }
            Some((place, Some(bare))) if is_thought => self.cuts.replace(place, bare),
            _ => {}
        }
        if shown.is_ours {
            return Ok(Fate::Goes);
        }
        self.cuts.remove(&shown.members);
        // A turn of which nothing is left would be refused.
        Ok(if shown.is_emptied { Fate::Goes } else { Fate::Stays })
    }

    /// Passes by a member's value, and tells whether the member goes.
    fn member<'a>(
        &mut self,
        scan: &mut Scan<'a>,
        name: &'a str,
        shown: &mut Shown<'a>,
    ) -> Result<bool, Fault> {
        match name {
            "type" => shown.kind = scan.raw()?,
            "signature" | "data" | "encrypted_content" => {
                let (place, seal) = packed(scan)?;
                if let Some(seal) = seal {
                    shown.seal = Some((place, self.bare(&seal)));
                }
            }
            "thoughtSignature" | "thought_signature" => {
                if let (place, Some(seal)) = packed(scan)? {
                    let Some(bare) = self.bare(&seal) else {
                        self.dropped += 1;
                        return Ok(true);
                    };
                    self.cuts.replace(place, bare);
                }
            }
            "encrypted_index" => shown.is_ours |= packed(scan)?.1.is_some(),
            "content" | "parts" => shown.is_emptied |= self.value(scan)? == Fate::Emptied,
            _ => drop(self.value(scan)?),
        }
        Ok(false)
    }

    /// The issuer's own seal as JSON.
    fn bare(&self, seal: &chat::Seal) -> Option<String> {
        let is_own = seal.issuer.as_deref() == Some(self.issuer);
        is_own.then(|| serde_json::Value::from(seal.value.as_str()).to_string())
    }
}

/// Passes by a value: where it stands, and the seal that is packed in it.
fn packed(scan: &mut Scan<'_>) -> Result<(Range<usize>, Option<chat::Seal>), Fault> {
    let place = scan.skip()?;
    if !scan.text_at(&place).starts_with('"') {
        return Ok((place, None));
    }
    let seal = seal::unpack(&scan.string_at(&place), false);
    let seal = Some(seal).filter(|seal| seal.issuer.is_some());
    Ok((place, seal))
}

#[cfg(test)]
mod tests {
    use chat::Seal;

    use super::*;

    fn of(issuer: &str) -> String {
        seal::pack(&Seal { issuer: Some(issuer.to_owned()), value: "own\"\\".to_owned(), whole: false })
    }

    fn unsealed(body: &str) -> Option<(String, u32)> {
        let unsealed = unseal(body.as_bytes(), "us").unwrap()?;
        Some((String::from_utf8(unsealed.body).unwrap(), unsealed.dropped))
    }

    #[test]
    fn a_body_without_packed_seals_is_left_alone_unread() {
        assert_eq!(
            unsealed(
                "{\"messages\":[{\"content\":[{\"type\":\"thinking\",\"signature\":\"abc\"}]}]} and no JSON"
            ),
            None
        );
    }

    #[test]
    fn a_seal_of_the_issuer_is_unpacked_where_it_stands() {
        for (before, after) in [
            ("{\"m\":[{\"type\":\"thinking\",\"thinking\":\"t\", \"signature\": \"", "\"}]}"),
            ("{\"m\":[{\"data\":\"", "\" ,\"type\":\"redacted_thinking\"}]}"),
            ("{\"input\":[{\"type\":\"reasoning\",\"encrypted_content\":\"", "\",\"summary\":[]}]}"),
            ("{\"contents\":[{\"parts\":[{\"thoughtSignature\":\"", "\",\"functionCall\":{}}]}]}"),
            ("{\"m\":[{\"extra_content\":{\"google\":{\"thought_signature\":\"", "\"}}}]}"),
        ] {
            let expected = format!("{before}own\\\"\\\\{after}");
            assert_eq!(unsealed(&format!("{before}{}{after}", of("us"))), Some((expected, 0)));
        }
    }

    #[test]
    fn thoughts_under_a_seal_of_another_are_dropped_pain_18() {
        let theirs = of("them");
        let thought = format!("{{\"type\":\"thinking\",\"thinking\":\"t\",\"signature\":\"{theirs}\"}}");
        let hidden = format!("{{\"data\":\"{theirs}\",\"type\":\"redacted_thinking\"}}");
        let text = "{\"type\":\"text\",\"text\":\"x\"}";
        for (content, expected) in [
            (format!("[ {thought} , {text} ]"), format!("[ {text} ]")),
            (format!("[{hidden},{thought},{text},{hidden}]"), format!("[{text}]")),
        ] {
            let body = |content: &str| {
                format!("{{\"a\" : 1,\"messages\":[{{\"role\":\"assistant\",\"content\":{content}}}]}}")
            };
            let (found, dropped) = unsealed(&body(&content)).unwrap();
            assert_eq!((found, dropped >= 1), (body(&expected), true));
        }
    }

    #[test]
    fn a_turn_of_which_nothing_is_left_goes_too() {
        let thought = format!("{{\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"{}\"}}", of("them"));
        let body = format!(
            "{{\"messages\":[{{\"content\":\"a\"}},{{\"content\":[{thought}]}},{{\"content\":\"b\"}}]}}"
        );
        assert_eq!(
            unsealed(&body),
            Some(("{\"messages\":[{\"content\":\"a\"},{\"content\":\"b\"}]}".to_owned(), 1))
        );
    }

    #[test]
    fn a_citation_of_our_making_goes_and_the_text_that_it_was_about_stays() {
        let ours = seal::mark();
        let body = format!(
            "{{\"content\":[{{\"type\":\"text\",\"text\":\"a\",\"citations\":[{{\"url\":\"u\",\"encrypted_index\":\"{ours}\"}},{{\"encrypted_index\":\"theirs\"}}]}}]}}"
        );
        let rest = "{\"content\":[{\"type\":\"text\",\"text\":\"a\",\"citations\":[{\"encrypted_index\":\"theirs\"}]}]}";
        assert_eq!(unsealed(&body), Some((rest.to_owned(), 0)));
    }

    #[test]
    fn geminis_call_outlives_a_seal_of_another_pain_19() {
        let body =
            format!("{{\"parts\":[{{\"functionCall\":{{}},\"thoughtSignature\":\"{}\"}}]}}", of("them"));
        assert_eq!(unsealed(&body), Some(("{\"parts\":[{\"functionCall\":{}}]}".to_owned(), 1)));
    }

    #[test]
    fn what_only_looks_like_a_seal_or_stands_elsewhere_is_left_alone() {
        let theirs = of("them");
        for body in [
            format!("{{\"text\":\"{theirs}\"}}"),
            format!("{{\"type\":\"tool_use\",\"input\":{{\"signature\":\"{theirs}\"}}}}"),
            format!("{{\"type\":\"thinking\",\"signature\":\"{}\"}}", seal::PREFIX),
        ] {
            assert_eq!(unsealed(&body), None, "{body}");
        }
        assert!(unseal(format!("[{theirs}").as_bytes(), "us").is_err());
    }
}
