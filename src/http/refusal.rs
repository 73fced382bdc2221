//! Why a request is not served, as a status, a stable code and a message; the one place that maps errors to HTTP.
//!
//! What a client can do something about is told in full. What is wrong inside is logged under the request's id, and
//! the client is told the id alone: no path of the state folder, no query, no backtrace.

use std::time::Duration;

use actix_web::body::BoxBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::error::{JsonPayloadError, PathError, QueryPayloadError};
use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{HttpMessage, HttpRequest, HttpResponse, ResponseError};
use actors::{retention, workflows};
use routing::NoCandidate;
use supervision::ChildError;
use units::{DeploymentId, WorkflowId};
use workflow::Refused;

use super::admission;
use super::views::{ErrorBody, ErrorDetail};

/// The most bytes of what a client sent that a message quotes.
const MAX_QUOTED_BYTES: usize = 200;

/// Why a request is not served.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("there is nothing at `{path}`; the routes begin with /healthz, /metrics, /admin and /v1", path = quoted(path))]
    NoRoute { path: String },
    #[error("{method} is not served here; GET reads, POST writes", method = quoted(method))]
    NoMethod { method: String },
    #[error("`{host}` is no name of this server: ask it as localhost, 127.0.0.1 or [::1], with its port", host = quoted(host))]
    BadHost { host: String },
    #[error("pages of `{origin}` may not ask this server", origin = quoted(origin))]
    BadOrigin { origin: String },
    #[error(
        "this needs a key that is valid: send it as `Authorization: Bearer …`; `impresario keys create` makes one"
    )]
    Unauthorized,
    #[error("the key has not the scope `{scope}`, which this needs")]
    MissingScope { scope: access::Scope },
    #[error("the key may not work in this folder, or it is not there")]
    OutsideKeysRoots,
    #[error("there is no key {0}; `impresario keys list` shows those that there are")]
    NoKey(units::KeyId),
    #[error("no answer `{id}` of yours is kept here", id = quoted(id))]
    NoResponse { id: String },
    #[error("no answer `{id}` of yours is kept here to go on from: send the whole conversation as `input`", id = quoted(id))]
    NoPreviousResponse { id: String },
    #[error(
        "there is no capture {0}, or it has had its time; `impresario captures list` shows those that there are"
    )]
    NoCapture(actors::captures::CaptureId),
    #[error(
        "a process in a process namespace of its own, such as a command that a workflow runs, may not use this socket: \
         ask from where the server runs"
    )]
    Confined,
    #[error("a body is sent as `content-type: application/json`, and not packed")]
    NotJson,
    #[error("the body has more than {most} bytes: send less")]
    BodyTooLarge { most: usize },
    #[error("the body did not come to its end in time: send it faster")]
    BodyTooSlow,
    #[error("the body nests deeper than {most}: send something flatter")]
    TooDeep { most: usize },
    #[error("the head has more than {headers} headers or {bytes} bytes: send less")]
    HeadTooLarge { bytes: usize, headers: usize },
    #[error("as many {what} as may be; try again when one of them is done")]
    TooMany { what: &'static str },
    #[error("too many authentications from your address failed; try again in {} s", seconds(*wait))]
    TooManyFailures { wait: Duration },
    #[error("no answer is to be had, and whether it was done is not known: look before you ask again")]
    TimedOut,
    #[error("{0}")]
    BadRequest(String),
    #[error("{0}")]
    Unprocessable(String),
    #[error("there is no workflow {0}; `impresario workflows` lists them")]
    NoWorkflow(WorkflowId),
    #[error(
        "nobody has the place `{path}`; {}", meant.as_ref().map_or_else(
            || "`impresario tree` shows who is where".to_owned(), |meant| format!("did you mean `{}`?", quoted(meant))
        ), path = quoted(path)
    )]
    NobodyThere { path: String, meant: Option<String> },
    #[error(
        "there is no deployment `{deployment}`; {}", meant.as_ref().map_or_else(
            || "`impresario tree` shows those that there are".to_owned(), |meant| format!("did you mean `{meant}`?")
        ), deployment = quoted(deployment)
    )]
    NoDeployment { deployment: String, meant: Option<DeploymentId> },
    #[error("`{path}` is a supervisor, and only actors can be suspended", path = quoted(path))]
    NotAnActor { path: String },
    #[error("the root is the whole server: it ends when `impresario serve` is told to stop")]
    IsRoot,
    #[error("{0}")]
    WorkspaceRefused(String),
    #[error("{0}")]
    Conflict(String),
    #[error("{0}")]
    DiskLow(actors::disk::Low),
    #[error("no model can answer: {0}")]
    NoProvider(NoCandidate),
    #[error("{0}; try again in a moment")]
    Busy(String),
    #[error(
        "what this would do cannot be recorded: the database has been away for long, and the room for records that wait \
         is used up; try again when it is back"
    )]
    NoRoomForRecords,
    #[error("the server stops")]
    Stopping,
    #[error("something is wrong inside the server: its log tells more under this answer's x-request-id")]
    Internal(String),
}

