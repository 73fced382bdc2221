//! The providers' branch of the tree: who is in it from the start, and how it follows a new configuration.
//!
//! No actor, and shared by none: the house owns it. What a new configuration keeps, keeps its actor and its cells; what
//! is new lives before it is published; what is gone is left alone until no call can reach it, and stopped then.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use cells::{Breaker, Load, Probes, Thresholds};
use clock::Clock;
use gateway::Routes;
use supervision::{ChildSpec, Handle, Mailbox, Snapshot, State};
use tokio::sync::Mutex;
use units::{DeploymentId, ProviderId};

use crate::deployment::Deployment;
use crate::metrics::{Families, Meter};
use crate::provider::{Account, Provider};
use crate::router::{Leaving, Publish, Router};
use crate::tree::{Error, ProviderSpec, family};

/// How long the router may take to publish.
const PUBLISH_WITHIN: Duration = Duration::from_secs(10);

/// Who is told what happened on the request path.
#[derive(Default)]
pub(crate) struct Directory {
    pub(crate) providers: BTreeMap<ProviderId, Account>,
    pub(crate) deployments: BTreeMap<DeploymentId, Mailbox<Deployment>>,
    pub(crate) meters: BTreeMap<DeploymentId, Meter>,
}

/// What everybody in the branch is planted with.
pub(crate) struct Soil {
    pub(crate) families: Families,
    pub(crate) probes: Probes,
    pub(crate) clock: Clock,
}

/// The branch and everybody in it.
pub(crate) struct Branches {
    supervisor: Handle,
    soil: Soil,
    directory: Arc<Snapshot<Directory>>,
    planted: Mutex<Planted>,
}

#[derive(Default)]
struct Planted {
    /// How many configurations this has followed; part of the ids of who came with one.
    revision: u64,
    branches: BTreeMap<ProviderId, Branch>,
}

#[derive(Clone)]
struct Branch {
    child: String,
    supervisor: Handle,
    account: Account,
    seats: BTreeMap<DeploymentId, Seat>,
}

#[derive(Clone)]
struct Seat {
    child: String,
    mailbox: Mailbox<Deployment>,
    deployment: Arc<gateway::Deployment>,
    meter: Meter,
}

/// What a new configuration makes of the branch, and who was started for it.
#[derive(Default)]
struct Growth {
    branches: BTreeMap<ProviderId, Branch>,
    started: Vec<Leaving>,
}

impl Branches {
    /// The branch as a child of the root, and its deployments.
    pub(crate) fn plant(
        specs: &[ProviderSpec],
        soil: Soil,
    ) -> (Self, ChildSpec, Vec<Arc<gateway::Deployment>>) {
        let grown = specs.iter().map(|spec| branch(spec, spec.id.to_string(), &soil));
        let (children, branches): (Vec<ChildSpec>, Vec<(ProviderId, Branch)>) =
            grown.zip(specs).map(|((child, branch), spec)| (child, (spec.id.clone(), branch))).unzip();
        let (child, supervisor) = family("providers", children).into_child();
        let planted = Planted { revision: 1, branches: branches.into_iter().collect() };
        let deployments = planted.deployments();
        let directory = Arc::new(Snapshot::new(planted.directory()));
        (Self { supervisor, soil, directory, planted: Mutex::new(planted) }, child, deployments)
    }

    /// Who is told what happened; always as it is now.
    pub(crate) fn directory(&self) -> Arc<Snapshot<Directory>> {
        self.directory.clone()
    }

