//! The configuration as people meet it: where each value comes from, everything that is wrong with it at once.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::Value;
use workflow::Outcome;

use crate::commands::{assert_plain, assert_refused, words};
use crate::failing::{get_text, tcp_address};
use crate::house::{House, output};
use crate::runs::{CALLS, furnish, ordinary, ordinary_house};
use crate::speech::approve;
use crate::story::Story;
use crate::vendor::Says;

/// Writes the configuration: the vendor with these models, and `rest`.
fn configure(house: &House, models: &[&str], rest: &str) {
    let models: Vec<String> = models.iter().map(|model| format!("{{name: {model}}}")).collect();
    let (url, models) = (house.vendor.base_url(), models.join(", "));
    let text = format!(
        "providers:\n  ollama: null\n  vllm: null\n  llama_cpp: null\n  vendor: {{kind: openai_compatible, \
         base_url: \"{url}\", models: [{models}]}}\n{rest}"
    );
    fs::write(house.config(), text).unwrap();
}

#[tokio::test]
async fn each_printed_value_says_where_it_comes_from_and_all_of_it_reads_back() {
    let house = ordinary_house();
    fs::write(house.config(), "server:\n  workers: 3\nlog: {level: info}\n").unwrap();
    let print = |format: &str| {
        let mut command = house.command(&["--root", "/tmp", "config", "print", "--format", format]);
        command.env("IMPRESARIO_LOG__LEVEL", "debug").env("ANTHROPIC_API_KEY", "sk-nobody-may-see-it");
        output(command)
    };
    let yaml = words(&print("yaml").await);
    let file = house.config().display().to_string();
    for line in [
        format!("  workers: 3  # {file}:2"),
        "  level: debug  # IMPRESARIO_LOG__LEVEL".to_owned(),
        "  listen: 127.0.0.1:0  # --listen".to_owned(),
        "  format: auto  # default".to_owned(),
        "  roots:  # --root".to_owned(),
    ] {
        assert!(yaml.lines().any(|found| found == line), "no `{line}` in\n{yaml}");
    }
    assert!(!yaml.contains("sk-nobody"), "{yaml}");
    assert_plain(&yaml);

    let json: serde_json::Value = serde_json::from_str(&words(&print("json").await)).unwrap();
    assert_eq!(json["settings"]["server.workers"]["value"], 3);
    assert_eq!(json["settings"]["server.workers"]["origin"], format!("{file}:2"));
    assert_eq!(json["file"], file);

    fs::write(house.config(), &yaml).unwrap();
    let again = words(&house.run(&["--root", "/tmp", "config", "check"]).await);
    assert!(again.contains("the configuration is good"), "{again}");
    let values = |text: &str| -> Vec<String> {
        let value = |line: &str| line.split("  # ").next().unwrap().trim().to_owned();
        text.lines().filter(|line| !line.starts_with('#')).map(value).collect()
    };
    assert_eq!(values(&words(&house.run(&["config", "print"]).await)), values(&yaml));
}

#[tokio::test]
async fn check_tells_everything_at_once_and_ends_with_2() {
    let house = ordinary_house();
    fs::write(house.config(), "log: {levle: info}\nserver:\n  workers: none\n  listne: x\n").unwrap();
    let refused = house.run(&["config", "check"]).await;
    let file = house.config().display().to_string();
    assert_refused(
        &refused,
        &[
            &format!("error: {file}:1:7: unknown key `levle` in `log`; did you mean `level`?"),
            &format!("error: {file}:3:3: server.workers: invalid type"),
            &format!("error: {file}:4:3: unknown key `listne` in `server`; did you mean `listen`?"),
            "3 errors",
        ],
    );
    assert!(!house.state().exists());
}

#[tokio::test]
async fn check_takes_a_file_of_its_own_and_ends_with_0_when_it_is_good() {
    let house = ordinary_house();
    let other = house.path("other.yaml");
    fs::write(&other, "log: {level: warn}\n").unwrap();
    fs::write(house.config(), "nonsense: 1\n").unwrap();
    let good = house.run(&["config", "check", other.to_str().unwrap()]).await;
    assert_eq!(good.status.code(), Some(0), "{}", words(&good));
    assert!(words(&good).contains(other.to_str().unwrap()), "{}", words(&good));
    assert_refused(
        &house.run(&["config", "check", "/nowhere/x.yaml"]).await,
        &["correct its path, or create it"],
    );
    assert_refused(&house.run(&["config", "check", "/"]).await, &["it is a folder"]);
}

