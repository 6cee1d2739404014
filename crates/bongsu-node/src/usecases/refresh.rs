//! A session replaces its token; who it is stays.

use bongsu_model::{Code, Refusal, Reply};

use crate::node::Ask;
use crate::usecases::sign_in;

pub(crate) async fn refresh(ask: &mut Ask<'_>, token: &str) -> Result<(), Refusal> {
    ask.node.ports.tokens.ready_for(token).await;
    let claims = ask.node.ports.tokens.verify(token, ask.now)?;
    if ask.node.revoked.contains(claims.jti.as_ref()) {
        return Err(Refusal::because(Code::InvalidToken, "revoked"));
    }
    if !ask.session.person.is(&claims.subject) {
        return Err(Refusal::because(Code::PermissionDenied, "subject"));
    }
    ask.session.renew(&claims);
    // Revoked just before the session could be cut for it.
    if ask.node.revoked.contains(claims.jti.as_ref()) {
        return Err(Refusal::because(Code::InvalidToken, "revoked"));
    }
    let node = ask.node;
    let rooms = node.ports.store.my_rooms(ask.session.user).await;
    let rooms = rooms.map_err(|fault| node.fault(&fault))?;
    let rooms = rooms.iter().map(|room| sign_in::stand(room, &[]).0).collect();
    (ask.answer)(Reply::TokenRefreshed(ask.session.standing(
        rooms,
        ask.now,
        &node.ports.limits,
    )));
    Ok(())
}
