//! Puts the events of an answer, which may interleave, into blocks that follow one another.
//!
//! A block is told of while it grows. Where another has begun before a tool call's arguments are whole, the other waits:
//! what belongs to the call may still come. A call is whole when its JSON is; at the answer's end every block is.

use std::collections::VecDeque;

use chat::{Citation, Event, Part, Seal};

use crate::balance::Balance;

/// What a block holds.
#[derive(Debug, PartialEq)]
pub(crate) enum Kind {
    /// Plain text.
    Text,
    /// The words of a refusal.
    Refusal,
    /// What the model thinks.
    Thought {
        /// What it was sealed with, known at its end; at its beginning only where nothing of it can be read.
        seal: Option<Seal>,
        /// There is nothing to read, only the seal.
        is_hidden: bool,
    },
    /// A tool call.
    Tool {
        /// Which of the answer's calls.
        index: u32,
        /// Pairs it with its result.
        id: String,
        /// The tool.
        name: String,
    },
    /// A picture or a sound.
    Media(Part),
}

/// What happens to the one block that is open.
pub(crate) enum Step<'a> {
    /// It begins.
    Begin(&'a Kind),
    /// It goes on: text, or JSON text of a tool call's arguments.
    More(&'a Kind, &'a str),
    /// Where something in its text comes from.
    Cited(&'a Citation),
    /// It ends; `is_empty` says that it never went on.
    End {
        /// What it was.
        kind: &'a Kind,
        /// Nothing came.
        is_empty: bool,
    },
}

#[derive(Debug)]
struct Block {
    kind: Kind,
    /// What came while another was open.
    waiting: String,
    cited: Vec<Citation>,
    has_begun: bool,
    is_empty: bool,
    /// Nothing can follow, whatever comes.
    is_over: bool,
    json: Balance,
}

/// The blocks that have not ended; the first is the open one.
#[derive(Debug, Default)]
pub(crate) struct Blocks(VecDeque<Block>);

impl Blocks {
    /// Takes the next event; those that are no part of a block are passed by.
    pub(crate) fn push(&mut self, event: &Event, tell: &mut dyn FnMut(Step<'_>)) {
        match event {
            Event::Text { text } => self.extend_last(Kind::Text, text, tell),
            Event::Refusal { text } => self.extend_last(Kind::Refusal, text, tell),
            Event::Thought { text } => {
                self.extend_last(Kind::Thought { seal: None, is_hidden: false }, text, tell);
            }
            Event::Sealed(seal) => self.seal(seal, tell),
            Event::Media { part } => self.begin(Block::over(Kind::Media(part.clone())), tell),
            Event::Cited(citation) => self.cite(citation, tell),
            Event::ToolCallStarted { index, id, name } => {
                let kind = Kind::Tool { index: *index, id: id.clone(), name: name.clone() };
                self.begin(Block::new(kind), tell);
            }
            Event::ToolCallArguments { index, json } => {
                let is_meant =
                    |block: &Block| matches!(&block.kind, Kind::Tool { index: i, .. } if i == index);
                if let Some(place) = self.0.iter().position(is_meant) {
                    self.extend(place, json, tell);
                }
            }
            Event::Began { .. } | Event::Usage(_) | Event::Stopped { .. } => {}
        }
    }

    /// The answer is over, and so is every block.
    pub(crate) fn close(&mut self, tell: &mut dyn FnMut(Step<'_>)) {
        self.0.iter_mut().for_each(|block| block.is_over = true);
        self.advance(tell);
    }

    fn extend_last(&mut self, kind: Kind, text: &str, tell: &mut dyn FnMut(Step<'_>)) {
        if text.is_empty() {
            return;
        }
        let goes_on = self.0.back().is_some_and(|last| !last.is_over && last.kind == kind);
        if !goes_on {
            self.begin(Block::new(kind), tell);
        }
        self.extend(self.0.len() - 1, text, tell);
    }

    fn seal(&mut self, new: &Seal, tell: &mut dyn FnMut(Step<'_>)) {
        if let Some(last) = self.0.back_mut()
            && let Kind::Thought { seal: seal @ None, .. } = &mut last.kind
            && !last.is_over
        {
            *seal = Some(new.clone());
            last.is_over = true;
            self.advance(tell);
            return;
        }
        self.begin(Block::over(Kind::Thought { seal: Some(new.clone()), is_hidden: true }), tell);
    }

    /// The last text is meant; one that has ended can be told nothing more.
    fn cite(&mut self, citation: &Citation, tell: &mut dyn FnMut(Step<'_>)) {
        if let Some(block) = self.0.iter_mut().rfind(|block| block.kind == Kind::Text) {
            block.cited.push(citation.clone());
            self.advance(tell);
        }
    }

    fn begin(&mut self, block: Block, tell: &mut dyn FnMut(Step<'_>)) {
        self.0.push_back(block);
        self.advance(tell);
    }

    fn extend(&mut self, place: usize, text: &str, tell: &mut dyn FnMut(Step<'_>)) {
        let block = &mut self.0[place];
        if matches!(block.kind, Kind::Tool { .. }) {
            block.json.read(text);
        }
        if place > 0 || !block.has_begun {
            block.waiting.push_str(text);
        } else if !text.is_empty() {
            block.is_empty = false;
            tell(Step::More(&block.kind, text));
        }
        self.advance(tell);
    }

    /// Ends the open block when it may end, and opens those that waited for it.
    fn advance(&mut self, tell: &mut dyn FnMut(Step<'_>)) {
        while let Some(open) = self.0.front_mut() {
            if !std::mem::replace(&mut open.has_begun, true) {
                tell(Step::Begin(&open.kind));
            }
            if !open.waiting.is_empty() {
                open.is_empty = false;
                tell(Step::More(&open.kind, &std::mem::take(&mut open.waiting)));
            }
            for citation in std::mem::take(&mut open.cited) {
                tell(Step::Cited(&citation));
            }
            let is_whole = !matches!(open.kind, Kind::Tool { .. }) || open.json.is_whole();
            let (is_over, is_empty) = (open.is_over, open.is_empty);
            if !is_over && (self.0.len() == 1 || !is_whole) {
                return;
            }
            if let Some(Block { kind, .. }) = self.0.pop_front() {
                tell(Step::End { kind: &kind, is_empty });
            }
        }
    }
}

impl Block {
    fn new(kind: Kind) -> Self {
        let json = Balance::default();
        Self {
            kind,
            waiting: String::new(),
            cited: Vec::new(),
            has_begun: false,
            is_empty: true,
            is_over: false,
            json,
        }
    }

    fn over(kind: Kind) -> Self {
        Self { is_over: true, ..Self::new(kind) }
    }
}

#[cfg(test)]
mod tests;
