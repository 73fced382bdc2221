//! What is refused, with which status and code, and that a refusal tells nothing of the inside.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::stage::{PLANNED, Stage};
use crate::http::views::{ErrorBody, NewWorkflow};
use crate::http::{MAX_STREAMS, MAX_STREAMS_OF_ONE};

/// The default of `server.limits.body_bytes`.
const MAX_BODY_BYTES: usize = 1 << 20;

pub(super) fn code(body: &str) -> String {
    let ErrorBody { error } = serde_json::from_str(body).unwrap_or_else(|_| panic!("no error: {body:?}"));
    assert!(!error.message.is_empty());
    error.code
}

#[actix_rt::test]
async fn over_tcp_only_its_own_name_is_answered_and_no_page_from_elsewhere() {
    let stage = Stage::open().await;
    let port = stage.server.addresses().tcp.port();
    let (status, body) = stage.get("/healthz").await;
    assert_eq!(status, 200, "{body}");
    for (head, expected) in [
        ("Host: evil.example\r\n".to_owned(), "host_refused"),
        (format!("Host: evil.example:{port}\r\n"), "host_refused"),
        ("Host: 127.0.0.1\r\n".to_owned(), "host_refused"),
        (format!("Host: localhost:{port}\r\nOrigin: http://evil.example\r\n"), "origin_refused"),
        (format!("Host: localhost:{port}\r\nOrigin: null\r\n"), "origin_refused"),
    ] {
        let (status, whole, body) = stage.ask_whole(&format!("GET /healthz HTTP/1.1\r\n{head}")).await;
        assert_eq!((status, code(&body).as_str()), (403, expected), "{head}");
        assert!(whole.contains("\r\nx-request-id: ") && whole.contains("application/json"), "{whole}");
    }
    stage.close().await;
}

#[actix_rt::test]
async fn what_is_not_there_is_answered_as_json_too() {
    let stage = Stage::open().await;
    for path in ["", "/diff", "/events"] {
        let (status, body) = stage.get(&format!("/v1/workflows/000000000000{path}")).await;
        assert_eq!((status, code(&body).as_str()), (404, "not_found"), "{path}");
    }
    for (path, status, expected) in [
        ("/nowhere", 404, "not_found"),
        ("/v1/workflows/NO", 400, "bad_request"),
        ("/v1/workflows/..%2f..%2fetc", 400, "bad_request"),
        ("/v1/workflows?limit=0", 400, "bad_request"),
        ("/v1/workflows?limit=x", 400, "bad_request"),
        ("/v1/workflows?unknown=1", 400, "bad_request"),
        ("/v1/workflows?before=000000000000", 404, "not_found"),
        ("/v1/workflows/000000000000/ws", 400, "bad_request"),
        ("/v1/workflows/000000000000/abort", 405, "method_not_allowed"),
    ] {
        let (found, body) = stage.get(path).await;
        assert_eq!((found, code(&body).as_str()), (status, expected), "{path}");
    }
    let (status, body) = stage.post("/healthz", "{}").await;
    assert_eq!((status, code(&body).as_str()), (405, "method_not_allowed"));
    let (status, body) = stage.post("/v1/workflows/000000000000/abort", "{}").await;
    assert_eq!((status, code(&body).as_str()), (404, "not_found"));
    stage.close().await;
}

