//! What a connection needs of the protocol on it: from bytes to requests, and in which wire format it is answered.

use bongsu_model::{Code, Fatal, Incoming, Refusal, Slot, Tag, Why, refusal::Malformed};
use bongsu_wire::action::{self, ActionCodec};
use bongsu_wire::incoming::Rules;
use bongsu_wire::typed;
use bongsu_wire::websocket::{self, Decoder, Heard, MessageLimits, Opcode, Role, Violation};

/// The codec of one connection.
pub(crate) trait Codec: Send {
    /// Takes what was read, in place, and adds each request that it completes to `out`, in order.
    ///
    /// # Errors
    /// What ends the connection, after the requests before it.
    fn handle_bytes(
        &mut self,
        bytes: &mut [u8],
        rules: &Rules<'_>,
        out: &mut Vec<Incoming>,
    ) -> Result<(), Fatal>;

    /// Whether something was begun and is not complete: the time for it runs.
    fn in_frame(&self) -> bool;

    /// Whether there is a session, now that all that was heard is carried out, and whether the last sign-in was refused.
    fn settled(&mut self, _signed_in: bool, _declined: bool) {}

    /// In which wire format the client is answered.
    fn slot(&self) -> Slot;
}

impl Codec for ActionCodec {
    fn handle_bytes(
        &mut self,
        bytes: &mut [u8],
        rules: &Rules<'_>,
        out: &mut Vec<Incoming>,
    ) -> Result<(), Fatal> {
        Self::handle_bytes(self, bytes, rules, out)
    }

    fn in_frame(&self) -> bool {
        Self::in_frame(self)
    }

    fn slot(&self) -> Slot {
        if self.voice().accepts_compression() {
            Slot::ActionPacked
        } else {
            Slot::ActionLine
        }
    }
}

/// What is spoken in the text frames of a WebSocket.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Subprotocol {
    /// `bongsu.type.v1`, also where none is offered.
    Type,
    /// `bongsu.action.v1`
    Action,
}

impl Subprotocol {
    /// The names, the one that is liked better first.
    pub(crate) const NAMES: [&'static str; 2] = ["bongsu.type.v1", "bongsu.action.v1"];

    /// The subprotocol of that name.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        match name {
            "bongsu.type.v1" => Some(Self::Type),
            "bongsu.action.v1" => Some(Self::Action),
            _ => None,
        }
    }

    /// What the request is called that signs in.
    pub(crate) const fn sign_in_verb(self) -> &'static str {
        match self {
            Self::Type => "auth",
            Self::Action => "CONNECT",
        }
    }
}

/// The codec of a WebSocket: frames, and one of the JSON protocols in them.
pub(crate) struct WebSocketCodec {
    decoder: Decoder,
    speaks: Subprotocol,
    deflates: bool,
    /// Whether a client of the action protocol accepts its compression.
    packs: bool,
}

impl WebSocketCodec {
    pub(crate) const fn new(speaks: Subprotocol, deflates: bool) -> Self {
        Self {
            decoder: Decoder::new(Role::Server, deflates),
            speaks,
            deflates,
            packs: false,
        }
    }
}

impl Codec for WebSocketCodec {
    fn handle_bytes(
        &mut self,
        bytes: &mut [u8],
        rules: &Rules<'_>,
        out: &mut Vec<Incoming>,
    ) -> Result<(), Fatal> {
        let Self {
            decoder,
            speaks,
            packs,
            ..
        } = self;
        let limits = MessageLimits {
            message_bytes_max: rules.limits.frame_bytes_max,
            fragments_max: rules.limits.websocket_fragments_max,
        };
        let mut binary = None;
        let pushed = decoder.push(bytes, &limits, &mut |heard| {
            if binary.is_some() {
                return;
            }
            match heard {
                Heard::Text(text) => match speaks {
                    Subprotocol::Type => typed::message(text, rules, out),
                    Subprotocol::Action => *packs = action::message(text, rules, out).unwrap_or(*packs),
                },
                Heard::Binary(_) => binary = Some(malformed(Code::InvalidData, Malformed::Binary)),
                Heard::Ping(payload) => {
                    out.push(Incoming::Echo(websocket::frame(Opcode::Pong, payload)));
                }
                // Whatever is heard shows that somebody is there.
                Heard::Pong(_) => {}
                Heard::Close(closed) => out.push(Incoming::Goodbye(match closed {
                    Some(closed) => websocket::close_frame(closed.code, ""),
                    None => websocket::frame(Opcode::Close, &[]),
                })),
            }
        });
        if let Some(refusal) = binary {
            return Err(refusal.into());
        }
        pushed.map_err(|violation| fatal(violation, &limits))
    }

    fn in_frame(&self) -> bool {
        self.decoder.in_frame()
    }

    fn slot(&self) -> Slot {
        match (self.speaks, self.deflates, self.packs) {
            (Subprotocol::Type, false, _) => Slot::TypeFrame,
            (Subprotocol::Type, true, _) => Slot::TypeDeflatedFrame,
            (Subprotocol::Action, _, false) => Slot::ActionFrame,
            (Subprotocol::Action, _, true) => Slot::ActionPackedFrame,
        }
    }
}

/// What a violation of RFC 6455 is to a client of ours: our own close codes where the specification has them.
pub(crate) fn fatal(violation: Violation, limits: &MessageLimits) -> Fatal {
    match violation {
        Violation::TooLarge | Violation::InflatedTooLarge => {
            let most = limits.message_bytes_max as u64;
            malformed(Code::MessageTooLarge, Malformed::FrameTooLarge(most)).into()
        }
        Violation::TooManyFragments => {
            let most = limits.fragments_max as u64;
            malformed(Code::InvalidData, Malformed::TooManyFragments(most)).into()
        }
        Violation::NotUtf8 | Violation::CloseReasonNotUtf8 => Fatal {
            refusal: malformed(Code::InvalidData, Malformed::NotUtf8),
            close_code: Some(violation.code()),
        },
        Violation::ReservedBits
        | Violation::UnknownOpcode(_)
        | Violation::FragmentedControl
        | Violation::ControlTooLong
        | Violation::Unmasked
        | Violation::Masked
        | Violation::NothingToContinue
        | Violation::MessageInMessage
        | Violation::BadCloseLength
        | Violation::BadCloseCode(_)
        | Violation::LengthNotMinimal
        | Violation::LengthHighBit
        | Violation::NotDeflate => Fatal {
            refusal: malformed(Code::InvalidData, Malformed::Framing),
            close_code: Some(violation.code()),
        },
    }
}

fn malformed(code: Code, what: Malformed) -> Refusal {
    Refusal {
        code,
        why: Why::Malformed { offset: 0, what },
        retry_after_ms: None,
    }
}

/// The reference of a sign-in that came with the connection itself: there is no request to tie the answer to.
pub(crate) fn sign_in_tag(speaks: Subprotocol) -> Tag {
    Tag {
        reference: None,
        verb: Some(speaks.sign_in_verb().into()),
    }
}
