//! What the device is and what it measures, as far as the gateway has not been told.
//!
//! Invariant: only the latest of each key waits, so that a long time away makes nothing longer; both have a bound.

use std::collections::BTreeMap;

use bongsu_model::device::{Object, Value, print};
use bongsu_model::limits::Limits;

/// What one frame tells, as JSON: with what stands around it, it fits into the 64 KiB that a gateway takes.
const TOLD_BYTES_MAX: usize = 48 * 1024;

/// Something is more than the gateway takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum TooMuch {
    /// The whole reported state would have more bytes as JSON.
    #[error("a reported state has at most {0} bytes as JSON")]
    State(usize),
    /// The telemetry that waits would have more bytes as JSON.
    #[error("telemetry has at most {0} bytes as JSON")]
    Telemetry(usize),
    /// The telemetry that waits would have more keys.
    #[error("telemetry has at most {0} keys")]
    Keys(usize),
}

/// What the device says it is.
#[derive(Debug, Default)]
pub(super) struct Reporting {
    /// All of it; `None` until it was reported for the first time.
    whole: Option<Object>,
    /// Whether a hello told all of it on this link.
    told_whole: bool,
    /// The keys that changed since they were told, null for those that are gone.
    changed: Object,
    /// The desired version that was taken in, and whether that is still to be told.
    taken_in: Option<(u64, bool)>,
}

impl Reporting {
    /// Takes in what changed: null takes a key away.
    pub(super) fn change(&mut self, patch: Object) -> Result<(), TooMuch> {
        let mut whole = self.whole.clone().unwrap_or_default();
        for (key, value) in &patch {
            match value {
                Value::Null => whole.remove(key),
                Value::Bool(_) | Value::Number(_) | Value::Text(_) | Value::List(_) | Value::Object(_) => {
                    whole.insert(key.clone(), value.clone())
                }
            };
        }
        let most = TOLD_BYTES_MAX;
        if print(&whole).len() > most {
            return Err(TooMuch::State(most));
        }
        if self.told_whole {
            let mut changed = self.changed.clone();
            changed.extend(patch);
            if print(&changed).len() > most {
                return Err(TooMuch::State(most));
            }
            self.changed = changed;
        }
        self.whole = Some(whole);
        Ok(())
    }

    /// What was told may have been refused: all of it is to be told again.
    pub(super) fn again(&mut self) {
        if let Some(whole) = &self.whole {
            // What was taken away meanwhile stays among the changes.
            self.changed
                .extend(whole.iter().map(|(key, value)| (key.clone(), value.clone())));
        }
        if let Some((_, untold)) = &mut self.taken_in {
            *untold = true;
        }
    }

    /// The link is gone: the next hello tells all, and nothing else has to be told.
    pub(super) fn cut(&mut self) {
        self.told_whole = false;
        self.changed.clear();
    }

    pub(super) fn take_in(&mut self, version: u64) {
        self.taken_in = Some((version, true));
    }

    /// The whole of it, for a hello: nothing of it has to be told again.
    pub(super) fn whole(&mut self) -> (Option<Object>, Option<u64>) {
        self.told_whole = true;
        self.changed.clear();
        let version = self.taken_in.as_mut().map(|(version, untold)| {
            *untold = false;
            *version
        });
        (self.whole.clone(), version)
    }

    pub(super) fn is_due(&self) -> bool {
        !self.changed.is_empty() || matches!(self.taken_in, Some((_, true)))
    }

    /// What is to be told now: the version that was taken in, and what changed.
    pub(super) fn take(&mut self) -> Option<(Option<u64>, Object)> {
        if !self.is_due() {
            return None;
        }
        let version = self.taken_in.as_mut().map(|(version, untold)| {
            *untold = false;
            *version
        });
        Some((version, std::mem::take(&mut self.changed)))
    }
}

/// What the device measures.
#[derive(Debug, Default)]
pub(super) struct Telemetry {
    waiting: Object,
}

impl Telemetry {
    pub(super) fn measure(&mut self, values: Object) -> Result<(), TooMuch> {
        let (keys, most) = (Limits::DEFAULT.telemetry_keys_max, TOLD_BYTES_MAX);
        let mut waiting: BTreeMap<_, _> = self.waiting.clone();
        waiting.extend(values);
        if waiting.len() > keys {
            return Err(TooMuch::Keys(keys));
        }
        if print(&waiting).len() > most {
            return Err(TooMuch::Telemetry(most));
        }
        self.waiting = waiting;
        Ok(())
    }

    pub(super) fn is_due(&self) -> bool {
        !self.waiting.is_empty()
    }

    pub(super) fn take(&mut self) -> Option<Object> {
        self.is_due().then(|| std::mem::take(&mut self.waiting))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(key: &str, value: impl Into<Value>) -> Object {
        Object::from([(key.into(), value.into())])
    }

    #[test]
    fn only_what_changed_is_told_and_a_hello_tells_all() {
        let mut state = Reporting::default();
        assert_eq!(state.take(), None);
        state.change(one("window", "open")).unwrap();
        assert_eq!(state.take(), None);
        assert_eq!(state.whole(), (Some(one("window", "open")), None));
        state.change(one("window", "opening")).unwrap();
        state.change(one("window", "closed")).unwrap();
        assert_eq!(state.take(), Some((None, one("window", "closed"))));
        assert_eq!(state.take(), None);
        state.change(one("door", "locked")).unwrap();
        state.change(one("window", Value::Null)).unwrap();
        state.take_in(7);
        assert_eq!(state.whole(), (Some(one("door", "locked")), Some(7)));
        assert_eq!(state.take(), None, "the hello told it");
        state.change(one("door", Value::Null)).unwrap();
        assert_eq!(state.take(), Some((Some(7), one("door", Value::Null))));
        state.cut();
        state.change(one("seat", "warm")).unwrap();
        assert_eq!(state.take(), None, "the next hello tells it");
    }

    #[test]
    fn a_version_that_was_taken_in_is_told_by_itself() {
        let mut state = Reporting::default();
        state.whole();
        state.take_in(3);
        assert_eq!(state.take(), Some((Some(3), Object::new())));
        assert_eq!(state.take(), None);
    }

    #[test]
    fn the_latest_measurement_counts() {
        let mut telemetry = Telemetry::default();
        telemetry.measure(one("speed", 1)).unwrap();
        telemetry.measure(one("speed", 2)).unwrap();
        telemetry.measure(one("heading", 3)).unwrap();
        assert_eq!(telemetry.take().map(|it| it.len()), Some(2));
        assert_eq!(telemetry.take(), None);
    }

    #[test]
    fn both_have_a_bound() {
        let most = TOLD_BYTES_MAX;
        let overhead = print(&one("k", "")).len();
        let mut state = Reporting::default();
        let text = |bytes: usize| "x".repeat(bytes - overhead);
        assert_eq!(
            state.change(one("k", text(most + 1).as_str())),
            Err(TooMuch::State(most))
        );
        state.change(one("k", text(most).as_str())).unwrap();
        let mut telemetry = Telemetry::default();
        let keys = Limits::DEFAULT.telemetry_keys_max;
        for key in 0..keys {
            telemetry.measure(one(&key.to_string(), 1)).unwrap();
        }
        assert_eq!(telemetry.measure(one("more", 1)), Err(TooMuch::Keys(keys)));
        telemetry.measure(one("0", 2)).unwrap();
        let bytes = TOLD_BYTES_MAX;
        let large = "x".repeat(bytes);
        assert_eq!(
            telemetry.measure(one("0", large.as_str())),
            Err(TooMuch::Telemetry(bytes))
        );
    }
}
