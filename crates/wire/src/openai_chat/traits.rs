//! What a model takes, told by its name: compatible servers say it nowhere, and refuse a request for one field too many.

use chat::{Effort, Thinking};

/// The most bytes of a tool call's id that OpenAI takes in Chat Completions.
const MAX_ID: usize = 40;
/// Mistral takes ids of nine letters and digits and no other. Source: its API's message "Tool call id has to be
/// defined, and must be of a-z, A-Z, 0-9, with a length of 9".
const MISTRAL_ID: usize = 9;
const MISTRALS: [&str; 7] =
    ["mistral", "magistral", "devstral", "codestral", "ministral", "pixtral", "voxtral"];
/// Who wants thoughts of a tool call back, as `reasoning_content`. Sources: DeepSeek's page on thinking mode with tool
/// calls, Moonshot's on Kimi K2 Thinking.
const ECHO: [&str; 3] = ["deepseek", "kimi", "moonshot"];
/// Who takes `reasoning_effort` beside OpenAI's own: as a model's feature, or mapped by who serves it (Google's
/// compatible endpoint, OpenRouter).
const EFFORTS: [&str; 4] = ["gpt-oss", "gemini-2.5", "gemini-3", "claude"];

/// A model by its name; a gateway's prefix such as `openai/` may stand before it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Model<'a> {
    name: &'a str,
}

impl<'a> Model<'a> {
    pub(crate) fn new(name: &'a str) -> Self {
        Self { name: name.rsplit('/').next().unwrap_or(name) }
    }

    /// One of OpenAI's own, of which all fields of the reference are understood.
    pub(crate) fn is_openais(self) -> bool {
        self.reasons() || self.name.starts_with("gpt-4") || self.name.starts_with("chatgpt-")
    }

    /// OpenAI's `o` series, and `gpt` from 5 on: they refuse `max_tokens` and how freely words are chosen.
    pub(crate) fn reasons(self) -> bool {
        self.series().is_some() || self.version().is_some_and(|(major, _)| major >= 5)
    }

    /// OpenAI's models that take tools with a text for an input.
    pub(crate) fn takes_text_tools(self) -> bool {
        self.version().is_some_and(|(major, _)| major >= 5)
    }

    /// OpenAI's `o` series, which runs one tool at a time and cannot be told so.
    pub(crate) fn runs_one_tool(self) -> bool {
        self.series().is_some()
    }

    /// Whether thoughts that led to a tool call have to come back.
    pub(crate) fn wants_thoughts(self) -> bool {
        self.holds(&ECHO)
    }

    /// `Some(Ok(word))` as `reasoning_effort`, `Some(Err(word))` for one that only comes near, `None` when the model
    /// cannot be told.
    pub(crate) fn effort(self, thinking: Thinking) -> Option<Result<&'static str, &'static str>> {
        if !self.reasons() && !self.holds(&EFFORTS) {
            return None;
        }
        let effort = match thinking {
            Thinking::Off => return Some(self.none()),
            Thinking::Adaptive => return None,
            Thinking::Budget(tokens) => Effort::of(tokens),
            Thinking::Effort(effort) => effort,
        };
        let minimal =
            self.version().is_some_and(|version| version == (5, 0)) || self.name.starts_with("gemini");
        let xhigh =
            self.version().is_some_and(|version| version >= (5, 2)) || self.name.contains("codex-max");
        Some(match effort {
            Effort::Minimal if minimal => Ok("minimal"),
            Effort::Minimal => Err("low"),
            Effort::Low => Ok("low"),
            Effort::Medium => Ok("medium"),
            Effort::High => Ok("high"),
            Effort::Higher if xhigh => Ok("xhigh"),
            Effort::Max if xhigh => Err("xhigh"),
            Effort::Higher | Effort::Max => Err("high"),
        })
    }

    /// The least a model can be told to think.
    fn none(self) -> Result<&'static str, &'static str> {
        match self.version() {
            Some((5, 0)) => Err("minimal"),
            Some(version) if version > (5, 0) => Ok("none"),
            Some(_) | None if self.name.starts_with("gemini-2.5") => Ok("none"),
            Some(_) | None => Err("low"),
        }
    }

    /// A tool call's id as the server takes it: the same id in a call and in its result becomes the same.
    pub(crate) fn id(self, id: &str) -> String {
        let limit = if self.holds(&MISTRALS) { MISTRAL_ID } else { MAX_ID };
        let fits = if limit == MISTRAL_ID {
            id.len() == limit && id.bytes().all(|byte| byte.is_ascii_alphanumeric())
        } else {
            id.len() <= limit
        };
        if fits { id.to_owned() } else { shortened(id, limit) }
    }

