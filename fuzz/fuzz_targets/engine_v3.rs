//! Whatever a client of Engine.IO 3 posts, in any form and over any number of posts: it costs no more than it is, and
//! what was heard is heard again when it is said.
#![no_main]

use bongsu_model::Limits;
use bongsu_wire::socketio::engine::{self, Heard, Kind, Payloads, Version, message_binary, message_text, payload};
use libfuzzer_sys::fuzz_target;

const LIMITS: Limits = Limits { frame_bytes_max: 4_096, payload_packets_max: 64, ..Limits::DEFAULT };

fuzz_target!(|posts: Vec<(u8, Vec<u8>)>| {
    let mut payloads = Payloads::new();
    for (form, body) in posts {
        let kind = [Kind::Text, Kind::Octets, Kind::Form][usize::from(form % 3)];
        let (mut packets, mut bytes, mut frames) = (0, 0, Vec::new());
        let _end = payloads.decode(Version::V3, kind, &body, &LIMITS, &mut |heard| {
            packets += 1;
            match heard {
                Heard::Text(text) => {
                    bytes += text.len();
                    frames.extend_from_slice(&message_text(text));
                }
                Heard::Binary(attachment) => {
                    bytes += attachment.len();
                    frames.extend_from_slice(&message_binary(Version::V3, &attachment));
                }
                Heard::Ping(echo) | Heard::Pong(echo) => {
                    assert!(echo.len() <= engine::ECHO_BYTES_MAX);
                    bytes += echo.len();
                }
                Heard::Open | Heard::Close | Heard::Upgrade | Heard::Noop => {}
            }
        });
        assert!(packets <= LIMITS.payload_packets_max);
        assert!(bytes + packets <= body.len());
        for binary_ok in [false, true] {
            let made = payload(Version::V3, binary_ok, &frames);
            let kind = Kind::of(Some(made.content_type), false);
            let wide = Limits { frame_bytes_max: usize::MAX, ..LIMITS };
            let mut again = 0;
            let heard = Payloads::new().decode(Version::V3, kind, &made.body, &wide, &mut |_| again += 1);
            assert!(made.body.is_empty() || heard.is_ok(), "{heard:?}");
            assert_eq!(again, made.packets);
        }
    }
});
