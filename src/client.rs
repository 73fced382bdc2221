//! Talks to a running server over its Unix socket or TCP: what the command line and tests use.
//!
//! Every answer is bounded. Following a workflow survives cut connections: it asks on from the last event it saw, so
//! that none is missed and none comes twice.

mod captures;
mod frames;
mod kept;
mod keys;
mod place;
mod records;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clock::Clock;
use reqwest::{Method, Response, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use store::{AuditQuery, AuditRow, Chain};
use units::{DeploymentId, Seq, UnixMillis, WorkflowId};

use crate::http::views::{
    Abort, Act, Acted, At, AuditChains, AuditPage, Breaker, BreakerOrder, BreakerSet, Control,
    DeploymentView, ErrorBody, Health, NewWorkflow, Numbered, Providers, ServerEvent, Started, WorkflowLine,
    WorkflowList, WorkflowView,
};
use crate::reload::Standing;
use frames::{Frame, Frames};
use place::Place;

/// The most bytes of one answer that is no stream.
const MAX_ANSWER_BYTES: usize = 64 * 1024 * 1024;
/// How long one answer may take; a start waits for the store, which itself has a minute.
const ANSWER_WITHIN: Duration = Duration::from_secs(120);
/// How long a stream may be silent before it counts as cut; the server says something three times as often.
const SILENCE: Duration = Duration::from_secs(45);
/// How often a stream is opened again without a new event in between.
const MAX_TRIES: u32 = 6;
/// The wait before a stream is opened again; it doubles.
const FIRST_WAIT: Duration = Duration::from_millis(100);

/// A connection to a server. Cloning shares it.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    place: Place,
    clock: Clock,
}

/// The events of one workflow, from a number on.
#[derive(Debug)]
pub struct Events {
    client: Client,
    workflow: WorkflowId,
    after: Seq,
    stream: Option<Stream>,
    tries: u32,
    over: bool,
}

#[derive(Debug)]
struct Stream {
    response: Response,
    frames: Frames,
}

/// Why a server was not asked, or did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nobody listens at the socket.
    #[error("no server runs on `{}`: start one with `impresario serve`, or give the `--state-dir` of the one that runs", socket.display())]
    NotRunning {
        /// Where it was looked for.
        socket: PathBuf,
    },
    /// Nobody answers there, or nobody who is trusted.
    #[error(
        "the server {server} cannot be reached: {reason}; look at the address, at `server.listen` there, and where its \
         certificate is not one that this machine trusts, name its issuer's with `--ca-file`"
    )]
    NotReached {
        /// Where it was looked for.
        server: String,
        /// What happened.
        reason: String,
    },
    /// The server refused; the message says why and what to do.
    #[error("{message}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// The error's stable name.
        code: String,
        /// What was wrong and what to do next.
        message: String,
    },
    /// The connection broke or stood still; whether what was asked was done is unknown.
    #[error(
        "the connection to the server broke: {reason}; ask it again, and look at its log when this happens often"
    )]
    Cut {
        /// What happened.
        reason: String,
    },
    /// The answer is none that this program knows.
    #[error(
        "the server's answer to {what} cannot be read: {detail}; use the client and the server of one version"
    )]
    Malformed {
        /// What was asked.
        what: String,
        /// What is wrong with it.
        detail: String,
    },
    /// The answer is larger than this program takes.
    #[error("the server's answer to {what} has more than {most} bytes")]
    TooLarge {
        /// What was asked.
        what: String,
        /// The bound, in bytes.
        most: usize,
    },
    /// No connection can be made at all.
    #[error("no client can be made: {reason}")]
    Setup {
        /// What is missing.
        reason: String,
    },
}

impl Client {
    /// Connects to the server at `socket` and checks that it answers.
    ///
    /// # Errors
    /// [`Error::NotRunning`] when nobody listens there.
    pub async fn connect(socket: &Path) -> Result<Self, Error> {
        Self::greet(http_client(socket)?, Place::Socket(socket.into())).await
    }

