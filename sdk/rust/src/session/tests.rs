//! The session against scripts: what is heard, what comes of it, what is said.

use bongsu_model::device::{CommandId, Status, Value};
use bongsu_model::{Reconnect, SessionId};
use bongsu_wire::device::client::Order;

use super::*;
use crate::journal::{Answer, KEPT_MS, Known};

const A: CommandId = CommandId(0xa);
const B: CommandId = CommandId(0xb);
/// The gateway's clock is so far ahead of the device's.
const AHEAD: i64 = 1_000_000;

struct Bench {
    session: Session,
    now: Timestamp,
    epoch: u64,
    out: Vec<Effect>,
}

impl Bench {
    fn new() -> Self {
        Self::with(Ledger::default())
    }

    fn with(ledger: Ledger) -> Self {
        let identity = Identity {
            device: DeviceId::parse("car-1234").unwrap(),
            kind: None,
            version: None,
            capabilities: Vec::new(),
        };
        Self {
            session: Session::new(identity, ["window.set".into()].into(), ledger),
            now: Timestamp(0),
            epoch: 0,
            out: Vec::new(),
        }
    }

    /// A bench whose session is open; one millisecond each way.
    fn open() -> Self {
        let mut bench = Self::new();
        bench.connect();
        bench.out.clear();
        bench
    }

    fn connect(&mut self) {
        self.epoch += 1;
        self.session.opened(self.now);
        assert!(matches!(self.say(), Some(FromDevice::Hello(_))));
        self.pass(2);
        self.welcome(self.epoch, None);
    }

    fn welcome(&mut self, epoch: u64, delta: Option<(u64, Object)>) {
        let welcome = Welcome {
            session: SessionId(1),
            epoch: ConnectionEpoch(epoch),
            heartbeat_ms: 15_000,
            server_time: Timestamp(self.now.0 + AHEAD - 1),
            clock: None,
            delta,
        };
        self.hear(epoch, What::Welcome(Box::new(welcome)));
    }

    fn pass(&mut self, ms: u64) {
        self.now = self.now.plus_ms(ms);
    }

    fn hear(&mut self, epoch: u64, what: What) {
        let epoch = ConnectionEpoch(epoch);
        self.session.heard(Told { epoch, what }, self.now, &mut self.out);
    }

    fn order(&mut self, id: CommandId, ttl_ms: u64) {
        let order = Order {
            id,
            name: "window.set".into(),
            args: Object::new(),
            ttl_ms,
            issued_at: Timestamp(self.now.0 + AHEAD),
            attempt: 0,
        };
        self.hear(self.epoch, What::Command(order));
    }

    fn say(&mut self) -> Option<FromDevice> {
        self.session.next_frame(self.now)
    }

    fn word(&mut self) -> Option<(CommandId, Status, Option<Value>)> {
        let said = self.say()?;
        let FromDevice::Word(word) = said else {
            panic!("{said:?}")
        };
        assert_eq!(word.epoch, Some(ConnectionEpoch(self.epoch)));
        Some((word.reply_to, word.status, word.result.or(word.error)))
    }

    fn effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.out)
    }

    /// The journal takes what it is given.
    fn keep(&mut self) -> Vec<Effect> {
        let mut rest = Vec::new();
        while !self.out.is_empty() {
            let effect = self.out.remove(0);
            if let Effect::Keep(record) = effect {
                self.session.kept(&record, self.now, &mut self.out);
            } else {
                rest.push(effect);
            }
        }
        rest
    }

    fn end(&mut self, id: CommandId, answer: Answer) {
        self.session.ended(id, answer, &mut self.out);
        self.keep();
    }

    fn heartbeat(&mut self) {
        let Some(FromDevice::Heartbeat {
            clock: clock @ Some(_),
        }) = self.say()
        else {
            panic!("no heartbeat");
        };
        self.pass(2);
        let server_time = Timestamp(self.now.0 + AHEAD - 1);
        self.hear(self.epoch, What::Heartbeat { server_time, clock });
    }
}

fn begun(effects: &[Effect]) -> usize {
    effects.iter().filter(|it| matches!(it, Effect::Begin(_))).count()
}

