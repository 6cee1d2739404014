//! Anything that a node may say.

use std::sync::Arc;

use bongsu_model::cluster::{
    NodeBeat, NodeFigures, NodeRef, NodeSaid, NodeState, PresenceMoved, PresencePage,
};
use bongsu_model::device::{CommandState, DeviceSaid, Number, Object, Value};
use bongsu_model::display::{DisplayNow, PresetId, Process};
use bongsu_model::event::{AnnouncementKind, ApplicationEvent, Audience, Priority};
use bongsu_model::media::{EndReason, LeaveReason, MediaStatus, Signal};
use bongsu_model::records::RoomHead;
use bongsu_model::{
    CallId, CommandId, ConnectionEpoch, Cut, DeviceId, Epoch, Event, EventBody, Happening, HappeningKind,
    Heard, LocalizedNick, MembersVersion, Message, MessageId, MessageKind, NamedRoom, Outbound, Person,
    Profile, RawJson, RoomId, RoomToken, Sender, Seq, SessionId, Timestamp, TokenHash, UserId,
};
use bongsu_wire::backplane::VALUE_DEPTH_MAX;
use proptest::collection::{btree_map, btree_set, vec};
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;

fn text() -> BoxedStrategy<Arc<str>> {
    let char = prop_oneof![any::<char>(), proptest::char::range(' ', '~')];
    vec(char, 0..20)
        .prop_map(|it| it.into_iter().collect::<String>().into())
        .boxed()
}

fn value() -> BoxedStrategy<Value> {
    let number = prop_oneof![
        any::<i64>().prop_map(Number::Int),
        (i64::MAX.cast_unsigned() + 1..=u64::MAX).prop_map(Number::Uint),
        any::<f64>().prop_filter_map("finite", Number::float),
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        number.prop_map(Value::Number),
        text().prop_map(Value::Text),
    ];
    let nested = leaf.prop_recursive(5, 32, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(|it| Value::List(it.into())),
            btree_map(text(), inner, 0..6).prop_map(Value::Object),
        ]
    });
    // A value stands in an object, which is one level itself.
    let deepest = (0..VALUE_DEPTH_MAX - 1).prop_map(|levels| {
        (0..levels).fold(Value::Null, |value, _| Value::Object([("".into(), value)].into()))
    });
    prop_oneof![9 => nested, 1 => deepest].boxed()
}

fn object() -> BoxedStrategy<Object> {
    btree_map(text(), value(), 0..8).boxed()
}

fn raw(value: &Value) -> RawJson {
    RawJson::from_validated(value.to_string().into())
}

fn raw_object() -> impl Strategy<Value = RawJson> {
    object().prop_map(|it| raw(&it.into()))
}

fn moment() -> impl Strategy<Value = Timestamp> {
    any::<i64>().prop_map(Timestamp)
}

fn user() -> impl Strategy<Value = UserId> {
    prop_oneof![any::<i64>(), 0..1_000_i64].prop_map(UserId)
}

fn users() -> impl Strategy<Value = Vec<UserId>> {
    btree_set(user(), 0..8).prop_map(|it| it.into_iter().collect())
}

fn room_id() -> impl Strategy<Value = RoomId> {
    prop_oneof![any::<i64>(), 0..1_000_i64].prop_map(RoomId)
}

fn room() -> impl Strategy<Value = NamedRoom> {
    (room_id(), of(text())).prop_map(|(id, name)| NamedRoom::new(id, name))
}

fn person() -> BoxedStrategy<Arc<Person>> {
    (user(), text(), text())
        .prop_map(|(id, handle, nickname)| Arc::new(Person { id, handle, nickname }))
        .boxed()
}

fn nick() -> impl Strategy<Value = LocalizedNick> {
    btree_map("[a-z]{2,3}(-[A-Z]{2,8})?", text(), 0..5).prop_map(|it| {
        let pairs = it.into_iter().map(|(language, name)| (language.into(), name));
        LocalizedNick::new(pairs, 16).unwrap()
    })
}

fn profile() -> BoxedStrategy<Arc<Profile>> {
    let rest = (of(text()), of(text()), of(text()), of(text()), of(text()));
    (text(), nick(), rest)
        .prop_map(|(public_token, nick, rest)| {
            Arc::new(Profile {
                public_token,
                nick,
                profile_img: rest.0,
                profile_thumb: rest.1,
                region: rest.2,
                language: rest.3,
                gender: rest.4,
            })
        })
        .boxed()
}

fn sender() -> impl Strategy<Value = Sender> {
    (user(), text(), text(), profile()).prop_map(|(user, handle, nickname, profile)| Sender {
        user,
        handle,
        nickname,
        profile,
    })
}

