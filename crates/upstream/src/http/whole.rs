//! The body of an answer that comes whole, as its events.

use std::fmt;

use chat::Event;
use reqwest::Response;

use super::network;
use crate::deadlines::Deadlines;
use crate::{Error, HttpEndpoint, body};

/// The most bytes of one answer.
const MAX_ANSWER_BYTES: usize = 64 * 1024 * 1024;

pub(crate) struct HttpWhole {
    endpoint: HttpEndpoint,
    response: Response,
    deadlines: Deadlines,
    /// `None` until the body is read.
    events: Option<std::vec::IntoIter<Event>>,
}

impl fmt::Debug for HttpWhole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { endpoint, events, .. } = self;
        f.debug_struct("HttpWhole")
            .field("endpoint", endpoint)
            .field("left", &events.as_ref().map(ExactSizeIterator::len))
            .finish_non_exhaustive()
    }
}

impl HttpWhole {
    pub(crate) fn new(endpoint: &HttpEndpoint, response: Response, deadlines: Deadlines) -> Self {
        Self { endpoint: endpoint.clone(), response, deadlines, events: None }
    }

    pub(crate) async fn next(&mut self) -> Result<Option<Event>, Error> {
        let events = match &mut self.events {
            Some(events) => events,
            none => {
                none.insert(read(&self.endpoint, &mut self.response, &mut self.deadlines).await?.into_iter())
            }
        };
        Ok(events.next())
    }
}

async fn read(
    endpoint: &HttpEndpoint,
    response: &mut Response,
    deadlines: &mut Deadlines,
) -> Result<Vec<Event>, Error> {
    let read = deadlines.watch(body::read(response, MAX_ANSWER_BYTES)).await?;
    let (body, whole) = read.map_err(|error| network(endpoint, error))?;
    if !whole {
        return Err(Error::TooLarge { origin: endpoint.origin(), limit: MAX_ANSWER_BYTES });
    }
    endpoint.dialect.answer(&body).map_err(|error| endpoint.broken(error))
}

#[cfg(test)]
mod tests;