#[test]
fn a_command_is_begun_after_its_line_is_on_the_disk() {
    let mut bench = Bench::open();
    bench.order(A, 5_000);
    assert!(matches!(
        &bench.out[..],
        [Effect::Keep(Record::Begun { id: A, .. })]
    ));
    assert_eq!(bench.say(), None, "nothing is said of it before");
    assert_eq!(begun(&bench.keep()), 1);
    assert_eq!(bench.word(), Some((A, Status::Received, None)));
    bench.session.goes_on(A, Some(50.into()));
    assert_eq!(bench.word(), Some((A, Status::InProgress, Some(50.into()))));
    bench.end(A, Answer::ok("open".into()));
    assert_eq!(bench.word(), Some((A, Status::Ok, Some("open".into()))));
    bench.session.goes_on(A, None);
    assert_eq!(bench.word(), None, "an end is the last word");
}

#[test]
fn a_repeat_has_the_first_answer_and_begins_nothing() {
    let mut bench = Bench::open();
    bench.order(A, 5_000);
    bench.order(A, 5_000);
    assert_eq!(bench.out.len(), 1, "its line is still being written");
    assert_eq!(begun(&bench.keep()), 1);
    bench.order(A, 5_000);
    assert_eq!(begun(&bench.keep()), 0);
    assert_eq!(bench.word(), Some((A, Status::Received, None)));
    bench.end(A, Answer::failed("motor".into()));
    bench.end(A, Answer::ok(Value::Null));
    for _ in 0..2 {
        assert_eq!(bench.word(), Some((A, Status::Failed, Some("motor".into()))));
        bench.order(A, 5_000);
        assert_eq!(begun(&bench.keep()), 0);
    }
}

#[test]
fn a_command_is_not_begun_when_its_deadline_may_have_come() {
    let mut bench = Bench::open();
    // Two milliseconds of round trip and one of rounding: two ahead at the most.
    bench.order(A, 2);
    bench.keep();
    assert_eq!(bench.word(), Some((A, Status::Rejected, Some("expired".into()))));
    bench.order(B, 900);
    bench.pass(900);
    assert_eq!(begun(&bench.keep()), 0, "the disk took too long");
    assert_eq!(bench.word(), Some((B, Status::Rejected, Some("expired".into()))));
    bench.order(B, 5_000);
    bench.keep();
    assert_eq!(bench.word(), Some((B, Status::Rejected, Some("expired".into()))));
}

#[test]
fn what_cannot_be_written_down_is_not_begun() {
    let mut bench = Bench::open();
    bench.order(A, 5_000);
    let Some(Effect::Keep(record)) = bench.effects().pop() else {
        panic!("nothing to keep")
    };
    bench.session.unkept(&record, &mut bench.out);
    assert_eq!(begun(&bench.keep()), 0);
    assert_eq!(bench.word(), Some((A, Status::Rejected, Some("journal".into()))));
    bench.order(A, 5_000);
    assert_eq!(begun(&bench.keep()), 0, "it was refused for good");
    assert_eq!(bench.word(), Some((A, Status::Rejected, Some("journal".into()))));
    bench.order(B, 5_000);
    bench.keep();
    bench.session.ended(B, Answer::ok(Value::Null), &mut bench.out);
    let Some(Effect::Keep(record)) = bench.effects().pop() else {
        panic!("nothing to keep")
    };
    bench.session.unkept(&record, &mut bench.out);
    assert_eq!(
        bench.word(),
        Some((B, Status::Ok, Some(Value::Null))),
        "it was done"
    );
}

#[test]
fn unknown_commands_and_too_many_are_rejected() {
    let mut bench = Bench::open();
    let order = Order {
        id: A,
        name: "brake".into(),
        args: Object::new(),
        ttl_ms: 5_000,
        issued_at: Timestamp(AHEAD),
        attempt: 0,
    };
    bench.hear(1, What::Command(order));
    bench.keep();
    assert_eq!(
        bench.word(),
        Some((A, Status::Rejected, Some("unknown_command".into())))
    );
    for id in 100..164 {
        bench.order(CommandId(id), 5_000);
        assert_eq!(begun(&bench.keep()), 1);
        assert!(bench.word().is_some());
    }
    bench.order(B, 5_000);
    assert_eq!(begun(&bench.keep()), 0);
    assert_eq!(bench.word(), Some((B, Status::Rejected, Some("busy".into()))));
}

#[test]
fn answers_are_told_again_until_a_heartbeat_after_them_was_answered() {
    let mut bench = Bench::open();
    bench.order(A, 5_000);
    bench.keep();
    bench.session.closed();
    bench.end(A, Answer::ok(1.into()));
    assert_eq!(bench.say(), None, "there is no link");
    for _ in 0..2 {
        bench.connect();
        assert_eq!(bench.word(), Some((A, Status::Ok, Some(1.into()))));
        assert_eq!(bench.word(), None);
    }
    bench.effects();
    bench.pass(1_000);
    bench.heartbeat();
    assert_eq!(bench.effects(), [Effect::Note(Record::Told { id: A })]);
    bench.connect();
    assert_eq!(bench.say(), None);
}

