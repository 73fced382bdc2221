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

use super::Refusal;
use super::asker::{Asker, Neighbours};
use super::counts::{Counts, Held};
use super::door::{Arrival, Door, Room};
use super::failures::Failures;
use crate::config::settings::{Limits, Server};

/// What the doors share.
pub(crate) struct Gate {
    rules: Server,
    clock: Clock,
    traffic: Traffic,
    tcp: Port,
    socket: Port,
    requests: Arc<Counts<Neighbours>>,
    principals: Arc<Counts<String>>,
    failures: Failures,
}

/// One port, or the socket.
struct Port {
    door: metrics::Door,
    connections: Arc<Semaphore>,
    by_address: Arc<Counts<Neighbours>>,
    requests: Arc<Semaphore>,
}

/// The room of one request, until it is answered to the last byte.
#[derive(Debug)]
pub(super) struct Place {
    _at_port: OwnedSemaphorePermit,
    _of_address: Option<Held<Neighbours>>,
}

impl Port {
    fn new(door: metrics::Door, limits: &Limits) -> Self {
        Self {
            door,
            connections: Arc::new(Semaphore::new(limits.connections.size())),
            by_address: Counts::new(limits.connections_per_address.size()),
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
    /// When the port or the address has as many as it may.
    pub(super) fn room(&self, door: Door, peer: Option<IpAddr>) -> Result<Room, Refusal> {
        let port = self.port(door);
        let room = || {
            let full = |_| Refusal::Busy("as many connections are open as may be".to_owned());
            let at_port = port.connections.clone().try_acquire_owned().map_err(full)?;
            let counted = peer.filter(|peer| !self.is_proxy(*peer)).map(Neighbours::of);
            let too_many = || Refusal::TooMany { what: "connections are open from your address" };
            let of_address = counted.map(|address| port.by_address.take(address).ok_or_else(too_many));
            let of_address = of_address.transpose()?;
            Ok(Room { _at_port: at_port, _of_address: of_address, _open: self.traffic.connected(port.door) })
        };
        room().inspect_err(|refusal| self.refused(refusal))
    }

    /// Lets a request in: its address has no wait before it, and there is room.
    ///
    /// # Errors
    /// When it is to come later.
    pub(super) fn admit(&self, door: Door, asker: &Asker) -> Result<Place, Refusal> {
        let address = asker.address.map(Neighbours::of);
        if let Some(wait) = address.and_then(|address| self.failures.wait(address, self.clock.now())) {
            return Err(Refusal::TooManyFailures { wait });
        }
        let too_many = || Refusal::TooMany { what: "requests of your address are under way" };
        let of_address =
            address.map(|address| self.requests.take(address).ok_or_else(too_many)).transpose()?;
        let full = |_| Refusal::Busy("as many requests are under way as may be".to_owned());
        let at_port = self.port(door).requests.clone().try_acquire_owned().map_err(full)?;
        Ok(Place { _at_port: at_port, _of_address: of_address })
    }

    /// Room for a request of the principal of this name, until what comes back is dropped.
    ///
    /// # Errors
    /// When it has as many under way as it may.
    pub(crate) fn admit_principal(&self, name: &str) -> Result<Held<String>, Refusal> {
        let too_many = || Refusal::TooMany { what: "requests of your key are under way" };
        self.principals.take(name.to_owned()).ok_or_else(too_many)
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
            r#"{"limits": {"requests_per_principal": 2, "failed_authentications": 1},
                "trusted_proxies": ["10.0.0.0/8"]}"#,
        );
        Gate::new(rules.unwrap(), clock.clone(), Traffic::default())
    }

    fn from(address: &str) -> Asker {
        let address = Some(address.parse().unwrap());
        Asker { address, host: String::new(), is_secure: false, is_proxied: false }
    }

    const TCP: Door =
        Door::Tcp { own: std::net::SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 7300) };

    #[test]
    fn who_fails_to_say_who_he_is_waits_and_his_neighbours_do_not() {
        let clock = Clock::manual();
        let gate = gate(&clock);
        let guesser = from("203.0.113.9");
        gate.authentication_failed(guesser.address);
        assert!(gate.admit(TCP, &guesser).is_ok(), "the first is free");
        gate.authentication_failed(guesser.address);
        let refused = gate.admit(TCP, &guesser).unwrap_err();
        assert!(matches!(refused, Refusal::TooManyFailures { .. }), "{refused}");
        assert!(gate.admit(TCP, &from("203.0.113.10")).is_ok());
        let nowhere = Asker { address: None, ..guesser.clone() };
        gate.authentication_failed(None);
        assert!(gate.admit(Door::Socket, &nowhere).is_ok());
        clock.advance(Duration::from_secs(1));
        assert!(gate.admit(TCP, &guesser).is_ok());
        gate.authentication_failed(guesser.address);
        assert!(gate.admit(TCP, &guesser).is_err(), "what came before counts");
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
}
