//! A real server in a process and folders of its own, with a scripted provider and vendors played over HTTP, and plain ways
//! to talk to it.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use clock::Clock;
use impresario::client::Client;
use impresario::http::views::{KeyOrder, NewWorkflow};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use standin::Standin;
use tempfile::TempDir;
use workflow::Mode;

use crate::say;

/// Goals, by what the script makes of them.
pub(crate) const SLOW: &str = "Think for long";
pub(crate) const HOPELESS: &str = "Do what nobody can plan";
pub(crate) const BETA: &str = "Make it beta";
pub(crate) const ALPHA: &str = "Make it alpha";

const RULES: &str = r#"
models: [one, two]
rules:
  - match: {role: planner, prompt: {contains: ["Think for long"]}}
    answer: {text: never, first_byte_ms: 600000}
  - match: {role: planner, prompt: {contains: ["Do what nobody can plan"]}}
    answer: {text: "I would rather not."}
  - match: {role: planner, prompt: {contains: ["Make it beta"]}}
    answer: {text: '{"summary":"b","tasks":[{"id":"beta","title":"does <beta>","detail":"d","writes":["a.txt"]}]}', piece_bytes: 16, between_pieces_ms: 1}
  - match: {role: planner}
    answer: {text: '{"summary":"a","tasks":[{"id":"alpha","title":"does <alpha>","detail":"d","writes":["a.txt"]}]}'}
  - match: {role: editor, prompt: {contains: ["does <beta>"]}}
    answer: {text: "a.txt\n<<<<<<< SEARCH\nalpha\n=======\nbeta\n>>>>>>> REPLACE\n"}
  - match: {role: editor}
    answer: {text: "a.txt\n<<<<<<< SEARCH\nbeta\n=======\nalpha\n>>>>>>> REPLACE\n"}
  - match: {role: reviewer}
    answer: {text: '{"verdict":"approve","summary":"as asked","findings":[]}'}
"#;
/// How long the server may take to answer first, and to end.
const WITHIN: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// A server that runs.
pub(crate) struct Stage {
    folder: TempDir,
    server: Child,
    pub(crate) client: Client,
    pub(crate) address: SocketAddr,
    /// Of a client of the gateway.
    pub(crate) key: String,
    vendors: Standin,
    pub(crate) clock: Clock,
}

impl Stage {
    pub(crate) async fn open() -> Self {
        let folder = TempDir::new().expect("a folder can be made");
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).expect("it is ours");
        fs::create_dir(folder.path().join("work")).expect("it is ours");
        write("work/a.txt", "alpha\n");
        write("rules.yaml", RULES);
        write("vendor.key", standin::KEY);
        fs::set_permissions(folder.path().join("vendor.key"), fs::Permissions::from_mode(0o600))
            .expect("it is ours");
        let vendors = Standin::start().await.expect("loopback has a free port");
        write("impresario.yaml", &configuration(0, &vendors.url()));
        // Free a moment ago: nobody else looks for one here.
        let free = TcpListener::bind(("127.0.0.1", 0)).and_then(|listener| listener.local_addr());
        let address = free.expect("loopback has a free port");
        let log = fs::File::create(folder.path().join("log")).expect("it is ours");
        let server = Command::new(env!("CARGO_BIN_EXE_impresario"))
            .arg("--config")
            .arg(folder.path().join("impresario.yaml"))
            .arg("--state-dir")
            .arg(folder.path().join("state"))
            .args(["--listen", &address.to_string(), "--provider", "demo", "--root"])
            .arg(folder.path().join("work"))
            .arg("serve")
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a descriptor"))
            .stderr(log)
            .spawn()
            .expect("the binary starts");
        let clock = Clock::real();
        let socket = folder.path().join("state/impresario.sock");
        let deadline = clock.now() + WITHIN;
        let client = loop {
            match Client::connect(&socket).await {
                Ok(client) => break client,
                Err(error) if clock.now() > deadline => panic!("the server does not answer: {error}"),
                Err(_) => clock.sleep(LOOK_EVERY).await,
            }
        };
        let scopes = ["gateway"].into_iter().map(|scope| scope.parse().expect("a scope")).collect();
        let order = KeyOrder { name: "the soak's".to_owned(), scopes, ..KeyOrder::default() };
        let key = client.create_key(&order).await.expect("a key is made").key.0;
        Self { folder, server, client, address, key, vendors, clock }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.server.id()
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.path("state/impresario.sock")
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn work(&self) -> PathBuf {
        self.path("work")
    }

    /// Puts a configuration in force that differs with each `turn`.
    pub(crate) fn configure(&self, turn: u64) {
        self.write_configuration(&configuration(turn, &self.vendors.url()));
    }

    pub(crate) fn write_configuration(&self, text: &str) {
        fs::write(self.path("new.yaml"), text).expect("it is ours");
        fs::rename(self.path("new.yaml"), self.path("impresario.yaml")).expect("it is ours");
    }

    pub(crate) fn order(&self, goal: &str, mode: Mode) -> NewWorkflow {
        NewWorkflow {
            goal: goal.to_owned(),
            workspace: self.work(),
            check: Some(vec!["true".to_owned()]),
            mode: Some(mode),
            ..NewWorkflow::default()
        }
    }

    /// Whether it ended well when it was asked to stop.
    pub(crate) async fn close(mut self) -> bool {
        let pid = Pid::from_raw(i32::try_from(self.pid()).expect("a process id"));
        kill(pid, Signal::SIGTERM).expect("it runs");
        let deadline = self.clock.now() + WITHIN;
        loop {
            match self.server.try_wait().expect("it is our child") {
                Some(ended) if ended.success() => return true,
                None if self.clock.now() < deadline => self.clock.sleep(LOOK_EVERY).await,
                ended => {
                    say(&format!(
                        "FAILED: the server ended with {ended:?}; the end of its log:\n{}",
                        tail(&self.path("log"))
                    ));
                    return false;
                }
            }
        }
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // It has ended, unless something failed.
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

fn configuration(turn: u64, vendors: &str) -> String {
    let temperature = turn % 10;
    let models = "[{name: text}, {name: tools}, {name: thinking}, {name: dies}, {name: stream-200}, {name: stream-500-paced-10}]";
    let vendor = |name: &str, path: &str| {
        format!(
            "  {name}: {{kind: {name}, base_url: \"{vendors}{path}\", api_key: {{file: vendor.key}}, models: {models}}}\n"
        )
    };
    let (anthropic, openai, gemini) =
        (vendor("anthropic", ""), vendor("openai", "/v1"), vendor("gemini", ""));
    format!(
        "providers:\n  ollama: null\n  vllm: null\n  llama_cpp: null\n  demo: {{kind: scripted, script: rules.yaml}}\n\
         {anthropic}{openai}{gemini}\
         log: {{level: error}}\nserver: {{drain_s: 5}}\nagents: {{planner: {{temperature: 0.{temperature}}}}}\n"
    )
}

fn tail(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}