    fn holds(self, names: &[&str]) -> bool {
        let name = self.name.to_ascii_lowercase();
        names.iter().any(|known| name.contains(known))
    }

    /// The number of the `o` series.
    fn series(self) -> Option<u32> {
        number(self.name.strip_prefix('o')?).map(|(number, _)| number)
    }

    /// Major and minor of `gpt-5.2-codex`.
    fn version(self) -> Option<(u32, u32)> {
        let (major, rest) = number(self.name.strip_prefix("gpt-")?)?;
        let minor = rest.strip_prefix('.').and_then(number).map_or(0, |(minor, _)| minor);
        Some((major, minor))
    }
}

/// An id of at most `limit` bytes in letters and digits that no other id is likely to share.
pub(crate) fn shortened(id: &str, limit: usize) -> String {
    const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
    // FNV-1a, 64 bits: the same on every machine and in every version.
    let hash = id.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    let digits = std::iter::successors(Some(hash), |rest| Some(rest / 36));
    let digits =
        digits.take(limit.min(13)).map(|rest| char::from(DIGITS[usize::try_from(rest % 36).unwrap_or(0)]));
    digits.collect()
}

fn number(text: &str) -> Option<(u32, &str)> {
    let end = text.find(|char: char| !char.is_ascii_digit()).unwrap_or(text.len());
    Some((text[..end].parse().ok()?, &text[end..]))
}

#[cfg(test)]
mod tests {
    use chat::Thinking::{Adaptive, Budget, Effort as Word, Off};
    use units::TokenCount;

    use super::*;

    #[test]
    fn knows_openais_reasoning_models_by_name() {
        for model in
            ["o1", "o3-mini", "o4-mini-2025", "gpt-5", "gpt-5.2-codex", "openai/gpt-5-nano", "gpt-10"]
        {
            assert!(Model::new(model).reasons(), "{model}");
        }
        for model in
            ["gpt-4o", "gpt-4.1-mini", "gpt-oss-120b", "olmo-2", "openchat", "llama3", "gpt-3.5-turbo"]
        {
            assert!(!Model::new(model).reasons(), "{model}");
        }
    }

    /// Hard case 7.
    #[test]
    fn says_how_much_to_think_in_the_words_that_a_model_knows() {
        let cases = [
            ("gpt-5", Off, Some(Err("minimal"))),
            ("gpt-5.1", Off, Some(Ok("none"))),
            ("o3", Off, Some(Err("low"))),
            ("gpt-5", Word(Effort::Minimal), Some(Ok("minimal"))),
            ("gpt-5.2", Word(Effort::Minimal), Some(Err("low"))),
            ("gpt-5.2", Word(Effort::Higher), Some(Ok("xhigh"))),
            ("gpt-5.1-codex-max", Word(Effort::Higher), Some(Ok("xhigh"))),
            ("gpt-5", Word(Effort::Max), Some(Err("high"))),
            ("gpt-oss-120b", Budget(TokenCount(8_000)), Some(Ok("medium"))),
            ("gpt-5", Adaptive, None),
            ("gpt-4o", Word(Effort::High), None),
            ("llama3", Word(Effort::High), None),
        ];
        for (model, thinking, word) in cases {
            assert_eq!(Model::new(model).effort(thinking), word, "{model} {thinking:?}");
        }
    }

    /// Hard case 3.
    #[test]
    fn an_id_that_a_server_refuses_becomes_one_that_it_takes_and_always_the_same() {
        let long = "toolu_".to_owned() + &"x".repeat(60);
        let other = "toolu_".to_owned() + &"x".repeat(61);
        assert_eq!(Model::new("gpt-5").id("call_a"), "call_a");
        assert_eq!(Model::new("gpt-5").id(&long), Model::new("gpt-5").id(&long));
        assert_ne!(Model::new("gpt-5").id(&long), Model::new("gpt-5").id(&other));
        assert!(Model::new("gpt-5").id(&long).len() <= MAX_ID);
        let mistral = Model::new("mistral-large-latest").id("toolu_01");
        assert!(mistral.len() == 9 && mistral.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        assert_eq!(Model::new("devstral").id("abcDEF123"), "abcDEF123");
    }
}
