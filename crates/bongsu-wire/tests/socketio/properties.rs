//! Whatever is said is heard, in every form that it can take; whatever bytes come, they cost no more than they are.

use bongsu_model::Limits;
use bongsu_wire::socketio::engine::{
    self, Heard, Kind, Payloads, Version, Violation, message_binary, message_text, payload, script,
};
use bongsu_wire::socketio::packet::{self, ID_MAX, decode};
use proptest::prelude::*;
use serde_json::Value;

/// A packet that a server or a client may say in the middle of a session.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Said {
    Text(String),
    Binary(Vec<u8>),
    Ping(String),
    Pong(String),
    Noop,
    Close,
    Other,
}

impl Said {
    fn of(heard: &Heard<'_>) -> Self {
        match heard {
            Heard::Text(text) => Self::Text((*text).to_owned()),
            Heard::Binary(bytes) => Self::Binary(bytes.to_vec()),
            Heard::Ping(text) => Self::Ping((*text).to_owned()),
            Heard::Pong(text) => Self::Pong((*text).to_owned()),
            Heard::Noop => Self::Noop,
            Heard::Close => Self::Close,
            Heard::Open | Heard::Upgrade => Self::Other,
        }
    }

    fn frame(&self, version: Version) -> Vec<u8> {
        match self {
            Self::Text(text) => message_text(text),
            Self::Binary(bytes) => message_binary(version, bytes),
            Self::Ping(_) => engine::ping(),
            Self::Pong(text) => engine::pong(text),
            Self::Noop | Self::Close | Self::Other => engine::noop(),
        }
        .to_vec()
    }

    /// How much of the body it stands for, at least.
    fn bytes(&self) -> usize {
        match self {
            Self::Text(text) | Self::Ping(text) | Self::Pong(text) => text.len() + 1,
            Self::Binary(bytes) => bytes.len() + 1,
            Self::Noop | Self::Close | Self::Other => 1,
        }
    }
}

fn hear(version: Version, kind: Kind, body: &[u8]) -> (Vec<Said>, Result<(), Violation>) {
    let limits = Limits {
        frame_bytes_max: 1 << 20,
        ..Limits::DEFAULT
    };
    let mut all = Vec::new();
    let result = Payloads::new().decode(version, kind, body, &limits, &mut |heard| {
        all.push(Said::of(&heard))
    });
    (all, result)
}

/// A text as packets of Socket.IO have it, with every kind of character in its strings.
fn event() -> impl Strategy<Value = String> {
    let argument = prop_oneof![
        "[ -~]{0,12}",
        "[가-힣a-é\u{80}-\u{ff}]{0,8}",
        "\\PC{0,6}",
        "[\\\\n\n\r\"%+&:\u{2028}]{0,10}",
    ];
    proptest::collection::vec(argument, 0..4)
        .prop_map(|arguments| format!("2{}", serde_json::to_string(&arguments).expect("strings")))
}

fn said() -> impl Strategy<Value = Said> {
    prop_oneof![
        4 => event().prop_map(Said::Text),
        2 => proptest::collection::vec(any::<u8>(), 0..40).prop_map(Said::Binary),
        1 => Just(Said::Ping(String::new())),
        1 => "[a-z]{0,9}".prop_map(Said::Pong),
        1 => Just(Said::Noop),
    ]
}

fn frames(said: &[Said], version: Version) -> Vec<u8> {
    said.iter().flat_map(|it| it.frame(version)).collect()
}

/// The same with what JSON leaves open settled: whether a character stands for itself.
fn settled(said: Vec<Said>) -> Vec<Said> {
    let settle = |it| {
        let Said::Text(text) = it else { return it };
        let json: Value = serde_json::from_str(&text[1..]).expect("an event's array");
        Said::Text(format!("{}{json}", &text[..1]))
    };
    said.into_iter().map(settle).collect()
}

/// The records of version 3, read slowly, UTF-16 unit by unit; `None` in place of the first that is none.
fn slow_records(body: &str) -> Vec<Option<String>> {
    let mut units: &[u16] = &body.encode_utf16().collect::<Vec<_>>();
    let mut records = Vec::new();
    while !units.is_empty() {
        let first = slow_record(units);
        records.push(first.as_ref().map(|(record, _)| record.clone()));
        let Some((_, after)) = first else { break };
        units = after;
    }
    records
}

