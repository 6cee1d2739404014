//! Frames and messages out of a stream of bytes.
//!
//! Invariant: what lies whole in the caller's buffer is unmasked there and handed out from there; only what is
//! incomplete is kept, in one box that is dropped when it is complete. How a stream is cut changes nothing.

use super::deflate::inflated;
use super::head::{self, Begun, Head, Place};
use super::{Opcode, Violation, mask};

/// Which side we are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// Frames come from a client and are masked.
    Server,
    /// Frames come from a server and are not.
    Client,
}

/// What one message may cost.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MessageLimits {
    /// Bytes of a message, all its fragments together. While it is compressed it may have one part in 256 and 64 bytes
    /// more. Control frames have the protocol's 125 beside it.
    pub message_bytes_max: usize,
    /// Frames of a message that comes in several, the empty ones included.
    pub fragments_max: usize,
}

impl MessageLimits {
    /// What a compressed message may have: deflate needs a little more to say that it could not compress.
    pub(super) const fn packed_bytes_max(&self) -> usize {
        self.message_bytes_max
            .saturating_add(self.message_bytes_max / 256)
            .saturating_add(64)
    }
}

/// Something complete that the peer said.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Heard<'a> {
    /// A message of text.
    Text(&'a str),
    /// A message of bytes.
    Binary(&'a [u8]),
    /// To be answered by a pong with the same payload.
    Ping(&'a [u8]),
    /// Answers a ping, or nothing.
    Pong(&'a [u8]),
    /// The peer sends no more; to be answered by a close. With its code, if it gave one.
    Close(Option<Closed<'a>>),
}

/// Why the peer closes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Closed<'a> {
    /// One of those that may be sent.
    pub code: u16,
    /// For people, or for a protocol on top; often empty.
    pub reason: &'a str,
}

/// The receiving side of one connection, after its handshake.
#[derive(Debug)]
pub struct Decoder {
    /// There while something is incomplete, and only then.
    open: Option<Box<Open>>,
    role: Role,
    deflate: bool,
    /// A close or a violation was met: what follows means nothing.
    ended: bool,
}

const _: () = assert!(size_of::<Decoder>() <= 32);

/// What is incomplete.
#[derive(Debug)]
struct Open {
    /// The first bytes of a header.
    head: [u8; head::BYTES_MAX],
    head_bytes: usize,
    /// The frame whose payload is being read.
    frame: Option<Frame>,
    /// The payload of a control frame, which may come between the fragments of a message.
    control: [u8; 125],
    control_bytes: usize,
    message: Option<Message>,
}

/// A frame whose header was read.
#[derive(Clone, Copy, Debug)]
struct Frame {
    head: Head,
    /// Bytes of its payload that were read.
    read: usize,
}

/// A message of which something was read.
#[derive(Debug)]
struct Message {
    text: bool,
    packed: bool,
    bytes: Vec<u8>,
    /// So many of the bytes are whole characters; counts only for plain text.
    whole: usize,
    frames: usize,
}

impl Decoder {
    /// The decoder of a connection that has said nothing yet. `deflate`: permessage-deflate was negotiated.
    #[must_use]
    pub const fn new(role: Role, deflate: bool) -> Self {
        Self {
            open: None,
            role,
            deflate,
            ended: false,
        }
    }

    /// Whether a frame, or a message in fragments, was begun and is not complete.
    #[must_use]
    pub const fn in_frame(&self) -> bool {
        self.open.is_some()
    }

    /// Bytes kept of what is incomplete: at most a message's, a control frame's and a header's.
    #[must_use]
    pub fn kept_bytes(&self) -> usize {
        self.open.as_ref().map_or(0, |open| {
            let message = open.message.as_ref().map_or(0, |message| message.bytes.len());
            open.head_bytes + open.control_bytes + message
        })
    }

    /// Takes what was read and hands out what it completes, in order. `bytes` are unmasked in place.
    ///
    /// After a close nothing more is handed out, and what follows it is not looked at.
    ///
    /// # Errors
    ///
    /// The first violation of the stream, after all that was complete before it. Nothing is read after it either.
    pub fn push(
        &mut self,
        bytes: &mut [u8],
        limits: &MessageLimits,
        sink: &mut dyn FnMut(Heard<'_>),
    ) -> Result<(), Violation> {
        let mut rest = bytes;
        while !rest.is_empty() && !self.ended {
            match self.step(rest, limits, sink) {
                Ok(taken) => rest = &mut rest[taken..],
                Err(violation) => {
                    self.end();
                    return Err(violation);
                }
            }
        }
        Ok(())
    }

    /// Reads a header with what is there of its payload, or more of a payload. How many bytes that took.
    fn step(
        &mut self,
        bytes: &mut [u8],
        limits: &MessageLimits,
        sink: &mut dyn FnMut(Heard<'_>),
    ) -> Result<usize, Violation> {
        if let Some(frame) = self.open.as_ref().and_then(|open| open.frame) {
            let (piece, _) = bytes.split_at_mut(bytes.len().min(frame.head.payload_bytes - frame.read));
            let taken = piece.len();
            self.continue_frame(frame, piece, limits, sink)?;
            return Ok(taken);
        }
        let Some((head, taken)) = self.read_head(bytes, limits)? else {
            return Ok(bytes.len());
        };
        let after = &mut bytes[taken..];
        if after.len() < head.payload_bytes {
            // The payload's first bytes are the next step's.
            self.begin_frame(head);
            return Ok(taken);
        }
        let payload = &mut after[..head.payload_bytes];
        if let Some(mask) = head.mask {
            mask::apply(payload, mask, 0);
        }
        self.hear(head, payload, limits, sink)?;
        Ok(taken + head.payload_bytes)
    }

    /// The next header, and how many of `bytes` belong to it; if it is incomplete they are kept.
    fn read_head(
        &mut self,
        bytes: &[u8],
        limits: &MessageLimits,
    ) -> Result<Option<(Head, usize)>, Violation> {
        let place = Place {
            role: self.role,
            deflate: self.deflate,
            message: self.begun(),
            limits,
        };
        let kept = self.open.as_ref().map_or(0, |open| open.head_bytes);
        if kept == 0
            && let Some(head) = head::read(bytes, place)?
        {
            return Ok(Some((head, head.bytes)));
        }
        let open = self.open.get_or_insert_with(Open::new);
        let more = bytes.len().min(head::BYTES_MAX - kept);
        open.head[kept..kept + more].copy_from_slice(&bytes[..more]);
        match head::read(&open.head[..kept + more], place)? {
            Some(head) => {
                open.head_bytes = 0;
                Ok(Some((head, head.bytes - kept)))
            }
            None => {
                open.head_bytes = kept + more;
                Ok(None)
            }
        }
    }

    fn begun(&self) -> Option<Begun> {
        let message = self.open.as_ref()?.message.as_ref()?;
        Some(Begun {
            bytes: message.bytes.len(),
            frames: message.frames,
            packed: message.packed,
        })
    }

    /// Makes a place for a frame that is not complete.
    fn begin_frame(&mut self, head: Head) {
        let open = self.open.get_or_insert_with(Open::new);
        open.frame = Some(Frame { head, read: 0 });
        if !head.is_control() {
            open.message(head).frames += 1;
        }
    }

    /// Reads more of a frame that began in an earlier read.
    fn continue_frame(
        &mut self,
        frame: Frame,
        piece: &mut [u8],
        limits: &MessageLimits,
        sink: &mut dyn FnMut(Heard<'_>),
    ) -> Result<(), Violation> {
        let Frame { head, read } = frame;
        if let Some(mask) = head.mask {
            mask::apply(piece, mask, read);
        }
        let open = self.open.as_mut().expect("a frame is open");
        let read = read + piece.len();
        let complete = read == head.payload_bytes;
        open.frame = (!complete).then_some(Frame { head, read });
        if head.is_control() {
            let control_bytes = open.control_bytes;
            open.control[control_bytes..control_bytes + piece.len()].copy_from_slice(piece);
            open.control_bytes = if complete { 0 } else { read };
            if complete {
                let payload = open.control;
                self.close_up();
                return self.hear_control(head, &payload[..read], sink);
            }
            return Ok(());
        }
        open.message(head).append(piece, limits)?;
        if complete && head.last {
            return self.finish(limits, sink);
        }
        Ok(())
    }

    /// Hears a whole frame, unmasked.
    fn hear(
        &mut self,
        head: Head,
        payload: &[u8],
        limits: &MessageLimits,
        sink: &mut dyn FnMut(Heard<'_>),
    ) -> Result<(), Violation> {
        if head.is_control() {
            self.close_up();
            return self.hear_control(head, payload, sink);
        }
        if head.last && head.opcode.is_some() {
            self.close_up();
            let text = head.opcode == Some(Opcode::Text);
            return hand_out(text, head.packed, payload, limits, sink);
        }
        let message = self.open.get_or_insert_with(Open::new).message(head);
        message.frames += 1;
        message.append(payload, limits)?;
        if head.last {
            return self.finish(limits, sink);
        }
        Ok(())
    }

    /// Hands out the message that is complete now.
    fn finish(&mut self, limits: &MessageLimits, sink: &mut dyn FnMut(Heard<'_>)) -> Result<(), Violation> {
        let message = self.open.as_mut().and_then(|open| open.message.take());
        self.close_up();
        let message = message.expect("its last frame was read");
        hand_out(message.text, message.packed, &message.bytes, limits, sink)
    }

    fn hear_control(
        &mut self,
        head: Head,
        payload: &[u8],
        sink: &mut dyn FnMut(Heard<'_>),
    ) -> Result<(), Violation> {
        match head.opcode {
            Some(Opcode::Ping) => sink(Heard::Ping(payload)),
            Some(Opcode::Pong) => sink(Heard::Pong(payload)),
            Some(Opcode::Close) => {
                let closed = read_close(payload)?;
                self.end();
                sink(Heard::Close(closed));
            }
            Some(Opcode::Text | Opcode::Binary) | None => {
                unreachable!("asked for control frames only")
            }
        }
        Ok(())
    }

    /// Gives the box back if nothing is incomplete.
    fn close_up(&mut self) {
        if self.open.as_ref().is_some_and(|open| open.is_empty()) {
            self.open = None;
        }
    }

    fn end(&mut self) {
        self.open = None;
        self.ended = true;
    }
}

impl Open {
    fn new() -> Box<Self> {
        Box::new(Self {
            head: [0; head::BYTES_MAX],
            head_bytes: 0,
            frame: None,
            control: [0; 125],
            control_bytes: 0,
            message: None,
        })
    }

    const fn is_empty(&self) -> bool {
        self.head_bytes == 0 && self.frame.is_none() && self.message.is_none()
    }

    /// The message that a data frame belongs to.
    fn message(&mut self, head: Head) -> &mut Message {
        self.message.get_or_insert_with(|| Message {
            text: head.opcode == Some(Opcode::Text),
            packed: head.packed,
            bytes: Vec::new(),
            whole: 0,
            frames: 0,
        })
    }
}

impl Message {
    /// Keeps more of the message. That it is within the limit was decided when the header was read.
    fn append(&mut self, piece: &[u8], limits: &MessageLimits) -> Result<(), Violation> {
        let need = self.bytes.len() + piece.len();
        if need > self.bytes.capacity() {
            let max = if self.packed {
                limits.packed_bytes_max()
            } else {
                limits.message_bytes_max
            };
            let room = need.max((self.bytes.capacity() * 2).min(max));
            self.bytes.reserve_exact(room - self.bytes.len());
        }
        self.bytes.extend_from_slice(piece);
        if self.text && !self.packed {
            self.whole += match std::str::from_utf8(&self.bytes[self.whole..]) {
                Ok(text) => text.len(),
                // The character may be incomplete; so far it is one.
                Err(error) if error.error_len().is_none() => error.valid_up_to(),
                Err(_) => return Err(Violation::NotUtf8),
            };
        }
        Ok(())
    }
}

/// Hands out a whole message.
fn hand_out(
    text: bool,
    packed: bool,
    bytes: &[u8],
    limits: &MessageLimits,
    sink: &mut dyn FnMut(Heard<'_>),
) -> Result<(), Violation> {
    if packed {
        return inflated(bytes, limits.message_bytes_max, |bytes| {
            hand_out(text, false, bytes, limits, sink)
        });
    }
    sink(if text {
        Heard::Text(std::str::from_utf8(bytes).map_err(|_| Violation::NotUtf8)?)
    } else {
        Heard::Binary(bytes)
    });
    Ok(())
}

/// The code and the reason of a close.
fn read_close(payload: &[u8]) -> Result<Option<Closed<'_>>, Violation> {
    let Some((code, reason)) = payload.split_first_chunk::<2>() else {
        return if payload.is_empty() {
            Ok(None)
        } else {
            Err(Violation::BadCloseLength)
        };
    };
    let code = u16::from_be_bytes(*code);
    // 1004 to 1006 and 1015 are never sent; below 3000 the rest is not registered.
    if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
        return Err(Violation::BadCloseCode(code));
    }
    let reason = std::str::from_utf8(reason).map_err(|_| Violation::CloseReasonNotUtf8)?;
    Ok(Some(Closed { code, reason }))
}
