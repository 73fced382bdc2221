//! Which command checks a workspace, as its own files tell.

use serde::Deserialize;
use workspace::{Error, Workspace};

/// What npm writes into a new package; it always fails.
const NPM_PLACEHOLDER: &str = "no test specified";

/// A check command, and the file that tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Detected {
    pub(crate) command: Vec<String>,
    pub(crate) file: &'static str,
}

#[derive(Deserialize)]
struct Package {
    #[serde(default)]
    scripts: Scripts,
}

#[derive(Default, Deserialize)]
struct Scripts {
    test: Option<String>,
}

/// The first that fits; `None` when nothing tells how the workspace is checked. Blocks.
///
/// # Errors
/// When a file that is there cannot be read.
pub(crate) fn check(workspace: &Workspace) -> Result<Option<Detected>, Error> {
    let python = &["python3", "-m", "pytest"];
    let known: [(&'static str, &[&str]); 5] = [
        ("Cargo.toml", &["cargo", "test"]),
        ("package.json", &["npm", "test"]),
        ("pyproject.toml", python),
        ("pytest.ini", python),
        ("go.mod", &["go", "test", "./..."]),
    ];
    for (file, command) in known {
        let Some(content) = read(workspace, file)? else { continue };
        if file != "package.json" || has_test_script(&content) {
            let command = command.iter().map(|word| (*word).to_owned()).collect();
            return Ok(Some(Detected { command, file }));
        }
    }
    Ok(None)
}

/// A folder of that name, a link that leads out, or a file too large for a manifest tells nothing.
fn read(workspace: &Workspace, file: &str) -> Result<Option<Vec<u8>>, Error> {
    let path = file.parse().expect("the names above are plain file names");
    match workspace.read(&path) {
        Err(Error::NotAFile { .. } | Error::Escapes { .. } | Error::TooLarge { .. }) => Ok(None),
        read => read,
    }
}

fn has_test_script(package: &[u8]) -> bool {
    let package = serde_json::from_slice::<Package>(package).ok();
    let test = package.and_then(|package| package.scripts.test);
    test.is_some_and(|test| !test.trim().is_empty() && !test.contains(NPM_PLACEHOLDER))
}

#[cfg(test)]
mod tests {
    use workspace::Roots;

    use super::*;

    fn detected(files: &[(&str, &str)]) -> Option<String> {
        let folder = tempfile::tempdir().unwrap();
        for (name, content) in files {
            std::fs::write(folder.path().join(name), content).unwrap();
        }
        let roots = Roots::try_new(vec![folder.path().to_owned()]).unwrap();
        let found = check(&roots.open(folder.path()).unwrap()).unwrap();
        found.map(|found| format!("{}: {}", found.file, found.command.join(" ")))
    }

    #[test]
    fn each_kind_of_workspace_is_known_by_its_file() {
        for (file, content, expected) in [
            ("Cargo.toml", "", "Cargo.toml: cargo test"),
            ("package.json", r#"{"scripts":{"test":"vitest"}}"#, "package.json: npm test"),
            ("pyproject.toml", "", "pyproject.toml: python3 -m pytest"),
            ("pytest.ini", "", "pytest.ini: python3 -m pytest"),
            ("go.mod", "", "go.mod: go test ./..."),
        ] {
            assert_eq!(detected(&[(file, content)]).as_deref(), Some(expected));
        }
        assert_eq!(detected(&[("README.md", "")]), None);
    }

    #[test]
    fn a_package_without_a_real_test_script_tells_nothing() {
        let placeholder = r#"{"scripts":{"test":"echo \"Error: no test specified\" && exit 1"}}"#;
        for package in [placeholder, "{}", r#"{"scripts":{"test":" "}}"#, "no json", "[]"] {
            assert_eq!(detected(&[("package.json", package)]), None, "{package}");
            let go = detected(&[("package.json", package), ("go.mod", "")]);
            assert_eq!(go.as_deref(), Some("go.mod: go test ./..."), "{package}");
        }
    }

    #[test]
    fn a_folder_or_a_link_out_of_the_workspace_tells_nothing() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("Cargo.toml")).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", folder.path().join("go.mod")).unwrap();
        let roots = Roots::try_new(vec![folder.path().to_owned()]).unwrap();
        assert_eq!(check(&roots.open(folder.path()).unwrap()).unwrap(), None);
    }
}
