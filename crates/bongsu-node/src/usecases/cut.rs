//! Live sessions are ended by an operator's word, on every node that hears it.

use std::sync::Arc;

use bongsu_bus::Cut;
use bongsu_model::SessionId;
use bongsu_model::refusal::CloseCause;

use crate::node::Node;
use crate::session::Session;

/// Ends the sessions that a cut means.
pub(crate) fn cut(node: &Node, cut: &Cut) {
    let (sessions, cause) = match cut {
        Cut::Banned(user) => (node.registry.of(*user), CloseCause::Banned),
        Cut::Disconnected(user) => (node.registry.of(*user), CloseCause::Disconnected),
        Cut::Session(session) => (one(node, *session), CloseCause::Disconnected),
        Cut::Revoked(jti) => {
            node.cut_devices_of(jti);
            (
                node.registry.all(|session| session.has_token(jti)),
                CloseCause::TokenRevoked,
            )
        }
        Cut::MemberTokens { user, tokens } => {
            let opened = |session: &Session| session.user == *user && session.has_member_token(tokens);
            (node.registry.all(opened), CloseCause::TokenRevoked)
        }
    };
    for session in sessions {
        session.end(&node.ports, cause.clone());
    }
}

fn one(node: &Node, session: SessionId) -> Vec<Arc<Session>> {
    node.registry.get(session).into_iter().collect()
}
