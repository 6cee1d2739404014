//! A frame's header: what it says, and everything about it that is not allowed.
//!
//! Invariant: bytes are judged in the order of the wire, so a prefix is refused at the same byte as the whole.

use super::{MessageLimits, Opcode, Role, Violation};

/// The longest header: two bytes, eight of length, four of mask.
pub(super) const BYTES_MAX: usize = 14;
const CONTROL_BYTES_MAX: u8 = 125;

/// A header that may stand where it stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    /// `None` for a continuation.
    pub(super) opcode: Option<Opcode>,
    /// The last frame of its message.
    pub(super) last: bool,
    /// The message is compressed; said by its first frame.
    pub(super) packed: bool,
    pub(super) mask: Option<[u8; 4]>,
    /// Of this header.
    pub(super) bytes: usize,
    pub(super) payload_bytes: usize,
}

impl Head {
    pub(super) const fn is_control(&self) -> bool {
        match self.opcode {
            Some(opcode) => opcode.is_control(),
            None => false,
        }
    }
}

/// What a header is judged by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    pub(super) role: Role,
    pub(super) deflate: bool,
    /// The incomplete message, if there is one.
    pub(super) message: Option<Begun>,
    pub(super) limits: &'a MessageLimits,
}

/// What counts of an incomplete message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Begun {
    pub(super) bytes: usize,
    pub(super) frames: usize,
    pub(super) packed: bool,
}

/// Reads a header from the start of `bytes`; `None` if they are a proper prefix of one.
pub(super) fn read(bytes: &[u8], place: Place<'_>) -> Result<Option<Head>, Violation> {
    let Some((&first, rest)) = bytes.split_first() else {
        return Ok(None);
    };
    let (opcode, last, packed) = judge_first(first, &place)?;
    let Some((&second, rest)) = rest.split_first() else {
        return Ok(None);
    };
    let masked = second & 0x80 != 0;
    match (place.role, masked) {
        (Role::Server, false) => return Err(Violation::Unmasked),
        (Role::Client, true) => return Err(Violation::Masked),
        (Role::Server, true) | (Role::Client, false) => {}
    }
    let control = opcode.is_some_and(Opcode::is_control);
    if control && second & 0x7f > CONTROL_BYTES_MAX {
        return Err(Violation::ControlTooLong);
    }
    let Some((payload, rest)) = read_length(second & 0x7f, rest)? else {
        return Ok(None);
    };
    let payload_bytes = if control {
        usize::try_from(payload).map_err(|_| Violation::TooLarge)?
    } else {
        within_limit(payload, packed, &place)?
    };
    let mask = if masked {
        let Some(mask) = rest.first_chunk::<4>() else {
            return Ok(None);
        };
        Some(*mask)
    } else {
        None
    };
    let bytes = bytes.len() - rest.len() + if masked { 4 } else { 0 };
    Ok(Some(Head {
        opcode,
        last,
        packed,
        mask,
        bytes,
        payload_bytes,
    }))
}

/// The first byte: opcode, whether the frame is its message's last, whether the message is compressed.
fn judge_first(first: u8, place: &Place<'_>) -> Result<(Option<Opcode>, bool, bool), Violation> {
    let last = first & 0x80 != 0;
    let packed = first & 0x40 != 0;
    if first & 0x30 != 0 || (packed && !place.deflate) {
        return Err(Violation::ReservedBits);
    }
    let opcode = match first & 0x0f {
        0 => None,
        1 => Some(Opcode::Text),
        2 => Some(Opcode::Binary),
        8 => Some(Opcode::Close),
        9 => Some(Opcode::Ping),
        10 => Some(Opcode::Pong),
        unknown => return Err(Violation::UnknownOpcode(unknown)),
    };
    match (opcode, place.message) {
        (Some(opcode), _) if opcode.is_control() => {
            if packed {
                return Err(Violation::ReservedBits);
            }
            if !last {
                return Err(Violation::FragmentedControl);
            }
        }
        (None, _) if packed => return Err(Violation::ReservedBits),
        (None, None) => return Err(Violation::NothingToContinue),
        (Some(_), Some(_)) => return Err(Violation::MessageInMessage),
        (None, Some(begun)) if begun.frames >= place.limits.fragments_max => {
            return Err(Violation::TooManyFragments);
        }
        (None, Some(_)) => {}
        (Some(_), None) if !last && place.limits.fragments_max == 0 => {
            return Err(Violation::TooManyFragments);
        }
        (Some(_), None) => {}
    }
    Ok((opcode, last, packed))
}

/// The length and what follows it; `None` if it is incomplete.
fn read_length(short: u8, rest: &[u8]) -> Result<Option<(u64, &[u8])>, Violation> {
    match short {
        126 => {
            let Some((long, rest)) = rest.split_first_chunk::<2>() else {
                return Ok(None);
            };
            let length = u16::from_be_bytes(*long);
            if length < 126 {
                return Err(Violation::LengthNotMinimal);
            }
            Ok(Some((u64::from(length), rest)))
        }
        127 => {
            if rest.first().is_some_and(|high| high & 0x80 != 0) {
                return Err(Violation::LengthHighBit);
            }
            let Some((long, rest)) = rest.split_first_chunk::<8>() else {
                return Ok(None);
            };
            let length = u64::from_be_bytes(*long);
            if length <= u64::from(u16::MAX) {
                return Err(Violation::LengthNotMinimal);
            }
            Ok(Some((length, rest)))
        }
        short => Ok(Some((u64::from(short), rest))),
    }
}

/// The payload's length, if the message as a whole may have it.
fn within_limit(payload: u64, packed: bool, place: &Place<'_>) -> Result<usize, Violation> {
    let begun = place.message.map_or(0, |begun| begun.bytes);
    let max = if place.message.map_or(packed, |begun| begun.packed) {
        place.limits.packed_bytes_max()
    } else {
        place.limits.message_bytes_max
    };
    usize::try_from(payload)
        .ok()
        .filter(|bytes| *bytes <= max.saturating_sub(begun))
        .ok_or(Violation::TooLarge)
}
