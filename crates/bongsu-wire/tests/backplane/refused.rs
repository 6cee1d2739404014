//! What is not heard, and why: each is a good word but for one thing.

use bongsu_proto::backplane::v1 as proto;
use bongsu_proto::prost::Message;
use bongsu_proto::v1;
use bongsu_wire::backplane::{
    JSON_DEPTH_MAX, LANGUAGES_MAX, NotHeard, VALUE_DEPTH_MAX, WORD_BYTES_MAX, Word, decode, encode_canary,
    origin,
};
use proto::event::{Audience, Body};
use proto::said::What;

/// The bytes of a word that only the contract made.
pub(crate) fn word(said: &proto::Said) -> Vec<u8> {
    let mut bytes = vec![0xb5, 1, 0, 0, 0, 0, 0, 0, 0, 7];
    said.encode(&mut bytes).unwrap();
    bytes
}

pub(crate) fn hear(what: What) -> Result<Word, NotHeard> {
    decode(&word(&proto::Said { what: Some(what) }))
}

fn malformed(what: What, why: &'static str) {
    assert_eq!(hear(what), Err(NotHeard::Malformed(why)));
}

pub(crate) fn posted() -> proto::Message {
    proto::Message {
        id: Some(proto::Id::default()),
        room_token: vec![7; 24].into(),
        profile: Some(proto::Profile::default()),
        kind: proto::MessageKind::Text.into(),
        ..Default::default()
    }
}

fn event(body: Body) -> What {
    What::Event(proto::Event {
        audience: Some(Audience::Room(1)),
        body: Some(body),
        ..Default::default()
    })
}

fn message(change: impl FnOnce(&mut proto::Message)) -> What {
    let mut message = posted();
    change(&mut message);
    event(Body::Posted(message))
}

#[test]
fn what_begins_otherwise_is_no_word() {
    let good = encode_canary(7, 300);
    assert_eq!(decode(&good), Ok(Word::Canary(300)));
    for length in 0..10 {
        assert_eq!(origin(&good[..length]), None);
        assert_eq!(
            decode(&good[..length]),
            Err(NotHeard::Malformed("shorter than its head"))
        );
    }
    let with = |at: usize, byte| {
        let mut bytes = good.to_vec();
        bytes[at] = byte;
        (origin(&bytes), decode(&bytes))
    };
    assert_eq!(
        with(0, 0xb4),
        (None, Err(NotHeard::Malformed("not the magic of a word")))
    );
    assert_eq!(
        with(1, 0),
        (Some(7), Err(NotHeard::Malformed("there is no format 0")))
    );
    // Of a later format only the first ten bytes are known.
    for version in [2, 255] {
        assert_eq!(with(1, version), (Some(7), Err(NotHeard::Newer)));
    }
    assert_eq!(
        decode(&good[..good.len() - 1]),
        Err(NotHeard::Malformed("not its Protobuf"))
    );
}

#[test]
fn a_word_has_a_size() {
    let word = |bytes| {
        let room = proto::Message {
            content: "x".repeat(bytes),
            ..posted()
        };
        word(&proto::Said {
            what: Some(event(Body::Posted(room))),
        })
    };
    let around = word(1 << 21).len() - (1 << 21);
    let fits = word(WORD_BYTES_MAX - around);
    assert_eq!(fits.len(), WORD_BYTES_MAX);
    assert!(decode(&fits).is_ok());
    let over = word(WORD_BYTES_MAX - around + 1);
    assert_eq!(decode(&over), Err(NotHeard::Malformed("too long")));
}

#[test]
fn what_is_needed_is_there() {
    assert!(hear(message(|_| ())).is_ok());
    malformed(message(|it| it.id = None), "no id of a message");
    malformed(message(|it| it.profile = None), "no profile");
    malformed(message(|it| it.kind = 0), "no MessageKind");
    for bytes in [0, 23, 25] {
        malformed(
            message(|it| it.room_token = vec![7; bytes].into()),
            "no token of a room",
        );
    }
    malformed(event(Body::Typing(proto::Typing::default())), "no room");
    let nobody = proto::Typing {
        room: Some(proto::Room::default()),
        ..Default::default()
    };
    malformed(event(Body::Typing(nobody)), "no person");
    let no_session = proto::Sessions {
        sessions: vec![proto::UserSession::default()],
    };
    let to_nobody = proto::Event {
        audience: Some(Audience::Sessions(no_session)),
        body: Some(Body::Posted(posted())),
        ..Default::default()
    };
    malformed(What::Event(to_nobody), "no session");
    malformed(What::Blocks(proto::Blocks::default()), "nobody who is blocked");
    malformed(What::Members(proto::Members::default()), "no head");
    let beat = proto::node::Said::Beat(proto::Beat::default());
    malformed(What::Node(proto::Node { said: Some(beat) }), "no node");
}

