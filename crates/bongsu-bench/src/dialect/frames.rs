//! WebSocket frames, with as little work as counting what is in them needs: the client's side and the floor's.
//!
//! Invariant: how a stream is cut into reads changes nothing, and no byte of a header is ever taken for one of a
//! message.

/// What every frame of the load generator is masked with. What it sends is no secret, and nobody else chooses it.
pub(crate) const MASK: [u8; 4] = *b"\xa5\x3c\x96\x0f";

/// The longest header of a frame without a mask.
const HEAD_BYTES_MAX: usize = 10;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// A part of what a server said.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    /// Bytes of a message.
    Text {
        bytes: &'a [u8],
        /// The message's first.
        begins: bool,
        /// The message's last.
        ends: bool,
    },
    /// Whatever is no message.
    Control(Control),
}

/// What a server said that is no message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Control {
    /// To be answered by a pong with the same payload.
    Ping(Vec<u8>),
    /// An answer to a ping.
    Pong,
    /// Nothing follows.
    Close(Vec<u8>),
    /// The first two bytes of a header that no server sends.
    Nonsense([u8; 2]),
}

/// Where a connection is in the stream of a server's frames.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    head: [u8; HEAD_BYTES_MAX],
    head_bytes: usize,
    /// A header is complete and its frame is not: so many bytes are missing.
    left: Option<usize>,
    begins: bool,
    /// The payload of a control frame.
    control: Vec<u8>,
}

impl Frames {
    /// Takes the next piece off `rest`; none when all of it is taken.
    pub(crate) fn next<'a>(&mut self, rest: &mut &'a [u8]) -> Option<Piece<'a>> {
        let left = match self.left {
            Some(left) => left,
            None => self.read_head(rest)?,
        };
        if self.head[0] & 0x70 != 0 || self.head[1] & 0x80 != 0 {
            return Some(Piece::Control(Control::Nonsense([self.head[0], self.head[1]])));
        }
        if rest.is_empty() && left > 0 {
            self.left = Some(left);
            return None;
        }
        let (payload, after) = rest.split_at(left.min(rest.len()));
        *rest = after;
        let (opcode, whole) = (self.head[0] & 0x0f, payload.len() == left);
        let begins = std::mem::take(&mut self.begins);
        self.left = (!whole).then_some(left - payload.len());
        if whole {
            self.head_bytes = 0;
        }
        if opcode < CLOSE {
            let ends = whole && self.head[0] & 0x80 != 0;
            return Some(Piece::Text {
                bytes: payload,
                begins,
                ends,
            });
        }
        self.control.extend_from_slice(payload);
        if !whole {
            return None;
        }
        let payload = std::mem::take(&mut self.control);
        Some(Piece::Control(match opcode {
            CLOSE => Control::Close(payload),
            PING => Control::Ping(payload),
            PONG => Control::Pong,
            _ => Control::Nonsense([self.head[0], self.head[1]]),
        }))
    }

    /// The length of the next payload, once its header is there in full.
    fn read_head(&mut self, rest: &mut &[u8]) -> Option<usize> {
        loop {
            let wanted = match self.head_bytes {
                0 | 1 => 2,
                _ => 2 + longer(self.head[1]),
            };
            let missing = wanted - self.head_bytes;
            if missing == 0 {
                break;
            }
            let (more, after) = rest.split_at(missing.min(rest.len()));
            self.head[self.head_bytes..self.head_bytes + more.len()].copy_from_slice(more);
            self.head_bytes += more.len();
            *rest = after;
            if more.len() < missing {
                return None;
            }
        }
        self.begins = matches!(self.head[0] & 0x0f, 1 | 2);
        Some(length(&self.head))
    }
}

/// Bytes of a length that does not fit into seven bits.
const fn longer(second: u8) -> usize {
    match second & 0x7f {
        126 => 2,
        127 => 8,
        _ => 0,
    }
}

fn length(head: &[u8]) -> usize {
    match longer(head[1]) {
        0 => usize::from(head[1] & 0x7f),
        more => head[2..2 + more]
            .iter()
            .fold(0, |length, byte| length << 8 | usize::from(*byte)),
    }
}

