//! What a simulated car is, what it can do, and what it measures.
//!
//! Invariant: its state has the keys of the commands' targets; a command that it does not understand changes nothing.

use std::sync::Arc;

use bongsu_device::{Object, Value};

/// What it can do.
pub(super) const COMMANDS: [&str; 5] = ["window.set", "door.lock", "trunk.set", "climate.set", "horn.honk"];

/// The state of a car, by the keys of the targets.
pub(super) struct Car {
    parts: Object,
}

impl Default for Car {
    fn default() -> Self {
        let part = |name: &str, key: &str, value: Value| (name.into(), object([(key, value)]).into());
        Self {
            parts: Object::from([
                part("window", "position", "closed".into()),
                part("doors", "locked", true.into()),
                part("trunk", "position", "closed".into()),
                part("climate", "on", false.into()),
            ]),
        }
    }
}

impl Car {
    /// All of it.
    pub(super) fn state(&self) -> Object {
        self.parts.clone()
    }

    /// Carries a command out that [`wanted`] took. What changed, whole parts of it.
    pub(super) fn obey(&mut self, name: &str, args: &Object) -> Object {
        match part_of(name) {
            Some(part) => self.turn_into(&Object::from([(part.into(), args.clone().into())])),
            None => Object::new(),
        }
    }

    /// Becomes what it should be, as far as it can: parts that it does not have stay wishes, and nothing takes a part of
    /// a car away. What it is then, of the parts that were wished.
    pub(super) fn turn_into(&mut self, wish: &Object) -> Object {
        let mut now = Object::new();
        for (part, wanted) in wish {
            let (Some(Value::Object(is)), Some(wanted)) = (self.parts.get_mut(part), wanted.as_object())
            else {
                continue;
            };
            is.extend(wanted.iter().map(|(key, value)| (Arc::clone(key), value.clone())));
            now.insert(Arc::clone(part), is.clone().into());
        }
        now
    }
}

/// Whether these are arguments that the car understands; why not, if not.
pub(super) fn wanted(name: &str, args: &Object) -> Result<(), &'static str> {
    let is = |key: &str, fits: fn(&Value) -> bool| args.get(key).is_some_and(fits);
    let fits = match name {
        "window.set" | "trunk.set" => is("position", |it| matches!(it.as_text(), Some("open" | "closed"))),
        "door.lock" => is("locked", |it| matches!(it, Value::Bool(_))),
        "climate.set" => is("on", |it| matches!(it, Value::Bool(_))),
        "horn.honk" => true,
        _ => false,
    };
    if fits {
        Ok(())
    } else {
        Err("arguments that this car does not understand")
    }
}

/// What is measured after so many seconds of driving: round and round a block.
pub(super) fn measured(seconds: u32) -> Object {
    let turn = f64::from(seconds % 120) / 120.0 * std::f64::consts::TAU;
    let tenths = |value: f64| (value * 10.0).round() / 10.0;
    let micro = |value: f64| (value * 1e6).round() / 1e6;
    let float = |value: f64| bongsu_model::device::Number::float(value).map_or(Value::Null, Value::Number);
    object([
        ("speed", float(tenths(40.0 + 10.0 * turn.sin()))),
        (
            "battery_level",
            float(tenths(80.0 - f64::from(seconds.min(7_000)) / 100.0)),
        ),
        ("latitude", float(micro(37.5665 + 0.001 * turn.cos()))),
        ("longitude", float(micro(126.978 + 0.001 * turn.sin()))),
        ("heading", float(tenths(turn.to_degrees()))),
        ("odometer", float(tenths(12_345.0 + f64::from(seconds) / 90.0))),
    ])
}

fn part_of(name: &str) -> Option<&'static str> {
    match name {
        "window.set" => Some("window"),
        "door.lock" => Some("doors"),
        "trunk.set" => Some("trunk"),
        "climate.set" => Some("climate"),
        _ => None,
    }
}

fn object<const N: usize>(entries: [(&str, Value); N]) -> Object {
    entries
        .into_iter()
        .map(|(key, value)| (key.into(), value))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use bongsu_model::device::print;

    #[test]
    fn every_command_is_understood_and_sets_its_part() {
        for (name, args, state) in [
            (
                "window.set",
                object([("position", "open".into())]),
                r#"{"window":{"position":"open"}}"#,
            ),
            (
                "door.lock",
                object([("locked", false.into())]),
                r#"{"doors":{"locked":false}}"#,
            ),
            (
                "trunk.set",
                object([("position", "open".into())]),
                r#"{"trunk":{"position":"open"}}"#,
            ),
            (
                "climate.set",
                object([("on", true.into()), ("celsius", 21.into())]),
                r#"{"climate":{"celsius":21,"on":true}}"#,
            ),
            ("horn.honk", Object::new(), "{}"),
        ] {
            assert!(COMMANDS.contains(&name));
            assert_eq!(wanted(name, &args), Ok(()));
            assert_eq!(print(&Car::default().obey(name, &args)), state);
        }
    }

    #[test]
    fn nonsense_is_not_understood() {
        for (name, args) in [
            ("window.set", Object::new()),
            ("window.set", object([("position", "ajar".into())])),
            ("door.lock", object([("locked", 1.into())])),
            ("brake", Object::new()),
        ] {
            assert!(wanted(name, &args).is_err(), "{name}");
        }
        let mut car = Car::default();
        let wish = object([("window", Value::Null), ("wings", object([]).into())]);
        assert_eq!(car.turn_into(&wish), Object::new());
        assert_eq!(car.state(), Car::default().state());
    }

    #[test]
    fn measurements_are_numbers() {
        for seconds in [0, 59, 1_000_000] {
            let measured = measured(seconds);
            assert!(measured.len() == 6 && !measured.values().any(|it| *it == Value::Null));
        }
    }
}
