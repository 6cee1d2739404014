//! Any frame of either direction, for the properties.

use std::sync::Arc;

use bongsu_model::device::{
    Command, CommandFrame, CommandId, CommandState, ConnectionEpoch, DeviceId, FromDevice, Hello, IfOffline,
    Number, Object, Pace, Status, ToDevice, Value, Welcome, Word,
};
use bongsu_model::refusal::CloseCause;
use bongsu_model::{Closing, Code, Refusal, SessionId, Timestamp, Want};
use proptest::collection::{btree_map, vec};
use proptest::option::of;
use proptest::prelude::*;

fn text(min: usize) -> impl Strategy<Value = Arc<str>> {
    // A character has at most four bytes, and names at most 255.
    let chars = vec(
        prop_oneof![any::<char>(), proptest::char::range(' ', '~')],
        min..20,
    );
    chars.prop_map(|it| it.into_iter().collect::<String>().into())
}

fn value() -> impl Strategy<Value = Value> {
    let number = prop_oneof![
        any::<i64>().prop_map(Number::Int),
        (i64::MAX as u64 + 1..=u64::MAX).prop_map(Number::Uint),
        any::<f64>().prop_filter_map("finite", Number::float),
        any::<f32>().prop_filter_map("finite", |it| Number::float(it.into())),
        (-1_000_000_i32..1_000_000).prop_map(|it| Number::Float(f64::from(it) / 1_000.0)),
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        number.prop_map(Value::Number),
        text(0).prop_map(Value::Text),
    ];
    leaf.prop_recursive(5, 32, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(|it| Value::List(it.into())),
            btree_map(text(0), inner, 0..6).prop_map(Value::Object),
        ]
    })
}

fn object() -> impl Strategy<Value = Object> {
    let key = prop_oneof![
        text(0),
        prop::sample::select(vec!["speed", "latitude", "odometer"]).prop_map(Arc::from)
    ];
    btree_map(key, value(), 0..8)
}

fn moment() -> impl Strategy<Value = Timestamp> {
    any::<i64>().prop_map(Timestamp)
}

fn count() -> impl Strategy<Value = u64> {
    0..=i64::MAX.cast_unsigned()
}

fn device() -> impl Strategy<Value = DeviceId> {
    "[A-Za-z0-9._:-]{1,128}".prop_map(|it| DeviceId::parse(&it).unwrap())
}

fn hello() -> impl Strategy<Value = Hello> {
    let who = (device(), of(text(1)), of(text(1)), vec(text(1), 0..5));
    let is = (
        of(object()),
        of(count()),
        vec(any::<u128>(), 0..5),
        of(moment()),
        of(text(1)),
    );
    (who, is).prop_map(|(who, is)| Hello {
        device: who.0,
        kind: who.1,
        version: who.2,
        capabilities: who.3,
        reported: is.0,
        reported_version: is.1,
        running: is.2.into_iter().map(CommandId).collect(),
        clock: is.3,
        token: is.4,
    })
}

fn word() -> impl Strategy<Value = Word> {
    // Null counts as none.
    let some = || of(value().prop_filter("null is none", |it| *it != Value::Null));
    let status = prop::sample::select(Status::ALL);
    (any::<u128>(), status, some(), some(), of(count())).prop_map(|it| Word {
        reply_to: CommandId(it.0),
        status: it.1,
        result: it.2,
        error: it.3,
        epoch: it.4.map(ConnectionEpoch),
    })
}

/// Anything that a device may say.
pub(crate) fn said() -> impl Strategy<Value = FromDevice> {
    prop_oneof![
        hello().prop_map(|it| FromDevice::Hello(Box::new(it))),
        word().prop_map(FromDevice::Word),
        of(moment()).prop_map(|clock| FromDevice::Heartbeat { clock }),
        object().prop_map(FromDevice::Telemetry),
        (of(count()), object()).prop_map(|(version, state)| FromDevice::Reported { version, state }),
        text(1).prop_map(|token| FromDevice::AuthUpdate { token }),
    ]
}

/// A command, of which a device sees some.
pub(crate) fn command(id: u128, name: &str, args: Object, at: i64, ttl_ms: i64) -> Command {
    Command {
        id: CommandId(id),
        device: DeviceId::parse("car-1234").unwrap(),
        name: name.into(),
        args,
        target: None,
        pace: Pace::LatestWins,
        if_offline: IfOffline::Fail,
        by: "operator".into(),
        from: None,
        at: Timestamp(at),
        deadline: Timestamp(at + ttl_ms),
        execution_ms: 300_000,
        state: CommandState::Routed,
        since: Timestamp(at),
        epoch: ConnectionEpoch(1),
        result: None,
        error: None,
        late: None,
        history: Vec::new(),
    }
}

fn welcome() -> impl Strategy<Value = Welcome> {
    let of_session = (any::<u128>(), count(), moment());
    (of_session, of(moment()), of((count(), object()))).prop_map(|(it, clock, delta)| Welcome {
        session: SessionId(it.0),
        epoch: ConnectionEpoch(7),
        heartbeat_ms: it.1,
        server_time: it.2,
        clock,
        delta,
    })
}

/// Anything that a device may be told.
pub(crate) fn told() -> impl Strategy<Value = ToDevice> {
    let times = (0_i64..1 << 50, 0_i64..1 << 40, any::<u32>());
    let command =
        (any::<u128>(), text(1), object(), times).prop_map(|(id, name, args, times)| CommandFrame {
            command: Arc::new(command(id, &name, args, times.0, times.1)),
            attempt: times.2,
        });
    let refusals = vec![
        Refusal::field("reply_to", Want::Hex(32)),
        Refusal::retry(Code::RateLimited, 50),
        Refusal::because(Code::InvalidToken, "expired"),
    ];
    let closings = [CloseCause::Replaced, CloseCause::Idle, CloseCause::ShuttingDown]
        .into_iter()
        .chain(refusals.iter().cloned().map(CloseCause::Refused))
        .map(Closing::new)
        .collect::<Vec<_>>();
    prop_oneof![
        welcome().prop_map(|it| ToDevice::Welcome(Box::new(it))),
        command.prop_map(ToDevice::Command),
        (count(), object()).prop_map(|(version, state)| ToDevice::Delta { version, state }),
        (moment(), of(moment())).prop_map(|(server_time, clock)| ToDevice::Heartbeat { server_time, clock }),
        moment().prop_map(|expires_at| ToDevice::AuthUpdated { expires_at }),
        moment().prop_map(|expires_at| ToDevice::TokenExpiring { expires_at }),
        prop::sample::select(refusals).prop_map(ToDevice::Refused),
        prop::sample::select(closings).prop_map(ToDevice::Closing),
    ]
}