impl Refusal {
    /// Something inside is wrong; `detail` goes to the log alone.
    pub(crate) fn internal(detail: impl std::fmt::Display) -> Self {
        Self::Internal(detail.to_string())
    }

    /// Why a supervisor did not do what was asked about the child at `path`.
    pub(super) fn of_child(path: &str, error: ChildError) -> Self {
        match error {
            ChildError::NotFound(_) => Self::NobodyThere { path: path.to_owned(), meant: None },
            ChildError::Busy(_) | ChildError::Unavailable => Self::Busy(error.to_string()),
            ChildError::NotAnActor(_) => Self::NotAnActor { path: path.to_owned() },
            ChildError::Running(_) => Self::Conflict(format!(
                "`{}` lives: only who was terminated is restarted; to have a fresh life there, kill this one",
                quoted(path)
            )),
            ChildError::Restarting(_) => {
                Self::Conflict(format!("`{}` is about to be started again by its supervisor", quoted(path)))
            }
            ChildError::AlreadyStarted(_)
            | ChildError::AlreadyPresent(_)
            | ChildError::TooMany(_)
            | ChildError::StartFailed(_)
            | ChildError::Dynamic
            | ChildError::BadCombination { .. } => Self::Conflict(error.to_string()),
        }
    }

    /// Its stable name.
    pub(super) fn code(&self) -> &'static str {
        match self {
            Self::NoRoute { .. }
            | Self::NoWorkflow(_)
            | Self::NoKey(_)
            | Self::NoCapture(_)
            | Self::NoResponse { .. }
            | Self::NobodyThere { .. }
            | Self::NoDeployment { .. } => "not_found",
            // The name that OpenAI's clients know.
            Self::NoPreviousResponse { .. } => "previous_response_not_found",
            Self::NotAnActor { .. } => "not_an_actor",
            Self::IsRoot => "is_root",
            Self::NoMethod { .. } => "method_not_allowed",
            Self::BadHost { .. } => "host_refused",
            Self::BadOrigin { .. } => "origin_refused",
            Self::Unauthorized => "unauthorized",
            Self::MissingScope { .. } => "missing_scope",
            Self::OutsideKeysRoots => "outside_keys_roots",
            Self::Confined => "confined",
            Self::NotJson => "not_json",
            Self::BodyTooLarge { .. } => "body_too_large",
            Self::BodyTooSlow => "body_too_slow",
            Self::TooDeep { .. } => "too_deep",
            Self::HeadTooLarge { .. } => "head_too_large",
            Self::TooMany { .. } => "too_many",
            Self::TooManyFailures { .. } => "too_many_failures",
            Self::TimedOut => "timed_out",
            Self::BadRequest(_) => "bad_request",
            Self::Unprocessable(_) => "unprocessable",
            Self::WorkspaceRefused(_) => "workspace_refused",
            Self::Conflict(_) => "conflict",
            Self::DiskLow(_) => "disk_low",
            Self::NoProvider(_) => "no_provider",
            Self::Busy(_) => "busy",
            Self::NoRoomForRecords => "records_full",
            Self::Stopping => "stopping",
            Self::Internal(_) => "internal",
        }
    }

    /// The field of the request that it is about, for dialects that name one.
    pub(super) fn param(&self) -> Option<&'static str> {
        matches!(self, Self::NoPreviousResponse { .. }).then_some("previous_response_id")
    }

    /// In how many seconds it may be better.
    fn retry_after(&self) -> Option<u64> {
        if let Self::TooManyFailures { wait } = self {
            return Some(seconds(*wait));
        }
        let comes_again = matches!(
            self,
            Self::Busy(_) | Self::NoRoomForRecords | Self::Stopping | Self::TooMany { .. } | Self::TimedOut
        );
        comes_again.then_some(1)
    }

    fn body(&self) -> ErrorBody {
        ErrorBody { error: ErrorDetail { code: self.code().to_owned(), message: self.to_string() } }
    }

    /// The answer to a request that gets no further. What it still has of a body is kept until the answer is written:
    /// then the connection is closed after it, and nobody reads on for as long as the client likes to send.
    pub(super) fn answer(self, mut request: ServiceRequest) -> ServiceResponse<BoxBody> {
        let payload = request.take_payload();
        request.error_response(self).map_body(|_, body| admission::holding(body, payload))
    }

    /// The answer before there is a request, to a connection that is closed behind it.
    pub(super) fn as_bytes(&self, request_id: &str) -> Vec<u8> {
        let body = serde_json::to_string(&self.body()).expect("it is two texts");
        let wait = self.retry_after().map_or_else(String::new, |wait| format!("retry-after: {wait}\r\n"));
        let (status, length) = (self.status_code(), body.len());
        let head = format!(
            "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n{wait}\
             x-request-id: {request_id}\r\nconnection: close\r\n\r\n"
        );
        (head + &body).into_bytes()
    }
}

