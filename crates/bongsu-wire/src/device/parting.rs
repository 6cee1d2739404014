//! How a session's end is said: the close code, one word for its cause, and the close frame.
//!
//! Invariant: every cause that a device can do something about has a word of its own.

use bongsu_model::refusal::CloseCause;
use bongsu_model::{Closing, Refusal, Why};
use bytes::{Bytes, BytesMut};

use crate::close;

/// One word more than the code says, if there is one.
pub(super) const fn reason_of(refusal: &Refusal) -> Option<&'static str> {
    match refusal.why {
        Why::Reason(reason) => Some(reason),
        Why::Code
        | Why::Field { .. }
        | Why::Malformed { .. }
        | Why::TooLarge { .. }
        | Why::Incident(_)
        | Why::Command(_)
        | Why::Holder(_)
        | Why::Argument { .. } => None,
    }
}

/// The field that is missing or wrong, if it is one.
pub(super) const fn field_of(refusal: &Refusal) -> Option<&'static str> {
    match refusal.why {
        Why::Field { name, .. } => Some(name),
        Why::Code
        | Why::Reason(_)
        | Why::Malformed { .. }
        | Why::TooLarge { .. }
        | Why::Incident(_)
        | Why::Command(_)
        | Why::Holder(_)
        | Why::Argument { .. } => None,
    }
}

/// The word for why a session ends.
pub(super) const fn reason(closing: &Closing) -> Option<&'static str> {
    Some(match &closing.cause {
        CloseCause::Refused(refusal) => return reason_of(refusal),
        CloseCause::Idle => "idle",
        CloseCause::SignInTimeout => "sign_in_timeout",
        CloseCause::FrameTimeout => "frame_timeout",
        CloseCause::Slow => "slow",
        CloseCause::Flooding => "flooding",
        CloseCause::TokenExpired => "token_expired",
        CloseCause::TokenRevoked => "token_revoked",
        CloseCause::Banned => "banned",
        CloseCause::Disconnected => "disconnected",
        CloseCause::Replaced => "replaced",
        CloseCause::CertificateRevoked => "certificate_revoked",
        CloseCause::ShuttingDown => "shutting_down",
    })
}

/// When connecting again makes sense, in milliseconds from now, where it is known.
pub(super) const fn retry_after_ms(closing: &Closing) -> Option<u64> {
    match &closing.cause {
        CloseCause::Refused(refusal) => refusal.retry_after_ms,
        CloseCause::Idle
        | CloseCause::SignInTimeout
        | CloseCause::FrameTimeout
        | CloseCause::Slow
        | CloseCause::Flooding
        | CloseCause::TokenExpired
        | CloseCause::TokenRevoked
        | CloseCause::Banned
        | CloseCause::Disconnected
        | CloseCause::Replaced
        | CloseCause::CertificateRevoked
        | CloseCause::ShuttingDown => None,
    }
}

/// The last message, and the close frame behind it.
pub(super) fn with_close_frame(message: &Bytes, closing: &Closing) -> Bytes {
    let close = close::closing_frame(close::close_code(&closing.cause), closing.reconnect);
    let mut both = BytesMut::with_capacity(message.len() + close.len());
    both.extend_from_slice(message);
    both.extend_from_slice(&close);
    both.freeze()
}
