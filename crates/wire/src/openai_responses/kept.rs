//! A conversation that the server keeps, so that a client sends only what is new.
//!
//! Where it is kept, for whom and how long is decided elsewhere; this is only what has to be in it.

use chat::{Message, Part, Request, Role, Turn};
use serde::{Deserialize, Serialize};

/// What a request says of conversations that are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// Whether the answer is to be kept; `None` leaves it to the server.
    pub store: Option<bool>,
    /// The answer that this request goes on from.
    pub previous: Option<String>,
    /// How many of the request's first instructions hold for this request alone: those outside the conversation.
    pub instructions: usize,
}

/// What was said up to an answer, the answer included.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Conversation {
    /// Instructions that belong to the conversation and not to one request.
    pub system: Vec<Part>,
    /// All turns.
    pub turns: Vec<Turn>,
}

impl Conversation {
    /// The conversation after this answer to this request.
    pub fn after(request: &Request, kept: &Kept, answer: &Message) -> Self {
        let mut turns = request.turns.clone();
        if !answer.parts.is_empty() {
            turns.push(Turn { role: Role::Assistant, parts: answer.parts.clone() });
        }
        let system = request.system.iter().skip(kept.instructions).cloned().collect();
        Self { system, turns }
    }

    /// Puts the conversation before what is new in a request; its own instructions stay first, and those of earlier
    /// requests do not come back.
    pub fn go_on(self, request: &mut Request, kept: &Kept) {
        let at = kept.instructions.min(request.system.len());
        request.system.splice(at..at, self.system);
        request.turns.splice(0..0, self.turns);
    }
}

#[cfg(test)]
mod tests {
    use chat::{StopReason, Usage};

    use super::*;

    /// Hard case 13.
    #[test]
    fn a_conversation_goes_on_with_all_but_the_instructions_of_its_requests() {
        let kept = Kept { instructions: 1, ..Kept::default() };
        let request = |texts: [&str; 3]| {
            let [instructions, developer, user] = texts.map(Part::text);
            let turns = vec![Turn { role: Role::User, parts: vec![user] }];
            Request { system: vec![instructions, developer], turns, ..Request::default() }
        };
        let parts = vec![Part::text("one")];
        let answer =
            Message { id: None, model: None, parts, usage: Usage::default(), stop: StopReason::EndOfTurn };
        let before = Conversation::after(&request(["old", "d1", "u1"]), &kept, &answer);
        let mut next = request(["new", "d2", "u2"]);
        before.go_on(&mut next, &kept);
        assert_eq!(next.system, ["new", "d1", "d2"].map(Part::text));
        let said: Vec<_> = next.turns.iter().filter_map(|turn| turn.parts[0].as_text()).collect();
        assert_eq!(said, ["u1", "one", "u2"]);
    }
}