fn message() -> BoxedStrategy<Arc<Message>> {
    let place = (any::<u128>(), room_id(), of(text()), any::<[u8; 24]>());
    let order = (any::<u64>(), any::<u64>(), any::<u64>(), moment());
    let kind = select(&MessageKind::ALL[..]);
    let what = (text(), kind, of(raw_object()), of(any::<u128>()));
    (place, order, sender(), what)
        .prop_map(|(place, order, sender, what)| {
            Arc::new(Message {
                id: MessageId(place.0),
                room: place.1,
                room_name: place.2,
                room_token: RoomToken(place.3),
                seq: Seq(order.0),
                epoch: Epoch(order.1),
                members: MembersVersion(order.2),
                sender,
                content: what.0,
                kind: what.1,
                metadata: what.2,
                reply_to: what.3.map(MessageId),
                created_at: order.3,
            })
        })
        .boxed()
}

fn media() -> impl Strategy<Value = MediaStatus> {
    any::<(bool, bool, Option<bool>)>().prop_map(|(audio_enabled, video_enabled, screen_sharing)| {
        MediaStatus {
            audio_enabled,
            video_enabled,
            screen_sharing,
        }
    })
}

fn signal() -> impl Strategy<Value = Signal> {
    (0..3, value()).prop_map(|(kind, value)| {
        let kinds = [Signal::Offer, Signal::Answer, Signal::Candidate];
        kinds[kind as usize](raw(&value))
    })
}

fn application() -> BoxedStrategy<EventBody> {
    (room(), person(), text(), of(text()), raw_object())
        .prop_map(|(room, user, kind, key, data)| {
            EventBody::Application(Arc::new(ApplicationEvent {
                room,
                user,
                kind,
                key,
                data,
            }))
        })
        .boxed()
}

fn announced() -> BoxedStrategy<EventBody> {
    let kinds = AnnouncementKind::NAMES.map(|it| AnnouncementKind::parse(it).unwrap());
    let priorities = Priority::NAMES.map(|it| Priority::parse(it).unwrap());
    (
        text(),
        text(),
        select(kinds.to_vec()),
        select(priorities.to_vec()),
    )
        .prop_map(|(title, message, kind, priority)| EventBody::Announced {
            title,
            message,
            kind,
            priority,
        })
        .boxed()
}

#[rustfmt::skip] // One variant, one row.
fn of_room() -> BoxedStrategy<EventBody> {
    let version = || any::<u64>().prop_map(MembersVersion);
    let seq = || any::<u64>().prop_map(Seq);
    prop_oneof![
        message().prop_map(EventBody::Posted),
        (room(), person(), any::<u32>(), seq(), version()).prop_map(|(room, user, participants_count, joined_seq, version)| EventBody::UserJoined { room, user, participants_count, joined_seq, version }),
        (room(), person(), any::<u32>(), version()).prop_map(|(room, user, participants_count, version)| EventBody::UserLeft { room, user, participants_count, version }),
        (room(), person(), any::<bool>()).prop_map(|(room, user, is_typing)| EventBody::Typing { room, user, is_typing }),
        (room(), person(), seq()).prop_map(|(room, user, seq)| EventBody::Read { room, user, seq }),
        (person(), any::<bool>(), moment()).prop_map(|(user, is_online, last_seen)| EventBody::Status { user, is_online, last_seen }),
    ]
    .boxed()
}

#[rustfmt::skip] // One variant, one row.
fn of_call() -> BoxedStrategy<EventBody> {
    let call = || any::<i64>().prop_map(CallId);
    let left = select(vec![LeaveReason::Left, LeaveReason::Moved, LeaveReason::Disconnected, LeaveReason::Removed]);
    let ended = select(vec![EndReason::EndedByHost, EndReason::Empty, EndReason::EndedByOperator]);
    prop_oneof![
        (call(), room(), text(), person(), any::<u32>()).prop_map(|(call, room, name, host, max_participants)| EventBody::CallCreated { call, room, name, host, max_participants }),
        (call(), person(), media(), any::<u32>()).prop_map(|(call, user, media, participants_count)| EventBody::CallJoined { call, user, media, participants_count }),
        (call(), person(), any::<u32>(), left).prop_map(|(call, user, participants_count, reason)| EventBody::CallLeft { call, user, participants_count, reason }),
        (call(), person()).prop_map(|(call, host)| EventBody::CallHostChanged { call, host }),
        (call(), room(), ended).prop_map(|(call, room, reason)| EventBody::CallEnded { call, room, reason }),
        (call(), person(), media()).prop_map(|(call, user, media)| EventBody::MediaChanged { call, user, media }),
        (call(), person(), signal()).prop_map(|(call, from, signal)| EventBody::Signalled { call, from, signal }),
    ]
    .boxed()
}

