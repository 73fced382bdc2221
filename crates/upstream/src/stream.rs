//! The stream of an answer's events.

use chat::Event;

use crate::Error;
use crate::http::HttpStream;
use crate::played::Played;

/// The events of one answer. Dropping it closes the call.
#[derive(Debug)]
pub struct EventStream(Source);

#[derive(Debug)]
enum Source {
    Http(Box<HttpStream>),
    Played(Played),
    Over,
}

impl EventStream {
    pub(crate) fn http(stream: HttpStream) -> Self {
        Self(Source::Http(Box::new(stream)))
    }

    pub(crate) fn played(steps: Played) -> Self {
        Self(Source::Played(steps))
    }

    /// The next event. `None` comes only after the answer's proper end; any other end is one error, after which
    /// nothing comes.
    pub async fn next(&mut self) -> Option<Result<Event, Error>> {
        let next = match &mut self.0 {
            Source::Http(stream) => stream.next().await,
            Source::Played(steps) => steps.next().await,
            Source::Over => return None,
        };
        if !matches!(next, Ok(Some(_))) {
            self.0 = Source::Over;
        }
        next.transpose()
    }
}
