//! Every change and every denial is in the audit log, by whom and how it ended; every answer is a row.

use store::{AuditQuery, AuditRow};

use super::stage::{PLANNED, SLOW, Stage};

/// The entries of an action, once there are so many.
pub(super) async fn entries(stage: &Stage, action: &str, count: usize) -> Vec<AuditRow> {
    let query = AuditQuery { action: Some(action.to_owned()), ..AuditQuery::default() };
    stage.server.doors().recorder.flushed().await;
    loop {
        let found = stage.client.audit(&query).await.unwrap();
        if found.len() >= count {
            return found;
        }
    }
}

pub(super) fn told(rows: &[AuditRow]) -> Vec<(&str, &str, &str)> {
    let told = rows
        .iter()
        .map(|row| (row.entry.who.as_str(), row.entry.action.as_str(), row.entry.outcome.as_str()));
    told.collect()
}

#[actix_rt::test]
async fn every_change_is_an_entry_also_where_it_was_refused() {
    let stage = Stage::open().await;
    let started = entries(&stage, "server", 1).await;
    assert_eq!(told(&started), [("server", "server.start", "ok")]);

    let id = stage.start(SLOW).await;
    stage.client.abort(&id, "the tester").await.unwrap();
    stage.events(&id).await;
    stage.client.abort(&id, "the tester").await.unwrap_err();
    let (status, _) = stage.post("/v1/workflows", r#"{"goal": "x", "workspace": "not/absolute"}"#).await;
    assert_eq!(status, 422);
    let rows = entries(&stage, "workflow", 5).await;
    assert!(rows[..4].iter().all(|row| row.entry.subject == id.as_str()), "{rows:?}");
    let mut told_of = told(&rows);
    // It may end before its abort has been answered.
    told_of[1..3].sort_unstable();
    assert_eq!(
        told_of,
        [
            ("operator", "workflow.start", "ok"),
            ("operator", "workflow.abort", "ok"),
            ("server", "workflow.end", "aborted"),
            ("operator", "workflow.abort", "conflict"),
            ("operator", "workflow.start", "unprocessable"),
        ]
    );

    for act in ["suspend", "resume", "terminate", "restart", "kill"] {
        let (status, body) = stage.post(&format!("/admin/tree/{act}"), r#"{"path": "root/catalogue"}"#).await;
        assert_eq!(status, 200, "{act}: {body}");
    }
    stage.post("/admin/tree/kill", r#"{"path": "root/nobody"}"#).await;
    let rows = entries(&stage, "tree", 6).await;
    let acts = ["tree.suspend", "tree.resume", "tree.terminate", "tree.restart", "tree.kill"];
    assert_eq!(told(&rows)[..5], acts.map(|act| ("operator", act, "ok")));
    assert_eq!(told(&rows)[5], ("operator", "tree.kill", "not_found"));
    assert_eq!(rows[5].entry.subject, "root/nobody");

    for control in ["force_open", "automatic"] {
        let order = format!(r#"{{"deployment": "demo/one", "control": "{control}"}}"#);
        let (status, body) = stage.post("/admin/breakers", &order).await;
        assert_eq!(status, 200, "{body}");
    }
    let rows = entries(&stage, "breaker", 2).await;
    assert_eq!(told(&rows), [("operator", "breaker.open", "ok"), ("operator", "breaker.release", "ok")]);
    assert!(stage.client.verify_audit().await.unwrap().iter().all(|chain| chain.broken.is_none()));
    stage.close().await;
}

#[actix_rt::test]
async fn denials_are_entries_and_a_flood_of_them_is_few() {
    let stage = Stage::open().await;
    let port = stage.server.addresses().tcp.port();
    for _ in 0..50 {
        let (status, _) = stage.ask("GET /v1/workflows HTTP/1.1\r\nHost: evil.example\r\n").await;
        assert_eq!(status, 403);
        let head =
            format!("POST /admin/breakers HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: 0\r\n");
        assert_eq!(stage.ask(&head).await.0, 401);
        let head = format!("GET /admin/tree HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n");
        assert_eq!(stage.ask(&head).await.0, 401);
    }
    let rows = entries(&stage, "request", 3).await;
    assert_eq!(
        told(&rows),
        [
            ("loopback", "request.get", "host_refused"),
            ("anonymous", "request.post", "unauthorized"),
            ("anonymous", "request.get", "unauthorized"),
        ]
    );
    assert_eq!(rows[0].entry.subject, "/v1/workflows");
    assert!(rows[0].entry.detail.as_ref().is_some_and(|detail| detail.contains("evil.example")), "{rows:?}");
    assert!(
        rows.iter().all(|row| row.entry.detail.as_ref().unwrap().ends_with("(from 127.0.0.1)")),
        "{rows:?}"
    );

    // What was repeated is told with a count, at the latest when the server stops.
    let folder = stage.close().await;
    let stage = Stage::open_in(folder).await;
    let rows = entries(&stage, "request", 6).await;
    assert_eq!(rows[3..].iter().map(|row| row.entry.times).collect::<Vec<_>>(), [49, 49, 49]);
    let rows = entries(&stage, "server", 3).await;
    let acts = rows.iter().map(|row| row.entry.action.as_str()).collect::<Vec<_>>();
    assert_eq!(acts, ["server.start", "server.stop", "server.start"]);
    stage.close().await;
}

#[actix_rt::test]
async fn the_log_is_read_by_what_is_wanted_and_a_wrong_question_is_refused() {
    let stage = Stage::open().await;
    let id = stage.start(PLANNED).await;
    stage.events(&id).await;
    entries(&stage, "workflow", 2).await;
    let of = |who: &str| AuditQuery { who: Some(who.to_owned()), ..AuditQuery::default() };
    let rows = stage.client.audit(&of("operator")).await.unwrap();
    assert_eq!(told(&rows), [("operator", "workflow.start", "ok")]);
    assert_eq!(stage.client.audit(&of("a & b=c")).await.unwrap(), []);
    let newest = AuditQuery { limit: Some(1), ..AuditQuery::default() };
    assert_eq!(told(&stage.client.audit(&newest).await.unwrap()), [("server", "workflow.end", "planned")]);
    let later = AuditQuery { since: Some(units::UnixMillis(i64::MAX)), ..AuditQuery::default() };
    assert_eq!(stage.client.audit(&later).await.unwrap(), []);
    let key = stage.key("admin").await;
    for wrong in ["limit=0", "limit=1001", "since=yesterday", "nobody=1", "who=%00", "action=a%00b"] {
        let (status, _) = stage.with(&key, "GET", &format!("/admin/audit?{wrong}"), "").await;
        assert_eq!(status, 400, "{wrong}");
    }
    stage.close().await;
}
