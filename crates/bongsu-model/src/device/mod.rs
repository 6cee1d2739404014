//! Devices: what takes commands, what is said to it and by it, and what is kept of both.
//!
//! Owns the vocabulary and nothing else. Invariant: every frame of every device protocol is one of these values.

mod command;
mod frame;
mod ids;
mod records;
mod shadow;
mod value;

pub(crate) use command::words;
pub use command::{
    Command, CommandState, Ends, IfOffline, Late, NewCommand, Note, Pace, Recorded, Serial, Step, StepKind,
    Stepped, Wish,
};
pub use frame::{CommandFrame, FromDevice, Hello, Status, ToDevice, Welcome, Word};
pub use ids::{CommandId, ConnectionEpoch, DeviceId, Fence};
pub use records::{
    AtLapse, Device, DeviceSaid, DeviceSession, Enrolment, Expects, Held, Lease, LeaseAsk, Leased, NewDevice,
    OpenSession, Opened, SessionOpened,
};
pub use shadow::{Desired, Reported, Shadow, ShadowPut};
pub use value::{Number, Object, Value, print};
