//! Everything that a peer can do wrong on the wire, and the close code that says so.
//!
//! Invariant: which violation a stream ends with does not depend on how it was cut into reads.

/// A peer broke the protocol or a limit; the connection cannot go on.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, thiserror::Error)]
pub enum Violation {
    /// A reserved bit that no extension gave a meaning here.
    #[error("a reserved bit is set")]
    ReservedBits,
    /// An opcode that RFC 6455 reserves.
    #[error("unknown opcode {0}")]
    UnknownOpcode(u8),
    /// A close, ping or pong in fragments.
    #[error("a control frame in fragments")]
    FragmentedControl,
    /// A close, ping or pong of more than 125 bytes.
    #[error("a control frame of more than 125 bytes")]
    ControlTooLong,
    /// A client must mask what it sends.
    #[error("a frame of a client without a mask")]
    Unmasked,
    /// A server must not mask what it sends.
    #[error("a frame of a server with a mask")]
    Masked,
    /// A continuation while no message is incomplete.
    #[error("nothing to continue")]
    NothingToContinue,
    /// A new message while another is incomplete.
    #[error("a message inside a message")]
    MessageInMessage,
    /// A close whose payload is one byte.
    #[error("a close code of one byte")]
    BadCloseLength,
    /// A close code that must not be sent.
    #[error("close code {0} must not be sent")]
    BadCloseCode(u16),
    /// A close reason that is not UTF-8.
    #[error("the close reason is not utf-8")]
    CloseReasonNotUtf8,
    /// A length in more bytes than it needs.
    #[error("a length in more bytes than it needs")]
    LengthNotMinimal,
    /// A length of 2^63 or more.
    #[error("a length with its highest bit set")]
    LengthHighBit,
    /// A message over the limit, known from a header before anything was kept for it.
    #[error("a message over the limit")]
    TooLarge,
    /// A message in more fragments than the limit, empty ones included.
    #[error("a message in too many fragments")]
    TooManyFragments,
    /// A text that is not UTF-8.
    #[error("a text is not utf-8")]
    NotUtf8,
    /// A compressed message that cannot be inflated.
    #[error("a compressed message cannot be inflated")]
    NotDeflate,
    /// A compressed message that is over the limit once it is inflated.
    #[error("a compressed message over the limit")]
    InflatedTooLarge,
}

impl Violation {
    /// The close code that RFC 6455 has for it. A protocol on top may have a better one.
    #[must_use]
    pub const fn code(self) -> u16 {
        match self {
            Self::ReservedBits
            | Self::UnknownOpcode(_)
            | Self::FragmentedControl
            | Self::ControlTooLong
            | Self::Unmasked
            | Self::Masked
            | Self::NothingToContinue
            | Self::MessageInMessage
            | Self::BadCloseLength
            | Self::BadCloseCode(_)
            | Self::LengthNotMinimal
            | Self::LengthHighBit => 1002,
            Self::CloseReasonNotUtf8 | Self::NotUtf8 | Self::NotDeflate => 1007,
            Self::TooManyFragments => 1008,
            Self::TooLarge | Self::InflatedTooLarge => 1009,
        }
    }
}
