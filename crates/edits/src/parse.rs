//! Finds the blocks of an answer.

use crate::{Change, Defect, Edit, Error};

/// The most blocks of one answer.
pub const MAX_EDITS: usize = 500;
/// The longest run of `<`, `=` or `>` that makes a marker; the shortest is 7.
pub const MAX_MARKER: usize = 40;

const MIN_MARKER: usize = 7;
const BYTE_ORDER_MARK: char = '\u{feff}';

/// Reads all blocks of `answer`.
///
/// A block is the file's path on a line of its own, `<<<<<<< SEARCH`, the lines to find, `=======`, the lines to
/// stand there instead, `>>>>>>> REPLACE`. An empty SEARCH makes a file. The path and `<<<<<<< DELETE` remove one.
/// Markers start their line; all three may be longer than seven, alike, where the file itself has such lines.
/// Fences around a block, and empty lines and a fence between it and its path, are passed over; so are `` ` ``,
/// `*`, `#` and `:` around the path. A block that follows another directly is for the same file, unless it deletes.
/// Everything else outside of blocks is prose.
///
/// # Errors
/// Names every defect: an answer that is too long, no block or over [`MAX_EDITS`], blocks without path, with a bad
/// one, without their end or with two dividers, and whatever looks like a marker but is none.
pub fn parse(answer: &str) -> Result<Vec<Edit>, Error> {
    if answer.len() > answers::MAX_BYTES {
        return Err(Error { defects: vec![Defect::TooLong { bytes: answer.len() }] });
    }
    let mut reader = Reader::default();
    for (index, line) in answer.lines().enumerate() {
        reader.read(index + 1, line);
    }
    reader.finish()
}

#[derive(Default)]
struct Reader<'a> {
    edits: Vec<Edit>,
    defects: Vec<Defect>,
    place: Place<'a>,
    /// The last line of prose since the last block.
    prose: Option<&'a str>,
    /// The path of the last block.
    path: Option<String>,
}

/// Where in the answer the reader stands.
#[derive(Default)]
enum Place<'a> {
    #[default]
    Prose,
    Search(Block<'a>),
    Replace(Block<'a>),
}

struct Block<'a> {
    /// `None` where it was bad, which is reported already.
    path: Option<String>,
    line: usize,
    marker: usize,
    search: Vec<&'a str>,
    replace: Vec<&'a str>,
}

impl Block<'_> {
    fn divider(&self) -> String {
        "=".repeat(self.marker)
    }

    fn end(&self) -> String {
        format!("{} REPLACE", ">".repeat(self.marker))
    }

    /// Whether `line` would start a block with markers as long as this one's.
    fn is_head(&self, line: &str) -> bool {
        marker(line, '<', "SEARCH") == Some(self.marker) || marker(line, '<', "DELETE") == Some(self.marker)
    }
}

impl<'a> Reader<'a> {
    fn read(&mut self, number: usize, line: &'a str) {
        self.place = match std::mem::take(&mut self.place) {
            Place::Prose => self.in_prose(number, line),
            Place::Search(block) if block.is_head(line) => {
                self.unclosed(&block, block.divider());
                self.in_prose(number, line)
            }
            Place::Replace(block) if block.is_head(line) => {
                self.unclosed(&block, block.end());
                self.in_prose(number, line)
            }
            Place::Search(block) if line.trim_end() == block.divider() => Place::Replace(block),
            Place::Search(mut block) => {
                block.search.push(line);
                Place::Search(block)
            }
            Place::Replace(block) if line.trim_end() == block.end() => {
                self.close(block);
                Place::Prose
            }
            Place::Replace(mut block) => {
                if line.trim_end() == block.divider() {
                    self.defects.push(Defect::SecondDivider { line: number, divider: block.divider() });
                }
                block.replace.push(line);
                Place::Replace(block)
            }
        };
    }

