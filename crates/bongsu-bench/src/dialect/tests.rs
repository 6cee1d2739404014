//! What is said is understood by the product, and what the product says is understood.

use bongsu_model::{
    Code, Limits, Locale, Refusal, Reply, Request, RoomId, RoomRef, Tag, Timestamp, UserId, UserRef,
};
use bongsu_wire::action::{self, ActionCodec, Voice};
use bongsu_wire::incoming::{Incoming, Rules};
use bongsu_wire::typed::{self, TypeVoice};
use bongsu_wire::websocket::{Decoder, MessageLimits, Opcode, Role, Upgrade, frame};

use super::*;

const RULES: Rules<'static> = Rules {
    limits: &Limits::DEFAULT,
    application_domains: &[],
};

/// The texts in a client's frames, as the product takes them out.
fn texts(bytes: &[u8]) -> Vec<String> {
    let mut bytes = bytes.to_vec();
    let limits = MessageLimits {
        message_bytes_max: 65_536,
        fragments_max: 10,
    };
    let mut texts = Vec::new();
    let pushed = Decoder::new(Role::Server, false).push(&mut bytes, &limits, &mut |heard| {
        let bongsu_wire::websocket::Heard::Text(text) = heard else {
            panic!("{heard:?}")
        };
        texts.push(text.to_owned());
    });
    pushed.unwrap();
    texts
}

fn understood(protocol: Protocol, wire: &[u8]) -> Vec<Incoming> {
    let mut incoming = Vec::new();
    match protocol {
        Protocol::Action => ActionCodec::new()
            .handle_bytes(wire, &RULES, &mut incoming)
            .unwrap(),
        Protocol::Type => {
            for text in texts(wire) {
                typed::message(&text, &RULES, &mut incoming);
            }
        }
        Protocol::WebSocketAction => {
            for text in texts(wire) {
                action::message(&text, &RULES, &mut incoming);
            }
        }
        Protocol::Socketio | Protocol::SocketioChat | Protocol::SocketioPolling => {
            unreachable!("read by `packets`")
        }
        Protocol::DeviceJson
        | Protocol::DeviceProto
        | Protocol::DeviceGrpc
        | Protocol::Switchboard
        | Protocol::SwitchboardGuide => {
            unreachable!("they are in no rooms")
        }
    }
    incoming
}

/// Those whose messages are objects.
fn objects() -> impl Iterator<Item = Protocol> {
    let all = Protocol::ALL.into_iter();
    all.filter(|protocol| matches!(protocol.tongue(), Tongue::Action | Tongue::Type))
}

