//! Rules about what belongs to one crate or file alone: SQL, vendors' words, the environment, the start of an actor.

use crate::manifest::dependencies;
use crate::rule::{Finding, Rule};
use crate::rust::words;
use crate::tree::{File, Tree};

const SQL: [&str; 8] = [
    "SELECT ",
    "INSERT INTO ",
    "INSERT OR ",
    "DELETE FROM ",
    "CREATE TABLE ",
    "ALTER TABLE ",
    "DROP TABLE ",
    "PRAGMA ",
];
/// Names of fields in the dialects of OpenAI, Anthropic and Gemini that mean nothing anywhere else.
const VENDORS_FIELDS: [&str; 24] = [
    "cache_control",
    "cachedContentTokenCount",
    "cache_creation_input_tokens",
    "cache_read_input_tokens",
    "candidatesTokenCount",
    "completion_tokens",
    "content_block_delta",
    "content_block_start",
    "finishReason",
    "finish_reason",
    "functionCall",
    "functionDeclarations",
    "functionResponse",
    "generationConfig",
    "input_schema",
    "maxOutputTokens",
    "max_completion_tokens",
    "max_tokens",
    "promptTokenCount",
    "prompt_tokens",
    "stop_reason",
    "stream_options",
    "tool_use_id",
    "usageMetadata",
];
/// A vendor's field, and also what the domain calls why an answer ended: refused only in literals.
const ALSO_OURS: &str = "stop_reason";
const ENVIRONMENT: [&str; 8] =
    ["var", "var_os", "vars", "vars_os", "set_var", "remove_var", "temp_dir", "home_dir"];
const STARTS: [&str; 7] = [
    "Actor::create",
    "Actor::start",
    "Actor::start_in_arbiter",
    "Supervisor::start",
    "Supervisor::start_in_arbiter",
    "actix::spawn",
    "actix_rt::spawn",
];
const STARTING_CALLS: [&str; 3] = [".start()", ".start_default()", "::start_in_arbiter("];
const SPAWNS: [&str; 9] = [
    "runtime::Handle",
    "Handle::current",
    "tokio::spawn",
    "tokio::task::spawn",
    "tokio::task::spawn_local",
    "task::spawn_local",
    "actix::spawn",
    "actix_rt::spawn",
    "rt::spawn",
];
const THREADS: [&str; 2] = ["thread::spawn", "thread::Builder"];
const CELLS: [&str; 8] =
    ["ArcSwap", "DashMap", "Mutex", "OnceCell", "OnceLock", "RefCell", "RwLock", "UnsafeCell"];

