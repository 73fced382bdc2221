//! Answered requests, as they came through the doors and as they are read; and what is refused when they have no room.

use actors::recorder::{Entry, Standing};
use store::RequestQuery;

use super::refusals::code;
use super::stage::{PLANNED, Stage};
use crate::client::Error;

fn of_route(route: &str) -> RequestQuery {
    RequestQuery { route: Some(route.to_owned()), ..RequestQuery::default() }
}

#[actix_rt::test]
async fn each_door_leaves_a_row_of_what_it_answered_and_nothing_of_what_was_in_it() {
    let stage = Stage::open().await;
    let key = stage.key("admin").await;
    stage.client.workflows().await.unwrap();
    assert_eq!(stage.get("/v1/workflows?limit=7").await.0, 200);
    assert_eq!(stage.with(&key, "GET", "/admin/tree", "").await.0, 200);
    stage.server.doors().recorder.flushed().await;
    let name = format!("key/{}", key.view.id);
    for (route, expected) in [
        ("/v1/workflows", vec![("anonymous", "loopback"), ("operator", "socket")]),
        ("/admin/tree", vec![(name.as_str(), "loopback")]),
        ("/admin/keys", vec![("operator", "socket")]),
    ] {
        let found = loop {
            let found = stage.client.requests(&of_route(route)).await.unwrap();
            // PostgreSQL has them when the spool was drained.
            if found.len() >= expected.len() {
                break found;
            }
        };
        let mut doors: Vec<_> =
            found.iter().map(|found| (found.row.principal.as_str(), found.row.door.as_str())).collect();
        doors.sort_unstable();
        assert_eq!(doors, expected, "{route}");
        assert!(found.iter().all(|found| !found.row.route.contains('?') && found.row.request_id.len() == 16));
    }
    stage.close().await;
}

#[actix_rt::test]
async fn they_are_read_by_what_is_wanted_page_by_page() {
    let stage = Stage::open().await;
    for limit in 0..5 {
        stage.get(&format!("/v1/providers?x={limit}")).await;
        stage.client.workflows().await.unwrap();
    }
    let wanted = RequestQuery { principal: Some("operator".to_owned()), ..of_route("/v1/workflows") };
    let all = loop {
        stage.server.doors().recorder.flushed().await;
        let all = stage.client.requests(&wanted).await.unwrap();
        if all.len() == 5 {
            break all;
        }
    };
    assert!(all.is_sorted_by(|one, next| one.id > next.id), "the last first: {all:?}");
    let mut read = Vec::new();
    let mut before = None;
    loop {
        let page =
            stage.client.requests(&RequestQuery { before, limit: Some(2), ..wanted.clone() }).await.unwrap();
        let Some(last) = page.last() else { break };
        before = Some(last.id);
        read.extend(page);
    }
    assert_eq!(read, all);
    let none = RequestQuery { status: Some(418), ..wanted.clone() };
    assert_eq!(stage.client.requests(&none).await.unwrap(), []);
    let none = RequestQuery { since: Some(units::UnixMillis(i64::MAX)), ..wanted };
    assert_eq!(stage.client.requests(&none).await.unwrap(), []);

    let keys = [stage.key("admin").await, stage.key("workflows").await];
    for wrong in
        ["limit=0", "limit=1001", "status=many", "before=-1", "nobody=1", "principal=a%00", "route=%00"]
    {
        let (status, _) = stage.with(&keys[0], "GET", &format!("/admin/requests?{wrong}"), "").await;
        assert_eq!(status, 400, "{wrong}");
    }
    assert_eq!(stage.with(&keys[1], "GET", "/admin/requests", "").await.0, 403);
    assert_eq!(stage.get("/admin/requests").await.0, 401);
    stage.close().await;
}

#[actix_rt::test]
async fn without_room_for_records_no_workflow_begins_and_then_nothing_is_answered_but_who_watches() {
    let folder = Stage::prepare();
    let stage = Stage::open_in(folder).await;
    // Before a server it is the spool that is full, at no less than 32 MiB: the recorder's own tests fill it.
    if !stage.folder.path().join("state/impresario.db").exists() {
        return;
    }
    let doors = stage.server.doors();
    let root = doors.registry.supervisor("root").unwrap();
    root.terminate_child("writer").await.unwrap();
    let fill = async |upto: Standing| {
        while doors.recorder.standing() < upto {
            doors.recorder.audit(Entry {
                who: "test".to_owned(),
                action: "filler.tell".to_owned(),
                subject: "x".to_owned(),
                outcome: "ok".to_owned(),
                detail: None,
            });
            tokio::task::yield_now().await;
        }
    };
    fill(Standing::Tight).await;
    let refused = stage.client.start(&stage.order(PLANNED)).await.unwrap_err();
    let Error::Refused { status, code: word, .. } = &refused else { panic!("{refused:?}") };
    assert_eq!((*status, word.as_str()), (503, "records_full"));
    stage.client.workflows().await.unwrap();
    let (_, ready) = stage.get("/readyz").await;
    assert!(ready.contains(r#""status":"degraded""#) && ready.contains(r#""records":"away""#), "{ready}");

    fill(Standing::Full).await;
    for path in ["/v1/workflows", "/v1/providers", "/admin/requests"] {
        let (status, body) = stage.get(path).await;
        assert_eq!((status, code(&body).as_str()), (503, "records_full"), "{path}");
    }
    for path in ["/livez", "/readyz", "/healthz", "/metrics"] {
        assert_eq!(stage.get(path).await.0, 200, "{path}");
    }

    root.restart_child("writer").await.unwrap();
    while doors.recorder.standing() != Standing::Room {
        tokio::task::yield_now().await;
    }
    let id = stage.start(PLANNED).await;
    stage.events(&id).await;
    stage.close().await;
}
