//! From start to drain: what a stop lets end, what it cuts, and with which exit code a server ends.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use clock::Clock;
use impresario::client::Client;
use impresario::http::views::Act;
use nix::sys::signal::Signal;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::commands::words;
use crate::failing::tcp_address;
use crate::house::{House, LIMIT, bare_command, output};
use crate::runs::{CALLS, afterwards, ordinary_house};
use crate::story::Story;

const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Adds lines to the configuration.
fn configure(house: &House, lines: &str) {
    let text = fs::read_to_string(house.config()).unwrap();
    fs::write(house.config(), text + lines).unwrap();
}

/// Waits until nobody gets in any more.
async fn closed(address: &str) {
    let (address, clock): (SocketAddr, _) = (address.parse().unwrap(), Clock::real());
    let deadline = clock.now() + LIMIT;
    while TcpStream::connect(address).is_ok() {
        assert!(clock.now() < deadline, "the server still lets somebody in");
        clock.sleep(LOOK_EVERY).await;
    }
}

/// Waits until the log says this.
async fn said(house: &House, words: &str) {
    let clock = Clock::real();
    let deadline = clock.now() + LIMIT;
    while !house.log_text().contains(words) {
        assert!(clock.now() < deadline, "no `{words}` in\n{}", house.log_text());
        clock.sleep(LOOK_EVERY).await;
    }
}

