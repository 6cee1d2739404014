//! The chat on Socket.IO: what its events ask, and how its clients are spoken to, in one of two styles. Beside it, on the
//! same connections, displays.
//!
//! Invariant: the style is chosen once; what a client is told unasked goes to the namespace in which it signed in.

pub(super) mod encode;
mod manner;
mod message;
mod names;
pub(super) mod query;
mod sign_in;
mod voice;

use bongsu_model::display::FromDisplay;
use bongsu_model::refusal::Malformed;
use bongsu_model::{Asked, Code, Recover, Refusal, Request, Slot, Tag, Why};

pub use self::encode::ChatEvents;
pub(crate) use self::encode::code_name;
pub use self::manner::{Manner, Namespace, Style};
use self::names::{CONNECT, MESSAGE, SIGN_IN};
pub(crate) use self::sign_in::PLACE_BYTES_MAX;
pub use self::voice::ChatVoice;
use super::connection::{Acknowledged, Application, Connecting, Connection, Event, Welcome};
use super::switchboard;
use crate::incoming::{Incoming, Rules};
use crate::json::field::Field;
use crate::typed::TYPES;
use crate::typed::decode::{Meant, Spoken, meant};

/// The kinds of messages as chats spell them, in the order of [`bongsu_model::MessageKind::ALL`].
pub(crate) const KINDS: [&str; 7] = ["TEXT", "IMAGE", "FILE", "AUDIO", "VIDEO", "LOCATION", "CUSTOM"];

/// Types of the type protocol that concern the connection alone: who uses them need not speak the rest of it.
const UPKEEP: [&str; 3] = ["auth_update", "ping", "pong"];

/// The chat as the application of one connection.
#[derive(Clone, Copy, Debug)]
pub struct Chat {
    /// Where it signed in.
    namespace: Namespace,
    /// Whether messages are followed by their offsets.
    offset: bool,
    /// The style that stays whatever comes, once it is chosen.
    style: Option<Style>,
    claim: Claim,
    /// Where a display was registered, or tried to be: one bit each, in the order of [`Self::NAMESPACES`].
    displays: u8,
}

/// Whether a sign-in was granted, or is on its way, and with it a namespace chosen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Claim {
    No,
    /// One is, in a namespace that the client has not asked for and may not even use.
    Automatic,
    /// One is so, and another is tried where the client has asked for it, which may be refused.
    Moving,
    /// One is, where the client has asked for it.
    Asked,
}

impl Chat {
    /// A client of which nothing is known.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            namespace: Manner::FIRST.namespace,
            offset: Manner::FIRST.offset,
            style: None,
            claim: Claim::No,
            displays: 0,
        }
    }

    /// How the client is told what happens.
    #[must_use]
    pub const fn manner(&self) -> Manner {
        Manner {
            namespace: self.namespace,
            style: match self.style {
                Some(style) => style,
                None => Manner::FIRST.style,
            },
            offset: self.offset,
        }
    }

    /// Whether there is a session, now that all that was heard is carried out, and whether the last sign-in was refused.
    /// To be called before the next is heard: where the next sign-in is tried is where a client is told what happens only
    /// if there is none yet.
    pub const fn settled(&mut self, signed_in: bool, declined: bool) {
        self.claim = match (signed_in, self.claim) {
            (false, _) => Claim::No,
            (true, Claim::Moving) if declined => {
                // As it was without asking.
                self.namespace = Manner::FIRST.namespace;
                self.offset = Manner::FIRST.offset;
                Claim::Automatic
            }
            (true, Claim::No | Claim::Asked | Claim::Moving) => Claim::Asked,
            (true, Claim::Automatic) => Claim::Automatic,
        };
    }

    fn choose(&mut self, style: Style) {
        self.style.get_or_insert(style);
    }

    /// A sign-in is tried here.
    fn claim(&mut self, namespace: &str, request: &Request, automatic: bool) {
        let Request::Connect(connect) = request else {
            return;
        };
        if self.claim != Claim::Asked {
            self.claim = match (automatic, self.claim) {
                (true, _) => Claim::Automatic,
                (false, Claim::Automatic | Claim::Moving) => Claim::Moving,
                (false, Claim::No | Claim::Asked) => Claim::Asked,
            };
            self.namespace = Namespace::parse(namespace).unwrap_or(Namespace::Main);
            self.offset = connect.recovery != Recover::No;
        }
    }

    /// What a display says, or why that cannot be taken.
    fn display(
        &mut self,
        kind: Option<switchboard::Kind>,
        event: &Event<'_>,
        data: Field<'_>,
        rules: &Rules<'_>,
    ) -> Incoming {
        let tag = names::tag(event.namespace, event.name, names::awaited(event));
        let said = without_attachments(event).and_then(|()| match kind {
            Some(kind) => switchboard::said(kind, data, event.token, rules.limits),
            None => Err(Refusal::new(Code::InvalidAction)),
        });
        match said {
            Ok(said) => {
                if matches!(said, FromDisplay::Register(_)) {
                    self.displays |= display_bit(event.namespace);
                }
                Incoming::Display { tag, said }
            }
            Err(refusal) => Incoming::Refused { tag, refusal },
        }
    }

    fn meant(&mut self, event: &Event<'_>, data: Field<'_>, rules: &Rules<'_>) -> Result<Meant, Refusal> {
        without_attachments(event)?;
        let own = |request| Meant {
            request,
            claimed_user: None,
        };
        match event.name {
            SIGN_IN => {
                let connect = sign_in::sign_in(names::object(data)?, rules.limits)?;
                Ok(own(Request::Connect(connect)))
            }
            MESSAGE => message::post(names::object(data)?, rules.limits).map(own),
            kind => {
                if !UPKEEP.contains(&kind) && speaks_types(kind, rules) {
                    self.choose(Style::Type);
                }
                meant(&Spoken::plain(kind, data), rules)
            }
        }
    }
}

