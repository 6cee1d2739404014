//! The defects that are planted: each takes a correct history and makes of it what a broken server would have left.
//!
//! Invariant: a defect stands where clients were able to notice it: nothing is dropped that nobody was owed.

use bongsu_sim::Random;
use bongsu_sim::judge::Promise;
use serde_json::{Value, json};

use crate::generator::Record;

/// A defect.
pub(crate) struct Defect {
    pub(crate) name: &'static str,
    /// What it breaks, at least.
    pub(crate) breaks: Promise,
    /// Plants it, if there is a place for it.
    pub(crate) plant: fn(&mut Record, &Random) -> bool,
}

pub(crate) const DEFECTS: [Defect; 12] = [
    Defect {
        name: "drop",
        breaks: Promise::Delivery,
        plant: drop,
    },
    Defect {
        name: "duplicate",
        breaks: Promise::Delivery,
        plant: duplicate,
    },
    Defect {
        name: "swap",
        breaks: Promise::Delivery,
        plant: swap,
    },
    Defect {
        name: "ack before commit",
        breaks: Promise::Durable,
        plant: ack_before_commit,
    },
    Defect {
        name: "hole",
        breaks: Promise::Order,
        plant: hole,
    },
    Defect {
        name: "leak after leave",
        breaks: Promise::Privacy,
        plant: leak,
    },
    Defect {
        name: "two terminal states",
        breaks: Promise::Commands,
        plant: two_ends,
    },
    Defect {
        name: "double start",
        breaks: Promise::Commands,
        plant: double_start,
    },
    Defect {
        name: "late start",
        breaks: Promise::Fresh,
        plant: late_start,
    },
    Defect {
        name: "gap hidden",
        breaks: Promise::Delivery,
        plant: gap_hidden,
    },
    Defect {
        name: "hash changed",
        breaks: Promise::Durable,
        plant: hash_changed,
    },
    Defect {
        name: "lost on resume",
        breaks: Promise::Delivery,
        plant: lost_on_resume,
    },
];

fn is(line: &Value, kind: &str) -> bool {
    line["kind"] == kind
}

fn same(one: &Value, other: &Value, fields: &[&str]) -> bool {
    fields.iter().all(|field| one[*field] == other[*field])
}

/// The places of the lines of a kind that are right for a defect.
fn places(record: &Record, kind: &str, right: impl Fn(usize) -> bool) -> Vec<usize> {
    (0..record.len())
        .filter(|at| is(&record[*at], kind) && right(*at))
        .collect()
}

/// What a client is told next of the room of a line, if it stays until then.
fn next(record: &Record, at: usize) -> Option<usize> {
    let of_room = |line: &Value| same(line, &record[at], &["client", "room"]);
    let next = (at + 1..record.len()).find(|next| {
        let line = &record[*next];
        (line["client"] == record[at]["client"] && is(line, "rest"))
            || (of_room(line)
                && ["deliver", "leaving", "leave", "resume"]
                    .iter()
                    .any(|kind| is(line, kind)))
    })?;
    let leaves = is(&record[next], "leaving") || is(&record[next], "leave");
    // Whoever is told something behind its leave was owed nothing.
    let joined = record[..at]
        .iter()
        .rev()
        .find(|line| of_room(line) && ["join", "leave", "hears"].iter().any(|kind| is(line, kind)));
    (!leaves && joined.is_some_and(|line| !is(line, "leave"))).then_some(next)
}

fn drop(record: &mut Record, random: &Random) -> bool {
    let all = places(record, "deliver", |at| next(record, at).is_some());
    let Some(at) = random.one_of(&all) else {
        return false;
    };
    record.remove(*at);
    true
}

fn duplicate(record: &mut Record, random: &Random) -> bool {
    let all = places(record, "deliver", |at| next(record, at).is_some());
    let Some(at) = random.one_of(&all).copied() else {
        return false;
    };
    // Again at once, or much later.
    let upto = record[at..]
        .iter()
        .position(|line| line["client"] == record[at]["client"] && is(line, "close"));
    let later = at + 1 + random.within(0..upto.unwrap_or(1) as u64) as usize;
    let between = record[at..later].iter();
    let left = between
        .clone()
        .any(|line| same(line, &record[at], &["client", "room"]) && is(line, "leave"));
    let again = record[at].clone();
    record.insert(if left { at + 1 } else { later }, again);
    true
}

fn swap(record: &mut Record, random: &Random) -> bool {
    let all = places(record, "deliver", |at| {
        next(record, at).is_some_and(|next| is(&record[next], "deliver"))
    });
    let Some(at) = random.one_of(&all).copied() else {
        return false;
    };
    let Some(next) = next(record, at) else {
        return false;
    };
    record.swap(at, next);
    true
}

/// The last message of a room is acknowledged, and a crash takes it before it is kept.
fn ack_before_commit(record: &mut Record, random: &Random) -> bool {
    let rooms = places(record, "room", |at| {
        let last = |line: &Value| same(line, &record[at], &["room", "seq"]) && is(line, "ack");
        record.iter().any(last)
    });
    let Some(at) = random.one_of(&rooms).copied() else {
        return false;
    };
    let (room, seq) = (
        record[at]["room"].clone(),
        record[at]["seq"].as_u64().unwrap_or(0),
    );
    record[at]["seq"] = json!(seq - 1);
    record.retain(|line| {
        let it = line["room"] == room && line["seq"] == seq;
        !(it && (is(line, "message") || is(line, "deliver")))
    });
    true
}

