//! From the vocabulary to JSON Schema (draft 7, as AsyncAPI 3.0 has it).
//!
//! Invariant: a bound that is a setting is written as its default and named in `x-limit`; lengths are bytes, so the
//! schema's own `maxLength`, which counts characters, is what any text within the bound satisfies.

use bongsu_model::Limits;
use serde_json::{Map, Value, json};

use super::{Bound, Envelope, Field, Message, Protocol, Rule, Shape, Ty};

/// How schemas are written.
#[derive(Clone, Copy, Debug)]
pub struct Spelling<'a> {
    /// What the bounds are that are settings.
    pub limits: &'a Limits,
    /// Whether keys that are not known are refused: for tests of what is said, which holds nothing unknown. A
    /// published schema is open, because receivers ignore what they do not know.
    pub closed: bool,
    /// What a reference to a named shape begins with; `None` writes every shape where it stands.
    pub refer: Option<&'a str>,
}

impl Spelling<'_> {
    /// The schema of a whole message, with its envelope.
    ///
    /// # Panics
    ///
    /// If a bound names a limit that there is not.
    #[must_use]
    pub fn payload(&self, protocol: &Protocol, message: &Message) -> Value {
        let envelope: &Envelope = (protocol.envelope)(message.direction);
        let mut properties = Map::new();
        let mut required = Vec::new();
        if let Some(key) = protocol.names_in {
            let name = match message.pattern {
                Some(pattern) => json!({ "type": "string", "pattern": pattern }),
                None => json!({ "type": "string", "const": message.name }),
            };
            properties.insert(key.to_owned(), name);
            required.push(key);
        }
        if let Some(key) = envelope.body {
            let needed = message.shape.fields.iter().any(|it| it.required) || !message.shape.rules.is_empty();
            if needed || !envelope.body_may_lack {
                required.push(key);
            }
            properties.insert(key.to_owned(), self.shape(message.shape));
        } else {
            self.fields(message.shape.fields, &mut properties, &mut required);
        }
        self.fields(message.beside, &mut properties, &mut required);
        self.fields(envelope.fields, &mut properties, &mut required);
        // Where the body is the message what holds for one holds for the other.
        let (open, either) = match envelope.body {
            Some(key) => (false, in_body_or_beside(key, message)),
            None => (message.shape.open, message.shape.rules.iter().map(rule).collect()),
        };
        let mut schema = self.object(properties, &required, open);
        if !either.is_empty() {
            schema["allOf"] = either.into();
        }
        schema
    }

    /// The schema of a shape, or a reference to it.
    #[must_use]
    pub fn shape(&self, shape: &Shape) -> Value {
        match self.refer {
            Some(beginning) if !shape.name.is_empty() => {
                json!({ "$ref": format!("{beginning}{}", shape.name) })
            }
            Some(_) | None => self.written(shape),
        }
    }

    /// The schema of a shape where it stands.
    ///
    /// # Panics
    ///
    /// If a bound names a limit that there is not.
    #[must_use]
    pub fn written(&self, shape: &Shape) -> Value {
        let (mut properties, mut required) = (Map::new(), Vec::new());
        self.fields(shape.fields, &mut properties, &mut required);
        let mut schema = self.object(properties, &required, shape.open);
        let rules: Vec<_> = shape.rules.iter().map(rule).collect();
        if !rules.is_empty() {
            schema["allOf"] = rules.into();
        }
        if !shape.doc.is_empty() {
            schema["description"] = shape.doc.into();
        }
        schema
    }

    fn object(&self, properties: Map<String, Value>, required: &[&str], open: bool) -> Value {
        let mut schema = json!({ "type": "object" });
        if !properties.is_empty() {
            schema["properties"] = properties.into();
        }
        if !required.is_empty() {
            schema["required"] = required.into();
        }
        if self.closed || open {
            schema["additionalProperties"] = open.into();
        }
        schema
    }

    fn fields(
        &self,
        fields: &[Field],
        properties: &mut Map<String, Value>,
        required: &mut Vec<&'static str>,
    ) {
        for field in fields {
            let mut schema = self.ty(&field.ty);
            if !field.doc.is_empty() {
                // What stands beside a reference is ignored in draft 7.
                schema = match schema.get("$ref") {
                    Some(_) => json!({ "allOf": [schema], "description": field.doc }),
                    None => {
                        schema["description"] = field.doc.into();
                        schema
                    }
                };
            }
            let before = properties.insert(field.name.to_owned(), schema);
            debug_assert!(before.is_none(), "{} stands twice", field.name);
            if field.required {
                required.push(field.name);
            }
        }
    }

    fn ty(&self, ty: &Ty) -> Value {
        match ty {
            Ty::Text { min, max } => {
                let mut schema = json!({ "type": "string" });
                if *min > 0 {
                    schema["minLength"] = (*min).into();
                }
                self.bound(&mut schema, *max, &["maxLength", "x-bytes-max"]);
                schema
            }
            Ty::Matching(pattern) => json!({ "type": "string", "pattern": pattern }),
            Ty::Hex(digits) => json!({ "type": "string", "pattern": format!("^[0-9a-f]{{{digits}}}$") }),
            Ty::Moment => json!({
                "type": "string", "format": "date-time",
                "pattern": r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$",
            }),
            Ty::OneOf(names) => json!({ "type": "string", "enum": names }),
            Ty::Integer => json!({ "type": "integer", "format": "int64" }),
            Ty::Count => json!({ "type": "integer", "format": "int64", "minimum": 0 }),
            Ty::Between { min, max } => {
                let mut schema = json!({ "type": "integer", "minimum": min });
                self.bound(&mut schema, *max, &["maximum"]);
                schema
            }
            Ty::Number => json!({ "type": "number" }),
            Ty::Bool => json!({ "type": "boolean" }),
            Ty::Always(value) => json!({ "type": "boolean", "const": value }),
            Ty::Object(shape) => self.shape(shape),
            Ty::Array { of, max } => {
                let mut schema = json!({ "type": "array", "items": self.ty(of) });
                self.bound(&mut schema, *max, &["maxItems"]);
                schema
            }
            Ty::Free { max } => {
                let mut schema = json!({ "type": "object" });
                self.bound(&mut schema, *max, &["x-bytes-max"]);
                schema
            }
            Ty::Anything => json!({}),
            Ty::Nullable(ty) => json!({ "anyOf": [self.ty(ty), { "type": "null" }] }),
            Ty::Either(types) => {
                json!({ "anyOf": types.iter().map(|ty| self.ty(ty)).collect::<Vec<_>>() })
            }
        }
    }

    fn bound(&self, schema: &mut Value, bound: Bound, keys: &[&str]) {
        let value = match bound {
            Bound::No => return,
            Bound::Of(value) => value,
            Bound::Limit(name) => {
                schema["x-limit"] = name.into();
                self.limit(name)
            }
        };
        for key in keys {
            schema[*key] = value.into();
        }
    }

    fn limit(&self, name: &str) -> u64 {
        let entries = self.limits.entries();
        let found = entries.iter().find(|entry| entry.0 == name);
        found.unwrap_or_else(|| panic!("there is no limit `{name}`")).1
    }
}

