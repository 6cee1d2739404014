//! Happenings: what operators who watch the whole server are told, as it happens.
//!
//! Owns the vocabulary and nothing else. Invariant: a happening is news and no record: nothing is decided by one, and whoever
//! must know asks for what is kept.

use std::sync::Arc;

use crate::device::{CommandState, Object, Value};
use crate::display::PresetId;
use crate::{CommandId, DeviceId, Timestamp, UserId};

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $name:literal,)* ; $($state:ident = $of_command:literal,)*) => {
        /// What has happened.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum HappeningKind {
            $($(#[$doc])* $kind,)*
            /// A command is at this state from now on.
            Command(CommandState),
        }

        impl HappeningKind {
            /// Every kind.
            pub const ALL: &'static [Self] = &[$(Self::$kind,)* $(Self::Command(CommandState::$state),)*];

            /// The name on every wire: what it is about, a dot, and what happened to it.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$kind => $name,)*
                    $(Self::Command(CommandState::$state) => $of_command,)*
                }
            }
        }
    };
}

kinds! {
    /// A device has a session from now on.
    DeviceOnline = "device.online",
    /// A device has none any more.
    DeviceOffline = "device.offline",
    /// A display was let in.
    DisplayRegistered = "display.registered",
    /// A display was not let in.
    DisplayRefused = "display.refused",
    /// A display that did not answer lost its name to another one.
    DisplayReplaced = "display.replaced",
    /// Other programs run on a display than before.
    DisplayProcesses = "display.processes",
    /// A display was closed because it said nothing any more.
    DisplaySilent = "display.silent",
    /// A preset was made.
    PresetCreated = "preset.created",
    /// A preset was changed.
    PresetUpdated = "preset.updated",
    /// A preset was deleted.
    PresetDeleted = "preset.deleted",
    /// A preset's programs were asked for.
    PresetExecuted = "preset.executed",
    /// A preset's programs were asked to stop.
    PresetStopped = "preset.stopped",
    /// A user has a session from now on.
    UserOnline = "user.online",
    /// A user has had none for a while.
    UserOffline = "user.offline",
    ;
    Accepted = "command.accepted",
    Routed = "command.routed",
    Written = "command.written",
    Received = "command.received",
    InProgress = "command.in_progress",
    Succeeded = "command.succeeded",
    Failed = "command.failed",
    Rejected = "command.rejected",
    TimedOut = "command.timed_out",
    Expired = "command.expired",
    Superseded = "command.superseded",
    Cancelled = "command.cancelled",
    Offline = "command.offline",
}

/// Something that has happened.
#[derive(Clone, PartialEq, Debug)]
pub struct Happening {
    /// When.
    pub at: Timestamp,
    /// What.
    pub kind: HappeningKind,
    /// On which node; `None` before anybody is told of it.
    pub node: Option<Arc<str>>,
    /// To which device, or display.
    pub device: Option<DeviceId>,
    /// To which command.
    pub command: Option<CommandId>,
    /// To which preset, or by which.
    pub preset: Option<PresetId>,
    /// To which user.
    pub user: Option<UserId>,
    /// More: nothing that is secret, and no whole documents.
    pub detail: Object,
}

impl Happening {
    /// Something that happened to nobody yet.
    #[must_use]
    pub const fn new(kind: HappeningKind, at: Timestamp) -> Self {
        Self {
            at,
            kind,
            node: None,
            device: None,
            command: None,
            preset: None,
            user: None,
            detail: Object::new(),
        }
    }

    /// It happened on this node.
    #[must_use]
    pub fn on_node(mut self, node: &Arc<str>) -> Self {
        self.node = Some(Arc::clone(node));
        self
    }

    /// It happened to this device.
    #[must_use]
    pub fn of_device(mut self, device: &DeviceId) -> Self {
        self.device = Some(device.clone());
        self
    }

    /// It happened to this command.
    #[must_use]
    pub const fn of_command(mut self, command: CommandId) -> Self {
        self.command = Some(command);
        self
    }

    /// It happened to this preset, or because of it.
    #[must_use]
    pub const fn of_preset(mut self, preset: PresetId) -> Self {
        self.preset = Some(preset);
        self
    }

    /// It happened to this user.
    #[must_use]
    pub const fn of_user(mut self, user: UserId) -> Self {
        self.user = Some(user);
        self
    }

    /// More of it.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.detail.insert(name.into(), value.into());
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commands_kind_is_called_as_its_state() {
        for state in CommandState::ALL {
            let kind = HappeningKind::Command(*state);
            assert_eq!(kind.name(), format!("command.{}", state.name()));
            assert!(HappeningKind::ALL.contains(&kind));
        }
    }

    #[test]
    fn no_two_kinds_have_one_name() {
        let mut names: Vec<_> = HappeningKind::ALL.iter().map(|kind| kind.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), HappeningKind::ALL.len());
    }
}
