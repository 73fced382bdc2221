//! A new configuration in a server that runs: calls under way end well, what is wrong changes nothing, and both are told.

use std::fs;
use std::time::Duration;

use clock::Clock;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::commands::words;
use crate::failing::{get_text, tcp_address};
use crate::house::{House, LIMIT};
use crate::runs::{CALLS, afterwards, ordinary_house};
use crate::story::Story;

const LOOK_EVERY: Duration = Duration::from_millis(20);
const REVISION: &str = "impresario_config_revision";
const FAILURES: &str = "impresario_config_reload_failures_total";

/// Writes the configuration as editors do: beside the file, and then over it.
fn configure(house: &House, providers: &[(&str, &str)], rest: &str) {
    let url = house.vendor.base_url();
    let mut text = "providers:\n  ollama: null\n  vllm: null\n  llama_cpp: null\n".to_owned();
    for (name, models) in providers {
        text.push_str(&format!(
            "  {name}: {{kind: openai_compatible, base_url: \"{url}\", models: [{models}]}}\n"
        ));
    }
    fs::write(house.path("new.yaml"), format!("{text}{rest}")).unwrap();
    fs::rename(house.path("new.yaml"), house.config()).unwrap();
}

/// Waits until the server's path shows what is wanted.
pub(crate) async fn shown(house: &House, path: &str, is_it: impl Fn(&str) -> bool) -> String {
    let (address, clock) = (tcp_address(house), Clock::real());
    let deadline = clock.now() + LIMIT;
    loop {
        let text = get_text(&address, path).await;
        if is_it(&text) {
            return text;
        }
        assert!(clock.now() < deadline, "{}\n{text}", house.log_text());
        clock.sleep(LOOK_EVERY).await;
    }
}

async fn counted(house: &House, metric: &str, value: u64) {
    let line = format!("{metric} {value}");
    shown(house, "/metrics", |text| text.lines().any(|found| found == line)).await;
}

/// The children of a provider's supervisor.
fn beneath(tree: &Value, provider: &str) -> Vec<String> {
    let mut node = tree.clone();
    for id in ["providers", provider] {
        let children = node["children"].as_array().cloned().unwrap_or_default();
        node = children.into_iter().find(|child| child["id"] == id).unwrap_or_default();
    }
    let children = node["children"].as_array().cloned().unwrap_or_default();
    children.iter().map(|child| child["id"].as_str().unwrap().to_owned()).collect()
}

/// Waits until the log has said this so many times, and sees that it says it no more often.
async fn said(house: &House, words: &str, times: usize) {
    let clock = Clock::real();
    let deadline = clock.now() + LIMIT;
    while house.log_text().matches(words).count() < times {
        assert!(clock.now() < deadline, "no `{words}` in\n{}", house.log_text());
        clock.sleep(LOOK_EVERY).await;
    }
    assert_eq!(house.log_text().matches(words).count(), times, "{}", house.log_text());
}

pub(crate) fn hang_up(house: &House) {
    kill(Pid::from_raw(i32::try_from(house.pid()).unwrap()), Signal::SIGHUP).unwrap();
}

#[tokio::test]
async fn a_call_under_way_ends_well_while_its_model_leaves_and_others_come() {
    let mut house = ordinary_house();
    let after = afterwards(&house.files());
    configure(
        &house,
        &[("vendor", "{name: planner}, {name: editor}, {name: reviewer}")],
        "agents: {planner: {model: vendor/planner}, editor: {model: vendor/editor}, reviewer: {model: vendor/reviewer}}\n",
    );
    house.vendor.hold("planner", "");
    let client = house.serve().await;
    counted(&house, REVISION, 1).await;
    let id = client.start(&house.order()).await.unwrap();
    house.vendor.await_asked("planner", "", 1);

    configure(
        &house,
        &[("vendor", "{name: reviewer}, {name: spare}"), ("second", "{name: planner}, {name: editor}")],
        "agents: {planner: {model: second}, editor: {model: vendor/spare, temperature: 0.4}, reviewer: {model: reviewer}}\n",
    );
    counted(&house, REVISION, 2).await;
    // Whom a call still needs stays.
    let tree = client.tree().await.unwrap();
    assert!(beneath(&tree, "vendor").contains(&"planner".to_owned()), "{tree}");
    house.vendor.release("planner", "");
    Story::follow(&client, &id).done().await;

    assert_eq!(house.files(), after);
    let asked = house.vendor.asked();
    assert_eq!((asked.len(), house.vendor.answered().len()), (CALLS, CALLS), "nothing was asked twice");
    let mut models: Vec<&str> = asked.iter().map(|asked| asked.model.as_str()).collect();
    models.sort_unstable();
    assert_eq!(models, ["planner", "reviewer", "spare", "spare", "spare"]);
    assert!(asked.iter().filter(|asked| asked.model == "spare").all(|asked| asked.body.contains("0.4")));

    // Who is needed no more goes; who came is told apart by the revision.
    let settled = ["account", "reviewer", "spare@2"];
    let clock = Clock::real();
    let deadline = clock.now() + LIMIT;
    let mut tree = client.tree().await.unwrap();
    while beneath(&tree, "vendor") != settled {
        assert!(clock.now() < deadline, "{tree}");
        clock.sleep(LOOK_EVERY).await;
        tree = client.tree().await.unwrap();
    }
    assert_eq!(beneath(&tree, "second@2"), ["account", "planner", "editor"]);
    let metrics = get_text(&tcp_address(&house), "/metrics").await;
    let ended = r#"impresario_model_calls_total{end="answered",fault="none",model="planner",operation="plan",provider="vendor"} 1"#;
    assert!(metrics.contains(ended), "the call that outlived its model is counted:\n{metrics}");
}

