//! What all doors share: how much room there is, who holds how much of it, and who failed to say who they are.
//!
//! Nothing waits here. Who finds no room is turned away at once and told when to come again; a place is given back when
//! what holds it is dropped, however that ends.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_web::web::Data;
use actors::metrics::{self, Traffic};
use clock::Clock;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::asker::Neighbours;
use super::counts::{Counts, Held};
use super::door::{Arrival, Door, Room};
use super::failures::Failures;
use super::{MAX_STREAMS, Refusal};
use crate::config::settings::{Limits, Server};

/// The most streams that one key, one account or one address has open at once: others get in beside it.
pub(crate) const MAX_STREAMS_OF_ONE: usize = MAX_STREAMS / 2;

/// What the doors share.
pub(crate) struct Gate {
    rules: Server,
    clock: Clock,
    traffic: Traffic,
    tcp: Port,
    socket: Port,
    requests: Arc<Counts<Whence>>,
    principals: Arc<Counts<String>>,
    streams: Arc<Counts<String>>,
    failures: Failures,
}

/// One port, or the socket.
struct Port {
    door: metrics::Door,
    connections: Arc<Semaphore>,
    by_whence: Arc<Counts<Whence>>,
    requests: Arc<Semaphore>,
}

/// Whose room it is that somebody takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Whence {
    /// That of an address, and of those that count as one with it.
    Address(Neighbours),
    /// That of an account of this machine, at the socket.
    Account(u32),
}

/// The room of one request.
#[derive(Debug)]
pub(super) struct Place {
    _at_port: OwnedSemaphorePermit,
    _of_whence: Option<Held<Whence>>,
}

/// All the room that a request takes: until it is answered to the last byte, and what it changes is done.
#[derive(Clone, Debug)]
pub(super) struct Rooms {
    _place: Arc<Place>,
    _of_principal: Option<Arc<Held<String>>>,
}

impl Whence {
    /// Where both are known, the address counts.
    pub(super) fn of(address: Option<IpAddr>, account: Option<u32>) -> Option<Self> {
        address.map(Neighbours::of).map(Self::Address).or(account.map(Self::Account))
    }

    /// What there is too much of.
    fn too_many(self, of_address: &'static str, of_account: &'static str) -> Refusal {
        let what = match self {
            Self::Address(_) => of_address,
            Self::Account(_) => of_account,
        };
        Refusal::TooMany { what }
    }
}

impl Rooms {
    pub(super) fn with(place: Place) -> Self {
        Self { _place: Arc::new(place), _of_principal: None }
    }

    /// And the principal's.
    pub(super) fn and(self, of_principal: Held<String>) -> Self {
        Self { _of_principal: Some(Arc::new(of_principal)), ..self }
    }
}

impl Port {
    fn new(door: metrics::Door, limits: &Limits) -> Self {
        Self {
            door,
            connections: Arc::new(Semaphore::new(limits.connections.size())),
            by_whence: Counts::new(limits.connections_per_address.size()),
            requests: Arc::new(Semaphore::new(limits.requests.size())),
        }
    }
}

impl Gate {
    pub(crate) fn new(rules: Server, clock: Clock, traffic: Traffic) -> Self {
        let limits = &rules.limits;
        let free = u32::try_from(limits.failed_authentications.get()).expect("its bound is far below");
        Self {
            tcp: Port::new(metrics::Door::Tcp, limits),
            socket: Port::new(metrics::Door::Socket, limits),
            requests: Counts::new(limits.requests_per_address.size()),
            principals: Counts::new(limits.requests_per_principal.size()),
            streams: Counts::new(MAX_STREAMS_OF_ONE),
            failures: Failures::new(free, limits.remembered_addresses.size()),
            rules,
            clock,
            traffic,
        }
    }

    /// What the operator wants of the doors.
    pub(crate) fn rules(&self) -> &Server {
        &self.rules
    }

    pub(super) fn clock(&self) -> &Clock {
        &self.clock
    }

