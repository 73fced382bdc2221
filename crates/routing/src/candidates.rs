//! From a role to those who may answer it, hard eligibility first.

use std::fmt;

use access::Models;
use units::DeploymentId;

use crate::{Choice, Deployment, MAX_CHAIN, Readiness, Source, Table, names};

/// How much of a client's name for a model an error shows, in characters.
const MAX_SHOWN: usize = 128;

/// Why a deployment is no candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It is a script, and nobody named it.
    ScriptNotNamed,
    /// Its provider has no key.
    NoKey,
    /// Its server did not answer.
    NoServer,
    /// The key of whoever asks does not allow it.
    NotAllowed,
}

/// A deployment that was passed by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PassedBy {
    /// Which.
    pub deployment: DeploymentId,
    /// Why.
    pub reason: Reason,
}

/// Nobody may answer this role; asking again does not help until the configuration has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoCandidate {
    /// What was wanted: `the role …` or `the model …`.
    pub wanted: String,
    /// Whether that is a name that leads nowhere, and not somebody who cannot answer now.
    pub is_unknown: bool,
    /// Everybody who was considered; empty when there is no deployment at all.
    pub passed_by: Vec<PassedBy>,
}

/// Who may answer `role`, in the order to ask them; never empty, never more than [`MAX_CHAIN`], and only the first one
/// where the policy allows no fallback.
///
/// # Errors
/// [`NoCandidate`] with the reason for each deployment that was considered.
pub fn candidates(table: &Table, role: &str) -> Result<Vec<DeploymentId>, NoCandidate> {
    candidates_among(table, role, Models::ALL)
}

/// As [`candidates`], of those that `allowed` allows: what it does not is as if it were not there.
///
/// # Errors
/// As for [`candidates`].
pub fn candidates_among(
    table: &Table,
    role: &str,
    allowed: &Models,
) -> Result<Vec<DeploymentId>, NoCandidate> {
    among(table, table.choice(role), allowed).map_err(|passed_by| NoCandidate {
        wanted: format!("the role `{role}`"),
        is_unknown: false,
        passed_by,
    })
}

/// Who may answer a client that asks for the model `name`, as [`candidates_among`].
///
/// # Errors
/// As for [`candidates`]; [`NoCandidate::is_unknown`] is set when the name leads nowhere.
pub fn candidates_named(
    table: &Table,
    name: &str,
    allowed: &Models,
) -> Result<Vec<DeploymentId>, NoCandidate> {
    let wanted = || format!("the model `{}`", name.chars().take(MAX_SHOWN).collect::<String>());
    let Some(choice) = names::choice(table, name) else {
        return Err(NoCandidate { wanted: wanted(), is_unknown: true, passed_by: Vec::new() });
    };
    let found = among(table, &choice, allowed);
    found.map_err(|passed_by| NoCandidate { wanted: wanted(), is_unknown: false, passed_by })
}

fn among(table: &Table, choice: &Choice, allowed: &Models) -> Result<Vec<DeploymentId>, Vec<PassedBy>> {
    let mut eligible = Vec::new();
    let mut passed_by = Vec::new();
    for deployment in considered(table, choice) {
        let not_allowed = (!allowed.allow(&deployment.id)).then_some(Reason::NotAllowed);
        match not_allowed.or_else(|| refusal(deployment, choice)) {
            None => eligible.push(deployment.id.clone()),
            Some(reason) => passed_by.push(PassedBy { deployment: deployment.id.clone(), reason }),
        }
    }
    if eligible.is_empty() {
        return Err(passed_by);
    }
    eligible.truncate(if table.policy().fallback { MAX_CHAIN } else { 1 });
    Ok(eligible)
}

fn considered<'a>(table: &'a Table, choice: &Choice) -> Vec<&'a Deployment> {
    let all = table.deployments();
    match choice {
        Choice::Auto => all.iter().collect(),
        Choice::Provider(provider) => all.iter().filter(|one| one.id.provider == *provider).collect(),
        Choice::Named(chain) => chain.iter().filter_map(|id| all.iter().find(|one| one.id == *id)).collect(),
    }
}

fn refusal(deployment: &Deployment, choice: &Choice) -> Option<Reason> {
    match (deployment.source, choice) {
        (Source::Script, Choice::Auto) => return Some(Reason::ScriptNotNamed),
        (Source::Script, Choice::Provider(_) | Choice::Named(_)) | (Source::Model, _) => {}
    }
    match deployment.readiness {
        Readiness::Ready => None,
        Readiness::NoKey => Some(Reason::NoKey),
        Readiness::NoServer => Some(Reason::NoServer),
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ScriptNotNamed => "a script answers only when it is named",
            Self::NoKey => "no key is set for its provider",
            Self::NoServer => "its server did not answer",
            Self::NotAllowed => "the key of whoever asks does not allow it",
        })
    }
}

impl fmt::Display for NoCandidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_unknown {
            return write!(
                f,
                "nobody here has {}: name one of those that are listed, or an alias",
                self.wanted
            );
        }
        write!(f, "no model can answer for {}", self.wanted)?;
        for PassedBy { deployment, reason } in &self.passed_by {
            write!(f, "; {deployment}: {reason}")?;
        }
        f.write_str("; set a provider's key, start a local server, or name a deployment for the role")
    }
}

