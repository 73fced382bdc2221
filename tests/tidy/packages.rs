//! Rules about Cargo manifests: one place for versions, lints and the package's own data.

use crate::manifest::{dependencies, entries};
use crate::rule::{Finding, Rule};
use crate::tree::{File, Tree};

const INHERITED: [&str; 5] = ["version", "edition", "rust-version", "license", "publish"];
/// Stand outside the workspace on purpose: packages that people and agents work on as examples, and the fuzz targets, whose
/// flags are not the workspace's.
const OUTSIDE: [&str; 2] = ["examples/", "fuzz/"];

const MEMBER: &str = "[package]\nname = \"a\"\nversion.workspace = true\nedition.workspace = true\nrust-version.workspace = true\nlicense.workspace = true\npublish.workspace = true\n[lints]\nworkspace = true\n";

pub(crate) const RULES: &[Rule] = &[
    Rule {
        says: "a dependency's version stands in the workspace's table and nowhere else",
        remedy: "add it to `[workspace.dependencies]` in the root Cargo.toml and write `name.workspace = true`",
        check: versions_of_their_own,
        good: &[&[(
            "crates/a/Cargo.toml",
            "[dependencies]\nb.workspace = true\nc = { workspace = true, features = [\"d\"] }\n",
        )]],
        bad: &[
            ("crates/a/Cargo.toml:2", &[("crates/a/Cargo.toml", "[dependencies]\nb = \"1\"\n")]),
            (
                "actors/Cargo.toml:2",
                &[("actors/Cargo.toml", "[dev-dependencies]\nb = { path = \"../b\" }\n")],
            ),
        ],
    },
    Rule {
        says: "every package of the workspace takes its lints from there",
        remedy: "add `[lints]` with `workspace = true`",
        check: lints_of_their_own,
        good: &[
            &[("crates/a/Cargo.toml", MEMBER)],
            &[("examples/b/Cargo.toml", "[package]\n")],
            &[("fuzz/Cargo.toml", "[package]\n")],
        ],
        bad: &[(
            "crates/a/Cargo.toml:1",
            &[("crates/a/Cargo.toml", "[package]\nname = \"a\"\n[lints.clippy]\nall = \"allow\"\n")],
        )],
    },
    Rule {
        says: "every package of the workspace takes version, edition, Rust version, licence and `publish` from there",
        remedy: "write `<key>.workspace = true` under `[package]`",
        check: data_of_their_own,
        good: &[&[("crates/a/Cargo.toml", MEMBER)]],
        bad: &[(
            "crates/a/Cargo.toml:1",
            &[("crates/a/Cargo.toml", "[package]\nname = \"a\"\nversion = \"1.0.0\"\n")],
        )],
    },
    Rule {
        says: "a package of the ground floor is named as its folder",
        remedy: "name the folder and the package alike, without a prefix",
        check: names_apart,
        good: &[&[("crates/a/Cargo.toml", MEMBER)]],
        bad: &[("crates/b/Cargo.toml:2", &[("crates/b/Cargo.toml", MEMBER)])],
    },
];

fn members(tree: &Tree) -> impl Iterator<Item = &File> {
    tree.manifests().filter(|manifest| !OUTSIDE.iter().any(|folder| manifest.path.starts_with(folder)))
}

fn versions_of_their_own(tree: &Tree) -> Vec<Finding> {
    let of_manifest = |manifest| {
        let own = dependencies(manifest).into_iter().filter(|dependency| !dependency.from_workspace);
        own.map(|dependency| Finding::new(&manifest.path, dependency.line, format!("`{}`", dependency.name)))
            .collect::<Vec<_>>()
    };
    members(tree).flat_map(of_manifest).collect()
}

fn lints_of_their_own(tree: &Tree) -> Vec<Finding> {
    let inherits = |manifest: &File| {
        let entries = entries(manifest);
        entries
            .iter()
            .any(|entry| entry.section == "lints" && entry.key == "workspace" && entry.value == "true")
    };
    members(tree)
        .filter(|manifest| !inherits(manifest))
        .map(|manifest| Finding::new(&manifest.path, 1, "no `workspace = true` under `[lints]`"))
        .collect()
}

fn data_of_their_own(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for manifest in members(tree) {
        let entries = entries(manifest);
        let inherits = |key: &str| {
            entries.iter().any(|entry| {
                entry.section == "package"
                    && entry.key.strip_suffix(".workspace") == Some(key)
                    && entry.value == "true"
            })
        };
        let own: Vec<&str> = INHERITED.into_iter().filter(|key| !inherits(key)).collect();
        if !own.is_empty() {
            found.push(Finding::new(&manifest.path, 1, format!("not inherited: {}", own.join(", "))));
        }
    }
    found
}

fn names_apart(tree: &Tree) -> Vec<Finding> {
    tree.ground()
        .filter_map(|(folder, manifest)| {
            let entries = entries(manifest);
            let name = entries.iter().find(|entry| entry.section == "package" && entry.key == "name")?;
            let is_other = name.value.trim_matches('"') != folder;
            is_other.then(|| {
                Finding::new(&manifest.path, name.line, format!("{} in crates/{folder}", name.value))
            })
        })
        .collect()
}
