//! Packets of Socket.IO: what is understood, what is refused, and that what is said is understood.

use bongsu_model::Limits;
use bongsu_wire::socketio::packet::{
    self, Event, ID_MAX, Kind, NAMESPACE_BYTES_MAX, Packet, Violation, decode, placeholders,
};

fn read(text: &str) -> Packet<'_> {
    decode(text, &Limits::DEFAULT).unwrap_or_else(|violation| panic!("{text}: {violation}"))
}

fn refused(text: &str) -> Violation {
    decode(text, &Limits::DEFAULT).expect_err(text)
}

const NOTHING: Packet<'_> = Packet {
    kind: Kind::Connect,
    attachments: 0,
    namespace: "/",
    query: None,
    id: None,
    data: None,
    event: None,
};

fn said<'a>(name: &'a str, argument: Option<&'a str>, arguments: usize) -> Option<Event<'a>> {
    Some(Event {
        name: name.into(),
        argument,
        arguments,
    })
}

#[test]
fn a_namespace_is_asked_for() {
    assert_eq!(read("0"), NOTHING);
    assert_eq!(
        read("0{\"token\":\"t\"}"),
        Packet {
            data: Some("{\"token\":\"t\"}"),
            ..NOTHING
        }
    );
    for text in ["0/chat", "0/chat,"] {
        assert_eq!(
            read(text),
            Packet {
                namespace: "/chat",
                ..NOTHING
            },
            "{text}"
        );
    }
    assert_eq!(
        read("0/chat,{}"),
        Packet {
            namespace: "/chat",
            data: Some("{}"),
            ..NOTHING
        }
    );
    assert_eq!(
        read("0/,{}"),
        Packet {
            data: Some("{}"),
            ..NOTHING
        }
    );
    for text in ["0/chat?token=a%2Cb&x", "0/chat?token=a%2Cb&x,"] {
        let wanted = Packet {
            namespace: "/chat",
            query: Some("token=a%2Cb&x"),
            ..NOTHING
        };
        assert_eq!(read(text), wanted, "{text}");
    }
    assert_eq!(
        read("0/?token=t"),
        Packet {
            query: Some("token=t"),
            ..NOTHING
        }
    );
    assert_eq!(
        read("0/a?b?c"),
        Packet {
            namespace: "/a",
            query: Some("b?c"),
            ..NOTHING
        }
    );
    assert_eq!(
        read("0/가"),
        Packet {
            namespace: "/가",
            ..NOTHING
        }
    );
}

#[test]
fn a_namespace_is_left() {
    assert_eq!(
        read("1"),
        Packet {
            kind: Kind::Disconnect,
            ..NOTHING
        }
    );
    assert_eq!(
        read("1/chat,"),
        Packet {
            kind: Kind::Disconnect,
            namespace: "/chat",
            ..NOTHING
        }
    );
    assert_eq!(refused("1{}"), Violation::BadData);
    assert_eq!(refused("1/chat,\"x\""), Violation::BadData);
}

#[test]
fn an_event_has_a_name_and_arguments() {
    let event = Packet {
        kind: Kind::Event,
        ..NOTHING
    };
    for (text, wanted) in [
        (
            "2[\"a\"]",
            Packet {
                data: Some("[\"a\"]"),
                event: said("a", None, 0),
                ..event.clone()
            },
        ),
        (
            "2[\"message\",{\"a\":[1]}]",
            Packet {
                data: Some("[\"message\",{\"a\":[1]}]"),
                event: said("message", Some("{\"a\":[1]}"), 1),
                ..event.clone()
            },
        ),
        (
            "2/chat,17[\"가\\u0041\", 1 ,null,\"x\"]",
            Packet {
                namespace: "/chat",
                id: Some(17),
                data: Some("[\"가\\u0041\", 1 ,null,\"x\"]"),
                event: said("가A", Some("1"), 3),
                ..event.clone()
            },
        ),
        (
            "20[\"\"]",
            Packet {
                id: Some(0),
                data: Some("[\"\"]"),
                event: said("", None, 0),
                ..event.clone()
            },
        ),
    ] {
        assert_eq!(read(text), wanted, "{text}");
    }
    assert_eq!(
        read("2[\"a\",1,{\"b\":2}]").arguments(2),
        Some(vec!["1", "{\"b\":2}"])
    );
    assert_eq!(read("2[\"a\",1,{\"b\":2}]").arguments(1), None);
    assert_eq!(read("2[\"a\"]").arguments(0), Some(vec![]));
    assert_eq!(read("0{\"a\":1}").arguments(0), Some(vec![]));
}

