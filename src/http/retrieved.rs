//! One model by its name, and whose dialect somebody speaks where the path alone does not say it.
//!
//! A name is there for whoever could ask it: aliases, models by their own names, `provider/model`. What a key's models
//! leave out is as if it were not there.

use access::Models;
use actix_web::http::Method;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use wire::{Dialect, Failure};

use super::{Desk, dialects, passages, template};

/// The routes of models that several dialects have, each in its own shape.
const MODELS: [&str; 2] = ["/v1/models", "/v1/models/{call:.*}"];
/// What is beneath `/v1/` and of no vendor.
const OURS: [&str; 2] = ["/v1/workflows", "/v1/providers"];

/// `GET /v1/models/{model}`: in the dialect of whoever asks.
pub(super) async fn model(request: HttpRequest, desk: Data<Desk>, name: Path<String>) -> HttpResponse {
    told(asker(&request), &request, &desk, &name)
}

/// `GET /v1beta/models/{model}`
pub(super) async fn gemini_model(request: HttpRequest, desk: Data<Desk>, name: Path<String>) -> HttpResponse {
    told(Dialect::Gemini, &request, &desk, &name)
}

fn told(dialect: Dialect, request: &HttpRequest, desk: &Desk, name: &str) -> HttpResponse {
    if !is_there(desk, name, &dialects::models_of(request)) {
        let request_id = dialects::id_of(request);
        let message = "there is no such model here; the list of models says which ones there are";
        let failure = Failure {
            status: 404,
            message,
            code: "model_not_found",
            param: Some("model"),
            request_id: &request_id,
        };
        return dialects::refused(dialect, &failure, None);
    }
    let body = match dialect {
        Dialect::Anthropic => wire::anthropic::model(name),
        Dialect::Gemini => wire::gemini::model(name),
        Dialect::OpenAiChat | Dialect::OpenAiResponses => {
            wire::openai_chat::model(name, desk.clock.wall().0 / 1_000)
        }
    };
    HttpResponse::Ok().insert_header((CONTENT_TYPE, "application/json")).body(body)
}

fn is_there(desk: &Desk, name: &str, allowed: &Models) -> bool {
    !name.is_empty() && routing::candidates_named(desk.doors.routes.load().table(), name, allowed).is_ok()
}

/// Whose client asks, by the headers that only its vendor's clients send; OpenAI's where there are none.
pub(super) fn asker(request: &HttpRequest) -> Dialect {
    let has = |name: &str| request.headers().contains_key(name);
    match (has("anthropic-version"), has("x-goog-api-key")) {
        (true, _) => Dialect::Anthropic,
        (false, true) => Dialect::Gemini,
        (false, false) => Dialect::OpenAiChat,
    }
}

/// The dialect that a refusal is told in: the route's, and beneath the vendors' paths that of whoever asks for what is
/// not there. `None` where the path is our own.
pub(super) fn spoken(request: &HttpRequest) -> Option<Dialect> {
    let route = template::of(request);
    match route.as_deref() {
        Some(route) if MODELS.contains(&route) && *request.method() != Method::POST => Some(asker(request)),
        Some(route) if passages::is_shared(route) => Some(asker(request)),
        Some(route) => dialects::of(route),
        None => of_path(request),
    }
}

fn of_path(request: &HttpRequest) -> Option<Dialect> {
    let path = request.path();
    let is_ours = OURS.iter().any(|ours| path.starts_with(ours));
    if path.starts_with("/v1beta/") {
        Some(Dialect::Gemini)
    } else if path.starts_with("/v1/") && !is_ours {
        Some(asker(request))
    } else {
        None
    }
}
