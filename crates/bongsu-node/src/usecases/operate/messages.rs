//! Operators and messages.

use std::sync::Arc;

use bongsu_core::policy;
use bongsu_model::event::{AnnouncementKind, Priority};
use bongsu_model::{
    Audience, ClientMessageId, Event, EventBody, HistoryPage, Message, MessageId, MessageKind, PageFrom,
    RawJson, Refusal, RoomRef, UserId, Want,
};
use bongsu_store::{Appended, NewMessage};

use super::Operator;
use crate::node::Node;
use crate::usecases::{history, post, rooms};

/// A message to be posted from outside of a session.
#[derive(Clone, Debug)]
pub struct PostAs {
    /// In whose name; `None` for one's own.
    pub sender: Option<UserId>,
    /// The text.
    pub content: Arc<str>,
    /// What the text is.
    pub kind: MessageKind,
    /// The caller's own name for it.
    pub client_id: Option<ClientMessageId>,
    /// The message it answers.
    pub reply_to: Option<MessageId>,
    /// The application's own object.
    pub metadata: Option<RawJson>,
}

/// What became of it.
#[derive(Clone, Debug)]
pub struct Posted {
    /// The message.
    pub message: Arc<Message>,
    /// Whether it had been posted before under the same client id.
    pub repeat: bool,
}

impl Node {
    /// Posts a message from outside of a session: the same rules, the same order, the same room.
    ///
    /// # Errors
    /// As a post of a session; `PERMISSION_DENIED` for a name that is not one's own.
    pub async fn post_as(
        self: &Arc<Self>,
        by: &Operator,
        room: &RoomRef,
        new: PostAs,
    ) -> Result<Posted, Refusal> {
        let who = &by.principal;
        let Some(sender) = new.sender.or(who.user) else {
            return Err(Refusal::field("sender_id", Want::Present));
        };
        policy::may_post_as(who, sender)?;
        let now = self.now();
        let (room, _, view) = rooms::view(self, who, room).await?;
        policy::may_post(who, &view)?;
        let is_operator = who.is_operator();
        if !is_operator {
            self.rates.post(sender, now)?;
        }
        let room = RoomRef::Id(room.id);
        let content = post::Content {
            sender,
            room: &room,
            kind: new.kind,
            text: &new.content,
            client_id: new.client_id.as_ref(),
            may_repeat: is_operator,
        };
        let content = post::clear(self, content, now).await?;
        let message = NewMessage {
            id: MessageId(self.ports.uuid(now)),
            room,
            sender,
            content,
            kind: new.kind,
            client_id: new.client_id,
            reply_to: new.reply_to,
            metadata: new.metadata,
            at: now,
            as_member: !is_operator,
        };
        match post::append(self, message, now).await? {
            Appended::New(message) => {
                post::announce(self, &message, None).await;
                Ok(Posted {
                    message,
                    repeat: false,
                })
            }
            Appended::Repeat(message) => Ok(Posted {
                message,
                repeat: true,
            }),
        }
    }

    /// A page of a room's history; operators and members.
    ///
    /// # Errors
    /// `ROOM_NOT_FOUND`, `PERMISSION_DENIED`, `INVALID_DATA` for the limit.
    pub async fn history(
        self: &Arc<Self>,
        by: &Operator,
        room: &RoomRef,
        from: PageFrom,
        limit: u32,
    ) -> Result<HistoryPage, Refusal> {
        let who = &by.principal;
        // Who reads for itself is spared whom it has blocked; a back end sees all.
        let spared = if who.is_operator() { None } else { who.user };
        history::page(self, who, room, from, limit, spared).await
    }

    /// Speaks to everyone who is connected; to how many sessions of this node.
    ///
    /// # Errors
    /// `PERMISSION_DENIED`.
    pub async fn announce_to_all(
        self: &Arc<Self>,
        by: &Operator,
        (title, message): (Arc<str>, Arc<str>),
        kind: AnnouncementKind,
        priority: Priority,
    ) -> Result<usize, Refusal> {
        policy::may_operate(&by.principal)?;
        self.note(
            by,
            "announcement",
            format!("kind:{}", kind.name()),
            Some(title.to_string()),
        )
        .await;
        self.announce(Event {
            id: self.ports.number(),
            at: self.now(),
            cause: None,
            audience: Audience::All,
            actor: None,
            body: EventBody::Announced {
                title,
                message,
                kind,
                priority,
            },
        })
        .await;
        Ok(self.sessions_count())
    }
}
