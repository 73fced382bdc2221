//! The steps that call models, and the keys under which their answers are remembered.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use units::TaskId;

use crate::Error;

/// One attempt at one thing; as text `plan/1`, `edit/parser/2` or `review/1/1`. All numbers count from 1.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Step {
    /// Make the plan.
    Plan {
        /// Which attempt.
        attempt: u32,
    },
    /// Do a task, its commit included.
    Edit {
        /// The task.
        task: TaskId,
        /// Which attempt at this task.
        attempt: u32,
    },
    /// Review what was done.
    Review {
        /// Which round of review.
        round: u32,
        /// Which attempt in this round.
        attempt: u32,
    },
}

/// Who calls the model in a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Makes the plan.
    Planner,
    /// Does the tasks.
    Editor,
    /// Reviews the result.
    Reviewer,
}

impl Role {
    /// The role's stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Planner => "planner",
            Self::Editor => "editor",
            Self::Reviewer => "reviewer",
        }
    }
}

impl Step {
    /// Who calls the model in this step.
    pub const fn role(&self) -> Role {
        match self {
            Self::Plan { .. } => Role::Planner,
            Self::Edit { .. } => Role::Editor,
            Self::Review { .. } => Role::Reviewer,
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plan { attempt } => write!(f, "plan/{attempt}"),
            Self::Edit { task, attempt } => write!(f, "edit/{task}/{attempt}"),
            Self::Review { round, attempt } => write!(f, "review/{round}/{attempt}"),
        }
    }
}

impl FromStr for Step {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let parts: Vec<&str> = text.splitn(4, '/').collect();
        let step = match parts.as_slice() {
            ["plan", attempt] => number(attempt).map(|attempt| Self::Plan { attempt }),
            ["edit", task, attempt] => {
                task.parse().ok().zip(number(attempt)).map(|(task, attempt)| Self::Edit { task, attempt })
            }
            ["review", round, attempt] => {
                number(round).zip(number(attempt)).map(|(round, attempt)| Self::Review { round, attempt })
            }
            _ => None,
        };
        step.ok_or_else(|| Error::bad_key(text))
    }
}

/// Only the one spelling that `Display` gives: two keys of one call would pay for it twice.
fn number(text: &str) -> Option<u32> {
    text.parse::<u32>().ok().filter(|number| *number > 0 && number.to_string() == text)
}

impl TryFrom<String> for Step {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl From<Step> for String {
    fn from(step: Step) -> Self {
        step.to_string()
    }
}

/// One call to a model: a step and the turn in its conversation, `<step>/<turn>`; turns count from 1.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CallKey {
    step: Step,
    turn: u32,
}

impl CallKey {
    /// The key of a turn of a step.
    pub const fn new(step: Step, turn: u32) -> Self {
        Self { step, turn }
    }

    /// `plan/<attempt>/<turn>`
    pub const fn plan(attempt: u32, turn: u32) -> Self {
        Self::new(Step::Plan { attempt }, turn)
    }

    /// `edit/<task>/<attempt>/<turn>`
    pub const fn edit(task: TaskId, attempt: u32, turn: u32) -> Self {
        Self::new(Step::Edit { task, attempt }, turn)
    }

    /// `review/<round>/<attempt>/<turn>`
    pub const fn review(round: u32, attempt: u32, turn: u32) -> Self {
        Self::new(Step::Review { round, attempt }, turn)
    }

    /// The step that calls.
    pub const fn step(&self) -> &Step {
        &self.step
    }

    /// The turn of the step's conversation.
    pub const fn turn(&self) -> u32 {
        self.turn
    }

    /// Who calls.
    pub const fn role(&self) -> Role {
        self.step.role()
    }
}

impl fmt::Display for CallKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.step, self.turn)
    }
}

impl FromStr for CallKey {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let (step, turn) = text.rsplit_once('/').ok_or_else(|| Error::bad_key(text))?;
        let turn = number(turn).ok_or_else(|| Error::bad_key(text))?;
        let step = step.parse().map_err(|_| Error::bad_key(text))?;
        Ok(Self { step, turn })
    }
}

impl TryFrom<String> for CallKey {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl From<CallKey> for String {
    fn from(key: CallKey) -> Self {
        key.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_reads_back_as_it_was_written() {
        for text in ["plan/1/1", "edit/parser-2/3/40", "review/2/1/1"] {
            let key: CallKey = text.parse().unwrap();
            assert_eq!(key.to_string(), text);
            assert_eq!(serde_json::to_string(&key).unwrap(), format!("\"{text}\""));
        }
        assert_eq!(CallKey::edit("a".parse().unwrap(), 2, 1).role(), Role::Editor);
        assert_eq!(CallKey::plan(1, 1).role(), Role::Planner);
        assert_eq!(CallKey::review(1, 1, 1).role(), Role::Reviewer);
    }

    #[test]
    fn refuses_a_second_spelling_of_a_key() {
        let bad = [
            "",
            "plan",
            "plan/1",
            "plan/01/1",
            "plan/+1/1",
            "plan/0/1",
            "edit/A/1/1",
            "edit/a/1",
            "review/1/1",
        ];
        for text in bad.into_iter().chain(["plan/1/1/1", "build/1/1", "edit/a/1/1/1", "plan/4294967296/1"]) {
            assert!(text.parse::<CallKey>().is_err(), "{text}");
        }
        assert!("edit/a/b/1".parse::<Step>().is_err());
    }
}
