//! Calls of a vendor's other routes: what goes out and what comes back passes piece by piece, and nobody looks into it.

use std::convert::Infallible;
use std::fmt;

use bytes::Bytes;
use futures_util::stream::poll_fn;
use tokio::sync::mpsc::Receiver;

use crate::{Error, HttpEndpoint, Waits};

/// How a route is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// To look.
    Get,
    /// To have something done.
    Post,
    /// To have something gone.
    Delete,
}

/// A call of one of a vendor's other routes.
pub struct Passage<'a> {
    /// How it is called.
    pub verb: Verb,
    /// Where, beneath the base URL: each text is one segment, whatever it holds.
    pub place: &'a [String],
    /// The query, pair by pair.
    pub query: &'a [(String, String)],
    /// Headers that go along, by their names in lower case; what the endpoint sets itself comes before them.
    pub headers: &'a [(&'static str, String)],
    /// The type of the body.
    pub content_type: Option<&'a str>,
    /// The body.
    pub load: Load<'a>,
    /// How long it may take.
    pub waits: Waits,
}

/// A body that goes out.
pub enum Load<'a> {
    /// None.
    Nothing,
    /// All of it.
    Whole(&'a Bytes),
    /// Piece by piece, as it comes in; it goes out once. It ends with its last sender.
    Pieces(Option<Receiver<Bytes>>),
}

impl Passage<'_> {
    /// Whether it cannot be sent any more.
    pub fn is_spent(&self) -> bool {
        matches!(self.load, Load::Pieces(None))
    }
}

impl Load<'_> {
    /// The body to send.
    pub(crate) fn take(&mut self, endpoint: &HttpEndpoint) -> Result<Option<reqwest::Body>, Error> {
        match self {
            Self::Nothing => Ok(None),
            Self::Whole(bytes) => Ok(Some((*bytes).clone().into())),
            Self::Pieces(pieces) => {
                let Some(mut pieces) = pieces.take() else {
                    let reason = "what was sent piece by piece cannot be sent again".to_owned();
                    return Err(Error::Network { origin: endpoint.origin(), reason });
                };
                let pieces = poll_fn(move |context| {
                    pieces.poll_recv(context).map(|piece| piece.map(Ok::<_, Infallible>))
                });
                Ok(Some(reqwest::Body::wrap_stream(pieces)))
            }
        }
    }
}

/// Shows nothing of what may be somebody's.
impl fmt::Debug for Passage<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { verb, waits, .. } = self;
        f.debug_struct("Passage").field("verb", verb).field("waits", waits).finish_non_exhaustive()
    }
}
