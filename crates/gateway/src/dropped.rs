//! What a deployment's model does not want to be told, learned from its refusals and kept as long as the process lives.

use std::sync::atomic::{AtomicBool, Ordering};

use chat::Parameter;

/// The parameters that one deployment is not told any more.
#[derive(Debug, Default)]
pub struct Dropped {
    temperature: AtomicBool,
}

impl Dropped {
    /// What is not told any more of what a question tells.
    pub(crate) fn of(&self, tells: impl Fn(Parameter) -> bool) -> Option<Parameter> {
        Parameter::ALL.into_iter().find(|one| tells(*one) && self.has(*one))
    }

    /// Remembers a parameter; whether it was not known yet.
    pub(crate) fn remember(&self, parameter: Parameter) -> bool {
        !self.flag(parameter).swap(true, Ordering::Relaxed)
    }

    /// Whether this is not told any more.
    pub fn has(&self, parameter: Parameter) -> bool {
        self.flag(parameter).load(Ordering::Relaxed)
    }

    fn flag(&self, parameter: Parameter) -> &AtomicBool {
        match parameter {
            Parameter::Temperature => &self.temperature,
        }
    }
}