    async fn greet(http: reqwest::Client, place: Place) -> Result<Self, Error> {
        let client = Self { http, place, clock: Clock::real() };
        let health: Health = client.get("/healthz").await?;
        match health.status.as_str() {
            "ok" => Ok(client),
            status => {
                Err(Error::Malformed { what: "/healthz".to_owned(), detail: format!("status `{status}`") })
            }
        }
    }

    /// Starts a workflow; it is durable when its id comes back.
    ///
    /// # Errors
    /// [`Error::Refused`] with what is wrong with the order; and as in all functions below, a cut connection, and an
    /// answer that cannot be read.
    pub async fn start(&self, new: &NewWorkflow) -> Result<WorkflowId, Error> {
        let started: Started = self.post("/v1/workflows", new).await?;
        Ok(started.id)
    }

    /// A workflow as it stands.
    ///
    /// # Errors
    /// [`Error::Refused`] when there is none of that id.
    pub async fn workflow(&self, id: &WorkflowId) -> Result<WorkflowView, Error> {
        self.get(&format!("/v1/workflows/{id}")).await
    }

    /// The newest workflows, newest first; one page of them.
    ///
    /// # Errors
    /// As for [`Client::start`].
    pub async fn workflows(&self) -> Result<Vec<WorkflowLine>, Error> {
        let list: WorkflowList = self.get("/v1/workflows").await?;
        Ok(list.workflows)
    }

    /// Asks a workflow to stop and undo what it did; the events tell when it has.
    ///
    /// # Errors
    /// [`Error::Refused`] when there is none, or it has ended or undoes already.
    pub async fn abort(&self, id: &WorkflowId, by: &str) -> Result<(), Error> {
        let body = Abort { by: Some(by.to_owned()) };
        let _: Value = self.post(&format!("/v1/workflows/{id}/abort"), &body).await?;
        Ok(())
    }

    /// What a workflow has changed in its workspace, as a unified diff; empty when nothing.
    ///
    /// # Errors
    /// [`Error::Refused`] when there is no such workflow, or its workspace is not to be had.
    pub async fn diff(&self, id: &WorkflowId) -> Result<String, Error> {
        let path = format!("/v1/workflows/{id}/diff");
        let bytes = self.ask(Method::GET, &path, None::<&()>).await?;
        String::from_utf8(bytes).map_err(|error| malformed(&path, error))
    }

    /// The supervision tree as the server shows it: a node with `children`.
    ///
    /// # Errors
    /// As for [`Client::start`].
    pub async fn tree(&self) -> Result<Value, Error> {
        self.get("/admin/tree").await
    }

    /// Which configuration is in force, and what was wrong with the last one that was refused.
    ///
    /// # Errors
    /// As for [`Client::start`].
    pub async fn configuration(&self) -> Result<Standing, Error> {
        self.get("/admin/config").await
    }

    /// Does something to whoever has the place `path` in the tree.
    ///
    /// # Errors
    /// [`Error::Refused`] when nobody is there, when it is the root, or its supervisor does not do it.
    pub async fn act(&self, act: Act, path: &str) -> Result<Acted, Error> {
        self.post(&format!("/admin/tree/{}", act.word()), &At { path: path.to_owned() }).await
    }

    /// Sets who decides over a model's breaker, and tells what it does from now on.
    ///
    /// # Errors
    /// [`Error::Refused`] when there is no such model, or it is not called at all.
    pub async fn set_breaker(&self, deployment: &DeploymentId, control: Control) -> Result<Breaker, Error> {
        let order = BreakerOrder { deployment: deployment.clone(), control };
        let set: BreakerSet = self.post("/admin/breakers", &order).await?;
        Ok(set.breaker)
    }

