//! Runs a workspace's own check command, in a working copy, in the limited process.

use std::ffi::OsString;
use std::path::Path;

use process::{Command, End, Network};
use supervision::Failure;

use crate::workbench::Running;

/// What a check said.
pub(crate) struct Checked {
    /// Whether it passed.
    pub(crate) passed: bool,
    /// What it printed, its end beside it.
    pub(crate) report: String,
}

/// Runs `check` in `folder`; an empty command passes and says that there was none.
pub(crate) async fn run(running: &Running, check: &[String], folder: &Path) -> Result<Checked, Failure> {
    let Some((program, args)) = check.split_first() else {
        return Ok(Checked { passed: true, report: "(no check command: nothing was run)".to_owned() });
    };
    let command = Command {
        program: program.into(),
        args: args.iter().map(OsString::from).collect(),
        cwd: folder.to_owned(),
        env: running.environment.clone(),
        network: Network::Off,
        limits: running.limits.clone(),
    };
    let finished = running.runner.run(&command).await.map_err(Failure::new)?;
    let passed = finished.end == End::Exited(0);
    let command = check.join(" ");
    let report = format!("$ {command}\n{}\n({})", finished.output.text.trim_end(), finished.end);
    Ok(Checked { passed, report })
}
