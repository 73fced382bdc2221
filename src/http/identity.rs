//! Who asks: the server's user over the Unix socket, the holder of a key, or nobody in particular.
//!
//! A key is read from a header alone, never from the URL or a cookie: a URL is written to logs, and a cookie is sent by
//! pages that know nothing of the key. It is looked up in a snapshot; no request waits for the database. A key that is no
//! good is refused wherever it comes, with one message whatever is wrong with it: the cause is in the log.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use access::{Grant, Principal};
use actix_web::body::BoxBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{AUTHORIZATION, HeaderMap, HeaderName};
use actix_web::middleware::Next;
use actix_web::web::Data;
use actix_web::{Error, HttpMessage, HttpRequest};
use actors::keyring::Keys;
use tracing::info;

use super::admission::holding;
use super::asker::{Asker, Neighbours};
use super::door::{Arrival, Door, is_loopback};
use super::gate::Rooms;
use super::{Desk, Refusal, gate, template};

/// Where a key may stand, beside `Authorization: Bearer`: the headers of the vendors' own clients.
static KEY_HEADERS: [HeaderName; 2] =
    [HeaderName::from_static("x-api-key"), HeaderName::from_static("x-goog-api-key")];
const TWO_KEYS: &str = "two different keys came with one request";
const BEARER: &str = "bearer ";
/// Where a key stands alone: then those headers hold what its holder shows to a vendor.
static OWN_HEADER: HeaderName = HeaderName::from_static("x-impresario-key");

/// Who asks, and from where.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    /// Who.
    pub(crate) principal: Principal,
    /// From where; `None` over the Unix socket.
    pub(crate) address: Option<IpAddr>,
    /// Whose process asks, over the Unix socket.
    pub(crate) account: Option<u32>,
    /// Whether a proxy stands between.
    pub(crate) is_proxied: bool,
}

/// The folders that a caller may work in, by their real paths.
pub(crate) struct Confinement {
    grant: Option<std::sync::Arc<Grant>>,
    roots: Vec<PathBuf>,
}

/// The middleware that finds out who asks. What he may do, the route says.
pub(crate) async fn identified(
    request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    // Before anything of it is read: what stands where nothing is served is read by nobody.
    if template::of(request.request()).is_none() {
        let path = request.path().to_owned();
        return Ok(Refusal::NoRoute { path }.answer(request));
    }
    let Some(desk) = request.app_data::<Data<Desk>>() else {
        return Ok(request.error_response(Refusal::internal("there is no desk to ask at")));
    };
    let arrival = request.conn_data::<Arrival>();
    let is_socket = arrival.is_some_and(|arrival| arrival.door == Door::Socket);
    let account = arrival.and_then(|arrival| arrival.account);
    let asker = request.extensions().get::<Asker>().cloned();
    let (address, is_proxied) = asker.map_or((None, true), |asker| (asker.address, asker.is_proxied));
    let gate = gate::of(&request).clone();
    let found = if is_socket { Ok(Principal::Operator) } else { find(request.headers(), &desk.doors.keys) };
    match found {
        Ok(principal) => {
            let place = principal.grant().map(|_| gate.admit_principal(principal.name())).transpose();
            let place = match place {
                Ok(place) => place,
                Err(refusal) => {
                    gate.refused(&refusal);
                    return Ok(refusal.answer(request));
                }
            };
            request.extensions_mut().insert(Caller { principal, address, account, is_proxied });
            let Some(place) = place else { return next.call(request).await };
            let rooms = request.extensions_mut().remove::<Rooms>().map(|rooms| rooms.and(place));
            if let Some(rooms) = rooms.clone() {
                request.extensions_mut().insert(rooms);
            }
            let response = next.call(request).await?;
            Ok(response.map_body(|_, body| holding(body, rooms)))
        }
        Err(cause) => {
            let who = address.map_or_else(String::new, |address| address.to_string());
            info!(client.address = who, cause, "a key was refused");
            gate.authentication_failed(address);
            let refusal = Refusal::Unauthorized;
            gate.refused(&refusal);
            Ok(refusal.answer(request))
        }
    }
}