    /// The newest entries of the audit log that are wanted, oldest first.
    ///
    /// # Errors
    /// As for [`Client::start`].
    pub async fn audit(&self, query: &AuditQuery) -> Result<Vec<AuditRow>, Error> {
        let pairs = [
            ("since", query.since.map(|since| since.0.to_string())),
            ("who", query.who.clone()),
            ("action", query.action.clone()),
            ("limit", query.limit.map(|limit| limit.to_string())),
        ];
        let pairs = pairs.into_iter().filter_map(|(name, value)| Some((name, value?)));
        let url = Url::parse_with_params("http://impresario/admin/audit", pairs);
        let url = url.map_err(|error| Error::Setup { reason: error.to_string() })?;
        let page: AuditPage = self.get(&format!("/admin/audit?{}", url.query().unwrap_or_default())).await?;
        Ok(page.entries)
    }

    /// Has every chain of the audit log checked.
    ///
    /// # Errors
    /// As for [`Client::start`].
    pub async fn verify_audit(&self) -> Result<Vec<Chain>, Error> {
        let chains: AuditChains = self.get("/admin/audit/verify").await?;
        Ok(chains.chains)
    }

    /// Every model the server knows, in the order of preference.
    ///
    /// # Errors
    /// As for [`Client::start`].
    pub async fn providers(&self) -> Result<Vec<DeploymentView>, Error> {
        let providers: Providers = self.get("/v1/providers").await?;
        Ok(providers.deployments)
    }

    /// Follows a workflow's events from the one after `after` on.
    pub fn follow(&self, id: &WorkflowId, after: Seq) -> Events {
        Events { client: self.clone(), workflow: id.clone(), after, stream: None, tries: 0, over: false }
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Error> {
        let bytes = self.ask(Method::GET, path, None::<&()>).await?;
        serde_json::from_slice(&bytes).map_err(|error| malformed(path, error))
    }

    async fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, Error> {
        let bytes = self.ask(Method::POST, path, Some(body)).await?;
        serde_json::from_slice(&bytes).map_err(|error| malformed(path, error))
    }

    async fn ask(&self, method: Method, path: &str, body: Option<&impl Serialize>) -> Result<Vec<u8>, Error> {
        let asked = async { read(self.send(method, path, body).await?, path).await };
        let silent = |_| Error::Cut { reason: format!("no answer to {path} within {ANSWER_WITHIN:?}") };
        self.clock.timeout(ANSWER_WITHIN, asked).await.map_err(silent)?
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&impl Serialize>,
    ) -> Result<Response, Error> {
        let request = self.place.unlock(self.http.request(method, format!("{}{path}", self.place.origin())));
        let request = match body {
            Some(body) => request.json(body),
            None => request,
        };
        let response = request.send().await.map_err(|error| self.place.unreachable(&error))?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status().as_u16();
        let refusal = read(response, path).await?;
        Err(match serde_json::from_slice::<ErrorBody>(&refusal) {
            Ok(ErrorBody { error }) => {
                let message = self.place.told(status, error.message);
                Error::Refused { status, code: error.code, message }
            }
            Err(_) => Error::Malformed { what: path.to_owned(), detail: format!("status {status}") },
        })
    }
}

impl Events {
    /// What comes next; `None` after the workflow's end. An error ends the stream too, and comes only after several
    /// tries to connect again.
    pub async fn next(&mut self) -> Option<Result<ServerEvent, Error>> {
        while !self.over {
            match self.step().await {
                Ok(Some(event)) => return Some(Ok(event)),
                Ok(None) => {}
                Err(error) => {
                    self.stream = None;
                    if !passes(&error) || self.tries >= MAX_TRIES {
                        self.over = true;
                        return Some(Err(error));
                    }
                }
            }
        }
        None
    }

    /// The number of the last event that was shown.
    pub fn after(&self) -> Seq {
        self.after
    }

