//! The sessions of one path that are polled for, by their ids.
//!
//! Invariant: an id says on which node its session is, and cannot be guessed; a session is here as long as it is polled
//! for, and no longer.

use std::collections::HashMap;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use parking_lot::Mutex;

use super::session::Session;

/// The name of a node in the ids of its sessions, which says nothing else of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct NodeTag(u32);

impl NodeTag {
    pub(super) fn of(node_id: &str) -> Self {
        let hash = digest(&SHA256, node_id.as_bytes());
        let mut first = [0; 4];
        first.copy_from_slice(&hash.as_ref()[..4]);
        Self(u32::from_be_bytes(first))
    }

    /// Eight hexadecimal digits.
    pub(super) fn text(self) -> String {
        format!("{:08x}", self.0)
    }
}

/// The id of a session.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Sid(u128);

impl Sid {
    pub(super) const fn new(random: u128) -> Self {
        Self(random)
    }

    /// As the client knows it.
    pub(super) fn text(self, tag: NodeTag) -> String {
        format!("{}-{:032x}", tag.text(), self.0)
    }

    /// The node's tag and the id in it, if it looks like one of ours.
    pub(super) fn parse(text: &str) -> Option<(NodeTag, Self)> {
        let (tag, random) = text.split_once('-')?;
        let hex = |text: &str| text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if tag.len() != 8 || random.len() != 32 || !hex(tag) || !hex(random) {
            return None;
        }
        let tag = NodeTag(u32::from_str_radix(tag, 16).ok()?);
        Some((tag, Self(u128::from_str_radix(random, 16).ok()?)))
    }
}

/// The sessions that are polled for.
#[derive(Default)]
pub(super) struct Sessions(Mutex<HashMap<Sid, Arc<Session>>>);

impl Sessions {
    pub(super) fn add(&self, sid: Sid, session: &Arc<Session>) {
        self.0.lock().insert(sid, Arc::clone(session));
    }

    pub(super) fn remove(&self, sid: Sid) {
        self.0.lock().remove(&sid);
    }

    pub(super) fn get(&self, sid: Sid) -> Option<Arc<Session>> {
        self.0.lock().get(&sid).cloned()
    }

    pub(super) fn all(&self) -> Vec<Arc<Session>> {
        self.0.lock().values().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_as_it_was_written_and_nothing_else_is() {
        let tag = NodeTag::of("node-1");
        assert_eq!(tag.text().len(), 8);
        assert_ne!(tag, NodeTag::of("node-2"));
        for sid in [Sid(0), Sid(7), Sid(u128::MAX)] {
            let text = sid.text(tag);
            assert_eq!(Sid::parse(&text), Some((tag, sid)));
        }
        let good = Sid(1).text(tag);
        for bad in [
            "",
            "-",
            &good[1..],
            &good[..40],
            &good.to_uppercase().replace('0', "A"),
            &format!("{good}0"),
            &good.replace('-', "_"),
            "00000000-+0000000000000000000000000000001",
        ] {
            assert_eq!(Sid::parse(bad), None, "{bad:?}");
        }
    }
}
