//! Reading a JSON object field by field, so that a refusal names the field and what would be right.
//!
//! Invariant: unknown fields are ignored, `null` is as good as absent except where a change is asked for, and nothing
//! is converted: a number in quotes is no number.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use bongsu_model::device::Object;
use bongsu_model::records::{Change, NickChange};
use bongsu_model::refusal::Malformed;
use bongsu_model::{Code, RawJson, Refusal, Want, Why};
use bongsu_wire::device::value;
use bongsu_wire::json::{carry, depth};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The fields of one object.
pub(super) struct Fields<'a> {
    /// Sorted by key.
    pairs: Vec<(String, &'a RawValue)>,
}

struct Pairs<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Pairs<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Each;
        impl<'de> Visitor<'de> for Each {
            type Value = Pairs<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }
        from.deserialize_map(Each)
    }
}

fn malformed(offset: usize, what: Malformed) -> Refusal {
    Refusal {
        code: Code::InvalidData,
        why: Why::Malformed {
            offset: offset as u64,
            what,
        },
        retry_after_ms: None,
    }
}

impl<'a> Fields<'a> {
    /// The object that a body is.
    ///
    /// # Errors
    /// `INVALID_DATA` where the body is not one JSON object, or nests too deep.
    pub(super) fn read(body: &'a [u8], depth_max: usize) -> Result<Self, Refusal> {
        let text =
            std::str::from_utf8(body).map_err(|fault| malformed(fault.valid_up_to(), Malformed::NotUtf8))?;
        let begins = text.find(|c: char| !matches!(c, ' ' | '\t' | '\r' | '\n'));
        if begins.is_some_and(|at| !text[at..].starts_with('{')) {
            return Err(malformed(begins.unwrap_or(0), Malformed::NotAnObject));
        }
        let Pairs(pairs) =
            serde_json::from_str(text).map_err(|fault| malformed(place(text, &fault), Malformed::NotJson))?;
        if depth(text) > depth_max {
            return Err(malformed(0, Malformed::TooDeep));
        }
        Self::of(pairs)
    }

    fn of(mut pairs: Vec<(String, &'a RawValue)>) -> Result<Self, Refusal> {
        pairs.sort_by(|a, b| a.0.cmp(&b.0));
        if pairs.windows(2).any(|two| two[0].0 == two[1].0) {
            return Err(malformed(0, Malformed::DuplicateKey));
        }
        Ok(Self { pairs })
    }

    /// A field's JSON; `name` may have dots before the key, for the texts.
    fn raw(&self, name: &str) -> Option<&'a str> {
        self.raw_or_null(name).filter(|raw| *raw != "null")
    }

