//! A user hears nothing of another any more, or hears it again.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bongsu_bus::Heard;
use bongsu_core::policy;
use bongsu_core::shard::Input;
use bongsu_model::{Code, Refusal, Reply, UserId, UserRef};
use bongsu_store::Existing;

use crate::node::{Ask, Node};
use crate::session::Session;
use crate::usecases::users;

pub(crate) async fn block(ask: &mut Ask<'_>, other: &UserRef, on: bool) -> Result<(), Refusal> {
    let other = users::known(ask.node, other).await?;
    policy::may_block(&ask.session.principal(), other.id)?;
    set(ask.node, ask.session.user, other.id, on).await?;
    let user = other.person();
    (ask.answer)(if on {
        Reply::Blocked { user }
    } else {
        Reply::Unblocked { user }
    });
    Ok(())
}

/// Keeps a block, or its end, and has every session of the user respect it.
pub(crate) async fn set(node: &Arc<Node>, user: UserId, other: UserId, on: bool) -> Result<(), Refusal> {
    let store = &node.ports.store;
    if on {
        let known = store.blocks(user).await.map_err(|fault| node.fault(&fault))?;
        if known.len() >= node.ports.limits.blocks_per_user_max && known.binary_search(&other).is_err() {
            return Err(Refusal::because(Code::PermissionDenied, "too_many_blocks"));
        }
    }
    match store
        .block(user, other, on)
        .await
        .map_err(|fault| node.fault(&fault))?
    {
        Existing::Absent => Err(Refusal::new(Code::UserNotFound)),
        Existing::Unchanged => Ok(()),
        Existing::Changed => {
            let blocked = store.blocks(user).await.map_err(|fault| node.fault(&fault))?;
            node.publish(Heard::Blocks(user, blocked.into())).await;
            Ok(())
        }
    }
}

/// Gives a session's shard the blocks of its user as the store has them now: what changed before the session had its
/// place there, or was lost on the bus, was not heard.
pub(crate) async fn read_again(node: &Arc<Node>, session: &Session) {
    loop {
        let heard = node.blocks_heard.load(Ordering::Acquire);
        let Some(blocked) = node.healthy(node.ports.store.blocks(session.user).await) else {
            return;
        };
        let (user, blocked) = (session.user, blocked.into());
        node.to_shard(session.shard, Input::Blocks { user, blocked })
            .await;
        // What was read may be older than what the shard has heard meanwhile.
        if node.blocks_heard.load(Ordering::Acquire) == heard {
            return;
        }
    }
}
