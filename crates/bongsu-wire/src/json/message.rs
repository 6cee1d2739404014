//! One message of a transport that keeps messages apart: whether it may be an object at all, before it is parsed.
//!
//! Invariant: what passes nests no deeper than the limit, so that a parser that recurses cannot be exhausted.

use bongsu_model::refusal::Malformed;
use bongsu_model::{Code, Limits, Refusal, Why};

use super::carry;

/// Refuses what cannot be an object within the limit of depth, with the place in this text.
pub(crate) fn check(text: &str, limits: &Limits) -> Result<(), Refusal> {
    let blank = text
        .bytes()
        .take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r'))
        .count();
    if !text[blank..].starts_with('{') {
        return Err(malformed(blank, Malformed::NotAnObject));
    }
    match carry::deeper_than(text, limits.json_depth_max) {
        Some(at) => Err(malformed(at, Malformed::TooDeep)),
        None => Ok(()),
    }
}

/// What is wrong at this place of the text.
pub(crate) fn malformed(at: usize, what: Malformed) -> Refusal {
    Refusal {
        code: Code::InvalidData,
        why: Why::Malformed {
            offset: at as u64,
            what,
        },
        retry_after_ms: None,
    }
}
