//! A device's side of the gateway: commands are carried out once, in time, or not at all.
//!
//! Invariant: [`Session`] decides and is pure, [`Journal`] remembers, [`Link`] carries; [`Device`] runs the three.
//! Nothing of what is decided depends on the wall clock or on the link staying up.

pub mod backoff;
pub mod clock;
mod device;
pub mod journal;
pub mod link;
pub mod session;
pub mod time;

pub use bongsu_model::device::{CommandId, ConnectionEpoch, DeviceId, Object, Value};
pub use bongsu_model::{Reconnect, Timestamp};
pub use bongsu_wire::device::Format;
pub use device::{Builder, Call, Device, Failure, Handle, Happening, NotBuilt, Stopped};
pub use journal::{Answer, End, Journal, Running};
pub use link::Link;
pub use session::Session;
