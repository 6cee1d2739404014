//! What a device should be and what it says it is: how both change, and what the difference is.
//!
//! Invariant: the version rises by one with a change of either, and never for a repeat, so that a device that reports
//! again and again what it is cannot make a circle of deltas; a change that is refused has changed nothing.

mod merge;

use std::collections::BTreeMap;
use std::sync::Arc;

use bongsu_model::device::{Desired, Object, Reported, Shadow, Value};
use bongsu_model::refusal::Why;
use bongsu_model::{Code, Limits, Refusal, Timestamp, Want};

pub use merge::{difference, merge, same};

/// The longest that a wish can be given a time for, in milliseconds: a year.
pub const WISH_MS_MAX: u64 = 366 * 24 * 60 * 60 * 1_000;

/// After how many milliseconds the wish for a key is dropped; keys that are not in it are wished for until further notice.
pub type WishTimes = BTreeMap<Arc<str>, u64>;

/// Who writes wishes, and when.
#[derive(Clone, Copy)]
struct Wishing<'a> {
    ttl_ms: &'a WishTimes,
    by: &'a Arc<str>,
    now: Timestamp,
    bytes_max: usize,
}

/// Drops the wishes whose time is over. Answers whether there were any.
pub fn expire(shadow: &mut Shadow, now: Timestamp) -> bool {
    let before = shadow.desired.len();
    shadow.desired.retain(|_, wish| lives(wish, now));
    let changed = shadow.desired.len() < before;
    shadow.version += u64::from(changed);
    changed
}

/// The desired state where it differs from the reported one: what the device has still to do. Wishes whose time is over
/// are not in it; `without_open_commands` leaves out those that a command brings anyway.
#[must_use]
pub fn delta(shadow: &Shadow, now: Timestamp, without_open_commands: bool) -> Object {
    let wishes = shadow.desired.iter().filter(|(_, wish)| lives(wish, now));
    let wishes = wishes.filter(|(_, wish)| !(without_open_commands && wish.command.is_some()));
    let differs = wishes.filter_map(|(key, wish)| {
        let reported = shadow.reported.get(key).map(|it| &it.value);
        Some((Arc::clone(key), difference(&wish.value, reported)?))
    });
    differs.collect()
}

/// The desired state as one object. Wishes whose time is over are not in it.
#[must_use]
pub fn desired(shadow: &Shadow, now: Timestamp) -> Object {
    let wishes = shadow.desired.iter().filter(|(_, wish)| lives(wish, now));
    wishes
        .map(|(key, wish)| (Arc::clone(key), wish.value.clone()))
        .collect()
}

/// The reported state as one object.
#[must_use]
pub fn reported(shadow: &Shadow) -> Object {
    let keys = shadow.reported.iter();
    keys.map(|(key, it)| (Arc::clone(key), it.value.clone()))
        .collect()
}

/// Replaces the desired state: what is not in `state` is not wished any more. Answers whether anything changed.
///
/// `null` stands for what is not there, also inside of objects. A wish that was a command's is the writer's from now on.
///
/// # Errors
/// `MESSAGE_TOO_LARGE`; `INVALID_DATA` for a `ttl_ms` out of its range or of a key that is not written.
pub fn put_desired(
    shadow: &mut Shadow,
    state: Object,
    ttl_ms: &WishTimes,
    by: &Arc<str>,
    now: Timestamp,
    limits: &Limits,
) -> Result<bool, Refusal> {
    let how = Wishing {
        ttl_ms,
        by,
        now,
        bytes_max: limits.state_bytes_max,
    };
    let mut whole = Value::Object(Object::new());
    merge(&mut whole, &Value::Object(state));
    let Value::Object(whole) = whole else {
        // Merging an object into an object leaves one.
        return Ok(false);
    };
    let wishes = whole.into_iter().map(|(key, value)| {
        let wish = wish(shadow.desired.get(&key), value, &key, how);
        (key, wish)
    });
    let fresh: BTreeMap<_, _> = wishes.collect();
    replace(shadow, fresh, how)
}

/// Changes the desired state by a merge patch (RFC 7396): `null` deletes, objects are merged, all else replaces. Answers
/// whether anything changed.
///
/// A key that is patched without a time has none from then on; others keep theirs.
///
/// # Errors
/// As [`put_desired`].
pub fn patch_desired(
    shadow: &mut Shadow,
    patch: Object,
    ttl_ms: &WishTimes,
    by: &Arc<str>,
    now: Timestamp,
    limits: &Limits,
) -> Result<bool, Refusal> {
    if let Some(key) = ttl_ms.keys().find(|key| !patch.contains_key(*key)) {
        return Err(stray(key));
    }
    let how = Wishing {
        ttl_ms,
        by,
        now,
        bytes_max: limits.state_bytes_max,
    };
    let mut fresh = shadow.desired.clone();
    fresh.retain(|_, wish| lives(wish, how.now));
    for (key, change) in patch {
        if matches!(change, Value::Null) {
            fresh.remove(&key);
            continue;
        }
        let before = fresh.get(&key);
        let mut value = before.map_or(Value::Null, |wish| wish.value.clone());
        merge(&mut value, &change);
        let wish = wish(before, value, &key, how);
        fresh.insert(key, wish);
    }
    replace(shadow, fresh, how)
}

