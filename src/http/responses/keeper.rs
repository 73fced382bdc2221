//! Stands between whoever answers and the client: holds the answer's end back until the answer is kept.

use actix_web::ResponseError;
use actix_web::web::Bytes;
use gateway::{Begun, Out};
use tracing::warn;
use wire::Failure;
use wire::openai_responses::{Mark, Marking, Piece};

use super::{DIALECT, Prepared, Refusal, Shelf};
use crate::http::pouring::Spout;

/// An answer on its way.
pub(in crate::http) struct Keeper {
    spout: Spout,
    shelf: Shelf,
    mark: Mark,
    marking: Option<Marking>,
    given: String,
    unsaid: Option<&'static str>,
    request_id: String,
    /// Who answers.
    deployment: String,
    /// An answer that comes whole waits here.
    whole: Option<Begun>,
    /// The client was told that the answer could not be kept: what still comes is not for it.
    is_over: bool,
}

/// Why a whole answer does not reach its client.
pub(in crate::http) struct Unkept(pub(in crate::http) Refusal);

impl Keeper {
    pub(in crate::http) fn new(shelf: Shelf, prepared: Prepared, request_id: &str, spout: Spout) -> Self {
        let Prepared { unsaid, mark, given, .. } = prepared;
        let marking = Some(Marking::new(mark.clone()));
        let (deployment, request_id) = (String::new(), request_id.to_owned());
        Self {
            spout,
            shelf,
            mark,
            marking,
            given,
            unsaid,
            request_id,
            deployment,
            whole: None,
            is_over: false,
        }
    }

    /// The call has ended: what was held back goes to the client.
    pub(in crate::http) async fn finish(mut self) -> Result<(), Unkept> {
        if let Some(marking) = self.marking.take() {
            let mut pieces = Vec::new();
            marking.finish(&mut pieces);
            self.pour(pieces).await;
        }
        let Some(mut begun) = self.whole.take() else { return Ok(()) };
        if let Some(marked) = begun.whole.as_ref().and_then(|answer| self.mark.whole(answer)) {
            if let (Some(id), true) = (self.mark.id.clone(), marked.is_answer) {
                self.keep(&id, marked.answer.clone()).await.map_err(Unkept)?;
            }
            begun.whole = Some(Bytes::from(marked.answer));
        }
        self.spout.begin(begun);
        Ok(())
    }

    async fn keep(&self, id: &str, answer: String) -> Result<(), Refusal> {
        self.shelf.keep(id, self.deployment.clone(), &self.given, answer).await
    }

    async fn pour(&mut self, pieces: Vec<Piece>) {
        for piece in pieces {
            if self.is_over {
                return;
            }
            match (piece, self.mark.id.clone()) {
                (Piece::Bytes(bytes), _) | (Piece::Last { event: bytes, .. }, None) => {
                    self.spout.give(Bytes::from(bytes)).await;
                }
                (Piece::Last { event, answer, sequence }, Some(id)) => match self.keep(&id, answer).await {
                    Ok(()) => self.spout.give(Bytes::from(event)).await,
                    Err(refusal) => self.fail(&refusal, sequence).await,
                },
            }
        }
    }

    /// Ends the stream without the end that would say that the answer is there to go on from.
    async fn fail(&mut self, refusal: &Refusal, sequence: u64) {
        warn!(request.id = self.request_id, reason = %refusal, "an answer was not kept");
        let (status, message) = (refusal.status_code().as_u16(), refusal.to_string());
        let code = refusal.code();
        let failure = Failure { status, message: &message, code, param: None, request_id: &self.request_id };
        let bytes = wire::broken_events(DIALECT, &failure, sequence);
        self.spout.give(Bytes::from(bytes)).await;
        self.is_over = true;
    }
}

impl Out for Keeper {
    fn begin(&mut self, mut begun: Begun) {
        self.deployment = begun.deployment.to_string();
        let unsaid = self.unsaid.map(str::to_owned).filter(|name| !begun.unsaid.contains(name));
        begun.unsaid.extend(unsaid);
        match begun.whole {
            Some(_) => self.whole = Some(begun),
            None => self.spout.begin(begun),
        }
    }

    async fn give(&mut self, bytes: Bytes) {
        let Some(marking) = &mut self.marking else { return };
        let mut pieces = Vec::new();
        let pushed = marking.push(&bytes, &mut pieces);
        self.pour(pieces).await;
        if pushed.is_err() && !self.is_over {
            self.marking = None;
            let refusal = Refusal::Unprocessable("the answer is too large to be kept".to_owned());
            self.fail(&refusal, 0).await;
        }
    }

    fn cut(&mut self) {
        self.spout.cut();
    }
}
