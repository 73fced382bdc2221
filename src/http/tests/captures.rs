//! Bodies are captured where an operator named the route, without secrets, and nowhere else.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use access::Scope;
use actors::captures::{Capture, Summary};
use store::AuditQuery;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use super::stage::{PLANNED, SLOW, Stage};
use crate::client::Error;
use crate::http::views::KeyOrder;

const PLANTED: &str = "sk-proj-aB3dE6gH9jK2mN5pQ8sT1vW4";
/// Longer than anything here takes.
const WITHIN: Duration = Duration::from_secs(60);
const PASSWORD: &str = "correct-horse-battery";

async fn open(capture: &str) -> Stage {
    let folder = Stage::prepare();
    let config = folder.path().join("impresario.yaml");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(config, format!("{text}telemetry: {{capture: {capture}}}\n")).unwrap();
    Stage::open_in(folder).await
}

/// As soon as there are so many; they are written behind the answers.
async fn captured(stage: &Stage, count: usize) -> Vec<Summary> {
    let clock = clock::Clock::real();
    let listed = async {
        loop {
            let captures = stage.client.captures(100).await.unwrap();
            if captures.len() >= count {
                return captures;
            }
        }
    };
    clock.timeout(WITHIN, listed).await.unwrap()
}

async fn of(stage: &Stage, captures: &[Summary], route: &str) -> Capture {
    let found = captures.iter().find(|capture| capture.route == route).unwrap();
    stage.client.capture(&found.id).await.unwrap()
}

#[actix_rt::test]
async fn bodies_of_named_routes_are_kept_without_secrets_and_whoever_reads_them_is_audited() {
    let routes = "[/v1/workflows, '/v1/workflows/{id}/events', /admin/keys]";
    let stage = open(&format!("{{routes: {routes}}}")).await;
    let order = KeyOrder { name: "ci".to_owned(), scopes: vec![Scope::Workflows], ..KeyOrder::default() };
    let key = stage.client.create_key(&order).await.unwrap().key.0;
    let goal = format!("{PLANNED} with {PLANTED}");
    let body = serde_json::to_string(&stage.order(&goal)).unwrap();
    let port = stage.server.addresses().tcp.port();
    let head = format!(
        "POST /v1/workflows?password={PASSWORD} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {key}\r\n\
         X-Unknown: {PASSWORD}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n",
        body.len()
    );
    let (status, _, answer) = stage.ask_with_body(&head, &body).await;
    assert_eq!(status, 201, "{answer}");
    let id: units::WorkflowId = serde_json::from_str::<crate::http::views::Started>(&answer).unwrap().id;
    stage.events(&id).await;
    stage.client.workflow(&id).await.unwrap();

    let captures = captured(&stage, 3).await;
    let mut seen: Vec<&str> = captures.iter().map(|capture| capture.route.as_str()).collect();
    seen.sort_unstable();
    assert_eq!(seen, ["/admin/keys", "/v1/workflows", "/v1/workflows/{id}/events"]);

    let started = of(&stage, &captures, "/v1/workflows").await;
    assert_eq!(started.summary.status, Some(201));
    assert!(started.summary.who.starts_with("key/"), "{:?}", started.summary);
    assert_eq!(started.target, "/v1/workflows?password=[redacted]");
    assert!(!started.summary.request_id.is_empty());
    let request = started.request.text.as_ref().unwrap();
    assert!(request.contains(PLANNED) && request.contains("[redacted]"), "{request}");
    assert_eq!((started.request.bytes, started.request.is_whole), (body.len() as u64, true));
    assert_eq!(started.answer.text.as_deref(), Some(answer.as_str()));
    assert!(started.answer.is_whole && !started.answer.is_cut);

    let stream = of(&stage, &captures, "/v1/workflows/{id}/events").await;
    let events = stream.answer.text.unwrap();
    assert!(
        events.contains("event: event\ndata: {\"seq\":1,") && events.contains("event: end\n"),
        "{events}"
    );
    let made = of(&stage, &captures, "/admin/keys").await.answer.text.unwrap();
    assert!(made.contains("\"key\":\"[redacted]\""), "{made}");

    let folder = stage.folder.path().join("state/captures");
    assert_eq!(folder.metadata().unwrap().permissions().mode() & 0o777, 0o700);
    for entry in std::fs::read_dir(folder).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        for secret in [PLANTED, PASSWORD, &key, "aB3dE6"] {
            assert!(!text.contains(secret), "{secret} is in {text}");
        }
    }
    let query =
        AuditQuery { since: None, who: None, action: Some("capture.read".to_owned()), limit: Some(10) };
    let id = started.summary.id.to_string();
    let audited = async {
        // They are written in batches.
        while !stage.client.audit(&query).await.unwrap().iter().any(|row| row.entry.subject == id) {}
    };
    clock::Clock::real().timeout(WITHIN, audited).await.expect("a read of content is audited");
    stage.close().await;
}

