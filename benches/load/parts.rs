//! What is measured, each part beside nginx and beside the vendor itself, in alternating rounds.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use clock::Clock;

use crate::caller::{Answered, load, request};
use crate::rounds::{Bar, Figures, Nanos, Plan, Spread, say};
use crate::servers::Server;
use crate::vendor::{self, EVENTS};

pub(crate) const NAMES: [&str; 6] = ["whole", "stream", "latency", "paced", "large", "memory"];

const CHAT: &str = "/v1/chat/completions";
const WHOLE: &str = r#"{"model":"plain","temperature":0.2,"max_tokens":256,"messages":[{"role":"system","content":"You answer in one sentence."},{"role":"user","content":"What does the fox do, and why has the dog not noticed?"}]}"#;
const STREAM: &str = r#"{"model":"plain","stream":true,"stream_options":{"include_usage":true},"temperature":0.2,"max_tokens":256,"messages":[{"role":"system","content":"You answer in one sentence."},{"role":"user","content":"What does the fox do, and why has the dog not noticed?"}]}"#;
const PACED: &str = r#"{"model":"paced","stream":true,"stream_options":{"include_usage":true},"messages":[{"role":"user","content":"Slowly."}]}"#;
const MESSAGES: &str = r#"{"model":"plain","temperature":0.2,"max_tokens":256,"system":"You answer in one sentence.","messages":[{"role":"user","content":"What does the fox do, and why has the dog not noticed?"}]}"#;
/// Clients at once where throughput is measured.
const CONNECTIONS: usize = 16;
const STREAMS: usize = 512;
const LARGE_BYTES: usize = 400_000;
/// How long memory may take to be given back after the load.
const GIVEN_BACK_WITHIN: Duration = Duration::from_secs(150);
const SETTLED_AFTER: Duration = Duration::from_secs(15);
const WARM_AFTER: Duration = Duration::from_secs(60);

/// One round of one side.
struct Round {
    answers: Vec<Answered>,
    wall: Duration,
    cpu: Duration,
}

/// A way to the vendor, and what it took.
struct Way<'a> {
    name: &'static str,
    server: Option<&'a Server>,
    address: SocketAddr,
    request: Vec<u8>,
    rounds: Vec<Round>,
}

/// The servers that are measured, and the vendor behind them.
struct Stage {
    vendor: SocketAddr,
    ours: Server,
    nginx: Server,
}

pub(crate) async fn run(plan: Plan, minutes: u64, wanted: &[String]) {
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|wanted| wanted == name);
    let vendor = vendor::start();
    if NAMES.iter().any(|name| *name != "memory" && is_wanted(name)) {
        let stage =
            Stage { vendor, ours: Server::impresario(vendor).await, nginx: Server::nginx(vendor).await };
        if is_wanted("whole") {
            whole(plan, &stage).await;
        }
        if is_wanted("stream") {
            stream(plan, &stage).await;
        }
        if is_wanted("latency") {
            latency(plan, &stage).await;
        }
        if is_wanted("paced") {
            paced(plan, &stage).await;
        }
        if is_wanted("large") {
            large(plan, &stage).await;
        }
    }
    if is_wanted("memory") {
        memory(plan, minutes, vendor).await;
    }
}

async fn whole(plan: Plan, stage: &Stage) {
    say("whole answers");
    let mut ways = stage.ways(CHAT, WHOLE);
    let translated = request(stage.ours.address, "/v1/messages", &stage.ours.key, MESSAGES);
    ways.push(Way::new("Impresario, Anthropic to Chat", Some(&stage.ours), stage.ours.address, translated));
    alternate(plan, &mut ways, CONNECTIONS, plan.count(16_000, 64)).await;
    let [_, nginx, ours, translated] = &ways[..] else { return };
    let ratio = ours.beside(nginx, Round::cpu);
    plan.tell("CPU of a request x nginx", &ratio);
    plan.judge("CPU of a request x nginx", Figures::timeless(ratio.median), Bar::AtMost(2.2), "");
    let ratio = translated.beside(ours, Round::cpu);
    plan.tell("CPU of one translated x same dialect", &ratio);
    plan.judge("CPU of one translated x same dialect", Figures::timeless(ratio.median), Bar::AtMost(1.5), "");
}

async fn stream(plan: Plan, stage: &Stage) {
    say("streams of 40 words");
    let mut ways = stage.ways(CHAT, STREAM);
    let body = MESSAGES.replace("\"plain\"", "\"plain\",\"stream\":true");
    let translated = request(stage.ours.address, "/v1/messages", &stage.ours.key, &body);
    ways.push(Way::new("Impresario, Anthropic to Chat", Some(&stage.ours), stage.ours.address, translated));
    alternate(plan, &mut ways, CONNECTIONS, plan.count(1_600, 32)).await;
    for way in &ways[..3] {
        way.has_lost_nothing();
    }
    let ratio = ways[2].beside(&ways[1], Round::cpu);
    plan.tell("CPU of a stream x nginx", &ratio);
    plan.judge("CPU of a stream x nginx", Figures::timeless(ratio.median), Bar::AtMost(1.4), "");
    let ratio = ways[3].beside(&ways[2], Round::cpu);
    plan.tell("CPU of one translated x same dialect", &ratio);
    plan.judge("CPU of one translated x same dialect", Figures::timeless(ratio.median), Bar::AtMost(1.5), "");
}

