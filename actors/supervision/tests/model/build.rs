//! From a plan's description to what supervision is given.

use std::collections::BTreeMap;
use std::time::Duration;

use clock::Clock;
use supervision::{
    ActorSpec, Backoff, ChildSpec, Intensity, Limit, Mailbox, Shutdown, SupervisorSpec, WhileDown, actor,
};

use crate::plan::{Body, Bound, Branch, PERIOD, Patience, Sprout, Worker};
use crate::puppet::{Ledger, Puppet, Script};

/// An actor's place, as the test reaches it.
#[derive(Clone)]
pub(crate) struct Built {
    pub(crate) mailbox: Mailbox<Puppet>,
    pub(crate) script: Script,
}

pub(crate) fn supervisor(
    path: &str,
    id: &str,
    branch: &Branch,
    clock: &Clock,
    ledger: &Ledger,
    built: &mut BTreeMap<String, Built>,
) -> SupervisorSpec {
    SupervisorSpec {
        strategy: branch.strategy,
        limit: match branch.limit {
            Bound::Shared(restarts) => Limit::Shared(intensity(restarts)),
            Bound::PerChild(restarts) => Limit::PerChild(intensity(restarts)),
        },
        auto_shutdown: branch.auto_shutdown,
        max_children: branch.max_children,
        children: branch.children.iter().map(|sprout| child(path, sprout, clock, ledger, built)).collect(),
        ..SupervisorSpec::new(id)
    }
}

/// A child of the supervisor at `parent`; the places of its actors are added to `built`.
pub(crate) fn child(
    parent: &str,
    sprout: &Sprout,
    clock: &Clock,
    ledger: &Ledger,
    built: &mut BTreeMap<String, Built>,
) -> ChildSpec {
    let path = format!("{parent}/{}", sprout.id);
    let spec = match &sprout.body {
        Body::Worker(worker) => puppet(path, sprout, *worker, clock, ledger, built),
        Body::Supervisor(branch) => {
            supervisor(&path, &sprout.id, branch, clock, ledger, built).into_child().0
        }
    };
    let wait = Duration::from_millis(sprout.backoff);
    let ear = ledger.clone();
    let mut spec = spec
        .restart(sprout.restart)
        .shutdown(match sprout.patience {
            Patience::None => Shutdown::Kill,
            Patience::Millis(millis) => Shutdown::Timeout(Duration::from_millis(millis)),
            Patience::Endless => Shutdown::Infinity,
        })
        .backoff(Backoff { min: wait, max: wait, ..Backoff::NONE })
        .monitor(move |down| ear.hear(down));
    if sprout.significant {
        spec = spec.significant();
    }
    match sprout.compensates {
        Some(restarts) => spec.compensates(intensity(restarts)),
        None => spec,
    }
}

fn puppet(
    path: String,
    sprout: &Sprout,
    worker: Worker,
    clock: &Clock,
    ledger: &Ledger,
    built: &mut BTreeMap<String, Built>,
) -> ChildSpec {
    let script = Script::default();
    script.lock().expect("nobody else has it yet").extend(&sprout.births);
    let spec = ActorSpec {
        id: sprout.id.clone(),
        capacity: worker.capacity,
        while_down: if worker.refuses { WhileDown::Refuse } else { WhileDown::Keep },
        clock: clock.clone(),
    };
    let (reads, ledger) = (script.clone(), ledger.clone());
    let (child, mailbox) = actor(spec, move |start| {
        let (script, ledger) = (reads.clone(), ledger.clone());
        async move { Puppet::begin(start, &script, ledger, worker.stubborn) }
    });
    built.insert(path, Built { mailbox, script });
    child
}

fn intensity(restarts: usize) -> Intensity {
    let restarts = u32::try_from(restarts).expect("plans put up with a few restarts");
    Intensity { restarts, period: Duration::from_millis(PERIOD) }
}
