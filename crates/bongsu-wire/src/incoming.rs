//! What a connection's bytes turn out to be, whatever protocol they speak.

use std::sync::Arc;

use bongsu_model::{Asked, Limits, Refusal, Tag};
use bytes::Bytes;

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

/// One thing that came in, understood or not.
#[derive(Clone, Debug)]
pub enum Incoming {
    /// To be carried out and answered.
    Request(Asked),
    /// To be answered with the refusal; what comes after it is read on.
    Refused {
        /// Ties the answer to the request, as far as it could be read.
        tag: Tag,
        /// What is wrong with it.
        refusal: Refusal,
    },
    /// The transport's own question, and its answer as it is to be sent: a pong.
    Echo(Bytes),
    /// The peer ends the connection in good order; the last bytes to be sent.
    Goodbye(Bytes),
}

/// The bytes cannot be read any further: tell the client the refusal, then close.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the stream cannot be read any further")]
pub struct Fatal {
    /// What is wrong, with the place.
    #[source]
    pub refusal: Refusal,
    /// The transport's own code for it, where it has one and it is not the protocol's.
    pub close_code: Option<u16>,
}

impl From<Refusal> for Fatal {
    fn from(refusal: Refusal) -> Self {
        Self {
            refusal,
            close_code: None,
        }
    }
}
