//! The registries against the decoders: what a schema requires the decoder misses, what it allows to be absent the decoder
//! does not, and what is of another type or beyond a bound is refused by the field's name.

use bongsu_model::{Code, Limits, Refusal, Want, Why};
use bongsu_wire::action::ActionCodec;
use bongsu_wire::action::registry::PROTOCOL as ACTION;
use bongsu_wire::device::registry::PROTOCOL as DEVICE;
use bongsu_wire::device::{Format, Heard as Said};
use bongsu_wire::incoming::{Incoming, Rules};
use bongsu_wire::schema::{Direction, Envelope, Field, Message, Protocol, Rule, Ty};
use bongsu_wire::socketio::chat::Chat;
use bongsu_wire::socketio::connection::Connection;
use bongsu_wire::socketio::engine::{Heard, Version};
use bongsu_wire::socketio::registry::PROTOCOL as SOCKETIO;
use bongsu_wire::socketio::registry::switchboard::PROTOCOL as SWITCHBOARD;
use bongsu_wire::typed::{self, registry::PROTOCOL as TYPE};
use serde_json::{Value, json};

use crate::sample::{Place, beyond, full, holder, mistyped, places, right, utmost};

/// A protocol's decoder: the first refusal of what is asked, if there is one.
pub(crate) type Decode = fn(&Value, &Limits) -> Result<(), Refusal>;

/// Bounds that are not the decoder's: texts are measured once they are normalised, where they are judged.
const JUDGED_LATER: [(&str, &str); 3] = [
    ("SEND_MESSAGE", "content"),
    ("chat.message", "text"),
    ("message", "content"),
];

/// What displays say and nothing goes by.
const UNREAD: [(&str, &str); 10] = [
    ("register_client", "timestamp"),
    ("heartbeat", "timestamp"),
    ("heartbeat", "ip_address"),
    ("connection_check_response", "timestamp"),
    ("connection_check_response", "status"),
    ("connection_check_response", "received_at"),
    ("reconnection_success", "timestamp"),
    ("execution_result", "timestamp"),
    ("process_status", "timestamp"),
    ("process_status", "running_process_count"),
];

fn action(asked: &Value, limits: &Limits) -> Result<(), Refusal> {
    let mut out = Vec::new();
    let line = asked.to_string();
    let rules = Rules {
        limits,
        application_domains: &["game".into()],
    };
    ActionCodec::new()
        .handle_bytes(line.as_bytes(), &rules, &mut out)
        .unwrap();
    first_refusal(out)
}

fn first_refusal(incoming: Vec<Incoming>) -> Result<(), Refusal> {
    incoming.into_iter().try_for_each(|it| match it {
        Incoming::Request(_) | Incoming::Display { .. } => Ok(()),
        Incoming::Refused { refusal, .. } => Err(refusal),
        Incoming::Echo(_) | Incoming::SignOut | Incoming::Goodbye(_) => {
            panic!("a transport's own: {it:?}")
        }
    })
}

#[test]
fn the_action_protocol_takes_what_its_registry_says() {
    Held {
        protocol: &ACTION,
        decode: action,
        limits: roomy(),
        lenient: false,
    }
    .all();
}

fn typed(asked: &Value, limits: &Limits) -> Result<(), Refusal> {
    let mut out = Vec::new();
    let domains = ["game".into()];
    let rules = Rules {
        limits,
        application_domains: &domains,
    };
    typed::message(&asked.to_string(), &rules, &mut out);
    first_refusal(out)
}

#[test]
fn the_type_protocol_takes_what_its_registry_says() {
    Held {
        protocol: &TYPE,
        decode: typed,
        limits: roomy(),
        lenient: false,
    }
    .all();
}

/// The requests of Socket.IO as if they stood in an envelope: their names are not in what is described.
const EVENTS: Protocol = Protocol {
    names_in: Some("event"),
    envelope: |_| &Envelope {
        body: Some("data"),
        body_may_lack: true,
        reference: None,
        fields: &[],
    },
    ..SOCKETIO
};

/// What displays say, likewise.
const DISPLAYS: Protocol = Protocol {
    names_in: EVENTS.names_in,
    envelope: EVENTS.envelope,
    ..SWITCHBOARD
};

fn event(asked: &Value, limits: &Limits) -> Result<(), Refusal> {
    let domains = ["game".into()];
    let rules = Rules {
        limits,
        application_domains: &domains,
    };
    let Some(name) = asked["event"].as_str() else {
        // Without a name it is no packet.
        return Err(Refusal::field("event", Want::Present));
    };
    let packet = match asked.get("data") {
        Some(data) => format!("2{}", json!([name, data])),
        None => format!("2{}", json!([name])),
    };
    let mut connection = Connection::new(Version::V4, 1, None, Chat::new());
    let mut out = Vec::new();
    for packet in ["0", &packet] {
        out.clear();
        connection.hear(Heard::Text(packet), &rules, &mut out).unwrap();
    }
    first_refusal(out)
}

