//! Everything that a client can do wrong in Engine.IO.
//!
//! Invariant: a violation ends the connection; what was complete before it was heard.

/// A client broke the protocol or a limit; the connection cannot go on.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, thiserror::Error)]
pub enum Violation {
    /// A packet, or a payload, of no bytes.
    #[error("an empty packet or payload")]
    Empty,
    /// A packet type that the protocol does not have, or not in this form.
    #[error("unknown packet type {0:#04x}")]
    UnknownType(u8),
    /// What is called text is not UTF-8.
    #[error("a text is not utf-8")]
    NotUtf8,
    /// Bytes as text that are not base64 as everybody writes it: standard alphabet, padded, at most with line breaks.
    #[error("not base64")]
    NotBase64,
    /// A ping or pong with more than [`super::ECHO_BYTES_MAX`] bytes to be echoed.
    #[error("a ping of too many bytes")]
    EchoTooLong,
    /// A payload, or a packet of it, over the limit.
    #[error("a payload over the limit")]
    TooLarge,
    /// A payload of more packets than the limit.
    #[error("a payload of too many packets")]
    TooManyPackets,
    /// A length that is no plain decimal number: missing, with zeros in front or beyond any limit.
    #[error("not a length")]
    NotALength,
    /// A length that the payload does not have, or that ends inside a character.
    #[error("a length that is not that of the packet")]
    LengthLies,
    /// A payload in the form of bytes, which version 4 does not have.
    #[error("a payload of bytes")]
    Octets,
    /// A record that is neither text nor bytes.
    #[error("neither text nor bytes")]
    NotARecord,
    /// A form without exactly one field `d`, or one that is not percent-encoded.
    #[error("not a form with a payload")]
    NotAForm,
}

impl Violation {
    /// Whether it is a limit that was broken and not the protocol.
    #[must_use]
    pub const fn is_limit(self) -> bool {
        match self {
            Self::EchoTooLong | Self::TooLarge | Self::TooManyPackets => true,
            Self::Empty
            | Self::UnknownType(_)
            | Self::NotUtf8
            | Self::NotBase64
            | Self::NotALength
            | Self::LengthLies
            | Self::Octets
            | Self::NotARecord
            | Self::NotAForm => false,
        }
    }
}
