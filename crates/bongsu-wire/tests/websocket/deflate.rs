//! Compression: the RFC's examples, every size, the window that was promised, and what bombs and bad streams get.

use bongsu_wire::websocket::{Decoder, HEADER_BYTES_MAX, MessageLimits, Opcode, Role, Violation, deflated};
use flate2::{Compress, Compression, FlushCompress};
use proptest::prelude::*;

use crate::puff::puff;
use crate::wire::{CONTINUATION, FIN, RSV1, Said, TEXT, bare_frame, frame, hear_as, hear_in, text};

/// What other senders may do: any level, one context for all messages if they are asked for it.
fn pack(engine: &mut Compress, payload: &[u8]) -> Vec<u8> {
    let mut packed = Vec::with_capacity(payload.len() + payload.len() / 100 + 64);
    engine
        .compress_vec(payload, &mut packed, FlushCompress::Sync)
        .expect("it is never finished");
    assert!(packed.ends_with(&[0, 0, 255, 255]));
    packed.truncate(packed.len() - 4);
    packed
}

fn pack_once(payload: &[u8]) -> Vec<u8> {
    pack(&mut Compress::new(Compression::best(), false), payload)
}

/// Bytes that do not compress, the same ones every time.
fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    })
    .take(bytes)
    .collect()
}

/// What a server with these limits hears of one compressed message.
fn hear_packed(packed: &[u8], limits: &MessageLimits) -> Result<Vec<Said>, Violation> {
    let stream = frame(FIN | RSV1 | 2, packed);
    let (said, end) = hear_in(Decoder::new(Role::Server, true), &stream, stream.len(), limits);
    end.map(|_| said)
}

fn limits(message_bytes_max: usize) -> MessageLimits {
    MessageLimits {
        message_bytes_max,
        fragments_max: 8,
    }
}

/// A server's frame: whether it is compressed, and its payload.
fn open(frame: &[u8]) -> (bool, &[u8]) {
    let header = match frame[1] {
        0..126 => 2,
        126 => 4,
        _ => HEADER_BYTES_MAX,
    };
    (frame[0] & RSV1 != 0, &frame[header..])
}

#[test]
fn the_examples_of_the_rfc() {
    // RFC 7692, 7.2.3: compressed, in fragments, stored, with a last block, in two blocks; and nothing at all.
    for stream in [
        &[0xc1, 0x07, 0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00][..],
        &[0x41, 0x03, 0xf2, 0x48, 0xcd, 0x80, 0x04, 0xc9, 0xc9, 0x07, 0x00],
        &[
            0xc1, 0x0b, 0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00,
        ],
        &[0xc1, 0x08, 0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00],
        &[
            0xc1, 0x0d, 0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00,
        ],
    ] {
        assert_eq!(
            hear_as(Role::Client, true, stream),
            (vec![text("Hello")], Ok(())),
            "{stream:x?}"
        );
    }
    assert_eq!(
        hear_as(Role::Client, true, &[0xc1, 0x01, 0x00]),
        (vec![text("")], Ok(()))
    );
}

#[test]
fn compressed_and_plain_messages_take_turns() {
    let stream = [
        frame(FIN | RSV1 | TEXT, &pack_once(b"one one one one one")),
        frame(FIN | TEXT, b"two"),
        frame(RSV1 | TEXT, &pack_once("셋".repeat(50).as_bytes())),
        frame(FIN | CONTINUATION, b""),
        frame(FIN | TEXT, b"four"),
    ]
    .concat();
    let said = [
        text("one one one one one"),
        text("two"),
        text(&"셋".repeat(50)),
        text("four"),
    ];
    assert_eq!(hear_as(Role::Server, true, &stream), (said.to_vec(), Ok(())));
}

#[test]
fn inflating_stops_at_the_limit() {
    for max in [1_000, 40_000, 65_536] {
        for payload in [
            vec![0; max + 1],
            noise(max + 1),
            "가나다".repeat(max).into_bytes(),
        ] {
            for (bytes, fits) in [(max - 1, true), (max, true), (max + 1, false)] {
                let heard = hear_packed(&pack_once(&payload[..bytes]), &limits(max));
                if fits {
                    assert_eq!(
                        heard,
                        Ok(vec![Said::Binary(payload[..bytes].to_vec())]),
                        "{bytes}"
                    );
                } else {
                    // What does not compress is too large before it is inflated, or after.
                    let expected = [Violation::InflatedTooLarge, Violation::TooLarge];
                    assert!(
                        heard.is_err_and(|end| expected.contains(&end)),
                        "{bytes} of {max}"
                    );
                }
            }
        }
    }
    // 32 MiB in 32 KiB.
    let bomb = pack_once(&vec![0; 32 << 20]);
    assert!(bomb.len() < 40_000);
    assert_eq!(
        hear_packed(&bomb, &limits(64 * 1024)),
        Err(Violation::InflatedTooLarge)
    );
}

