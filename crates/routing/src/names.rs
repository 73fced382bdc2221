//! From a model's name, as a client says it, to those who may answer.

use std::fmt;
use std::str::FromStr;

use units::DeploymentId;

use crate::{Choice, MAX_CHAIN, Table};

/// The most aliases a table holds.
pub const MAX_ALIASES: usize = 256;
/// The most bytes of one.
const MAX_ALIAS_BYTES: usize = 128;
/// What a client says when it leaves the choice to the operator.
const AUTO: &str = "auto";

/// A name that clients use for what the operator chooses: `claude-opus-5`, or the beginning of many, `claude-*`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Alias {
    text: String,
    is_beginning: bool,
}

/// A text that is no alias.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "an alias has 1 to {MAX_ALIAS_BYTES} printable ASCII characters without spaces, and a `*` at its end alone"
)]
pub struct BadAlias;

impl FromStr for Alias {
    type Err = BadAlias;

    fn from_str(text: &str) -> Result<Self, BadAlias> {
        let (name, is_beginning) = text.strip_suffix('*').map_or((text, false), |name| (name, true));
        let is_printable = name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'*');
        if text.is_empty() || text.len() > MAX_ALIAS_BYTES || !is_printable {
            return Err(BadAlias);
        }
        Ok(Self { text: name.to_owned(), is_beginning })
    }
}

impl fmt::Display for Alias {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.text, if self.is_beginning { "*" } else { "" })
    }
}

impl Alias {
    /// How closely it fits a name: an exact one closest, then the longest beginning.
    fn closeness(&self, name: &str) -> Option<usize> {
        match self.is_beginning {
            false => (self.text == name).then_some(usize::MAX),
            true => name.starts_with(&self.text).then_some(self.text.len()),
        }
    }
}

/// What a client wants who says this name: `provider/model` (or `provider,model`) is that one; then the alias that fits
/// closest; then the models of this name, in the table's order.
pub(crate) fn choice(table: &Table, name: &str) -> Option<Choice> {
    if let Some(id) = explicit(table, name) {
        return Some(Choice::Named(vec![id]));
    }
    let fitting = table.aliases().iter().filter_map(|(alias, choice)| Some((alias.closeness(name)?, choice)));
    if let Some((_, choice)) = fitting.max_by_key(|(closeness, _)| *closeness) {
        return Some(choice.clone());
    }
    if name == AUTO {
        return Some(Choice::Auto);
    }
    let called = table.deployments().iter().filter(|one| one.id.model.as_str() == name);
    let chain: Vec<DeploymentId> = called.map(|one| one.id.clone()).take(MAX_CHAIN).collect();
    (!chain.is_empty()).then_some(Choice::Named(chain))
}

fn explicit(table: &Table, name: &str) -> Option<DeploymentId> {
    let (provider, model) = name.split_once([',', '/'])?;
    let named =
        |one: &&crate::Deployment| one.id.provider.as_str() == provider && one.id.model.as_str() == model;
    table.deployments().iter().find(named).map(|one| one.id.clone())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use access::Models;

    use super::*;
    use crate::{Deployment, Error, Readiness, Reason, Source, candidates_named};

    fn id(text: &str) -> DeploymentId {
        text.parse().unwrap()
    }

    fn table(deployments: &[&str], aliases: &[(&str, Choice)]) -> Table {
        let ready =
            |text: &&str| Deployment { id: id(text), source: Source::Model, readiness: Readiness::Ready };
        let table = Table::try_new(deployments.iter().map(ready).collect(), BTreeMap::new()).unwrap();
        let aliases = aliases.iter().map(|(text, choice)| (text.parse().unwrap(), choice.clone()));
        table.naming(aliases.collect()).unwrap()
    }

    fn who(table: &Table, name: &str) -> Vec<String> {
        let found = candidates_named(table, name, Models::ALL).unwrap();
        found.iter().map(ToString::to_string).collect()
    }

    const THREE: [&str; 3] = ["a/big", "b/big", "b/deep/small"];

    #[test]
    fn a_models_name_is_every_deployment_of_it_in_order() {
        let table = table(&THREE, &[]);
        assert_eq!(who(&table, "big"), ["a/big", "b/big"]);
        assert_eq!(who(&table, "deep/small"), ["b/deep/small"]);
        assert_eq!(who(&table, "auto"), THREE);
    }

    #[test]
    fn an_explicit_name_is_that_one_whatever_the_aliases_say() {
        let table = table(&THREE, &[("b*", Choice::Auto), ("*", Choice::Auto)]);
        for name in ["b/big", "b,big"] {
            assert_eq!(who(&table, name), ["b/big"], "{name}");
        }
        assert_eq!(who(&table, "b,deep/small"), ["b/deep/small"]);
    }

    #[test]
    fn the_closest_alias_counts_and_comes_before_a_model_of_the_name() {
        let to = |text: &str| Choice::Named(vec![id(text)]);
        let aliases =
            [("*", to("a/big")), ("bi*", to("b/deep/small")), ("big", to("b/big")), ("bigger*", to("a/big"))];
        let table = table(&THREE, &aliases);
        for (name, answered) in [
            ("big", "b/big"),
            ("bigge", "b/deep/small"),
            ("bigger-2", "a/big"),
            ("x", "a/big"),
            ("auto", "a/big"),
        ] {
            assert_eq!(who(&table, name), [answered], "{name}");
        }
    }

    #[test]
    fn nobody_is_called_so() {
        let refused = candidates_named(&table(&THREE, &[]), "huge", Models::ALL).unwrap_err();
        assert!(refused.is_unknown && refused.to_string().contains("the model `huge`"), "{refused}");
        let hers: Models = Models(vec!["b".parse().unwrap()]);
        let refused = candidates_named(&table(&THREE, &[]), "a/big", &hers).unwrap_err();
        assert!(!refused.is_unknown);
        assert_eq!(refused.passed_by[0].reason, Reason::NotAllowed);
    }

    #[test]
    fn an_alias_parses_only_what_it_may_hold_and_leads_somewhere() {
        for text in ["", "a b", "a*b", "**", &"x".repeat(129)] {
            assert_eq!(text.parse::<Alias>(), Err(BadAlias), "{text}");
        }
        for text in ["*", "claude-*", "gpt-6.1-sol", "a/b"] {
            assert_eq!(text.parse::<Alias>().unwrap().to_string(), text);
        }
        let aliases = BTreeMap::from([("x".parse().unwrap(), Choice::Named(vec![id("no/body")]))]);
        let refused = table(&THREE, &[]).naming(aliases).unwrap_err();
        assert!(matches!(refused, Error::UnknownDeployment { .. }), "{refused}");
    }
}
