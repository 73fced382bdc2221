//! W3C trace context, in from those who ask and out to those who are asked.

use actix_web::http::header::HeaderMap;
use opentelemetry::Context;
use opentelemetry::propagation::{Extractor, TextMapPropagator};
use opentelemetry::trace::TraceContextExt;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// The header that names a trace.
pub const TRACEPARENT: &str = "traceparent";

/// What a caller's trace is to ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Ours is a part of it: who is known may also say what to record.
    Continue,
    /// Ours begins anew, and only points at it.
    Link,
}

/// Headers as the propagator reads them.
struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    /// A header that is there twice is none.
    fn get(&self, name: &str) -> Option<&str> {
        let mut values = self.0.get_all(name);
        let only = values.next()?;
        if values.next().is_some() { None } else { only.to_str().ok() }
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(|name| name.as_str()).collect()
    }
}

/// Ties `span`, which has not been entered yet, to the trace that the headers name; without one it stays as it is.
pub fn adopt(span: &Span, headers: &HeaderMap, trust: Trust) {
    if !headers.contains_key(TRACEPARENT) {
        return;
    }
    let named = TraceContextPropagator::new().extract_with_context(&Context::new(), &Headers(headers));
    let theirs = named.span().span_context().clone();
    if !theirs.is_valid() {
        return;
    }
    match trust {
        // Refused only where nothing is traced.
        Trust::Continue => drop(span.set_parent(named)),
        Trust::Link => span.add_link(theirs),
    }
}

/// The header for a call that belongs to the current span; `None` where nothing is traced.
pub fn outgoing() -> Option<String> {
    let context = Span::current().context();
    let span = context.span();
    let own = span.span_context();
    let flags = own.trace_flags().to_u8();
    own.is_valid().then(|| format!("00-{}-{}-{flags:02x}", own.trace_id(), own.span_id()))
}
