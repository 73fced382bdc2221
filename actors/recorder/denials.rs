//! Denials, counted: the first of a kind is told at once, and those that repeat it are told together.

use std::collections::HashMap;

use store::AuditEntry;
use units::UnixMillis;

/// Kinds that are told apart at a time.
const MAX_KINDS: usize = 64;

/// Who was denied what, on what, and why.
type Kind = (String, String, String, String);

/// The denials since they were last summed up.
#[derive(Debug, Default)]
pub(super) struct Denials {
    repeated: HashMap<Kind, u64>,
    /// Of kinds that there was no place for.
    others: u64,
}

impl Denials {
    /// Counts a denial, and gives it back where it is to be told now.
    pub(super) fn count(&mut self, entry: AuditEntry) -> Option<AuditEntry> {
        let kind = (entry.who.clone(), entry.action.clone(), entry.subject.clone(), entry.outcome.clone());
        if let Some(times) = self.repeated.get_mut(&kind) {
            *times += 1;
            return None;
        }
        if self.repeated.len() >= MAX_KINDS {
            self.others += 1;
            return None;
        }
        self.repeated.insert(kind, 0);
        Some(entry)
    }

    /// What was counted and not told, and begins anew.
    pub(super) fn sum_up(&mut self, at: UnixMillis) -> Vec<AuditEntry> {
        let Self { repeated, others } = std::mem::take(self);
        let detail = Some("as often again since it was told, within a minute".to_owned());
        let mut told: Vec<AuditEntry> = repeated
            .into_iter()
            .filter(|(_, times)| *times > 0)
            .map(|((who, action, subject, outcome), times)| AuditEntry {
                at,
                who,
                action,
                subject,
                outcome,
                detail: detail.clone(),
                times,
            })
            .collect();
        if others > 0 {
            told.push(AuditEntry {
                at,
                who: "many".to_owned(),
                action: "request.many".to_owned(),
                subject: "many".to_owned(),
                outcome: "denied".to_owned(),
                detail: Some(format!("of more than {MAX_KINDS} kinds within a minute")),
                times: others,
            });
        }
        told
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn denial(who: usize) -> AuditEntry {
        AuditEntry {
            at: UnixMillis(1),
            who: format!("10.0.0.{who}"),
            action: "request.get".to_owned(),
            subject: "/v1/workflows".to_owned(),
            outcome: "host_refused".to_owned(),
            detail: Some(format!("detail {who}")),
            times: 1,
        }
    }

    #[test]
    fn the_first_is_told_and_the_rest_is_counted() {
        let mut denials = Denials::default();
        assert_eq!(denials.count(denial(1)), Some(denial(1)));
        for _ in 0..999 {
            assert_eq!(denials.count(denial(1)), None);
        }
        assert_eq!(denials.count(denial(2)), Some(denial(2)));
        let told = denials.sum_up(UnixMillis(9));
        assert_eq!(
            told.iter().map(|entry| (entry.who.as_str(), entry.times)).collect::<Vec<_>>(),
            [("10.0.0.1", 999)]
        );
        assert_eq!(denials.sum_up(UnixMillis(9)), []);
        assert_eq!(denials.count(denial(1)), Some(denial(1)));
    }

    #[test]
    fn a_flood_from_everywhere_is_few_entries_and_none_is_missing() {
        let mut denials = Denials::default();
        let told = (0..10_000).filter_map(|who| denials.count(denial(who))).count();
        let summed = denials.sum_up(UnixMillis(9));
        assert_eq!((told, summed.len()), (MAX_KINDS, 1));
        assert_eq!(told as u64 + summed[0].times, 10_000);
    }
}
