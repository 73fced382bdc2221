//! The commands of another machine: they ask a named server over TCP, with a key from a variable and with TLS.

use std::process::Output;

use crate::doors::{also, certify};
use crate::failing::tcp_address;
use crate::house::{House, bare_command, output};
use crate::keys::{SECRET, id, made};
use crate::runs::ordinary_house;

/// Runs a command as somebody who has nothing of the house but its address and these variables.
async fn elsewhere(house: &House, variables: &[(&str, &str)], args: &[&str]) -> (Option<i32>, String) {
    let mut command = bare_command(&house.path("nobody's"));
    command.args(args).envs(variables.iter().copied());
    let Output { status, stdout, stderr } = output(command).await;
    (status.code(), String::from_utf8(stdout).unwrap() + &String::from_utf8(stderr).unwrap())
}

#[tokio::test]
async fn every_command_that_asks_a_server_asks_the_one_that_is_named_and_needs_a_key_there() {
    let mut house = ordinary_house();
    house.serve().await;
    let url = format!("http://{}", tcp_address(&house));
    let worker = made(&house, &["keys", "create", "--name", "w", "--scope", "workflows"]).await;
    let admin = made(&house, &["keys", "create", "--name", "a", "--scope", "admin"]).await;
    let (work, administer) = ([("IMPRESARIO_KEY", worker.as_str())], [("IMPRESARIO_KEY", admin.as_str())]);
    let folder = house.workspace().display().to_string();

    let run = ["--server", &url, "run", "--workspace", &folder, "--check", "sh check.sh", "change the texts"];
    let (code, told) = elsewhere(&house, &work, &run).await;
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains(&format!("impresario --server {url} attach ")), "{told}");
    let named = [("IMPRESARIO_SERVER", url.as_str()), work[0]];
    let (code, list) = elsewhere(&house, &named, &["workflows"]).await;
    assert_eq!(code, Some(0), "{list}");
    let workflow = list.split(' ').next().unwrap();
    for (variables, args) in [
        (&work, vec!["attach", workflow]),
        (&work, vec!["workflows", workflow]),
        (&administer, vec!["tree"]),
        (&administer, vec!["models"]),
        (&administer, vec!["prompts", "list"]),
        (&administer, vec!["purge", "--dry-run"]),
        (&administer, vec!["keys", "list"]),
        (&administer, vec!["keys", "revoke", id(&worker)]),
        (&administer, vec!["audit", "show"]),
        (&administer, vec!["audit", "verify"]),
        (&administer, vec!["config", "status"]),
        (&administer, vec!["requests"]),
        (&administer, vec!["captures", "list"]),
        (&administer, vec!["breaker", "vendor/editor", "open"]),
        (&administer, vec!["breaker", "vendor/editor", "auto"]),
        (&administer, vec!["tree", "kill", "root/statistics"]),
    ] {
        let args = [["--server", &url].as_slice(), &args].concat();
        let (code, told) = elsewhere(&house, variables, &args).await;
        assert_eq!(code, Some(0), "{args:?}: {told}");
        assert!(!told.contains(&worker[SECRET]) && !told.contains(&admin[SECRET]), "{told}");
    }

    // Nobody, somebody whose key was revoked, and somebody whose key is for something else.
    for (variables, words) in
        [(&[][..], "IMPRESARIO_KEY"), (&work, "IMPRESARIO_KEY"), (&administer, "the scope `workflows`")]
    {
        let (code, told) = elsewhere(&house, variables, &["--server", &url, "abort", workflow]).await;
        assert!(code != Some(0) && told.contains(words), "{code:?} {told}");
    }
    assert!(house.stop().await.success());
    let (code, told) = elsewhere(&house, &work, &["--server", &url, "workflows"]).await;
    assert!(code == Some(2) && told.contains("cannot be reached"), "{told}");
    assert!(!house.log_text().contains(&worker[SECRET]) && !house.log_text().contains(&admin[SECRET]));
}

#[tokio::test]
async fn a_key_goes_over_tls_to_whom_the_machine_or_the_named_file_trusts() {
    let mut house = ordinary_house();
    certify(&house);
    also(&house, "server: {tls: {certificate: chain.pem, key: key.pem}}");
    house.serve().await;
    let url = format!("https://{}", tcp_address(&house));
    let key = made(&house, &["keys", "create", "--name", "w", "--scope", "workflows"]).await;
    let key = ("IMPRESARIO_KEY", key.as_str());
    let ca = house.path("chain.pem").display().to_string();

    let (code, told) = elsewhere(&house, &[key], &["--server", &url, "workflows"]).await;
    assert!(code == Some(2) && told.contains("certificate") && told.contains("--ca-file"), "{told}");
    let (code, told) = elsewhere(&house, &[key], &["--server", &url, "--ca-file", &ca, "workflows"]).await;
    assert_eq!(code, Some(0), "{told}");
    let (code, told) =
        elsewhere(&house, &[key, ("IMPRESARIO_CA_FILE", &ca)], &["--server", &url, "workflows"]).await;
    assert_eq!(code, Some(0), "{told}");
    let missing = house.path("missing.pem").display().to_string();
    let (code, told) =
        elsewhere(&house, &[key], &["--server", &url, "--ca-file", &missing, "workflows"]).await;
    assert!(code == Some(2) && told.contains("missing.pem"), "{told}");
}

#[tokio::test]
async fn what_would_show_a_key_or_asks_nobody_is_refused_before_anything_is_sent() {
    let house = ordinary_house();
    let key = [("IMPRESARIO_KEY", "imp_0123456789ab_hush")];
    for (args, words) in [
        (["--server", "http://192.0.2.1:7300", "workflows"], "--plaintext"),
        (["--server", "https://me:hush@192.0.2.1", "workflows"], "IMPRESARIO_KEY"),
        (["--server", "192.0.2.1:7300", "workflows"], "https://NAME:PORT"),
        (["--server", "https://192.0.2.1", "serve"], "leave out --server"),
        (["--server", "https://192.0.2.1", "doctor"], "leave out --server"),
    ] {
        let (code, told) = elsewhere(&house, &key, &args).await;
        assert!(code == Some(2) && told.contains(words) && !told.contains("hush"), "{args:?} {told}");
    }
}