fn audience() -> impl Strategy<Value = Audience> {
    let session = (user(), any::<u128>().prop_map(SessionId));
    prop_oneof![
        room_id().prop_map(Audience::Room),
        (room_id(), user()).prop_map(|(room, user)| Audience::RoomExcept(room, user)),
        user().prop_map(Audience::User),
        vec(session, 0..5).prop_map(|it| Audience::Sessions(it.into())),
        (user(), vec(room_id(), 0..5)).prop_map(|(user, rooms)| Audience::Related(user, rooms.into())),
        Just(Audience::All),
    ]
}

fn event() -> BoxedStrategy<Event> {
    let body = prop_oneof![4 => of_room(), 4 => of_call(), 1 => application(), 1 => announced()];
    (any::<u64>(), moment(), of(text()), audience(), of(user()), body)
        .prop_map(|(id, at, cause, audience, actor, body)| Event {
            id,
            at,
            cause,
            audience,
            actor,
            body,
        })
        .boxed()
}

fn head() -> impl Strategy<Value = RoomHead> {
    (room_id(), any::<[u64; 3]>()).prop_map(|(room, [seq, epoch, version])| RoomHead {
        room,
        seq: Seq(seq),
        epoch: Epoch(epoch),
        members_version: MembersVersion(version),
    })
}

fn cut() -> impl Strategy<Value = Cut> {
    let hash = any::<[u8; 32]>().prop_map(TokenHash);
    prop_oneof![
        user().prop_map(Cut::Banned),
        user().prop_map(Cut::Disconnected),
        any::<u128>().prop_map(|it| Cut::Session(SessionId(it))),
        text().prop_map(Cut::Revoked),
        (user(), vec(hash, 0..5)).prop_map(|(user, tokens)| Cut::MemberTokens {
            user,
            tokens: tokens.into()
        }),
    ]
}

fn device() -> impl Strategy<Value = DeviceId> {
    "[A-Za-z0-9._:-]{1,128}".prop_map(|it| DeviceId::parse(&it).unwrap())
}

fn now() -> impl Strategy<Value = DisplayNow> {
    let numbers = (
        of(any::<i64>()),
        of(any::<u128>()),
        of(any::<u64>()),
        of(any::<u64>()),
    );
    let process = numbers.prop_map(|(preset, command, pid, uptime_ms)| Process {
        preset: preset.map(PresetId),
        command: command.map(CommandId),
        pid,
        uptime_ms,
    });
    let texts = (of(text()), of(text()), of(text()));
    let numbers = (of(any::<u64>()), moment(), any::<u64>());
    (texts, numbers, vec(process, 0..3)).prop_map(|(texts, numbers, processes)| DisplayNow {
        status: texts.0,
        address: texts.1,
        client_type: texts.2,
        uptime_ms: numbers.0,
        beat_at: numbers.1,
        process_count: numbers.2,
        processes,
    })
}

#[rustfmt::skip] // One variant, one row.
fn device_said() -> BoxedStrategy<DeviceSaid> {
    let command = || any::<u128>().prop_map(CommandId);
    let epoch = || any::<u64>().prop_map(ConnectionEpoch);
    let state = select(CommandState::ALL);
    prop_oneof![
        (device(), epoch()).prop_map(|(device, epoch)| DeviceSaid::Opened { device, epoch }),
        (device(), command(), text()).prop_map(|(device, command, from)| DeviceSaid::Offered { device, command, from }),
        (command(), text()).prop_map(|(command, to)| DeviceSaid::Taken { command, to }),
        (device(), command(), text()).prop_map(|(device, command, by)| DeviceSaid::Cancel { device, command, by }),
        (device(), command(), state, text()).prop_map(|(device, command, state, to)| DeviceSaid::Moved { device, command, state, to }),
        (device(), any::<u64>()).prop_map(|(device, version)| DeviceSaid::Desired { device, version }),
        (device(), object(), moment()).prop_map(|(device, values, at)| DeviceSaid::Telemetry { device, values: values.into(), at }),
        (device(), epoch(), text()).prop_map(|(device, epoch, from)| DeviceSaid::Probe { device, epoch, from }),
        (device(), epoch(), text()).prop_map(|(device, epoch, to)| DeviceSaid::Alive { device, epoch, to }),
        device().prop_map(|device| DeviceSaid::Disconnect { device }),
        (device(), of(any::<u64>())).prop_map(|(device, version)| DeviceSaid::Changed { device, version }),
        (device(), text()).prop_map(|(device, from)| DeviceSaid::AskTelemetry { device, from }),
        (device(), object(), moment(), text()).prop_map(|(device, values, at, to)| DeviceSaid::Measured {
            device, values: Arc::new(values.into_iter().map(|(key, value)| (key, (value, at))).collect()), at, to,
        }),
        (vec(device(), 0..4), text(), text()).prop_map(|(displays, from, to)| DeviceSaid::AskDisplays { displays: displays.into(), from, to }),
        (device(), of(now()), text()).prop_map(|(device, now, to)| DeviceSaid::Shown { device, now: now.map(Arc::new), to }),
    ]
    .boxed()
}

