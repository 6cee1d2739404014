//! Presets from the operators' side: made, read, listed, replaced, deleted.
//!
//! Invariant: a preset that is kept could be run: its programs were looked at as those that are run are. What runs of a preset
//! is a command of its display, and is not touched when the preset changes.

use std::collections::BTreeMap;
use std::sync::Arc;

use bongsu_core::policy;
use bongsu_model::device::print;
use bongsu_model::display::{NewPreset, Preset, PresetId, Program};
use bongsu_model::{Code, DeviceId, HappeningKind, Refusal, Want, Why};
use bongsu_store::{CreateRefused, Existing};

use crate::node::Node;
use crate::usecases::operate::Operator;

/// Longest name of a preset, in bytes.
const NAME_BYTES_MAX: usize = 128;
/// Presets that are read from the store at once: each may be as large as `limits.preset_bytes_max`.
const READ_AT_ONCE: u32 = 8;

/// The ways in which a request may name a preset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PresetRef {
    /// By number.
    Id(PresetId),
    /// By its unique name.
    Name(Arc<str>),
}

impl PresetRef {
    /// Reads what stands in a path or on a command line: a number, or else a name.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        text.parse()
            .map_or_else(|_| Self::Name(text.into()), |id| Self::Id(PresetId(id)))
    }
}

impl Node {
    /// Makes a preset.
    ///
    /// # Errors
    /// `PERMISSION_DENIED`; the field that cannot be; `NAME_TAKEN` by another preset; `RATE_LIMITED` with reason `presets` where
    /// there are as many as there may be; or the store failed.
    pub async fn create_preset(self: &Arc<Self>, by: &Operator, new: NewPreset) -> Result<Preset, Refusal> {
        policy::may_operate(&by.principal)?;
        self.check_preset(&new)?;
        let made = self.ports.store.create_preset(new, self.now()).await;
        let made = made.map_err(|refused| self.preset_refused(&refused))?;
        self.preset_changed(by, HappeningKind::PresetCreated, "preset.create", &made)
            .await;
        Ok(made)
    }

    /// A preset.
    ///
    /// # Errors
    /// `PERMISSION_DENIED`, `PRESET_NOT_FOUND`, or the store failed.
    pub async fn preset(self: &Arc<Self>, by: &Operator, preset: &PresetRef) -> Result<Preset, Refusal> {
        policy::may_operate(&by.principal)?;
        let store = &self.ports.store;
        let found = match preset {
            PresetRef::Id(id) => store.preset(*id).await,
            PresetRef::Name(name) => store.preset_named(Arc::clone(name)).await,
        };
        found
            .map_err(|fault| self.fault(&fault))?
            .ok_or_else(|| Refusal::new(Code::PresetNotFound))
    }

    /// The presets after one, ascending by number, at most `limit`, and whether there are more. Large ones are given out few at
    /// a time, however many are asked for, but always one.
    ///
    /// # Errors
    /// `PERMISSION_DENIED`, or the store failed.
    pub async fn presets(
        self: &Arc<Self>,
        by: &Operator,
        after: Option<PresetId>,
        limit: u32,
    ) -> Result<(Vec<Preset>, bool), Refusal> {
        policy::may_operate(&by.principal)?;
        let (mut presets, mut bytes, mut last) = (Vec::new(), 0, after);
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        loop {
            let some = self.ports.store.presets(last, READ_AT_ONCE).await;
            let some = some.map_err(|fault| self.fault(&fault))?;
            let were_all = some.len() < READ_AT_ONCE as usize;
            for preset in some {
                if presets.len() >= limit || bytes >= self.ports.limits.preset_bytes_max {
                    return Ok((presets, true));
                }
                bytes += bytes_of(&preset.name, &preset.displays);
                last = Some(preset.id);
                presets.push(preset);
            }
            if were_all {
                return Ok((presets, false));
            }
        }
    }

    /// Makes a preset what `new` says, all of it.
    ///
    /// # Errors
    /// As [`Self::create_preset`], and `PRESET_NOT_FOUND`.
    pub async fn replace_preset(
        self: &Arc<Self>,
        by: &Operator,
        preset: &PresetRef,
        new: NewPreset,
    ) -> Result<Preset, Refusal> {
        policy::may_operate(&by.principal)?;
        self.check_preset(&new)?;
        let id = self.preset(by, preset).await?.id;
        let put = self.ports.store.put_preset(id, new, self.now()).await;
        let put = put.map_err(|refused| self.preset_refused(&refused))?;
        let put = put.ok_or_else(|| Refusal::new(Code::PresetNotFound))?;
        self.preset_changed(by, HappeningKind::PresetUpdated, "preset.update", &put)
            .await;
        Ok(put)
    }

