//! The framing: any cut of any stream gives the same frames, every limit holds exactly, and idle costs nothing.

#![allow(clippy::unwrap_used, reason = "a test fails where it unwraps")]

use bongsu_model::refusal::Malformed;
use bongsu_model::{Code, Limits, Refusal};
use bongsu_wire::action::{FrameFault, Frames};
use proptest::prelude::*;

type Cut = (Vec<(u64, String)>, Result<(), FrameFault>);

/// Pushes the pieces until one is refused.
fn frames<'a>(pieces: impl IntoIterator<Item = &'a [u8]>, limits: &Limits) -> Cut {
    let mut state = Frames::new();
    let mut seen = Vec::new();
    for piece in pieces {
        let pushed = state.push(piece, limits, |frame| {
            seen.push((frame.at, frame.text.to_owned()))
        });
        if pushed.is_err() {
            return (seen, pushed);
        }
        assert!(state.kept_bytes() <= limits.frame_bytes_max);
        assert_eq!(state.in_frame(), state.kept_bytes() > 0);
    }
    (seen, Ok(()))
}

fn whole(stream: &[u8], limits: &Limits) -> Cut {
    frames([stream], limits)
}

fn fault(stream: &[u8], limits: &Limits) -> FrameFault {
    let one = whole(stream, limits);
    let bytewise = frames(stream.chunks(1), limits);
    assert_eq!(one, bytewise, "the same fault byte by byte");
    one.1.expect_err("the stream is refused")
}

fn limits(frame_bytes_max: usize, json_depth_max: usize) -> Limits {
    Limits {
        frame_bytes_max,
        json_depth_max,
        ..Limits::DEFAULT
    }
}

#[test]
fn no_newline_is_needed_and_any_white_space_does() {
    let stream = b" {\"a\":1}{\"b\":\"}{\"}\r\n\t {\n  \"c\": [\n {} ]\n}\n{}";
    let (seen, end) = whole(stream, &Limits::DEFAULT);
    assert_eq!(end, Ok(()));
    let texts: Vec<_> = seen.iter().map(|(_, text)| text.as_str()).collect();
    assert_eq!(
        texts,
        ["{\"a\":1}", "{\"b\":\"}{\"}", "{\n  \"c\": [\n {} ]\n}", "{}"]
    );
    for (at, text) in &seen {
        let at = usize::try_from(*at).unwrap();
        assert_eq!(&stream[at..at + text.len()], text.as_bytes());
    }
}

#[test]
fn escapes_hide_quotes_and_quotes_hide_braces() {
    for text in [
        r#"{"a":"\"}"}"#,
        r#"{"a":"\\"}"#,
        r#"{"a":"\\\"{"}"#,
        r#"{"\"}":"[[["}"#,
    ] {
        let (seen, end) = frames(text.as_bytes().chunks(1), &limits(100, 1));
        assert_eq!((seen, end), (vec![(0, text.to_owned())], Ok(())));
    }
}

#[test]
fn what_is_no_object_is_refused_at_its_place() {
    for (stream, offset) in [
        (&b"[]"[..], 0),
        (b"\"x\"", 0),
        (b" \n1", 2),
        (b"{}}", 2),
        (b"{} ,{}", 3),
        (b"\xef\xbb\xbf{}", 0),
        (b"{}\0", 2),
        (b"\x0b{}", 0),
    ] {
        assert_eq!(
            fault(stream, &Limits::DEFAULT),
            FrameFault {
                offset,
                what: Malformed::NotAnObject
            }
        );
    }
}

#[test]
fn a_frame_may_be_as_long_as_the_limit_and_no_longer() {
    let max = 64;
    let frame = |bytes: usize| format!("{{\"a\":\"{}\"}}", "x".repeat(bytes - 8));
    for bytes in [max - 1, max] {
        let text = frame(bytes);
        assert_eq!(
            whole(text.as_bytes(), &limits(max, 32)),
            (vec![(0, text.clone())], Ok(()))
        );
    }
    let text = frame(max + 1);
    let found = fault(text.as_bytes(), &limits(max, 32));
    assert_eq!(
        found,
        FrameFault {
            offset: max as u64,
            what: Malformed::FrameTooLarge(max as u64)
        }
    );
    assert_eq!(Refusal::from(found).code, Code::MessageTooLarge);
    // It is found at the first byte too many, not at the end of the frame.
    assert!(frames([&text.as_bytes()[..max]], &limits(max, 32)).1.is_ok());
    assert!(
        frames([&text.as_bytes()[..max], b"x"], &limits(max, 32))
            .1
            .is_err()
    );
    // The frames before it count for nothing.
    let stream = [frame(max), frame(max), frame(max + 1)].concat();
    assert_eq!(fault(stream.as_bytes(), &limits(max, 32)).offset, 3 * max as u64);
}

