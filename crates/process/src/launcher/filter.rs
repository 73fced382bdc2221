//! The system call filter: which kinds of sockets a program may make while its network is off.
//!
//! A network namespace does not hold all kinds (those between virtual machines, for one), so that the filter is in
//! force beside it too. Rings for asynchronous IO are refused, because they make sockets past any filter.

use std::collections::BTreeMap;

use nix::libc;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch,
};

use crate::report::Settings;
use crate::{Failure, Mechanism, Network, Step};

/// On x86-64 every system call has a second number, for programs with short pointers.
#[cfg(target_arch = "x86_64")]
const SECOND_NUMBERS: &[i64] = &[0, 0x4000_0000];
#[cfg(not(target_arch = "x86_64"))]
const SECOND_NUMBERS: &[i64] = &[0];

/// Forbids this process new privileges and, with the network off, every other kind of socket.
pub(super) fn apply(settings: &Settings) -> Result<(), Failure> {
    nix::sys::prctl::set_no_new_privs().map_err(Failure::at(Step::SocketFilter))?;
    let families: &[libc::c_int] = match (settings.network, settings.mechanism) {
        (Network::Host, _) => return Ok(()),
        // Not even Unix sockets: without a process namespace the server's own could not tell this program from a person.
        (Network::Off, Mechanism::SocketFilter) => &[],
        (Network::Off, Mechanism::RootNamespaces | Mechanism::UserNamespaces) => {
            &[libc::AF_UNIX, libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK]
        }
    };
    let unsupported = Failure { step: Step::SocketFilter, errno: libc::ENOSYS };
    let program = compiled(families).map_err(|_| unsupported)?;
    seccompiler::apply_filter(&program).map_err(|error| match error {
        seccompiler::Error::Prctl(source) | seccompiler::Error::Seccomp(source) => {
            Failure::at(Step::SocketFilter)(source)
        }
        seccompiler::Error::Backend(_)
        | seccompiler::Error::EmptyFilter
        | seccompiler::Error::ThreadSync(_) => unsupported,
    })
}

fn compiled(families: &[libc::c_int]) -> Result<BpfProgram, seccompiler::BackendError> {
    let is_other = |family: &libc::c_int| {
        SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Ne, u64::from(family.unsigned_abs()))
    };
    // No rule at all for a call means that all of its uses match.
    let other_socket = match families {
        [] => Vec::new(),
        families => vec![SeccompRule::new(families.iter().map(is_other).collect::<Result<_, _>>()?)?],
    };
    let mut rules = BTreeMap::new();
    for second in SECOND_NUMBERS {
        rules.insert(libc::SYS_socket | second, other_socket.clone());
        rules.insert(libc::SYS_io_uring_setup | second, Vec::new());
    }
    let refused = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    let architecture = TargetArch::try_from(std::env::consts::ARCH)?;
    SeccompFilter::new(rules, SeccompAction::Allow, refused, architecture)?.try_into()
}
