//! The span of one call to one deployment, by OpenTelemetry's conventions for generative AI: who, what for and how much,
//! never what was said.

use tracing::field::Empty;
use tracing::{Span, info_span};

use crate::{Deployment, End, Operation, Outcome};

/// The span of a call that is about to be made. Its name is the conventions': what is asked, and of which model.
pub(crate) fn attempt(deployment: &Deployment, asked_for: Operation) -> Span {
    let (provider, model) = (&deployment.id.provider, &deployment.id.model);
    let operation = convention(asked_for);
    info_span!(
        "model call",
        otel.name = format!("{operation} {model}"),
        otel.kind = "client",
        otel.status_code = Empty,
        "error.type" = Empty,
        gen_ai.operation.name = operation,
        gen_ai.provider.name = %provider,
        gen_ai.request.model = %model,
        gen_ai.usage.input_tokens = Empty,
        gen_ai.usage.output_tokens = Empty,
        gen_ai.usage.cache_read.input_tokens = Empty,
        gen_ai.usage.cache_creation.input_tokens = Empty,
        gen_ai.usage.reasoning.output_tokens = Empty,
        impresario.operation = asked_for.name(),
        impresario.cost_nanodollars = Empty,
        impresario.first_output_ms = Empty,
    )
}

/// Adds how it ended.
pub(crate) fn settle(span: &Span, outcome: &Outcome) {
    let Outcome { usage, .. } = outcome;
    span.record("gen_ai.usage.input_tokens", shown(usage.input.0));
    span.record("gen_ai.usage.output_tokens", shown(usage.output.0));
    span.record("gen_ai.usage.cache_read.input_tokens", shown(usage.cached_input.0));
    span.record("gen_ai.usage.cache_creation.input_tokens", shown(usage.cache_written.0));
    span.record("gen_ai.usage.reasoning.output_tokens", shown(usage.reasoning.0));
    if let Some(cost) = outcome.cost {
        span.record("impresario.cost_nanodollars", cost.0);
    }
    if let Some(first_output) = outcome.first_output {
        span.record(
            "impresario.first_output_ms",
            i64::try_from(first_output.as_millis()).unwrap_or(i64::MAX),
        );
    }
    let kind = match outcome.end {
        End::Answered => return,
        End::Cancelled => "cancelled".to_owned(),
        End::Failed(class) | End::Interrupted(class) => format!("{class:?}").to_lowercase(),
    };
    span.record("otel.status_code", "ERROR");
    span.record("error.type", kind);
}

/// OpenTelemetry's whole numbers have a sign.
fn shown(tokens: u64) -> i64 {
    i64::try_from(tokens).unwrap_or(i64::MAX)
}

/// The conventions know the kind of endpoint, and not why it is called.
fn convention(operation: Operation) -> &'static str {
    match operation {
        Operation::Chat | Operation::Plan | Operation::Edit | Operation::Review | Operation::Tool => "chat",
        Operation::Embed => "embeddings",
        // They have no word for it, and let others be used.
        Operation::Relay => "relay",
    }
}
