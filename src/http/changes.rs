//! Changes, carried out to their end and recorded once, whatever becomes of who asked for them.
//!
//! A client that hangs up, or waits no longer, drops its handler; the change goes on beside it, on the server's own thread
//! rather than on one of the doors', which ends with the last connection. It keeps its asker's room until it is done, so
//! that asking and hanging up makes nobody more room than asking. A server that stops waits for it, and cuts it in the end.

use actix_web::ResponseError;
use actors::recorder::{Entry, Recorder};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tracing::{Instrument, Span};

use super::auditing::Who;
use super::{Desk, Refusal};

/// The changes that are under way.
pub(crate) struct Changes {
    /// The server's own.
    runtime: Handle,
    standing: watch::Sender<Standing>,
}

/// How it stands with all of them.
#[derive(Default)]
struct Standing {
    under_way: usize,
    /// None begins any more, and none goes on.
    is_cut: bool,
}

/// What a change is made on.
pub(super) enum Subject<T> {
    /// What was named when it was asked for.
    Named(String),
    /// What it makes; what was wanted, where nothing is made.
    Made { wanted: String, made: fn(&T) -> String },
}

/// What is recorded of a change, at its end.
struct Unrecorded {
    recorder: Recorder,
    who: Who,
    action: String,
    subject: String,
    is_recorded: bool,
}

/// One that is under way.
struct UnderWay(watch::Sender<Standing>);

impl Changes {
    /// None yet. Changes will run where this is called.
    pub(crate) fn new() -> Self {
        Self { runtime: Handle::current(), standing: watch::Sender::default() }
    }

    /// Waits until none is under way.
    pub(crate) async fn ended(&self) {
        // Its sender is here: the wait ends only when it is so.
        let _ = self.standing.subscribe().wait_for(|standing| standing.under_way == 0).await;
    }

    /// Cuts those that are under way, lets none begin any more, and waits until each has recorded that.
    pub(crate) async fn cut(&self) {
        self.standing.send_modify(|standing| standing.is_cut = true);
        self.ended().await;
    }

    /// None where they have been cut.
    fn begin(&self) -> Option<UnderWay> {
        let has_begun = self.standing.send_if_modified(|standing| {
            standing.under_way += usize::from(!standing.is_cut);
            !standing.is_cut
        });
        has_begun.then(|| UnderWay(self.standing.clone()))
    }
}

impl UnderWay {
    /// What comes of `change`; none where it is cut before its end.
    async fn unless_cut<T>(&self, change: impl Future<Output = T>) -> Option<T> {
        let mut standing = self.0.subscribe();
        tokio::select! {
            biased;
            done = change => Some(done),
            _ = standing.wait_for(|standing| standing.is_cut) => None,
        }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.send_modify(|standing| standing.under_way = standing.under_way.saturating_sub(1));
    }
}

impl<T> From<String> for Subject<T> {
    fn from(subject: String) -> Self {
        Self::Named(subject)
    }
}

/// Makes the change that `who` wants and records how it ended, also when nobody waits for that any more.
pub(super) async fn carried_out<T: Send + 'static>(
    desk: &Desk,
    who: Who,
    action: impl Into<String>,
    subject: impl Into<Subject<T>>,
    change: impl Future<Output = Result<T, Refusal>> + Send + 'static,
) -> Result<T, Refusal> {
    let (subject, made) = match subject.into() {
        Subject::Named(subject) => (subject, None),
        Subject::Made { wanted, made } => (wanted, Some(made)),
    };
    let (recorder, action) = (desk.doors.recorder.clone(), action.into());
    let mut entry = Unrecorded { recorder, who, action, subject, is_recorded: false };
    let Some(under_way) = desk.changes.begin() else {
        entry.record(Some(&Refusal::Stopping));
        return Err(Refusal::Stopping);
    };
    let whole = async move {
        let Some(done) = under_way.unless_cut(change).await else {
            drop((entry, under_way));
            return Err(Refusal::Stopping);
        };
        if let (Ok(done), Some(made)) = (&done, made) {
            entry.subject = made(done);
        }
        entry.record(done.as_ref().err());
        // What comes before it is recorded when nobody waits for it any more.
        drop((entry, under_way));
        done
    };
    let task = desk.changes.runtime.spawn(whole.instrument(Span::current()));
    task.await.unwrap_or_else(|error| Err(Refusal::internal(error)))
}

impl Unrecorded {
    fn record(&mut self, refusal: Option<&Refusal>) {
        self.is_recorded = true;
        let outcome = refusal.map_or("ok", Refusal::code).to_owned();
        // What is wrong inside is told to the log alone, and its message says no more than that.
        let entry = self.entry(outcome, refusal.map(ToString::to_string));
        match refusal {
            Some(refusal) if refusal.status_code().as_u16() == 403 => {
                let detail = Some(self.who.located(refusal));
                self.recorder.denied(self.who.source().clone(), Entry { detail, ..entry });
            }
            Some(_) | None => self.recorder.audit(entry),
        }
    }

    fn entry(&self, outcome: String, detail: Option<String>) -> Entry {
        let (who, action, subject) = (self.who.name().to_owned(), self.action.clone(), self.subject.clone());
        Entry { who, action, subject, outcome, detail }
    }
}

impl Drop for Unrecorded {
    /// It was cut in the middle: by a panic, or by the server's end.
    fn drop(&mut self) {
        if !self.is_recorded {
            let detail = "it was cut, and whether it was done is not known";
            let entry = self.entry("unknown".to_owned(), Some(detail.to_owned()));
            self.recorder.audit(entry);
        }
    }
}
