//! Rules about who may name whom: the ground floor knows no actors, and what thinks does not touch.

use crate::manifest::{dependencies, floor_kind};
use crate::rule::{Finding, Rule};
use crate::tree::{File, Tree};

const ACTIX: [&str; 5] = ["actix", "actix_rt", "actix_web", "actix_web_actors", "actix_http"];
const UPSTAIRS: [&str; 3] = ["actors", "supervision", "impresario"];
/// Crates that do IO, wait or draw: what thinks needs none of them.
const TOUCHING: [&str; 10] = [
    "tokio",
    "diesel",
    "reqwest",
    "cap_std",
    "getrandom",
    "nix",
    "rustls",
    "clock",
    "tracing_subscriber",
    "ignore",
];
/// Paths of the standard library that do IO, tell the time or keep a thread waiting.
const TOUCHING_PATHS: [&str; 7] =
    ["std::fs", "std::net", "std::process", "std::env", "std::thread", "std::io::stdin", "std::os"];
const TIMES: [&str; 2] = ["Instant::now", "SystemTime::now"];
/// The only crates of the house that supervision builds on: neither can be a sibling of its children.
const BENEATH_SUPERVISION: [&str; 2] = ["clock", "units"];

pub(crate) const RULES: &[Rule] = &[
    Rule {
        says: "the ground floor never names actix, an actor or a door",
        remedy: "offer a function or a loop, and let the actor that owns it live in actors/",
        check: ground_names_upstairs,
        good: &[&[
            (
                "crates/a/src/lib.rs",
                "//! Knows no actix.\nuse b::actors;\n#[cfg(test)]\nmod tests { use actix_web::web; }\n",
            ),
            (
                "crates/a/Cargo.toml",
                "[dependencies]\nb.workspace = true\n[dev-dependencies]\nactix-web.workspace = true\n",
            ),
        ]],
        bad: &[
            ("crates/a/src/lib.rs:2", &[("crates/a/src/lib.rs", "//! x\nuse actix::prelude::*;\n")]),
            ("crates/a/src/lib.rs:1", &[("crates/a/src/lib.rs", "fn f() { actors::tree::start(); }\n")]),
            (
                "crates/a/Cargo.toml:2",
                &[("crates/a/Cargo.toml", "[dependencies]\nactix-rt.workspace = true\n")],
            ),
            (
                "crates/a/Cargo.toml:2",
                &[("crates/a/Cargo.toml", "[dev-dependencies]\nsupervision.workspace = true\n")],
            ),
        ],
    },
    Rule {
        says: "every crate of the ground floor says whether it thinks or touches",
        remedy: "add `[package.metadata.floor]` with `kind = \"thinks\"` (no IO) or `kind = \"touches\"`",
        check: floors_unsaid,
        good: &[&[("crates/a/Cargo.toml", "[package.metadata.floor]\nkind = \"touches\"\n")]],
        bad: &[
            ("crates/a/Cargo.toml:1", &[("crates/a/Cargo.toml", "[package]\nname = \"a\"\n")]),
            (
                "crates/a/Cargo.toml:1",
                &[("crates/a/Cargo.toml", "[package.metadata.floor]\nkind = \"waits\"\n")],
            ),
        ],
    },
    Rule {
        says: "a crate that thinks does no IO, tells no time and draws no lots",
        remedy: "take what was read, the time or the seed as an argument; or move the IO to a crate that touches",
        check: thinkers_that_touch,
        good: &[
            &[
                (
                    "crates/a/Cargo.toml",
                    "[package.metadata.floor]\nkind = \"thinks\"\n[dependencies]\nserde.workspace = true\n",
                ),
                (
                    "crates/a/src/lib.rs",
                    "use std::{collections::BTreeMap, time::Instant};\n#[test]\nfn t() { std::fs::read(\"x\"); }\n",
                ),
            ],
            &[
                (
                    "crates/b/Cargo.toml",
                    "[package.metadata.floor]\nkind = \"touches\"\n[dependencies]\ntokio.workspace = true\n",
                ),
                ("crates/b/src/lib.rs", "use std::fs;\n"),
            ],
        ],
        bad: &[
            (
                "crates/a/Cargo.toml:4",
                &[(
                    "crates/a/Cargo.toml",
                    "[package.metadata.floor]\nkind = \"thinks\"\n[dependencies]\ntokio.workspace = true\n",
                )],
            ),
            (
                "crates/a/src/lib.rs:1",
                &[THINKS, ("crates/a/src/lib.rs", "use std::{collections::BTreeMap, fs::File};\n")],
            ),
            (
                "crates/a/src/lib.rs:2",
                &[THINKS, ("crates/a/src/lib.rs", "use std::time::Instant;\nfn f() { Instant::now(); }\n")],
            ),
        ],
    },
    Rule {
        says: "a crate that thinks depends on no crate of the house that touches",
        remedy: "turn it round: the crate that touches calls the one that thinks",
        check: thinkers_on_touchers,
        good: &[&[
            THINKS,
            (
                "crates/b/Cargo.toml",
                "[package.metadata.floor]\nkind = \"touches\"\n[dependencies]\na.workspace = true\n",
            ),
        ]],
        bad: &[(
            "crates/b/Cargo.toml:4",
            &[
                ("crates/a/Cargo.toml", "[package.metadata.floor]\nkind = \"touches\"\n"),
                (
                    "crates/b/Cargo.toml",
                    "[package.metadata.floor]\nkind = \"thinks\"\n[dependencies]\na.workspace = true\n",
                ),
            ],
        )],
    },
    Rule {
        says: "supervision imports no sibling: of the house it knows the clock and the units alone",
        remedy: "hand in what it needs as a factory, a trait or an event",
        check: siblings_of_supervision,
        good: &[&[
            CLOCK,
            (
                "actors/supervision/Cargo.toml",
                "[dependencies]\nclock.workspace = true\nactix.workspace = true\n",
            ),
        ]],
        bad: &[(
            "actors/supervision/Cargo.toml:2",
            &[
                ("crates/store/Cargo.toml", ""),
                ("actors/supervision/Cargo.toml", "[dependencies]\nstore.workspace = true\n"),
            ],
        )],
    },
    Rule {
        says: "a crate and a module at a crate's root never share a name",
        remedy: "rename the module: `use name::…` would find it in place of the crate",
        check: modules_named_as_crates,
        good: &[&[CLOCK, ("src/http.rs", ""), ("src/http/clock.rs", "")]],
        bad: &[
            ("src/clock.rs:1", &[CLOCK, ("src/clock.rs", "")]),
            ("actors/clock.rs:1", &[CLOCK, ("actors/clock.rs", "")]),
            ("crates/a/src/clock.rs:1", &[CLOCK, ("crates/a/src/clock.rs", "")]),
        ],
    },
];

