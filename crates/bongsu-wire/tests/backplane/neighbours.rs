//! Nodes of two neighbouring versions: what the later one adds, the earlier one goes on without, or counts.

use bongsu_proto::backplane::v1 as proto;
use bongsu_wire::backplane::{NotHeard, Word, decode};
use proto::event::{Audience, Body};
use proto::said::What;

use crate::refused::{hear, posted, word};

/// A field of a later version: number 1000, some bytes.
const LATER_FIELD: &[u8] = &[0xc2, 0x3e, 3, b'n', b'e', b'w'];

#[test]
fn a_field_that_is_not_known_is_no_matter() {
    let canary = word(&proto::Said {
        what: Some(What::Canary(proto::Canary { number: 300 })),
    });
    assert_eq!(decode(&[&canary, LATER_FIELD].concat()), Ok(Word::Canary(300)));
    // The same inside: the canary's message is its number and the field.
    let inside = [&[0x4a, 3 + 6, 0x08, 0xac, 0x02], LATER_FIELD].concat();
    assert_eq!(decode(&[&canary[..10], &inside].concat()), Ok(Word::Canary(300)));
}

#[test]
fn a_case_that_is_not_known_is_unknown() {
    let head = word(&proto::Said { what: None });
    assert_eq!(decode(&[&head, LATER_FIELD].concat()), Err(NotHeard::Unknown));
    let event = |audience, body| {
        hear(What::Event(proto::Event {
            audience,
            body,
            ..Default::default()
        }))
    };
    let (audience, body) = (Some(Audience::Room(1)), Some(Body::Posted(posted())));
    assert!(event(audience.clone(), body.clone()).is_ok());
    assert_eq!(event(None, body), Err(NotHeard::Unknown));
    assert_eq!(event(audience, None), Err(NotHeard::Unknown));
    for later in [
        What::Cut(proto::Cut::default()),
        What::Device(proto::Device::default()),
        What::Node(proto::Node::default()),
        What::Happening(proto::Happening {
            kind: "moon.landed".into(),
            ..Default::default()
        }),
    ] {
        assert_eq!(hear(later.clone()), Err(NotHeard::Unknown), "{later:?}");
    }
}

#[test]
fn a_value_of_an_enum_that_is_not_known_is_unknown() {
    for (kind, heard) in [
        (8, Err(NotHeard::Unknown)),
        (-1, Err(NotHeard::Unknown)),
        (0, Err(NotHeard::Malformed("no MessageKind"))),
    ] {
        let body = Body::Posted(proto::Message { kind, ..posted() });
        let event = proto::Event {
            audience: Some(Audience::Room(1)),
            body: Some(body),
            ..Default::default()
        };
        assert_eq!(hear(What::Event(event)), heard, "{kind}");
    }
}

/// What the version before leaves out has a meaning: no cause, no actor, no name, nobody who is blocked.
#[test]
fn what_may_be_absent_may_be_absent() {
    let users = proto::Users::default();
    let blocks = proto::Blocks {
        user: 0,
        blocked: Some(users),
    };
    let Ok(Word::Heard(heard)) = hear(What::Blocks(blocks)) else {
        panic!("blocks");
    };
    assert_eq!(
        heard,
        bongsu_model::Heard::Blocks(bongsu_model::UserId(0), [].into())
    );
}
