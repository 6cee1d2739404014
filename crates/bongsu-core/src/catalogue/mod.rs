//! The catalogue: what commands there are, how each is handled, and what of a call is refused.
//!
//! Invariant: a catalogue that exists has passed every rule of [`Catalogue::new`], so that nobody has to look again; a
//! command of critical safety passes nowhere.

mod fault;
mod word;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use bongsu_model::device::{IfOffline, Object, Pace, Value};
use bongsu_model::refusal::Why;
use bongsu_model::{Code, Limits, Refusal, Role, Want};

use crate::rate::Rate;

pub use fault::{CatalogueFault, CatalogueWrong};
pub use word::{PaceWrong, RateWrong, is_name, parse_pace, parse_rate};

/// Commands of one catalogue, at most.
pub const ENTRIES_MAX: usize = 1_024;
/// Short forms of one command, at most.
pub const SHORTS_MAX: usize = 64;

/// Whether a command belongs on a path like this one.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Safety {
    /// It may be sent.
    #[default]
    Normal,
    /// Steering, braking, throttle: it is never sent, whoever asks.
    Critical,
}

impl Safety {
    /// Every value's name, for error texts.
    pub const NAMES: &'static [&'static str] = &["normal", "critical"];

    /// The name in the catalogue.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Critical => "critical",
        }
    }

    /// The value of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "normal" => Some(Self::Normal),
            "critical" => Some(Self::Critical),
            _ => None,
        }
    }
}

/// What is wrong with a call's arguments.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ArgsWrong {
    /// Where: a JSON pointer into the arguments; empty for all of them.
    pub pointer: Arc<str>,
    /// What, in English.
    pub says: Arc<str>,
}

/// Looks at the arguments of a call. Whoever reads the catalogue makes one of each command's schema.
pub trait ArgsCheck: Send + Sync {
    /// # Errors
    /// The first thing that is wrong with them.
    fn check(&self, args: &Object) -> Result<(), ArgsWrong>;
}

/// For a command whose arguments nobody has described: any pass.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct AnyArgs;

impl ArgsCheck for AnyArgs {
    fn check(&self, _: &Object) -> Result<(), ArgsWrong> {
        Ok(())
    }
}

/// For a command without arguments.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct NoArgs;

impl ArgsCheck for NoArgs {
    fn check(&self, args: &Object) -> Result<(), ArgsWrong> {
        let Some(first) = args.keys().next() else {
            return Ok(());
        };
        Err(ArgsWrong {
            pointer: format!("/{}", first.replace('~', "~0").replace('/', "~1")).into(),
            says: "the command takes no arguments".into(),
        })
    }
}

/// A short form of a command: the action of a part, and with what arguments it is said in full.
#[derive(Clone, PartialEq, Debug)]
pub struct Short {
    /// `window` of `/window/open`.
    pub part: Arc<str>,
    /// `open` of `/window/open`.
    pub action: Arc<str>,
    /// The state that it stands for.
    pub args: Object,
}

/// A command of the catalogue.
#[derive(Clone)]
pub struct Entry {
    /// Its name: 1 to 64 of `a-z 0-9 _ . -`.
    pub name: Arc<str>,
    /// The key of the target state that it sets; `None` for a command without one.
    pub target: Option<Arc<str>>,
    /// Its short forms.
    pub short: Vec<Short>,
    /// For how long it may be sent, in milliseconds, where the caller does not say; `None` for the limit's default.
    pub ttl_ms: Option<u64>,
    /// How long the device may take once it has it, in milliseconds.
    pub execution_ms: u64,
    /// The same again within this time joins the first, in milliseconds; 0 for never.
    pub debounce_ms: u64,
    /// How it stands to others on the device.
    pub pace: Pace,
    /// What becomes of it while the device is connected nowhere, where the caller does not say.
    pub if_offline: IfOffline,
    /// How many one caller may send, and one device may be sent; `None` for the limits' default.
    pub rate: Option<Rate>,
    /// Who may send it.
    pub roles: Vec<Role>,
    /// Whether it belongs here at all.
    pub safety: Safety,
    /// What looks at its arguments.
    pub args: Arc<dyn ArgsCheck>,
    /// The JSON Schema that `args` is made of, to be shown.
    pub schema: Value,
}