    /// Deletes a preset. What runs of it goes on running.
    ///
    /// # Errors
    /// `PERMISSION_DENIED`, `PRESET_NOT_FOUND`, or the store failed.
    pub async fn delete_preset(self: &Arc<Self>, by: &Operator, preset: &PresetRef) -> Result<(), Refusal> {
        let preset = self.preset(by, preset).await?;
        let deleted = self.ports.store.delete_preset(preset.id).await;
        match deleted.map_err(|fault| self.fault(&fault))? {
            Existing::Changed => {}
            Existing::Unchanged | Existing::Absent => return Err(Refusal::new(Code::PresetNotFound)),
        }
        self.preset_changed(by, HappeningKind::PresetDeleted, "preset.delete", &preset)
            .await;
        Ok(())
    }

    async fn preset_changed(&self, by: &Operator, kind: HappeningKind, action: &str, preset: &Preset) {
        self.happened(kind, |it| {
            it.of_preset(preset.id)
                .with("name", &*preset.name)
                .with("by", &*by.name)
        });
        let (object, detail) = (format!("preset:{}", preset.id), format!("name={}", preset.name));
        self.note(by, action, object, Some(detail)).await;
    }

    fn preset_refused(&self, refused: &CreateRefused) -> Refusal {
        match refused {
            CreateRefused::Fault(fault) => self.fault(fault),
            CreateRefused::TooMany => Refusal::because(Code::RateLimited, "presets"),
            CreateRefused::NameTaken
            | CreateRefused::IdTaken
            | CreateRefused::NoUser(_)
            | CreateRefused::Members => Refusal::new(Code::NameTaken),
        }
    }

    /// Looks at a preset that is about to be kept.
    fn check_preset(&self, new: &NewPreset) -> Result<(), Refusal> {
        let limits = &self.ports.limits;
        check_name(&new.name)?;
        if new.displays.len() > limits.preset_displays_max {
            return Err(Refusal::field(
                "displays",
                Want::EntriesOf(limits.preset_displays_max),
            ));
        }
        for program in new.displays.values() {
            self.check_program(program).map_err(in_displays)?;
        }
        if bytes_of(&new.name, &new.displays) > limits.preset_bytes_max {
            return Err(Refusal::too_large("displays", limits.preset_bytes_max as u64));
        }
        Ok(())
    }
}

/// How large a preset is, about as JSON has it.
fn bytes_of(name: &str, displays: &BTreeMap<DeviceId, Program>) -> usize {
    let each = displays.iter();
    let bytes = each.map(|(display, program)| display.as_str().len() + print(&program.to_args()).len());
    name.len() + bytes.sum::<usize>()
}

/// A name that a preset may be given: no number, which would mean another preset, and nothing that cannot be seen.
fn check_name(name: &str) -> Result<(), Refusal> {
    if !(1..=NAME_BYTES_MAX).contains(&name.len()) {
        return Err(Refusal::field("name", Want::TextOf(1, NAME_BYTES_MAX)));
    }
    // A number that is too large to be anyone's is no name either.
    let digits = name.strip_prefix(['-', '+']).unwrap_or(name);
    let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    if is_number || name.trim() != name || name.chars().any(char::is_control) {
        return Err(Refusal::field("name", Want::Other));
    }
    Ok(())
}

/// What is wrong with the program of a display, as a preset has it.
fn in_displays(refusal: Refusal) -> Refusal {
    let named = |name| match name {
        "command" => "displays.command",
        "cwd" => "displays.cwd",
        "env" => "displays.env",
        "grace_ms" => "displays.grace_ms",
        other => other,
    };
    let why = match refusal.why {
        Why::Field { name, want } => Why::Field {
            name: named(name),
            want,
        },
        Why::TooLarge { what, bytes_max } => Why::TooLarge {
            what: named(what),
            bytes_max,
        },
        why @ (Why::Code
        | Why::Malformed { .. }
        | Why::Reason(_)
        | Why::Incident(_)
        | Why::Command(_)
        | Why::Holder(_)
        | Why::Argument { .. }) => why,
    };
    Refusal { why, ..refusal }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_preset_is_named_by_its_number_or_its_name() {
        assert_eq!(PresetRef::parse("7"), PresetRef::Id(PresetId(7)));
        assert_eq!(PresetRef::parse("opening"), PresetRef::Name("opening".into()));
    }

    #[test]
    fn a_name_can_be_seen_and_is_no_number() {
        let (longest, long) = ("a".repeat(128), "a".repeat(129));
        for good in ["opening", "개막 1부", "7th", "a", "-", &longest] {
            assert!(check_name(good).is_ok(), "{good}");
        }
        for bad in [
            "7",
            "-7",
            "+7",
            "99999999999999999999",
            " a",
            "a\u{3000}",
            "a\nb",
            "a\0",
        ] {
            assert_eq!(
                check_name(bad),
                Err(Refusal::field("name", Want::Other)),
                "{bad:?}"
            );
        }
        for bad in ["", &long] {
            let refused = Refusal::field("name", Want::TextOf(1, 128));
            assert_eq!(check_name(bad), Err(refused), "{bad:?}");
        }
    }
}
