//! Where a server is asked: at its Unix socket, or over TCP with a key.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use clock::Clock;
use reqwest::RequestBuilder;
use secrets::Secret;

use super::{Client, Error, innermost};
use crate::config::Remote;

/// How long the system may take to connect to another machine.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// Said in place of what the server says to whoever writes the headers himself.
const WANTS_A_KEY: &str = "the server wants a key that is valid: put one into the variable IMPRESARIO_KEY; `impresario \
                           keys create` makes one, on the server's machine or with a key of the scope admin";

/// Where a server is asked.
#[derive(Clone, Debug)]
pub(super) enum Place {
    /// At this socket.
    Socket(Arc<Path>),
    /// Over TCP.
    Server { origin: Arc<str>, key: Option<Secret> },
}

impl Place {
    /// What goes before a path.
    pub(super) fn origin(&self) -> &str {
        match self {
            // The name stands for the socket and is never looked up.
            Self::Socket(_) => "http://impresario",
            Self::Server { origin, .. } => origin,
        }
    }

    /// With the key, if there is one; the header is marked as one that is not shown.
    pub(super) fn unlock(&self, request: RequestBuilder) -> RequestBuilder {
        match self {
            Self::Server { key: Some(key), .. } => request.bearer_auth(key.expose()),
            Self::Server { key: None, .. } | Self::Socket(_) => request,
        }
    }

    pub(super) fn unreachable(&self, error: &reqwest::Error) -> Error {
        match self {
            _ if !error.is_connect() => Error::Cut { reason: innermost(error) },
            Self::Socket(socket) => Error::NotRunning { socket: socket.to_path_buf() },
            Self::Server { origin, .. } => {
                Error::NotReached { server: origin.to_string(), reason: innermost(error) }
            }
        }
    }

    /// What a person is told who was refused with this.
    pub(super) fn told(&self, status: u16, message: String) -> String {
        match self {
            Self::Server { .. } if status == 401 => WANTS_A_KEY.to_owned(),
            Self::Server { .. } | Self::Socket(_) => message,
        }
    }
}

impl Client {
    /// Connects to a server over TCP and checks that it answers.
    ///
    /// # Errors
    /// [`Error::NotReached`] when nobody answers there, or nobody who is trusted.
    pub async fn connect_to(remote: &Remote) -> Result<Self, Error> {
        let options = upstream::Options { connect_timeout: CONNECT_WITHIN, ca_file: remote.ca_file.clone() };
        let http = upstream::Client::try_new(&options, Clock::real())
            .map_err(|error| Error::Setup { reason: error.to_string() })?
            .into_http();
        let place = Place::Server { origin: remote.origin.as_str().into(), key: remote.key.clone() };
        Self::greet(http, place).await
    }
}
