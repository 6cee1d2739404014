//! What is said, as the messages of the contract.
//!
//! Invariant: every variant is matched by name; what a node can say, it says whole.

mod device;
mod event;
mod node;

use std::sync::Arc;

use bongsu_model::records::RoomHead;
use bongsu_model::{Cut, Happening, Heard, Seq, UserId};
use bongsu_proto::backplane::v1 as proto;
use bytes::Bytes;
use proto::said::What;

use crate::device::value;

/// One word.
pub(super) fn said(heard: &Heard) -> proto::Said {
    let what = match heard {
        Heard::Event(outbound) => What::Event(event::event(outbound.event())),
        Heard::Heads(heads) => What::Heads(proto::Heads {
            heads: heads.iter().map(head).collect(),
        }),
        Heard::Blocks(user, blocked) => What::Blocks(proto::Blocks {
            user: user.0,
            blocked: Some(users(blocked.iter().copied())),
        }),
        Heard::Members(room, members) => What::Members(self::members(room, members)),
        Heard::Cut(it) => What::Cut(cut(it)),
        Heard::Device(said) => What::Device(device::device(said)),
        Heard::Node(said) => What::Node(node::node(said)),
        Heard::Happening(it) => What::Happening(happening(it)),
    };
    proto::Said { what: Some(what) }
}

fn head(head: &RoomHead) -> proto::Head {
    proto::Head {
        room: head.room.0,
        seq: head.seq.0,
        epoch: head.epoch.0,
        members_version: head.members_version.0,
    }
}

fn members(room: &RoomHead, members: &[(UserId, Seq)]) -> proto::Members {
    proto::Members {
        head: Some(head(room)),
        users: Some(users(members.iter().map(|(user, _)| *user))),
        seqs: members.iter().map(|(_, seq)| seq.0).collect(),
    }
}

/// Users that ascend: the first, and how far it is to each next one. Most steps take two bytes of the eight.
fn users(users: impl ExactSizeIterator<Item = UserId>) -> proto::Users {
    let mut steps = Vec::with_capacity(users.len());
    let (mut first, mut last) = (None, 0_i64);
    for UserId(user) in users {
        if first.is_none() {
            first = Some(user);
        } else {
            debug_assert!(last < user, "users ascend");
            steps.push(user.wrapping_sub(last).cast_unsigned());
        }
        last = user;
    }
    proto::Users { first, steps }
}

fn cut(cut: &Cut) -> proto::Cut {
    use proto::cut::Whose;
    let whose = match cut {
        Cut::Banned(user) => Whose::Banned(user.0),
        Cut::Disconnected(user) => Whose::Disconnected(user.0),
        Cut::Session(session) => Whose::Session(id(session.0)),
        Cut::Revoked(jti) => Whose::Revoked(text(jti)),
        Cut::MemberTokens { user, tokens } => Whose::MemberTokens(proto::MemberTokens {
            user: user.0,
            hashes: tokens.iter().map(|it| Bytes::copy_from_slice(&it.0)).collect(),
        }),
    };
    proto::Cut { whose: Some(whose) }
}

fn happening(happening: &Happening) -> proto::Happening {
    proto::Happening {
        at: happening.at.0,
        kind: happening.kind.name().into(),
        node: happening.node.as_ref().map(text),
        device: happening.device.as_ref().map(|it| text(it.shared())),
        command: happening.command.map(|it| id(it.0)),
        preset: happening.preset.map(|it| it.0),
        user: happening.user.map(|it| it.0),
        detail: value::object_to_proto(&happening.detail),
    }
}

#[expect(clippy::cast_possible_truncation, reason = "each half is taken as it is")]
const fn id(bits: u128) -> proto::Id {
    proto::Id {
        high: (bits >> 64) as u64,
        low: bits as u64,
    }
}

fn text(text: &Arc<str>) -> String {
    String::from(&**text)
}

fn maybe(it: Option<&Arc<str>>) -> Option<String> {
    it.map(text)
}