const THINKS: (&str, &str) = ("crates/a/Cargo.toml", "[package.metadata.floor]\nkind = \"thinks\"\n");
const CLOCK: (&str, &str) = ("crates/clock/Cargo.toml", "[package.metadata.floor]\nkind = \"touches\"\n");

fn ground_names_upstairs(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for file in tree.files().filter(|file| file.ground_crate().is_some()) {
        for (line, path) in file.named_paths().filter(|(_, path)| path.contains("::")) {
            let first = first_part(path);
            if ACTIX.contains(&first) || UPSTAIRS.contains(&first) {
                found.push(Finding::new(&file.path, line, format!("`{path}`")));
            }
        }
        if file.name() == "Cargo.toml" {
            found.extend(refused(file, |name, for_tests| {
                UPSTAIRS.contains(&name) || (!for_tests && ACTIX.contains(&name))
            }));
        }
    }
    found
}

fn floors_unsaid(tree: &Tree) -> Vec<Finding> {
    tree.ground()
        .filter(|(_, manifest)| !matches!(floor_kind(manifest), Some("thinks" | "touches")))
        .map(|(_, manifest)| Finding::new(&manifest.path, 1, "no floor.kind, or an unknown one"))
        .collect()
}

fn thinkers_that_touch(tree: &Tree) -> Vec<Finding> {
    let thinkers: Vec<(&str, &File)> = thinkers(tree).collect();
    let mut found: Vec<Finding> = thinkers
        .iter()
        .flat_map(|(_, manifest)| refused(manifest, |name, for_tests| !for_tests && TOUCHING.contains(&name)))
        .collect();
    let thinks = |file: &File| thinkers.iter().any(|(name, _)| file.ground_crate() == Some(*name));
    for file in tree.files().filter(|file| thinks(file)) {
        let touching = file.named_paths().filter(|(_, path)| touches(path));
        found.extend(touching.map(|(line, path)| Finding::new(&file.path, line, format!("`{path}`"))));
    }
    found
}

fn touches(path: &str) -> bool {
    let is_beneath =
        |root: &&str| path.strip_prefix(*root).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"));
    (path.contains("::") && TOUCHING.contains(&first_part(path)))
        || TOUCHING_PATHS.iter().any(is_beneath)
        || TIMES.iter().any(|time| path.ends_with(time))
}

fn thinkers_on_touchers(tree: &Tree) -> Vec<Finding> {
    let touchers: Vec<&str> = tree
        .ground()
        .filter(|(_, manifest)| floor_kind(manifest) == Some("touches"))
        .map(|(name, _)| name)
        .collect();
    thinkers(tree)
        .flat_map(|(_, manifest)| refused(manifest, |name, for_tests| !for_tests && touchers.contains(&name)))
        .collect()
}

fn siblings_of_supervision(tree: &Tree) -> Vec<Finding> {
    let siblings: Vec<&str> =
        tree.ground().map(|(name, _)| name).filter(|name| !BENEATH_SUPERVISION.contains(name)).collect();
    let manifest = tree.file("actors/supervision/Cargo.toml");
    manifest
        .into_iter()
        .flat_map(|manifest| refused(manifest, |name, _| name == "actors" || siblings.contains(&name)))
        .collect()
}

fn modules_named_as_crates(tree: &Tree) -> Vec<Finding> {
    let crates: Vec<&str> = tree.ground().map(|(name, _)| name).chain(["actors", "supervision"]).collect();
    tree.rust()
        .filter_map(|(file, _)| {
            let name = file.name().strip_suffix(".rs")?;
            let folder = file.path.strip_suffix(file.name())?.trim_end_matches('/');
            let is_root =
                folder == "src" || folder == "actors" || (folder.ends_with("/src") && !file.is_test());
            (is_root && crates.contains(&name))
                .then(|| Finding::new(&file.path, 1, format!("module `{name}`")))
        })
        .collect()
}

fn thinkers(tree: &Tree) -> impl Iterator<Item = (&str, &File)> {
    tree.ground().filter(|(_, manifest)| floor_kind(manifest) == Some("thinks"))
}

fn first_part(path: &str) -> &str {
    path.split("::").next().unwrap_or(path)
}

/// The dependencies of a manifest that the rule refuses, by name (with `_` for `-`) and whether they are for tests.
fn refused(manifest: &File, refuses: impl Fn(&str, bool) -> bool) -> Vec<Finding> {
    dependencies(manifest)
        .iter()
        .filter(|found| refuses(&found.name.replace('-', "_"), found.for_tests))
        .map(|found| Finding::new(&manifest.path, found.line, format!("depends on `{}`", found.name)))
        .collect()
}
