//! Posting: allowed, then durable, then announced. In that order.

use std::sync::Arc;

use bongsu_core::moderation::reason;
use bongsu_core::policy;
use bongsu_model::records::RoomHead;
use bongsu_model::{
    Asked, Audience, ClientMessageId, Code, Event, EventBody, Message, MessageId, MessageKind, Post, Refusal,
    Reply, Request, RoomId, RoomRef, Seq, Tag, Timestamp, UserId,
};
use bongsu_store::{Appended, NewMessage};
use futures_util::future::join_all;

use crate::node::{Ask, Node};
use crate::session::Session;
use crate::usecases::rooms;

/// Takes the outcome of one of several posts. A [`Reply::Posted`] comes before its announcement.
pub type Outcome<'a> = &'a mut (dyn FnMut(&Tag, Result<Reply, Refusal>) + Send);

/// What a session has caused and may not have been given yet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unheard {
    /// A message, and those before it in its room.
    Message(RoomId, Seq),
    /// Any event that was announced by now.
    Events,
    /// Any event of a room that it has found itself a member of just now, and may not be listening to yet.
    Rooms,
}

impl Unheard {
    /// This, and besides it a message.
    fn and(known: Option<Self>, room: RoomId, seq: Seq) -> Option<Self> {
        match known {
            Some(Self::Message(other, _)) if other != room => Some(Self::Events),
            Some(Self::Events | Self::Rooms) => known,
            Some(Self::Message(..)) | None => Some(Self::Message(room, seq)),
        }
    }
}

/// Posts one message.
///
/// A repeat of the same client id is answered with the first message and announces nothing.
pub(crate) async fn post(ask: &mut Ask<'_>, post: Post) -> Result<(), Refusal> {
    let post = clear_post(ask.node, ask.session, post, ask.now).await?;
    match keep(ask.node, ask.session, post, ask.now).await? {
        (Appended::New(message), client_id) => {
            (ask.answer)(Reply::Posted {
                message: Arc::clone(&message),
                client_id,
            });
            announce(ask.node, &message, ask.cause.clone()).await;
        }
        (Appended::Repeat(message), client_id) => {
            let Some(client_id) = client_id else { return Ok(()) };
            (ask.answer)(Reply::Repeated { message, client_id });
        }
    }
    Ok(())
}

impl Node {
    /// Posts several messages of one session that came in together: they share a commit, and are announced and answered
    /// in their order.
    ///
    /// Everything that is not a post is refused as `INVALID_ACTION`: the caller has sorted. Returns what was announced
    /// and may be on its way to the session still.
    pub async fn post_all(
        self: &Arc<Self>,
        session: &Arc<Session>,
        posts: Vec<Asked>,
        outcome: Outcome<'_>,
    ) -> Option<Unheard> {
        let _served = session.serve();
        let now = self.ports.clock.now();
        let cleared = join_all(posts.into_iter().map(|asked| async move {
            let admitted = self.admit(session, &asked, now);
            let Asked { tag, request, .. } = asked;
            let cleared = match (admitted, request) {
                (Ok(()), Request::Post(post)) => clear_post(self, session, post, now).await,
                (Err(refusal), _) => Err(refusal),
                (Ok(()), _) => Err(Refusal::new(Code::InvalidAction)),
            };
            (tag, cleared)
        }))
        .await;
        // All are cleared before any is kept: a review that takes long must not let a later post pass an earlier one.
        let accepted = join_all(cleared.into_iter().map(|(tag, cleared)| async move {
            let accepted = match cleared {
                Ok(post) => keep(self, session, post, now).await,
                Err(refusal) => Err(refusal),
            };
            (tag, accepted)
        }))
        .await;
        let mut unheard = None;
        for (tag, accepted) in accepted {
            let answer = match accepted {
                Ok((Appended::New(message), client_id)) => {
                    let of = Arc::clone(&message);
                    outcome(
                        &tag,
                        Ok(Reply::Posted {
                            message: of,
                            client_id,
                        }),
                    );
                    announce(self, &message, tag.reference.clone()).await;
                    unheard = Unheard::and(unheard, message.room, message.seq);
                    continue;
                }
                Ok((Appended::Repeat(message), Some(client_id))) => {
                    Ok(Reply::Repeated { message, client_id })
                }
                Ok((Appended::Repeat(_), None)) => continue,
                Err(refusal) => Err(refusal),
            };
            // What was announced before is heard before this is answered.
            if let Some(unheard) = unheard.take() {
                self.settle(session, unheard).await;
            }
            outcome(&tag, answer);
        }
        unheard
    }

