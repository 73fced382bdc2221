//! How long what is finished is kept, and how much room the disk has to have.

use actors::retention::{Limits, Rules};
use serde::{Deserialize, Serialize};

use super::bounded::Bounded;

/// A hundred years, in days.
const MOST_DAYS: u64 = 36_500;
/// A PiB, in MiB.
const MOST_MB: u64 = 1 << 30;

/// How long what is finished is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Retention {
    /// Finished workflows: their histories, agents, tasks and journals.
    pub workflows: Kept,
    /// What each call used and cost.
    pub model_usage: Kept,
    /// How models did, hour by hour.
    pub model_metrics: Kept,
    /// Who asked what of this server.
    pub requests: Kept,
    /// Who did, or was denied, what.
    pub audit_log: Kept,
    /// Keys that were revoked or have expired, from then on.
    pub api_keys: Over,
    /// Answers that were kept for clients of OpenAI's Responses.
    pub responses: Kept,
}

/// How long one kind of rows is kept; null is for ever.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Kept {
    /// In days.
    pub days: Option<Bounded<1, MOST_DAYS>>,
    /// All of them together, in MiB.
    pub max_mb: Option<Bounded<1, MOST_MB>>,
}

/// How long what is over is kept; null is for ever.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Over {
    /// In days since then.
    pub days: Option<Bounded<1, MOST_DAYS>>,
}

/// The disk of the state folder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Disk {
    /// What has to be free for a workflow to start, in MiB; 0 asks for nothing.
    pub min_free_mb: Bounded<0, MOST_MB>,
}

impl Default for Retention {
    fn default() -> Self {
        let kept = |days, max_mb| Kept { days: Some(days), max_mb: Some(max_mb) };
        Self {
            workflows: kept(Bounded::new(180), Bounded::new(10_240)),
            model_usage: kept(Bounded::new(730), Bounded::new(2_048)),
            model_metrics: kept(Bounded::new(730), Bounded::new(512)),
            requests: kept(Bounded::new(30), Bounded::new(1_024)),
            audit_log: kept(Bounded::new(400), Bounded::new(2_048)),
            api_keys: Over { days: Some(Bounded::new(400)) },
            responses: kept(Bounded::new(30), Bounded::new(4_096)),
        }
    }
}

impl Default for Disk {
    fn default() -> Self {
        Self { min_free_mb: Bounded::new(512) }
    }
}

impl Disk {
    /// What has to be free, in bytes.
    pub(super) fn min_free_bytes(&self) -> u64 {
        self.min_free_mb.get() << 20
    }
}

impl Retention {
    /// The rules, by the names of the tables.
    pub fn rules(&self) -> Rules {
        vec![
            ("workflows", self.workflows.limits()),
            ("model_usage", self.model_usage.limits()),
            ("model_metrics", self.model_metrics.limits()),
            ("requests", self.requests.limits()),
            ("audit_log", self.audit_log.limits()),
            ("api_keys", Limits { days: self.api_keys.days.map(Bounded::get), bytes: None }),
            ("responses", self.responses.limits()),
        ]
    }
}

impl Kept {
    fn limits(self) -> Limits {
        Limits { days: self.days.map(Bounded::get), bytes: self.max_mb.map(|mb| mb.get() << 20) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Retention, yaml::Error> {
        yaml::from_str("a file", text)
    }

    #[test]
    fn null_is_for_ever_and_each_limit_stands_by_itself() {
        let rules = read("workflows: {days: null, max_mb: 3}\nmodel_usage: {days: 7}").unwrap().rules();
        let of = |table: &str| rules.iter().find(|(name, _)| *name == table).unwrap().1;
        assert_eq!(of("workflows"), Limits { days: None, bytes: Some(3 << 20) });
        assert_eq!(of("model_usage"), Limits { days: Some(7), bytes: None });
        assert_eq!(of("model_metrics").days, Some(730));
    }

    #[test]
    fn every_rule_is_of_a_table_that_is_swept() {
        for (name, _) in Retention::default().rules() {
            let table = store::Table::named(name).unwrap();
            assert!(actors::retention::sweeps(table), "{name}");
        }
        let swept = store::TABLES.iter().filter(|table| actors::retention::sweeps(table)).count();
        assert_eq!(Retention::default().rules().len(), swept, "a table that goes by age has a rule");
    }

    #[test]
    fn refuses_a_limit_that_would_take_all() {
        for text in
            ["workflows: {days: 0}", "model_usage: {max_mb: 0}", "audit: {days: 1}", "api_keys: {max_mb: 1}"]
        {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
