//! The body of an answer, event by event.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use chat::Event;
use reqwest::Response;

use super::Arrived;
use crate::deadlines::Deadlines;
use crate::{Error, HttpEndpoint, body};

/// The most bytes of one answer, framing among it.
const MAX_ANSWER_BYTES: usize = 64 * 1024 * 1024;
/// How long a connection may take to close after the answer's own end; longer, and it is not used again.
const CLOSING: Duration = Duration::from_millis(250);

pub(crate) struct HttpStream {
    endpoint: HttpEndpoint,
    response: Response,
    arrived: Arrived,
    deadlines: Deadlines,
    frames: wire::sse::Decoder,
    decoder: Box<dyn wire::Decode>,
    ready: VecDeque<Event>,
    /// Comes after what is ready.
    failure: Option<Error>,
    bytes: usize,
    over: bool,
}

impl fmt::Debug for HttpStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { endpoint, bytes, over, .. } = self;
        f.debug_struct("HttpStream")
            .field("endpoint", endpoint)
            .field("bytes", bytes)
            .field("over", over)
            .finish_non_exhaustive()
    }
}

impl HttpStream {
    pub(crate) fn new(endpoint: &HttpEndpoint, response: Response, deadlines: Deadlines) -> Self {
        Self {
            endpoint: endpoint.clone(),
            response,
            arrived: Arrived::default(),
            deadlines,
            frames: wire::sse::Decoder::default(),
            decoder: endpoint.dialect.decoder(),
            ready: VecDeque::new(),
            failure: None,
            bytes: 0,
            over: false,
        }
    }

    /// Safe to drop while it waits: no byte is lost that a later call would miss.
    pub(crate) async fn next(&mut self) -> Result<Option<Event>, Error> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                self.deadlines.begin();
                return Ok(Some(event));
            }
            if let Some(failure) = self.failure.take() {
                return Err(failure);
            }
            if self.over {
                return Ok(None);
            }
            self.fill().await?;
        }
    }

    async fn fill(&mut self) -> Result<(), Error> {
        if self.decoder.ended() {
            // To read the end of the body is what lets the connection be used again; the answer is whole without it.
            let _ =
                self.deadlines.clock().timeout(CLOSING, self.arrived.next(&mut self.response, false)).await;
            return self.finish();
        }
        let next = self.arrived.next(&mut self.response, self.deadlines.has_begun());
        let piece = self.deadlines.watch(next).await?;
        match piece.map_err(|error| super::network(&self.endpoint, error))? {
            None => self.finish(),
            Some(piece) => {
                self.bytes += piece.len();
                if self.bytes > MAX_ANSWER_BYTES {
                    let origin = self.endpoint.origin();
                    return Err(Error::TooLarge { origin, limit: MAX_ANSWER_BYTES });
                }
                if let Err(error) = self.decode(&piece) {
                    self.failure = Some(self.endpoint.broken(error));
                }
                Ok(())
            }
        }
    }

    fn decode(&mut self, piece: &[u8]) -> Result<(), wire::Error> {
        for frame in self.frames.push(piece)? {
            self.ready.extend(self.decoder.push(&frame)?);
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<(), Error> {
        self.over = true;
        let last = self.decoder.finish().map_err(|error| self.endpoint.broken(error))?;
        self.ready.extend(last);
        Ok(())
    }
}

impl HttpEndpoint {
    /// What is wrong with an answer's words, as an error of this provider.
    pub(crate) fn broken(&self, error: wire::Error) -> Error {
        let origin = self.origin();
        match error {
            wire::Error::Reported { status, message } => {
                let message = body::words(self, &message);
                Error::Reported { origin, status, message }
            }
            wire::Error::Cut { .. } => Error::Cut { origin },
            source @ (wire::Error::FrameTooLarge { .. }
            | wire::Error::NotUtf8
            | wire::Error::Malformed { .. }
            | wire::Error::TooManyToolCalls { .. }) => Error::Malformed { origin, source },
        }
    }
}
