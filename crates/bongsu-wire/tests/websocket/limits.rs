//! Every limit at its value, one below and one above; nothing is kept beyond it, and nothing before it came.

use bongsu_wire::websocket::{Decoder, MessageLimits, Role, Violation};

use crate::wire::{
    BINARY, CONTINUATION, FIN, LIMITS, PING, RSV1, Said, TEXT, frame, header, hear, hear_as, hear_in,
    packed_bytes_max, text,
};

const MAX: usize = LIMITS.message_bytes_max;

#[test]
fn a_message_in_one_frame() {
    for bytes in [MAX - 1, MAX] {
        let payload = "x".repeat(bytes);
        assert_eq!(
            hear(&frame(FIN | TEXT, payload.as_bytes())),
            (vec![text(&payload)], Ok(()))
        );
    }
    // The header is enough to know, even without its mask.
    for bytes in [MAX + 1, MAX * 2, usize::MAX / 2] {
        let header = header(FIN | TEXT, Some([1; 4]), bytes as u64);
        let without_mask = &header[..header.len() - 4];
        assert_eq!(hear(without_mask), (vec![], Err(Violation::TooLarge)));
        assert_eq!(hear(&without_mask[..without_mask.len() - 1]), (vec![], Ok(())));
    }
}

#[test]
fn a_message_in_fragments() {
    let most = vec![b'x'; MAX - 10];
    for (last, fits) in [(9, true), (10, true), (11, false)] {
        let stream = [
            frame(BINARY, &most),
            frame(FIN | PING, &[0; 125]),
            frame(FIN | CONTINUATION, &vec![b'x'; last]),
        ]
        .concat();
        let (said, end) = hear(&stream);
        assert_eq!(said[0], Said::Ping(vec![0; 125]));
        if fits {
            assert_eq!(
                (&said[1..], end),
                (&[Said::Binary(vec![b'x'; MAX - 10 + last])][..], Ok(()))
            );
        } else {
            assert_eq!((said.len(), end), (1, Err(Violation::TooLarge)));
        }
    }
    // Each within the limit, and together never: not even an empty message gains by fragments.
    let stream = [frame(TEXT, &[b'x'; MAX]), frame(CONTINUATION, b"")].concat();
    assert_eq!(hear(&stream), (vec![], Ok(())));
    let stream = [&stream[..], &frame(FIN | CONTINUATION, b"x")].concat();
    assert_eq!(hear(&stream), (vec![], Err(Violation::TooLarge)));
}

#[test]
fn fragments_are_counted_even_if_they_are_empty() {
    let max = LIMITS.fragments_max;
    for (fragments, fits) in [(max - 1, true), (max, true), (max + 1, false)] {
        let mut stream = frame(TEXT, b"");
        for _ in 2..fragments {
            stream.extend(frame(CONTINUATION, b""));
            stream.extend(frame(FIN | PING, b""));
        }
        stream.extend(frame(FIN | CONTINUATION, b""));
        let (said, end) = hear(&stream);
        assert_eq!(said.contains(&text("")), fits, "{fragments}");
        assert_eq!(
            end,
            if fits {
                Ok(())
            } else {
                Err(Violation::TooManyFragments)
            },
            "{fragments}"
        );
    }
    // Fragments without end cost what the limit says, and end.
    let mut decoder = Decoder::new(Role::Server, false);
    let mut fragments = 1;
    decoder
        .push(&mut frame(TEXT, b""), &LIMITS, &mut |_| {})
        .expect("a message begins");
    let end = loop {
        fragments += 1;
        if let Err(end) = decoder.push(&mut frame(CONTINUATION, b"x"), &LIMITS, &mut |_| {}) {
            break end;
        }
        assert!(decoder.kept_bytes() <= fragments);
    };
    assert_eq!((end, fragments), (Violation::TooManyFragments, max + 1));
}

#[test]
fn a_limit_of_nothing_still_takes_what_is_empty() {
    let limits = MessageLimits {
        message_bytes_max: 0,
        fragments_max: 0,
    };
    let hear = |stream: &[u8]| {
        let (said, end) = hear_in(Decoder::new(Role::Server, true), stream, 3, &limits);
        (said, end.map(|_| ()))
    };
    assert_eq!(hear(&frame(FIN | TEXT, b"")), (vec![text("")], Ok(())));
    assert_eq!(hear(&frame(FIN | RSV1 | TEXT, b"\0")), (vec![text("")], Ok(())));
    assert_eq!(hear(&frame(FIN | TEXT, b"x")), (vec![], Err(Violation::TooLarge)));
    assert_eq!(
        hear(&frame(TEXT, b"")),
        (vec![], Err(Violation::TooManyFragments))
    );
}

#[test]
fn a_compressed_message_on_the_wire() {
    let max = packed_bytes_max(&LIMITS);
    for (bytes, expected) in [
        (max - 1, Ok(())),
        (max, Ok(())),
        (max + 1, Err(Violation::TooLarge)),
    ] {
        let header = header(FIN | RSV1 | TEXT, Some([0; 4]), bytes as u64);
        assert_eq!(hear_as(Role::Server, true, &header), (vec![], expected));
        // The fragments after the first do not say that they are compressed.
        let stream = [frame(RSV1 | TEXT, b"x"), frame(CONTINUATION, &vec![0; bytes - 1])].concat();
        assert_eq!(hear_as(Role::Server, true, &stream), (vec![], expected));
    }
}

#[test]
fn nothing_is_kept_that_did_not_come() {
    let limits = MessageLimits {
        message_bytes_max: 1 << 40,
        fragments_max: 8,
    };
    let mut decoder = Decoder::new(Role::Server, false);
    let mut header = header(FIN | BINARY, Some([0; 4]), 1 << 40);
    decoder
        .push(&mut header, &limits, &mut |_| {})
        .expect("within the limit");
    // A terabyte was announced; had it been reserved, the test would not be here to tell.
    assert!(decoder.in_frame());
    assert_eq!(decoder.kept_bytes(), 0);
    decoder
        .push(&mut [7; 100], &limits, &mut |_| {})
        .expect("within the limit");
    assert_eq!(decoder.kept_bytes(), 100);
}
