//! How we say no: a code that is the contract, what was wrong, and advice what to do next.
//!
//! Texts for people are made from these values by the codecs, in the session's locale.

use std::fmt;
use std::sync::Arc;

use crate::device::CommandId;

/// The registry of codes; one spelling per protocol, see the specification of the model.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, PartialOrd, Ord)]
pub enum Code {
    /// Missing, malformed, expired or revoked token.
    InvalidToken,
    /// A request before authentication.
    NotAuthenticated,
    /// No such action, type or event.
    InvalidAction,
    /// Not JSON, or a field is missing or wrong.
    InvalidData,
    /// A frame, content or decompressed size over its limit.
    MessageTooLarge,
    /// Moderation refused the content.
    MessageRejected,
    /// No such room, or none that may be revealed to this user.
    RoomNotFound,
    /// No such video room.
    VideoRoomNotFound,
    /// No such user, or none that is in the call.
    UserNotFound,
    /// Not allowed.
    PermissionDenied,
    /// The other side has blocked this user.
    UserBlocked,
    /// The room has its full number of members.
    RoomFull,
    /// The video room has its full number of participants.
    VideoRoomFull,
    /// The device is connected nowhere.
    DeviceOffline,
    /// Whether the device is connected cannot be found out now: not the same as offline.
    DeviceUnknownState,
    /// Another operator holds the control lease of the device.
    DeviceLeased,
    /// No such device.
    DeviceNotFound,
    /// Somebody else has the name: a display that is alive, or another preset.
    NameTaken,
    /// No such preset.
    PresetNotFound,
    /// No such command.
    CommandNotFound,
    /// The device did not say in time how the command ended: it may have been carried out.
    CommandTimeout,
    /// The command's deadline came before it was sent; it was not carried out.
    CommandExpired,
    /// The command catalogue does not allow it.
    CommandRefused,
    /// Too many in too short a time.
    RateLimited,
    /// The server cannot take this now.
    Overloaded,
    /// The server is stopping.
    ShuttingDown,
    /// We broke; the log knows the incident.
    InternalError,
}

impl Code {
    /// Every code.
    pub const ALL: [Self; 27] = [
        Self::InvalidToken,
        Self::NotAuthenticated,
        Self::InvalidAction,
        Self::InvalidData,
        Self::MessageTooLarge,
        Self::MessageRejected,
        Self::RoomNotFound,
        Self::VideoRoomNotFound,
        Self::UserNotFound,
        Self::PermissionDenied,
        Self::UserBlocked,
        Self::RoomFull,
        Self::VideoRoomFull,
        Self::DeviceOffline,
        Self::DeviceUnknownState,
        Self::DeviceLeased,
        Self::DeviceNotFound,
        Self::NameTaken,
        Self::PresetNotFound,
        Self::CommandNotFound,
        Self::CommandTimeout,
        Self::CommandExpired,
        Self::CommandRefused,
        Self::RateLimited,
        Self::Overloaded,
        Self::ShuttingDown,
        Self::InternalError,
    ];

