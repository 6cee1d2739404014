//! One Engine.IO connection as Socket.IO has it: which namespaces are connected, and what an event still awaits.
//!
//! Invariant: an application hears of a namespace only between its connect and its disconnect, and hears events whole;
//! what is awaited is bounded in number and in bytes. Whatever else comes in ends the connection.

use std::sync::Arc;

use bongsu_model::refusal::Malformed;
use bongsu_model::{Code, Fatal, Refusal, Why};
use bytes::Bytes;

use super::engine::{Heard, Version};
use super::packet::encode::Frame;
use super::packet::{self, Kind, Packet, Violation};
use crate::incoming::{Incoming, Rules};
use crate::json::write::key;
use crate::websocket::close_frame;

/// What clients know the namespaces by that there are not.
const NO_SUCH_NAMESPACE: &str = r#"{"message":"Invalid namespace"}"#;
/// The same for clients that know texts alone.
const NO_SUCH_NAMESPACE_V3: &str = r#""Invalid namespace""#;

/// What the events of a connection mean.
pub trait Application {
    /// The namespaces that there are, `/` first; at most eight.
    const NAMESPACES: &'static [&'static str];
    /// Whether an event's attachments are kept until it is whole. If not they are counted, and dropped as they come.
    const KEEPS_ATTACHMENTS: bool;
    /// The one namespace, if any, in which a token that came with the connect is kept for the events.
    const KEEPS_TOKEN: Option<&'static str> = None;

    /// A client wants to connect to a namespace. Whatever answers it goes to `out`.
    fn connect(&mut self, asked: Connecting<'_>, rules: &Rules<'_>, out: &mut Vec<Incoming>) -> Welcome;

    /// An event came in, whole.
    fn event(&mut self, event: Event<'_>, rules: &Rules<'_>, out: &mut Vec<Incoming>);

    /// The answer to an event of the server's own came in, whole. One that was never asked for comes here, too.
    fn acknowledged(&mut self, ack: Acknowledged<'_>, rules: &Rules<'_>, out: &mut Vec<Incoming>);

    /// A client leaves a namespace.
    fn disconnect(&mut self, namespace: &'static str, out: &mut Vec<Incoming>);
}

/// What became of a wish to connect.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Welcome {
    /// The namespace is connected.
    Connected,
    /// The namespace, which is [`Application::KEEPS_TOKEN`], is connected, with this token for its events.
    Keeping(Arc<str>),
    /// Somebody else will say. Until then the client may say anything there, or ask again.
    Asked,
    /// The namespace is not connected.
    Refused,
}

/// A client's wish to connect to a namespace.
#[derive(Clone, Debug)]
pub struct Connecting<'a> {
    /// Which.
    pub namespace: &'static str,
    /// The name of the client's socket there, which others may learn; `None` for clients that know none (protocol 3 of
    /// Engine.IO).
    pub sid: Option<u128>,
    /// What it says to be let in.
    pub auth: Auth<'a>,
    /// The access token that came with the handshake, for the first who asks.
    pub token: Option<Arc<str>>,
    /// Whether nobody has asked: clients of protocol 3 are in `/` whether they use it or not.
    pub automatic: bool,
}

/// What a client says to be let into a namespace.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Auth<'a> {
    /// Nothing.
    No,
    /// The text of an object.
    Object(&'a str),
    /// A query, as it stands in an address: from clients of protocol 3 of Engine.IO.
    Query(&'a str),
}

impl Connecting<'_> {
    /// The answer that the namespace is connected.
    #[must_use]
    pub fn accepted(&self) -> Bytes {
        accepted(self.namespace, self.sid, None)
    }
}