    /// Puts another set of providers and `table` in force, all of it or nothing. Calls that are under way go on as they
    /// began.
    ///
    /// # Errors
    /// When a child does not start, or the table does not fit; then everything is as before.
    pub(crate) async fn follow(
        &self,
        specs: &[ProviderSpec],
        table: routing::Table,
        router: &Mailbox<Router>,
    ) -> Result<(), Error> {
        let mut planted = self.planted.lock().await;
        let revision = planted.revision + 1;
        let mut growth = Growth::default();
        let grown = self.grow(&planted, revision, specs, &mut growth).await;
        let next = Planted { revision, branches: std::mem::take(&mut growth.branches) };
        let published = match grown {
            Ok(()) => self.publish(&planted, &next, table, router).await,
            Err(error) => Err(error),
        };
        match published {
            Ok(()) => *planted = next,
            Err(error) => {
                for child in growth.started {
                    child.leave().await;
                }
                return Err(error);
            }
        }
        Ok(())
    }

    /// Whether everybody still has a place. A supervisor that was started anew knows only those it began with, and who
    /// came with a later configuration is gone: following the configuration again plants them.
    pub(crate) fn is_whole(&self) -> bool {
        // While a configuration is being followed, nothing is to be done about it.
        let Ok(planted) = self.planted.try_lock() else { return true };
        planted.branches.values().all(|branch| !branch.is_gone() && !branch.seats.values().any(Seat::is_gone))
    }

    async fn grow(
        &self,
        planted: &Planted,
        revision: u64,
        specs: &[ProviderSpec],
        growth: &mut Growth,
    ) -> Result<(), Error> {
        for spec in specs {
            let branch = match planted.branches.get(&spec.id).filter(|known| !known.is_gone()) {
                Some(known) => self.regrow(known, revision, spec, growth).await?,
                None => {
                    let id = format!("{}@{revision}", spec.id);
                    let (child, branch) = branch(spec, id.clone(), &self.soil);
                    self.supervisor.start_child(child).await?;
                    growth.started.push(Leaving { supervisor: self.supervisor.clone(), child: id });
                    branch
                }
            };
            growth.branches.insert(spec.id.clone(), branch);
        }
        Ok(())
    }

    /// A provider that stays: its deployments keep their cells, and new ones join them.
    async fn regrow(
        &self,
        known: &Branch,
        revision: u64,
        spec: &ProviderSpec,
        growth: &mut Growth,
    ) -> Result<Branch, Error> {
        let mut seats = BTreeMap::new();
        for deployment in deployments(spec, Some(known), &self.soil) {
            let id = deployment.id.clone();
            let meter = self.soil.families.meter(&id, deployment.price.is_some());
            let seat = match known.seats.get(&id).filter(|seat| !seat.is_gone()) {
                Some(kept) => Seat { deployment, meter, ..kept.clone() },
                None => {
                    let name = format!("{}@{revision}", child_id(&id));
                    let (child, mailbox) = self.soil.child(name.clone(), deployment.clone());
                    known.supervisor.start_child(child).await?;
                    let leaving = Leaving { supervisor: known.supervisor.clone(), child: name.clone() };
                    growth.started.push(leaving);
                    Seat { child: name, mailbox, deployment, meter }
                }
            };
            seats.insert(id, seat);
        }
        Ok(Branch { seats, ..known.clone() })
    }

    async fn publish(
        &self,
        planted: &Planted,
        next: &Planted,
        table: routing::Table,
        router: &Mailbox<Router>,
    ) -> Result<(), Error> {
        let routes = Routes::try_new(table, next.deployments())?;
        let leaving = self.leaving(planted, next);
        // Calls that are under way still end at those who leave, and are counted.
        let mut directory = planted.directory();
        directory.extend(next.directory());
        self.directory.publish(directory);
        router.ask(Publish { routes, leaving }, PUBLISH_WITHIN).await.map_err(Error::Router)
    }

    fn leaving(&self, planted: &Planted, next: &Planted) -> Vec<Leaving> {
        let mut leaving = Vec::new();
        for (id, branch) in planted.branches.iter().filter(|(_, branch)| !branch.is_gone()) {
            let Some(kept) = next.branches.get(id) else {
                leaving.push(Leaving { supervisor: self.supervisor.clone(), child: branch.child.clone() });
                continue;
            };
            let gone =
                branch.seats.iter().filter(|(id, seat)| !kept.seats.contains_key(*id) && !seat.is_gone());
            leaving.extend(gone.map(|(_, seat)| Leaving {
                supervisor: branch.supervisor.clone(),
                child: seat.child.clone(),
            }));
        }
        leaving
    }
}