/// A number that was given to nothing.
fn hole(record: &mut Record, random: &Random) -> bool {
    let all = places(record, "message", |at| {
        record[at + 1]["room"] == record[at]["room"]
    });
    let Some(at) = random.one_of(&all).copied() else {
        return false;
    };
    let gone = record[at].clone();
    record.retain(|line| {
        let it = same(line, &gone, &["room", "seq"]);
        !(it && (is(line, "message") || is(line, "deliver") || is(line, "ack")))
    });
    true
}

/// The first message that somebody sends to the room of a leave before its client may be a member again.
fn sent_after(record: &Record, leave: usize) -> Option<usize> {
    let left = &record[leave];
    for (at, line) in record.iter().enumerate().skip(leave + 1) {
        let again = is(line, "joining") || is(line, "rest");
        if again && line["client"] == left["client"] {
            return None;
        }
        let first = |hash: &Value| record[..at].iter().all(|line| line["hash"] != *hash);
        if is(line, "send") && line["room"] == left["room"] && first(&line["hash"]) {
            return Some(at);
        }
    }
    None
}

/// Where a message came to anybody.
fn told(record: &Record, sent: usize) -> Option<usize> {
    let of_message = |line: &Value| is(line, "deliver") && same(line, &record[sent], &["room", "hash"]);
    record.iter().position(of_message)
}

fn leak(record: &mut Record, random: &Random) -> bool {
    let found = |at| {
        let sent = sent_after(record, at)?;
        Some((at, sent, told(record, sent)?))
    };
    let all: Vec<_> = places(record, "leave", |_| true)
        .into_iter()
        .filter_map(found)
        .collect();
    let Some((at, sent, told)) = random.one_of(&all).copied() else {
        return false;
    };
    let mut line = record[told].clone();
    line["client"] = record[at]["client"].clone();
    line["t_ms"] = json!(record[sent]["t_ms"].as_f64().unwrap_or(0.0) + 0.01);
    record.insert(sent + 1, line);
    true
}

fn two_ends(record: &mut Record, random: &Random) -> bool {
    let kind = if random.often(500) { "command" } else { "terminal" };
    let Some(at) = random.one_of(&places(record, kind, |_| true)).copied() else {
        return false;
    };
    let other = if record[at]["state"] == "cancelled" {
        "expired"
    } else {
        "cancelled"
    };
    if kind == "terminal" {
        record[at]["state"] = json!(other);
    } else if let Some(steps) = record[at]["steps"].as_array_mut() {
        steps.push(json!({ "state": other, "at": 0 }));
    }
    true
}

fn double_start(record: &mut Record, random: &Random) -> bool {
    let Some(at) = random.one_of(&places(record, "device_start", |_| true)).copied() else {
        return false;
    };
    let again = record[at].clone();
    record.insert(at + 1, again);
    true
}

fn late_start(record: &mut Record, random: &Random) -> bool {
    let Some(at) = random.one_of(&places(record, "device_start", |_| true)).copied() else {
        return false;
    };
    let of_command = |line: &&Value| same(line, &record[at], &["command_id"]) && is(line, "command");
    let Some(not_after) = record
        .iter()
        .find(of_command)
        .and_then(|line| line["not_after"].as_i64())
    else {
        return false;
    };
    record[at]["device_time"] = json!(not_after + 1 + random.within(0..1_000) as i64);
    true
}

/// What follows a line for its client and room, as long as it came in a certain way.
fn run(record: &Record, at: usize, how: &str) -> Vec<usize> {
    let of_room =
        (at + 1..record.len()).filter(|next| same(&record[*next], &record[at], &["client", "room"]));
    let told = of_room.skip_while(|next| is(&record[*next], "gap"));
    told.take_while(|next| is(&record[*next], "deliver") && record[*next]["how"] == how)
        .collect()
}

/// What could not be replayed is called replayed, and never read.
fn gap_hidden(record: &mut Record, random: &Random) -> bool {
    hidden(record, random, false, "page")
}

/// Part of what was to be replayed is not.
fn lost_on_resume(record: &mut Record, random: &Random) -> bool {
    hidden(record, random, true, "missed")
}

fn hidden(record: &mut Record, random: &Random, recovered: bool, how: &str) -> bool {
    let all = places(record, "recovered", |at| {
        let last = run(record, at, how).last().copied();
        record[at]["recovered"] == recovered && last.is_some_and(|last| next(record, last).is_some())
    });
    let Some(at) = random.one_of(&all).copied() else {
        return false;
    };
    let lost = run(record, at, how);
    let gap = (at + 1..record.len())
        .find(|next| same(&record[*next], &record[at], &["client", "room"]) && is(&record[*next], "gap"));
    record[at]["recovered"] = json!(true);
    let kept = if recovered {
        random.within(0..lost.len() as u64) as usize
    } else {
        0
    };
    for at in lost.into_iter().skip(kept).rev() {
        record.remove(at);
    }
    if let (false, Some(gap)) = (recovered, gap) {
        record.remove(gap);
    }
    true
}

fn hash_changed(record: &mut Record, random: &Random) -> bool {
    let kind = if random.often(500) { "deliver" } else { "message" };
    let answered = |at: usize| {
        let acked = |line: &Value| same(line, &record[at], &["room", "seq"]) && is(line, "ack");
        kind == "deliver" || record.iter().any(acked)
    };
    let Some(at) = random.one_of(&places(record, kind, answered)).copied() else {
        return false;
    };
    record[at]["hash"] = json!("another");
    true
}
