//! What both formats check alike, once a field has its type.
//!
//! Invariant: the names of fields are the same in both.

use std::sync::Arc;

use bongsu_model::device::{DeviceId, Object};
use bongsu_model::refusal::Malformed;
use bongsu_model::{Code, Fatal, Limits, Refusal, Want, Why};

/// Refuses what is over the limit of a frame: nothing after it is read, on whatever transport.
pub(super) fn frame_bytes(bytes: usize, limits: &Limits) -> Result<(), Fatal> {
    if bytes <= limits.frame_bytes_max {
        return Ok(());
    }
    let most = limits.frame_bytes_max as u64;
    Err(Fatal::from(Refusal {
        code: Code::MessageTooLarge,
        why: Why::Malformed {
            offset: most,
            what: Malformed::FrameTooLarge(most),
        },
        retry_after_ms: None,
    }))
}

/// How deep a value may nest that stands in a frame, which is an object itself.
pub(super) const fn value_depth(limits: &Limits) -> usize {
    limits.json_depth_max.saturating_sub(1)
}

pub(super) fn device_id(text: &str) -> Result<DeviceId, Refusal> {
    let wants = Refusal::field("device_id", Want::TextOf(1, DeviceId::BYTES_MAX));
    match DeviceId::parse(text) {
        Some(id) => Ok(id),
        None if (1..=DeviceId::BYTES_MAX).contains(&text.len()) => {
            Err(Refusal::field("device_id", Want::Other))
        }
        None => Err(wants),
    }
}

/// A string of so many bytes.
pub(super) fn text_of(name: &'static str, text: &str, min: usize, max: usize) -> Result<Arc<str>, Refusal> {
    if (min..=max).contains(&text.len()) {
        Ok(text.into())
    } else {
        Err(Refusal::field(name, Want::TextOf(min, max)))
    }
}

/// What is measured has no more keys than are kept.
pub(super) fn telemetry(values: Object, limits: &Limits) -> Result<Object, Refusal> {
    if values.len() > limits.telemetry_keys_max {
        return Err(Refusal::field("data", Want::EntriesOf(limits.telemetry_keys_max)));
    }
    Ok(values)
}
