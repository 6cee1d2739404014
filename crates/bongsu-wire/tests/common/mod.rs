//! Decoding in one line, for tests.
#![allow(dead_code, reason = "each test file uses its part")]

use bongsu_model::{Asked, Limits, Refusal, Tag};
use bongsu_wire::action::{ActionCodec, Incoming};

/// What a stream that ends with a whole frame asks.
pub(crate) fn decode_with(stream: &[u8], limits: &Limits) -> Vec<Incoming> {
    let mut codec = ActionCodec::new();
    let mut out = Vec::new();
    codec.handle_bytes(stream, limits, &mut out).unwrap();
    assert!(!codec.in_frame());
    out
}

pub(crate) fn decode(text: &str) -> Vec<Incoming> {
    decode_with(text.as_bytes(), &Limits::DEFAULT)
}

pub(crate) fn one(stream: &[u8], limits: &Limits) -> Incoming {
    let mut out = decode_with(stream, limits);
    assert_eq!(out.len(), 1, "{out:?}");
    out.remove(0)
}

pub(crate) fn asked(text: &str) -> Asked {
    match one(text.as_bytes(), &Limits::DEFAULT) {
        Incoming::Request(asked) => asked,
        Incoming::Refused { refusal, .. } => panic!("{text}: {refusal:?}"),
    }
}

pub(crate) fn refused(text: &str) -> (Tag, Refusal) {
    match one(text.as_bytes(), &Limits::DEFAULT) {
        Incoming::Refused { tag, refusal } => (tag, refusal),
        Incoming::Request(asked) => panic!("{text}: {asked:?}"),
    }
}
