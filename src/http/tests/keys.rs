//! Keys at the doors of a real server: what they open, for whom, and until when.

use std::pin::pin;
use std::time::Duration;

use clock::Clock;
use futures_util::future::{Either, join, select};
use workflow::Event;

use super::launcher;
use super::stage::{PLANNED, Stage};
use crate::client::Error;
use crate::http::views::{Act, ErrorBody, KeyOrder, KeyState, MadeKey, NewWorkflow, Started};
use crate::server::{self, Server};

/// How often something is looked at that changes by itself.
const LOOKS: usize = 500;

fn order(scopes: &str) -> KeyOrder {
    let scopes = scopes.split(',').map(|scope| scope.parse().unwrap()).collect();
    KeyOrder { name: "the tester's".to_owned(), scopes, ..KeyOrder::default() }
}

impl Stage {
    pub(super) async fn key(&self, scopes: &str) -> MadeKey {
        self.client.create_key(&order(scopes)).await.unwrap()
    }

    /// Asks over TCP with a key.
    pub(super) async fn with(&self, key: &MadeKey, method: &str, path: &str, body: &str) -> (u16, String) {
        self.with_header(&format!("Authorization: Bearer {}\r\n", key.key.0), method, path, body).await
    }

    async fn with_header(&self, header: &str, method: &str, path: &str, body: &str) -> (u16, String) {
        let (port, length) = (self.server.addresses().tcp.port(), body.len());
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{header}Content-Type: application/json\r\n\
             Content-Length: {length}\r\n"
        );
        let (status, _, answer) = self.ask_with_body(&head, body).await;
        (status, answer)
    }

    fn plan(&self) -> String {
        serde_json::to_string(&self.order(PLANNED)).unwrap()
    }
}

fn code(body: &str) -> String {
    let ErrorBody { error } = serde_json::from_str(body).unwrap_or_else(|_| panic!("no error: {body:?}"));
    error.code
}

#[actix_rt::test]
async fn a_key_starts_a_workflow_over_tcp_and_the_history_says_whose_it_was() {
    let stage = Stage::open().await;
    let tags = [("team".to_owned(), "red".to_owned())].into();
    let key = stage.client.create_key(&KeyOrder { tags, ..order("workflows") }).await.unwrap();
    let (status, body) = stage.with(&key, "POST", "/v1/workflows", &stage.plan()).await;
    assert_eq!(status, 201, "{body}");
    let id = serde_json::from_str::<Started>(&body).unwrap().id;
    let events = stage.events(&id).await;
    let Event::Started { requester: Some(requester), .. } = &events[0].1 else { panic!("{events:?}") };
    assert_eq!(requester.name, format!("key/{}", key.view.id));
    assert_eq!((requester.label.as_str(), requester.tags["team"].as_str()), ("the tester's", "red"));
    let mine = stage.start(PLANNED).await;
    let events = stage.events(&mine).await;
    assert!(matches!(&events[0].1, Event::Started { requester: None, .. }), "the operator's");

    let (status, body) = stage.with(&key, "POST", &format!("/v1/workflows/{id}/abort"), "{}").await;
    assert_eq!((status, code(&body).as_str()), (409, "conflict"), "it has ended");
    stage.close().await;
}

