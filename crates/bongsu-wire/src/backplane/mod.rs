//! What nodes say to each other, as bytes: ten bytes of a head, then the Protobuf of `proto/bongsu/backplane/v1`.
//!
//! To add a word: its message in the contract, one arm in `encode/`, one in `decode/`, one vector. Invariant: whatever was
//! said is heard as it was; what arrives is looked at as if a stranger had sent it, and takes no more memory than a small
//! multiple of its bytes.

mod codes;
mod decode;
mod encode;

use bongsu_model::Heard;
use bongsu_proto::backplane::v1 as proto;
use bytes::Bytes;
use prost::Message;

/// The first byte of every word.
const MAGIC: u8 = 0xb5;
/// The format that is said, and the newest that is heard.
const VERSION: u8 = 1;
/// The magic, the version, and who says it.
const HEAD_BYTES: usize = 10;
/// The most bytes of a word that is heard: the members of the largest room, each with its own place, take fewer.
pub const WORD_BYTES_MAX: usize = 4 * 1024 * 1024;
/// How deep a device's values may nest. What is told of devices comes from JSON, whose default limit this is.
pub const VALUE_DEPTH_MAX: usize = 32;
/// How deep JSON may nest that is carried unread.
pub const JSON_DEPTH_MAX: usize = 128;
/// In how many languages a user may have a name.
pub const LANGUAGES_MAX: usize = 1_024;

/// What another node said.
#[derive(Clone, PartialEq, Debug)]
pub enum Word {
    /// Something for the sessions, or of the nodes.
    Heard(Heard),
    /// A number that comes back to who said it.
    Canary(u64),
}

/// Why bytes are no word that this version hears. None of it is worth more than a count: what is lost on the backplane is
/// found again.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NotHeard {
    /// It is damaged, or not from a node: what is wrong.
    #[error("malformed: {0}")]
    Malformed(&'static str),
    /// A later version says so, in the same format: a case or a name that this one does not know.
    #[error("a word of a later version")]
    Unknown,
    /// It is of a later format.
    #[error("a word of a later format")]
    Newer,
}

/// What is said, as the node that was started as `origin` says it.
#[must_use]
pub fn encode(heard: &Heard, origin: u64) -> Bytes {
    word(&encode::said(heard), origin)
}

/// A number that is to come back to who says it.
#[must_use]
pub fn encode_canary(origin: u64, number: u64) -> Bytes {
    let canary = proto::said::What::Canary(proto::Canary { number });
    word(&proto::Said { what: Some(canary) }, origin)
}

/// Which start of a node says it, without reading on; `None` if it is no word at all. It stands there in every format.
#[must_use]
pub fn origin(bytes: &[u8]) -> Option<u64> {
    let (head, _) = bytes.split_first_chunk::<HEAD_BYTES>()?;
    let [MAGIC, _, origin @ ..] = *head else {
        return None;
    };
    Some(u64::from_be_bytes(origin))
}

/// What another node said.
///
/// # Errors
///
/// It is damaged, or of a later version.
pub fn decode(bytes: &[u8]) -> Result<Word, NotHeard> {
    let (head, said) = bytes
        .split_first_chunk::<HEAD_BYTES>()
        .ok_or(NotHeard::Malformed("shorter than its head"))?;
    match head {
        [MAGIC, 0, ..] => return Err(NotHeard::Malformed("there is no format 0")),
        [MAGIC, VERSION, ..] => {}
        [MAGIC, ..] => return Err(NotHeard::Newer),
        _ => return Err(NotHeard::Malformed("not the magic of a word")),
    }
    if bytes.len() > WORD_BYTES_MAX {
        return Err(NotHeard::Malformed("too long"));
    }
    decode::word(said)
}

fn word(said: &proto::Said, origin: u64) -> Bytes {
    let mut word = Vec::with_capacity(HEAD_BYTES + said.encoded_len());
    word.extend_from_slice(&[MAGIC, VERSION]);
    word.extend_from_slice(&origin.to_be_bytes());
    said.encode_raw(&mut word);
    word.into()
}