#[actix_rt::test]
async fn of_a_long_body_the_beginning_is_kept_and_of_a_stream_that_is_left_what_was_sent() {
    let stage = open("{routes: ['/v1/workflows/{id}/events', '/v1/providers'], body_bytes: 40}").await;
    let (status, whole) = stage.get("/v1/providers").await;
    assert_eq!(status, 200);
    let first = captured(&stage, 1).await;
    let looked = stage.client.capture(&first[0].id).await.unwrap();
    assert_eq!((looked.request.bytes, looked.request.is_whole), (0, true));
    let providers = looked.answer;
    assert_eq!((providers.bytes, providers.is_cut, providers.is_whole), (whole.len() as u64, true, true));
    assert!(whole.starts_with(providers.text.as_ref().unwrap()), "{providers:?}");

    let id = stage.start(SLOW).await;
    let mut raw = UnixStream::connect(&stage.server.addresses().socket).await.unwrap();
    let request = format!("GET /v1/workflows/{id}/events HTTP/1.1\r\nHost: x\r\n\r\n");
    raw.write_all(request.as_bytes()).await.unwrap();
    let mut seen = Vec::new();
    while !String::from_utf8_lossy(&seen).contains("id: 1\n") {
        assert!(raw.read_buf(&mut seen).await.unwrap() > 0);
    }
    drop(raw);
    let captures = captured(&stage, 2).await;
    let left = of(&stage, &captures, "/v1/workflows/{id}/events").await.answer;
    assert!(!left.is_whole && left.is_cut && left.bytes > 40, "{left:?}");
    assert!(left.text.unwrap().starts_with("id: 1\nevent: event\n"));
    stage.close().await;
}

#[actix_rt::test]
async fn nothing_is_captured_unless_a_route_is_named_nor_of_whoever_is_turned_away() {
    let stage = Stage::open().await;
    stage.get("/v1/providers").await;
    assert_eq!(stage.client.captures(10).await.unwrap(), []);
    let gone = "0000000000001-0000000000000001".parse().unwrap();
    let refused = stage.client.capture(&gone).await.unwrap_err();
    assert!(matches!(refused, Error::Refused { status: 404, .. }), "{refused:?}");
    let folder = stage.close().await;
    assert!(!folder.path().join("state/captures").exists());

    let stage = open("{routes: [/v1/workflows, /v1/providers]}").await;
    let port = stage.server.addresses().tcp.port();
    let head = format!(
        "POST /v1/workflows HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\nContent-Length: 2\r\n"
    );
    assert_eq!(stage.ask_with_body(&head, "{}").await.0, 401);
    stage.get("/v1/providers").await;
    let captures = captured(&stage, 1).await;
    assert_eq!(captures.iter().map(|capture| capture.route.as_str()).collect::<Vec<_>>(), ["/v1/providers"]);
    stage.close().await;
}
