//! From bytes, in whatever pieces they come, to what was said.

use bongsu_wire::websocket::{Decoder, Heard as Frame, MessageLimits, Role};

use super::{Heard, Said, Tongue};

/// A server's messages are not limited; its frames are never in fragments.
const LIMITS: MessageLimits = MessageLimits {
    message_bytes_max: 16 * 1024 * 1024,
    fragments_max: 1,
};

/// The receiving side of a client's connection.
pub(crate) struct Ear {
    tongue: Tongue,
    /// A line that is not complete.
    partial: Vec<u8>,
    decoder: Decoder,
    /// Answers to pings that came.
    pub(crate) pongs: u64,
}

impl Ear {
    pub(crate) fn new(tongue: Tongue) -> Self {
        Self {
            tongue,
            partial: Vec::new(),
            decoder: Decoder::new(Role::Client, false),
            pongs: 0,
        }
    }

    /// What these bytes complete.
    pub(crate) fn hear(&mut self, bytes: &[u8]) -> Vec<Said> {
        match self.tongue {
            Tongue::Lines => self.lines(bytes),
            Tongue::ActionFrames | Tongue::TypeFrames => self.frames(bytes),
        }
    }

    fn lines(&mut self, bytes: &[u8]) -> Vec<Said> {
        let mut said = Vec::new();
        self.partial.extend_from_slice(bytes);
        while let Some(end) = self.partial.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.partial.drain(..=end).collect();
            said.extend(self.tongue.understand(&line));
        }
        said
    }

    fn frames(&mut self, bytes: &[u8]) -> Vec<Said> {
        let (tongue, mut said, mut pongs) = (self.tongue, Vec::new(), 0);
        let mut bytes = bytes.to_vec();
        let pushed = self.decoder.push(&mut bytes, &LIMITS, &mut |frame| match frame {
            Frame::Text(text) => said.extend(tongue.understand(text.as_bytes())),
            Frame::Close(closed) => said.push(Said {
                heard: Heard::Over {
                    why: closed.map_or_else(String::new, |it| format!("{} {}", it.code, it.reason)),
                },
                reference: String::new(),
            }),
            Frame::Pong(payload) => {
                assert_eq!(payload, b"between", "a pong repeats its ping");
                pongs += 1;
            }
            Frame::Binary(_) | Frame::Ping(_) => panic!("no server of ours says this in a simulation"),
        });
        pushed.expect("the server keeps the rules of frames");
        self.pongs += pongs;
        said
    }
}