#[test]
fn an_ack_has_an_id_and_arguments() {
    let wanted = Packet {
        kind: Kind::Ack,
        namespace: "/chat",
        id: Some(9),
        data: Some("[1,\"b\"]"),
        ..NOTHING
    };
    assert_eq!(read("3/chat,9[1,\"b\"]"), wanted);
    assert_eq!(wanted.arguments(2), Some(vec!["1", "\"b\""]));
    assert_eq!(wanted.arguments(1), None);
    assert_eq!(read("30[]").data, Some("[]"));
    for text in ["3[]", "3/chat,[]"] {
        assert_eq!(refused(text), Violation::BadId, "{text}");
    }
    for text in ["31", "31{}", "31\"a\"", "31[", "31[]]", "31[1,]", "31 []"] {
        assert_eq!(refused(text), Violation::BadData, "{text}");
    }
}

#[test]
fn an_error_says_why() {
    for data in ["\"Invalid namespace\"", "{\"message\":\"x\"}"] {
        let text = format!("4/x,{data}");
        let wanted = Packet {
            kind: Kind::ConnectError,
            namespace: "/x",
            data: Some(data),
            ..NOTHING
        };
        assert_eq!(read(&text), wanted);
    }
    for text in ["4", "4[]", "4null", "4\"", "4{"] {
        assert_eq!(refused(text), Violation::BadData, "{text}");
    }
}

#[test]
fn types_are_those_of_the_protocol() {
    assert_eq!(refused(""), Violation::Empty);
    for (text, first) in [
        ("7", b'7'),
        ("9[]", b'9'),
        ("[\"a\"]", b'['),
        ("\u{0}", 0),
        ("/", b'/'),
        (" 2", b' '),
    ] {
        assert_eq!(refused(text), Violation::UnknownType(first), "{text}");
    }
    assert_eq!(refused("가"), Violation::UnknownType("가".as_bytes()[0]));
}

#[test]
fn data_fits_its_type() {
    for text in [
        "0[]",
        "0null",
        "0\"a\"",
        "0{",
        "0{}x",
        "0{\"a\":}",
        "0 {}",
        "0{}{}",
        "0/a{}",
    ] {
        let refusal = decode(text, &Limits::DEFAULT);
        // What is not ended by a comma is a namespace.
        if text == "0/a{}" {
            assert_eq!(refusal.map(|it| it.namespace), Ok("/a{}"));
        } else {
            assert_eq!(refusal, Err(Violation::BadData), "{text}");
        }
    }
    for text in [
        "2",
        "2{}",
        "2\"a\"",
        "2null",
        "2[\"a\"",
        "2[\"a\",]",
        "2[\"a\"]x",
        "2[\"a\" 1]",
        "2[\"\u{1}\"]",
        "2-[]",
    ] {
        assert_eq!(refused(text), Violation::BadData, "{text}");
    }
    for text in [
        "2[]",
        "2[1]",
        "2[null]",
        "2[[\"a\"]]",
        "2[{}]",
        "2[true,\"a\"]",
        "2[\"\\ud800\"]",
    ] {
        assert_eq!(refused(text), Violation::BadEventName, "{text}");
    }
}

#[test]
fn reserved_names_are_refused() {
    for name in [
        "connect",
        "connect_error",
        "disconnect",
        "disconnecting",
        "newListener",
        "removeListener",
        "\\u0063onnect",
    ] {
        assert_eq!(
            refused(&format!("2[\"{name}\",1]")),
            Violation::ReservedEvent,
            "{name}"
        );
        let binary = format!("51-[\"{name}\",{{\"_placeholder\":true,\"num\":0}}]");
        assert_eq!(refused(&binary), Violation::ReservedEvent, "{name}");
    }
    for name in ["Connect", "connection", "error", "message", "connect "] {
        assert_eq!(read(&format!("2[\"{name}\"]")).event, said(name, None, 0));
    }
}

