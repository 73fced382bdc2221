//! How the doors treat who comes: names they answer to, whom they believe, what is too much, and TLS.
//!
//! Everything here waits for a restart, but for the files of `server.tls`: they are read anew with each reload, under
//! their names of then.

use std::fmt;
use std::marker::PhantomData;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::de::Deserializer;
use serde::{Deserialize, Serialize};

use super::one_or_many::{OneOrMany, Texts};
use super::settings::Bounded;

/// The bits before an IPv4 address that is written as IPv6.
const MAPPED_BITS: u8 = 96;

/// The certificate that the doors show, and its private key; both or neither.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tls {
    /// The chain in PEM form, the server's own certificate first.
    pub certificate: Option<PathBuf>,
    /// The private key in PEM form.
    pub key: Option<PathBuf>,
}

/// What is too much or too long. Counts are of each port, and of the socket.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Bytes of a body.
    pub body_bytes: Bounded<1_024, { 64 << 20 }>,
    /// How deep JSON may nest.
    pub body_depth: Bounded<1, 120>,
    /// Bytes of a request's line and headers.
    pub head_bytes: Bounded<1_024, 131_072>,
    /// Headers of a request.
    pub headers: Bounded<8, 96>,
    /// Connections of a port.
    pub connections: Bounded<1, 100_000>,
    /// Connections of one address to a port.
    pub connections_per_address: Bounded<1, 100_000>,
    /// Requests under way at a port.
    pub requests: Bounded<1, 100_000>,
    /// Requests under way of one address.
    pub requests_per_address: Bounded<1, 100_000>,
    /// Requests under way of one principal.
    pub requests_per_principal: Bounded<1, 100_000>,
    /// For the head of a connection's first request, in seconds.
    pub head_s: Bounded<1, 600>,
    /// For a body, in seconds.
    pub body_s: Bounded<1, 3_600>,
    /// Until an answer begins, in seconds.
    pub answer_s: Bounded<1, 3_600>,
    /// For how long a connection may stand still with an answer half taken, in seconds.
    pub stalled_s: Bounded<1, 3_600>,
    /// For how long a connection may be idle, in seconds.
    pub idle_s: Bounded<1, 3_600>,
    /// Failed authentications of one address that are answered at once.
    pub failed_authentications: Bounded<1, 1_000>,
    /// Addresses whose failed authentications are remembered.
    pub remembered_addresses: Bounded<16, 1_000_000>,
}

/// Names that the doors answer to beside their own: `name`, at any port, or `name:port`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Hosts(pub Vec<String>);

/// Origins of the pages that may ask, such as `https://panel.example`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct PageOrigins(pub Vec<String>);

/// Whose word on where a request comes from is believed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Proxies(pub Vec<Network>);

/// Addresses with the same first bits, written as `10.0.0.0/8`, or one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: Bounded::new(1 << 20),
            body_depth: Bounded::new(64),
            head_bytes: Bounded::new(16 << 10),
            headers: Bounded::new(64),
            connections: Bounded::new(512),
            connections_per_address: Bounded::new(256),
            requests: Bounded::new(512),
            requests_per_address: Bounded::new(256),
            requests_per_principal: Bounded::new(128),
            head_s: Bounded::new(10),
            body_s: Bounded::new(30),
            answer_s: Bounded::new(100),
            stalled_s: Bounded::new(60),
            idle_s: Bounded::new(75),
            failed_authentications: Bounded::new(5),
            remembered_addresses: Bounded::new(16_384),
        }
    }
}

impl<const LEAST: u64, const MOST: u64> Bounded<LEAST, MOST> {
    /// As a length or a count.
    pub fn size(self) -> usize {
        usize::try_from(self.get()).expect("its bound is far below")
    }

    /// As a time in seconds.
    pub const fn seconds(self) -> Duration {
        Duration::from_secs(self.get())
    }
}

impl Network {
    /// Whether the address lies in it; IPv4 addresses that are written as IPv6 are IPv4.
    pub fn holds(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let bits = u32::from(self.bits);
                (own.to_bits() ^ other.to_bits()).checked_shr(32 - bits).unwrap_or(0) == 0
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let bits = u32::from(self.bits);
                (own.to_bits() ^ other.to_bits()).checked_shr(128 - bits).unwrap_or(0) == 0
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }

    /// # Errors
    /// Why it is none, and what would be.
    fn parse(text: &str) -> Result<Self, String> {
        let bad = || {
            format!("`{text}` is no network: write an address, or one with its number of bits, 10.0.0.0/8")
        };
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse().map_err(|_| bad())?)),
            None => (text, None),
        };
        let written: IpAddr = address.parse().map_err(|_| bad())?;
        let most = if written.is_ipv4() { 32 } else { 128 };
        let bits: u8 = bits.unwrap_or(most);
        if bits > most {
            return Err(bad());
        }
        let address = written.to_canonical();
        if address.is_ipv6() == written.is_ipv6() {
            return Ok(Self { address, bits });
        }
        // An IPv4 address in the clothes of IPv6.
        let too_wide = || {
            format!(
                "`{text}` holds more than addresses of IPv4: write those as such, {address}/8, with their bits"
            )
        };
        bits.checked_sub(MAPPED_BITS).map(|bits| Self { address, bits }).ok_or_else(too_wide)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

