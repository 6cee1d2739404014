//! `vectors/` against the registries: every vector is as the schema of its message says, and every field of a schema
//! occurs in one.

use std::collections::BTreeSet;
use std::path::Path;

use bongsu_model::Limits;
use bongsu_wire::schema::{Direction, Field, Message, Protocol, Shape, Spelling, Ty};
use bongsu_wire::socketio::client::Heard;
use regex::Regex;
use serde_json::Value;

use crate::check::faults;
use bongsu_wire::asyncapi::PROTOCOLS;

/// What never stands in a vector: the bytes of a packer may change without a change of meaning.
const NEVER_IN_VECTORS: [&str; 3] = ["reply.compressed", "event.compressed", "notice.compressed"];

/// What our own devices always say, and none must.
const ALWAYS_IN_VECTORS: [&str; 2] = ["request hello.capabilities", "request hello.running"];

/// Vectors with a field that nobody reads, as clients may send them.
const WITH_MORE: [&str; 1] = ["request_untagged"];

/// One JSON value of a vector.
pub(crate) struct Vector {
    /// The file, without its ending.
    pub(crate) file: String,
    pub(crate) direction: Direction,
    /// What it is called.
    pub(crate) name: String,
    pub(crate) value: Value,
}

/// Every vector's name and text, in order.
pub(crate) fn folder() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|it| it.unwrap().path())
        .filter(|it| it.extension().is_some_and(|it| it == "txt"))
        .map(|it| {
            (
                it.file_stem().unwrap().to_str().unwrap().to_owned(),
                std::fs::read_to_string(it).unwrap(),
            )
        })
        .collect();
    files.sort();
    files
}

/// Every value that a vector says to be understood, or to be said by the server.
pub(crate) fn vectors(protocol: &Protocol) -> Vec<Vector> {
    let mut vectors = Vec::new();
    for (file, text) in folder() {
        if let Some(of_devices) = file.strip_prefix("device_") {
            if protocol.name == "device" && !of_devices.starts_with("refused_") {
                vectors.push(of_device(protocol, file, &text));
            }
            continue;
        }
        if protocol.name == "device" {
            continue;
        }
        let of_displays = file.strip_prefix("switchboard_");
        if of_displays.is_some() != (protocol.name == "switchboard") {
            continue;
        }
        let direction = match of_displays.unwrap_or(&file).split('_').next().unwrap() {
            "request" => Direction::Request,
            "reply" => Direction::Reply,
            "event" => Direction::Event,
            "notice" => Direction::Notice,
            "refusal" => Direction::Error,
            // What is not understood need not be as any schema says.
            "refused" => continue,
            other => panic!("{file}: what is `{other}`?"),
        };
        for (name, value) in said(protocol, &file, &text) {
            // The end of a session is said as a refusal where there is no other word for it.
            let ends = direction == Direction::Notice && protocol.message(direction, &name).is_none();
            // What was missed is said as it would have been, where there is no word for pages.
            let late = ends && protocol.names_in.is_none() && name == "message";
            let direction = match (late, ends) {
                (true, _) => Direction::Event,
                (false, true) => Direction::Error,
                (false, false) => direction,
            };
            vectors.push(Vector {
                file: file.clone(),
                direction,
                name,
                value,
            });
        }
    }
    vectors
}

/// What a device says or is told. Two kinds of frames have no name in themselves.
fn of_device(protocol: &Protocol, file: String, text: &str) -> Vector {
    let (_, json) = text.split_once("-- device_json\n").unwrap();
    let value: Value = serde_json::from_str(json.lines().next().unwrap()).unwrap();
    let name = match (value.get("type"), value.get("msg_id")) {
        (Some(kind), _) => kind.as_str().unwrap(),
        (None, Some(_)) => "command",
        (None, None) => "word",
    };
    let directions: &[_] = if file.starts_with("device_said") {
        &[Direction::Request]
    } else {
        &[Direction::Reply, Direction::Notice, Direction::Error]
    };
    let known = directions
        .iter()
        .find(|it| protocol.message(**it, name).is_some());
    Vector {
        direction: *known.unwrap_or_else(|| panic!("{file}: what is `{name}`?")),
        name: name.to_owned(),
        file,
        value,
    }
}

/// What stands in a vector's sections of a protocol: names and values.
fn said(protocol: &Protocol, file: &str, text: &str) -> Vec<(String, Value)> {
    let section = |name: &str| {
        let (_, rest) = text.split_once(&format!("-- {name}\n"))?;
        rest.split("\n-- ").next()
    };
    let Some(key) = protocol.names_in else {
        // The second is how the chat's own clients speak.
        let both = [protocol.name, "socketio_chat"];
        let lines = both.into_iter().filter_map(section).flat_map(str::lines);
        return lines.filter_map(|line| packet(file, line)).collect();
    };
    let values = serde_json::Deserializer::from_str(section(protocol.name).unwrap_or_default()).into_iter();
    values
        .map(|value| {
            let value: Value = value.unwrap_or_else(|fault| panic!("{file}: {fault}"));
            (value[key].as_str().unwrap_or_default().to_owned(), value)
        })
        .collect()
}