/// A stream of a workflow's events, opened and read up to the first of them.
async fn stream(address: &str, id: &str) -> (tokio::net::TcpStream, Vec<u8>) {
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = format!("GET /v1/workflows/{id}/events HTTP/1.1\r\nHost: {address}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut seen = Vec::new();
    while !String::from_utf8_lossy(&seen).contains("id: 1\n") {
        assert!(stream.read_buf(&mut seen).await.unwrap() > 0);
    }
    (stream, seen)
}

async fn rest(mut stream: tokio::net::TcpStream, mut seen: Vec<u8>) -> String {
    Clock::real().timeout(LIMIT, stream.read_to_end(&mut seen)).await.expect("it ends").unwrap();
    String::from_utf8(seen).unwrap()
}

/// The log of SQLite, where that is the database.
fn assert_log_is_empty(house: &House) {
    let length = fs::metadata(house.state().join("impresario.db-wal")).map_or(0, |found| found.len());
    assert_eq!(length, 0, "the write-ahead log was not folded back");
}

#[tokio::test]
async fn a_stream_under_way_ends_in_its_own_way_while_nobody_new_is_let_in() {
    let mut house = ordinary_house();
    let after = afterwards(&house.files());
    house.vendor.hold("planner", "");
    let client = house.serve().await;
    let (address, socket) = (tcp_address(&house), house.state().join("impresario.sock"));
    let id = client.start(&house.order()).await.unwrap();
    house.vendor.await_asked("planner", "", 1);
    let (events, seen) = stream(&address, id.as_str()).await;

    house.signal(Signal::SIGTERM);
    closed(&address).await;
    assert!(Client::connect(&socket).await.is_err());
    house.vendor.release("planner", "");
    let story = rest(events, seen).await;
    assert!(story.contains("event: end\n") && !story.contains("event: stopping"), "{story}");

    assert_eq!(house.ended().await.code(), Some(0), "{}", house.log_text());
    assert_eq!(house.files(), after, "its workflow went on meanwhile");
    assert_eq!(house.vendor.answered().len(), CALLS);
    assert!(!socket.exists(), "the socket is left behind");
    assert_log_is_empty(&house);
    house.serve().await;
}

#[tokio::test]
async fn a_request_under_way_is_answered_and_what_it_started_goes_on_at_the_next_start() {
    let mut house = ordinary_house();
    let after = afterwards(&house.files());
    house.vendor.hold("planner", "");
    house.serve().await;
    let address = tcp_address(&house);
    let body = serde_json::to_string(&house.order()).unwrap();
    let (first, second) = body.split_at(body.len() / 2);
    let socket = house.state().join("impresario.sock");
    let mut asking = tokio::net::UnixStream::connect(&socket).await.unwrap();
    let head = format!(
        "POST /v1/workflows HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         Expect: 100-continue\r\n\r\n",
        body.len()
    );
    asking.write_all(head.as_bytes()).await.unwrap();
    let mut seen = Vec::new();
    // Its handler runs: it asked for the body.
    while !String::from_utf8_lossy(&seen).contains("100 Continue") {
        assert!(asking.read_buf(&mut seen).await.unwrap() > 0);
    }
    asking.write_all(first.as_bytes()).await.unwrap();

    house.signal(Signal::SIGINT);
    closed(&address).await;
    asking.write_all(second.as_bytes()).await.unwrap();
    Clock::real().timeout(LIMIT, asking.read_to_end(&mut seen)).await.expect("it is answered").unwrap();
    let answer = String::from_utf8(seen).unwrap();
    assert!(answer.contains(" 201 Created"), "{answer}");
    assert_eq!(house.ended().await.code(), Some(0), "{}", house.log_text());

    house.vendor.release("planner", "");
    let client = house.serve().await;
    let id = client.workflows().await.unwrap().remove(0).id;
    Story::follow(&client, &id).done().await;
    assert_eq!(house.files(), after);
}

#[tokio::test]
async fn past_the_deadline_streams_are_told_and_the_stop_is_still_a_good_one() {
    let mut house = ordinary_house();
    configure(&house, "server: {drain_s: 0}\n");
    house.vendor.hold("planner", "");
    let client = house.serve().await;
    let id = client.start(&house.order()).await.unwrap();
    let (events, seen) = stream(&tcp_address(&house), id.as_str()).await;
    house.signal(Signal::SIGTERM);
    let story = rest(events, seen).await;
    let (_, last) = story.split_once("event: stopping\n").unwrap_or_else(|| panic!("{story}"));
    assert!(last.starts_with("data: {\"seq\":") && !last.contains("event: "), "{story}");
    assert_eq!(house.ended().await.code(), Some(0), "{}", house.log_text());
    assert_log_is_empty(&house);
}

#[tokio::test]
async fn a_second_signal_hurries_and_the_exit_code_says_so() {
    let mut house = ordinary_house();
    configure(&house, "server: {drain_s: 3600}\n");
    house.vendor.hold("planner", "");
    let client = house.serve().await;
    let address = tcp_address(&house);
    let id = client.start(&house.order()).await.unwrap();
    let (events, seen) = stream(&address, id.as_str()).await;
    house.signal(Signal::SIGTERM);
    closed(&address).await;
    house.signal(Signal::SIGTERM);
    let story = rest(events, seen).await;
    assert!(story.contains("event: stopping\n"), "{story}");
    assert_eq!(house.ended().await.code(), Some(7), "{}", house.log_text());
    assert_log_is_empty(&house);
    house.vendor.release("planner", "");
    let client = house.serve().await;
    Story::follow(&client, &id).done().await;
}

#[tokio::test]
async fn a_third_signal_ends_it_where_it_stands() {
    let mut house = ordinary_house();
    configure(&house, "server: {drain_s: 3600}\n");
    house.vendor.hold("planner", "");
    let client = house.serve().await;
    let address = tcp_address(&house);
    let id = client.start(&house.order()).await.unwrap();
    let _open = stream(&address, id.as_str()).await;
    house.signal(Signal::SIGTERM);
    closed(&address).await;
    // Both are there when it looks again.
    for signal in [Signal::SIGSTOP, Signal::SIGTERM, Signal::SIGINT, Signal::SIGCONT] {
        house.signal(signal);
    }
    assert_eq!(house.ended().await.code(), Some(130), "{}", house.log_text());
    house.vendor.release("planner", "");
    let client = house.serve().await;
    Story::follow(&client, &id).done().await;
}

#[tokio::test]
async fn a_port_that_is_taken_and_a_database_that_is_away_have_codes_of_their_own() {
    let house = ordinary_house();
    let taken = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let mut command = bare_command(&house.path("nobody's"));
    command.arg("--state-dir").arg(house.state()).args(["--listen", &address, "serve"]);
    let refused = output_of(command).await;
    assert_eq!(refused.0, Some(4), "{}", refused.1);
    assert!(refused.1.contains(&address) && refused.1.contains("--listen"), "{}", refused.1);

    let mut command = house.command(&["serve"]);
    command.env("IMPRESARIO_STORE__URL", format!("postgres://nobody@{address}/nothing"));
    drop(taken);
    let refused = output_of(command).await;
    assert_eq!(refused.0, Some(5), "{}", refused.1);
}

async fn output_of(command: tokio::process::Command) -> (Option<i32>, String) {
    let output = output(command).await;
    (output.status.code(), words(&output))
}

#[tokio::test]
async fn a_server_that_gives_up_ends_with_a_code_of_its_own() {
    let mut house = ordinary_house();
    let client = house.serve().await;
    // More often than the root puts up with; one that is just down is not there to be killed.
    while client.workflows().await.is_ok() {
        let _ = client.act(Act::Kill, "root/feed").await;
    }
    assert_eq!(house.ended().await.code(), Some(6), "{}", house.log_text());
}

/// A service manager that listens.
struct Listener(UnixDatagram);

impl Listener {
    fn at(house: &House) -> Self {
        let socket = UnixDatagram::bind(house.path("notify")).unwrap();
        socket.set_read_timeout(Some(LIMIT)).unwrap();
        Self(socket)
    }

    /// The next news but signs of life.
    fn hear(&self) -> String {
        loop {
            let heard = self.any();
            if heard != "WATCHDOG=1" {
                return heard;
            }
        }
    }

    fn any(&self) -> String {
        let mut bytes = [0; 4096];
        let length = self.0.recv(&mut bytes).expect("the server says something");
        String::from_utf8_lossy(&bytes[..length]).into_owned()
    }

    fn hears_signs_of_life(&self, count: usize) {
        for _ in 0..count {
            while self.any() != "WATCHDOG=1" {}
        }
    }
}

#[tokio::test]
async fn the_service_manager_hears_of_readiness_reloads_life_and_the_stop() {
    let mut house = ordinary_house();
    let manager = Listener::at(&house);
    let mut command = house.command(&["serve"]);
    command.env("NOTIFY_SOCKET", house.path("notify")).env("WATCHDOG_USEC", "100000");
    let client = house.start(command).await;
    assert!(manager.hear().starts_with("READY=1\nSTATUS=serving on 127.0.0.1:"));
    manager.hears_signs_of_life(3);

    house.signal(Signal::SIGHUP);
    let reloading = manager.hear();
    assert!(reloading.starts_with("RELOADING=1\nMONOTONIC_USEC="), "{reloading}");
    let ready = manager.hear();
    assert!(ready.starts_with("READY=1\n") && ready.contains("configuration 2"), "{ready}");
    fs::write(house.config(), "nonsense: {}\n").unwrap();
    while !manager.hear().starts_with("RELOADING=1\n") {}
    let ready = manager.hear();
    assert!(ready.starts_with("READY=1\n") && ready.contains("refused"), "{ready}");

    // Whoever is killed is started again, and the signs go on.
    client.act(Act::Kill, "root/herald").await.unwrap();
    manager.hears_signs_of_life(3);

    house.signal(Signal::SIGTERM);
    let stopping = manager.hear();
    assert!(stopping.starts_with("STOPPING=1\n"), "{stopping}");
    assert_eq!(house.ended().await.code(), Some(0), "{}", house.log_text());
}

#[tokio::test]
async fn without_a_service_manager_there_is_no_herald() {
    let mut house = ordinary_house();
    let client = house.serve().await;
    assert!(client.act(Act::Kill, "root/herald").await.is_err());
    said(&house, "serves").await;
}

/// The value of a key in the unit that comes with the program.
fn unit(key: &str) -> String {
    let unit = include_str!("../../deploy/impresario.service");
    let found = unit.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    found.unwrap_or_else(|| panic!("no `{key}` in the unit")).to_owned()
}

#[test]
fn the_systemd_unit_waits_longer_than_the_server_needs_and_leaves_it_its_namespaces() {
    let seconds = |key: &str| unit(key).parse::<u64>().unwrap();
    let drain = impresario::config::Settings::default().server.drain_s.get();
    // The drain, the goodbyes, what waits to be written, the tree and the database's close.
    assert!(seconds("TimeoutStopSec") >= drain + 60);
    // The tree leaves a stuck thread behind after 30 s and goes on without it.
    assert!(seconds("WatchdogSec") > 2 * 30);
    assert_eq!((unit("Type").as_str(), unit("RestartPreventExitStatus").as_str()), ("notify", "2"));
    let text = include_str!("../../deploy/impresario.service");
    for key in [
        "RestrictNamespaces=",
        "PrivateUsers=",
        "ProtectProc=",
        "ProtectKernelTunables=",
        "SystemCallFilter=",
    ] {
        assert!(!text.lines().any(|line| line.starts_with(key)), "{key} takes the commands' namespaces away");
    }
}