    /// For how long a reader may take nothing.
    pub(super) fn stalled(&self) -> Duration {
        self.rules.limits.stalled_s.seconds()
    }

    /// Counts what was turned away.
    pub(super) fn refused(&self, refusal: &Refusal) {
        self.traffic.refused(refusal.code());
    }

    /// Whether the word of who is at the other end of a connection counts.
    pub(super) fn trusts(&self, arrival: &Arrival) -> bool {
        arrival.door == Door::Socket || arrival.peer.is_some_and(|peer| self.is_proxy(peer))
    }

    fn is_proxy(&self, peer: IpAddr) -> bool {
        self.rules.trusted_proxies.0.iter().any(|network| network.holds(peer))
    }

    fn port(&self, door: Door) -> &Port {
        match door {
            Door::Tcp { .. } => &self.tcp,
            Door::Socket | Door::Confined => &self.socket,
        }
    }

    /// Room for a connection. Those of a proxy are many people's, and count for the port alone.
    ///
    /// # Errors
    /// When the port, the address or the account has as many as it may.
    pub(super) fn room(
        &self,
        door: Door,
        peer: Option<IpAddr>,
        account: Option<u32>,
    ) -> Result<Room, Refusal> {
        let port = self.port(door);
        let room = || {
            let full = |_| Refusal::Busy("as many connections are open as may be".to_owned());
            let at_port = port.connections.clone().try_acquire_owned().map_err(full)?;
            let counted = Whence::of(peer.filter(|peer| !self.is_proxy(*peer)), account);
            let too_many = |whence: Whence| {
                whence.too_many(
                    "connections are open from your address",
                    "connections of your account are open",
                )
            };
            let of_whence = counted.map(|whence| port.by_whence.take(whence).ok_or_else(|| too_many(whence)));
            let of_whence = of_whence.transpose()?;
            Ok(Room { _at_port: at_port, _of_whence: of_whence, _open: self.traffic.connected(port.door) })
        };
        room().inspect_err(|refusal| self.refused(refusal))
    }

    /// Lets a request in: its address has no wait before it, and there is room.
    ///
    /// # Errors
    /// When it is to come later.
    pub(super) fn admit(&self, door: Door, whence: Option<Whence>) -> Result<Place, Refusal> {
        if let Some(Whence::Address(address)) = whence
            && let Some(wait) = self.failures.wait(address, self.clock.now())
        {
            return Err(Refusal::TooManyFailures { wait });
        }
        let too_many = |whence: Whence| {
            whence
                .too_many("requests of your address are under way", "requests of your account are under way")
        };
        let of_whence = whence.map(|whence| self.requests.take(whence).ok_or_else(|| too_many(whence)));
        let of_whence = of_whence.transpose()?;
        let full = |_| Refusal::Busy("as many requests are under way as may be".to_owned());
        let at_port = self.port(door).requests.clone().try_acquire_owned().map_err(full)?;
        Ok(Place { _at_port: at_port, _of_whence: of_whence })
    }

    /// Room for a request of the principal of this name, until what comes back is dropped.
    ///
    /// # Errors
    /// When it has as many under way as it may.
    pub(crate) fn admit_principal(&self, name: &str) -> Result<Held<String>, Refusal> {
        let too_many = || Refusal::TooMany { what: "requests of your key are under way" };
        self.principals.take(name.to_owned()).ok_or_else(too_many)
    }

    /// Room for a stream of whoever has this share of them, until what comes back is dropped.
    ///
    /// # Errors
    /// When he has as many open as he may.
    pub(super) fn admit_stream(&self, share: String) -> Result<Held<String>, Refusal> {
        let too_many = || Refusal::TooMany { what: "streams of yours are open" };
        self.streams.take(share).ok_or_else(too_many)
    }

