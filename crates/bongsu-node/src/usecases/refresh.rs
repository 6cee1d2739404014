//! A session replaces its token; who it is stays.

use bongsu_model::{Code, Refusal, Reply, UserRef};

use crate::node::Ask;

pub(crate) async fn refresh(ask: &mut Ask<'_>, token: &str) -> Result<(), Refusal> {
    ask.node.ports.tokens.ready_for(token).await;
    let claims = ask.node.ports.tokens.verify(token, ask.now)?;
    if ask.node.revoked.contains(claims.jti.as_ref()) {
        return Err(Refusal::because(Code::InvalidToken, "revoked"));
    }
    let same = claims.subject == ask.session.subject || claims.subject == UserRef::Id(ask.session.user);
    if !same {
        return Err(Refusal::because(Code::PermissionDenied, "subject"));
    }
    ask.session.renew(&claims);
    // Revoked just before the session could be cut for it.
    if ask.node.revoked.contains(claims.jti.as_ref()) {
        return Err(Refusal::because(Code::InvalidToken, "revoked"));
    }
    (ask.answer)(Reply::TokenRefreshed {
        expires_at: claims.expires_at,
    });
    Ok(())
}
