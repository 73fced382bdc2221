//! The demo as a script runs it, without a terminal.

use std::time::Duration;

use clock::Clock;
use tempfile::TempDir;

use crate::commands::assert_plain;
use crate::house::bare_command;

/// It compiles and tests a small crate several times, perhaps beside other builds.
const DEMO_LIMIT: Duration = Duration::from_secs(180);

#[tokio::test]
async fn the_demo_ends_well_and_prints_plain_lines() {
    let home = TempDir::new().unwrap();
    let mut command = bare_command(home.path());
    let running = command.arg("demo").kill_on_drop(true).output();
    let demo = Clock::real().timeout(DEMO_LIMIT, running).await.expect("the demo ends").unwrap();
    let (said, complained) = (String::from_utf8_lossy(&demo.stdout), String::from_utf8_lossy(&demo.stderr));
    assert_eq!(demo.status.code(), Some(0), "{said}\n{complained}");
    assert_plain(&said);
    assert_plain(&complained);
    assert!(said.contains("$0.0"), "no costs in:\n{said}");
}
