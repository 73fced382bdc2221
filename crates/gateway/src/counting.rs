//! How many tokens a question has, where no provider can be asked: an estimate, and told as such.
//!
//! It rather says too much than too little: whoever counts wants to know whether the question still fits.

use std::time::Duration;

use bytes::Bytes;
use chat::{Media, Part, Request, Source, Tool, ToolInput};
use units::{DeploymentId, TokenCount};
use upstream::{Method, Waits, Way};
use wire::{Asked, Dialect, Invalid};

use crate::relaying::Relay;
use crate::{Begun, Error, Why};

/// Says that the number was not counted by a provider.
const ESTIMATED: &str = "x-impresario-estimated";
/// The longest that one provider is waited for; after that, what is estimated is good enough.
const COUNT_WITHIN: Duration = Duration::from_secs(10);
/// Letters of English for a token are some 4 at OpenAI, and 3.5 at Anthropic; so many tokens are 7 halves of a letter.
const LETTERS_OF_TWO_TOKENS: u64 = 7;
/// Names and schemas of tools have more signs and fewer words.
const LETTERS_OF_SCHEMA: u64 = 3;
/// What stands around each turn.
const TURN: u64 = 5;
/// What a provider says to its model as soon as there are tools (Anthropic publishes 313 to 346).
const TOOLS: u64 = 346;
/// A picture of the largest size that is not made smaller first (Anthropic: width × height / 750).
const PICTURE: u64 = 1_600;
/// A page of a document, as text and as a picture; and how many bytes of base64 a page has at the least.
const PAGE: u64 = 3_000;
const PAGE_BYTES: u64 = 64 * 1024;

/// Whether somebody wants to know how many tokens there are.
pub(crate) fn is_count(way: Way<'_>) -> bool {
    matches!(way, Way::CountTokens | Way::InputTokens | Way::Gemini { method: Method::CountTokens, .. })
}

/// The shorter time of a count, whose client holds up its own work for it. It is all the time that there is: that it runs out
/// speaks against nobody.
pub(crate) fn waits(way: Way<'_>, waits: Waits) -> Waits {
    if !is_count(way) {
        return waits;
    }
    Waits { total: waits.total.min(COUNT_WITHIN), ..waits }
}

/// The question, in whichever of its forms.
pub(crate) fn question(relay: &Relay<'_>) -> Result<Asked, Invalid> {
    match relay.dialect {
        Dialect::Gemini => wire::gemini::count_request(relay.body, relay.model),
        Dialect::Anthropic | Dialect::OpenAiChat | Dialect::OpenAiResponses => {
            wire::request(relay.dialect, relay.body, relay.model, false)
        }
    }
}

/// Whether a refusal is no judgement of the question: that of a provider that cannot count, or one of a question that was put
/// in other words.
pub(crate) fn says_nothing(error: &Error, is_own: bool) -> bool {
    let Error::Refused { why: Why::Upstream(error), .. } = error else { return false };
    let is_judgement = matches!(**error, upstream::Error::Status { status: 400 | 413 | 422, .. });
    !(is_judgement && is_own)
}

/// A count as the client reads it.
pub(crate) fn words(dialect: Dialect, tokens: TokenCount) -> Vec<u8> {
    match dialect {
        Dialect::Gemini => wire::gemini::count_answer(tokens),
        Dialect::Anthropic => wire::anthropic::count_answer(tokens),
        Dialect::OpenAiChat | Dialect::OpenAiResponses => wire::openai_responses::count_answer(tokens),
    }
}

/// The answer to that, in the client's dialect.
pub(crate) fn answer(dialect: Dialect, request: &Request, deployment: DeploymentId) -> Begun {
    let body = words(dialect, TokenCount(estimate(request)));
    Begun {
        status: 200,
        content_type: "application/json".to_owned(),
        headers: vec![(ESTIMATED.to_owned(), "tokens".to_owned())],
        deployment,
        unsaid: Vec::new(),
        whole: Some(Bytes::from(body)),
    }
}

