//! The routing table: what can answer, and what each role wants.

use std::collections::{BTreeMap, BTreeSet};

use units::{DeploymentId, ProviderId};

use crate::{Alias, Error, MAX_ALIASES, Policy};

/// The most deployments a table holds.
pub const MAX_DEPLOYMENTS: usize = 1024;
/// The most roles that have a choice of their own.
pub const MAX_ROLES: usize = 64;
/// The most deployments in one role's chain.
pub const MAX_CHAIN: usize = 16;

/// One model at one provider, as far as routing cares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deployment {
    /// Which.
    pub id: DeploymentId,
    /// Who answers there.
    pub source: Source,
    /// Whether it can be called at all.
    pub readiness: Readiness,
}

/// Who answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A model.
    Model,
    /// Rules written by hand; nobody gets such an answer without having named it.
    Script,
}

/// Whether a deployment can be called at all; its health is its breaker's affair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// It can.
    Ready,
    /// Its provider wants a key and none is set.
    NoKey,
    /// Its provider is a server on this machine that did not answer.
    NoServer,
}

/// What a role wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// Any model that is ready, in the table's order; never a script.
    Auto,
    /// Any deployment of this provider, in the table's order; a script too.
    Provider(ProviderId),
    /// These and no other, in this order: each is the fallback of the one before.
    Named(Vec<DeploymentId>),
}

/// Deployments in the order of preference, and the roles that choose among them for themselves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    deployments: Vec<Deployment>,
    roles: BTreeMap<String, Choice>,
    aliases: BTreeMap<Alias, Choice>,
    policy: Policy,
}

impl Table {
    /// A table that does not contradict itself. A role that is not among `roles` is [`Choice::Auto`].
    ///
    /// # Errors
    /// What is named twice or not at all, and what is more than the table holds.
    pub fn try_new(deployments: Vec<Deployment>, roles: BTreeMap<String, Choice>) -> Result<Self, Error> {
        at_most("deployments", deployments.len(), MAX_DEPLOYMENTS)?;
        at_most("roles", roles.len(), MAX_ROLES)?;
        let mut ids = BTreeSet::new();
        for deployment in &deployments {
            if !ids.insert(&deployment.id) {
                return Err(Error::Twice { deployment: deployment.id.clone() });
            }
        }
        for (role, choice) in &roles {
            check(role, choice, &ids)?;
        }
        Ok(Self { deployments, roles, aliases: BTreeMap::new(), policy: Policy::default() })
    }

    /// The same table under another policy.
    #[must_use]
    pub fn under(self, policy: Policy) -> Self {
        Self { policy, ..self }
    }

    /// The same table, where clients' names for models lead to what the operator chose.
    ///
    /// # Errors
    /// What is named twice or not at all, and what is more than the table holds.
    pub fn naming(self, aliases: BTreeMap<Alias, Choice>) -> Result<Self, Error> {
        at_most("aliases", aliases.len(), MAX_ALIASES)?;
        let known = self.deployments.iter().map(|one| &one.id).collect();
        for (alias, choice) in &aliases {
            check(&alias.to_string(), choice, &known)?;
        }
        Ok(Self { aliases, ..self })
    }

    /// What clients' names for models lead to.
    pub fn aliases(&self) -> &BTreeMap<Alias, Choice> {
        &self.aliases
    }

    /// How hard calls try.
    pub fn policy(&self) -> Policy {
        self.policy
    }

    /// All deployments in the order of preference.
    pub fn deployments(&self) -> &[Deployment] {
        &self.deployments
    }

    /// What a role wants.
    pub fn choice(&self, role: &str) -> &Choice {
        self.roles.get(role).unwrap_or(&Choice::Auto)
    }
}

fn check(role: &str, choice: &Choice, known: &BTreeSet<&DeploymentId>) -> Result<(), Error> {
    match choice {
        Choice::Auto => Ok(()),
        Choice::Provider(provider) if known.iter().any(|id| id.provider == *provider) => Ok(()),
        Choice::Provider(provider) => {
            Err(Error::UnknownProvider { role: role.to_owned(), provider: provider.clone() })
        }
        Choice::Named(chain) => check_chain(role, chain, known),
    }
}

fn check_chain(role: &str, chain: &[DeploymentId], known: &BTreeSet<&DeploymentId>) -> Result<(), Error> {
    if chain.is_empty() {
        return Err(Error::NobodyNamed { role: role.to_owned() });
    }
    at_most("deployments in a role's chain", chain.len(), MAX_CHAIN)?;
    let mut named = BTreeSet::new();
    for id in chain {
        if !known.contains(id) {
            return Err(Error::UnknownDeployment { role: role.to_owned(), deployment: id.clone() });
        }
        if !named.insert(id) {
            return Err(Error::NamedTwice { role: role.to_owned(), deployment: id.clone() });
        }
    }
    Ok(())
}

fn at_most(what: &'static str, found: usize, most: usize) -> Result<(), Error> {
    if found > most { Err(Error::TooMany { what, found, most }) } else { Ok(()) }
}
