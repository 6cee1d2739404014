//! The action protocol: JSON objects on a byte stream, from bytes to requests and from answers and events to bytes.
//!
//! Events are encoded once for all receivers, so they are never compressed; what goes to one session alone is,
//! where that session said that it accepts it.

pub mod client;
mod codec;
mod decode;
mod encode;
mod envelope;
mod frame;
mod gzip;

pub use codec::{ActionCodec, Fatal, Incoming, Voice};
pub use decode::ACTIONS;
pub use encode::ActionEvents;
pub use frame::{Frame, FrameFault, Frames};