    /// The spelling of the type protocol.
    #[must_use]
    pub const fn lower_name(self) -> &'static str {
        match self {
            Self::InvalidToken => "invalid_token",
            Self::NotAuthenticated => "not_authenticated",
            Self::InvalidAction => "unknown_type",
            Self::InvalidData => "invalid_data",
            Self::MessageTooLarge => "message_too_large",
            Self::MessageRejected => "message_rejected",
            Self::RoomNotFound => "room_not_found",
            Self::VideoRoomNotFound => "video_room_not_found",
            Self::UserNotFound => "user_not_found",
            Self::PermissionDenied => "permission_denied",
            Self::UserBlocked => "user_blocked",
            Self::RoomFull => "room_full",
            Self::VideoRoomFull => "video_room_full",
            Self::DeviceOffline => "device_offline",
            Self::DeviceUnknownState => "device_unknown_state",
            Self::DeviceLeased => "device_leased",
            Self::DeviceNotFound => "device_not_found",
            Self::NameTaken => "name_taken",
            Self::PresetNotFound => "preset_not_found",
            Self::CommandNotFound => "command_not_found",
            Self::CommandTimeout => "command_timeout",
            Self::CommandExpired => "command_expired",
            Self::CommandRefused => "command_refused",
            Self::RateLimited => "rate_limited",
            Self::Overloaded => "overloaded",
            Self::ShuttingDown => "shutting_down",
            Self::InternalError => "internal_error",
        }
    }

    /// The spelling of the action and Socket.IO protocols and of problem documents.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::InvalidToken => "INVALID_TOKEN",
            Self::NotAuthenticated => "NOT_AUTHENTICATED",
            Self::InvalidAction => "INVALID_ACTION",
            Self::InvalidData => "INVALID_DATA",
            Self::MessageTooLarge => "MESSAGE_TOO_LARGE",
            Self::MessageRejected => "MESSAGE_REJECTED",
            Self::RoomNotFound => "ROOM_NOT_FOUND",
            Self::VideoRoomNotFound => "VIDEO_ROOM_NOT_FOUND",
            Self::UserNotFound => "USER_NOT_FOUND",
            Self::PermissionDenied => "PERMISSION_DENIED",
            Self::UserBlocked => "USER_BLOCKED",
            Self::RoomFull => "ROOM_FULL",
            Self::VideoRoomFull => "VIDEO_ROOM_FULL",
            Self::DeviceOffline => "DEVICE_OFFLINE",
            Self::DeviceUnknownState => "DEVICE_UNKNOWN_STATE",
            Self::DeviceLeased => "DEVICE_LEASED",
            Self::DeviceNotFound => "DEVICE_NOT_FOUND",
            Self::NameTaken => "NAME_TAKEN",
            Self::PresetNotFound => "PRESET_NOT_FOUND",
            Self::CommandNotFound => "COMMAND_NOT_FOUND",
            Self::CommandTimeout => "COMMAND_TIMEOUT",
            Self::CommandExpired => "COMMAND_EXPIRED",
            Self::CommandRefused => "COMMAND_REFUSED",
            Self::RateLimited => "RATE_LIMITED",
            Self::Overloaded => "OVERLOADED",
            Self::ShuttingDown => "SHUTTING_DOWN",
            Self::InternalError => "INTERNAL_ERROR",
        }
    }
}

/// What was wrong, precisely enough to mend it. Never holds what a stranger must not learn.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Why {
    /// The code says it all.
    #[default]
    Code,
    /// A field of the request is missing or wrong.
    Field {
        /// Its name as on the wire, with dots into objects.
        name: &'static str,
        /// What would be right.
        want: Want,
    },
    /// The byte stream stopped making sense here.
    Malformed {
        /// Bytes received on this connection before the offending one.
        offset: u64,
        /// What is wrong there.
        what: Malformed,
    },
    /// Something is over a limit.
    TooLarge {
        /// What: `frame`, `content`, `data`, `metadata`, …
        what: &'static str,
        /// The limit, in bytes.
        bytes_max: u64,
    },
    /// Moderation's reason, or why a token was refused: one word that is part of the contract.
    Reason(&'static str),
    /// Quote this to the operator.
    Incident(Incident),
    /// What became of this command; its caller may ask for it. Boxed, so that no refusal is aligned as it would be.
    Command(Box<CommandId>),
    /// The operator who has it.
    Holder(Arc<str>),
    /// An argument of a command is missing or wrong, by the catalogue's schema.
    Argument {
        /// Where: a JSON pointer into the arguments; empty for all of them.
        pointer: Arc<str>,
        /// What is wrong there, in English.
        says: Arc<str>,
    },
}

/// What would be right for a field.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Want {
    /// It must be there.
    Present,
    /// A whole number that fits 64 bits.
    Integer,
    /// A whole number in this range.
    Between(i64, i64),
    /// A string.
    Text,
    /// A string of so many bytes.
    TextOf(usize, usize),
    /// `true` or `false`.
    Bool,
    /// An object.
    Object,
    /// An array.
    Array,
    /// An array of at most so many entries.
    ArrayOf(usize),
    /// An object of at most so many entries.
    EntriesOf(usize),
    /// An object whose keys are language tags.
    Languages,
    /// One of these strings.
    OneOf(&'static [&'static str]),
    /// So many hex digits.
    Hex(usize),
    /// A room's name: `[a-z0-9_-]{1,64}`, and no number.
    RoomName,
    /// Base64 of gzip.
    Gzip,
    /// Not more than one of two fields that exclude each other.
    Alone,
    /// A different value: this one is not allowed here.
    Other,
    /// Not more than once in its object.
    Once,
}

