//! Reading one level of an object by the names that matter, with errors that name the field.
//!
//! Invariant: a known name that stands twice is refused, unknown names are skipped, and `null` counts as absent
//! but where a field's own reader says otherwise.

use std::borrow::Cow;
use std::fmt;

use bongsu_model::{RawJson, Refusal, Want};
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::carry;

/// One field of an object: its name in error texts, and its text if it is there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field<'a> {
    pub(crate) name: &'static str,
    pub(crate) raw: Option<&'a str>,
}

/// Why an object could not be read.
#[derive(Debug)]
pub(crate) enum Unreadable {
    /// This name stands twice, the second time before this byte of the text.
    Twice(&'static str, usize),
    /// It is not JSON, from this byte of the text on.
    NotJson(usize),
}

/// Reads the fields of these names from the text of an object. `prefix` is what the names have in front of the
/// keys on the wire: `media_status.` of `media_status.audio_enabled`.
pub(crate) fn read<'a, const N: usize>(
    object: &'a str,
    prefix: &'static str,
    names: [&'static str; N],
) -> Result<[Field<'a>; N], Unreadable> {
    let mut fields = names.map(|name| Field { name, raw: None });
    let mut twice = None;
    let mut source = serde_json::Deserializer::from_str(object);
    let level = Level {
        fields: &mut fields,
        prefix: prefix.len(),
        twice: &mut twice,
    };
    let read = level.deserialize(&mut source).and_then(|()| source.end());
    match (read, twice) {
        (Ok(()), _) => Ok(fields),
        (Err(error), Some(name)) => Err(Unreadable::Twice(name, offset_of(object, &error))),
        (Err(error), None) => Err(Unreadable::NotJson(offset_of(object, &error))),
    }
}

/// The place that the parser names by line and column, as an index into the text.
fn offset_of(text: &str, error: &serde_json::Error) -> usize {
    let line = error.line().saturating_sub(1);
    let start = match line {
        0 => 0,
        _ => memchr::memchr_iter(b'\n', text.as_bytes())
            .nth(line - 1)
            .map_or(0, |at| at + 1),
    };
    (start + error.column().saturating_sub(1)).min(text.len())
}

struct Level<'f, 'a> {
    fields: &'f mut [Field<'a>],
    prefix: usize,
    twice: &'f mut Option<&'static str>,
}

impl<'a> DeserializeSeed<'a> for Level<'_, 'a> {
    type Value = ();
    fn deserialize<D: Deserializer<'a>>(self, source: D) -> Result<(), D::Error> {
        source.deserialize_map(self)
    }
}

impl<'a> Visitor<'a> for Level<'_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(index) = map.next_key_seed(Key {
            fields: &*self.fields,
            prefix: self.prefix,
        })? {
            let Some(index) = index else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            let field = &mut self.fields[index];
            if field.raw.is_some() {
                *self.twice = Some(field.name);
                return Err(A::Error::custom("twice"));
            }
            field.raw = Some(map.next_value::<&RawValue>()?.get());
        }
        Ok(())
    }
}

struct Key<'f, 'a> {
    fields: &'f [Field<'a>],
    prefix: usize,
}

impl<'de> DeserializeSeed<'de> for Key<'_, '_> {
    type Value = Option<usize>;
    fn deserialize<D: Deserializer<'de>>(self, source: D) -> Result<Self::Value, D::Error> {
        source.deserialize_identifier(self)
    }
}

impl Visitor<'_> for Key<'_, '_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        Ok(self
            .fields
            .iter()
            .position(|field| &field.name[self.prefix..] == key))
    }
}

/// The entries of an array, as their texts; `None` if the text is no array of at most `max` entries.
pub(crate) fn entries(array: &str, max: usize) -> Option<Vec<&str>> {
    struct Entries(usize);
    impl<'a> Visitor<'a> for Entries {
        type Value = Vec<&'a str>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an array")
        }
        fn visit_seq<A: SeqAccess<'a>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
            let mut entries = Vec::new();
            while let Some(entry) = seq.next_element::<&RawValue>()? {
                if entries.len() == self.0 {
                    return Err(A::Error::custom("more"));
                }
                entries.push(entry.get());
            }
            Ok(entries)
        }
    }
    serde_json::Deserializer::from_str(array)
        .deserialize_seq(Entries(max))
        .ok()
}

