//! The arbiters of a tree: one thread for its supervisors, a few for its actors; none of them serves the web.
//!
//! Each thread is asked to answer a heartbeat. One that does not is stuck: it cannot be killed, so it is left behind and
//! counted, a fresh one takes its place, and supervisors start again there who lived on it. Past a bound the tree ends.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use actix_rt::{Arbiter, ArbiterHandle};
use clock::Clock;
use futures_util::future::{Either, join_all, select};
use tokio::sync::{oneshot, watch};
use tracing::error;

/// A thread that is late with its answer gets this much more of the machine's own time: after the process was halted,
/// or a manual clock was moved, time has leapt for threads that are well.
const GRACE: Duration = Duration::from_secs(1);

/// How long a thread has to drop what it ran; one that takes longer is left behind.
const PARTING: Duration = Duration::from_secs(5);

/// The threads of a tree.
#[derive(Clone, Debug)]
pub struct Pool {
    /// How many carry actors; at least 1.
    pub threads: usize,
    /// How it is seen that one of them is stuck.
    pub heartbeat: Heartbeat,
}

/// When a thread is held to be stuck.
#[derive(Clone, Debug)]
pub struct Heartbeat {
    /// Tells the time of the threads, which is the machine's even where the tree's stands still.
    pub clock: Clock,
    /// How often each thread is asked.
    pub every: Duration,
    /// A thread that has not answered for so long is stuck.
    pub stuck_after: Duration,
    /// The most threads that are left behind; with one more the tree ends.
    pub most_stuck: usize,
}

/// One thread's place in the pool, as those see it that live on it.
#[derive(Debug)]
pub(crate) struct Seat {
    handle: ArbiterHandle,
    stuck: AtomicBool,
    /// Somebody there did not let himself be killed: nobody waits for that thread.
    mistrusted: AtomicBool,
}

/// Asks all threads of a tree, and the one it was started on, whether they get on. Cloning is cheap.
#[derive(Clone)]
pub struct RollCall {
    home: Option<ArbiterHandle>,
    seating: Seating,
}

/// Where a tree's tasks can be put; cheap to clone.
#[derive(Clone)]
pub(crate) struct Seating {
    supervisors: Arc<Seat>,
    actors: Arc<Mutex<Vec<Arc<Seat>>>>,
    alarm: watch::Receiver<usize>,
}

/// Stopped and joined by the tree, for an arbiter never joins by itself.
pub(crate) struct Threads {
    seating: Seating,
    arbiters: Arbiters,
    stuck: Arc<AtomicUsize>,
    overwhelmed: watch::Receiver<bool>,
    watchdog: tokio::task::JoinHandle<()>,
}

/// Asks the threads and replaces those that do not answer.
struct Watchdog {
    heartbeat: Heartbeat,
    seating: Seating,
    arbiters: Arbiters,
    stuck: Arc<AtomicUsize>,
    alarm: watch::Sender<usize>,
    overwhelmed: watch::Sender<bool>,
}

/// All threads that were ever started, those of the supervisors and those left behind among them.
type Arbiters = Arc<Mutex<Vec<(Arc<Seat>, Arbiter)>>>;

/// A question to one thread.
struct Beat {
    seat: Arc<Seat>,
    asked_at: Instant,
    answered: Arc<AtomicBool>,
}

// === Pool ===

impl Pool {
    /// `threads` threads for actors, watched as the defaults of [`Heartbeat`] say.
    pub fn new(threads: usize) -> Self {
        Self { threads, heartbeat: Heartbeat::default() }
    }
}

impl Default for Heartbeat {
    /// Asked every 5 s; stuck after 30 s; at most 3 are left behind.
    fn default() -> Self {
        Self {
            clock: Clock::real(),
            every: Duration::from_secs(5),
            stuck_after: Duration::from_secs(30),
            most_stuck: 3,
        }
    }
}

// === Seat, Seating ===

impl Seat {
    fn new(arbiter: &Arbiter) -> Arc<Self> {
        Arc::new(Self {
            handle: arbiter.handle(),
            stuck: AtomicBool::new(false),
            mistrusted: AtomicBool::new(false),
        })
    }

