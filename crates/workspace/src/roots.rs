//! The folders in which the operator allows work; everything else is refused.

use std::path::{Path, PathBuf};

use crate::{Error, Workspace};

/// The registered roots; none means that nothing can be opened.
#[derive(Clone, Debug, Default)]
pub struct Roots(Vec<PathBuf>);

impl Roots {
    /// Registers `roots`, each by its real path.
    ///
    /// # Errors
    /// `Io` when one of them does not exist.
    pub fn try_new(roots: Vec<PathBuf>) -> Result<Self, Error> {
        let canonical =
            |root: PathBuf| root.canonicalize().map_err(Error::io("find the root", root.display()));
        roots.into_iter().map(canonical).collect::<Result<_, _>>().map(Self)
    }

    /// Opens a folder that is a root or lies beneath one; links are resolved before the comparison.
    ///
    /// # Errors
    /// `NotRegistered` when it does not; `Io` when it does not exist or is no folder.
    pub fn open(&self, folder: &Path) -> Result<Workspace, Error> {
        let real = folder.canonicalize().map_err(Error::io("find the workspace", folder.display()))?;
        if !self.0.iter().any(|root| real.starts_with(root)) {
            return Err(Error::NotRegistered { path: real });
        }
        Workspace::open(real)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opens_nothing_unless_it_is_registered() {
        let folder = tempfile::tempdir().unwrap();
        let refused = Roots::default().open(folder.path()).unwrap_err();
        assert!(matches!(refused, Error::NotRegistered { .. }));
        assert!(refused.to_string().contains("workspaces.roots"), "{refused}");
    }

    #[test]
    fn a_link_or_a_like_named_neighbour_opens_nothing_outside() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["root", "root/in", "root-not"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        std::os::unix::fs::symlink("../root-not", folder.path().join("root/out")).unwrap();
        let roots = Roots::try_new(vec![folder.path().join("root")]).unwrap();

        assert!(roots.open(&folder.path().join("root")).is_ok());
        assert!(roots.open(&folder.path().join("root/in")).is_ok());
        for outside in ["root-not", "root/out", "root/../root-not", "."] {
            let result = roots.open(&folder.path().join(outside));
            assert!(matches!(result, Err(Error::NotRegistered { .. })), "{outside}");
        }
        assert!(matches!(roots.open(&folder.path().join("root/missing")), Err(Error::Io { .. })));
    }
}
