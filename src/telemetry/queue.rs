//! Counts the spans that wait, and those that went out or were lost: the SDK keeps both to itself.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use actors::metrics::Spans;
use opentelemetry::Context;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Span, SpanData, SpanExporter, SpanProcessor};

/// How many spans wait or are being sent.
type Waiting = Arc<AtomicUsize>;

/// Lets spans into `inner` as long as there is room.
#[derive(Debug)]
pub(super) struct Queue<P> {
    inner: P,
    waiting: Waiting,
    room: usize,
    spans: Counted,
}

/// Sends, and counts what came of it.
#[derive(Debug)]
pub(super) struct Counting<E> {
    inner: E,
    waiting: Waiting,
    spans: Counted,
    is_down: AtomicBool,
}

struct Counted(Spans);

impl fmt::Debug for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Counted")
    }
}

impl<P> Queue<P> {
    /// `inner` has room for as many.
    pub(super) fn new(inner: P, waiting: Waiting, room: usize, spans: Spans) -> Self {
        Self { inner, waiting, room, spans: Counted(spans) }
    }

    fn enter(&self) -> bool {
        let next = |waiting| (waiting < self.room).then_some(waiting + 1);
        self.waiting.fetch_update(Ordering::AcqRel, Ordering::Acquire, next).is_ok()
    }
}

impl<P: SpanProcessor> SpanProcessor for Queue<P> {
    fn on_start(&self, span: &mut Span, context: &Context) {
        self.inner.on_start(span, context);
    }

    fn on_end(&self, span: SpanData) {
        if !span.span_context.is_sampled() {
            return;
        }
        if self.enter() {
            self.inner.on_end(span);
        } else {
            self.spans.0.dropped(1);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

impl<E> Counting<E> {
    /// The exporter, and the count of what waits for it.
    pub(super) fn new(inner: E, spans: Spans) -> (Self, Waiting) {
        let waiting = Waiting::default();
        let is_down = AtomicBool::new(false);
        (Self { inner, waiting: waiting.clone(), spans: Counted(spans), is_down }, waiting)
    }

    /// Says once that the collector is down, and once that it is back.
    fn told(&self, sent: &OTelSdkResult) {
        let was_down = self.is_down.swap(sent.is_err(), Ordering::AcqRel);
        match sent {
            Err(error) if !was_down => {
                tracing::warn!(%error, "traces do not reach their collector, and are dropped meanwhile");
            }
            Ok(()) if was_down => tracing::info!("traces reach their collector again"),
            Ok(()) | Err(_) => {}
        }
    }
}

impl<E: SpanExporter> SpanExporter for Counting<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let count = batch.len();
        let sent = self.inner.export(batch).await;
        self.waiting.fetch_sub(count, Ordering::AcqRel);
        match &sent {
            Ok(()) => self.spans.0.exported(count),
            Err(_) => self.spans.0.dropped(count),
        }
        self.told(&sent);
        sent
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use opentelemetry::trace::{Tracer, TracerProvider};
    use opentelemetry_sdk::error::OTelSdkError;
    use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};

    use super::*;

    /// Takes spans and hands them on when it is told to.
    #[derive(Clone, Debug, Default)]
    struct Held(Arc<Mutex<Vec<SpanData>>>);

    impl SpanProcessor for Held {
        fn on_start(&self, _: &mut Span, _: &Context) {}

        fn on_end(&self, span: SpanData) {
            self.0.lock().unwrap().push(span);
        }

        fn force_flush(&self) -> OTelSdkResult {
            Ok(())
        }

        fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
            Ok(())
        }
    }

    /// Fails as long as it is told to.
    #[derive(Debug, Default)]
    struct Collector(Arc<AtomicBool>);

    impl SpanExporter for Collector {
        async fn export(&self, _: Vec<SpanData>) -> OTelSdkResult {
            let fails = self.0.load(Ordering::SeqCst);
            if fails { Err(OTelSdkError::InternalFailure("nobody there".to_owned())) } else { Ok(()) }
        }
    }

    #[test]
    fn what_finds_no_room_or_no_collector_is_counted_and_the_rest_goes_out() {
        let (spans, held, fails) = (Spans::new(), Held::default(), Arc::new(AtomicBool::new(true)));
        let (counting, waiting) = Counting::new(Collector(fails.clone()), spans.clone());
        let provider = SdkTracerProvider::builder()
            .with_span_processor(Queue::new(held.clone(), waiting, 3, spans.clone()))
            .with_sampler(Sampler::AlwaysOn)
            .build();
        let tracer = provider.tracer("test");
        let make = |count| (0..count).for_each(|_| drop(tracer.start("span")));
        let flush = || {
            let batch = std::mem::take(&mut *held.0.lock().unwrap());
            futures_util::FutureExt::now_or_never(counting.export(batch)).unwrap().is_ok()
        };
        make(5);
        assert_eq!(spans.counts(), (0, 2), "two find no room");
        assert!(!flush());
        assert_eq!(spans.counts(), (0, 5), "and three no collector");
        fails.store(false, Ordering::SeqCst);
        make(4);
        assert!(flush());
        assert_eq!(spans.counts(), (3, 6), "room is there again");
    }
}
