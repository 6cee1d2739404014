//! Polling payloads that come in, in every form, and every lie in them.

use bongsu_model::Limits;
use bongsu_wire::socketio::engine::{Heard, Kind, Payloads, Version, Violation};

/// What was heard, owned.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Owned {
    Text(String),
    Binary(Vec<u8>),
    Other(String),
}

fn owned(heard: Heard<'_>) -> Owned {
    match heard {
        Heard::Text(text) => Owned::Text(text.to_owned()),
        Heard::Binary(bytes) => Owned::Binary(bytes.into_owned()),
        Heard::Open | Heard::Close | Heard::Ping(_) | Heard::Pong(_) | Heard::Upgrade | Heard::Noop => {
            Owned::Other(format!("{heard:?}"))
        }
    }
}

fn text(text: &str) -> Owned {
    Owned::Text(text.to_owned())
}

fn other(heard: Heard<'_>) -> Owned {
    owned(heard)
}

fn decode_with(
    payloads: &mut Payloads,
    version: Version,
    kind: Kind,
    body: &[u8],
    limits: &Limits,
) -> (Vec<Owned>, Result<(), Violation>) {
    let mut all = Vec::new();
    let result = payloads.decode(version, kind, body, limits, &mut |heard| all.push(owned(heard)));
    (all, result)
}

fn decode(version: Version, kind: Kind, body: impl AsRef<[u8]>) -> (Vec<Owned>, Result<(), Violation>) {
    decode_with(
        &mut Payloads::new(),
        version,
        kind,
        body.as_ref(),
        &Limits::DEFAULT,
    )
}

fn v3(body: impl AsRef<[u8]>) -> (Vec<Owned>, Result<(), Violation>) {
    decode(Version::V3, Kind::Text, body)
}

fn v4(body: impl AsRef<[u8]>) -> (Vec<Owned>, Result<(), Violation>) {
    decode(Version::V4, Kind::Text, body)
}

#[test]
fn the_form_is_that_of_the_request() {
    for (content_type, scripts, kind) in [
        (None, false, Kind::Text),
        (Some("text/plain;charset=UTF-8"), false, Kind::Text),
        (Some("application/octet-stream"), false, Kind::Octets),
        (
            Some("Application/Octet-Stream; charset=UTF-8"),
            false,
            Kind::Octets,
        ),
        (Some("application/x-www-form-urlencoded"), false, Kind::Text),
        (Some("application/x-www-form-urlencoded"), true, Kind::Form),
        (None, true, Kind::Form),
    ] {
        assert_eq!(Kind::of(content_type, scripts), kind, "{content_type:?}");
    }
}

#[test]
fn version_4_separates_its_packets() {
    assert_eq!(
        v4("42[\"가\"]\u{1e}2\u{1e}bAAEC\u{1e}3probe\u{1e}4"),
        (
            vec![
                text("2[\"가\"]"),
                other(Heard::Ping("")),
                Owned::Binary(vec![0, 1, 2]),
                other(Heard::Pong("probe")),
                text(""),
            ],
            Ok(())
        )
    );
    assert_eq!(v4(""), (vec![], Err(Violation::Empty)));
    for (body, heard) in [
        ("4a\u{1e}", vec![text("a")]),
        ("\u{1e}4a", vec![]),
        ("4a\u{1e}\u{1e}4b", vec![text("a")]),
    ] {
        assert_eq!(v4(body), (heard, Err(Violation::Empty)), "{body:?}");
    }
    assert_eq!(
        v4("4a\u{1e}x"),
        (vec![text("a")], Err(Violation::UnknownType(b'x')))
    );
    assert_eq!(v4(b"4a\xff"), (vec![], Err(Violation::NotUtf8)));
    assert_eq!(
        decode(Version::V4, Kind::Octets, "4a"),
        (vec![], Err(Violation::Octets))
    );
}

