//! The catalogue of commands: a TOML file of its own, and `[devices]`, which names it.
//!
//! Invariant: a catalogue is taken whole or not at all, and every mistake in it is told with its line.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use bongsu_edge::auth::Role;
use bongsu_edge::catalogue::ArgsSchema;
use bongsu_edge::device::Congestion;
use bongsu_model::Limits;
use bongsu_model::device::{IfOffline, Object, Pace, Value};
use bongsu_node::devices::catalogue::{
    AnyArgs, ArgsCheck, Catalogue, Entry, NoArgs, Safety, Short, parse_pace, parse_rate,
};

use super::mistake::{Mistake, Mistakes};
use super::reader::{Section, Source};
use super::word;

/// The catalogue of a demo, and an example for everyone.
pub(crate) const EXAMPLE: &str = include_str!("../../../../docs/catalogue.example.toml");
/// Mistakes of a catalogue that are told one by one where the configuration names it; of the rest only the number.
const TOLD_MAX: usize = 20;
/// Longest time that anything in a catalogue may take, in milliseconds; the limits are narrower.
const MS_MAX: u64 = Limits::CEILING;

/// What is said of devices.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct DeviceSettings {
    /// The catalogue, by the configuration.
    pub(crate) catalogue: Option<PathBuf>,
    /// The catalogue, by the command line or the environment: it wins.
    pub(crate) given: Option<PathBuf>,
    /// How the kernel paces what is sent to devices.
    pub(crate) congestion: Congestion,
}

impl DeviceSettings {
    /// The catalogue, as its file is now. Without a file a demo has the example, and any other server no command at all.
    ///
    /// # Errors
    /// A file that cannot be read, or [`Mistakes`].
    pub(crate) fn load(&self, limits: &Limits, dev: bool) -> anyhow::Result<Catalogue> {
        match self.given.as_deref().or(self.catalogue.as_deref()) {
            Some(file) => load(file, limits).context("the catalogue of commands is not taken"),
            None if dev => parse(EXAMPLE, limits).map_err(|found| {
                let file = PathBuf::from("the demo's catalogue");
                Mistakes { file, found }.into()
            }),
            None => Ok(Catalogue::default()),
        }
    }
}

/// The catalogue in a file.
///
/// # Errors
/// A file that cannot be read, or [`Mistakes`].
pub(crate) fn load(file: &Path, limits: &Limits) -> anyhow::Result<Catalogue> {
    let bytes =
        std::fs::read(file).with_context(|| format!("cannot read {} (--catalogue)", file.display()))?;
    let text = String::from_utf8(bytes).with_context(|| format!("{} is not UTF-8", file.display()))?;
    Ok(parse(&text, limits).map_err(|found| Mistakes {
        file: PathBuf::from(file),
        found,
    })?)
}

/// `[devices]` of the configuration.
pub(super) fn read(section: Section<'_, '_>, limits: &Limits) -> DeviceSettings {
    let catalogue = section.file("catalogue");
    if let Some(Err(fault)) = catalogue.as_deref().map(|file| load(file, limits)) {
        section.mistake("catalogue", true, in_short(&fault));
    }
    let congestion = section.text("congestion", |text| {
        word(text, &Congestion::NAMES, Congestion::parse)
    });
    section.close();
    DeviceSettings {
        catalogue,
        given: None,
        congestion: congestion.unwrap_or_default(),
    }
}

/// The mistakes of a catalogue on one line.
fn in_short(fault: &anyhow::Error) -> String {
    let Some(mistakes) = fault.downcast_ref::<Mistakes>() else {
        return format!("{fault:#}");
    };
    let told = mistakes.to_string();
    let mut lines: Vec<_> = told.lines().collect();
    // The last says how many there are.
    let many = lines.pop().unwrap_or_default();
    lines.truncate(TOLD_MAX);
    lines.push(many);
    lines.join("; ")
}

