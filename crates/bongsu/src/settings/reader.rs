//! Reads a TOML file key by key, and goes on after every mistake.
//!
//! Invariant: whatever is in the file is either taken over or reported with its line; nothing is passed over.

use std::cell::RefCell;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use bongsu_edge::auth::Secret;
use bongsu_model::device::{Number, Object, Value};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::mistake::{Mistake, nearest};

/// Longest part of a value that a mistake quotes.
const QUOTED_CHARS: usize = 60;

/// A file being read.
pub(super) struct Source<'i> {
    text: &'i str,
    /// What relative paths in the file are relative to.
    base: &'i Path,
    /// Where all keys can be read of, for who takes one that is none.
    advice: &'static str,
    mistakes: RefCell<Vec<Mistake>>,
}

/// A value in the file, with its place.
type Entry<'a, 'i> = (&'a Spanned<toml::de::DeString<'i>>, &'a Spanned<DeValue<'i>>);

impl<'i> Source<'i> {
    pub(super) fn new(text: &'i str, base: &'i Path) -> Self {
        Self {
            text,
            base,
            advice: "`bongsu config default` lists all there are",
            mistakes: RefCell::default(),
        }
    }

    /// With another place where all keys can be read of.
    pub(super) fn advising(self, advice: &'static str) -> Self {
        Self { advice, ..self }
    }

    /// Everything in the file that is TOML; what is not is a mistake.
    pub(super) fn parse(&self) -> DeTable<'i> {
        let (table, faults) = DeTable::parse_recoverable(self.text);
        for fault in faults {
            let line = fault.span().map_or(1, |span| self.line(span.start));
            self.note(line, String::new(), None, fault.message().replace('\n', "; "));
        }
        table.into_inner()
    }

    /// All mistakes so far, by line.
    pub(super) fn into_mistakes(self) -> Vec<Mistake> {
        let mut mistakes = self.mistakes.into_inner();
        mistakes.sort_by_key(|mistake| mistake.line);
        mistakes
    }

    fn note(&self, line: usize, key: String, value: Option<String>, wrong: String) {
        self.mistakes.borrow_mut().push(Mistake {
            line,
            key,
            value,
            wrong,
        });
    }

    fn line(&self, at: usize) -> usize {
        let before = self.text.as_bytes().get(..at).unwrap_or(self.text.as_bytes());
        before.iter().filter(|byte| **byte == b'\n').count() + 1
    }

    fn quote(&self, value: &Spanned<DeValue<'i>>) -> Option<String> {
        let text = self.text.get(value.span())?;
        let mut quoted: String = text
            .chars()
            .take(QUOTED_CHARS)
            .collect::<String>()
            .replace('\n', " ");
        if quoted.len() < text.len() {
            quoted.push('…');
        }
        Some(quoted)
    }
}

/// One table of the file, or what stands for one that is not there.
pub(super) struct Section<'a, 'i> {
    source: &'a Source<'i>,
    table: Option<&'a DeTable<'i>>,
    /// The table's name with a dot behind it, or nothing for the file itself.
    prefix: String,
    line: usize,
    known: RefCell<Vec<&'static str>>,
}

impl<'a, 'i> Section<'a, 'i> {
    pub(super) fn root(source: &'a Source<'i>, table: &'a DeTable<'i>) -> Self {
        Self {
            source,
            table: Some(table),
            prefix: String::new(),
            line: 1,
            known: RefCell::default(),
        }
    }

    fn entry(&self, key: &'static str) -> Option<Entry<'a, 'i>> {
        self.known.borrow_mut().push(key);
        self.table?.iter().find(|(name, _)| name.get_ref() == key)
    }

    fn wrong(&self, entry: Entry<'a, 'i>, shown: bool, wrong: impl Into<String>) {
        let key = format!("{}{}", self.prefix, entry.0.get_ref());
        let value = if shown { self.source.quote(entry.1) } else { None };
        self.source
            .note(self.source.line(entry.0.span().start), key, value, wrong.into());
    }

    /// A table in this one.
    pub(super) fn open(&self, key: &'static str) -> Self {
        let entry = self.entry(key);
        let table = entry.and_then(|(_, value)| value.get_ref().as_table());
        if let (Some(entry), None) = (entry, table) {
            self.wrong(entry, true, format!("a table is needed: [{}{key}]", self.prefix));
        }
        let line = entry.map_or(self.line, |entry| self.source.line(entry.0.span().start));
        Self {
            source: self.source,
            table,
            prefix: format!("{}{key}.", self.prefix),
            line,
            known: RefCell::default(),
        }
    }

