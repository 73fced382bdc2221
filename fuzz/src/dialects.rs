//! The four dialects behind one face.

use chat::{Event, Request};
use wire::{Decode, Dialect, Encoded, Error, Head, To, anthropic, gemini, openai_chat, openai_responses};

/// One dialect's functions.
pub(crate) struct Words {
    pub(crate) dialect: Dialect,
    pub(crate) encode: fn(&Request, &To<'_>) -> Encoded,
    pub(crate) answer: fn(&[u8]) -> Result<Vec<Event>, Error>,
    pub(crate) decoder: fn() -> Box<dyn Decode>,
}

const ALL: [Words; 4] = [
    Words {
        dialect: Dialect::Anthropic,
        encode: anthropic::encode,
        answer: anthropic::answer,
        decoder: || Box::new(anthropic::Decoder::default()),
    },
    Words {
        dialect: Dialect::OpenAiChat,
        encode: openai_chat::encode,
        answer: openai_chat::answer,
        decoder: || Box::new(openai_chat::Decoder::default()),
    },
    Words {
        dialect: Dialect::OpenAiResponses,
        encode: openai_responses::encode,
        answer: openai_responses::answer,
        decoder: || Box::new(openai_responses::Decoder::default()),
    },
    Words {
        dialect: Dialect::Gemini,
        encode: gemini::encode,
        answer: gemini::answer,
        decoder: || Box::new(gemini::Decoder::default()),
    },
];

impl Words {
    pub(crate) fn of(dialect: Dialect) -> &'static Self {
        ALL.iter().find(|words| words.dialect == dialect).expect("all dialects stand there")
    }

    pub(crate) fn all() -> &'static [Self] {
        &ALL
    }
}

/// The dialect that a byte stands for; most bytes stand for one at random.
pub(crate) fn of_letter(letter: u8) -> Dialect {
    match letter {
        b'a' => Dialect::Anthropic,
        b'c' | b'C' => Dialect::OpenAiChat,
        b'r' => Dialect::OpenAiResponses,
        b'g' => Dialect::Gemini,
        other => Dialect::ALL[usize::from(other) % Dialect::ALL.len()],
    }
}

/// What answers say of themselves.
pub(crate) fn head(request: &Request) -> Head<'_> {
    Head { id: "1", model: "m", created_s: 0, wants_usage: true, issuer: "laws/one", request }
}

/// To whom requests are said.
pub(crate) fn to() -> To<'static> {
    To { model: "m", is_streamed: true, issuer: "laws/one" }
}