#[test]
fn version_3_counts_utf_16_units() {
    assert_eq!(
        v3("7:42[\"가\"]1:22:4😀"),
        (
            vec![text("2[\"가\"]"), other(Heard::Ping(""))],
            Err(Violation::LengthLies)
        ),
        "the last length ends inside a character"
    );
    assert_eq!(v3("3:4😀"), (vec![text("😀")], Ok(())));
    assert_eq!(
        v3("5:4😀가a6:b4AAEC"),
        (vec![text("😀가a"), Owned::Binary(vec![0, 1, 2])], Ok(()))
    );
    assert_eq!(
        v3("0:"),
        (vec![], Ok(())),
        "what a client sends that has nothing to say"
    );
    assert_eq!(v3("0:2:4a"), (vec![text("a")], Ok(())));
}

#[test]
fn lengths_of_version_3_are_plain_numbers() {
    for body in [
        ":4a",
        "4a",
        "02:4a",
        "00:",
        "+2:4a",
        " 2:4a",
        "2 :4a",
        "0x2:4a",
        "2e0:4a",
        "٢:4a",
        "a:",
        "12345678901234:4",
        "2",
    ] {
        assert_eq!(v3(body), (vec![], Err(Violation::NotALength)), "{body}");
    }
    assert_eq!(v3("2:4a3"), (vec![text("a")], Err(Violation::NotALength)));
}

#[test]
fn lengths_of_version_3_that_lie_are_found() {
    for body in ["3:4a", "9999999999999:4a", "2:", "1:", "2:4", "3:4가"] {
        assert_eq!(v3(body), (vec![], Err(Violation::LengthLies)), "{body}");
    }
    assert_eq!(v3("1:4a"), (vec![text("")], Err(Violation::NotALength)));
    assert_eq!(v3("1:x"), (vec![], Err(Violation::UnknownType(b'x'))));
    assert_eq!(v3(""), (vec![], Err(Violation::Empty)));
}

#[test]
fn every_cut_of_a_payload_is_a_violation_or_a_prefix() {
    let whole = "7:42[\"가\"]6:b4AAEC3:4😀1:2";
    let all = v3(whole).0;
    for cut in 1..whole.len() {
        let (heard, result) = v3(&whole.as_bytes()[..cut]);
        assert!(all.starts_with(&heard), "{cut}");
        let at_a_seam = [11, 19, 26].contains(&cut);
        assert_eq!(result.is_ok(), at_a_seam, "{cut}: {result:?}");
    }
}

/// A record of version 3 as clients of Socket.IO 1 write it: encoded once more than the transport does.
fn twice(packet: &str) -> String {
    let latin: String = packet.bytes().map(char::from).collect();
    format!("{}:{latin}", latin.chars().count())
}

#[test]
fn what_was_encoded_twice_is_decoded_twice() {
    for packet in ["4안녕", "42[\"message\",\"é 😀\"]", "4plain"] {
        assert_eq!(v3(twice(packet)), (vec![text(&packet[1..])], Ok(())), "{packet}");
    }
    let body = twice("4안녕") + "2:4a" + &twice("4é");
    assert_eq!(v3(body), (vec![text("안녕"), text("a"), text("é")], Ok(())));
}

#[test]
fn what_was_encoded_once_is_left_alone() {
    assert_eq!(
        v3("2:4é"),
        (vec![text("é")], Ok(())),
        "a single byte of Latin-1 is no UTF-8"
    );
    assert_eq!(v3("3:4안녕"), (vec![text("안녕")], Ok(())));
    let mut payloads = Payloads::new();
    let mut hear = |body: &str| {
        decode_with(
            &mut payloads,
            Version::V3,
            Kind::Text,
            body.as_bytes(),
            &Limits::DEFAULT,
        )
        .0
    };
    assert_eq!(hear("3:4Ã©"), [text("é")], "what looks like it is taken for it …");
    assert_eq!(hear("2:4안"), [text("안")]);
    assert_eq!(
        hear("3:4Ã©"),
        [text("Ã©")],
        "… until the client has shown that it does not do this"
    );
}

/// A record among bytes.
fn octets(kind: u8, packet: &[u8]) -> Vec<u8> {
    let mut record = vec![kind];
    record.extend(packet.len().to_string().bytes().map(|digit| digit - b'0'));
    record.push(0xff);
    record.extend_from_slice(packet);
    record
}

fn v3_octets(body: impl AsRef<[u8]>) -> (Vec<Owned>, Result<(), Violation>) {
    decode(Version::V3, Kind::Octets, body)
}

