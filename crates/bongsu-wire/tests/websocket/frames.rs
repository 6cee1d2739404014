//! Every rule of RFC 6455 about frames, messages and closes, by examples on both sides of it.

use bongsu_wire::websocket::{Decoder, Heard, Opcode, Role, Violation, frame as server_frame};

use crate::wire::{
    BINARY, CLOSE, CONTINUATION, FIN, LIMITS, PING, PONG, RSV1, Said, TEXT, bare_frame, frame, header_in,
    hear, hear_as, text,
};

#[test]
fn the_examples_of_the_rfc() {
    // RFC 6455, 5.7.
    let from_client: &[(&[u8], Said)] = &[
        (
            &[0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58],
            text("Hello"),
        ),
        (
            &[0x8a, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58],
            Said::Pong(b"Hello".to_vec()),
        ),
    ];
    for (bytes, said) in from_client {
        assert_eq!(hear(bytes), (vec![said.clone()], Ok(())));
    }
    let from_server: &[(&[u8], Said)] = &[
        (&[0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f], text("Hello")),
        (
            &[0x01, 0x03, 0x48, 0x65, 0x6c, 0x80, 0x02, 0x6c, 0x6f],
            text("Hello"),
        ),
        (
            &[0x89, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f],
            Said::Ping(b"Hello".to_vec()),
        ),
    ];
    for (bytes, said) in from_server {
        assert_eq!(hear_as(Role::Client, false, bytes), (vec![said.clone()], Ok(())));
    }
}

#[test]
fn what_we_send_a_client_hears() {
    for (opcode, payload, said) in [
        (Opcode::Text, "가".repeat(100), text(&"가".repeat(100))),
        (Opcode::Binary, String::new(), Said::Binary(Vec::new())),
        (Opcode::Ping, "p".into(), Said::Ping(b"p".to_vec())),
        (Opcode::Pong, "p".into(), Said::Pong(b"p".to_vec())),
        (Opcode::Close, String::new(), Said::Close(None)),
    ] {
        let frame = server_frame(opcode, payload.as_bytes());
        assert_eq!(hear_as(Role::Client, false, &frame), (vec![said], Ok(())));
    }
}

#[test]
fn every_form_of_length() {
    for bytes in [0, 1, 125, 126, 127, 128, 999, 1_000] {
        let payload = "x".repeat(bytes);
        assert_eq!(
            hear(&frame(FIN | TEXT, payload.as_bytes())),
            (vec![text(&payload)], Ok(()))
        );
    }
    for (payload, form, violation) in [
        (125, 2, Violation::LengthNotMinimal),
        (0, 2, Violation::LengthNotMinimal),
        (126, 8, Violation::LengthNotMinimal),
        (65_535, 8, Violation::LengthNotMinimal),
        (1 << 63, 8, Violation::LengthHighBit),
        (u64::MAX, 8, Violation::LengthHighBit),
        (u64::MAX >> 1, 8, Violation::TooLarge),
    ] {
        for (role, mask) in [(Role::Server, Some([0; 4])), (Role::Client, None)] {
            let header = header_in(FIN | TEXT, mask, payload, form);
            assert_eq!(hear_as(role, false, &header), (vec![], Err(violation)));
        }
    }
    // The highest bit is known before the rest of the length.
    assert_eq!(
        hear(&[FIN | BINARY, 0xff, 0x80]),
        (vec![], Err(Violation::LengthHighBit))
    );
}

#[test]
fn masks_are_for_clients_only() {
    assert_eq!(
        hear(&bare_frame(FIN | TEXT, b"x")),
        (vec![], Err(Violation::Unmasked))
    );
    assert_eq!(
        hear_as(Role::Client, false, &frame(FIN | TEXT, b"x")),
        (vec![], Err(Violation::Masked))
    );
}