    /// The tables of an array in this one.
    pub(super) fn each(&self, key: &'static str) -> Vec<Self> {
        let Some(entry) = self.entry(key) else {
            return Vec::new();
        };
        let tables = entry.1.get_ref().as_array().map(|array| {
            let tables = array
                .iter()
                .map(|value| Some((value.span().start, value.get_ref().as_table()?)));
            tables.collect::<Option<Vec<_>>>()
        });
        let Some(Some(tables)) = tables else {
            self.wrong(
                entry,
                false,
                format!("an array of tables is needed: [[{}{key}]]", self.prefix),
            );
            return Vec::new();
        };
        let section = |(index, (at, table))| Self {
            source: self.source,
            table: Some(table),
            prefix: format!("{}{key}[{index}].", self.prefix),
            line: self.source.line(at),
            known: RefCell::default(),
        };
        tables.into_iter().enumerate().map(section).collect()
    }

    /// A text, as whatever it is read as.
    pub(super) fn text<T>(
        &self,
        key: &'static str,
        read: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let entry = self.entry(key)?;
        let read = match entry.1.get_ref().as_str() {
            Some(text) => read(text),
            None => Err("a text in quotes is needed".to_owned()),
        };
        read.map_err(|wrong| self.wrong(entry, true, wrong)).ok()
    }

    /// A text that must not be shown.
    pub(super) fn secret(&self, key: &'static str) -> Option<Secret> {
        let entry = self.entry(key)?;
        let secret = entry.1.get_ref().as_str().map(Secret::new);
        if secret.is_none() {
            self.wrong(entry, false, "a text in quotes is needed");
        }
        secret
    }

    /// A secret, here or in a file; with the key that says it.
    pub(super) fn secret_or_file(
        &self,
        here: &'static str,
        in_file: &'static str,
    ) -> Option<(&'static str, Secret)> {
        match (self.secret(here), self.file(in_file)) {
            (Some(_), Some(_)) => {
                let wrong = format!("either `{here}` or `{in_file}` is needed, not both");
                self.mistake(here, false, wrong);
                None
            }
            (Some(secret), None) => Some((here, secret)),
            (None, Some(path)) => match std::fs::read(&path) {
                Ok(bytes) => Some((in_file, Secret::of_file(bytes))),
                Err(fault) => {
                    self.mistake(in_file, true, format!("cannot read {}: {fault}", path.display()));
                    None
                }
            },
            (None, None) => None,
        }
    }

    /// The path of something that must be there to be read.
    pub(super) fn file(&self, key: &'static str) -> Option<PathBuf> {
        self.text(key, |text| self.readable(text))
    }

    /// A path, whatever is there.
    pub(super) fn path(&self, key: &'static str) -> Option<PathBuf> {
        self.text(key, |text| {
            non_empty(text).map(|text| self.source.base.join(text))
        })
    }

    fn readable(&self, text: &str) -> Result<PathBuf, String> {
        let path = self.source.base.join(non_empty(text)?);
        let opened = std::fs::File::open(&path).and_then(|file| file.metadata());
        match opened {
            Ok(about) if about.is_dir() => Err(format!("{} is a folder; a file is needed", path.display())),
            Ok(_) => Ok(path),
            Err(fault) => Err(format!("cannot read {}: {fault}", path.display())),
        }
    }

    /// A list of texts, each as whatever it is read as.
    pub(super) fn texts<T>(
        &self,
        key: &'static str,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Option<Vec<T>> {
        let entry = self.entry(key)?;
        let Some(array) = entry.1.get_ref().as_array() else {
            self.wrong(
                entry,
                true,
                "a list of texts is needed, such as [\"one\", \"two\"]",
            );
            return None;
        };
        let mut taken = Vec::with_capacity(array.len());
        for value in array {
            // Each is reported on its own line.
            let wrong = |wrong: String| self.wrong_at(value, key, wrong);
            match value.get_ref().as_str().map(&read) {
                Some(Ok(read)) => taken.push(read),
                Some(Err(why)) => wrong(why),
                None => wrong("a text in quotes is needed".to_owned()),
            }
        }
        Some(taken)
    }