#[test]
fn version_3_has_a_form_in_bytes() {
    let body = [
        octets(0, "4안녕".as_bytes()),
        octets(1, b"\x04\x00\xff"),
        octets(0, b"2probe"),
    ]
    .concat();
    assert_eq!(
        v3_octets(&body),
        (
            vec![
                text("안녕"),
                Owned::Binary(vec![0, 255]),
                other(Heard::Ping("probe"))
            ],
            Ok(())
        )
    );
    let long = "x".repeat(12_345);
    assert_eq!(
        v3_octets(octets(0, format!("4{long}").as_bytes())),
        (vec![text(&long)], Ok(()))
    );
    assert_eq!(
        v3_octets(octets(0, "4Ã©".as_bytes())),
        (vec![text("Ã©")], Ok(())),
        "among bytes nobody encodes twice"
    );
}

#[test]
fn half_a_surrogate_pair_does_not_end_an_old_client() {
    let broken = b"4[\"\xed\x95\x9c \xed\xa0\xbd!\"]";
    let heard = (vec![text("[\"한 \u{fffd}!\"]")], Ok(()));
    assert_eq!(v3_octets(octets(0, broken)), heard);
    let latin: String = broken.iter().copied().map(char::from).collect();
    assert_eq!(v3(format!("{}:{latin}", broken.len())), heard);
    assert_eq!(
        v4(broken),
        (vec![], Err(Violation::NotUtf8)),
        "no client of version 4 does it"
    );
}

#[test]
fn lies_among_bytes_are_found() {
    for (body, violation) in [
        (&b""[..], Violation::Empty),
        (b"\x02\x01\xff4", Violation::NotARecord),
        (b"42[]", Violation::NotARecord),
        (b"\x00", Violation::NotALength),
        (b"\x00\xff", Violation::NotALength),
        (b"\x00\x01", Violation::NotALength),
        (b"\x00\x014", Violation::NotALength),
        (b"\x00\x0a\xff", Violation::NotALength),
        (b"\x00\x00\x01\xff4", Violation::NotALength),
        (
            b"\x00\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\xff4",
            Violation::NotALength,
        ),
        (
            b"\x00\x09\x09\x09\x09\x09\x09\x09\x09\x09\x09\x09\x09\x09\xff4",
            Violation::LengthLies,
        ),
        (b"\x00\x02\xff4", Violation::LengthLies),
        (b"\x00\x02\xff4\xff", Violation::NotUtf8),
        (b"\x00\x00\xff", Violation::Empty),
        (b"\x01\x00\xff", Violation::Empty),
        (b"\x01\x01\xff\x02", Violation::UnknownType(2)),
        (b"\x00\x01\xff7", Violation::UnknownType(b'7')),
    ] {
        assert_eq!(v3_octets(body), (vec![], Err(violation)), "{body:x?}");
    }
}

#[test]
fn every_cut_among_bytes_is_a_violation_or_a_prefix() {
    let records = [
        octets(0, "4안녕".as_bytes()),
        octets(1, b"\x04\x00\xff"),
        octets(0, b"2"),
    ];
    let seams = [records[0].len(), records[0].len() + records[1].len()];
    let whole = records.concat();
    let all = v3_octets(&whole).0;
    for cut in 1..whole.len() {
        let (heard, result) = v3_octets(&whole[..cut]);
        assert!(all.starts_with(&heard), "{cut}");
        assert_eq!(result.is_ok(), seams.contains(&cut), "{cut}: {result:?}");
    }
}

#[test]
fn nothing_is_heard_after_a_close() {
    let closed = (vec![text("a"), other(Heard::Close)], Ok(()));
    assert_eq!(v4("4a\u{1e}1\u{1e}4b"), closed);
    assert_eq!(v4("4a\u{1e}1\u{1e}x"), closed);
    assert_eq!(v3("2:4a1:12:4b"), closed);
    let body = [octets(0, b"4a"), octets(0, b"1"), vec![7]].concat();
    assert_eq!(v3_octets(body), closed);
}