/// The answer that a namespace is connected: to a socket of this name, with this name of its place, for clients that know
/// such names.
pub(super) fn accepted(namespace: &str, sid: Option<u128>, pid: Option<&str>) -> Bytes {
    let mut frame = Frame::connect(namespace, 128);
    if let Some(sid) = sid {
        frame.json.literal("{");
        frame.json.hex(key!("sid"), "", sid, 32);
        if let Some(pid) = pid {
            frame.json.text(key!("pid"), pid);
        }
        frame.json.end_object();
    }
    frame.finish()
}

/// An event, whole.
#[derive(Clone, Copy, Debug)]
pub struct Event<'a> {
    /// Where.
    pub namespace: &'static str,
    /// The number under which the client awaits an answer.
    pub ack: Option<u64>,
    /// What it is called.
    pub name: &'a str,
    /// The text of its first argument, if it has one.
    pub argument: Option<&'a str>,
    /// The packet, for whoever wants all of its arguments.
    pub packet: &'a Packet<'a>,
    /// Its attachments, if they were kept.
    pub kept: &'a [Bytes],
    /// The token that was kept for events here.
    pub token: Option<&'a Arc<str>>,
}

/// The answer to an event of the server's own.
#[derive(Clone, Copy, Debug)]
pub struct Acknowledged<'a> {
    /// Where.
    pub namespace: &'static str,
    /// The number of the event that it answers.
    pub id: u64,
    /// The packet.
    pub packet: &'a Packet<'a>,
    /// Its attachments, if they were kept.
    pub kept: &'a [Bytes],
}

/// An event of which attachments are still to come.
#[derive(Debug)]
struct Awaiting {
    packet: Box<str>,
    /// How many are still to come; at least one.
    left: usize,
    kept: Vec<Bytes>,
    bytes: usize,
}

/// One connection's namespaces, and what its application makes of what comes in.
#[derive(Debug)]
pub struct Connection<A> {
    public_id: u128,
    /// That of the handshake, until a namespace is asked for. While [`Application::KEEPS_TOKEN`] is connected, which takes
    /// it like every other, the one that is kept there.
    token: Option<Arc<str>>,
    awaiting: Option<Box<Awaiting>>,
    version: Version,
    /// One bit each, in the order of [`Application::NAMESPACES`].
    connected: u8,
    /// Those of which somebody else will say whether they are.
    asked: u8,
    application: A,
}

impl<A: Application> Connection<A> {
    const FITS: () = assert!(A::NAMESPACES.len() <= 8, "a namespace has one bit of eight");

    /// A connection in which nothing was said yet. `public_id` is random: the names of the client's sockets are made of
    /// it. `handshake_token` is the access token of the handshake, for the first namespace that is asked for.
    pub const fn new(
        version: Version,
        public_id: u128,
        handshake_token: Option<Arc<str>>,
        application: A,
    ) -> Self {
        let () = Self::FITS;
        Self {
            public_id,
            token: handshake_token,
            awaiting: None,
            version,
            connected: 0,
            asked: 0,
            application,
        }
    }

    /// The application.
    pub const fn application(&self) -> &A {
        &self.application
    }

    /// The application.
    pub const fn application_mut(&mut self) -> &mut A {
        &mut self.application
    }

    /// To be called once, when the transport is open: clients of protocol 3 are in `/` without asking.
    pub fn opened(&mut self, rules: &Rules<'_>, out: &mut Vec<Incoming>) {
        if self.version == Version::V3 {
            // Who uses another namespace only is still the first to ask there.
            let token = self.token.clone();
            self.connect(0, Auth::No, token, true, rules, out);
        }
    }

    /// Whether something was begun and is not complete: the time for it runs.
    pub const fn in_frame(&self) -> bool {
        self.awaiting.is_some()
    }

