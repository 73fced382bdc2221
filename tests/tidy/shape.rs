//! Rules about a file's size, its header and its names, and the names of what it declares.

use crate::rule::{Finding, Rule};
use crate::rust::words;
use crate::tree::{File, Tree};

const MAX_LINES: usize = 500;
const MAX_TEST_LINES: usize = 150;
const MAX_HEADER_LINES: usize = 10;
const MIN_HEADER_WORDS: usize = 3;
const EMPTY_NAMES: [&str; 12] = [
    "base", "common", "core", "helper", "helpers", "manager", "managers", "misc", "mod", "shared", "util",
    "utils",
];
const EMPTY_ENDINGS: [&str; 7] = ["Helper", "Helpers", "Manager", "Misc", "Util", "Utils", "V2"];

const LONG_CODE: &str = text_of(&[b'\n'; MAX_LINES + 1]);
const LONG_TESTS: &str = text_of(&with_head(b"#[cfg(test)]\nmod tests {", [b'\n'; MAX_TEST_LINES + 40]));

const fn text_of(bytes: &[u8]) -> &str {
    match str::from_utf8(bytes) {
        Ok(text) => text,
        Err(_) => panic!("samples are ASCII"),
    }
}

const fn with_head<const N: usize>(head: &[u8], mut bytes: [u8; N]) -> [u8; N] {
    let mut at = 0;
    while at < head.len() {
        bytes[at] = head[at];
        at += 1;
    }
    bytes[N - 1] = b'}';
    bytes
}

pub(crate) const RULES: &[Rule] = &[
    Rule {
        says: "a file has at most 500 lines, its tests aside",
        remedy: "cut it where a noun of the domain names the part; tests move to a file of their own",
        check: long_files,
        good: &[&[("src/http.rs", LONG_TESTS)], &[("crates/a/src/b/tests.rs", LONG_CODE)]],
        bad: &[("src/http.rs:501", &[("src/http.rs", LONG_CODE)])],
    },
    Rule {
        says: "more than 150 lines of tests stand in a file of their own",
        remedy: "move them to <file>/tests.rs and leave `#[cfg(test)] mod tests;` behind",
        check: long_tests,
        good: &[
            &[("src/a.rs", "fn a() {}\n#[cfg(test)]\nmod tests {\n}\n")],
            &[("src/a/tests.rs", LONG_TESTS)],
        ],
        bad: &[("src/a.rs:1", &[("src/a.rs", LONG_TESTS)])],
    },
    Rule {
        says: "a Rust file begins with a `//!` header of one to ten lines that says what it is for",
        remedy: "write what it owns, what it promises and what it never does",
        check: headers,
        good: &[&[("src/a.rs", "//! Every route, in one table.\n//!\n//! More.\n\nuse b;\n")]],
        bad: &[
            ("src/a.rs:1", &[("src/a.rs", "use b;\n//! Every route, in one table.\n")]),
            ("src/a.rs:1", &[("src/a.rs", "//! Under construction.\n")]),
            (
                "src/a.rs:11",
                &[(
                    "src/a.rs",
                    "//! A header without an end.\n//!\n//!\n//!\n//!\n//!\n//!\n//!\n//!\n//!\n//!\n",
                )],
            ),
        ],
    },
    Rule {
        says: "no file and no folder has a name that says nothing, and none is a `mod.rs` or a `_v2`",
        remedy: "name it for the thing; if no noun comes, the cut is wrong",
        check: empty_names,
        good: &[&[("crates/pricing/src/table.rs", ""), ("docs/adr/README.md", "")]],
        bad: &[
            ("src/utils.rs:1", &[("src/utils.rs", "")]),
            ("crates/common/src/lib.rs:1", &[("crates/common/src/lib.rs", "")]),
            ("src/http/mod.rs:1", &[("src/http/mod.rs", "")]),
            ("src/chat_helpers.rs:1", &[("src/chat_helpers.rs", "")]),
            ("src/door_v2.rs:1", &[("src/door_v2.rs", "")]),
        ],
    },
    Rule {
        says: "no type has a name that says nothing",
        remedy: "name it for the thing, in the field's own term",
        check: empty_type_names,
        good: &[&[("src/a.rs", "struct Writer;\nenum Utility { A }\n// struct Manager\n")]],
        bad: &[
            ("src/a.rs:2", &[("src/a.rs", "//! x\npub(crate) struct ConnectionManager {\n")]),
            ("src/a.rs:1", &[("src/a.rs", "trait Helper {}\n")]),
        ],
    },
    Rule {
        says: "no public type repeats its crate's or its actor's name",
        remedy: "drop the repeated word: `budget::Error`, `pricing::Table`",
        check: stutter,
        good: &[&[(
            "crates/pricing/src/lib.rs",
            "pub struct Table;\npub struct Pricing;\npub struct Pricingless;\n",
        )]],
        bad: &[
            (
                "crates/pricing/src/cost.rs:2",
                &[("crates/pricing/src/cost.rs", "//! x\npub enum PricingError {\n")],
            ),
            ("actors/writer.rs:1", &[("actors/writer.rs", "pub struct WriterHandle;\n")]),
        ],
    },
];