    /// Runs `work` there; a thread that is gone drops it.
    pub(crate) fn run(&self, work: impl FnOnce() + Send + 'static) {
        self.handle.spawn_fn(work);
    }

    /// Disconnected once the thread has dropped all that it ran: then it can be joined.
    fn farewell(&self) -> mpsc::Receiver<()> {
        let (held, farewell) = mpsc::sync_channel(1);
        self.run(move || {
            actix_rt::spawn(async move {
                let _held = held;
                std::future::pending::<()>().await;
            });
        });
        farewell
    }

    pub(crate) fn mistrust(&self) {
        self.mistrusted.store(true, Ordering::Release);
    }

    pub(crate) fn is_stuck(&self) -> bool {
        self.stuck.load(Ordering::Acquire)
    }
}

impl Seating {
    pub(crate) fn supervisors(&self) -> &Arc<Seat> {
        &self.supervisors
    }

    /// Always the same seat for the same key, while no thread is left behind.
    pub(crate) fn actor(&self, key: &str) -> Arc<Seat> {
        let hash = key.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        let actors = lock(&self.actors);
        let place = usize::try_from(hash % actors.len() as u64).unwrap_or_default();
        actors[place].clone()
    }

    /// Changes whenever a thread is left behind.
    pub(crate) fn alarm(&self) -> watch::Receiver<usize> {
        self.alarm.clone()
    }
}

// === RollCall ===

impl RollCall {
    /// Waits until each of them has answered once from now on. Those that were left behind are not asked, and one that is
    /// left behind meanwhile is waited for no longer; where the supervisors' own is stuck, this never ends.
    pub async fn all_answer(&self) {
        let mut alarm = self.seating.alarm();
        loop {
            alarm.borrow_and_update();
            let changed = std::pin::pin!(alarm.changed());
            let answers = std::pin::pin!(join_all(self.ask()));
            match select(answers, changed).await {
                Either::Left((answers, _)) if answers.iter().all(Result::is_ok) => return,
                // One of them has ended: so has the tree.
                Either::Left(_) | Either::Right((Err(_), _)) => std::future::pending().await,
                Either::Right((Ok(()), _)) => {}
            }
        }
    }

    fn ask(&self) -> Vec<oneshot::Receiver<()>> {
        let seats = std::iter::once(self.seating.supervisors.clone());
        // The supervisors' is asked even when it is stuck: without it nothing is well.
        let actors = lock(&self.seating.actors).clone();
        let handles = seats.chain(actors).map(|seat| seat.handle.clone());
        handles
            .chain(self.home.clone())
            .map(|handle| {
                let (answer, answered) = oneshot::channel();
                handle.spawn_fn(move || {
                    // Who asked may have stopped waiting.
                    let _ = answer.send(());
                });
                answered
            })
            .collect()
    }
}

impl std::fmt::Debug for RollCall {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RollCall")
    }
}

// === Threads ===

impl Threads {
    pub(crate) fn start(pool: Pool) -> Self {
        let arbiters: Vec<_> = (0..=pool.threads.max(1))
            .map(|_| {
                let arbiter = Arbiter::new();
                (Seat::new(&arbiter), arbiter)
            })
            .collect();
        let mut seats = arbiters.iter().map(|(seat, _)| seat.clone());
        let supervisors = seats.next().expect("there is one arbiter more than the pool has threads");
        let (alarm, heard) = watch::channel(0);
        let (overwhelmed, is_overwhelmed) = watch::channel(false);
        let actors = Arc::new(Mutex::new(seats.collect()));
        let seating = Seating { supervisors, actors, alarm: heard };
        let (arbiters, stuck) = (Arc::new(Mutex::new(arbiters)), Arc::new(AtomicUsize::new(0)));
        let watchdog = Watchdog {
            heartbeat: pool.heartbeat,
            seating: seating.clone(),
            arbiters: arbiters.clone(),
            stuck: stuck.clone(),
            alarm,
            overwhelmed,
        };
        let watchdog = actix_rt::spawn(watchdog.watch());
        Self { seating, arbiters, stuck, overwhelmed: is_overwhelmed, watchdog }
    }

    pub(crate) fn seating(&self) -> &Seating {
        &self.seating
    }

    pub(crate) fn roll_call(&self) -> RollCall {
        RollCall { home: Arbiter::try_current(), seating: self.seating.clone() }
    }

