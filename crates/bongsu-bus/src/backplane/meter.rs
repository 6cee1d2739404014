//! What the backplane counts about itself, as plain atomics that anyone may read at any time.
//!
//! Invariant: counters only grow until the process ends; gauges say how it is now.

use std::sync::atomic::{AtomicU64, Ordering};

/// One of the figures, for who shows them all.
#[derive(Clone, Copy, Debug)]
pub struct BusFigure {
    /// Its name, as in [`BusReading`].
    pub name: &'static str,
    /// What it counts, without a full stop.
    pub help: &'static str,
    /// Whether it says how it is now, and so may fall.
    pub is_gauge: bool,
    /// It, of a reading.
    pub of: fn(&BusReading) -> u64,
}

macro_rules! meter {
    ($($kind:ident { $($(#[doc = $doc:literal])* $name:ident,)* })*) => {
        /// Counted by the backplane and its link, read by whoever serves metrics.
        #[derive(Debug, Default)]
        pub struct BusMeter {
            $($(pub(crate) $name: AtomicU64,)*)*
        }

        /// What a [`BusMeter`] said at one moment.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct BusReading {
            $($($(#[doc = $doc])* pub $name: u64,)*)*
        }

        impl BusMeter {
            /// All counters now. Each is exact; together they may be a word apart.
            #[must_use]
            pub fn read(&self) -> BusReading {
                BusReading {
                    $($($name: self.$name.load(Ordering::Relaxed),)*)*
                }
            }

            /// Every figure, in the order in which [`BusReading`] has them.
            #[must_use]
            pub fn figures() -> Vec<BusFigure> {
                vec![$($(BusFigure {
                    name: stringify!($name),
                    help: concat!($($doc),*).trim_ascii().trim_end_matches('.'),
                    is_gauge: stringify!($kind) == "gauges",
                    of: |reading| reading.$name,
                },)*)*]
            }
        }
    };
}

meter! {
    counters {
        /// Words handed to the backplane; one that is said on several subjects counts once for each.
        said,
        /// Words of other nodes that this node's ears were told.
        heard,
        /// Words of this node that the backplane brought back to it.
        echoes,
        /// Bytes of the words handed to the backplane, canaries among them.
        bytes_out,
        /// Bytes of what the backplane brought.
        bytes_in,
        /// Words not said because the backplane was away.
        unreachable,
        /// Words not said because too many waited for the backplane.
        queue_full,
        /// Words not said because they were larger than the backplane takes.
        too_large,
        /// Words of others dropped because too many waited for this node's ears.
        inbox_full,
        /// Times the backplane said that it had dropped something that was for this node.
        overruns,
        /// What came and was no word, or a damaged one.
        malformed,
        /// Words of a kind that this version does not know.
        unknown,
        /// Times the backplane came back after it was away.
        reconnects,
        /// Times the ears were told that they may have missed something.
        missed,
        /// Canaries that came back.
        canaries,
    }
    gauges {
        /// How long the last canary was away, in milliseconds.
        canary_trip_ms,
        /// Whether the backplane is connected now: 1 or 0.
        is_up,
    }
}

pub(crate) fn add(counter: &AtomicU64, more: usize) {
    counter.fetch_add(more as u64, Ordering::Relaxed);
}

pub(crate) fn set(gauge: &AtomicU64, value: u64) {
    gauge.store(value, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_figure_is_what_its_name_says() {
        let meter = BusMeter::default();
        add(&meter.echoes, 3);
        set(&meter.is_up, 1);
        let reading = meter.read();
        let shown: Vec<_> = BusMeter::figures()
            .into_iter()
            .filter(|figure| (figure.of)(&reading) > 0)
            .map(|figure| (figure.name, figure.is_gauge, (figure.of)(&reading)))
            .collect();
        assert_eq!(shown, [("echoes", false, 3), ("is_up", true, 1)]);
        for figure in BusMeter::figures() {
            assert!(
                !figure.help.is_empty() && !figure.help.ends_with('.'),
                "{figure:?}"
            );
        }
    }
}