#[tokio::test]
async fn a_file_that_may_not_be_read_is_refused_with_whose_right_is_missing() {
    let house = ordinary_house();
    fs::set_permissions(house.config(), fs::Permissions::from_mode(0o000)).unwrap();
    if fs::read(house.config()).is_ok() {
        // Root reads everything.
        return;
    }
    assert_refused(&house.run(&["config", "check"]).await, &["give the user that runs this the right"]);
}

#[tokio::test]
async fn each_role_of_the_forerunners_block_asks_its_model_with_its_temperature() {
    let mut house = ordinary_house();
    let block = "agents:\n  planner:\n    model: planner\n    temperature: 0.7\n  editor:\n    model: editor\n    \
                 temperature: 0.2\n  reviewer:\n    model: reviewer\n    temperature: 0\nrouting:\n  strategy: \
                 priority\n  fallbackEnabled: true\n  maxRetries: 3\nmcp:\n  contextPort: 3001\n  modelPort: 3002\n  \
                 maxConnections: 50\n";
    configure(&house, &["planner", "editor", "reviewer"], block);
    let checked = house.run(&["config", "check"]).await;
    assert_eq!(checked.status.code(), Some(0), "{}", words(&checked));
    assert!(words(&checked).contains("note: `mcp` is checked and not used yet"), "{}", words(&checked));

    let client = house.serve().await;
    let id = client.start(&house.order()).await.unwrap();
    Story::follow(&client, &id).done().await;
    let asked = house.vendor.asked();
    assert_eq!(asked.len(), CALLS);
    for asked in asked {
        let body: Value = serde_json::from_str(&asked.body).unwrap();
        let expected = match asked.model.as_str() {
            "planner" => 0.7,
            "editor" => 0.2,
            _ => 0.0,
        };
        assert_eq!(body["temperature"].as_f64(), Some(expected), "{}", asked.model);
    }
}

#[tokio::test]
async fn the_policy_of_routing_is_kept_by_the_gateway() {
    let fails = |asked: &crate::vendor::Asked| match asked.model.as_str() {
        "planner" => Says::Fails(503),
        "spare" => ordinary(&crate::vendor::Asked { model: "planner".to_owned(), ..asked.clone() }),
        _ => approve(),
    };
    let agents = "agents: {planner: {model: [vendor/planner, vendor/spare]}, editor: {model: vendor}, reviewer: {model: \
                  vendor}}\nworkflow: {step_failures: 0}\n";
    let mut house = House::new(fails);
    let rest = format!("{agents}routing: {{fallbackEnabled: false, maxRetries: 1}}\n");
    configure(&house, &["planner", "spare"], &rest);
    let client = house.serve().await;
    let id = client.start(&house.order()).await.unwrap();
    let (outcome, heard) = Story::follow(&client, &id).end().await;
    assert!(matches!(outcome, Outcome::Failed { .. }), "{heard:#?}");
    let models: Vec<String> = house.vendor.asked().into_iter().map(|asked| asked.model).collect();
    assert_eq!(models, ["planner", "planner"]);
}

#[tokio::test]
async fn a_temperature_that_a_model_refuses_is_dropped_and_reported_where_people_look() {
    let mut house = House::new(|asked| match asked.body.contains("temperature") && asked.model == "editor" {
        true => Says::Refuses("Unsupported value: 'temperature' does not support 0.2 with this model."),
        false => ordinary(asked),
    });
    furnish(&house);
    let agents = "agents: {planner: {model: planner, temperature: 0.2}, editor: {model: editor, temperature: 0.2}, \
                  reviewer: {model: reviewer}}\nworkflow: {parallel_editors: 1}\n";
    configure(&house, &["planner", "editor", "reviewer"], agents);
    let client = house.serve().await;
    let id = client.start(&house.order()).await.unwrap();
    Story::follow(&client, &id).done().await;
    let refused = house.vendor.asked().len() - house.vendor.answered().len();
    assert_eq!(refused, 1, "the others were asked without it at once");
    assert_eq!(house.log_text().matches("refuses a parameter").count(), 1, "{}", house.log_text());
    let metrics = get_text(&tcp_address(&house), "/metrics").await;
    for (model, value) in [("editor", 1), ("planner", 0)] {
        let sample = format!(
            "impresario_model_parameter_dropped{{model=\"{model}\",parameter=\"temperature\",provider=\"vendor\"}} {value}"
        );
        assert!(metrics.lines().any(|line| line == sample), "no `{sample}` in\n{metrics}");
    }
}
