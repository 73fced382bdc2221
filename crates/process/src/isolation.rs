//! Which mechanisms keep a program apart: what can be had on this machine, and what was in force for one run.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Failure;

/// A way to keep a program apart, strongest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mechanism {
    /// Namespaces made by root; the program stays root, without the capabilities that could undo them.
    RootNamespaces,
    /// Namespaces inside a user namespace; the program keeps its user and has no capability.
    UserNamespaces,
    /// A system call filter that refuses every socket but pairs, and a process group. There is no loopback then, the
    /// machine's processes are seen, what starts a session of its own may outlive the run, and what the program
    /// started may outlive a killed server.
    SocketFilter,
}

impl Mechanism {
    /// All, in the order they are tried.
    pub const ALL: [Self; 3] = [Self::RootNamespaces, Self::UserNamespaces, Self::SocketFilter];

    /// What an operator can do where it is missing.
    pub fn remedy(self) -> &'static str {
        match self {
            Self::RootNamespaces => "run the server as root with CAP_SYS_ADMIN, or leave the choice to it",
            Self::UserNamespaces => {
                "allow user namespaces: sysctl user.max_user_namespaces above 0 and, where they exist, \
                 kernel.unprivileged_userns_clone=1 and kernel.apparmor_restrict_unprivileged_userns=0"
            }
            Self::SocketFilter => {
                "allow user namespaces (sysctl user.max_user_namespaces), or use a kernel with seccomp filters on \
                 x86-64 or AArch64, or let the command use the machine's network"
            }
        }
    }
}

impl fmt::Display for Mechanism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::RootNamespaces => "namespaces made by root",
            Self::UserNamespaces => "user namespaces",
            Self::SocketFilter => "a system call filter",
        })
    }
}

/// What a program sees of the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum NetworkView {
    /// A loopback of its own and nothing else.
    OwnLoopback,
    /// No sockets but pairs.
    NoInternetSockets,
    /// The machine's network.
    Host,
}

/// What was in force for one run; its text is for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Isolation {
    /// How it was kept apart.
    pub mechanism: Mechanism,
    /// What it saw of the network.
    pub network: NetworkView,
    /// It saw, and could signal, no process but its own, and none of them outlived the run.
    pub own_processes: bool,
    /// `/proc` showed its own processes only.
    pub own_proc: bool,
    /// The number of its processes was bounded; the kernel never holds root to it.
    pub process_limit: bool,
}

impl fmt::Display for Isolation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let network = match self.network {
            NetworkView::OwnLoopback => "network off (own loopback)",
            NetworkView::NoInternetSockets => "network off (no loopback, no sockets)",
            NetworkView::Host => "network of the machine",
        };
        let processes = match (self.own_processes, self.own_proc) {
            (true, true) => "sees its own processes only",
            (true, false) => "own processes, but the machine's /proc",
            (false, _) => "processes in one group (a session of its own escapes)",
        };
        let count = if self.process_limit { "" } else { "; as root, so that its processes are not counted" };
        write!(f, "{network}; {processes}{count}")
    }
}

/// One mechanism that was tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probed {
    /// What was tried.
    pub mechanism: Mechanism,
    /// What it gives with the network off, or what the system refused.
    pub outcome: Result<Isolation, Failure>,
}

/// What can be had on this machine with the network off, strongest first; its text is for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mechanisms {
    /// Every mechanism, tried for real.
    pub tried: Vec<Probed>,
}

impl Mechanisms {
    /// The strongest that works; none when the network cannot be kept off.
    pub fn strongest(&self) -> Option<Mechanism> {
        self.tried.iter().find(|probed| probed.outcome.is_ok()).map(|probed| probed.mechanism)
    }
}

impl fmt::Display for Mechanisms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, Probed { mechanism, outcome }) in self.tried.iter().enumerate() {
            let separator = if place == 0 { "" } else { "\n" };
            match outcome {
                Ok(isolation) => write!(f, "{separator}{mechanism}: {isolation}")?,
                Err(failure) => {
                    write!(f, "{separator}{mechanism}: missing ({failure}); {}", mechanism.remedy())?
                }
            }
        }
        Ok(())
    }
}