#[test]
fn a_body_and_its_packets_are_bounded() {
    let limits = Limits {
        frame_bytes_max: 12,
        payload_packets_max: 3,
        ..Limits::DEFAULT
    };
    let hear = |version, kind, body: &str| {
        decode_with(&mut Payloads::new(), version, kind, body.as_bytes(), &limits).1
    };
    let most = [Kind::Text, Kind::Octets, Kind::Form].map(|kind| kind.body_bytes_max(&limits));
    assert_eq!(
        most,
        [12, 12, 38],
        "as a form, each byte in three, and the field's name"
    );
    assert_eq!(hear(Version::V4, Kind::Text, "4xxxxxxxxxxx"), Ok(()));
    assert_eq!(
        hear(Version::V4, Kind::Text, "4xxxxxxxxxxxx"),
        Err(Violation::TooLarge)
    );
    assert_eq!(
        hear(Version::V3, Kind::Octets, "4xxxxxxxxxxxx"),
        Err(Violation::TooLarge)
    );
    assert_eq!(hear(Version::V4, Kind::Form, "d=4%78xxxxxxxxxx"), Ok(()));
    assert_eq!(
        hear(Version::V4, Kind::Form, "d=4%78xxxxxxxxxxx"),
        Err(Violation::TooLarge)
    );
    let most = "d=".to_owned() + &"%78".repeat(12);
    assert_eq!(
        hear(Version::V4, Kind::Form, &most),
        Err(Violation::UnknownType(b'x'))
    );
    assert_eq!(
        hear(Version::V4, Kind::Form, &(most + "x")),
        Err(Violation::TooLarge)
    );
    assert_eq!(hear(Version::V4, Kind::Text, "2\u{1e}2\u{1e}2"), Ok(()));
    assert_eq!(
        hear(Version::V4, Kind::Text, "2\u{1e}2\u{1e}2\u{1e}2"),
        Err(Violation::TooManyPackets)
    );
    assert_eq!(hear(Version::V3, Kind::Text, "1:21:21:2"), Ok(()));
    assert_eq!(
        hear(Version::V3, Kind::Text, "1:21:21:21:2"),
        Err(Violation::TooManyPackets)
    );
    assert_eq!(
        hear(Version::V3, Kind::Text, "0:0:0:0:"),
        Err(Violation::TooManyPackets)
    );
    let many = octets(0, b"2").repeat(4);
    let octets = |body: &[u8]| decode_with(&mut Payloads::new(), Version::V3, Kind::Octets, body, &limits).1;
    assert_eq!(octets(&many[..8]), Ok(()));
    let wide = Limits {
        frame_bytes_max: 16,
        ..limits.clone()
    };
    assert_eq!(
        decode_with(&mut Payloads::new(), Version::V3, Kind::Octets, &many, &wide).1,
        Err(Violation::TooManyPackets)
    );
}

#[test]
fn a_form_holds_a_payload() {
    let form = |body: &str| decode(Version::V3, Kind::Form, body);
    assert_eq!(
        form("d=7%3A42%5B%22%EA%B0%80%22%5D"),
        (vec![text("2[\"가\"]")], Ok(()))
    );
    assert_eq!(form("d=5:4+%2b+%2B"), (vec![text(" + +")], Ok(())));
    assert_eq!(form("x=1&d=2:4a&y"), (vec![text("a")], Ok(())));
    for body in ["", "d", "e=2:4a", "d=2:4a&d=2:4a", "d=%", "d=%4", "d=%4g", "d=%é"] {
        assert_eq!(form(body), (vec![], Err(Violation::NotAForm)), "{body}");
    }
    assert_eq!(form("d="), (vec![], Err(Violation::Empty)));
    assert_eq!(form("d=%ff"), (vec![], Err(Violation::NotUtf8)));
}

/// What the page does before it posts: see `form.rs`.
fn protected(payload: &str) -> String {
    payload.replace("\\n", "\\\n").replace('\n', "\\n")
}

#[test]
fn newlines_survive_a_form() {
    for message in [
        "a\nb",
        "\\n",
        "\\\\n",
        "\\\\\\n\n\n\\",
        "\\",
        "n\\x\\",
        "\n\\n\n",
        "\\\\",
    ] {
        let payload = format!("{}:4{message}", message.len() + 1);
        let form = format!(
            "d={}",
            protected(&payload).replace('%', "%25").replace('+', "%2B")
        );
        assert_eq!(
            decode(Version::V3, Kind::Form, &form),
            (vec![text(message)], Ok(())),
            "{message:?}"
        );
    }
}
