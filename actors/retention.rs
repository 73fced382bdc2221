//! Retention: what has had its time goes, in small transactions, by itself once an hour and when a person asks.
//!
//! A finished workflow goes as a whole, the journals of its transactions first, so that what is cut off goes on where
//! it was; one that lives is never touched. What its calls cost is kept by an age of its own. At its first start it
//! also tells anew of agents and tasks what an older version did not. It owns nothing; a restart begins a pass anew.
//! Mailbox: 1, it takes no messages.

use std::io::ErrorKind;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use actix::{Actor, Context};
use store::{Expired, Keeping, Purge, TABLES, Table, Upkeep};
use supervision::{ActorSpec, ChildSpec, Failure, Life, Start, WhileDown, actor};
use tokio::sync::Mutex;
use tracing::{info, warn};
use units::{UnixMillis, WorkflowId};
use workflow::Event;

use crate::blocking;
use crate::roster::Folded;
use crate::workbench::Workbench;
use crate::workflows::Workflows;
use crate::writer::{self, Pen};

/// How often retention looks for what has had its time.
const SWEEP_EVERY: Duration = Duration::from_secs(60 * 60);
/// How long to wait for the tree to stand.
const LOOK_AGAIN: Duration = Duration::from_millis(200);
/// The most rows that go in one transaction.
const BATCH: usize = 500;
/// Events read from the store at once.
const PAGE: usize = 256;
const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

/// How long the rows of one kind are kept; `None` is for ever.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// In days.
    pub days: Option<u64>,
    /// In bytes.
    pub bytes: Option<u64>,
}

/// How long each kind is kept, by the name of its table; a workflow's is `workflows`. What is not named is kept.
pub type Rules = Vec<(&'static str, Limits)>;

/// What is to go.
#[derive(Clone, Debug)]
pub struct Order {
    /// By which rules.
    pub rules: Rules,
    /// Only tells what would go.
    pub dry: bool,
}

/// What went of one kind, or would go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Swept {
    /// The table; `workflows` stands for all that belongs to them.
    pub table: &'static str,
    /// Workflows, or rows.
    pub count: u64,
    /// What the histories weigh, in bytes; 0 for other tables.
    pub bytes: u64,
}

/// Why a sweep ended early; what went before is gone.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The store cannot write.
    #[error(transparent)]
    Writer(#[from] writer::Error),
    /// A history or a journal cannot be read.
    #[error("what has had its time cannot be looked at: {}", .0.reason)]
    History(Failure),
}

/// Sweeps, one sweep at a time. Cloning is cheap.
#[derive(Clone)]
pub struct Sweeper {
    pen: Pen,
    readers: store::Readers,
    workbench: Workbench,
    clock: clock::Clock,
    turn: Arc<Mutex<()>>,
}

/// The actor that sweeps once an hour.
pub struct Retention {
    life: Life,
    /// Empty until the tree stands.
    sweeper: Arc<OnceLock<Sweeper>>,
    rules: Rules,
}

impl Retention {
    /// The actor as a child; it begins when `sweeper` is there.
    pub(crate) fn child(rules: Rules, sweeper: &Arc<OnceLock<Sweeper>>, clock: &clock::Clock) -> ChildSpec {
        let spec = ActorSpec {
            id: "retention".to_owned(),
            capacity: 1,
            while_down: WhileDown::Refuse,
            clock: clock.clone(),
        };
        let cell = sweeper.clone();
        let (child, _) = actor(spec, move |start: Start<Self>| {
            let (sweeper, rules) = (cell.clone(), rules.clone());
            async move { Ok(Self { life: start.life, sweeper, rules }) }
        });
        child
    }
}

impl Actor for Retention {
    type Context = Context<Self>;

    fn started(&mut self, _: &mut Self::Context) {
        let (sweeper, clock) = (self.sweeper.clone(), self.life.clock().clone());
        let order = Order { rules: self.rules.clone(), dry: false };
        self.life.spawn(async move {
            let sweeper = loop {
                match sweeper.get() {
                    Some(sweeper) => break sweeper,
                    None => clock.sleep(LOOK_AGAIN).await,
                }
            };
            let mut is_renewed = false;
            loop {
                is_renewed = is_renewed || sweeper.renew().await;
                if let Err(error) = sweeper.sweep(&order).await {
                    warn!(%error, "what has had its time is not all gone yet");
                }
                clock.sleep(SWEEP_EVERY).await;
            }
        });
    }
}

