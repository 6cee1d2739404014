//! The chat on Socket.IO: who signs in where and how, in which manner a client is then spoken to, and the frames that only
//! a connection has.

#![allow(clippy::unwrap_used, reason = "a test fails where it unwraps")]

mod common;

use std::borrow::Cow;
use std::sync::Arc;

use bongsu_model::event::Audience;
use bongsu_model::refusal::{CloseCause, Malformed};
use bongsu_model::reply::{Recovery, SignedIn};
use bongsu_model::{
    Closing, Code, Connect, Encode, Epoch, Event, EventBody, HistoryPage, Limits, Locale, MembersVersion,
    Message, MessageId, MessageKind, Notice, Person, Profile, Recover, Refusal, Reply, Request, RoomId,
    RoomToken, Sender, Seq, SessionId, Slot, Tag, Timestamp, UserId, Why,
};
use bongsu_wire::incoming::Incoming;
use bongsu_wire::socketio::chat::{Chat, ChatEvents, ChatVoice, Manner, Namespace, Style};
use bongsu_wire::socketio::client::{Heard as Told, Names};
use bongsu_wire::socketio::connection::Connection;
use bongsu_wire::socketio::engine::{Heard, Version};
use common::{CLOSE, TEXT, frames, rules, text_frame};
use proptest::prelude::*;
use serde_json::Value;

struct Client {
    connection: Connection<Chat>,
    out: Vec<Incoming>,
}

fn client(version: Version, token: Option<&str>) -> Client {
    let mut client = Client {
        connection: Connection::new(version, 0xabc, token.map(Arc::from), Chat::new()),
        out: vec![],
    };
    client
        .connection
        .opened(&rules(&Limits::DEFAULT), &mut client.out);
    client
}

impl Client {
    fn says(&mut self, packet: &str) -> Vec<Incoming> {
        let limits = Limits::DEFAULT;
        self.connection
            .hear(Heard::Text(packet), &rules(&limits), &mut self.out)
            .unwrap();
        std::mem::take(&mut self.out)
    }

    fn asks(&mut self, packet: &str) -> (Tag, Request) {
        let Ok([Incoming::Request(asked)]) = <[Incoming; 1]>::try_from(self.says(packet)) else {
            panic!("{packet} is one request")
        };
        (asked.tag, asked.request)
    }

    fn signs_in(&mut self, packet: &str) -> Connect {
        let (_, Request::Connect(connect)) = self.asks(packet) else {
            panic!("{packet} signs in")
        };
        connect
    }

    fn refused(&mut self, packet: &str) -> (Tag, Refusal) {
        let Ok([Incoming::Refused { tag, refusal }]) = <[Incoming; 1]>::try_from(self.says(packet)) else {
            panic!("{packet} is refused")
        };
        (tag, refusal)
    }

    fn slot(&self) -> Slot {
        self.connection.slot()
    }
}

fn echoed(out: Vec<Incoming>) -> String {
    let Ok([Incoming::Echo(frame)]) = <[Incoming; 1]>::try_from(out) else {
        panic!("one frame")
    };
    String::from_utf8(text_frame(&frame)).unwrap()
}

const NOW: Timestamp = Timestamp(1_704_110_400_123);
const SIGN_IN: &str = r#"2["postinit_req",{"token":"t"}]"#;

#[test]
fn a_connection_without_a_token_is_let_in_and_signs_in_by_an_event() {
    let mut client = client(Version::V4, None);
    assert_eq!(
        echoed(client.says("0")),
        r#"40{"sid":"00000000000000000000000000000abc"}"#
    );
    let (tag, request) = client.asks(SIGN_IN);
    assert!(matches!(
        request,
        Request::Connect(Connect {
            recovery: Recover::No,
            ..
        })
    ));
    assert_eq!(
        (tag.verb.as_deref(), tag.reference),
        (Some("/ postinit_req"), None)
    );
    assert_eq!(client.slot(), Slot::SocketioChat);
}

