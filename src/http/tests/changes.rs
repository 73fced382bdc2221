//! Changes whose client does not wait: carried out, recorded once, and waited for when the server stops.

use std::path::Path;

use store::{AnsweredRequest, RequestQuery};
use supervision::Node;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpStream, UnixStream};

use super::audit::{entries, told};
use super::refusals::code;
use super::stage::{PLANNED, Stage};
use crate::http::views::KeyOrder;
use crate::server::Hurry;

const ORDER: &str = r#"{"name": "late", "scopes": ["workflows"]}"#;

/// How many messages wait for the keyring.
fn queued(root: &Node) -> usize {
    root.children.iter().find(|child| child.id == "keyring").unwrap().queued
}

/// Orders a key over the socket and hangs up when the keyring, which is suspended, has the order.
async fn order_and_leave(stage: &Stage) {
    let mut stream = UnixStream::connect(&stage.server.addresses().socket).await.unwrap();
    let request = format!(
        "POST /admin/keys HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{ORDER}",
        ORDER.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    while queued(&(stage.server.doors().view)()) == 0 {
        tokio::task::yield_now().await;
    }
}

/// The answered requests of this status, once there are so many.
pub(super) async fn answered(stage: &Stage, status: u16, count: usize) -> Vec<AnsweredRequest> {
    let query = RequestQuery { status: Some(status), ..RequestQuery::default() };
    loop {
        stage.server.doors().recorder.flushed().await;
        let found = stage.client.requests(&query).await.unwrap();
        if found.len() >= count {
            return found;
        }
    }
}

#[actix_rt::test]
async fn what_a_client_ordered_that_hung_up_is_done_and_recorded_once() {
    let stage = Stage::open().await;
    let root = stage.server.doors().registry.supervisor("root").unwrap();
    root.suspend_child("keyring").await.unwrap();
    order_and_leave(&stage).await;
    let left = answered(&stage, 499, 1).await;
    assert_eq!(left.len(), 1);
    let row = &left[0].row;
    assert_eq!(
        (row.principal.as_str(), row.door.as_str(), row.method.as_str(), row.route.as_str()),
        ("operator", "socket", "POST", "/admin/keys")
    );
    assert!(stage.client.keys().await.unwrap().is_empty(), "it is not done yet");

    root.resume_child("keyring").await.unwrap();
    let rows = entries(&stage, "key", 1).await;
    assert_eq!(told(&rows), [("operator", "key.create", "ok")]);
    let made = stage.client.keys().await.unwrap();
    assert_eq!(
        made.iter().map(|key| key.id.to_string()).collect::<Vec<_>>(),
        [rows[0].entry.subject.as_str()]
    );
    // Whatever else could be told of it had been told before this.
    let folder = stage.close().await;
    let stage = Stage::open_in(folder).await;
    assert_eq!(entries(&stage, "key", 1).await.len(), 1);
    assert_eq!(answered(&stage, 499, 1).await.len(), 1);
    stage.close().await;
}

#[actix_rt::test]
async fn what_is_answered_too_late_is_done_and_recorded_once_and_the_client_is_told_that_it_does_not_know() {
    let stage = Stage::open_with("{limits: {answer_s: 1}}").await;
    let root = stage.server.doors().registry.supervisor("root").unwrap();
    root.suspend_child("keyring").await.unwrap();
    let (status, body) = stage.post("/admin/keys", ORDER).await;
    assert_eq!((status, code(&body).as_str()), (503, "timed_out"));
    let late = answered(&stage, 503, 1).await;
    assert_eq!((late.len(), late[0].row.route.as_str()), (1, "/admin/keys"));

    root.resume_child("keyring").await.unwrap();
    let rows = entries(&stage, "key", 1).await;
    assert_eq!(told(&rows), [("operator", "key.create", "ok")]);
    let folder = stage.close().await;
    let stage = Stage::open_in(folder).await;
    assert_eq!(entries(&stage, "key", 1).await.len(), 1);
    stage.close().await;
}

#[actix_rt::test]
async fn a_server_that_stops_waits_for_a_change_whose_client_is_gone() {
    let stage = Stage::open().await;
    let root = stage.server.doors().registry.supervisor("root").unwrap();
    root.suspend_child("keyring").await.unwrap();
    order_and_leave(&stage).await;
    answered(&stage, 499, 1).await;
    let Stage { server, folder, client } = stage;
    drop(client);
    let address = server.addresses().tcp;
    let (_never, hurry) = Hurry::new();
    let resumed = async {
        while TcpStream::connect(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
        root.resume_child("keyring").await.unwrap();
    };
    let (stopped, ()) = tokio::join!(server.drain(hurry), resumed);
    assert!(!stopped.hurried, "{stopped:?}");

    let stage = Stage::open_in(folder).await;
    let rows = entries(&stage, "key", 1).await;
    assert_eq!(told(&rows), [("operator", "key.create", "ok")]);
    let acts = entries(&stage, "server", 3).await;
    assert!(acts[1].seq > rows[0].seq, "it stopped after that: {acts:?}");
    assert_eq!(stage.client.keys().await.unwrap().len(), 1);
    stage.close().await;
}

#[actix_rt::test]
async fn a_change_that_outlasts_the_drain_is_recorded_once_as_cut_and_before_the_server_has_stopped() {
    let stage = Stage::open().await;
    let root = stage.server.doors().registry.supervisor("root").unwrap();
    root.suspend_child("keyring").await.unwrap();
    order_and_leave(&stage).await;
    answered(&stage, 499, 1).await;
    let Stage { server, folder, client } = stage;
    drop(client);
    let (hurried, hurry) = Hurry::new();
    hurried.send_replace(true);
    let stopped = server.drain(hurry).await;
    assert!(stopped.hurried, "{stopped:?}");

    let stage = Stage::open_in(folder).await;
    let acts = entries(&stage, "server", 3).await;
    let rows = entries(&stage, "key", 1).await;
    assert_eq!(told(&rows), [("operator", "key.create", "unknown")]);
    assert!(acts[1].seq > rows[0].seq, "it stopped after that: {acts:?}");
    stage.close().await;
}

#[actix_rt::test]
async fn a_workflow_that_is_denied_to_a_key_is_told_with_its_folder_and_once() {
    let stage = Stage::open().await;
    let roots = vec![stage.workspace()];
    let order = KeyOrder {
        name: "confined".to_owned(),
        scopes: vec!["workflows".parse().unwrap()],
        roots,
        ..KeyOrder::default()
    };
    let key = stage.client.create_key(&order).await.unwrap();
    let mut elsewhere = stage.order(PLANNED);
    elsewhere.workspace = Path::new("/").to_owned();
    let body = serde_json::to_string(&elsewhere).unwrap();
    for _ in 0..3 {
        let (status, answer) = stage.with(&key, "POST", "/v1/workflows", &body).await;
        assert_eq!((status, code(&answer).as_str()), (403, "outside_keys_roots"));
    }
    let name = format!("key/{}", key.view.id);
    let rows = entries(&stage, "workflow", 1).await;
    assert_eq!(told(&rows), [(name.as_str(), "workflow.start", "outside_keys_roots")]);
    assert_eq!(rows[0].entry.subject, "/");
    assert!(rows[0].entry.detail.as_ref().unwrap().ends_with("(from 127.0.0.1)"), "{rows:?}");

    let (status, answer) =
        stage.post(&format!("/admin/keys/{}/rotate", key.view.id), r#"{"overlap_s": 99999999999}"#).await;
    assert_eq!((status, code(&answer).as_str()), (422, "unprocessable"));
    let rows = entries(&stage, "key", 2).await;
    assert_eq!(told(&rows)[1], ("operator", "key.rotate", "unprocessable"));
    let folder = stage.close().await;
    let stage = Stage::open_in(folder).await;
    let rows = entries(&stage, "workflow", 2).await;
    assert_eq!(rows.iter().map(|row| row.entry.times).collect::<Vec<_>>(), [1, 2], "{rows:?}");
    stage.close().await;
}
