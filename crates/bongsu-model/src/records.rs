//! What is kept about users and rooms, as the store hands it out.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::{
    Epoch, Jti, LocalizedNick, MembersVersion, NamedRoom, NickFault, Person, Profile, RoomId, RoomToken,
    Sender, Seq, Timestamp, UserId,
};

/// A user.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct User {
    /// For ever.
    pub id: UserId,
    /// Unique; the decimal id unless one was given.
    pub handle: Arc<str>,
    /// Its name for people.
    pub nickname: Arc<str>,
    /// What else is shown of it.
    pub profile: Arc<Profile>,
    /// Set while an operator keeps it out.
    pub ban: Option<Ban>,
    /// When its last session ended; `None` if it never had one.
    pub last_seen: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
}

impl User {
    /// The user as readers of its messages are shown it.
    #[must_use]
    pub fn sender(&self) -> Sender {
        Sender {
            user: self.id,
            handle: Arc::clone(&self.handle),
            nickname: Arc::clone(&self.nickname),
            profile: Arc::clone(&self.profile),
        }
    }

    /// The user as others are told of it.
    #[must_use]
    pub fn person(&self) -> Arc<Person> {
        Arc::new(Person {
            id: self.id,
            handle: Arc::clone(&self.handle),
            nickname: Arc::clone(&self.nickname),
        })
    }
}

/// Why and since when a user is kept out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ban {
    /// The operator's words; never shown to the user.
    pub reason: Arc<str>,
    /// Since when.
    pub at: Timestamp,
}

/// A user to be made. All but the nickname may be left to the store.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct NewUser {
    /// Its number; the store takes the next free one if absent.
    pub id: Option<UserId>,
    /// Its handle; the decimal id if absent.
    pub handle: Option<Arc<str>>,
    /// Its name for people; the handle if absent.
    pub nickname: Option<Arc<str>>,
    /// Its name for people by language.
    pub nick: LocalizedNick,
    /// The address of its picture.
    pub profile_img: Option<Arc<str>>,
    /// The address of its small picture.
    pub profile_thumb: Option<Arc<str>>,
    /// Where it lives.
    pub region: Option<Arc<str>>,
    /// Its language.
    pub language: Option<Arc<str>>,
    /// Its gender.
    pub gender: Option<Arc<str>>,
}

impl NewUser {
    /// The profile of the user that is made.
    #[must_use]
    pub fn profile(&self, public_token: Arc<str>) -> Arc<Profile> {
        Arc::new(Profile {
            public_token,
            nick: self.nick.clone(),
            profile_img: self.profile_img.clone(),
            profile_thumb: self.profile_thumb.clone(),
            region: self.region.clone(),
            language: self.language.clone(),
            gender: self.gender.clone(),
        })
    }
}

/// What becomes of a value that may be absent.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Change<T> {
    /// It stays.
    #[default]
    Keep,
    /// It is taken away.
    Clear,
    /// It is replaced.
    Set(T),
}

impl<T: Clone> Change<T> {
    fn of(&self, kept: &Option<T>) -> Option<T> {
        match self {
            Self::Keep => kept.clone(),
            Self::Clear => None,
            Self::Set(value) => Some(value.clone()),
        }
    }
}

/// A language, and the name in it from now on: `None` takes it away.
pub type NickChange = (Arc<str>, Option<Arc<str>>);

/// What is to be changed of a user.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct UserChange {
    /// Its name for people; where that is taken away it is the handle again.
    pub nickname: Change<Arc<str>>,
    /// Its names by language: all are taken away, or, for each language given, one is replaced or (`None`) taken away.
    pub nick: Change<Vec<NickChange>>,
    /// The address of its picture.
    pub profile_img: Change<Arc<str>>,
    /// The address of its small picture.
    pub profile_thumb: Change<Arc<str>>,
    /// Where it lives.
    pub region: Change<Arc<str>>,
    /// Its language.
    pub language: Change<Arc<str>>,
    /// Its gender.
    pub gender: Change<Arc<str>>,
}

impl UserChange {
    /// The user after the change.
    ///
    /// # Errors
    /// The names by language are not taken: what is no language, or more than `languages_max`.
    pub fn of(&self, user: &User, languages_max: usize) -> Result<User, NickFault> {
        let before = &*user.profile;
        let nick = match &self.nick {
            Change::Keep => before.nick.clone(),
            Change::Clear => LocalizedNick::default(),
            Change::Set(names) => {
                let mut named = BTreeSet::new();
                if !names
                    .iter()
                    .all(|(language, _)| named.insert(language.to_ascii_lowercase()))
                {
                    return Err(NickFault::Twice);
                }
                let mut nick = before.nick.clone();
                // What goes makes room for what comes.
                for (language, name) in names.iter().filter(|(_, name)| name.is_none()) {
                    nick.set(language, name.clone(), languages_max)?;
                }
                for (language, name) in names.iter().filter(|(_, name)| name.is_some()) {
                    nick.set(language, name.clone(), languages_max)?;
                }
                nick
            }
        };
        let profile = Profile {
            public_token: Arc::clone(&before.public_token),
            nick,
            profile_img: self.profile_img.of(&before.profile_img),
            profile_thumb: self.profile_thumb.of(&before.profile_thumb),
            region: self.region.of(&before.region),
            language: self.language.of(&before.language),
            gender: self.gender.of(&before.gender),
        };
        let nickname = match &self.nickname {
            Change::Keep => &user.nickname,
            Change::Clear => &user.handle,
            Change::Set(nickname) => nickname,
        };
        Ok(User {
            nickname: Arc::clone(nickname),
            profile: Arc::new(profile),
            ..user.clone()
        })
    }
}

