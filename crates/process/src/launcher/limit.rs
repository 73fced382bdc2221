//! Resource limits and capabilities of this process and of all that comes from it.

use std::fs;
use std::os::unix::fs::MetadataExt;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, capability_is_in_bounding_set, clear_ambient_capability_set,
    remove_capability_from_bounding_set, set_capabilities,
};

use crate::report::Settings;
use crate::{Failure, Mechanism, Step};

/// What a program of root's keeps: enough for files and users of its own, nothing that undoes its limits.
const KEPT: CapabilitySet = CapabilitySet::CHOWN
    .union(CapabilitySet::DAC_OVERRIDE)
    .union(CapabilitySet::FOWNER)
    .union(CapabilitySet::FSETID)
    .union(CapabilitySet::KILL)
    .union(CapabilitySet::SETGID)
    .union(CapabilitySet::SETUID)
    .union(CapabilitySet::NET_BIND_SERVICE);

/// Leaves root, once the program runs, with [`KEPT`] only; other users have no capability then anyway.
pub(super) fn give_up_capabilities() -> Result<(), Failure> {
    let at = Failure::at(Step::Capabilities);
    clear_ambient_capability_set().map_err(&at)?;
    let mine = capabilities(None).map_err(&at)?;
    if mine.permitted.contains(CapabilitySet::SETPCAP) {
        for bit in 0..u64::BITS {
            let capability = CapabilitySet::from_bits_retain(1 << bit);
            // The kernel knows none from the first that it calls invalid.
            let Ok(bounded) = capability_is_in_bounding_set(capability) else { break };
            if bounded && !KEPT.contains(capability) {
                remove_capability_from_bounding_set(capability).map_err(&at)?;
            }
        }
    }
    set_capabilities(None, CapabilitySets { inheritable: CapabilitySet::empty(), ..mine }).map_err(&at)
}

/// Answers every signal as the kernel would by itself: a server started in the background of a script ignores some,
/// and what it starts would ignore them too.
#[expect(unsafe_code, reason = "no safe function changes what a signal does")]
pub(super) fn mind_signals() -> Result<(), Failure> {
    let default = SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty());
    let changeable = |signal: &Signal| !matches!(signal, Signal::SIGKILL | Signal::SIGSTOP);
    for signal in Signal::iterator().filter(changeable) {
        // SAFETY: the default action runs no code of this process, and no handler was set whose state it could break.
        unsafe { sigaction(signal, &default) }.map_err(Failure::at(Step::Stage))?;
    }
    Ok(())
}

/// Bounds this process; a limit that is already lower stays.
pub(super) fn apply_resources(settings: &Settings) -> Result<(), Failure> {
    let resources = settings.resources;
    let others = match settings.mechanism {
        // The kernel counts per user, and without a user namespace the user's other processes count too.
        Mechanism::SocketFilter | Mechanism::RootNamespaces => tasks_of(settings.user),
        Mechanism::UserNamespaces => 0,
    };
    let limits = [
        (Resource::RLIMIT_CORE, Some(0)),
        (Resource::RLIMIT_CPU, Some(resources.cpu_seconds)),
        (Resource::RLIMIT_FSIZE, Some(resources.file_size_bytes)),
        (Resource::RLIMIT_NOFILE, Some(resources.open_files)),
        (Resource::RLIMIT_NPROC, Some(resources.processes.saturating_add(others))),
        (Resource::RLIMIT_AS, resources.memory_bytes),
    ];
    for (resource, limit) in limits {
        let Some(limit) = limit else { continue };
        let (_, hard) = getrlimit(resource).map_err(Failure::at(Step::ResourceLimits))?;
        let limit = limit.min(hard);
        setrlimit(resource, limit, limit).map_err(Failure::at(Step::ResourceLimits))?;
    }
    Ok(())
}

/// How many threads `user` has now; those that end meanwhile do not matter.
fn tasks_of(user: u32) -> u64 {
    let Ok(entries) = fs::read_dir("/proc") else { return 0 };
    let own = entries.flatten().filter_map(|entry| {
        let tasks = entry.path().join("task").metadata().ok()?;
        // A folder's links are itself, its name in its parent, and one for each folder in it: one for each thread.
        (tasks.uid() == user).then(|| tasks.nlink().saturating_sub(2))
    });
    own.sum()
}
