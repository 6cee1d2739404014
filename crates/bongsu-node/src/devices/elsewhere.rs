//! Devices that other nodes hold: where they are, commands that are offered there, and commands that are taken back.
//!
//! Invariant: a device is only said to be offline if the store knows no session of it, or its node is known to be gone, or
//! is there and does not want to hear of it. Where nobody can say, that is said.

use std::sync::Arc;
use std::time::Duration;

use bongsu_bus::{Health, Heard, Reach};
use bongsu_core::cluster::Lives;
use bongsu_core::desk::DeskInput;
use bongsu_model::device::{Command, CommandState, Device, DeviceSaid, IfOffline};
use bongsu_model::{Code, CommandId, ConnectionEpoch, DeviceId, Refusal, Why};

use super::session::DeviceSession;
use crate::node::Node;

/// What a word that may be lost is said again after.
const AGAIN: Duration = Duration::from_millis(500);
/// How often it is looked whether another node has ended a command.
const LOOK: Duration = Duration::from_millis(100);
/// With what the note begins of a command that found nobody who could say where its device is.
pub(super) const UNKNOWN: &str = "unknown";

/// Whether a device is connected.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Presence {
    /// It has a session, on a node that lives.
    Online,
    /// It has none, or its node is gone.
    Offline,
    /// It had one on a node of which nothing was heard for a moment.
    Unknown,
}

/// Where a device is, by the store.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Whereabouts {
    /// Here, or on its way in.
    Here,
    /// On that node.
    Elsewhere(Arc<str>),
    /// It is connected nowhere.
    Nowhere,
}

/// What became of an offer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Offer {
    /// The node that holds the device has taken it on.
    Taken,
    /// Nobody holds the device.
    Nobody,
    /// Nobody can say.
    Unknown,
}

impl Node {
    /// Whether a device is connected, as far as is known here.
    pub(crate) fn presence_of(&self, device: &Device) -> Presence {
        if self.devices.session(&device.id).is_some() {
            return Presence::Online;
        }
        match &device.session {
            Some(held) if held.node != self.id => match self.holder_lives(&held.node) {
                Lives::Yes => Presence::Online,
                Lives::Unknown => Presence::Unknown,
                Lives::No => Presence::Offline,
            },
            Some(_) | None => Presence::Offline,
        }
    }

    /// Whether another node may hold a device, by the store and by what is known of that node.
    pub(crate) fn may_be_held(&self, device: &Device) -> bool {
        let holder = device.session.as_ref().filter(|held| held.node != self.id);
        holder.is_some_and(|held| self.holder_lives(&held.node) != Lives::No)
    }

    /// Whether a node lives. While nothing comes back from the backplane nothing is known of the others.
    fn holder_lives(&self, node: &str) -> Lives {
        if !self.ports.bus.spans_nodes() {
            return Lives::No;
        }
        match self.ports.bus.health() {
            Health::Well => self.node_lives(node),
            Health::Silent { .. } => Lives::Unknown,
        }
    }

    /// Asks something of another node: whether an answer may come.
    pub(crate) async fn asks(&self, said: DeviceSaid) -> bool {
        match self.ports.bus.reach(Heard::Device(Arc::new(said))).await {
            Ok(Reach::Somebody | Reach::Unknown) => true,
            Ok(Reach::Nobody) => false,
            Err(fault) => {
                self.bus_failed(&fault);
                false
            }
        }
    }

    /// Where a device is that is not here, or that had a session of that epoch here.
    pub(super) async fn whereabouts(
        &self,
        device: &DeviceId,
        after: Option<ConnectionEpoch>,
    ) -> Result<Whereabouts, Refusal> {
        let known = self.ports.store.device(device.clone()).await;
        match known.map_err(|fault| self.fault(&fault))? {
            None => Err(Refusal::because(Code::DeviceOffline, "unknown_device")),
            Some(device) => Ok(match device.session {
                Some(session) if session.node != self.id => Whereabouts::Elsewhere(session.node),
                // A later one of ours is on its way in, and reads the open commands when it is.
                Some(_) if after.is_some_and(|epoch| device.epoch > epoch) => Whereabouts::Here,
                // What the store says of a session of ours that is not here any more is on its way out.
                Some(_) | None => Whereabouts::Nowhere,
            }),
        }
    }

    /// The store has refused to have a command routed to a session here: it is over, if a later one is not here, too.
    pub(super) async fn not_routed(self: &Arc<Self>, device: DeviceId, epoch: ConnectionEpoch) {
        let session = self.devices.session(&device);
        let Some(session): Option<Arc<DeviceSession>> = session.filter(|session| session.epoch == epoch)
        else {
            return;
        };
        match self.whereabouts(&device, Some(epoch)).await {
            Ok(Whereabouts::Elsewhere(_) | Whereabouts::Nowhere) => self.overtaken(&session).await,
            // What cannot be looked up is looked up again with the next command.
            Ok(Whereabouts::Here) | Err(_) => {}
        }
    }