async fn latency(plan: Plan, stage: &Stage) {
    say("latency at one connection");
    let mut ways = stage.ways(CHAT, WHOLE);
    alternate(plan, &mut ways, 1, plan.count(1_500, 16)).await;
    added(plan, "added p99", &ways, |round| round.at(0.99, |answer| answer.whole));
    say("time to the first event at one connection");
    let mut ways = stage.ways(CHAT, STREAM);
    alternate(plan, &mut ways, 1, plan.count(300, 8)).await;
    added(plan, "added time to the first event", &ways, |round| round.at(0.5, |answer| answer.first));
}

async fn paced(plan: Plan, stage: &Stage) {
    let streams = usize::try_from(plan.count(STREAMS as u64, 16)).expect("so few");
    say(&format!("{streams} paced streams at once"));
    let mut way = stage.ways(CHAT, PACED).pop().expect("ours is the last");
    way.round(streams, streams as u64).await;
    let events = way.rounds[0].answers.iter().map(|answer| answer.events).sum::<usize>();
    let wanted = streams * EVENTS;
    plan.tell("events that came, of", &format!("{events} of {wanted}"));
    assert_eq!(events, wanted, "no event is lost");
    let longest = way.rounds[0].at(1.0, |answer| answer.first);
    plan.tell("the longest until the first event", &Nanos(Spread::of(std::iter::once(longest))));
    plan.tell("CPU of a stream", &Nanos(Spread::of(std::iter::once(way.rounds[0].cpu()))));
}

async fn large(plan: Plan, stage: &Stage) {
    say("a prompt of 400 KB");
    let body = WHOLE.replace("What does the fox do", &"What does the fox do? ".repeat(LARGE_BYTES / 22));
    let mut ways = stage.ways(CHAT, &body);
    alternate(plan, &mut ways, 1, plan.count(50, 4)).await;
    let [straight, nginx, ours] = &ways[..] else { return };
    let middle = |round: &Round| round.at(0.5, |answer| answer.whole);
    for way in [nginx, ours] {
        plan.tell(&format!("{}: added", way.name), &Nanos(way.over(straight, middle)));
    }
    let figure = ours.over(straight, middle).median / 1e6;
    plan.judge("a prompt of 400 KB adds", Figures::timeless(figure), Bar::AtMost(2.0), " ms");
}

async fn memory(plan: Plan, minutes: u64, vendor: SocketAddr) {
    say(&format!("anonymous memory around {minutes} minutes of load"));
    let clock = Clock::real();
    let ours = Server::impresario(vendor).await;
    clock.sleep(if plan.quick { Duration::from_millis(100) } else { SETTLED_AFTER }).await;
    let idle = megabytes(ours.anonymous_bytes());
    let length = if plan.quick { Duration::from_millis(200) } else { Duration::from_secs(60 * minutes) };
    let given_back = if plan.quick { Duration::ZERO } else { GIVEN_BACK_WITHIN };
    let (_, warming) = mixed(&ours, length.min(WARM_AFTER)).await;
    clock.sleep(given_back).await;
    let warm = megabytes(ours.anonymous_bytes());
    let (height, requests) = mixed(&ours, length).await;
    let mut after = megabytes(ours.anonymous_bytes());
    let deadline = Instant::now() + given_back;
    while after > idle * 1.1 && Instant::now() < deadline {
        clock.sleep(Duration::from_secs(1)).await;
        after = megabytes(ours.anonymous_bytes());
    }
    plan.tell(
        "idle, after a first minute, at most, after",
        &format!(
            "{idle:.1} MB, {warm:.1} MB, {height:.1} MB, {after:.1} MB; {} requests",
            warming + requests
        ),
    );
    plan.judge("idle", Figures::timeless(idle), Bar::AtMost(40.0), " MB");
    plan.judge("after the load x idle", Figures::timeless(after / idle), Bar::AtMost(1.1), "");
    plan.judge(
        "after the load x after a first minute",
        Figures::timeless(after / warm),
        Bar::AtMost(1.1),
        "",
    );
}

/// Whole answers, streams and large prompts; the most memory that was seen, in MB, and how many requests there were.
async fn mixed(ours: &Server, length: Duration) -> (f64, usize) {
    let whole = request(ours.address, CHAT, &ours.key, WHOLE);
    let stream = request(ours.address, CHAT, &ours.key, STREAM);
    let large = WHOLE.replace("What does the fox do", &"What does the fox do? ".repeat(LARGE_BYTES / 22));
    let large = request(ours.address, CHAT, &ours.key, &large);
    let (mut height, mut requests) = (0.0_f64, 0);
    let until = Instant::now() + length;
    while Instant::now() < until {
        for (request, count) in [(&whole, 640), (&stream, 64), (&large, 64)] {
            requests += load(ours.address, request, 32, count).await.len();
        }
        height = height.max(megabytes(ours.anonymous_bytes()));
    }
    (height, requests)
}

