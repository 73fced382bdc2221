//! Under which name the server was asked, and by which page: so that no page of the web can drive a server of this machine.
//!
//! A browser tells both truly. A page whose own name leads here (DNS rebinding) is known by the name; a page that asks
//! across origins, by its origin, or by the browser's word that it is from elsewhere.

use actix_web::Error;
use actix_web::HttpMessage;
use actix_web::body::BoxBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{HOST, HeaderMap, HeaderName, HeaderValue, ORIGIN};
use actix_web::middleware::Next;

use super::asker::Asker;
use super::door::{Arrival, Door};
use super::{Refusal, gate};
use crate::config::settings::Server;

/// Names that only this machine has for itself; a name that somebody else's DNS answers for is none of them.
const OWN_NAMES: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];
/// A browser's word on where the page is from.
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The middleware that lets nobody pass but under the server's name, and no page from elsewhere.
pub(crate) async fn checked(
    request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    match look(&request) {
        Ok(asker) => {
            request.extensions_mut().insert(asker);
            next.call(request).await
        }
        Err(refusal) => {
            gate::of(&request).refused(&refusal);
            Ok(refusal.answer(request))
        }
    }
}

fn look(request: &ServiceRequest) -> Result<Asker, Refusal> {
    let gate = gate::of(request);
    let stranger = || Refusal::BadHost { host: "a connection from elsewhere".to_owned() };
    let arrival = request.conn_data::<Arrival>().ok_or_else(stranger)?;
    if arrival.door == Door::Confined {
        return Err(Refusal::Confined);
    }
    let (rules, headers) = (gate.rules(), request.headers());
    let line = request.uri().path_and_query().map_or(0, |path| path.as_str().len());
    head_fits(rules, line, headers)?;
    let asker = Asker::find(arrival.peer, arrival.is_secure, headers, &rules.trusted_proxies)?;
    if let Door::Tcp { own } = arrival.door {
        let names = Names { rules, own: &own.to_string(), port: own.port(), is_secure: asker.is_secure };
        names.allow(&asker.host, headers)?;
    }
    Ok(asker)
}

fn head_fits(rules: &Server, line: usize, headers: &HeaderMap) -> Result<(), Refusal> {
    let most = &rules.limits;
    // Each has a colon, a space and an end of line around it.
    let bytes = |(name, value): (&HeaderName, &HeaderValue)| name.as_str().len() + value.len() + 4;
    let whole = line + headers.iter().map(bytes).sum::<usize>();
    if whole > most.head_bytes.size() || headers.len() > most.headers.size() {
        let (bytes, headers) = (most.head_bytes.size(), most.headers.size());
        return Err(Refusal::HeadTooLarge { bytes, headers });
    }
    Ok(())
}

/// The names under which one port is asked.
struct Names<'a> {
    rules: &'a Server,
    /// The address that the connection leads to: no name of DNS stands for it.
    own: &'a str,
    port: u16,
    is_secure: bool,
}

impl Names<'_> {
    fn allow(&self, host: &str, headers: &HeaderMap) -> Result<(), Refusal> {
        if headers.get_all(HOST).count() > 1 || !self.is_own(host) {
            return Err(Refusal::BadHost { host: host.to_owned() });
        }
        let mut origins = headers.get_all(ORIGIN).map(text).peekable();
        let has_origin = origins.peek().is_some();
        for origin in origins {
            if !self.is_own_page(&origin) {
                return Err(Refusal::BadOrigin { origin });
            }
        }
        let site = headers.get(FETCH_SITE).map(text);
        match site.as_deref() {
            Some(site @ ("cross-site" | "same-site")) if !has_origin => {
                Err(Refusal::BadOrigin { origin: format!("a {site} page") })
            }
            _ => Ok(()),
        }
    }

    fn is_own(&self, host: &str) -> bool {
        let host = host.to_ascii_lowercase();
        let has_port = host.rsplit_once(':').is_some_and(|(_, port)| !port.ends_with(']'));
        let usual = if self.is_secure { 443 } else { 80 };
        // Without a port it is the usual one that is meant.
        let whole = if has_port { host.clone() } else { format!("{host}:{usual}") };
        let port = self.port;
        OWN_NAMES.iter().any(|name| whole == format!("{name}:{port}"))
            || whole == self.own
            || self.rules.hosts.0.iter().any(|known| is_known(known, &host, &whole))
    }

    fn is_own_page(&self, origin: &str) -> bool {
        let scheme = if self.is_secure { "https://" } else { "http://" };
        origin.strip_prefix(scheme).is_some_and(|host| self.is_own(host))
            || self.rules.origins.0.iter().any(|known| origin.eq_ignore_ascii_case(known))
    }
}

/// A name of the operator's counts at every port, one with a port at that.
fn is_known(known: &str, host: &str, whole: &str) -> bool {
    let name = whole.rsplit_once(':').map_or(host, |(name, _)| name);
    known == name || known == whole || known == host
}