/// What is wrong with a byte stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Malformed {
    /// The top level is not an object.
    NotAnObject,
    /// Not JSON.
    NotJson,
    /// Not UTF-8.
    NotUtf8,
    /// Nested deeper than the limit.
    TooDeep,
    /// A key stands twice in the envelope.
    DuplicateKey,
    /// The frame goes on past its limit, in bytes.
    FrameTooLarge(u64),
    /// A message in more fragments than the limit.
    TooManyFragments(u64),
    /// A binary message where text is spoken.
    Binary,
    /// The framing of the transport is broken.
    Framing,
    /// No packet of Engine.IO or Socket.IO, or not one that may come now.
    Packet,
    /// A packet for a namespace that is not connected.
    NotConnected,
    /// Attachments where none are taken.
    Attachments,
    /// A packet with more attachments than the limit.
    TooManyAttachments(u64),
    /// Not the Protobuf message that is spoken here.
    NotProtobuf,
    /// A text message where Protobuf is spoken.
    Text,
    /// Another frame than the hello that a device's session begins with, or a second hello.
    Hello,
}

/// The number of an incident: random, in the log beside what happened; 16 hex digits as text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Incident(pub u64);

impl fmt::Display for Incident {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// A request refused.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{}", code.name())]
pub struct Refusal {
    /// The contract.
    pub code: Code,
    /// What was wrong.
    pub why: Why,
    /// When trying again makes sense, in milliseconds from now.
    pub retry_after_ms: Option<u64>,
}

impl Refusal {
    /// A refusal that the code says all about.
    #[must_use]
    pub const fn new(code: Code) -> Self {
        Self {
            code,
            why: Why::Code,
            retry_after_ms: None,
        }
    }

    /// A field that is missing or wrong.
    #[must_use]
    pub const fn field(name: &'static str, want: Want) -> Self {
        Self {
            code: Code::InvalidData,
            why: Why::Field { name, want },
            retry_after_ms: None,
        }
    }

    /// Something over its limit.
    #[must_use]
    pub const fn too_large(what: &'static str, bytes_max: u64) -> Self {
        Self {
            code: Code::MessageTooLarge,
            why: Why::TooLarge { what, bytes_max },
            retry_after_ms: None,
        }
    }

    /// A refusal with a one-word reason that is part of the contract.
    #[must_use]
    pub const fn because(code: Code, reason: &'static str) -> Self {
        Self {
            code,
            why: Why::Reason(reason),
            retry_after_ms: None,
        }
    }

    /// A refusal that time heals.
    #[must_use]
    pub const fn retry(code: Code, retry_after_ms: u64) -> Self {
        Self {
            code,
            why: Why::Code,
            retry_after_ms: Some(retry_after_ms),
        }
    }

    /// The server broke; the log has the rest under the same number.
    #[must_use]
    pub const fn incident(incident: Incident) -> Self {
        Self {
            code: Code::InternalError,
            why: Why::Incident(incident),
            retry_after_ms: None,
        }
    }
}

/// What a client should do after its connection was closed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reconnect {
    /// At once, and resume.
    Now,
    /// After a while.
    Later,
    /// Not with this token, or not at all.
    Never,
}

impl Reconnect {
    /// The word on every wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Now => "now",
            Self::Later => "later",
            Self::Never => "never",
        }
    }
}

/// Why the server closes a session, and what the client should do then.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Closing {
    /// Why.
    pub cause: CloseCause,
    /// What to do.
    pub reconnect: Reconnect,
}

