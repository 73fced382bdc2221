//! What differs from dialect to dialect: the path, the headers, the translation.

use chat::Event;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use url::Url;
use wire::{Encoded, To, anthropic, gemini, openai_chat, openai_responses};

use crate::{Call, Dialect, Error, HttpEndpoint};

impl Dialect {
    /// The body of a call.
    pub(crate) fn encode(self, call: &Call<'_>) -> Encoded {
        let to = To { model: call.model.as_str(), is_streamed: call.is_streamed, issuer: call.issuer };
        match self {
            Self::Anthropic => anthropic::encode(call.request, &to),
            Self::OpenAiChat => openai_chat::encode(call.request, &to),
            Self::OpenAiResponses => openai_responses::encode(call.request, &to),
            Self::Gemini => gemini::encode(call.request, &to),
        }
    }

    /// A decoder for one answer.
    pub(crate) fn decoder(self) -> Box<dyn wire::Decode> {
        match self {
            Self::Anthropic => Box::new(anthropic::Decoder::default()),
            Self::OpenAiChat => Box::new(openai_chat::Decoder::default()),
            Self::OpenAiResponses => Box::new(openai_responses::Decoder::default()),
            Self::Gemini => Box::new(gemini::Decoder::default()),
        }
    }

    /// The events of a whole answer.
    pub(crate) fn answer(self, body: &[u8]) -> Result<Vec<Event>, wire::Error> {
        match self {
            Self::Anthropic => anthropic::answer(body),
            Self::OpenAiChat => openai_chat::answer(body),
            Self::OpenAiResponses => openai_responses::answer(body),
            Self::Gemini => gemini::answer(body),
        }
    }

    /// The provider's words in the body of an error.
    pub(crate) fn error_message(self, body: &[u8]) -> Option<String> {
        match self {
            Self::Anthropic => anthropic::error_message(body),
            Self::OpenAiChat => openai_chat::error_message(body),
            Self::OpenAiResponses => openai_responses::error_message(body),
            Self::Gemini => gemini::error_message(body),
        }
    }

    /// Whether an error says that the account has no credit left. Gemini has no word for it that is not also a limit's.
    pub(crate) fn is_spent(self, status: u16, body: &[u8]) -> bool {
        match self {
            Self::Anthropic => anthropic::is_spent(status, body),
            Self::OpenAiChat | Self::OpenAiResponses => {
                matches!(status, 400..=499) && openai_chat::is_spent(body)
            }
            Self::Gemini => false,
        }
    }

    /// The names in a list of models.
    pub(crate) fn models(self, body: &[u8]) -> Result<Vec<String>, wire::Error> {
        match self {
            Self::Anthropic => anthropic::models(body),
            Self::OpenAiChat => openai_chat::models(body),
            Self::OpenAiResponses => openai_responses::models(body),
            Self::Gemini => gemini::models(body),
        }
    }
}

impl HttpEndpoint {
    /// Where a call goes.
    pub(crate) fn call_url(&self, call: &Call<'_>) -> Result<Url, Error> {
        match self.dialect {
            Dialect::Anthropic => self.url(&["v1", "messages"]),
            Dialect::OpenAiChat => self.url(&["chat", "completions"]),
            Dialect::OpenAiResponses => self.url(&["responses"]),
            Dialect::Gemini if !call.is_streamed => {
                self.url(&["v1beta", "models", &format!("{}:generateContent", call.model)])
            }
            Dialect::Gemini => {
                let method = format!("{}:streamGenerateContent", call.model);
                let mut url = self.url(&["v1beta", "models", &method])?;
                url.set_query(Some("alt=sse"));
                Ok(url)
            }
        }
    }

    /// Where the list of models is.
    pub(crate) fn models_url(&self) -> Result<Url, Error> {
        match self.dialect {
            Dialect::Anthropic => self.url(&["v1", "models"]),
            Dialect::OpenAiChat | Dialect::OpenAiResponses => self.url(&["models"]),
            Dialect::Gemini => self.url(&["v1beta", "models"]),
        }
    }

    /// What every request carries; the key is nowhere else.
    pub(crate) fn headers(&self) -> Result<HeaderMap, Error> {
        let mut headers = HeaderMap::new();
        self.add_headers(&mut headers)?;
        // Bytes are read as they come: compression would hold them back.
        headers.insert(reqwest::header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        if self.dialect == Dialect::Anthropic {
            let (name, version) = anthropic::VERSION_HEADER;
            headers.insert(HeaderName::from_static(name), HeaderValue::from_static(version));
        }
        if let Some(key) = &self.key {
            let (name, prefix) = match self.dialect {
                Dialect::Anthropic => (HeaderName::from_static("x-api-key"), ""),
                Dialect::OpenAiChat | Dialect::OpenAiResponses => (reqwest::header::AUTHORIZATION, "Bearer "),
                Dialect::Gemini => (HeaderName::from_static("x-goog-api-key"), ""),
            };
            let mut value = HeaderValue::from_str(&format!("{prefix}{}", key.expose()))
                .map_err(|_| Error::BadKey { origin: self.origin() })?;
            value.set_sensitive(true);
            headers.insert(name, value);
        }
        Ok(headers)
    }
}
