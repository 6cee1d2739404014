//! An event on its way out: one pointer that makes each of its encodings at most once per node.

use std::sync::{Arc, OnceLock};

use bytes::{Bytes, BytesMut};

use crate::event::EventBody;
use crate::{Event, Message, Seq};

/// Which of the encodings of an event is meant; one per wire format.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Slot {
    /// The action protocol's JSON on a byte stream, one line.
    ActionLine,
    /// The same, with large `data` compressed.
    ActionPacked,
    /// The action protocol's JSON as a WebSocket frame.
    ActionFrame,
    /// The same, with large `data` compressed.
    ActionPackedFrame,
    /// The type protocol's JSON as a WebSocket frame.
    TypeFrame,
    /// The same, large frames compressed by themselves (permessage-deflate without context takeover).
    TypeDeflatedFrame,
    /// Socket.IO in `/`: messages alone, as a chat knows them.
    SocketioChat,
    /// The same, each with its offset.
    SocketioChatOffset,
    /// Socket.IO in `/`: events named and made as the type protocol has them.
    SocketioType,
    /// The same, messages with their offset.
    SocketioTypeOffset,
    /// As [`Self::SocketioChat`], in `/chat`.
    SocketioChatNs,
    /// As [`Self::SocketioChatOffset`], in `/chat`.
    SocketioChatNsOffset,
    /// As [`Self::SocketioType`], in `/chat`.
    SocketioTypeNs,
    /// As [`Self::SocketioTypeOffset`], in `/chat`.
    SocketioTypeNsOffset,
}

impl Slot {
    /// Every slot, in its order.
    pub const ALL: [Self; 14] = [
        Self::ActionLine,
        Self::ActionPacked,
        Self::ActionFrame,
        Self::ActionPackedFrame,
        Self::TypeFrame,
        Self::TypeDeflatedFrame,
        Self::SocketioChat,
        Self::SocketioChatOffset,
        Self::SocketioType,
        Self::SocketioTypeOffset,
        Self::SocketioChatNs,
        Self::SocketioChatNsOffset,
        Self::SocketioTypeNs,
        Self::SocketioTypeNsOffset,
    ];
    /// Those of the first protocols have their place in every event; the others in a box that most events never have.
    const FIRST: usize = 6;
}

/// What is made at most once for each slot.
#[derive(Debug, Default)]
struct Once {
    first: [OnceLock<Bytes>; Slot::FIRST],
    others: OnceLock<Box<[OnceLock<Bytes>; Slot::ALL.len() - Slot::FIRST]>>,
}

impl Once {
    fn get(&self, slot: Slot, make: impl FnOnce() -> Bytes) -> &Bytes {
        let index = slot as usize;
        let place = match self.first.get(index) {
            Some(place) => place,
            None => &self.others.get_or_init(Box::default)[index - Slot::FIRST],
        };
        place.get_or_init(make)
    }
}

/// A wire format's way to say an event. Knows nothing of receivers.
pub trait Encode: Send + Sync {
    /// Where the encodings of this format are kept.
    fn slot(&self) -> Slot;

    /// The whole frame, header included, as it goes to every receiver of this format; empty for what it has no words
    /// for.
    fn encode(&self, event: &Event) -> Bytes;
}

/// An event and its encodings: filled on first use, shared ever after.
#[derive(Debug)]
pub struct Outbound {
    event: Event,
    encodings: Once,
}

/// The same happened, whatever was encoded of it.
impl PartialEq for Outbound {
    fn eq(&self, other: &Self) -> bool {
        self.event == other.event
    }
}

impl Outbound {
    /// An event that nobody has encoded yet.
    #[must_use]
    pub fn new(event: Event) -> Arc<Self> {
        Arc::new(Self {
            event,
            encodings: Once::default(),
        })
    }

    /// What happened.
    #[must_use]
    pub fn event(&self) -> &Event {
        &self.event
    }

    /// The message, if the event is one, which then has a place in its room's order.
    #[must_use]
    pub fn message(&self) -> Option<&Arc<Message>> {
        if let EventBody::Posted(message) = &self.event.body {
            Some(message)
        } else {
            None
        }
    }

    /// The event in one wire format.
    pub fn encoded(&self, format: &dyn Encode) -> &Bytes {
        self.encodings.get(format.slot(), || format.encode(&self.event))
    }
}

/// Several events of one room that go to each of its members in one write.
///
/// Invariant: the messages among them have ascending `seq`s without a hole.
#[derive(Debug)]
pub struct Run {
    events: Vec<Arc<Outbound>>,
    joined: Once,
}

impl Run {
    /// A run of at least one event.
    #[must_use]
    pub fn new(events: Vec<Arc<Outbound>>) -> Arc<Self> {
        debug_assert!(!events.is_empty());
        Arc::new(Self {
            events,
            joined: Once::default(),
        })
    }

    /// The events, in order.
    #[must_use]
    pub fn events(&self) -> &[Arc<Outbound>] {
        &self.events
    }

    /// The number of the last message in it, if there is one.
    #[must_use]
    pub fn last_seq(&self) -> Option<Seq> {
        self.events
            .iter()
            .rev()
            .find_map(|event| event.message().map(|message| message.seq))
    }

    /// All frames in one wire format, one after the other, in one piece of memory: made once, whatever the number of
    /// receivers, so that each of them costs one plain write.
    pub fn encoded(&self, format: &dyn Encode) -> &Bytes {
        self.joined.get(format.slot(), || {
            if let [only] = self.events.as_slice() {
                return only.encoded(format).clone();
            }
            let bytes = self.events.iter().map(|event| event.encoded(format).len()).sum();
            let mut joined = BytesMut::with_capacity(bytes);
            for event in &self.events {
                joined.extend_from_slice(event.encoded(format));
            }
            joined.freeze()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Timestamp;
    use crate::event::{AnnouncementKind, Audience, Priority};
    use std::sync::atomic::{AtomicUsize, Ordering};

    struct Counting(AtomicUsize);

    impl Encode for Counting {
        fn slot(&self) -> Slot {
            Slot::ActionLine
        }
        fn encode(&self, event: &Event) -> Bytes {
            self.0.fetch_add(1, Ordering::Relaxed);
            Bytes::from(format!("{}\n", event.id))
        }
    }

    fn outbound(id: u64) -> Arc<Outbound> {
        let body = EventBody::Announced {
            title: "".into(),
            message: "".into(),
            kind: AnnouncementKind::Notice,
            priority: Priority::Low,
        };
        Outbound::new(Event {
            id,
            at: Timestamp(0),
            cause: None,
            audience: Audience::All,
            actor: None,
            body,
        })
    }

    #[test]
    fn each_event_is_encoded_once() {
        let format = Counting(AtomicUsize::new(0));
        let run = Run::new(vec![outbound(1), outbound(2)]);
        for _ in 0..3 {
            assert_eq!(run.encoded(&format).as_ref(), b"1\n2\n");
        }
        assert_eq!(format.0.load(Ordering::Relaxed), 2);
    }
}
