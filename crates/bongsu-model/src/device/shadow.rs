//! What a device should be and what it says it is, as it is kept.
//!
//! Invariant: the version rises with every change of either; the parts know when and by whom they were written.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{CommandId, Value};
use crate::Timestamp;

/// The state of one device: one document, kept by key.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Shadow {
    /// Rises with each change; 0 for a device whose state nobody has spoken of.
    pub version: u64,
    /// What it should be.
    pub desired: BTreeMap<Arc<str>, Desired>,
    /// What it says it is.
    pub reported: BTreeMap<Arc<str>, Reported>,
    /// The desired version that it says it has taken in.
    pub reported_version: Option<u64>,
}

impl Shadow {
    /// Whether it may take the place of `before`: its version is higher; or it is the same, and so is all of the state,
    /// as what a device has taken in is no change of the state.
    #[must_use]
    pub fn follows(&self, before: &Self) -> bool {
        let is_same = || self.desired == before.desired && self.reported == before.reported;
        self.version > before.version || self.version == before.version && is_same()
    }
}

/// What a key should be.
#[derive(Clone, PartialEq, Debug)]
pub struct Desired {
    /// The value; an object may be nested.
    pub value: Value,
    /// Since when.
    pub at: Timestamp,
    /// By whom.
    pub by: Arc<str>,
    /// From then on nobody wishes it any more.
    pub expires_at: Option<Timestamp>,
    /// The command that brings it, while that is open.
    pub command: Option<CommandId>,
}

/// What a key is, by the device.
#[derive(Clone, PartialEq, Debug)]
pub struct Reported {
    /// The value.
    pub value: Value,
    /// Since when it says so.
    pub at: Timestamp,
}

/// What became of a state that was to be kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ShadowPut {
    /// It is kept.
    Kept,
    /// Somebody was faster: the version is another than the one it was made from.
    Stale,
    /// There is no such device.
    NoDevice,
}
