//! Strict JSON objects: the header and the claims of a token.
//!
//! Invariant: no key stands twice, because two readers of one token must never see two values.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::Value;

/// A JSON object without repeated keys, in key order.
pub(super) struct Object(Vec<(String, Value)>);

impl Object {
    /// Reads one object and nothing after it. `None` if it is anything else.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        // From a str: every part is known to be UTF-8, the ones that nobody looks at too.
        serde_json::from_str(std::str::from_utf8(bytes).ok()?).ok()
    }

    /// The member of this name; JSON `null` counts as absent.
    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        let at = self.0.binary_search_by(|(key, _)| key.as_str().cmp(name)).ok()?;
        Some(&self.0[at].1).filter(|value| !value.is_null())
    }

    /// Whether a member of this name is there, be it `null`.
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.binary_search_by(|(key, _)| key.as_str().cmp(name)).is_ok()
    }
}

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Members)
    }
}

struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = Object;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
        let mut members = Vec::with_capacity(8);
        while let Some(member) = map.next_entry::<String, Value>()? {
            members.push(member);
        }
        members.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        if members.windows(2).any(|pair| pair[0].0 == pair[1].0) {
            return Err(A::Error::custom("a key stands twice"));
        }
        Ok(Object(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_strict_object_is_read() {
        assert!(Object::read(br#"{"a":1,"b":{"c":2}}"#).is_some());
        for bad in [
            &br#"{"a":1,"a":1}"#[..],
            br#"{"a":1,"\u0061":1}"#,
            b"[]",
            b"{} {}",
            b"{",
            b"",
            b"{\"a\":\"\xff\"}",
        ] {
            assert!(Object::read(bad).is_none(), "{}", String::from_utf8_lossy(bad));
        }
    }

    #[test]
    fn null_counts_as_absent() {
        let object = Object::read(br#"{"a":null}"#).unwrap();
        assert!(object.get("a").is_none() && object.has("a") && !object.has("b"));
    }
}
