//! Whatever a client of Engine.IO 4 posts costs no more than it is, and what was heard can be said to the letter.
#![no_main]

use bongsu_model::Limits;
use bongsu_wire::socketio::engine::{
    self, Heard, Kind, Payloads, Version, message_binary, message_text, payload, script,
};
use libfuzzer_sys::fuzz_target;

const LIMITS: Limits = Limits { frame_bytes_max: 4_096, payload_packets_max: 64, ..Limits::DEFAULT };

fn frame(heard: &Heard<'_>) -> Vec<u8> {
    match heard {
        Heard::Text(text) => message_text(text),
        Heard::Binary(bytes) => message_binary(Version::V4, bytes),
        Heard::Pong(echo) => engine::pong(echo),
        Heard::Ping(_) => engine::ping(),
        Heard::Close => engine::close(),
        Heard::Open | Heard::Upgrade | Heard::Noop => engine::noop(),
    }
    .to_vec()
}

fuzz_target!(|input: (bool, Vec<u8>)| {
    let (form, body) = input;
    let kind = if form { Kind::Form } else { Kind::Text };
    let (mut packets, mut frames) = (0, Vec::new());
    let _end = Payloads::new().decode(Version::V4, kind, &body, &LIMITS, &mut |heard| {
        packets += 1;
        frames.extend(frame(&heard));
    });
    assert!(packets <= LIMITS.payload_packets_max);
    let made = payload(Version::V4, true, &frames);
    assert_eq!(made.packets, packets);
    let mut again = Vec::new();
    let heard = Payloads::new().decode(Version::V4, Kind::Text, &made.body, &LIMITS, &mut |heard| {
        again.extend(frame(&heard));
    });
    assert!(packets == 0 || heard.is_ok(), "{heard:?}");
    assert_eq!(again, frames);
    let script = script(Version::V4, "1", &frames).body;
    let json = script.strip_prefix(b"___eio[1](").and_then(|it| it.strip_suffix(b");")).unwrap();
    assert_eq!(serde_json::from_slice::<String>(json).unwrap().as_bytes(), &*made.body);
});