#[test]
fn a_restart_begins_nothing_again_and_tells_what_was_interrupted() {
    let mut bench = Bench::open();
    bench.order(A, 5_000);
    bench.keep();
    let ledger = Ledger::replay(bench.session.ledger().records());
    let mut bench = Bench::with(ledger);
    bench.end(A, Answer::failed("interrupted".into()));
    bench.connect();
    bench.order(A, 5_000);
    assert_eq!(begun(&bench.keep()), 0);
    assert_eq!(
        bench.word(),
        Some((A, Status::Failed, Some("interrupted".into())))
    );
}

#[test]
fn a_hello_names_what_runs_and_tells_the_whole_state() {
    let mut bench = Bench::open();
    bench.order(A, 5_000);
    bench.keep();
    let state = Object::from([("window".into(), "open".into())]);
    bench.session.report(state.clone()).unwrap();
    bench.session.opened(bench.now);
    let Some(FromDevice::Hello(hello)) = bench.say() else {
        panic!("no hello")
    };
    assert_eq!((hello.running, hello.reported), (vec![A], Some(state)));
    assert_eq!(hello.clock, Some(bench.now));
    assert_eq!(bench.say(), None, "one hello is enough");
}

#[test]
fn what_belongs_to_another_epoch_changes_nothing() {
    let mut bench = Bench::open();
    bench.connect();
    bench.effects();
    let order = Order {
        id: A,
        name: "window.set".into(),
        args: Object::new(),
        ttl_ms: 5_000,
        issued_at: Timestamp(bench.now.0 + AHEAD),
        attempt: 0,
    };
    for epoch in [1, 3] {
        bench.hear(epoch, What::Command(order.clone()));
        assert_eq!(
            bench.effects(),
            [Effect::Tell(Event::Stale(ConnectionEpoch(epoch)))]
        );
    }
    assert_eq!(bench.session.ledger().look(A), Known::No);
    bench.session.opened(bench.now);
    bench.say();
    bench.welcome(2, None);
    assert_eq!(bench.effects(), [Effect::Hang(Hung::Stale)]);
}

#[test]
fn nothing_counts_before_the_welcome() {
    let mut bench = Bench::new();
    bench.session.opened(bench.now);
    bench.epoch = 1;
    bench.welcome(1, None);
    assert!(!bench.session.is_open(), "it answers no hello");
    bench.say();
    bench.order(A, 5_000);
    assert_eq!(bench.effects(), []);
    bench.pass(10_000);
    bench.session.tick(bench.now, &mut bench.out);
    assert_eq!(bench.effects(), [Effect::Hang(Hung::NoWelcome)]);
}

#[test]
fn older_deltas_are_dropped_until_the_next_session() {
    let mut bench = Bench::open();
    let state = Object::from([("window".into(), "open".into())]);
    let delta = |version| What::Delta {
        version,
        state: state.clone(),
    };
    for version in [5, 4, 5, 6] {
        bench.hear(1, delta(version));
    }
    let versions: Vec<_> = bench
        .effects()
        .into_iter()
        .filter_map(|effect| match effect {
            Effect::Wish { version, .. } => Some(version),
            Effect::Keep(_) | Effect::Note(_) | Effect::Begin(_) | Effect::Tell(_) | Effect::Hang(_) => None,
        })
        .collect();
    assert_eq!(versions, [5, 5, 6]);
    bench.session.opened(bench.now);
    bench.say();
    bench.welcome(2, Some((3, state.clone())));
    assert_eq!(bench.effects().pop(), Some(Effect::Wish { version: 3, state }));
}

#[test]
fn who_hears_nothing_for_three_heartbeats_hangs_up() {
    let mut bench = Bench::open();
    assert_eq!(bench.session.next_deadline(true), Some(bench.now.plus_ms(1_000)));
    let dead = bench.now.plus_ms(45_000);
    assert_eq!(bench.session.next_deadline(false), Some(dead));
    bench.pass(44_999);
    bench.session.tick(bench.now, &mut bench.out);
    assert_eq!(bench.effects(), []);
    bench.pass(1);
    bench.session.tick(bench.now, &mut bench.out);
    assert_eq!(bench.effects(), [Effect::Hang(Hung::Silent)]);
}