    /// How many threads were left behind.
    pub(crate) fn stuck(&self) -> usize {
        self.stuck.load(Ordering::Acquire)
    }

    /// Waits until more threads are stuck than may be, or the supervisors' own is.
    pub(crate) fn overwhelmed(&self) -> impl Future<Output = ()> + use<> {
        let mut overwhelmed = self.overwhelmed.clone();
        async move {
            if overwhelmed.wait_for(|overwhelmed| *overwhelmed).await.is_err() {
                std::future::pending().await
            }
        }
    }

    /// Waits until the supervisors' own thread is stuck: nothing can be stopped in order any more.
    pub(crate) fn lost(&self) -> impl Future<Output = ()> + use<> {
        let (supervisors, mut alarm) = (self.seating.supervisors.clone(), self.seating.alarm());
        async move {
            if alarm.wait_for(|_| supervisors.is_stuck()).await.is_err() {
                std::future::pending().await
            }
        }
    }

    /// Ends the threads and joins those that come to their end; blocks until they are gone.
    pub(crate) fn join(self) {
        self.watchdog.abort();
        // The supervisors' is the first: without it nobody launches anything on the others any more.
        for (seat, arbiter) in lock(&self.arbiters).drain(..) {
            let farewell = seat.farewell();
            arbiter.stop();
            let is_hopeless = seat.is_stuck() || seat.mistrusted.load(Ordering::Acquire);
            if !is_hopeless && farewell.recv_timeout(PARTING) == Err(RecvTimeoutError::Disconnected) {
                // A thread that panicked outside every guard has nothing more to say.
                let _ = arbiter.join();
            }
        }
    }
}

// === Watchdog ===

impl Watchdog {
    async fn watch(self) {
        let Heartbeat { clock, every, stuck_after, .. } = self.heartbeat.clone();
        let mut beats: Vec<Beat> = Vec::new();
        loop {
            let now = clock.now();
            beats.retain(|beat| !beat.answered.load(Ordering::Acquire) && !beat.seat.is_stuck());
            let is_late = |beat: &Beat| now.duration_since(beat.asked_at) >= stuck_after;
            if beats.iter().any(is_late) {
                Clock::real().sleep(GRACE).await;
                for beat in beats.iter().filter(|beat| is_late(beat)) {
                    if !beat.answered.load(Ordering::Acquire) {
                        self.leave_behind(&beat.seat);
                    }
                }
            }
            let seats: Vec<_> = lock(&self.arbiters).iter().map(|(seat, _)| seat.clone()).collect();
            for seat in seats {
                if !seat.is_stuck() && !beats.iter().any(|beat| Arc::ptr_eq(&beat.seat, &seat)) {
                    beats.push(Beat::ask(seat, clock.now()));
                }
            }
            clock.sleep(every).await;
        }
    }

    fn leave_behind(&self, seat: &Arc<Seat>) {
        seat.stuck.store(true, Ordering::Release);
        let stuck = self.stuck.fetch_add(1, Ordering::AcqRel) + 1;
        error!(stuck, bound = self.heartbeat.most_stuck, "a thread does not answer and is left behind");
        if Arc::ptr_eq(seat, &self.seating.supervisors) || stuck > self.heartbeat.most_stuck {
            self.overwhelmed.send_replace(true);
        }
        let fresh = Arbiter::new();
        let fresh_seat = Seat::new(&fresh);
        for place in lock(&self.seating.actors).iter_mut().filter(|place| Arc::ptr_eq(place, seat)) {
            *place = fresh_seat.clone();
        }
        let mut arbiters = lock(&self.arbiters);
        if let Some((_, old)) = arbiters.iter().find(|(other, _)| Arc::ptr_eq(other, seat)) {
            // Should it ever come back, it ends.
            old.stop();
        }
        arbiters.push((fresh_seat, fresh));
        drop(arbiters);
        self.alarm.send_replace(stuck);
    }
}

impl Beat {
    fn ask(seat: Arc<Seat>, now: Instant) -> Self {
        let answered = Arc::new(AtomicBool::new(false));
        let answer = answered.clone();
        seat.run(move || answer.store(true, Ordering::Release));
        Self { seat, asked_at: now, answered }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
