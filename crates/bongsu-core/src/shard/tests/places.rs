//! A shard's places against a dull model, while runs are under way and members come and go.

use std::collections::BTreeMap;

use std::sync::Arc;

use bongsu_model::{
    Audience, Epoch, Event, EventBody, Limits, MembersVersion, Message, MessageId, MessageKind, Outbound,
    Profile, RoomId, RoomToken, Sender, Seq, SessionId, Timestamp, UserId,
};
use proptest::prelude::*;

use crate::shard::{Effect, Hear, Input, Shard};

const ROOM: RoomId = RoomId(1);
const SLOTS: u32 = 7;

#[derive(Clone, Copy, Debug)]
enum Op {
    Open(u32),
    Close(u32),
    Post,
    Step,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        2 => (0..SLOTS).prop_map(Op::Open),
        1 => (0..SLOTS).prop_map(Op::Close),
        2 => Just(Op::Post),
        4 => Just(Op::Step),
    ]
}

fn posted(seq: u64) -> Input {
    let message = Message {
        id: MessageId(0),
        room: ROOM,
        room_name: None,
        room_token: RoomToken([7; 24]),
        seq: Seq(seq),
        epoch: Epoch(1),
        members: MembersVersion(1),
        sender: Sender {
            user: UserId(99),
            handle: "".into(),
            nickname: "".into(),
            profile: Arc::new(Profile::bare("")),
        },
        content: "".into(),
        kind: MessageKind::Text,
        metadata: None,
        reply_to: None,
        created_at: Timestamp(0),
    };
    let body = EventBody::Posted(message.into());
    let audience = Audience::Room(ROOM);
    Input::Announced(Outbound::new(Event {
        id: 0,
        at: Timestamp(0),
        cause: None,
        audience,
        actor: None,
        body,
    }))
}

/// The last message that each open slot has.
type Has = BTreeMap<u32, u64>;

fn take(out: &mut Vec<Effect>, has: &mut Has) -> Result<(), TestCaseError> {
    for effect in out.drain(..) {
        if let Effect::Deliver { slot, run } = effect {
            let last = has
                .get_mut(&slot)
                .ok_or_else(|| TestCaseError::fail("nobody is there"))?;
            for event in run.events() {
                let seq = event.message().expect("only messages are posted").seq.0;
                prop_assert_eq!(seq, *last + 1, "slot {}", slot);
                *last = seq;
            }
        }
    }
    Ok(())
}

proptest! {
    /// Whoever has a place is given every message after the one it came with, each once, in order, whoever comes and
    /// goes between the slices.
    #[test]
    fn nobody_is_given_a_message_twice_or_not_at_all(ops in prop::collection::vec(op(), 1..80), slice in 1..4_usize) {
        let limits = Limits { fanout_slice: slice, ..Limits::DEFAULT };
        let mut shard = Shard::new(limits);
        let (mut out, mut has, mut head, mut sessions) = (Vec::new(), Has::new(), 0, 0);
        for op in ops {
            match op {
                Op::Open(slot) if !has.contains_key(&slot) => {
                    sessions += 1;
                    let (session, user) = (SessionId(sessions), UserId(i64::from(slot)));
                    shard.handle(Input::Open { slot, session, user, blocked: [].into() }, Timestamp(0), &mut out);
                    let (epoch, version) = (Epoch(1), MembersVersion(1));
                    let hear = Hear { room: ROOM, head: Seq(head), epoch, version, after: Seq(head), asked: false };
                    shard.handle(Input::Attach { slot, rooms: vec![hear] }, Timestamp(0), &mut out);
                    has.insert(slot, head);
                }
                Op::Close(slot) if has.contains_key(&slot) => {
                    shard.handle(Input::Close { slot }, Timestamp(0), &mut out);
                    has.remove(&slot);
                }
                Op::Open(_) | Op::Close(_) => {}
                Op::Post => {
                    head += 1;
                    shard.handle(posted(head), Timestamp(0), &mut out);
                }
                Op::Step => {
                    shard.step(&mut out);
                }
            }
            take(&mut out, &mut has)?;
        }
        while shard.has_work() {
            shard.step(&mut out);
            take(&mut out, &mut has)?;
        }
        for (slot, last) in has {
            prop_assert_eq!(last, head, "slot {} is level in the end", slot);
        }
    }
}
