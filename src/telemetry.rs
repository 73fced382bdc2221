//! Traces: what `tracing` knows of requests, workflows and calls goes out by OpenTelemetry's protocol, where an operator
//! has named a collector.
//!
//! Spans wait in a bounded queue for a thread of the SDK's own; what finds no room, or no collector, is counted and gone.
//! Nobody waits for either. Stopping sends what waits, for a few seconds at most.

mod client;
pub mod context;
mod queue;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use actors::metrics::Spans;
use actors::tree::Observed;
use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracerProvider, Tracer};
use tracing_opentelemetry::OpenTelemetryLayer;
use tracing_subscriber::registry::LookupSpan;

use crate::config::{self, Loaded};

use client::Post;
use queue::{Counting, Queue};

/// Where beneath the endpoint spans are taken.
const PATH: &str = "/v1/traces";
/// The most spans that wait.
const MAX_WAITING: usize = 4096;
/// The most spans that are sent at once.
const MAX_BATCH: usize = 512;
/// How long spans wait for others to go with.
const DELAY: Duration = Duration::from_secs(1);
/// How long sending may take.
const SEND_WITHIN: Duration = Duration::from_secs(5);
/// How long stopping waits for what is still to be sent.
const CLOSE_WITHIN: Duration = Duration::from_secs(5);

/// Why traces cannot be sent.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The headers that go along are not to be had.
    #[error(transparent)]
    Config(#[from] config::Error),
    /// No client for the collector can be made.
    #[error(transparent)]
    Upstream(#[from] upstream::Error),
    /// The exporter cannot be set up.
    #[error("traces cannot be sent to `telemetry.otlp.endpoint`: {0}")]
    Setup(String),
}

/// Where spans leave the process.
pub struct Outlet {
    provider: SdkTracerProvider,
    spans: Spans,
}

impl Outlet {
    /// The outlet that the configuration wants; `None` where it wants none. Calls nobody yet.
    ///
    /// # Errors
    /// When a header or a certificate is not to be had, or the thread cannot start.
    pub fn open(loaded: &Loaded) -> Result<Option<Self>, Error> {
        let otlp = &loaded.settings.telemetry.otlp;
        let Some(endpoint) = &otlp.endpoint else { return Ok(None) };
        let headers = config::telemetry::headers(loaded)?.into_iter();
        let headers: HashMap<String, String> =
            headers.map(|header| (header.name, header.value.expose().to_owned())).collect();
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Post::try_new(loaded, SEND_WITHIN)?)
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(format!("{}{PATH}", endpoint.url().as_str().trim_end_matches('/')))
            .with_timeout(SEND_WITHIN)
            .with_headers(headers)
            .build()
            .map_err(|error| Error::Setup(error.to_string()))?;
        Ok(Some(Self::sending(exporter, otlp.sample.get())))
    }

    fn sending(exporter: SpanExporter, share: f64) -> Self {
        let spans = Spans::new();
        let (counting, waiting) = Counting::new(exporter, spans.clone());
        let config = BatchConfigBuilder::default()
            .with_max_queue_size(MAX_WAITING)
            .with_max_export_batch_size(MAX_BATCH)
            .with_scheduled_delay(DELAY)
            .build();
        let batches = BatchSpanProcessor::builder(counting).with_batch_config(config).build();
        let own = [
            KeyValue::new("service.name", env!("CARGO_PKG_NAME")),
            KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
        ];
        let provider = SdkTracerProvider::builder()
            .with_span_processor(Queue::new(batches, waiting, MAX_WAITING, spans.clone()))
            .with_sampler(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(share))))
            .with_resource(Resource::builder_empty().with_attributes(own).build())
            .build();
        Self { provider, spans }
    }

    /// What turns spans of `tracing` into those that go out.
    pub fn layer<S>(&self) -> OpenTelemetryLayer<S, Tracer>
    where
        S: tracing::Subscriber + for<'span> LookupSpan<'span>,
    {
        tracing_opentelemetry::layer()
            .with_tracer(self.provider.tracer(env!("CARGO_PKG_NAME")))
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_level(false)
            .with_tracked_inactivity(false)
    }

    /// What a server needs so that its calls belong to their traces, and its metrics know of spans.
    pub fn observed(&self) -> Observed {
        Observed { spans: self.spans.clone(), trace: Some(Arc::new(context::outgoing)) }
    }

    /// Sends what waits, for a few seconds at most; blocks until then.
    pub fn close(self) {
        if let Err(error) = self.provider.shutdown_with_timeout(CLOSE_WITHIN) {
            tracing::debug!(%error, "the last spans did not go out");
        }
    }
}
