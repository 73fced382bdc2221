//! What a question leaves out, because whoever is asked refuses to be told it.

use chat::{Parameter, Request};

use crate::run::Ask;
use crate::{Attempt, Why};

/// What is left out of a question.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Untold {
    /// A parameter; what is learned of it is remembered.
    pub(crate) parameter: Option<Parameter>,
    /// Thoughts and their seals. Other seals may be good ones, so that nothing is remembered of it.
    pub(crate) thoughts: bool,
}

impl Untold {
    /// With what this refusal is about, where the question tells it and it was not left out before.
    pub(crate) fn and(self, failed: &Attempt, ask: &impl Ask) -> Option<Self> {
        let Why::Upstream(error) = &failed.why else { return None };
        let parameter =
            error.refused_parameter().filter(|one| ask.tells(*one) && self.parameter != Some(*one));
        if parameter.is_some() {
            return Some(Self { parameter, ..self });
        }
        let thoughts = !self.thoughts && error.refuses_thoughts() && ask.has_thoughts();
        thoughts.then_some(Self { thoughts, ..self })
    }

    /// The request without it, where there is anything to leave out.
    pub(crate) fn out_of(self, request: &Request) -> Option<Request> {
        let without = self.parameter.map(|parameter| request.without(parameter));
        if self.thoughts { Some(without.as_ref().unwrap_or(request).without_thoughts()) } else { without }
    }

    /// What the header names.
    pub(crate) fn names(self) -> impl Iterator<Item = String> {
        let thoughts = self.thoughts.then_some("thoughts");
        self.parameter.map(Parameter::name).into_iter().chain(thoughts).map(str::to_owned)
    }
}
