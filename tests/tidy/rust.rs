//! What one Rust file says: its code line by line, the paths that it names, and which lines are tests.

use std::ops::Range;

use crate::scan::{Text, is_identifier, scan};

/// A Rust file, taken apart.
pub(crate) struct Source {
    /// The code, line by line; comments and the insides of literals are blank.
    pub(crate) code: Vec<String>,
    pub(crate) comments: Vec<Text>,
    pub(crate) literals: Vec<Text>,
    /// Every path that is named, with groups written out: `std::{fs, net}` gives `std::fs` and `std::net`.
    pub(crate) paths: Vec<Text>,
    /// Modules in files of their own that are declared for tests alone.
    pub(crate) test_modules: Vec<String>,
    test_lines: Vec<Range<usize>>,
}

struct Token {
    line: usize,
    text: String,
}

impl Source {
    pub(crate) fn of(text: &str) -> Self {
        let scanned = scan(text);
        let tokens = tokens(&scanned.code);
        let items = test_items(&tokens);
        let line_of = |at: usize| tokens.get(at).or(tokens.last()).map_or(1, |token| token.line);
        Self {
            code: scanned.code.lines().map(str::to_owned).collect(),
            comments: scanned.comments,
            literals: scanned.literals,
            paths: paths(&tokens),
            test_modules: items.iter().filter_map(|item| declared_module(&tokens[item.clone()])).collect(),
            test_lines: items.iter().map(|item| line_of(item.start)..line_of(item.end - 1) + 1).collect(),
        }
    }

    pub(crate) fn is_test_line(&self, line: usize) -> bool {
        self.test_lines.iter().any(|lines| lines.contains(&line))
    }

    /// Code with the number of its line, from 1.
    pub(crate) fn numbered(&self) -> impl Iterator<Item = (usize, &str)> {
        self.code.iter().enumerate().map(|(index, code)| (index + 1, code.as_str()))
    }
}

/// The names in a piece of code, each whole.
pub(crate) fn words(code: &str) -> impl Iterator<Item = &str> {
    code.split(|char| !is_identifier(char)).filter(|word| !word.is_empty())
}

fn tokens(code: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    for (index, line) in code.lines().enumerate() {
        let mut rest = line.trim_start();
        while let Some(first) = rest.chars().next() {
            let length = if is_identifier(first) {
                rest.find(|char| !is_identifier(char)).unwrap_or(rest.len())
            } else if rest.starts_with("::") {
                2
            } else {
                first.len_utf8()
            };
            let (token, after) = rest.split_at(length);
            tokens.push(Token { line: index + 1, text: token.to_owned() });
            rest = after.trim_start();
        }
    }
    tokens
}

fn paths(tokens: &[Token]) -> Vec<Text> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        at = path_at(tokens, at, "", &mut found).max(at + 1);
    }
    found
}

/// Reads the path that begins at `at`, puts all that it names into `found`, and says where it ends.
fn path_at(tokens: &[Token], mut at: usize, prefix: &str, found: &mut Vec<Text>) -> usize {
    let is = |at: usize, text: &str| tokens.get(at).is_some_and(|token| token.text == text);
    let mut path = prefix.to_owned();
    at += usize::from(is(at, "::"));
    while let Some(token) = tokens.get(at) {
        if is(at, "{") && !path.is_empty() {
            return group_at(tokens, at, &path, found);
        }
        if !token.text.starts_with(is_identifier) && token.text != "*" {
            return at;
        }
        path = if path.is_empty() { token.text.clone() } else { format!("{path}::{}", token.text) };
        if !is(at + 1, "::") {
            found.push(Text { line: token.line, text: path });
            return at + 1;
        }
        at += 2;
        let goes_on = tokens.get(at).is_some_and(|next| next.text.starts_with(is_identifier));
        if !goes_on && !is(at, "{") && !is(at, "*") {
            found.push(Text { line: token.line, text: path });
            return at;
        }
    }
    at
}

fn group_at(tokens: &[Token], open: usize, prefix: &str, found: &mut Vec<Text>) -> usize {
    let mut at = open + 1;
    while let Some(token) = tokens.get(at) {
        match token.text.as_str() {
            "}" => return at + 1,
            "," => at += 1,
            "as" => at += 2,
            _ => at = path_at(tokens, at, prefix, found).max(at + 1),
        }
    }
    at
}