#[test]
fn users_ascend_from_the_first() {
    let blocked = |first, steps: &[u64]| {
        hear(What::Blocks(proto::Blocks {
            user: 1,
            blocked: Some(proto::Users {
                first,
                steps: steps.to_vec(),
            }),
        }))
    };
    assert!(blocked(None, &[]).is_ok());
    assert!(blocked(Some(i64::MIN), &[u64::MAX]).is_ok());
    let descends = Err(NotHeard::Malformed("users do not ascend"));
    assert_eq!(blocked(Some(1), &[0]), descends);
    assert_eq!(blocked(Some(i64::MIN), &[u64::MAX, 1]), descends);
    assert_eq!(blocked(Some(1), &[u64::MAX]), descends);
    assert_eq!(blocked(None, &[1]), Err(NotHeard::Malformed("steps from nobody")));
    let members = |seqs: &[u64]| {
        let users = proto::Users {
            first: Some(1),
            steps: vec![1],
        };
        hear(What::Members(proto::Members {
            head: Some(proto::Head::default()),
            users: Some(users),
            seqs: seqs.to_vec(),
        }))
    };
    assert!(members(&[0, 0]).is_ok());
    for seqs in [&[0][..], &[0, 0, 0]] {
        assert_eq!(
            members(seqs),
            Err(NotHeard::Malformed("not a place for each member"))
        );
    }
}

#[test]
fn a_page_is_one_of_its_pages() {
    let page = |page, pages| {
        let part = proto::PresencePage {
            node: Some(proto::NodeRef::default()),
            page,
            pages,
            users: Some(proto::Users::default()),
            ..Default::default()
        };
        hear(What::Node(proto::Node {
            said: Some(proto::node::Said::Users(part)),
        }))
    };
    assert!(page(1, 2).is_ok());
    for (number, of) in [(0, 0), (2, 2), (3, 2)] {
        assert_eq!(
            page(number, of),
            Err(NotHeard::Malformed("a page beyond the last"))
        );
    }
}

#[test]
fn what_is_carried_unread_is_json_on_one_line() {
    let with = |text: &str| hear(message(|it| it.metadata = Some(text.as_bytes().to_vec().into())));
    let nested = |levels: usize| format!("{{\"a\":{}{}}}", "[".repeat(levels), "]".repeat(levels));
    assert!(with("{}").is_ok() && with(&nested(JSON_DEPTH_MAX - 1)).is_ok());
    assert_eq!(
        with(&nested(JSON_DEPTH_MAX)),
        Err(NotHeard::Malformed("JSON that nests too deep"))
    );
    for bad in ["", "[]", "null", " {}"] {
        assert_eq!(with(bad), Err(NotHeard::Malformed("not a JSON object")), "{bad}");
    }
    for bad in [
        "{",
        "{}{}",
        "{\"a\":\"\n\"}",
        "{\"a\":\"\\ud800\"}",
        "{\"a\":1e999}",
    ] {
        assert_eq!(with(bad), Err(NotHeard::Malformed("not JSON")), "{bad}");
    }
    // What another writer would put between is no part of the value.
    assert_eq!(with("{ \"a\" :\n1}"), with("{\"a\":1}"));
    let bytes = message(|it| it.metadata = Some(vec![b'{', b'"', 0xff, b'"', b'}'].into()));
    malformed(bytes, "not JSON");
}

#[test]
fn names_stand_once_for_each_language() {
    let with = |languages: &mut dyn Iterator<Item = String>| {
        let nicks = languages.map(|language| proto::Nick {
            language,
            name: String::new(),
        });
        let nicks = nicks.collect();
        hear(message(|it| {
            it.profile = Some(proto::Profile {
                nicks,
                ..Default::default()
            })
        }))
    };
    let tags = || (0..).map(|n| format!("xx-{n:06}"));
    assert!(with(&mut tags().take(LANGUAGES_MAX)).is_ok());
    let refused = Err(NotHeard::Malformed("no names by language"));
    assert_eq!(with(&mut tags().take(LANGUAGES_MAX + 1)), refused);
    assert_eq!(with(&mut ["ko", "KO"].map(Into::into).into_iter()), refused);
    assert_eq!(with(&mut ["korean"].map(Into::into).into_iter()), refused);
}

fn telemetry(device: &str, value: v1::Value) -> Result<Word, NotHeard> {
    let telemetry = proto::Telemetry {
        values: [("x".into(), value)].into(),
        at: 0,
    };
    hear(What::Device(proto::Device {
        device: device.into(),
        said: Some(proto::device::Said::Telemetry(telemetry)),
    }))
}

#[test]
fn what_is_told_of_devices_is_of_a_device_and_has_values() {
    use v1::value::Kind;
    let of = |kind| v1::Value { kind };
    let null = || of(Some(Kind::NullValue(true)));
    assert!(telemetry("car-1", null()).is_ok());
    for device in ["", "car 1", "차", &"x".repeat(129)] {
        assert_eq!(
            telemetry(device, null()),
            Err(NotHeard::Malformed("no id of a device"))
        );
    }
    for bad in [
        None,
        Some(Kind::DoubleValue(f64::NAN)),
        Some(Kind::DoubleValue(f64::INFINITY)),
    ] {
        assert_eq!(telemetry("car-1", of(bad)), Err(NotHeard::Malformed("no values")));
    }
    let nested = |levels: usize| {
        (0..levels).fold(null(), |value, _| {
            let list = v1::ListValue { values: vec![value] };
            of(Some(Kind::ListValue(list)))
        })
    };
    assert!(telemetry("car-1", nested(VALUE_DEPTH_MAX - 1)).is_ok());
    assert_eq!(
        telemetry("car-1", nested(VALUE_DEPTH_MAX)),
        Err(NotHeard::Malformed("no values"))
    );
    // No stack is deep enough for all that can be said: the reader of Protobuf gives up before.
    assert_eq!(
        telemetry("car-1", nested(200)),
        Err(NotHeard::Malformed("not its Protobuf"))
    );
}