/// Why the server closes a session.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CloseCause {
    /// A request that ends the session was refused.
    Refused(Refusal),
    /// Nothing was heard for too long.
    Idle,
    /// No sign-in within the time for it.
    SignInTimeout,
    /// A frame was begun and not finished in time.
    FrameTimeout,
    /// The client reads too slowly.
    Slow,
    /// The client went on far beyond its rate for a while.
    Flooding,
    /// The token ended.
    TokenExpired,
    /// The token was revoked.
    TokenRevoked,
    /// An operator banned the user.
    Banned,
    /// An operator closed the session.
    Disconnected,
    /// A newer session of the same device took its place.
    Replaced,
    /// The client certificate was revoked.
    CertificateRevoked,
    /// The server stops.
    ShuttingDown,
}

impl CloseCause {
    /// The cause in one word, for operators.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Refused(_) => "refused",
            Self::Idle => "idle",
            Self::SignInTimeout => "sign_in_timeout",
            Self::FrameTimeout => "frame_timeout",
            Self::Slow => "slow",
            Self::Flooding => "flooding",
            Self::TokenExpired => "token_expired",
            Self::TokenRevoked => "token_revoked",
            Self::Banned => "banned",
            Self::Disconnected => "disconnected",
            Self::Replaced => "replaced",
            Self::CertificateRevoked => "certificate_revoked",
            Self::ShuttingDown => "shutting_down",
        }
    }
}

impl Closing {
    /// The advice that goes with each cause.
    #[must_use]
    pub fn new(cause: CloseCause) -> Self {
        let reconnect = match &cause {
            CloseCause::Refused(refusal) => match refusal.code {
                Code::RateLimited
                | Code::Overloaded
                | Code::ShuttingDown
                | Code::InternalError
                | Code::DeviceUnknownState => Reconnect::Later,
                Code::InvalidToken
                | Code::NotAuthenticated
                | Code::InvalidAction
                | Code::InvalidData
                | Code::MessageTooLarge
                | Code::MessageRejected
                | Code::RoomNotFound
                | Code::VideoRoomNotFound
                | Code::UserNotFound
                | Code::PermissionDenied
                | Code::UserBlocked
                | Code::RoomFull
                | Code::VideoRoomFull
                | Code::DeviceOffline
                | Code::DeviceLeased
                | Code::DeviceNotFound
                | Code::NameTaken
                | Code::PresetNotFound
                | Code::CommandNotFound
                | Code::CommandTimeout
                | Code::CommandExpired
                | Code::CommandRefused => Reconnect::Never,
            },
            CloseCause::Idle | CloseCause::Slow | CloseCause::Disconnected => Reconnect::Now,
            CloseCause::SignInTimeout
            | CloseCause::FrameTimeout
            | CloseCause::Flooding
            | CloseCause::ShuttingDown => Reconnect::Later,
            // Two sessions of one device that each come back at once would cut each other off for ever.
            CloseCause::TokenExpired
            | CloseCause::TokenRevoked
            | CloseCause::Banned
            | CloseCause::Replaced
            | CloseCause::CertificateRevoked => Reconnect::Never,
        };
        Self { cause, reconnect }
    }

    /// The code that a client sees.
    #[must_use]
    pub fn code(&self) -> Code {
        match &self.cause {
            CloseCause::Refused(refusal) => refusal.code,
            CloseCause::Idle | CloseCause::Slow | CloseCause::FrameTimeout => Code::Overloaded,
            CloseCause::Flooding => Code::RateLimited,
            CloseCause::SignInTimeout => Code::NotAuthenticated,
            CloseCause::TokenExpired | CloseCause::TokenRevoked | CloseCause::CertificateRevoked => {
                Code::InvalidToken
            }
            CloseCause::Banned | CloseCause::Disconnected | CloseCause::Replaced => Code::PermissionDenied,
            CloseCause::ShuttingDown => Code::ShuttingDown,
        }
    }
}

/// The language of texts for people.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Hash)]
pub enum Locale {
    /// English.
    #[default]
    En,
    /// Korean.
    Ko,
}

impl Locale {
    /// Reads a language tag by its primary part: `ko`, `ko-KR`, `en_US`. `None` for languages without texts.
    #[must_use]
    pub fn parse(tag: &str) -> Option<Self> {
        match tag.split(['-', '_']).next()? {
            "en" => Some(Self::En),
            "ko" => Some(Self::Ko),
            _ => None,
        }
    }
}