impl Default for Chat {
    fn default() -> Self {
        Self::new()
    }
}

impl Connection<Chat> {
    /// In which wire format the client is told what happens.
    #[must_use]
    pub const fn slot(&self) -> Slot {
        self.application().manner().slot()
    }
}

impl Application for Chat {
    const NAMESPACES: &'static [&'static str] = &[
        Namespace::Main.name(),
        Namespace::Chat.name(),
        switchboard::NAMESPACE,
    ];
    const KEEPS_ATTACHMENTS: bool = false;
    const KEEPS_TOKEN: Option<&'static str> = Some(switchboard::NAMESPACE);

    fn connect(&mut self, asked: Connecting<'_>, rules: &Rules<'_>, out: &mut Vec<Incoming>) -> Welcome {
        let reference = asked.sid.map(|sid| format!("{sid:032x}").into());
        let tag = names::tag(asked.namespace, CONNECT, reference);
        if asked.namespace == switchboard::NAMESPACE {
            return enter(asked, tag, rules, out);
        }
        let greeting = match sign_in::greeting(asked.auth, asked.token.clone(), rules.limits) {
            Ok(greeting) => greeting,
            Err(refusal) => {
                out.push(Incoming::Refused { tag, refusal });
                return Welcome::Refused;
            }
        };
        if let Some(style) = greeting.style {
            self.choose(style);
        }
        let Some(connect) = greeting.connect else {
            out.push(Incoming::Echo(asked.accepted()));
            return Welcome::Connected;
        };
        let request = Request::Connect(connect);
        self.claim(asked.namespace, &request, asked.automatic);
        out.push(said(tag, request));
        Welcome::Asked
    }

    fn event(&mut self, event: Event<'_>, rules: &Rules<'_>, out: &mut Vec<Incoming>) {
        let data = Field {
            name: "data",
            raw: event.argument,
        };
        if let Some(kind) = spoken_by_display(&event) {
            return out.push(self.display(kind, &event, data, rules));
        }
        let id_is_ours = !rules.opens(event.name);
        let (reference, bad_reference) = match names::reference(&event, data, id_is_ours, rules.limits) {
            Ok(reference) => (reference, None),
            Err(refusal) => (None, Some(refusal)),
        };
        let tag = names::tag(event.namespace, event.name, reference);
        let meant = self.meant(&event, data, rules);
        out.push(match (meant, bad_reference) {
            (Ok(meant), None) => {
                self.claim(event.namespace, &meant.request, false);
                Incoming::Request(Asked {
                    tag,
                    claimed_user: meant.claimed_user,
                    request: meant.request,
                })
            }
            (Err(refusal), _) | (Ok(_), Some(refusal)) => Incoming::Refused { tag, refusal },
        });
    }

    /// Nothing is asked of clients here, so an answer means nothing.
    fn acknowledged(&mut self, _: Acknowledged<'_>, _: &Rules<'_>, _: &mut Vec<Incoming>) {}

    fn disconnect(&mut self, namespace: &'static str, out: &mut Vec<Incoming>) {
        let signed_in = self.claim != Claim::No && namespace == self.namespace.name();
        if signed_in {
            self.claim = Claim::No;
        }
        let registered = self.displays & display_bit(namespace) != 0;
        self.displays &= !display_bit(namespace);
        if signed_in || registered {
            out.push(Incoming::SignOut);
        }
    }
}

/// Whether this is for displays alone, and of which kind it is, if of any.
#[expect(
    clippy::option_option,
    reason = "in their own namespace displays say what is of no kind, too"
)]
fn spoken_by_display(event: &Event<'_>) -> Option<Option<switchboard::Kind>> {
    let kind = switchboard::Kind::of(event.name);
    match event.namespace {
        switchboard::NAMESPACE => Some(kind),
        "/" => kind.map(Some),
        _ => None,
    }
}

/// A client enters the namespace of displays, which signs nobody in.
fn enter(asked: Connecting<'_>, tag: Tag, rules: &Rules<'_>, out: &mut Vec<Incoming>) -> Welcome {
    match switchboard::token(asked.auth, asked.token.clone(), rules.limits) {
        Ok(token) => {
            out.push(Incoming::Echo(asked.accepted()));
            token.map_or(Welcome::Connected, Welcome::Keeping)
        }
        Err(refusal) => {
            out.push(Incoming::Refused { tag, refusal });
            Welcome::Refused
        }
    }
}

fn display_bit(namespace: &str) -> u8 {
    let at = Chat::NAMESPACES.iter().position(|it| *it == namespace);
    at.map_or(0, |at| 1 << at)
}

fn without_attachments(event: &Event<'_>) -> Result<(), Refusal> {
    if event.packet.attachments == 0 {
        return Ok(());
    }
    Err(Refusal {
        code: Code::InvalidData,
        why: Why::Malformed {
            offset: 0,
            what: Malformed::Attachments,
        },
        retry_after_ms: None,
    })
}

fn speaks_types(name: &str, rules: &Rules<'_>) -> bool {
    TYPES.contains(&name) || rules.opens(name)
}

fn said(tag: Tag, request: Request) -> Incoming {
    Incoming::Request(Asked {
        tag,
        claimed_user: None,
        request,
    })
}
