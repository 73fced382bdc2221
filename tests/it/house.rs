//! A house to test: folders of its own, a workspace, a configuration, the provider, and the server as a process.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Output, Stdio};
use std::time::Duration;

use clock::Clock;
use impresario::client::Client;
use impresario::http::views::NewWorkflow;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::folder::{self, Files};
use crate::vendor::{Asked, Says, Vendor};

/// The longest that anything may take; past it a test has failed.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);
/// How often another process is looked at, where it tells nobody that it has changed.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// The check of all workspaces: no text may say that it is broken.
const CHECK: &str =
    "#!/bin/sh\nif grep -rq BROKEN --include='*.txt' .; then echo 'a text is BROKEN'; exit 1; fi\n";
/// The server of PostgreSQL that the tests run against, if it is not to be SQLite.
const TEST_SERVER: &str = "IMPRESARIO_TEST_POSTGRES";
/// What the surroundings of the tests must not decide.
const FOREIGN: [&str; 24] = [
    "ANTHROPIC_API_KEY",
    "ANTHROPIC_BASE_URL",
    "OPENAI_API_KEY",
    "OPENAI_BASE_URL",
    "GEMINI_API_KEY",
    "GOOGLE_API_KEY",
    "IMPRESARIO_CONFIG",
    "IMPRESARIO_STATE_DIR",
    "IMPRESARIO_SERVER",
    "IMPRESARIO_KEY",
    "IMPRESARIO_CA_FILE",
    "IMPRESARIO_FAILPOINT",
    "IMPRESARIO_STORE__URL",
    TEST_SERVER,
    "IMPRESARIO_TEST_POSTGRES_BIN",
    "PGPASSWORD",
    "NOTIFY_SOCKET",
    "WATCHDOG_USEC",
    "WATCHDOG_PID",
    "OTEL_EXPORTER_OTLP_HEADERS",
    "OTEL_EXPORTER_OTLP_TRACES_HEADERS",
    "NO_COLOR",
    "CLICOLOR_FORCE",
    "RUST_LOG",
];

/// Everything of one test; dropped, its processes end and its folders go.
pub(crate) struct House {
    folder: TempDir,
    /// The provider.
    pub(crate) vendor: Vendor,
    server: Option<Child>,
    starts: usize,
}

impl House {
    /// A house whose models speak by this rule, each role with a model of its name.
    pub(crate) fn new(rule: impl Fn(&Asked) -> Says + Send + Sync + 'static) -> Self {
        let folder = TempDir::new().unwrap();
        let house = Self { folder, vendor: Vendor::open(Box::new(rule)), server: None, starts: 0 };
        fs::create_dir(house.workspace()).unwrap();
        house.write("check.sh", CHECK);
        house.configure("vendor/editor");
        house
    }

    /// Writes the configuration; `editor` is what edits.
    pub(crate) fn configure(&self, editor: &str) {
        let url = self.vendor.base_url();
        let price = "price: {input: 1.0, cached_input: 0.1, cache_written: 1.0, output: 2.0}";
        let models =
            ["planner", "editor", "spare", "reviewer"].map(|name| format!("{{name: {name}, {price}}}"));
        let text = format!(
            "providers:\n  vendor:\n    kind: openai_compatible\n    base_url: {url}\n    models: [{}]\n\
             agents:\n  planner: {{model: vendor/planner}}\n  editor: {{model: {editor}}}\n  \
             reviewer: {{model: vendor/reviewer}}\n",
            models.join(", "),
        );
        fs::write(self.config(), text).unwrap();
    }

