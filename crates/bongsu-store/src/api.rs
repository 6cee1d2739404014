//! The contract of every store.
//!
//! Invariant: a write that has returned `Ok` is durable (as far as the store's durability says) and visible to every
//! later read on every node. Times are given by the caller; a store asks no clock.

use std::sync::Arc;

use async_trait::async_trait;
use bongsu_model::records::{
    AuditEntry, Ban, Member, MyRoom, NewRoom, NewUser, Revocation, Room, RoomHead, User, UserChange,
};
use bongsu_model::{
    CallId, ClientMessageId, HistoryPage, Jti, Message, MessageId, MessageKind, PageFrom, RawJson, RoomId,
    RoomRef, Seq, Timestamp, TokenHash, TokenId, UserId, UserRef,
};

use crate::{AppendRefused, CreateRefused, DeviceStore, JoinRefused, PresetStore, StoreFault, UpdateRefused};

/// A message to be appended; policy and moderation have passed it.
#[derive(Clone, Debug)]
pub struct NewMessage {
    /// Its identity, made by the caller: unique, and ascending with time as a UUIDv7 is. A store may use the order to find
    /// the message that another one answers.
    pub id: MessageId,
    /// Where.
    pub room: RoomRef,
    /// Who posts.
    pub sender: UserId,
    /// The normalised text.
    pub content: Arc<str>,
    /// What the text is.
    pub kind: MessageKind,
    /// The client's own name for it.
    pub client_id: Option<ClientMessageId>,
    /// The message it answers; must be in the same room.
    pub reply_to: Option<MessageId>,
    /// The application's own object.
    pub metadata: Option<RawJson>,
    /// Now.
    pub at: Timestamp,
    /// Whether the sender must be a member and may be blocked: false for a service that posts. The sender must exist in
    /// any case; if it does not, it is no member.
    pub as_member: bool,
}

/// What became of an append.
#[derive(Clone, Debug)]
pub enum Appended {
    /// It is in the history, at its `seq`.
    New(Arc<Message>),
    /// The same sender appended the same client id to the same room before; this is that message.
    Repeat(Arc<Message>),
}

/// What a token says about its user.
#[derive(Clone, Debug)]
pub struct SignIn {
    /// Who.
    pub user: UserRef,
    /// Its name for people, if the token says one; given to a user that is made now.
    pub nickname: Option<Arc<str>>,
    /// Whether to make a user that does not exist.
    pub create: bool,
    /// Now.
    pub at: Timestamp,
}

/// All that a node needs to know of a user who signs in, read at one moment.
#[derive(Clone, Debug)]
pub struct SignedIn {
    /// The user.
    pub user: User,
    /// The rooms it is a member of, ascending by id.
    pub rooms: Vec<MyRoom>,
    /// Whom it has blocked, ascending.
    pub blocked: Vec<UserId>,
}

/// What became of a join.
#[derive(Clone, Debug)]
pub struct Joined {
    /// The room after it.
    pub room: Room,
    /// Whether the user was not a member before.
    pub first: bool,
    /// The room's last message when the user became a member: it hears live what comes after it.
    pub joined_seq: Seq,
    /// The oldest message that is still kept, or `seq + 1` if none is.
    pub first_seq: Seq,
}

/// What became of a leave.
#[derive(Clone, Debug)]
pub struct Left {
    /// The room after it.
    pub room: Room,
    /// Whether the user was a member before.
    pub was_member: bool,
}

/// All members of a room, or those asked for, with the version they were read at.
#[derive(Clone, Debug)]
pub struct RoomMembers {
    /// The room's head at the same moment.
    pub head: RoomHead,
    /// Each with the room's last message when it joined, ascending by user.
    pub members: Vec<(UserId, Seq)>,
}

/// What became of a read mark.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mark {
    /// It moved forward.
    Moved,
    /// It was there or further already.
    Kept,
    /// The user is not a member, or there is no such room.
    NotMember,
}

/// What became of a member token that was to be kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TokenAdded {
    /// It opens from now on.
    Yes,
    /// There is no such user.
    NoUser,
    /// The user has as many as one may have.
    TooMany,
}

/// A member token that opens.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MemberToken {
    /// Whose it is.
    pub user: UserId,
    /// When it ends, if it does so by itself.
    pub expires_at: Option<Timestamp>,
}

/// Whether something was there before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Existing {
    /// The call changed something.
    Changed,
    /// It was so already.
    Unchanged,
    /// What the call speaks of does not exist.
    Absent,
}

/// The kept answer of an HTTP call with an idempotency key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StoredAnswer {
    /// A hash of the request's method, path and body: the same key with another request is a conflict.
    pub request_hash: [u8; 32],
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: Arc<[u8]>,
}

/// How far a session was that has ended, for a client that comes back.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeptTrail {
    /// The SHA-256 of the name by which the client asks for it; the name itself is not kept.
    pub pid_hash: [u8; 32],
    /// Whose session it was.
    pub user: UserId,
    /// What was pushed to it, opaque to the store.
    pub trail: Arc<[u8]>,
    /// From then on it is as good as forgotten.
    pub expires_at: Timestamp,
}