#[test]
fn first_bytes_that_mean_nothing() {
    for first in 0..=u8::MAX {
        let (_, end) = hear(&[first]);
        let expected = match (first & 0x70, first & 0x0f, first & FIN != 0) {
            (0x10.., _, _) => Err(Violation::ReservedBits),
            (_, unknown @ (3..8 | 11..), _) => Err(Violation::UnknownOpcode(unknown)),
            (_, 8.., false) => Err(Violation::FragmentedControl),
            (_, 0, _) => Err(Violation::NothingToContinue),
            (_, _, _) => Ok(()),
        };
        assert_eq!(end, expected, "{first:#04x}");
    }
    // The first reserved bit means something where it was negotiated, on a message's first frame.
    for (first, expected) in [
        (FIN | RSV1 | TEXT, Ok(())),
        (RSV1 | BINARY, Ok(())),
        (FIN | RSV1 | 0x20 | TEXT, Err(Violation::ReservedBits)),
        (FIN | 0x10 | TEXT, Err(Violation::ReservedBits)),
        (FIN | RSV1 | PING, Err(Violation::ReservedBits)),
        (FIN | RSV1 | CLOSE, Err(Violation::ReservedBits)),
        (FIN | RSV1 | 3, Err(Violation::UnknownOpcode(3))),
        (FIN | RSV1 | CONTINUATION, Err(Violation::ReservedBits)),
    ] {
        assert_eq!(hear_as(Role::Server, true, &[first]).1, expected, "{first:#04x}");
    }
    let continued = [frame(RSV1 | TEXT, b""), vec![RSV1]].concat();
    assert_eq!(
        hear_as(Role::Server, true, &continued),
        (vec![], Err(Violation::ReservedBits))
    );
}

#[test]
fn control_frames_are_short_and_whole_and_come_between_fragments() {
    let full = [7; 125];
    let stream = [
        frame(TEXT, "한".as_bytes()),
        frame(FIN | PING, &full),
        frame(CONTINUATION, b""),
        frame(FIN | PONG, b""),
        frame(FIN | CONTINUATION, "글".as_bytes()),
        frame(FIN | BINARY, b"\0"),
    ]
    .concat();
    let said = vec![
        Said::Ping(full.to_vec()),
        Said::Pong(vec![]),
        text("한글"),
        Said::Binary(vec![0]),
    ];
    assert_eq!(hear(&stream), (said, Ok(())));
    for opcode in [CLOSE, PING, PONG] {
        assert_eq!(
            hear(&frame(FIN | opcode, &[7; 126])),
            (vec![], Err(Violation::ControlTooLong))
        );
        assert_eq!(
            hear(&[FIN | opcode, 0xff]),
            (vec![], Err(Violation::ControlTooLong))
        );
    }
}

#[test]
fn messages_do_not_mix() {
    let begun = frame(TEXT, b"a");
    for next in [TEXT, BINARY, FIN | TEXT, FIN | BINARY] {
        let stream = [&begun[..], &frame(next, b"b")].concat();
        assert_eq!(hear(&stream), (vec![], Err(Violation::MessageInMessage)));
    }
    let stream = [frame(FIN | TEXT, b"a"), frame(FIN | CONTINUATION, b"b")].concat();
    assert_eq!(
        hear(&stream),
        (vec![text("a")], Err(Violation::NothingToContinue))
    );
}

#[test]
fn text_is_refused_at_the_first_byte_that_cannot_be_utf_8() {
    // Beginnings that no continuation can mend: the shortest of each kind.
    for (bad, at) in [
        (&b"\x80"[..], 1),
        (b"\xc0\xaf", 1),
        (b"\xc1\xbf", 1),
        (b"\xe0\x80\x80", 2),
        (b"\xed\xa0\x80", 2),
        (b"\xf0\x8f\xbf\xbf", 2),
        (b"\xf4\x90\x80\x80", 2),
        (b"\xf5\x80\x80\x80", 1),
        (b"\xff", 1),
        (b"\xe1\x80\xe1", 3),
        (b"\xf1\x80\x80x", 4),
    ] {
        // In one frame, whose rest never comes.
        let mut payload = "κόσμε".as_bytes().to_vec();
        let before = payload.len();
        payload.extend(bad);
        payload.extend([b'x'; 40]);
        let stream = frame(FIN | TEXT, &payload);
        let headed = stream.len() - payload.len() + before;
        assert_eq!(hear(&stream[..headed + at - 1]), (vec![], Ok(())), "{bad:x?}");
        assert_eq!(
            hear(&stream[..headed + at]),
            (vec![], Err(Violation::NotUtf8)),
            "{bad:x?}"
        );
        // With the offending byte in a fragment of its own, of a message whose end never comes.
        let (before, after) = payload.split_at(before + at - 1);
        let stream = [frame(TEXT, before), frame(CONTINUATION, &after[..1])].concat();
        assert_eq!(hear(&stream), (vec![], Err(Violation::NotUtf8)), "{bad:x?}");
    }
}

