//! Where on the bus a thing is said, so that only those hear it who need it.
//!
//! Invariant: whoever wants every subject of the sessions it has misses nothing that concerns them.

use std::sync::Arc;

use super::{Cut, Heard, NodeSaid};
use crate::device::DeviceSaid;
use crate::event::Audience;
use crate::{DeviceId, Event, EventBody, Outbound, RoomId, UserId};

/// What a word on the bus is about, and so who wants to hear it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Subject {
    /// Every node hears it.
    All,
    /// Nodes with a live member of the room.
    Room(RoomId),
    /// Nodes with a live session of the user.
    User(UserId),
    /// The node that holds the device.
    Device(DeviceId),
    /// Nodes on which somebody watches the device's state or telemetry.
    Watch(DeviceId),
    /// One node, by its name.
    Node(Arc<str>),
    /// Nodes on which somebody watches the whole server.
    Happenings,
}

/// A thing in parts, each with its subject.
pub type Parts = Vec<(Subject, Heard)>;

impl Heard {
    /// What is said where. More than one part where different nodes need different parts of it, or the same for different
    /// reasons: then a node may hear it twice.
    #[must_use]
    pub fn parts(&self) -> Parts {
        let one = |subject| vec![(subject, self.clone())];
        match self {
            Self::Event(outbound) => event(outbound),
            Self::Heads(heads) => heads
                .iter()
                .map(|head| (Subject::Room(head.room), Self::Heads([*head].into())))
                .collect(),
            Self::Blocks(user, _) => one(Subject::User(*user)),
            Self::Members(..) => one(Subject::All),
            Self::Cut(cut) => one(match cut {
                Cut::Banned(user) | Cut::Disconnected(user) | Cut::MemberTokens { user, .. } => {
                    Subject::User(*user)
                }
                Cut::Session(_) | Cut::Revoked(_) => Subject::All,
            }),
            Self::Device(said) => of_device(said)
                .into_iter()
                .map(|subject| (subject, self.clone()))
                .collect(),
            Self::Node(said) => one(of_node(said)),
            Self::Happening(_) => one(Subject::Happenings),
        }
    }
}

fn event(outbound: &Arc<Outbound>) -> Parts {
    let event = outbound.event();
    let whole = |subject| (subject, Heard::Event(Arc::clone(outbound)));
    let mut parts = match &event.audience {
        Audience::Room(room) | Audience::RoomExcept(room, _) => vec![whole(Subject::Room(*room))],
        Audience::User(user) => vec![whole(Subject::User(*user))],
        Audience::Sessions(sessions) => by_user(event, sessions),
        // Whoever comes and goes is said as a node's word about presence; what comes here is rare.
        Audience::Related(..) | Audience::All => vec![whole(Subject::All)],
    };
    // A membership concerns its user's sessions wherever they are: they may be on a node that knows nothing of the room yet.
    if let EventBody::UserJoined { user, .. } | EventBody::UserLeft { user, .. } = &event.body {
        parts.push(whole(Subject::User(user.id)));
    }
    parts
}

/// Each user's node hears of its own sessions alone, so that nobody is told twice.
fn by_user(event: &Event, sessions: &[(UserId, crate::SessionId)]) -> Parts {
    let mut users: Vec<UserId> = sessions.iter().map(|(user, _)| *user).collect();
    users.sort_unstable();
    users.dedup();
    let part = |user: UserId| {
        let own = sessions.iter().filter(|(of, _)| *of == user).copied().collect();
        let event = Event {
            audience: Audience::Sessions(own),
            ..event.clone()
        };
        (Subject::User(user), Heard::Event(Outbound::new(event)))
    };
    users.into_iter().map(part).collect()
}

fn of_device(said: &DeviceSaid) -> Vec<Subject> {
    match said {
        DeviceSaid::Opened { device, .. }
        | DeviceSaid::Offered { device, .. }
        | DeviceSaid::Cancel { device, .. }
        | DeviceSaid::AskTelemetry { device, .. }
        | DeviceSaid::Probe { device, .. }
        | DeviceSaid::Disconnect { device } => vec![Subject::Device(device.clone())],
        DeviceSaid::Desired { device, .. } => {
            vec![Subject::Device(device.clone()), Subject::Watch(device.clone())]
        }
        DeviceSaid::Changed { device, .. } | DeviceSaid::Telemetry { device, .. } => {
            vec![Subject::Watch(device.clone())]
        }
        DeviceSaid::Taken { to, .. }
        | DeviceSaid::Moved { to, .. }
        | DeviceSaid::Measured { to, .. }
        | DeviceSaid::AskDisplays { to, .. }
        | DeviceSaid::Shown { to, .. }
        | DeviceSaid::Alive { to, .. } => vec![Subject::Node(Arc::clone(to))],
    }
}

fn of_node(said: &NodeSaid) -> Subject {
    match said {
        NodeSaid::Beat(_) | NodeSaid::Moved(_) => Subject::All,
        NodeSaid::AskUsers { to, .. } | NodeSaid::Drain { to, .. } | NodeSaid::Shed { to, .. } => {
            Subject::Node(Arc::clone(to))
        }
        NodeSaid::Users(page) => Subject::Node(Arc::clone(&page.to)),
    }
}
