//! A route that has nothing to do with the tree, while actors panic in the tree beside it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use actix_web::{App, HttpServer, web};
use clock::Clock;
use futures_util::future::{Either, join_all, select};
use supervision::Mailbox;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

use crate::rounds::{Nanos, Plan, Spread, Watch};
use crate::stage::{Crash, Echo, Ping, echo, tree};

/// Connections that each send the next request when the last is answered.
const CONNECTIONS: usize = 4;
/// Actors that panic in turn.
const ACTORS: usize = 100;
/// Panics in a second.
const RATE: f64 = 1000.0;
const REQUEST: &[u8] = b"GET /ping HTTP/1.1\r\nHost: localhost\r\n\r\n";
const BODY: &str = "pong";

/// What goes on in the tree beside the load.
#[derive(Clone, Copy, PartialEq)]
enum Beside {
    Nothing,
    Messages,
    Panics,
}

/// One round: the latencies in order, and what a request took of the CPU.
struct Round {
    latencies: Vec<Duration>,
    cpu: f64,
}

pub(crate) async fn run(plan: Plan) {
    let length = Duration::from_millis(plan.count(1_000, 50));
    let lives = Arc::<AtomicU64>::default();
    let (children, actors): (Vec<_>, Vec<_>) =
        (0..ACTORS).map(|place| echo(format!("actor-{place}"), &lives)).unzip();
    let tree = tree(children).await;
    let server = HttpServer::new(|| App::new().route("/ping", web::get().to(async || BODY)))
        .workers(1)
        .disable_signals()
        .bind(("127.0.0.1", 0))
        .expect("a free port of the loopback");
    let address = server.addrs()[0];
    let server = server.run();
    let stop = server.handle();
    let serving = actix_rt::spawn(server);
    // The clients have a thread of their own, as the server's worker has.
    let clients = actix_rt::Arbiter::new();

    let mut sides = [
        ("nothing beside", Beside::Nothing, Vec::new()),
        ("1,000 messages/s beside", Beside::Messages, Vec::new()),
        ("1,000 panics/s beside", Beside::Panics, Vec::new()),
    ];
    let (mut panics, first_lives) = (0, lives.load(Ordering::SeqCst));
    for _ in 0..plan.rounds {
        for (_, beside, rounds) in &mut sides {
            let (tell, done) = oneshot::channel();
            let watch = Watch::start();
            clients.spawn(async move {
                // Who waits for it waits until it is done.
                let _ = tell.send(load(address, length).await);
            });
            let (latencies, sent) = disturb(*beside, &actors, done).await;
            panics += if *beside == Beside::Panics { sent } else { 0 };
            rounds.push(Round { cpu: watch.stop(latencies.len() as u64).cpu(), latencies });
        }
    }
    for actor in &actors {
        actor.ask(Ping, crate::stage::WITHIN).await.expect("it lives on");
    }
    assert_eq!(lives.load(Ordering::SeqCst) - first_lives, panics, "each panic is followed by one life");
    for (name, _, rounds) in &sides {
        show(plan, name, rounds);
    }
    let [(_, _, alone), (_, _, messages), (_, _, panics)] = &sides;
    compare(plan, "messages x nothing", messages, alone);
    compare(plan, "panics x nothing", panics, alone);
    // Their messages and timers are the same: what is left is what a panic and a restart do.
    compare(plan, "panics x messages", panics, messages);
    clients.stop();
    stop.stop(false).await;
    serving.await.expect("the server's task ends").expect("the server ends well");
    tree.stop().await;
}

fn show(plan: Plan, name: &str, rounds: &[Round]) {
    for share in [0.5, 0.99] {
        let spread = Spread::of(rounds.iter().map(|round| round.nanos_at(share)));
        plan.tell(&format!("{name}: p{:.0}", share * 100.0), &Nanos(spread));
    }
    plan.tell(&format!("{name}: CPU of a request"), &Nanos(Spread::of(rounds.iter().map(|round| round.cpu))));
}

fn compare(plan: Plan, name: &str, rounds: &[Round], alone: &[Round]) {
    for share in [0.5, 0.99] {
        let ratios =
            rounds.iter().zip(alone).map(|(round, alone)| round.nanos_at(share) / alone.nanos_at(share));
        plan.tell(&format!("{name}: p{:.0}", share * 100.0), &Spread::of(ratios));
    }
    let ratios = rounds.iter().zip(alone).map(|(round, alone)| round.cpu / alone.cpu);
    plan.tell(&format!("{name}: CPU of a request"), &Spread::of(ratios));
}

/// Disturbs the tree until the load is `done`; its latencies, and how many messages were sent.
async fn disturb(
    beside: Beside,
    actors: &[Mailbox<Echo>],
    mut done: oneshot::Receiver<Vec<Duration>>,
) -> (Vec<Duration>, u64) {
    let clock = Clock::real();
    let start = clock.now();
    let mut sent = 0_u64;
    for actor in actors.iter().cycle() {
        if beside == Beside::Nothing {
            break;
        }
        let due = start + Duration::from_secs_f64(f64::from(u32::try_from(sent).unwrap_or(u32::MAX)) / RATE);
        let wait = std::pin::pin!(clock.sleep_until(due));
        if let Either::Left((latencies, _)) = select(&mut done, wait).await {
            return (latencies.expect("the clients end well"), sent);
        }
        match beside {
            Beside::Panics => actor.tell(Crash).expect("its queue has room"),
            Beside::Messages => actor.tell(Ping).expect("its queue has room"),
            Beside::Nothing => {}
        }
        sent += 1;
    }
    (done.await.expect("the clients end well"), sent)
}

/// All latencies of a load, the shortest first.
async fn load(address: std::net::SocketAddr, length: Duration) -> Vec<Duration> {
    let until = Instant::now() + length;
    let all = join_all((0..CONNECTIONS).map(|_| requests(address, until))).await;
    let mut latencies: Vec<Duration> = all.into_iter().flatten().collect();
    latencies.sort_unstable();
    latencies
}

async fn requests(address: std::net::SocketAddr, until: Instant) -> Vec<Duration> {
    let mut stream = TcpStream::connect(address).await.expect("the server listens");
    stream.set_nodelay(true).expect("a socket has that option");
    let mut latencies = Vec::new();
    let mut answer = [0; 1024];
    while Instant::now() < until {
        let sent = Instant::now();
        stream.write_all(REQUEST).await.expect("the server reads");
        let mut filled = 0;
        while !answer[..filled].ends_with(BODY.as_bytes()) {
            let more = stream.read(&mut answer[filled..]).await.expect("the server answers");
            assert_ne!(more, 0, "the server keeps the connection");
            filled += more;
        }
        latencies.push(sent.elapsed());
    }
    latencies
}

impl Round {
    /// The latency that this share of the requests stays within.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a place in a list"
    )]
    fn nanos_at(&self, share: f64) -> f64 {
        let place = (self.latencies.len() as f64 * share) as usize;
        let latency = self.latencies.get(place.min(self.latencies.len().saturating_sub(1)));
        latency.map_or(f64::NAN, |latency| latency.as_secs_f64() * 1e9)
    }
}