/// The catalogue in a text.
pub(crate) fn parse(text: &str, limits: &Limits) -> Result<Catalogue, Vec<Mistake>> {
    let source = Source::new(text, Path::new("")).advising("`bongsu config catalogue` shows all there are");
    let table = source.parse();
    let root = Section::root(&source, &table);
    let allow_unlisted = root.flag("allow_unlisted").unwrap_or(false);
    let sections = root.each("command");
    let read: Vec<_> = sections.iter().map(|section| command(section, limits)).collect();
    let entries: Vec<_> = read.iter().map(|(entry, _)| entry.clone()).collect();
    let catalogue = Catalogue::new(entries, allow_unlisted, limits);
    for fault in catalogue.as_ref().err().into_iter().flatten() {
        let Some((section, (_, shorts))) = sections.get(fault.entry).zip(read.get(fault.entry)) else {
            root.mistake("command", false, fault.wrong.to_string());
            continue;
        };
        match fault.item.and_then(|item| shorts.get(item)) {
            Some(short) => short.mistake("args", false, fault.wrong.to_string()),
            // A name that is missing was told of already.
            None if fault.key == "name" && !section.has("name") => {}
            None => section.mistake(fault.key, fault.key != "args", fault.wrong.to_string()),
        }
    }
    for (_, shorts) in read {
        shorts.into_iter().for_each(Section::close);
    }
    sections.into_iter().for_each(Section::close);
    root.close();
    match (source.into_mistakes(), catalogue) {
        (mistakes, Ok(catalogue)) if mistakes.is_empty() => Ok(catalogue),
        (mistakes, _) => Err(mistakes),
    }
}

/// One command, as far as it can be read, and its short forms' places.
fn command<'a, 'i>(section: &Section<'a, 'i>, limits: &Limits) -> (Entry, Vec<Section<'a, 'i>>) {
    let name = section.text("name", |text| Ok(Arc::from(text)));
    if name.is_none() && !section.has("name") {
        section.mistake("name", true, "a name is needed, such as \"window.set\"");
    }
    let usual = Entry::plain(name.unwrap_or_default(), limits);
    let target = section.text("target", |text| Ok(Arc::from(text)));
    let pace = match target {
        Some(_) => Pace::LatestWins,
        None => Pace::Serial,
    };
    let shorts = section.each("short");
    let (args, schema) = arguments(section);
    let ms = |key| section.integer(key, 0..=MS_MAX);
    let entry = Entry {
        short: shorts.iter().map(short).collect(),
        ttl_ms: ms("ttl_ms"),
        execution_ms: ms("execution_ms").unwrap_or(usual.execution_ms),
        debounce_ms: ms("debounce_ms").unwrap_or(usual.debounce_ms),
        pace: section
            .text("policy", |text| {
                parse_pace(text).map_err(|wrong| wrong.to_string())
            })
            .unwrap_or(pace),
        if_offline: section
            .text("if_offline", |text| {
                word(text, IfOffline::NAMES, IfOffline::parse)
            })
            .unwrap_or(usual.if_offline),
        rate: section.text("rate", |text| parse_rate(text).map_err(|wrong| wrong.to_string())),
        roles: section
            .texts("roles", |text| word(text, &Role::NAMES, Role::parse))
            .unwrap_or(usual.roles),
        safety: section
            .text("safety", |text| word(text, Safety::NAMES, Safety::parse))
            .unwrap_or_default(),
        name: usual.name,
        target,
        args,
        schema,
    };
    (entry, shorts)
}

fn short(section: &Section<'_, '_>) -> Short {
    let text = |key| {
        let text = section.text(key, |text| Ok(Arc::from(text)));
        if text.is_none() && !section.has(key) {
            section.mistake(key, true, "a name is needed");
        }
        text.unwrap_or_default()
    };
    Short {
        part: text("part"),
        action: text("action"),
        args: section.object("args").unwrap_or_default(),
    }
}

/// What looks at the arguments, and what of it is shown.
fn arguments(section: &Section<'_, '_>) -> (Arc<dyn ArgsCheck>, Value) {
    if !section.has("args") {
        // Asked for all the same, so that it is known as a key.
        let none = section.object("args").unwrap_or_default();
        return (Arc::new(NoArgs), Value::Object(no_args(none)));
    }
    let schema = Value::Object(section.object("args").unwrap_or_default());
    match ArgsSchema::compile(&schema) {
        Ok(check) => (Arc::new(check), schema),
        Err(wrong) => {
            section.mistake("args", false, wrong.to_string());
            (Arc::new(AnyArgs), schema)
        }
    }
}

/// The schema of no arguments.
fn no_args(mut schema: Object) -> Object {
    schema.insert("type".into(), "object".into());
    schema.insert("maxProperties".into(), 0.into());
    schema
}

#[cfg(test)]
mod tests;
