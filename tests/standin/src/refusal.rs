//! Errors, in each vendor's shape.

use serde_json::{Value, json};

use crate::openai_responses;
use crate::route::{Task, Vendor};

#[derive(Clone, Copy, Debug)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) message: &'static str,
}

impl Refusal {
    /// One that was asked for by the model's name.
    pub(crate) fn asked_for(status: u16) -> Self {
        Self { status, message: "this error was asked for by the model's name" }
    }

    /// One of a thought that somebody else has sealed, in the vendor's words.
    pub(crate) fn foreign_seal(vendor: Vendor) -> Self {
        let message = match vendor {
            Vendor::Anthropic => "messages.1.content.0: Invalid `signature` in `thinking` block",
            Vendor::OpenAi => "The encrypted content gAAA...bQ== could not be verified.",
            Vendor::Gemini => "Corrupted thought signature.",
        };
        Self { status: 400, message }
    }

    pub(crate) fn body(&self, vendor: Vendor) -> Value {
        let Self { status, message } = self;
        match vendor {
            Vendor::Anthropic => json!({
                "type": "error",
                "error": {"type": anthropics_word(*status), "message": message},
                "request_id": "req_standin",
            }),
            Vendor::OpenAi => {
                let (kind, code) = openais_words(*status);
                json!({"error": {"message": message, "type": kind, "param": null, "code": code}})
            }
            Vendor::Gemini => {
                json!({"error": {"code": status, "message": message, "status": geminis_word(*status)}})
            }
        }
    }

    /// The headers that go with it, each with its line end.
    pub(crate) fn headers(&self, vendor: Vendor) -> String {
        let id = match vendor {
            Vendor::Anthropic => "request-id: req_standin\r\n",
            Vendor::OpenAi => "x-request-id: req_standin\r\n",
            Vendor::Gemini => "",
        };
        let retry = if self.status == 429 { "retry-after: 3\r\n" } else { "" };
        format!("content-type: application/json\r\n{id}{retry}")
    }

    /// The frame that says it inside a stream; `number` is the frame's place in it.
    pub(crate) fn frame(&self, vendor: Vendor, task: Task, number: usize) -> String {
        let body = self.body(vendor);
        match (vendor, task) {
            (Vendor::Anthropic, _) => format!("event: error\ndata: {body}\n\n"),
            (Vendor::OpenAi, Task::Responses) => {
                let (_, code) = openais_words(self.status);
                openai_responses::failed(code, self.message, number)
            }
            (Vendor::OpenAi, _) => format!("data: {body}\n\n"),
            (Vendor::Gemini, Task::StreamGenerate { is_list: true }) => {
                let comma = if number == 0 { "[" } else { "," };
                format!("{comma}{body}\r\n]")
            }
            (Vendor::Gemini, _) => format!("data: {body}\r\n\r\n"),
        }
    }
}

fn anthropics_word(status: u16) -> &'static str {
    match status {
        400 | 422 => "invalid_request_error",
        401 => "authentication_error",
        402 => "billing_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        504 => "timeout_error",
        529 => "overloaded_error",
        _ => "api_error",
    }
}

fn openais_words(status: u16) -> (&'static str, Option<&'static str>) {
    match status {
        401 => ("invalid_request_error", Some("invalid_api_key")),
        402 => ("insufficient_quota", Some("insufficient_quota")),
        404 => ("invalid_request_error", Some("model_not_found")),
        429 => ("requests", Some("rate_limit_exceeded")),
        400..500 => ("invalid_request_error", None),
        _ => ("server_error", Some("server_error")),
    }
}

fn geminis_word(status: u16) -> &'static str {
    match status {
        400 => "INVALID_ARGUMENT",
        401 => "UNAUTHENTICATED",
        403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        429 => "RESOURCE_EXHAUSTED",
        503 => "UNAVAILABLE",
        504 => "DEADLINE_EXCEEDED",
        _ => "INTERNAL",
    }
}