    /// Takes one message of Engine.IO, and adds what it means to `out`, in order. What is the engine's own is passed over.
    ///
    /// # Errors
    /// What ends the connection: what is no packet, or not now.
    pub fn hear(
        &mut self,
        heard: Heard<'_>,
        rules: &Rules<'_>,
        out: &mut Vec<Incoming>,
    ) -> Result<(), Fatal> {
        match heard {
            Heard::Text(text) => self.text(text, rules, out),
            Heard::Binary(bytes) => self.attachment(&bytes, rules, out),
            Heard::Open | Heard::Close | Heard::Ping(_) | Heard::Pong(_) | Heard::Upgrade | Heard::Noop => {
                Ok(())
            }
        }
    }

    fn text(&mut self, text: &str, rules: &Rules<'_>, out: &mut Vec<Incoming>) -> Result<(), Fatal> {
        if self.awaiting.is_some() {
            return Err(wrong(Malformed::Packet));
        }
        let packet = decode(text, rules)?;
        if packet.attachments == 0 {
            return self.packet(&packet, &[], rules, out);
        }
        self.namespace(&packet)?;
        self.awaiting = Some(Box::new(Awaiting {
            packet: text.into(),
            left: packet.attachments,
            kept: Vec::new(),
            bytes: 0,
        }));
        Ok(())
    }

    fn attachment(&mut self, bytes: &[u8], rules: &Rules<'_>, out: &mut Vec<Incoming>) -> Result<(), Fatal> {
        let Some(awaiting) = &mut self.awaiting else {
            return Err(wrong(Malformed::Packet));
        };
        awaiting.left -= 1;
        if A::KEEPS_ATTACHMENTS {
            let most = rules.limits.frame_bytes_max;
            awaiting.bytes = awaiting.bytes.saturating_add(bytes.len());
            if awaiting.bytes > most {
                return Err(Refusal {
                    code: Code::MessageTooLarge,
                    ..malformed(Malformed::FrameTooLarge(most as u64))
                }
                .into());
            }
            awaiting.kept.push(Bytes::copy_from_slice(bytes));
        }
        if awaiting.left > 0 {
            return Ok(());
        }
        let Some(whole) = self.awaiting.take() else {
            return Ok(());
        };
        let packet = decode(&whole.packet, rules)?;
        self.packet(&packet, &whole.kept, rules, out)
    }

    /// The namespace of a packet that must be connected.
    fn namespace(&self, packet: &Packet<'_>) -> Result<usize, Fatal> {
        position::<A>(packet.namespace)
            .filter(|at| (self.connected | self.asked) & bit(*at) != 0)
            .ok_or_else(|| wrong(Malformed::NotConnected))
    }

    /// A packet with all that belongs to it.
    fn packet(
        &mut self,
        packet: &Packet<'_>,
        kept: &[Bytes],
        rules: &Rules<'_>,
        out: &mut Vec<Incoming>,
    ) -> Result<(), Fatal> {
        match packet.kind {
            Kind::Connect => self.asked_to_connect(packet, rules, out),
            Kind::Disconnect => {
                let at = self.namespace(packet)?;
                self.connected &= !bit(at);
                self.asked &= !bit(at);
                if keeper::<A>() == Some(at) {
                    self.token = None;
                }
                self.application.disconnect(A::NAMESPACES[at], out);
                // Who cannot ask for `/` again has no way back once it is in no namespace.
                if self.version == Version::V3 && self.connected | self.asked == 0 {
                    out.push(Incoming::Goodbye(close_frame(1000, "")));
                }
                Ok(())
            }
            Kind::Event => {
                let at = self.namespace(packet)?;
                let Some(said) = &packet.event else {
                    return Err(wrong(Malformed::Packet));
                };
                let event = Event {
                    namespace: A::NAMESPACES[at],
                    ack: packet.id,
                    name: &said.name,
                    argument: said.argument,
                    packet,
                    kept,
                    token: self.token.as_ref().filter(|_| keeper::<A>() == Some(at)),
                };
                self.application.event(event, rules, out);
                Ok(())
            }
            Kind::Ack => {
                let at = self.namespace(packet)?;
                let Some(id) = packet.id else {
                    return Err(wrong(Malformed::Packet));
                };
                let ack = Acknowledged {
                    namespace: A::NAMESPACES[at],
                    id,
                    packet,
                    kept,
                };
                self.application.acknowledged(ack, rules, out);
                Ok(())
            }
            // Only a server says it.
            Kind::ConnectError => Err(wrong(Malformed::Packet)),
        }
    }