impl Soil {
    fn breaker(&self) -> Breaker {
        Breaker::new(Thresholds::default(), self.probes, self.clock.now())
    }

    fn child(&self, id: String, deployment: Arc<gateway::Deployment>) -> (ChildSpec, Mailbox<Deployment>) {
        let (child, mailbox) = Deployment::child(id, deployment, self.probes, &self.clock);
        (self.families.restarts().watch(child), mailbox)
    }
}

impl Branch {
    fn is_gone(&self) -> bool {
        self.supervisor.place().state() == State::Ended
    }
}

impl Seat {
    fn is_gone(&self) -> bool {
        self.mailbox.place().state() == State::Ended
    }
}

impl Planted {
    fn deployments(&self) -> Vec<Arc<gateway::Deployment>> {
        let seats = self.branches.values().flat_map(|branch| branch.seats.values());
        seats.map(|seat| seat.deployment.clone()).collect()
    }

    fn directory(&self) -> Directory {
        let mut directory = Directory::default();
        for (id, branch) in &self.branches {
            directory.providers.insert(id.clone(), branch.account.clone());
            for (id, seat) in &branch.seats {
                directory.deployments.insert(id.clone(), seat.mailbox.clone());
                directory.meters.insert(id.clone(), seat.meter.clone());
            }
        }
        directory
    }
}

impl Directory {
    fn extend(&mut self, next: Self) {
        self.providers.extend(next.providers);
        self.deployments.extend(next.deployments);
        self.meters.extend(next.meters);
    }
}

/// A provider with its account and deployments, as a child of the branch.
fn branch(spec: &ProviderSpec, child: String, soil: &Soil) -> (ChildSpec, Branch) {
    let (holder, account) = Provider::child(spec.id.clone(), &soil.clock);
    let restarts = soil.families.restarts();
    let mut children = vec![restarts.watch(holder)];
    let mut seats = BTreeMap::new();
    for deployment in deployments(spec, None, soil) {
        let id = deployment.id.clone();
        let (child, mailbox) = soil.child(child_id(&id), deployment.clone());
        children.push(child);
        let meter = soil.families.meter(&id, deployment.price.is_some());
        seats.insert(id.clone(), Seat { child: child_id(&id), mailbox, deployment, meter });
    }
    let (spec, supervisor) = family(&child, children).into_child();
    (restarts.watch(spec), Branch { child, supervisor, account, seats })
}

/// The deployments of a provider that is ready; those that are known keep their cells.
fn deployments(spec: &ProviderSpec, known: Option<&Branch>, soil: &Soil) -> Vec<Arc<gateway::Deployment>> {
    let Some(endpoint) = &spec.endpoint else { return Vec::new() };
    let of = |(model, price): &(units::ModelName, Option<pricing::Price>)| {
        let id = DeploymentId { provider: spec.id.clone(), model: model.clone() };
        let kept = known.and_then(|known| known.seats.get(&id)).filter(|seat| !seat.is_gone());
        let kept = kept.map(|seat| &seat.deployment);
        let breaker = kept.map(|kept| kept.breaker.clone());
        Arc::new(gateway::Deployment {
            endpoint: spec.spoken.get(model).map_or_else(|| endpoint.clone(), |own| endpoint.speaking(*own)),
            price: *price,
            breaker: breaker.unwrap_or_else(|| Arc::new(soil.breaker())),
            load: kept.map_or_else(|| Arc::new(Load::new()), |kept| kept.load.clone()),
            dropped: kept.map(|kept| kept.dropped.clone()).unwrap_or_default(),
            id,
        })
    };
    spec.models.iter().map(of).collect()
}

fn child_id(deployment: &DeploymentId) -> String {
    deployment.model.as_str().replace('/', ":")
}
