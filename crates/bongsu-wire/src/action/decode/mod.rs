//! From an envelope to a request: the table of actions, and batches taken apart.
//!
//! Invariant: each entry of a batch gets its own request or refusal, in order, as if it had come alone.

mod calls;
mod messages;
mod rooms;
mod session;

use bongsu_model::{Asked, Code, Limits, Refusal, Request, Tag, UserRef, Want};

use super::envelope::{self, Envelope, Refused, Source};
use crate::incoming::{Incoming, Rules};
use crate::json::field::Given;

/// Every action that a client may send.
pub const ACTIONS: [&str; 21] = [
    "CONNECT",
    "REFRESH_TOKEN",
    "PING",
    "JOIN_ROOM",
    "LEAVE_ROOM",
    "SEND_MESSAGE",
    "SEND_EVENT",
    "TYPING",
    "MARK_READ",
    "GET_MESSAGES",
    "CREATE_VIDEO_ROOM",
    "JOIN_VIDEO_ROOM",
    "LEAVE_VIDEO_ROOM",
    "END_VIDEO_ROOM",
    "SDP_OFFER",
    "SDP_ANSWER",
    "ICE_CANDIDATE",
    "MEDIA_STATUS_CHANGE",
    "BLOCK_USER",
    "UNBLOCK_USER",
    BATCH,
];

const BATCH: &str = "BATCH_MESSAGES";

/// What one frame's requests share.
struct Frame<'l> {
    rules: &'l Rules<'l>,
    limits: &'l Limits,
    /// Bytes that may still be unpacked: one budget, so that a batch of bombs costs no more than one.
    budget: usize,
    /// What a CONNECT in it says about compression.
    accepts: Option<bool>,
}

/// Adds what a frame asks to `out`. Gives what a CONNECT in it says about compression.
pub(super) fn frame(source: Source<'_>, rules: &Rules<'_>, out: &mut Vec<Incoming>) -> Option<bool> {
    let limits = rules.limits;
    let mut frame = Frame {
        rules,
        limits,
        budget: limits.decompressed_bytes_max,
        accepts: None,
    };
    match envelope::open(source, limits) {
        Err(refused) => out.push(refused.into()),
        Ok(envelope) if envelope.action == BATCH => frame.batch(source, envelope, out),
        Ok(envelope) => out.push(frame.request(source, envelope)),
    }
    frame.accepts
}

impl Frame<'_> {
    fn request(&mut self, source: Source<'_>, envelope: Envelope<'_>) -> Incoming {
        match self.understand(source, &envelope) {
            Ok(request) => {
                let Envelope {
                    tag, claimed_user, ..
                } = envelope;
                Incoming::Request(Asked {
                    tag,
                    claimed_user,
                    request,
                })
            }
            Err(refusal) => Incoming::Refused {
                tag: envelope.tag,
                refusal,
            },
        }
    }

    fn understand(&mut self, source: Source<'_>, envelope: &Envelope<'_>) -> Result<Request, Refusal> {
        if !ACTIONS.contains(&&*envelope.action) {
            return Err(Refusal::new(Code::InvalidAction));
        }
        let mut unpacked = String::new();
        let object = envelope.object(source, &mut unpacked, &mut self.budget, self.limits)?;
        let object = Given {
            name: "data",
            raw: object.text,
        };
        if envelope.action == "CONNECT" {
            let (connect, accepts) = session::connect(object, self.limits)?;
            self.accepts = accepts.or(self.accepts);
            return Ok(Request::Connect(connect));
        }
        request(&envelope.action, object, self.rules)
    }

    fn batch(&mut self, source: Source<'_>, envelope: Envelope<'_>, out: &mut Vec<Incoming>) {
        let mut unpacked = String::new();
        let entries = envelope
            .object(source, &mut unpacked, &mut self.budget, self.limits)
            .and_then(|object| Ok((object, messages::batch(object.text, self.limits)?)));
        match entries {
            Ok((object, entries)) => {
                for entry in entries {
                    let incoming =
                        self.entry(object.part(entry), &envelope.tag, envelope.claimed_user.clone());
                    out.push(incoming);
                }
            }
            Err(refusal) => out.push(Incoming::Refused {
                tag: envelope.tag,
                refusal,
            }),
        }
    }

    /// One entry of a batch. Whom the batch claims to come from, its entries do, too.
    fn entry(&mut self, source: Source<'_>, batch: &Tag, claimed_user: Option<UserRef>) -> Incoming {
        if !source.text.starts_with('{') {
            let refusal = Refusal::field("messages", Want::Object);
            return Incoming::Refused {
                tag: batch.clone(),
                refusal,
            };
        }
        let mut envelope = match envelope::open(source, self.limits) {
            Ok(envelope) => envelope,
            Err(refused) => return refused.into(),
        };
        envelope.claimed_user = envelope.claimed_user.or(claimed_user);
        let nested = if envelope.action == BATCH {
            Some("messages.action")
        } else {
            (envelope.compressed && source.is_unpacked()).then_some("messages.compressed")
        };
        match nested {
            Some(name) => Incoming::Refused {
                tag: envelope.tag,
                refusal: Refusal::field(name, Want::Other),
            },
            None => self.request(source, envelope),
        }
    }
}

impl From<Refused> for Incoming {
    fn from(refused: Refused) -> Self {
        Self::Refused {
            tag: refused.tag,
            refusal: refused.refusal,
        }
    }
}

/// The table of actions, without those that are more than one request or say something to the codec.
fn request(action: &str, object: Given<'_>, rules: &Rules<'_>) -> Result<Request, Refusal> {
    let limits = rules.limits;
    match action {
        "REFRESH_TOKEN" => session::refresh(object, limits),
        "PING" => session::ping(object),
        "JOIN_ROOM" => rooms::join(object),
        "LEAVE_ROOM" => rooms::leave(object),
        "TYPING" => rooms::typing(object),
        "MARK_READ" => rooms::mark_read(object),
        "BLOCK_USER" => rooms::block(object),
        "UNBLOCK_USER" => rooms::unblock(object),
        "SEND_MESSAGE" => messages::post(object, limits),
        "GET_MESSAGES" => messages::history(object, limits),
        "SEND_EVENT" => messages::emit(object, rules),
        "CREATE_VIDEO_ROOM" => calls::create(object, limits),
        "JOIN_VIDEO_ROOM" => calls::join(object),
        "LEAVE_VIDEO_ROOM" => calls::leave(object),
        "END_VIDEO_ROOM" => calls::end(object),
        "SDP_OFFER" => calls::offer(object, limits),
        "SDP_ANSWER" => calls::answer(object, limits),
        "ICE_CANDIDATE" => calls::candidate(object, limits),
        "MEDIA_STATUS_CHANGE" => calls::set_media(object),
        _ => Err(Refusal::new(Code::InvalidAction)),
    }
}