#[test]
fn ids_are_plain_numbers() {
    assert_eq!(read("212[\"a\"]").id, Some(12));
    assert_eq!(read(&format!("2{ID_MAX}[\"a\"]")).id, Some(ID_MAX));
    for id in [
        &(ID_MAX + 1).to_string(),
        "00",
        "01",
        "18446744073709551616",
        &"9".repeat(400),
    ] {
        assert_eq!(refused(&format!("2{id}[\"a\"]")), Violation::BadId, "{id}");
        assert_eq!(refused(&format!("3{id}[]")), Violation::BadId, "{id}");
    }
    for text in ["00", "01{}", "0/a,1{}", "11", "41\"a\""] {
        assert_eq!(refused(text), Violation::BadId, "{text}");
    }
    for text in [
        "2-1[\"a\"]",
        "2+1[\"a\"]",
        "21e1[\"a\"]",
        "21 [\"a\"]",
        "2٢[\"a\"]",
    ] {
        assert_eq!(refused(text), Violation::BadData, "{text}");
    }
}

#[test]
fn a_namespace_is_bounded() {
    let most = format!("/{}", "n".repeat(NAMESPACE_BYTES_MAX - 1));
    assert_eq!(read(&format!("0{most}")).namespace, most);
    let query = "q".repeat(4 * NAMESPACE_BYTES_MAX);
    assert_eq!(read(&format!("0{most}?{query}")).query, Some(&*query));
    assert_eq!(refused(&format!("0{most}n")), Violation::NamespaceTooLong);
}

#[test]
fn json_is_no_deeper_than_the_limit() {
    let limits = Limits {
        json_depth_max: 4,
        ..Limits::DEFAULT
    };
    assert!(decode("2[\"a\",[[[]]]]", &limits).is_ok());
    assert_eq!(decode("2[\"a\",[[[[]]]]]", &limits), Err(Violation::TooDeep));
    assert_eq!(decode("0{\"a\":[[[[]]]]}", &limits), Err(Violation::TooDeep));
    let endless = format!("2[\"a\",{}", "[".repeat(50_000));
    assert_eq!(refused(&endless), Violation::TooDeep);
}

#[test]
fn attachments_are_counted_and_bounded() {
    let holes = |count: usize| {
        let all: Vec<_> = (0..count)
            .map(|num| format!("{{\"_placeholder\":true,\"num\":{num}}}"))
            .collect();
        all.join(",")
    };
    let limits = Limits {
        attachments_max: 3,
        ..Limits::DEFAULT
    };
    for count in 1..=3 {
        let text = format!("5{count}-/chat,7[\"a\",{}]", holes(count));
        let packet = decode(&text, &limits).unwrap();
        assert_eq!((packet.kind, packet.attachments), (Kind::Event, count));
        assert_eq!((packet.namespace, packet.id), ("/chat", Some(7)));
        assert_eq!(packet.event.unwrap().arguments, count);
        let text = format!("6{count}-7[{}]", holes(count));
        let packet = decode(&text, &limits).unwrap();
        assert_eq!(
            (packet.kind, packet.attachments, packet.id),
            (Kind::Ack, count, Some(7))
        );
    }
    for count in ["4", "99999999999999999999999999", "18446744073709551615"] {
        let text = format!("5{count}-[\"a\",{}]", holes(4));
        assert_eq!(
            decode(&text, &limits),
            Err(Violation::TooManyAttachments),
            "{count}"
        );
    }
    for text in [
        "5",
        "5[\"a\"]",
        "51[\"a\"]",
        "5-[\"a\"]",
        "50-[\"a\"]",
        "501-[\"a\"]",
        "5-1-[\"a\"]",
        "51.0-[\"a\"]",
        "5/chat,1-",
    ] {
        assert_eq!(refused(text), Violation::BadAttachments, "{text}");
    }
}

