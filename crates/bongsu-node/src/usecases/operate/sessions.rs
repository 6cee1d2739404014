//! Operators, live sessions and calls.

use std::net::IpAddr;
use std::sync::Arc;

use bongsu_bus::{Cut, Heard};
use bongsu_core::call::{Call, CallInput, Ender};
use bongsu_core::policy;
use bongsu_model::media::Participant;
use bongsu_model::{CallId, Code, Refusal, Role, RoomId, SessionId, Timestamp, UserId};

use super::Operator;
use crate::node::Node;
use crate::session::Session;
use crate::usecases::calls;

/// A live session, as listed.
#[derive(Clone, Debug)]
pub struct SessionView {
    /// The session.
    pub session: SessionId,
    /// Whose.
    pub user: UserId,
    /// Its user's name for people.
    pub nickname: Arc<str>,
    /// As what it signed in.
    pub role: Role,
    /// Its protocol.
    pub protocol: &'static str,
    /// Where it comes from.
    pub address: IpAddr,
    /// Since when.
    pub opened_at: Timestamp,
    /// When its token ends.
    pub expires_at: Timestamp,
    /// Bytes that wait for it.
    pub waiting_bytes: usize,
}

impl SessionView {
    fn of(session: &Session) -> Self {
        Self {
            session: session.id,
            user: session.user,
            nickname: Arc::clone(&session.person.nickname),
            role: session.role(),
            protocol: session.mailbox.dialect().protocol(),
            address: session.address,
            opened_at: session.opened_at,
            expires_at: session.expires_at(),
            waiting_bytes: session.waiting_bytes(),
        }
    }
}

/// A call, as listed.
#[derive(Clone, Debug)]
pub struct CallView {
    /// The video room.
    pub call: CallId,
    /// The room it belongs to.
    pub room: RoomId,
    /// Its name.
    pub name: Arc<str>,
    /// Who may end it.
    pub host: UserId,
    /// How many may be in it.
    pub max_participants: u32,
    /// Since when.
    pub created_at: Timestamp,
    /// Who is in it, in the order they joined.
    pub participants: Vec<Participant>,
}

impl CallView {
    fn of(call: &Call) -> Self {
        Self {
            call: call.id(),
            room: call.room(),
            name: Arc::clone(call.name()),
            host: call.host(),
            max_participants: call.max_participants(),
            created_at: call.created_at(),
            participants: call
                .peers()
                .iter()
                .map(bongsu_core::call::Peer::participant)
                .collect(),
        }
    }
}

impl Node {
    /// Lists the live sessions of this node after an id, ascending: of one user, or for operators of all.
    ///
    /// # Errors
    /// `PERMISSION_DENIED`.
    pub fn sessions(
        &self,
        by: &Operator,
        of: Option<UserId>,
        after: Option<SessionId>,
        limit: usize,
    ) -> Result<Vec<SessionView>, Refusal> {
        match of {
            Some(user) => policy::may_act_for(&by.principal, user)?,
            None => policy::may_operate(&by.principal)?,
        }
        let fits = |session: &Session| {
            of.is_none_or(|user| session.user == user) && after.is_none_or(|after| session.id > after)
        };
        Ok(self
            .registry
            .all(fits)
            .iter()
            .take(limit)
            .map(|session| SessionView::of(session))
            .collect())
    }

    /// Ends a live session, wherever it is; its client may come back. Users may end their own.
    ///
    /// # Errors
    /// `PERMISSION_DENIED`; `USER_NOT_FOUND` for a session that is not here, asked by a user.
    pub async fn end_session(self: &Arc<Self>, by: &Operator, session: SessionId) -> Result<(), Refusal> {
        match self.registry.get(session) {
            Some(session) => policy::may_act_for(&by.principal, session.user)?,
            None if by.principal.is_operator() => {}
            None => return Err(Refusal::new(Code::UserNotFound)),
        }
        self.note(by, "session.end", session.to_string(), None).await;
        self.publish(Heard::Cut(Cut::Session(session))).await;
        Ok(())
    }

    /// Lists the calls of this node after a number, ascending.
    ///
    /// # Errors
    /// `PERMISSION_DENIED`.
    pub fn calls(
        &self,
        by: &Operator,
        after: Option<CallId>,
        limit: usize,
    ) -> Result<Vec<CallView>, Refusal> {
        policy::may_operate(&by.principal)?;
        Ok(self
            .calls
            .lock()
            .after(after, limit)
            .into_iter()
            .map(CallView::of)
            .collect())
    }

    /// Reads a call.
    ///
    /// # Errors
    /// `PERMISSION_DENIED`, `VIDEO_ROOM_NOT_FOUND`.
    pub fn call(&self, by: &Operator, call: CallId) -> Result<CallView, Refusal> {
        policy::may_operate(&by.principal)?;
        self.calls
            .lock()
            .get(call)
            .map(CallView::of)
            .ok_or(Refusal::new(Code::VideoRoomNotFound))
    }

    /// Ends a call.
    ///
    /// # Errors
    /// `PERMISSION_DENIED`, `VIDEO_ROOM_NOT_FOUND`.
    pub async fn end_call(self: &Arc<Self>, by: &Operator, call: CallId) -> Result<(), Refusal> {
        policy::may_operate(&by.principal)?;
        calls::happened(
            self,
            CallInput::End {
                call,
                by: Ender::Operator,
            },
            self.now(),
        )
        .await?;
        self.note(by, "video_room.end", format!("video_room:{call}"), None)
            .await;
        Ok(())
    }
}