/// The principal of these headers; else why the key in them is no good, which holds nothing of it.
fn find(headers: &HeaderMap, keys: &Keys) -> Result<Principal, String> {
    let Some(text) = presented(headers)? else { return Ok(Principal::Anonymous) };
    match keys.resolve(text) {
        Ok(grant) => Ok(Principal::of_key(grant)),
        Err(invalid) => Err(invalid.to_string()),
    }
}

/// Whether a key that is good came with these headers.
pub(super) fn bears_a_key(headers: &HeaderMap, keys: &Keys) -> bool {
    find(headers, keys).is_ok_and(|principal| principal != Principal::Anonymous)
}

/// Whether it is said here, and not where vendors' clients say it, who asks.
pub(super) fn names_itself(headers: &HeaderMap) -> bool {
    headers.contains_key(&OWN_HEADER)
}

/// What stands behind `Bearer`.
pub(super) fn bearer(value: &str) -> Option<&str> {
    let (scheme, key) = value.split_at_checked(BEARER.len())?;
    scheme.eq_ignore_ascii_case(BEARER).then(|| key.trim())
}

/// The key of a request. One that comes twice has to be the same: nobody knows else which of them is meant.
fn presented(headers: &HeaderMap) -> Result<Option<&str>, String> {
    let unreadable = || "the header of the key is no text".to_owned();
    let mut found: Option<&str> = None;
    if names_itself(headers) {
        for key in headers.get_all(&OWN_HEADER) {
            let key = key.to_str().map(str::trim).map_err(|_| unreadable())?;
            if found.replace(key).is_some_and(|before| before != key) {
                return Err(TWO_KEYS.to_owned());
            }
        }
        return Ok(found);
    }
    let bearers = headers.get_all(AUTHORIZATION).map(|value| {
        let text = value.to_str().map_err(|_| unreadable())?;
        bearer(text).ok_or_else(|| "the scheme of `authorization` is not Bearer".to_owned())
    });
    let others = KEY_HEADERS.iter().flat_map(|name| headers.get_all(name));
    let others = others.map(|value| value.to_str().map(str::trim).map_err(|_| unreadable()));
    for key in bearers.chain(others) {
        let key = key?;
        if found.replace(key).is_some_and(|before| before != key) {
            return Err(TWO_KEYS.to_owned());
        }
    }
    Ok(found)
}

impl Caller {
    /// Who sent this request; nobody in particular where that was not found out.
    pub(crate) fn of(request: &HttpRequest) -> Self {
        let nobody =
            || Self { principal: Principal::Anonymous, address: None, account: None, is_proxied: true };
        request.extensions().get::<Self>().cloned().unwrap_or_else(nobody)
    }

    /// Whose share of the streams his are: the key's, else the account's, else the address's.
    pub(super) fn share(&self) -> String {
        match (&self.principal, self.account, self.address) {
            (Principal::Key { .. }, _, _) => self.principal.name().to_owned(),
            (_, Some(account), _) => format!("account {account}"),
            (_, None, Some(address)) => Neighbours::of(address).to_string(),
            (_, None, None) => "nowhere".to_owned(),
        }
    }

    /// Whether he asks from this machine; whoever comes by a proxy does not, though the proxy names nobody.
    pub(super) fn is_here(&self) -> bool {
        let is_local = !self.is_proxied && self.address.is_some_and(is_loopback);
        self.principal == Principal::Operator || is_local
    }

    /// Whether what opened his door when he came still does: a stream outlives the request that opened it.
    pub(crate) fn may_stay(&self, keys: &Keys) -> bool {
        self.principal.grant().is_none_or(|grant| keys.opens(&grant.id))
    }