#[test]
fn placeholders_are_those_of_the_attachments() {
    let hole = |num: &str| format!("{{\"_placeholder\":true,\"num\":{num}}}");
    let (zero, one) = (&*hole("0"), &*hole("1"));
    for (data, attachments) in [
        (format!("[\"a\",{zero}]"), 1),
        (format!("[\"a\",{one},{zero}]"), 2),
        (format!("[\"a\",{{\"b\":[{{\"c\":{one}}}]}},{zero}]"), 2),
        (format!("[\"a\",{{\"num\":{zero}}}]"), 1),
        (format!("[\"a\",{zero},{zero}]"), 1),
        ("[\"a\",{\"num\":0,\"x\":1,\"_placeholder\":true}]".to_owned(), 1),
        ("[\"a\",{\"_placehol\\u0064er\":true,\"num\":0}]".to_owned(), 1),
        (format!("[\"a\",{{\"_placeholder\":false,\"num\":9}},{zero}]"), 1),
        (
            format!("[\"a\",{{\"_placeholder\":\"true\"}},{zero},1.5,-1,1e9,null,true]"),
            1,
        ),
        ("[\"a\"]".to_owned(), 0),
    ] {
        assert_eq!(placeholders(&data, attachments), Ok(()), "{data}");
        if attachments > 0 {
            assert_eq!(read(&format!("5{attachments}-{data}")).data, Some(&*data));
        }
    }
    for (data, attachments) in [
        ("[\"a\"]".to_owned(), 1),
        (format!("[\"a\",{zero}]"), 2),
        (format!("[\"a\",{one}]"), 1),
        (format!("[\"a\",{zero},{one}]"), 1),
        (format!("[\"a\",{zero},{}]", hole("-1")), 1),
        (format!("[\"a\",{zero},{}]", hole("\"0\"")), 1),
        (format!("[\"a\",{zero},{}]", hole("null")), 1),
        (format!("[\"a\",{zero},{}]", hole("0.5")), 1),
        (format!("[\"a\",{zero},{}]", hole("99999999999999999999999")), 1),
        (format!("[\"a\",{zero},{{\"_placeholder\":true}}]"), 1),
        (format!("[\"a\",{zero}"), 1),
        (String::new(), 1),
        (format!("[\"a\",{zero}]"), 0),
    ] {
        assert_eq!(
            placeholders(&data, attachments),
            Err(Violation::BadPlaceholders),
            "{data}"
        );
    }
    assert_eq!(refused(&format!("51-[\"a\",{one}]")), Violation::BadPlaceholders);
}

#[test]
fn without_attachments_a_placeholder_is_data() {
    let text = "2[\"a\",{\"_placeholder\":true,\"num\":7}]";
    assert_eq!(read(text).event.unwrap().arguments, 1);
}

/// The packet in the one frame that these bytes are.
fn in_frame(bytes: &[u8]) -> String {
    let text = String::from_utf8(crate::text_of(bytes)).unwrap();
    text.strip_prefix('4').expect("a message of Engine.IO").to_owned()
}

#[test]
fn what_is_said_is_a_frame_of_the_packet() {
    for (bytes, text) in [
        (packet::connect("/", None), "0"),
        (packet::connect("/chat", None), "0/chat,"),
        (packet::connect("/", Some("{\"sid\":\"x\"}")), "0{\"sid\":\"x\"}"),
        (packet::connect("/chat", Some("{}")), "0/chat,{}"),
        (
            packet::connect_error("/x", "{\"message\":\"no\"}"),
            "4/x,{\"message\":\"no\"}",
        ),
        (packet::connect_error("/", "\"no\""), "4\"no\""),
        (packet::disconnect("/"), "1"),
        (packet::disconnect("/chat"), "1/chat,"),
        (packet::event("/", None, 0, "a", &[]), "2[\"a\"]"),
        (
            packet::event("/chat", Some(12), 0, "가\"", &["1", "{}"]),
            "2/chat,12[\"가\\\"\",1,{}]",
        ),
        (packet::ack("/", 0, 0, &[]), "30[]"),
        (
            packet::ack("/chat", 5, 0, &["\"a,\"", "null"]),
            "3/chat,5[\"a,\",null]",
        ),
        (
            packet::event(
                "/",
                Some(1),
                2,
                "b",
                &[
                    "{\"_placeholder\":true,\"num\":1}",
                    "{\"_placeholder\":true,\"num\":0}",
                ],
            ),
            "52-1[\"b\",{\"_placeholder\":true,\"num\":1},{\"_placeholder\":true,\"num\":0}]",
        ),
        (
            packet::ack("/n", 1, 1, &["{\"_placeholder\":true,\"num\":0}"]),
            "61-/n,1[{\"_placeholder\":true,\"num\":0}]",
        ),
    ] {
        assert_eq!(in_frame(&bytes), text);
        assert!(decode(text, &Limits::DEFAULT).is_ok(), "{text}");
    }
}
