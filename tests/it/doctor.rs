//! `doctor` beside a server and without one: what it finds, and the exit code.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use crate::commands::{assert_plain, words};
use crate::house::{House, bare_command, output};
use crate::runs::ordinary_house;

/// The findings about one thing, as verdict and text.
fn about(findings: &Value, what: &str) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let found = findings["findings"].as_array().unwrap().iter().filter(|found| found["about"] == what);
    found.map(|found| (text(&found["verdict"]), text(&found["text"]))).collect()
}

async fn findings(house: &House) -> (Option<i32>, Value) {
    let told = house.run(&["doctor", "--format", "json"]).await;
    (told.status.code(), serde_json::from_slice(&told.stdout).unwrap_or_else(|_| panic!("{}", words(&told))))
}

#[tokio::test]
async fn finds_nothing_wrong_with_a_house_that_is_in_order_with_and_without_a_server() {
    let mut house = ordinary_house();
    let (code, found) = findings(&house).await;
    assert_eq!(code, Some(0), "{found:#}");
    assert!(about(&found, "server")[0].1.contains("none runs"), "{found:#}");
    assert!(!house.state().exists(), "it only looks");

    house.serve().await;
    let (code, found) = findings(&house).await;
    assert_eq!(code, Some(0), "{found:#}");
    assert!(about(&found, "server")[0].1.contains(&house.pid().to_string()), "{found:#}");
    assert!(about(&found, "database")[0].1.contains("its schema is that of this program"), "{found:#}");
    assert!(about(&found, "provider").iter().any(|(_, text)| text.starts_with("vendor: ")), "{found:#}");
    for what in
        ["configuration", "state folder", "disk", "address", "open files", "processes", "clock", "commands"]
    {
        assert!(!about(&found, what).is_empty(), "nothing about {what}: {found:#}");
    }
    let told = house.run(&["doctor"]).await;
    assert_plain(&words(&told));
    assert!(words(&told).contains("ok   state folder"), "{}", words(&told));
}

#[tokio::test]
async fn what_keeps_a_server_from_starting_fails_with_its_remedy() {
    let house = ordinary_house();
    fs::create_dir(house.state()).unwrap();
    fs::set_permissions(house.state(), fs::Permissions::from_mode(0o755)).unwrap();
    let (code, found) = findings(&house).await;
    assert_eq!(code, Some(1), "{found:#}");
    assert!(about(&found, "state folder")[0].1.contains("chmod 700"), "{found:#}");

    fs::set_permissions(house.state(), fs::Permissions::from_mode(0o700)).unwrap();
    let taken = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let mut command = bare_command(&house.path("nobody's"));
    command.arg("--config").arg(house.config()).arg("--state-dir").arg(house.state());
    let told = output({
        command.args(["--listen", &address, "doctor"]);
        command
    });
    let told = told.await;
    assert_eq!(told.status.code(), Some(1), "{}", words(&told));
    assert!(words(&told).contains(&format!("another program listens on {address}")), "{}", words(&told));

    fs::write(house.config(), "nonsense: 1\n").unwrap();
    let (code, found) = findings(&house).await;
    assert_eq!(code, Some(1), "{found:#}");
    assert!(about(&found, "configuration")[0].1.contains("nonsense"), "{found:#}");
    assert!(!about(&found, "clock").is_empty(), "it goes on with what it can see: {found:#}");
}

/// The launcher of a user's namespaces may have one thread alone. The allocator once began more before it.
#[tokio::test]
async fn an_ordinary_user_has_namespaces_wherever_the_system_has_them() {
    const NOBODY: u32 = 65_534;
    let house = ordinary_house();
    let program = house.path("impresario");
    // He may not enter the folder that it was built in.
    fs::copy(env!("CARGO_BIN_EXE_impresario"), &program).unwrap();
    for path in [program.parent().unwrap(), &program] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let mut command = tokio::process::Command::new(program);
    command.env_clear().env("HOME", house.path("nobody's")).args(["doctor", "--format", "json"]);
    if nix::unistd::geteuid().is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    let told = output(command).await;
    let found: Value = serde_json::from_slice(&told.stdout).unwrap_or_else(|_| panic!("{}", words(&told)));
    let commands = about(&found, "commands");
    assert!(!commands.is_empty(), "{found:#}");
    assert!(commands.iter().all(|(_, text)| !text.contains("Invalid argument")), "{commands:#?}");
}
