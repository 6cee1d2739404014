//! As much of HTTP/2 as one stream of gRPC takes, by a client: what opens it, what is said on it, what is heard.
//!
//! Invariant: nothing is compressed and nothing is indexed, so that no state is kept but what is incomplete. The windows
//! that are granted at the start are never used up.

use std::net::SocketAddr;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const METHOD: &str = "/bongsu.v1.DeviceGateway/Connect";
const HEAD_BYTES: usize = 9;
/// What precedes each message in the body of a stream: whether it is compressed, and its length.
const PREFIX_BYTES: usize = 5;
/// No frame of ours announces a larger one.
const FRAME_BYTES_MAX: usize = 16_384;
const WINDOW: u32 = (1 << 31) - 1;
const USUAL_WINDOW: u32 = 65_535;

/// `DATA` in the standard.
const BODY: u8 = 0;
const HEADERS: u8 = 1;
const RESET: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GO_AWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
/// Of HEADERS and BODY: nothing follows on the stream. Of SETTINGS and PING: it answers.
const ENDS: u8 = 1;
const END_HEADERS: u8 = 4;
const INITIAL_WINDOW: u16 = 4;

/// Opens the connection and on it the one stream.
pub(crate) fn opening(host: SocketAddr, token: &str) -> Vec<u8> {
    let mut settings = INITIAL_WINDOW.to_be_bytes().to_vec();
    settings.extend_from_slice(&WINDOW.to_be_bytes());
    let mut block = Vec::new();
    for (name, value) in [
        (":method", "POST"),
        (":scheme", "http"),
        (":authority", &host.to_string()),
        (":path", METHOD),
        ("te", "trailers"),
        ("content-type", "application/grpc"),
        ("authorization", &format!("Bearer {token}")),
    ] {
        // A literal that is never indexed, with a new name.
        block.push(0x10);
        for text in [name, value] {
            length(text.len(), &mut block);
            block.extend_from_slice(text.as_bytes());
        }
    }
    let mut bytes = PREFACE.to_vec();
    frame(SETTINGS, 0, 0, &settings, &mut bytes);
    frame(
        WINDOW_UPDATE,
        0,
        0,
        &(WINDOW - USUAL_WINDOW).to_be_bytes(),
        &mut bytes,
    );
    frame(HEADERS, END_HEADERS, 1, &block, &mut bytes);
    bytes
}

/// One message on the stream.
pub(crate) fn said(message: &[u8]) -> Vec<u8> {
    let mut body = vec![0];
    body.extend_from_slice(&(message.len() as u32).to_be_bytes());
    body.extend_from_slice(message);
    let mut bytes = Vec::with_capacity(HEAD_BYTES + body.len());
    frame(BODY, 0, 1, &body, &mut bytes);
    bytes
}

/// Where a connection is in what the server sends.
#[derive(Debug, Default)]
pub(crate) struct Stream {
    held: Vec<u8>,
    body: Vec<u8>,
}

/// What a read brought.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Brought {
    pub(crate) messages: Vec<Vec<u8>>,
    /// What is to be answered at once.
    pub(crate) answers: Vec<u8>,
    /// Why nothing follows.
    pub(crate) ended: Option<String>,
}

