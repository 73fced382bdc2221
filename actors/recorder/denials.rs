//! Denials, counted: the first of a kind is told at once, and those that repeat it are told together.

use std::collections::HashMap;

use store::AuditEntry;
use units::UnixMillis;

use super::Source;

/// Kinds that are told apart at a time.
const MAX_KINDS: usize = 128;
/// Kinds of one source; the others of it are counted together.
const MAX_OF_ONE: usize = 8;
/// Kinds of all strangers: they can come from as many addresses as they like, and leave some to those who are known.
const MAX_OF_STRANGERS: usize = 96;

/// Who was denied what, on what, and why.
type Kind = (String, String, String, String);

/// The denials since they were last summed up.
#[derive(Debug, Default)]
pub(super) struct Denials {
    of: HashMap<Source, OfOne>,
    kinds: usize,
    of_strangers: usize,
    /// Of sources that there was no place for.
    others: u64,
}

/// Those of one source.
#[derive(Debug, Default)]
struct OfOne {
    repeated: HashMap<Kind, Repeated>,
    /// Of kinds that there was no place for, and who was told of last.
    others: u64,
    who: String,
}

#[derive(Debug)]
struct Repeated {
    times: u64,
    detail: Option<String>,
}

impl Denials {
    /// Counts a denial, and gives it back where it is to be told now.
    pub(super) fn count(&mut self, source: Source, entry: AuditEntry) -> Option<AuditEntry> {
        let is_stranger = matches!(source, Source::Stranger(_));
        let is_full = self.kinds >= MAX_KINDS || (is_stranger && self.of_strangers >= MAX_OF_STRANGERS);
        let of_one = match self.of.get_mut(&source) {
            Some(of_one) => of_one,
            None if is_full => {
                self.others += 1;
                return None;
            }
            None => self.of.entry(source).or_default(),
        };
        let kind = (entry.who.clone(), entry.action.clone(), entry.subject.clone(), entry.outcome.clone());
        if let Some(repeated) = of_one.repeated.get_mut(&kind) {
            repeated.times += 1;
            return None;
        }
        if is_full || of_one.repeated.len() >= MAX_OF_ONE {
            of_one.others += 1;
            of_one.who = entry.who;
            return None;
        }
        of_one.repeated.insert(kind, Repeated { times: 0, detail: entry.detail.clone() });
        self.kinds += 1;
        self.of_strangers += usize::from(is_stranger);
        Some(entry)
    }

    /// What was counted and not told, and begins anew.
    pub(super) fn sum_up(&mut self, at: UnixMillis) -> Vec<AuditEntry> {
        let Self { of, others, .. } = std::mem::take(self);
        let mut told: Vec<AuditEntry> =
            of.into_iter().flat_map(|(source, of_one)| of_one.summed(&source, at)).collect();
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

impl OfOne {
    fn summed(self, source: &Source, at: UnixMillis) -> Vec<AuditEntry> {
        let Self { repeated, others, who } = self;
        let again = repeated.into_iter().filter(|(_, repeated)| repeated.times > 0);
        let mut told: Vec<AuditEntry> = again
            .map(|((who, action, subject, outcome), Repeated { times, detail })| {
                let first = detail.map_or_else(String::new, |detail| format!("; the first: {detail}"));
                let detail = Some(format!("as often again since it was told, within a minute{first}"));
                AuditEntry { at, who, action, subject, outcome, detail, times }
            })
            .collect();
        if others > 0 {
            let (Source::Known(from) | Source::Stranger(from)) = source;
            told.push(AuditEntry {
                at,
                who,
                action: "request.many".to_owned(),
                subject: "many".to_owned(),
                outcome: "denied".to_owned(),
                detail: Some(format!("of more than {MAX_OF_ONE} kinds within a minute (from {from})")),
                times: others,
            });
        }
        told
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stranger(number: usize) -> Source {
        Source::Stranger(format!("10.0.{}.{}", number / 256, number % 256))
    }

    fn denial(subject: usize) -> AuditEntry {
        AuditEntry {
            at: UnixMillis(1),
            who: "anonymous".to_owned(),
            action: "request.get".to_owned(),
            subject: format!("/{subject}"),
            outcome: "host_refused".to_owned(),
            detail: Some(format!("detail {subject}")),
            times: 1,
        }
    }

    #[test]
    fn the_first_is_told_and_the_rest_is_counted() {
        let mut denials = Denials::default();
        assert_eq!(denials.count(stranger(1), denial(1)), Some(denial(1)));
        for _ in 0..999 {
            assert_eq!(denials.count(stranger(1), denial(1)), None);
        }
        assert_eq!(denials.count(stranger(2), denial(1)), Some(denial(1)), "another asks from elsewhere");
        let told = denials.sum_up(UnixMillis(9));
        assert_eq!(
            told.iter().map(|entry| (entry.subject.as_str(), entry.times)).collect::<Vec<_>>(),
            [("/1", 999)]
        );
        assert!(told[0].detail.as_ref().unwrap().contains("detail 1"));
        assert_eq!(denials.sum_up(UnixMillis(9)), []);
        assert_eq!(denials.count(stranger(1), denial(1)), Some(denial(1)));
    }

    #[test]
    fn a_flood_from_everywhere_is_few_entries_and_none_is_missing() {
        let mut denials = Denials::default();
        let told = (0..10_000).filter_map(|who| denials.count(stranger(who), denial(1))).count();
        // Who is known has room beside it.
        let known = Source::Known("key/1".to_owned());
        assert_eq!(denials.count(known, denial(7)), Some(denial(7)));
        let summed = denials.sum_up(UnixMillis(9));
        assert_eq!((told, summed.len()), (MAX_OF_STRANGERS, 1));
        assert_eq!(told as u64 + summed[0].times, 10_000);
    }

    #[test]
    fn one_flooder_with_many_kinds_pushes_out_nobody_elses() {
        let mut denials = Denials::default();
        let told = (0..10_000).filter_map(|kind| denials.count(stranger(1), denial(kind))).count();
        assert_eq!(told, MAX_OF_ONE);
        assert_eq!(denials.count(stranger(2), denial(3)), Some(denial(3)));
        let summed = denials.sum_up(UnixMillis(9));
        assert_eq!(summed.len(), 1);
        assert_eq!((summed[0].who.as_str(), summed[0].times), ("anonymous", 10_000 - MAX_OF_ONE as u64));
        assert!(summed[0].detail.as_ref().unwrap().contains("10.0.0.1"));
    }
}
