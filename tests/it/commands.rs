//! The command line as people and scripts meet it: exit codes, and words that say what to do next.

use std::fs;
use std::process::Output;

use nix::sys::signal::Signal;
use tokio::process::Child;

use crate::house::{House, LIMIT, output, signal};
use crate::runs::{afterwards, ordinary_house};
use clock::Clock;

pub(crate) fn words(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[track_caller]
pub(crate) fn assert_refused(output: &Output, expected: &[&str]) {
    let words = words(output);
    assert_eq!(output.status.code(), Some(2), "{words}");
    for expected in expected {
        assert!(words.contains(expected), "no `{expected}` in:\n{words}");
    }
}

#[tokio::test]
async fn a_second_server_on_one_state_folder_refuses_and_names_the_first() {
    let mut house = ordinary_house();
    let client = house.serve().await;
    let second = house.run(&["serve"]).await;
    assert_refused(&second, &[&house.pid().to_string(), house.state().to_str().unwrap()]);
    // The first one did not mind.
    client.workflows().await.unwrap();
}

#[tokio::test]
async fn a_run_without_any_provider_refuses_and_names_the_three_ways() {
    let house = ordinary_house();
    // Servers of the machine that this runs on are none of the test's.
    fs::write(house.config(), "providers: {ollama: null, vllm: null, llama_cpp: null}\n").unwrap();
    let mut command = house.command(&["run", "--workspace"]);
    command.arg(house.workspace()).arg("change the texts");
    let before = house.files();
    let refused = output(command).await;
    assert_refused(&refused, &["ANTHROPIC_API_KEY", "Ollama", "`providers` in the configuration file"]);
    assert_eq!(house.files(), before);
    assert!(!house.state().exists(), "nothing was started");
}

#[tokio::test]
async fn an_unknown_key_is_refused_with_its_line_and_a_suggestion() {
    let house = ordinary_house();
    fs::write(house.config(), "log: {level: info}\nworkflow:\n  plan_atempts: 2\n").unwrap();
    let place = format!("{}:3", house.config().display());
    assert_refused(&house.run(&["serve"]).await, &[&place, "plan_atempts", "plan_attempts"]);
}

#[tokio::test]
async fn a_workspace_outside_of_the_roots_is_refused_with_how_to_register_it() {
    let mut house = ordinary_house();
    fs::create_dir(house.path("elsewhere")).unwrap();
    let client = house.serve().await;
    let mut order = house.order();
    order.workspace = house.path("elsewhere");
    let refused = client.start(&order).await.unwrap_err().to_string();
    assert!(refused.contains("root"), "{refused}");
    assert!(client.workflows().await.unwrap().is_empty());
    assert!(house.vendor.asked().is_empty());
}

#[tokio::test]
async fn control_c_detaches_from_a_run_and_attach_brings_it_to_its_end() {
    let house = ordinary_house();
    let after = afterwards(&house.files());
    house.vendor.hold("planner", "");
    let workspace = house.workspace();
    let mut run = house.command(&["run", "--check", "sh check.sh", "--workspace"]);
    run.arg(&workspace).arg("change the texts").stdout(std::process::Stdio::piped());
    run.stderr(std::process::Stdio::piped()).kill_on_drop(true);
    let run: Child = run.spawn().unwrap();
    house.vendor.await_asked("planner", "", 1);
    signal(&run, Signal::SIGINT);
    let ended = Clock::real().timeout(LIMIT, run.wait_with_output()).await.expect("it ends").unwrap();
    let said = words(&ended);
    assert_eq!(ended.status.code(), Some(3), "{said}");
    let is_id = |word: &&str| word.len() == 12 && word.chars().all(|char| char.is_ascii_alphanumeric());
    let id = said.split("attach ").skip(1).filter_map(|rest| rest.split_whitespace().next()).find(is_id);
    let id = id.unwrap_or_else(|| panic!("it does not say how to attach again:\n{said}"));

    house.vendor.release("planner", "");
    let attached = house.run(&["--root", workspace.to_str().unwrap(), "attach", id]).await;
    assert_eq!(attached.status.code(), Some(0), "{}", words(&attached));
    assert_eq!(house.files(), after);
    assert_eq!(house.vendor.answered().len(), 5);
}

#[tokio::test]
async fn a_run_from_the_command_line_tells_its_story_in_plain_lines() {
    let house = ordinary_house();
    let after = afterwards(&house.files());
    let workspace = house.workspace();
    let args =
        ["run", "--check", "sh check.sh", "--workspace", workspace.to_str().unwrap(), "change the texts"];
    let run = house.run(&args).await;
    let said = words(&run);
    assert_eq!(run.status.code(), Some(0), "{said}");
    assert_eq!(house.files(), after);
    for expected in ["first", "second", "third", "+ALPHA", "vendor/planner", "vendor/editor"] {
        assert!(said.contains(expected), "no `{expected}` in:\n{said}");
    }
    assert_plain(&said);
}

#[tokio::test]
async fn a_run_that_fails_says_so_by_its_exit_code() {
    let house = House::new(|_| crate::vendor::Says::Text("I would rather not.".to_owned()));
    let before = house.files();
    let workspace = house.workspace();
    let args =
        ["run", "--check", "sh check.sh", "--workspace", workspace.to_str().unwrap(), "change the texts"];
    let run = house.run(&args).await;
    assert_eq!(run.status.code(), Some(1), "{}", words(&run));
    assert_eq!(house.files(), before);
}

/// No control characters but ends of lines, for this goes into logs of builds.
pub(crate) fn assert_plain(said: &str) {
    let control = said.chars().find(|char| char.is_control() && !matches!(char, '\n' | '\t'));
    assert_eq!(control, None, "a control character in:\n{said:?}");
}
