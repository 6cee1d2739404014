//! Devices on streams of gRPC: one connection each, one stream on it.
//!
//! Invariant: a stream that ends fails the run, as any connection that does.

use super::Crowd;
use super::conn::Phase;
use crate::clock;
use crate::dialect::{Heard, device, grpc};
use crate::error::BenchError;

impl Crowd {
    /// Takes in what has arrived on a stream: the welcome, commands, which are answered, and whatever else is counted.
    pub(super) fn streamed(&mut self, at: usize, bytes: &[u8]) -> Result<(), BenchError> {
        let conn = &mut self.conns[at];
        let Some(stream) = &mut conn.stream else {
            return Ok(());
        };
        let brought = stream.take(bytes);
        if let Some(why) = brought.ended {
            return Err(conn.refused(why.as_bytes()));
        }
        conn.send(&brought.answers)?;
        for message in brought.messages {
            match (conn.phase, self.protocol.hear(&message)) {
                (_, Heard::Refused) => return Err(conn.refused(&message)),
                (Phase::Ready, _) => match device::word(bongsu_wire::device::Format::Proto, &message) {
                    Some(word) => {
                        let (_, packet) = bongsu_wire::device::Format::Proto.say(&word);
                        conn.send(&grpc::said(&packet))?;
                    }
                    None => self.counts.arrived += 1,
                },
                (_, Heard::Connected) => {
                    conn.phase = Phase::Ready;
                    self.ready += 1;
                    self.handshakes.add(clock::now_ns() - conn.sent_at);
                }
                (_, Heard::Opened | Heard::Joined | Heard::Other) => {}
            }
        }
        Ok(())
    }
}
