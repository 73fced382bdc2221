//! `recover`: finishes or undoes what a killed server left in a folder, while no server runs.

use std::path::Path;

use anyhow::Context as _;
use workspace::{Journal, Outcome, Recovered, Roots, Workspace};

use super::screen::Screen;
use super::story::{Line, Mark};
use super::{End, logging, refuse};
use crate::config::{self, Flags, StateFolder};

/// Brings every transaction of the folder's journal to an end, and says how each one stands.
///
/// # Errors
/// When a server runs on the state folder, the folder is none, or its journal cannot be read.
pub(crate) fn recover(screen: &Screen, flags: &Flags, folder: &Path) -> anyhow::Result<End> {
    let loaded = config::load(flags).map_err(refuse)?;
    logging::start(&loaded.settings.log, logging::QUIET, screen.progress());
    // Who names the folder on the command line allows it: no root needs to be configured.
    let open = || Roots::try_new(vec![folder.to_owned()])?.open(folder);
    let workspace = open().map_err(refuse)?;
    loaded.state.make().map_err(refuse)?;
    let running = "a server recovers its folders by itself, when it starts";
    let _lock = loaded.state.lock().context(running).map_err(refuse)?;
    let recovered = transactions(&loaded.state, &workspace)?;
    let committed =
        recovered.iter().filter(|found| matches!(found.outcome, Outcome::AlreadyCommitted)).count();
    if committed == recovered.len() {
        screen.line(&Line::new(Mark::Done, "nothing was cut off: there is nothing to do"))?;
    }
    let mut end = End::Done;
    for Recovered { id, outcome } in recovered {
        let line = match outcome {
            Outcome::AlreadyCommitted => continue,
            Outcome::RolledBack => {
                Line::new(Mark::Undone, format!("{id}: rolled back, all is as it was before"))
            }
            Outcome::Conflict { paths } => {
                let left = paths.iter().map(|path| format!("left as somebody changed it since: {path}"));
                Line::new(Mark::Attention, format!("{id}: rolled back but for what follows"))
                    .with(left.collect())
            }
            Outcome::Failed(error) => {
                end = End::Failed;
                Line::new(Mark::Failed, format!("{id}: cannot be recovered now: {error}"))
            }
        };
        screen.line(&line)?;
    }
    if committed > 0 {
        screen.line(&Line::new(Mark::Said, format!("{committed} finished transactions stand")))?;
    }
    Ok(end)
}

fn transactions(state: &StateFolder, workspace: &Workspace) -> Result<Vec<Recovered>, workspace::Error> {
    let journal = state.journals().join(workspace.id());
    // A folder that was never worked in has no journal, and is given none.
    if !journal.exists() {
        return Ok(Vec::new());
    }
    Journal::open(workspace, &journal)?.recover()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_was_never_worked_in_has_nothing_to_recover_and_gets_no_journal() {
        let folder = tempfile::tempdir().unwrap();
        let worked_in = folder.path().join("workspace");
        std::fs::create_dir(&worked_in).unwrap();
        let flags = Flags {
            config: Some(folder.path().join("impresario.yaml")),
            state_dir: Some(folder.path().join("state")),
            ..Flags::default()
        };
        std::fs::write(folder.path().join("impresario.yaml"), "log: {level: warn}\n").unwrap();
        let state = config::load(&flags).unwrap().state;
        let workspace = Roots::try_new(vec![worked_in.clone()]).unwrap().open(&worked_in).unwrap();

        assert!(transactions(&state, &workspace).unwrap().is_empty());
        assert!(!state.journals().join(workspace.id()).exists());
    }

    #[test]
    fn a_transaction_that_was_cut_off_is_rolled_back_and_a_finished_one_stands() {
        let folder = tempfile::tempdir().unwrap();
        let worked_in = folder.path().join("workspace");
        std::fs::create_dir(&worked_in).unwrap();
        std::fs::write(worked_in.join("a.txt"), "before").unwrap();
        let state_dir = Some(folder.path().join("state"));
        let state = config::load(&Flags { state_dir, ..Flags::default() }).unwrap().state;
        state.make().unwrap();
        let workspace = Roots::try_new(vec![worked_in.clone()]).unwrap().open(&worked_in).unwrap();
        let open = || workspace::RealDisk::open(&workspace, &state.journals().join(workspace.id())).unwrap();
        let change = |path: &str, content: &str, base: Option<&str>| workspace::Change {
            path: path.parse().unwrap(),
            base: base.map(|base| workspace::ContentHash::of(base.as_bytes())),
            content: Some(content.as_bytes().to_vec()),
            executable: None,
        };
        let journal = Journal::with_disk(open());
        journal.commit(&"t1".parse().unwrap(), &[change("b.txt", "new", None)]).unwrap();
        // The process is cut off between the files of a transaction: what it does next never happens.
        let cut_off = std::panic::catch_unwind(|| {
            let disk =
                workspace::Interrupting::new(open(), workspace::Operation::Rename, 2, || panic!("cut off"));
            let changes = [change("a.txt", "after", Some("before")), change("c.txt", "new", None)];
            let _ = Journal::with_disk(disk).commit(&"t2".parse().unwrap(), &changes);
        });
        assert!(cut_off.is_err());

        let outcomes: Vec<(String, Outcome)> = transactions(&state, &workspace)
            .unwrap()
            .into_iter()
            .map(|found| (found.id.to_string(), found.outcome))
            .collect();
        let [(first, Outcome::AlreadyCommitted), (second, Outcome::RolledBack)] = outcomes.as_slice() else {
            panic!("{outcomes:?}");
        };
        assert_eq!((first.as_str(), second.as_str()), ("t1", "t2"));
        assert_eq!(std::fs::read_to_string(worked_in.join("a.txt")).unwrap(), "before");
        assert!(!worked_in.join("c.txt").exists());
    }
}