    /// Waits until the session has been given what it caused, so that a later answer does not overtake it.
    pub async fn settle(&self, session: &Session, unheard: Unheard) {
        let upto = match unheard {
            Unheard::Message(room, seq) => Some((room, seq)),
            Unheard::Events | Unheard::Rooms => None,
        };
        self.barrier(session, upto).await;
    }
}

type Accepted = (Appended, Option<ClientMessageId>);

/// What is to be posted, as moderation looks at it.
pub(crate) struct Content<'a> {
    /// In whose name.
    pub(crate) sender: UserId,
    /// Where.
    pub(crate) room: &'a RoomRef,
    /// What the text is.
    pub(crate) kind: MessageKind,
    /// The text.
    pub(crate) text: &'a Arc<str>,
    /// The sender's own name for it.
    pub(crate) client_id: Option<&'a ClientMessageId>,
    /// Whether the same content may come as often as it likes: for a back end that posts.
    pub(crate) may_repeat: bool,
}

/// Lets content through, normalised, or not.
pub(crate) async fn clear(
    node: &Arc<Node>,
    content: Content<'_>,
    now: Timestamp,
) -> Result<Arc<str>, Refusal> {
    let moderation = node.ports.moderation.current();
    let cleared = moderation.judge(content.text, content.kind)?;
    if !content.may_repeat {
        node.rates
            .flood(content.sender, cleared.fingerprint, content.client_id, now)?;
    }
    if let Some(reviewer) = &node.ports.reviewer
        && !reviewer
            .may_pass(content.sender, content.room, &cleared.content)
            .await
    {
        return Err(Refusal::because(Code::MessageRejected, reason::REVIEW));
    }
    Ok(cleared.content)
}

/// Lets a session's post through, or not.
async fn clear_post(
    node: &Arc<Node>,
    session: &Session,
    mut post: Post,
    now: Timestamp,
) -> Result<Post, Refusal> {
    let content = Content {
        sender: session.user,
        room: &post.room,
        kind: post.kind,
        text: &post.content,
        client_id: post.client_id.as_ref(),
        may_repeat: false,
    };
    post.content = clear(node, content, now).await?;
    Ok(post)
}

/// Allowed, then durable.
async fn keep(node: &Arc<Node>, session: &Session, post: Post, now: Timestamp) -> Result<Accepted, Refusal> {
    let who = session.principal();
    let client_id = post.client_id.clone();
    let message = NewMessage {
        id: MessageId(node.ports.uuid(now)),
        room: post.room,
        sender: session.user,
        content: post.content,
        kind: post.kind,
        client_id: post.client_id,
        reply_to: post.reply_to,
        metadata: post.metadata,
        at: now,
        as_member: !who.is_operator(),
    };
    let room = message.room.clone();
    match append(node, message, now).await {
        Ok(appended) => Ok((appended, client_id)),
        // The store only knows that it is not allowed; policy knows what a stranger may be told of a closed room.
        Err(refusal) if refusal.code == Code::PermissionDenied => {
            let (_, _, view) = rooms::view(node, &who, &room).await?;
            policy::may_post(&who, &view)?;
            Err(refusal)
        }
        Err(refusal) => Err(refusal),
    }
}

/// Makes a message durable.
pub(crate) async fn append(
    node: &Arc<Node>,
    message: NewMessage,
    now: Timestamp,
) -> Result<Appended, Refusal> {
    let appended = node
        .ports
        .store
        .append(message)
        .await
        .map_err(|refused| node.append_refused(&refused))?;
    node.counters
        .accept_to_commit_ms
        .note(node.ports.clock.now().ms_since(now));
    match &appended {
        Appended::New(_) => node.counters.posts.bump(),
        Appended::Repeat(_) => node.counters.repeats.bump(),
    }
    Ok(appended)
}

/// Tells the room. The post stands even if nobody hears now.
pub(crate) async fn announce(node: &Arc<Node>, message: &Arc<Message>, cause: Option<Arc<str>>) {
    node.note_head(RoomHead {
        room: message.room,
        seq: message.seq,
        epoch: message.epoch,
        members_version: message.members,
    });
    node.announce(Event {
        id: node.ports.number(),
        at: node.ports.clock.now(),
        cause,
        audience: Audience::Room(message.room),
        actor: Some(message.sender.user),
        body: EventBody::Posted(Arc::clone(message)),
    })
    .await;
}