impl Serialize for Network {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Hosts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Texts::<Self>(PhantomData))
    }
}

impl OneOrMany for Hosts {
    const EXPECTED: &'static str = "a list of names, such as [build.example, \"build.example:8443\"]";
    const MOST: usize = 64;

    fn one(text: &str) -> Result<Self, String> {
        Self::many(text.split(',').map(|name| name.trim().to_owned()).collect())
    }

    fn many(texts: Vec<String>) -> Result<Self, String> {
        match texts.iter().find(|text| !is_host(text)) {
            Some(wrong) => Err(format!(
                "`{wrong}` is no name of a host: write `build.example`, or with a port behind a `:`"
            )),
            None => Ok(Self(texts.into_iter().map(|text| text.to_ascii_lowercase()).collect())),
        }
    }
}

/// A name or an address, and perhaps a port; no scheme, no path, no wildcard.
fn is_host(text: &str) -> bool {
    let (name, port) = match text.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => (name, Some(port)),
        _ => (text, None),
    };
    let name = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).map_or(name, |_| "v6");
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    !name.is_empty()
        && name.bytes().all(is_letter)
        && port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0))
}

impl<'de> Deserialize<'de> for PageOrigins {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Texts::<Self>(PhantomData))
    }
}

impl OneOrMany for PageOrigins {
    const EXPECTED: &'static str = "a list of origins, such as [\"https://panel.example\"]";
    const MOST: usize = 64;

    fn one(text: &str) -> Result<Self, String> {
        Self::many(text.split(',').map(|origin| origin.trim().to_owned()).collect())
    }

    fn many(texts: Vec<String>) -> Result<Self, String> {
        let is_origin = |text: &String| {
            let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
            host.is_some_and(is_host)
        };
        match texts.iter().find(|text| !is_origin(text)) {
            Some(wrong) => Err(format!(
                "`{wrong}` is no origin: write `https://`, the host and its port, without a `/` at the end"
            )),
            None => Ok(Self(texts.into_iter().map(|text| text.to_ascii_lowercase()).collect())),
        }
    }
}

impl<'de> Deserialize<'de> for Proxies {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Texts::<Self>(PhantomData))
    }
}

impl OneOrMany for Proxies {
    const EXPECTED: &'static str = "a list of networks, such as [10.0.0.0/8, \"fd00::/8\"]";
    const MOST: usize = 64;

    fn one(text: &str) -> Result<Self, String> {
        Self::many(text.split(',').map(|network| network.trim().to_owned()).collect())
    }

    fn many(texts: Vec<String>) -> Result<Self, String> {
        texts.into_iter().map(|text| Network::parse(&text)).collect::<Result<_, _>>().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_holds_what_begins_with_its_bits_and_nothing_else() {
        for (network, inside, outside) in [
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.1"),
            ("192.0.2.7", "192.0.2.7", "192.0.2.8"),
            ("192.0.2.128/25", "192.0.2.200", "192.0.2.127"),
            ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::1"),
            ("::1", "::1", "127.0.0.1"),
            ("127.0.0.0/8", "::ffff:127.0.0.1", "::1"),
        ] {
            let network = Network::parse(network).unwrap();
            assert!(network.holds(inside.parse().unwrap()), "{network} {inside}");
            assert!(!network.holds(outside.parse().unwrap()), "{network} {outside}");
        }
        assert!(Network::parse("0.0.0.0/0").unwrap().holds("203.0.113.9".parse().unwrap()));
        for wrong in
            ["10.0.0.0/33", "10.0.0", "::/129", "", "/8", "10.0.0.0/", "10.0.0.0/-1", "proxy.example"]
        {
            assert!(Network::parse(wrong).unwrap_err().contains("10.0.0.0/8"), "{wrong}");
        }
    }

    #[test]
    fn a_network_of_ipv4_that_is_written_as_ipv6_is_one_of_ipv4() {
        for (mapped, plain) in [
            ("::ffff:10.1.2.3/104", "10.1.2.3/8"),
            ("::ffff:192.0.2.7", "192.0.2.7"),
            ("::ffff:0:0/96", "0.0.0.0/0"),
        ] {
            assert_eq!(Network::parse(mapped), Network::parse(plain), "{mapped}");
        }
        let refused = Network::parse("::ffff:10.0.0.0/90").unwrap_err();
        assert!(refused.contains("as such, 10.0.0.0/8"), "{refused}");
    }

    #[test]
    fn names_and_origins_are_plain_ones() {
        for right in ["build.example", "build.example:8443", "192.0.2.1", "[2001:db8::1]", "[::1]:80"] {
            assert!(Hosts::one(right).is_ok(), "{right}");
        }
        for wrong in
            ["", "*", "https://build.example", "build.example/", "a b", "host:", "host:0", "host:99999"]
        {
            assert!(Hosts::one(wrong).is_err(), "{wrong}");
        }
        assert_eq!(Hosts::one("A.example, b.example").unwrap().0, ["a.example", "b.example"]);
        assert!(PageOrigins::one("https://panel.example:8443").is_ok());
        for wrong in ["panel.example", "*", "null", "https://panel.example/", "file://x"] {
            assert!(PageOrigins::one(wrong).is_err(), "{wrong}");
        }
    }
}
