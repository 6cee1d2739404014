//! What a connection's bytes turn out to be, whatever protocol they speak.

use bytes::Bytes;

use crate::display::FromDisplay;
use crate::{Asked, Refusal, Tag};

/// One thing that came in, understood or not.
#[derive(Clone, Debug)]
pub enum Incoming {
    /// To be carried out and answered.
    Request(Asked),
    /// To be answered with the refusal; what comes after it is read on.
    Refused {
        /// Ties the answer to the request, as far as it could be read.
        tag: Tag,
        /// What is wrong with it.
        refusal: Refusal,
    },
    /// What a display says.
    Display {
        /// Says where it was said, ties what answers it to it, and if it registers, also what it is told unasked.
        tag: Tag,
        /// What.
        said: FromDisplay,
    },
    /// The transport's own question, and its answer as it is to be sent: a pong.
    Echo(Bytes),
    /// The session ends and the connection stays, for another to sign in.
    SignOut,
    /// The peer ends the connection in good order; the last bytes to be sent.
    Goodbye(Bytes),
}

/// The bytes cannot be read any further: tell the client the refusal, then close.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the stream cannot be read any further")]
pub struct Fatal {
    /// What is wrong, with the place.
    #[source]
    pub refusal: Refusal,
    /// The transport's own code for it, where it has one and it is not the protocol's.
    pub close_code: Option<u16>,
}

impl From<Refusal> for Fatal {
    fn from(refusal: Refusal) -> Self {
        Self {
            refusal,
            close_code: None,
        }
    }
}