fn text(value: &HeaderValue) -> String {
    String::from_utf8_lossy(value.as_bytes()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(HeaderName, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::from_str(value).unwrap())).collect()
    }

    fn rules(hosts: &[&str], origins: &[&str]) -> Server {
        let mut rules = Server::default();
        rules.hosts.0 = hosts.iter().map(|host| (*host).to_owned()).collect();
        rules.origins.0 = origins.iter().map(|origin| (*origin).to_owned()).collect();
        rules
    }

    fn allow(
        rules: &Server,
        is_secure: bool,
        host: &str,
        pairs: &[(HeaderName, &str)],
    ) -> Result<(), Refusal> {
        Names { rules, own: "192.0.2.1:7300", port: 7300, is_secure }.allow(host, &headers(pairs))
    }

    #[test]
    fn knows_its_own_names_with_their_port_and_no_other() {
        let rules = rules(&[], &[]);
        for host in ["localhost:7300", "LOCALHOST:7300", "127.0.0.1:7300", "[::1]:7300", "192.0.2.1:7300"] {
            assert!(allow(&rules, false, host, &[(HOST, host)]).is_ok(), "{host}");
        }
        for host in [
            "localhost",
            "localhost:80",
            "evil.example:7300",
            "127.0.0.1.evil.example:7300",
            "localhost.evil.example:7300",
            "localhost:7300, evil.example",
            "192.0.2.2:7300",
            "[::1]",
            "",
        ] {
            let refused = allow(&rules, false, host, &[(HOST, host)]);
            assert!(matches!(refused, Err(Refusal::BadHost { .. })), "{host}");
        }
        let twice = [(HOST, "localhost:7300"), (HOST, "evil.example")];
        assert!(allow(&rules, false, "localhost:7300", &twice).is_err());
    }

    #[test]
    fn names_of_the_operators_count_with_their_port_or_at_every_one() {
        let rules = rules(&["build.example", "tight.example:8443"], &[]);
        for host in ["build.example", "BUILD.example:9", "build.example:7300", "tight.example:8443"] {
            assert!(allow(&rules, true, host, &[]).is_ok(), "{host}");
        }
        for host in ["tight.example", "tight.example:7300", "a.build.example", "build.example.evil.example"] {
            assert!(allow(&rules, true, host, &[]).is_err(), "{host}");
        }
    }

    #[test]
    fn a_page_from_elsewhere_may_not_ask() {
        let rules = rules(&[], &["https://panel.example"]);
        let with = |origin| allow(&rules, false, "localhost:7300", &[(ORIGIN, origin)]);
        assert!(with("http://localhost:7300").is_ok());
        assert!(with("https://panel.example").is_ok());
        for origin in [
            "null",
            "",
            "http://evil.example",
            "https://localhost:7300",
            "http://localhost:80",
            "http://localhost.evil.example:7300",
            "http://127.0.0.1.evil.example",
            "http://panel.example",
            "https://panel.example:8443",
        ] {
            assert!(matches!(with(origin), Err(Refusal::BadOrigin { .. })), "{origin}");
        }
        let secure = [(ORIGIN, "https://localhost:7300")];
        assert!(allow(&rules, true, "localhost:7300", &secure).is_ok());
        let two = [(ORIGIN, "http://localhost:7300"), (ORIGIN, "http://evil.example")];
        assert!(allow(&rules, false, "localhost:7300", &two).is_err());
    }

    #[test]
    fn a_browser_that_says_the_page_is_from_elsewhere_is_believed() {
        let rules = rules(&[], &["https://panel.example"]);
        let from = |site, origin: Option<&str>| {
            let mut pairs = vec![(FETCH_SITE, site)];
            pairs.extend(origin.map(|origin| (ORIGIN, origin)));
            allow(&rules, false, "localhost:7300", &pairs)
        };
        assert!(from("same-origin", None).is_ok() && from("none", None).is_ok());
        assert!(from("cross-site", None).is_err() && from("same-site", None).is_err());
        assert!(from("cross-site", Some("https://panel.example")).is_ok());
    }

    #[test]
    fn a_head_is_measured_with_its_line() {
        let mut rules = Server::default();
        rules.limits.headers = serde_json::from_str("8").unwrap();
        let most = rules.limits.head_bytes.size();
        assert!(head_fits(&rules, most, &HeaderMap::new()).is_ok());
        assert!(head_fits(&rules, most + 1, &HeaderMap::new()).is_err());
        assert!(head_fits(&rules, most, &headers(&[(HOST, "x")])).is_err());
        let many: Vec<_> = (0..9).map(|_| (FETCH_SITE, "none")).collect();
        assert!(head_fits(&rules, 1, &headers(&many)).is_err());
        assert!(head_fits(&rules, 1, &headers(&many[1..])).is_ok());
    }
}