pub(crate) const RULES: &[Rule] = &[
    Rule {
        says: "only crates/store knows SQL",
        remedy: "add a function to the table's file in crates/store and call that",
        check: sql,
        good: &[&[
            ("crates/store/src/lib.rs", "use diesel::prelude::*;\nconst Q: &str = \"SELECT 1\";\n"),
            ("src/cli.rs", "const HELP: &str = \"Select a workflow\";\n"),
        ]],
        bad: &[
            ("src/cli.rs:1", &[("src/cli.rs", "use diesel::prelude::*;\n")]),
            (
                "actors/writer.rs:2",
                &[("actors/writer.rs", "//! x\nconst Q: &str = \"DELETE FROM workflows\";\n")],
            ),
            (
                "actors/Cargo.toml:2",
                &[("actors/Cargo.toml", "[dependencies]\nlibsqlite3-sys.workspace = true\n")],
            ),
        ],
    },
    Rule {
        says: "only crates/wire knows a vendor's field names",
        remedy: "use the domain's word from crates/chat, and translate in crates/wire",
        check: vendors_fields,
        good: &[&[
            ("crates/wire/src/gemini.rs", "const F: &str = \"generationConfig\";\n"),
            ("src/http.rs", "// max_tokens\nfn stop_reason() {}\n#[test]\nfn t() { f(\"max_tokens\"); }\n"),
        ]],
        bad: &[
            ("src/http.rs:2", &[("src/http.rs", "fn f() {\n  body[\"max_tokens\"];\n}\n")]),
            ("src/http.rs:1", &[("src/http.rs", "fn f() { json(r#\"{\"stop_reason\": 1}\"#); }\n")]),
            (
                "crates/upstream/src/a.rs:1",
                &[("crates/upstream/src/a.rs", "struct Body { finish_reason: String }\n")],
            ),
        ],
    },
    Rule {
        says: "only src/config.rs reads the environment",
        remedy: "take the value as an argument, and let src/config.rs read it",
        check: environment,
        good: &[&[
            ("src/config.rs", "fn f() { std::env::var(\"A\"); }\n"),
            (
                "src/cli.rs",
                "fn f() { std::env::args(); env!(\"B\"); }\n#[test]\nfn t() { std::env::var(\"C\"); }\n",
            ),
        ]],
        bad: &[
            ("src/cli.rs:2", &[("src/cli.rs", "use std::env;\nfn f() { env::var_os(\"A\"); }\n")]),
            ("crates/a/src/lib.rs:1", &[("crates/a/src/lib.rs", "use std::{env::{vars}, fs};\n")]),
        ],
    },
    Rule {
        says: "only crates/yaml names serde_yaml",
        remedy: "use crates/yaml: its errors name file, line and the nearest key",
        check: serde_yaml,
        good: &[&[
            ("crates/yaml/src/lib.rs", "use serde_yaml::Value;\n"),
            ("Cargo.toml", "[workspace.dependencies]\nserde_yaml = \"0.9\"\n"),
        ]],
        bad: &[
            ("src/config.rs:1", &[("src/config.rs", "fn f() { serde_yaml::from_str(\"\"); }\n")]),
            (
                "crates/a/Cargo.toml:2",
                &[("crates/a/Cargo.toml", "[dependencies]\nserde_yaml.workspace = true\n")],
            ),
        ],
    },
    Rule {
        says: "only src/ws.rs names actix_web_actors",
        remedy: "a WebSocket's session is an ordinary supervised actor; only its thin pump stands in src/ws.rs",
        check: websockets,
        good: &[&[("src/ws.rs", "use actix_web_actors::ws;\n")]],
        bad: &[("src/http.rs:1", &[("src/http.rs", "use actix_web_actors::ws;\n")])],
    },
    Rule {
        says: "only supervision and the tree start actors, and the pump of a WebSocket",
        remedy: "declare the actor as a child in actors/tree.rs",
        check: started_actors,
        good: &[&[
            ("actors/supervision/runner.rs", "fn f() { Arbiter::new(); }\n"),
            ("actors/router.rs", "fn f() { r.start; }\n#[test]\nfn t() { Router.start(); }\n"),
            ("crates/edits/src/lib.rs", "fn f() { found.start(); }\n"),
        ]],
        bad: &[
            ("actors/router.rs:1", &[("actors/router.rs", "fn f() { Router.start(); }\n")]),
            ("src/http.rs:1", &[("src/http.rs", "fn f() { actix_rt::Arbiter::new(); }\n")]),
            ("actors/feed.rs:1", &[("actors/feed.rs", "fn f() { actix::spawn(g); }\n")]),
        ],
    },
    Rule {
        says: "no task is spawned outside actors/, crates/upstream, the doors' stream pumps and the doors' changes",
        remedy: "make it a child of the tree, or await it where it is needed",
        check: spawned_tasks,
        good: &[&[
            ("actors/instance.rs", "fn f() { tokio::spawn(x); }\n"),
            ("src/http.rs", "fn f() { web::block(x); tokio::task::spawn_blocking(y); }\n"),
            ("src/http/changes.rs", "fn f() { tokio::runtime::Handle::current().spawn(x); }\n"),
        ]],
        bad: &[
            (
                "crates/gateway/src/lib.rs:1",
                &[("crates/gateway/src/lib.rs", "fn f() { tokio::spawn(x); }\n")],
            ),
            ("src/http.rs:1", &[("src/http.rs", "use tokio::{sync::mpsc, task::spawn_local};\n")]),
            (
                "src/http/kept.rs:1",
                &[("src/http/kept.rs", "fn f() { tokio::runtime::Handle::current().spawn(x); }\n")],
            ),
        ],
    },
    Rule {
        says: "threads belong to actors: no other code starts one",
        remedy: "offer a loop, and let an actor own the thread that runs it",
        check: threads,
        good: &[&[("actors/writer.rs", "fn f() { std::thread::Builder::new(); }\n")]],
        bad: &[(
            "crates/store/src/lib.rs:1",
            &[("crates/store/src/lib.rs", "fn f() { std::thread::spawn(g); }\n")],
        )],
    },
    Rule {
        says: "only the clock waits and tells the time",
        remedy: "ask the tree's `Clock`, so that a test can move it",
        check: clocks,
        good: &[&[
            ("crates/clock/src/lib.rs", "use tokio::time::sleep;\n"),
            ("src/a.rs", "use tokio::{sync, net};\n"),
        ]],
        bad: &[
            ("src/a.rs:1", &[("src/a.rs", "use tokio::{sync, time::timeout};\n")]),
            ("crates/a/src/lib.rs:1", &[("crates/a/src/lib.rs", "fn f() { std::time::Instant::now(); }\n")]),
        ],
    },
    Rule {
        says: "nothing that changes is one per process",
        remedy: "let the tree own it: tests run many trees side by side",
        check: singletons,
        good: &[&[("src/a.rs", "static NAMES: [&str; 1] = [\"a\"];\nfn f(x: &'static Mutex<u8>) {}\n")]],
        bad: &[
            ("src/a.rs:1", &[("src/a.rs", "pub static SEEN: Mutex<Vec<u8>> = Mutex::new(Vec::new());\n")]),
            ("src/a.rs:1", &[("src/a.rs", "static COUNT: AtomicU64 = AtomicU64::new(0);\n")]),
            ("src/a.rs:1", &[("src/a.rs", "thread_local! { static A: u8 = 1; }\n")]),
        ],
    },
];

