//! The stream of an answer's events.

use chat::Event;

use crate::Error;
use crate::http::{HttpStream, HttpWhole};
use crate::played::Played;

/// The events of one answer. Dropping it closes the call.
#[derive(Debug)]
pub struct EventStream {
    source: Source,
    unsaid: Vec<&'static str>,
}

#[derive(Debug)]
enum Source {
    Http(Box<HttpStream>),
    Whole(Box<HttpWhole>),
    Played(Played),
    Over,
}

impl EventStream {
    pub(crate) fn http(stream: HttpStream, unsaid: Vec<&'static str>) -> Self {
        Self { source: Source::Http(Box::new(stream)), unsaid }
    }

    pub(crate) fn whole(answer: HttpWhole, unsaid: Vec<&'static str>) -> Self {
        Self { source: Source::Whole(Box::new(answer)), unsaid }
    }

    pub(crate) fn played(steps: Played) -> Self {
        Self { source: Source::Played(steps), unsaid: Vec::new() }
    }

    /// What of the request the provider's dialect cannot say, each named once.
    pub fn unsaid(&self) -> &[&'static str] {
        &self.unsaid
    }

    /// The next event. `None` comes only after the answer's proper end; any other end is one error, after which
    /// nothing comes.
    pub async fn next(&mut self) -> Option<Result<Event, Error>> {
        let next = match &mut self.source {
            Source::Http(stream) => stream.next().await,
            Source::Whole(answer) => answer.next().await,
            Source::Played(steps) => steps.next().await,
            Source::Over => return None,
        };
        if !matches!(next, Ok(Some(_))) {
            self.source = Source::Over;
        }
        next.transpose()
    }
}
