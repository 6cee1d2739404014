//! What decoding goes by, whatever the protocol.

use std::sync::Arc;

use bongsu_model::Limits;
pub use bongsu_model::{Fatal, Incoming};

/// What decoding goes by.
#[derive(Clone, Copy, Debug)]
pub struct Rules<'a> {
    /// The limits in force.
    pub limits: &'a Limits,
    /// The first segments of the types that applications may use among themselves.
    pub application_domains: &'a [Arc<str>],
}

/// The longest name of an application's event, in bytes.
const APPLICATION_TYPE_BYTES_MAX: usize = 64;
/// The longest key by which an application's events replace each other, in bytes.
pub(crate) const KEY_BYTES_MAX: usize = 64;

impl Rules<'_> {
    /// Whether applications may use this type among themselves: `domain.rest` of `[a-z0-9_.-]`, in a domain that is
    /// open to them.
    #[must_use]
    pub fn opens(&self, kind: &str) -> bool {
        let plain = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'.' | b'-');
        let Some((domain, rest)) = kind.split_once('.') else {
            return false;
        };
        kind.len() <= APPLICATION_TYPE_BYTES_MAX
            && !rest.is_empty()
            && kind.bytes().all(plain)
            && self.application_domains.iter().any(|open| **open == *domain)
    }
}
