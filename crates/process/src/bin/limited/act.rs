//! Acts for tests that no program does that is on every machine.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;

use clock::Clock;
use process::{Command, Limits, Mechanism, Network, Runner};
use rustix::net::{AddressFamily, SocketType, socket};

/// Does what the first argument names with the others.
pub(crate) fn act(mut args: impl Iterator<Item = String>) -> io::Result<()> {
    let act = args.next().unwrap_or_default();
    let mut next = || args.next().ok_or(io::Error::from(io::ErrorKind::InvalidInput));
    match act.as_str() {
        "connect" => connect(&next()?),
        "loopback" => loopback(),
        "families" => families(),
        "escape" => escape(&next()?, &next()?),
        "hold" => hold(&next()?),
        "reap" => reap(&next()?),
        "serve" => serve(&next()?, &next()?),
        "writes" => writes(&next()?),
        _ => Err(io::ErrorKind::InvalidInput.into()),
    }
}

pub(crate) fn say(line: &str) {
    // A test that does not listen any more misses nothing.
    let _ = writeln!(io::stdout(), "{line}");
}

fn connect(address: &str) -> io::Result<()> {
    TcpStream::connect(address).map(drop)
}

/// Talks to itself.
fn loopback() -> io::Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let mut client = TcpStream::connect(listener.local_addr()?)?;
    client.write_all(b"x")?;
    listener.accept()?.0.read_exact(&mut [0])
}

/// Says which kinds of sockets can be made.
fn families() -> io::Result<()> {
    let families = [
        ("unix", AddressFamily::UNIX, SocketType::STREAM),
        ("inet", AddressFamily::INET, SocketType::STREAM),
        ("inet6", AddressFamily::INET6, SocketType::DGRAM),
        ("netlink", AddressFamily::NETLINK, SocketType::RAW),
        ("packet", AddressFamily::PACKET, SocketType::RAW),
        ("vsock", AddressFamily::VSOCK, SocketType::STREAM),
    ];
    for (name, family, kind) in families {
        match socket(family, kind, None) {
            Ok(_) => say(&format!("{name}: yes")),
            Err(error) => {
                say(&format!("{name}: {}", io::Error::from(error).raw_os_error().unwrap_or_default()))
            }
        }
    }
    Ok(())
}

/// Leaves its session and group, says so in one FIFO, and ends when the other one is closed.
fn escape(said: &str, until: &str) -> io::Result<()> {
    nix::unistd::setsid()?;
    // Opened before it says anything: who hears it may close the other end at once, and an open after that would wait
    // for a writer that never comes.
    let mut until = File::open(until)?;
    let mut said = File::options().write(true).open(said)?;
    said.write_all(b"escaped\n")?;
    until.read_to_end(&mut Vec::new()).map(drop)
}

/// Says in a FIFO that it is there, and stays until it is killed, whatever asks it to end.
fn hold(said: &str) -> io::Result<()> {
    nix::sys::signal::SigSet::all().thread_block()?;
    let mut said = File::options().write(true).open(said)?;
    said.write_all(b"ready\n")?;
    let (mut never, _writer) = io::pipe()?;
    never.read_exact(&mut [0])
}

/// Is a server that runs a program which holds the FIFO.
fn serve(mechanism: &str, said: &str) -> io::Result<()> {
    let launcher = std::env::current_exe()?;
    run(mechanism, launcher.into(), vec!["hold".into(), said.into()])
}

/// Is a server that runs a program and then looks for children that are left.
fn reap(mechanism: &str) -> io::Result<()> {
    run(mechanism, "/bin/sh".into(), vec!["-c".into(), "true & false & exit 1".into()])?;
    match nix::sys::wait::waitpid(None, Some(nix::sys::wait::WaitPidFlag::WNOHANG)) {
        Err(nix::errno::Errno::ECHILD) => say("no children"),
        other => say(&format!("{other:?}")),
    }
    Ok(())
}

fn run(mechanism: &str, program: OsString, args: Vec<OsString>) -> io::Result<()> {
    let mechanism: Mechanism = serde_json::from_str(mechanism)?;
    let (cwd, env, limits) = (PathBuf::from("/"), Vec::new(), Limits::default());
    let command = Command { program, args, cwd, env, network: Network::Off, limits };
    let runner = Runner::pinned(std::env::current_exe()?, Clock::real(), mechanism);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(runner.run(&command)).map(drop).map_err(io::Error::other)
}

/// Writes to the file until the system refuses.
fn writes(path: &str) -> io::Result<()> {
    // The signal for a file that is too large would end it before it can tell.
    nix::sys::signal::SigSet::all().thread_block()?;
    let mut file = File::create(path)?;
    let refused = loop {
        if let Err(error) = file.write_all(&[0; 4096]) {
            break error;
        }
    };
    say(&format!("{} bytes, then {}", fs::metadata(path)?.len(), refused.raw_os_error().unwrap_or_default()));
    Ok(())
}
