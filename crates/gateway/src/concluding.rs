//! The end of a whole call, told once however it comes: also when its caller went away.

use std::time::Instant;

use crate::{Concluded, Error, Fault, Gateway, Operation};

/// Tells the end when it is dropped.
pub(crate) struct Concluding<'a> {
    gateway: &'a Gateway,
    operation: Operation,
    started: Instant,
    fault: Option<Fault>,
}

impl<'a> Concluding<'a> {
    pub(crate) fn begin(gateway: &'a Gateway, operation: Operation) -> Self {
        Self { gateway, operation, started: gateway.clock.now(), fault: Some(Fault::Caller) }
    }

    /// It ended by itself.
    pub(crate) fn end<T>(mut self, ended: &Result<T, Error>) {
        self.fault = ended.as_ref().err().map(Error::fault);
    }

    /// What a tool was called for is done, or it was at fault itself.
    pub(crate) fn end_of_tool<T, E>(mut self, done: &Result<T, E>) {
        self.fault = done.is_err().then_some(Fault::Caller);
    }
}

impl Drop for Concluding<'_> {
    fn drop(&mut self) {
        let duration = self.gateway.clock.now().saturating_duration_since(self.started);
        let Self { operation, fault, .. } = *self;
        self.gateway.report.concluded(Concluded { operation, fault, duration });
    }
}
