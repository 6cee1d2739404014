//! An object without some of its keys: what an application sends, freed of what the server says itself.

use std::borrow::Cow;
use std::fmt;

use bongsu_model::RawJson;
use serde::Deserializer as _;
use serde::de::{MapAccess, Visitor};
use serde_json::value::RawValue;

use super::carry;

/// The object without the members of these names, fit to be carried; `None` if it is none, or not fit.
pub(crate) fn without(object: &str, names: &[&str]) -> Option<RawJson> {
    let kept = serde_json::Deserializer::from_str(object)
        .deserialize_map(Kept(names))
        .ok()?;
    carry::carry(&kept)
}

struct Kept<'n>(&'n [&'n str]);

impl<'a> Visitor<'a> for Kept<'_> {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<String, A::Error> {
        let mut kept = String::from("{");
        while let Some(name) = map.next_key::<Cow<'a, str>>()? {
            let value = map.next_value::<&RawValue>()?.get();
            if self.0.contains(&&*name) {
                continue;
            }
            if kept.len() > 1 {
                kept.push(',');
            }
            kept.push_str(&serde_json::Value::from(&*name).to_string());
            kept.push(':');
            kept.push_str(value);
        }
        kept.push('}');
        Ok(kept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_named_members_go_and_only_at_the_top() {
        let kept = |text| without(text, &["room", "user_id"]).map(|it| it.as_str().to_owned());
        assert_eq!(
            kept(r#" { "room" : "a", "x" : { "room": 1 }, "\u0072oom": 2, "q\"": "user_id" } "#).as_deref(),
            Some(r#"{"x":{"room":1},"q\"":"user_id"}"#)
        );
        assert_eq!(kept(r#"{"user_id":1}"#).as_deref(), Some("{}"));
        assert_eq!(kept("[1]"), None);
        assert_eq!(kept(r#"{"a":"\ud800"}"#), None, "half a surrogate pair");
    }
}
