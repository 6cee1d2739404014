//! A session replaces its token; who it is stays.

use bongsu_model::{Code, Refusal, Reply};

use crate::node::Ask;
use crate::usecases::{sign_in, vouch};

pub(crate) async fn refresh(ask: &mut Ask<'_>, token: &str) -> Result<(), Refusal> {
    let vouched = vouch::claims(ask.node, token, ask.now).await?;
    if !ask.session.person.is(&vouched.claims.subject) {
        return Err(Refusal::because(Code::PermissionDenied, "subject"));
    }
    ask.session.renew(&vouched);
    // Revoked just before the session could be cut for it.
    vouch::stands(ask.node, &vouched, ask.now).await?;
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
