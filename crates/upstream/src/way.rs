//! What can be asked of a provider with bytes as they are, and where.

use url::Url;

use crate::{Dialect, Error, HttpEndpoint};

/// What is asked, in the words of the dialect that the bytes are in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way<'a> {
    /// Anthropic's Messages.
    Messages,
    /// How many tokens such a request has.
    CountTokens,
    /// OpenAI's Chat Completions.
    ChatCompletions,
    /// OpenAI's Responses.
    Responses,
    /// How many tokens such a request has.
    InputTokens,
    /// OpenAI's embeddings.
    Embeddings,
    /// One of Gemini's methods, as `generateContent`; the model stands in the URL.
    Gemini {
        /// The model, as the provider calls it.
        model: &'a str,
        /// Which method.
        method: Method,
    },
}

/// What Gemini can be asked about a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// A whole answer.
    Generate,
    /// An answer piece by piece: server-sent events.
    StreamEvents,
    /// An answer piece by piece: one JSON array.
    StreamArray,
    /// How many tokens a request has.
    CountTokens,
    /// One vector.
    Embed,
    /// Several vectors.
    EmbedBatch,
}

impl Method {
    fn name(self) -> &'static str {
        match self {
            Self::Generate => "generateContent",
            Self::StreamEvents | Self::StreamArray => "streamGenerateContent",
            Self::CountTokens => "countTokens",
            Self::Embed => "embedContent",
            Self::EmbedBatch => "batchEmbedContents",
        }
    }
}

impl HttpEndpoint {
    /// Whether the provider understands it.
    pub fn offers(&self, way: Way<'_>) -> bool {
        match way {
            Way::Messages | Way::CountTokens => self.speaks(Dialect::Anthropic),
            Way::ChatCompletions => self.speaks(Dialect::OpenAiChat),
            Way::Responses | Way::InputTokens => self.speaks(Dialect::OpenAiResponses),
            Way::Embeddings => self.has_routes_of(Dialect::OpenAiChat),
            Way::Gemini { .. } => self.speaks(Dialect::Gemini),
        }
    }

    /// Where it is asked.
    pub(crate) fn way_url(&self, way: Way<'_>) -> Result<Url, Error> {
        match way {
            Way::Messages => self.url(&["v1", "messages"]),
            Way::CountTokens => self.url(&["v1", "messages", "count_tokens"]),
            Way::ChatCompletions => self.url(&["chat", "completions"]),
            Way::Responses => self.url(&["responses"]),
            Way::InputTokens => self.url(&["responses", "input_tokens"]),
            Way::Embeddings => self.url(&["embeddings"]),
            Way::Gemini { model, method } => {
                let mut url = self.url(&["v1beta", "models", &format!("{model}:{}", method.name())])?;
                if method == Method::StreamEvents {
                    url.set_query(Some("alt=sse"));
                }
                Ok(url)
            }
        }
    }
}
