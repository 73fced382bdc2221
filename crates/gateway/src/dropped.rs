//! What a deployment's model does not want to be told, learned from its refusals and kept as long as the process lives.

use std::borrow::Cow;
use std::sync::atomic::{AtomicBool, Ordering};

use chat::{Parameter, Request};

/// The parameters that one deployment is not told any more.
#[derive(Debug, Default)]
pub struct Dropped {
    temperature: AtomicBool,
}

impl Dropped {
    /// What is left of a request, and what was left out of it.
    pub(crate) fn strip<'a>(&self, request: &'a Request) -> (Cow<'a, Request>, Option<Parameter>) {
        let dropped = Parameter::ALL.into_iter().find(|one| request.has(*one) && self.has(*one));
        match dropped {
            Some(parameter) => (Cow::Owned(request.without(parameter)), dropped),
            None => (Cow::Borrowed(request), None),
        }
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