#[test]
fn only_the_answer_to_the_last_heartbeat_measures() {
    let mut bench = Bench::open();
    bench.pass(1_000);
    let Some(FromDevice::Heartbeat { clock }) = bench.say() else {
        panic!("no heartbeat")
    };
    let old = clock.map(|it| Timestamp(it.0 - 1));
    let server_time = Timestamp(0);
    for clock in [None, old] {
        bench.hear(1, What::Heartbeat { server_time, clock });
    }
    assert_eq!(bench.session.clock().offset_ms(bench.now), Some(AHEAD));
}

#[test]
fn reports_and_telemetry_are_told_at_most_so_often_and_words_at_once() {
    let mut bench = Bench::open();
    let one = |key: &str, value: i64| Object::from([(key.into(), value.into())]);
    bench.session.measure(one("speed", 1)).unwrap();
    assert_eq!(bench.say(), Some(FromDevice::Telemetry(one("speed", 1))));
    bench.session.measure(one("speed", 2)).unwrap();
    bench.session.measure(one("speed", 3)).unwrap();
    bench.session.report(one("window", 1)).unwrap();
    assert_eq!(bench.say(), None);
    assert_eq!(
        bench.session.next_deadline(true),
        Some(bench.now.plus_ms(TELL_EVERY_MS))
    );
    bench.order(A, 5_000);
    bench.keep();
    assert_eq!(bench.word(), Some((A, Status::Received, None)));
    bench.pass(TELL_EVERY_MS);
    let state = one("window", 1);
    assert_eq!(bench.say(), Some(FromDevice::Reported { version: None, state }));
    bench.pass(TELL_EVERY_MS);
    assert_eq!(bench.say(), Some(FromDevice::Telemetry(one("speed", 3))));
}

#[test]
fn a_new_token_is_told_on_an_open_session_only() {
    let mut bench = Bench::new();
    bench.session.renew("old".into());
    bench.connect();
    assert_eq!(bench.say(), None);
    bench.session.renew("newer".into());
    bench.session.renew("newest".into());
    let token = "newest".into();
    assert_eq!(bench.say(), Some(FromDevice::AuthUpdate { token }));
    assert_eq!(bench.say(), None);
}

#[test]
fn what_is_long_past_is_forgotten_by_the_clock_of_the_gateway() {
    let mut bench = Bench::open();
    bench.order(A, 5_000);
    bench.keep();
    bench.end(A, Answer::ok(Value::Null));
    bench.pass(5_000 + KEPT_MS - 100);
    bench.session.forget(bench.now);
    assert!(matches!(bench.session.ledger().look(A), Known::Ended(_)));
    bench.pass(200);
    bench.session.forget(bench.now);
    assert_eq!(bench.session.ledger().look(A), Known::No);
}

#[test]
fn an_answer_that_fits_nowhere_still_says_how_it_ended() {
    let mut bench = Bench::open();
    bench.order(A, 5_000);
    bench.keep();
    bench.word();
    bench.end(A, Answer::ok(Value::text(&"x".repeat(50_000))));
    assert_eq!(
        bench.word(),
        Some((A, Status::Ok, Some("answer_too_large".into())))
    );
}

#[test]
fn a_farewell_is_told() {
    let mut bench = Bench::open();
    let problem = Problem {
        code: "PERMISSION_DENIED".into(),
        message: "A newer session took its place.".into(),
        field: None,
        reason: Some("replaced".into()),
        retry_after_ms: None,
    };
    let parting = Parting {
        close_code: 4409,
        problem,
        reconnect: Reconnect::Never,
    };
    bench.hear(1, What::Closing(parting.clone()));
    assert_eq!(bench.effects(), [Effect::Tell(Event::Parted(parting))]);
}

#[test]
fn a_state_that_may_have_been_refused_is_told_again() {
    let mut bench = Bench::open();
    let state = Object::from([("window".into(), "open".into())]);
    bench.session.report(state.clone()).unwrap();
    bench.session.taken_in(3);
    let told = Some(FromDevice::Reported {
        version: Some(3),
        state,
    });
    assert_eq!(bench.say(), told);
    bench.pass(TELL_EVERY_MS);
    let mut problem = Problem {
        code: "INVALID_DATA".into(),
        message: "No.".into(),
        field: None,
        reason: None,
        retry_after_ms: None,
    };
    bench.hear(1, What::Refused(problem.clone()));
    assert_eq!(bench.say(), None, "time does not heal it");
    problem.retry_after_ms = Some(100);
    bench.hear(1, What::Refused(problem));
    assert_eq!(bench.say(), None, "not yet");
    bench.pass(100);
    assert_eq!(bench.say(), told);
}