/// What a room is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum RoomKind {
    /// Any number of members, all may post.
    #[default]
    Group,
    /// Exactly two members.
    Direct,
    /// Only owners post.
    Broadcast,
}

/// Who may join a room.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Visibility {
    /// Anyone who is signed in.
    Open,
    /// Whom an operator or an owner adds.
    #[default]
    Closed,
}

/// How long a membership lasts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Membership {
    /// Until left.
    #[default]
    Durable,
    /// Until the member's last session ends.
    Session,
}

macro_rules! named {
    ($type:ty { $($variant:ident = $name:literal),* $(,)? }) => {
        impl $type {
            /// The names, for error texts.
            pub const NAMES: &'static [&'static str] = &[$($name),*];

            /// The name on every wire and in the store.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }

            /// The value of that name.
            #[must_use]
            pub fn parse(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

named!(RoomKind { Group = "group", Direct = "direct", Broadcast = "broadcast" });
named!(Visibility { Open = "open", Closed = "closed" });
named!(Membership { Durable = "durable", Session = "session" });
named!(MemberRole { Owner = "owner", Member = "member" });

/// What a member may do beyond reading and, where the kind allows it, posting.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum MemberRole {
    /// May add and remove members, and post in a broadcast room.
    Owner,
    /// No more than that.
    #[default]
    Member,
}

/// A room.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Room {
    /// For ever.
    pub id: RoomId,
    /// Unique among rooms that have one.
    pub name: Option<Arc<str>>,
    /// Its secret address.
    pub token: RoomToken,
    /// What it is for.
    pub kind: RoomKind,
    /// Who may join.
    pub visibility: Visibility,
    /// How long a membership lasts.
    pub membership: Membership,
    /// How many members it takes.
    pub max_members: u32,
    /// How many it has.
    pub members_count: u32,
    /// Its last message.
    pub seq: Seq,
    /// The history that `seq` belongs to.
    pub epoch: Epoch,
    /// How often its membership has changed.
    pub members_version: MembersVersion,
    /// When it was made.
    pub created_at: Timestamp,
}

impl Room {
    /// The room as clients are told of it.
    #[must_use]
    pub fn named(&self) -> NamedRoom {
        NamedRoom::new(self.id, self.name.clone())
    }
}

/// A room to be made.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct NewRoom {
    /// Its number; the store takes the next free one if absent.
    pub id: Option<RoomId>,
    /// Its name, `[a-z0-9_-]{1,64}` and not a number.
    pub name: Option<Arc<str>>,
    /// What it is for.
    pub kind: RoomKind,
    /// Who may join.
    pub visibility: Visibility,
    /// How long a membership lasts.
    pub membership: Membership,
    /// How many members it takes; `limits.room_members_max` if absent.
    pub max_members: Option<u32>,
    /// Its first members; users that do not exist are refused.
    pub members: Vec<(UserId, MemberRole)>,
}

/// A user's place in a room.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Member {
    /// The user.
    pub user: UserId,
    /// Its unique handle.
    pub handle: Arc<str>,
    /// Its name for people.
    pub nickname: Arc<str>,
    /// What it may do.
    pub role: MemberRole,
    /// The room's last message when it joined; it sees what came after live.
    pub joined_seq: Seq,
    /// Up to where it has read.
    pub read_seq: Seq,
}

/// A room seen from one of its members.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MyRoom {
    /// The room.
    pub room: RoomId,
    /// Its name.
    pub name: Option<Arc<str>>,
    /// Its secret address.
    pub token: RoomToken,
    /// Its last message.
    pub seq: Seq,
    /// The oldest message that is still kept, or `seq + 1` if none is.
    pub first_seq: Seq,
    /// The history that `seq` belongs to.
    pub epoch: Epoch,
    /// The room's membership version.
    pub members_version: MembersVersion,
    /// The room's last message when the user joined.
    pub joined_seq: Seq,
    /// How long the membership lasts.
    pub membership: Membership,
}

/// How far a room is: what nodes tell each other, and what tells a node that it missed something.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RoomHead {
    /// The room.
    pub room: RoomId,
    /// Its last message.
    pub seq: Seq,
    /// The history that `seq` belongs to.
    pub epoch: Epoch,
    /// Its membership version.
    pub members_version: MembersVersion,
}

/// Something an operator or a service did, kept for ever.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AuditEntry {
    /// Ascending.
    pub id: i64,
    /// When.
    pub at: Timestamp,
    /// Who: the token's subject, or the key's name.
    pub actor: Arc<str>,
    /// What was done: `user.ban`, `room.member_removed`, …
    pub action: Arc<str>,
    /// To what: `user:123`, `room:1`.
    pub object: Arc<str>,
    /// More, as the action has it.
    pub detail: Option<Arc<str>>,
}

/// A token that is not accepted any more though its time has not come.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Revocation {
    /// The token's id.
    pub jti: Jti,
    /// When the token ends by itself, after which the entry may be forgotten.
    pub expires_at: Timestamp,
}
