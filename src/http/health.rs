//! Whether the server lives, and whether it is ready: for whoever starts it anew, and whoever sends it work.
//!
//! A database that is away makes nobody start it anew and turns nobody away who does not need it: that is `degraded`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{self, Data, Json};
use actors::recorder::{Standing, Stuck};
use clock::Clock;
use supervision::{End, Node, State};
use tokio::sync::Semaphore;

use super::Desk;
use super::views::{Health, PartState, Parts, Ready, Welcome};

/// How long the database may take to answer, before it counts as away.
const ANSWERS_WITHIN: Duration = Duration::from_secs(1);

/// What was last seen of the database. However many ask, one question is under way.
pub(crate) struct Probe {
    readers: store::Readers,
    clock: Clock,
    asking: Arc<Semaphore>,
    answered: Arc<AtomicBool>,
}

impl Probe {
    /// A server that starts has reached its database.
    pub(crate) fn new(readers: store::Readers, clock: Clock) -> Self {
        let answered = Arc::new(AtomicBool::new(true));
        Self { readers, clock, asking: Arc::new(Semaphore::new(1)), answered }
    }

    /// Whether the database answers now; what was seen last, while another question is under way.
    pub(crate) async fn answers(&self) -> bool {
        if let Ok(turn) = self.asking.clone().try_acquire_owned() {
            let (readers, answered) = (self.readers.clone(), self.answered.clone());
            let asked = web::block(move || {
                answered.store(readers.answers().is_ok(), Ordering::Relaxed);
                // Also where nobody waits for it any more.
                drop(turn);
            });
            if self.clock.timeout(ANSWERS_WITHIN, asked).await.is_err() {
                self.answered.store(false, Ordering::Relaxed);
            }
        }
        self.answered.load(Ordering::Relaxed)
    }
}

/// `GET /livez`, and its older name `GET /healthz`
pub(super) async fn lives() -> Json<Health> {
    Json(Health { status: "ok".to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() })
}

/// `GET /readyz`
pub(super) async fn is_ready(desk: Data<Desk>) -> HttpResponse {
    let tree = (desk.doors.view)();
    let stands = tree.children.iter().all(stands);
    let state = |is_ok| if is_ok { PartState::Ok } else { PartState::Away };
    let recorder = &desk.doors.recorder;
    let parts = Parts {
        tree: state(stands),
        database: state(desk.probe.answers().await),
        records: state(recorder.stuck() == Stuck::default() && recorder.standing() == Standing::Room),
    };
    let status = match &parts {
        _ if *desk.stopping.borrow() => Welcome::Stopping,
        Parts { tree: PartState::Ok, database: PartState::Ok, records: PartState::Ok } => Welcome::Ready,
        Parts { .. } => Welcome::Degraded,
    };
    let code = match status {
        Welcome::Ready | Welcome::Degraded => StatusCode::OK,
        Welcome::Stopping => StatusCode::SERVICE_UNAVAILABLE,
    };
    HttpResponse::build(code).json(Ready { status, parts })
}

fn stands(child: &Node) -> bool {
    match child.state {
        State::Running | State::Asleep | State::Ignored => true,
        State::Ended => matches!(child.last_end, None | Some(End::Normal)),
        State::Waiting | State::Starting | State::BackingOff | State::Stopping | State::Parked => false,
    }
}
