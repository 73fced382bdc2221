//! What a call is for, from a closed set, so that what is counted and traced can be told apart by it.

/// What a call is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// A conversation that a client leads.
    Chat,
    /// Making a plan.
    Plan,
    /// Editing for a task.
    Edit,
    /// Reviewing what was done.
    Review,
    /// Doing what a tool was called for.
    Tool,
    /// Turning text into vectors.
    Embed,
    /// What a vendor has routes of its own for: pictures, sounds, ranking.
    Relay,
}

impl Operation {
    /// All of them; each stands at the place of its [`Operation::index`].
    pub const ALL: [Self; 7] =
        [Self::Chat, Self::Plan, Self::Edit, Self::Review, Self::Tool, Self::Embed, Self::Relay];

    /// Its stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Plan => "plan",
            Self::Edit => "edit",
            Self::Review => "review",
            Self::Tool => "tool",
            Self::Embed => "embed",
            Self::Relay => "relay",
        }
    }

    /// Its place in [`Operation::ALL`].
    pub const fn index(self) -> usize {
        match self {
            Self::Chat => 0,
            Self::Plan => 1,
            Self::Edit => 2,
            Self::Review => 3,
            Self::Tool => 4,
            Self::Embed => 5,
            Self::Relay => 6,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_stands_at_its_place() {
        for (place, operation) in Operation::ALL.into_iter().enumerate() {
            assert_eq!(operation.index(), place);
        }
    }
}
