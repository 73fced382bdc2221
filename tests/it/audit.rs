//! The audit log as an operator meets it: shown and checked with a server and without one, over kills, and when touched.

use std::fs;

use serde_json::Value;

use crate::commands::{assert_refused, words};
use crate::house::House;
use crate::runs::ordinary_house;
use crate::story::Story;

/// The actions of the entries, as `--format json` shows them.
async fn actions(house: &House, args: &[&str]) -> Vec<String> {
    let shown = house.run(&[&["audit", "show", "--format", "json"], args].concat()).await;
    assert!(shown.status.success(), "{}", words(&shown));
    let lines = String::from_utf8(shown.stdout).unwrap();
    let action = |line: &str| -> String {
        let entry: Value = serde_json::from_str(line).unwrap();
        assert_eq!(entry["hash"].as_str().unwrap().len(), 64, "{line}");
        entry["action"].as_str().unwrap().to_owned()
    };
    lines.lines().map(action).collect()
}

async fn verified(house: &House) -> (Option<i32>, String) {
    let checked = house.run(&["audit", "verify"]).await;
    (checked.status.code(), words(&checked))
}

#[tokio::test]
async fn it_is_shown_and_whole_with_a_server_without_one_and_after_a_kill() {
    let mut house = ordinary_house();
    assert_refused(&house.run(&["audit", "verify"]).await, &[]);
    let client = house.serve().await;
    let id = client.start(&house.order()).await.unwrap();
    Story::follow(&client, &id).done().await;
    house.kill().await;
    let (code, said) = verified(&house).await;
    assert_eq!(code, Some(0), "{said}");

    house.serve().await;
    let (code, said) = verified(&house).await;
    assert_eq!(code, Some(0), "{said}");
    assert!(house.stop().await.success());
    let (code, said) = verified(&house).await;
    assert!(code == Some(0) && said.contains("head: "), "{said}");
    let server = actions(&house, &["--action", "server"]).await;
    assert_eq!(server.last().map(String::as_str), Some("server.stop"), "{server:?}");
    // What came within a window before the kill may be gone; what was there before is not.
    assert_eq!(server.iter().filter(|action| *action == "server.start").count(), 2, "{server:?}");
    assert_eq!(actions(&house, &["--limit", "1", "--since", "1h", "--who", "server"]).await, ["server.stop"]);
    let text = words(&house.run(&["audit", "show"]).await);
    assert!(text.contains("workflow.start") && text.contains(id.as_str()), "{text}");
}

#[tokio::test]
async fn a_touched_entry_is_named_and_the_exit_code_says_so() {
    let mut house = ordinary_house();
    house.serve().await;
    assert!(house.stop().await.success());
    let file = house.state().join("impresario.db");
    // It is touched in the file itself: on a server somebody else's tools do that.
    if !file.exists() {
        return;
    }
    let (word, forged) = (b"server.stop", b"server.stip");
    let mut bytes = fs::read(&file).unwrap();
    let at = bytes
        .windows(word.len())
        .position(|found| found == word)
        .expect("the log is folded back into the file");
    bytes[at..at + word.len()].copy_from_slice(forged);
    fs::write(&file, bytes).unwrap();
    let (code, said) = verified(&house).await;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("entry 2 was changed") && said.contains("1 entries before it are whole"), "{said}");
}
