//! Who may do what: pure decisions over facts that the caller has read.
//!
//! Invariant: what is not allowed here is refused, and a refusal never tells a stranger that a closed room exists.
//! Bad luck (a full room, a rate, a ban that comes later) is not decided here.

use std::sync::Arc;

use bongsu_model::records::{MemberRole, Room, RoomKind, Visibility};
use bongsu_model::{Code, Refusal, Role, RoomId, UserId, Want};

/// What every decision answers.
pub type Decision = Result<(), Refusal>;

/// Who asks.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Principal {
    /// The user that the token speaks for; `None` for a key of the HTTP API, which is nobody in a room.
    pub user: Option<UserId>,
    /// What kind of principal it is.
    pub role: Role,
    /// The token's `rooms` claim: the only rooms that it may join. `None` for no such restriction. It opens no closed room
    /// and ends no membership.
    pub rooms: Option<Arc<[RoomId]>>,
}

impl Principal {
    /// A principal without restrictions of its own.
    #[must_use]
    pub const fn new(user: UserId, role: Role) -> Self {
        Self {
            user: Some(user),
            role,
            rooms: None,
        }
    }

    /// A key of the HTTP API: a service that is no user.
    #[must_use]
    pub const fn api_key() -> Self {
        Self {
            user: None,
            role: Role::Service,
            rooms: None,
        }
    }

    /// Whether it acts for the application or runs it: not bound to memberships.
    #[must_use]
    pub const fn is_operator(&self) -> bool {
        match self.role {
            Role::Service | Role::Admin => true,
            Role::User | Role::Device => false,
        }
    }

    /// A device speaks its own protocols and is nobody in the chat.
    const fn takes_part(&self) -> bool {
        match self.role {
            Role::User | Role::Service | Role::Admin => self.user.is_some(),
            Role::Device => false,
        }
    }
}

/// A room as the one who asks stands in it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RoomView {
    /// Which.
    pub room: RoomId,
    /// What it is for.
    pub kind: RoomKind,
    /// Who may join.
    pub visibility: Visibility,
    /// What the one who asks may do as a member; `None` if it is none.
    pub member: Option<MemberRole>,
}

impl RoomView {
    /// A room and one's place in it.
    #[must_use]
    pub const fn of(room: &Room, member: Option<MemberRole>) -> Self {
        Self {
            room: room.id,
            kind: room.kind,
            visibility: room.visibility,
            member,
        }
    }

    /// Whether a stranger may know of it and come in. A direct room has its two from the start.
    const fn is_open(&self) -> bool {
        matches!(self.visibility, Visibility::Open) && !matches!(self.kind, RoomKind::Direct)
    }

    /// What a stranger is told who asks for more than joining.
    const fn stranger(&self) -> Refusal {
        Refusal::new(if self.is_open() {
            Code::PermissionDenied
        } else {
            Code::RoomNotFound
        })
    }

    /// Who may speak: all members, or in a broadcast room its owners.
    fn speaker(&self) -> Decision {
        match (self.member, self.kind) {
            (None, _) => Err(self.stranger()),
            (Some(MemberRole::Owner), _) | (Some(MemberRole::Member), RoomKind::Group | RoomKind::Direct) => {
                Ok(())
            }
            (Some(MemberRole::Member), RoomKind::Broadcast) => Err(DENIED),
        }
    }
}

const DENIED: Refusal = Refusal::new(Code::PermissionDenied);

fn allow(allowed: bool) -> Decision {
    if allowed { Ok(()) } else { Err(DENIED) }
}

/// May it sign in to chat? Devices have protocols of their own; who is banned stays out.
///
/// # Errors
///
/// `PERMISSION_DENIED`.
pub fn may_connect(who: &Principal, banned: bool) -> Decision {
    allow(who.takes_part() && !banned)
}

/// Is the user that the envelope names the one who is signed in?
///
/// # Errors
///
/// `PERMISSION_DENIED`.
pub fn may_claim(who: &Principal, claimed: Option<UserId>) -> Decision {
    allow(claimed.is_none() || claimed == who.user)
}

/// May it become a member by asking (or say again that it is one)?
///
/// An operator may join any room that the token's claim does not exclude.
///
/// # Errors
///
/// `ROOM_NOT_FOUND` for a stranger to a closed room, else `PERMISSION_DENIED`.
pub fn may_join(who: &Principal, room: &RoomView) -> Decision {
    if !who.takes_part() {
        return Err(DENIED);
    }
    if room.member.is_some() {
        return Ok(());
    }
    if !room.is_open() && !who.is_operator() {
        return Err(room.stranger());
    }
    allow(who.rooms.as_ref().is_none_or(|rooms| rooms.contains(&room.room)))
}

/// May it make a room by joining a name that does not exist? `by_policy` is what the configuration says of that name.
///
/// # Errors
///
/// `ROOM_NOT_FOUND`, as if names could never be made.
pub fn may_create_by_joining(who: &Principal, by_policy: bool) -> Decision {
    // A token that may join only rooms with known numbers may not make one whose number is not known yet.
    if who.takes_part() && by_policy && who.rooms.is_none() {
        Ok(())
    } else {
        Err(Refusal::new(Code::RoomNotFound))
    }
}

/// May it leave?
///
/// # Errors
///
/// As for any stranger.
pub fn may_leave(who: &Principal, room: &RoomView) -> Decision {
    as_member(who, room)
}