fn sql(tree: &Tree) -> Vec<Finding> {
    let mut found =
        named_elsewhere(tree, &["crates/store/"], &["diesel", "diesel_migrations", "libsqlite3_sys"]);
    for (file, source) in tree.rust().filter(|(file, _)| !file.is_within(&["crates/store/"])) {
        let literals = source.literals.iter().filter(|literal| !file.is_test_line(literal.line));
        let queries =
            literals.filter(|literal| SQL.iter().any(|verb| literal.text.trim_start().starts_with(verb)));
        found.extend(queries.map(|query| Finding::new(&file.path, query.line, "a query in a literal")));
    }
    found
}

fn vendors_fields(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for (file, source) in tree.rust().filter(|(file, _)| !file.is_within(&["crates/wire/"])) {
        let literals = source.literals.iter().map(|literal| (literal.line, literal.text.as_str(), true));
        let code = source.numbered().map(|(line, code)| (line, code, false));
        for (line, text, is_literal) in code.chain(literals).filter(|(line, ..)| !file.is_test_line(*line)) {
            let is_field = |word: &&str| VENDORS_FIELDS.contains(word) && (is_literal || *word != ALSO_OURS);
            let field = words(text).find(is_field);
            found.extend(field.map(|field| Finding::new(&file.path, line, format!("`{field}`"))));
        }
    }
    found
}

fn environment(tree: &Tree) -> Vec<Finding> {
    let reads = |path: &str| {
        let (before, last) = path.rsplit_once("::").unwrap_or(("", path));
        (before == "env" || before == "std::env") && ENVIRONMENT.contains(&last)
    };
    named_where(tree, &["src/config.rs"], reads)
}

fn serde_yaml(tree: &Tree) -> Vec<Finding> {
    named_elsewhere(tree, &["crates/yaml/"], &["serde_yaml"])
}

fn websockets(tree: &Tree) -> Vec<Finding> {
    named_elsewhere(tree, &["src/ws.rs", "Cargo.toml"], &["actix_web_actors"])
}

