//! Who a token speaks for: what sign-in, its renewal and the HTTP API have in common.

use std::sync::Arc;

use bongsu_model::{Code, Refusal, Role, Timestamp, TokenHash, UserRef};
use bongsu_store::{SignIn, SignedIn};

use crate::node::Node;
use crate::ports::Claims;

/// What a good token says, and which member token it is, if it is one.
pub(crate) struct Vouched {
    pub(crate) claims: Claims,
    pub(crate) member_token: Option<TokenHash>,
}

/// What a good token says that is not revoked: a member token, or one that is signed.
///
/// # Errors
/// `INVALID_TOKEN` with a reason, or the store failed.
pub(crate) async fn claims(node: &Arc<Node>, token: &str, now: Timestamp) -> Result<Vouched, Refusal> {
    let tokens = &node.ports.tokens;
    if let Some(hash) = tokens.member_token(token) {
        return member(node, hash, now).await;
    }
    tokens.ready_for(token).await;
    let vouched = Vouched {
        claims: tokens.verify(token, now)?,
        member_token: None,
    };
    stands(node, &vouched, now).await?;
    Ok(vouched)
}

/// A member token says no more than whose it is. One that was revoked is not told from one that never was.
async fn member(node: &Node, hash: TokenHash, now: Timestamp) -> Result<Vouched, Refusal> {
    let kept = node.ports.store.member_token(hash, now).await;
    let Some(kept) = kept.map_err(|fault| node.fault(&fault))? else {
        return Err(Refusal::because(Code::InvalidToken, "unknown_token"));
    };
    let ends = kept.expires_at.unwrap_or(Timestamp::FAR);
    let claims = Claims {
        subject: UserRef::Id(kept.user),
        role: Role::User,
        nickname: None,
        rooms: None,
        jti: None,
        expires_at: ends,
        // Our own clock has set its end.
        refused_from: ends,
    };
    Ok(Vouched {
        claims,
        member_token: Some(hash),
    })
}

/// Makes sure that a token is not revoked.
///
/// # Errors
/// `INVALID_TOKEN` if it is, or the store failed.
pub(crate) async fn stands(node: &Node, vouched: &Vouched, now: Timestamp) -> Result<(), Refusal> {
    if is_revoked(node, vouched, now).await? {
        return Err(Refusal::because(Code::InvalidToken, "revoked"));
    }
    Ok(())
}

/// Whether a token that was good is revoked by now.
///
/// # Errors
/// The store failed.
pub(crate) async fn is_revoked(node: &Node, vouched: &Vouched, now: Timestamp) -> Result<bool, Refusal> {
    let Some(hash) = vouched.member_token else {
        return Ok(node.revoked.contains(vouched.claims.jti.as_ref()));
    };
    let kept = node.ports.store.member_token(hash, now).await;
    Ok(kept.map_err(|fault| node.fault(&fault))?.is_none())
}

/// The user a token speaks of, with all that a session needs; made if there is none and `create` says so. `None` if
/// there is none then.
///
/// # Errors
/// `INVALID_TOKEN` for who is banned, or the store failed.
pub(crate) async fn user(
    node: &Arc<Node>,
    claims: &Claims,
    create: bool,
    now: Timestamp,
) -> Result<Option<SignedIn>, Refusal> {
    let sign_in = SignIn {
        user: claims.subject.clone(),
        nickname: claims.nickname.clone(),
        create,
        at: now,
    };
    let signed = node
        .ports
        .store
        .sign_in(sign_in)
        .await
        .map_err(|fault| node.fault(&fault))?;
    if signed.as_ref().is_some_and(|signed| signed.user.ban.is_some()) {
        return Err(Refusal::because(Code::InvalidToken, "banned"));
    }
    Ok(signed)
}