    fn raw_or_null(&self, name: &str) -> Option<&'a str> {
        let key = name.rsplit('.').next().unwrap_or(name);
        let at = self
            .pairs
            .binary_search_by(|pair| pair.0.as_str().cmp(key))
            .ok()?;
        Some(self.pairs[at].1.get())
    }

    /// What becomes of a field: `null` takes its value away, and `read` reads another.
    pub(super) fn change<T>(
        &self,
        name: &'static str,
        read: impl FnOnce(&Self) -> Result<Option<T>, Refusal>,
    ) -> Result<Change<T>, Refusal> {
        if self.raw_or_null(name) == Some("null") {
            return Ok(Change::Clear);
        }
        Ok(read(self)?.map_or(Change::Keep, Change::Set))
    }

    /// Every key and its text, ascending by key; `None` where it is `null`. `name` is the name of all of them, for the
    /// texts.
    pub(super) fn texts(&self, name: impl Fn(&str) -> &'static str) -> Result<Vec<NickChange>, Refusal> {
        let text = |(key, raw): &(String, &'a RawValue)| {
            let wrong = |_| Refusal::field(name(key), Want::Text);
            let text: Option<String> = serde_json::from_str(raw.get()).map_err(wrong)?;
            Ok((key.as_str().into(), text.map(Arc::from)))
        };
        self.pairs.iter().map(text).collect()
    }

    /// A whole number.
    pub(super) fn integer(&self, name: &'static str) -> Result<Option<i64>, Refusal> {
        self.raw(name)
            .map(|raw| raw.parse().map_err(|_| Refusal::field(name, Want::Integer)))
            .transpose()
    }

    /// A whole number in a range.
    pub(super) fn between(&self, name: &'static str, min: i64, max: i64) -> Result<Option<i64>, Refusal> {
        let Some(value) = self.integer(name)? else {
            return Ok(None);
        };
        if (min..=max).contains(&value) {
            return Ok(Some(value));
        }
        Err(Refusal::field(name, Want::Between(min, max)))
    }

    /// A string of any length that the body allows.
    pub(super) fn text(&self, name: &'static str) -> Result<Option<Arc<str>>, Refusal> {
        let Some(raw) = self.raw(name) else {
            return Ok(None);
        };
        let text: String = serde_json::from_str(raw).map_err(|_| Refusal::field(name, Want::Text))?;
        Ok(Some(text.into()))
    }

    /// A string of so many bytes.
    pub(super) fn text_of(
        &self,
        name: &'static str,
        min: usize,
        max: usize,
    ) -> Result<Option<Arc<str>>, Refusal> {
        let text = self.text(name)?;
        match &text {
            Some(text) if !(min..=max).contains(&text.len()) => {
                Err(Refusal::field(name, Want::TextOf(min, max)))
            }
            Some(_) | None => Ok(text),
        }
    }

    /// One of a few words.
    pub(super) fn word<T>(
        &self,
        name: &'static str,
        words: &'static [&'static str],
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, Refusal> {
        let wrong = || Refusal::field(name, Want::OneOf(words));
        let Some(raw) = self.raw(name) else {
            return Ok(None);
        };
        let text: String = serde_json::from_str(raw).map_err(|_| wrong())?;
        parse(&text).map(Some).ok_or_else(wrong)
    }

    /// `true` or `false`.
    pub(super) fn flag(&self, name: &'static str) -> Result<Option<bool>, Refusal> {
        match self.raw(name) {
            None => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(_) => Err(Refusal::field(name, Want::Bool)),
        }
    }

    /// Every key and its text. `name` is the name of all of them, for the texts.
    pub(super) fn strings(&self, name: &'static str) -> Result<BTreeMap<Arc<str>, Arc<str>>, Refusal> {
        self.entries(name, usize::MAX, |key, raw| {
            let text: String = serde_json::from_str(raw).map_err(|_| Refusal::field(name, Want::Text))?;
            Ok((Arc::from(key), Arc::from(text)))
        })
    }

    /// Every key and its value, at most so many, each read by `each`. `name` is the name of all of them, for the texts.
    pub(super) fn entries<K: Ord, V>(
        &self,
        name: &'static str,
        entries_max: usize,
        each: impl Fn(&str, &'a str) -> Result<(K, V), Refusal>,
    ) -> Result<BTreeMap<K, V>, Refusal> {
        if self.pairs.len() > entries_max {
            return Err(Refusal::field(name, Want::EntriesOf(entries_max)));
        }
        let each = |(key, raw): &(String, &'a RawValue)| each(key, raw.get());
        self.pairs.iter().map(each).collect()
    }

    /// An object.
    pub(super) fn object(&self, name: &'static str) -> Result<Option<Fields<'a>>, Refusal> {
        let Some(raw) = self.raw(name) else {
            return Ok(None);
        };
        let Pairs(pairs) = serde_json::from_str(raw).map_err(|_| Refusal::field(name, Want::Object))?;
        Self::of(pairs).map(Some)
    }

    /// An object that is carried unread.
    pub(super) fn carried(&self, name: &'static str, bytes_max: usize) -> Result<Option<RawJson>, Refusal> {
        let Some(raw) = self.raw(name) else {
            return Ok(None);
        };
        let carried = carry(raw)
            .filter(|_| raw.starts_with('{'))
            .ok_or(Refusal::field(name, Want::Object))?;
        if carried.as_bytes().len() > bytes_max {
            return Err(Refusal::too_large(name, bytes_max as u64));
        }
        Ok(Some(carried))
    }

    /// An object that is understood whole.
    pub(super) fn value_object(
        &self,
        name: &'static str,
        depth_max: usize,
    ) -> Result<Option<Object>, Refusal> {
        let Some(raw) = self.raw(name) else {
            return Ok(None);
        };
        let read = value::read_object(raw, depth_max);
        read.map(Some).map_err(|wrong| Refusal::field(name, wrong.want()))
    }

    /// Every key and its count, each from 1 up. `name` is the name of all of them, for the texts.
    pub(super) fn counts(&self, name: &'static str) -> Result<BTreeMap<Arc<str>, u64>, Refusal> {
        let count = |(key, raw): &(String, &'a RawValue)| {
            let wrong = || Refusal::field(name, Want::Between(1, i64::MAX));
            let count = raw.get().parse().map_err(|_| wrong())?;
            let fits = (1..=i64::MAX.unsigned_abs()).contains(&count);
            fits.then(|| (key.as_str().into(), count)).ok_or_else(wrong)
        };
        self.pairs.iter().map(count).collect()
    }

    /// An array of so many entries, each read by `each`.
    pub(super) fn array<T>(
        &self,
        name: &'static str,
        entries_max: usize,
        each: impl Fn(&'a str) -> Result<T, Refusal>,
    ) -> Result<Option<Vec<T>>, Refusal> {
        let Some(raw) = self.raw(name) else {
            return Ok(None);
        };
        let entries: Vec<&RawValue> =
            serde_json::from_str(raw).map_err(|_| Refusal::field(name, Want::Array))?;
        if entries.len() > entries_max {
            return Err(Refusal::field(name, Want::ArrayOf(entries_max)));
        }
        entries
            .into_iter()
            .map(|entry| each(entry.get()))
            .collect::<Result<_, _>>()
            .map(Some)
    }

    /// The object that an array's entry is.
    pub(super) fn entry(name: &'static str, raw: &'a str) -> Result<Self, Refusal> {
        let Pairs(pairs) = serde_json::from_str(raw).map_err(|_| Refusal::field(name, Want::Object))?;
        Self::of(pairs)
    }
}

/// Makes an absent field a refusal.
pub(super) fn required<T>(name: &'static str, value: Option<T>) -> Result<T, Refusal> {
    value.ok_or(Refusal::field(name, Want::Present))
}

/// Where the parser stopped, in bytes.
fn place(text: &str, fault: &serde_json::Error) -> usize {
    let before: usize = text
        .split_inclusive('\n')
        .take(fault.line().saturating_sub(1))
        .map(str::len)
        .sum();
    (before + fault.column().saturating_sub(1)).min(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Fields<'_>, Refusal> {
        Fields::read(text.as_bytes(), 4)
    }

    fn why(text: &str) -> Why {
        read(text).err().unwrap().why
    }

    #[test]
    fn fields_are_what_they_say() {
        let fields =
            read(r#" {"a": 7, "b": "x\n", "c": null, "d": {"e": "y"}, "m": { "k" : [1] }, "l": [1, 2]} "#)
                .unwrap();
        assert_eq!(fields.integer("a").unwrap(), Some(7));
        assert_eq!(fields.text("b").unwrap().as_deref(), Some("x\n"));
        assert_eq!(fields.text("c").unwrap(), None);
        let inner = fields.object("d").unwrap().unwrap();
        assert_eq!(inner.text("d.e").unwrap().as_deref(), Some("y"));
        assert_eq!(fields.carried("m", 9).unwrap().unwrap().as_str(), r#"{"k":[1]}"#);
        assert!(fields.carried("m", 8).is_err(), "over its limit");
        assert_eq!(
            fields.array("l", 2, |raw| Ok(raw.len())).unwrap(),
            Some(vec![1, 1])
        );
        assert!(fields.array("l", 1, |_| Ok(())).is_err(), "too many");
    }

    #[test]
    fn nothing_is_converted() {
        let fields =
            read(r#"{"a":"7","b":7.0,"c":1e3,"d":9223372036854775808,"e":"\ud800","f":[],"g":-0}"#).unwrap();
        for name in ["a", "b", "c", "d", "f"] {
            assert_eq!(
                fields.integer(name),
                Err(Refusal::field(name, Want::Integer)),
                "{name}"
            );
        }
        assert!(fields.text("e").is_err(), "half a surrogate");
        assert_eq!(fields.integer("g").unwrap(), Some(0));
    }

    #[test]
    fn what_is_no_object_says_where() {
        assert_eq!(
            why("[]"),
            Why::Malformed {
                offset: 0,
                what: Malformed::NotAnObject
            }
        );
        assert_eq!(
            why("  7"),
            Why::Malformed {
                offset: 2,
                what: Malformed::NotAnObject
            }
        );
        assert_eq!(
            why("{\"a\":1,\n x}"),
            Why::Malformed {
                offset: 9,
                what: Malformed::NotJson
            }
        );
        assert_eq!(
            why("{\"a\":1,\"a\":2}"),
            Why::Malformed {
                offset: 0,
                what: Malformed::DuplicateKey
            }
        );
        assert!(matches!(
            why(""),
            Why::Malformed {
                what: Malformed::NotJson,
                ..
            }
        ));
        assert!(matches!(
            why("{\"a\":1} x"),
            Why::Malformed {
                what: Malformed::NotJson,
                ..
            }
        ));
        let text = b"{\"a\":\"\xff\"}";
        let fault = Fields::read(text, 4).err().unwrap();
        assert_eq!(
            fault.why,
            Why::Malformed {
                offset: 6,
                what: Malformed::NotUtf8
            }
        );
    }

    #[test]
    fn nesting_is_bounded() {
        let nested = |depth: usize| format!("{{\"a\":{}{}}}", "[".repeat(depth - 1), "]".repeat(depth - 1));
        for depth in [3, 4] {
            assert!(read(&nested(depth)).is_ok(), "{depth}");
        }
        assert_eq!(
            why(&nested(5)),
            Why::Malformed {
                offset: 0,
                what: Malformed::TooDeep
            }
        );
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_break_the_reader(noise: Vec<u8>, text in "[\\[\\]{}:,\"a0.e\\\\u-]{0,64}") {
            for body in [noise, text.into_bytes()] {
                if let Ok(fields) = Fields::read(&body, 4) {
                    let name = "a";
                    let _ = (fields.integer(name), fields.text(name), fields.carried(name, 8));
                    let _ = fields.array(name, 2, |raw| Fields::entry(name, raw).map(|_| ()));
                    let _ = fields.object(name).map(|inner| inner.is_some_and(|inner| inner.raw("b").is_some()));
                }
            }
        }
    }
}