#[test]
fn a_frame_may_nest_as_deep_as_the_limit_and_no_deeper() {
    for (open, close) in [("[", "]"), ("{\"x\":", "}")] {
        let nested = |depth: usize| {
            // The frame itself is the first level.
            format!("{{\"a\":{}1{}}}", open.repeat(depth - 1), close.repeat(depth - 1))
        };
        for depth in [31, 32] {
            assert!(
                whole(nested(depth).as_bytes(), &limits(1_000, 32)).1.is_ok(),
                "{depth}"
            );
        }
        let offset = (5 + 31 * open.len()) as u64;
        let found = fault(nested(33).as_bytes(), &limits(1_000, 32));
        assert_eq!(
            found,
            FrameFault {
                offset,
                what: Malformed::TooDeep
            }
        );
    }
    // Width is not depth, and each frame begins anew.
    let wide = format!("{{\"a\":[{}{{}}]}}", "{},[],".repeat(100));
    assert!(whole(wide.repeat(3).as_bytes(), &limits(2_000, 3)).1.is_ok());
}

#[test]
fn a_bomb_of_brackets_costs_nothing() {
    assert_eq!(fault(&b"[".repeat(100_000), &Limits::DEFAULT).offset, 0);
    let bomb = [b"{\"a\":".as_slice(), &b"[".repeat(100_000)].concat();
    assert_eq!(fault(&bomb, &Limits::DEFAULT).what, Malformed::TooDeep);
    // Unbalanced brackets are the decoder's to refuse: the braces still tell the frame's end.
    assert_eq!(whole(b"{\"a\":[}{]]]}", &Limits::DEFAULT).0.len(), 2);
}

#[test]
fn invalid_utf_8_is_placed() {
    let frame = b"{\"action\":\"PING\",\"data\":{}}";
    for at in 1..frame.len() {
        let stream = [b"{}".as_slice(), &frame[..at], b"\xff", &frame[at..]].concat();
        let found = fault(&stream, &Limits::DEFAULT);
        assert_eq!(
            found,
            FrameFault {
                offset: 2 + at as u64,
                what: Malformed::NotUtf8
            }
        );
    }
    for bad in [
        &b"\xc0\x80"[..],
        b"\xed\xa0\x80",
        b"\xf4\x90\x80\x80",
        b"\xe2\x82",
        b"\xf0\x9f\x98",
    ] {
        let stream = [b"{\"a\":\"", bad, b"\"}"].concat();
        assert_eq!(
            fault(&stream, &Limits::DEFAULT),
            FrameFault {
                offset: 6,
                what: Malformed::NotUtf8
            }
        );
    }
}

#[test]
fn what_follows_a_fault_is_refused_and_nothing_is_kept() {
    let mut state = Frames::new();
    let limits = limits(10, 32);
    assert!(state.push(b"{\"abcdefgh", &limits, |_| {}).is_ok());
    assert!(state.push(b"ijklmnop", &limits, |_| unreachable!()).is_err());
    assert_eq!((state.kept_bytes(), state.in_frame()), (0, false));
}

/// Objects with everything that may confuse a brace counter.
fn object() -> impl Strategy<Value = String> {
    let text = proptest::collection::vec(
        prop_oneof![
            Just("{"),
            Just("}"),
            Just("["),
            Just("]"),
            Just("\\\""),
            Just("\\\\"),
            Just("한"),
            Just("🔥"),
            Just("é"),
            Just(" "),
            Just("a"),
            Just("\\ud83d\\udd25"),
            Just(":"),
            Just(","),
        ],
        0..12,
    )
    .prop_map(|parts| format!("\"{}\"", parts.concat()));
    let leaf = prop_oneof![text, Just("null".to_owned()), Just("-1.5e3".to_owned())];
    let value = leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(|it| format!("[ {}\n]", it.join(" ,"))),
            proptest::collection::vec(inner, 0..4).prop_map(|it| {
                let pairs: Vec<_> = it
                    .iter()
                    .enumerate()
                    .map(|(i, v)| format!("\"k{i}\":\t{v}"))
                    .collect();
                format!("{{{}}}", pairs.join(","))
            }),
        ]
    });
    proptest::collection::vec(value, 0..4).prop_map(|values| {
        let pairs: Vec<_> = values
            .iter()
            .enumerate()
            .map(|(i, v)| format!("\"k{i}\": {v}"))
            .collect();
        format!("{{{}}}", pairs.join(", "))
    })
}

proptest! {
    #[test]
    fn any_cut_of_any_stream_gives_the_same_frames(
        objects in proptest::collection::vec((object(), "[ \t\r\n]{0,3}"), 0..6),
        cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let stream: String = objects.iter().flat_map(|(object, blank)| [object.as_str(), blank]).collect();
        let stream = stream.as_bytes();
        let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
        at.extend([0, stream.len()]);
        at.sort_unstable();
        let pieces = at.windows(2).map(|pair| &stream[pair[0]..pair[1]]);
        let (seen, end) = frames(pieces, &Limits::DEFAULT);
        prop_assert_eq!(end, Ok(()));
        let texts: Vec<_> = seen.into_iter().map(|(_, text)| text).collect();
        let meant: Vec<_> = objects.into_iter().map(|(object, _)| object).collect();
        prop_assert_eq!(texts, meant);
    }

    #[test]
    fn any_bytes_end_the_same_however_they_are_cut(
        stream in proptest::collection::vec(
            prop_oneof![
                4 => proptest::sample::select(&b"{}[]\"\\ \n:,a1"[..]),
                1 => any::<u8>(),
            ],
            0..200,
        ),
        size in 1_usize..20,
    ) {
        let limits = limits(50, 4);
        prop_assert_eq!(whole(&stream, &limits), frames(stream.chunks(size), &limits));
    }
}
