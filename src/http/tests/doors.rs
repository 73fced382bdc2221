//! How much may come in at once, who is believed, what carries a number, and whether the server says that it is ready.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};

use super::refusals::code;
use super::stage::{SLOW, Stage, exchange};
use crate::http::views::{PartState, Ready, Welcome};

/// A connection that reads events and holds a place for that.
async fn open_stream(stage: &Stage, id: &units::WorkflowId, extra: &str) -> (TcpStream, String) {
    let address = stage.server.addresses().tcp;
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!("GET /v1/workflows/{id}/events HTTP/1.1\r\nHost: {address}\r\n{extra}\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let head = head_of(&mut stream).await;
    (stream, head)
}

async fn head_of(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap().to_ascii_lowercase()
}

#[actix_rt::test]
async fn an_address_that_asks_too_much_at_once_is_told_when_to_come_again() {
    let stage = Stage::open_with("{limits: {requests_per_address: 2}}").await;
    let id = stage.start(SLOW).await;
    let (one, head) = open_stream(&stage, &id, "").await;
    assert!(head.starts_with("http/1.1 200"), "{head}");
    let _two = open_stream(&stage, &id, "").await;
    let port = stage.server.addresses().tcp.port();
    let request = format!("GET /metrics HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n");
    let (status, head, body) = stage.ask_whole(&request).await;
    assert_eq!((status, code(&body).as_str()), (429, "too_many"));
    assert!(head.contains("\r\nretry-after: 1"), "{head}");
    // A prober is answered: the server lives.
    assert_eq!(stage.get("/livez").await.0, 200);
    // Whom the system knows is not counted by address.
    assert!(stage.client.workflows().await.is_ok());
    drop(one);
    // The server sees it when it has seen it.
    while stage.get("/metrics").await.0 != 200 {}
    stage.close().await;
}

#[actix_rt::test]
async fn a_port_that_is_full_says_so_and_the_socket_goes_on() {
    let stage = Stage::open_with("{limits: {requests: 1}}").await;
    let id = stage.start(SLOW).await;
    let _one = open_stream(&stage, &id, "").await;
    let (status, body) = stage.get("/livez").await;
    assert_eq!((status, code(&body).as_str()), (503, "busy"));
    assert!(stage.client.workflows().await.is_ok());
    stage.close().await;
}

#[actix_rt::test]
async fn a_connection_too_many_is_answered_and_closed_before_it_asks() {
    for (limits, status, expected) in
        [("{connections_per_address: 2}", 429, "too_many"), ("{connections: 2}", 503, "busy")]
    {
        let stage = Stage::open_with(&format!("{{limits: {limits}}}")).await;
        let address = stage.server.addresses().tcp;
        let mut open = Vec::new();
        for _ in 0..2 {
            let mut stream = TcpStream::connect(address).await.unwrap();
            let request = format!("GET /livez HTTP/1.1\r\nHost: {address}\r\n\r\n");
            stream.write_all(request.as_bytes()).await.unwrap();
            assert!(head_of(&mut stream).await.starts_with("http/1.1 200"));
            open.push(stream);
        }
        let stream = TcpStream::connect(address).await.unwrap();
        let (found, head, body) = exchange(stream, "").await;
        assert_eq!((found, code(&body).as_str()), (status, expected), "{limits}");
        assert!(head.contains("\r\nx-request-id: ") && head.contains("\r\nretry-after: "), "{head}");
        assert!(stage.client.workflows().await.is_ok());
        open.clear();
        loop {
            let stream = TcpStream::connect(address).await.unwrap();
            let head = format!("GET /livez HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
            if exchange(stream, &head).await.0 == 200 {
                break;
            }
        }
        stage.close().await;
    }
}

/// The number of the answer over TCP and over the socket to a request that brings one along.
async fn numbers(stage: &Stage) -> [String; 2] {
    let port = stage.server.addresses().tcp.port();
    let head = format!("GET /livez HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nX-Request-Id: mine-1\r\n");
    let (_, tcp, _) = stage.ask_whole(&head).await;
    let unix = UnixStream::connect(&stage.server.addresses().socket).await.unwrap();
    let (_, unix, _) = exchange(unix, &format!("{head}Connection: close\r\n\r\n")).await;
    [tcp, unix].map(|head| {
        let after = head.split("\r\nx-request-id: ").nth(1).unwrap_or_else(|| panic!("no number: {head}"));
        after.split("\r\n").next().unwrap().to_owned()
    })
}

#[actix_rt::test]
async fn a_number_is_taken_over_from_whom_the_server_trusts_and_made_for_all_others() {
    let stage = Stage::open().await;
    let [tcp, unix] = numbers(&stage).await;
    assert!(tcp.len() == 16 && tcp.bytes().all(|byte| byte.is_ascii_hexdigit()), "{tcp}");
    assert_eq!(unix, "mine-1");
    stage.close().await;
    let stage = Stage::open_with("{trusted_proxies: [127.0.0.0/8]}").await;
    assert_eq!(numbers(&stage).await, ["mine-1", "mine-1"]);
    stage.close().await;
}

#[actix_rt::test]
async fn behind_a_trusted_proxy_each_asker_counts_by_himself_and_the_name_is_the_outer_one() {
    let settings = "{trusted_proxies: 127.0.0.1, hosts: build.example, limits: {requests_per_address: 1}}";
    let stage = Stage::open_with(settings).await;
    let id = stage.start(SLOW).await;
    // Whoever is behind the proxy is elsewhere, and looks only with a key.
    let key = stage.key("workflows").await.key.0;
    let of = |address: &str, more: &str| {
        format!("X-Forwarded-For: {address}\r\nX-Forwarded-Proto: https\r\nx-api-key: {key}\r\n{more}")
    };
    let anonymous = "X-Forwarded-For: 203.0.113.8\r\nX-Forwarded-Proto: https\r\n";
    let (_, head) = open_stream(&stage, &id, anonymous).await;
    assert!(head.starts_with("http/1.1 401"), "{head}");
    let (_one, head) = open_stream(&stage, &id, &of("203.0.113.9", "")).await;
    assert!(head.starts_with("http/1.1 200"), "{head}");
    let (_, head) = open_stream(&stage, &id, &of("203.0.113.9", "")).await;
    assert!(head.starts_with("http/1.1 429"), "{head}");
    let outer = of("203.0.113.10", "X-Forwarded-Host: build.example\r\nOrigin: https://build.example\r\n");
    let (_two, head) = open_stream(&stage, &id, &outer).await;
    assert!(head.starts_with("http/1.1 200"), "{head}");
    for (more, status) in [
        ("X-Forwarded-Host: evil.example\r\n", "403"),
        ("X-Forwarded-Host: build.example\r\nOrigin: http://build.example\r\n", "403"),
        ("Forwarded: for=127.0.0.1\r\n", "400"),
    ] {
        let (_, head) = open_stream(&stage, &id, &of("203.0.113.11", more)).await;
        assert!(head.starts_with(&format!("http/1.1 {status}")), "{more}: {head}");
    }
    stage.close().await;

    // Without the operator's word the same headers are nobody's.
    let stage = Stage::open_with("{hosts: build.example, limits: {requests_per_address: 1}}").await;
    let id = stage.start(SLOW).await;
    let of = |address: &str| format!("X-Forwarded-For: {address}\r\n");
    let _one = open_stream(&stage, &id, &of("203.0.113.9")).await;
    let (_, head) = open_stream(&stage, &id, &of("203.0.113.10")).await;
    assert!(head.starts_with("http/1.1 429"), "{head}");
    stage.close().await;
}

async fn readiness(stage: &Stage) -> Ready {
    let (status, body) = stage.get("/readyz").await;
    assert_eq!(status, 200, "{body}");
    serde_json::from_str(&body).unwrap()
}

#[actix_rt::test]
async fn a_server_whose_parts_are_not_all_there_is_degraded_and_lives() {
    let stage = Stage::open().await;
    let whole = readiness(&stage).await;
    assert_eq!((whole.status, whole.parts.database), (Welcome::Ready, PartState::Ok), "{whole:?}");
    stage.client.act(crate::http::views::Act::Terminate, "root/catalogue").await.unwrap();
    let found = readiness(&stage).await;
    assert_eq!((found.status, found.parts.tree), (Welcome::Degraded, PartState::Away));
    for path in ["/livez", "/healthz"] {
        assert_eq!(stage.get(path).await.0, 200);
    }
    stage.client.act(crate::http::views::Act::Restart, "root/catalogue").await.unwrap();
    while readiness(&stage).await.status != Welcome::Ready {}
    stage.close().await;
}

#[actix_rt::test]
async fn the_names_and_pages_that_an_operator_allows_may_ask() {
    let settings = "{hosts: [build.example, 'tight.example:8443'], origins: ['https://panel.example']}";
    let stage = Stage::open_with(settings).await;
    for (head, expected) in [
        ("Host: build.example\r\nOrigin: https://panel.example\r\n", 200),
        ("Host: tight.example:8443\r\n", 200),
        ("Host: tight.example\r\n", 403),
        ("Host: build.example\r\nOrigin: https://build.example.evil\r\n", 403),
        ("Host: build.example\r\nSec-Fetch-Site: cross-site\r\n", 403),
    ] {
        let (status, body) = stage.ask(&format!("GET /livez HTTP/1.1\r\n{head}")).await;
        assert_eq!(status, expected, "{head}: {body}");
    }
    stage.close().await;
}