impl std::error::Error for NoCandidate {}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::{Error, MAX_DEPLOYMENTS};

    fn id(text: &str) -> DeploymentId {
        text.parse().unwrap()
    }

    fn deployment(text: &str, source: Source, readiness: Readiness) -> Deployment {
        Deployment { id: id(text), source, readiness }
    }

    fn model(text: &str) -> Deployment {
        deployment(text, Source::Model, Readiness::Ready)
    }

    fn script(text: &str) -> Deployment {
        deployment(text, Source::Script, Readiness::Ready)
    }

    fn table(deployments: &[Deployment], choice: Choice) -> Table {
        Table::try_new(deployments.to_vec(), BTreeMap::from([("planner".to_owned(), choice)])).unwrap()
    }

    fn names(table: &Table) -> Vec<String> {
        candidates(table, "planner").unwrap().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn auto_takes_the_models_in_order_and_never_a_script() {
        let all = [script("canned/first"), model("a/x"), script("canned/mid"), model("b/y")];
        assert_eq!(names(&table(&all, Choice::Auto)), ["a/x", "b/y"]);

        let only_scripts = table(&[script("canned/first")], Choice::Auto);
        let refused = candidates(&only_scripts, "planner").unwrap_err();
        assert_eq!(refused.passed_by[0].reason, Reason::ScriptNotNamed);
        assert!(refused.to_string().contains("canned/first: a script answers only when it is named"));
    }

    #[test]
    fn a_script_answers_when_it_or_its_provider_is_named() {
        let all = [model("a/x"), script("canned/one"), script("canned/two")];
        let named = Choice::Named(vec![id("canned/two"), id("a/x")]);
        assert_eq!(names(&table(&all, named)), ["canned/two", "a/x"]);
        let provider = Choice::Provider("canned".parse().unwrap());
        assert_eq!(names(&table(&all, provider)), ["canned/one", "canned/two"]);
    }

    #[test]
    fn a_role_without_a_choice_is_auto() {
        let table = table(&[script("canned/one"), model("a/x")], Choice::Named(vec![id("canned/one")]));
        assert_eq!(candidates(&table, "reviewer"), Ok(vec![id("a/x")]));
    }

    #[test]
    fn who_is_not_ready_is_passed_by_and_says_why_when_nobody_is_left() {
        let no_key = deployment("a/x", Source::Model, Readiness::NoKey);
        let no_server = deployment("local/y", Source::Model, Readiness::NoServer);
        let chain = Choice::Named(vec![id("a/x"), id("local/y")]);

        let refused = candidates(&table(&[no_key.clone(), no_server], chain), "planner").unwrap_err();
        let reasons: Vec<_> = refused.passed_by.iter().map(|passed| passed.reason).collect();
        assert_eq!(reasons, [Reason::NoKey, Reason::NoServer]);
        assert!(refused.to_string().contains("a/x: no key is set"));

        assert_eq!(names(&table(&[no_key, model("b/y")], Choice::Auto)), ["b/y"]);
    }

    #[test]
    fn an_empty_table_has_nobody() {
        let refused = candidates(&Table::default(), "planner").unwrap_err();
        assert!(refused.passed_by.is_empty());
        assert!(refused.to_string().contains("set a provider's key"));
    }

    #[test]
    fn what_a_key_does_not_allow_is_passed_by_whoever_named_it() {
        let chain = Choice::Named(vec![id("a/x"), id("b/y")]);
        let table = table(&[model("a/x"), model("b/y")], chain);
        let only_b = Models(vec!["b".parse().unwrap()]);
        assert_eq!(candidates_among(&table, "planner", &only_b), Ok(vec![id("b/y")]));
        let neither = Models(vec!["c".parse().unwrap()]);
        let refused = candidates_among(&table, "planner", &neither).unwrap_err();
        assert!(refused.passed_by.iter().all(|passed| passed.reason == Reason::NotAllowed));
        assert!(refused.to_string().contains("does not allow it"), "{refused}");
    }

    #[test]
    fn never_more_candidates_than_a_chain_holds() {
        let many: Vec<_> = (0..MAX_CHAIN + 5).map(|number| model(&format!("a/{number}"))).collect();
        assert_eq!(names(&table(&many, Choice::Auto)).len(), MAX_CHAIN);
    }

    #[test]
    fn without_fallback_the_first_that_is_ready_is_the_only_one() {
        let no_key = deployment("a/x", Source::Model, Readiness::NoKey);
        let table = table(&[no_key, model("b/y"), model("c/z")], Choice::Auto);
        let alone = table.under(crate::Policy { fallback: false, ..crate::Policy::default() });
        assert_eq!(names(&alone), ["b/y"]);
    }

    #[test]
    fn refuses_a_table_that_contradicts_itself() {
        let refuse = |deployments: Vec<Deployment>, choice: Choice| {
            Table::try_new(deployments, BTreeMap::from([("planner".to_owned(), choice)])).unwrap_err()
        };
        let all = || vec![model("a/x")];
        let twice = vec![id("a/x"), id("a/x")];
        let long = vec![id("a/x"); MAX_CHAIN + 1];
        assert!(matches!(refuse(vec![model("a/x"), script("a/x")], Choice::Auto), Error::Twice { .. }));
        assert!(matches!(refuse(all(), Choice::Named(vec![])), Error::NobodyNamed { .. }));
        assert!(matches!(refuse(all(), Choice::Named(vec![id("a/y")])), Error::UnknownDeployment { .. }));
        assert!(matches!(refuse(all(), Choice::Named(twice)), Error::NamedTwice { .. }));
        assert!(matches!(refuse(all(), Choice::Named(long)), Error::TooMany { .. }));
        let nobody = Choice::Provider("b".parse().unwrap());
        assert!(matches!(refuse(all(), nobody), Error::UnknownProvider { .. }));
        let many: Vec<_> = (0..=MAX_DEPLOYMENTS).map(|number| model(&format!("a/{number}"))).collect();
        assert!(matches!(refuse(many, Choice::Auto), Error::TooMany { .. }));
    }
}
