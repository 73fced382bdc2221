//! The one clock of a tree: the machine's, or one that a test moves by hand.
//!
//! Everything that waits asks a `Clock`, so that no test has to wait for time to pass (tokio's own paused clock is
//! per runtime and jumps while another thread works). It promises: a sleep never ends before its time; when a manual
//! clock is advanced, every sleeper whose time has come is woken. Cloning shares the clock.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::oneshot;
use units::UnixMillis;

/// Tells the time and waits for it.
#[derive(Clone, Debug)]
pub struct Clock(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Real,
    Manual(Arc<Mutex<Manual>>),
}

/// A manual clock's state; it starts at the machine's time and moves only by `advance`.
#[derive(Debug)]
struct Manual {
    now: Instant,
    wall: UnixMillis,
    sleepers: BTreeMap<(Instant, u64), oneshot::Sender<()>>,
    next_sleeper: u64,
}

/// The time was over before the work was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Elapsed;

impl Clock {
    /// The machine's own clock.
    pub const fn real() -> Self {
        Self(Kind::Real)
    }

    /// A clock that stands still until [`Clock::advance`].
    pub fn manual() -> Self {
        let state = Manual {
            now: Instant::now(),
            wall: machine_wall_time(),
            sleepers: BTreeMap::new(),
            next_sleeper: 0,
        };
        Self(Kind::Manual(Arc::new(Mutex::new(state))))
    }

    /// A point on the monotonic time line.
    pub fn now(&self) -> Instant {
        match &self.0 {
            Kind::Real => Instant::now(),
            Kind::Manual(state) => lock(state).now,
        }
    }

    /// The wall-clock time; may jump, so it is for records and never for waiting.
    pub fn wall(&self) -> UnixMillis {
        match &self.0 {
            Kind::Real => machine_wall_time(),
            Kind::Manual(state) => lock(state).wall,
        }
    }

    /// The machine's monotonic clock, whatever kind this is: for those outside of the process who compare stamps of it.
    pub fn since_boot() -> Duration {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        Duration::try_from(now).unwrap_or_default()
    }

    /// Waits for `duration`.
    pub async fn sleep(&self, duration: Duration) {
        self.sleep_until(self.now() + duration).await;
    }

    /// Waits until `deadline`; at once when it is past.
    pub async fn sleep_until(&self, deadline: Instant) {
        match &self.0 {
            Kind::Real => machine_sleep_until(deadline).await,
            Kind::Manual(state) => {
                let Some(woken) = lock(state).enlist(deadline) else { return };
                // The sender lives in the clock until its time; a clock that is gone never ends a sleep early.
                if woken.await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        }
    }

    /// Gives `work` until `deadline`, then drops it.
    pub async fn deadline<F: Future>(&self, deadline: Instant, work: F) -> Result<F::Output, Elapsed> {
        let work = std::pin::pin!(work);
        let sleep = std::pin::pin!(self.sleep_until(deadline));
        match futures_util::future::select(work, sleep).await {
            futures_util::future::Either::Left((output, _)) => Ok(output),
            futures_util::future::Either::Right(_) => Err(Elapsed),
        }
    }

    /// Gives `work` the time `within`, then drops it.
    pub async fn timeout<F: Future>(&self, within: Duration, work: F) -> Result<F::Output, Elapsed> {
        self.deadline(self.now() + within, work).await
    }

    /// Moves a manual clock on and wakes who waited for it.
    ///
    /// # Panics
    /// On the machine's clock, which nobody may move.
    pub fn advance(&self, by: Duration) {
        let Kind::Manual(state) = &self.0 else { panic!("only a manual clock can be advanced") };
        for sleeper in lock(state).advance(by) {
            // A sleeper that was dropped has nobody to wake.
            let _ = sleeper.send(());
        }
    }

    /// When the next sleeper of a manual clock is due: what a test advances to.
    pub fn next_wake(&self) -> Option<Instant> {
        match &self.0 {
            Kind::Real => None,
            Kind::Manual(state) => {
                let mut state = lock(state);
                state.sleepers.retain(|_, sleeper| !sleeper.is_closed());
                state.sleepers.keys().next().map(|(at, _)| *at)
            }
        }
    }
}

impl Manual {
    fn enlist(&mut self, deadline: Instant) -> Option<oneshot::Receiver<()>> {
        if deadline <= self.now {
            return None;
        }
        let (sender, receiver) = oneshot::channel();
        self.next_sleeper += 1;
        self.sleepers.insert((deadline, self.next_sleeper), sender);
        Some(receiver)
    }

    fn advance(&mut self, by: Duration) -> Vec<oneshot::Sender<()>> {
        self.now += by;
        self.wall = UnixMillis(self.wall.0.saturating_add(by.as_millis().try_into().unwrap_or(i64::MAX)));
        let later = self.sleepers.split_off(&(self.now, u64::MAX));
        std::mem::replace(&mut self.sleepers, later).into_values().collect()
    }
}

fn lock(state: &Mutex<Manual>) -> MutexGuard<'_, Manual> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

#[expect(clippy::disallowed_methods, reason = "this is the one place that waits on the machine's time")]
async fn machine_sleep_until(deadline: Instant) {
    tokio::time::sleep_until(deadline.into()).await;
}

#[expect(clippy::disallowed_methods, reason = "this is the one place that asks the machine for the time")]
fn machine_wall_time() -> UnixMillis {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixMillis(since_epoch.as_millis().try_into().unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_sleeper_wakes_when_its_time_has_come_and_not_before() {
        let clock = Clock::manual();
        let mut sleep = tokio_test_task(clock.clone(), Duration::from_secs(30));

        clock.advance(Duration::from_millis(29_999));
        tokio::task::yield_now().await;
        assert!(sleep.try_recv().is_err());

        clock.advance(Duration::from_millis(1));
        assert_eq!(sleep.await, Ok(()));
    }

    #[tokio::test]
    async fn a_past_deadline_ends_at_once() {
        let clock = Clock::manual();
        clock.sleep(Duration::ZERO).await;
        assert_eq!(clock.timeout(Duration::ZERO, std::future::pending::<()>()).await, Err(Elapsed));
        assert_eq!(clock.timeout(Duration::ZERO, async { 7 }).await, Ok(7));
    }

    #[tokio::test]
    async fn tells_when_the_next_sleeper_is_due_and_forgets_the_dropped() {
        let clock = Clock::manual();
        let start = clock.now();
        {
            let mut dropped = std::pin::pin!(clock.sleep(Duration::from_secs(1)));
            assert!(futures_util::poll!(dropped.as_mut()).is_pending());
            assert_eq!(clock.next_wake(), Some(start + Duration::from_secs(1)));
        }
        assert_eq!(clock.next_wake(), None);
    }

    fn tokio_test_task(clock: Clock, duration: Duration) -> oneshot::Receiver<()> {
        let (sender, receiver) = oneshot::channel();
        let mut sleep = Box::pin(async move { clock.sleep(duration).await });
        let waker = futures_util::task::noop_waker();
        let polled = sleep.as_mut().poll(&mut std::task::Context::from_waker(&waker));
        assert!(polled.is_pending());
        tokio::runtime::Handle::current().spawn(async move {
            sleep.await;
            let _ = sender.send(());
        });
        receiver
    }
}
