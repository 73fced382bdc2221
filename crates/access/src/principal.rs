//! Who asks, and what of him a workflow remembers.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use units::DeploymentId;

use crate::{Grant, Models, Scope};

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Principal {
    /// The server's own user, over the Unix socket: everything.
    Operator,
    /// The holder of a key.
    Key {
        /// What it grants.
        grant: Arc<Grant>,
        /// `key/` and its id.
        name: Arc<str>,
    },
    /// Nobody in particular, on this machine or elsewhere: no scope at all.
    Anonymous,
}

/// Who asked for a workflow, as its history keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requester {
    /// The principal's name.
    pub name: String,
    /// What the key is called.
    pub label: String,
    /// Which models the workflow may use.
    #[serde(default, skip_serializing_if = "Models::are_all")]
    pub models: Models,
    /// The key's tags.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
}

impl Principal {
    /// The holder of the key that grants this.
    pub fn of_key(grant: Arc<Grant>) -> Self {
        let name = format!("key/{}", grant.id).into();
        Self::Key { grant, name }
    }

    /// Names it in records and limits: `operator`, `anonymous` or `key/<id>`. Never a secret.
    pub fn name(&self) -> &str {
        match self {
            Self::Operator => "operator",
            Self::Key { name, .. } => name,
            Self::Anonymous => "anonymous",
        }
    }

    /// Whether it has this scope.
    pub fn has(&self, scope: Scope) -> bool {
        match self {
            Self::Operator => true,
            Self::Key { grant, .. } => grant.scopes.has(scope),
            Self::Anonymous => false,
        }
    }

    /// The grant of a key.
    pub fn grant(&self) -> Option<&Arc<Grant>> {
        match self {
            Self::Key { grant, .. } => Some(grant),
            Self::Operator | Self::Anonymous => None,
        }
    }

    /// Which models it may use.
    pub fn models(&self) -> &Models {
        self.grant().map_or(Models::ALL, |grant| &grant.models)
    }

    /// What a workflow of its keeps of it; nothing of the operator, who may do everything.
    pub fn requester(&self) -> Option<Requester> {
        let grant = self.grant()?;
        Some(Requester {
            name: self.name().to_owned(),
            label: grant.name.clone(),
            models: grant.models.clone(),
            tags: grant.tags.clone(),
        })
    }
}

impl Requester {
    /// Whether a workflow of this requester may use a model.
    pub fn may_use(&self, deployment: &DeploymentId) -> bool {
        self.models.allow(deployment)
    }
}

#[cfg(test)]
mod tests {
    use units::KeyId;

    use super::*;

    fn key(scopes: &str) -> Principal {
        Principal::of_key(Arc::new(Grant {
            id: KeyId::from_random(0),
            name: "ci".to_owned(),
            scopes: scopes.parse().unwrap(),
            expires_at: None,
            models: Models(vec!["demo".parse().unwrap()]),
            roots: Vec::new(),
            tags: [("team".to_owned(), "red".to_owned())].into(),
        }))
    }

    #[test]
    fn the_operator_has_every_scope_a_key_its_own_and_nobody_none() {
        for scope in Scope::ALL {
            assert!(Principal::Operator.has(scope) && !Principal::Anonymous.has(scope));
            assert_eq!(key("metrics").has(scope), scope == Scope::Metrics);
        }
        assert_eq!(key("mcp").name(), "key/000000000000");
    }

    #[test]
    fn a_workflow_keeps_the_models_and_tags_of_who_asked() {
        assert_eq!(Principal::Operator.requester(), None);
        let requester = key("workflows").requester().unwrap();
        assert!(requester.may_use(&"demo/one".parse().unwrap()));
        assert!(!requester.may_use(&"other/one".parse().unwrap()));
        let stored = serde_json::to_string(&requester).unwrap();
        let read: Requester = serde_json::from_str(&stored).unwrap();
        assert_eq!((read, stored.contains(r#""team":"red""#)), (requester, true));
    }
}
