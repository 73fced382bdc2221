//! The server's binary in its second role: it limits itself, then becomes the program.
//!
//! With namespaces there are three stages, each the same binary started anew: the outer one is the server's child,
//! makes the namespaces and waits; the first process inside them reaps orphans, and its end ends all that is left;
//! the last one sets the limits and becomes the program. Without namespaces the outer one is the last one too.
//! Input is a socket to the server until the last stage: nobody inherits it by accident, and its end shows that the
//! server is gone. One thread only: user namespaces cannot be made from a process that has more.

mod filter;
mod limit;
mod namespace;

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitCode};

use nix::errno::Errno;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::stat::{Mode, umask};
use nix::sys::wait::{WaitStatus, waitpid};

use crate::report::{LAUNCHER_FAILED, MARK, Message, Settings, Stage};
use crate::{End, Failure, Isolation, Mechanism, Network, NetworkView, Step};

/// The running program itself, whatever became of its file.
const ITSELF: &str = "/proc/self/exe";
/// The longest settings, in bytes.
const LONGEST_SETTINGS_BYTES: usize = 4096;
/// Files that others may read and only their owner may write.
const UMASK: u32 = 0o022;

/// Acts as the launcher if `args` (with the program's own name first) ask for it; none if they do not.
///
/// A server's `main` calls this before all else, and returns the code that it gives. A launcher's error goes to the
/// server that started it.
pub fn enter(args: impl IntoIterator<Item = OsString>) -> Option<ExitCode> {
    let mut args = args.into_iter().skip(1);
    if args.next()? != MARK {
        return None;
    }
    let settings = args.next();
    let outcome = close_inherited().and_then(|()| Control::take()).and_then(|control| {
        let outcome =
            parse(settings).and_then(|settings| stage(&control, settings, &args.collect::<Vec<_>>()));
        outcome.inspect_err(|failure| control.send(Message::Failed(*failure)))
    });
    Some(outcome.unwrap_or(ExitCode::from(LAUNCHER_FAILED)))
}

fn parse(settings: Option<OsString>) -> Result<Settings, Failure> {
    let settings = settings.filter(|settings| settings.len() <= LONGEST_SETTINGS_BYTES);
    let settings = settings.and_then(|settings| serde_json::from_slice(settings.as_encoded_bytes()).ok());
    settings.ok_or(Failure { step: Step::Settings, errno: Errno::EINVAL as i32 })
}

fn stage(control: &Control, settings: Settings, program: &[OsString]) -> Result<ExitCode, Failure> {
    match (settings.stage, settings.mechanism) {
        (Stage::Outer, Mechanism::RootNamespaces | Mechanism::UserNamespaces) => {
            outer(control, settings, program)
        }
        (Stage::Init, Mechanism::RootNamespaces | Mechanism::UserNamespaces) => {
            init(control, settings, program)
        }
        (Stage::Last, _) | (Stage::Outer | Stage::Init, Mechanism::SocketFilter) => {
            last(control, settings, program)
        }
    }
}

/// Makes the namespaces, then waits for all in them.
fn outer(control: &Control, settings: Settings, program: &[OsString]) -> Result<ExitCode, Failure> {
    live_no_longer_than_the_server(control)?;
    // A polite signal goes to the whole group and is for the program alone: who waits for it must not end before it.
    SigSet::all().thread_block().map_err(Failure::at(Step::Stage))?;
    namespace::enter(&settings)?;
    let mut init = start(Settings { stage: Stage::Init, ..settings }, program)?;
    let status = init.wait().map_err(Failure::at(Step::Stage))?;
    if let Some(signal) = status.signal() {
        control.send(Message::Ended(End::Signalled(signal)));
    }
    Ok(ExitCode::SUCCESS)
}

/// The first process of the namespaces: the kernel kills all others in them when it ends.
fn init(control: &Control, settings: Settings, program: &[OsString]) -> Result<ExitCode, Failure> {
    live_no_longer_than_the_server(control)?;
    SigSet::all().thread_block().map_err(Failure::at(Step::Stage))?;
    // Where a container covers parts of /proc, the kernel refuses a fresh one: the report then says so.
    let own_proc = namespace::mount_proc().is_ok();
    let last = start(Settings { stage: Stage::Last, own_proc, ..settings }, program)?;
    let end = wait_reaping_orphans(&last).map_err(Failure::at(Step::Stage))?;
    control.send(Message::Ended(end));
    Ok(ExitCode::SUCCESS)
}

