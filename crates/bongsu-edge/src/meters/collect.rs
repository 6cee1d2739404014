//! Values that others keep, read at the moment somebody asks. Invariant: reading never waits.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;

type Read<T> = Box<dyn Fn() -> T + Send + Sync>;

/// How to read a value that others keep.
pub enum Reading {
    /// A number that only grows.
    Counter(Read<u64>),
    /// The same with a fraction, for seconds.
    CounterOfSeconds(Read<f64>),
    /// Numbers that only grow, one for each word of a label.
    Counters {
        /// The label's name.
        label: &'static str,
        /// Each word and its number.
        read: Read<Vec<(&'static str, u64)>>,
    },
    /// A number that goes up and down.
    Gauge(Read<f64>),
    /// Numbers that go up and down, one for each word of a label.
    Gauges {
        /// The label's name.
        label: &'static str,
        /// Each word and its number.
        read: Read<Vec<(&'static str, f64)>>,
    },
    /// How values were spread.
    Histogram(Read<HistogramReading>),
}

impl Reading {
    /// A number that only grows.
    pub fn counter(read: impl Fn() -> u64 + Send + Sync + 'static) -> Self {
        Self::Counter(Box::new(read))
    }

    /// A number that goes up and down.
    pub fn gauge(read: impl Fn() -> f64 + Send + Sync + 'static) -> Self {
        Self::Gauge(Box::new(read))
    }

    /// How values were spread.
    pub fn histogram(read: impl Fn() -> HistogramReading + Send + Sync + 'static) -> Self {
        Self::Histogram(Box::new(read))
    }
}

/// How values were spread, at one moment.
#[derive(Clone, PartialEq, Debug)]
pub struct HistogramReading {
    /// Of all values.
    pub sum: f64,
    /// Upper bounds, ascending, the last one infinity; with each how many values were in its own range.
    pub buckets: Vec<(f64, u64)>,
}

impl HistogramReading {
    /// From counts up to each bound (`None`: all), and the sum; `unit` is what one is worth (0.001 for milliseconds in
    /// seconds).
    #[must_use]
    pub fn of_cumulative(counts: &[(Option<u64>, u64)], sum: u64, unit: f64) -> Self {
        let mut below = 0;
        let buckets = counts.iter().map(|&(bound, count)| {
            let own = count.saturating_sub(below);
            below = count.max(below);
            (bound.map_or(f64::INFINITY, |bound| bound as f64 * unit), own)
        });
        Self {
            buckets: buckets.collect(),
            sum: sum as f64 * unit,
        }
    }
}

/// A value that others keep, with its name.
pub(super) struct Collected {
    pub(super) name: &'static str,
    pub(super) help: &'static str,
    pub(super) unit: Option<Unit>,
    pub(super) reading: Reading,
}

impl fmt::Debug for Collected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Collected")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Collector for Collected {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let kind = match &self.reading {
            Reading::Counter(_) | Reading::CounterOfSeconds(_) | Reading::Counters { .. } => {
                MetricType::Counter
            }
            Reading::Gauge(_) | Reading::Gauges { .. } => MetricType::Gauge,
            Reading::Histogram(_) => MetricType::Histogram,
        };
        let help = format!("{}.", self.help);
        let mut encoder = encoder.encode_descriptor(self.name, &help, self.unit.as_ref(), kind)?;
        match &self.reading {
            Reading::Counter(read) => ConstCounter::new(read()).encode(encoder),
            Reading::CounterOfSeconds(read) => ConstCounter::new(read()).encode(encoder),
            Reading::Counters { label, read } => read().into_iter().try_for_each(|(word, value)| {
                ConstCounter::new(value).encode(encoder.encode_family(&[(*label, word)])?)
            }),
            Reading::Gauge(read) => ConstGauge::new(read()).encode(encoder),
            Reading::Gauges { label, read } => read().into_iter().try_for_each(|(word, value)| {
                ConstGauge::new(value).encode(encoder.encode_family(&[(*label, word)])?)
            }),
            Reading::Histogram(read) => {
                let HistogramReading { sum, buckets } = read();
                let count = buckets.iter().map(|(_, count)| count).sum();
                encoder.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)
            }
        }
    }
}
