//! A page of a room's history.

use std::sync::Arc;

use bongsu_core::policy::{self, Principal};
use bongsu_model::{Code, HistoryPage, PageFrom, Refusal, Reply, RoomRef, UserId, Want};

use crate::node::{Ask, Node};
use crate::usecases::rooms;

/// Messages in a page when the client does not say.
const DEFAULT_LIMIT: u32 = 50;

pub(crate) async fn history(
    ask: &mut Ask<'_>,
    room: RoomRef,
    from: PageFrom,
    limit: Option<u32>,
) -> Result<(), Refusal> {
    let (node, who) = (ask.node, ask.session.principal());
    let limit = limit.unwrap_or(DEFAULT_LIMIT.min(node.ports.limits.history_page_max));
    let page = page(node, &who, &room, from, limit, Some(ask.session.user)).await?;
    (ask.answer)(Reply::Page(page));
    Ok(())
}

/// Reads a page for one who may; without the messages of those whom `spared` has blocked.
pub(crate) async fn page(
    node: &Arc<Node>,
    who: &Principal,
    room: &RoomRef,
    from: PageFrom,
    limit: u32,
    spared: Option<UserId>,
) -> Result<HistoryPage, Refusal> {
    let (room, _, view) = rooms::view(node, who, room).await?;
    policy::may_read(who, &view)?;
    let limit_max = node.ports.limits.history_page_max;
    if !(1..=limit_max).contains(&limit) {
        return Err(Refusal::field("limit", Want::Between(1, i64::from(limit_max))));
    }
    let store = &node.ports.store;
    let page = store
        .history(room.id, from, limit)
        .await
        .map_err(|fault| node.fault(&fault))?;
    let Some(mut page) = page else {
        return Err(Refusal::new(Code::RoomNotFound));
    };
    if let Some(user) = spared {
        let blocked = store.blocks(user).await.map_err(|fault| node.fault(&fault))?;
        page.messages
            .retain(|message| blocked.binary_search(&message.sender.user).is_err());
    }
    Ok(page)
}