fn started_actors(tree: &Tree) -> Vec<Finding> {
    const STARTERS: [&str; 3] = ["actors/supervision/", "actors/tree.rs", "src/ws.rs"];
    let starts = |path: &str| {
        // Whoever holds an arbiter can start an actor on it.
        STARTS.iter().any(|start| ends_with_path(path, start)) || path.contains("Arbiter::")
    };
    let mut found = named_where(tree, &STARTERS, starts);
    for (file, source) in tree.rust() {
        if !file.is_within(&["actors/", "src/"]) || file.is_within(&STARTERS) {
            continue;
        }
        let own = source.numbered().filter(|(line, _)| !file.is_test_line(*line));
        let starts = own.filter(|(_, code)| STARTING_CALLS.iter().any(|call| code.contains(call)));
        found.extend(starts.map(|(line, code)| Finding::new(&file.path, line, format!("`{}`", code.trim()))));
    }
    found
}

fn spawned_tasks(tree: &Tree) -> Vec<Finding> {
    // A change goes on when the client that asked for it is gone; its outcome is recorded, and the drain waits for it.
    named_where(
        tree,
        &["actors/", "crates/upstream/", "src/ws.rs", "src/http/changes.rs", "src/http/pouring.rs"],
        |path| SPAWNS.iter().any(|spawn| ends_with_path(path, spawn)),
    )
}

fn threads(tree: &Tree) -> Vec<Finding> {
    let starts =
        |path: &str| THREADS.iter().any(|start| format!("::{path}::").contains(&format!("::{start}::")));
    named_where(tree, &["actors/"], starts)
}

fn clocks(tree: &Tree) -> Vec<Finding> {
    named_where(tree, &["crates/clock/"], |path| {
        let waits = path.starts_with("tokio::time")
            || path.starts_with("actix_rt::time")
            || path.ends_with("thread::sleep");
        waits || path.ends_with("Instant::now") || path.ends_with("SystemTime::now")
    })
}

fn singletons(tree: &Tree) -> Vec<Finding> {
    let is_changing_static = |code: &str| {
        let mut words = words(code).skip_while(|word| matches!(*word, "pub" | "crate" | "super"));
        words.next() == Some("static")
            && words.any(|word| word == "mut" || word.starts_with("Atomic") || CELLS.contains(&word))
    };
    let mut found = Vec::new();
    for (file, source) in tree.rust() {
        let own = source.numbered().filter(|(line, _)| !file.is_test_line(*line));
        // The panic hook has to know whose panic it sees; that is supervision's and no other's.
        let is_hooked = file.is_within(&["actors/supervision/"]);
        let is_per_thread = |code: &str| code.contains("thread_local!") && !is_hooked;
        let changing = own.filter(|(_, code)| is_changing_static(code) || is_per_thread(code));
        found.extend(
            changing.map(|(line, code)| Finding::new(&file.path, line, format!("`{}`", code.trim()))),
        );
    }
    found
}

/// Names of these crates outside their owners: in code, and in manifests.
fn named_elsewhere(tree: &Tree, owners: &[&str], crates: &[&str]) -> Vec<Finding> {
    let mut found = named_where(tree, owners, |path| {
        path.contains("::") && path.split("::").next().is_some_and(|first| crates.contains(&first))
    });
    for manifest in tree.manifests().filter(|file| !file.is_within(owners)) {
        let named = dependencies(manifest);
        let named = named.iter().filter(|named| crates.contains(&named.name.replace('-', "_").as_str()));
        found.extend(
            named.map(|named| {
                Finding::new(&manifest.path, named.line, format!("depends on `{}`", named.name))
            }),
        );
    }
    found
}

/// Paths that the code names outside of the owners, tests aside, and that `is_owned` picks.
fn named_where(tree: &Tree, owners: &[&str], is_owned: impl Fn(&str) -> bool) -> Vec<Finding> {
    let elsewhere = tree.files().filter(|file| !file.is_within(owners));
    elsewhere.flat_map(|file| owned_paths(file, &is_owned)).collect()
}

fn owned_paths(file: &File, is_owned: &impl Fn(&str) -> bool) -> Vec<Finding> {
    let named = file.named_paths().filter(|(_, path)| is_owned(path));
    named.map(|(line, path)| Finding::new(&file.path, line, format!("`{path}`"))).collect()
}

fn ends_with_path(path: &str, end: &str) -> bool {
    path.strip_suffix(end).is_some_and(|before| before.is_empty() || before.ends_with("::"))
}
