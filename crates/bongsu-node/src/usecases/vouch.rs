//! Who a token speaks for: what sign-in, its renewal and the HTTP API have in common.

use std::sync::Arc;

use bongsu_model::{Code, Refusal, Timestamp};
use bongsu_store::{SignIn, SignedIn};

use crate::node::Node;
use crate::ports::Claims;

/// What a good token says that is not revoked.
///
/// # Errors
/// `INVALID_TOKEN` with a reason.
pub(crate) async fn claims(node: &Arc<Node>, token: &str, now: Timestamp) -> Result<Claims, Refusal> {
    node.ports.tokens.ready_for(token).await;
    let claims = node.ports.tokens.verify(token, now)?;
    stands(node, &claims)?;
    Ok(claims)
}

/// Whether a token is not revoked.
pub(crate) fn stands(node: &Node, claims: &Claims) -> Result<(), Refusal> {
    if node.revoked.contains(claims.jti.as_ref()) {
        Err(Refusal::because(Code::InvalidToken, "revoked"))
    } else {
        Ok(())
    }
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