fn wait_reaping_orphans(child: &Child) -> Result<End, Errno> {
    let is_child = |pid: nix::unistd::Pid| u32::try_from(pid.as_raw()) == Ok(child.id());
    loop {
        match waitpid(None, None) {
            Ok(WaitStatus::Exited(pid, code)) if is_child(pid) => return Ok(End::Exited(code)),
            Ok(WaitStatus::Signaled(pid, signal, _)) if is_child(pid) => {
                return Ok(End::Signalled(signal as i32));
            }
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error),
        }
    }
}

/// Closes what the server was started with by others and what it did not mark as its own.
fn close_inherited() -> Result<(), Failure> {
    let entries = std::fs::read_dir("/proc/self/fd").map_err(Failure::at(Step::Input))?;
    // Listed first, because the listing itself is open meanwhile: closing it again then fails and does not matter.
    let open: Vec<i32> =
        entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    for number in open.into_iter().filter(|number| *number > 2) {
        let _ = nix::unistd::close(number);
    }
    Ok(())
}

/// Sets the limits and becomes the program.
fn last(control: &Control, settings: Settings, program: &[OsString]) -> Result<ExitCode, Failure> {
    let (program, args) =
        program.split_first().ok_or(Failure { step: Step::Settings, errno: Errno::EINVAL as i32 })?;
    umask(Mode::from_bits_truncate(UMASK));
    if settings.mechanism == Mechanism::UserNamespaces {
        namespace::become_user_again(&settings)?;
    } else {
        limit::give_up_capabilities()?;
    }
    // After every change of user, because the kernel forgets it there.
    live_no_longer_than_the_server(control)?;
    let null = std::fs::File::open("/dev/null").map_err(Failure::at(Step::Input))?;
    nix::unistd::dup2_stdin(&null).map_err(Failure::at(Step::Input))?;
    limit::apply_resources(&settings)?;
    filter::apply(&settings)?;
    limit::mind_signals()?;
    SigSet::all().thread_unblock().map_err(Failure::at(Step::Stage))?;
    control.send(Message::Ready(isolation(&settings)));
    if settings.only_probe {
        return Ok(ExitCode::SUCCESS);
    }
    Err(Failure::at(Step::Execute)(Command::new(program).args(args).exec()))
}

fn isolation(settings: &Settings) -> Isolation {
    let namespaces = settings.mechanism != Mechanism::SocketFilter;
    let network = match (settings.network, namespaces) {
        (Network::Host, _) => NetworkView::Host,
        (Network::Off, true) => NetworkView::OwnLoopback,
        (Network::Off, false) => NetworkView::NoInternetSockets,
    };
    Isolation {
        mechanism: settings.mechanism,
        network,
        own_processes: namespaces,
        own_proc: settings.own_proc,
        process_limit: settings.user != 0,
    }
}

fn start(settings: Settings, program: &[OsString]) -> Result<Child, Failure> {
    let settings = serde_json::to_string(&settings).expect("settings are numbers and names");
    Command::new(ITSELF).arg(MARK).arg(settings).args(program).spawn().map_err(Failure::at(Step::Stage))
}

/// The kernel kills this process when the one that started it ends; if that is already so, it fails.
fn live_no_longer_than_the_server(control: &Control) -> Result<(), Failure> {
    nix::sys::prctl::set_pdeathsig(Signal::SIGKILL).map_err(Failure::at(Step::Lifetime))?;
    if control.server_is_gone() {
        return Err(Failure { step: Step::Lifetime, errno: Errno::ESRCH as i32 });
    }
    Ok(())
}

/// The socket to the server.
struct Control(UnixStream);

impl Control {
    fn take() -> Result<Self, Failure> {
        // The copy closes itself where the program takes over; input itself is replaced before that.
        let socket = io::stdin().as_fd().try_clone_to_owned().map_err(Failure::at(Step::Settings))?;
        Ok(Self(UnixStream::from(socket)))
    }

    fn send(&self, message: Message) {
        let mut line = serde_json::to_vec(&message).expect("messages are numbers and names");
        line.push(b'\n');
        // A server that is gone hears nothing, and its end ends this process.
        let _ = (&self.0).write_all(&line);
    }

    /// The server never writes, so that all there is to read is its end.
    fn server_is_gone(&self) -> bool {
        let read = self.0.set_nonblocking(true).and_then(|()| (&self.0).read(&mut [0]));
        let restored = self.0.set_nonblocking(false);
        restored.is_err() || !matches!(read, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }
}
