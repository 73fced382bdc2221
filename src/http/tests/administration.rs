//! The tree of a real server, acted on through its doors: what is refused, and what is done.

use std::time::Duration;

use clock::Clock;
use serde_json::{Value, json};

use super::stage::{PLANNED, SLOW, Stage};
use crate::http::views::{Act, Acted, Breaker, Control, ErrorBody};

const ACTS: [Act; 5] = [Act::Kill, Act::Terminate, Act::Restart, Act::Suspend, Act::Resume];
/// How often the tree is looked at until it shows what is waited for.
const LOOKS: usize = 500;

async fn post(stage: &Stage, act: Act, path: &str) -> (u16, String) {
    let body = json!({"path": path}).to_string();
    stage.post(&format!("/admin/tree/{}", act.word()), &body).await
}

async fn refused(stage: &Stage, act: Act, path: &str) -> (u16, String, String) {
    let (status, body) = post(stage, act, path).await;
    let ErrorBody { error } = serde_json::from_str(&body).unwrap_or_else(|_| panic!("no error: {body}"));
    (status, error.code, error.message)
}

/// Whoever has the place `path`, once `is_it` holds.
async fn until(stage: &Stage, path: &str, is_it: impl Fn(Option<&Value>) -> bool) -> Option<Value> {
    let clock = Clock::real();
    let mut last = None;
    for _ in 0..LOOKS {
        let mut node = Some(stage.client.tree().await.unwrap());
        for id in path.split('/').skip(1) {
            let children = node.and_then(|node| node["children"].as_array().cloned()).unwrap_or_default();
            node = children.into_iter().find(|child| child["id"] == id);
        }
        if is_it(node.as_ref()) {
            return node;
        }
        last = node;
        clock.sleep(Duration::from_millis(10)).await;
    }
    panic!("it never came to that: {last:?}")
}

#[actix_rt::test]
async fn who_is_killed_is_started_again_and_its_neighbours_are_not() {
    let stage = Stage::open().await;
    for path in ["root/writer", "root/providers/demo/one", "root/providers"] {
        let (status, body) = post(&stage, Act::Kill, path).await;
        let acted = serde_json::from_str(&body).unwrap_or_else(|_| panic!("{path}: {status} {body}"));
        assert_eq!((status, acted), (200, Acted { path: path.to_owned(), generation: 1 }));
        let is_new = |node: Option<&Value>| {
            node.is_some_and(|node| node["generation"] == 2 && node["state"] == "running")
        };
        let node = until(&stage, path, is_new).await.unwrap();
        assert_eq!((&node["last_end"]["kind"], &node["restarts"]), (&json!("killed"), &json!(1)));
    }
    for neighbour in ["root/router", "root/workflows"] {
        until(&stage, neighbour, |node| node.unwrap()["generation"] == 1).await;
    }
    stage.close().await;
}

#[actix_rt::test]
async fn a_place_that_nobody_has_is_refused_with_the_one_that_was_meant() {
    let stage = Stage::open().await;
    for (written, meant) in [
        ("root/writr", "did you mean `root/writer`?"),
        ("writer", "did you mean `root/writer`?"),
        ("root/providers/demo/on", "did you mean `root/providers/demo/one`?"),
        ("root/xyz", "`impresario tree` shows"),
        ("root/writer/x", "`impresario tree` shows"),
        ("", "`impresario tree` shows"),
        ("../../etc/passwd", "`impresario tree` shows"),
    ] {
        for act in ACTS {
            let (status, code, message) = refused(&stage, act, written).await;
            assert_eq!((status, code.as_str()), (404, "not_found"), "{written}");
            assert!(message.contains(meant), "{message}");
        }
    }
    stage.close().await;
}

#[actix_rt::test]
async fn the_root_and_what_is_no_place_are_refused() {
    let stage = Stage::open().await;
    for act in ACTS {
        let (status, code, message) = refused(&stage, act, "root").await;
        assert_eq!((status, code.as_str()), (409, "is_root"));
        assert!(message.contains("impresario serve"), "{message}");
        let (status, code, _) = refused(&stage, act, &"x".repeat(513)).await;
        assert_eq!((status, code.as_str()), (422, "unprocessable"));
        let route = format!("/admin/tree/{}", act.word());
        for body in ["", "{}", r#"{"path": 1}"#, r#"{"path": "root/writer", "force": true}"#] {
            let (status, answer) = stage.post(&route, body).await;
            assert_eq!(status, 400, "{answer}");
        }
        let (status, answer) = stage.get(&route).await;
        assert_eq!(status, 405, "{answer}");
    }
    until(&stage, "root/writer", |node| node.unwrap()["generation"] == 1).await;
    stage.close().await;
}

#[actix_rt::test]
async fn nobody_is_killed_without_a_key() {
    let stage = Stage::open().await;
    let port = stage.server.addresses().tcp.port();
    let body = json!({"path": "root/writer"}).to_string();
    for act in ACTS {
        let head = format!(
            "POST /admin/tree/{} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n",
            act.word(),
            body.len()
        );
        let (status, answer) = stage.ask(&head).await;
        assert_eq!(status, 401, "{answer}");
    }
    until(&stage, "root/writer", |node| node.unwrap()["generation"] == 1).await;
    stage.close().await;
}