/// Runs all ways in turn, round after round, and prints a line for each.
async fn alternate(plan: Plan, ways: &mut [Way<'_>], connections: usize, requests: u64) {
    for way in ways.iter_mut() {
        // Connections to the vendor are opened, and code is read from the disk.
        way.round(connections, connections as u64 * 2).await;
        way.rounds.clear();
    }
    for _ in 0..plan.rounds {
        for way in ways.iter_mut() {
            way.round(connections, requests).await;
        }
    }
    for way in ways.iter() {
        let of = |figure: &dyn Fn(&Round) -> f64| Spread::of(way.rounds.iter().map(figure));
        let latency = |share: f64| Nanos(of(&move |round: &Round| round.at(share, |answer| answer.whole)));
        plan.tell(
            way.name,
            &format!("{} requests/s, p50 {}, p99 {}", of(&Round::per_second), latency(0.5), latency(0.99)),
        );
        if way.server.is_some() {
            plan.tell(&format!("{}: CPU of a request", way.name), &Nanos(of(&Round::cpu)));
        }
    }
}

/// What the servers add to the way without one, and how much more ours adds than nginx.
fn added(plan: Plan, what: &str, ways: &[Way<'_>], figure: fn(&Round) -> f64) {
    let [straight, nginx, ours] = ways else { return };
    let (nginx, ours) = (nginx.over(straight, figure), ours.over(straight, figure));
    plan.tell(&format!("nginx: {what}"), &Nanos(nginx));
    plan.tell(&format!("Impresario: {what}"), &Nanos(ours));
    let ratio = ours.median / nginx.median;
    plan.judge(&format!("{what} x nginx"), Figures::timeless(ratio), Bar::AtMost(2.0), "");
}

impl Stage {
    /// Straight to the vendor, through nginx, and through us.
    fn ways(&self, path: &str, body: &str) -> Vec<Way<'_>> {
        let (nginx, ours) = (&self.nginx, &self.ours);
        vec![
            Way::new("straight", None, self.vendor, request(self.vendor, path, &nginx.key, body)),
            Way::new("nginx", Some(nginx), nginx.address, request(nginx.address, path, &nginx.key, body)),
            Way::new("Impresario", Some(ours), ours.address, request(ours.address, path, &ours.key, body)),
        ]
    }
}

impl<'a> Way<'a> {
    fn new(name: &'static str, server: Option<&'a Server>, address: SocketAddr, request: Vec<u8>) -> Self {
        Self { name, server, address, request, rounds: Vec::new() }
    }

    async fn round(&mut self, connections: usize, requests: u64) {
        let cpu = || self.server.map_or(Duration::ZERO, Server::cpu);
        let (began, before) = (Instant::now(), cpu());
        let answers = load(self.address, &self.request, connections, requests).await;
        let (wall, cpu) = (began.elapsed(), cpu().saturating_sub(before));
        self.rounds.push(Round { answers, wall, cpu });
    }

    /// How many times a figure of the other it is, round by round.
    fn beside(&self, other: &Self, figure: fn(&Round) -> f64) -> Spread {
        Spread::of(self.rounds.iter().zip(&other.rounds).map(|(own, other)| figure(own) / figure(other)))
    }

    /// How much more than the other's it is, round by round.
    fn over(&self, other: &Self, figure: impl Fn(&Round) -> f64) -> Spread {
        Spread::of(self.rounds.iter().zip(&other.rounds).map(|(own, other)| figure(own) - figure(other)))
    }

    fn has_lost_nothing(&self) {
        let answers = self.rounds.iter().flat_map(|round| &round.answers);
        for answer in answers {
            assert_eq!(answer.events, EVENTS, "{} loses no event", self.name);
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of requests are far below 2^52")]
impl Round {
    /// Nanoseconds of the server's CPU for one request.
    fn cpu(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e9 / self.answers.len() as f64
    }

    fn per_second(&self) -> f64 {
        self.answers.len() as f64 / self.wall.as_secs_f64()
    }

    /// The nanoseconds that this share of the answers stays within.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place in a list")]
    fn at(&self, share: f64, time: fn(&Answered) -> Duration) -> f64 {
        let mut times: Vec<Duration> = self.answers.iter().map(time).collect();
        times.sort_unstable();
        let place = (times.len() as f64 * share) as usize;
        let time = times.get(place.min(times.len().saturating_sub(1)));
        time.map_or(f64::NAN, |time| time.as_secs_f64() * 1e9)
    }
}

#[expect(clippy::cast_precision_loss, reason = "memory is far below 2^52 bytes")]
fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}