/// Takes in what a device says changed of its state, as a merge patch, and which desired version it has seen. Answers
/// whether there is anything to keep; the version has risen if the state changed, not if only `version` did.
///
/// # Errors
/// `MESSAGE_TOO_LARGE`.
pub fn report(
    shadow: &mut Shadow,
    state: Object,
    version: Option<u64>,
    now: Timestamp,
    limits: &Limits,
) -> Result<bool, Refusal> {
    let mut fresh = shadow.reported.clone();
    for (key, change) in state {
        if matches!(change, Value::Null) {
            fresh.remove(&key);
            continue;
        }
        let before = fresh.get(&key);
        let mut value = before.map_or(Value::Null, |it| it.value.clone());
        merge(&mut value, &change);
        let it = said(before, value, now);
        fresh.insert(key, it);
    }
    take_in(shadow, fresh, version, limits.state_bytes_max)
}

/// Takes in the whole state that a device says it is in, as it does in its hello: what it does not name is gone.
/// Otherwise as [`report`].
///
/// # Errors
/// `MESSAGE_TOO_LARGE`.
pub fn report_whole(
    shadow: &mut Shadow,
    state: Object,
    version: Option<u64>,
    now: Timestamp,
    limits: &Limits,
) -> Result<bool, Refusal> {
    let keys = state
        .into_iter()
        .filter(|(_, value)| !matches!(value, Value::Null));
    let fresh = keys.map(|(key, change)| {
        let mut value = Value::Null;
        merge(&mut value, &change);
        let it = said(shadow.reported.get(&key), value, now);
        (key, it)
    });
    let fresh = fresh.collect();
    take_in(shadow, fresh, version, limits.state_bytes_max)
}

fn lives(wish: &Desired, now: Timestamp) -> bool {
    wish.expires_at.is_none_or(|end| now < end)
}

/// A wish as it is after a write: the one from before if that says the same.
fn wish(before: Option<&Desired>, value: Value, key: &Arc<str>, how: Wishing<'_>) -> Desired {
    let ttl_ms = how.ttl_ms.get(key);
    let expires_at = ttl_ms.map(|ms| {
        let ms = i64::try_from(*ms).unwrap_or(i64::MAX);
        Timestamp(how.now.0.saturating_add(ms))
    });
    let stands = |wish: &&Desired| {
        wish.value == value && wish.expires_at == expires_at && wish.command.is_none() && lives(wish, how.now)
    };
    before.filter(stands).cloned().unwrap_or_else(|| Desired {
        value,
        at: how.now,
        by: Arc::clone(how.by),
        expires_at,
        command: None,
    })
}

/// Puts checked wishes in the place of the old ones.
fn replace(
    shadow: &mut Shadow,
    fresh: BTreeMap<Arc<str>, Desired>,
    how: Wishing<'_>,
) -> Result<bool, Refusal> {
    for (key, ttl_ms) in how.ttl_ms {
        if !(1..=WISH_MS_MAX).contains(ttl_ms) {
            return Err(Refusal::field(
                "ttl_ms",
                Want::Between(1, WISH_MS_MAX.cast_signed()),
            ));
        }
        if !fresh.contains_key(key) {
            return Err(stray(key));
        }
    }
    let values = fresh.iter().map(|(key, wish)| (key, &wish.value));
    fits(values, how.bytes_max)?;
    let changed = fresh != shadow.desired;
    if changed {
        shadow.desired = fresh;
        shadow.version += 1;
    }
    Ok(changed)
}

/// A time for a wish that nobody makes.
fn stray(key: &str) -> Refusal {
    Refusal {
        why: Why::Argument {
            pointer: format!("/ttl_ms/{}", key.replace('~', "~0").replace('/', "~1")).into(),
            says: "it is no key that is written".into(),
        },
        ..Refusal::new(Code::InvalidData)
    }
}

fn said(before: Option<&Reported>, value: Value, now: Timestamp) -> Reported {
    match before {
        Some(before) if same(&before.value, &value) => before.clone(),
        Some(_) | None => Reported { value, at: now },
    }
}

fn take_in(
    shadow: &mut Shadow,
    fresh: BTreeMap<Arc<str>, Reported>,
    version: Option<u64>,
    bytes_max: usize,
) -> Result<bool, Refusal> {
    fits(fresh.iter().map(|(key, it)| (key, &it.value)), bytes_max)?;
    let changed = fresh != shadow.reported;
    if changed {
        shadow.reported = fresh;
        shadow.version += 1;
    }
    let seen = version.is_some() && version != shadow.reported_version;
    if seen {
        shadow.reported_version = version;
    }
    Ok(changed || seen)
}

/// Whether these fit, as the JSON of one object.
fn fits<'a>(
    entries: impl Iterator<Item = (&'a Arc<str>, &'a Value)>,
    bytes_max: usize,
) -> Result<(), Refusal> {
    // A colon and a comma for each; of the last comma and the two braces one is saved.
    let entries = entries.map(|(key, value)| Value::Text(Arc::clone(key)).bytes() + value.bytes() + 2);
    let bytes = entries.sum::<usize>().max(1) + 1;
    if bytes <= bytes_max {
        Ok(())
    } else {
        Err(Refusal::too_large("state", bytes_max as u64))
    }
}

#[cfg(test)]
mod tests;
