//! Any bytes in any cuts are heard like the whole, keep no more than a message, and what is heard can be said again.
#![no_main]

use bongsu_wire::websocket::{
    Decoder, Heard, MessageLimits, Opcode, Role, Violation, client_frame, deflated, negotiate_deflate,
};
use libfuzzer_sys::fuzz_target;

const LIMITS: MessageLimits = MessageLimits { message_bytes_max: 512, fragments_max: 4 };

type Said = Vec<(u8, Vec<u8>)>;

fn run(stream: &[u8], size: usize, role: Role, deflate: bool) -> (Said, Result<bool, Violation>) {
    let mut stream = stream.to_vec();
    let mut decoder = Decoder::new(role, deflate);
    let mut said = Vec::new();
    for piece in stream.chunks_mut(size) {
        let pushed = decoder.push(piece, &LIMITS, &mut |heard| {
            said.push(match heard {
                Heard::Text(text) => (1, text.as_bytes().to_vec()),
                Heard::Binary(bytes) => (2, bytes.to_vec()),
                Heard::Ping(bytes) => (9, bytes.to_vec()),
                Heard::Pong(bytes) => (10, bytes.to_vec()),
                Heard::Close(closed) => (8, closed.map_or_else(Vec::new, |closed| closed.reason.into())),
            });
        });
        // What compression may add, a control frame and a header are beside the message.
        assert!(decoder.kept_bytes() <= LIMITS.message_bytes_max * 257 / 256 + 64 + 125 + 14);
        assert!(decoder.in_frame() || decoder.kept_bytes() == 0);
        if let Err(violation) = pushed {
            return (said, Err(violation));
        }
    }
    (said, Ok(decoder.in_frame()))
}

fuzz_target!(|input: (u8, bool, bool, Vec<u8>)| {
    let (size, server, deflate, stream) = input;
    let role = if server { Role::Server } else { Role::Client };
    let whole = run(&stream, stream.len().max(1), role, deflate);
    assert_eq!(whole, run(&stream, usize::from(size).max(1), role, deflate));
    for (kind, payload) in whole.0 {
        assert!(payload.len() <= LIMITS.message_bytes_max);
        let opcode = match kind {
            1 => Opcode::Text,
            2 => Opcode::Binary,
            _ => continue,
        };
        let again = client_frame(opcode, &payload, [size, 1, 2, 3]);
        assert_eq!(run(&again, 7, Role::Server, false).0, [(kind, payload.clone())]);
        let again = deflated(opcode, &payload);
        assert_eq!(run(&again, 7, Role::Client, true).0, [(kind, payload)]);
    }
    if let Ok(offers) = std::str::from_utf8(&stream) {
        let _answer = negotiate_deflate(offers);
    }
});
