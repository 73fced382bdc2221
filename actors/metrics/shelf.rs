//! Where families are registered: each once, with well-formed names, in a registry that the tree owns.

use prometheus::core::Collector;
use prometheus::proto::MetricFamily;
use prometheus::{
    Counter, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry,
};

/// A registry, and how families get into it. Cloning shares it.
#[derive(Clone)]
pub(super) struct Shelf(Registry);

impl Shelf {
    pub(super) fn new() -> Self {
        Self(Registry::new())
    }

    pub(super) fn gather(&self) -> Vec<MetricFamily> {
        self.0.gather()
    }

    pub(super) fn counter(&self, name: &str, help: &str) -> IntCounter {
        self.put(IntCounter::new(name, help))
    }

    /// A counter of fractions.
    pub(super) fn sum(&self, name: &str, help: &str) -> Counter {
        self.put(Counter::new(name, help))
    }

    pub(super) fn counters(&self, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
        self.put(IntCounterVec::new(Opts::new(name, help), labels))
    }

    pub(super) fn gauge(&self, name: &str, help: &str) -> IntGauge {
        self.put(IntGauge::new(name, help))
    }

    pub(super) fn gauges(&self, name: &str, help: &str, labels: &[&str]) -> IntGaugeVec {
        self.put(IntGaugeVec::new(Opts::new(name, help), labels))
    }

    pub(super) fn histogram(&self, name: &str, help: &str, buckets: &[f64]) -> Histogram {
        self.put(Histogram::with_opts(HistogramOpts::new(name, help).buckets(buckets.to_vec())))
    }

    pub(super) fn histograms(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
        buckets: &[f64],
    ) -> HistogramVec {
        self.put(HistogramVec::new(HistogramOpts::new(name, help).buckets(buckets.to_vec()), labels))
    }

    /// A family that was made before there was a shelf.
    pub(super) fn show<C: Collector + 'static>(&self, family: C) {
        self.0.register(Box::new(family)).expect("each family is registered once");
    }

    fn put<C: Collector + Clone + 'static>(&self, family: prometheus::Result<C>) -> C {
        let family = family.expect("names of families and labels are well-formed, and there are buckets");
        self.show(family.clone());
        family
    }
}

/// What a gauge can show of a number.
pub(super) fn shown(number: impl TryInto<i64>) -> i64 {
    number.try_into().unwrap_or(i64::MAX)
}
