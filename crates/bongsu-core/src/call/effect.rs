//! What calls want done.

use std::sync::Arc;

use bongsu_model::media::{EndReason, Participant};
use bongsu_model::{Audience, CallId, Event, EventBody, NamedRoom, Person, Refusal, Timestamp, UserId};

/// What calls want done.
///
/// An input that a client asked for gives exactly one [`CallEffect::Answer`] or [`CallEffect::Refuse`], first; the others give
/// none. A refusal is the only effect of its input: nothing has changed.
#[derive(Clone, Debug)]
pub enum CallEffect {
    /// The request is granted.
    Answer(CallAnswer),
    /// The request is refused.
    Refuse(Refusal),
    /// Others hear something; in this order.
    Event(CallEvent),
}

/// How a request is granted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CallAnswer {
    /// There is nothing to say.
    Done,
    /// The call is made.
    Created {
        /// The call.
        call: CallId,
        /// The room whose members may join.
        room: NamedRoom,
        /// Its name.
        name: Arc<str>,
        /// Who made it.
        host: Arc<Person>,
        /// How many may be in it.
        max_participants: u32,
    },
    /// The call is over.
    Ended {
        /// Which.
        call: CallId,
        /// The room it belonged to.
        room: NamedRoom,
        /// Why.
        reason: EndReason,
    },
    /// One's media are switched.
    MediaSet {
        /// In which call.
        call: CallId,
    },
    /// One is in the call.
    Joined {
        /// Which.
        call: CallId,
        /// Who was there already, in the order they joined; without the one who asks.
        participants: Vec<Participant>,
    },
    /// One is out of the call.
    Left {
        /// Which.
        call: CallId,
    },
}

/// An event that has no number and no time yet.
#[derive(Clone, Debug)]
pub struct CallEvent {
    /// Who hears it.
    pub audience: Audience,
    /// Whose doing it is; `None` for an operator's.
    pub actor: Option<UserId>,
    /// The reference of the request that it answers.
    pub cause: Option<Arc<str>>,
    /// What happened.
    pub body: EventBody,
}

impl CallEvent {
    /// The event, with its number and its time.
    #[must_use]
    pub fn at(self, id: u64, at: Timestamp) -> Event {
        let Self {
            audience,
            actor,
            cause,
            body,
        } = self;
        Event {
            id,
            at,
            cause,
            audience,
            actor,
            body,
        }
    }
}
