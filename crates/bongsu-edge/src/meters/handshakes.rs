//! What is counted of TLS handshakes.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// How a handshake ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Handshake {
    /// The connection was let in.
    Done,
    /// The client's certificate was refused, or it showed none where one is needed.
    Certificate,
    /// Something else did not fit: versions, names, what was sent.
    Failed,
    /// The client did not speak TLS.
    NotTls,
    /// It took too long.
    TimedOut,
    /// The client went away.
    Left,
}

impl Handshake {
    const NAMES: [&'static str; 6] = ["done", "certificate", "failed", "not_tls", "timed_out", "left"];
}

/// The handshakes of all listeners.
pub struct Handshakes {
    ended: [Counter; 6],
    under_way: Gauge,
}

/// Counts a handshake as under way until it is dropped.
pub(crate) struct UnderWay<'a>(&'a Gauge);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Handshakes {
    pub(super) fn new(registry: &mut Registry) -> Self {
        let under_way = Gauge::default();
        let help = "TLS handshakes that are under way";
        registry.register("bongsu_tls_handshakes_under_way", help, under_way.clone());
        let help = "TLS handshakes that ended, by outcome";
        Self {
            ended: super::by(
                registry,
                "bongsu_tls_handshakes",
                help,
                "outcome",
                Handshake::NAMES,
            ),
            under_way,
        }
    }

    /// A handshake ended.
    pub fn ended(&self, how: Handshake) {
        self.ended[how as usize].inc();
    }

    pub(crate) fn begin(&self) -> UnderWay<'_> {
        self.under_way.inc();
        UnderWay(&self.under_way)
    }
}