    /// Where he may work. Blocks.
    pub(crate) fn confinement(&self) -> Confinement {
        let grant = self.principal.grant().cloned();
        let named = grant.iter().flat_map(|grant| &grant.roots);
        // A root that is gone covers nothing.
        let roots = named.filter_map(|root| root.canonicalize().ok()).collect();
        Confinement { grant, roots }
    }
}

impl Confinement {
    /// The folders in and beneath which he may work; none where he may work in all.
    pub(super) fn folders(&self) -> Option<Vec<String>> {
        let is_confined = self.grant.as_ref().is_some_and(|grant| !grant.roots.is_empty());
        let texts = || self.roots.iter().filter_map(|root| root.to_str().map(str::to_owned));
        is_confined.then(|| texts().collect())
    }

    /// Whether he may work at `real`, a path without links.
    pub(crate) fn covers(&self, real: &Path) -> bool {
        self.grant.as_ref().is_none_or(|grant| grant.covers(real, &self.roots))
    }

    /// The real path of a folder that he may work in. Blocks.
    ///
    /// # Errors
    /// One and the same whether it lies elsewhere or is not there: a key tells nothing of what is outside of its roots.
    pub(crate) fn enter(&self, folder: PathBuf) -> Result<PathBuf, Refusal> {
        if self.grant.as_ref().is_none_or(|grant| grant.roots.is_empty()) {
            return Ok(folder);
        }
        match folder.canonicalize() {
            Ok(real) if self.covers(&real) => Ok(real),
            Ok(_) | Err(_) => Err(Refusal::OutsideKeysRoots),
        }
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{COOKIE, HeaderValue};

    use super::*;

    fn key_of(pairs: &[(HeaderName, &str)]) -> Result<Option<String>, String> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(name.clone(), HeaderValue::from_str(value).unwrap());
        }
        presented(&headers).map(|key| key.map(str::to_owned))
    }

    #[test]
    fn a_key_is_read_from_the_headers_that_clients_use_and_from_no_cookie() {
        let [x_api_key, x_goog] = KEY_HEADERS.clone();
        for (name, value) in [
            (AUTHORIZATION, "Bearer k"),
            (AUTHORIZATION, "bearer  k "),
            (x_api_key.clone(), "k"),
            (x_goog, "k"),
        ] {
            assert_eq!(key_of(&[(name, value)]), Ok(Some("k".to_owned())), "{value}");
        }
        assert_eq!(key_of(&[(COOKIE, "x-api-key=k"), (HeaderName::from_static("x-key"), "k")]), Ok(None));
        assert_eq!(key_of(&[(AUTHORIZATION, "Bearer k"), (x_api_key, "k")]), Ok(Some("k".to_owned())));
    }

    #[test]
    fn whoever_comes_by_a_proxy_is_not_here_though_the_proxy_names_nobody() {
        let caller = |address: &str, is_proxied| {
            let address = Some(address.parse().unwrap());
            Caller { principal: Principal::Anonymous, address, account: None, is_proxied }
        };
        assert!(caller("127.0.0.1", false).is_here());
        assert!(!caller("127.0.0.1", true).is_here());
        assert!(!caller("192.0.2.1", false).is_here());
    }

    #[test]
    fn what_could_be_meant_in_two_ways_is_no_key() {
        let [x_api_key, _] = KEY_HEADERS.clone();
        for pairs in [
            vec![(AUTHORIZATION, "Basic aW1wOms=")],
            vec![(AUTHORIZATION, "")],
            vec![(AUTHORIZATION, "Bearer one"), (AUTHORIZATION, "Bearer two")],
            vec![(AUTHORIZATION, "Bearer one"), (x_api_key.clone(), "two")],
        ] {
            let refused = key_of(&pairs).unwrap_err();
            assert!(!refused.contains("one") || !refused.contains("Bearer one"), "{refused}");
        }
        // What is there and is empty is a key that is no good, and not no key.
        assert_eq!(key_of(&[(x_api_key, "")]), Ok(Some(String::new())));
    }
}
