//! Requests that are made to hurt: too slow, too large, too deep, two in one, never read. Each is answered or cut, and
//! holds nothing afterwards.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};

use super::refusals::code;
use super::stage::{PLANNED, SLOW, Stage};

/// Sends this over the socket and reads to the end of the connection, which the server has to bring about.
async fn to_the_end(stage: &Stage, request: &[u8]) -> String {
    let mut stream = UnixStream::connect(&stage.server.addresses().socket).await.unwrap();
    // A server that has heard enough may close before it has read all.
    let _ = stream.write_all(request).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8(answer).unwrap()
}

fn post(head: &str, body: &str) -> Vec<u8> {
    format!("POST /v1/workflows HTTP/1.1\r\nHost: x\r\n{head}\r\n{body}").into_bytes()
}

fn split(answer: &str) -> (u16, &str, &str) {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {answer:?}"));
    (head.split(' ').nth(1).unwrap().parse().unwrap(), head, body)
}

const JSON: &str = "Content-Type: application/json\r\n";

#[actix_rt::test]
async fn what_a_page_can_send_without_asking_is_no_order() {
    let stage = Stage::open().await;
    let order = serde_json::to_string(&stage.order(PLANNED)).unwrap();
    let length = format!("Content-Length: {}\r\nConnection: close\r\n", order.len());
    for kind in [
        "",
        "Content-Type: text/plain\r\n",
        "Content-Type: application/x-www-form-urlencoded\r\n",
        "Content-Type: multipart/form-data; boundary=x\r\n",
        "Content-Type: text/plain; a=application/json\r\n",
        "Content-Type: application/json, text/plain\r\n",
        "Content-Type: application/json\r\nContent-Type: text/plain\r\n",
        "Content-Type: application/json\r\nContent-Encoding: gzip\r\n",
        "Content-Type: application/jsonx\r\n",
    ] {
        let answer = to_the_end(&stage, &post(&format!("{kind}{length}"), &order)).await;
        let (status, _, body) = split(&answer);
        assert_eq!((status, code(body).as_str()), (415, "not_json"), "{kind}");
    }
    assert!(stage.client.workflows().await.unwrap().is_empty());
    let kind = "Content-Type: Application/JSON; charset=utf-8\r\nContent-Encoding: identity\r\n";
    let answer = to_the_end(&stage, &post(&format!("{kind}{length}"), &order)).await;
    assert_eq!(split(&answer).0, 201, "{answer}");
    stage.close().await;
}

