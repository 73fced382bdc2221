//! Who asks, as far as the connection and a trusted proxy tell: the address, the name that was asked for, and TLS.
//!
//! A header that anybody may write is believed only from an address that the operator named.

use std::fmt::{self, Display};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use actix_web::http::header::{FORWARDED, HOST, HeaderMap, HeaderName};

use super::Refusal;
use crate::config::settings::Proxies;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
/// The most proxies of one chain that are looked at.
const MAX_HOPS: usize = 32;

/// Addresses that count as one: an IPv4 address, a network of IPv6 that one customer is given, or all of this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Neighbours(IpAddr);

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Asker {
    /// None over the Unix socket.
    pub(crate) address: Option<IpAddr>,
    /// What is asked for, as it was written.
    pub(crate) host: String,
    /// Whether TLS is between the asker and whoever is nearest to it.
    pub(crate) is_secure: bool,
    /// Whether a proxy that is trusted stands between.
    pub(crate) is_proxied: bool,
}

impl Neighbours {
    pub(super) fn of(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            // It has millions of them, and each of its accounts may use them all.
            own if own.is_loopback() => IpAddr::V4(Ipv4Addr::LOCALHOST),
            v4 @ IpAddr::V4(_) => v4,
            IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64)),
        })
    }
}

impl Display for Neighbours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Asker {
    /// Who asks over a connection from `peer`.
    ///
    /// # Errors
    /// When a trusted proxy says two things, or something that cannot be read: nobody knows then who asks.
    pub(super) fn find(
        peer: Option<IpAddr>,
        is_secure: bool,
        headers: &HeaderMap,
        proxies: &Proxies,
    ) -> Result<Self, Refusal> {
        let peer = peer.map(|peer| peer.to_canonical());
        let host = texts(headers, &HOST).join(", ");
        let direct = Self { address: peer, host, is_secure, is_proxied: false };
        let is_trusted = |address: IpAddr| proxies.0.iter().any(|network| network.holds(address));
        let Some(proxy) = peer.filter(|peer| is_trusted(*peer)) else { return Ok(direct) };
        let said = Said::read(headers)?;
        // From the nearest one on: what stands before the first stranger may be the stranger's invention.
        let mut address = proxy;
        for hop in said.hops.iter().rev().take(MAX_HOPS) {
            address = *hop;
            if !is_trusted(address) {
                break;
            }
        }
        Ok(Self {
            address: Some(address),
            host: said.host.unwrap_or(direct.host),
            is_secure: said.is_secure.unwrap_or(is_secure),
            is_proxied: true,
        })
    }
}

/// What a proxy says.
#[derive(Debug, Default)]
struct Said {
    hops: Vec<IpAddr>,
    host: Option<String>,
    is_secure: Option<bool>,
}

impl Said {
    fn read(headers: &HeaderMap) -> Result<Self, Refusal> {
        let has_own =
            [FORWARDED_FOR, FORWARDED_HOST, FORWARDED_PROTO].iter().any(|name| headers.contains_key(name));
        match (headers.contains_key(FORWARDED), has_own) {
            // A proxy that writes one of them lets the other through as a client wrote it.
            (true, true) => Err(unclear("it says both Forwarded and X-Forwarded-…")),
            (true, false) => Self::standard(headers),
            (false, _) => Self::usual(headers),
        }
    }

    fn usual(headers: &HeaderMap) -> Result<Self, Refusal> {
        let last = |name| parts(headers, name, ',').pop();
        let hops = parts(headers, &FORWARDED_FOR, ',');
        Ok(Self {
            hops: hops.iter().map(|hop| hop_address(hop)).collect::<Result<_, _>>()?,
            host: last(&FORWARDED_HOST),
            is_secure: last(&FORWARDED_PROTO).map(|scheme| is_https(&scheme)).transpose()?,
        })
    }

    /// RFC 7239: one element for each proxy, the nearest last.
    fn standard(headers: &HeaderMap) -> Result<Self, Refusal> {
        let mut said = Self::default();
        for element in parts(headers, &FORWARDED, ',') {
            (said.host, said.is_secure) = (None, None);
            let hops = said.hops.len();
            for pair in element.split(';') {
                let (key, value) =
                    pair.split_once('=').ok_or_else(|| unclear("Forwarded is no list of pairs"))?;
                let value = value.trim().trim_matches('"');
                match key.trim().to_ascii_lowercase().as_str() {
                    "for" => said.hops.push(hop_address(value)?),
                    "host" => said.host = Some(value.to_owned()),
                    "proto" => said.is_secure = Some(is_https(value)?),
                    _ => {}
                }
            }
            if said.hops.len() == hops {
                return Err(unclear("an element of Forwarded has no `for`"));
            }
        }
        Ok(said)
    }
}

fn texts(headers: &HeaderMap, name: &HeaderName) -> Vec<String> {
    headers.get_all(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).collect()
}

