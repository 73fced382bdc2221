//! Rules about single lines: what is never written, and what needs a word of explanation where it stands.

use crate::rule::{Finding, Rule};
use crate::rust::{Source, words};
use crate::tree::{File, Tree};

const UNFINISHED: [&str; 4] = ["todo!", "unimplemented!", "dbg!", "unreachable_unchecked"];
/// Words of a comment that leave work behind; spelled so that this file does not contain them.
const LEFT_BEHIND: [&str; 4] = ["TOD\u{4f}", "FIXM\u{45}", "XX\u{58}", "HAC\u{4b}"];
const MAX_EXCUSE_DISTANCE: usize = 3;

pub(crate) const RULES: &[Rule] = &[
    Rule {
        says: "no lint is switched off with `allow`",
        remedy: "mend it, or write `#[expect(lint, reason = \"…\")]`, which tells when it is no longer needed",
        check: allows,
        good: &[&[(
            "src/a.rs",
            "#[expect(unsafe_code, reason = \"why\")]\nfn allow(x: u8) {} // #[allow(dead_code)]\n",
        )]],
        bad: &[
            ("src/a.rs:1", &[("src/a.rs", "#[allow(dead_code)]\nfn a() {}\n")]),
            ("src/a.rs:2", &[("src/a.rs", "//! x\n#![allow(missing_docs)]\n")]),
            ("tests/a.rs:1", &[("tests/a.rs", "#[cfg_attr(test, allow(dead_code))]\n")]),
        ],
    },
    Rule {
        says: "nothing unfinished is left behind",
        remedy: "finish it, or leave it out and say so in the document that promises it",
        check: unfinished,
        good: &[&[("src/a.rs", "/// What a todo list holds.\nfn a() { f(\"todo!()\"); }\n")]],
        bad: &[
            ("src/a.rs:1", &[("src/a.rs", "fn a() { todo!() }\n")]),
            ("src/a.rs:2", &[("src/a.rs", "fn a() {}\n// TOD\u{4f}: later\n")]),
            ("src/a.rs:1", &[("src/a.rs", "fn a() { let b = dbg!(c); }\n")]),
        ],
    },
    Rule {
        says: "every queue is bounded",
        remedy: "give it a capacity, and say what happens when it is full",
        check: unbounded,
        good: &[&[(
            "src/a.rs",
            "use std::sync::mpsc::sync_channel;\nuse tokio::sync::mpsc;\nfn f() { mpsc::channel(16); }\n",
        )]],
        bad: &[
            ("src/a.rs:1", &[("src/a.rs", "fn f() { tokio::sync::mpsc::unbounded_channel(); }\n")]),
            ("src/a.rs:2", &[("src/a.rs", "use std::sync::mpsc;\nfn f() { mpsc::channel(); }\n")]),
            ("src/a.rs:1", &[("src/a.rs", "use std::sync::mpsc::{channel, Receiver};\n")]),
        ],
    },
    Rule {
        says: "a `do_send` says why the loss of its message is harmless",
        remedy: "use `try_send` or an awaited `send`; or write the reason on the line or just above it",
        check: silent_losses,
        good: &[&[(
            "actors/a.rs",
            "// A later hint makes up for a lost one.\nfeed.do_send(x);\nfeed.do_send(y); // the same\n",
        )]],
        bad: &[("actors/a.rs:2", &[("actors/a.rs", "//! x\nfeed.do_send(x);\n")])],
    },
    Rule {
        says: "anyhow is for main, the CLI and tests",
        remedy: "add a variant to the crate's `Error` that tells the caller what it can do",
        check: anyhow,
        good: &[&[
            ("src/main.rs", "use anyhow::Context;\n"),
            ("src/cli/run.rs", "fn f() -> anyhow::Result<()> {}\n"),
        ]],
        bad: &[("src/http.rs:1", &[("src/http.rs", "fn f() -> anyhow::Result<()> {}\n")])],
    },
    Rule {
        says: "unsafe code says in a SAFETY comment why it is sound",
        remedy: "write `// SAFETY: …` just above it, or use a safe API",
        check: unsafe_without_reason,
        good: &[&[(
            "src/a.rs",
            "// SAFETY: the descriptor is ours and open.\nlet a = unsafe { f() };\n#[expect(unsafe_code, reason = \"b\")]\n",
        )]],
        bad: &[("src/a.rs:1", &[("src/a.rs", "let a = unsafe { f() };\n")])],
    },
];

fn allows(tree: &Tree) -> Vec<Finding> {
    code_where(tree, |_, _, _, code| {
        let compact: String = code.split_whitespace().collect();
        let in_attribute = compact.contains("#[") || compact.contains("#![");
        in_attribute && words(code).any(|word| word == "allow") && compact.contains("allow(")
    })
}

fn unfinished(tree: &Tree) -> Vec<Finding> {
    let mut found = code_where(tree, |_, _, _, code| UNFINISHED.iter().any(|word| code.contains(word)));
    for (file, source) in tree.rust() {
        for comment in &source.comments {
            let left = words(&comment.text).find(|word| LEFT_BEHIND.contains(word));
            found.extend(left.map(|word| Finding::new(&file.path, comment.line, format!("`{word}`"))));
        }
    }
    found
}

fn unbounded(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for file in tree.files() {
        let of_std =
            file.named_paths().any(|(_, path)| matches!(path, "std::sync::mpsc" | "std::sync::mpsc::self"));
        let is_unbounded = |path: &str| {
            path.ends_with("unbounded_channel")
                || path.ends_with("mpsc::unbounded")
                || path == "std::sync::mpsc::channel"
                || (of_std && path == "mpsc::channel")
        };
        let named = file.named_paths().filter(|(_, path)| is_unbounded(path));
        found.extend(named.map(|(line, path)| Finding::new(&file.path, line, format!("`{path}`"))));
    }
    found
}

fn silent_losses(tree: &Tree) -> Vec<Finding> {
    code_where(tree, |file, source, line, code| {
        code.contains(".do_send(") && !file.is_test_line(line) && !has_comment(source, line, 1, "")
    })
}

fn anyhow(tree: &Tree) -> Vec<Finding> {
    let elsewhere = tree.files().filter(|file| !file.is_within(&["src/main.rs", "src/cli.rs", "src/cli/"]));
    let of_file = |file: &File| {
        let named = file.named_paths().filter(|(_, path)| path.starts_with("anyhow::"));
        named.map(|(line, path)| Finding::new(&file.path, line, format!("`{path}`"))).collect::<Vec<_>>()
    };
    elsewhere.flat_map(of_file).collect()
}

fn unsafe_without_reason(tree: &Tree) -> Vec<Finding> {
    code_where(tree, |_, source, line, code| {
        words(code).any(|word| word == "unsafe") && !has_comment(source, line, MAX_EXCUSE_DISTANCE, "SAFETY:")
    })
}

/// True when a comment with this text begins on the line or at most so many lines above it.
fn has_comment(source: &Source, line: usize, above: usize, text: &str) -> bool {
    source.comments.iter().any(|comment| {
        let near = comment.line <= line && comment.line + above >= line;
        near && comment.text.contains(text) && !comment.text.starts_with("//!")
    })
}

fn code_where(tree: &Tree, is_refused: impl Fn(&File, &Source, usize, &str) -> bool) -> Vec<Finding> {
    let mut found = Vec::new();
    for (file, source) in tree.rust() {
        let refused = source.numbered().filter(|(line, code)| is_refused(file, source, *line, code));
        found
            .extend(refused.map(|(line, code)| Finding::new(&file.path, line, format!("`{}`", code.trim()))));
    }
    found
}
