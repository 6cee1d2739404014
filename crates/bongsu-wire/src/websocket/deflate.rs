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

/// What inflates on this thread, with its input and its output.
struct Unpacker {
    engine: Decompress,
    input: Vec<u8>,
    /// Room, not a message: as long as it ever was.
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
    packer.out.clear();
    packer.out.shrink_to(SPARE_BYTES_MAX);
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
    let mut unpacker = UNPACKER.take().unwrap_or_else(|| Box::new(Unpacker::new()));
    let outcome = unpacker.unpack(packed, bytes_max).and_then(read);
    unpacker.tidy_up();
    UNPACKER.set(Some(unpacker));
    outcome
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
    fn new() -> Self {
        Self {
            engine: Decompress::new(false),
            input: Vec::new(),
            out: Vec::new(),
        }
    }

    /// Keeps no more than is often needed.
    fn tidy_up(&mut self) {
        self.input.clear();
        self.input.shrink_to(SPARE_BYTES_MAX);
        self.out.truncate(SPARE_BYTES_MAX);
        self.out.shrink_to(SPARE_BYTES_MAX);
    }

    /// The message that was compressed.
    ///
    /// It is inflated in one go into one piece of memory, because only then the engine knows where the message began
    /// and refuses what refers to before it. If the room is too small, it is done again with more.
    fn unpack(&mut self, packed: &[u8], bytes_max: usize) -> Result<&[u8], Violation> {
        self.input.extend_from_slice(packed);
        self.input.extend_from_slice(&END);
        let most = bytes_max.saturating_add(1);
        let mut room = SPARE_BYTES_MAX.min(most);
        loop {
            if self.out.len() < room {
                self.out.resize(room, 0);
            }
            self.engine.reset(false);
            let status = self
                .engine
                .decompress(&self.input, &mut self.out[..room], FlushDecompress::Finish)
                .map_err(|_| Violation::NotDeflate)?;
            let written = usize::try_from(self.engine.total_out()).expect("it fits into the room");
            if written > bytes_max {
                return Err(Violation::InflatedTooLarge);
            }
            match status {
                Status::StreamEnd if self.is_whole(packed) => return Ok(&self.out[..written]),
                Status::Ok | Status::BufError if written == room => room = room.saturating_mul(4).min(most),
                Status::StreamEnd | Status::Ok | Status::BufError => return Err(Violation::NotDeflate),
            }
        }
    }

    /// Whether the last block that was read is ours, or one that the message closes with; after that only the byte may
    /// follow that RFC 7692, 7.2.3.4, adds.
    fn is_whole(&self, packed: &[u8]) -> bool {
        let read = usize::try_from(self.engine.total_in()).expect("no more than was given");
        read == self.input.len() || matches!(packed.get(read..), Some([] | [0]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bomb_takes_the_limit_and_one_byte() {
        // 16 MiB of zeros; the room grows in steps, and the last is not a step but the limit.
        let mut bomb = Vec::with_capacity(64 * 1024);
        Compress::new(Compression::best(), false)
            .compress_vec(&vec![0; 16 << 20], &mut bomb, FlushCompress::Finish)
            .expect("it has room");
        for bytes_max in [0, 1_000, SPARE_BYTES_MAX, 1_000_000] {
            let mut unpacker = Unpacker::new();
            assert_eq!(
                unpacker.unpack(&bomb, bytes_max).err(),
                Some(Violation::InflatedTooLarge)
            );
            assert_eq!(unpacker.out.len(), bytes_max + 1);
            unpacker.tidy_up();
            assert!(unpacker.out.capacity() <= SPARE_BYTES_MAX && unpacker.input.is_empty());
        }
    }
}
