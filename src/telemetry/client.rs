//! Sends exports through the house's own HTTP client, on the exporter's thread.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use clock::Clock;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use tokio::runtime::{Builder, Runtime};

use super::Error;
use crate::config::Loaded;

/// The most bytes of a collector's answer that are read.
const MAX_ANSWER_BYTES: u64 = 1024 * 1024;

/// An HTTP client with a runtime of its own: whoever sends has a thread to wait on, and none of the server's is used.
#[derive(Debug)]
pub(super) struct Post {
    http: reqwest::Client,
    runtime: Runtime,
    within: Duration,
}

impl Post {
    pub(super) fn try_new(loaded: &Loaded, within: Duration) -> Result<Self, Error> {
        let options = loaded.settings.upstream.options();
        let http = upstream::Client::try_new(&options, Clock::real())?.into_http();
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| Error::Setup(error.to_string()))?;
        Ok(Self { http, runtime, within })
    }

    fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let request = reqwest::Request::try_from(request)?;
        self.runtime.block_on(async {
            let sending = async {
                let answer = self.http.execute(request).await.map_err(reqwest::Error::without_url)?;
                let status = answer.status();
                if answer.content_length().is_some_and(|length| length > MAX_ANSWER_BYTES) {
                    return Err("the collector's answer is too large".into());
                }
                let body = answer.bytes().await.map_err(reqwest::Error::without_url)?;
                Ok(Response::builder().status(status).body(body)?)
            };
            let sent = Clock::real().timeout(self.within, sending).await;
            sent.unwrap_or_else(|clock::Elapsed| Err("the collector did not answer in time".into()))
        })
    }
}

impl HttpClient for Post {
    /// Done when it returns: the thread that asks does nothing else.
    fn send_bytes<'a: 'b, 'b>(
        &'a self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'b>>
    where
        Self: 'b,
    {
        Box::pin(std::future::ready(self.send(request)))
    }
}
