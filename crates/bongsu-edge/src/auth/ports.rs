//! What the node asks of tokens and credentials, answered.
//!
//! Invariant: nothing is decided here; a refused token becomes a refusal with its reason word and nothing more.

use async_trait::async_trait;
use bongsu_model::media::IceServer;
use bongsu_model::{Refusal, Timestamp, TokenHash, UserId};
use bongsu_node::{IceServers, Tokens};

use super::claims::Claims;
use super::member_token::MemberToken;
use super::turn::TurnMint;
use super::verify::Verifier;

#[async_trait]
impl Tokens for Verifier {
    async fn ready_for(&self, token: &str) {
        Self::ready_for(self, token).await;
    }

    fn verify(&self, token: &str, now: Timestamp) -> Result<bongsu_node::Claims, Refusal> {
        Ok(Self::verify(self, token, now)?.into())
    }

    fn member_token(&self, token: &str) -> Option<TokenHash> {
        MemberToken::parse(token).map(|token| token.hash())
    }
}

impl IceServers for TurnMint {
    fn servers(&self, user: UserId, now: Timestamp) -> Vec<IceServer> {
        Self::servers(self, user, now)
    }
}

impl From<Claims> for bongsu_node::Claims {
    fn from(claims: Claims) -> Self {
        Self {
            subject: claims.user(),
            role: claims.role,
            nickname: claims.nickname,
            rooms: claims.rooms,
            jti: claims.jti,
            expires_at: claims.expires_at,
            refused_from: claims.refused_from,
        }
    }
}