/// An event's name and object; `None` for other packets, and for answers that stand as an event, too.
fn packet(file: &str, text: &str) -> Option<(String, Value)> {
    let object = |data| serde_json::from_str(data).unwrap_or_else(|fault| panic!("{file}: {fault}"));
    match Heard::parse(text).unwrap_or_else(|fault| panic!("{file}: {text}: {fault}")) {
        Heard::Event { name, data, .. } => Some((name, object(data))),
        Heard::Ack { data, .. } if data.starts_with(r#"{"message_id""#) => {
            Some(("message".into(), object(data)))
        }
        Heard::Ack { .. } | Heard::Connected { .. } | Heard::Disconnected { .. } => None,
        other @ (Heard::Open(_)
        | Heard::Ping
        | Heard::NotConnected { .. }
        | Heard::Closed
        | Heard::Nothing) => panic!("{file}: {other:?}"),
    }
}

/// The message that a value is, by its name.
pub(crate) fn message_of(protocol: &Protocol, direction: Direction, name: &str) -> Option<&'static Message> {
    let family = |it: &&Message| {
        it.pattern
            .is_some_and(|pattern| Regex::new(pattern).unwrap().is_match(name))
    };
    protocol
        .message(direction, name)
        .or_else(|| protocol.of(direction).find(family))
}

#[test]
fn every_vector_is_as_the_schema_of_its_message_says() {
    let limits = Limits::DEFAULT;
    for protocol in PROTOCOLS {
        let vectors = vectors(protocol);
        let least = match protocol.name {
            "switchboard" => 40,
            "device" => 25,
            _ => 60,
        };
        assert!(
            vectors.len() > least,
            "{}: {} vectors",
            protocol.name,
            vectors.len()
        );
        for Vector {
            file,
            direction,
            name,
            value,
        } in vectors
        {
            let message = message_of(protocol, direction, &name).unwrap_or_else(|| {
                panic!(
                    "{file}: the {} protocol has no such {}: {value}",
                    protocol.name,
                    direction.name()
                )
            });
            if value["compressed"] == true {
                continue;
            }
            let spelling = Spelling {
                limits: &limits,
                closed: !WITH_MORE.contains(&&*file),
                refer: None,
            };
            let schema = spelling.payload(protocol, message);
            assert_eq!(
                faults(&schema, &value),
                [""; 0],
                "{file} in the {} protocol",
                protocol.name
            );
        }
    }
}

#[test]
fn every_field_occurs_in_a_vector() {
    for protocol in PROTOCOLS {
        let mut fields = Fields::default();
        for message in protocol.messages() {
            fields.message(protocol, message, None);
        }
        let meant = std::mem::take(&mut fields);
        for Vector {
            direction,
            name,
            value,
            ..
        } in vectors(protocol)
        {
            let message = message_of(protocol, direction, &name).unwrap();
            fields.message(protocol, message, Some(&value));
        }
        let missing: Vec<_> = meant
            .there
            .difference(&fields.there)
            .filter(|it| !NEVER_IN_VECTORS.contains(&it.as_str()))
            .collect();
        assert_eq!(
            missing, [""; 0],
            "no vector of the {} protocol has them",
            protocol.name
        );
        // What is said to be optional and never absent is not optional.
        let always: Vec<_> = meant
            .absent
            .difference(&fields.absent)
            .filter(|it| !ALWAYS_IN_VECTORS.contains(&it.as_str()))
            .collect();
        assert_eq!(
            always, [""; 0],
            "every vector of the {} protocol has them",
            protocol.name
        );
    }
}

/// Fields, each by the shape whose it is: one with a name is the same wherever it stands.
#[derive(Default)]
struct Fields {
    there: BTreeSet<String>,
    /// Those that may be absent; with values, those that are.
    absent: BTreeSet<String>,
}

impl Fields {
    /// Adds those of a message: all that it may have, or those that a value has.
    fn message(&mut self, protocol: &Protocol, message: &Message, value: Option<&Value>) {
        let envelope = (protocol.envelope)(message.direction);
        let name = format!("{} {}", message.direction.name(), message.name);
        self.fields(envelope.fields, message.direction.name(), value);
        self.fields(message.beside, &name, value);
        let body = match (envelope.body, value) {
            (Some(key), Some(value)) => value.get(key),
            (None, value) => value,
            (Some(_), None) => None,
        };
        if body.is_some() || value.is_none() {
            self.shape(message.shape, &name, body);
        }
    }

    fn shape(&mut self, shape: &Shape, place: &str, value: Option<&Value>) {
        self.fields(
            shape.fields,
            if shape.name.is_empty() { place } else { shape.name },
            value,
        );
    }

    fn fields(&mut self, fields: &[Field], place: &str, value: Option<&Value>) {
        for field in fields {
            let place = format!("{place}.{}", field.name);
            let inner = value.and_then(|it| it.get(field.name));
            if inner.is_none() && (value.is_some() || !field.required) {
                self.absent.insert(place.clone());
            }
            if inner.is_some() || value.is_none() {
                self.inside(&field.ty, &place, inner);
                self.there.insert(place);
            }
        }
    }

    fn inside(&mut self, ty: &Ty, place: &str, value: Option<&Value>) {
        match ty {
            Ty::Object(shape) if value.is_none_or(Value::is_object) => self.shape(shape, place, value),
            Ty::Array { of, .. } => match value {
                None => self.inside(of, place, None),
                Some(value) => {
                    value
                        .as_array()
                        .into_iter()
                        .flatten()
                        .for_each(|it| self.inside(of, place, Some(it)));
                }
            },
            Ty::Nullable(of) => self.inside(of, place, value),
            Ty::Either(types) => types.iter().for_each(|of| self.inside(of, place, value)),
            Ty::Object(_)
            | Ty::Text { .. }
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
}
