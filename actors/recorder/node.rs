//! This server's name among those that write to one database: drawn once, and kept in a file of the state folder.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use units::NodeId;

use super::Error;

/// Reads the name, or draws one.
pub(super) fn find(path: &Path) -> Result<NodeId, Error> {
    let unusable = |reason: String| Error::Node { path: path.to_owned(), reason };
    match fs::read_to_string(path) {
        Ok(text) => text.trim_end().parse().map_err(|error: units::BadId| unusable(error.to_string())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let random = getrandom::u64().map_err(|error| unusable(error.to_string()))?;
            let node = NodeId::from_random(random);
            keep(path, &node).map_err(|error| unusable(error.to_string()))?;
            Ok(node)
        }
        Err(error) => Err(unusable(error.to_string())),
    }
}

/// Whole or not at all: half a name would be another one's.
fn keep(path: &Path, node: &NodeId) -> io::Result<()> {
    let beside = path.with_extension("new");
    let mut file = File::create(&beside)?;
    writeln!(file, "{node}")?;
    file.sync_all()?;
    fs::rename(&beside, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_drawn_once() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("node");
        let drawn = find(&path).unwrap();
        assert_eq!(find(&path).unwrap(), drawn);
        assert_ne!(find(&folder.path().join("other")).unwrap(), drawn);
        fs::write(&path, "not a name").unwrap();
        let refused = find(&path).unwrap_err();
        assert!(refused.to_string().contains("16 of the characters"), "{refused}");
    }
}