#[test]
fn the_token_of_the_handshake_is_of_use_once() {
    for (version, first) in [(Version::V4, Some("0")), (Version::V3, None)] {
        let mut client = client(version, Some("t"));
        if let Some(first) = first {
            client.out = client.says(first);
        }
        let Ok([Incoming::Request(asked)]) = <[Incoming; 1]>::try_from(std::mem::take(&mut client.out))
        else {
            panic!("{version:?}: one request")
        };
        let Request::Connect(connect) = asked.request else {
            panic!("{version:?}")
        };
        assert_eq!(&*connect.token, "t");
        assert_eq!(asked.tag.verb.as_deref(), Some("/ CONNECT"));
        assert_eq!(
            asked.tag.reference.is_some(),
            version == Version::V4,
            "only who knows names is given one"
        );
        if version == Version::V3 {
            // Nobody has asked for `/`; who asks for another namespace is told there from then on.
            assert_eq!(client.slot(), Slot::SocketioChat);
            assert_eq!(&*client.signs_in("0/chat,").token, "t");
            assert_eq!(client.slot(), Slot::SocketioChatNs);
        }
        assert!(
            echoed(client.says("0/chat,")).starts_with("40/chat,"),
            "{version:?}"
        );
    }
}

#[test]
fn what_is_said_with_the_connection_goes_before_the_handshake() {
    let mut client = client(Version::V4, Some("theirs"));
    let connect = client.signs_in(
        r#"0/chat,{"token":"own","protocol":"type","locale":"ko","resume":[{"room":"a","seq":1,"epoch":"00000000000000ff"}],"recovery":true}"#,
    );
    assert_eq!(
        (&*connect.token, connect.locale, connect.resume.len()),
        ("own", Some(Locale::Ko), 1)
    );
    assert_eq!(connect.recovery, Recover::Fresh);
    assert_eq!(client.slot(), Slot::SocketioTypeNsOffset);
    assert!(
        echoed(client.says("0")).starts_with("40{"),
        "the handshake's token is gone"
    );
}