fn start() -> impl Strategy<Value = NodeRef> {
    (text(), any::<u64>()).prop_map(|(id, boot)| NodeRef { id, boot })
}

fn beat() -> impl Strategy<Value = NodeBeat> {
    let is = (start(), select(&NodeState::ALL[..]), of(text()), of(text()));
    (is, text(), moment(), any::<[u64; 9]>()).prop_map(|(is, version, started_at, numbers)| NodeBeat {
        node: is.0,
        state: is.1,
        address: is.2,
        tag: is.3,
        version,
        started_at,
        figures: NodeFigures {
            connections: numbers[0],
            sessions: numbers[1],
            devices: numbers[2],
            rooms: numbers[3],
            calls: numbers[4],
            cpu_milli: numbers[5],
            memory_bytes: numbers[6],
        },
        presence: numbers[7],
        users: numbers[8],
        watches: numbers[8] % 2 == 1,
    })
}

fn page() -> impl Strategy<Value = PresencePage> {
    let part = (1..=u32::MAX).prop_flat_map(|pages| (0..pages, Just(pages)));
    (start(), any::<u64>(), text(), part, users()).prop_map(|(node, number, to, (page, pages), users)| {
        PresencePage {
            node,
            number,
            to,
            page,
            pages,
            users: users.into(),
        }
    })
}

#[rustfmt::skip] // One variant, one row.
fn node_said() -> BoxedStrategy<NodeSaid> {
    let status = of(event().prop_map(Arc::new));
    prop_oneof![
        beat().prop_map(|it| NodeSaid::Beat(it.into())),
        (start(), any::<u64>(), user(), any::<bool>(), status).prop_map(|(node, number, user, is_here, status)| NodeSaid::Moved(PresenceMoved { node, number, user, is_here, status })),
        (text(), text()).prop_map(|(to, from)| NodeSaid::AskUsers { to, from }),
        page().prop_map(NodeSaid::Users),
        (text(), any::<bool>(), any::<Option<u64>>(), text()).prop_map(|(to, on, timeout_ms, by)| NodeSaid::Drain { to, on, timeout_ms, by }),
        (text(), any::<u64>(), any::<u64>(), text()).prop_map(|(to, sessions, per_s, by)| NodeSaid::Shed { to, sessions, per_s, by }),
    ]
    .boxed()
}

fn happening() -> BoxedStrategy<Happening> {
    let to = (of(device()), of(any::<u128>()), of(any::<i64>()), of(user()));
    (moment(), select(HappeningKind::ALL), of(text()), to, object())
        .prop_map(|(at, kind, node, to, detail)| Happening {
            at,
            kind,
            node,
            device: to.0,
            command: to.1.map(CommandId),
            preset: to.2.map(PresetId),
            user: to.3,
            detail,
        })
        .boxed()
}

/// Anything that a node may say.
pub(crate) fn heard() -> BoxedStrategy<Heard> {
    let seq = any::<u64>().prop_map(Seq);
    let members = btree_map(user(), seq, 0..8).prop_map(|it| it.into_iter().collect::<Vec<_>>());
    prop_oneof![
        6 => event().prop_map(|it| Heard::Event(Outbound::new(it))),
        1 => vec(head(), 0..5).prop_map(|it| Heard::Heads(it.into())),
        1 => (user(), users()).prop_map(|(user, blocked)| Heard::Blocks(user, blocked.into())),
        1 => (head(), members).prop_map(|(head, members)| Heard::Members(head, members.into())),
        2 => cut().prop_map(Heard::Cut),
        3 => device_said().prop_map(|it| Heard::Device(it.into())),
        3 => node_said().prop_map(|it| Heard::Node(it.into())),
        1 => happening().prop_map(|it| Heard::Happening(it.into())),
    ]
    .boxed()
}
