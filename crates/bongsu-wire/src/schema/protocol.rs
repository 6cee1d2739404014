//! Messages, what stands around them, and the protocol that has them all.

use super::{Field, Shape, Ty};

/// Who says a message, and when.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Direction {
    /// The client asks.
    Request,
    /// The server answers one request.
    Reply,
    /// The server tells everyone whom it concerns. It may answer a request, too.
    Event,
    /// The server tells one session something that it has not asked for.
    Notice,
    /// The server says no.
    Error,
}

impl Direction {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Request, Self::Reply, Self::Event, Self::Notice, Self::Error];

    /// Its name in the document.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Reply => "reply",
            Self::Event => "event",
            Self::Notice => "notice",
            Self::Error => "error",
        }
    }

    /// Whether the server says it.
    #[must_use]
    pub const fn is_servers(self) -> bool {
        !matches!(self, Self::Request)
    }
}

/// One message of a protocol. The same name may stand once in each direction.
///
/// ```
/// use bongsu_wire::schema::{Bound, Field, Message, Shape, Ty};
///
/// const LEFT: Shape = Shape::of(&[Field::required("room", Ty::TEXT, "Which room.")]);
/// const MESSAGES: &[Message] = &[
///     Message::request("room.leave", "Be no member any more.", &LEFT).answered(&["room.left"]).heard(&["user.left"]),
///     Message::reply("room.left", "One is no member any more.", &LEFT),
/// ];
/// # let _ = (MESSAGES, Bound::Limit("frame_bytes_max"));
/// ```
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Message {
    /// What the envelope calls it; for a family of names (see [`Message::spelled`]) what people call it.
    pub name: &'static str,
    /// Who says it.
    pub direction: Direction,
    /// What it is for: a sentence, or some, for people.
    pub summary: &'static str,
    /// What its body holds.
    pub shape: &'static Shape,
    /// For a request: the names of what answers it when all is well, replies and events; empty if nothing does.
    pub replies: &'static [&'static str],
    /// For a request: the names of the events that others hear because of it.
    pub causes: &'static [&'static str],
    /// For a family of names: the expression that all of them match, from `^` to `$`.
    pub pattern: Option<&'static str>,
    /// Fields that stand in the envelope of this message alone, beside the body. One that the body has, too, must stand in
    /// one of the two places, and in one only.
    pub beside: &'static [Field],
}

impl Message {
    const fn new(
        direction: Direction,
        name: &'static str,
        summary: &'static str,
        shape: &'static Shape,
    ) -> Self {
        Self {
            name,
            direction,
            summary,
            shape,
            replies: &[],
            causes: &[],
            pattern: None,
            beside: &[],
        }
    }

    /// What a client asks.
    #[must_use]
    pub const fn request(name: &'static str, summary: &'static str, shape: &'static Shape) -> Self {
        Self::new(Direction::Request, name, summary, shape)
    }

    /// The answer to one request.
    #[must_use]
    pub const fn reply(name: &'static str, summary: &'static str, shape: &'static Shape) -> Self {
        Self::new(Direction::Reply, name, summary, shape)
    }

    /// What many hear.
    #[must_use]
    pub const fn event(name: &'static str, summary: &'static str, shape: &'static Shape) -> Self {
        Self::new(Direction::Event, name, summary, shape)
    }

    /// What one session is told without having asked.
    #[must_use]
    pub const fn notice(name: &'static str, summary: &'static str, shape: &'static Shape) -> Self {
        Self::new(Direction::Notice, name, summary, shape)
    }

    /// A refusal.
    #[must_use]
    pub const fn error(name: &'static str, summary: &'static str, shape: &'static Shape) -> Self {
        Self::new(Direction::Error, name, summary, shape)
    }

    /// The same request with what answers it. A refusal answers any; it need not be named but where it has a name of its
    /// own.
    #[must_use]
    pub const fn answered(self, replies: &'static [&'static str]) -> Self {
        Self { replies, ..self }
    }

    /// The same request with the events that others hear.
    #[must_use]
    pub const fn heard(self, causes: &'static [&'static str]) -> Self {
        Self { causes, ..self }
    }

    /// The same for a family of names that all match this expression.
    #[must_use]
    pub const fn spelled(self, pattern: &'static str) -> Self {
        Self {
            pattern: Some(pattern),
            ..self
        }
    }

    /// The same with fields beside its body.
    #[must_use]
    pub const fn beside(self, beside: &'static [Field]) -> Self {
        Self { beside, ..self }
    }
}

