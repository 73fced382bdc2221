//! What every request passes: which door it came through, who asks, and a number of its own.
//!
//! The Unix socket belongs to the server's user, and serves everything. TCP can be reached by everybody on this
//! machine, and by pages in a browser: it answers under the server's own name alone, and asks for a key.

use std::any::Any;
use std::net::IpAddr;

use actix_web::Error;
use actix_web::body::MessageBody;
use actix_web::dev::{Extensions, ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{HOST, HeaderMap, HeaderName, HeaderValue, ORIGIN};
use actix_web::middleware::Next;
use tokio::net::{TcpStream, UnixStream};
use tracing::{Level, enabled};

use super::Refusal;

/// How long a TCP connection may take nothing of what is written to it; then the system breaks it, and its stream ends.
const STALLED_MS: u32 = 60_000;
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Names that only this machine has for itself; a name that somebody else's DNS answers for is none of them.
const OWN_NAMES: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// Where a connection came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Door {
    /// Over loopback, at this port.
    Tcp { port: u16 },
    /// Over the socket in the state folder.
    Socket,
    /// Over that socket too, from a process that is kept apart from the server's own, such as a workspace's command.
    Confined,
}

/// Notes a connection's door; a connection without one is treated as a stranger's.
pub(crate) fn on_connect(connection: &dyn Any, extensions: &mut Extensions) {
    if let Some(tcp) = connection.downcast_ref::<TcpStream>() {
        // Without it a stalled reader keeps its place for longer, and nothing else.
        let _ = rustix::net::sockopt::set_tcp_user_timeout(tcp, STALLED_MS);
        let peer_is_here = tcp.peer_addr().is_ok_and(|peer| is_loopback(peer.ip()));
        if let Ok(own) = tcp.local_addr()
            && peer_is_here
        {
            extensions.insert(Door::Tcp { port: own.port() });
        }
    } else if let Some(unix) = connection.downcast_ref::<UnixStream>() {
        let peer = unix.peer_cred().ok().and_then(|peer| peer.pid());
        extensions.insert(if peer.is_some_and(shares_the_processes) { Door::Socket } else { Door::Confined });
    }
}

/// Whether a process lives in this server's process namespace. The commands of workspaces do not: without this, what a
/// model wrote could start workflows of its own.
fn shares_the_processes(pid: i32) -> bool {
    let namespace = |process: &str| std::fs::read_link(format!("/proc/{process}/ns/pid"));
    match (namespace("self"), namespace(&pid.to_string())) {
        (Ok(own), Ok(theirs)) => own == theirs,
        _ => false,
    }
}

/// Whether an address is this machine's own, and no other's.
pub(crate) fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

/// The middleware of all routes: refuses strangers, names the request, and logs what failed inside.
pub(crate) async fn pass<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<actix_web::body::EitherBody<B>>, Error> {
    let id = request_id();
    let door = request.conn_data::<Door>().copied();
    let method = request.method().clone();
    let refusal = refusal(door, request.headers()).err();
    let mut response = match refusal {
        Some(refusal) => request.error_response(refusal).map_into_right_body(),
        None => match next.call(request).await {
            Ok(response) => response.map_into_left_body(),
            Err(error) => return Err(error),
        },
    };
    report(&id, &method, &response);
    response.headers_mut().insert(REQUEST_ID, id);
    Ok(response)
}

fn report<B>(id: &HeaderValue, method: &Method, response: &ServiceResponse<B>) {
    let id = id.to_str().unwrap_or_default();
    let route = response.request().match_pattern().unwrap_or_default();
    let status = response.status().as_u16();
    let error = response.response().error();
    if let Some(Refusal::Internal(detail)) = error.and_then(|error| error.as_error::<Refusal>()) {
        tracing::error!(request.id = id, %method, route, detail, "a request failed");
    } else if enabled!(Level::DEBUG) {
        tracing::debug!(request.id = id, %method, route, status, "answered");
    }
}

fn refusal(door: Option<Door>, headers: &HeaderMap) -> Result<(), Refusal> {
    let port = match door {
        Some(Door::Socket) => return Ok(()),
        Some(Door::Confined) => return Err(Refusal::Confined),
        Some(Door::Tcp { port }) => port,
        None => return Err(Refusal::BadHost { host: "a connection from elsewhere".to_owned() }),
    };
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let hosts: Vec<String> = headers.get_all(HOST).map(text).collect();
    let is_own =
        |host: &str| OWN_NAMES.iter().any(|name| host.eq_ignore_ascii_case(&format!("{name}:{port}")));
    match hosts.as_slice() {
        [host] if is_own(host) => {}
        hosts => return Err(Refusal::BadHost { host: hosts.join(", ") }),
    }
    for origin in headers.get_all(ORIGIN).map(text) {
        if !origin.strip_prefix("http://").is_some_and(is_own) {
            return Err(Refusal::BadOrigin { origin });
        }
    }
    Ok(())
}

/// 16 hexadecimal digits; without randomness the request still gets an answer.
fn request_id() -> HeaderValue {
    let id = format!("{:016x}", getrandom::u64().unwrap_or_default());
    HeaderValue::from_str(&id).expect("hexadecimal digits are a header's value")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(HeaderName, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::from_str(value).unwrap())).collect()
    }

    const TCP: Option<Door> = Some(Door::Tcp { port: 7300 });

    #[test]
    fn knows_its_own_names_with_their_port_and_no_other() {
        for host in ["localhost:7300", "LOCALHOST:7300", "127.0.0.1:7300", "[::1]:7300"] {
            assert!(refusal(TCP, &headers(&[(HOST, host)])).is_ok(), "{host}");
        }
        for host in ["localhost", "localhost:80", "evil.example:7300", "127.0.0.1.evil.example:7300", ""] {
            let refused = refusal(TCP, &headers(&[(HOST, host)]));
            assert!(matches!(refused, Err(Refusal::BadHost { .. })), "{host}");
        }
        let twice = [(HOST, "localhost:7300"), (HOST, "evil.example")];
        assert!(refusal(TCP, &headers(&twice)).is_err());
        assert!(refusal(TCP, &HeaderMap::new()).is_err());
    }

    #[test]
    fn a_page_from_elsewhere_may_not_ask() {
        let with = |origin| headers(&[(HOST, "localhost:7300"), (ORIGIN, origin)]);
        assert!(refusal(TCP, &with("http://localhost:7300")).is_ok());
        for origin in ["null", "http://evil.example", "https://localhost:7300", "http://localhost:80"] {
            let refused = refusal(TCP, &with(origin));
            assert!(matches!(refused, Err(Refusal::BadOrigin { .. })), "{origin}");
        }
    }

    #[test]
    fn a_confined_process_may_not_even_look() {
        assert!(matches!(refusal(Some(Door::Confined), &HeaderMap::new()), Err(Refusal::Confined)));
        assert!(refusal(Some(Door::Socket), &HeaderMap::new()).is_ok());
        assert!(shares_the_processes(i32::try_from(std::process::id()).unwrap()));
        assert!(!shares_the_processes(i32::MAX), "a process that is not there");
    }

    #[test]
    fn a_connection_whose_door_is_unknown_is_refused() {
        assert!(refusal(None, &headers(&[(HOST, "localhost:7300")])).is_err());
    }
}
