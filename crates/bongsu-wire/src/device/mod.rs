//! The device protocols: what a device says and what is said to it, as JSON and as Protobuf.
//!
//! Owns the frames of both and nothing of a session. Invariant: one frame means the same in both formats; what a device
//! sends is refused for the same reasons and under the same names of fields.

mod check;
pub mod client;
pub mod json;
mod parting;
pub mod proto;
pub mod registry;
pub mod value;

use bongsu_model::device::{ConnectionEpoch, FromDevice, ToDevice};
use bongsu_model::refusal::Malformed;
use bongsu_model::{Fatal, Limits, Locale, Refusal};
use bytes::Bytes;

use crate::json::message::malformed;

/// What one message of a device turns out to be.
#[derive(Clone, PartialEq, Debug)]
pub enum Heard {
    /// A frame.
    Said(FromDevice),
    /// No frame, for this reason: the device is told, and the session goes on if it has begun.
    Refused(Refusal),
}

impl From<Result<FromDevice, Refusal>> for Heard {
    fn from(read: Result<FromDevice, Refusal>) -> Self {
        match read {
            Ok(said) => Self::Said(said),
            Err(refusal) => Self::Refused(refusal),
        }
    }
}

/// How a device speaks over WebSocket.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// One JSON object in each text message.
    Json,
    /// One `WebSocketPacket` in each binary message.
    Proto,
}

impl Format {
    /// Every format; the first is that of a device that offers no subprotocol.
    pub const ALL: [Self; 2] = [Self::Json, Self::Proto];

    /// Its subprotocol of WebSocket.
    #[must_use]
    pub const fn subprotocol(self) -> &'static str {
        match self {
            Self::Json => "bongsu.device.json.v1",
            Self::Proto => "bongsu.device.proto.v1",
        }
    }

    /// Reads one text message.
    ///
    /// # Errors
    ///
    /// [`Malformed::Text`] where Protobuf is spoken, which ends the session with 4400; and what is over the limit of a
    /// frame.
    pub fn text(self, text: &str, limits: &Limits) -> Result<Heard, Fatal> {
        match self {
            Self::Json => json::hear(text, limits),
            Self::Proto => Err(malformed(0, Malformed::Text).into()),
        }
    }

    /// Reads one binary message.
    ///
    /// # Errors
    ///
    /// [`Malformed::Binary`] where JSON is spoken, and bytes that are no packet of a device: both end the session with
    /// 4400. So does what is over the limit of a frame, with 4413.
    pub fn binary(self, bytes: &[u8], limits: &Limits) -> Result<Heard, Fatal> {
        match self {
            Self::Json => Err(malformed(0, Malformed::Binary).into()),
            Self::Proto => proto::hear(bytes, limits),
        }
    }

    /// What is said to a device, as one whole frame of WebSocket; of [`ToDevice::Closing`] two: the last message, and
    /// the close frame. `epoch` is the session's; 0 where there is none yet.
    #[must_use]
    pub fn frames(self, said: &ToDevice, epoch: ConnectionEpoch, locale: Locale) -> Bytes {
        let message = match self {
            Self::Json => json::frame(said, epoch, locale),
            Self::Proto => proto::frame(said, epoch, locale),
        };
        match said {
            ToDevice::Closing(closing) => parting::with_close_frame(&message, closing),
            ToDevice::Welcome(_)
            | ToDevice::Command(_)
            | ToDevice::Delta { .. }
            | ToDevice::Heartbeat { .. }
            | ToDevice::AuthUpdated { .. }
            | ToDevice::TokenExpiring { .. }
            | ToDevice::Refused(_) => message,
        }
    }
}
