//! `compressed`: base64 of the gzip of the JSON of `data`, both ways.
//!
//! Invariant: reading stops one byte past the budget, whatever the ratio; exactly one gzip member and nothing
//! after it is accepted.

use std::io::{Read, Write};

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use flate2::Compression;
use flate2::bufread::GzDecoder;
use flate2::write::GzEncoder;

/// Writes padding, and reads with it or without.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Why compressed bytes could not be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Unpackable {
    /// Not base64 of one whole gzip member of UTF-8.
    NotGzip,
    /// More than the budget.
    TooLarge,
}

/// Unpacks at most `budget` bytes of UTF-8.
pub(super) fn unpack(base64: &str, budget: usize) -> Result<String, Unpackable> {
    let packed = BASE64.decode(base64).map_err(|_| Unpackable::NotGzip)?;
    let mut unpacked = Vec::new();
    let mut source = GzDecoder::new(packed.as_slice());
    let read = source.by_ref().take(budget as u64 + 1).read_to_end(&mut unpacked);
    if unpacked.len() > budget {
        return Err(Unpackable::TooLarge);
    }
    if read.is_err() || !source.into_inner().is_empty() {
        return Err(Unpackable::NotGzip);
    }
    String::from_utf8(unpacked).map_err(|_| Unpackable::NotGzip)
}

/// Adds the packed form of `bytes` to `out`, as ASCII that needs no escapes.
pub(super) fn pack(bytes: &[u8], out: &mut Vec<u8>) {
    let mut sink = GzEncoder::new(Vec::with_capacity(bytes.len() / 3 + 64), Compression::fast());
    sink.write_all(bytes).expect("writing to memory does not fail");
    let packed = sink.finish().expect("writing to memory does not fail");
    let at = out.len();
    let room = base64::encoded_len(packed.len(), true).expect("far less than the address space");
    out.resize(at + room, 0);
    let written = BASE64
        .encode_slice(&packed, &mut out[at..])
        .expect("the room was made for it");
    debug_assert_eq!(written, room);
}
