//! The repository's files as text, each Rust file already taken apart.

use std::fs;
use std::path::Path;

use crate::rust::Source;

/// Every file of the repository, sorted by path.
pub(crate) struct Tree {
    files: Vec<File>,
}

/// One file; its path is relative to the repository's root and uses `/`.
pub(crate) struct File {
    pub(crate) path: String,
    pub(crate) text: String,
    pub(crate) source: Option<Source>,
    is_test: bool,
}

impl Tree {
    /// Reads all that belongs to the project; build output (a folder with a `CACHEDIR.TAG`) and `.git` do not.
    pub(crate) fn read(root: &Path) -> Self {
        let mut found = Vec::new();
        let mut folders = vec![root.to_path_buf()];
        while let Some(folder) = folders.pop() {
            let entries = fs::read_dir(&folder).expect("a folder of the checkout is readable");
            for entry in entries {
                let path = entry.expect("a folder of the checkout is readable").path();
                let name =
                    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
                if path.is_symlink()
                    || name == ".git"
                    || name == "target"
                    || path.join("CACHEDIR.TAG").exists()
                {
                    continue;
                }
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let relative = path.strip_prefix(root).expect("the walk starts at the root");
                // A file that is no text can break only the rules about paths.
                let text =
                    fs::read(&path).ok().and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default();
                found.push((relative.to_string_lossy().replace('\\', "/"), text));
            }
        }
        Self::of(found)
    }

    /// A tree of samples.
    pub(crate) fn of_sample(sample: &[(&str, &str)]) -> Self {
        Self::of(sample.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect())
    }

    fn of(mut found: Vec<(String, String)>) -> Self {
        found.sort();
        let mut files: Vec<File> = found
            .into_iter()
            .map(|(path, text)| {
                let source = path.ends_with(".rs").then(|| Source::of(&text));
                let is_test = is_test_path(&path);
                File { path, text, source, is_test }
            })
            .collect();
        let test_modules: Vec<String> = files.iter().flat_map(File::test_modules).collect();
        for file in &mut files {
            let stem = file.path.trim_end_matches(".rs");
            file.is_test |= test_modules.iter().any(|module| {
                stem.strip_prefix(module.as_str())
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            });
        }
        Self { files }
    }

    pub(crate) fn files(&self) -> impl Iterator<Item = &File> {
        self.files.iter()
    }

    pub(crate) fn file(&self, path: &str) -> Option<&File> {
        self.files.iter().find(|file| file.path == path)
    }

    /// True for a file and for a folder that holds one; the empty path is the root.
    pub(crate) fn has(&self, path: &str) -> bool {
        let folder = format!("{}/", path.trim_end_matches('/'));
        path.is_empty() || self.files.iter().any(|file| file.path == path || file.path.starts_with(&folder))
    }

    /// Rust files with their sources.
    pub(crate) fn rust(&self) -> impl Iterator<Item = (&File, &Source)> {
        self.files.iter().filter_map(|file| file.source.as_ref().map(|source| (file, source)))
    }

    /// The manifests of all packages.
    pub(crate) fn manifests(&self) -> impl Iterator<Item = &File> {
        self.files.iter().filter(|file| file.name() == "Cargo.toml")
    }

    /// The names of the crates on the ground floor, by their folders.
    pub(crate) fn ground(&self) -> impl Iterator<Item = (&str, &File)> {
        self.manifests().filter_map(|file| {
            let name = file.path.strip_prefix("crates/")?.strip_suffix("/Cargo.toml")?;
            Some((name, file))
        })
    }
}

impl File {
    /// The last part of the path.
    pub(crate) fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }

    /// The crate of the ground floor that the file belongs to.
    pub(crate) fn ground_crate(&self) -> Option<&str> {
        self.path.strip_prefix("crates/")?.split('/').next()
    }

    /// True when the file stands in one of these folders or is one of these files.
    pub(crate) fn is_within(&self, places: &[&str]) -> bool {
        places.iter().any(|place| {
            if place.ends_with('/') { self.path.starts_with(place) } else { self.path == *place }
        })
    }

    /// True when the line (counted from 1) is compiled for tests alone.
    pub(crate) fn is_test_line(&self, line: usize) -> bool {
        self.is_test || self.source.as_ref().is_some_and(|source| source.is_test_line(line))
    }

    /// True when the whole file is compiled for tests alone.
    pub(crate) fn is_test(&self) -> bool {
        self.is_test
    }

    /// The paths that the file's own code names, tests aside: `(line, path)`.
    pub(crate) fn named_paths(&self) -> impl Iterator<Item = (usize, &str)> {
        let named = self.source.iter().flat_map(|source| source.paths.iter());
        named.filter(|named| !self.is_test_line(named.line)).map(|named| (named.line, named.text.as_str()))
    }

    /// Where the modules live that this file declares for tests alone: paths without `.rs`.
    fn test_modules(&self) -> Vec<String> {
        let Some(source) = &self.source else { return Vec::new() };
        let folder = self.path.strip_suffix(self.name()).unwrap_or_default();
        let stem = self.name().trim_end_matches(".rs");
        let beneath = match stem {
            "lib" | "main" => folder.to_owned(),
            module => format!("{folder}{module}/"),
        };
        source.test_modules.iter().map(|module| format!("{beneath}{module}")).collect()
    }
}

fn is_test_path(path: &str) -> bool {
    path.split('/').any(|part| matches!(part, "tests" | "benches" | "fuzz" | "tests.rs"))
}

#[test]
fn a_module_declared_for_tests_makes_its_file_test_code() {
    let tree = Tree::of_sample(&[
        ("crates/a/src/lib.rs", "mod disk;\n#[cfg(test)]\nmod power_cut;\n"),
        ("crates/a/src/disk.rs", "#[cfg(test)]\nmod faulty;\n"),
        ("crates/a/src/disk/faulty.rs", ""),
        ("crates/a/src/power_cut.rs", ""),
        ("crates/a/src/power_cut/model.rs", ""),
        ("crates/a/src/power_cutter.rs", ""),
    ]);
    let tests: Vec<&str> =
        tree.files().filter(|file| file.is_test()).map(|file| file.path.as_str()).collect();
    assert_eq!(
        tests,
        ["crates/a/src/disk/faulty.rs", "crates/a/src/power_cut.rs", "crates/a/src/power_cut/model.rs"]
    );
}