impl Sweeper {
    /// A sweeper of what these workflows leave.
    pub(crate) fn new(workflows: &Workflows) -> Self {
        Self {
            pen: workflows.pen.clone(),
            readers: workflows.readers.clone(),
            workbench: workflows.workbench.clone(),
            clock: workflows.clock.clone(),
            turn: Arc::default(),
        }
    }

    /// Removes what has had its time by these rules, or tells what that would be.
    ///
    /// # Errors
    /// When the store fails for one of the tables, after the others had their turn; what is left goes another time.
    pub async fn sweep(&self, order: &Order) -> Result<Vec<Swept>, Error> {
        let _turn = self.turn.lock().await;
        let now = self.clock.wall();
        let (mut all, mut failed) = (Vec::new(), None);
        for (name, limits) in &order.rules {
            let Some(table) = Table::named(name) else { continue };
            let before = limits.days.map(|days| older(now, days));
            let swept = match table.keeping {
                Keeping::Workflow => self.workflows(before, limits.bytes, order.dry).await,
                Keeping::Age(_) | Keeping::Over(_) | Keeping::Chain(_) => {
                    self.rows(table, before, limits.bytes, order.dry).await
                }
                Keeping::Always => continue,
            };
            let swept = match swept {
                Ok(swept) => swept,
                Err(error) => {
                    warn!(table = table.name, %error, "what has had its time stays for now");
                    failed.get_or_insert(error);
                    continue;
                }
            };
            if swept.count > 0 && !order.dry {
                info!(
                    table = swept.table,
                    count = swept.count,
                    bytes = swept.bytes,
                    "what had its time is gone"
                );
                self.workbench.purged(swept.table, swept.count);
            }
            all.push(swept);
        }
        failed.map_or(Ok(all), Err)
    }

    async fn workflows(
        &self,
        before: Option<UnixMillis>,
        most: Option<u64>,
        dry: bool,
    ) -> Result<Swept, Error> {
        let mut swept = Swept { table: "workflows", count: 0, bytes: 0 };
        let (mut last, mut staying) = (None, Staying::default());
        loop {
            let (readers, behind) = (self.readers.clone(), last.take());
            let expired = blocking(move || readers.expired(before, most, behind.as_ref())).await?;
            for one in &expired {
                if dry || self.remove(one, &mut staying).await? {
                    swept.count += 1;
                    swept.bytes = swept.bytes.saturating_add(one.bytes);
                }
            }
            // Those that did not go are tried in an hour, and keep no younger one from going now.
            last = expired.into_iter().next_back();
            if last.is_none() {
                staying.tell();
                return Ok(swept);
            }
        }
    }

    /// Whether the workflow is gone; one whose journal cannot be forgotten yet stays.
    async fn remove(&self, expired: &Expired, staying: &mut Staying) -> Result<bool, Error> {
        if let Err(failure) = self.forget(expired).await {
            staying.count += 1;
            staying.first.get_or_insert_with(|| (expired.workflow.clone(), failure.reason));
            return Ok(false);
        }
        let purge = Purge::Workflow(expired.workflow.clone());
        Ok(self.purge(purge).await? > 0)
    }

    async fn purge(&self, purge: Purge) -> Result<u64, writer::Error> {
        self.pen.write(|reply| store::Write::Upkeep { upkeep: Upkeep::Purge(purge), reply }).await
    }

    /// Removes the journals of the workflow's transactions. A workspace that is not there any more has none to reach.
    async fn forget(&self, expired: &Expired) -> Result<(), Failure> {
        let (readers, id) = (self.readers.clone(), expired.workflow.clone());
        let transactions = blocking(move || transactions(&readers, &id)).await?;
        if transactions.is_empty() {
            return Ok(());
        }
        let workspace = match self.workbench.open(expired.root.as_ref()) {
            Ok(workspace) => workspace,
            Err(workspace::Error::Io { source, .. }) if source.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(Failure::new(error)),
        };
        let _turn = self.workbench.turn(&workspace).await;
        let workbench = self.workbench.clone();
        blocking(move || {
            let journal = workbench.journal(&workspace).map_err(Failure::new)?;
            for transaction in transactions {
                // The name of its undoing is made of its own.
                for name in [format!("{transaction}-undo"), transaction] {
                    let Ok(id) = name.parse() else { continue };
                    journal.forget(&id).map_err(Failure::new)?;
                }
            }
            Ok(())
        })
        .await
    }