fn long_files(tree: &Tree) -> Vec<Finding> {
    let own = tree.rust().filter(|(file, _)| !file.is_test());
    own.filter_map(|(file, source)| {
        let lines = source.numbered().filter(|(line, _)| !file.is_test_line(*line)).count();
        (lines > MAX_LINES).then(|| Finding::new(&file.path, lines, format!("{lines} lines of code")))
    })
    .collect()
}

fn long_tests(tree: &Tree) -> Vec<Finding> {
    let own = tree.rust().filter(|(file, _)| !file.is_test());
    own.filter_map(|(file, source)| {
        let tests: Vec<usize> =
            source.numbered().map(|(line, _)| line).filter(|line| source.is_test_line(*line)).collect();
        let first = *tests.first()?;
        (tests.len() > MAX_TEST_LINES)
            .then(|| Finding::new(&file.path, first, format!("{} lines of tests", tests.len())))
    })
    .collect()
}

fn headers(tree: &Tree) -> Vec<Finding> {
    tree.rust()
        .filter_map(|(file, _)| {
            let header: Vec<&str> = file.text.lines().take_while(|line| line.starts_with("//!")).collect();
            let word_count = header.iter().flat_map(|line| words(line)).count();
            if header.len() > MAX_HEADER_LINES {
                return Some(Finding::new(
                    &file.path,
                    header.len(),
                    format!("{} lines of header", header.len()),
                ));
            }
            (word_count < MIN_HEADER_WORDS)
                .then(|| Finding::new(&file.path, 1, "no `//!` header, or one that says nothing"))
        })
        .collect()
}

fn empty_names(tree: &Tree) -> Vec<Finding> {
    let says_nothing = |name: &str| {
        let last = name.rsplit(['_', '-']).next().unwrap_or(name);
        EMPTY_NAMES.contains(&name)
            || matches!(last, "v2" | "helper" | "helpers" | "manager" | "util" | "utils")
    };
    tree.files()
        .filter_map(|file| {
            let parts = file.path.split('/').map(|part| part.split('.').next().unwrap_or(part));
            let empty = parts.map(str::to_lowercase).find(|part| says_nothing(part))?;
            Some(Finding::new(&file.path, 1, format!("`{empty}`")))
        })
        .collect()
}

fn empty_type_names(tree: &Tree) -> Vec<Finding> {
    let of_file = |(file, source): (&File, &crate::rust::Source)| {
        let declared =
            source.numbered().filter_map(|(line, code)| Some((line, declared_type(code)?.to_owned())));
        let empty = declared.filter(|(_, name)| EMPTY_ENDINGS.iter().any(|ending| name.ends_with(ending)));
        empty.map(|(line, name)| Finding::new(&file.path, line, format!("`{name}`"))).collect::<Vec<_>>()
    };
    tree.rust().flat_map(of_file).collect()
}

fn stutter(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for (file, source) in tree.rust().filter(|(file, _)| !file.is_test()) {
        let Some(owner) = file.ground_crate().or_else(|| actor(file)) else { continue };
        let repeated = camel_case(owner);
        let public = source.numbered().filter(|(_, code)| code.trim_start().starts_with("pub "));
        for (line, name) in public.filter_map(|(line, code)| Some((line, declared_type(code)?))) {
            let rest = name.strip_prefix(repeated.as_str()).unwrap_or_default();
            if rest.starts_with(|char: char| char.is_uppercase()) {
                found.push(Finding::new(&file.path, line, format!("`{owner}::{name}`")));
            }
        }
    }
    found
}

/// The name of the actor that a file on the middle floor is for.
fn actor(file: &File) -> Option<&str> {
    let name = file.path.strip_prefix("actors/")?.strip_suffix(".rs")?;
    name.split('/').next().filter(|name| *name != "lib")
}

/// The type that a line of code declares.
fn declared_type(code: &str) -> Option<&str> {
    let mut words = words(code).skip_while(|word| matches!(*word, "pub" | "crate" | "super"));
    matches!(words.next()?, "struct" | "enum" | "trait" | "type" | "union").then(|| words.next())?
}

fn camel_case(name: &str) -> String {
    name.split('_')
        .map(|part| {
            let mut chars = part.chars();
            chars
                .next()
                .map(|first| first.to_uppercase().chain(chars).collect::<String>())
                .unwrap_or_default()
        })
        .collect()
}
