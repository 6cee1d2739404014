//! Frames by hand, right and wrong, and a decoder that writes down what it hears.

use bongsu_wire::websocket::{Decoder, Heard, MessageLimits, Role, Violation};

pub(crate) const LIMITS: MessageLimits = MessageLimits {
    message_bytes_max: 1_000,
    fragments_max: 8,
};

/// The last frame of a message.
pub(crate) const FIN: u8 = 0x80;
/// The first frame of a compressed message.
pub(crate) const RSV1: u8 = 0x40;
pub(crate) const CONTINUATION: u8 = 0;
pub(crate) const TEXT: u8 = 1;
pub(crate) const BINARY: u8 = 2;
pub(crate) const CLOSE: u8 = 8;
pub(crate) const PING: u8 = 9;
pub(crate) const PONG: u8 = 10;

/// What was heard, with a memory of its own.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Said {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<(u16, String)>),
}

impl From<Heard<'_>> for Said {
    fn from(heard: Heard<'_>) -> Self {
        match heard {
            Heard::Text(text) => Self::Text(text.to_owned()),
            Heard::Binary(bytes) => Self::Binary(bytes.to_vec()),
            Heard::Ping(bytes) => Self::Ping(bytes.to_vec()),
            Heard::Pong(bytes) => Self::Pong(bytes.to_vec()),
            Heard::Close(closed) => Self::Close(closed.map(|closed| (closed.code, closed.reason.to_owned()))),
        }
    }
}

pub(crate) fn text(text: &str) -> Said {
    Said::Text(text.to_owned())
}

/// A header of the shortest form.
pub(crate) fn header(first: u8, mask: Option<[u8; 4]>, payload: u64) -> Vec<u8> {
    let form = match payload {
        0..126 => 0,
        126..65_536 => 2,
        _ => 8,
    };
    header_in(first, mask, payload, form)
}

/// A header with the length in no bytes, two or eight of its own.
pub(crate) fn header_in(first: u8, mask: Option<[u8; 4]>, payload: u64, form: usize) -> Vec<u8> {
    let bit = if mask.is_some() { 0x80 } else { 0 };
    let mut header = vec![first];
    match form {
        0 => header.push(bit | payload as u8),
        2 => {
            header.push(bit | 126);
            header.extend((payload as u16).to_be_bytes());
        }
        _ => {
            header.push(bit | 127);
            header.extend(payload.to_be_bytes());
        }
    }
    header.extend(mask.into_iter().flatten());
    header
}

pub(crate) fn masked(payload: &[u8], mask: [u8; 4]) -> impl Iterator<Item = u8> {
    payload
        .iter()
        .zip(mask.into_iter().cycle())
        .map(|(byte, mask)| byte ^ mask)
}

/// A client's frame.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
    let mut frame = header(first, Some(MASK), payload.len() as u64);
    frame.extend(masked(payload, MASK));
    frame
}

/// A server's frame.
pub(crate) fn bare_frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = header(first, None, payload.len() as u64);
    frame.extend(payload);
    frame
}

/// Everything heard of a stream in pieces of a size, and how it ended; what is kept never passes the bound.
pub(crate) fn hear_in(
    mut decoder: Decoder,
    stream: &[u8],
    size: usize,
    limits: &MessageLimits,
) -> (Vec<Said>, Result<Decoder, Violation>) {
    let mut stream = stream.to_vec();
    let mut said = Vec::new();
    for piece in stream.chunks_mut(size.max(1)) {
        let pushed = decoder.push(piece, limits, &mut |heard| said.push(heard.into()));
        assert!(decoder.kept_bytes() <= kept_bytes_max(limits));
        assert!(decoder.in_frame() || decoder.kept_bytes() == 0);
        if let Err(violation) = pushed {
            assert!(!decoder.in_frame());
            return (said, Err(violation));
        }
    }
    (said, Ok(decoder))
}

/// A message, what compression may add to it, a control frame and a header.
pub(crate) fn kept_bytes_max(limits: &MessageLimits) -> usize {
    packed_bytes_max(limits) + 125 + 14
}

pub(crate) fn packed_bytes_max(limits: &MessageLimits) -> usize {
    limits.message_bytes_max + limits.message_bytes_max / 256 + 64
}

/// [`hear_in`] for a server's plain connection, in one piece and byte by byte, which must not differ.
pub(crate) fn hear(stream: &[u8]) -> (Vec<Said>, Result<(), Violation>) {
    hear_as(Role::Server, false, stream)
}

pub(crate) fn hear_as(role: Role, deflate: bool, stream: &[u8]) -> (Vec<Said>, Result<(), Violation>) {
    let (said, end) = hear_in(Decoder::new(role, deflate), stream, stream.len(), &LIMITS);
    let (said_slowly, end_slowly) = hear_in(Decoder::new(role, deflate), stream, 1, &LIMITS);
    assert_eq!(said, said_slowly);
    assert_eq!(end.as_ref().map(|_| ()), end_slowly.as_ref().map(|_| ()));
    if let (Ok(decoder), Ok(slow)) = (&end, &end_slowly) {
        assert_eq!(decoder.in_frame(), slow.in_frame());
        assert_eq!(decoder.kept_bytes(), slow.kept_bytes());
    }
    (said, end.map(|_| ()))
}