    async fn step(&mut self) -> Result<Option<ServerEvent>, Error> {
        let Some(stream) = &mut self.stream else {
            self.stream = Some(self.open().await?);
            return Ok(None);
        };
        if let Some(frame) = stream.frames.next() {
            return self.take(&frame);
        }
        let cut = |reason: &str| Error::Cut { reason: reason.to_owned() };
        let chunk = self.client.clock.timeout(SILENCE, stream.response.chunk()).await;
        match chunk.map_err(|_| cut("the stream fell silent"))? {
            Ok(Some(bytes)) => stream.frames.push(&bytes)?,
            Ok(None) => return Err(cut("the stream ended before the workflow did")),
            Err(error) => return Err(Error::Cut { reason: innermost(&error) }),
        }
        Ok(None)
    }

    async fn open(&mut self) -> Result<Stream, Error> {
        if self.tries > 0 {
            self.client.clock.sleep(FIRST_WAIT * 2_u32.pow(self.tries.min(MAX_TRIES) - 1)).await;
        }
        self.tries += 1;
        let path = format!("/v1/workflows/{}/events?after={}", self.workflow, self.after.0);
        let opened = self.client.send(Method::GET, &path, None::<&()>);
        let silent = |_| Error::Cut { reason: "the stream did not open".to_owned() };
        let response = self.client.clock.timeout(SILENCE, opened).await.map_err(silent)??;
        Ok(Stream { response, frames: Frames::default() })
    }

    fn take(&mut self, Frame { event, data }: &Frame) -> Result<Option<ServerEvent>, Error> {
        match event.as_str() {
            "event" => self.take_event(data),
            "progress" => {
                let progress = serde_json::from_str(data).map_err(|error| malformed("progress", error))?;
                Ok(Some(ServerEvent::Progress(progress)))
            }
            "end" => {
                self.over = true;
                Ok(None)
            }
            // A newer server may say more.
            _ => Ok(None),
        }
    }

    fn take_event(&mut self, data: &str) -> Result<Option<ServerEvent>, Error> {
        #[derive(serde::Deserialize)]
        struct Stored {
            seq: Seq,
            at: UnixMillis,
            event: Value,
        }
        let Stored { seq, at, event } =
            serde_json::from_str(data).map_err(|error| malformed("an event", error))?;
        if seq <= self.after {
            return Ok(None);
        }
        if seq != self.after.next() {
            let reason = format!("event {} came after event {}", seq.0, self.after.0);
            return Err(Error::Cut { reason });
        }
        let event =
            workflow::Event::decode(&event.to_string()).map_err(|error| malformed("an event", error))?;
        self.after = seq;
        self.tries = 1;
        Ok(Some(ServerEvent::Event(Box::new(Numbered { seq, at, event }))))
    }
}

/// Whether it may be better a moment later.
fn passes(error: &Error) -> bool {
    match error {
        Error::NotRunning { .. } | Error::NotReached { .. } | Error::Cut { .. } => true,
        Error::Refused { status, .. } => *status == 503,
        Error::Malformed { .. } | Error::TooLarge { .. } | Error::Setup { .. } => false,
    }
}

fn http_client(socket: &Path) -> Result<reqwest::Client, Error> {
    let setup = |error: &dyn std::error::Error| Error::Setup { reason: error.to_string() };
    // No TLS is spoken over the socket, but the builder wants some; one that trusts nobody will do.
    let ring = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(ring)
        .with_safe_default_protocol_versions()
        .map_err(|error| setup(&error))?
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .unix_socket(socket)
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .map_err(|error| setup(&error))
}

async fn read(mut response: Response, what: &str) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    while let Some(chunk) =
        response.chunk().await.map_err(|error| Error::Cut { reason: innermost(&error) })?
    {
        if bytes.len() + chunk.len() > MAX_ANSWER_BYTES {
            return Err(Error::TooLarge { what: what.to_owned(), most: MAX_ANSWER_BYTES });
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

fn malformed(what: &str, detail: impl std::fmt::Display) -> Error {
    Error::Malformed { what: what.to_owned(), detail: detail.to_string() }
}

/// What the outermost error says is only that something failed.
fn innermost(error: &reqwest::Error) -> String {
    let mut error: &dyn std::error::Error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}
