//! Why a token was not taken. Invariant: the reason words are part of the wire contract and of the metrics.

use bongsu_model::{Code, Refusal};

/// Why a token was not taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, thiserror::Error)]
pub enum TokenRefused {
    /// There is none.
    #[error("no token")]
    Missing,
    /// Not three parts of strict base64url with a well-formed header, or over the size limit.
    #[error("the token is malformed")]
    Malformed,
    /// No key that may have signed it did.
    #[error("the signature is wrong")]
    Signature,
    /// The algorithm is none that we take, or not the one of the key.
    #[error("the algorithm is not the key's")]
    Algorithm,
    /// No key goes by its `kid`.
    #[error("no such key")]
    UnknownKey,
    /// `exp` has passed.
    #[error("the token has expired")]
    Expired,
    /// `nbf` or `iat` is in the future.
    #[error("the token is not valid yet")]
    NotYetValid,
    /// `iss` is none that we take.
    #[error("the issuer is not accepted")]
    Issuer,
    /// `aud` does not name us.
    #[error("the audience is not us")]
    Audience,
    /// This claim is missing, of the wrong type or out of its bounds.
    #[error("the claim {0} is missing or wrong")]
    Claims(&'static str),
    /// Its `jti` was revoked.
    #[error("the token was revoked")]
    Revoked,
    /// Its subject was banned.
    #[error("the subject is banned")]
    Banned,
}

impl TokenRefused {
    /// Every reason word, for metrics.
    pub const REASONS: [&'static str; 12] = [
        "missing",
        "malformed",
        "signature",
        "algorithm",
        "unknown_key",
        "expired",
        "not_yet_valid",
        "issuer",
        "audience",
        "claims",
        "revoked",
        "banned",
    ];

    /// The word that clients are told.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        Self::REASONS[self.index()]
    }

    /// The place of the reason in [`Self::REASONS`].
    #[must_use]
    pub const fn index(self) -> usize {
        match self {
            Self::Missing => 0,
            Self::Malformed => 1,
            Self::Signature => 2,
            Self::Algorithm => 3,
            Self::UnknownKey => 4,
            Self::Expired => 5,
            Self::NotYetValid => 6,
            Self::Issuer => 7,
            Self::Audience => 8,
            Self::Claims(_) => 9,
            Self::Revoked => 10,
            Self::Banned => 11,
        }
    }
}

impl From<TokenRefused> for Refusal {
    fn from(refused: TokenRefused) -> Self {
        Self::because(Code::InvalidToken, refused.reason())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_has_its_own_word() {
        assert_eq!(TokenRefused::Claims("sub").reason(), "claims");
        assert_eq!(TokenRefused::Banned.reason(), "banned");
        assert_eq!(TokenRefused::UnknownKey.reason(), "unknown_key");
        assert_eq!(
            Refusal::from(TokenRefused::Expired),
            Refusal::because(Code::InvalidToken, "expired")
        );
    }
}
