//! The whole tree: who lives in it, who restarts whom. The only file that knows who sits beside whom.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use cells::Probes;
use clock::Clock;
use gateway::{Gateway, Patience, Routes};
use pricing::Price;
use routing::{Alias, Choice, Readiness, Source};
use supervision::{
    AskError, ChildError, ChildSpec, End, Intensity, Limit, Node, Pool, Registry, Snapshot, Strategy,
    SupervisorSpec, Tree,
};
use tokio::sync::watch;
use tracing::warn;
use units::{DeploymentId, ModelName, ProviderId};

use crate::archive::{Archive, open_archive};
use crate::branches::{Branches, Soil};
use crate::captures::{self, Captures};
use crate::catalogue::Catalogue;
use crate::feed::Pulses;
use crate::herald::{Announcer, Herald, NotifySocket};
use crate::keeping::Keeping;
use crate::keyring::Keys;
use crate::metrics::{Configured, Families, GetText, Metrics, Scale, Spans, Traffic};
use crate::recorder::{self, Recorder};
use crate::resumption::Resumption;
use crate::retention::{Rules, Sweeper};
use crate::router::{Reports, Router};
use crate::statistics::Tally;
use crate::workbench::{EndBeforeRename, Manners, Parts, Running, Workbench};
use crate::workflows::{MAX_WORKFLOWS, Workflows};
use crate::writer::{Pen, Turn};

/// A probe's deadline is so much after the longest wait for the first output, which fails with a better reason.
const PROBE_MARGIN: Duration = Duration::from_secs(10);
/// How long a scrape waits for its text.
const SCRAPE_WITHIN: Duration = Duration::from_secs(5);
/// How long those who work may take to stop, together.
const WORK_WITHIN: Duration = Duration::from_secs(10);
/// How long writes that wait may take when the server stops, on a database that may be away.
const FLUSH_WITHIN: Duration = Duration::from_secs(10);
/// How long the database may take to close.
const CLOSE_WITHIN: Duration = Duration::from_secs(10);
/// What the root and its branches put up with before the server gives up.
const PATIENT: Limit = Limit::Shared(Intensity { restarts: 5, period: Duration::from_secs(30) });

/// A provider as it is configured.
#[derive(Clone, Debug)]
pub struct ProviderSpec {
    /// Its name.
    pub id: ProviderId,
    /// Where it is; `None` when it is not ready.
    pub endpoint: Option<upstream::Endpoint>,
    /// Who answers there.
    pub source: Source,
    /// Whether it can be called.
    pub readiness: Readiness,
    /// Its models in the order of preference, and what they cost where that is known.
    pub models: Vec<(ModelName, Option<Price>)>,
    /// What those models speak that do not speak as the endpoint does.
    pub spoken: BTreeMap<ModelName, upstream::Spoken>,
}

/// Everything that the tree is built from.
pub struct Blueprint {
    /// The one clock.
    pub clock: Clock,
    /// The database; a file's folder exists.
    pub database: store::Database,
    /// The providers in the order of preference.
    pub providers: Vec<ProviderSpec>,
    /// What each role wants; `auto` unless said.
    pub roles: BTreeMap<String, Choice>,
    /// What clients' names for models mean.
    pub aliases: BTreeMap<Alias, Choice>,
    /// How hard calls try.
    pub policy: routing::Policy,
    /// How connections to providers are made.
    pub upstream: upstream::Options,
    /// How long to wait for providers.
    pub patience: Patience,
    /// Where workflows may work.
    pub roots: workspace::Roots,
    /// The folder of the working copies.
    pub overlays: PathBuf,
    /// The folder of the journals.
    pub journals: PathBuf,
    /// How the commands of workspaces are run.
    pub running: Running,
    /// How agents ask.
    pub manners: Manners,
    /// How records are kept on their way.
    pub records: recorder::Options,
    /// Set in tests of debug builds only.
    pub end_before_rename: Option<EndBeforeRename>,
    /// The bytes that the disk of the working copies has to have free for a workflow to start.
    pub min_free_bytes: u64,
    /// How long what is finished is kept.
    pub rules: Rules,
    /// Which bodies are captured, and for how long.
    pub captures: captures::Options,
    /// Threads that carry actors.
    pub threads: usize,
    /// Who is told how the server does.
    pub manager: Option<NotifySocket>,
    /// Who observes the server from outside.
    pub observed: Observed,
}