#[test]
fn the_events_of_socketio_are_what_their_registry_says() {
    Held {
        protocol: &EVENTS,
        decode: event,
        limits: roomy(),
        lenient: false,
    }
    .all();
}

#[test]
fn the_events_of_displays_are_what_their_registry_says() {
    Held {
        protocol: &DISPLAYS,
        decode: event,
        limits: roomy(),
        lenient: true,
    }
    .all();
}

/// What devices say, likewise.
const DEVICES: Protocol = Protocol {
    names_in: EVENTS.names_in,
    envelope: EVENTS.envelope,
    ..DEVICE
};

fn frame(asked: &Value, limits: &Limits) -> Result<(), Refusal> {
    let Some(_) = asked["event"].as_str() else {
        // What a frame is called stands in no envelope.
        return Err(Refusal::field("event", Want::Present));
    };
    let Some(frame) = asked.get("data").filter(|it| it.is_object()) else {
        // What is no object is no frame.
        return Err(Refusal::field("data", Want::Object));
    };
    match Format::Json.text(&frame.to_string(), limits).unwrap() {
        Said::Said(_) => Ok(()),
        Said::Refused(refusal) => Err(refusal),
    }
}

#[test]
fn the_frames_of_devices_are_what_their_registry_says() {
    Held {
        protocol: &DEVICES,
        decode: frame,
        limits: roomy(),
        lenient: false,
    }
    .all();
}

/// The default limits, but that any field at its bound fits into a frame.
pub(crate) fn roomy() -> Limits {
    let mut limits = Limits::DEFAULT;
    limits.frame_bytes_max = limits.decompressed_bytes_max;
    limits
}

/// A registry and the decoder that it is held to.
pub(crate) struct Held {
    pub(crate) protocol: &'static Protocol,
    pub(crate) decode: Decode,
    pub(crate) limits: Limits,
    /// Whether a scalar may be written as another, and what nothing goes by is not read.
    pub(crate) lenient: bool,
}

/// A request, whole, and where its fields are.
struct Whole {
    message: &'static Message,
    value: Value,
    fields: Vec<(Place, Field)>,
}

impl Held {
    pub(crate) fn all(&self) {
        for message in self.protocol.of(Direction::Request) {
            let whole = self.whole(message);
            self.taken(&whole.value, "with all of its fields");
            for (place, field) in &whole.fields {
                self.absent(&whole, place, field);
                self.mistyped(&whole, place, field);
                self.bounded(&whole, place, field);
            }
            self.ruled(&whole);
            self.beside(&whole);
            let key = (self.protocol.envelope)(Direction::Request).body.unwrap();
            for value in [json!(7), json!("x y"), json!([1])] {
                let mut wrong = whole.value.clone();
                wrong[key] = value;
                self.refused(&wrong, &[key], "with a body that is no object");
            }
            let mut nameless = whole.value.clone();
            let name = self.protocol.names_in.unwrap();
            nameless.as_object_mut().unwrap().remove(name);
            self.refused(&nameless, &[name], "without its name");
        }
    }

    fn whole(&self, message: &'static Message) -> Whole {
        let envelope = (self.protocol.envelope)(Direction::Request);
        let key = envelope.body.expect("requests have a body");
        let name = message.pattern.map_or(message.name, |_| "game.move");
        let mut value = json!({ self.protocol.names_in.unwrap(): name, key: full(message.shape) });
        for field in envelope.fields {
            value[field.name] = right(&field.ty);
        }
        if message.name == "BATCH_MESSAGES" {
            value["data"]["messages"] = json!([{ "action": "PING" }]);
        }
        let mut fields: Vec<_> = envelope
            .fields
            .iter()
            .map(|field| (vec![field.name], *field))
            .collect();
        places(message.shape, &[key], &mut fields);
        // A field that another excludes has no place in the whole.
        fields.retain(|(place, _)| holder(&mut value, place).contains_key(*place.last().unwrap()));
        // By these a frame of a device is known: with others it is another.
        let known_by = |place: &Place| *place == [key, "type"] || *place == [key, "reply_to"];
        fields.retain(|(place, _)| self.protocol.name != DEVICE.name || !known_by(place));
        Whole {
            message,
            value,
            fields,
        }
    }

    fn absent(&self, whole: &Whole, place: &Place, field: &Field) {
        let mut without = whole.value.clone();
        holder(&mut without, place).remove(field.name);
        let mut null = whole.value.clone();
        holder(&mut null, place).insert(field.name.to_owned(), Value::Null);
        if field.required {
            self.refused(&without, place, "without a required field");
        } else if is_needed(whole, place) {
            self.refused(&without, place, "without any of these");
        } else {
            self.taken(&without, "without an optional field");
            self.taken(&null, "with null for an optional field");
        }
    }

