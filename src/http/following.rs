//! One follower of a workflow, as both kinds of stream see it: what happened, what is under way, silence, the end.
//!
//! It is asked for the next thing only when the last one went out, so a slow reader costs what it has not read in the
//! store, one page and a bounded ring of progress. It holds one of a bounded number of places for streams.

use std::time::Duration;

use actix_web::HttpRequest;
use actors::feed::{Follower, Progress};
use actors::keyring::Keys;
use clock::Clock;
use serde::Deserialize;
use store::EventRow;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tracing::error;
use units::{Seq, WorkflowId};

use super::counts::Held;
use super::identity::Caller;
use super::{Desk, Refusal, blocking, workflows};

/// A stream says something at least this often, so that a broken connection is noticed.
const QUIET: Duration = Duration::from_secs(15);

/// A follower's place in a stream.
pub(crate) struct Following {
    follower: Follower,
    workflow: WorkflowId,
    clock: Clock,
    stopping: watch::Receiver<bool>,
    next: Next,
    /// The last event that was shown.
    after: Seq,
    caller: Caller,
    keys: Keys,
    _place: OwnedSemaphorePermit,
    _of_share: Held<String>,
}

/// What a stream shows.
#[derive(Debug)]
pub(crate) enum Shown {
    /// A stored event.
    Event(Box<EventRow>),
    /// Something ephemeral.
    Progress(Progress),
    /// Nothing has happened for a while.
    Quiet,
    /// The workflow has ended with this event; nothing follows.
    End(Seq),
    /// The key that opened the stream opens nothing any more; nothing follows.
    Unwelcome,
    /// The server stops; the workflow goes on at its next start, after this event.
    Stopping(Seq),
}

/// What comes next.
#[derive(Clone, Copy)]
enum Next {
    Ask,
    End(Seq),
    Nothing,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct From {
    after: Option<u64>,
}

impl Following {
    /// Follows `workflow` from where the request says: `?after=`, else `Last-Event-ID`, else the beginning.
    ///
    /// # Errors
    /// A place that is none, an unknown workflow, or too many streams.
    pub(crate) async fn open(
        desk: &Desk,
        workflow: WorkflowId,
        request: &HttpRequest,
    ) -> Result<Self, Refusal> {
        let after = after(request)?;
        let busy = |_| Refusal::Busy("as many streams are open as may be".to_owned());
        let caller = Caller::of(request);
        let of_share = desk.gate.admit_stream(caller.share())?;
        let place = desk.streams.clone().try_acquire_owned().map_err(busy)?;
        let (readers, id) = (desk.doors.readers.clone(), workflow.clone());
        let asking = caller.clone();
        let row = blocking(move || workflows::visible(&readers, id, &asking.confinement())).await?;
        if after > row.last_seq {
            let (after, last) = (after.0, row.last_seq.0);
            let message =
                format!("the history of {workflow} ends with event {last}: there is none after {after}");
            return Err(Refusal::BadRequest(message));
        }
        let is_over = row.outcome.is_some() && after == row.last_seq;
        let follower = desk.doors.pulses.follow(desk.doors.readers.clone(), workflow.clone(), after);
        Ok(Self {
            follower,
            workflow,
            clock: desk.clock.clone(),
            stopping: desk.stopping.clone(),
            next: if is_over { Next::End(after) } else { Next::Ask },
            after,
            keys: desk.doors.keys.clone(),
            caller,
            _place: place,
            _of_share: of_share,
        })
    }

    /// What comes next; `None` when the stream is to be closed. Without [`Shown::End`] before it, the workflow goes on;
    /// without [`Shown::Stopping`] and [`Shown::Unwelcome`] too, the history cannot be read now.
    pub(crate) async fn next(&mut self) -> Option<Shown> {
        match std::mem::replace(&mut self.next, Next::Nothing) {
            Next::Nothing => return None,
            Next::End(seq) => return Some(Shown::End(seq)),
            Next::Ask => {}
        }
        if !self.caller.may_stay(&self.keys) {
            return Some(Shown::Unwelcome);
        }
        let shown = tokio::select! {
            biased;
            _ = self.stopping.wait_for(|stopping| *stopping) => return Some(Shown::Stopping(self.after)),
            shown = self.follower.next() => shown,
            () = self.clock.sleep(QUIET) => {
                self.next = Next::Ask;
                return Some(Shown::Quiet);
            }
        };
        // It may have been revoked while this was waited for.
        if !self.caller.may_stay(&self.keys) {
            return Some(Shown::Unwelcome);
        }
        match shown {
            Ok(actors::feed::Shown::Event(row)) => {
                self.after = row.seq;
                self.next = if row.kind == "finished" { Next::End(row.seq) } else { Next::Ask };
                Some(Shown::Event(row))
            }
            Ok(actors::feed::Shown::Progress(progress)) => {
                self.next = Next::Ask;
                Some(Shown::Progress(progress))
            }
            Err(error) => {
                // The client asks again from where it is.
                error!(workflow.id = %self.workflow, %error, "a stream of events was cut");
                None
            }
        }
    }
}

/// A stored event as both kinds of stream show it; its payload is JSON already.
pub(crate) fn event_json(row: &EventRow) -> String {
    format!(r#"{{"seq":{},"at":{},"event":{}}}"#, row.seq.0, row.at.0, row.payload)
}

fn after(request: &HttpRequest) -> Result<Seq, Refusal> {
    let bad = |what: &str| Refusal::BadRequest(format!("`{what}` is to be the number of an event, or 0"));
    let query = actix_web::web::Query::<From>::from_query(request.query_string());
    if let Some(after) = query.map_err(|_| bad("after"))?.after {
        return Ok(Seq(after));
    }
    let Some(last) = request.headers().get("last-event-id") else { return Ok(Seq(0)) };
    let last = last.to_str().ok().and_then(|text| text.parse().ok());
    last.map(Seq).ok_or_else(|| bad("Last-Event-ID"))
}