/// May it post at all? The part of [`may_post`] that needs no room, for who lets the store check the rest in the
/// transaction that appends.
///
/// # Errors
///
/// `PERMISSION_DENIED`.
pub fn may_speak(who: &Principal) -> Decision {
    allow(who.takes_part())
}

/// May it post as itself? Operators may without being members.
///
/// # Errors
///
/// `ROOM_NOT_FOUND` or `PERMISSION_DENIED`.
pub fn may_post(who: &Principal, room: &RoomView) -> Decision {
    match who.role {
        Role::Device => Err(DENIED),
        Role::Service | Role::Admin => Ok(()),
        Role::User => room.speaker(),
    }
}

/// May it post in the name of another user? Only the application's back end.
///
/// # Errors
///
/// `PERMISSION_DENIED`.
pub fn may_post_as(who: &Principal, sender: UserId) -> Decision {
    match who.role {
        Role::Service => Ok(()),
        Role::Admin | Role::User => allow(who.user == Some(sender)),
        Role::Device => Err(DENIED),
    }
}

/// May it say that it types? Who may not post has nothing to type.
///
/// # Errors
///
/// `ROOM_NOT_FOUND` or `PERMISSION_DENIED`.
pub fn may_type(who: &Principal, room: &RoomView) -> Decision {
    as_member(who, room)?;
    room.speaker()
}

/// May it tell the others what only their application understands? As one who types: to members, by those who may speak.
///
/// # Errors
///
/// `ROOM_NOT_FOUND` or `PERMISSION_DENIED`.
pub fn may_emit(who: &Principal, room: &RoomView) -> Decision {
    as_member(who, room)?;
    room.speaker()
}

/// May it read the history, the members and who is online?
///
/// # Errors
///
/// `ROOM_NOT_FOUND` or `PERMISSION_DENIED`.
pub fn may_read(who: &Principal, room: &RoomView) -> Decision {
    if who.is_operator() {
        Ok(())
    } else {
        as_member(who, room)
    }
}

/// May it say up to where it has read? Only members have a mark.
///
/// # Errors
///
/// `ROOM_NOT_FOUND` or `PERMISSION_DENIED`.
pub fn may_mark_read(who: &Principal, room: &RoomView) -> Decision {
    as_member(who, room)
}

/// May it add or remove others? Owners and operators; the two of a direct room are for ever, but for operators.
///
/// # Errors
///
/// `ROOM_NOT_FOUND` or `PERMISSION_DENIED`.
pub fn may_manage_members(who: &Principal, room: &RoomView) -> Decision {
    if who.is_operator() {
        return Ok(());
    }
    as_member(who, room)?;
    allow(room.member == Some(MemberRole::Owner) && room.kind != RoomKind::Direct)
}

/// May it make a call in the room? Who may speak may; a call is between members, also for operators.
///
/// # Errors
///
/// `ROOM_NOT_FOUND` or `PERMISSION_DENIED`.
pub fn may_create_call(who: &Principal, room: &RoomView) -> Decision {
    as_member(who, room)?;
    room.speaker()
}

/// May it ask anything of a call of the room: join, leave, signal, switch media? Any member may.
///
/// # Errors
///
/// `VIDEO_ROOM_NOT_FOUND`, because the number of a call tells a stranger nothing; `PERMISSION_DENIED` for a device.
pub fn may_call(who: &Principal, room: &RoomView) -> Decision {
    match as_member(who, room) {
        Err(_) if who.takes_part() => Err(Refusal::new(Code::VideoRoomNotFound)),
        decision => decision,
    }
}

/// May it signal to one who may have blocked it?
///
/// # Errors
///
/// `USER_BLOCKED`.
pub fn may_signal(blocked_by_target: bool) -> Decision {
    if blocked_by_target {
        Err(Refusal::new(Code::UserBlocked))
    } else {
        Ok(())
    }
}

/// May it block or unblock that user?
///
/// # Errors
///
/// `INVALID_DATA` for `user_id` if it is itself; `PERMISSION_DENIED` for who is no user.
pub fn may_block(who: &Principal, other: UserId) -> Decision {
    if who.user == Some(other) {
        return Err(Refusal::field("user_id", Want::Other));
    }
    allow(who.takes_part())
}

/// May it read or change what concerns one user only: its rooms, its blocks, its sessions?
///
/// # Errors
///
/// `PERMISSION_DENIED`.
pub fn may_act_for(who: &Principal, user: UserId) -> Decision {
    match who.role {
        Role::Service | Role::Admin => Ok(()),
        Role::User => allow(who.user == Some(user)),
        Role::Device => Err(DENIED),
    }
}

/// May it do what only operators do: users, rooms, bans, announcements, sessions of others, ending calls, the audit?
///
/// # Errors
///
/// `PERMISSION_DENIED`.
pub fn may_operate(who: &Principal) -> Decision {
    allow(who.is_operator())
}

/// May it have devices do something, or take them over for a while? What each role may do beyond that, the catalogue says.
///
/// # Errors
///
/// `PERMISSION_DENIED` for devices: nothing that takes commands gives them to others.
pub fn may_command(who: &Principal) -> Decision {
    allow(who.role != Role::Device)
}

fn as_member(who: &Principal, room: &RoomView) -> Decision {
    if !who.takes_part() {
        return Err(DENIED);
    }
    if room.member.is_some() {
        Ok(())
    } else {
        Err(room.stranger())
    }
}

#[cfg(test)]
mod tests;
