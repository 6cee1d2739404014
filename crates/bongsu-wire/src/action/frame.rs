//! The framing of the action protocol: cuts a byte stream into JSON objects by counting braces outside strings.
//!
//! Invariant: every byte is looked at once, whatever the cuts; complete frames are handed out from the caller's
//! buffer, only an incomplete one is kept, and a connection without one owns no memory.

use bongsu_model::refusal::Malformed;
use bongsu_model::{Code, Limits, Refusal, Why};
use memchr::memchr2;

/// The framing state of one connection.
#[derive(Debug, Default)]
pub struct Frames {
    /// The incomplete frame; empty and without capacity while there is none.
    tail: Vec<u8>,
    /// Bytes of the stream before the incomplete frame, or before what comes next.
    passed: u64,
    braces: u32,
    brackets: u32,
    place: Place,
}

/// What the next byte belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Place {
    #[default]
    Structure,
    Text,
    Escape,
}

/// One complete object.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// From its first brace to its last. Valid UTF-8, balanced, and within the limits of size and depth; not yet
    /// known to be JSON.
    pub text: &'a str,
    /// Bytes received on the connection before it.
    pub at: u64,
}

/// The stream stopped making sense; nothing after this place can be trusted to be a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{what:?} at byte {offset}")]
pub struct FrameFault {
    /// Bytes received on the connection before the offending one.
    pub offset: u64,
    /// What is wrong there.
    pub what: Malformed,
}

impl From<FrameFault> for Refusal {
    fn from(fault: FrameFault) -> Self {
        let code = match fault.what {
            Malformed::FrameTooLarge(_) => Code::MessageTooLarge,
            Malformed::NotAnObject
            | Malformed::NotJson
            | Malformed::NotUtf8
            | Malformed::TooDeep
            | Malformed::DuplicateKey
            | Malformed::TooManyFragments(_)
            | Malformed::Binary
            | Malformed::Framing
            | Malformed::Packet
            | Malformed::NotConnected
            | Malformed::Attachments
            | Malformed::TooManyAttachments(_)
            | Malformed::NotProtobuf
            | Malformed::Text
            | Malformed::Hello => Code::InvalidData,
        };
        Self {
            code,
            why: Why::Malformed {
                offset: fault.offset,
                what: fault.what,
            },
            retry_after_ms: None,
        }
    }
}

