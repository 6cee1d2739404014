//! Control leases: one operator has the device, for a while.
//!
//! Invariant: the store gives leases out, and looks at them in the transaction that keeps a command; what is asked here
//! before is only for a better answer.

use std::sync::Arc;

use bongsu_core::policy;
use bongsu_model::device::{AtLapse, Command, IfOffline, Lease, LeaseAsk, Leased};
use bongsu_model::{Code, DeviceId, Refusal, Role, Timestamp, Want, Why};
use bongsu_store::Existing;

use super::commands::{RunCommand, Wait, WaitFor};
use crate::node::Node;
use crate::usecases::operate::Operator;

/// Begins the name of who sends what is to be sent when a lease lapses.
const AT_LAPSE: &str = "lease:";
/// Lapsed leases that are looked at together.
const LAPSED_AT_ONCE: u32 = 64;

impl Node {
    /// Gives an operator the device, or renews what it has. Commands of others that nobody has begun to write are taken back.
    ///
    /// # Errors
    /// `PERMISSION_DENIED`; `DEVICE_LEASED` with the holder; `DEVICE_NOT_FOUND`; what the catalogue refuses of the command
    /// that is to be sent when the lease lapses.
    pub async fn take_lease(
        self: &Arc<Self>,
        by: &Operator,
        device: &DeviceId,
        ttl_ms: Option<u64>,
        at_lapse: Option<AtLapse>,
    ) -> Result<Lease, Refusal> {
        policy::may_operate(&by.principal)?;
        let limits = &self.ports.limits;
        let ttl_ms = ttl_ms.unwrap_or(limits.lease_ms);
        if !(1..=limits.lease_max_ms).contains(&ttl_ms) {
            let most = limits.lease_max_ms.cast_signed();
            return Err(Refusal::field("ttl_ms", Want::Between(1, most)));
        }
        if let Some(at_lapse) = &at_lapse {
            self.catalogue()
                .call(&at_lapse.name, &at_lapse.args, by.principal.role)?;
        }
        let now = self.now();
        // The last word of one that has lapsed is sent before another takes its place.
        if self.leases_lapse(now).await.contains(device) {
            return Err(Refusal::retry(Code::Overloaded, 1_000));
        }
        let ask = LeaseAsk {
            device: device.clone(),
            holder: Arc::clone(&by.name),
            at: now,
            expires_at: now.plus_ms(ttl_ms),
            at_lapse,
        };
        match self
            .ports
            .store
            .take_lease(ask)
            .await
            .map_err(|fault| self.fault(&fault))?
        {
            Leased::Granted(lease) => {
                let object = format!("device:{device}");
                let of_others =
                    |command: &Command| command.by != lease.holder && !command.by.starts_with(AT_LAPSE);
                // What others have asked for and what is not on its way yet is not the holder's will.
                self.take_back(device, &by.caller(), of_others).await?;
                self.note(by, "device.lease", object, Some(format!("fence={}", lease.fence)))
                    .await;
                Ok(lease)
            }
            Leased::Held(lease) => Err(leased(&lease)),
            Leased::NoDevice => Err(Refusal::new(Code::DeviceNotFound)),
        }
    }

    /// Gives a device back before its lease lapses; nothing is sent then.
    ///
    /// # Errors
    /// `PERMISSION_DENIED`, `DEVICE_NOT_FOUND` for who has no lease of it, or the store failed.
    pub async fn release_lease(self: &Arc<Self>, by: &Operator, device: &DeviceId) -> Result<(), Refusal> {
        policy::may_operate(&by.principal)?;
        let released = self
            .ports
            .store
            .release_lease(device.clone(), Arc::clone(&by.name), self.now())
            .await;
        match released.map_err(|fault| self.fault(&fault))? {
            Existing::Changed => {
                self.note(by, "device.release", format!("device:{device}"), None)
                    .await;
                Ok(())
            }
            Existing::Unchanged | Existing::Absent => Err(Refusal::because(Code::DeviceNotFound, "no_lease")),
        }
    }

    /// Who has a device, if anybody does.
    ///
    /// # Errors
    /// `PERMISSION_DENIED`, `DEVICE_NOT_FOUND`, or the store failed.
    pub async fn lease(self: &Arc<Self>, by: &Operator, device: &DeviceId) -> Result<Option<Lease>, Refusal> {
        policy::may_operate(&by.principal)?;
        self.known_device(device).await?;
        let lease = self.ports.store.lease(device.clone(), self.now()).await;
        lease.map_err(|fault| self.fault(&fault))
    }

    /// Refuses who does not have a device that another has.
    pub(super) async fn not_leased_to_another(
        self: &Arc<Self>,
        by: &Operator,
        device: &DeviceId,
    ) -> Result<(), Refusal> {
        let lease = self.ports.store.lease(device.clone(), self.now()).await;
        match lease.map_err(|fault| self.fault(&fault))? {
            Some(lease) if lease.holder != by.name => Err(leased(&lease)),
            Some(_) | None => Ok(()),
        }
    }

    /// Sends what is to be sent when leases lapse. Any number of nodes may do so at once: under its key the command is kept
    /// once, and the lease goes only after that. The devices whose leases could not be seen to.
    pub(super) async fn leases_lapse(self: &Arc<Self>, now: Timestamp) -> Vec<DeviceId> {
        let mut waiting = Vec::new();
        let lapsed = self.ports.store.lapsed_leases(now, LAPSED_AT_ONCE).await;
        for lease in self.healthy(lapsed).unwrap_or_default() {
            if let Some(at_lapse) = &lease.at_lapse
                && !self.send_at_lapse(&lease, at_lapse).await
            {
                waiting.push(lease.device);
                continue;
            }
            let ended = self
                .ports
                .store
                .end_lease(lease.device.clone(), lease.fence)
                .await;
            self.healthy(ended);
        }
        waiting
    }

    /// Whether the command of a lapsed lease is seen to: sent, or refused for good.
    async fn send_at_lapse(self: &Arc<Self>, lease: &Lease, at_lapse: &AtLapse) -> bool {
        // Whether the holder may send it was asked when it took the lease. A command that is not in the catalogue any more is
        // not sent.
        let Some(entry) = self.catalogue().entry(&at_lapse.name) else {
            tracing::warn!(device = %lease.device, name = %at_lapse.name, "the command of a lapsed lease is not in the catalogue");
            return true;
        };
        // Under a name of its own: no key that the holder has used is this one's.
        let by = Operator::api_key(format!("{AT_LAPSE}{}", lease.holder).into(), Role::Admin);
        let run = RunCommand {
            device: lease.device.clone(),
            name: Arc::clone(&at_lapse.name),
            args: at_lapse.args.clone(),
            ttl_ms: None,
            key: Some(format!("lapse:{}:{}", lease.device, lease.fence).into()),
            // Who lost control has most likely lost the link, too.
            if_offline: Some(IfOffline::Queue),
            fence: None,
            from: None,
        };
        let wait = Wait {
            until: WaitFor::Accepted,
            timeout_ms: None,
        };
        match self.keep_and_wait(&by, run, &entry, wait).await {
            Ok(_) => true,
            Err(refusal) => {
                let again = matches!(
                    refusal.code,
                    Code::Overloaded | Code::InternalError | Code::RateLimited | Code::ShuttingDown
                );
                tracing::warn!(device = %lease.device, code = refusal.code.name(), again, "the command of a lapsed lease was not sent");
                !again
            }
        }
    }
}

fn leased(lease: &Lease) -> Refusal {
    Refusal {
        why: Why::Holder(Arc::clone(&lease.holder)),
        ..Refusal::new(Code::DeviceLeased)
    }
}