/// Who observes the server from outside; the default is nobody.
#[derive(Clone, Default)]
pub struct Observed {
    /// How many spans went out.
    pub spans: Spans,
    /// Names the trace that a call to a provider belongs to, where it is called.
    pub trace: Option<upstream::TraceParent>,
}

/// Why the house does not stand.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store does not open.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// No client for providers can be made.
    #[error(transparent)]
    Upstream(#[from] upstream::Error),
    /// The routing table contradicts itself.
    #[error(transparent)]
    Routing(#[from] routing::Error),
    /// The routing table and its deployments do not fit.
    #[error(transparent)]
    Gateway(#[from] gateway::Error),
    /// Records cannot be kept.
    #[error(transparent)]
    Recorder(#[from] recorder::Error),
    /// The working copies have no place.
    #[error(transparent)]
    Workspace(#[from] workspace::Error),
    /// A child that a new configuration wants did not start.
    #[error("a new provider or model did not start: {0}")]
    Child(#[from] ChildError),
    /// The router did not publish.
    #[error("the router did not put the new routes in force: {0}")]
    Router(AskError),
    /// An actor did not start.
    #[error("the supervision tree did not start: {0:?}")]
    Tree(End),
}

impl ProviderSpec {
    /// Its models as the routing table lists them.
    pub fn deployments(&self) -> impl Iterator<Item = routing::Deployment> {
        self.models.iter().map(|(model, _)| routing::Deployment {
            id: DeploymentId { provider: self.id.clone(), model: model.clone() },
            source: self.source,
            readiness: self.readiness,
        })
    }
}

impl Blueprint {
    /// The routing table that the tree will start with.
    ///
    /// # Errors
    /// When it contradicts itself.
    pub fn table(&self) -> Result<routing::Table, routing::Error> {
        let deployments = self.providers.iter().flat_map(ProviderSpec::deployments);
        let table = routing::Table::try_new(deployments.collect(), self.roles.clone())?;
        Ok(table.naming(self.aliases.clone())?.under(self.policy))
    }
}

/// A running server without its doors.
pub struct House {
    tree: Tree,
    doors: Doors,
    branches: Branches,
    switch: supervision::Mailbox<Router>,
    manners: Arc<Snapshot<Manners>>,
    configured: Configured,
    pen: Pen,
    turn: Turn,
    tally: Arc<Tally>,
}

/// What doors may use. Cloning is cheap.
#[derive(Clone)]
pub struct Doors {
    /// Starts and reaches workflows.
    pub workflows: Workflows,
    /// Knows keys and changes them.
    pub keys: Keys,
    /// Removes what has had its time.
    pub sweeper: Sweeper,
    /// Reads what is stored.
    pub readers: store::Readers,
    /// Writes what a client is told to be stored.
    pub pen: Pen,
    /// Follows workflows.
    pub pulses: Pulses,
    /// The routes in force.
    pub routes: Arc<Snapshot<Routes>>,
    /// Workspaces and their journals.
    pub workbench: Workbench,
    /// Finds mailboxes and supervisors by their paths.
    pub registry: Registry,
    /// Takes what is to be recorded.
    pub recorder: Recorder,
    /// Takes what is captured.
    pub captures: Captures,
    /// The tree as it is now.
    pub view: Arc<dyn Fn() -> Node + Send + Sync>,
    /// Tells the service manager.
    pub announcer: Announcer,
    /// Counts what comes through them.
    pub traffic: Traffic,
    stuck: watch::Receiver<usize>,
    scale: Scale,
    metrics: supervision::Mailbox<Metrics>,
}

/// Builds and starts everything; nothing that an earlier process left unfinished goes on yet.
///
/// ```text
/// root
/// ├─ metrics, feed, writer, recorder, keyring
/// ├─ providers   a supervisor per provider { account, a deployment per model }
/// ├─ router, catalogue
/// ├─ workflows   dynamic: a supervisor per workflow { instance, its agents }
/// ├─ resumption  goes on with them when that supervisor was restarted
/// ├─ statistics, disk, retention, captures
/// └─ herald      tells the service manager, where there is one
/// ```
///
/// # Errors
/// What keeps a part from being made, or the tree from starting.
pub async fn build(blueprint: Blueprint) -> Result<House, Error> {
    let clock = blueprint.clock.clone();
    let table = blueprint.table()?;
    let families = Families::new(&blueprint.observed.spans);
    let (metrics, scraped) = Metrics::child(&families, &clock);
    let Archive { clerks, readers, pulses, pen, turn, keys, recorder } =
        open_archive(&blueprint, &families).await?;
    let soil = Soil { families: families.clone(), probes: probes(&blueprint.patience), clock: clock.clone() };
    let (branches, branch, deployments) = Branches::plant(&blueprint.providers, soil);
    let (router, switch, routes) = Router::child(Routes::try_new(table, deployments)?, &clock);
    let manners = Arc::new(Snapshot::new(blueprint.manners));
    let (catalogue, _, templates) = Catalogue::child(&pen, &clock);
    let keeping = Keeping::plant(&blueprint, &pen);
    let (workflows, supervisor) = dynamic("workflows", MAX_WORKFLOWS).into_child();

    let resumed = Arc::new(OnceLock::new());
    let (resumption, returned) = Resumption::child(&resumed, &clock);
    let workflows = workflows.cell(returned);

    let reports = Reports {
        directory: branches.directory(),
        tally: keeping.tally.clone(),
        recorder: recorder.clone(),
        families: families.clone(),
        clock: clock.clone(),
    };
    let workbench = Workbench::new(Parts {
        gateway: open_gateway(&blueprint, &routes, reports)?,
        templates,
        pulses: pulses.clone(),
        finished: families.finished(),
        restarts: families.restarts().clone(),
        recorder: recorder.clone(),
        roots: blueprint.roots,
        pool: workspace::Pool::open(&blueprint.overlays)?,
        journals: blueprint.journals,
        running: blueprint.running,
        manners: manners.clone(),
        end_before_rename: blueprint.end_before_rename,
    });

    let mut cast = vec![metrics];
    cast.extend(clerks);
    cast.extend([branch, router, catalogue, workflows, resumption]);
    cast.extend(keeping.cast);
    let pool = Pool::new(blueprint.threads);
    let (tree, announcer) = plant(cast, blueprint.manager, pool, &families, &clock).await?;
    let workflows = Workflows {
        supervisor,
        registry: tree.registry().clone(),
        pen: pen.clone(),
        readers: readers.clone(),
        workbench: workbench.clone(),
        room: keeping.room,
        clock: clock.clone(),
    };
    let sweeper = Sweeper::new(&workflows);
    let _ = keeping.swept.set(sweeper.clone());
    // Set here alone.
    let _ = resumed.set(workflows.clone());
    let (view, registry) = (tree.viewer(), tree.registry().clone());
    let doors = Doors {
        scale: Scale::new(readers.clone(), clock),
        stuck: tree.stuck(),
        traffic: families.traffic(),
        workflows,
        sweeper,
        readers,
        pen: pen.clone(),
        pulses,
        routes,
        workbench,
        registry,
        recorder,
        captures: keeping.captures,
        view,
        announcer,
        keys,
        metrics: scraped,
    };
    let (configured, tally) = (families.configured(), keeping.tally);
    Ok(House { tree, doors, branches, switch, manners, configured, pen, turn, tally })
}

fn open_gateway(
    blueprint: &Blueprint,
    routes: &Snapshot<Routes>,
    reports: Reports,
) -> Result<Gateway, Error> {
    let client = upstream::Client::try_new(&blueprint.upstream, blueprint.clock.clone())?;
    Ok(Gateway {
        routes: routes.shared(),
        client: client.tracing(blueprint.observed.trace.clone()),
        clock: blueprint.clock.clone(),
        report: Arc::new(reports),
        jitter: Arc::new(jitter),
        patience: blueprint.patience,
    })
}

fn probes(patience: &Patience) -> Probes {
    Probes { deadline: patience.first_byte.saturating_add(PROBE_MARGIN), ..Probes::default() }
}

/// Starts the cast, each counted when he is started again, and a herald last where there is a service manager.
async fn plant(
    mut cast: Vec<ChildSpec>,
    manager: Option<NotifySocket>,
    pool: Pool,
    families: &Families,
    clock: &Clock,
) -> Result<(Tree, Announcer), Error> {
    let (stands, standing) = watch::channel(None);
    let (herald, announcer) = Herald::child(manager, standing, clock);
    cast.extend(herald);
    let cast = cast.into_iter().map(|child| families.restarts().watch(child)).collect();
    let tree = Tree::start(family("root", cast), clock.clone(), pool).await.map_err(Error::Tree)?;
    stands.send_replace(Some(tree.roll_call()));
    Ok((tree, announcer))
}

impl House {
    /// What doors may use.
    pub fn doors(&self) -> &Doors {
        &self.doors
    }

    /// Puts the providers, the roles, the policy and the manners of another blueprint in force, all of them or none; the
    /// number of the configuration that is in force then. What is under way goes on as it began, and everything else of
    /// the blueprint waits for a restart.
    ///
    /// # Errors
    /// When the routing table contradicts itself or a child does not start; then all is as before.
    pub async fn follow(&self, blueprint: &Blueprint) -> Result<i64, Error> {
        let followed = match blueprint.table() {
            Ok(table) => self.branches.follow(&blueprint.providers, table, &self.switch).await,
            Err(error) => Err(error.into()),
        };
        match followed {
            Ok(()) => {
                self.manners.publish(blueprint.manners);
                self.doors.captures.know(blueprint.captures.known.clone());
                Ok(self.configured.next())
            }
            Err(error) => {
                self.configured.failed();
                Err(error)
            }
        }
    }

    /// Whether all providers and models of the configuration in force have a place; else it is to be followed again.
    pub fn is_whole(&self) -> bool {
        self.branches.is_whole()
    }

    /// Counts a configuration that was wrong before it came to be followed.
    pub fn refused(&self) {
        self.configured.failed();
    }

    /// Waits until the tree has given up by itself.
    pub async fn ended(&self) -> End {
        self.tree.ended().await
    }

    /// Stops everything, in reverse order of its start, and waits until what was handed over is written and the database
    /// closed; what is unfinished goes on at the next start.
    pub async fn stop(self) -> End {
        // The machine's own clock: a manual one may stand still, and the process has to come to its end.
        let clock = Clock::real();
        if clock.timeout(WORK_WITHIN, self.end_work()).await.is_err() {
            warn!("not all who work stopped in their turn");
        }
        if clock.timeout(FLUSH_WITHIN, self.flush()).await.is_err() {
            warn!("not all that was counted could be written before the stop");
        }
        let end = self.tree.stop().await;
        if clock.timeout(CLOSE_WITHIN, self.turn.is_over()).await.is_err() {
            warn!("the store's writing thread did not end in time");
        }
        end
    }

    /// Nobody works any more.
    async fn end_work(&self) {
        for id in ["resumption", "workflows"] {
            if let Err(error) = self.tree.root().terminate_child(id).await {
                warn!(id, %error, "did not stop in its turn");
            }
        }
    }

    /// All that was reported is written: what waits for an actor goes with it.
    async fn flush(&self) {
        // Bounded by who stops: no clock of the tree has to move for it. Neither waits for the other, and what was counted
        // for no actor, which may be down.
        let counted = self.tally.store(&self.pen, Clock::real().wall());
        let ((), counted) = tokio::join!(self.doors.recorder.flushed(), counted);
        if let Err(error) = counted {
            warn!(%error, "the last half minute of the statistics is lost");
        }
        if let Err(error) = self.pen.flush().await {
            warn!(%error, "not all that was counted could be written before the stop");
        }
    }
}

impl Doors {
    /// All metrics as [`crate::metrics::TEXT_FORMAT`], with the tree as it is now.
    ///
    /// # Errors
    /// When the actor that renders them does not answer in time.
    pub async fn metrics(&self) -> Result<String, AskError> {
        let now = GetText {
            store_bytes: self.scale.read().await,
            tree: (self.view)(),
            routes: self.routes.load_full(),
            stuck_threads: *self.stuck.borrow(),
            records: self.recorder.backlog(),
        };
        self.metrics.ask(now, SCRAPE_WITHIN).await
    }
}

pub(crate) fn family(id: &str, children: Vec<ChildSpec>) -> SupervisorSpec {
    SupervisorSpec { limit: PATIENT, children, ..SupervisorSpec::new(id) }
}

/// Children that come by request, each restarted by a count of its own.
fn dynamic(id: &str, max_children: usize) -> SupervisorSpec {
    let limit = Limit::PerChild(Intensity::default());
    SupervisorSpec { strategy: Strategy::Dynamic, limit, max_children, ..SupervisorSpec::new(id) }
}

/// A number from 0 to 1; without randomness callers come back all at once, which is worse and still right.
fn jitter() -> f64 {
    f64::from(getrandom::u32().unwrap_or_default()) / f64::from(u32::MAX)
}
