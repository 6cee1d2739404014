//! A message as it is kept and delivered.

use std::sync::Arc;

use crate::{Epoch, MembersVersion, MessageId, Profile, RawJson, RoomId, RoomToken, Seq, Timestamp, UserId};

/// What a message carries; names as on every wire.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum MessageKind {
    /// `text`
    Text,
    /// `image`
    Image,
    /// `file`
    File,
    /// `audio`
    Audio,
    /// `video`
    Video,
    /// `location`
    Location,
    /// `custom`
    Custom,
}

impl MessageKind {
    /// Every kind, in the order of the documentation.
    pub const ALL: [Self; 7] = [
        Self::Text,
        Self::Image,
        Self::File,
        Self::Audio,
        Self::Video,
        Self::Location,
        Self::Custom,
    ];
    /// The names of [`Self::ALL`], for error texts.
    pub const NAMES: [&'static str; 7] = ["text", "image", "file", "audio", "video", "location", "custom"];

    /// The name on every wire and in the store.
    #[must_use]
    pub const fn name(self) -> &'static str {
        Self::NAMES[self as usize]
    }

    /// The kind of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// The client's own name for a message it sends: 1 to 64 bytes. A second message of the same sender in the same
/// room with the same id is not stored again.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct ClientMessageId(Arc<str>);

impl ClientMessageId {
    /// The longest id, in bytes.
    pub const BYTES_MAX: usize = 64;

    /// Accepts 1 to 64 bytes.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        (1..=Self::BYTES_MAX)
            .contains(&text.len())
            .then(|| Self(text.into()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Who sent a message, as shown to its readers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sender {
    /// The user.
    pub user: UserId,
    /// Its unique handle.
    pub handle: Arc<str>,
    /// Its name for people, at the time of delivery.
    pub nickname: Arc<str>,
    /// What else is shown of it, at the time of delivery.
    pub profile: Arc<Profile>,
}

/// A committed message. The store made `id`'s place in the room (`seq`) and the moment (`created_at`) final.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Message {
    /// The message, for ever.
    pub id: MessageId,
    /// The room it was posted to.
    pub room: RoomId,
    /// That room's unique name, if it has one.
    pub room_name: Option<Arc<str>>,
    /// That room's secret address, for protocols that show rooms by token.
    pub room_token: RoomToken,
    /// Its place in the room's order.
    pub seq: Seq,
    /// The history it belongs to.
    pub epoch: Epoch,
    /// The room's membership version at its commit; a node that knows less reloads before it delivers.
    pub members: MembersVersion,
    /// Who sent it.
    pub sender: Sender,
    /// The text, after Unicode NFC.
    pub content: Arc<str>,
    /// What the text is.
    pub kind: MessageKind,
    /// The application's own object, at most `limits.metadata_bytes_max`.
    pub metadata: Option<RawJson>,
    /// The message it answers.
    pub reply_to: Option<MessageId>,
    /// When it was accepted.
    pub created_at: Timestamp,
}
