//! The servers that are measured, each in processes and a folder of its own: Impresario as users run it, and nginx.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use clock::Clock;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, SysconfVar, sysconf};
use tempfile::TempDir;

/// How long one may take to answer first, and to end.
const WITHIN: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A server that runs until it is dropped.
pub(crate) struct Server {
    process: Child,
    folder: TempDir,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// What it asks for, if it asks for one.
    pub(crate) key: String,
}

impl Server {
    /// Impresario with one worker: keys, routes, metrics, requests and usage rows in SQLite.
    pub(crate) async fn impresario(vendor: SocketAddr) -> Self {
        let folder = tempfile::tempdir().expect("the folder for temporary files takes files");
        let address = free();
        let text = format!(
            "providers:\n  anthropic: null\n  openai: null\n  gemini: null\n  ollama: null\n  vllm: null\n  llama_cpp: null\n\
             \x20 vendor:\n    kind: openai_compatible\n    base_url: http://{vendor}/v1\n    models:\n\
             {}\
             server:\n  workers: 1\n  limits:\n    connections: 2048\n    connections_per_address: 2048\n    requests: 2048\n\
             \x20   requests_per_address: 2048\n    requests_per_principal: 2048\n",
            ["plain", "paced"].map(|name| format!("      - {{name: {name}, price: {{input: 1.0, cached_input: 0.1, cache_written: 1.25, output: 4.0}}}}\n")).concat(),
        );
        fs::write(folder.path().join("impresario.yaml"), text).expect("it is ours");
        let mut command = own(folder.path());
        command.args(["--listen", &address.to_string(), "serve"]);
        let process = start(command, folder.path());
        let mut server = Self { process, folder, address, key: String::new() };
        server.listens().await;
        server.key = server.new_key().await;
        server
    }

    /// nginx with one worker, which keeps its connections and buffers no answer.
    pub(crate) async fn nginx(vendor: SocketAddr) -> Self {
        let folder = tempfile::tempdir().expect("the folder for temporary files takes files");
        let address = free();
        let place = folder.path().display();
        let kinds = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
        let places = kinds.map(|kind| format!("  {kind}_temp_path {place}/{kind};\n")).concat();
        let user = if nix::unistd::geteuid().is_root() { "user root;\n" } else { "" };
        let text = format!(
            "{user}daemon off;\nworker_processes 1;\npid {place}/pid;\nerror_log {place}/log error;\n\
             events {{ worker_connections 4096; }}\nhttp {{\n  access_log off;\n{places}  client_max_body_size 64m;\n  client_body_buffer_size 1m;\n\
             \x20 keepalive_requests 100000000;\n  tcp_nodelay on;\n\
             \x20 upstream vendor {{ server {vendor}; keepalive 1024; keepalive_requests 100000000; }}\n\
             \x20 server {{\n    listen {address} backlog=1024;\n    location / {{\n      proxy_pass http://vendor;\n      proxy_http_version 1.1;\n\
             \x20     proxy_set_header Connection \"\";\n      proxy_buffering off;\n    }}\n  }}\n}}\n"
        );
        let configuration = folder.path().join("nginx.conf");
        fs::write(&configuration, text).expect("it is ours");
        let mut command = Command::new("nginx");
        command.arg("-c").arg(configuration).arg("-p").arg(folder.path());
        let process = start(command, folder.path());
        let mut server = Self { process, folder, address, key: "none".to_owned() };
        server.listens().await;
        server
    }

    async fn listens(&mut self) {
        let clock = Clock::real();
        let deadline = clock.now() + WITHIN;
        while TcpStream::connect(self.address).is_err() {
            let ended = self.process.try_wait().expect("it is our child");
            assert!(ended.is_none() && clock.now() < deadline, "it does not start: {}", self.log());
            clock.sleep(LOOK_EVERY).await;
        }
    }

    async fn new_key(&self) -> String {
        let clock = Clock::real();
        let deadline = clock.now() + WITHIN;
        loop {
            let made = own(self.folder.path())
                .args(["keys", "create", "--name", "load", "--scope", "gateway"])
                .stdin(Stdio::null())
                .output()
                .expect("the binary starts");
            let said = String::from_utf8_lossy(&made.stdout).trim().to_owned();
            if let (true, Some(key)) = (made.status.success(), said.lines().last()) {
                return key.to_owned();
            }
            let error = String::from_utf8_lossy(&made.stderr);
            assert!(clock.now() < deadline, "no key: {error}; {}", self.log());
            clock.sleep(LOOK_EVERY).await;
        }
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// The CPU time of all its processes so far, in user mode and in the kernel.
    pub(crate) fn cpu(&self) -> Duration {
        let per_second = sysconf(SysconfVar::CLK_TCK).ok().flatten().expect("Linux says how long a tick is");
        let ticks: u32 = self.tree().iter().map(|id| ticks(*id)).sum();
        Duration::from_secs(1) * ticks / u32::try_from(per_second).expect("a hundred or so")
    }

    /// Bytes of anonymous memory that all its processes have in RAM.
    pub(crate) fn anonymous_bytes(&self) -> u64 {
        self.tree().iter().map(|id| anonymous(*id)).sum()
    }

    /// Its process and all below it.
    fn tree(&self) -> Vec<u32> {
        let mut tree = vec![self.process.id()];
        let mut at = 0;
        while let Some(id) = tree.get(at) {
            let tasks = fs::read_dir(format!("/proc/{id}/task")).into_iter().flatten().flatten();
            let children = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
            let children: Vec<String> = children.collect();
            tree.extend(
                children
                    .iter()
                    .flat_map(|ids| ids.split_whitespace())
                    .filter_map(|id| id.parse::<u32>().ok()),
            );
            at += 1;
        }
        tree
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // nginx's worker ends with its master only when that is asked to stop.
        let id = i32::try_from(self.process.id()).expect("a process id");
        let _ = kill(Pid::from_raw(id), Signal::SIGTERM);
        let _ = self.process.wait();
    }
}

fn own(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_impresario"));
    command.arg("--config").arg(folder.join("impresario.yaml")).arg("--state-dir").arg(folder.join("state"));
    command
}

fn start(mut command: Command, folder: &Path) -> Child {
    let log = fs::File::create(folder.join("log")).expect("it is ours");
    let output = log.try_clone().expect("a descriptor");
    let started = command.stdin(Stdio::null()).stdout(output).stderr(log).spawn();
    started.unwrap_or_else(|error| panic!("{command:?} does not start: {error}"))
}

/// Free a moment ago: nobody else looks for one here.
fn free() -> SocketAddr {
    TcpListener::bind(("127.0.0.1", 0)).and_then(|listener| listener.local_addr()).expect("a free port")
}

/// Clock ticks of a process and of its children that have ended.
fn ticks(id: u32) -> u32 {
    // One that has ended meanwhile has given them to its parent.
    let text = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    // The name before them may have blanks in it.
    let fields = text.rsplit(')').next().unwrap_or_default();
    fields.split_whitespace().skip(11).take(4).filter_map(|ticks| ticks.parse::<u32>().ok()).sum()
}

fn anonymous(id: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{id}/smaps_rollup")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("Anonymous:")).unwrap_or("0 kB");
    line.trim().trim_end_matches("kB").trim().parse::<u64>().expect("a number of kB") * 1_024
}
