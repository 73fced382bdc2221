//! A histogram of durations that can be added up: those of many hours and many servers give the quantiles of all.
//!
//! Below 32 ms each millisecond has a bucket; above, each doubling has 16. A quantile is told as the upper end of its
//! bucket, which is at most a sixteenth too much. What is longer than 34 years counts as that long.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// Each of the first values has a bucket of its own.
const EXACT: u64 = 32;
/// Buckets of each doubling, as a power of two.
const STEPS_LOG2: u32 = 4;
const STEPS: u64 = 1 << STEPS_LOG2;
/// The longest duration that is told apart, in milliseconds.
const LONGEST_MS: u64 = (1 << 40) - 1;
/// The number of buckets that there are.
const BUCKETS: u16 = bucket(LONGEST_MS) + 1;

/// How many durations fell into each bucket.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Histogram(BTreeMap<u16, u64>);

/// Why a text is no histogram.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is no histogram: a bucket is written `number:count`, in order, each once")]
pub struct Malformed;

const fn bucket(ms: u64) -> u16 {
    if ms < EXACT {
        return ms as u16;
    }
    let doubling = ms.ilog2();
    let step = (ms >> (doubling - STEPS_LOG2)) & (STEPS - 1);
    (EXACT + (doubling - EXACT.ilog2()) as u64 * STEPS + step) as u16
}

/// The longest duration of a bucket.
const fn upper(bucket: u16) -> u64 {
    let bucket = bucket as u64;
    if bucket < EXACT {
        return bucket;
    }
    let doubling = (bucket - EXACT) / STEPS + EXACT.ilog2() as u64;
    let step = (bucket - EXACT) % STEPS;
    (1 << doubling) + ((step + 1) << (doubling - STEPS_LOG2 as u64)) - 1
}

impl Histogram {
    /// Counts a duration, in milliseconds.
    pub fn record(&mut self, ms: u64) {
        let count = self.0.entry(bucket(ms.min(LONGEST_MS))).or_default();
        *count = count.saturating_add(1);
    }

    /// Adds what the other has counted.
    pub fn merge(&mut self, other: &Self) {
        for (bucket, more) in &other.0 {
            let count = self.0.entry(*bucket).or_default();
            *count = count.saturating_add(*more);
        }
    }

    /// How many durations were counted.
    pub fn count(&self) -> u64 {
        self.0.values().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// A duration in milliseconds that at least `percent` of a hundred did not exceed; none where nothing was counted.
    pub fn percentile(&self, percent: u8) -> Option<u64> {
        let total = u128::from(self.count());
        let rank = (total * u128::from(percent.min(100))).div_ceil(100).max(1);
        let mut seen = 0;
        for (bucket, count) in &self.0 {
            seen += u128::from(*count);
            if seen >= rank {
                return Some(upper(*bucket));
            }
        }
        None
    }
}

/// `3:1 47:12`, which is how it is stored.
impl fmt::Display for Histogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, (bucket, count)) in self.0.iter().enumerate() {
            let gap = if place == 0 { "" } else { " " };
            write!(f, "{gap}{bucket}:{count}")?;
        }
        Ok(())
    }
}

impl FromStr for Histogram {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let mut buckets = BTreeMap::new();
        for part in text.split_ascii_whitespace() {
            let (bucket, count) = part.split_once(':').ok_or(Malformed)?;
            let bucket = bucket.parse().ok().filter(|bucket| *bucket < BUCKETS).ok_or(Malformed)?;
            let count = count.parse().ok().filter(|count| *count > 0).ok_or(Malformed)?;
            if buckets.last_key_value().is_some_and(|(last, _)| *last >= bucket) {
                return Err(Malformed);
            }
            buckets.insert(bucket, count);
        }
        Ok(Self(buckets))
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn of(values: &[u64]) -> Histogram {
        let mut histogram = Histogram::default();
        values.iter().for_each(|ms| histogram.record(*ms));
        histogram
    }

    #[test]
    fn a_bucket_ends_where_the_next_begins() {
        for number in 0..BUCKETS {
            assert_eq!(bucket(upper(number)), number);
            assert_eq!(bucket(upper(number) + 1), number + 1, "{}", upper(number));
        }
        assert_eq!(of(&[u64::MAX]).percentile(50), Some(LONGEST_MS));
    }

    #[test]
    fn tells_the_usual_percentiles() {
        let histogram = of(&(1..=100).collect::<Vec<_>>());
        assert_eq!(histogram.percentile(1), Some(1));
        assert_eq!(histogram.percentile(30), Some(30));
        assert!((50..=53).contains(&histogram.percentile(50).unwrap()));
        assert!((99..=103).contains(&histogram.percentile(99).unwrap()));
        assert_eq!(Histogram::default().percentile(50), None);
    }

    #[test]
    fn refuses_what_it_never_wrote() {
        for text in ["x", "1", "1:", "1:0", "2:1 1:1", "1:1 1:1", "60000:1", "1:-1"] {
            assert_eq!(text.parse::<Histogram>(), Err(Malformed), "{text}");
        }
    }

    proptest! {
        #[test]
        fn two_added_up_are_one_of_all(left in vec(any::<u64>(), 0..50), right in vec(0..100_000u64, 0..50)) {
            let mut sum = of(&left);
            sum.merge(&of(&right));
            prop_assert_eq!(&sum, &of(&[left, right].concat()));
            prop_assert_eq!(&sum.to_string().parse::<Histogram>().unwrap(), &sum);
        }

        #[test]
        fn a_percentile_is_at_most_a_sixteenth_too_much(mut values in vec(0..LONGEST_MS, 1..50), percent in 1..=100u8) {
            let told = of(&values).percentile(percent).unwrap();
            values.sort_unstable();
            let exact = values[(values.len() * usize::from(percent)).div_ceil(100) - 1];
            prop_assert!(told >= exact && told - exact <= exact / 16, "{} for {}", told, exact);
        }
    }
}
