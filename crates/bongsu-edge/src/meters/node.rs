//! The node's counters under the names that Prometheus knows them by.

use std::sync::Arc;

use bongsu_model::Code;
use bongsu_model::device::CommandState;
use bongsu_node::Counters;
use bongsu_node::counters::{Counter, Gauge, Histogram};
use prometheus_client::registry::Unit;

use super::Meters;
use super::collect::{HistogramReading, Reading};

type OneCounter = (&'static str, &'static str, fn(&Counters) -> &Counter);

const COUNTERS: [OneCounter; 17] = [
    ("bongsu_sign_ins", "Sign-ins that succeeded", |it| &it.sign_ins),
    (
        "bongsu_session_requests",
        "Requests of signed-in sessions",
        |it| &it.requests,
    ),
    (
        "bongsu_messages_accepted",
        "Messages accepted: committed by the store",
        |it| &it.posts,
    ),
    (
        "bongsu_messages_repeated",
        "Messages that were answered as repeats",
        |it| &it.repeats,
    ),
    (
        "bongsu_deliveries",
        "Runs of messages delivered to sessions",
        |it| &it.deliveries,
    ),
    (
        "bongsu_slow_closes",
        "Sessions closed because they read too slowly",
        |it| &it.slow_closes,
    ),
    (
        "bongsu_lag_catch_ups",
        "Sessions that were behind and were caught up from the store",
        |it| &it.lags,
    ),
    (
        "bongsu_backfills",
        "Holes in a room's order that were read from the store",
        |it| &it.backfills,
    ),
    (
        "bongsu_membership_reloads",
        "Memberships read again because a change was missed",
        |it| &it.reloads,
    ),
    (
        "bongsu_resyncs",
        "Looks at everything, because words of other nodes may have been lost",
        |it| &it.resyncs,
    ),
    (
        "bongsu_bus_faults",
        "Announcements that the bus did not take",
        |it| &it.bus_faults,
    ),
    ("bongsu_faults", "Incidents: something broke here", |it| {
        &it.faults
    }),
    (
        "bongsu_commands_accepted",
        "Commands for devices accepted",
        |it| &it.commands_accepted,
    ),
    (
        "bongsu_commands_coalesced",
        "Commands that joined one that was asked for a moment ago",
        |it| &it.commands_coalesced,
    ),
    (
        "bongsu_commands_written",
        "Commands handed to the writers of devices",
        |it| &it.commands_written,
    ),
    (
        "bongsu_commands_retried",
        "Commands sent to their devices again",
        |it| &it.commands_retried,
    ),
    (
        "bongsu_commands_late",
        "Commands that were found too late just before the write",
        |it| &it.commands_late,
    ),
];

impl Meters {
    /// Shows what a node counts.
    pub fn follow(&self, counters: &Arc<Counters>) {
        for (name, help, of) in COUNTERS {
            let counters = Arc::clone(counters);
            self.collect(name, help, None, Reading::counter(move || of(&counters).get()));
        }
        let refusals = Arc::clone(counters);
        let read = move || {
            Code::ALL
                .iter()
                .zip(&refusals.refusals)
                .map(|(code, it)| (code.name(), it.get()))
                .collect()
        };
        let refusals = Reading::Counters {
            label: "code",
            read: Box::new(read),
        };
        self.collect("bongsu_refusals", "Refusals by code", None, refusals);
        let ended = Arc::clone(counters);
        let read = move || {
            CommandState::ALL
                .iter()
                .zip(&ended.commands_ended)
                .filter(|(state, _)| state.is_terminal())
                .map(|(state, it)| (state.name(), it.get()))
                .collect()
        };
        let ended = Reading::Counters {
            label: "state",
            read: Box::new(read),
        };
        self.collect("bongsu_commands_ended", "Commands ended, by how", None, ended);
        self.follow_gauge(
            "bongsu_mailbox",
            "Bytes that wait in mailboxes",
            Unit::Bytes,
            counters,
            |it| &it.mailbox_bytes,
        );
        let help = "From a message's arrival to its commit";
        self.follow_ms("bongsu_accept_to_commit", help, counters, |it| {
            &it.accept_to_commit_ms
        });
        let help = "From a message's commit to the write to its last member";
        self.follow_ms("bongsu_commit_to_last_write", help, counters, |it| {
            &it.commit_to_last_write_ms
        });
    }

    fn follow_gauge(
        &self,
        name: &'static str,
        help: &'static str,
        unit: Unit,
        counters: &Arc<Counters>,
        of: fn(&Counters) -> &Gauge,
    ) {
        let counters = Arc::clone(counters);
        self.collect(
            name,
            help,
            Some(unit),
            Reading::gauge(move || of(&counters).get() as f64),
        );
    }

    fn follow_ms(
        &self,
        name: &'static str,
        help: &'static str,
        counters: &Arc<Counters>,
        of: fn(&Counters) -> &Histogram,
    ) {
        let counters = Arc::clone(counters);
        let read = move || {
            let (counts, sum) = of(&counters).read();
            HistogramReading::of_cumulative(&counts, sum, 0.001)
        };
        self.collect(name, help, Some(Unit::Seconds), Reading::histogram(read));
    }
}
