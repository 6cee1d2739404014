//! Opaque member tokens: 48 lower-case hex digits that say nothing.
//!
//! Invariant: all that is kept of one is its SHA-256, which is made here alone.

use aws_lc_rs::digest;
use bongsu_model::{RoomToken, TokenHash};
use bongsu_node::Chance;

/// A secret with which a member signs in: 24 random bytes.
pub struct MemberToken([u8; 24]);

impl MemberToken {
    /// A token that nobody has or can guess.
    #[must_use]
    pub fn draw(chance: &dyn Chance) -> Self {
        let mut bytes = [0; 24];
        bytes[..16].copy_from_slice(&chance.bits().to_le_bytes());
        bytes[16..].copy_from_slice(&chance.bits().to_le_bytes()[..8]);
        Self(bytes)
    }

    /// The token of these random bytes.
    #[must_use]
    pub const fn new(bytes: [u8; 24]) -> Self {
        Self(bytes)
    }

    /// The token that a text is: 48 lower-case hex digits, which is the form of rooms' tokens too.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        RoomToken::parse(text).map(|RoomToken(bytes)| Self(bytes))
    }

    /// The 48 hex digits, to be shown once.
    #[must_use]
    pub fn reveal(&self) -> String {
        RoomToken(self.0).to_string()
    }

    /// What is kept of it.
    #[must_use]
    pub fn hash(&self) -> TokenHash {
        let digest = digest::digest(&digest::SHA256, self.reveal().as_bytes());
        let mut hash = [0; 32];
        hash.copy_from_slice(digest.as_ref());
        TokenHash(hash)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_its_own_form_is_a_token() {
        let text = "a6b365d853295c532f988916fb5413a2ab64a39c831c0292";
        let token = MemberToken::parse(text).unwrap();
        assert_eq!(token.reveal(), text);
        assert_eq!(token.hash().id().to_string(), "2a4393f3906ee5d6");
        for other in [
            "",
            &text[1..],
            &text.to_uppercase(),
            &format!("{text}0"),
            &format!("{}g", &text[1..]),
        ] {
            assert!(MemberToken::parse(other).is_none(), "{other}");
        }
    }
}
