//! What waits to be said over a link.
//!
//! Invariant: bounded; what was said first leaves first, and of the server's pings only the last is answered.

use std::collections::VecDeque;

/// What separates the packets of a payload.
pub(super) const SEPARATOR: char = '\u{1e}';
/// So many bytes wait at the most.
const WAITING_BYTES_MAX: usize = 1 << 20;
/// What a ping has more than this is not echoed.
const ECHO_BYTES_MAX: usize = 128;

/// Something that was not taken to be said.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NotSaid {
    /// It has more bytes than the server takes.
    #[error("a packet of {bytes} bytes, where the server takes {max}")]
    TooLarge {
        /// So many.
        bytes: usize,
        /// So many it takes.
        max: usize,
    },
    /// So much waits already that the server does not keep up.
    #[error("{WAITING_BYTES_MAX} bytes wait to be said already")]
    Full,
}

#[derive(Default)]
pub(super) struct Unsent {
    pong: Option<String>,
    packets: VecDeque<String>,
    bytes: usize,
}

impl Unsent {
    pub(super) fn is_empty(&self) -> bool {
        self.pong.is_none() && self.packets.is_empty()
    }

    pub(super) fn push(&mut self, packet: String, max: usize) -> Result<(), NotSaid> {
        let bytes = packet.len();
        if bytes > max {
            return Err(NotSaid::TooLarge { bytes, max });
        }
        if self.bytes + bytes > WAITING_BYTES_MAX {
            return Err(NotSaid::Full);
        }
        self.bytes += bytes;
        self.packets.push_back(packet);
        Ok(())
    }

    /// The answer to a ping with this text.
    pub(super) fn pong(&mut self, echo: &str) {
        let echo = if echo.len() <= ECHO_BYTES_MAX { echo } else { "" };
        self.pong = Some(format!("3{echo}"));
    }

    /// What is to be said next.
    pub(super) fn pop(&mut self) -> Option<String> {
        if let Some(pong) = self.pong.take() {
            return Some(pong);
        }
        let packet = self.packets.pop_front()?;
        self.bytes -= packet.len();
        Some(packet)
    }

    /// As much as a payload of so many bytes takes; nothing waits that has more.
    pub(super) fn payload(&mut self, max: usize) -> String {
        let mut payload = self.pop().unwrap_or_default();
        while let Some(next) = self.packets.front()
            && payload.len() + SEPARATOR.len_utf8() + next.len() <= max
            && let Some(packet) = self.pop()
        {
            payload.push(SEPARATOR);
            payload.push_str(&packet);
        }
        payload
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_has_what_the_server_takes_and_no_more() {
        let mut unsent = Unsent::default();
        for packet in ["4aaaa", "4bbb", "4c"] {
            unsent.push(packet.to_owned(), 5).unwrap();
        }
        let large = unsent.push("4ddddd".to_owned(), 5);
        assert_eq!(large, Err(NotSaid::TooLarge { bytes: 6, max: 5 }));
        unsent.pong("");
        assert_eq!(unsent.payload(7), "3\u{1e}4aaaa");
        assert_eq!(unsent.payload(6), "4bbb", "one more byte than fits");
        assert!(!unsent.is_empty());
        assert_eq!(unsent.payload(6), "4c");
        assert!(unsent.is_empty());
        assert_eq!(unsent.bytes, 0);
    }

    #[test]
    fn what_waits_is_bounded_and_one_pong_is_enough() {
        let mut unsent = Unsent::default();
        let half = "4".repeat(WAITING_BYTES_MAX / 2);
        unsent.push(half.clone(), usize::MAX).unwrap();
        unsent.push(half, usize::MAX).unwrap();
        assert_eq!(unsent.push("4".to_owned(), usize::MAX), Err(NotSaid::Full));
        unsent.pong("first");
        unsent.pong("second");
        unsent.pong(&"x".repeat(ECHO_BYTES_MAX + 1));
        assert_eq!(unsent.pop().as_deref(), Some("3"));
        assert!(unsent.pop().is_some());
        unsent.push("4".to_owned(), usize::MAX).unwrap();
    }
}
