//! What nodes tell each other: of events, of rooms' heads, of devices, of themselves.
//!
//! Owns the vocabulary and nothing else. Invariant: whatever stands here may be heard twice, late, or not at all; whoever
//! hears it is only helped by it.

mod heard;
mod node;
mod subject;

pub use heard::{Cut, Heard};
pub use node::{NodeBeat, NodeFigures, NodeRef, NodeSaid, NodeState, PresenceMoved, PresencePage};
pub use subject::{Parts, Subject};
