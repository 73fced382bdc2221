//! `demo`: a whole workflow on the embedded project. Its models are scripted; all else is as it always is.
//!
//! Everything happens in one temporary folder, which goes at the end unless it is to be kept.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clock::Clock;
use process::{Command, Finished, Limits, Network, Runner};
use tempfile::TempDir;
use units::Seq;

use super::interrupts::Interrupts;
use super::reach::Reach;
use super::screen::Screen;
use super::story::{Line, Mark};
use super::watching::{Watched, watch};
use super::{End, example, logging, printable, refuse, report, serve};
use crate::config::{self, Environment, Flags, Loaded};
use crate::http::views::NewWorkflow;

const GOAL: &str = "Read fractions such as 1.5h, know days, and say at which place in a text a mistake is.";
const CHECK: [&str; 3] = ["cargo", "test", "--offline"];
/// How the demo's server is configured. The prices are made up, like the answers.
const CONFIG: &str = "\
providers:
  demo:
    kind: scripted
    script: demo.yaml
    models:
      - name: large
        price: {input: 3.0, cached_input: 0.3, cache_written: 3.75, output: 15.0}
      - name: small
        price: {input: 0.8, cached_input: 0.08, cache_written: 1.0, output: 4.0}
agents:
  planner: {model: demo/large}
  editor: {model: demo/small}
  reviewer: {model: demo/large}
";

/// The demo's folder and what is in it.
struct Stage {
    folder: TempDir,
    workspace: PathBuf,
    environment: Environment,
    keep: bool,
}

/// Plays the demo.
///
/// # Errors
/// When it cannot be set up (also: there is no `cargo`), or its server fails.
pub(crate) async fn demo(screen: &mut Screen, keep: bool) -> anyhow::Result<End> {
    let mut interrupts = Interrupts::listen()?;
    let mut stage = Stage::set(keep)?;
    let loaded = stage.load().map_err(refuse)?;
    logging::start(&loaded.settings.log, logging::QUIET, screen.progress());
    let Some(version) = interrupts.unless(stage.cargo(Path::new("/"), &["--version"])).await else {
        return Ok(End::Interrupted);
    };
    let needs = "the demo builds and tests its project with cargo; install Rust, or add its folder to PATH";
    let version = version.context(needs).map_err(refuse)?;
    stage.introduce(screen, &version)?;
    let reach = Reach::own(loaded).await?;
    let outcome = play(screen, &stage, &reach, &mut interrupts).await;
    if keep && matches!(outcome, Ok(End::Done | End::Failed)) {
        stay(screen, &stage, &reach, &mut interrupts).await?;
    }
    let end = reach.close(&mut interrupts, *outcome.as_ref().unwrap_or(&End::Failed)).await;
    if keep {
        let folder = stage.folder.keep();
        screen.say(&format!("everything stays in {}", folder.display()))?;
    }
    outcome.map(|_| end)
}

