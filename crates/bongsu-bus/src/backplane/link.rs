//! What carries bytes between processes: the part of a backplane that differs from broker to broker.
//!
//! Invariant: a link decides nothing. It carries bytes to whoever wants their subject, and says when it is away and when it
//! is back; what the bytes mean, what is wanted, what is counted and who is told is the backplane's.

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::oneshot;

use super::wants::Change;
use crate::{Reach, Subject};

/// The link cannot carry it now: it is away, or was refused. What it was given may or may not have gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the backplane did not take it")]
pub struct NotCarried;

/// What is to be carried.
#[derive(Debug)]
pub struct Parcel {
    /// Whoever wants this hears it.
    pub subject: Subject,
    /// What they hear.
    pub bytes: Bytes,
    /// What it is for.
    pub purpose: Purpose,
}

/// What a parcel is for.
#[derive(Debug)]
pub enum Purpose {
    /// To be heard.
    Say,
    /// To be heard, and to learn whether anybody else wants to.
    Ask(Asked),
    /// To come back: its subject is this node's own, and this node must be brought it, over the way on which it is brought
    /// what others say, even where the link keeps back what its own node says.
    Canary,
}

/// One who waits to learn whether anybody else wants to hear. If it is dropped, that is unknown.
#[derive(Debug)]
pub struct Asked(oneshot::Sender<Reach>);

impl Asked {
    /// A question and where its answer arrives.
    #[must_use]
    pub fn new() -> (Self, oneshot::Receiver<Reach>) {
        let (answer, answered) = oneshot::channel();
        (Self(answer), answered)
    }

    /// Answers.
    pub fn answer(self, reach: Reach) {
        // Whoever asked may have given up.
        self.0.send(reach).ok();
    }

    /// Whether nobody waits for the answer any more.
    #[must_use]
    pub fn is_given_up(&self) -> bool {
        self.0.is_closed()
    }
}

/// A broker's way of carrying bytes. What it is brought for its node it gives to the [`super::Inlet`] that it was opened
/// with, in the order in which it is brought it, and there it says when it is up, down, or has lost something.
///
/// All calls but `bytes_max` come from one task, one after the other. They may wait for a connection that takes bytes slowly;
/// while the link is away they must return at once. A link reconnects by itself, for ever, at a bounded rate, and never keeps
/// more than a bounded number of bytes meanwhile.
#[async_trait]
pub trait Link: Send + Sync + 'static {
    /// Begins and ceases to bring what is said on these subjects, in this order; what is carried after it is heard by those
    /// who were told of before. Beginning twice is beginning once.
    ///
    /// # Errors
    /// [`NotCarried`] if it could not; all of them are told again once the link is up or there is more to tell.
    async fn want(&self, changes: &[Change]) -> Result<(), NotCarried>;

    /// Carries parcels, in this order.
    ///
    /// # Errors
    /// [`NotCarried`] if any was not; they are not carried again.
    async fn carry(&self, parcels: Vec<Parcel>) -> Result<(), NotCarried>;

    /// Waits until what was carried has left this process.
    async fn flush(&self);

    /// The largest word that the broker takes, in bytes.
    fn bytes_max(&self) -> usize;
}

/// A subject's name among all that goes over one broker, in parts joined with dots: `<prefix>.room.5`,
/// `<prefix>.device.cam%2E1`. What is not a letter, a digit, `_` or `-` is written as `%` and its two hexadecimal digits, so
/// that a part is no pattern, holds no separator, and two subjects never have one name.
#[must_use]
pub fn name(prefix: &str, subject: &Subject) -> String {
    match subject {
        Subject::All => format!("{prefix}.all"),
        Subject::Room(room) => format!("{prefix}.room.{}", room.0),
        Subject::User(user) => format!("{prefix}.user.{}", user.0),
        Subject::Device(device) => format!("{prefix}.device.{}", part(device.as_str())),
        Subject::Watch(device) => format!("{prefix}.watch.{}", part(device.as_str())),
        Subject::Node(node) => format!("{prefix}.node.{}", part(node)),
        Subject::Happenings => format!("{prefix}.happenings"),
    }
}

/// A text as one part of a name. An empty one is `%`, which nothing else becomes.
fn part(text: &str) -> String {
    if text.is_empty() {
        return "%".to_owned();
    }
    let mut part = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-') {
            part.push(char::from(byte));
        } else {
            part.push_str(&format!("%{byte:02X}"));
        }
    }
    part
}

#[cfg(test)]
mod tests {
    use bongsu_model::{DeviceId, RoomId, UserId};

    use super::*;

    #[test]
    fn names_hold_no_pattern_and_are_all_different() {
        let device = |id| DeviceId::parse(id).expect("an id");
        let names = [
            (Subject::All, "p.all"),
            (Subject::Happenings, "p.happenings"),
            (Subject::Room(RoomId(-5)), "p.room.-5"),
            (Subject::User(UserId(7)), "p.user.7"),
            (Subject::Device(device("a.b:c_d-e")), "p.device.a%2Eb%3Ac_d-e"),
            (Subject::Watch(device("cam")), "p.watch.cam"),
            (Subject::Node("".into()), "p.node.%"),
            (Subject::Node("%".into()), "p.node.%25"),
            (Subject::Node("a > *\u{e9}".into()), "p.node.a%20%3E%20%2A%C3%A9"),
        ];
        for (subject, expected) in names {
            assert_eq!(name("p", &subject), expected);
        }
    }
}