fn parts(headers: &HeaderMap, name: &HeaderName, separator: char) -> Vec<String> {
    let texts = texts(headers, name);
    texts.iter().flat_map(|text| text.split(separator)).map(|part| part.trim().to_owned()).collect()
}

/// An address, with or without a port.
fn hop_address(text: &str) -> Result<IpAddr, Refusal> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse::<IpAddr>().or_else(|_| text.parse::<SocketAddr>().map(|address| address.ip()));
    address.map(|address| address.to_canonical()).map_err(|_| unclear("an address is none"))
}

fn is_https(scheme: &str) -> Result<bool, Refusal> {
    match scheme {
        "https" | "wss" => Ok(true),
        "http" | "ws" => Ok(false),
        _ => Err(unclear("the scheme is neither http nor https")),
    }
}

fn unclear(what: &str) -> Refusal {
    Refusal::BadRequest(format!("the proxy does not tell who asks: {what}"))
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
        let pair = |(name, value): &(&str, &str)| {
            (HeaderName::try_from(*name).unwrap(), HeaderValue::from_str(value).unwrap())
        };
        pairs.iter().map(pair).collect()
    }

    fn proxies() -> Proxies {
        serde_json::from_str(r#"["10.0.0.0/8", "fd00::/8"]"#).unwrap()
    }

    fn asker(peer: &str, pairs: &[(&str, &str)]) -> Result<Asker, Refusal> {
        Asker::find(Some(peer.parse().unwrap()), false, &headers(pairs), &proxies())
    }

    fn address(peer: &str, pairs: &[(&str, &str)]) -> String {
        asker(peer, pairs).unwrap().address.unwrap().to_string()
    }

    #[test]
    fn what_a_stranger_says_of_himself_is_ignored() {
        let lies = [
            ("host", "a"),
            ("x-forwarded-for", "127.0.0.1"),
            ("x-forwarded-host", "localhost:7300"),
            ("x-forwarded-proto", "https"),
            ("forwarded", "for=127.0.0.1"),
        ];
        let found = asker("203.0.113.9", &lies).unwrap();
        let address = Some("203.0.113.9".parse().unwrap());
        assert_eq!(found, Asker { address, host: "a".to_owned(), is_secure: false, is_proxied: false });
    }

    #[test]
    fn the_nearest_address_that_is_no_proxys_is_who_asks() {
        for (said, expected) in [
            ("203.0.113.9", "203.0.113.9"),
            ("127.0.0.1, 203.0.113.9", "203.0.113.9"),
            ("127.0.0.1, 203.0.113.9, 10.0.0.2", "203.0.113.9"),
            ("10.0.0.3, 10.0.0.2", "10.0.0.3"),
            ("203.0.113.9:4711", "203.0.113.9"),
            ("[2001:db8::1]:4711, fd00::1", "2001:db8::1"),
            ("::ffff:203.0.113.9", "203.0.113.9"),
        ] {
            assert_eq!(address("10.0.0.1", &[("x-forwarded-for", said)]), expected, "{said}");
        }
        let lines = [("x-forwarded-for", "127.0.0.1"), ("x-forwarded-for", "203.0.113.9")];
        assert_eq!(address("::ffff:10.0.0.1", &lines), "203.0.113.9");
        let standard =
            r#"for=127.0.0.1, For="[2001:db8::1]:80";proto=https;host=build.example, for=10.0.0.2"#;
        assert_eq!(address("10.0.0.1", &[("forwarded", standard)]), "2001:db8::1");
    }

    #[test]
    fn name_and_scheme_are_those_that_the_nearest_proxy_says() {
        let said = [
            ("host", "inside"),
            ("x-forwarded-host", "evil, build.example"),
            ("x-forwarded-proto", "http, https"),
        ];
        let found = asker("10.0.0.1", &said).unwrap();
        assert_eq!((found.host.as_str(), found.is_secure, found.is_proxied), ("build.example", true, true));
        let found =
            asker("10.0.0.1", &[("host", "inside"), ("forwarded", "for=1.2.3.4;host=evil, for=10.0.0.9")])
                .unwrap();
        assert_eq!((found.host.as_str(), found.is_secure), ("inside", false));
    }

    #[test]
    fn a_proxy_that_says_two_things_or_nonsense_is_refused() {
        let both = [("x-forwarded-for", "203.0.113.9"), ("forwarded", "for=127.0.0.1")];
        assert!(asker("10.0.0.1", &both).is_err());
        for (name, value) in [
            ("x-forwarded-for", "unknown"),
            ("x-forwarded-for", ""),
            ("x-forwarded-for", "1.2.3.4, "),
            ("x-forwarded-proto", "gopher"),
            ("forwarded", "for"),
            ("forwarded", "for=_hidden"),
            ("forwarded", "proto=https;by=10.0.0.1"),
            ("forwarded", "for=127.0.0.1, proto=https"),
        ] {
            let refused = asker("10.0.0.1", &[(name, value)]).unwrap_err();
            assert!(matches!(refused, Refusal::BadRequest(_)), "{name}: {value}");
        }
    }
}
