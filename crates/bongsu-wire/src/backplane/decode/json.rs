//! JSON that is carried unread, where it arrives.
//!
//! Invariant: what is carried on is one JSON value as every reader can take it, on one line.

use bongsu_model::RawJson;
use serde::de::IgnoredAny;

use super::super::{JSON_DEPTH_MAX, NotHeard};
use super::Result;
use crate::json::carry;

/// An object.
pub(super) fn object(text: &[u8]) -> Result<RawJson> {
    if text.first() == Some(&b'{') {
        any(text)
    } else {
        Err(NotHeard::Malformed("not a JSON object"))
    }
}

/// Any value.
pub(super) fn any(text: &[u8]) -> Result<RawJson> {
    const NO_JSON: NotHeard = NotHeard::Malformed("not JSON");
    let text = std::str::from_utf8(text).map_err(|_| NO_JSON)?;
    if carry::deeper_than(text, JSON_DEPTH_MAX).is_some() {
        return Err(NotHeard::Malformed("JSON that nests too deep"));
    }
    serde_json::from_str::<IgnoredAny>(text).map_err(|_| NO_JSON)?;
    carry::carry(text).ok_or(NO_JSON)
}