impl Frames {
    /// The framing of a connection that has said nothing yet.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            tail: Vec::new(),
            passed: 0,
            braces: 0,
            brackets: 0,
            place: Place::Structure,
        }
    }

    /// Whether a frame was begun and is not complete.
    #[must_use]
    pub const fn in_frame(&self) -> bool {
        self.braces > 0
    }

    /// Bytes kept of an incomplete frame: at most `frame_bytes_max`.
    #[must_use]
    pub fn kept_bytes(&self) -> usize {
        self.tail.len()
    }

    /// Takes what was read and hands out each frame that it completes, in order.
    ///
    /// # Errors
    ///
    /// The first fault of the stream, after the frames before it. The connection cannot go on.
    pub fn push(
        &mut self,
        bytes: &[u8],
        limits: &Limits,
        mut each: impl FnMut(Frame<'_>),
    ) -> Result<(), FrameFault> {
        let mut rest = bytes;
        while !rest.is_empty() {
            if self.braces == 0 {
                let blank = rest.iter().take_while(|byte| is_blank(**byte)).count();
                self.passed += blank as u64;
                rest = &rest[blank..];
                match rest.first() {
                    None => break,
                    Some(b'{') => {}
                    Some(_) => {
                        return Err(FrameFault {
                            offset: self.passed,
                            what: Malformed::NotAnObject,
                        });
                    }
                }
            }
            let window = rest
                .len()
                .min(limits.frame_bytes_max.saturating_sub(self.tail.len()));
            let Some(end) = self.scan(&rest[..window], limits.json_depth_max)? else {
                if window < rest.len() {
                    let offset = self.passed + (self.tail.len() + window) as u64;
                    return Err(self.give_up(offset, Malformed::FrameTooLarge(limits.frame_bytes_max as u64)));
                }
                self.tail.extend_from_slice(rest);
                break;
            };
            let (piece, after) = rest.split_at(end);
            self.complete(piece, &mut each)?;
            rest = after;
        }
        Ok(())
    }

    /// Hands out the frame that ends with this piece.
    fn complete(&mut self, piece: &[u8], each: &mut impl FnMut(Frame<'_>)) -> Result<(), FrameFault> {
        let mut whole = std::mem::take(&mut self.tail);
        let whole = if whole.is_empty() {
            piece
        } else {
            whole.extend_from_slice(piece);
            whole.as_slice()
        };
        let at = self.passed;
        match std::str::from_utf8(whole) {
            Ok(text) => each(Frame { text, at }),
            Err(error) => {
                let offset = at + error.valid_up_to() as u64;
                return Err(self.give_up(offset, Malformed::NotUtf8));
            }
        }
        self.passed += whole.len() as u64;
        Ok(())
    }

    /// Looks at new bytes of one frame; the index after its last brace if they hold it.
    fn scan(&mut self, bytes: &[u8], depth_max: usize) -> Result<Option<usize>, FrameFault> {
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            match self.place {
                Place::Structure => {
                    at += 1;
                    match byte {
                        b'"' => self.place = Place::Text,
                        b'{' => self.braces += 1,
                        b'[' => self.brackets += 1,
                        b'}' => {
                            self.braces -= 1;
                            if self.braces == 0 {
                                self.brackets = 0;
                                return Ok(Some(at));
                            }
                        }
                        // More closed than opened is not JSON: the decoder says so.
                        b']' => self.brackets = self.brackets.saturating_sub(1),
                        _ => continue,
                    }
                    if self.braces as usize + self.brackets as usize > depth_max {
                        let offset = self.passed + (self.tail.len() + at - 1) as u64;
                        return Err(self.give_up(offset, Malformed::TooDeep));
                    }
                }
                Place::Text => match memchr2(b'"', b'\\', &bytes[at..]) {
                    None => return Ok(None),
                    Some(ahead) => {
                        let quote = bytes[at + ahead] == b'"';
                        self.place = if quote { Place::Structure } else { Place::Escape };
                        at += ahead + 1;
                    }
                },
                Place::Escape => {
                    at += 1;
                    self.place = Place::Text;
                }
            }
        }
        Ok(None)
    }

    /// Forgets the incomplete frame: what follows a fault is never read.
    fn give_up(&mut self, offset: u64, what: Malformed) -> FrameFault {
        *self = Self {
            passed: offset,
            ..Self::new()
        };
        FrameFault { offset, what }
    }
}

const fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_incomplete_frame_owns_memory() {
        let mut frames = Frames::new();
        let mut seen = 0;
        for (piece, kept) in [
            (&b"{}{\"a\":1} "[..], 0),
            (b"{\"a\":\"", 6),
            (b"x\"", 8),
            (b"} {}{", 1),
            (b"}\n", 0),
        ] {
            frames
                .push(piece, &Limits::DEFAULT, |_| seen += 1)
                .expect("well formed");
            assert_eq!((frames.tail.len(), frames.tail.capacity() > 0), (kept, kept > 0));
        }
        assert_eq!(seen, 5);
        // Also after a big one, and after a fault.
        let big = format!("{{\"a\":\"{}\"}}", "x".repeat(60_000));
        for piece in big.as_bytes().chunks(1_000) {
            frames
                .push(piece, &Limits::DEFAULT, |_| seen += 1)
                .expect("well formed");
        }
        assert_eq!((seen, frames.tail.capacity()), (6, 0));
        frames
            .push(b"{\"a\":", &Limits::DEFAULT, |_| {})
            .expect("well formed");
        frames
            .push(&b"[".repeat(99), &Limits::DEFAULT, |_| {})
            .expect_err("too deep");
        assert_eq!(frames.tail.capacity(), 0);
    }
}
