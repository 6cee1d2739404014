//! Identifiers: small copyable types, one per thing, that cannot be mixed up.
//!
//! Invariant: text forms are canonical (lower-case hex, fixed length) and parse back to the same value.

use std::fmt;
use std::sync::Arc;

macro_rules! number_id {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number_id!(
    /// A user, for ever; `user_id` on every wire that speaks numbers.
    UserId(i64)
);
number_id!(
    /// A room; `chatroom_id` on the action wire.
    RoomId(i64)
);
number_id!(
    /// A video room, in which members of one room signal to each other.
    CallId(i64)
);
number_id!(
    /// A room's own counter: the first message is 1 and there is no hole. 0 means "before the first".
    Seq(u64)
);
number_id!(
    /// How often a room's membership has changed. Every message carries the version at its commit, so that a
    /// node that missed a change knows it before it delivers to the wrong people.
    MembersVersion(u64)
);

impl Seq {
    /// Before the first message.
    pub const ZERO: Self = Self(0);

    /// The number of the message after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl MembersVersion {
    /// The version that the next change makes.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// A message, for ever: a UUIDv7, 32 lower-case hex digits as text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId(pub u128);

/// One live connection of one principal: a UUIDv7; as text `session_` and 32 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub u128);

/// The random tag of a room's history: 16 lower-case hex digits as text. It changes only if history was lost or reset.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(pub u64);

impl MessageId {
    /// Parses the 32 hex digits of the text form.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        hex_128(text).map(Self)
    }
}

impl SessionId {
    /// Parses `session_` and 32 hex digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        hex_128(text.strip_prefix("session_")?).map(Self)
    }
}

impl Epoch {
    /// Parses the 16 hex digits of the text form.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != 16 || !is_lower_hex(text) {
            return None;
        }
        u64::from_str_radix(text, 16).ok().map(Self)
    }
}

fn hex_128(text: &str) -> Option<u128> {
    if text.len() != 32 || !is_lower_hex(text) {
        return None;
    }
    u128::from_str_radix(text, 16).ok()
}

fn is_lower_hex(text: &str) -> bool {
    text.bytes()
        .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "session_{:032x}", self.0)
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A room's secret address: 24 random bytes, 48 lower-case hex digits as text.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct RoomToken(pub [u8; 24]);

impl RoomToken {
    /// Parses the 48 hex digits of the text form.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != 48 || !is_lower_hex(text) {
            return None;
        }
        let mut bytes = [0; 24];
        for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
        }
        Some(Self(bytes))
    }
}

impl fmt::Display for RoomToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for RoomToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RoomToken(…)")
    }
}

/// A member token as it is kept and looked for: the SHA-256 of its 48 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenHash(pub [u8; 32]);

impl TokenHash {
    /// The token's name for operators.
    #[must_use]
    pub fn id(&self) -> TokenId {
        let mut id = [0; 8];
        id.copy_from_slice(&self.0[..8]);
        TokenId(id)
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenHash({}…)", self.id())
    }
}

/// The name of a member token, by which it is revoked: the first 8 bytes of its hash, 16 lower-case hex digits as text.
/// It signs nobody in.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenId(pub [u8; 8]);

impl TokenId {
    /// Parses the 16 hex digits of the text form.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Epoch::parse(text).map(|Epoch(bits)| Self(bits.to_be_bytes()))
    }
}

impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Epoch(u64::from_be_bytes(self.0)).fmt(f)
    }
}

impl fmt::Debug for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A token's own id (`jti` claim), by which it is revoked; at most 256 bytes.
pub type Jti = Arc<str>;

/// The ways in which a request may name a room.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum RoomRef {
    /// By number.
    Id(RoomId),
    /// By its unique name.
    Name(Arc<str>),
    /// By its secret address.
    Token(RoomToken),
}

impl RoomRef {
    /// Reads what stands in a path or on a command line: a number, 48 hex digits, or else a name.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        if let Ok(id) = text.parse() {
            return Self::Id(RoomId(id));
        }
        RoomToken::parse(text).map_or_else(|| Self::Name(text.into()), Self::Token)
    }
}

/// The ways in which a token or an operator may name a user.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum UserRef {
    /// By number.
    Id(UserId),
    /// By the unique handle.
    Handle(Arc<str>),
}

impl UserRef {
    /// Reads what stands in a `sub` claim, a path or on a command line: a number, or else a handle.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        text.parse()
            .map_or_else(|_| Self::Handle(text.into()), |id| Self::Id(UserId(id)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_forms_round_trip() {
        let session = SessionId(0x0190_0000_0000_7000_8000_0000_0000_0001);
        assert_eq!(SessionId::parse(&session.to_string()), Some(session));
        assert_eq!(Epoch::parse(&Epoch(7).to_string()), Some(Epoch(7)));
        assert_eq!(MessageId::parse(&MessageId(9).to_string()), Some(MessageId(9)));
        let token = RoomToken([0xa5; 24]);
        assert_eq!(RoomToken::parse(&token.to_string()), Some(token));
        let id = TokenHash([0x0b; 32]).id();
        assert_eq!(
            (id.to_string().as_str(), TokenId::parse(&id.to_string())),
            ("0b0b0b0b0b0b0b0b", Some(id))
        );
    }

    #[test]
    fn only_the_canonical_form_parses() {
        assert_eq!(Epoch::parse("000000000000000A"), None);
        assert_eq!(Epoch::parse("+00000000000000a"), None);
        assert_eq!(MessageId::parse("1"), None);
        assert_eq!(SessionId::parse("session_1"), None);
    }

    #[test]
    fn a_reference_says_what_it_is() {
        assert_eq!(RoomRef::parse("12"), RoomRef::Id(RoomId(12)));
        assert_eq!(RoomRef::parse("general"), RoomRef::Name("general".into()));
        assert_eq!(
            RoomRef::parse(&RoomToken([1; 24]).to_string()),
            RoomRef::Token(RoomToken([1; 24]))
        );
        assert_eq!(UserRef::parse("abc123"), UserRef::Handle("abc123".into()));
    }
}
