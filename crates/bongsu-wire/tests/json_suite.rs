//! JSONTestSuite: what it says is JSON is taken as a part of `data`, what it says is none is refused, and what it
//! leaves open does no harm.

#![allow(clippy::unwrap_used, reason = "a test fails where it unwraps")]

mod common;

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use bongsu_model::{Limits, Request};
use bongsu_wire::action::ActionCodec;
use bongsu_wire::incoming::Incoming;

/// The files of the suite's `test_parsing`, by name.
fn suite() -> BTreeMap<String, Vec<u8>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/suites/jsontestsuite-1ef36fa.tar.gz");
    let packed = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut tar = Vec::new();
    flate2::read::GzDecoder::new(packed.as_slice())
        .read_to_end(&mut tar)
        .unwrap();
    let mut files = BTreeMap::new();
    let mut rest = tar.as_slice();
    // A header of 512 bytes has the name at 0 and the size in octal at 124; contents are padded to 512.
    while let Some((header, after)) = rest.split_at_checked(512) {
        let field = |at: usize, len: usize| {
            let text = &header[at..at + len];
            let end = text.iter().position(|&byte| byte == 0).unwrap_or(len);
            std::str::from_utf8(&text[..end]).unwrap().trim().to_owned()
        };
        if header[0] == 0 {
            break;
        }
        let size = usize::from_str_radix(&field(124, 12), 8).unwrap();
        if let Some(name) = field(0, 100).strip_prefix("test_parsing/")
            && !name.is_empty()
        {
            files.insert(name.to_owned(), after[..size].to_vec());
        }
        rest = &after[size.div_ceil(512) * 512..];
    }
    files
}

enum Taken {
    Request,
    Refused,
    Closed,
    Unfinished,
}

/// What becomes of a file that stands in the `metadata` of a message.
fn fed(file: &[u8], chunk: usize) -> Taken {
    let limits = Limits {
        frame_bytes_max: 1 << 20,
        metadata_bytes_max: 1 << 20,
        ..Limits::DEFAULT
    };
    // In an array after another value, so that nothing at all and what closes too much are no JSON, either.
    let head = br#"{"action":"SEND_MESSAGE","data":{"chatroom_id":1,"content":"x","message_type":"text","metadata":{"v":[0,"#;
    let stream = [head, file, b"]}}}"].concat();
    let mut codec = ActionCodec::new();
    let mut out = Vec::new();
    for piece in stream.chunks(chunk) {
        if codec
            .handle_bytes(piece, &common::rules(&limits), &mut out)
            .is_err()
        {
            assert!(out.iter().all(|it| matches!(it, Incoming::Refused { .. })));
            return Taken::Closed;
        }
    }
    match out.as_slice() {
        [Incoming::Request(asked)] => {
            let Request::Post(post) = &asked.request else {
                panic!("a post")
            };
            let carried = post.metadata.as_ref().unwrap().as_str();
            assert!(!carried.contains(['\n', '\r']));
            serde_json::from_str::<serde_json::Value>(carried).expect("what is carried can be read");
            Taken::Request
        }
        [] => Taken::Unfinished,
        _ => {
            assert!(
                out.iter().all(|it| matches!(it, Incoming::Refused { .. })),
                "{out:?}"
            );
            Taken::Refused
        }
    }
}

#[test]
fn every_file_is_taken_or_refused_as_the_suite_says() {
    let files = suite();
    let count = |prefix| files.keys().filter(|name| name.starts_with(prefix)).count();
    assert_eq!((count("y_"), count("n_"), count("i_")), (95, 188, 35));
    for (name, file) in &files {
        for chunk in [1, 7, file.len() + 200] {
            let taken = matches!(fed(file, chunk), Taken::Request);
            match &name[..2] {
                "y_" => assert!(taken, "{name} is JSON"),
                "n_" => assert!(!taken, "{name} is no JSON"),
                _ => {}
            }
        }
    }
}

#[test]
fn what_the_suite_leaves_open_is_decided() {
    for (name, file) in suite().iter().filter(|(name, _)| name.starts_with("i_")) {
        let taken = match fed(file, usize::MAX) {
            Taken::Request => "taken",
            Taken::Refused => "refused",
            Taken::Closed => "closed",
            Taken::Unfinished => "unfinished",
        };
        // Numbers that a double can hold, if not exactly, are taken; all else is refused, and what is no UTF-8 or
        // nests too deep ends the connection.
        let meant = match name.as_str() {
            "i_number_double_huge_neg_exp.json"
            | "i_number_real_underflow.json"
            | "i_number_too_big_neg_int.json"
            | "i_number_too_big_pos_int.json"
            | "i_number_very_big_negative_int.json" => "taken",
            name if name.starts_with("i_number") => "refused",
            "i_structure_500_nested_arrays.json" => "closed",
            // Half surrogates, and a byte order mark.
            _ if std::str::from_utf8(file).is_ok() => "refused",
            _ => "closed",
        };
        assert_eq!(taken, meant, "{name}");
    }
}