    /// A place in the house outside of the workspace.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn workspace(&self) -> PathBuf {
        self.path("work")
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.path("impresario.yaml")
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.path("state")
    }

    /// Writes a file of the workspace, as a person does.
    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.workspace().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.workspace().join(name)).unwrap()
    }

    pub(crate) fn files(&self) -> Files {
        folder::files(&self.workspace())
    }

    /// An order for this workspace, its check among it.
    pub(crate) fn order(&self) -> NewWorkflow {
        NewWorkflow {
            goal: "change the texts".to_owned(),
            workspace: self.workspace(),
            check: Some(vec!["sh".to_owned(), "check.sh".to_owned()]),
            ..NewWorkflow::default()
        }
    }

    /// The binary with the house's configuration and state folder, and nothing of the surroundings that could decide.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = bare_command(&self.path("nobody's"));
        command.arg("--config").arg(self.config()).arg("--state-dir").arg(self.state());
        command.args(["--listen", "127.0.0.1:0"]).args(args);
        if let Some(url) = self.store_url() {
            command.env("IMPRESARIO_STORE__URL", url);
        }
        command
    }

    /// A schema of the house's own.
    #[expect(
        clippy::disallowed_methods,
        reason = "which database a test runs on is no setting of the program"
    )]
    pub(crate) fn store_url(&self) -> Option<String> {
        let server = std::env::var(TEST_SERVER).ok().filter(|url| !url.is_empty())?;
        let mut name = DefaultHasher::new();
        (self.folder.path(), std::process::id()).hash(&mut name);
        Some(format!("{server}?schema=t_{:016x}", name.finish()))
    }

    /// Runs it to its end.
    pub(crate) async fn run(&self, args: &[&str]) -> Output {
        output(self.command(args)).await
    }

    /// Starts a server and waits until it answers.
    pub(crate) async fn serve(&mut self) -> Client {
        let command = self.command(&["serve"]);
        self.start(command).await
    }

    /// As [`House::serve`], with these variables.
    pub(crate) async fn serve_with(&mut self, variables: &[(&str, &str)]) -> Client {
        let mut command = self.command(&["serve"]);
        command.envs(variables.iter().copied());
        self.start(command).await
    }

    /// Starts a server that kills itself just before the `nth` rename of a transaction.
    pub(crate) async fn serve_doomed(&mut self, nth: usize) -> Client {
        let mut command = self.command(&["serve"]);
        command.env("IMPRESARIO_FAILPOINT", format!("rename:{nth}"));
        self.start(command).await
    }

    pub(crate) async fn start(&mut self, mut command: Command) -> Client {
        assert!(self.server.is_none(), "one runs already");
        self.starts += 1;
        let log = fs::File::create(self.log()).unwrap();
        command.arg("--root").arg(self.workspace());
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        self.server = Some(command.kill_on_drop(true).spawn().unwrap());
        let clock = Clock::real();
        let deadline = clock.now() + LIMIT;
        loop {
            if let Ok(client) = Client::connect(&self.state().join("impresario.sock")).await {
                return client;
            }
            let ended = self.server.as_mut().unwrap().try_wait().unwrap();
            assert!(ended.is_none(), "the server ended at once, {ended:?}:\n{}", self.log_text());
            assert!(clock.now() < deadline, "the server does not answer:\n{}", self.log_text());
            clock.sleep(LOOK_EVERY).await;
        }
    }

    /// Ends the server in an instant.
    pub(crate) async fn kill(&mut self) {
        self.server.as_mut().unwrap().start_kill().unwrap();
        assert!(self.killed().await, "the server ended by itself");
    }

    /// Waits for the server's end; whether it was killed.
    pub(crate) async fn killed(&mut self) -> bool {
        self.ended().await.signal() == Some(Signal::SIGKILL as i32)
    }

    /// Asks the server to stop, and tells how it ended.
    pub(crate) async fn stop(&mut self) -> ExitStatus {
        self.signal(Signal::SIGTERM);
        self.ended().await
    }

    /// Sends the server a signal.
    pub(crate) fn signal(&self, which: Signal) {
        signal(self.server.as_ref().unwrap(), which);
    }

    /// Waits for the server's end, and tells how it ended.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        let mut server = self.server.take().unwrap();
        let ended = Clock::real().timeout(LIMIT, server.wait()).await;
        ended.unwrap_or_else(|_| panic!("the server does not end:\n{}", self.log_text())).unwrap()
    }

    /// The folders go next: nobody may write to them any more.
    fn end_server(&mut self) {
        let Some(mut server) = self.server.take() else { return };
        let Some(pid) = server.id().and_then(|pid| i32::try_from(pid).ok()) else { return };
        if server.start_kill().is_ok() {
            // Waited for and not reaped: that is its handle's to do.
            let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT;
            let _ = waitid(Id::Pid(Pid::from_raw(pid)), flags);
        }
    }

    /// The server's process id.
    pub(crate) fn pid(&self) -> u32 {
        self.server.as_ref().and_then(Child::id).unwrap()
    }

    /// What the server of the last start printed.
    pub(crate) fn log_text(&self) -> String {
        fs::read_to_string(self.log()).unwrap_or_default()
    }

    fn log(&self) -> PathBuf {
        self.path(&format!("server-{}.log", self.starts))
    }
}

impl Drop for House {
    #[expect(clippy::print_stderr, reason = "who looks at a failed test needs the server's words")]
    fn drop(&mut self) {
        self.end_server();
        if !std::thread::panicking() {
            return;
        }
        for start in 1..=self.starts {
            let log = fs::read_to_string(self.path(&format!("server-{start}.log"))).unwrap_or_default();
            eprintln!("--- server, start {start}\n{log}");
        }
        for asked in self.vendor.asked() {
            let last = asked.text.char_indices().rev().nth(600).map_or(0, |(at, _)| at);
            eprintln!("--- `{}` was asked: …{}", asked.model, &asked.text[last..]);
        }
    }
}

/// The binary; `home` is where it finds no configuration and no state of anybody.
pub(crate) fn bare_command(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_impresario"));
    for name in FOREIGN {
        command.env_remove(name);
    }
    command.env("XDG_CONFIG_HOME", home).env("XDG_STATE_HOME", home).stdin(Stdio::null());
    command
}

/// Runs a command to its end.
pub(crate) async fn output(mut command: Command) -> Output {
    let running = command.kill_on_drop(true).output();
    Clock::real().timeout(LIMIT, running).await.expect("it ends").unwrap()
}

/// Sends a signal to a process that this test started.
pub(crate) fn signal(child: &Child, signal: Signal) {
    let pid = i32::try_from(child.id().unwrap()).unwrap();
    kill(Pid::from_raw(pid), signal).unwrap();
}