#[actix_rt::test]
async fn who_was_terminated_is_forgotten_with_all_that_it_had() {
    let stage = Stage::open().await;
    let id = stage.start(SLOW).await;
    let path = format!("root/workflows/{id}");
    until(&stage, &format!("{path}/instance"), |node| node.is_some()).await;
    let (status, body) = post(&stage, Act::Terminate, &path).await;
    assert_eq!(status, 200, "{body}");
    until(&stage, &path, |node| node.is_none()).await;
    for gone in [path.clone(), format!("{path}/instance")] {
        let (status, code, _) = refused(&stage, Act::Kill, &gone).await;
        assert_eq!((status, code.as_str()), (404, "not_found"));
    }
    stage.close().await;
}

#[actix_rt::test]
async fn who_was_terminated_stays_so_until_it_is_restarted() {
    let stage = Stage::open().await;
    let path = "root/catalogue";
    let (_, code, message) = refused(&stage, Act::Restart, path).await;
    assert_eq!(code, "conflict");
    assert!(message.contains("lives"), "{message}");

    assert_eq!(post(&stage, Act::Terminate, path).await.0, 200);
    until(&stage, path, |node| node.unwrap()["state"] == "ended").await;
    let (_, code, message) = refused(&stage, Act::Kill, path).await;
    assert_eq!(code, "conflict");
    assert!(message.contains("nobody lives"), "{message}");

    assert_eq!(post(&stage, Act::Restart, path).await.0, 200);
    let node = until(&stage, path, |node| node.unwrap()["state"] == "running").await.unwrap();
    assert_eq!(node["generation"], 2);
    stage.close().await;
}

#[actix_rt::test]
async fn who_is_suspended_handles_nothing_until_it_is_resumed() {
    let stage = Stage::open().await;
    let path = "root/writer";
    assert_eq!(post(&stage, Act::Suspend, path).await.0, 200);
    until(&stage, path, |node| node.unwrap()["suspended"] == true).await;
    let order = stage.order(PLANNED);
    let starting = stage.client.start(&order);
    let resuming = async {
        // The start waits for the writer, whose queue holds what it asks for; records may wait there too.
        until(&stage, path, |node| node.unwrap()["queued"].as_u64() >= Some(1)).await;
        assert!(stage.client.workflows().await.unwrap().is_empty());
        assert_eq!(post(&stage, Act::Kill, path).await.0, 200);
        let is_next = |node: Option<&Value>| {
            node.is_some_and(|node| node["generation"] == 2 && node["state"] == "running")
        };
        let node = until(&stage, path, is_next).await.unwrap();
        assert_eq!(node["suspended"], true);
        assert!(node["queued"].as_u64() >= Some(1), "{node}");
        assert_eq!(post(&stage, Act::Resume, path).await.0, 200);
    };
    let (id, ()) = tokio::join!(starting, resuming);
    assert!(!stage.events(&id.unwrap()).await.is_empty());
    stage.close().await;
}

#[actix_rt::test]
async fn a_supervisor_is_not_suspended() {
    let stage = Stage::open().await;
    for act in [Act::Suspend, Act::Resume] {
        let (status, code, message) = refused(&stage, act, "root/providers").await;
        assert_eq!((status, code.as_str()), (422, "not_an_actor"));
        assert!(message.contains("`root/providers`"), "{message}");
    }
    stage.close().await;
}

#[actix_rt::test]
async fn an_operators_word_on_a_breaker_holds_until_it_is_taken_back() {
    let stage = Stage::open().await;
    let demo = "demo/one".parse().unwrap();
    let shown = async || {
        let providers = stage.client.providers().await.unwrap();
        providers.into_iter().find(|known| known.deployment == demo).unwrap().breaker.unwrap()
    };
    for (control, breaker) in [
        (Control::ForceOpen, Breaker::ForcedOpen),
        (Control::ForceClosed, Breaker::ForcedClosed),
        (Control::Disabled, Breaker::Disabled),
    ] {
        assert_eq!(stage.client.set_breaker(&demo, control).await.unwrap(), breaker);
        let (_, body) = post(&stage, Act::Kill, "root/providers/demo").await;
        let met = serde_json::from_str::<Acted>(&body).unwrap().generation;
        let is_next = |node: Option<&Value>| {
            node.is_some_and(|node| node["generation"] == met + 1 && node["state"] == "running")
        };
        until(&stage, "root/providers/demo", is_next).await;
        assert_eq!(shown().await, breaker, "a restart takes nothing back");
    }
    stage.client.set_breaker(&demo, Control::Automatic).await.unwrap();
    assert!(matches!(shown().await, Breaker::Closed | Breaker::HalfOpen));
    stage.close().await;
}

#[actix_rt::test]
async fn a_breaker_that_is_not_there_is_refused() {
    let stage = Stage::open().await;
    for (body, status, words) in [
        (r#"{"deployment": "demo/on", "control": "disabled"}"#, 404, "did you mean `demo/one`?"),
        (r#"{"deployment": "x/y", "control": "disabled"}"#, 404, "`impresario tree`"),
        (r#"{"deployment": "demo", "control": "disabled"}"#, 400, "body"),
        (r#"{"deployment": "demo/one", "control": "ajar"}"#, 400, "body"),
        (r#"{"deployment": "demo/one"}"#, 400, "body"),
        (r#"{"deployment": "openai/gpt-6.1-sol", "control": "disabled"}"#, 409, "not called at all"),
    ] {
        let (found, answer) = stage.post("/admin/breakers", body).await;
        assert_eq!(found, status, "{body}: {answer}");
        assert!(answer.contains(words), "{answer}");
    }
    let (status, _) = stage.get("/admin/breakers").await;
    assert_eq!(status, 405);
    stage.close().await;
}
