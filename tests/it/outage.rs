//! The database goes away under a server and comes back: what needs none goes on, and what does says so.
//!
//! It needs a server of PostgreSQL, in front of which a relay stands; a file cannot be cut.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use clock::Clock;
use serde_json::Value;

use crate::failing::{get_text, tcp_address};
use crate::house::{House, LIMIT};
use crate::runs::ordinary_house;
use crate::vendor::Says;

const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Passes bytes on between the server and its database, as long as there is one.
struct Relay {
    address: SocketAddr,
    passing: Arc<Mutex<Passing>>,
}

#[derive(Default)]
struct Passing {
    streams: Vec<TcpStream>,
    is_away: bool,
}

impl Relay {
    /// In front of the database at this host and port.
    fn open(database: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let relay = Self { address: listener.local_addr().unwrap(), passing: Arc::default() };
        let (passing, database) = (relay.passing.clone(), database.to_owned());
        thread::spawn(move || {
            for server in listener.incoming().map_while(Result::ok) {
                pass(&passing, server, &database);
            }
        });
        relay
    }

    fn goes_away(&self) {
        let mut passing = self.passing.lock().unwrap();
        passing.is_away = true;
        for stream in passing.streams.drain(..) {
            // It may be closed already.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    fn comes_back(&self) {
        self.passing.lock().unwrap().is_away = false;
    }
}

fn pass(passing: &Mutex<Passing>, server: TcpStream, database: &str) {
    let mut passing = passing.lock().unwrap();
    if passing.is_away {
        return;
    }
    let database = TcpStream::connect(database).unwrap();
    for (from, to) in [(&server, &database), (&database, &server)] {
        let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
        thread::spawn(move || {
            // However it ends, both sides are told.
            let _ = io::copy(&mut from, &mut to);
            let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
        });
    }
    passing.streams.extend([server, database]);
}

async fn becomes(house: &House, status: &str, database: &str) {
    let (clock, deadline) = (Clock::real(), Clock::real().now() + LIMIT);
    loop {
        let ready: Value = serde_json::from_str(&get_text(&tcp_address(house), "/readyz").await).unwrap();
        if ready["status"] == status && ready["parts"]["database"] == database {
            return;
        }
        assert!(clock.now() < deadline, "{ready}");
        clock.sleep(LOOK_EVERY).await;
    }
}

/// Orders a workflow over the socket; the whole answer.
fn order(house: &House) -> String {
    post(house, "/v1/workflows", &serde_json::to_string(&house.order()).unwrap())
}

/// Asks over the socket; the whole answer.
fn post(house: &House, path: &str, body: &str) -> String {
    let mut stream = UnixStream::connect(house.state().join("impresario.sock")).unwrap();
    let length = body.len();
    let head =
        format!("POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nConnection: close\r\n");
    write!(stream, "{head}Content-Length: {length}\r\n\r\n{body}").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// A relay in front of the house's database, and the URL behind it.
fn relayed(url: &str) -> (Relay, String) {
    let authority = url.split_once("://").unwrap().1.split('/').next().unwrap();
    let host = authority.rsplit('@').next().unwrap();
    let relay = Relay::open(host);
    let behind = url.replacen(host, &relay.address.to_string(), 1);
    (relay, behind)
}

#[tokio::test]
async fn a_server_whose_database_is_away_is_degraded_and_serves_what_needs_none() {
    let mut house = ordinary_house();
    let Some(url) = house.store_url() else { return };
    let (relay, behind) = relayed(&url);
    let client = house.serve_with(&[("IMPRESARIO_STORE__URL", &behind)]).await;
    becomes(&house, "ready", "ok").await;

    relay.goes_away();
    becomes(&house, "degraded", "away").await;
    let address = tcp_address(&house);
    assert!(get_text(&address, "/livez").await.contains("ok"));
    assert!(!client.providers().await.unwrap().is_empty());
    assert!(get_text(&address, "/metrics").await.contains("impresario_http_connections"));
    let answer = order(&house);
    assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("\r\nretry-after: "), "{answer}");
    assert!(answer.contains("\"busy\"") && !answer.contains(&relay.address.to_string()), "{answer}");

    relay.comes_back();
    becomes(&house, "ready", "ok").await;
    let (clock, deadline) = (Clock::real(), Clock::real().now() + LIMIT);
    loop {
        let answer = order(&house);
        if answer.starts_with("HTTP/1.1 201") {
            break;
        }
        // The first write finds that its connection was cut; nobody is told that the server is broken.
        assert!(answer.starts_with("HTTP/1.1 503") && clock.now() < deadline, "{answer}");
        clock.sleep(LOOK_EVERY).await;
    }
}

#[tokio::test]
async fn while_the_database_is_away_what_is_to_be_kept_is_refused_and_what_is_not_is_answered() {
    let mut house = House::new(|_| Says::Text("hello".to_owned()));
    let Some(url) = house.store_url() else { return };
    let text = std::fs::read_to_string(house.config()).unwrap();
    std::fs::write(house.config(), format!("{text}gateway: {{responses: {{store: true}}}}\n")).unwrap();
    let (relay, behind) = relayed(&url);
    house.serve_with(&[("IMPRESARIO_STORE__URL", &behind)]).await;
    becomes(&house, "ready", "ok").await;
    let ask = |more: &str| {
        let body = format!(r#"{{"model":"vendor/reviewer","input":"hi"{more}}}"#);
        post(&house, "/v1/responses", &body)
    };
    let first = ask("");
    assert!(first.starts_with("HTTP/1.1 200"), "{first}");
    let id = first.split_once("\"id\":\"").unwrap().1.split('"').next().unwrap();
    let on = format!(r#","previous_response_id":"{id}""#);

    relay.goes_away();
    becomes(&house, "degraded", "away").await;
    let asked = house.vendor.asked().len();
    for more in ["", &on, r#","stream":true"#] {
        let refused = ask(more);
        assert!(refused.starts_with("HTTP/1.1 503") && refused.contains("\r\nretry-after: "), "{refused}");
        assert!(refused.contains("\"busy\""), "{refused}");
    }
    assert_eq!(house.vendor.asked().len(), asked, "nobody was asked");
    let answered = ask(r#","store":false"#);
    assert!(answered.starts_with("HTTP/1.1 200"), "{answered}");

    relay.comes_back();
    becomes(&house, "ready", "ok").await;
    let (clock, deadline) = (Clock::real(), Clock::real().now() + LIMIT);
    loop {
        let answer = ask(&on);
        if answer.starts_with("HTTP/1.1 200") {
            assert!(answer.contains(&format!("\"previous_response_id\":\"{id}\"")), "{answer}");
            break;
        }
        // As with a workflow: the first write finds that its connection was cut.
        assert!(answer.starts_with("HTTP/1.1 503") && clock.now() < deadline, "{answer}");
        clock.sleep(LOOK_EVERY).await;
    }
}
