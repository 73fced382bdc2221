//! Where the bytes of an answer go while it is made.

use std::future::Future;

use bytes::Bytes;
use units::DeploymentId;

/// Takes an answer's bytes. Dropping the call that writes into it ends the answer where it is.
pub trait Out {
    /// The answer begins: from here on nobody else can give it. Called once, before the first [`Out::give`].
    fn begin(&mut self, begun: Begun);

    /// The next bytes; waits until there is room for more.
    fn give(&mut self, bytes: Bytes) -> impl Future<Output = ()>;

    /// What was given is not whole, and its form has no words for that: it must not end as if it were.
    fn cut(&mut self);
}

/// What is known when an answer begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Begun {
    /// The HTTP status.
    pub status: u16,
    /// The type of the body.
    pub content_type: String,
    /// Headers of the provider's that are the client's business, by their names in lower case.
    pub headers: Vec<(String, String)>,
    /// Who answers.
    pub deployment: DeploymentId,
    /// What of the request, or of the answer, could not be said in the other side's dialect.
    pub unsaid: Vec<String>,
    /// The whole body, where it does not come piece by piece; nothing is given then.
    pub whole: Option<Bytes>,
}
