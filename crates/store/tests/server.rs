//! A server of PostgreSQL of this test's own: TLS with a certificate that it signed itself, and its stop and start.
//!
//! It needs PostgreSQL's programs: without `IMPRESARIO_TEST_POSTGRES_BIN`, the folder of `initdb` and `pg_ctl`, there is
//! nothing to look at.

#![expect(clippy::unwrap_used, reason = "a test's own functions fail the test")]

use std::fs::{self, Permissions};
use std::net::TcpListener;
use std::num::NonZeroUsize;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use store::{Append, Database, Error, EventId, NewEvent, NewWorkflow, Readers, Write, WriteError, Writer};
use tempfile::TempDir;
use tokio::sync::{mpsc, oneshot};
use units::{Fence, Seq, UnixMillis, WorkflowId};

/// PostgreSQL refuses to run as root: then it runs as the user that its package made.
const SERVERS_USER: &str = "postgres";

struct Cluster {
    programs: PathBuf,
    folder: TempDir,
    /// User and group, where they are not our own.
    owner: Option<(u32, u32)>,
    port: u16,
}

impl Cluster {
    /// Starts one with these additional settings; `prepare` is given its folder before.
    fn start(settings: &[&str]) -> Option<Self> {
        let programs = programs()?;
        let folder = TempDir::new().unwrap();
        // Nobody else takes a port that was free a moment ago, or the start fails and says so.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let cluster = Self { programs, owner: owner(folder.path()), folder, port };
        cluster.give(cluster.folder.path());
        cluster.run(
            "initdb",
            &["--auth=trust", "--username=postgres", "--locale=C", "--encoding=UTF8", "--no-sync"],
        );
        let socket = cluster.folder.path().display().to_string();
        let mut text = format!(
            "listen_addresses = '127.0.0.1'\nport = {port}\nunix_socket_directories = '{socket}'\nfsync = off\n"
        );
        for setting in settings {
            text += setting;
            text.push('\n');
        }
        let file = cluster.data().join("postgresql.auto.conf");
        fs::write(&file, text).unwrap();
        cluster.give(&file);
        Some(cluster)
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn up(&self) {
        let log = self.folder.path().join("log").display().to_string();
        self.run("pg_ctl", &["start", "--wait", "--silent", "--log", &log]);
    }

    fn down(&self) {
        self.run("pg_ctl", &["stop", "--wait", "--silent", "--mode=immediate"]);
    }

    fn run(&self, program: &str, arguments: &[&str]) {
        assert!(
            self.command(program, arguments).status().unwrap().success(),
            "{program} {arguments:?} failed"
        );
    }

    fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.programs.join(program));
        command.arg("-D").arg(self.data()).args(arguments).current_dir(self.folder.path());
        command.stdin(Stdio::null()).stdout(Stdio::null());
        if let Some((user, group)) = self.owner {
            command.uid(user).gid(group);
        }
        command
    }

    fn give(&self, path: &Path) {
        if let Some((user, group)) = self.owner {
            chown(path, Some(user), Some(group)).unwrap();
        }
    }

    /// Its certificate, for this name and signed by itself, and a key; gives the certificate's place.
    fn certify(&self, name: &str) -> PathBuf {
        let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
        let (certificate, key) = (self.data().join("server.crt"), self.data().join("server.key"));
        fs::write(&certificate, made.cert.pem()).unwrap();
        fs::write(&key, made.signing_key.serialize_pem()).unwrap();
        fs::set_permissions(&key, Permissions::from_mode(0o600)).unwrap();
        self.give(&certificate);
        self.give(&key);
        let copy = self.folder.path().join("ca.pem");
        fs::write(&copy, made.cert.pem()).unwrap();
        copy
    }

    fn database(&self, host: &str, parameters: &str) -> Database {
        let url = format!("postgres://postgres@{host}:{}/postgres{parameters}", self.port);
        Database::Postgres(url.parse().unwrap())
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // It may be down already.
        let _ = self
            .command("pg_ctl", &["stop", "--wait", "--silent", "--mode=immediate"])
            .stderr(Stdio::null())
            .status();
    }
}

#[expect(clippy::disallowed_methods, reason = "where PostgreSQL is installed is no setting of the program")]
fn programs() -> Option<PathBuf> {
    std::env::var_os("IMPRESARIO_TEST_POSTGRES_BIN").filter(|folder| !folder.is_empty()).map(PathBuf::from)
}

/// Whom the server runs as when we are root, whom the folder belongs to.
fn owner(folder: &Path) -> Option<(u32, u32)> {
    use std::os::unix::fs::MetadataExt;
    if fs::metadata(folder).unwrap().uid() != 0 {
        return None;
    }
    let users = fs::read_to_string("/etc/passwd").unwrap();
    let fields = users.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let user =
        fields.into_iter().find(|fields| fields[0] == SERVERS_USER).expect("the package makes its user");
    Some((user[2].parse().unwrap(), user[3].parse().unwrap()))
}

fn refused(database: &Database) -> String {
    let error = Writer::open(database).err().expect("it is refused");
    assert!(matches!(error, Error::Unreachable { .. }), "{error:?}");
    error.to_string()
}