/// Decodes the text of a JSON string; `None` if it is none, or holds a surrogate without its other half.
pub(crate) fn text(raw: &str) -> Option<Cow<'_, str>> {
    let inner = raw.strip_prefix('"')?.strip_suffix('"')?;
    if memchr::memchr(b'\\', inner.as_bytes()).is_none() {
        return Some(Cow::Borrowed(inner));
    }
    serde_json::from_str::<String>(raw).ok().map(Cow::Owned)
}

impl<'a> Field<'a> {
    /// The refusal that names this field.
    pub(crate) const fn wants(&self, want: Want) -> Refusal {
        Refusal::field(self.name, want)
    }

    /// The field, if it is there and not `null`.
    pub(crate) fn present(self) -> Option<Given<'a>> {
        let raw = self.raw.filter(|raw| *raw != "null")?;
        Some(Given { name: self.name, raw })
    }

    /// The field, which must be there and not `null`.
    pub(crate) fn required(self) -> Result<Given<'a>, Refusal> {
        self.present().ok_or(self.wants(Want::Present))
    }

    /// The value of a field that may be absent.
    pub(crate) fn optional<T>(
        self,
        read: impl FnOnce(Given<'a>) -> Result<T, Refusal>,
    ) -> Result<Option<T>, Refusal> {
        self.present().map(read).transpose()
    }
}

/// A field that is there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Given<'a> {
    pub(crate) name: &'static str,
    pub(crate) raw: &'a str,
}

impl<'a> Given<'a> {
    /// The refusal that names this field.
    pub(crate) const fn wants(&self, want: Want) -> Refusal {
        Refusal::field(self.name, want)
    }

    /// A whole number without point or exponent that fits 64 bits.
    pub(crate) fn integer(self) -> Result<i64, Refusal> {
        self.raw.parse().map_err(|_| self.wants(Want::Integer))
    }

    /// A whole number in a range.
    pub(crate) fn between(self, min: i64, max: i64) -> Result<i64, Refusal> {
        let number = self.integer()?;
        if (min..=max).contains(&number) {
            Ok(number)
        } else {
            Err(self.wants(Want::Between(min, max)))
        }
    }

    /// A whole number from 0.
    pub(crate) fn count(self) -> Result<u64, Refusal> {
        self.between(0, i64::MAX).map(i64::cast_unsigned)
    }

    /// A string.
    pub(crate) fn text(self) -> Result<Cow<'a, str>, Refusal> {
        text(self.raw).ok_or(self.wants(Want::Text))
    }

    /// A string of so many bytes.
    pub(crate) fn text_of(self, min: usize, max: usize) -> Result<Cow<'a, str>, Refusal> {
        let text = self.text()?;
        if (min..=max).contains(&text.len()) {
            Ok(text)
        } else {
            Err(self.wants(Want::TextOf(min, max)))
        }
    }

    /// `true` or `false`.
    pub(crate) fn bool(self) -> Result<bool, Refusal> {
        match self.raw {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err(self.wants(Want::Bool)),
        }
    }

    /// The text of an object.
    pub(crate) fn object(self) -> Result<&'a str, Refusal> {
        if self.raw.starts_with('{') {
            Ok(self.raw)
        } else {
            Err(self.wants(Want::Object))
        }
    }

    /// The fields of an object whose names have this field's name and a dot in front.
    pub(crate) fn fields<const N: usize>(
        self,
        prefix: &'static str,
        names: [&'static str; N],
    ) -> Result<[Field<'a>; N], Refusal> {
        read(self.object()?, prefix, names).map_err(|unreadable| match unreadable {
            Unreadable::Twice(name, _) => Refusal::field(name, Want::Once),
            Unreadable::NotJson(_) => self.wants(Want::Object),
        })
    }

    /// The entries of an array.
    pub(crate) fn entries(self, max: usize) -> Result<Vec<&'a str>, Refusal> {
        if !self.raw.starts_with('[') {
            return Err(self.wants(Want::Array));
        }
        entries(self.raw, max).ok_or(self.wants(Want::ArrayOf(max)))
    }

    /// JSON that is carried unread, of at most so many bytes once its white space is gone.
    pub(crate) fn carried(self, what: &'static str, bytes_max: usize) -> Result<RawJson, Refusal> {
        let json = carry::carry(self.raw).ok_or(self.wants(Want::Other))?;
        if json.as_bytes().len() > bytes_max {
            return Err(Refusal::too_large(what, bytes_max as u64));
        }
        Ok(json)
    }
}
