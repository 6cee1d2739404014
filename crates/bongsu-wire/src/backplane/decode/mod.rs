//! What arrives, from the messages of the contract.
//!
//! Invariant: a value is made only by what checks it; a oneof that holds nothing holds a case of a later version.

mod device;
mod event;
mod json;
mod node;
mod posted;

use std::collections::BTreeMap;
use std::sync::Arc;

use bongsu_model::device::{DeviceId, Object};
use bongsu_model::display::PresetId;
use bongsu_model::records::RoomHead;
use bongsu_model::{
    CommandId, Cut, Epoch, Happening, HappeningKind, Heard, MembersVersion, Outbound, RoomId, Seq, SessionId,
    Timestamp, TokenHash, UserId,
};
use bongsu_proto::backplane::v1 as proto;
use bongsu_proto::v1;
use bytes::Bytes;
use prost::Message;
use proto::said::What;

use super::{NotHeard, VALUE_DEPTH_MAX, Word};
use crate::device::value;

/// What most of this comes to.
type Result<T> = std::result::Result<T, NotHeard>;

/// One word, behind its head.
pub(super) fn word(said: &[u8]) -> Result<Word> {
    if let Some(event) = posted::event(said) {
        return Ok(Word::Heard(Heard::Event(Outbound::new(event))));
    }
    any(said)
}

/// One word, by the reader that was made from the contract.
fn any(said: &[u8]) -> Result<Word> {
    let said = proto::Said::decode(said).map_err(|_| NotHeard::Malformed("not its Protobuf"))?;
    let heard = match said.what.ok_or(NotHeard::Unknown)? {
        What::Event(it) => Heard::Event(Outbound::new(event::event(it)?)),
        What::Heads(it) => Heard::Heads(it.heads.into_iter().map(head).collect()),
        What::Blocks(it) => {
            let blocked = users(need(it.blocked, "nobody who is blocked")?)?;
            Heard::Blocks(UserId(it.user), blocked.into())
        }
        What::Members(it) => members(it)?,
        What::Cut(it) => Heard::Cut(cut(it)?),
        What::Device(it) => Heard::Device(Arc::new(device::device(it)?)),
        What::Node(it) => Heard::Node(Arc::new(node::node(it)?)),
        What::Happening(it) => Heard::Happening(Arc::new(happening(it)?)),
        What::Canary(it) => return Ok(Word::Canary(it.number)),
    };
    Ok(Word::Heard(heard))
}

const fn head(head: proto::Head) -> RoomHead {
    RoomHead {
        room: RoomId(head.room),
        seq: Seq(head.seq),
        epoch: Epoch(head.epoch),
        members_version: MembersVersion(head.members_version),
    }
}

fn members(members: proto::Members) -> Result<Heard> {
    let room = head(need(members.head, "no head")?);
    let users = users(need(members.users, "no members")?)?;
    if users.len() != members.seqs.len() {
        return Err(NotHeard::Malformed("not a place for each member"));
    }
    let seqs = members.seqs.into_iter().map(Seq);
    Ok(Heard::Members(room, users.into_iter().zip(seqs).collect()))
}

/// Users that ascend.
fn users(users: proto::Users) -> Result<Vec<UserId>> {
    let Some(first) = users.first else {
        return if users.steps.is_empty() {
            Ok(Vec::new())
        } else {
            Err(NotHeard::Malformed("steps from nobody"))
        };
    };
    let mut last = first;
    let mut read = Vec::with_capacity(users.steps.len() + 1);
    read.push(UserId(first));
    for step in users.steps {
        let next = last.checked_add_unsigned(step).filter(|next| *next > last);
        last = need(next, "users do not ascend")?;
        read.push(UserId(last));
    }
    Ok(read)
}

fn cut(cut: proto::Cut) -> Result<Cut> {
    use proto::cut::Whose;
    Ok(match cut.whose.ok_or(NotHeard::Unknown)? {
        Whose::Banned(user) => Cut::Banned(UserId(user)),
        Whose::Disconnected(user) => Cut::Disconnected(UserId(user)),
        Whose::Session(it) => Cut::Session(SessionId(bits(it))),
        Whose::Revoked(jti) => Cut::Revoked(jti.into()),
        Whose::MemberTokens(it) => {
            let hash = |hash: &Bytes| array(hash, "no hash of a token").map(TokenHash);
            Cut::MemberTokens {
                user: UserId(it.user),
                tokens: it.hashes.iter().map(hash).collect::<Result<_>>()?,
            }
        }
    })
}

fn happening(happening: proto::Happening) -> Result<Happening> {
    let named = |kind: &&HappeningKind| kind.name() == happening.kind;
    let kind = HappeningKind::ALL.iter().find(named);
    Ok(Happening {
        at: Timestamp(happening.at),
        kind: *kind.ok_or(NotHeard::Unknown)?,
        node: happening.node.map(Into::into),
        device: happening.device.as_deref().map(device_id).transpose()?,
        command: happening.command.map(|it| CommandId(bits(it))),
        preset: happening.preset.map(PresetId),
        user: happening.user.map(UserId),
        detail: object(happening.detail)?,
    })
}

fn device_id(text: &str) -> Result<DeviceId> {
    need(DeviceId::parse(text), "no id of a device")
}

fn object(fields: BTreeMap<String, v1::Value>) -> Result<Object> {
    value::object_from_proto(fields, VALUE_DEPTH_MAX).map_err(|_| NotHeard::Malformed("no values"))
}

fn array<const N: usize>(bytes: &[u8], what: &'static str) -> Result<[u8; N]> {
    need(bytes.try_into().ok(), what)
}

fn bits(id: proto::Id) -> u128 {
    (u128::from(id.high) << 64) | u128::from(id.low)
}

fn maybe(text: Option<String>) -> Option<Arc<str>> {
    text.map(Into::into)
}

fn need<T>(part: Option<T>, what: &'static str) -> Result<T> {
    part.ok_or(NotHeard::Malformed(what))
}
