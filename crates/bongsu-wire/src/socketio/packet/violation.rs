//! Everything that a client can do wrong in Socket.IO's packets.
//!
//! Invariant: a violation ends the connection, as with other servers of this protocol; what a handler does not like is a
//! refusal.

/// A client broke the protocol or a limit; the connection cannot go on.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, thiserror::Error)]
pub enum Violation {
    /// A packet of no characters.
    #[error("an empty packet")]
    Empty,
    /// A packet type that the protocol does not have.
    #[error("unknown packet type {0:#04x}")]
    UnknownType(u8),
    /// The number of attachments is no plain decimal number from 1, or nothing ends it.
    #[error("not a number of attachments")]
    BadAttachments,
    /// More attachments than the limit.
    #[error("too many attachments")]
    TooManyAttachments,
    /// A placeholder that says nothing of an attachment of this packet, or an attachment without one.
    #[error("placeholders that do not fit the attachments")]
    BadPlaceholders,
    /// A namespace of more than [`super::NAMESPACE_BYTES_MAX`] bytes.
    #[error("a namespace that is too long")]
    NamespaceTooLong,
    /// An id where none belongs, none where one does, or one that is no plain decimal number up to [`super::ID_MAX`].
    #[error("a bad id")]
    BadId,
    /// Data that is not JSON, or not what this type of packet has.
    #[error("data that does not fit the packet's type")]
    BadData,
    /// JSON that nests deeper than the limit.
    #[error("json that is too deep")]
    TooDeep,
    /// An event without a name, or with one that is no text.
    #[error("an event without a name")]
    BadEventName,
    /// A name that means something to the clients' own libraries.
    #[error("a reserved event name")]
    ReservedEvent,
}
