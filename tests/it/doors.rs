//! The doors of a real process: what attacks cost it, what it shows over TLS, what its log says of a request.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use clock::Clock;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::failing::tcp_address;
use crate::house::{House, LIMIT};
use crate::runs::ordinary_house;

const LOOK_EVERY: Duration = Duration::from_millis(20);
/// What a server may keep after an attack, beside what it had before.
const GROWS_BY_KIB: u64 = 24 << 10;

pub(crate) fn status_of(house: &House, key: &str) -> String {
    let status = fs::read_to_string(format!("/proc/{}/status", house.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(key)).unwrap();
    line.trim_start_matches(':').trim().to_owned()
}

fn resident_kib(house: &House) -> u64 {
    status_of(house, "VmRSS").trim_end_matches(" kB").parse().unwrap()
}

/// Adds settings at the end of the configuration.
pub(crate) fn also(house: &House, text: &str) {
    let config = fs::read_to_string(house.config()).unwrap();
    fs::write(house.config(), format!("{config}{text}\n")).unwrap();
}

/// Posts this and as much of `piece` as the server takes, up to `times`; the answer.
fn pour(house: &House, head: &str, piece: &[u8], times: usize) -> String {
    let mut stream = UnixStream::connect(house.state().join("impresario.sock")).unwrap();
    let head = format!(
        "POST /v1/workflows HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n{head}\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    for _ in 0..times {
        if stream.write_all(piece).is_err() {
            break;
        }
    }
    let mut answer = Vec::new();
    // It may be cut in the middle of what is still sent.
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn bodies_of_any_size_cost_no_memory() {
    let mut house = ordinary_house();
    let client = house.serve().await;
    let chunk = [b"100000\r\n", vec![b'['; 1 << 20].as_slice(), b"\r\n"].concat();
    let pour_all = || {
        let answer = pour(&house, "Transfer-Encoding: chunked\r\n", &chunk, 100);
        assert!(answer.starts_with("HTTP/1.1 413") || answer.is_empty(), "{answer}");
        let answer = pour(&house, "Content-Length: 1000000000\r\n", &chunk, 1);
        assert!(answer.starts_with("HTTP/1.1 413") || answer.is_empty(), "{answer}");
        let answer = pour(&house, "Content-Length: 1048576\r\n", &vec![b'['; 1 << 20], 1);
        assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    };
    pour_all();
    let before = resident_kib(&house);
    for _ in 0..5 {
        pour_all();
    }
    let after = resident_kib(&house);
    assert!(after < before + GROWS_BY_KIB, "{before} KiB have become {after} KiB");
    assert!(client.workflows().await.unwrap().is_empty());
}

#[tokio::test]
async fn ten_thousand_connections_take_no_more_places_than_there_are() {
    let mut house = ordinary_house();
    let client = house.serve().await;
    let address = tcp_address(&house);
    let before = resident_kib(&house);
    let (mut open, mut most) = (std::collections::VecDeque::new(), 0);
    for number in 0..10_000 {
        open.push_back(TcpStream::connect(&address).unwrap());
        if open.len() > 600 {
            open.pop_front();
        }
        if number % 500 == 0 {
            // Who is at the socket does not notice.
            client.workflows().await.unwrap();
            most = most.max(connections_seen_from_the_socket(&house));
        }
    }
    assert!((200..=256).contains(&most), "{most} connections are open");
    let after = resident_kib(&house);
    assert!(after < before + GROWS_BY_KIB, "{before} KiB have become {after} KiB");
    drop(open);
    let (clock, deadline) = (Clock::real(), Clock::real().now() + LIMIT);
    while !get_text_or_nothing(&address).contains("impresario_http_connections{door=\"tcp\"} 1\n") {
        assert!(clock.now() < deadline, "places are not given back");
        clock.sleep(LOOK_EVERY).await;
    }
}

/// Asks at the socket how many connections the port has.
fn connections_seen_from_the_socket(house: &House) -> u64 {
    let mut stream = UnixStream::connect(house.state().join("impresario.sock")).unwrap();
    let metrics = asked(&mut stream, "localhost", "/metrics");
    let line =
        metrics.lines().find_map(|line| line.strip_prefix("impresario_http_connections{door=\"tcp\"} "));
    line.unwrap_or_else(|| panic!("{metrics}")).parse().unwrap()
}

fn asked(stream: &mut (impl Read + Write), address: &str, path: &str) -> String {
    // It may be turned away before it has said all.
    let _ = write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8(answer).unwrap()
}

fn get_text_or_nothing(address: &str) -> String {
    TcpStream::connect(address)
        .map_or_else(|_| String::new(), |mut stream| asked(&mut stream, address, "/metrics"))
}

#[tokio::test]
async fn signals_are_the_servers_own_to_handle() {
    let mut house = ordinary_house();
    house.serve().await;
    let caught = u64::from_str_radix(&status_of(&house, "SigCgt"), 16).unwrap();
    let catches = |signal: u32| caught >> (signal - 1) & 1 == 1;
    // What serves HTTP would catch the third, SIGQUIT, too, and end the doors alone.
    assert!(catches(15) && catches(2) && !catches(3), "{caught:x}");
    assert!(house.stop().await.success());
}

#[tokio::test]
async fn the_log_says_of_which_request_it_speaks() {
    let mut house = ordinary_house();
    also(&house, "log: {level: debug, format: json}");
    house.serve().await;
    let mut stream = UnixStream::connect(house.state().join("impresario.sock")).unwrap();
    write!(stream, "GET /nowhere HTTP/1.1\r\nHost: x\r\nX-Request-Id: mine-7\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.contains("x-request-id: mine-7\r\n"), "{answer}");
    let (clock, deadline) = (Clock::real(), Clock::real().now() + LIMIT);
    loop {
        let log = house.log_text();
        if let Some(line) = log.lines().find(|line| line.contains("mine-7")) {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            assert!(line.to_string().contains("\"request.id\":\"mine-7\""), "{line}");
            break;
        }
        assert!(clock.now() < deadline, "{log}");
        clock.sleep(LOOK_EVERY).await;
    }
}

/// A pair of files for TLS, and the certificate in them.
pub(crate) fn certify(house: &House) -> CertificateDer<'static> {
    certify_in(house, ["chain.pem", "key.pem"])
}

/// As [`certify`], in files of these names.
fn certify_in(house: &House, [chain, key]: [&str; 2]) -> CertificateDer<'static> {
    let names = ["localhost", "127.0.0.1"].map(str::to_owned);
    let made = rcgen::generate_simple_self_signed(names).unwrap();
    // As a renewal does: each file beside its place, and then into it.
    for (name, text) in [(chain, made.cert.pem()), (key, made.signing_key.serialize_pem())] {
        let new = house.path("new.pem");
        fs::write(&new, text).unwrap();
        fs::set_permissions(&new, fs::Permissions::from_mode(0o600)).unwrap();
        fs::rename(new, house.path(name)).unwrap();
    }
    made.cert.der().clone()
}

type Tls = StreamOwned<ClientConnection, TcpStream>;

/// A connection over TLS that trusts these alone.
fn tls(port: &str, trusted: &[CertificateDer<'static>]) -> Tls {
    let mut roots = RootCertStore::empty();
    for certificate in trusted {
        roots.add(certificate.clone()).unwrap();
    }
    let ring = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(ring)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    let client = ClientConnection::new(Arc::new(config), name).unwrap();
    StreamOwned::new(client, TcpStream::connect(format!("127.0.0.1:{port}")).unwrap())
}

/// Asks over a connection that stays open.
fn livez(tls: &mut Tls, port: &str) -> String {
    write!(tls, "GET /livez HTTP/1.1\r\nHost: localhost:{port}\r\nOrigin: https://localhost:{port}\r\n\r\n")
        .unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"}") {
        let mut byte = [0];
        tls.read_exact(&mut byte).unwrap();
        answer.extend(byte);
    }
    String::from_utf8(answer).unwrap()
}

/// Waits until the port shows `next` in the place of `before`.
async fn becomes(
    house: &House,
    port: &str,
    before: &CertificateDer<'static>,
    next: &CertificateDer<'static>,
) {
    let (clock, deadline) = (Clock::real(), Clock::real().now() + LIMIT);
    loop {
        let mut new = tls(port, &[before.clone(), next.clone()]);
        assert!(livez(&mut new, port).starts_with("HTTP/1.1 200"));
        let shown = new.conn.peer_certificates().unwrap()[0].clone();
        if shown == *next {
            return;
        }
        assert_eq!(shown, *before);
        assert!(clock.now() < deadline, "{}", house.log_text());
        clock.sleep(LOOK_EVERY).await;
    }
}

#[tokio::test]
async fn a_certificate_in_files_of_other_names_is_followed_and_so_is_its_renewal() {
    let mut house = ordinary_house();
    let first = certify(&house);
    let (file, config) = (house.config(), fs::read_to_string(house.config()).unwrap());
    let with = |chain: &str, key: &str| {
        let text = format!("{config}server: {{tls: {{certificate: {chain}, key: {key}}}}}\n");
        fs::write(&file, text).unwrap();
    };
    with("chain.pem", "key.pem");
    let client = house.serve().await;
    let port = tcp_address(&house).rsplit(':').next().unwrap().to_owned();
    // Named before it is there: refused, and taken when it comes.
    with("next.pem", "next.key");
    let (clock, deadline) = (Clock::real(), Clock::real().now() + LIMIT);
    while !client.configuration().await.unwrap().is_refused() {
        assert!(clock.now() < deadline, "{}", house.log_text());
        clock.sleep(LOOK_EVERY).await;
    }
    let second = certify_in(&house, ["next.pem", "next.key"]);
    becomes(&house, &port, &first, &second).await;

    // The old names mean nothing any more.
    for name in ["chain.pem", "key.pem"] {
        fs::remove_file(house.path(name)).unwrap();
    }
    let third = certify_in(&house, ["next.pem", "next.key"]);
    becomes(&house, &port, &second, &third).await;
    let standing = client.configuration().await.unwrap();
    assert!(standing.waiting.is_empty() && !standing.is_refused(), "{standing:?}");
    assert!(house.stop().await.success());
}

#[tokio::test]
async fn handshakes_that_never_end_hold_up_nobody_at_the_socket() {
    // More than all threads of the port take at once.
    const STALLED: usize = 700;
    let mut house = ordinary_house();
    certify(&house);
    also(&house, "server: {workers: 1, tls: {certificate: chain.pem, key: key.pem}}");
    house.serve().await;
    let address = tcp_address(&house);
    let stalled: Vec<TcpStream> = (0..STALLED).map(|_| TcpStream::connect(&address).unwrap()).collect();
    for _ in 0..8 {
        let output = house.run(&["workflows"]).await;
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    // The port takes the next when those that stall have had their time.
    let port = address.rsplit(':').next().unwrap();
    let trusted = rustls::pki_types::pem::PemObject::from_pem_file(house.path("chain.pem")).unwrap();
    assert!(livez(&mut tls(port, &[trusted]), port).starts_with("HTTP/1.1 200"));
    drop(stalled);
    assert!(house.stop().await.success());
}

#[tokio::test]
async fn a_renewed_certificate_is_shown_to_the_next_and_drops_nobody() {
    let mut house = ordinary_house();
    let first = certify(&house);
    also(&house, "server: {tls: {certificate: chain.pem, key: key.pem}}");
    let client = house.serve().await;
    let address = tcp_address(&house);
    let port = address.rsplit(':').next().unwrap().to_owned();
    let mut old = tls(&port, std::slice::from_ref(&first));
    assert!(livez(&mut old, &port).starts_with("HTTP/1.1 200"));
    assert!(house.log_text().contains(&format!("https://{address}")), "{}", house.log_text());

    // Half a renewal, or a broken one, changes nothing and is told.
    fs::write(house.path("chain.pem"), "no certificate").unwrap();
    let (clock, deadline) = (Clock::real(), Clock::real().now() + LIMIT);
    while !house.log_text().contains("the last good one stays in force") {
        assert!(clock.now() < deadline, "{}", house.log_text());
        clock.sleep(LOOK_EVERY).await;
    }
    assert!(livez(&mut tls(&port, std::slice::from_ref(&first)), &port).starts_with("HTTP/1.1 200"));

    let second = certify(&house);
    becomes(&house, &port, &first, &second).await;
    assert!(livez(&mut old, &port).starts_with("HTTP/1.1 200"), "the old connection goes on");
    // Who speaks no TLS is not answered, and the command line needs none.
    let mut plain = TcpStream::connect(&address).unwrap();
    assert!(!asked(&mut plain, &address, "/livez").contains("200"));
    assert!(client.workflows().await.unwrap().is_empty());
    assert!(house.stop().await.success());
}

#[tokio::test]
async fn what_is_answered_over_tls_is_a_row_and_what_is_refused_there_an_entry() {
    let mut house = ordinary_house();
    let certificate = certify(&house);
    also(&house, "server: {tls: {certificate: chain.pem, key: key.pem}}");
    house.serve().await;
    let address = tcp_address(&house);
    let port = address.rsplit(':').next().unwrap();
    for path in ["/v1/workflows", "/admin/tree"] {
        let mut tls = tls(port, std::slice::from_ref(&certificate));
        write!(tls, "GET {path} HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\n\r\n").unwrap();
        // However the connection is closed, the answer is known by what is recorded.
        let _ = tls.read_to_end(&mut Vec::new());
    }
    assert!(house.stop().await.success());
    let shown = house.run(&["requests", "--format", "json"]).await;
    let lines = String::from_utf8(shown.stdout).unwrap();
    let rows: Vec<serde_json::Value> =
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rows.len(), 1, "{lines}");
    let told = |key: &str| rows[0][key].as_str().unwrap().to_owned();
    assert_eq!(
        [told("principal"), told("door"), told("method"), told("route")],
        ["anonymous", "loopback", "GET", "/v1/workflows"]
    );
    assert_eq!(rows[0]["status"], 200);
    let shown = house.run(&["audit", "show", "--action", "request", "--format", "json"]).await;
    let lines = String::from_utf8(shown.stdout).unwrap();
    assert!(lines.contains("/admin/tree") && lines.contains("(from 127.0.0.1)"), "{lines}");
}

#[tokio::test]
async fn half_of_tls_starts_nothing() {
    let house = ordinary_house();
    certify(&house);
    also(&house, "server: {tls: {certificate: chain.pem}}");
    let output = house.run(&["serve"]).await;
    let told = String::from_utf8(output.stderr).unwrap() + &String::from_utf8(output.stdout).unwrap();
    assert!(!output.status.success() && told.contains("`server.tls.key` is missing"), "{told}");
    let output = house.run(&["config", "check"]).await;
    let told = String::from_utf8(output.stderr).unwrap() + &String::from_utf8(output.stdout).unwrap();
    assert!(told.contains("`server.tls.key` is missing"), "{told}");
}