    fn in_prose(&mut self, number: usize, line: &'a str) -> Place<'a> {
        if let Some(marker) = marker(line, '<', "SEARCH") {
            let path = self.path_of_block(number, true);
            return Place::Search(Block { path, line: number, marker, search: vec![], replace: vec![] });
        }
        if marker(line, '<', "DELETE").is_some() {
            if let Some(path) = self.path_of_block(number, false) {
                self.edits.push(Edit { path, line: number, change: Change::Delete });
            }
        } else if is_odd(line) {
            self.defects.push(Defect::OddMarker { line: number });
        } else if !line.trim().is_empty() && !is_fence(line) {
            self.prose = Some(line);
        }
        Place::Prose
    }

    /// The path in the prose before a block or, where there is none and `inherits`, the last block's.
    fn path_of_block(&mut self, line: usize, inherits: bool) -> Option<String> {
        let last = self.path.take();
        let Some(prose) = self.prose.take() else {
            if last.is_none() || !inherits {
                self.defects.push(Defect::NoPath { line });
            }
            self.path = last.filter(|_| inherits);
            return self.path.clone();
        };
        let path = undecorated(prose);
        match answers::check_path(path) {
            Ok(()) => self.path = Some(path.to_owned()),
            Err(fault) => self.defects.push(Defect::BadPath { line, fault }),
        }
        self.path.clone()
    }

    fn close(&mut self, block: Block<'a>) {
        if let Some(path) = block.path {
            let change = Change::Replace { search: owned(&block.search), replace: owned(&block.replace) };
            self.edits.push(Edit { path, line: block.line, change });
        }
    }

    fn unclosed(&mut self, block: &Block<'a>, missing: String) {
        self.defects.push(Defect::Unclosed { line: block.line, missing });
    }

    fn finish(mut self) -> Result<Vec<Edit>, Error> {
        match std::mem::take(&mut self.place) {
            Place::Prose => {}
            Place::Search(block) => self.unclosed(&block, block.divider()),
            Place::Replace(block) => self.unclosed(&block, block.end()),
        }
        if self.edits.len() > MAX_EDITS {
            self.defects.push(Defect::TooMany { found: self.edits.len() });
        }
        if self.edits.is_empty() && self.defects.is_empty() {
            self.defects.push(Defect::NoEdits);
        }
        if self.defects.is_empty() { Ok(self.edits) } else { Err(Error { defects: self.defects }) }
    }
}

/// The length of the run of `sign` when `line` is a marker of that word.
fn marker(line: &str, sign: char, word: &str) -> Option<usize> {
    let run = line.trim_end().strip_suffix(word)?.strip_suffix(' ')?;
    let plain = (MIN_MARKER..=MAX_MARKER).contains(&run.len()) && run.chars().all(|found| found == sign);
    plain.then_some(run.len())
}

/// Whether a line of prose looks like a marker: passing it over would lose an edit without a word.
fn is_odd(line: &str) -> bool {
    let line = line.trim().to_ascii_uppercase();
    let ends = |words: &[&str]| words.iter().any(|word| line.ends_with(word));
    line.starts_with("<<<<<") && ends(&["SEARCH", "DELETE"])
        || line.starts_with(">>>>>") && ends(&["REPLACE"])
}

fn is_fence(line: &str) -> bool {
    let line = line.trim_start();
    line.starts_with("```") || line.starts_with("~~~")
}

fn undecorated(line: &str) -> &str {
    line.trim().trim_start_matches('#').trim_start().trim_matches(['`', '*', ':'])
}

/// Models see no byte order mark and some copy it; a file keeps its own.
fn owned(lines: &[&str]) -> Vec<String> {
    let bare = |(index, line): (usize, &&str)| match index {
        0 => line.trim_start_matches(BYTE_ORDER_MARK).to_owned(),
        _ => (*line).to_owned(),
    };
    lines.iter().enumerate().map(bare).collect()
}
