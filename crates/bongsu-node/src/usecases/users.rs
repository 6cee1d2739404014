//! Users as requests name them: by number or by handle.

use std::sync::Arc;

use bongsu_model::records::User;
use bongsu_model::{Code, Refusal, UserId, UserRef};

use crate::node::Node;

/// The number of a user. One that is named by its number is not looked up: what is done with it finds out.
pub(crate) async fn id(node: &Arc<Node>, user: &UserRef) -> Result<UserId, Refusal> {
    match user {
        UserRef::Id(id) => Ok(*id),
        UserRef::Handle(_) => Ok(known(node, user).await?.id),
    }
}

/// A user that exists.
pub(crate) async fn known(node: &Arc<Node>, user: &UserRef) -> Result<User, Refusal> {
    let found = node.ports.store.user(user.clone()).await;
    found
        .map_err(|fault| node.fault(&fault))?
        .ok_or(Refusal::new(Code::UserNotFound))
}