/// What stands around a message's body.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Envelope {
    /// The key of the body; `None` if the body's fields stand in the envelope itself.
    pub body: Option<&'static str>,
    /// Whether the body's key may be missing where the body holds nothing that is required.
    pub body_may_lack: bool,
    /// Where the client's own reference to its request stands, as a JSON pointer into the whole message: `/seq_id`.
    pub reference: Option<&'static str>,
    /// The other fields but the message's name.
    pub fields: &'static [Field],
}

/// Messages that belong together, of all directions.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Topic {
    /// One word: `rooms`.
    pub name: &'static str,
    /// What they are about, for people.
    pub doc: &'static str,
    /// The messages, in the order in which people read them.
    pub messages: &'static [Message],
}

/// A protocol: its name, its envelopes, its messages.
#[derive(Clone, Copy, Debug)]
pub struct Protocol {
    /// What `vectors/` and the document's keys call it.
    pub name: &'static str,
    /// What people call it.
    pub title: &'static str,
    /// The servers of the document that speak it: `tcp`, `websocket`.
    pub servers: &'static [&'static str],
    /// What a client's author has to know first. May hold several paragraphs of `CommonMark`.
    pub doc: &'static str,
    /// The key of the message's name in every envelope; `None` where the name stands outside of what is described here.
    pub names_in: Option<&'static str>,
    /// What stands around a message of each direction.
    pub envelope: fn(Direction) -> &'static Envelope,
    /// All messages, by what they are about.
    pub topics: &'static [Topic],
}

impl Protocol {
    /// All messages, in order.
    pub fn messages(&self) -> impl Iterator<Item = &'static Message> + use<> {
        self.topics.iter().flat_map(|it| it.messages)
    }

    /// The messages of one direction, in order.
    pub fn of(&self, direction: Direction) -> impl Iterator<Item = &'static Message> + use<> {
        self.messages().filter(move |it| it.direction == direction)
    }

    /// The message of this direction and exactly this name.
    #[must_use]
    pub fn message(&self, direction: Direction, name: &str) -> Option<&'static Message> {
        self.of(direction).find(|it| it.name == name)
    }

    /// What may answer a request: the replies and events it names, then the errors that it names or, if it names none,
    /// all that no request names.
    #[must_use]
    pub fn answers(&self, request: &Message) -> Vec<&'static Message> {
        let answers = |it: &&Message| request.replies.contains(&it.name);
        let named = |it: &Message| self.messages().any(|request| request.replies.contains(&it.name));
        let mut all: Vec<_> = request
            .replies
            .iter()
            .flat_map(|name| {
                [Direction::Reply, Direction::Event]
                    .into_iter()
                    .filter_map(|direction| self.message(direction, name))
            })
            .collect();
        let errors: Vec<_> = self.of(Direction::Error).filter(answers).collect();
        if errors.is_empty() {
            all.extend(self.of(Direction::Error).filter(|it| !named(it)));
        } else {
            all.extend(errors);
        }
        all
    }

    /// Every shape that has a name, once each, in the order in which messages use them.
    #[must_use]
    pub fn shapes(&self) -> Vec<&'static Shape> {
        let mut shapes = Vec::new();
        for message in self.messages() {
            gather(message.shape, &mut shapes);
            message
                .beside
                .iter()
                .for_each(|field| inside(&field.ty, &mut shapes));
        }
        shapes
    }
}

fn gather(shape: &'static Shape, shapes: &mut Vec<&'static Shape>) {
    if !shape.name.is_empty() && !shapes.contains(&shape) {
        shapes.push(shape);
    }
    shape.fields.iter().for_each(|field| inside(&field.ty, shapes));
}

fn inside(ty: &'static Ty, shapes: &mut Vec<&'static Shape>) {
    match ty {
        Ty::Object(shape) => gather(shape, shapes),
        Ty::Array { of, .. } | Ty::Nullable(of) => inside(of, shapes),
        Ty::Either(types) => types.iter().for_each(|ty| inside(ty, shapes)),
        Ty::Text { .. }
        | Ty::Matching(_)
        | Ty::Hex(_)
        | Ty::Moment
        | Ty::OneOf(_)
        | Ty::Integer
        | Ty::Count
        | Ty::Between { .. }
        | Ty::Number
        | Ty::Bool
        | Ty::Always(_)
        | Ty::Free { .. }
        | Ty::Anything => {}
    }
}
