//! The clock: certificates, costs by day and histories are only as right as it is.

use std::fs;
use std::time::UNIX_EPOCH;

use ::clock::Clock;
use units::UnixMillis;

use super::Finding;
use crate::config::{self, Flags};

const ABOUT: &str = "clock";
/// A file may be so much newer than the clock, in milliseconds: file systems over a network have clocks of their own.
const TOLERATED_MS: i64 = 60_000;
/// The beginning of 2026: this program is younger.
const BUILT_AFTER: UnixMillis = UnixMillis(1_767_225_600_000);
/// The kernel's word for a clock that nobody keeps right (STA_UNSYNC of adjtimex(2)).
const NOT_KEPT: i32 = 0x0040;

pub(super) fn look(flags: &Flags, clock: &Clock) -> Vec<Finding> {
    let mut findings = vec![against_files(newest(flags), clock.wall())];
    findings.extend(kept());
    findings
}

/// When the newest file of the state folder was written.
fn newest(flags: &Flags) -> Option<UnixMillis> {
    let state = config::state_folder(flags).ok()?;
    let files = fs::read_dir(state.path()).ok()?.flatten();
    let written = files.filter_map(|file| file.metadata().ok()?.modified().ok());
    let age = written.max()?.duration_since(UNIX_EPOCH).ok()?;
    i64::try_from(age.as_millis()).ok().map(UnixMillis)
}

fn against_files(newest: Option<UnixMillis>, now: UnixMillis) -> Finding {
    let remedy = "set it, and let NTP keep it: `timedatectl set-ntp true`";
    if now < BUILT_AFTER {
        return Finding::fail(ABOUT, "it stands before this program was made", remedy);
    }
    match newest.map(|newest| newest.0 - now.0) {
        Some(ahead) if ahead > TOLERATED_MS => {
            let text = format!("files of the state folder are {} s ahead of it", ahead / 1_000);
            Finding::warn(ABOUT, text, remedy)
        }
        _ => Finding::ok(ABOUT, "it does not contradict the files of the state folder"),
    }
}

/// Whether somebody keeps it right, where the kernel says.
#[expect(unsafe_code, reason = "no safe wrapper of adjtimex(2) is among the crates in use")]
fn kept() -> Option<Finding> {
    // SAFETY: the struct is plain numbers, for which zeros are valid; with `modes` 0 the kernel only fills it in.
    let (result, state) = unsafe {
        let mut state: nix::libc::timex = std::mem::zeroed();
        (nix::libc::adjtimex(&raw mut state), state)
    };
    if result < 0 {
        return None;
    }
    Some(if state.status & NOT_KEPT != 0 {
        let remedy =
            "let NTP keep it: `timedatectl set-ntp true`, or install chrony; in a container, on its host";
        Finding::warn(ABOUT, "nobody keeps it right (the kernel calls it unsynchronised)", remedy)
    } else {
        Finding::ok(ABOUT, "it is kept right over the network")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;

    #[test]
    fn a_clock_that_went_back_is_seen_by_the_files_it_dated() {
        let now = UnixMillis(BUILT_AFTER.0 + 1_000_000_000);
        let ahead = |millis| against_files(Some(UnixMillis(now.0 + millis)), now).verdict;
        assert_eq!((ahead(-5), ahead(30_000), ahead(120_000)), (Verdict::Ok, Verdict::Ok, Verdict::Warn));
        assert_eq!(against_files(None, now).verdict, Verdict::Ok);
        assert_eq!(against_files(None, UnixMillis(0)).verdict, Verdict::Fail);
        drop(kept());
    }
}
