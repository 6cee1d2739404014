//! What every part of Bongsu talks about: ids, requests, replies, events, refusals and limits.
//!
//! Owns the vocabulary and nothing else. Invariant: no I/O, no async, no serialisation framework;
//! a value that exists here is well formed, because its constructor checked it.

pub mod cluster;
pub mod device;
pub mod display;
pub mod event;
pub mod happening;
pub mod history;
pub mod ids;
pub mod incoming;
pub mod json;
pub mod limits;
pub mod media;
pub mod message;
pub mod names;
pub mod notice;
pub mod outbound;
pub mod profile;
pub mod records;
pub mod refusal;
pub mod reply;
pub mod request;
pub mod role;
pub mod time;

pub use cluster::{Cut, Heard, Subject};
pub use device::{CommandId, ConnectionEpoch, DeviceId, Object, Value};
pub use event::{ApplicationEvent, Audience, Event, EventBody};
pub use happening::{Happening, HappeningKind};
pub use history::{HistoryPage, PageFrom, ResumePoint};
pub use ids::{
    CallId, Epoch, Jti, MembersVersion, MessageId, RoomId, RoomRef, RoomToken, Seq, SessionId, TokenHash,
    TokenId, UserId, UserRef,
};
pub use incoming::{Fatal, Incoming};
pub use json::RawJson;
pub use limits::Limits;
pub use message::{ClientMessageId, Message, MessageKind, Sender};
pub use names::{NamedRoom, Person};
pub use notice::Notice;
pub use outbound::{Encode, Outbound, Run, Slot};
pub use profile::{LocalizedNick, NickFault, Profile};
pub use refusal::{Closing, Code, Incident, Locale, Reconnect, Refusal, Want, Why};
pub use reply::{Recovery, Reply};
pub use request::{Asked, Connect, Emit, Post, Recover, Request, Tag, Verb};
pub use role::Role;
pub use time::Timestamp;
