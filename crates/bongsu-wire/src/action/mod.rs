//! The action protocol: JSON objects on a byte stream, from bytes to requests and from answers and events to bytes.
//!
//! An event is encoded once for all sessions that accept compression and once for all others; large `data` is
//! compressed for the first.

pub mod client;
mod codec;
mod decode;
mod encode;
mod envelope;
mod frame;
mod gzip;
pub mod registry;
mod websocket;

pub use codec::{ActionCodec, Voice};
pub use decode::ACTIONS;
pub use encode::ActionEvents;
pub use frame::{Frame, FrameFault, Frames};
pub use websocket::{ActionFrames, message, text_frame};