    /// Gives a command that is kept to whoever holds its device.
    pub(super) async fn give(
        self: &Arc<Self>,
        command: &Arc<Command>,
        whereabouts: Whereabouts,
    ) -> Result<(), Refusal> {
        // A device that came in after it was looked for reads its open commands, or is found here now.
        if whereabouts == Whereabouts::Here || self.devices.session(&command.device).is_some() {
            let offered = DeskInput::Offered {
                command: Box::new((**command).clone()),
            };
            self.devices.desk(&command.device, offered).await;
            return Ok(());
        }
        let (offer, holder) = match &whereabouts {
            Whereabouts::Elsewhere(holder) => (self.offer(command, holder).await, &**holder),
            Whereabouts::Here | Whereabouts::Nowhere => (Offer::Nobody, ""),
        };
        if offer == Offer::Taken || command.if_offline == IfOffline::Queue {
            return Ok(());
        }
        let unknown = offer == Offer::Unknown;
        let detail = unknown.then(|| format!("{UNKNOWN} node={holder}").into());
        let ended = self.end_command(command, CommandState::Offline, detail).await?;
        if ended.state != CommandState::Offline {
            // The device came in just then and has it.
            return Ok(());
        }
        Err(Refusal {
            why: Why::Command(Box::new(command.id)),
            ..Refusal::new(if unknown {
                Code::DeviceUnknownState
            } else {
                Code::DeviceOffline
            })
        })
    }

    /// Offers a command to the node that holds its device, by the store's word.
    async fn offer(self: &Arc<Self>, command: &Command, holder: &str) -> Offer {
        let Ok(mut taken) = self.devices.taken.watch(command.id) else {
            return Offer::Unknown;
        };
        let said = DeviceSaid::Offered {
            device: command.device.clone(),
            command: command.id,
            from: Arc::clone(&self.id),
        };
        let said = Heard::Device(Arc::new(said));
        let reached = match self.ports.bus.reach(said.clone()).await {
            Ok(reached) => reached,
            Err(fault) => {
                self.bus_failed(&fault);
                return Offer::Unknown;
            }
        };
        match (reached, self.holder_lives(holder)) {
            (Reach::Nobody | Reach::Unknown, Lives::No) => return Offer::Nobody,
            // Whoever is there would want to hear of it if it had the device; one that has died or is cut off since its last
            // beat is not there.
            (Reach::Nobody, Lives::Yes) if self.hears_now(holder).await => return Offer::Nobody,
            (Reach::Nobody, Lives::Yes) => return Offer::Unknown,
            (Reach::Nobody, Lives::Unknown) => return Offer::Unknown,
            (Reach::Somebody, _) | (Reach::Unknown, Lives::Yes | Lives::Unknown) => {}
        }
        let wait = Duration::from_millis(self.ports.limits.command_offer_ms);
        match self.said_until(wait, said, taken.next()).await {
            Some(()) => Offer::Taken,
            None => Offer::Unknown,
        }
    }

    /// Whether a node hears what is said to it now, which its last beat does not tell.
    async fn hears_now(&self, node: &str) -> bool {
        // About no display: nothing has to be answered.
        let said = DeviceSaid::AskDisplays {
            displays: Arc::new([]),
            from: Arc::clone(&self.id),
            to: node.into(),
        };
        match self.ports.bus.reach(Heard::Device(Arc::new(said))).await {
            Ok(Reach::Somebody) => true,
            Ok(Reach::Nobody | Reach::Unknown) => false,
            Err(fault) => {
                self.bus_failed(&fault);
                false
            }
        }
    }

    /// Says something again and again until it is answered; `None` if it is not in time.
    pub(crate) async fn said_until<T>(
        &self,
        wait: Duration,
        said: Heard,
        answer: impl Future<Output = T>,
    ) -> Option<T> {
        let again = async {
            loop {
                tokio::time::sleep(AGAIN).await;
                self.publish(said.clone()).await;
            }
        };
        let answered = async {
            tokio::select! {
                biased;
                answer = answer => answer,
                never = again => never,
            }
        };
        tokio::time::timeout(wait, answered).await.ok()
    }

    /// Ends a command as cancelled that no desk here has: the node that holds its device does, if there is one. Only where
    /// that one says nothing in time it is ended from here.
    pub(super) async fn cancel_elsewhere(
        self: &Arc<Self>,
        command: &Command,
        by: Arc<str>,
    ) -> Result<Arc<Command>, Refusal> {
        let known = self.ports.store.device(command.device.clone()).await;
        let known = known.map_err(|fault| self.fault(&fault))?;
        let said = DeviceSaid::Cancel {
            device: command.device.clone(),
            command: command.id,
            by: Arc::clone(&by),
        };
        if known.is_some_and(|known| self.may_be_held(&known))
            && self.asks(said.clone()).await
            && let Some(ended) = self.ends(command.id, said.clone()).await?
        {
            return Ok(ended);
        }
        // As it is now: whoever takes it on after this has a later epoch, and then it is not ours to end.
        let command = self.kept_command(command.id).await?;
        if command.state.is_terminal() {
            return Ok(command);
        }
        let detail = format!("by={by}");
        let ended = self
            .end_command(&command, CommandState::Cancelled, Some(detail.into()))
            .await?;
        // Whoever may have it after all writes it no more.
        self.publish(Heard::Device(Arc::new(said))).await;
        Ok(ended)
    }

    /// Waits for the node that holds a command's device to end it.
    async fn ends(
        self: &Arc<Self>,
        command: CommandId,
        said: DeviceSaid,
    ) -> Result<Option<Arc<Command>>, Refusal> {
        let ended = async {
            loop {
                let kept = self.kept_command(command).await?;
                if kept.state.is_terminal() {
                    return Ok(kept);
                }
                tokio::time::sleep(LOOK).await;
            }
        };
        let wait = Duration::from_millis(self.ports.limits.command_offer_ms);
        self.said_until(wait, Heard::Device(Arc::new(said)), ended)
            .await
            .transpose()
    }
}