/// Takes one whole frame of a client off `bytes` and puts its text into `text`, unmasked; nothing for a control frame.
/// How many bytes that were; none if the frame is incomplete.
pub(crate) fn unmasked(bytes: &[u8], text: &mut Vec<u8>) -> Option<usize> {
    text.clear();
    let payload_at = 2 + longer(*bytes.get(1)?) + MASK.len();
    let mask = bytes.get(payload_at - MASK.len()..payload_at)?;
    let end = payload_at.checked_add(length(bytes))?;
    let payload = bytes.get(payload_at..end)?;
    if bytes[0] & 0x0f < CLOSE {
        text.extend_from_slice(payload);
        unmask(text, [mask[0], mask[1], mask[2], mask[3]]);
    }
    Some(end)
}

fn unmask(text: &mut [u8], mask: [u8; 4]) {
    let whole = u32::from_ne_bytes(mask);
    let mut fours = text.chunks_exact_mut(4);
    for four in &mut fours {
        let word = u32::from_ne_bytes([four[0], four[1], four[2], four[3]]) ^ whole;
        four.copy_from_slice(&word.to_ne_bytes());
    }
    for (byte, mask) in fours.into_remainder().iter_mut().zip(mask) {
        *byte ^= mask;
    }
}

#[cfg(test)]
mod tests {
    use bongsu_wire::websocket::{Opcode, client_frame, close_frame, frame};

    use super::*;

    fn heard(parts: &[&[u8]]) -> (Vec<Vec<u8>>, Vec<Control>) {
        let (mut frames, mut texts, mut others) = (Frames::default(), Vec::new(), Vec::new());
        let (mut text, mut fresh) = (Vec::new(), true);
        for part in parts {
            let mut rest = *part;
            while let Some(piece) = frames.next(&mut rest) {
                match piece {
                    Piece::Text { bytes, begins, ends } => {
                        assert_eq!(begins, fresh);
                        fresh = ends;
                        text.extend_from_slice(bytes);
                        if ends {
                            texts.push(std::mem::take(&mut text));
                        }
                    }
                    Piece::Control(control) => others.push(control),
                }
            }
            assert!(rest.is_empty());
        }
        (texts, others)
    }

    #[test]
    fn messages_and_control_frames_come_out_at_every_cut() {
        let long = vec![b'^'; 300];
        let stream: Vec<u8> = [
            &frame(Opcode::Text, b"{}")[..],
            &frame(Opcode::Ping, b"abc"),
            &frame(Opcode::Text, &long),
            &frame(Opcode::Pong, b""),
            &close_frame(4408, "x"),
        ]
        .concat();
        let others = [
            Control::Ping(b"abc".to_vec()),
            Control::Pong,
            Control::Close(b"\x11\x38x".to_vec()),
        ];
        for first in 0..stream.len() {
            for second in first..stream.len() {
                let (texts, rest) = heard(&[&stream[..first], &stream[first..second], &stream[second..]]);
                assert_eq!(texts, [&b"{}"[..], &long], "cut at {first} and {second}");
                assert_eq!(rest, others, "cut at {first} and {second}");
            }
        }
    }

    #[test]
    fn lengths_of_every_kind_are_read() {
        for bytes in [0, 1, 93, 94, 125, 126, 606, 65_535, 65_536, 70_000] {
            let text = vec![b'x'; bytes];
            let (texts, rest) = heard(&[&frame(Opcode::Text, &text)]);
            assert_eq!(texts, [&text[..]], "{bytes}");
            assert!(rest.is_empty());
            let mut out = Vec::new();
            let mut masked = client_frame(Opcode::Text, &text, MASK);
            assert_eq!(unmasked(&masked[..masked.len() - 1], &mut out), None);
            masked.push(b'!');
            assert_eq!(unmasked(&masked, &mut out), Some(masked.len() - 1));
            assert_eq!(out, text);
        }
    }

    #[test]
    fn what_no_server_sends_is_told() {
        for odd in [&[0xc1, 0][..], &[0x81, 0x80, 0, 0, 0, 0]] {
            let mut rest = odd;
            let piece = Frames::default().next(&mut rest);
            assert_eq!(piece, Some(Piece::Control(Control::Nonsense([odd[0], odd[1]]))));
        }
    }

    #[test]
    fn control_frames_of_a_client_have_no_text() {
        let mut text = b"before".to_vec();
        let pong = client_frame(Opcode::Pong, b"abc", MASK);
        assert_eq!(unmasked(&pong, &mut text), Some(pong.len()));
        assert!(text.is_empty());
    }
}
