//! Batches taken apart, compressed `data` unpacked, and both at once: exact limits, bombs, and what is no gzip.

#![allow(clippy::unwrap_used, reason = "a test fails where it unwraps")]

mod common;

use std::io::Write;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bongsu_model::refusal::Malformed;
use bongsu_model::{Code, Limits, Refusal, Request, RoomId, RoomRef, UserId, UserRef, Want, Why};
use bongsu_wire::action::client::{request, request_compressed};
use bongsu_wire::incoming::Incoming;
use common::{asked, decode, decode_with, one, refused, understood};
use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut sink = GzEncoder::new(Vec::new(), Compression::best());
    sink.write_all(bytes).unwrap();
    sink.finish().unwrap()
}

fn base64(bytes: &[u8]) -> String {
    BASE64_STANDARD.encode(bytes)
}

/// A JOIN_ROOM whose `data` is this string.
fn packed(data: &str) -> String {
    format!(r#"{{"action":"JOIN_ROOM","data":"{data}","compressed":true,"seq_id":"s"}}"#)
}

fn why(text: &str) -> Refusal {
    refused(text).1
}

#[test]
fn compressed_data_means_what_it_holds() {
    let object = br#" {"chatroom_id":7} "#;
    let whole = base64(&gzip(object));
    for data in [
        whole.clone(),
        whole.trim_end_matches('=').to_owned(),
        whole.replace('/', "\\/"),
    ] {
        let Request::Join { room, .. } = asked(&packed(&data)).request else {
            panic!("a join")
        };
        assert_eq!(room, RoomRef::Id(RoomId(7)));
    }
    // Stored and fixed blocks are gzip, too.
    for level in [Compression::none(), Compression::fast()] {
        let mut sink = GzEncoder::new(Vec::new(), level);
        sink.write_all(object).unwrap();
        asked(&packed(&base64(&sink.finish().unwrap())));
    }
    let (tag, refusal) = refused(&packed(&base64(&gzip(br#"{"chatroom_id":"7"}"#))));
    assert_eq!(tag.reference.as_deref(), Some("s"));
    assert_eq!(refusal, Refusal::field("chatroom_id", Want::Integer));
}

#[test]
fn what_is_no_gzip_is_refused() {
    let object = br#"{"chatroom_id":7}"#;
    let whole = gzip(object);
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
    zlib.write_all(object).unwrap();
    let mut deflate = DeflateEncoder::new(Vec::new(), Compression::fast());
    deflate.write_all(object).unwrap();
    let mut cases: Vec<(String, String)> = vec![
        ("nothing".into(), String::new()),
        ("no base64".into(), "!!!!".into()),
        (
            "base64 of another alphabet".into(),
            base64(&[0xfb; 30]).replace('+', "-"),
        ),
        (
            "white space in base64".into(),
            base64(&whole).replacen("A", "A ", 1),
        ),
        ("zlib".into(), base64(&zlib.finish().unwrap())),
        ("deflate".into(), base64(&deflate.finish().unwrap())),
        ("plain".into(), base64(object)),
        (
            "two members".into(),
            base64(&[whole.clone(), whole.clone()].concat()),
        ),
        (
            "an empty second member".into(),
            base64(&[whole.clone(), gzip(b"")].concat()),
        ),
        (
            "a byte after it".into(),
            base64(&[whole.clone(), vec![0]].concat()),
        ),
        (
            "no UTF-8".into(),
            base64(&gzip(b"{\"chatroom_id\":7,\"x\":\"\xff\"}")),
        ),
    ];
    for bytes in 0..whole.len() {
        cases.push((format!("the first {bytes} bytes"), base64(&whole[..bytes])));
    }
    for byte in whole.len() - 8..whole.len() {
        let mut wrong = whole.clone();
        wrong[byte] ^= 1;
        cases.push((format!("a wrong trailer at {byte}"), base64(&wrong)));
    }
    for (what, data) in cases {
        assert_eq!(why(&packed(&data)), Refusal::field("data", Want::Gzip), "{what}");
    }
}

#[test]
fn what_is_not_the_gzip_of_an_object_is_refused() {
    let whole = gzip(br#"{"chatroom_id":7}"#);
    for raw in ["{}", "[]", "1", "true"] {
        let text = format!(r#"{{"action":"PING","data":{raw},"compressed":true}}"#);
        assert_eq!(why(&text), Refusal::field("data", Want::Gzip), "{raw}");
    }
    for inside in [&b"[]"[..], b"1", b"null", b"\"x\"", b"hello", b"{", b"{}{}", b""] {
        assert_eq!(
            why(&packed(&base64(&gzip(inside)))),
            Refusal::field("data", Want::Object)
        );
    }
    // Gzip in gzip, as bytes and as a JSON string.
    let inner = base64(&whole);
    assert_eq!(
        why(&packed(&base64(&gzip(inner.as_bytes())))),
        Refusal::field("data", Want::Object)
    );
    assert_eq!(
        why(&packed(&base64(&gzip(format!("\"{inner}\"").as_bytes())))),
        Refusal::field("data", Want::Object)
    );
    // A string that nobody said is compressed is a string.
    let text = format!(r#"{{"action":"JOIN_ROOM","data":"{inner}"}}"#);
    assert_eq!(why(&text), Refusal::field("data", Want::Object));
}

#[test]
fn unpacking_stops_at_the_limit_and_not_before() {
    let max = Limits::DEFAULT.decompressed_bytes_max;
    let too_large = Refusal::too_large("data", max as u64);
    let object = |bytes: usize| format!(r#"{{"chatroom_id":7,"x":"{}"}}"#, "y".repeat(bytes - 24));
    for bytes in [max - 1, max] {
        assert_eq!(object(bytes).len(), bytes);
        asked(&packed(&base64(&gzip(object(bytes).as_bytes()))));
    }
    assert_eq!(
        why(&packed(&base64(&gzip(object(max + 1).as_bytes())))),
        too_large
    );
    // A bomb is too large before it is anything else.
    let bomb = gzip(&vec![0; 30 << 20]);
    assert_eq!(why(&packed(&base64(&bomb))), too_large);
    assert_eq!(why(&packed(&base64(&bomb[..bomb.len() / 2]))), too_large);
}

#[test]
fn unpacked_data_may_nest_as_deep_as_if_it_had_come_plain() {
    let object = |depth: usize| {
        format!(
            r#"{{"chatroom_id":7,"x":{}{}}}"#,
            "[".repeat(depth - 1),
            "]".repeat(depth - 1)
        )
    };
    // The envelope is the first level.
    let max = Limits::DEFAULT.json_depth_max - 1;
    for depth in [max - 1, max] {
        asked(&packed(&base64(&gzip(object(depth).as_bytes()))));
        decode_with(&request("JOIN_ROOM", &object(depth), "s"), &Limits::DEFAULT);
    }
    let refusal = why(&packed(&base64(&gzip(object(max + 1).as_bytes()))));
    assert!(
        matches!(
            refusal.why,
            Why::Malformed {
                what: Malformed::TooDeep,
                ..
            }
        ),
        "{refusal:?}"
    );
    // Brackets in strings are no nesting.
    let text = format!(
        r#"{{"chatroom_id":7,"x":"{}\"{}"}}"#,
        "[".repeat(99),
        "{".repeat(99)
    );
    asked(&packed(&base64(&gzip(text.as_bytes()))));
    why(&packed(&base64(&gzip(object(100_000).as_bytes()))));
}

fn batch(entries: &[&str]) -> String {
    format!(
        r#"{{"action":"BATCH_MESSAGES","data":{{"messages":[{}]}},"seq_id":"b","user_id":5}}"#,
        entries.join(" , ")
    )
}

#[test]
fn each_entry_is_a_request_of_its_own() {
    let compressed = String::from_utf8(request_compressed("JOIN_ROOM", r#"{"chatroom_id":7}"#, "e")).unwrap();
    let out = decode(&batch(&[
        r#"{"action":"PING","seq_id":"a"}"#,
        r#"{"action":"JOIN_ROOM","seq_id":"b2","data":{"chatroom_id":"1"}}"#,
        r#"{"action":"PING"}"#,
        r#"{"action":"FLY","seq_id":"c"}"#,
        r#"{"action":"PING","seq_id":"d","user_id":6}"#,
        compressed.trim(),
        r#"{"action":"PING","seq_id":"x","seq_id":"y"}"#,
        "7",
        r#"{"action":"BATCH_MESSAGES","seq_id":"f","data":{"messages":[{"action":"PING"}]}}"#,
    ]));
    let seen: Vec<_> = out
        .into_iter()
        .map(|incoming| match understood(incoming) {
            Ok(asked) => (asked.tag.reference, Ok(asked.claimed_user)),
            Err((tag, refusal)) => (tag.reference, Err(refusal)),
        })
        .collect();
    let user = |id| Ok(Some(UserRef::Id(UserId(id))));
    let [a, b, c, d, e, f, (None, Err(twice)), g, h] = seen.as_slice() else {
        panic!("{seen:?}")
    };
    assert_eq!(
        *a,
        (Some("a".into()), user(5)),
        "an entry comes from whom its batch comes from"
    );
    assert_eq!(
        *b,
        (
            Some("b2".into()),
            Err(Refusal::field("chatroom_id", Want::Integer))
        )
    );
    assert_eq!(*c, (None, user(5)));
    assert_eq!(*d, (Some("c".into()), Err(Refusal::new(Code::InvalidAction))));
    assert_eq!(*e, (Some("d".into()), user(6)));
    assert_eq!(*f, (Some("e".into()), user(5)));
    assert!(
        matches!(
            twice.why,
            Why::Malformed {
                what: Malformed::DuplicateKey,
                ..
            }
        ),
        "{twice:?}"
    );
    assert_eq!(
        *g,
        (Some("b".into()), Err(Refusal::field("messages", Want::Object)))
    );
    assert_eq!(
        *h,
        (
            Some("f".into()),
            Err(Refusal::field("messages.action", Want::Other))
        )
    );
}

#[test]
fn a_fault_in_an_entry_is_placed_in_the_stream() {
    let text = batch(&[r#"{"action":"PING"}"#, r#"{"action":"PING","action":"PING"}"#]);
    let at = text.rfind(r#""action":"PING"}"#).unwrap() as u64;
    let out = decode_with(format!("  {text}").as_bytes(), &Limits::DEFAULT);
    let Incoming::Refused { refusal, .. } = &out[1] else {
        panic!("{out:?}")
    };
    let Why::Malformed { offset, .. } = refusal.why else {
        panic!("{refusal:?}")
    };
    assert!(
        (at + 2..at + 2 + 9).contains(&offset),
        "{offset} is in the second key at {at}"
    );
}

#[test]
fn a_batch_holds_its_limit() {
    let max = Limits::DEFAULT.batch_max;
    for count in [0, 1, max - 1, max] {
        assert_eq!(decode(&batch(&vec![r#"{"action":"PING"}"#; count])).len(), count);
    }
    let refusal = why(&batch(&vec![r#"{"action":"PING"}"#; max + 1]));
    assert_eq!(refusal, Refusal::field("messages", Want::ArrayOf(max)));
    assert_eq!(why(&batch(&vec!["0"; 16_000])), refusal);
}

#[test]
fn a_batch_may_come_compressed_but_not_its_entries_with_it() {
    let compressed = String::from_utf8(request_compressed("PING", "{}", "e")).unwrap();
    let data = format!(r#"{{"messages":[{{"action":"PING","seq_id":"a"}},{compressed}]}}"#);
    let out = decode_with(
        &request_compressed("BATCH_MESSAGES", &data, "b"),
        &Limits::DEFAULT,
    );
    let [Incoming::Request(first), Incoming::Refused { tag, refusal }] = out.as_slice() else {
        panic!("{out:?}")
    };
    assert_eq!(first.tag.reference.as_deref(), Some("a"));
    assert_eq!(tag.reference.as_deref(), Some("e"));
    assert_eq!(*refusal, Refusal::field("messages.compressed", Want::Other));
}

#[test]
fn a_batch_of_bombs_costs_no_more_than_one() {
    let limits = Limits {
        decompressed_bytes_max: 1_000,
        ..Limits::DEFAULT
    };
    let object = format!(r#"{{"x":"{}"}}"#, "y".repeat(400 - 8));
    let entry = String::from_utf8(request_compressed("PING", &object, "e")).unwrap();
    let out = decode_with(batch(&[entry.trim(); 4]).as_bytes(), &limits);
    let fits: Vec<_> = out
        .iter()
        .map(|incoming| matches!(incoming, Incoming::Request(_)))
        .collect();
    assert_eq!(
        fits,
        [true, true, false, false],
        "two of 400 bytes fit into 1,000"
    );
    // The next frame has its own.
    one(entry.as_bytes(), &limits).unwrap();
}
