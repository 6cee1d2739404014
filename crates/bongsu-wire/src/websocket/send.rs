//! What a server sends: one unmasked frame per message, header and payload in one piece.
//!
//! Invariant: a frame is the same for every receiver and is made without copying its payload where the payload was
//! written with room for its header.

use bytes::Bytes;

use super::Opcode;

/// The longest header of a server's frame: two bytes, and eight of length.
pub const HEADER_BYTES_MAX: usize = 10;

/// A ping without a payload.
pub const PING: &[u8] = &[0x89, 0x00];

/// The most that a control frame carries.
const CONTROL_BYTES_MAX: usize = 125;

/// Makes a frame of a buffer whose first [`HEADER_BYTES_MAX`] bytes are reserved and whose rest is the payload.
///
/// The header is written in front of the payload, nothing is copied.
///
/// # Panics
///
/// If the buffer is shorter than the reserve.
#[must_use]
pub fn seal(buffer: Vec<u8>, opcode: Opcode) -> Bytes {
    seal_with(buffer, 0x80 | opcode.bits())
}

/// [`seal`] with the whole first byte.
pub(super) fn seal_with(mut buffer: Vec<u8>, first: u8) -> Bytes {
    let payload = buffer
        .len()
        .checked_sub(HEADER_BYTES_MAX)
        .expect("the buffer opens with the reserve");
    let (header, bytes) = header(first, payload);
    let start = HEADER_BYTES_MAX - bytes;
    buffer[start..HEADER_BYTES_MAX].copy_from_slice(&header[..bytes]);
    Bytes::from(buffer).slice(start..)
}

/// A frame of a copy of `payload`.
#[must_use]
pub fn frame(opcode: Opcode, payload: &[u8]) -> Bytes {
    frame_with(0x80 | opcode.bits(), payload)
}

/// [`frame`] with the whole first byte.
pub(super) fn frame_with(first: u8, payload: &[u8]) -> Bytes {
    let (header, bytes) = header(first, payload.len());
    let mut whole = Vec::with_capacity(bytes + payload.len());
    whole.extend_from_slice(&header[..bytes]);
    whole.extend_from_slice(payload);
    Bytes::from(whole)
}

/// A close frame. The reason is cut to the 123 bytes that fit, at a character's end.
#[must_use]
pub fn close_frame(code: u16, reason: &str) -> Bytes {
    let reason = &reason[..reason.floor_char_boundary(CONTROL_BYTES_MAX - 2)];
    let mut payload = Vec::with_capacity(2 + reason.len());
    payload.extend_from_slice(&code.to_be_bytes());
    payload.extend_from_slice(reason.as_bytes());
    frame(Opcode::Close, &payload)
}

/// A header without a mask, and how many of the bytes it has.
pub(super) fn header(first: u8, payload: usize) -> ([u8; HEADER_BYTES_MAX], usize) {
    let mut header = [0; HEADER_BYTES_MAX];
    header[0] = first;
    if let Ok(short @ ..126) = u8::try_from(payload) {
        header[1] = short;
        (header, 2)
    } else if let Ok(long) = u16::try_from(payload) {
        header[1] = 126;
        header[2..4].copy_from_slice(&long.to_be_bytes());
        (header, 4)
    } else {
        header[1] = 127;
        header[2..].copy_from_slice(&(payload as u64).to_be_bytes());
        (header, 10)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_as_short_as_the_length_allows() {
        for (payload, header) in [
            (0, &[0x81, 0][..]),
            (125, &[0x81, 125]),
            (126, &[0x81, 126, 0, 126]),
            (65_535, &[0x81, 126, 0xff, 0xff]),
            (65_536, &[0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
        ] {
            let text = vec![b'x'; payload];
            let mut whole = header.to_vec();
            whole.extend_from_slice(&text);
            assert_eq!(frame(Opcode::Text, &text), whole, "{payload}");
            let mut buffer = vec![0xee; HEADER_BYTES_MAX];
            buffer.extend_from_slice(&text);
            let place = buffer[HEADER_BYTES_MAX..].as_ptr();
            let sealed = seal(buffer, Opcode::Text);
            assert_eq!(sealed, whole, "{payload}");
            assert_eq!(sealed[header.len()..].as_ptr(), place, "the payload was copied");
        }
    }

    #[test]
    fn a_close_reason_is_cut_between_characters() {
        assert_eq!(
            close_frame(4409, "reconnect=now"),
            b"\x88\x0f\x11\x39reconnect=now"[..]
        );
        for (reason, kept) in [
            ("a".repeat(123), 123),
            ("a".repeat(124), 123),
            ("가".repeat(41), 123),
            (format!("a{}", "가".repeat(41)), 121),
        ] {
            let frame = close_frame(1000, &reason);
            assert_eq!(frame[1] as usize, kept + 2);
            assert_eq!(&frame[4..], &reason.as_bytes()[..kept]);
        }
    }

    #[test]
    fn the_ping_is_a_frame() {
        assert_eq!(frame(Opcode::Ping, b""), PING);
    }
}