impl Entry {
    /// A command of which only the name is known: no target, one at a time, by back ends and operators, with any arguments.
    #[must_use]
    pub fn plain(name: Arc<str>, limits: &Limits) -> Self {
        Self {
            name,
            target: None,
            short: Vec::new(),
            ttl_ms: None,
            execution_ms: limits.command_execution_ms,
            debounce_ms: limits.command_debounce_ms,
            pace: Pace::Serial,
            if_offline: IfOffline::Fail,
            rate: None,
            roles: vec![Role::Service, Role::Admin],
            safety: Safety::Normal,
            args: Arc::new(AnyArgs),
            schema: Value::Bool(true),
        }
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What checks the arguments shows nothing that the schema does not.
        f.debug_struct("Entry")
            .field("name", &self.name)
            .field("target", &self.target)
            .field("short", &self.short)
            .field("ttl_ms", &self.ttl_ms)
            .field("execution_ms", &self.execution_ms)
            .field("debounce_ms", &self.debounce_ms)
            .field("pace", &self.pace)
            .field("if_offline", &self.if_offline)
            .field("rate", &self.rate)
            .field("roles", &self.roles)
            .field("safety", &self.safety)
            .field("schema", &self.schema)
            .finish_non_exhaustive()
    }
}

/// A part and what is done with it.
type Action = (Arc<str>, Arc<str>);

/// All commands, checked. The default has none, so that all are refused.
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    entries: BTreeMap<Arc<str>, Arc<Entry>>,
    short: BTreeMap<Action, (Arc<str>, Object)>,
    allow_unlisted: bool,
    limits: Limits,
}

impl Catalogue {
    /// A catalogue of these commands. With `allow_unlisted`, commands that are not in it pass as [`Entry::plain`].
    ///
    /// # Errors
    /// Every mistake at once; which command each is of is its index.
    pub fn new(
        entries: Vec<Entry>,
        allow_unlisted: bool,
        limits: &Limits,
    ) -> Result<Self, Vec<CatalogueFault>> {
        let faults = fault::faults(&entries, limits);
        if !faults.is_empty() {
            return Err(faults);
        }
        let mut short = BTreeMap::new();
        for entry in &entries {
            for it in &entry.short {
                let key = (Arc::clone(&it.part), Arc::clone(&it.action));
                short.insert(key, (Arc::clone(&entry.name), it.args.clone()));
            }
        }
        let entries = entries.into_iter().map(|it| (Arc::clone(&it.name), Arc::new(it)));
        Ok(Self {
            entries: entries.collect(),
            short,
            allow_unlisted,
            limits: limits.clone(),
        })
    }

    /// The command of that name, if it is listed.
    #[must_use]
    pub fn entry(&self, name: &str) -> Option<Arc<Entry>> {
        self.entries.get(name).cloned()
    }

    /// Every command that is listed, by name.
    pub fn entries(&self) -> impl Iterator<Item = &Arc<Entry>> {
        self.entries.values()
    }

    /// Whether commands pass that are not listed.
    #[must_use]
    pub const fn allows_unlisted(&self) -> bool {
        self.allow_unlisted
    }

    /// The command that an action of a part stands for, and the arguments that say so in full.
    #[must_use]
    pub fn short(&self, part: &str, action: &str) -> Option<(Arc<Entry>, Object)> {
        let (name, args) = self.short.get(&(part.into(), action.into()))?;
        Some((self.entry(name)?, args.clone()))
    }

    /// May this be sent to a device? The whole of what the catalogue has to say of a call.
    ///
    /// # Errors
    /// `COMMAND_REFUSED` with the reason `unlisted` or `safety_critical`, `PERMISSION_DENIED` for the role,
    /// `MESSAGE_TOO_LARGE` and `INVALID_DATA` for the arguments.
    pub fn call(&self, name: &str, args: &Object, role: Role) -> Result<Arc<Entry>, Refusal> {
        let entry = match self.entry(name) {
            Some(entry) => entry,
            None if self.allow_unlisted && is_name(name) => Arc::new(Entry::plain(name.into(), &self.limits)),
            None if self.allow_unlisted => {
                return Err(Refusal::field("name", Want::TextOf(1, word::NAME_BYTES_MAX)));
            }
            None => return Err(Refusal::because(Code::CommandRefused, "unlisted")),
        };
        if entry.safety == Safety::Critical {
            return Err(Refusal::because(Code::CommandRefused, "safety_critical"));
        }
        if !entry.roles.contains(&role) {
            return Err(Refusal::new(Code::PermissionDenied));
        }
        let bytes_max = self.limits.command_args_bytes_max;
        if bytes_of(args) > bytes_max {
            return Err(Refusal::too_large("args", bytes_max as u64));
        }
        entry.args.check(args).map_err(|wrong| Refusal {
            why: Why::Argument {
                pointer: wrong.pointer,
                says: wrong.says,
            },
            ..Refusal::new(Code::InvalidData)
        })?;
        Ok(entry)
    }
}

fn bytes_of(args: &Object) -> usize {
    Value::Object(args.clone()).bytes()
}

#[cfg(test)]
mod tests;