impl Stream {
    /// Takes in what was read.
    pub(crate) fn take(&mut self, bytes: &[u8]) -> Brought {
        let mut brought = Brought::default();
        self.held.extend_from_slice(bytes);
        let mut from = 0;
        while let Some(head) = self.held[from..].first_chunk::<HEAD_BYTES>() {
            let payload_bytes = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
            let (kind, flags) = (head[3], head[4]);
            if payload_bytes > FRAME_BYTES_MAX {
                brought.ended = Some("a frame that is too large".to_owned());
                return brought;
            }
            let Some(payload) = self.held[from + HEAD_BYTES..].get(..payload_bytes) else {
                break;
            };
            match kind {
                BODY => self.body.extend_from_slice(payload),
                SETTINGS if flags & ENDS == 0 => frame(SETTINGS, ENDS, 0, &[], &mut brought.answers),
                PING if flags & ENDS == 0 => frame(PING, ENDS, 0, payload, &mut brought.answers),
                GO_AWAY | RESET => brought.ended = Some(format!("a frame of type {kind}: {payload:?}")),
                _ => {}
            }
            if matches!(kind, BODY | HEADERS) && flags & ENDS != 0 {
                let text = String::from_utf8_lossy(payload).into_owned();
                brought.ended = Some(format!("the stream ended: {text}"));
            }
            from += HEAD_BYTES + payload_bytes;
        }
        self.held.drain(..from);
        let mut from = 0;
        while let Some(prefix) = self.body[from..].first_chunk::<PREFIX_BYTES>() {
            let bytes = u32::from_be_bytes([prefix[1], prefix[2], prefix[3], prefix[4]]) as usize;
            let Some(message) = self.body[from + PREFIX_BYTES..].get(..bytes) else {
                break;
            };
            brought.messages.push(message.to_vec());
            from += PREFIX_BYTES + bytes;
        }
        self.body.drain(..from);
        brought
    }
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8], out: &mut Vec<u8>) {
    debug_assert!(payload.len() <= FRAME_BYTES_MAX, "what the bench says is short");
    out.extend_from_slice(&(payload.len() as u32).to_be_bytes()[1..]);
    out.extend_from_slice(&[kind, flags]);
    out.extend_from_slice(&stream.to_be_bytes());
    out.extend_from_slice(payload);
}

/// The length of a text that is not Huffman-coded: seven bits, and more bytes for more.
fn length(bytes: usize, out: &mut Vec<u8>) {
    if bytes < 127 {
        out.push(bytes as u8);
        return;
    }
    out.push(127);
    let mut rest = bytes - 127;
    while rest >= 128 {
        out.push((rest % 128) as u8 | 128);
        rest /= 128;
    }
    out.push(rest as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_as_hpack_has_them() {
        for (bytes, said) in [
            (10, &[10][..]),
            (126, &[126]),
            (127, &[127, 0]),
            (254, &[127, 127]),
            (255, &[127, 128, 1]),
            (1_337 + 127 - 31, &[127, 0x9a, 0x0a]),
        ] {
            let mut out = Vec::new();
            length(bytes, &mut out);
            assert_eq!(out, said, "{bytes}");
        }
    }

    #[test]
    fn messages_are_found_however_the_stream_is_cut() {
        let mut bytes = Vec::new();
        frame(SETTINGS, 0, 0, &[0; 6], &mut bytes);
        frame(HEADERS, END_HEADERS, 1, b"\x88", &mut bytes);
        bytes.extend(said(b"one"));
        bytes.extend(said(&[7; 300]));
        frame(PING, 0, 0, b"12345678", &mut bytes);
        let mut answers = Vec::new();
        frame(SETTINGS, ENDS, 0, &[], &mut answers);
        frame(PING, ENDS, 0, b"12345678", &mut answers);
        for piece in [1, 7, 100, bytes.len()] {
            let mut stream = Stream::default();
            let mut all = Brought::default();
            for bytes in bytes.chunks(piece) {
                let brought = stream.take(bytes);
                all.messages.extend(brought.messages);
                all.answers.extend(brought.answers);
                assert_eq!(brought.ended, None);
            }
            assert_eq!(all.messages, [b"one".to_vec(), vec![7; 300]], "{piece}");
            assert_eq!(all.answers, answers);
        }
    }

    #[test]
    fn an_end_is_told() {
        for (kind, flags) in [(GO_AWAY, 0), (RESET, 0), (HEADERS, ENDS | END_HEADERS)] {
            let mut bytes = Vec::new();
            frame(kind, flags, 1, b"grpc-status", &mut bytes);
            assert!(Stream::default().take(&bytes).ended.is_some(), "{kind}");
        }
    }
}