/// The items that are compiled for tests alone, each from its attribute to its end.
fn test_items(tokens: &[Token]) -> Vec<Range<usize>> {
    let is = |at: usize, text: &str| tokens.get(at).is_some_and(|token| token.text == text);
    let mut items: Vec<Range<usize>> = Vec::new();
    for start in 0..tokens.len() {
        if items.last().is_some_and(|item| item.contains(&start)) || !is(start, "#") {
            continue;
        }
        let inner = is(start + 1, "!");
        let mut at = start + 1 + usize::from(inner);
        let attribute = closing(tokens, at);
        if !is_for_tests(&tokens[at.min(attribute)..attribute]) {
            continue;
        }
        if inner {
            items.push(start..tokens.len());
            break;
        }
        at = attribute + 1;
        while is(at, "#") {
            at = closing(tokens, at + 1) + 1;
        }
        while at < tokens.len() && !is(at, ";") && !is(at, "{") {
            at = if is(at, "(") || is(at, "[") { closing(tokens, at) + 1 } else { at + 1 };
        }
        let end = if is(at, "{") { closing(tokens, at) } else { at };
        items.push(start..(end + 1).min(tokens.len()));
    }
    items
}

/// `[test]`, `[cfg(test)]` and `[cfg(all(test, …))]`, but neither `any` nor `not`.
fn is_for_tests(attribute: &[Token]) -> bool {
    let names: Vec<&str> = attribute.iter().map(|token| token.text.as_str()).collect();
    match names.as_slice() {
        ["[", "test"] | ["[", "cfg", "(", "test", ")"] => true,
        ["[", "cfg", "(", "all", rest @ ..] => rest.contains(&"test") && !rest.contains(&"not"),
        _ => false,
    }
}

/// Where the bracket that opens at `open` closes.
fn closing(tokens: &[Token], open: usize) -> usize {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        match token.text.as_str() {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return at;
        }
    }
    tokens.len()
}

fn declared_module(item: &[Token]) -> Option<String> {
    let module = item.iter().position(|token| token.text == "mod")?;
    let ends = item.get(module + 2).is_some_and(|token| token.text == ";");
    item.get(module + 1).filter(|_| ends).map(|token| token.text.clone())
}

#[test]
fn writes_out_what_a_path_names() {
    let source = Source::of("use std::{fs, net::{self, TcpStream as S}, io::*};\nlet x = ::a::b::<T>(c.d);");
    let paths: Vec<(usize, &str)> = source.paths.iter().map(|path| (path.line, path.text.as_str())).collect();
    for wanted in ["std::fs", "std::net::self", "std::net::TcpStream", "std::io::*"] {
        assert!(paths.contains(&(1, wanted)), "{wanted} is not in {paths:?}");
    }
    assert!(paths.contains(&(2, "a::b")), "{paths:?}");
    assert!(!paths.iter().any(|(_, path)| path.ends_with("::S")), "a new name is no path: {paths:?}");
}

#[test]
fn knows_which_lines_are_tests() {
    let text = "fn a() {}\n#[cfg(test)]\n#[path = \"x\"]\nmod tests {\n  fn b() {}\n}\nfn c() {}\n#[cfg(not(test))]\nfn d() {}\n#[test]\nfn e() {}\n";
    let source = Source::of(text);
    let tests: Vec<usize> = (1..=11).filter(|line| source.is_test_line(*line)).collect();
    assert_eq!(tests, [2, 3, 4, 5, 6, 10, 11]);
}

#[test]
fn finds_modules_for_tests_in_files_of_their_own() {
    let source =
        Source::of("#[cfg(test)]\nmod tests;\n#[cfg(all(test, loom))]\npub(crate) mod model;\nmod real;\n");
    assert_eq!(source.test_modules, ["tests", "model"]);
}

#[test]
fn a_file_can_be_for_tests_as_a_whole() {
    let source = Source::of("//! Tests.\n#![cfg(test)]\nfn a() {}\n");
    assert!(source.is_test_line(3));
}
