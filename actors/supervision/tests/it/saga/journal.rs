//! The toy saga's journal and the folder it works on: what is meant to happen is written before it does.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Which file gets which content. Two files are written twice, so that only the reverse order restores them.
pub(super) const STEPS: [(&str, &str); 5] =
    [("one", "first"), ("two", "second"), ("one", "third"), ("three", "fourth"), ("two", "fifth")];
/// What the folder holds before the saga; `two` is not there.
const BEFORE: [(&str, &str); 2] = [("one", "old one"), ("three", "old three")];
const JOURNAL: &str = "journal";

/// A process can be killed at each of them.
pub(super) struct Points {
    stop_at: Option<u64>,
    passed: AtomicU64,
    at_stop: fn() -> !,
}

/// How far what is written has come when the saga goes on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Written {
    /// Onto the disk: it outlives a power cut.
    ToDisk,
    /// To the system: it outlives every kill of the process, which is what most tests here are about.
    ToSystem,
}

/// The journal of one saga, in the folder that it works on.
pub(super) struct Journal {
    folder: PathBuf,
    written: Written,
    points: Points,
}

/// What the journal tells.
#[derive(Debug, Default)]
pub(super) struct Past {
    /// For each step that was begun, what its file held before.
    pub(super) intended: Vec<Option<String>>,
    pub(super) done: usize,
    pub(super) is_aborting: bool,
    /// So many steps were undone, from the last one.
    pub(super) undone: usize,
    pub(super) is_over: bool,
}

/// A folder that a saga works on; it goes with the test, unless that fails.
pub(super) struct Folder(PathBuf);

// === Points ===

impl Points {
    pub(super) fn none() -> Self {
        Self::until(None, || unreachable!("there is no such point"))
    }

    pub(super) fn until(stop_at: Option<u64>, at_stop: fn() -> !) -> Self {
        Self { stop_at, passed: AtomicU64::new(0), at_stop }
    }

    fn pass(&self) {
        let nth = self.passed.fetch_add(1, Ordering::SeqCst) + 1;
        if self.stop_at == Some(nth) {
            (self.at_stop)();
        }
    }

    pub(super) fn passed(&self) -> u64 {
        self.passed.load(Ordering::SeqCst)
    }
}

// === Journal ===

impl Journal {
    /// Cuts off a line that was not written to its end.
    pub(super) fn open(folder: &Path, written: Written, points: Points) -> Self {
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(folder.join(JOURNAL))
            .unwrap();
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        file.set_len(whole as u64).unwrap();
        let journal = Self { folder: folder.to_owned(), written, points };
        journal.sync(&file);
        journal
    }

    pub(super) fn points(&self) -> &Points {
        &self.points
    }

    /// Written when it returns; killed in the middle it leaves half a line.
    pub(super) fn append(&self, line: &str) {
        let mut file = OpenOptions::new().append(true).open(self.folder.join(JOURNAL)).unwrap();
        let (first, second) = line.split_at(line.len() / 2);
        file.write_all(first.as_bytes()).unwrap();
        self.points.pass();
        file.write_all(format!("{second}\n").as_bytes()).unwrap();
        self.sync(&file);
        self.points.pass();
    }

    /// Notes that a step is begun, and what its file holds now.
    pub(super) fn intend(&self, step: usize) {
        let before = match std::fs::read_to_string(self.folder.join(STEPS[step].0)) {
            Ok(content) => format!("holds {content}"),
            Err(_) => "is not there".to_owned(),
        };
        self.append(&format!("intend {step} {before}"));
    }

    /// Gives a file a content, or takes it away; doing so again changes nothing.
    pub(super) fn act(&self, file: &str, content: Option<&str>) {
        let path = self.folder.join(file);
        match content {
            Some(content) => {
                let mut file = File::create(path).unwrap();
                file.write_all(content.as_bytes()).unwrap();
                self.sync(&file);
            }
            None => {
                // It may be gone already: undoing happens at least once.
                let _ = std::fs::remove_file(path);
            }
        }
        self.points.pass();
    }

    fn sync(&self, file: &File) {
        match self.written {
            Written::ToDisk => file.sync_all().unwrap(),
            Written::ToSystem => {}
        }
    }

    pub(super) fn fold(&self) -> Past {
        let mut past = Past::default();
        for line in lines(&self.folder) {
            let mut words = line.splitn(3, ' ');
            match (words.next().unwrap(), words.next(), words.next()) {
                ("intend", Some(_), Some(before)) => {
                    past.intended.push(before.strip_prefix("holds ").map(str::to_owned));
                }
                ("done", Some(_), None) => past.done += 1,
                ("abort", None, None) => past.is_aborting = true,
                ("undo", Some(_), None) => {}
                ("undone", Some(_), None) => past.undone += 1,
                ("end", None, None) => past.is_over = true,
                _ => panic!("`{line}` is no line of a journal"),
            }
        }
        past
    }
}

impl Past {
    /// The last step that is not undone yet, and what its file held before it.
    pub(super) fn to_undo(&self) -> Option<(usize, Option<String>)> {
        let step = (self.intended.len() - self.undone).checked_sub(1)?;
        Some((step, self.intended[step].clone()))
    }
}

fn lines(folder: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(folder.join(JOURNAL)).unwrap();
    // What follows the last end of a line was not written to its end.
    text.rsplit_once('\n').map_or_else(Vec::new, |(whole, _)| whole.lines().map(str::to_owned).collect())
}

// === Folder ===

impl Folder {
    pub(super) fn new(name: &str) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("saga-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        for (file, content) in BEFORE {
            std::fs::write(path.join(file), content).unwrap();
        }
        Self(path)
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    pub(super) fn lines(&self) -> Vec<String> {
        lines(&self.0)
    }

    pub(super) fn files(&self) -> Vec<String> {
        let names = std::fs::read_dir(&self.0).unwrap();
        let mut names: Vec<_> =
            names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    pub(super) fn is_as_before(&self) {
        let files: Vec<_> = self.files().into_iter().filter(|name| name != JOURNAL).collect();
        assert_eq!(files, BEFORE.map(|(file, _)| file), "{:#?}", self.lines());
        for (file, content) in BEFORE {
            let now = std::fs::read_to_string(self.0.join(file)).unwrap();
            assert_eq!(now, content, "{file} after {:#?}", self.lines());
        }
    }

    /// Every step that was begun was undone, each before any that was begun earlier.
    pub(super) fn was_undone_in_reverse(&self) {
        let lines = self.lines();
        let steps = |word: &str| -> Vec<usize> {
            let numbers = lines.iter().filter_map(|line| line.strip_prefix(word)?.split(' ').next());
            numbers.map(|number| number.parse().unwrap()).collect()
        };
        let begun = steps("intend ");
        let reverse: Vec<_> = begun.iter().rev().copied().collect();
        assert_eq!(begun, (0..begun.len()).collect::<Vec<_>>(), "{lines:#?}");
        assert_eq!(steps("undone "), reverse, "{lines:#?}");
        let mut undoings = steps("undo ");
        assert!(undoings.is_sorted_by(|earlier, later| earlier >= later), "{lines:#?}");
        undoings.dedup();
        assert_eq!(undoings, reverse, "{lines:#?}");
        assert_eq!(lines.last().map(String::as_str), Some("end"));
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            // What is left lies in the build's own folder for such things.
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }
}