/// What may stand in the body or beside it stands in one of the two.
fn in_body_or_beside(key: &str, message: &Message) -> Vec<Value> {
    let both = message
        .beside
        .iter()
        .filter(|it| message.shape.fields.iter().any(|field| field.name == it.name));
    both.map(|field| {
        let inside = json!({ "required": [key], "properties": { key: { "required": [field.name] } } });
        json!({ "anyOf": [{ "required": [field.name] }, inside] })
    })
    .collect()
}

fn rule(rule: &Rule) -> Value {
    match rule {
        Rule::SomeOf(names) => {
            json!({ "anyOf": names.iter().map(|name| json!({ "required": [name] })).collect::<Vec<_>>() })
        }
        Rule::OneAtMost(names) => {
            let pairs = names.iter().enumerate().flat_map(|(at, one)| {
                names[at + 1..]
                    .iter()
                    .map(move |other| json!({ "required": [one, other] }))
            });
            json!({ "not": { "anyOf": pairs.collect::<Vec<_>>() } })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shape_is_written_as_a_schema() {
        const INNER: Shape = Shape::named(
            "Inner",
            "What is inside.",
            &[Field::required("id", Ty::Hex(4), "")],
        );
        const OUTER: Shape = Shape::of(&[
            Field::required("inner", Ty::Object(&INNER), "One."),
            Field::optional("text", Ty::text(1, Bound::Limit("reference_bytes_max")), "Some."),
        ]);
        let limits = Limits::DEFAULT;
        let spelling = |refer: Option<&'static str>| Spelling {
            limits: &limits,
            closed: refer.is_none(),
            refer,
        };
        assert_eq!(
            spelling(Some("#/x/")).shape(&OUTER),
            json!({
                "type": "object", "required": ["inner"],
                "properties": {
                    "inner": { "allOf": [{ "$ref": "#/x/Inner" }], "description": "One." },
                    "text": {
                        "type": "string", "minLength": 1, "maxLength": 128, "x-bytes-max": 128,
                        "x-limit": "reference_bytes_max", "description": "Some.",
                    },
                },
            })
        );
        assert_eq!(
            spelling(None).shape(&INNER),
            json!({
                "type": "object", "required": ["id"], "additionalProperties": false,
                "properties": { "id": { "type": "string", "pattern": "^[0-9a-f]{4}$" } },
                "description": "What is inside.",
            })
        );
    }

    #[test]
    fn rules_are_written_as_what_must_be_there() {
        assert_eq!(
            rule(&Rule::SomeOf(&["a", "b"])),
            json!({ "anyOf": [{ "required": ["a"] }, { "required": ["b"] }] })
        );
        assert_eq!(
            rule(&Rule::OneAtMost(&["a", "b"])),
            json!({ "not": { "anyOf": [{ "required": ["a", "b"] }] } })
        );
    }
}
