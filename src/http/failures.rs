//! Failed authentications by address: after the first few, each costs that address a longer wait.
//!
//! Nobody is kept waiting by the server: who comes too early is turned away at once, and told when to come. What is
//! remembered fades by half each minute, and the table is bounded: the address that has failed least makes room.

use std::time::{Duration, Instant};

use dashmap::DashMap;

use super::asker::Neighbours;

/// In this time half of what is remembered of an address fades.
const FADES_BY_HALF_IN: Duration = Duration::from_secs(60);
/// The first wait; each further failure doubles it.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// The longest wait.
const LONGEST_WAIT: Duration = Duration::from_secs(300);
/// How many addresses are compared when one has to make room.
const COMPARED: usize = 8;

/// What is remembered of all addresses.
#[derive(Debug)]
pub(super) struct Failures {
    by_address: DashMap<Neighbours, Remembered>,
    /// Failures that cost nothing.
    free: u32,
    /// The most addresses.
    most: usize,
}

/// What is remembered of one address.
#[derive(Clone, Copy, Debug)]
struct Remembered {
    failures: u32,
    last: Instant,
    waits_until: Instant,
}

impl Remembered {
    /// What is left of its failures at this time.
    fn left(&self, now: Instant) -> u32 {
        let halves = now.saturating_duration_since(self.last).as_secs() / FADES_BY_HALF_IN.as_secs();
        self.failures.checked_shr(halves.try_into().unwrap_or(u32::MAX)).unwrap_or(0)
    }

    /// After one more failure.
    fn failed(self, now: Instant, free: u32) -> Self {
        let failures = self.left(now).saturating_add(1);
        let wait = match failures.checked_sub(free + 1) {
            None => Duration::ZERO,
            Some(doubled) => FIRST_WAIT.saturating_mul(1 << doubled.min(16)).min(LONGEST_WAIT),
        };
        Self { failures, last: now, waits_until: now + wait }
    }
}

impl Failures {
    pub(super) fn new(free: u32, most: usize) -> Self {
        Self { by_address: DashMap::new(), free, most }
    }

    /// How long this address has yet to wait; nothing when it may come in.
    pub(super) fn wait(&self, address: Neighbours, now: Instant) -> Option<Duration> {
        let remembered = *self.by_address.get(&address)?;
        let wait = remembered.waits_until.saturating_duration_since(now);
        (!wait.is_zero()).then_some(wait)
    }

    /// Notes a failure of this address.
    pub(super) fn failed(&self, address: Neighbours, now: Instant) {
        if self.by_address.len() >= self.most && !self.by_address.contains_key(&address) {
            self.make_room(now);
        }
        let none = Remembered { failures: 0, last: now, waits_until: now };
        let mut remembered = self.by_address.entry(address).or_insert(none);
        *remembered = remembered.failed(now, self.free);
    }

    fn make_room(&self, now: Instant) {
        let least = self
            .by_address
            .iter()
            .take(COMPARED)
            .map(|entry| (entry.left(now), *entry.key()))
            .min_by_key(|(left, _)| *left);
        if let Some((_, address)) = least {
            self.by_address.remove(&address);
        }
    }
}

#[cfg(test)]
mod tests {
    use clock::Clock;

    use super::*;

    fn at(text: &str) -> Neighbours {
        Neighbours::of(text.parse().unwrap())
    }

    #[test]
    fn the_first_failures_cost_nothing_and_then_each_costs_twice_as_much_up_to_a_bound() {
        let (clock, failures) = (Clock::manual(), Failures::new(3, 16));
        let guesser = at("192.0.2.1");
        let mut waits = Vec::new();
        for _ in 0..14 {
            failures.failed(guesser, clock.now());
            waits.push(failures.wait(guesser, clock.now()).map_or(0, |wait| wait.as_secs()));
        }
        assert_eq!(waits, [0, 0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
        assert_eq!(failures.wait(at("192.0.2.2"), clock.now()), None);
        clock.advance(Duration::from_secs(300));
        assert_eq!(failures.wait(guesser, clock.now()), None);
    }

    #[test]
    fn what_is_remembered_fades() {
        let (clock, failures) = (Clock::manual(), Failures::new(3, 16));
        let guesser = at("192.0.2.1");
        for _ in 0..4 {
            failures.failed(guesser, clock.now());
        }
        clock.advance(FADES_BY_HALF_IN * 2);
        failures.failed(guesser, clock.now());
        assert_eq!(failures.wait(guesser, clock.now()), None, "one is left, and one has come: two of three");
        clock.advance(FADES_BY_HALF_IN * 100);
        assert_eq!(failures.by_address.get(&guesser).unwrap().left(clock.now()), 0);
    }

    #[test]
    fn an_attacker_with_many_addresses_fills_no_memory_and_drives_out_no_worse_one() {
        let (clock, failures) = (Clock::manual(), Failures::new(3, 32));
        let guesser = at("192.0.2.1");
        for _ in 0..10 {
            failures.failed(guesser, clock.now());
        }
        for number in 0..10_000_u128 {
            let address = std::net::IpAddr::V6((number << 64).into());
            failures.failed(Neighbours::of(address), clock.now());
            assert!(failures.by_address.len() <= 32);
        }
        assert!(failures.wait(guesser, clock.now()).is_some());
    }

    #[test]
    fn the_addresses_of_one_ipv6_network_are_one() {
        let (clock, failures) = (Clock::manual(), Failures::new(1, 16));
        for last in 1..=3 {
            failures.failed(at(&format!("2001:db8::{last}")), clock.now());
        }
        assert!(failures.wait(at("2001:db8::ffff"), clock.now()).is_some());
        assert_eq!(failures.wait(at("2001:db8:0:1::1"), clock.now()), None);
    }
}