    fn asked_to_connect(
        &mut self,
        packet: &Packet<'_>,
        rules: &Rules<'_>,
        out: &mut Vec<Incoming>,
    ) -> Result<(), Fatal> {
        let Some(at) = position::<A>(packet.namespace) else {
            let said = match self.version {
                Version::V3 => NO_SUCH_NAMESPACE_V3,
                Version::V4 => NO_SUCH_NAMESPACE,
            };
            out.push(Incoming::Echo(packet::connect_error(packet.namespace, said)));
            return Ok(());
        };
        let auth = match (self.version, packet.query, packet.data) {
            (Version::V3, Some(query), _) => Auth::Query(query),
            (Version::V3, None, _) => Auth::No,
            (Version::V4, _, Some(object)) => Auth::Object(object),
            (Version::V4, _, None) => Auth::No,
        };
        // A client of protocol 3 need not know that it is in `/` already.
        if self.version == Version::V4 && self.connected & bit(at) != 0 {
            return Err(wrong(Malformed::Packet));
        }
        let keeps = keeper::<A>().filter(|keeps| self.connected & bit(*keeps) != 0);
        let token = match keeps {
            // What is kept is for events there, and for nobody else.
            Some(keeps) if keeps != at => None,
            Some(_) | None => self.token.take(),
        };
        self.connect(at, auth, token, false, rules, out);
        Ok(())
    }

    fn connect(
        &mut self,
        at: usize,
        auth: Auth<'_>,
        token: Option<Arc<str>>,
        automatic: bool,
        rules: &Rules<'_>,
        out: &mut Vec<Incoming>,
    ) {
        let asked = Connecting {
            namespace: A::NAMESPACES[at],
            sid: (self.version == Version::V4).then_some(self.public_id.wrapping_add(at as u128)),
            auth,
            token,
            automatic,
        };
        self.asked &= !bit(at);
        match self.application.connect(asked, rules, out) {
            Welcome::Connected => self.connected |= bit(at),
            Welcome::Keeping(token) => {
                self.connected |= bit(at);
                self.token = Some(token);
            }
            Welcome::Asked => self.asked |= bit(at),
            Welcome::Refused => {}
        }
    }
}

fn decode<'a>(text: &'a str, rules: &Rules<'_>) -> Result<Packet<'a>, Fatal> {
    packet::decode(text, rules.limits).map_err(|violation| {
        let most = rules.limits.attachments_max as u64;
        wrong(match violation {
            Violation::TooManyAttachments => Malformed::TooManyAttachments(most),
            Violation::TooDeep => Malformed::TooDeep,
            Violation::Empty
            | Violation::UnknownType(_)
            | Violation::BadAttachments
            | Violation::BadPlaceholders
            | Violation::NamespaceTooLong
            | Violation::BadId
            | Violation::BadData
            | Violation::BadEventName
            | Violation::ReservedEvent => Malformed::Packet,
        })
    })
}

fn position<A: Application>(namespace: &str) -> Option<usize> {
    A::NAMESPACES.iter().position(|it| *it == namespace)
}

fn keeper<A: Application>() -> Option<usize> {
    A::KEEPS_TOKEN.and_then(position::<A>)
}

const fn bit(at: usize) -> u8 {
    1 << at
}

fn wrong(what: Malformed) -> Fatal {
    malformed(what).into()
}

const fn malformed(what: Malformed) -> Refusal {
    Refusal {
        code: Code::InvalidData,
        why: Why::Malformed { offset: 0, what },
        retry_after_ms: None,
    }
}
