//! permessage-deflate without context takeover: each message is compressed and inflated alone.
//!
//! Invariant: the engines belong to the thread and are lent to one message at a time, so a connection owns none; no
//! more than the limit and one byte is ever inflated; what we compress reaches back at most 2^WINDOW_BITS bytes.

use std::cell::Cell;

use bytes::Bytes;
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use super::extension::WINDOW_BITS;
use super::send::{frame, frame_with};
use super::{Opcode, Violation};

/// References never cross from one of these pieces into the one before.
const PIECE_BYTES: usize = 1 << WINDOW_BITS;
/// How a flush ends; senders leave it out and receivers put it back.
const FLUSHED: [u8; 4] = [0, 0, 0xff, 0xff];
/// [`FLUSHED`], and an empty last block, which is reached only by a message that was whole.
const END: [u8; 9] = [0, 0, 0xff, 0xff, 1, 0, 0, 0xff, 0xff];
/// Buffers beyond this size are given back after use.
const SPARE_BYTES_MAX: usize = 64 * 1024;

/// What compresses on this thread, and its output.
struct Packer {
    engine: Compress,
    out: Vec<u8>,
}

/// What inflates on this thread, and its output.
struct Unpacker {
    engine: Decompress,
    out: Vec<u8>,
}

thread_local! {
    static PACKER: Cell<Option<Box<Packer>>> = const { Cell::new(None) };
    static UNPACKER: Cell<Option<Box<Unpacker>>> = const { Cell::new(None) };
}

/// A frame of `payload`, compressed, or plain if that is not longer. Serves every receiver that negotiated
/// permessage-deflate.
// Perf: `websocket/deflated_300`.
#[must_use]
pub fn deflated(opcode: Opcode, payload: &[u8]) -> Bytes {
    debug_assert!(!opcode.is_control(), "control frames are never compressed");
    let mut packer = PACKER.take().unwrap_or_else(|| {
        Box::new(Packer {
            engine: Compress::new(Compression::fast(), false),
            out: Vec::new(),
        })
    });
    let made = match packer.pack(payload) {
        Some(packed) => frame_with(0xc0 | opcode.bits(), packed),
        None => frame(opcode, payload),
    };
    give_back(&mut packer.out);
    PACKER.set(Some(packer));
    made
}

/// Inflates one message and shows it to `read`.
///
/// # Errors
///
/// Not deflate, more than `bytes_max` bytes, or what `read` says.
pub(super) fn inflated(
    packed: &[u8],
    bytes_max: usize,
    read: impl FnOnce(&[u8]) -> Result<(), Violation>,
) -> Result<(), Violation> {
    let mut unpacker = UNPACKER.take().unwrap_or_else(|| {
        Box::new(Unpacker {
            engine: Decompress::new(false),
            out: Vec::new(),
        })
    });
    let outcome = unpacker
        .unpack(packed, bytes_max)
        .and_then(|()| read(&unpacker.out));
    give_back(&mut unpacker.out);
    UNPACKER.set(Some(unpacker));
    outcome
}

fn give_back(out: &mut Vec<u8>) {
    out.clear();
    out.shrink_to(SPARE_BYTES_MAX);
}

impl Packer {
    /// The compressed form, if it is shorter than the payload.
    fn pack(&mut self, payload: &[u8]) -> Option<&[u8]> {
        self.engine.reset();
        self.out.clear();
        // As much as may be written before compressing stops paying, so a flush that fills it has lost.
        let room = payload.len() + FLUSHED.len();
        self.out.reserve_exact(room);
        let mut pieces = payload.chunks(PIECE_BYTES).peekable();
        while let Some(piece) = pieces.next() {
            // A full flush forgets what came before it.
            let flush = if pieces.peek().is_some() {
                FlushCompress::Full
            } else {
                FlushCompress::Sync
            };
            let before = self.engine.total_in();
            self.engine
                .compress_vec(piece, &mut self.out, flush)
                .expect("the engine was reset and never finished");
            if self.out.len() >= room || self.out.len() == self.out.capacity() {
                return None;
            }
            debug_assert_eq!(self.engine.total_in() - before, piece.len() as u64);
        }
        let packed = self.out.strip_suffix(&FLUSHED)?;
        (packed.len() < payload.len()).then_some(packed)
    }
}

impl Unpacker {
    /// Leaves the message in `out`.
    fn unpack(&mut self, packed: &[u8], bytes_max: usize) -> Result<(), Violation> {
        self.engine.reset(false);
        self.out.clear();
        let mut rest = packed;
        let mut end: &[u8] = &END;
        loop {
            let (input, in_end) = if rest.is_empty() {
                (end, true)
            } else {
                (rest, false)
            };
            if self.out.len() == self.out.capacity() {
                self.grow(packed.len(), bytes_max);
            }
            let (read, written) = (self.engine.total_in(), self.out.len());
            let status = self
                .engine
                .decompress_vec(input, &mut self.out, FlushDecompress::None)
                .map_err(|_| Violation::NotDeflate)?;
            if self.out.len() > bytes_max {
                return Err(Violation::InflatedTooLarge);
            }
            let read = usize::try_from(self.engine.total_in() - read).expect("no more than was given");
            if in_end {
                end = &end[read..];
            } else {
                rest = &rest[read..];
            }
            match status {
                // Ours, or one in the message; after that only the byte that RFC 7692, 7.2.3.4, adds.
                Status::StreamEnd => {
                    let whole = if in_end {
                        end.is_empty()
                    } else {
                        matches!(rest, [] | [0])
                    };
                    return if whole { Ok(()) } else { Err(Violation::NotDeflate) };
                }
                Status::Ok | Status::BufError => {
                    let stuck = read == 0 && self.out.len() == written;
                    if stuck && self.out.len() < self.out.capacity() {
                        return Err(Violation::NotDeflate);
                    }
                }
            }
        }
    }

    /// Makes room: as much as comes of it, never more than the limit and the byte that is over it.
    fn grow(&mut self, packed: usize, bytes_max: usize) {
        let have = self.out.len();
        let want = (have * 2).max(packed * 4).max(512).min(bytes_max + 1);
        self.out.reserve_exact(want.saturating_sub(have).max(1));
    }
}
