//! Tests that need more than one part: transactions under faults and on the real disk, and working copies.

mod conflicts;
mod escapes;
mod faults;
mod killed;
mod memory_disk;
mod overlays;
mod power_cut;

use std::path::Path;

use tempfile::TempDir;

use crate::{Change, ContentHash, RelPath, Roots, TransactionId, Workspace};

fn path(text: &str) -> RelPath {
    text.parse().unwrap()
}

fn id(text: &str) -> TransactionId {
    text.parse().unwrap()
}

/// A change of `path` from the bytes `base` to the bytes `content`.
fn change(at: &str, base: Option<&[u8]>, content: Option<&[u8]>) -> Change {
    let (base, content) = (base.map(ContentHash::of), content.map(<[u8]>::to_vec));
    Change { path: path(at), base, content, executable: None }
}

/// A workspace in a folder of its own, beside a folder for state.
struct Setting {
    folder: TempDir,
    workspace: Workspace,
}

impl Setting {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("workspace");
        std::fs::create_dir(&root).unwrap();
        let workspace = Roots::try_new(vec![root.clone()]).unwrap().open(&root).unwrap();
        let place = Self { folder, workspace };
        files.iter().for_each(|(at, content)| place.save(at, content));
        place
    }

    /// What a person does in an editor.
    fn save(&self, at: &str, content: &str) {
        save(self.workspace.root(), at, content);
    }

    fn content(&self, at: &str) -> Option<String> {
        std::fs::read_to_string(self.workspace.root().join(at)).ok()
    }

    fn state(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join("state").join(name)
    }

    fn journal(&self) -> crate::Journal {
        crate::Journal::open(&self.workspace, &self.state("journal")).unwrap()
    }
}

fn save(root: &Path, at: &str, content: &str) {
    let file = root.join(at);
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(file, content).unwrap();
}
