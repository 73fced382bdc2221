//! How many calls of the last while went well and how many failed, in slices that fall out one by one.
//!
//! Each slice is one word with the number of its time and the generation that it counts for, so that neither an old
//! time nor an old generation is ever added up with the present.

use std::time::Duration;

use crate::sync::{AtomicU64, Ordering};

/// Fewer where every interleaving is explored.
const SLICES: usize = if cfg!(all(test, loom)) { 1 } else { 8 };
const NUMBER_BITS: u32 = 24;
/// Who is further behind than so many slices did not come late: the numbers have come around since.
const LATEST: i32 = 1024;

/// The last while of one breaker.
#[derive(Debug)]
pub(super) struct Window {
    slices: [AtomicU64; SLICES],
    slice_nanos: u64,
}

/// How the calls of the last while ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) calls: u32,
    pub(super) failures: u32,
}

#[derive(Clone, Copy)]
struct Slice {
    generation: u8,
    /// 24 bits; it comes around after years.
    number: u32,
    calls: u16,
    failures: u16,
}

impl Window {
    pub(super) fn new(length: Duration) -> Self {
        let nanos = u64::try_from(length.as_nanos()).unwrap_or(u64::MAX);
        let slice_nanos = (nanos / SLICES as u64).max(1);
        Self { slices: std::array::from_fn(|_| AtomicU64::new(0)), slice_nanos }
    }

    /// Counts a call that ended `at` nanoseconds after the breaker's origin.
    pub(super) fn record(&self, generation: u64, at: u64, failed: bool) {
        let (place, number) = self.place(at);
        let [generation, ..] = generation.to_le_bytes();
        let mut bits = self.slices[place].load(Ordering::SeqCst);
        loop {
            let known = Slice::unpack(bits);
            let Some(next) = known.with(generation, number, failed) else { return };
            // In one order for all, so that of two failures in different slices at least one sees the other.
            match self.slices[place].compare_exchange_weak(
                bits,
                next.pack(),
                Ordering::SeqCst,
                Ordering::SeqCst,
            ) {
                Ok(_) => return,
                Err(found) => bits = found,
            }
        }
    }

    /// The calls of `generation` in the while before `at`.
    pub(super) fn tally(&self, generation: u64, at: u64) -> Tally {
        let (_, now) = self.place(at);
        let [generation, ..] = generation.to_le_bytes();
        let slices = self.slices.iter().map(|slice| Slice::unpack(slice.load(Ordering::SeqCst)));
        let counted = slices.filter(|slice| {
            slice.generation == generation && ahead(now, slice.number).unsigned_abs() < SLICES as u32
        });
        counted.fold(Tally::default(), |sum, slice| Tally {
            calls: sum.calls + u32::from(slice.calls),
            failures: sum.failures + u32::from(slice.failures),
        })
    }

    fn place(&self, at: u64) -> (usize, u32) {
        let number = at / self.slice_nanos;
        let place = usize::try_from(number % SLICES as u64).expect("a rest of so many is less than that");
        let [a, b, c, ..] = number.to_le_bytes();
        (place, u32::from_le_bytes([a, b, c, 0]))
    }
}

impl Slice {
    /// Itself with one more call; begun anew when it counts an older time; `None` when it is newer than the call.
    fn with(self, generation: u8, number: u32, failed: bool) -> Option<Self> {
        let by = ahead(number, self.number);
        let generations = generation.wrapping_sub(self.generation).cast_signed();
        let is_late = (-LATEST..0).contains(&by) || by == 0 && generations < 0;
        if is_late && self.calls > 0 {
            return None;
        }
        let is_same = by == 0 && generations == 0;
        let (calls, failures) = if is_same { (self.calls, self.failures) } else { (0, 0) };
        let failures = failures.saturating_add(u16::from(failed));
        Some(Self { generation, number, calls: calls.saturating_add(1), failures })
    }

    fn pack(self) -> u64 {
        let tag = u32::from(self.generation) << NUMBER_BITS | self.number;
        u64::from(tag) << 32 | u64::from(self.calls) << 16 | u64::from(self.failures)
    }

    fn unpack(bits: u64) -> Self {
        let [f0, f1, c0, c1, n0, n1, n2, generation] = bits.to_le_bytes();
        Self {
            generation,
            number: u32::from_le_bytes([n0, n1, n2, 0]),
            calls: u16::from_le_bytes([c0, c1]),
            failures: u16::from_le_bytes([f0, f1]),
        }
    }
}

/// By how many slices `number` is after `other`, the shorter way around.
fn ahead(number: u32, other: u32) -> i32 {
    const UNUSED: u32 = u32::BITS - NUMBER_BITS;
    (number.wrapping_sub(other) << UNUSED).cast_signed() >> UNUSED
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn window() -> Window {
        Window::new(Duration::from_secs(8))
    }

    #[test]
    fn counts_fall_out_a_slice_at_a_time() {
        let window = window();
        for second in 0..8 {
            window.record(1, second * SECOND, second % 2 == 0);
        }
        assert_eq!(window.tally(1, 7 * SECOND), Tally { calls: 8, failures: 4 });
        assert_eq!(window.tally(1, 8 * SECOND), Tally { calls: 7, failures: 3 });
        assert_eq!(window.tally(1, 14 * SECOND), Tally { calls: 1, failures: 0 });
        assert_eq!(window.tally(1, 15 * SECOND), Tally::default());
    }

    #[test]
    fn a_new_generation_begins_at_nothing_and_an_old_one_takes_nothing_away() {
        let window = window();
        window.record(255, 0, true);
        window.record(256, 0, true);
        window.record(255, 0, true);
        assert_eq!(window.tally(255, 0), Tally::default());
        assert_eq!(window.tally(256, 0), Tally { calls: 1, failures: 1 });
    }

    #[test]
    fn who_comes_with_an_old_time_is_not_counted_as_now() {
        let window = window();
        window.record(1, 20 * SECOND, false);
        window.record(1, 12 * SECOND, true);
        window.record(1, 19 * SECOND, true);
        assert_eq!(window.tally(1, 20 * SECOND), Tally { calls: 2, failures: 1 });
    }

    #[test]
    fn numbers_come_around() {
        let window = window();
        let last = (1 << NUMBER_BITS) - 1;
        window.record(1, last * SECOND, true);
        window.record(1, (last + 1) * SECOND, true);
        assert_eq!(window.tally(1, (last + 1) * SECOND), Tally { calls: 2, failures: 2 });
        assert_eq!(window.tally(1, (last + 8) * SECOND), Tally { calls: 1, failures: 1 });
    }

    #[test]
    fn a_long_silence_is_no_reason_to_count_nothing() {
        for silence in [1 << 10, 1 << 23, (1 << 23) + 8, (1 << 24) - 8 * 1024] {
            let window = window();
            window.record(1, 0, true);
            window.record(1, silence * SECOND, true);
            assert_eq!(window.tally(1, silence * SECOND), Tally { calls: 1, failures: 1 }, "{silence}");
        }
    }

    #[test]
    fn neither_no_length_nor_the_longest_breaks_it() {
        for length in [Duration::ZERO, Duration::MAX] {
            let window = Window::new(length);
            window.record(1, u64::MAX, true);
            assert_eq!(window.tally(1, u64::MAX), Tally { calls: 1, failures: 1 });
        }
    }
}
