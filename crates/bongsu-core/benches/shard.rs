//! The shard's hot path: an announcement comes in, and every member's session is named once.
//!
//! Invariant: each measured round delivers exactly what it should, so that nothing is fast by doing less.

use std::sync::Arc;

use bongsu_core::shard::{Effect, Hear, Input, Shard, SlotNo};
use bongsu_model::{
    Audience, Epoch, Event, EventBody, Limits, MembersVersion, Message, MessageId, MessageKind, Outbound,
    Profile, RoomId, RoomToken, Sender, Seq, SessionId, Timestamp, UserId,
};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};

const NOW: Timestamp = Timestamp(1_767_225_600_000);
/// Messages that wait together where many are in flight.
const IN_FLIGHT: u64 = 64;

/// A shard with members, and what it wants done.
struct Bench {
    shard: Shard,
    out: Vec<Effect>,
}

impl Bench {
    /// So many rooms, with so many members each; nobody is a member of two.
    fn new(rooms: u32, members: u32) -> Self {
        let mut bench = Self {
            shard: Shard::new(Limits::DEFAULT),
            out: Vec::new(),
        };
        for slot in 0..rooms * members {
            bench.begin(slot, slot / members);
        }
        bench
    }

    fn begin(&mut self, slot: SlotNo, room: u32) {
        let open = Input::Open {
            slot,
            session: SessionId(slot.into()),
            user: UserId(slot.into()),
            blocked: Arc::new([]),
        };
        let hear = Hear {
            room: RoomId(room.into()),
            head: Seq(0),
            epoch: Epoch(1),
            version: MembersVersion(1),
            after: Seq(0),
            asked: false,
        };
        for input in [
            open,
            Input::Attach {
                slot,
                rooms: vec![hear],
            },
        ] {
            self.shard.handle(input, NOW, &mut self.out);
        }
        self.out.clear();
    }

    /// Announces messages and works until nothing is left; how many deliveries that made, each of one run.
    fn round(&mut self, messages: Vec<Arc<Outbound>>) -> usize {
        for message in messages {
            self.shard.handle(Input::Announced(message), NOW, &mut self.out);
        }
        let mut delivered = 0;
        while self.shard.step(&mut self.out) || !self.out.is_empty() {
            delivered += self
                .out
                .iter()
                .filter(|effect| matches!(effect, Effect::Deliver { .. }))
                .count();
            self.out.clear();
        }
        delivered
    }
}

fn message(room: u32, seq: u64) -> Arc<Outbound> {
    let sender = UserId(0);
    let room = RoomId(room.into());
    let message = Message {
        id: MessageId(seq.into()),
        room,
        seq: Seq(seq),
        epoch: Epoch(1),
        members: MembersVersion(1),
        room_name: None,
        room_token: RoomToken([7; 24]),
        sender: Sender {
            handle: "".into(),
            user: sender,
            nickname: "하나".into(),
            profile: Arc::new(Profile::bare("")),
        },
        content: "x".repeat(300).into(),
        kind: MessageKind::Text,
        metadata: None,
        reply_to: None,
        created_at: NOW,
    };
    Outbound::new(Event {
        id: seq,
        at: NOW,
        cause: None,
        audience: Audience::Room(room),
        actor: Some(sender),
        body: EventBody::Posted(message.into()),
    })
}

/// Measures rounds of so many messages in each of so many rooms.
fn measure(c: &mut Criterion, name: &str, rooms: u32, members: u32, in_flight: u64) {
    let runs = rooms as usize * members as usize;
    let mut group = c.benchmark_group("shard");
    group.throughput(Throughput::Elements(runs as u64 * in_flight));
    group.bench_function(name, |b| {
        let (mut bench, mut seq) = (Bench::new(rooms, members), 0);
        b.iter_batched(
            || {
                let first = seq + 1;
                seq += in_flight;
                let all = (first..=seq).flat_map(|seq| (0..rooms).map(move |room| message(room, seq)));
                all.collect::<Vec<_>>()
            },
            |messages| assert_eq!(bench.round(messages), runs),
            BatchSize::LargeInput,
        );
    });
    group.finish();
}

fn fan_out(c: &mut Criterion) {
    measure(c, "one_room_of_1000", 1, 1_000, 1);
    measure(c, "one_room_of_1000_saturated", 1, 1_000, IN_FLIGHT);
    measure(c, "1000_rooms_of_10", 1_000, 10, 1);
}

criterion_group!(benches, fan_out);
criterion_main!(benches);