    fn mistyped(&self, whole: &Whole, place: &Place, field: &Field) {
        let passed_over = |value: &Value| {
            self.lenient && matches!(field.ty, Ty::Text { .. }) && !value.is_object() && !value.is_array()
        };
        if self.lenient && UNREAD.contains(&(whole.message.name, field.name)) {
            return;
        }
        for value in mistyped(&field.ty).into_iter().filter(|it| !passed_over(it)) {
            let mut wrong = whole.value.clone();
            holder(&mut wrong, place).insert(field.name.to_owned(), value);
            self.refused(&wrong, place, "with a field of another type");
        }
    }

    fn bounded(&self, whole: &Whole, place: &Place, field: &Field) {
        let named = (whole.message.name, field.name);
        if JUDGED_LATER.contains(&named) || (self.lenient && UNREAD.contains(&named)) {
            return;
        }
        let ping = json!({ "action": "PING" });
        let with = |mut value: Value| {
            if whole.message.name == "BATCH_MESSAGES"
                && let Some(entries) = value.as_array_mut()
            {
                entries.fill(ping.clone());
            }
            let mut whole = whole.value.clone();
            holder(&mut whole, place).insert(field.name.to_owned(), value);
            whole
        };
        // Who is lenient takes a whole number that is written with a point.
        let pointed = |value: &Value| self.lenient && value.as_f64() == Some(1.0);
        for value in beyond(&field.ty, &self.limits)
            .into_iter()
            .filter(|it| !pointed(it))
        {
            self.refused(&with(value), place, "beyond a bound");
        }
        if let Some(value) = utmost(&field.ty, &self.limits) {
            self.taken(&with(value), "at a bound");
        }
    }

    fn ruled(&self, whole: &Whole) {
        let key = (self.protocol.envelope)(Direction::Request).body.unwrap();
        let shape = whole.message.shape;
        let right = |name: &str| right(&shape.fields.iter().find(|it| it.name == name).unwrap().ty);
        for rule in shape.rules {
            match rule {
                Rule::SomeOf(names) => {
                    let mut none = whole.value.clone();
                    for name in *names {
                        none[key].as_object_mut().unwrap().remove(*name);
                    }
                    self.refused(&none, &[key, names[0]], "without any of these");
                    for name in *names {
                        let mut one = none.clone();
                        one[key][*name] = right(name);
                        self.taken(&one, "with one of these");
                    }
                }
                Rule::OneAtMost(names) => {
                    for name in &names[1..] {
                        let mut two = whole.value.clone();
                        two[key][*name] = right(name);
                        self.refused(&two, &[key, name], "with two of which one is allowed");
                        two[key].as_object_mut().unwrap().remove(names[0]);
                        self.taken(&two, "with the other of two");
                    }
                }
            }
        }
    }

    fn beside(&self, whole: &Whole) {
        let key = (self.protocol.envelope)(Direction::Request).body.unwrap();
        for field in whole.message.beside {
            let mut two = whole.value.clone();
            two[field.name] = right(&field.ty);
            self.refused(&two, &[field.name], "with a field in two places");
            two[key].as_object_mut().unwrap().remove(field.name);
            self.taken(&two, "with a field beside the body");
        }
    }

    fn taken(&self, asked: &Value, how: &str) {
        if let Err(refusal) = (self.decode)(asked, &self.limits) {
            panic!("{how}: {asked} is refused: {refusal:?}");
        }
    }

    /// Refused, by the name of this field, which is its place without the envelope.
    fn refused(&self, asked: &Value, place: &[&str], how: &str) {
        let Err(refusal) = (self.decode)(asked, &self.limits) else {
            panic!("{how} ({}): {asked} is taken", place.join("."));
        };
        let inside = if place.len() > 1 { &place[1..] } else { place };
        match &refusal.why {
            Why::Field { name, .. } => assert_eq!(
                (*name, refusal.code),
                (&*inside.join("."), Code::InvalidData),
                "{how}: {asked}"
            ),
            Why::TooLarge { what, .. } => assert_eq!(
                (*what, refusal.code),
                (&*inside.join("."), Code::MessageTooLarge),
                "{how}: {asked}"
            ),
            Why::Code
            | Why::Malformed { .. }
            | Why::Reason(_)
            | Why::Incident(_)
            | Why::Command(_)
            | Why::Holder(_)
            | Why::Argument { .. } => {
                panic!("{how}: {asked}: {refusal:?}")
            }
        }
    }
}

/// Whether a field that may be absent must be there because nothing in the sample stands for it.
fn is_needed(whole: &Whole, place: &[&str]) -> bool {
    let &[key, name] = place else {
        return false;
    };
    let beside = whole.message.beside.iter().any(|it| it.name == name);
    let ruled = |rule: &Rule| match rule {
        Rule::SomeOf(names) => {
            names.contains(&name)
                && !names
                    .iter()
                    .any(|it| *it != name && whole.value[key].get(it).is_some())
        }
        Rule::OneAtMost(_) => false,
    };
    beside || whole.message.shape.rules.iter().any(ruled)
}
