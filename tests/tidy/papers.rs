//! Rules about what is no code: documents tell the truth about the tree, and data that the binary needs is in it.

use crate::manifest::floor_kind;
use crate::rule::{Finding, Rule};
use crate::tree::{File, Tree};

const RECORDS: &str = "docs/adr/README.md";
/// Whose tables have names of tests in their last column.
const PROMISES: &str = "docs/fidelity.md";
const MAP: &str = "ARCHITECTURE.md";
/// Folders whose files documents name in backticks.
const NAMED: [&str; 10] = [
    ".ci/",
    ".github/",
    "actors/",
    "config/",
    "crates/",
    "docs/",
    "migrations/",
    "src/",
    "templates/",
    "tests/",
];
/// Beginnings of paths that mean something on one machine alone; spelled so that no file contains them.
const OF_ONE_MACHINE: [&str; 4] = ["/hom\u{65}/", "/roo\u{74}/", "/User\u{73}/", "/wor\u{6b}/"];

pub(crate) const RULES: &[Rule] = &[
    Rule {
        says: "every decision record is listed, under a number of its own",
        remedy: "add a line with a link to docs/adr/README.md; take the next free number",
        check: unlisted_records,
        good: &[&[(RECORDS, "- [0001](0001-a.md)\n"), ("docs/adr/0001-a.md", "")]],
        bad: &[
            (
                "docs/adr/0002-b.md:1",
                &[(RECORDS, "[0001](0001-a.md)"), ("docs/adr/0001-a.md", ""), ("docs/adr/0002-b.md", "")],
            ),
            (
                "docs/adr/0001-b.md:1",
                &[
                    (RECORDS, "(0001-a.md) (0001-b.md)"),
                    ("docs/adr/0001-a.md", ""),
                    ("docs/adr/0001-b.md", ""),
                ],
            ),
        ],
    },
    Rule {
        says: "a test that docs/fidelity.md names is there",
        remedy: "name the test as it is called now; a promise without a test is taken out",
        check: promised_tests,
        good: &[&[
            (PROMISES, "| what | test |\n|---|---|\n| `a` is b | `it_holds`, `it_stays` |\n"),
            ("crates/a/src/lib.rs", "fn it_holds() {}\nasync fn it_stays() {}\n"),
        ]],
        bad: &[(
            "docs/fidelity.md:3",
            &[
                (PROMISES, "| what | test |\n|---|---|\n| a | `it_holds` |\n"),
                ("crates/a/src/lib.rs", "fn it() {}\n"),
            ],
        )],
    },
    Rule {
        says: "a link in a document leads to a file of the repository",
        remedy: "mend the link, or take it out",
        check: broken_links,
        good: &[&[
            (
                "README.md",
                "[a](docs/a.md#part) [b](https://example.org) [c](#here) `[d](e)`\n```\n[f](g)\n```\n",
            ),
            ("docs/a.md", "[back](../README.md), [up](..)\n"),
        ]],
        bad: &[
            ("README.md:2", &[("README.md", "\n[a](docs/none.md)\n")]),
            ("docs/a.md:1", &[("docs/a.md", "[a](README.md)"), ("README.md", "")]),
        ],
    },
    Rule {
        says: "a path in backticks in a document exists",
        remedy: "name what is there; what is planned gets no path",
        check: missing_paths,
        good: &[&[("README.md", "`src/main.rs` and `src/` but `crates/*`, `src::a`\n"), ("src/main.rs", "")]],
        bad: &[("README.md:2", &[("README.md", "\nSee `src/none.rs`.\n"), ("src/main.rs", "")])],
    },
    Rule {
        says: "the map in ARCHITECTURE.md has a row for every crate, with its kind, and for no other",
        remedy: "write a row \"| `name` | thinks or touches | what it is |\" in the table of crates",
        check: map_of_crates,
        good: &[&[(MAP, "| `a` | thinks | words |\n"), A_THINKS]],
        bad: &[
            ("crates/a/Cargo.toml:1", &[(MAP, "no table"), A_THINKS]),
            ("ARCHITECTURE.md:1", &[(MAP, "| `a` | touches | words |\n"), A_THINKS]),
            ("ARCHITECTURE.md:2", &[(MAP, "| `a` | thinks | words |\n| `b` | thinks | words |\n"), A_THINKS]),
        ],
    },
    Rule {
        says: "the map in ARCHITECTURE.md names every file of actors/ and src/",
        remedy: "add the file's name, in backticks, and what it is for",
        check: map_of_upper_floors,
        good: &[&[
            (MAP, "`router.rs` and `src/http.rs`, `cli/`"),
            ("actors/router.rs", ""),
            ("src/http.rs", ""),
            ("src/cli/run.rs", ""),
        ]],
        bad: &[
            ("actors/router.rs:1", &[(MAP, "router"), ("actors/router.rs", "")]),
            ("src/cli/run.rs:1", &[(MAP, "`cli.rs`"), ("src/cli.rs", ""), ("src/cli/run.rs", "")]),
        ],
    },
    Rule {
        says: "no file names a path of one machine",
        remedy: "use a path relative to the repository, or one that the user gives",
        check: paths_of_one_machine,
        good: &[&[("README.md", "https://example.org/home/page, ./work/x and crates/workspace/src\n")]],
        bad: &[
            ("README.md:2", &[("README.md", "\ncd /hom\u{65}/someone/impresario\n")]),
            ("src/a.rs:1", &[("src/a.rs", "const A: &str = \"/wor\u{6b}/a\";\n")]),
        ],
    },
    Rule {
        says: "a migration has a way up and a way down",
        remedy: "write both `up.sql` and `down.sql`; what cannot be undone says so in its first line",
        check: one_way_migrations,
        good: &[&[("migrations/sqlite/1_a/up.sql", "CREATE"), ("migrations/sqlite/1_a/down.sql", "DROP")]],
        bad: &[
            ("migrations/sqlite/1_a/up.sql:1", &[("migrations/sqlite/1_a/up.sql", "CREATE")]),
            (
                "migrations/sqlite/1_a/down.sql:1",
                &[("migrations/sqlite/1_a/up.sql", "CREATE"), ("migrations/sqlite/1_a/down.sql", "\n")],
            ),
        ],
    },
    Rule {
        says: "templates and config are embedded, so that an installed binary has them",
        remedy: "name the file in an `include_str!`",
        check: not_embedded,
        good: &[&[
            ("templates/a/b.yaml", ""),
            ("crates/p/src/lib.rs", "const A: &str = include_str!(\"../../../templates/a/b.yaml\");\n"),
        ]],
        bad: &[
            (
                "templates/a/b.yaml:1",
                &[("templates/a/b.yaml", ""), ("src/a.rs", "// include_str!(\"templates/a/b.yaml\")\n")],
            ),
            ("config/c.yaml:1", &[("config/c.yaml", ""), ("src/a.rs", "f(\"config/c.yaml\");\n")]),
        ],
    },
];