    /// Notes that somebody at this address did not prove who he is; none is somebody at the socket, whom the system knows.
    pub(crate) fn authentication_failed(&self, address: Option<IpAddr>) {
        self.traffic.authentication_failed();
        if let Some(address) = address {
            self.failures.failed(Neighbours::of(address), self.clock.now());
        }
    }
}

/// The gate of the server that a request came to.
pub(super) fn of(request: &actix_web::dev::ServiceRequest) -> Arc<Gate> {
    let desk = request.app_data::<Data<super::Desk>>().expect("every server has a desk");
    desk.gate.clone()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate(clock: &Clock) -> Gate {
        let rules = serde_json::from_str(
            r#"{"limits": {"requests_per_principal": 2, "failed_authentications": 1, "requests": 4,
                "requests_per_address": 2, "connections_per_address": 1},
                "trusted_proxies": ["10.0.0.0/8"]}"#,
        );
        Gate::new(rules.unwrap(), clock.clone(), Traffic::default())
    }

    fn from(address: &str) -> Option<Whence> {
        Whence::of(Some(address.parse().unwrap()), None)
    }

    const TCP: Door =
        Door::Tcp { own: std::net::SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 7300) };

    #[test]
    fn who_fails_to_say_who_he_is_waits_and_his_neighbours_do_not() {
        let clock = Clock::manual();
        let gate = gate(&clock);
        let (address, guesser) = (Some("203.0.113.9".parse().unwrap()), from("203.0.113.9"));
        gate.authentication_failed(address);
        assert!(gate.admit(TCP, guesser).is_ok(), "the first is free");
        gate.authentication_failed(address);
        let refused = gate.admit(TCP, guesser).unwrap_err();
        assert!(matches!(refused, Refusal::TooManyFailures { .. }), "{refused}");
        assert!(gate.admit(TCP, from("203.0.113.10")).is_ok());
        gate.authentication_failed(None);
        assert!(gate.admit(Door::Socket, None).is_ok());
        clock.advance(Duration::from_secs(1));
        assert!(gate.admit(TCP, guesser).is_ok());
        gate.authentication_failed(address);
        assert!(gate.admit(TCP, guesser).is_err(), "what came before counts");
    }

    #[test]
    fn a_principal_has_room_of_its_own() {
        let gate = gate(&Clock::manual());
        let (one, _two) = (gate.admit_principal("ci").unwrap(), gate.admit_principal("ci").unwrap());
        assert!(matches!(gate.admit_principal("ci"), Err(Refusal::TooMany { .. })));
        assert!(gate.admit_principal("panel").is_ok());
        drop(one);
        assert!(gate.admit_principal("ci").is_ok());
    }

    #[test]
    fn an_account_that_takes_all_it_can_get_leaves_room_for_another() {
        let gate = gate(&Clock::manual());
        let (flooder, other) = (Whence::of(None, Some(1000)), Whence::of(None, Some(0)));
        let held: Vec<Place> = (0..2).map(|_| gate.admit(Door::Socket, flooder).unwrap()).collect();
        let refused = gate.admit(Door::Socket, flooder).unwrap_err().to_string();
        assert!(refused.contains("of your account"), "{refused}");
        let _let_in = gate.admit(Door::Socket, other).unwrap();
        drop(held);
        assert!(gate.admit(Door::Socket, flooder).is_ok());
        let _open = gate.room(Door::Socket, None, Some(1000)).map_err(|refused| refused.to_string()).unwrap();
        assert!(gate.room(Door::Socket, None, Some(1000)).is_err());
        assert!(gate.room(Door::Socket, None, Some(0)).is_ok());
    }

    #[test]
    fn the_many_addresses_of_this_machine_itself_are_one() {
        let gate = gate(&Clock::manual());
        let _held: Vec<Place> =
            ["127.0.0.1", "127.9.9.9"].map(|address| gate.admit(TCP, from(address)).unwrap()).into();
        for address in ["127.0.0.2", "::1", "::ffff:127.0.0.3"] {
            assert!(gate.admit(TCP, from(address)).is_err(), "{address}");
        }
    }
}
