//! Takes Rust text apart into code, comments and string literals, line by line.
//!
//! In the code that is left, comments and the insides of literals are spaces, so that line and column stay true.

/// A piece of text and the line (from 1) on which it begins.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Text {
    pub(crate) line: usize,
    pub(crate) text: String,
}

/// What a file's text consists of.
#[derive(Default)]
pub(crate) struct Scanned {
    pub(crate) code: String,
    pub(crate) comments: Vec<Text>,
    pub(crate) literals: Vec<Text>,
}

/// Takes a file's text apart.
pub(crate) fn scan(text: &str) -> Scanned {
    let mut scanner = Scanner { chars: text.chars().collect(), at: 0, line: 1, done: Scanned::default() };
    scanner.run();
    scanner.done
}

struct Scanner {
    chars: Vec<char>,
    at: usize,
    line: usize,
    done: Scanned,
}

impl Scanner {
    fn run(&mut self) {
        while let Some(char) = self.peek(0) {
            match (char, self.peek(1)) {
                ('/', Some('/')) => self.line_comment(),
                ('/', Some('*')) => self.block_comment(),
                ('"', _) => self.string(),
                ('r', Some('"' | '#')) => self.raw_string_or_keep(),
                ('\'', Some('\\')) => self.char_literal(),
                ('\'', Some(_)) if self.peek(2) == Some('\'') => self.char_literal(),
                _ => self.keep(),
            }
        }
    }

    fn peek(&self, ahead: usize) -> Option<char> {
        self.chars.get(self.at + ahead).copied()
    }

    fn keep(&mut self) {
        if let Some(char) = self.peek(0) {
            self.done.code.push(char);
            self.line += usize::from(char == '\n');
            self.at += 1;
        }
    }

    /// Takes `count` characters out of the code.
    fn blank(&mut self, count: usize) -> String {
        let end = (self.at + count).min(self.chars.len());
        let taken: String = self.chars[self.at..end].iter().collect();
        self.done.code.extend(taken.chars().map(|char| if char == '\n' { '\n' } else { ' ' }));
        self.line += taken.matches('\n').count();
        self.at = end;
        taken
    }

    fn line_comment(&mut self) {
        let line = self.line;
        let length = self.chars[self.at..].iter().take_while(|char| **char != '\n').count();
        let text = self.blank(length);
        self.done.comments.push(Text { line, text });
    }

    fn block_comment(&mut self) {
        let line = self.line;
        let (mut depth, mut length) = (0_usize, 0);
        loop {
            match (self.peek(length), self.peek(length + 1)) {
                (Some('/'), Some('*')) => (depth, length) = (depth + 1, length + 2),
                (Some('*'), Some('/')) => (depth, length) = (depth - 1, length + 2),
                (Some(_), _) => length += 1,
                (None, _) => break,
            }
            if depth == 0 {
                break;
            }
        }
        let text = self.blank(length);
        self.done.comments.push(Text { line, text });
    }

    fn string(&mut self) {
        self.keep();
        let line = self.line;
        let mut length = 0;
        while let Some(char) = self.peek(length) {
            match char {
                '"' => break,
                '\\' => length += 2,
                _ => length += 1,
            }
        }
        let text = self.blank(length);
        self.done.literals.push(Text { line, text });
        self.keep();
    }

    fn raw_string_or_keep(&mut self) {
        let hashes = self.chars[self.at + 1..].iter().take_while(|char| **char == '#').count();
        let in_identifier =
            self.at > 0 && is_identifier(self.chars[self.at - 1]) && !self.after_byte_prefix();
        if self.peek(1 + hashes) != Some('"') || in_identifier {
            return self.keep();
        }
        for _ in 0..hashes + 2 {
            self.keep();
        }
        let line = self.line;
        let ends = |at: usize| {
            self.chars.get(at) == Some(&'"')
                && self.chars[at + 1..].iter().take(hashes).filter(|char| **char == '#').count() == hashes
        };
        let end = (self.at..self.chars.len()).find(|at| ends(*at)).unwrap_or(self.chars.len());
        let text = self.blank(end - self.at);
        self.done.literals.push(Text { line, text });
        for _ in 0..=hashes {
            self.keep();
        }
    }

    /// The `b` or `c` before the `r` is a prefix of its own, not the end of a name.
    fn after_byte_prefix(&self) -> bool {
        matches!(self.chars[self.at - 1], 'b' | 'c')
            && (self.at < 2 || !is_identifier(self.chars[self.at - 2]))
    }

    fn char_literal(&mut self) {
        let escaped = usize::from(self.peek(1) == Some('\\'));
        let rest = &self.chars[(self.at + 2 + escaped).min(self.chars.len())..];
        let length = rest.iter().take_while(|char| **char != '\'').count();
        self.blank(3 + escaped + length);
    }
}

/// True for a character of a name.
pub(crate) fn is_identifier(char: char) -> bool {
    char.is_alphanumeric() || char == '_'
}

#[test]
fn tells_code_from_comments_and_literals() {
    let scanned =
        scan("let a = \"x // y\"; // why\nlet b = 'c'; /* one /* two */ */ f::<'static>(r#\"q\"u\"#);\n");
    assert_eq!(scanned.code.split_whitespace().collect::<Vec<_>>().join(" "), {
        "let a = \" \"; let b = ; f::<'static>(r#\" \"#);"
    });
    assert_eq!(
        scanned.literals,
        [Text { line: 1, text: "x // y".into() }, Text { line: 2, text: "q\"u".into() }]
    );
    let comments: Vec<&str> = scanned.comments.iter().map(|comment| comment.text.as_str()).collect();
    assert_eq!(comments, ["// why", "/* one /* two */ */"]);
}

#[test]
fn is_not_misled_by_quotes_escapes_and_raw_names() {
    let scanned = scan("m('\"', '\\'', b'\\\\', \"\\\"\", r#type, br\"\\\", attr\"z\"); end");
    assert!(scanned.code.ends_with("end"));
    let literals: Vec<&str> = scanned.literals.iter().map(|literal| literal.text.as_str()).collect();
    assert_eq!(literals, ["\\\"", "\\", "z"]);
}

#[test]
fn survives_text_that_ends_too_early() {
    for cut in ["\"abc", "r#\"abc\"", "/* abc", "'\\", "'a", "r#", "b'"] {
        assert_eq!(scan(cut).code.chars().count(), cut.chars().count(), "{cut}");
    }
}
