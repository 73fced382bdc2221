//! The log: JSON where nobody sits at a terminal, levels by part, and never what passes through the server.

use std::fs;

use serde_json::Value;

use crate::house::House;
use crate::runs::ordinary_house;
use crate::story::Story;

/// A key that the provider is called with.
const KEY: &str = "planted-key-5c0de9";
/// A goal that no other text holds; a careless person wrote the key into it.
const GOAL: &str = "plant the word xyzzy-goal everywhere, with planted-key-5c0de9";

/// The house with a key, and this configuration of the log.
fn configure(house: &House, log: &str) {
    let url = house.vendor.base_url();
    let models = ["planner", "editor", "reviewer"].map(|name| format!("{{name: {name}}}")).join(", ");
    let vendor = format!(
        "{{kind: openai_compatible, base_url: \"{url}\", api_key: {{env: PLANTED}}, models: [{models}]}}"
    );
    let agents = "agents: {planner: {model: vendor/planner}, editor: {model: vendor/editor}, reviewer: {model: \
                  vendor/reviewer}}";
    // What is captured is written there alone.
    let capture = "telemetry: {capture: {routes: [/v1/workflows]}}";
    let text = format!("providers: {{vendor: {vendor}}}\n{agents}\nlog: {log}\n{capture}\n");
    fs::write(house.config(), text).unwrap();
}

/// Runs a workflow to its end, stops the server and gives its log.
async fn logged(log: &str) -> (House, String) {
    let mut house = ordinary_house();
    configure(&house, log);
    let client = house.serve_with(&[("PLANTED", KEY)]).await;
    let order = impresario::http::views::NewWorkflow { goal: GOAL.to_owned(), ..house.order() };
    let id = client.start(&order).await.unwrap();
    Story::follow(&client, &id).done().await;
    assert!(house.stop().await.success());
    let text = house.log_text();
    (house, text)
}

/// The lines that are of the log; the rest is what the command says to its user.
fn lines(text: &str) -> Vec<Value> {
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).filter(Value::is_object).collect()
}

#[tokio::test]
async fn nothing_that_passes_through_is_logged_at_the_most_talkative_level() {
    let others =
        ["hyper", "hyper_util", "reqwest", "rustls", "actix_web", "actix_http", "actix_server", "mio"];
    let others = others.map(|name| format!("{name}: info")).join(", ");
    let (house, text) = logged(&format!("{{level: trace, targets: {{{others}}}}}")).await;
    assert!(text.contains("gateway") || text.contains("impresario::http"), "{text}");

    let mut secrets = vec![KEY.to_owned(), GOAL.to_owned(), "xyzzy".to_owned()];
    for asked in house.vendor.answered() {
        assert!(asked.text.contains("xyzzy-goal"), "the goal is in every prompt");
        let words: Vec<&str> = asked.text.lines().filter(|line| line.split(' ').count() > 4).collect();
        secrets.extend(words.into_iter().map(str::to_owned));
    }
    // What models answered: the plan's words and the editors'.
    secrets.extend(["does what was asked", "SEARCH", "REPLACE"].map(str::to_owned));
    for secret in secrets {
        assert!(!text.contains(&secret), "`{secret}` is in the log:\n{text}");
    }
    let captures = fs::read_dir(house.state().join("captures")).unwrap();
    let captured: String = captures.map(|one| fs::read_to_string(one.unwrap().path()).unwrap()).collect();
    assert!(captured.contains("xyzzy-goal everywhere, with [redacted]"), "{captured}");
    assert!(!captured.contains(KEY), "the key of a provider is known by heart: {captured}");
}

#[tokio::test]
async fn what_is_read_by_machines_is_json_with_fields_and_the_spans_around() {
    let (_house, text) = logged("{targets: {actors: debug}}").await;
    let lines = lines(&text);
    assert!(!lines.is_empty(), "{text}");
    for line in &lines {
        assert!(
            line["level"].is_string() && line["timestamp"].is_string() && line["target"].is_string(),
            "{line}"
        );
    }
    let started =
        |line: &&Value| line["target"] == "actors::workflows" && line["fields"]["message"] == "started";
    let started = lines.iter().find(started).unwrap_or_else(|| panic!("no start in\n{text}"));
    assert!(started["fields"]["workflow.id"].is_string(), "{started}");
    assert_eq!(started["span"]["http.route"], "/v1/workflows", "{started}");
}

#[tokio::test]
async fn a_part_that_is_told_to_be_quiet_is() {
    let (_house, text) = logged("{format: json, targets: {supervision: error}}").await;
    let lines = lines(&text);
    assert!(lines.iter().any(|line| line["target"] == "actors::workflows"), "{text}");
    assert!(
        lines
            .iter()
            .all(|line| line["target"].as_str().is_none_or(|target| !target.starts_with("supervision")))
    );
}