#[test]
fn tls_works_with_a_certificate_that_is_named_and_with_no_other() {
    let Some(cluster) = Cluster::start(&["ssl = on"]) else { return };
    let ca = cluster.certify("localhost");
    // Whoever does not encrypt is turned away by the server itself.
    let access = cluster.data().join("pg_hba.conf");
    fs::write(&access, "hostssl all all 127.0.0.1/32 trust\n").unwrap();
    cluster.give(&access);
    cluster.up();
    let named = format!("&sslrootcert={}", ca.display());

    let plain = refused(&cluster.database("127.0.0.1", "?sslmode=disable"));
    assert!(plain.contains("no encryption"), "{plain}");
    for mode in ["require", "verify-full"] {
        let unknown = refused(&cluster.database("localhost", &format!("?sslmode={mode}")));
        assert!(unknown.contains("UnknownIssuer") || unknown.contains("certificate"), "{unknown}");
        let other_name = refused(&cluster.database("127.0.0.1", &format!("?sslmode={mode}{named}")));
        assert!(other_name.contains("certificate"), "{other_name}");

        let database = cluster.database("localhost", &format!("?sslmode={mode}{named}"));
        drop(Writer::open(&database).unwrap());
        let readers = Readers::open(&database, NonZeroUsize::MIN).unwrap();
        assert_eq!(readers.unfinished().unwrap(), []);
    }
}

#[test]
fn a_server_without_tls_is_refused_where_it_is_required() {
    let Some(cluster) = Cluster::start(&[]) else { return };
    cluster.up();
    for mode in ["require", "verify-full"] {
        let refusal = refused(&cluster.database("localhost", &format!("?sslmode={mode}")));
        assert!(refusal.contains("server does not support TLS"), "{refusal}");
    }
    drop(Writer::open(&cluster.database("localhost", "")).unwrap());
}

fn ask<T>(
    inbox: &mpsc::Sender<Write>,
    write: impl FnOnce(store::Reply<T>) -> Write,
) -> Option<Result<T, WriteError>> {
    let (reply, answer) = oneshot::channel();
    inbox.blocking_send(write(reply)).ok()?;
    answer.blocking_recv().ok()
}

fn append(id: &WorkflowId, fence: Fence, after: Seq) -> Append {
    let event = NewEvent {
        id: EventId(after.0 + 1),
        kind: "noted".to_owned(),
        payload: "{}".to_owned(),
        at: UnixMillis(0),
    };
    Append {
        workflow: id.clone(),
        fence,
        after,
        events: vec![event],
        usage: Vec::new(),
        projection: None,
        status: None,
        outcome: None,
    }
}

#[test]
fn a_server_that_is_stopped_and_started_has_all_that_was_acknowledged() {
    const OUTAGES: usize = 3;
    let Some(cluster) = Cluster::start(&[]) else { return };
    cluster.up();
    let database = cluster.database("127.0.0.1", "");
    let id = WorkflowId::from_random(1);
    let mut last = Seq(0);
    let mut readers = None;
    for outage in 0..OUTAGES {
        let writer = Writer::open(&database).unwrap();
        let readers = readers.get_or_insert_with(|| Readers::open(&database, NonZeroUsize::MIN).unwrap());
        let (inbox, writes) = mpsc::channel(16);
        let (begun, working) = std::sync::mpsc::sync_channel(1);
        let (acknowledged, end) = std::thread::scope(|scope| {
            let writing = scope.spawn(|| writer.run(writes, |_| ()));
            let (id, inbox) = (&id, inbox);
            let appending = scope.spawn(move || {
                let new = NewWorkflow {
                    id: id.clone(),
                    goal: String::new(),
                    root: String::new(),
                    status: String::new(),
                    at: UnixMillis(0),
                };
                // It is there already after the first outage.
                let _ = ask(&inbox, |reply| Write::Create { new, reply });
                let (workflow, at) = (id.clone(), UnixMillis(0));
                let claimed = ask(&inbox, |reply| Write::Claim { workflow, at, reply }).unwrap().unwrap();
                let (fence, mut last) = (claimed.fence, claimed.last_seq);
                loop {
                    match ask(&inbox, |reply| Write::Append { append: append(id, fence, last), reply }) {
                        Some(Ok(seq)) => last = seq,
                        Some(Err(WriteError::Database(_))) | None => return last,
                        Some(Err(error)) => panic!("{error}"),
                    }
                    // Full once it has been told.
                    let _ = begun.try_send(());
                }
            });
            working.recv().unwrap();
            cluster.down();
            (appending.join().unwrap(), writing.join().unwrap())
        });
        assert!(matches!(end, Err(Error::WriterFailed { .. })), "{end:?}");
        assert!(acknowledged > last, "outage {outage} came before anything was written");
        assert!(matches!(readers.workflow(&id), Err(Error::Unreachable { .. } | Error::Read(_))));
        assert!(Writer::open(&database).is_err());

        cluster.up();
        last = readers.workflow(&id).unwrap().unwrap().last_seq;
        assert!(
            last == acknowledged || last == acknowledged.next(),
            "{acknowledged:?} but {last:?} is there"
        );
        let mut seqs = 0;
        loop {
            let page = readers.events_after(&id, Seq(seqs), 1000).unwrap();
            if page.is_empty() {
                break;
            }
            for event in page {
                seqs += 1;
                assert_eq!((event.seq, event.id), (Seq(seqs), EventId(seqs)));
            }
        }
        assert_eq!(seqs, last.0);
    }
}