#[actix_rt::test]
async fn what_is_too_large_or_too_deep_is_refused_before_it_is_all_there() {
    let stage = Stage::open_with("{limits: {body_depth: 8, body_bytes: 2048}}").await;
    let whole =
        |body: String| post(&format!("{JSON}Connection: close\r\nContent-Length: {}\r\n", body.len()), &body);
    let chunk = format!("800\r\n{}\r\n", "1".repeat(0x800));
    for (name, request, status, expected) in [
        ("deep", whole("[".repeat(9)), 400, "too_deep"),
        ("deep objects", whole(r#"{"a":"#.repeat(9)), 400, "too_deep"),
        (
            "a gigabyte that never comes",
            post(&format!("{JSON}Content-Length: 1000000000\r\n"), "{"),
            413,
            "body_too_large",
        ),
        (
            "chunks without end",
            post(&format!("{JSON}Transfer-Encoding: chunked\r\n"), &chunk.repeat(2)),
            413,
            "body_too_large",
        ),
        ("no order", whole("[]".to_owned()), 400, "bad_request"),
    ] {
        let answer = to_the_end(&stage, &request).await;
        let (found, head, body) = split(&answer);
        assert_eq!((found, code(body).as_str()), (status, expected), "{name}");
        assert!(head.contains("x-request-id: "), "{head}");
        assert!(head.to_ascii_lowercase().contains("connection: close"), "{name}: {head}");
    }
    stage.close().await;
}

#[actix_rt::test]
async fn a_head_that_is_too_large_is_refused_by_the_house_and_far_larger_ones_by_the_parser() {
    let stage = Stage::open().await;
    for header in ["X: y\r\n".repeat(70), format!("X: {}\r\n", "y".repeat(20_000))] {
        let request = format!("GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{header}\r\n");
        let answer = to_the_end(&stage, request.as_bytes()).await;
        let (status, head, body) = split(&answer);
        assert_eq!((status, code(body).as_str()), (431, "head_too_large"));
        assert!(head.contains("x-request-id: "), "{head}");
    }
    // These are answered before there is a request: with a status, and without a body or a number.
    for (request, status) in [
        (format!("GET /livez HTTP/1.1\r\nHost: x\r\n{}\r\n", "X: y\r\n".repeat(200)), 431),
        (format!("GET /livez HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "y".repeat(200_000)), 431),
        ("GET /livez HTTP/1.1\r\nHost x\r\n\r\n".to_owned(), 400),
        ("\u{16}\u{3}\u{1} TLS to a port without\r\n\r\n".to_owned(), 400),
    ] {
        let answer = to_the_end(&stage, request.as_bytes()).await;
        let (found, _, body) = split(&answer);
        assert_eq!((found, body), (status, ""), "{answer}");
    }
    stage.close().await;
}

#[actix_rt::test]
async fn two_requests_in_one_are_refused_and_never_served_as_two() {
    let stage = Stage::open().await;
    let order = serde_json::to_string(&stage.order(PLANNED)).unwrap();
    let hidden = format!(
        "0\r\n\r\nPOST /v1/workflows HTTP/1.1\r\nHost: x\r\n{JSON}Content-Length: {}\r\n\r\n{order}",
        order.len()
    );
    for head in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Content-Length: 5\r\nContent-Length: 5\r\n",
        "Content-Length: +5\r\n",
        "Content-Length: 5, 5\r\n",
        "Content-Length: -1\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        "Transfer-Encoding : chunked\r\n",
        "Content-Length : 5\r\n",
        " Content-Length: 5\r\n",
    ] {
        let answer = to_the_end(&stage, &post(&format!("{JSON}{head}"), &hidden)).await;
        let (status, _, rest) = split(&answer);
        assert_eq!(status, 400, "{head}: {answer}");
        assert!(!rest.contains("HTTP/1.1"), "{head}: {answer}");
    }
    // A body where none is read would be the next request.
    let request =
        format!("GET /livez HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{hidden}", hidden.len());
    let answer = to_the_end(&stage, request.as_bytes()).await;
    let (status, _, body) = split(&answer);
    assert_eq!((status, code(body).as_str()), (400, "bad_request"));
    assert!(stage.client.workflows().await.unwrap().is_empty());
    stage.close().await;
}

#[actix_rt::test]
async fn a_head_or_a_body_that_trickles_is_cut() {
    let stage = Stage::open_with("{limits: {head_s: 1, body_s: 1}}").await;
    let answer = to_the_end(&stage, b"GET /livez HTTP/1.1\r\nHos").await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    for head in ["Content-Length: 100\r\n", "Transfer-Encoding: chunked\r\n"] {
        let answer = to_the_end(&stage, &post(&format!("{JSON}{head}"), "5\r\n{\"a")).await;
        let (status, head, body) = split(&answer);
        assert_eq!((status, code(body).as_str()), (408, "body_too_slow"), "{head}");
    }
    stage.close().await;
}

#[actix_rt::test]
async fn a_body_that_is_refused_at_its_head_is_not_read_on_for_as_long_as_it_comes() {
    let stage = Stage::open().await;
    let address = stage.server.addresses().tcp;
    for head in ["Content-Length: 100\r\n", "Transfer-Encoding: chunked\r\n"] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("POST /v1/workflows HTTP/1.1\r\nHost: evil.example\r\n{JSON}{head}\r\n5\r\n{{");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        // It ends although the body does not.
        stream.read_to_string(&mut answer).await.unwrap();
        assert_eq!(split(&answer).0, 403, "{answer}");
    }
    stage.close().await;
}

#[actix_rt::test]
async fn a_page_from_elsewhere_opens_no_websocket() {
    let stage = Stage::open().await;
    let id = stage.start(SLOW).await;
    let address = stage.server.addresses().tcp;
    let ask = async |extra: &str| {
        let upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n";
        let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("GET /v1/workflows/{id}/ws HTTP/1.1\r\n{extra}{upgrade}{key}\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut status = [0; 12];
        stream.read_exact(&mut status).await.unwrap();
        String::from_utf8(status.to_vec()).unwrap()
    };
    let own = format!("Host: {address}\r\n");
    assert_eq!(ask(&own).await, "HTTP/1.1 101");
    assert_eq!(ask(&format!("{own}Origin: http://{address}\r\n")).await, "HTTP/1.1 101");
    for origin in ["http://evil.example", "null", "http://127.0.0.1.evil.example", "https://127.0.0.1"] {
        assert_eq!(ask(&format!("{own}Origin: {origin}\r\n")).await, "HTTP/1.1 403", "{origin}");
    }
    assert_eq!(ask("Host: evil.example\r\n").await, "HTTP/1.1 403");
    stage.close().await;
}

#[actix_rt::test]
async fn a_client_that_stops_sending_has_gone_and_its_stream_ends() {
    let stage = Stage::open().await;
    let id = stage.start(SLOW).await;
    let address = stage.server.addresses().tcp;
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET /v1/workflows/{id}/events HTTP/1.1\r\nHost: {address}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut first = [0; 12];
    stream.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 200");
    stream.shutdown().await.unwrap();
    // The workflow goes on and so would its stream.
    let mut rest = String::new();
    stream.read_to_string(&mut rest).await.unwrap();
    assert!(!rest.contains("event: end"), "{rest}");
    stage.close().await;
}

#[actix_rt::test]
async fn who_asks_without_end_and_reads_nothing_is_held_up_and_then_cut() {
    let stage = Stage::open_with("{limits: {stalled_s: 1}}").await;
    let address = stage.server.addresses().tcp;
    let mut flood = TcpStream::connect(address).await.unwrap();
    let requests = format!("GET /metrics HTTP/1.1\r\nHost: {address}\r\n\r\n").repeat(1000);
    let mut sent = 0_usize;
    // The server reads no further than its bounds, and so the system takes no more: until the server gives it up.
    while let Ok(written) = flood.write(requests.as_bytes()).await {
        sent += written;
        assert!(sent < 64 << 20, "the server reads whatever comes");
    }
    // Its place is free again.
    while !stage.get("/metrics").await.1.contains("impresario_http_connections{door=\"tcp\"} 1\n") {}
    stage.close().await;
}
