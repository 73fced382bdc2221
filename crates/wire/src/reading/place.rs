//! Which field stands at a place of a JSON text: serde tells a line and a column, a person wants a path.

/// The most steps of a path that are shown.
const MAX_STEPS: usize = 16;
/// The most characters of a key that are shown.
const MAX_KEY: usize = 64;

enum Step {
    /// In an object, after this key; none is open yet or any more.
    Key(Option<String>),
    /// In a list, at this entry.
    Index(usize),
}

/// The path of the value that was read last before the place, as `messages[2].content`; empty for the whole.
pub(super) fn path(text: &str, line: usize, column: usize) -> String {
    let mut steps = Vec::new();
    let mut bytes = text.as_bytes()[..offset(text, line, column)].iter().enumerate();
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'{' => steps.push(Step::Key(None)),
            b'[' => steps.push(Step::Index(0)),
            b'}' | b']' => {
                steps.pop();
            }
            b',' => match steps.last_mut() {
                Some(Step::Key(key)) => *key = None,
                Some(Step::Index(index)) => *index += 1,
                None => {}
            },
            b'"' => {
                let end = string_end(&mut bytes).unwrap_or(at + 1);
                if let Some(Step::Key(key @ None)) = steps.last_mut() {
                    *key = Some(text[at + 1..end].chars().take(MAX_KEY).collect());
                }
            }
            _ => {}
        }
    }
    written(&steps)
}

/// Passes by a string and says where its closing quote stands.
fn string_end<'a>(bytes: &mut impl Iterator<Item = (usize, &'a u8)>) -> Option<usize> {
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'"' => return Some(at),
            b'\\' => {
                bytes.next();
            }
            _ => {}
        }
    }
    None
}

/// Lines are counted from 1, columns are bytes.
fn offset(text: &str, line: usize, column: usize) -> usize {
    let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
    let start = match line {
        0 | 1 => 0,
        line => ends.into_iter().nth(line - 2).unwrap_or(text.len()),
    };
    start.saturating_add(column).min(text.len())
}

fn written(steps: &[Step]) -> String {
    let mut path = String::new();
    for step in steps.iter().take(MAX_STEPS) {
        match step {
            Step::Key(Some(key)) if path.is_empty() => path.push_str(key),
            Step::Key(Some(key)) => {
                path.push('.');
                path.push_str(key);
            }
            Step::Key(None) => {}
            Step::Index(index) => path.push_str(&format!("[{index}]")),
        }
    }
    path
}