fn slow_record(units: &[u16]) -> Option<(String, &[u16])> {
    let colon = units.iter().position(|unit| *unit == u16::from(b':'))?;
    let length = String::from_utf16(&units[..colon]).ok()?;
    let plain = length == "0" || (!length.starts_with('0') && length.bytes().all(|it| it.is_ascii_digit()));
    let length: usize = length.parse().ok().filter(|_| plain)?;
    let (record, after) = units[colon + 1..].split_at_checked(length)?;
    Some((String::from_utf16(record).ok()?, after))
}

/// What a page does with a payload before it posts it.
fn form(payload: &str) -> String {
    let protected = payload.replace("\\n", "\\\n").replace('\n', "\\n");
    let encoded: String = protected
        .bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'0'..=b'9' => char::from(byte).to_string(),
            b' ' => "+".to_owned(),
            byte => format!("%{byte:02X}"),
        })
        .collect();
    format!("d={encoded}")
}

proptest! {
    #[test]
    fn version_4_says_what_it_hears(said in proptest::collection::vec(said(), 1..8)) {
        let made = payload(Version::V4, true, &frames(&said, Version::V4));
        prop_assert_eq!(made.packets, said.len());
        prop_assert_eq!(hear(Version::V4, Kind::Text, &made.body), (said, Ok(())));
    }

    #[test]
    fn version_3_says_what_it_hears(said in proptest::collection::vec(said(), 1..8)) {
        let frames = frames(&said, Version::V3);
        let text = payload(Version::V3, false, &frames);
        prop_assert!(text.body.is_ascii());
        let (heard, result) = hear(Version::V3, Kind::Text, &text.body);
        prop_assert_eq!((settled(heard), result), (settled(said.clone()), Ok(())));
        let made = payload(Version::V3, true, &frames);
        let kind = Kind::of(Some(made.content_type), false);
        prop_assert_eq!(kind == Kind::Octets, said.iter().any(|it| matches!(it, Said::Binary(_))));
        let (heard, result) = hear(Version::V3, kind, &made.body);
        prop_assert_eq!((settled(heard), result), (settled(said), Ok(())));
    }

    #[test]
    fn a_script_holds_the_payload(said in proptest::collection::vec(said(), 0..6)) {
        for version in [Version::V3, Version::V4] {
            let frames = frames(&said, version);
            let made = script(version, "12", &frames);
            let text = std::str::from_utf8(&made.body).expect("a script is text");
            let one_line = !text.contains(['\n', '\r', '\u{2028}', '\u{2029}']);
            prop_assert!(one_line);
            let json = text.strip_prefix("___eio[12](").and_then(|it| it.strip_suffix(");"));
            let held: String = serde_json::from_str(json.expect("a call")).expect("a string");
            prop_assert_eq!(held.as_bytes(), &*payload(version, false, &frames).body);
        }
    }

    #[test]
    fn a_form_holds_the_payload(texts in proptest::collection::vec(event(), 1..5)) {
        let body: String = texts.iter().map(|it| format!("{}:4{it}", it.encode_utf16().count() + 1)).collect();
        prop_assert_eq!(hear(Version::V3, Kind::Form, form(&body).as_bytes()), hear(Version::V3, Kind::Text, body.as_bytes()));
    }

    #[test]
    fn what_was_encoded_twice_is_decoded_twice(texts in proptest::collection::vec(event(), 1..5)) {
        let record = |text: &String| {
            let latin: String = format!("4{text}").bytes().map(char::from).collect();
            format!("{}:{latin}", latin.chars().count())
        };
        let body: String = texts.iter().map(record).collect();
        let said = texts.into_iter().map(Said::Text).collect();
        prop_assert_eq!(hear(Version::V3, Kind::Text, body.as_bytes()), (said, Ok(())));
    }

    #[test]
    fn records_are_cut_as_by_hand(body in "([0-9]{1,2}:[46][a가😀]{0,3}|[0-3:4a가😀]){1,6}") {
        let (mut wanted, mut end) = (Vec::new(), Ok(()));
        for record in slow_records(&body) {
            let said = match record.as_deref() {
                None => Err(None),
                Some("") => continue,
                Some(packet) => engine::text(Version::V3, packet).map(|it| Said::of(&it)).map_err(Some),
            };
            match said {
                Ok(said) => wanted.push(said),
                Err(violation) => end = Err(violation),
            }
            if end.is_err() || wanted.last() == Some(&Said::Close) {
                break;
            }
        }
        let (heard, result) = hear(Version::V3, Kind::Text, body.as_bytes());
        prop_assert_eq!(&heard, &wanted);
        match end {
            // The length is at fault, in one way or another.
            Err(None) => prop_assert!(matches!(result, Err(Violation::NotALength | Violation::LengthLies))),
            Err(Some(violation)) => prop_assert_eq!(result, Err(violation)),
            Ok(()) => prop_assert_eq!(result, Ok(())),
        }
    }

    #[test]
    fn any_body_costs_no_more_than_it_is(
        body in prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..200),
            proptest::collection::vec(prop_oneof![0..12_u8, Just(0xff), b'0'..b'8', Just(b':')], 0..60),
            "[0-9:b=%+\\\\&a\u{1e}é]{0,60}".prop_map(String::into_bytes),
        ]
    ) {
        for version in [Version::V3, Version::V4] {
            for kind in [Kind::Text, Kind::Octets, Kind::Form] {
                let (heard, _) = hear(version, kind, &body);
                let bytes: usize = heard.iter().map(Said::bytes).sum();
                prop_assert!(bytes <= body.len(), "{bytes} of {}", body.len());
            }
        }
    }

    #[test]
    fn what_is_said_in_socketio_is_read(
        namespace in prop_oneof![Just("/".to_owned()), "/[a-z가]{1,9}"],
        id in proptest::option::of(0..=ID_MAX),
        attachments in 0..=8_usize,
        name in "\\PC{0,9}",
        texts in proptest::collection::vec("\\PC{0,9}", 0..4),
    ) {
        let mut arguments: Vec<String> = texts.iter().map(|it| Value::from(&**it).to_string()).collect();
        arguments.extend((0..attachments).map(|num| format!("{{\"_placeholder\":true,\"num\":{num}}}")));
        let arguments: Vec<&str> = arguments.iter().map(|it| &**it).collect();
        let text = |bytes: &[u8]| String::from_utf8(crate::text_of(bytes)).expect("text")[1..].to_owned();

        let event = text(&packet::event(&namespace, id, attachments, &name, &arguments));
        let read = decode(&event, &Limits::DEFAULT).expect("what we say");
        prop_assert_eq!((read.namespace, read.id, read.attachments), (&*namespace, id, attachments));
        prop_assert_eq!(&*read.event.as_ref().expect("an event").name, &*name);
        prop_assert_eq!(read.event.as_ref().expect("an event").argument, arguments.first().copied());
        prop_assert_eq!(read.arguments(99), Some(arguments.clone()));

        let ack = text(&packet::ack(&namespace, id.unwrap_or(7), attachments, &arguments));
        let read = decode(&ack, &Limits::DEFAULT).expect("what we say");
        prop_assert_eq!((read.namespace, read.id, read.attachments), (&*namespace, id.or(Some(7)), attachments));
        prop_assert_eq!(read.arguments(99), Some(arguments));
    }

    #[test]
    fn a_packet_has_one_text(
        text in "[0-7](1-|12-|-)?(/[a-c?=]{0,4},?)?[0-9]{0,2}(\\[(\"[a-c]\"|1|\\{\"_placeholder\":true,\"num\":[01]\\}|,|\\[|\\]){0,4}\\]|\\{\\}|\"a\")?"
    ) {
        let Ok(read) = decode(&text, &Limits::DEFAULT) else {
            return Ok(());
        };
        let digit = match (read.kind, read.attachments) {
            (packet::Kind::Connect, _) => '0',
            (packet::Kind::Disconnect, _) => '1',
            (packet::Kind::Event, 0) => '2',
            (packet::Kind::Ack, 0) => '3',
            (packet::Kind::ConnectError, _) => '4',
            (packet::Kind::Event, _) => '5',
            (packet::Kind::Ack, _) => '6',
        };
        let mut again = digit.to_string();
        if read.attachments > 0 {
            again += &format!("{}-", read.attachments);
        }
        let written = text.contains('/');
        if written {
            again += read.namespace;
            again += &read.query.map_or_else(String::new, |query| format!("?{query}"));
            again += ",";
        }
        again += &read.id.map_or_else(String::new, |id| id.to_string());
        again += read.data.unwrap_or_default();
        prop_assert!(again == text || again == format!("{text},"), "{again} of {text}");
    }
}
