//! The client: one connection pool, one TLS configuration, one clock.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clock::Clock;
use units::ModelName;

use crate::keys::Turns;
use crate::{Endpoint, Error, EventStream, HttpEndpoint, Passage, Relayed, Verbatim, http, played, tls};

/// How long a list of models may take.
const MODELS_WITHIN: Duration = Duration::from_secs(10);

/// How connections are made.
#[derive(Clone, Debug)]
pub struct Options {
    /// The longest that connecting may take, by the machine's clock.
    pub connect_timeout: Duration,
    /// CA certificates in PEM form that are trusted beside the machine's own.
    pub ca_file: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self { connect_timeout: Duration::from_secs(10), ca_file: None }
    }
}

/// One call.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// Who asks; only scripts look at it.
    pub role: &'a str,
    /// The model, as the provider calls it.
    pub model: &'a ModelName,
    /// What is asked.
    pub request: &'a chat::Request,
    /// Whose seals the provider honours; those of anybody else are left out.
    pub issuer: &'a str,
    /// Whether the answer comes piece by piece; else it comes whole, and its events together.
    pub is_streamed: bool,
    /// How long it may take.
    pub waits: Waits,
}

/// How long a call may take, from when it is sent. Time in which the caller does not ask for more counts as total only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waits {
    /// The longest wait for the first output, connecting among it; for all of an answer that comes whole.
    pub first_byte: Duration,
    /// The longest wait for more bytes after that.
    pub between_bytes: Duration,
    /// The longest that the whole call may take.
    pub total: Duration,
}

/// The header `traceparent` of a call, asked for where the call is sent; `None` for a call that nobody traces.
pub type TraceParent = Arc<dyn Fn() -> Option<String> + Send + Sync>;

/// Calls providers. Cloning shares its connections.
#[derive(Clone)]
pub struct Client {
    pub(crate) http: reqwest::Client,
    pub(crate) has_roots: bool,
    pub(crate) clock: Clock,
    pub(crate) trace: Option<TraceParent>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Client")
    }
}

impl Client {
    /// A client that trusts the machine's CA certificates and those of `options`. Reads files; calls nobody.
    ///
    /// # Errors
    /// When the CA file cannot be used. A machine without certificates is an error only for a call that needs them.
    pub fn try_new(options: &Options, clock: Clock) -> Result<Self, Error> {
        Self::trusting(tls::roots(options.ca_file.as_deref())?, options, clock)
    }

    pub(crate) fn trusting(
        roots: rustls::RootCertStore,
        options: &Options,
        clock: Clock,
    ) -> Result<Self, Error> {
        let has_roots = !roots.is_empty();
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls::configuration(roots)?)
            .connect_timeout(options.connect_timeout)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .tcp_nodelay(true)
            .build()
            .map_err(|error| Error::Setup { reason: error.to_string() })?;
        Ok(Self { http, has_roots, clock, trace: None })
    }

    /// Says with each call which trace it belongs to.
    #[must_use]
    pub fn tracing(self, trace: Option<TraceParent>) -> Self {
        Self { trace, ..self }
    }

    /// The connections alone, for whoever sends something else than calls.
    pub fn into_http(self) -> reqwest::Client {
        self.http
    }

    /// Sends a call and waits until the provider accepts it.
    ///
    /// # Errors
    /// When the provider refuses, cannot be reached or takes too long.
    pub async fn call(&self, endpoint: &Endpoint, call: &Call<'_>) -> Result<EventStream, Error> {
        match endpoint {
            Endpoint::Http(endpoint) => self.call_http(endpoint, call).await,
            Endpoint::Scripted(script) => played::call(&self.clock, script, call).await,
        }
    }

    /// Sends bytes in the endpoint's own dialect and waits until the provider accepts them.
    ///
    /// # Errors
    /// When the provider refuses, cannot be reached or takes too long.
    pub async fn relay(&self, endpoint: &HttpEndpoint, call: &Verbatim<'_>) -> Result<Relayed, Error> {
        if let Some(paid) = call.credential.and_then(|credential| endpoint.paid_with(credential)) {
            return http::relay(self, &paid, call).await;
        }
        let call = &Verbatim { credential: None, ..*call };
        let Some(mut turns) = Turns::start(&self.clock, endpoint, call.waits) else {
            return http::relay(self, endpoint, call).await;
        };
        while let Some(taken) = turns.take() {
            let call = Verbatim { waits: taken.waits, ..*call };
            match http::relay(self, &taken.endpoint, &call).await {
                Ok(answer) => {
                    turns.worked(&taken);
                    return Ok(answer);
                }
                Err(error) => turns.failed(&taken, error)?,
            }
        }
        Err(turns.refusal())
    }

    /// Calls one of a vendor's other routes and waits until the provider accepts it. What goes out piece by piece goes out
    /// once, with one key.
    ///
    /// # Errors
    /// When the provider refuses, cannot be reached or takes too long.
    pub async fn pass(&self, endpoint: &HttpEndpoint, mut passage: Passage<'_>) -> Result<Relayed, Error> {
        let Some(mut turns) = Turns::start(&self.clock, endpoint, passage.waits) else {
            return http::pass(self, endpoint, &mut passage).await;
        };
        while let Some(taken) = turns.take() {
            passage.waits = taken.waits;
            match http::pass(self, &taken.endpoint, &mut passage).await {
                Ok(answer) => {
                    turns.worked(&taken);
                    return Ok(answer);
                }
                Err(error) => turns.failed(&taken, error)?,
            }
            if passage.is_spent() {
                break;
            }
        }
        Err(turns.refusal())
    }

    async fn call_http(&self, endpoint: &HttpEndpoint, call: &Call<'_>) -> Result<EventStream, Error> {
        let Some(mut turns) = Turns::start(&self.clock, endpoint, call.waits) else {
            return http::call(self, endpoint, call).await;
        };
        while let Some(taken) = turns.take() {
            let call = Call { waits: taken.waits, ..*call };
            match http::call(self, &taken.endpoint, &call).await {
                Ok(stream) => {
                    turns.worked(&taken);
                    return Ok(stream);
                }
                Err(error) => turns.failed(&taken, error)?,
            }
        }
        Err(turns.refusal())
    }

    /// The models that an endpoint says it serves, at most 1,000; those whose names cannot be configured are left out.
    ///
    /// # Errors
    /// When the endpoint refuses, cannot be reached or takes longer than ten seconds.
    pub async fn models(&self, endpoint: &HttpEndpoint) -> Result<Vec<ModelName>, Error> {
        let listing = http::models(self, endpoint);
        self.clock.timeout(MODELS_WITHIN, listing).await.unwrap_or_else(|clock::Elapsed| {
            Err(Error::Timeout {
                origin: endpoint.origin(),
                waited_for: crate::Wait::Total,
                limit: MODELS_WITHIN,
            })
        })
    }
}