const A_THINKS: (&str, &str) = ("crates/a/Cargo.toml", "[package.metadata.floor]\nkind = \"thinks\"\n");

fn documents(tree: &Tree) -> impl Iterator<Item = &File> {
    tree.files().filter(|file| file.path.ends_with(".md") && !file.path.starts_with("examples/"))
}

/// Lines of prose with their numbers: neither fenced blocks nor, when asked so, code in backticks.
fn prose(document: &File) -> Vec<(usize, &str)> {
    let mut is_fenced = false;
    let mut lines = Vec::new();
    for (index, line) in document.text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            is_fenced = !is_fenced;
        } else if !is_fenced {
            lines.push((index + 1, line));
        }
    }
    lines
}

fn unlisted_records(tree: &Tree) -> Vec<Finding> {
    let list = tree.file(RECORDS).map(|list| list.text.as_str()).unwrap_or_default();
    let mut numbers: Vec<&str> = Vec::new();
    let mut found = Vec::new();
    for record in documents(tree).filter(|file| file.path.starts_with("docs/adr/") && file.path != RECORDS) {
        let number = record.name().split('-').next().unwrap_or_default();
        if !list.contains(&format!("({})", record.name())) {
            found.push(Finding::new(&record.path, 1, format!("not listed in {RECORDS}")));
        }
        if numbers.contains(&number) {
            found.push(Finding::new(&record.path, 1, format!("the number {number} is taken")));
        }
        numbers.push(number);
    }
    found
}

fn promised_tests(tree: &Tree) -> Vec<Finding> {
    let Some(promises) = tree.file(PROMISES) else { return Vec::new() };
    let is_there = |name: &str| {
        let definition = format!("fn {name}(");
        tree.rust().any(|(file, _)| file.text.contains(&definition))
    };
    let mut found = Vec::new();
    for (line, text) in (1..).zip(promises.text.lines()) {
        let Some(cell) = text.strip_suffix(" |").and_then(|row| row.rsplit('|').next()) else { continue };
        let names = cell.split('`').skip(1).step_by(2);
        found.extend(
            names
                .filter(|name| !is_there(name))
                .map(|name| Finding::new(&promises.path, line, format!("there is no test `{name}`"))),
        );
    }
    found
}

fn broken_links(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for document in documents(tree) {
        for (line, text) in prose(document) {
            let plain: String = text.split('`').step_by(2).collect();
            let targets = plain.split("](").skip(1).filter_map(|rest| rest.split(')').next());
            let files = targets.map(|target| target.split('#').next().unwrap_or_default());
            for target in files.filter(|target| !target.is_empty() && !target.contains(':')) {
                if !tree.has(&resolved(&document.path, target)) {
                    found.push(Finding::new(&document.path, line, format!("`{target}` is not there")));
                }
            }
        }
    }
    found
}

/// The path that a link leads to from a document; the root is the empty path.
fn resolved(document: &str, link: &str) -> String {
    let mut parts: Vec<&str> = document.split('/').collect();
    parts.pop();
    for part in link.split('/').filter(|part| !part.is_empty() && *part != ".") {
        if part == ".." {
            parts.pop();
        } else {
            parts.push(part);
        }
    }
    parts.join("/")
}

