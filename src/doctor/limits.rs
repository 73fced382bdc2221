//! What the system allows this user, and how well it keeps the commands of workspaces apart.

use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit};
use process::{Mechanism, Mechanisms};

use super::Finding;
use crate::config::Settings;

const FILES: &str = "open files";
const PROCESSES: &str = "processes";
const ISOLATION: &str = "commands";
/// Files that a server has open whatever it does, and those of its workflows.
const OWN_FILES: u64 = 512;
/// Below this a server runs into the limit by itself.
const LEAST_FILES: u64 = 256;

pub(super) fn look(settings: &Settings) -> Vec<Finding> {
    // As many over the port as over the socket.
    let wanted_files = 2 * settings.server.limits.connections.get() + OWN_FILES;
    let soft = |resource| getrlimit(resource).map(|(soft, _)| soft);
    let files = soft(Resource::RLIMIT_NOFILE).map(|found| files(found, wanted_files));
    let processes = soft(Resource::RLIMIT_NPROC);
    let processes = processes.map(|found| processes_of(found, settings.process.processes.get()));
    [files, processes].into_iter().flatten().collect()
}

fn shown(limit: u64) -> String {
    if limit == RLIM_INFINITY { "without a limit".to_owned() } else { format!("{limit} at most") }
}

fn files(found: u64, wanted: u64) -> Finding {
    let text = shown(found);
    let remedy = format!("raise it to {wanted} or more: `ulimit -n`, or LimitNOFILE of the systemd unit");
    match found {
        ..LEAST_FILES => Finding::fail(FILES, text, remedy),
        _ if found < wanted => {
            Finding::warn(FILES, format!("{text}; {wanted} when as many connect as may"), remedy)
        }
        _ => Finding::ok(FILES, text),
    }
}

fn processes_of(found: u64, wanted: u64) -> Finding {
    let text = shown(found);
    if found < wanted {
        let text = format!("{text}, and one command of a workspace may have {wanted}");
        let remedy = "raise it: `ulimit -u`, or TasksMax and LimitNPROC of the systemd unit; or lower `process.processes`";
        return Finding::warn(PROCESSES, text, remedy);
    }
    Finding::ok(PROCESSES, text)
}

/// What keeps the commands of workspaces apart from everything else.
pub(super) fn isolation(found: &Mechanisms) -> Finding {
    let working =
        found.tried.iter().find_map(|probed| Some((probed.mechanism, probed.outcome.as_ref().ok()?)));
    match working {
        None => Finding::fail(
            ISOLATION,
            format!("nothing here keeps them from the network: {found}"),
            Mechanism::SocketFilter.remedy(),
        ),
        Some((Mechanism::SocketFilter, isolation)) => Finding::warn(
            ISOLATION,
            format!("limited by a system call filter alone: {isolation}{}", why_not(found)),
            Mechanism::UserNamespaces.remedy(),
        ),
        Some((mechanism @ (Mechanism::RootNamespaces | Mechanism::UserNamespaces), isolation)) => {
            Finding::ok(ISOLATION, format!("limited by {mechanism}: {isolation}"))
        }
    }
}

/// What the system refused of user namespaces.
fn why_not(found: &Mechanisms) -> String {
    let refused = found.tried.iter().find(|probed| probed.mechanism == Mechanism::UserNamespaces);
    let failure = refused.and_then(|probed| probed.outcome.as_ref().err());
    failure.map_or_else(String::new, |failure| format!("; user namespaces fail: {failure}"))
}

#[cfg(test)]
mod tests {
    use process::{Failure, Probed, Step};

    use super::*;
    use crate::doctor::Verdict;

    #[test]
    fn limits_are_weighed_against_what_is_configured() {
        let verdicts = [64, 1024, 1536, RLIM_INFINITY].map(|found| files(found, 1536).verdict);
        assert_eq!(verdicts, [Verdict::Fail, Verdict::Warn, Verdict::Ok, Verdict::Ok]);
        assert_eq!(processes_of(100, 512).verdict, Verdict::Warn);
        assert_eq!(processes_of(512, 512).verdict, Verdict::Ok);
        assert_eq!(look(&Settings::default()).len(), 2);
    }

    #[test]
    fn where_nothing_keeps_commands_apart_it_fails_with_what_to_allow() {
        let refused = Failure { step: Step::Start, errno: 1 };
        let tried = Mechanism::ALL.map(|mechanism| Probed { mechanism, outcome: Err(refused) });
        let found = isolation(&Mechanisms { tried: tried.to_vec() });
        assert_eq!(found.verdict, Verdict::Fail);
        assert!(found.remedy.unwrap().contains("max_user_namespaces"));
    }
}
