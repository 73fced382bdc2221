//! The database goes away under a run: connections are cut, and for a while none is taken.
//!
//! It needs a server of PostgreSQL, in front of which a relay stands; a file cannot be cut.

use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use actors::feed::Shown;
use units::Seq;
use workflow::{Event, Mode, Outcome};

use crate::house::{Place, end_of, server};
use crate::runs::{APPROVES, place};

/// Passes bytes on between the house and the server.
pub(crate) struct Relay {
    address: SocketAddr,
    passing: Arc<Mutex<Passing>>,
}

#[derive(Default)]
struct Passing {
    streams: Vec<TcpStream>,
    /// How many connections are dropped before one is taken again.
    refusing: usize,
}

impl Relay {
    /// In front of the server at this host and port.
    fn open(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let relay = Self { address: listener.local_addr().unwrap(), passing: Arc::default() };
        let (passing, server) = (relay.passing.clone(), server.to_owned());
        thread::spawn(move || {
            for house in listener.incoming().map_while(Result::ok) {
                pass(&passing, house, &server);
            }
        });
        relay
    }

    /// Cuts all connections and drops the next ones before it takes some again.
    pub(crate) fn cut(&self, refusing: usize) {
        let mut passing = self.passing.lock().unwrap();
        passing.refusing = refusing;
        for stream in passing.streams.drain(..) {
            // It may be closed already.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

fn pass(passing: &Mutex<Passing>, house: TcpStream, server: &str) {
    let mut passing = passing.lock().unwrap();
    if passing.refusing > 0 {
        passing.refusing -= 1;
        return;
    }
    let server = TcpStream::connect(server).unwrap();
    for (from, to) in [(&house, &server), (&server, &house)] {
        let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
        thread::spawn(move || {
            // However it ends, both sides are told.
            let _ = io::copy(&mut from, &mut to);
            let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
        });
    }
    passing.streams.extend([house, server]);
}

/// A place whose server is behind the relay.
pub(crate) fn behind_a_relay() -> Option<(Place, Relay)> {
    let server = server()?;
    let authority = server.split_once("://")?.1.split('/').next()?;
    let host = authority.rsplit('@').next()?;
    let relay = Relay::open(host);
    let url = server.replacen(host, &relay.address.to_string(), 1);
    Some((Place { server: Some(url), ..place(APPROVES) }, relay))
}

#[actix_rt::test]
async fn a_run_whose_database_goes_away_again_and_again_goes_to_its_end_and_asks_nothing_twice() {
    let Some((place, relay)) = behind_a_relay() else { return };
    let house = place.open().await;
    let doors = house.doors();
    let id = doors.workflows.start(place.order(Mode::Run)).await.unwrap();

    // Cut at the third event, the sixth and so on, and each time a little longer.
    let (mut seen, mut cuts) = (Seq(0), 0);
    'looking: loop {
        let mut follower = doors.pulses.follow(doors.readers.clone(), id.clone(), seen);
        while let Ok(shown) = follower.next().await {
            let Shown::Event(row) = shown else { continue };
            assert_eq!(row.seq, seen.next(), "no gap, no duplicate");
            seen = row.seq;
            if matches!(Event::decode(&row.payload).unwrap(), Event::Finished { .. }) {
                break 'looking;
            }
            if seen.0 % 3 == 0 {
                relay.cut(cuts);
                cuts += 1;
            }
        }
    }
    relay.cut(0);
    assert!(cuts > 3, "only {cuts} cuts: this has tested little");

    let (outcome, history) = end_of(&house, &id).await;
    assert_eq!(outcome, Outcome::Done);
    for (file, content) in [("one.txt", "uno\n"), ("two.txt", "due\n"), ("three.txt", "tre\n")] {
        assert_eq!(place.read(file).unwrap(), content);
    }
    let answered = history.iter().filter(|event| matches!(event, Event::CallAnswered { .. })).count();
    assert_eq!(doors.readers.usage_of(&id).unwrap().len(), answered, "a usage row for each answer");
    house.stop().await;
}