#[actix_rt::test]
async fn a_key_opens_what_its_scope_says_and_without_one_nothing_is_written() {
    let stage = Stage::open().await;
    let keys = [stage.key("workflows").await, stage.key("metrics").await, stage.key("admin").await];
    let plan = stage.plan();
    for (method, path, body, expected) in [
        ("GET", "/metrics", "", [403, 200, 403]),
        ("GET", "/admin/tree", "", [403, 403, 200]),
        ("GET", "/v1/workflows", "", [200, 403, 403]),
        ("POST", "/v1/workflows", plan.as_str(), [201, 403, 403]),
        ("POST", "/admin/breakers", r#"{"deployment":"demo/one","control":"automatic"}"#, [403, 403, 200]),
        ("GET", "/healthz", "", [200, 200, 200]),
        ("GET", "/nowhere", "", [404, 404, 404]),
    ] {
        for (key, expected) in keys.iter().zip(expected) {
            let (status, answer) = stage.with(key, method, path, body).await;
            assert_eq!(status, expected, "{method} {path}: {answer}");
        }
    }
    for (method, path, expected) in [
        ("GET", "/metrics", 200),
        ("GET", "/v1/workflows", 200),
        ("GET", "/admin/tree", 401),
        ("GET", "/admin/keys", 401),
        ("GET", "/%61dmin/tree", 401),
        ("POST", "/v1/workflows", 401),
        ("POST", "/%761/workflows", 401),
        ("POST", "/admin/keys", 401),
        ("DELETE", "/admin/keys", 405),
        ("HEAD", "/v1/workflows", 405),
    ] {
        let body = if method == "POST" { plan.as_str() } else { "" };
        let (status, answer) = stage.with_header("", method, path, body).await;
        assert!(
            status == expected || (path.contains('%') && status == 404),
            "{method} {path}: {status} {answer}"
        );
    }
    assert_eq!(stage.client.workflows().await.unwrap().len(), 1);
    stage.close().await;
}

#[actix_rt::test]
async fn whatever_is_wrong_with_a_key_the_caller_is_told_the_same() {
    // So many fail here that the address would be slowed down.
    let stage = Stage::open_with("{limits: {failed_authentications: 1000}}").await;
    let (good, revoked, brief) =
        (stage.key("workflows").await, stage.key("workflows").await, stage.key("workflows").await);
    assert_eq!(stage.with(&revoked, "GET", "/v1/workflows", "").await.0, 200);
    let view = stage.client.revoke_key(&revoked.view.id).await.unwrap();
    assert_eq!(view.state, KeyState::Revoked);
    stage.client.rotate_key(&brief.view.id, 0).await.unwrap();

    let text = &good.key.0;
    let (last, rest) = (text.chars().last().unwrap(), &text[..text.len() - 1]);
    let mistyped = format!("{rest}{}", if last == '0' { '1' } else { '0' });
    let unknown = access::Key::from_random(1, &[1; access::SECRET_BYTES]).text.expose().to_owned();
    let mut answers = Vec::new();
    for header in [
        String::new(),
        format!("Authorization: Bearer {}\r\n", revoked.key.0),
        format!("Authorization: Bearer {}\r\n", brief.key.0),
        format!("Authorization: Bearer {mistyped}\r\n"),
        format!("x-api-key: {unknown}\r\n"),
        format!("Authorization: Basic {text}\r\n"),
        format!("Authorization: Bearer {text}\r\nx-goog-api-key: {unknown}\r\n"),
        "x-api-key: \r\n".to_owned(),
        format!("Cookie: x-api-key={text}; authorization=Bearer {text}\r\n"),
    ] {
        let (status, body) = stage.with_header(&header, "POST", "/v1/workflows", &stage.plan()).await;
        assert_eq!(status, 401, "{header}: {body}");
        answers.push(body);
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:?}");
    assert!(!answers[0].contains("imp_"), "{answers:?}");
    let in_url = format!("/v1/workflows?key={text}&api_key={text}&access_token={text}");
    assert_ne!(stage.with_header("", "POST", &in_url, &stage.plan()).await.0, 201);
    // One that is no good is refused where none is asked for, too.
    let header = format!("Authorization: Bearer {unknown}\r\n");
    assert_eq!(stage.with_header(&header, "GET", "/healthz", "").await.0, 401);
    let port = stage.server.addresses().tcp.port();
    let (_, head, _) =
        stage.ask_whole(&format!("GET /admin/tree HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n")).await;
    assert!(head.contains("\r\nwww-authenticate: bearer realm=\"impresario\""), "{head}");
    for name in ["x-api-key", "x-goog-api-key"] {
        let header = format!("{name}: {text}\r\n");
        assert_eq!(stage.with_header(&header, "GET", "/v1/workflows", "").await.0, 200);
    }
    stage.close().await;
}

#[actix_rt::test]
async fn a_key_expires_while_the_server_runs() {
    let stage = Stage::open().await;
    let key =
        stage.client.create_key(&KeyOrder { expires_in_s: Some(1), ..order("workflows") }).await.unwrap();
    let clock = Clock::real();
    for _ in 0..LOOKS {
        if stage.with(&key, "GET", "/v1/workflows", "").await.0 == 401 {
            let listed = stage.client.keys().await.unwrap();
            assert_eq!(listed[0].state, KeyState::Expired);
            let refused = stage.client.rotate_key(&key.view.id, 60).await.unwrap_err();
            assert!(matches!(refused, Error::Refused { status: 409, .. }), "{refused}");
            stage.close().await;
            return;
        }
        clock.sleep(Duration::from_millis(10)).await;
    }
    panic!("it never expired");
}

#[actix_rt::test]
async fn a_rotated_key_grants_the_same_beside_the_old_one_which_ends() {
    let stage = Stage::open().await;
    let models = access::Models(vec!["demo".parse().unwrap()]);
    let old = stage.client.create_key(&KeyOrder { models, ..order("workflows,metrics") }).await.unwrap();
    let new = stage.client.rotate_key(&old.view.id, 3_600).await.unwrap();
    assert_eq!(new.view.rotated_from, Some(old.view.id.clone()));
    assert_eq!((&new.view.scopes, &new.view.models), (&old.view.scopes, &old.view.models));
    for key in [&old, &new] {
        assert_eq!(stage.with(key, "GET", "/v1/workflows", "").await.0, 200);
    }
    let keys = stage.client.keys().await.unwrap();
    let listed = keys.iter().find(|key| key.id == old.view.id).unwrap();
    assert!(listed.expires_at.is_some() && listed.last_used_at.is_some(), "{listed:?}");
    assert!(!serde_json::to_string(&keys).unwrap().contains("imp_"));
    stage.close().await;
}

#[actix_rt::test]
async fn a_confined_key_works_in_its_folders_and_sees_nothing_of_the_others() {
    let stage = Stage::open().await;
    let (inner, outer) = (stage.workspace().join("inner"), stage.workspace().join("inner-not"));
    for folder in [&inner, &outer] {
        std::fs::create_dir(folder).unwrap();
    }
    std::os::unix::fs::symlink(&outer, inner.join("link")).unwrap();
    let confined = stage
        .client
        .create_key(&KeyOrder { roots: vec![inner.clone()], ..order("workflows") })
        .await
        .unwrap();
    let order_in =
        |workspace| serde_json::to_string(&NewWorkflow { workspace, ..stage.order(PLANNED) }).unwrap();
    let theirs = stage.start(PLANNED).await;
    for folder in [outer, inner.join("link"), inner.join("../inner-not"), stage.workspace(), "/etc".into()] {
        let (status, body) = stage.with(&confined, "POST", "/v1/workflows", &order_in(folder.clone())).await;
        assert_eq!((status, code(&body).as_str()), (403, "outside_keys_roots"), "{}", folder.display());
    }
    let (status, body) = stage.with(&confined, "POST", "/v1/workflows", &order_in(inner)).await;
    assert_eq!(status, 201, "{body}");
    let mine = serde_json::from_str::<Started>(&body).unwrap().id;

    let (_, listed) = stage.with(&confined, "GET", "/v1/workflows", "").await;
    assert!(listed.contains(mine.as_str()) && !listed.contains(theirs.as_str()), "{listed}");
    for (id, expected) in [(&mine, 200), (&theirs, 404)] {
        for path in ["", "/diff", "/events?after=1"] {
            let path = format!("/v1/workflows/{id}{path}");
            stage.events(id).await;
            assert_eq!(stage.with(&confined, "GET", &path, "").await.0, expected, "{path}");
        }
    }
    let (status, _) = stage.with(&confined, "POST", &format!("/v1/workflows/{theirs}/abort"), "{}").await;
    assert_eq!(status, 404);
    stage.close().await;
}

#[actix_rt::test]
async fn a_key_that_may_use_none_of_the_models_is_refused_at_once() {
    let stage = Stage::open().await;
    let only =
        |rule: &str| KeyOrder { models: access::Models(vec![rule.parse().unwrap()]), ..order("workflows") };
    let other = stage.client.create_key(&only("elsewhere")).await.unwrap();
    let (status, body) = stage.with(&other, "POST", "/v1/workflows", &stage.plan()).await;
    assert_eq!((status, code(&body).as_str()), (409, "no_provider"));
    assert!(body.contains("does not allow it"), "{body}");
    let right = stage.client.create_key(&only("demo/one")).await.unwrap();
    assert_eq!(stage.with(&right, "POST", "/v1/workflows", &stage.plan()).await.0, 201);
    stage.close().await;
}

#[actix_rt::test]
async fn what_no_key_may_grant_is_refused_in_words() {
    let stage = Stage::open().await;
    for (bad, words) in [
        (KeyOrder { scopes: Vec::new(), ..order("admin") }, "at least one"),
        (KeyOrder { name: String::new(), ..order("admin") }, "1 to 128"),
        (KeyOrder { roots: vec!["work".into()], ..order("admin") }, "from the root"),
        (KeyOrder { roots: vec!["/work".into()], ..order("admin") }, "cannot be confined to roots"),
        (KeyOrder { expires_in_s: Some(0), ..order("admin") }, "expires_in_s"),
        (KeyOrder { expires_in_s: Some(u64::MAX), ..order("admin") }, "expires_in_s"),
    ] {
        let refused = stage.client.create_key(&bad).await.unwrap_err();
        assert!(matches!(&refused, Error::Refused { status: 422, .. }), "{refused:?}");
        assert!(refused.to_string().contains(words), "{refused}");
    }
    let unknown = units::KeyId::from_random(1);
    for refused in
        [stage.client.revoke_key(&unknown).await.err(), stage.client.rotate_key(&unknown, 1).await.err()]
    {
        assert!(matches!(refused, Some(Error::Refused { status: 404, .. })), "{refused:?}");
    }
    assert!(stage.client.keys().await.unwrap().is_empty());
    stage.close().await;
}

#[actix_rt::test]
async fn known_keys_open_while_nobody_can_read_or_write_the_store() {
    let stage = Stage::open().await;
    let (key, revoked) = (stage.key("workflows").await, stage.key("workflows").await);
    stage.client.revoke_key(&revoked.view.id).await.unwrap();
    for path in ["root/keyring", "root/writer"] {
        stage.client.act(Act::Terminate, path).await.unwrap();
    }
    assert_eq!(stage.with(&key, "GET", "/v1/providers", "").await.0, 200);
    assert_eq!(stage.with(&revoked, "GET", "/v1/providers", "").await.0, 401);
    for path in ["root/writer", "root/keyring"] {
        stage.client.act(Act::Restart, path).await.unwrap();
    }
    stage.client.revoke_key(&key.view.id).await.unwrap();
    assert_eq!(stage.with(&key, "GET", "/v1/providers", "").await.0, 401);
    stage.close().await;
}

/// How many messages wait for an actor.
async fn queued(stage: &Stage, id: &str) -> u64 {
    let tree = stage.client.tree().await.unwrap();
    let children = tree["children"].as_array().unwrap();
    children.iter().find(|child| child["id"] == id).unwrap()["queued"].as_u64().unwrap()
}

#[actix_rt::test]
async fn a_revocation_that_nobody_knew_of_any_more_takes_effect_when_it_lands() {
    let stage = Stage::open().await;
    let (one, other) = (stage.key("workflows").await, stage.key("workflows").await);
    let database = Stage::load(&stage.folder, "127.0.0.1:0").database;
    // A server of PostgreSQL has other locks, and what waits behind them is the same.
    let store::Database::Sqlite(file) = database else { return drop(stage.close().await) };
    let locked = rusqlite::Connection::open(file).unwrap();
    locked.execute_batch("BEGIN IMMEDIATE").unwrap();
    let client = stage.client.clone();
    let first = pin!(client.revoke_key(&one.view.id));
    let second = pin!(client.revoke_key(&other.view.id));
    let revoked = select(first, second);
    let killed = async {
        // The first one is with the writer when the second one has to wait.
        while queued(&stage, "keyring").await == 0 {
            tokio::task::yield_now().await;
        }
        stage.client.act(Act::Kill, "root/keyring").await.unwrap();
    };
    let (outcome, waits, late) = match join(revoked, killed).await.0 {
        Either::Left((outcome, waits)) => (outcome, waits, &one),
        Either::Right((outcome, waits)) => (outcome, waits, &other),
    };
    assert!(outcome.is_err(), "who was to revoke it is gone: {outcome:?}");
    assert_eq!(stage.with(late, "GET", "/v1/providers", "").await.0, 200);
    locked.execute_batch("ROLLBACK").unwrap();
    waits.await.unwrap();
    for look in 0.. {
        if stage.with(late, "GET", "/v1/providers", "").await.0 == 401 {
            break;
        }
        assert!(look < LOOKS, "it opens for ever");
        Clock::real().sleep(Duration::from_millis(20)).await;
    }
    stage.close().await;
}

#[actix_rt::test]
async fn a_stream_ends_when_the_key_that_opened_it_is_revoked() {
    let stage = Stage::open().await;
    let key = stage.key("workflows").await;
    let id = stage.start(super::SLOW).await;
    let path = format!("/v1/workflows/{id}/events");
    let streamed = stage.with(&key, "GET", &path, "");
    let ended = async {
        stage.client.revoke_key(&key.view.id).await.unwrap();
        // What comes next finds the key gone.
        stage.client.abort(&id, "me").await.unwrap();
    };
    let ((status, body), ()) = join(streamed, ended).await;
    assert!(status == 401 || !body.contains("event: end"), "{status} {body}");
    stage.close().await;
}

#[actix_rt::test]
async fn where_others_can_ask_it_starts_only_with_a_key_and_only_when_that_is_meant() {
    let folder = Stage::prepare();
    let start = async |listen: &str, plaintext| {
        let mut loaded = Stage::load(&folder, listen);
        loaded.settings.server.plaintext = plaintext;
        Server::start_with(loaded, Clock::real(), launcher()).await
    };
    for listen in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"] {
        let refused = start(listen, false).await.err().unwrap();
        assert!(matches!(refused, server::Error::Plaintext { .. }), "{refused}");
    }
    let refused = start("0.0.0.0:0", true).await.err().unwrap();
    assert!(matches!(refused, server::Error::NoKeys { .. }), "{refused}");
    assert!(refused.to_string().contains("impresario keys create"), "{refused}");

    let stage = Stage::open_in(folder).await;
    let key = stage.key("workflows").await;
    let folder = stage.close().await;
    let open = |plaintext| {
        let mut loaded = Stage::load(&folder, "0.0.0.0:0");
        loaded.settings.server.plaintext = plaintext;
        Server::start_with(loaded, Clock::real(), launcher())
    };
    let server = open(true).await.unwrap();
    let client = crate::client::Client::connect(&server.addresses().socket).await.unwrap();
    client.revoke_key(&key.view.id).await.unwrap();
    server.stop().await;
    // The last key was revoked.
    let refused = open(true).await.err().unwrap();
    assert!(matches!(refused, server::Error::NoKeys { .. }), "{refused}");
}