#[actix_rt::test]
async fn a_body_that_is_no_order_starts_nothing() {
    let stage = Stage::open().await;
    let order = |change: &dyn Fn(&mut NewWorkflow)| {
        let mut order = stage.order(PLANNED);
        change(&mut order);
        serde_json::to_string(&order).unwrap()
    };
    let elsewhere = tempfile::tempdir().unwrap();
    let outside = elsewhere.path().to_owned();
    let missing = stage.workspace().join("missing");
    let large = format!("{{\"goal\":\"{}\"}}", "x".repeat(MAX_BODY_BYTES));
    for (body, status, expected) in [
        ("{".to_owned(), 400, "bad_request"),
        ("{}".to_owned(), 400, "bad_request"),
        (r#"{"goal":"g","workspace":"/w","shell":"rm"}"#.to_owned(), 400, "bad_request"),
        (large, 413, "body_too_large"),
        (order(&|order| order.workspace = "relative".into()), 422, "unprocessable"),
        (order(&|order| order.workspace.clone_from(&missing)), 422, "unprocessable"),
        (order(&|order| order.workspace.clone_from(&outside)), 403, "workspace_refused"),
        (order(&|order| order.goal.clear()), 422, "unprocessable"),
        (order(&|order| order.plan_attempts = Some(0)), 422, "unprocessable"),
        (order(&|order| order.check = Some(vec!["x".repeat(100_000)])), 422, "unprocessable"),
    ] {
        let (found, answer) = stage.post("/v1/workflows", &body).await;
        assert_eq!(
            (found, code(&answer).as_str()),
            (status, expected),
            "{}: {answer}",
            &body[..body.len().min(80)]
        );
        assert!(!answer.contains("state/"), "{answer}");
    }
    let (status, body) = stage.post_as("/v1/workflows", "text/plain", &order(&|_| {})).await;
    assert_eq!((status, code(&body).as_str()), (415, "not_json"));
    assert!(stage.client.workflows().await.unwrap().is_empty());
    stage.close().await;
}

#[actix_rt::test]
async fn a_run_that_no_model_can_answer_is_refused_at_once() {
    let folder = Stage::prepare();
    let mut loaded = Stage::load(&folder, "127.0.0.1:0");
    // Nobody named the script, and a script answers only when it is named.
    loaded.settings.agents = crate::config::settings::Agents::default();
    let clock = clock::Clock::real();
    let server = crate::server::Server::start_with(loaded, clock, super::launcher()).await.unwrap();
    let client = crate::client::Client::connect(&server.addresses().socket).await.unwrap();
    let stage = Stage { server, client, folder };
    let refused = stage.client.start(&stage.order(PLANNED)).await.unwrap_err();
    let crate::client::Error::Refused { status, code, message } = &refused else { panic!("{refused:?}") };
    assert_eq!((*status, code.as_str()), (409, "no_provider"));
    assert!(message.contains("demo/one"), "{message}");
    stage.close().await;
}

#[actix_rt::test]
async fn streams_are_bounded_and_a_closed_one_makes_room() {
    let stage = Stage::open().await;
    let id = stage.start(super::SLOW).await;
    let path = format!("/v1/workflows/{id}/events");
    let mut open = Vec::new();
    for _ in 0..MAX_STREAMS_OF_ONE {
        let mut following = stage.client.follow(&id, units::Seq(0));
        assert!(following.next().await.unwrap().is_ok());
        open.push(following);
    }
    // One account has its share, and others get in beside it until there is no place at all.
    let refused = stage.client.follow(&id, units::Seq(0)).next().await.unwrap().unwrap_err().to_string();
    assert!(refused.contains("streams of yours"), "{refused}");
    let address = stage.server.addresses().tcp;
    let mut others = Vec::new();
    for _ in MAX_STREAMS_OF_ONE..MAX_STREAMS {
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let head = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = [0; 15];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200 OK");
        others.push(stream);
    }
    let (status, body) = stage.get(&path).await;
    assert_eq!((status, code(&body).as_str()), (429, "too_many"));
    let key = stage.key("workflows").await;
    let (status, body) = stage.with(&key, "GET", &path, "").await;
    assert_eq!((status, code(&body).as_str()), (503, "busy"));
    open.clear();
    // The server sees in its own time that the others have gone, and refuses until then.
    loop {
        match stage.client.follow(&id, units::Seq(0)).next().await.unwrap() {
            Ok(_) => break,
            Err(crate::client::Error::Refused { status: 429 | 503, .. }) => tokio::task::yield_now().await,
            Err(other) => panic!("{other}"),
        }
    }
    stage.close().await;
}
