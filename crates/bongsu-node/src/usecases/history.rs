//! A page of a room's history.

use bongsu_core::policy;
use bongsu_model::{Code, PageFrom, Refusal, Reply, RoomRef, Want};

use crate::node::Ask;
use crate::usecases::rooms;

/// Messages in a page when the client does not say.
const DEFAULT_LIMIT: u32 = 50;

pub(crate) async fn history(
    ask: &mut Ask<'_>,
    room: RoomRef,
    from: PageFrom,
    limit: Option<u32>,
) -> Result<(), Refusal> {
    let node = ask.node;
    let who = ask.session.principal();
    let (room, _, view) = rooms::view(node, &who, &room).await?;
    policy::may_read(&who, &view)?;
    let limit_max = node.ports.limits.history_page_max;
    let limit = limit.unwrap_or(DEFAULT_LIMIT.min(limit_max));
    if !(1..=limit_max).contains(&limit) {
        return Err(Refusal::field("limit", Want::Between(1, i64::from(limit_max))));
    }
    let page = node
        .ports
        .store
        .history(room.id, from, limit)
        .await
        .map_err(|fault| node.fault(&fault))?;
    let Some(mut page) = page else {
        return Err(Refusal::new(Code::RoomNotFound));
    };
    let blocked = node
        .ports
        .store
        .blocks(ask.session.user)
        .await
        .map_err(|fault| node.fault(&fault))?;
    page.messages
        .retain(|message| blocked.binary_search(&message.sender.user).is_err());
    (ask.answer)(Reply::Page(page));
    Ok(())
}
