//! A server in a temporary folder, whose provider plays a script, and plain ways to talk to it.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;

use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use units::{Seq, WorkflowId};
use workflow::{Event, Mode};

use crate::client::Client;
use crate::config::{self, Environment, Flags, Loaded};
use crate::http::views::{NewWorkflow, ServerEvent};
use crate::server::Server;

/// A goal whose plan comes at once.
pub(super) const PLANNED: &str = "Greet the world";
/// A goal that nobody answers in time.
pub(super) const SLOW: &str = "Think for long";

const RULES: &str = r#"
models: [one]
rules:
  - match: {role: planner, prompt: {contains: ["Think for long"]}}
    answer: {text: never, first_byte_ms: 600000}
  - match: {role: planner}
    answer:
      text: '{"summary":"Greets.","tasks":[{"id":"greet","title":"Greet","detail":"Say hello.","writes":["hello.txt"]}]}'
"#;

pub(super) struct Stage {
    pub(super) server: Server,
    pub(super) client: Client,
    pub(super) folder: TempDir,
}

/// Plans run no commands, and so nobody launches any.
pub(super) fn launcher() -> PathBuf {
    PathBuf::from("/bin/false")
}

/// A schema of the stage's own, where the tests are to run against a server of PostgreSQL.
#[expect(clippy::disallowed_methods, reason = "which database a test runs on is no setting of the program")]
fn store_url(folder: &TempDir) -> Option<String> {
    let server = std::env::var("IMPRESARIO_TEST_POSTGRES").ok().filter(|url| !url.is_empty())?;
    let mut name = DefaultHasher::new();
    (folder.path(), std::process::id()).hash(&mut name);
    Some(format!("{server}?schema=t_{:016x}", name.finish()))
}

impl Stage {
    pub(super) async fn open() -> Self {
        Self::open_in(Self::prepare()).await
    }

    /// With these settings of `server`, as a mapping of YAML.
    pub(super) async fn open_with(server: &str) -> Self {
        let folder = Self::prepare();
        let config = folder.path().join("impresario.yaml");
        let text = std::fs::read_to_string(&config).unwrap();
        std::fs::write(config, format!("{text}server: {server}\n")).unwrap();
        Self::open_in(folder).await
    }

    pub(super) async fn open_in(folder: TempDir) -> Self {
        let loaded = Self::load(&folder, "127.0.0.1:0");
        let server = Server::start_with(loaded, clock::Clock::real(), launcher()).await.unwrap();
        let client = Client::connect(&server.addresses().socket).await.unwrap();
        Self { server, client, folder }
    }

    pub(super) fn prepare() -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("work")).unwrap();
        std::fs::write(folder.path().join("rules.yaml"), RULES).unwrap();
        let config = "providers: {demo: {kind: scripted, script: rules.yaml}}\n";
        std::fs::write(folder.path().join("impresario.yaml"), config).unwrap();
        folder
    }

    pub(super) fn load(folder: &TempDir, listen: &str) -> Loaded {
        let flags = Flags {
            config: Some(folder.path().join("impresario.yaml")),
            state_dir: Some(folder.path().join("state")),
            listen: Some(listen.parse().unwrap()),
            roots: vec![folder.path().join("work")],
            provider: Some("demo".parse().unwrap()),
            ..Flags::default()
        };
        let mut variables = vec![("HOME", folder.path().display().to_string())];
        variables.extend(store_url(folder).map(|url| ("IMPRESARIO_STORE__URL", url)));
        config::load_from(&flags, variables.into_iter().collect::<Environment>()).unwrap()
    }

    pub(super) async fn close(self) -> TempDir {
        self.server.stop().await;
        self.folder
    }

    pub(super) fn workspace(&self) -> PathBuf {
        self.folder.path().join("work")
    }

    pub(super) fn order(&self, goal: &str) -> NewWorkflow {
        NewWorkflow {
            goal: goal.to_owned(),
            workspace: self.workspace(),
            check: Some(Vec::new()),
            mode: Some(Mode::PlanOnly),
            ..NewWorkflow::default()
        }
    }

    pub(super) async fn start(&self, goal: &str) -> WorkflowId {
        self.client.start(&self.order(goal)).await.unwrap()
    }

    /// All events to the workflow's end.
    pub(super) async fn events(&self, id: &WorkflowId) -> Vec<(Seq, Event)> {
        all(&self.client, id).await
    }

    /// Sends a request over TCP and reads until the server closes; the status and all after the head.
    pub(super) async fn ask(&self, head: &str) -> (u16, String) {
        let (status, _, body) = self.ask_whole(head).await;
        (status, body)
    }

    pub(super) async fn ask_whole(&self, head: &str) -> (u16, String, String) {
        let stream = TcpStream::connect(self.server.addresses().tcp).await.unwrap();
        exchange(stream, &format!("{head}Connection: close\r\n\r\n")).await
    }

    pub(super) async fn ask_with_body(&self, head: &str, body: &str) -> (u16, String, String) {
        let stream = TcpStream::connect(self.server.addresses().tcp).await.unwrap();
        exchange(stream, &format!("{head}Connection: close\r\n\r\n{body}")).await
    }

    /// Reads `path` over TCP as a well-behaved client does.
    pub(super) async fn get(&self, path: &str) -> (u16, String) {
        let port = self.server.addresses().tcp.port();
        self.ask(&format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n")).await
    }

    /// Posts JSON over the socket.
    pub(super) async fn post(&self, path: &str, body: &str) -> (u16, String) {
        self.post_as(path, "application/json", body).await
    }

    pub(super) async fn post_as(&self, path: &str, kind: &str, body: &str) -> (u16, String) {
        let stream = UnixStream::connect(&self.server.addresses().socket).await.unwrap();
        let length = body.len();
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\
             Connection: close\r\n\r\n{body}"
        );
        let (status, _, body) = exchange(stream, &request).await;
        (status, body)
    }
}

pub(super) async fn all(client: &Client, id: &WorkflowId) -> Vec<(Seq, Event)> {
    let mut following = client.follow(id, Seq(0));
    let mut events = Vec::new();
    while let Some(next) = following.next().await {
        match next.unwrap() {
            ServerEvent::Event(stored) => events.push((stored.seq, stored.event)),
            ServerEvent::Progress(_) => {}
        }
    }
    events
}

pub(super) async fn exchange(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    request: &str,
) -> (u16, String, String) {
    // A server that has heard enough may close before it has read all.
    let _ = stream.write_all(request.as_bytes()).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {answer:?}"));
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, head.to_ascii_lowercase(), body.to_owned())
}
