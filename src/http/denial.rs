//! What is told of a request that was denied, at the place where it was.

/// Notes a denial: who asked, what for, of what, and the stable code of the refusal. Parts that a client wrote are cut.
pub(crate) fn denied(who: &str, what: &str, on: &str, code: &'static str) {
    tracing::debug!(who = super::refusal::quoted(who), what, on = super::refusal::quoted(on), code, "denied");
}