#[test]
fn text_ends_with_a_whole_character() {
    for (char, bytes) in [("é", 2), ("한", 3), ("😀", 4)] {
        for cut in 1..bytes {
            let (head, tail) = char.as_bytes().split_at(cut);
            assert_eq!(hear(&frame(FIN | TEXT, head)), (vec![], Err(Violation::NotUtf8)));
            let ended = [frame(TEXT, head), frame(FIN | CONTINUATION, b"")].concat();
            assert_eq!(hear(&ended), (vec![], Err(Violation::NotUtf8)));
            let continued = [frame(TEXT, head), frame(FIN | CONTINUATION, tail)].concat();
            assert_eq!(hear(&continued), (vec![text(char)], Ok(())));
        }
        // Bytes are nobody's characters.
        let bytes = char.as_bytes()[..1].to_vec();
        assert_eq!(
            hear(&frame(FIN | BINARY, &bytes)),
            (vec![Said::Binary(bytes)], Ok(()))
        );
    }
}

#[test]
fn closes_say_a_code_that_may_be_sent() {
    assert_eq!(hear(&frame(FIN | CLOSE, b"")), (vec![Said::Close(None)], Ok(())));
    assert_eq!(
        hear(&frame(FIN | CLOSE, &[3])),
        (vec![], Err(Violation::BadCloseLength))
    );
    for code in 0..=u16::MAX {
        let payload = [&code.to_be_bytes()[..], b"why"].concat();
        let may = match code {
            1000..=1003 | 1007..=1014 | 3000..=4999 => {
                (vec![Said::Close(Some((code, "why".into())))], Ok(()))
            }
            _ => (vec![], Err(Violation::BadCloseCode(code))),
        };
        assert_eq!(hear(&frame(FIN | CLOSE, &payload)), may);
    }
    assert_eq!(
        hear(&frame(FIN | CLOSE, b"\x03\xe8\xe2\x82")),
        (vec![], Err(Violation::CloseReasonNotUtf8))
    );
    let longest = [&[0x03, 0xe8][..], &[b'x'; 123]].concat();
    assert_eq!(
        hear(&frame(FIN | CLOSE, &longest)),
        (vec![Said::Close(Some((1000, "x".repeat(123))))], Ok(()))
    );
}

#[test]
fn nothing_is_heard_after_the_end() {
    // Whatever follows a close, nonsense included.
    let mut stream = frame(FIN | CLOSE, b"\x03\xe8");
    stream.extend(frame(FIN | TEXT, b"late"));
    stream.extend([0xff; 40]);
    let said = vec![Said::Close(Some((1000, String::new())))];
    assert_eq!(hear(&stream), (said, Ok(())));
    // Also when it comes within a message.
    let within = [
        frame(TEXT, b"a"),
        frame(FIN | CLOSE, b""),
        frame(FIN | CONTINUATION, b"b"),
    ]
    .concat();
    assert_eq!(hear(&within), (vec![Said::Close(None)], Ok(())));

    let mut decoder = Decoder::new(Role::Server, false);
    decoder
        .push(&mut [0xff], &LIMITS, &mut |_| {})
        .expect_err("nonsense");
    let mut late = frame(FIN | TEXT, b"late");
    decoder
        .push(&mut late, &LIMITS, &mut |heard| {
            panic!("{heard:?} after a violation")
        })
        .expect("it is not looked at");
    assert!(!decoder.in_frame());
}

#[test]
fn whole_frames_are_handed_out_from_the_caller_s_buffer() {
    let mut stream = [
        frame(FIN | TEXT, b"one"),
        frame(FIN | PING, b"two"),
        frame(FIN | BINARY, b"three"),
        frame(FIN | CLOSE, b"\x03\xe8four"),
    ]
    .concat();
    let place = stream.as_ptr_range();
    let place = place.start as usize..place.end as usize;
    let mut seen = 0;
    Decoder::new(Role::Server, false)
        .push(&mut stream, &LIMITS, &mut |heard| {
            let at = match heard {
                Heard::Text(text) => text.as_ptr(),
                Heard::Binary(bytes) | Heard::Ping(bytes) | Heard::Pong(bytes) => bytes.as_ptr(),
                Heard::Close(closed) => closed.expect("it has a code").reason.as_ptr(),
            };
            assert!(place.contains(&(at as usize)), "{heard:?} was copied");
            seen += 1;
        })
        .expect("well formed");
    assert_eq!(seen, 4);
}