impl ResponseError for Refusal {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::NoRoute { .. }
            | Self::NoWorkflow(_)
            | Self::NoKey(_)
            | Self::NoCapture(_)
            | Self::NoResponse { .. }
            | Self::NobodyThere { .. }
            | Self::NoDeployment { .. } => StatusCode::NOT_FOUND,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::NoMethod { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::BadHost { .. }
            | Self::BadOrigin { .. }
            | Self::MissingScope { .. }
            | Self::OutsideKeysRoots
            | Self::Confined
            | Self::WorkspaceRefused(_) => StatusCode::FORBIDDEN,
            Self::NotJson => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::BodyTooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::BodyTooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::HeadTooLarge { .. } => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::TooMany { .. } | Self::TooManyFailures { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::BadRequest(_) | Self::TooDeep { .. } | Self::NoPreviousResponse { .. } => {
                StatusCode::BAD_REQUEST
            }
            Self::Unprocessable(_) | Self::NotAnActor { .. } => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Conflict(_) | Self::NoProvider(_) | Self::IsRoot => StatusCode::CONFLICT,
            Self::Busy(_) | Self::NoRoomForRecords | Self::Stopping | Self::TimedOut => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::DiskLow(_) => StatusCode::INSUFFICIENT_STORAGE,
            Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn error_response(&self) -> HttpResponse<BoxBody> {
        let mut response = HttpResponse::build(self.status_code());
        if let Self::NoMethod { .. } = self {
            response.insert_header((ALLOW, "GET, POST, DELETE"));
        }
        if let Some(wait) = self.retry_after() {
            response.insert_header((RETRY_AFTER, wait));
        }
        if let Self::Unauthorized = self {
            response.insert_header((WWW_AUTHENTICATE, "Bearer realm=\"impresario\""));
        }
        response.json(self.body())
    }
}

impl From<store::Error> for Refusal {
    fn from(error: store::Error) -> Self {
        if let store::Error::Unreachable { .. } = error {
            return Self::Busy("the store cannot be reached now".to_owned());
        }
        if let store::Error::NotFound(id) = error { Self::NoWorkflow(id) } else { Self::internal(error) }
    }
}

impl From<workspace::Error> for Refusal {
    fn from(error: workspace::Error) -> Self {
        // These name what the client itself named; the others may name what is inside.
        if let workspace::Error::NotRegistered { .. } = error {
            return Self::WorkspaceRefused(error.to_string());
        }
        let is_of_the_root = matches!(
            error,
            workspace::Error::NotAFolder { .. }
                | workspace::Error::Io { doing: "find the workspace" | "open the workspace", .. }
        );
        if is_of_the_root { Self::Unprocessable(error.to_string()) } else { Self::internal(error) }
    }
}

impl From<workflows::Error> for Refusal {
    fn from(error: workflows::Error) -> Self {
        match error {
            workflows::Error::NotFound(id) => Self::NoWorkflow(id),
            workflows::Error::NoRoom => Self::NoRoomForRecords,
            workflows::Error::Ended { .. } => Self::Conflict(error.to_string()),
            workflows::Error::Refused(refused) => refused.into(),
            workflows::Error::Low(low) => Self::DiskLow(low),
            workflows::Error::Workspace(error) => error.into(),
            workflows::Error::Store(error) => error.into(),
            workflows::Error::Supervisor(
                ChildError::TooMany(_) | ChildError::Busy(_) | ChildError::Unavailable,
            ) => Self::Busy(error.to_string()),
            workflows::Error::Unreachable(_) => Self::Busy("the workflow does not answer now".to_owned()),
            workflows::Error::Writer(actors::writer::Error::Unavailable(_)) => {
                Self::Busy("the store takes nothing now".to_owned())
            }
            // The database went away under it; who asks again in a while finds out what became of it.
            workflows::Error::Writer(
                actors::writer::Error::Unknown
                | actors::writer::Error::Refused(store::WriteError::Database(_)),
            ) => Self::TimedOut,
            workflows::Error::Supervisor(_)
            | workflows::Error::Writer(_)
            | workflows::Error::Randomness(_) => Self::internal(error),
        }
    }
}

impl From<retention::Error> for Refusal {
    fn from(error: retention::Error) -> Self {
        match error {
            retention::Error::Store(error) => error.into(),
            retention::Error::Writer(actors::writer::Error::Unavailable(_)) => {
                Self::Busy("the store takes nothing now".to_owned())
            }
            retention::Error::Writer(_) | retention::Error::History(_) => Self::internal(error),
        }
    }
}

impl From<Refused> for Refusal {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::TooLarge { .. } | Refused::Empty { .. } | Refused::BadSetting { .. } => {
                Self::Unprocessable(refused.to_string())
            }
            Refused::NotStarted
            | Refused::Finished { .. }
            | Refused::Duplicate { .. }
            | Refused::Stale { .. }
            | Refused::Ending
            | Refused::OutOfTurn { .. }
            | Refused::CommitOpen { .. }
            | Refused::OutsideClaim { .. } => Self::Conflict(refused.to_string()),
        }
    }
}

pub(super) fn of_body(error: JsonPayloadError, _: &HttpRequest) -> actix_web::Error {
    if let JsonPayloadError::ContentType = error {
        return Refusal::NotJson.into();
    }
    let reason = error.to_string();
    Refusal::BadRequest(format!("the body is not what is asked for: {}", quoted(&reason))).into()
}

pub(super) fn of_query(error: QueryPayloadError, _: &HttpRequest) -> actix_web::Error {
    Refusal::BadRequest(format!("the query is not what is asked for: {}", quoted(&error.to_string()))).into()
}

pub(super) fn of_path(error: PathError, _: &HttpRequest) -> actix_web::Error {
    Refusal::BadRequest(format!("the path names nothing that can be: {}", quoted(&error.to_string()))).into()
}

/// Whole seconds, and never too few.
fn seconds(wait: Duration) -> u64 {
    wait.as_millis().div_ceil(1000).try_into().unwrap_or(u64::MAX)
}

pub(super) fn quoted(text: &str) -> &str {
    &text[..text.floor_char_boundary(MAX_QUOTED_BYTES)]
}

#[cfg(test)]
mod tests;