    async fn rows(
        &self,
        table: &'static Table,
        before: Option<UnixMillis>,
        most: Option<u64>,
        dry: bool,
    ) -> Result<Swept, Error> {
        let readers = self.readers.clone();
        let aging = blocking(move || readers.aging(table, before, most)).await?;
        let mut swept = Swept { table: table.name, count: aging.rows, bytes: 0 };
        if dry || aging.rows == 0 {
            return Ok(swept);
        }
        swept.count = 0;
        loop {
            let gone = self.purge(Purge::Rows { table, before: aging.before, most: BATCH }).await?;
            swept.count += gone;
            if gone < BATCH as u64 {
                return Ok(swept);
            }
        }
    }

    /// Tells anew of agents and tasks what the tables do not; whether all are told.
    async fn renew(&self) -> bool {
        loop {
            match self.renew_some().await {
                Renewed::All => return true,
                Renewed::Some => {}
                Renewed::NotAll => return false,
            }
        }
    }

    /// As [`Self::renew`], of as many as the store lists at once.
    async fn renew_some(&self) -> Renewed {
        let readers = self.readers.clone();
        let unprojected = match blocking(move || readers.unprojected()).await {
            Ok(found) => found,
            Err(error) => {
                warn!(%error, "the agents and tasks of older workflows are not told yet");
                return Renewed::NotAll;
            }
        };
        if unprojected.is_empty() {
            return Renewed::All;
        }
        let mut all_told = true;
        for of in unprojected {
            let (readers, id) = (self.readers.clone(), of.workflow.clone());
            let folded = blocking(move || Folded::read(&readers, &id)).await;
            let told = match folded {
                Ok(folded) => {
                    let upkeep = Upkeep::Project { of: of.clone(), rows: folded.rows() };
                    let written = self.pen.write(|reply| store::Write::Upkeep { upkeep, reply }).await;
                    written.map(drop).map_err(Failure::new)
                }
                Err(failure) => Err(failure),
            };
            if let Err(failure) = told {
                warn!(workflow.id = %of.workflow, reason = failure.reason, "its agents and tasks are not told");
                all_told = false;
            }
        }
        if all_told { Renewed::Some } else { Renewed::NotAll }
    }
}

/// Workflows that have had their time and cannot go now.
#[derive(Default)]
struct Staying {
    count: u64,
    /// The oldest, and why.
    first: Option<(WorkflowId, String)>,
}

impl Staying {
    /// Says once for a whole pass that they stay.
    fn tell(&self) {
        let Some((first, reason)) = &self.first else { return };
        warn!(count = self.count, workflow.id = %first, reason, "workflows that have had their time stay; the oldest is named");
    }
}

/// How far the agents and tasks of older workflows are told.
enum Renewed {
    /// None is left.
    All,
    /// There may be more.
    Some,
    /// Some cannot be told now.
    NotAll,
}

/// The rules that an operator's word stands for: everything of these tables that is older. The audit log goes only where it
/// is named: whoever makes room does not mean the record of who did what.
pub fn older_than(days: u64, table: Option<&'static str>) -> Rules {
    let limits = Limits { days: Some(days), bytes: None };
    let is_meant = |known: &&Table| match table {
        Some(table) => known.name == table,
        None => !matches!(known.keeping, Keeping::Chain(_)),
    };
    let named = TABLES.iter().filter(|known| sweeps(known)).filter(is_meant);
    named.map(|known| (known.name, limits)).collect()
}

/// Whether rows of this table go by a rule of its own.
pub fn sweeps(table: &Table) -> bool {
    match table.keeping {
        Keeping::Workflow => table.name == "workflows",
        Keeping::Age(_) | Keeping::Over(_) | Keeping::Chain(_) => true,
        Keeping::Always => false,
    }
}

fn older(now: UnixMillis, days: u64) -> UnixMillis {
    let span = i64::try_from(days).unwrap_or(i64::MAX).saturating_mul(DAY_MS);
    UnixMillis(now.0.saturating_sub(span))
}

/// The transactions that a history names. Blocks.
fn transactions(readers: &store::Readers, workflow: &WorkflowId) -> Result<Vec<String>, Failure> {
    let mut found = Vec::new();
    let mut seq = units::Seq(0);
    loop {
        let rows = readers.events_after(workflow, seq, PAGE).map_err(Failure::new)?;
        let Some(last) = rows.last() else { return Ok(found) };
        seq = last.seq;
        for row in rows.iter().filter(|row| row.kind == "commit_started") {
            if let Event::CommitStarted { transaction, .. } =
                Event::decode(&row.payload).map_err(Failure::new)?
            {
                found.push(transaction);
            }
        }
    }
}