fn estimate(request: &Request) -> u64 {
    let system: u64 = request.system.iter().map(part).sum();
    let turns: u64 = request.turns.iter().map(|turn| TURN + turn.parts.iter().map(part).sum::<u64>()).sum();
    let tools: u64 = request.tools.iter().map(tool).sum();
    let around = if request.tools.is_empty() { 0 } else { TOOLS };
    system + turns + tools + around
}

fn part(part: &Part) -> u64 {
    match part {
        Part::Text { text: said } | Part::Refusal { text: said } => text(said),
        Part::Thought(thought) => text(&thought.text),
        Part::Image(_) => PICTURE,
        Part::Document(media) | Part::Audio(media) => pages(media),
        Part::ToolCall(call) => text(&call.name) + schema(call.arguments.len()),
        Part::ToolResult(result) => TURN + result.content.iter().map(self::part).sum::<u64>(),
        Part::CachePoint { .. } => 0,
    }
}

fn tool(tool: &Tool) -> u64 {
    let input = match &tool.input {
        ToolInput::Json(input) => input.to_string().len(),
        ToolInput::Text { grammar } => grammar.as_ref().map_or(0, |grammar| grammar.to_string().len()),
    };
    text(&tool.description) + schema(tool.name.len() + input)
}

/// Scripts of one letter for a word, or for a syllable, have about a token for each.
fn text(said: &str) -> u64 {
    let plain = said.bytes().filter(u8::is_ascii).count() as u64;
    let others = said.chars().filter(|letter| !letter.is_ascii()).count() as u64;
    (plain * 2).div_ceil(LETTERS_OF_TWO_TOKENS) + others
}

fn schema(letters: usize) -> u64 {
    (letters as u64).div_ceil(LETTERS_OF_SCHEMA)
}

fn pages(media: &Media) -> u64 {
    match &media.source {
        Source::Text(said) => text(said),
        Source::Base64(bytes) => PAGE * (bytes.len() as u64).div_ceil(PAGE_BYTES).max(1),
        Source::Url(_) | Source::File(_) => PAGE,
    }
}

#[cfg(test)]
mod tests {
    use chat::Turn;
    use proptest::prelude::*;

    use super::*;

    fn of(said: &str) -> u64 {
        estimate(&Request { turns: vec![Turn::user(said)], ..Request::default() })
    }

    #[test]
    fn english_and_japanese_are_nearer_to_what_vendors_count_than_half_or_double() {
        // Some 10 and 9 tokens at OpenAI.
        let fox = of("The quick brown fox jumps over the lazy dog.") - TURN;
        let cat = of("吾輩は猫である。名前はまだ無い。") - TURN;
        assert!((5..=20).contains(&fox) && (5..=18).contains(&cat), "{fox} and {cat}");
    }

    #[test]
    fn what_is_no_text_counts_too() {
        let media = |source| Media { mime: None, source, name: None, detail: None };
        let picture = Part::Image(media(Source::Url("https://a/b".to_owned())));
        let document = Part::Document(media(Source::Base64("A".repeat(200_000))));
        let turn = Turn { parts: vec![picture, document], ..Turn::user("") };
        assert_eq!(estimate(&Request { turns: vec![turn], ..Request::default() }), TURN + PICTURE + 4 * PAGE);
        let tool = Tool {
            name: "look".to_owned(),
            description: String::new(),
            input: ToolInput::Json(true.into()),
            strict: None,
            cache: None,
        };
        assert!(estimate(&Request { tools: vec![tool], ..Request::default() }) > TOOLS);
    }

    proptest! {
        #[test]
        fn more_words_are_never_fewer_tokens(one in ".{0,40}", two in ".{0,40}") {
            let both = of(&format!("{one}{two}"));
            prop_assert!(both >= of(&one).max(of(&two)));
            prop_assert!(both <= of(&one) + of(&two));
        }
    }
}
