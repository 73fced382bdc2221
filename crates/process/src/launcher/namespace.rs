//! Namespaces for the network, processes, mounts and, where the user is not root, users.
//!
//! An ordinary user is root in a first user namespace, as long as the set-up needs it, and in a second one inside it
//! the same user as before: the program then owns none of the namespaces that keep it apart.

use std::fs;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;

use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};

use crate::report::Settings;
use crate::{Failure, Mechanism, Network, Step};

/// A new network namespace's loopback has this index always.
const LOOPBACK_INDEX: i32 = 1;
/// `rtnetlink(7)`: change a link.
const RTM_NEWLINK: u16 = 16;
/// `netlink(7)`: the answer, with error number 0 for done.
const NLMSG_ERROR: u16 = 2;
/// `netlink(7)`: a request that is to be answered.
const NLM_F_REQUEST_ACK: u16 = 1 | 4;
/// `netdevice(7)`: the interface is running.
const IFF_UP: u32 = 1;
/// `nlmsghdr` and `ifinfomsg` have 16 bytes each.
const LINK_REQUEST_BYTES: u32 = 32;

/// Moves this process into new namespaces; its children come to be in a new process namespace.
pub(super) fn enter(settings: &Settings) -> Result<(), Failure> {
    let user = settings.mechanism == Mechanism::UserNamespaces;
    if !user && settings.user != 0 {
        return Err(Failure::at(Step::Namespaces)(Errno::EPERM));
    }
    let mut flags = CloneFlags::CLONE_NEWPID | CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWIPC;
    flags.set(CloneFlags::CLONE_NEWUSER, user);
    flags.set(CloneFlags::CLONE_NEWNET, settings.network == Network::Off);
    unshare(flags).map_err(Failure::at(Step::Namespaces))?;
    if user {
        map_identity((0, settings.user), (0, settings.group)).map_err(Failure::at(Step::Identity))?;
    }
    match settings.network {
        Network::Off => bring_up_loopback().map_err(Failure::at(Step::Loopback)),
        Network::Host => Ok(()),
    }
}

/// Makes the user what it was outside, in a user namespace that owns nothing.
pub(super) fn become_user_again(settings: &Settings) -> Result<(), Failure> {
    unshare(CloneFlags::CLONE_NEWUSER).map_err(Failure::at(Step::Namespaces))?;
    map_identity((settings.user, 0), (settings.group, 0)).map_err(Failure::at(Step::Identity))
}

/// Maps one user and one group, each as (inside, outside).
fn map_identity(user: (u32, u32), group: (u32, u32)) -> io::Result<()> {
    fs::write("/proc/self/uid_map", format!("{} {} 1", user.0, user.1))?;
    // Without this the kernel lets no ordinary user map a group.
    fs::write("/proc/self/setgroups", "deny")?;
    fs::write("/proc/self/gid_map", format!("{} {} 1", group.0, group.1))
}

/// Shows the own processes only; must run inside the process namespace.
pub(super) fn mount_proc() -> nix::Result<()> {
    const NOTHING: Option<&str> = None;
    // First of all cut the ties to the machine's mounts: as root, a new /proc would cover the machine's own.
    mount(NOTHING, "/", NOTHING, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NOTHING)?;
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("proc"), "/proc", Some("proc"), flags, NOTHING)
}

fn bring_up_loopback() -> io::Result<()> {
    // Protocol 0 is the routing one.
    let socket: OwnedFd = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, None)?;
    let mut socket = fs::File::from(socket);
    socket.write_all(&loopback_up_request())?;
    let mut answer = [0; 256];
    let length = socket.read(&mut answer)?;
    match answer_errno(&answer[..length]) {
        Some(0) => Ok(()),
        Some(errno) => Err(io::Error::from_raw_os_error(-errno)),
        None => Err(io::Error::from_raw_os_error(nix::libc::EBADMSG)),
    }
}

fn loopback_up_request() -> Vec<u8> {
    let sequence = 1_u32;
    let to_the_kernel = 0_u32;
    let family_and_type = 0_u32;
    let mut request = Vec::with_capacity(LINK_REQUEST_BYTES as usize);
    request.extend(LINK_REQUEST_BYTES.to_ne_bytes());
    request.extend(RTM_NEWLINK.to_ne_bytes());
    request.extend(NLM_F_REQUEST_ACK.to_ne_bytes());
    request.extend(sequence.to_ne_bytes());
    request.extend(to_the_kernel.to_ne_bytes());
    request.extend(family_and_type.to_ne_bytes());
    request.extend(LOOPBACK_INDEX.to_ne_bytes());
    request.extend(IFF_UP.to_ne_bytes());
    let which_flags_change = IFF_UP;
    request.extend(which_flags_change.to_ne_bytes());
    request
}

/// The (negative) error number in an `nlmsgerr`; none if it is another message.
fn answer_errno(answer: &[u8]) -> Option<i32> {
    let kind = u16::from_ne_bytes(answer.get(4..6)?.try_into().ok()?);
    let errno = i32::from_ne_bytes(answer.get(16..20)?.try_into().ok()?);
    (kind == NLMSG_ERROR).then_some(errno)
}