#[test]
fn the_product_understands_every_request() {
    for protocol in objects() {
        let requests = [
            protocol.join(7, 9),
            Post::new(protocol, 7, 9, 300).stamped(1).to_vec(),
            protocol.ping(),
        ];
        let asked: Vec<_> = understood(protocol, &requests.concat())
            .into_iter()
            .map(|one| {
                let Incoming::Request(asked) = one else {
                    panic!("{one:?}")
                };
                (asked.claimed_user, asked.request)
            })
            .collect();
        let us = (protocol != Protocol::Type).then_some(UserRef::Id(UserId(7)));
        match &asked[..] {
            [
                (a, Request::Join { room, .. }),
                (b, Request::Post(post)),
                (None, Request::Ping),
            ] => {
                assert!(*a == us && *b == us, "{protocol:?}");
                assert_eq!([room, &post.room], [&RoomRef::Id(RoomId(9)); 2]);
                assert_eq!(post.content.len(), 300);
            }
            other => panic!("{other:?}"),
        }
    }
    let hello = Protocol::Action.greeting(([127, 0, 0, 1], 80).into(), "a.b.c");
    match &understood(Protocol::Action, &hello)[..] {
        [Incoming::Request(asked)] => assert!(matches!(asked.request, Request::Connect(_))),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_websocket_is_asked_for_with_the_token_and_by_the_key_whose_answer_is_known() {
    assert_eq!(bongsu_wire::websocket::accept_key(KEY).as_deref(), Some(ACCEPT));
    for (protocol, name) in [
        (Protocol::Type, "bongsu.type.v1"),
        (Protocol::WebSocketAction, "bongsu.action.v1"),
    ] {
        let hello = protocol.greeting(([127, 0, 0, 1], 8000).into(), "a.b.c");
        let expected = Upgrade {
            host: "127.0.0.1:8000",
            target: "/ws",
            key: KEY,
            subprotocols: Some(name),
            authorization: Some("Bearer a.b.c"),
            deflate: false,
        };
        assert_eq!(String::from_utf8(hello).unwrap(), expected.request());
    }
    let hello = Protocol::Socketio.greeting(([127, 0, 0, 1], 8000).into(), "a.b.c");
    let hello = String::from_utf8(hello).unwrap();
    assert!(
        hello.starts_with("GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\n"),
        "{hello}"
    );
    assert!(
        !hello.contains("a.b.c"),
        "the token comes with the CONNECT packet"
    );
}

#[test]
fn stamps_survive_the_mask_wherever_they_are() {
    for protocol in objects() {
        // Rooms of one digit to four, so that the stamp is at every place of the mask.
        for room in [1, 10, 100, 1_000] {
            for size in [20, 21, 300, 4096] {
                let mut post = Post::new(protocol, 1, room, size);
                for ns in [42, 1_234_567_890_123_456_789] {
                    let posted = match understood(protocol, post.stamped(ns)).pop() {
                        Some(Incoming::Request(asked)) => asked.request,
                        other => panic!("{other:?}"),
                    };
                    let Request::Post(posted) = posted else {
                        panic!("{posted:?}")
                    };
                    assert_eq!(posted.content.len(), size);
                    assert!(
                        posted.content.starts_with(&format!("{ns:019}^")),
                        "{}",
                        posted.content
                    );
                    assert_eq!(crate::tally::count(posted.content.as_bytes(), MARK), 1);
                }
            }
        }
    }
}

#[test]
fn the_product_is_understood() {
    let (voice, tag, now) = (Voice::default(), Tag::default(), Timestamp(0));
    let (limits, pong) = (&Limits::DEFAULT, Reply::Pong { server_time: now });
    let line = voice.reply(&tag, &pong, now, limits).unwrap();
    assert_eq!(Protocol::Action.name_of(&line), Protocol::Action.pong_name());
    let asked = |verb: &str| Tag {
        reference: None,
        verb: Some(verb.into()),
    };
    let refusal = Refusal::new(Code::InvalidToken);
    for verb in ["CONNECT", "JOIN_ROOM"] {
        let line = voice.refusal(&asked(verb), &refusal, Locale::default(), now, 1);
        assert_eq!(Protocol::WebSocketAction.hear(&line), Heard::Refused, "{verb}");
    }
    let line = voice.refusal(&asked("JOIN_ROOM"), &refusal, Locale::default(), now, 1);
    assert!(line.starts_with(Protocol::Action.refusal_begins()));
    let typed = TypeVoice::new(None);
    let said = [
        typed.reply(&tag, &pong),
        typed.refusal(&tag, &refusal, Locale::default()),
        typed.ping(),
    ];
    let whole = said.concat();
    let messages = Protocol::Type.messages(&whole);
    assert_eq!(messages.len(), 3);
    for (message, said) in messages[..2].iter().zip(&said) {
        assert_eq!(message.wire_bytes, said.len());
    }
    assert_eq!(
        Protocol::Type.name_of(messages[0].text),
        Protocol::Type.pong_name()
    );
    assert_eq!(Protocol::Type.hear(messages[1].text), Heard::Refused);
    assert!(messages[1].text.starts_with(Protocol::Type.refusal_begins()));
    assert_eq!(Protocol::Type.asks_for_pong(messages[1].text), None);
    let answer = Protocol::Type.asks_for_pong(messages[2].text).unwrap();
    assert!(matches!(
        &understood(Protocol::Type, &answer)[..],
        [Incoming::Request(asked)] if matches!(asked.request, Request::Pong)
    ));
}

#[test]
fn answers_are_told_apart() {
    for (protocol, text, heard) in [
        (
            Protocol::Action,
            "{\"action\":\"CONNECT_SUCCESS\",\"data\":{}}",
            Heard::Connected,
        ),
        (
            Protocol::Action,
            "{\"action\":\"JOIN_ROOM_SUCCESS\"}",
            Heard::Joined,
        ),
        (
            Protocol::Action,
            "{\"action\":\"ERROR\",\"data\":{}}",
            Heard::Refused,
        ),
        (Protocol::Action, "{\"action\":\"USER_JOINED\"}", Heard::Other),
        (Protocol::Action, "{\"action\":\"PONG", Heard::Other),
        (
            Protocol::Type,
            "{\"type\":\"auth.ok\",\"data\":{}}",
            Heard::Connected,
        ),
        (
            Protocol::Type,
            "{\"type\":\"room.joined\",\"data\":{}}",
            Heard::Joined,
        ),
        (
            Protocol::Type,
            "{\"type\":\"user.joined\",\"data\":{}}",
            Heard::Other,
        ),
        (
            Protocol::Type,
            "{\"type\":\"system.shutdown\",\"data\":{}}",
            Heard::Refused,
        ),
    ] {
        assert_eq!(protocol.hear(text.as_bytes()), heard, "{text}");
    }
    assert_eq!(
        number_after(b"{\"chatroom_id\":-12,", b"\"chatroom_id\":"),
        Some(-12)
    );
    assert_eq!(number_after(b"{\"chatroom_id\":x", b"\"chatroom_id\":"), None);
}

#[test]
fn whole_messages_come_out_of_lines_and_of_frames() {
    let whole = |text, wire_bytes| Whole { text, wire_bytes };
    assert_eq!(
        Protocol::Action.messages(b"{}\n{1}\n"),
        [whole(b"{}", 3), whole(b"{1}", 4)]
    );
    let stream = [
        frame(Opcode::Text, b"{}"),
        frame(Opcode::Ping, b"x"),
        frame(Opcode::Text, b"{1}"),
    ]
    .concat();
    assert_eq!(
        Protocol::Type.messages(&stream),
        [whole(b"{}", 4), whole(b"{1}", 5)]
    );
    assert_eq!(
        Protocol::SocketioPolling.messages(b"42[]\x1e43[]\x1e"),
        [whole(b"42[]", 5), whole(b"43[]", 5)]
    );
}
