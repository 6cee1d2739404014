//! What becomes of devices because time passes: commands that nobody owns end, leases lapse, tokens end.
//!
//! Invariant: any number of nodes may sweep at once; the store lets one of them end a command, and none that has ended.

use std::sync::Arc;

use bongsu_model::Timestamp;
use tokio::task::JoinHandle;

use crate::node::Node;

/// Commands that are ended together.
const OVERDUE_AT_ONCE: u32 = 256;
/// Keys of rates looked at in one sweep.
const RATES_SWEPT: usize = 2_000;

/// What is under way in the background.
#[derive(Default)]
pub(crate) struct Rounds {
    sweeping: Option<JoinHandle<()>>,
    looking: Option<JoinHandle<()>>,
    looked_at: Timestamp,
}

impl Node {
    /// Ends what is overdue, sends what lapsed leases want sent, and looks for what other nodes have said and nobody heard.
    /// The store may take its time; one round at a time.
    pub(crate) fn devices_due(self: &Arc<Self>, rounds: &mut Rounds) {
        let is_over = |round: &Option<JoinHandle<()>>| round.as_ref().is_none_or(JoinHandle::is_finished);
        if is_over(&rounds.sweeping) {
            let node = Arc::clone(self);
            rounds.sweeping = Some(tokio::spawn(async move {
                node.end_overdue().await;
                node.leases_lapse(node.now()).await;
            }));
        }
        let now = self.now();
        // A clock that was set back holds no look up.
        let waited = now.ms_since(rounds.looked_at) >= self.ports.limits.device_look_ms;
        let is_due = waited || now < rounds.looked_at;
        if is_due && self.ports.bus.spans_nodes() && is_over(&rounds.looking) {
            rounds.looked_at = now;
            let node = Arc::clone(self);
            rounds.looking = Some(tokio::spawn(async move { node.look_at_next_devices().await }));
        }
    }

    /// Warns devices whose tokens end soon, and ends the sessions of those whose have ended.
    pub(crate) fn device_tokens_due(&self, now: Timestamp) {
        let warning_ms = self.ports.limits.token_warning_ms;
        for session in self.devices.all() {
            session.token_due(now, warning_ms);
        }
    }

    /// Forgets rates that have no say any more, and commands that have ended long ago.
    pub(crate) async fn trim_devices(&self, now: Timestamp) {
        {
            let rates = &mut *self.devices.rates.lock();
            rates.callers.sweep(RATES_SWEPT, now);
            rates.devices.sweep(RATES_SWEPT, now);
        }
        let kept_s = self.ports.limits.commands_kept_s;
        if kept_s == 0 {
            return;
        }
        let kept_ms = i64::try_from(kept_s.saturating_mul(1_000)).unwrap_or(i64::MAX);
        let before = Timestamp(now.0.saturating_sub(kept_ms));
        if let Some(count @ 1..) = self.healthy(self.ports.store.trim_commands(before).await) {
            tracing::info!(count, "commands that ended long ago were forgotten");
        }
    }

    /// Ends commands whose time was over a while ago: a desk that had them has ended them by then.
    async fn end_overdue(self: &Arc<Self>) {
        let limits = &self.ports.limits;
        let ms = i64::try_from(limits.command_sweep_ms).unwrap_or(i64::MAX);
        let before = Timestamp(self.now().0.saturating_sub(ms));
        let overdue = self.ports.store.overdue_commands(before, OVERDUE_AT_ONCE).await;
        for command in self.healthy(overdue).unwrap_or_default() {
            match self
                .end_command(&command, command.overdue(), Some("swept=true".into()))
                .await
            {
                Ok(ended) => tracing::info!(
                    command = %ended.id, device = %ended.device, state = ended.state.name(),
                    "a command that nobody owned was ended"
                ),
                Err(refusal) => {
                    tracing::warn!(command = %command.id, code = refusal.code.name(), "a command could not be ended; it is tried again");
                }
            }
        }
    }
}
