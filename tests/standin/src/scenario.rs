//! What is played, by the model's name.

use std::time::Duration;

/// The most pieces of a stream that a name may ask for.
const MAX_PIECES: u32 = 100_000;

/// What is played. A model's name may have a prefix that ends with `/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scenario {
    /// `text`: a few words, letters beyond ASCII among them.
    Text,
    /// `tools`: two parallel calls of `get_weather`; text once results are there.
    Tools,
    /// `image-result`: says how many pictures came with the request.
    ImageResult,
    /// `thinking`: a thought with the vendor's seal, then text.
    Thinking,
    /// `json`: an object, as the format asks for it; refused without a format that names a city.
    Json,
    /// `refusal`: the model refuses.
    Refusal,
    /// `truncated`: two calls, the second cut off by the limit on output.
    Truncated,
    /// `error-<status>`: an error before the first byte; 429 with `Retry-After: 3`.
    Error(u16),
    /// `error-in-200`: an error under the status 200.
    ErrorIn200,
    /// `error-mid-stream`: an error after the first words.
    ErrorMidStream,
    /// `dies`: the connection is closed after the first words.
    Dies,
    /// `dies-hard`: it is reset after the first words.
    DiesHard,
    /// `dies-first`: it is closed without a byte.
    DiesFirst,
    /// `cut`: the stream ends properly as HTTP, but before the answer does.
    Cut,
    /// `hangs`: nothing ever comes.
    Hangs,
    /// `hangs-mid-stream`: nothing comes after the first words.
    HangsMidStream,
    /// `dribbles`: a byte at a time, a millisecond apart.
    Dribbles,
    /// `split-<bytes>`: pieces of so many bytes, one after the other.
    Split(u32),
    /// `html`: a page of HTML under the status 200.
    Html,
    /// `huge-line`: a line of 100 MB.
    HugeLine,
    /// `lies-about-length`: the answer is shorter than its head says.
    LiesAboutLength,
    /// `redirect`: somewhere else, and it is counted who goes there.
    Redirect,
    /// `stream-<pieces>` or `stream-<pieces>-paced-<ms>`: so many words, so far apart.
    Stream {
        /// How many words.
        pieces: u32,
        /// How far apart.
        pace: Duration,
    },
}

impl Scenario {
    /// The names that stand for themselves.
    pub const NAMED: [(&str, Self); 20] = [
        ("text", Self::Text),
        ("tools", Self::Tools),
        ("image-result", Self::ImageResult),
        ("thinking", Self::Thinking),
        ("json", Self::Json),
        ("refusal", Self::Refusal),
        ("truncated", Self::Truncated),
        ("error-in-200", Self::ErrorIn200),
        ("error-mid-stream", Self::ErrorMidStream),
        ("dies", Self::Dies),
        ("dies-hard", Self::DiesHard),
        ("dies-first", Self::DiesFirst),
        ("cut", Self::Cut),
        ("hangs", Self::Hangs),
        ("hangs-mid-stream", Self::HangsMidStream),
        ("dribbles", Self::Dribbles),
        ("html", Self::Html),
        ("huge-line", Self::HugeLine),
        ("lies-about-length", Self::LiesAboutLength),
        ("redirect", Self::Redirect),
    ];

    /// The scenario of a model's name.
    pub fn of(model: &str) -> Option<Self> {
        let name = model.rsplit('/').next().unwrap_or(model);
        if let Some((_, scenario)) = Self::NAMED.iter().find(|(known, _)| *known == name) {
            return Some(*scenario);
        }
        if let Some(status) = name.strip_prefix("error-") {
            return status.parse().ok().filter(|status| (400..600).contains(status)).map(Self::Error);
        }
        if let Some(bytes) = name.strip_prefix("split-") {
            return bytes.parse().ok().filter(|bytes| *bytes > 0).map(Self::Split);
        }
        let paced = name.strip_prefix("stream-")?;
        let (pieces, pace_ms) = paced.split_once("-paced-").unwrap_or((paced, "0"));
        let pieces = pieces.parse().ok().filter(|pieces| (1..=MAX_PIECES).contains(pieces))?;
        let pace_ms: u32 = pace_ms.parse().ok()?;
        Some(Self::Stream { pieces, pace: Duration::from_millis(u64::from(pace_ms)) })
    }
}
