//! Decoding in one line, for tests.
#![allow(dead_code, reason = "each test file uses its part")]

use std::sync::{Arc, LazyLock};

use bongsu_model::{Asked, Limits, Refusal, Tag};
use bongsu_wire::action::ActionCodec;
use bongsu_wire::incoming::{Incoming, Rules};

static DOMAINS: LazyLock<[Arc<str>; 2]> = LazyLock::new(|| ["game".into(), "app".into()]);

/// These limits, and the domains that are open by default.
pub(crate) fn rules(limits: &Limits) -> Rules<'_> {
    Rules {
        limits,
        application_domains: &*DOMAINS,
    }
}

/// What a stream that ends with a whole frame asks.
pub(crate) fn decode_with(stream: &[u8], limits: &Limits) -> Vec<Incoming> {
    let mut codec = ActionCodec::new();
    let mut out = Vec::new();
    codec.handle_bytes(stream, &rules(limits), &mut out).unwrap();
    assert!(!codec.in_frame());
    out
}

pub(crate) fn decode(text: &str) -> Vec<Incoming> {
    decode_with(text.as_bytes(), &Limits::DEFAULT)
}

pub(crate) fn one(stream: &[u8], limits: &Limits) -> Result<Asked, (Tag, Refusal)> {
    only(decode_with(stream, limits))
}

/// The one thing that was understood, or not.
pub(crate) fn only(mut out: Vec<Incoming>) -> Result<Asked, (Tag, Refusal)> {
    assert_eq!(out.len(), 1, "{out:?}");
    understood(out.remove(0))
}

/// A request, or why there is none: a codec of JSON knows nothing of the transport's own questions.
pub(crate) fn understood(incoming: Incoming) -> Result<Asked, (Tag, Refusal)> {
    match incoming {
        Incoming::Request(asked) => Ok(asked),
        Incoming::Refused { tag, refusal } => Err((tag, refusal)),
        Incoming::Display { .. } | Incoming::Echo(_) | Incoming::SignOut | Incoming::Goodbye(_) => {
            panic!("{incoming:?}")
        }
    }
}

pub(crate) fn asked(text: &str) -> Asked {
    one(text.as_bytes(), &Limits::DEFAULT).unwrap_or_else(|refused| panic!("{text}: {refused:?}"))
}

pub(crate) fn refused(text: &str) -> (Tag, Refusal) {
    one(text.as_bytes(), &Limits::DEFAULT).expect_err(text)
}

/// The frames that these bytes are, none of them masked: the first byte of each, and its payload.
pub(crate) fn frames(mut bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut frames = Vec::new();
    while let [first, short, rest @ ..] = bytes {
        let (length, rest) = match short {
            126 => (usize::from(u16::from_be_bytes([rest[0], rest[1]])), &rest[2..]),
            127 => (
                usize::try_from(u64::from_be_bytes(*rest.first_chunk().unwrap())).unwrap(),
                &rest[8..],
            ),
            short => (usize::from(*short), rest),
        };
        let (payload, after) = rest.split_at(length);
        frames.push((*first, payload.to_vec()));
        bytes = after;
    }
    assert!(bytes.is_empty(), "half a header");
    frames
}

/// The first byte of a text frame.
pub(crate) const TEXT: u8 = 0x81;
/// The first byte of a text frame that is compressed.
pub(crate) const PACKED_TEXT: u8 = 0xc1;
/// The first byte of a close frame.
pub(crate) const CLOSE: u8 = 0x88;

/// The one text frame that these bytes are.
pub(crate) fn text_frame(bytes: &[u8]) -> Vec<u8> {
    let mut frames = frames(bytes);
    assert_eq!(frames.len(), 1);
    let (first, payload) = frames.remove(0);
    assert_eq!(first, TEXT);
    payload
}