fn missing_paths(tree: &Tree) -> Vec<Finding> {
    let is_path = |name: &str| {
        let plain = |char: char| char.is_ascii_alphanumeric() || "._-/".contains(char);
        NAMED.iter().any(|folder| name.starts_with(folder)) && name.chars().all(plain)
    };
    let mut found = Vec::new();
    for document in documents(tree) {
        for (line, text) in prose(document) {
            let named = text.split('`').skip(1).step_by(2).filter(|name| is_path(name) && !tree.has(name));
            found.extend(
                named.map(|name| Finding::new(&document.path, line, format!("`{name}` is not there"))),
            );
        }
    }
    found
}

fn map_of_crates(tree: &Tree) -> Vec<Finding> {
    let Some(map) = tree.file(MAP) else { return Vec::new() };
    let rows: Vec<(usize, &str, &str)> = prose(map)
        .into_iter()
        .filter_map(|(line, text)| {
            let mut columns = text.strip_prefix("| `")?.splitn(3, '|').map(str::trim);
            let (name, kind) = (columns.next()?.strip_suffix('`')?, columns.next()?);
            matches!(kind, "thinks" | "touches").then_some((line, name, kind))
        })
        .collect();
    let mut found: Vec<Finding> = tree
        .ground()
        .filter(|(name, _)| !rows.iter().any(|(_, row, _)| row == name))
        .map(|(name, manifest)| Finding::new(&manifest.path, 1, format!("`{name}` has no row in {MAP}")))
        .collect();
    for (line, name, kind) in rows {
        let is_there = tree.ground().find(|(folder, _)| *folder == name);
        match is_there.map(|(_, manifest)| floor_kind(manifest)) {
            None => found.push(Finding::new(MAP, line, format!("there is no crate `{name}`"))),
            Some(said) if said != Some(kind) => {
                found.push(Finding::new(
                    MAP,
                    line,
                    format!("the manifest of `{name}` says {said:?}, not {kind}"),
                ));
            }
            Some(_) => {}
        }
    }
    found
}

fn map_of_upper_floors(tree: &Tree) -> Vec<Finding> {
    let Some(map) = tree.file(MAP) else { return Vec::new() };
    let names: Vec<&str> = map.text.split('`').collect();
    let is_named = |file: &File| {
        let (folder, rest) = file.path.split_once('/').unwrap_or(("", &file.path));
        let mut ways = vec![rest.to_owned(), format!("{folder}/{rest}")];
        // A folder that is named stands for its files.
        ways.extend(
            rest.split_once('/')
                .into_iter()
                .flat_map(|(part, _)| [format!("{part}/"), format!("{folder}/{part}/")]),
        );
        ways.iter().any(|way| names.contains(&way.as_str()))
    };
    let upper = tree.rust().map(|(file, _)| file).filter(|file| file.is_within(&["actors/", "src/"]));
    upper
        .filter(|file| !is_named(file) && !file.is_test())
        .map(|file| Finding::new(&file.path, 1, format!("not named in {MAP}")))
        .collect()
}

fn paths_of_one_machine(tree: &Tree) -> Vec<Finding> {
    let names_one = |line: &str| {
        OF_ONE_MACHINE.iter().any(|start| {
            let mut hits = line.match_indices(start);
            hits.any(|(at, _)| {
                !line[..at].ends_with(|char: char| char.is_alphanumeric() || "._-}".contains(char))
            })
        })
    };
    let mut found = Vec::new();
    for file in tree.files() {
        let lines = file.text.lines().enumerate().filter(|(_, line)| names_one(line));
        found.extend(lines.map(|(index, line)| Finding::new(&file.path, index + 1, line.trim().to_owned())));
    }
    found
}

fn one_way_migrations(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for file in tree.files().filter(|file| file.path.starts_with("migrations/")) {
        let other = match file.name() {
            "up.sql" => "down.sql",
            "down.sql" => "up.sql",
            _ => continue,
        };
        let folder = file.path.trim_end_matches(file.name());
        if file.text.trim().is_empty() {
            found.push(Finding::new(&file.path, 1, "empty"));
        }
        if tree.file(&format!("{folder}{other}")).is_none() {
            found.push(Finding::new(&file.path, 1, format!("has no {other} beside it")));
        }
    }
    found
}

fn not_embedded(tree: &Tree) -> Vec<Finding> {
    let embedded: Vec<&str> = tree
        .rust()
        .flat_map(|(_, source)| {
            let embeds =
                |line: usize| source.code.get(line - 1).is_some_and(|code| code.contains("include_str!"));
            source
                .literals
                .iter()
                .filter(move |literal| embeds(literal.line))
                .map(|literal| literal.text.as_str())
        })
        .collect();
    let data = tree
        .files()
        .filter(|file| file.is_within(&["templates/", "config/"]) && file.path.ends_with(".yaml"));
    data.filter(|file| !embedded.iter().any(|path| path.ends_with(&format!("/{}", file.path))))
        .map(|file| Finding::new(&file.path, 1, "in no `include_str!`"))
        .collect()
}