    /// The same for files that must be there to be read.
    pub(super) fn files<T>(
        &self,
        key: &'static str,
        read: impl Fn(PathBuf) -> Result<T, String>,
    ) -> Option<Vec<T>> {
        self.texts(key, |text| self.readable(text).and_then(&read))
    }

    fn wrong_at(&self, value: &Spanned<DeValue<'i>>, key: &str, wrong: String) {
        let line = self.source.line(value.span().start);
        self.source.note(
            line,
            format!("{}{key}", self.prefix),
            self.source.quote(value),
            wrong,
        );
    }

    /// A whole number.
    pub(super) fn integer(&self, key: &'static str, range: RangeInclusive<u64>) -> Option<u64> {
        let entry = self.entry(key)?;
        let value = whole(entry.1.get_ref()).filter(|value| range.contains(value));
        if value.is_none() {
            let (least, most) = range.into_inner();
            self.wrong(
                entry,
                true,
                format!("a whole number from {least} to {most} is needed"),
            );
        }
        value
    }

    /// true or false.
    pub(super) fn flag(&self, key: &'static str) -> Option<bool> {
        let entry = self.entry(key)?;
        let flag = entry.1.get_ref().as_bool();
        if flag.is_none() {
            self.wrong(entry, true, "true or false is needed");
        }
        flag
    }

    /// An object that is understood by somebody else: a table with whatever is in it.
    pub(super) fn object(&self, key: &'static str) -> Option<Object> {
        let entry = self.entry(key)?;
        let value = match entry.1.get_ref() {
            DeValue::Table(table) => members(table),
            DeValue::String(_)
            | DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_)
            | DeValue::Array(_) => Err("a table is needed"),
        };
        value.map_err(|wrong| self.wrong(entry, true, wrong)).ok()
    }

    /// Whether a key is there.
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.is_some_and(|table| table.contains_key(key))
    }

    /// Notes that what a key says is wrong, or, where the key is not there, that it is missing.
    pub(super) fn mistake(&self, key: &'static str, shown: bool, wrong: impl Into<String>) {
        match self.entry(key) {
            Some(entry) => self.wrong(entry, shown, wrong),
            None => self
                .source
                .note(self.line, format!("{}{key}", self.prefix), None, wrong.into()),
        }
    }

    /// Notes every key that nobody has asked for.
    pub(super) fn close(self) {
        let known = self.known.borrow();
        for entry in self.table.into_iter().flat_map(DeTable::iter) {
            let name = entry.0.get_ref();
            if known.iter().any(|known| known == name) {
                continue;
            }
            let what = if entry.1.get_ref().is_table() {
                "table"
            } else {
                "setting"
            };
            let advice = match nearest(name, known.iter().copied()) {
                Some(near) => format!("there is no such {what}; `{}{near}` is near", self.prefix),
                None => format!("there is no such {what}; {}", self.source.advice),
            };
            self.wrong(entry, false, advice);
        }
    }
}

fn non_empty(text: &str) -> Result<&str, String> {
    if text.is_empty() {
        Err("a path is needed".to_owned())
    } else {
        Ok(text)
    }
}

fn members(table: &DeTable<'_>) -> Result<Object, &'static str> {
    let members = table
        .iter()
        .map(|(key, value)| Ok((key.get_ref().as_ref().into(), json(value.get_ref())?)));
    members.collect()
}

/// A value as JSON has it.
fn json(value: &DeValue<'_>) -> Result<Value, &'static str> {
    match value {
        DeValue::String(text) => Ok(Value::text(text)),
        DeValue::Boolean(value) => Ok((*value).into()),
        DeValue::Integer(integer) => i64::from_str_radix(integer.as_str(), integer.radix())
            .map(Value::from)
            .map_err(|_| "a whole number that fits 64 bits is needed"),
        DeValue::Float(float) => {
            let number = float.as_str().parse().ok().and_then(Number::float);
            number.map(Value::Number).ok_or("a finite number is needed")
        }
        DeValue::Datetime(_) => Err("JSON has no dates: put the date in quotes"),
        DeValue::Array(array) => {
            let entries = array.iter().map(|entry| json(entry.get_ref()));
            entries
                .collect::<Result<Vec<_>, _>>()
                .map(|list| Value::List(list.into()))
        }
        DeValue::Table(table) => members(table).map(Value::Object),
    }
}

/// A whole number from 0 up.
fn whole(value: &DeValue<'_>) -> Option<u64> {
    let integer = value.as_integer()?;
    u64::from_str_radix(integer.as_str(), integer.radix()).ok()
}
