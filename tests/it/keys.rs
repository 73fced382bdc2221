//! Keys and the real binary: what its command prints, what a kill leaves, and that no secret is found anywhere.

use std::fs;
use std::path::Path;

use clock::Clock;
use impresario::http::views::{KeyList, KeyState, Started};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::house::{House, LIMIT};
use crate::runs::ordinary_house;
use crate::story::Story;

/// How often the server is killed right behind an acknowledged key.
const KILLS: usize = 3;
/// Where the secret stands in a key's text.
pub(crate) const SECRET: std::ops::Range<usize> = 17..49;

/// The status and the body of a request over TCP with a key.
pub(crate) async fn ask(house: &House, key: &str, method: &str, path: &str, body: &str) -> (u16, String) {
    let address = address(house);
    let mut stream = TcpStream::connect(&address).await.unwrap();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {key}\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    Clock::real().timeout(LIMIT, stream.read_to_string(&mut answer)).await.expect("it answers").unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

/// The key that a command printed, alone on its standard output.
pub(crate) async fn made(house: &House, args: &[&str]) -> String {
    let output = house.run(args).await;
    let (out, hints) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(output.status.success(), "{hints}");
    let key = out.strip_suffix('\n').unwrap().to_owned();
    assert!(key.starts_with("imp_") && key.len() == 53 && !key.contains(char::is_whitespace), "{out}");
    assert!(hints.contains("shown once") && !hints.contains(&key[SECRET]), "{hints}");
    key
}

/// Where the server says that it listens; at this level the log names other addresses too.
pub(crate) fn address(house: &House) -> String {
    let log = house.log_text();
    let (_, rest) = log.split_once("\"tcp\":\"").expect("the server says where it listens");
    rest.split('"').next().unwrap().to_owned()
}

pub(crate) fn id(key: &str) -> &str {
    &key[4..16]
}

async fn listed(house: &House) -> KeyList {
    let output = house.run(&["keys", "list", "--format", "json"]).await;
    let keys: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    serde_json::from_value(serde_json::json!({ "keys": keys })).unwrap()
}

#[tokio::test]
async fn a_key_is_made_used_rotated_and_revoked_and_its_secret_is_found_nowhere() {
    let mut house = ordinary_house();
    let config = fs::read_to_string(house.config()).unwrap();
    fs::write(house.config(), format!("{config}log: {{level: trace}}\n")).unwrap();
    let client = house.serve().await;
    let root = house.workspace().display().to_string();
    let create = ["keys", "create", "--name", "ci", "--scope", "workflows,metrics", "--expires", "30d"];
    let limits = ["--model", "vendor", "--root", &root, "--tag", "team=red", "--tag", "env=ci"];
    let key = made(&house, &[create.as_slice(), limits.as_slice()].concat()).await;

    let order = serde_json::to_string(&house.order()).unwrap();
    let (status, body) = ask(&house, &key, "POST", "/v1/workflows", &order).await;
    assert_eq!(status, 201, "{body}");
    let started: Started = serde_json::from_str(&body).unwrap();
    Story::follow(&client, &started.id).done().await;
    let history = ask(&house, &key, "GET", &format!("/v1/workflows/{}/events", started.id), "").await.1;
    assert!(history.contains(r#""team":"red""#) && history.contains(id(&key)), "{history}");

    let next = made(&house, &["keys", "rotate", id(&key), "--overlap", "1h"]).await;
    for key in [&key, &next] {
        assert_eq!(ask(&house, key, "GET", "/v1/workflows", "").await.0, 200);
    }
    let output = house.run(&["keys", "revoke", id(&key)]).await;
    assert!(output.status.success());
    let wrong = format!("{}{}", &next[..17], &key[17..]);
    for refused in [&key, &wrong] {
        let (status, body) = ask(&house, refused, "GET", "/v1/workflows", "").await;
        assert_eq!(status, 401, "{body}");
    }
    let list = listed(&house).await;
    let states: Vec<_> = list.keys.iter().map(|key| (key.id.as_str(), key.state)).collect();
    assert!(
        states.contains(&(id(&key), KeyState::Revoked)) && states.contains(&(id(&next), KeyState::Valid))
    );
    let shown = String::from_utf8(house.run(&["keys", "list"]).await.stdout).unwrap();
    assert!(shown.contains("revoked") && shown.contains("valid for 29 days"), "{shown}");
    let unknown = house.run(&["keys", "revoke", "000000000000"]).await;
    assert_eq!(unknown.status.code(), Some(2));
    assert!(house.stop().await.success());

    assert!(house.log_text().contains("a key was refused"), "the log tells that one was refused, and why");
    for secret in [&key[SECRET], &next[SECRET]] {
        assert!(!house.log_text().contains(secret), "the log holds a key");
        assert!(!shown.contains(secret));
        none_holds(&house.state(), secret);
        none_holds(&house.workspace(), secret);
    }
}

fn none_holds(folder: &Path, secret: &str) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            none_holds(&path, secret);
        } else if let Ok(bytes) = fs::read(&path) {
            let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!found, "{} holds a key", path.display());
        }
    }
}

#[tokio::test]
async fn a_key_and_a_revocation_that_were_acknowledged_outlive_a_kill() {
    let mut house = ordinary_house();
    let mut revoked: Option<String> = None;
    for kill in 0..KILLS {
        house.serve().await;
        let key = made(&house, &["keys", "create", "--name", "k", "--scope", "workflows"]).await;
        house.kill().await;
        house.serve().await;
        assert_eq!(ask(&house, &key, "GET", "/v1/workflows", "").await.0, 200, "kill {kill}");
        if let Some(revoked) = &revoked {
            assert_eq!(ask(&house, revoked, "GET", "/v1/workflows", "").await.0, 401, "kill {kill}");
        }
        assert!(house.run(&["keys", "revoke", id(&key)]).await.status.success());
        house.kill().await;
        revoked = Some(key);
    }
}