#[test]
fn a_place_is_asked_for_back_as_clients_do_it() {
    let mut client = client(Version::V4, None);
    let connect = client.signs_in(r#"0{"pid":"p-1","offset":"1-41","token":"t"}"#);
    assert_eq!(
        connect.recovery,
        Recover::From {
            pid: "p-1".into(),
            offset: "1-41".into()
        }
    );
    assert_eq!(client.slot(), Slot::SocketioChatOffset);
    let connect = client.signs_in(r#"0{"pid":"p-1","token":"t"}"#);
    assert_eq!(
        connect.recovery,
        Recover::From {
            pid: "p-1".into(),
            offset: "".into()
        }
    );
}

#[test]
fn clients_of_protocol_3_sign_in_by_the_query_of_a_namespace() {
    let mut client = client(Version::V3, None);
    assert_eq!(echoed(std::mem::take(&mut client.out)), "40");
    let connect = client.signs_in("0/chat?token=a%2Bb&protocol=type&locale=ko");
    assert_eq!((&*connect.token, connect.locale), ("a+b", Some(Locale::Ko)));
    assert_eq!(client.slot(), Slot::SocketioTypeNs);
    let long = format!("0/chat?token={}", "x".repeat(Limits::DEFAULT.token_bytes_max + 1));
    assert_eq!(client.refused(&long).1.code, Code::InvalidData);
    assert_eq!(
        client.refused("0/chat?token=x&protocol=action").1.code,
        Code::InvalidData
    );
}

#[test]
fn the_style_is_chosen_once() {
    let slot = |packets: &[&str]| {
        let mut client = client(Version::V4, None);
        for packet in packets {
            client.says(packet);
        }
        client.slot()
    };
    let join = r#"2["room.join",{"room":"a"}]"#;
    assert_eq!(slot(&["0", SIGN_IN]), Slot::SocketioChat);
    assert_eq!(slot(&["0", SIGN_IN, join]), Slot::SocketioType);
    assert_eq!(
        slot(&["0", SIGN_IN, r#"2["room.join",7]"#]),
        Slot::SocketioType,
        "it speaks so, if badly"
    );
    assert_eq!(slot(&["0", r#"2["auth",{"token":"t"}]"#]), Slot::SocketioType);
    assert_eq!(slot(&["0", r#"2["game.move",{"room":"a"}]"#]), Slot::SocketioType);
    assert_eq!(
        slot(&[r#"0{"protocol":"chat"}"#, SIGN_IN, join]),
        Slot::SocketioChat
    );
    assert_eq!(slot(&[r#"0{"protocol":"type"}"#, SIGN_IN]), Slot::SocketioType);
    for other in ["ping", "pong", "auth_update", "message", "no.such"] {
        assert_eq!(
            slot(&["0", SIGN_IN, &format!(r#"2["{other}",{{}}]"#)]),
            Slot::SocketioChat,
            "{other}"
        );
    }
}

#[test]
fn what_is_told_goes_where_the_client_signed_in_first() {
    let both = |first_was_granted| {
        let mut client = client(Version::V4, None);
        client.signs_in(r#"0/chat,{"token":"t"}"#);
        client
            .connection
            .application_mut()
            .settled(first_was_granted, !first_was_granted);
        client.signs_in(r#"0{"token":"t"}"#);
        client
    };
    assert_eq!(both(true).slot(), Slot::SocketioChatNs);
    assert_eq!(both(false).slot(), Slot::SocketioChat);
    let mut client = both(true);
    assert!(client.says("1").is_empty(), "it signed in elsewhere");
    assert!(matches!(client.says("1/chat")[..], [Incoming::SignOut]));
    client.connection.application_mut().settled(false, false);
    client.signs_in(r#"0{"token":"t"}"#);
    assert_eq!(client.slot(), Slot::SocketioChat);
}

#[test]
fn who_signs_in_without_asking_is_told_where_it_asks_to_be_if_that_is_granted() {
    let asked = |declined| {
        let mut client = client(Version::V3, Some("t"));
        client.out.clear();
        let application = client.connection.application_mut();
        application.settled(true, false);
        client.signs_in("0/chat?token=t");
        client.connection.application_mut().settled(true, declined);
        client.slot()
    };
    assert_eq!(asked(false), Slot::SocketioChatNs);
    assert_eq!(asked(true), Slot::SocketioChat, "as before");
}

#[test]
fn attachments_are_refused_and_the_connection_goes_on() {
    let mut client = client(Version::V4, None);
    client.says("0");
    assert!(
        client
            .says(r#"52-9["message",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]"#)
            .is_empty()
    );
    let limits = Limits::DEFAULT;
    for _ in 0..2 {
        let bytes = vec![0; limits.frame_bytes_max];
        client
            .connection
            .hear(Heard::Binary(Cow::Owned(bytes)), &rules(&limits), &mut client.out)
            .unwrap();
    }
    let Some(Incoming::Refused { tag, refusal }) = client.out.pop() else {
        panic!("a refusal")
    };
    assert_eq!(tag.reference.as_deref(), Some("#9"));
    assert!(matches!(
        refusal.why,
        Why::Malformed {
            what: Malformed::Attachments,
            ..
        }
    ));
    client.signs_in(SIGN_IN);
}

#[test]
fn a_verb_and_a_reference_are_bounded() {
    let mut client = client(Version::V4, None);
    client.says("0");
    let (tag, refusal) = client.refused(&format!(r#"2["{}",{{}}]"#, "한".repeat(100)));
    assert_eq!(refusal.code, Code::InvalidAction);
    assert!(tag.verb.unwrap().len() <= 64);
    let most = Limits::DEFAULT.reference_bytes_max;
    let ping = |bytes| format!(r#"2["ping",{{"id":"{}"}}]"#, "x".repeat(bytes));
    assert_eq!(client.asks(&ping(most)).0.reference.unwrap().len(), most);
    assert_eq!(client.refused(&ping(most + 1)).1.code, Code::InvalidData);
    // What an application says is its own, whatever it is called.
    for id in ["1", "\"x\""] {
        let (_, request) = client.asks(&format!(r#"2["game.move",{{"room":"a","id":{id}}}]"#));
        let Request::Emit(emit) = request else {
            panic!("an event of an application")
        };
        assert_eq!(emit.data.as_str(), format!(r#"{{"id":{id}}}"#));
    }
}

fn manner(namespace: Namespace, style: Style, offset: bool) -> Manner {
    Manner {
        namespace,
        style,
        offset,
    }
}

fn message(seq: u64) -> Arc<Message> {
    Arc::new(Message {
        id: MessageId(7),
        room: RoomId(5),
        room_name: None,
        room_token: RoomToken([0x26; 24]),
        seq: Seq(seq),
        epoch: Epoch(1),
        members: MembersVersion(1),
        sender: Sender {
            user: UserId(1),
            handle: "a".into(),
            nickname: "A".into(),
            profile: Arc::new(Profile::bare("p")),
        },
        content: "hi".into(),
        kind: MessageKind::Text,
        metadata: None,
        reply_to: None,
        created_at: Timestamp(1_000),
    })
}

/// The namespace, the name and the offset of an event.
fn told(frame: &[u8]) -> (String, String, Option<String>) {
    let text = String::from_utf8(text_frame(frame)).unwrap();
    let Told::Event {
        namespace,
        name,
        data,
        offset,
    } = Told::parse(&text).unwrap()
    else {
        panic!("an event: {text}")
    };
    assert!(serde_json::from_str::<Value>(data).unwrap().is_object());
    (namespace.to_owned(), name, offset)
}

#[test]
fn messages_carry_their_offset_in_their_own_namespace() {
    let event = Event {
        id: 1,
        at: Timestamp(1_000),
        cause: None,
        audience: Audience::All,
        actor: None,
        body: EventBody::Posted(message(42)),
    };
    for (namespace, place) in [(Namespace::Main, "/"), (Namespace::Chat, "/chat")] {
        for (style, name) in [(Style::Chat, "message"), (Style::Type, "chat.message")] {
            for offset in [false, true] {
                let frame = ChatEvents::new(manner(namespace, style, offset)).encode(&event);
                let shown = offset.then(|| "5-42".to_owned());
                assert_eq!(told(&frame), (place.to_owned(), name.to_owned(), shown));
            }
        }
    }
}

#[test]
fn what_was_missed_comes_with_offsets() {
    let page = HistoryPage {
        room: RoomId(5),
        room_name: None,
        messages: vec![message(1), message(2)],
        has_more: false,
        epoch: Epoch(1),
        head: Seq(2),
    };
    let missed = Notice::Missed(page.clone());
    let typed = ChatVoice::new(manner(Namespace::Chat, Style::Type, true)).notice(&missed, Locale::En);
    assert_eq!(
        told(&typed),
        ("/chat".into(), "room.messages".into(), Some("5-2".into()))
    );
    let chat = ChatVoice::new(manner(Namespace::Chat, Style::Chat, true)).notice(&missed, Locale::En);
    let offsets: Vec<_> = frames(&chat)
        .into_iter()
        .map(
            |(_, text)| match Told::parse(std::str::from_utf8(&text).unwrap()).unwrap() {
                Told::Event { offset, .. } => offset.unwrap(),
                other @ (Told::Open(_)
                | Told::Ping
                | Told::Connected { .. }
                | Told::NotConnected { .. }
                | Told::Disconnected { .. }
                | Told::Ack { .. }
                | Told::Closed
                | Told::Nothing) => panic!("{other:?}"),
            },
        )
        .collect();
    assert_eq!(offsets, ["5-1", "5-2"]);
    let nothing = Notice::Missed(HistoryPage {
        messages: vec![],
        ..page
    });
    assert!(
        ChatVoice::new(Manner::FIRST)
            .notice(&nothing, Locale::En)
            .is_empty()
    );
}

fn tag(verb: &str, reference: Option<&str>) -> Tag {
    Tag {
        reference: reference.map(Into::into),
        verb: Some(verb.into()),
    }
}

fn packets(bytes: &[u8]) -> Vec<String> {
    let text = |(first, payload): (u8, Vec<u8>)| match first {
        TEXT => String::from_utf8(payload).unwrap(),
        CLOSE => "close".into(),
        other => panic!("a frame {other:#x}"),
    };
    frames(bytes).into_iter().map(text).collect()
}

#[test]
fn who_signs_in_by_connecting_is_connected_and_then_told_how_it_stands() {
    let standing = Reply::Connected(SignedIn {
        user: Person::numbered(UserId(1), "A"),
        profile: Arc::new(Profile::bare("p")),
        session: SessionId(1),
        server_time: Timestamp(0),
        rooms: vec![],
        ping_interval_ms: 1,
        expires_at: Timestamp(0),
        recovery: Some(Recovery {
            pid: "p-1".into(),
            recovered: false,
        }),
    });
    let sid = "00000000000000000000000000000abd";
    let tag_4 = tag("/chat CONNECT", Some(sid));
    for (style, name) in [(Style::Chat, "postinit_res"), (Style::Type, "auth.ok")] {
        let voice = ChatVoice::new(manner(Namespace::Chat, style, true));
        let said = packets(&voice.reply(&tag_4, &standing).unwrap());
        assert_eq!(said.len(), 2);
        let Told::Connected { namespace, names } = Told::parse(&said[0]).unwrap() else {
            panic!("{}", said[0])
        };
        let meant = Names {
            sid: Some(sid.into()),
            pid: Some("p-1".into()),
        };
        assert_eq!((namespace, names), ("/chat", meant));
        assert!(
            said[1].starts_with(&format!(r#"42/chat,["{name}",{{"#)) && !said[1].contains("ref_id"),
            "{}",
            said[1]
        );
        let said = packets(&voice.reply(&tag("/ CONNECT", None), &standing).unwrap());
        assert_eq!(said[0], "40", "of protocol 3");
        assert!(said[1].starts_with(&format!(r#"42["{name}",{{"#)));
    }
}

#[test]
fn who_is_refused_when_connecting_is_told_by_a_connect_error() {
    let voice = ChatVoice::new(Manner::FIRST);
    let refusal = Refusal::because(Code::InvalidToken, "expired");
    let said = packets(&voice.refusal(&tag("/chat CONNECT", Some("0abc")), &refusal, Locale::En, NOW));
    let Told::NotConnected { namespace, why } = Told::parse(&said[0]).unwrap() else {
        panic!("{said:?}")
    };
    let why: Value = serde_json::from_str(why).unwrap();
    assert_eq!(
        (namespace, &why["data"]["code"], &why["data"]["reason"]),
        ("/chat", &"INVALID_TOKEN".into(), &"expired".into())
    );
    assert_eq!(why["message"], why["data"]["message"]);
    let said = packets(&voice.refusal(&tag("/chat CONNECT", None), &refusal, Locale::En, NOW));
    assert!(
        said[0].starts_with(r#"44/chat,"The token"#),
        "of protocol 3: {}",
        said[0]
    );
}

#[test]
fn what_was_awaited_is_answered_before_the_end() {
    let voice = ChatVoice::new(Manner::FIRST);
    let refusal = Refusal::new(Code::NotAuthenticated);
    let said = packets(&voice.last_words(&tag("/ ping", Some("#7")), &refusal, None, Locale::En, NOW));
    assert_eq!(said.len(), 4, "{said:?}");
    assert!(said[0].starts_with(r#"437[{"code":"NOT_AUTHENTICATED""#) && said[0].contains(r#""ref":"7""#));
    assert!(said[1].starts_with(r#"42["server_error",{"code":"NOT_AUTHENTICATED""#));
    assert!(said[1].contains(r#""reconnect":"never""#) && !said[1].contains("ref\""));
    assert_eq!(said[2..], ["41", "close"]);
    let said = packets(&voice.last_words(&tag("/ ping", Some("p")), &refusal, None, Locale::En, NOW));
    assert!(said[0].contains(r#""ref":"p""#) && said.len() == 3, "{said:?}");
}

#[test]
fn who_connects_at_a_bad_time_is_closed_so_that_it_comes_back_by_itself() {
    let voice = ChatVoice::new(Manner::FIRST);
    let connect = tag("/ CONNECT", Some("0abc"));
    let busy = Refusal::retry(Code::Overloaded, 500);
    assert!(!voice.forgives(&connect, &busy));
    assert!(
        voice
            .last_words(&connect, &busy, None, Locale::En, NOW)
            .is_empty(),
        "clients in Java do not hear a close frame, those in Python stay away after the packet"
    );
    assert!(
        voice.forgives(&tag("/ postinit_req", None), &busy),
        "it tries again as it likes"
    );
    let wrong = Refusal::because(Code::InvalidToken, "expired");
    assert!(voice.forgives(&connect, &wrong));
    let said = packets(&voice.last_words(&connect, &wrong, None, Locale::En, NOW));
    assert!(said[0].starts_with("44{") && said[1..] == ["close"], "{said:?}");
}

#[test]
fn who_may_come_back_is_not_disconnected_by_name() {
    let voice = ChatVoice::new(manner(Namespace::Chat, Style::Chat, false));
    let closed = |cause| packets(&voice.notice(&Notice::Closed(Closing::new(cause)), Locale::En));
    let said = closed(CloseCause::ShuttingDown);
    assert!(
        said[0].starts_with(r#"42/chat,["server_error",{"code":"SHUTTING_DOWN""#),
        "{said:?}"
    );
    assert_eq!(
        said.len(),
        1,
        "neither a close frame nor a packet that closes: {said:?}"
    );
    assert_eq!(closed(CloseCause::Banned)[1..], ["41/chat,", "close"]);
}

#[test]
fn a_chat_hears_nothing_of_what_its_clients_do_not_know() {
    let expiring = Notice::TokenExpiring {
        expires_at: Timestamp(0),
    };
    let shutdown = Notice::Shutdown {
        reconnect_after_ms: 1,
        elsewhere: None,
    };
    for notice in [expiring, shutdown] {
        assert!(
            ChatVoice::new(Manner::FIRST)
                .notice(&notice, Locale::En)
                .is_empty()
        );
        let typed = manner(Namespace::Main, Style::Type, true);
        let (_, name, offset) = told(&ChatVoice::new(typed).notice(&notice, Locale::En));
        assert!(name.starts_with("system.") && offset.is_none());
    }
}

#[test]
fn a_connection_is_small() {
    assert!(
        size_of::<Connection<Chat>>() <= 64,
        "{}",
        size_of::<Connection<Chat>>()
    );
}

/// What clients may say, right or wrong, after a connect.
fn spoken() -> impl Strategy<Value = String> {
    let name = prop_oneof![
        Just("message"),
        Just("postinit_req"),
        Just("chat.message"),
        Just("auth"),
        Just("game.move"),
        Just("fly.away"),
    ];
    let value = prop_oneof![
        Just("{}".to_owned()),
        Just(r#"{"token":"t","recovery":true,"id":"x"}"#.to_owned()),
        "#{0,3}[0-9a-z]{0,3}".prop_map(|id| format!(r#"{{"token":7,"id":"{id}"}}"#)),
        Just(r#"{"room":"a","text":"hi","id":7}"#.to_owned()),
        Just(r#"{"to":{"type":"ROOM","room":"a"},"content":"hi"}"#.to_owned()),
        any::<String>().prop_map(|it| Value::from(it).to_string()),
        "[0-9]{1,3}",
    ];
    let place = prop_oneof![Just(""), Just("/chat,")];
    let event =
        (place.clone(), proptest::option::of(0..9_u64), name, value).prop_map(|(at, ack, name, value)| {
            let ack = ack.map_or(String::new(), |it| it.to_string());
            format!(r#"2{at}{ack}["{name}",{value}]"#)
        });
    let other = (
        prop_oneof![Just("0"), Just("1"), Just("3"), Just("4")],
        place,
        ".{0,20}",
    )
        .prop_map(|(kind, at, rest)| format!("{kind}{at}{rest}"));
    prop_oneof![
        6 => event,
        1 => other,
        1 => Just(r#"0{"token":"t"}"#.to_owned()),
        1 => Just("0/chat,".to_owned()),
        1 => any::<String>(),
    ]
}

proptest! {
    #[test]
    fn every_event_is_asked_or_refused_once(version in prop_oneof![Just(Version::V3), Just(Version::V4)], said in proptest::collection::vec(spoken(), 1..20)) {
        let mut client = client(version, None);
        if version == Version::V4 {
            client.says("0");
        }
        client.out.clear();
        let limits = Limits::DEFAULT;
        for packet in said {
            let heard = client.connection.hear(Heard::Text(&packet), &rules(&limits), &mut client.out);
            let out = std::mem::take(&mut client.out);
            if heard.is_err() {
                prop_assert!(out.is_empty(), "{packet}: {out:?}");
                break;
            }
            let once = match out.as_slice() {
                [Incoming::Request(_) | Incoming::Refused { .. }] => packet.starts_with(['0', '2', '5']),
                [Incoming::Echo(_)] => packet.starts_with('0'),
                [] => packet.starts_with(['1', '3', '5', '6']),
                [Incoming::SignOut | Incoming::Goodbye(_)] | [Incoming::SignOut, Incoming::Goodbye(_)] => packet.starts_with('1'),
                _ => false,
            };
            prop_assert!(once, "{packet}: {out:?}");
            if let [Incoming::Refused { tag, refusal }] = out.as_slice() {
                refused_where_it_was_asked(&packet, tag, refusal)?;
            }
        }
    }
}

/// A refusal goes to the acknowledgement if one is awaited, else it says the request's own reference.
fn refused_where_it_was_asked(packet: &str, tag: &Tag, refusal: &Refusal) -> Result<(), TestCaseError> {
    let voice = ChatVoice::new(manner(Namespace::Chat, Style::Type, true));
    let said = String::from_utf8(text_frame(&voice.refusal(tag, refusal, Locale::Ko, NOW))).unwrap();
    let limits = Limits::DEFAULT;
    let asked = bongsu_wire::socketio::packet::decode(packet, &limits).unwrap();
    let own = (|| {
        let data: Value = serde_json::from_str(asked.event.as_ref()?.argument?).ok()?;
        Some(data.get("id")?.as_str()?.to_owned())
    })();
    match Told::parse(&said).unwrap() {
        Told::Ack { namespace, id, data } => {
            prop_assert_eq!((namespace, Some(id)), (asked.namespace, asked.id));
            let error: Value = serde_json::from_str(data).unwrap();
            prop_assert_eq!(&error["ref"], &Value::from(id.to_string()));
        }
        Told::Event {
            namespace,
            name,
            data,
            offset,
        } => {
            prop_assert_eq!(
                (namespace, &*name, asked.id, offset),
                (asked.namespace, "server_error", None, None)
            );
            let error: Value = serde_json::from_str(data).unwrap();
            prop_assert_eq!(error["ref"].as_str(), own.as_deref());
        }
        Told::NotConnected { namespace, .. } => prop_assert_eq!(namespace, asked.namespace),
        other @ (Told::Open(_)
        | Told::Ping
        | Told::Connected { .. }
        | Told::Disconnected { .. }
        | Told::Closed
        | Told::Nothing) => panic!("{other:?}"),
    }
    Ok(())
}