#[tokio::test]
async fn a_wrong_configuration_changes_nothing_and_is_told_once_until_it_is_mended() {
    let mut house = ordinary_house();
    let client = house.serve().await;
    let before = client.providers().await.unwrap().len();
    fs::write(house.config(), "routing:\n  maxRetries: many\nlog: {levl: info}\n").unwrap();
    counted(&house, FAILURES, 1).await;
    hang_up(&house);
    counted(&house, FAILURES, 2).await;
    counted(&house, REVISION, 1).await;
    let file = house.config().display().to_string();
    said(&house, "the last good one stays in force", 2).await;
    said(&house, &format!("{file}:2:15: "), 2).await;
    said(&house, "did you mean `level`?", 2).await;
    assert_eq!(client.providers().await.unwrap().len(), before);
    let status = house.run(&["config", "status"]).await;
    let told = words(&status);
    assert_eq!(status.status.code(), Some(1), "{told}");
    assert!(told.contains("configuration 1 is in force") && told.contains("did you mean `level`?"), "{told}");

    // A role that names nobody is seen before anything is changed.
    configure(&house, &[("vendor", "{name: planner}")], "agents: {editor: {model: vendor/none}}\n");
    counted(&house, FAILURES, 3).await;
    assert_eq!(client.providers().await.unwrap().len(), before);

    configure(
        &house,
        &[("vendor", "{name: planner}")],
        "agents: {editor: {model: vendor/planner}}\nserver: {workers: 5}\n",
    );
    counted(&house, REVISION, 2).await;
    assert!(
        client
            .providers()
            .await
            .unwrap()
            .iter()
            .any(|known| known.deployment.to_string() == "vendor/planner")
    );
    said(&house, "server.workers", 1).await;
    let standing = client.configuration().await.unwrap();
    assert_eq!((standing.revision, standing.is_refused()), (2, false));
    assert_eq!(standing.waiting, ["server.workers"]);
    let status = house.run(&["config", "status"]).await;
    assert_eq!(status.status.code(), Some(0), "{}", words(&status));
    counted(&house, FAILURES, 3).await;
    assert!(house.stop().await.success());

    let shown = house.run(&["audit", "show", "--action", "config", "--format", "json"]).await;
    let lines = String::from_utf8(shown.stdout).unwrap();
    let entries: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let told = entries.iter().map(|entry| {
        assert_eq!((&entry["who"], &entry["action"]), (&"server".into(), &"config.reload".into()));
        entry["outcome"].as_str().unwrap()
    });
    assert_eq!(told.collect::<Vec<_>>(), ["refused", "refused", "refused", "ok"], "{lines}");
    assert!(entries[0]["detail"].as_str().unwrap().contains("did you mean `level`?"), "{lines}");
}

#[tokio::test]
async fn a_file_that_goes_and_comes_back_is_read_again() {
    let mut house = ordinary_house();
    let text = fs::read_to_string(house.config()).unwrap();
    let client = house.serve().await;
    fs::remove_file(house.config()).unwrap();
    counted(&house, FAILURES, 1).await;
    fs::write(house.config(), format!("{text}routing: {{maxRetries: 0}}\n")).unwrap();
    counted(&house, REVISION, 2).await;
    let id = client.start(&house.order()).await.unwrap();
    Story::follow(&client, &id).done().await;
}