impl Stage {
    fn set(keep: bool) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("impresario-demo-").tempdir()?;
        let workspace = folder.path().join("unitwise");
        example::unpack(&workspace)?;
        std::fs::write(folder.path().join("demo.yaml"), example::SCRIPT)?;
        std::fs::write(folder.path().join("impresario.yaml"), CONFIG)?;
        Ok(Self { folder, workspace, environment: Environment::default(), keep })
    }

    fn flags(&self) -> Flags {
        Flags {
            config: Some(self.folder.path().join("impresario.yaml")),
            state_dir: Some(self.folder.path().join("state")),
            listen: Some((std::net::Ipv4Addr::LOCALHOST, 0).into()),
            roots: vec![self.workspace.clone()],
            ..Flags::default()
        }
    }

    /// The demo's configuration, and nothing of the person's own: no key is read, no other model can be chosen.
    fn load(&mut self) -> anyhow::Result<Loaded> {
        let surroundings = config::load(&self.flags())?.environment;
        self.environment = surroundings.only(process::inherited_names()).into_iter().collect();
        Ok(config::load_from(&self.flags(), self.environment.clone())?)
    }

    /// Runs cargo in the limited process.
    async fn cargo(&self, folder: &Path, args: &[&str]) -> anyhow::Result<Finished> {
        let launcher = std::env::current_exe().context("the path of this program is not to be had")?;
        let command = Command {
            program: "cargo".into(),
            args: args.iter().map(Into::into).collect(),
            cwd: folder.to_owned(),
            env: self.environment.only(process::inherited_names()),
            network: Network::Off,
            limits: Limits::default(),
        };
        Ok(Runner::new(launcher, Clock::real()).run(&command).await?)
    }

    fn introduce(&self, screen: &Screen, cargo: &Finished) -> anyhow::Result<()> {
        let lines = [
            "its models are scripted: their answers are written beforehand, and no prompt is sent anywhere"
                .to_owned(),
            "all else is real: the server, the store, the working copies, the tests, the commits".to_owned(),
            format!(
                "the project comes with this program and counts as trusted: {}",
                self.workspace.display()
            ),
            format!("its tests: {}", cargo.isolation),
        ];
        screen.line(&Line::new(Mark::Said, "demo of a whole workflow").with(lines.to_vec()))?;
        Ok(())
    }
}

async fn play(
    screen: &mut Screen,
    stage: &Stage,
    reach: &Reach,
    interrupts: &mut Interrupts,
) -> anyhow::Result<End> {
    let new = NewWorkflow {
        goal: GOAL.to_owned(),
        workspace: stage.workspace.clone(),
        check: Some(CHECK.map(str::to_owned).to_vec()),
        ..NewWorkflow::default()
    };
    let id = reach.client.start(&new).await?;
    if watch(screen, &reach.client, &id, Seq(0), interrupts).await? == Watched::Detached {
        return Ok(End::Interrupted);
    }
    let further = match stage.keep {
        true => "its folder stays",
        false => "its folder goes when the demo ends; impresario demo --keep leaves it",
    };
    let end = report::report(screen, &reach.client, &id, further).await?;
    screen.heading("The project's own tests, once more, where the changes are now")?;
    let [_, args @ ..] = CHECK;
    let Some(tests) = interrupts.unless(stage.cargo(&stage.workspace, &args)).await else {
        return Ok(End::Interrupted);
    };
    let tests = tests?;
    let passed = tests.end == process::End::Exited(0);
    let (mark, details) = match passed {
        true => (Mark::Done, results(&tests.output.text)),
        false => (Mark::Failed, printable::telling(&tests.output.text)),
    };
    screen.line(&Line::new(mark, format!("{}: {}", CHECK.join(" "), tests.end)).with(details))?;
    Ok(if passed { end } else { End::Failed })
}

/// Leaves the server to be looked at.
async fn stay(
    screen: &Screen,
    stage: &Stage,
    reach: &Reach,
    interrupts: &mut Interrupts,
) -> anyhow::Result<()> {
    let Some(server) = reach.server() else { return Ok(()) };
    screen.heading("The demo's server stays until Ctrl-C")?;
    let mut line = serve::listens(server.addresses());
    let again = format!("impresario --state-dir {}", stage.folder.path().join("state").display());
    line.details.push(format!("to see who lives in it: {again} tree"));
    line.details.push(format!("the project: {}", stage.workspace.display()));
    screen.line(&line)?;
    interrupts.next().await;
    Ok(())
}

fn results(output: &str) -> Vec<String> {
    output.lines().filter(|line| line.starts_with("test result:")).map(printable::line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_demo_asks_no_model_but_its_own() {
        let mut stage = Stage::set(false).unwrap();
        let loaded = stage.load().unwrap();
        let shown = format!("{:?}", loaded.settings.agents);
        assert!(shown.contains("demo") && !shown.contains("Auto"), "{shown}");
        assert!(stage.environment.get("ANTHROPIC_API_KEY").is_none());
    }
}
