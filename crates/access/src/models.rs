//! Which models somebody may use: all, or those that were named.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use units::{DeploymentId, ProviderId};

use crate::Error;

/// One rule: a provider with all of its models, or one model at one provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum ModelRule {
    /// All models of this provider.
    Provider(ProviderId),
    /// This one.
    Deployment(DeploymentId),
}

/// The rules of somebody; without a rule every model is allowed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Models(pub Vec<ModelRule>);

impl Models {
    /// Every model.
    pub const ALL: &'static Self = &Self(Vec::new());

    /// Whether every model is allowed.
    pub fn are_all(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether all models of this provider are.
    pub fn allow_all_of(&self, provider: &ProviderId) -> bool {
        self.are_all()
            || self.0.iter().any(|rule| matches!(rule, ModelRule::Provider(one) if one == provider))
    }

    /// Whether this one is.
    pub fn allow(&self, deployment: &DeploymentId) -> bool {
        self.are_all()
            || self.0.iter().any(|rule| match rule {
                ModelRule::Provider(provider) => deployment.provider == *provider,
                ModelRule::Deployment(allowed) => deployment == allowed,
            })
    }
}

impl fmt::Display for ModelRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Provider(provider) => provider.fmt(f),
            Self::Deployment(deployment) => deployment.fmt(f),
        }
    }
}

impl FromStr for ModelRule {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Ok(if text.contains('/') { Self::Deployment(text.parse()?) } else { Self::Provider(text.parse()?) })
    }
}

impl TryFrom<String> for ModelRule {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl From<ModelRule> for String {
    fn from(rule: ModelRule) -> Self {
        rule.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn models(rules: &[&str]) -> Models {
        Models(rules.iter().map(|rule| rule.parse().unwrap()).collect())
    }

    #[test]
    fn allows_what_is_named_and_without_a_name_everything() {
        let id = |text: &str| text.parse::<DeploymentId>().unwrap();
        assert!(Models::ALL.allow(&id("a/x")));
        let some = models(&["a", "b/deep/model"]);
        for (deployment, allowed) in
            [("a/x", true), ("a/y/z", true), ("b/deep/model", true), ("b/deep", false), ("ab/x", false)]
        {
            assert_eq!(some.allow(&id(deployment)), allowed, "{deployment}");
        }
        assert!("A".parse::<ModelRule>().is_err() && "".parse::<ModelRule>().is_err());
    }
}