/// What is kept.
#[async_trait]
pub trait Store: DeviceStore + PresetStore + 'static {
    // Users

    /// Finds the user a token speaks of, or makes it, and reads all that a session needs. `None` if there is no such
    /// user and it must not be made, or cannot because its handle is another user's. A given nickname is not written
    /// over an existing one.
    async fn sign_in(&self, sign_in: SignIn) -> Result<Option<SignedIn>, StoreFault>;
    /// Makes a user. One without a number gets the lowest that is free and was not given before; what was refused takes
    /// none. Refused: [`CreateRefused::IdTaken`], [`CreateRefused::NameTaken`] (the handle).
    async fn create_user(&self, user: NewUser, at: Timestamp) -> Result<User, CreateRefused>;
    /// Changes a user as `change` says; `None` if there is no such user. Refused: [`UpdateRefused::Nick`], and nothing is
    /// changed then. Messages and pages of history that are answered after it show the user as it is then.
    async fn update_user(&self, user: UserId, change: UserChange) -> Result<Option<User>, UpdateRefused>;
    /// Reads a user.
    async fn user(&self, user: UserRef) -> Result<Option<User>, StoreFault>;
    /// Reads the user that has this public token.
    async fn user_by_public_token(&self, token: Arc<str>) -> Result<Option<User>, StoreFault>;
    /// Reads the users after a number, ascending, at most `limit`.
    async fn users(&self, after: Option<UserId>, limit: u32) -> Result<Vec<User>, StoreFault>;
    /// Notes when a user's last session ended; an earlier moment than the noted one changes nothing.
    async fn seen(&self, user: UserId, at: Timestamp) -> Result<(), StoreFault>;
    /// Keeps a user out, or (`None`) lets it in again. Of a user who is kept out already the first ban stays.
    async fn ban(&self, user: UserId, ban: Option<Ban>) -> Result<Existing, StoreFault>;
    /// Blocks (or, with `on` false, unblocks) `other` for `user`. Absent if either does not exist.
    async fn block(&self, user: UserId, other: UserId, on: bool) -> Result<Existing, StoreFault>;
    /// Whom a user has blocked, ascending.
    async fn blocks(&self, user: UserId) -> Result<Vec<UserId>, StoreFault>;
    /// Whether `user` has blocked `other`.
    async fn has_blocked(&self, user: UserId, other: UserId) -> Result<bool, StoreFault>;
    /// Keeps a member token by its hash; those of the user that have ended at `at` are forgotten by the way.
    async fn add_member_token(
        &self,
        user: UserId,
        hash: TokenHash,
        expires_at: Option<Timestamp>,
        at: Timestamp,
    ) -> Result<TokenAdded, StoreFault>;
    /// Whose a member token is that has not ended at `at`.
    async fn member_token(&self, hash: TokenHash, at: Timestamp) -> Result<Option<MemberToken>, StoreFault>;
    /// Forgets one member token of a user, or (`None`) all; which these were, ascending.
    async fn revoke_member_tokens(
        &self,
        user: UserId,
        which: Option<TokenId>,
    ) -> Result<Vec<TokenHash>, StoreFault>;
    /// Refuses a token from now on, by its id.
    async fn revoke(&self, revocation: Revocation) -> Result<(), StoreFault>;
    /// All revocations that still matter at `at`; the others may be forgotten.
    async fn revocations(&self, at: Timestamp) -> Result<Vec<Revocation>, StoreFault>;
    /// Whether a token is refused by its id.
    async fn is_revoked(&self, jti: Jti) -> Result<bool, StoreFault>;

    // Rooms

    /// Makes a room with its first members. `members_version` is 1 if it has any, else 0. A user named twice is one
    /// member, with the role it was named with first. A direct room takes exactly two, whatever `max_members` says.
    /// The limit of rooms per user does not bind whoever makes a room.
    async fn create_room(&self, room: NewRoom, at: Timestamp) -> Result<Room, CreateRefused>;
    /// Reads a room.
    async fn room(&self, room: RoomRef) -> Result<Option<Room>, StoreFault>;
    /// Reads the rooms after a number, ascending, at most `limit`; only those of `of` if given.
    async fn rooms(
        &self,
        of: Option<UserId>,
        after: Option<RoomId>,
        limit: u32,
    ) -> Result<Vec<Room>, StoreFault>;
    /// Makes a user a member. Not `by_operator`, only an open room may be joined, or one of which the user is a member
    /// already. Bumps the membership version if it was none. One who is a member already keeps its role. Refused, in this
    /// order: `NoRoom`, `NoUser`, `Closed`, `Full`, `TooManyRooms`.
    async fn join(
        &self,
        room: RoomRef,
        user: UserId,
        by_operator: bool,
        at: Timestamp,
    ) -> Result<Joined, JoinRefused>;
    /// Ends a membership; bumps the version if there was one. `None` if there is no such room.
    async fn leave(&self, room: RoomRef, user: UserId) -> Result<Option<Left>, StoreFault>;
    /// One user's place in a room.
    async fn member(&self, room: RoomId, user: UserId) -> Result<Option<Member>, StoreFault>;
    /// The members after a number, ascending by user, at most `limit`.
    async fn members(
        &self,
        room: RoomId,
        after: Option<UserId>,
        limit: u32,
    ) -> Result<Vec<Member>, StoreFault>;
    /// All members and the version they were read at, in one read. `None` if there is no such room.
    async fn room_members(&self, room: RoomId) -> Result<Option<RoomMembers>, StoreFault>;
    /// The rooms of a user, ascending.
    async fn my_rooms(&self, user: UserId) -> Result<Vec<MyRoom>, StoreFault>;
    /// Who is a member of a room whose memberships end with the member's last session, ascending, after a place, at
    /// most `limit`.
    async fn session_members(
        &self,
        after: Option<(RoomId, UserId)>,
        limit: u32,
    ) -> Result<Vec<(RoomId, UserId)>, StoreFault>;
    /// How far rooms are, in the order asked for; rooms that do not exist are left out.
    async fn heads(&self, rooms: Vec<RoomId>) -> Result<Vec<RoomHead>, StoreFault>;

    // Messages

    /// Appends a message: membership, blocks (direct rooms) and client id are checked, the seq is given and the message
    /// is made durable in one transaction. Appends of one caller that are begun (first polled) in order get ascending
    /// seqs. A caller that stops waiting does not undo the append.
    ///
    /// Refused: `NoRoom`, then `NotMember`. Then a known client id is answered: [`Appended::Repeat`],
    /// whatever else the message says; so a repeat is answered though the sender may not post any more. Then `NotOwner`, `Blocked`, `NoSuchReply`. A client id is forgotten with its message. After a fault other than
    /// `Overloaded` and `Stopped` the message may or may not be there: a retry with the same client id finds out.
    async fn append(&self, message: NewMessage) -> Result<Appended, AppendRefused>;
    /// A page of history, at most `limit`. `None` if there is no such room. `has_more` says whether there are kept
    /// messages beyond the page in the direction asked for (for `Latest`: older ones). Senders are shown as they are now.
    async fn history(
        &self,
        room: RoomId,
        from: PageFrom,
        limit: u32,
    ) -> Result<Option<HistoryPage>, StoreFault>;
    /// Moves a read mark forward, never back and never past the room's last message; answers where it stands. For a room
    /// that is not there the number is the one asked for, or 0.
    async fn mark_read(
        &self,
        room: RoomRef,
        user: UserId,
        seq: Seq,
    ) -> Result<(RoomId, Seq, Mark), StoreFault>;
    /// Deletes messages beyond the limits of count (0 for none) and age; how many. Always the oldest of a room, up to the
    /// first that is within both limits, so that no hole comes to be. Heads stay.
    async fn retain(&self, keep: u64, not_before: Option<Timestamp>) -> Result<u64, StoreFault>;

    // The rest

    /// A number for a new call, never given before.
    async fn next_call(&self) -> Result<CallId, StoreFault>;
    /// Notes what an operator did; `entry.id` is given by the store.
    async fn audit(&self, entry: AuditEntry) -> Result<(), StoreFault>;
    /// The audit entries before a number, descending, at most `limit`.
    async fn audits(&self, before: Option<i64>, limit: u32) -> Result<Vec<AuditEntry>, StoreFault>;
    /// The kept answer for a principal's idempotency key.
    async fn kept_answer(
        &self,
        principal: Arc<str>,
        key: Arc<str>,
    ) -> Result<Option<StoredAnswer>, StoreFault>;
    /// Keeps an answer; the first one stays, for [`crate::StoreLimits::answer_kept_ms`] at least.
    async fn keep_answer(
        &self,
        principal: Arc<str>,
        key: Arc<str>,
        answer: StoredAnswer,
        at: Timestamp,
    ) -> Result<(), StoreFault>;
    /// Keeps how far a session was that has ended; what was kept under the same hash is replaced. Of one user only the
    /// last [`crate::StoreLimits::trails_per_user_max`] stay, of all no more than the last
    /// [`crate::StoreLimits::trails_max`], and none that has ended at `at`.
    async fn keep_trail(&self, kept: KeptTrail, at: Timestamp) -> Result<(), StoreFault>;
    /// Takes out what was kept for a user under a hash: it is there once. `None` if there is none, if it has ended at
    /// `at`, or if it is another user's, where it stays.
    async fn take_trail(
        &self,
        pid_hash: [u8; 32],
        user: UserId,
        at: Timestamp,
    ) -> Result<Option<Arc<[u8]>>, StoreFault>;
    /// Whether the store takes writes now: asked of whoever writes, so it may wait as long as a write does.
    async fn ready(&self) -> Result<(), StoreFault>;
    /// Finishes what waits and stops. Later calls fail with [`StoreFault::Stopped`].
    async fn stop(&self);
}