#[test]
fn what_is_not_one_whole_stream_is_refused() {
    let payload = "대화방에 오신 것을 환영합니다. ".repeat(20);
    let packed = pack_once(payload.as_bytes());
    assert_eq!(
        hear_packed(&packed, &limits(4_096)),
        Ok(vec![Said::Binary(payload.clone().into_bytes())])
    );
    for cut in 0..packed.len() {
        assert_eq!(
            hear_packed(&packed[..cut], &limits(4_096)),
            Err(Violation::NotDeflate),
            "{cut} of {}",
            packed.len()
        );
    }
    // A last block, alone and with the byte that may follow it, and with what may not.
    let mut last = Vec::with_capacity(4_096);
    Compress::new(Compression::best(), false)
        .compress_vec(payload.as_bytes(), &mut last, FlushCompress::Finish)
        .expect("it has room");
    let said = Ok(vec![Said::Binary(payload.clone().into_bytes())]);
    assert_eq!(hear_packed(&last, &limits(4_096)), said);
    assert_eq!(hear_packed(&[&last[..], &[0]].concat(), &limits(4_096)), said);
    for after in [&[1][..], &[0, 0], &packed] {
        let more = [&last[..], after].concat();
        assert_eq!(hear_packed(&more, &limits(4_096)), Err(Violation::NotDeflate));
    }
    assert_eq!(
        hear_packed(&[0xff; 20], &limits(4_096)),
        Err(Violation::NotDeflate)
    );
    // And the next message is read as if nothing had been.
    assert_eq!(hear_packed(&packed, &limits(4_096)), said);
}

#[test]
fn no_context_is_kept() {
    let mut engine = Compress::new(Compression::best(), false);
    let payload = noise(200);
    let first = pack(&mut engine, &payload);
    let second = pack(&mut engine, &payload);
    assert!(second.len() < 50, "it refers to the first");
    let stream = [
        bare_frame(FIN | RSV1 | 2, &first),
        bare_frame(FIN | RSV1 | 2, &second),
    ]
    .concat();
    assert_eq!(
        hear_as(Role::Client, true, &stream),
        (vec![Said::Binary(payload)], Err(Violation::NotDeflate))
    );
}

#[test]
fn compressed_text_is_text() {
    for bad in [&b"\xff"[..], b"\xed\xa0\x80", "한".as_bytes().split_at(2).0] {
        let payload = ["ok ".repeat(20).as_bytes(), bad].concat();
        assert_eq!(
            hear_as(
                Role::Server,
                true,
                &frame(FIN | RSV1 | TEXT, &pack_once(&payload))
            ),
            (vec![], Err(Violation::NotUtf8))
        );
    }
}

#[test]
fn a_message_may_be_read_while_another_is_read() {
    // The engines are lent to one message at a time; who comes meanwhile gets others.
    let mut outer = frame(FIN | RSV1 | TEXT, &pack_once(&[b'a'; 100]));
    let mut heard = 0;
    Decoder::new(Role::Server, true)
        .push(&mut outer, &limits(1_000), &mut |_| {
            let inner = frame(FIN | RSV1 | TEXT, &pack_once(&[b'b'; 100]));
            assert_eq!(
                hear_as(Role::Server, true, &inner),
                (vec![text(&"b".repeat(100))], Ok(()))
            );
            heard += 1;
        })
        .expect("well formed");
    assert_eq!(heard, 1);
}

#[test]
fn our_frames_need_no_window_of_more_than_4_kib() {
    // The same piece at distances up to the largest: a compressor that may look back further would.
    let noise = noise(4_000);
    for repeats in [1, 2, 3, 9, 20] {
        for gap in [0, 90, 97, 200] {
            let mut payload = Vec::new();
            for _ in 0..repeats {
                payload.extend(&noise);
                payload.extend(vec![b'.'; gap]);
            }
            payload.extend([b'.'; 300]);
            let frame = deflated(Opcode::Binary, &payload);
            let (packed, bytes) = open(&frame);
            assert!(packed);
            let puffed = puff(&[bytes, &[0, 0, 255, 255]].concat());
            assert_eq!(puffed.bytes, payload);
            assert!(puffed.reach <= 4_096, "{} for {repeats}, {gap}", puffed.reach);
        }
    }
}

#[test]
fn what_does_not_become_shorter_is_sent_as_it_is() {
    for bytes in [0, 1, 2, 10, 100, 4_095, 4_096, 4_097, 20_000, 100_000] {
        let payload = noise(bytes);
        assert_eq!(
            deflated(Opcode::Binary, &payload),
            bare_frame(FIN | 2, &payload),
            "{bytes}"
        );
    }
    let payload = "한글 ".repeat(100);
    let frame = deflated(Opcode::Text, payload.as_bytes());
    assert!(frame.len() < 60, "{} bytes", frame.len());
    assert_eq!(frame[0], FIN | RSV1 | TEXT);
}

proptest! {
    #[test]
    fn what_is_compressed_is_heard_again(
        parts in proptest::collection::vec(("[a-z가-힣]{1,20}", 1_usize..400), 0..20),
    ) {
        let payload: String = parts.iter().map(|(part, times)| part.repeat(*times)).collect();
        let frame = deflated(Opcode::Text, payload.as_bytes());
        let (packed, bytes) = open(&frame);
        prop_assert!(bytes.len() <= payload.len());
        prop_assert_eq!(packed, bytes.len() < payload.len());
        if packed {
            let puffed = puff(&[bytes, &[0, 0, 255, 255]].concat());
            prop_assert_eq!(puffed.bytes, payload.as_bytes());
            prop_assert!(puffed.reach <= 4_096);
        }
        let (said, end) = hear_in(Decoder::new(Role::Client, true), &frame, frame.len(), &limits(1 << 20));
        prop_assert!(end.is_ok());
        prop_assert_eq!(said, vec![text(&payload)]);
    }
}
