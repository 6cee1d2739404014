//! What stands in a packet's JSON for its attachments: `{"_placeholder":true,"num":0}`.
//!
//! Invariant: recursion is as deep as the JSON, which was measured before.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::Violation;

/// Checks that each of so many attachments stands somewhere in this JSON, and that nothing else does.
///
/// # Errors
///
/// A placeholder without a number, or with one that is not below `attachments`; an attachment without a placeholder; or
/// text that is not JSON.
pub fn placeholders(data: &str, attachments: usize) -> Result<(), Violation> {
    let mut used = vec![false; attachments];
    let mut source = serde_json::Deserializer::from_str(data);
    Value { used: &mut used }
        .deserialize(&mut source)
        .and_then(|()| source.end())
        .map_err(|_| Violation::BadPlaceholders)?;
    if used.iter().all(|it| *it) {
        Ok(())
    } else {
        Err(Violation::BadPlaceholders)
    }
}

/// Any value, and which attachments stand in it.
struct Value<'u> {
    used: &'u mut [bool],
}

impl Value<'_> {
    fn inner(&mut self) -> Value<'_> {
        Value { used: self.used }
    }
}

impl<'de> DeserializeSeed<'de> for Value<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, source: D) -> Result<(), D::Error> {
        source.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Value<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("json")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<(), A::Error> {
        while seq.next_element_seed(self.inner())?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        let (mut stands, mut number) = (false, None);
        while let Some(key) = map.next_key::<std::borrow::Cow<'de, str>>()? {
            match &*key {
                "_placeholder" => stands = map.next_value::<&RawValue>()?.get() == "true",
                "num" => {
                    let raw = map.next_value::<&RawValue>()?.get();
                    number = raw.parse::<usize>().ok();
                    // A `num` is also a name that a client may use for anything.
                    let mut inner = serde_json::Deserializer::from_str(raw);
                    self.inner().deserialize(&mut inner).map_err(A::Error::custom)?;
                }
                _ => map.next_value_seed(self.inner())?,
            }
        }
        if stands {
            let used = number.and_then(|number| self.used.get_mut(number));
            *used.ok_or_else(|| A::Error::custom("no such attachment"))? = true;
        }
        Ok(())
    }
}
