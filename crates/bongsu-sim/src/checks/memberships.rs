//! Memberships that end with the member's last session: not before, not never, and told of once.

use super::Violation;
use crate::history::{History, Saw};
use crate::truth::Commit;

/// Who signs in at the very moment at which it is taken out may be taken out; so long that moment lasts.
const RACE_MS: u64 = 300;
/// How long a request to leave may wait until it is served, if its sender does not read.
const LEAVING_MS: u64 = 15_000;

/// An end of a membership that nobody asked for.
struct Ended {
    room: i64,
    user: i64,
    at_ms: u64,
}

fn ends(history: &History) -> Vec<Ended> {
    let commits = history.truth.commits.iter().zip(&history.truth.at_ms);
    let ends = commits.filter_map(|(it, at_ms)| match it {
        Commit::Left { room, user, .. } if history.stage.session_rooms.contains(room) => Some(Ended {
            room: *room,
            user: *user,
            at_ms: *at_ms,
        }),
        Commit::Left { .. } | Commit::Joined { .. } | Commit::Posted { .. } => None,
    });
    ends.filter(|end| !asked_for(history, end)).collect()
}

fn asked_for(history: &History, end: &Ended) -> bool {
    history.records.iter().any(|record| {
        let leaving = record.saw == Saw::Leaving { room: end.room } && record.user == end.user;
        leaving && record.at_ms <= end.at_ms && record.at_ms + LEAVING_MS >= end.at_ms
    })
}

/// Nobody was taken out who was there, or had not been gone for the time of grace.
pub(super) fn not_early(history: &History) -> Result<(), Violation> {
    for end in ends(history) {
        let there = history.truth.visits.iter().any(|visit| {
            visit.user == end.user
                && visit.since_ms + RACE_MS < end.at_ms
                && visit
                    .until_ms
                    .is_none_or(|until| until + history.stage.grace_ms > end.at_ms)
        });
        if there {
            return Err(Violation::Early {
                room: end.room,
                user: end.user,
                at_ms: end.at_ms,
            });
        }
    }
    Ok(())
}

/// Who went away for good is a member no more, and whoever was there with it was told once.
pub(super) fn ended(history: &History) -> Result<(), Violation> {
    let Some((user, since_ms)) = history.stage.absent else {
        return Ok(());
    };
    for room in &history.stage.session_rooms {
        let stays = history.truth.stays(*room, user);
        let Some(last) = stays.last() else { continue };
        let Some(until) = last.until else {
            return Err(Violation::Remains { room: *room, user });
        };
        if history.truth.at_ms[until] < since_ms {
            continue;
        }
        for standing in &history.standing {
            let stays = history.truth.stays(*room, standing.user);
            let with = stays.last().is_some_and(|stay| {
                stay.until.is_none() && history.truth.at_ms[stay.since] + 1_000 < since_ms
            });
            let link = (standing.client, standing.session);
            let mut records = history.records.iter();
            let dialled = records
                .find(|it| (it.client, it.session) == link)
                .map_or(u64::MAX, |it| it.at_ms);
            if !with || dialled.saturating_add(1_000) > since_ms {
                continue;
            }
            let told = history.records.iter().filter(|it| {
                (it.client, it.session) == link
                    && it.at_ms >= since_ms
                    && it.saw == Saw::Gone { room: *room, user }
            });
            let times = told.count();
            if times != 1 {
                return Err(Violation::Farewell {
                    client: standing.client,
                    room: *room,
                    user,
                    times,
                });
            }
        }
    }
    Ok(())
}

/// Counts what memberships of sessions went through.
pub(crate) fn count(history: &mut History) {
    let ends = ends(history);
    let rooms = history.stage.session_rooms.clone();
    let mut kept = 0;
    for visit in &history.truth.visits {
        let back = |other: &&crate::truth::Visit| {
            let until = visit.until_ms.unwrap_or(u64::MAX);
            other.user == visit.user
                && other.since_ms > until
                && other.since_ms - until < history.stage.grace_ms
        };
        let Some(back) = history.truth.visits.iter().find(back) else {
            continue;
        };
        let over = |room: &&i64| {
            let at_ms = |commit: usize| history.truth.at_ms[commit];
            let stays = history.truth.stays(**room, visit.user);
            stays.iter().any(|stay| {
                Some(at_ms(stay.since)) < visit.until_ms
                    && stay.until.is_none_or(|until| at_ms(until) > back.since_ms)
            })
        };
        kept += rooms.iter().filter(over).count() as u64;
    }
    *history
        .counted
        .entry("memberships ended with sessions")
        .or_default() += ends.len() as u64;
    *history
        .counted
        .entry("memberships kept for who came back")
        .or_default() += kept;
    let said = |what: fn(&Saw) -> bool| history.records.iter().filter(|it| what(&it.saw)).count() as u64;
    let events = said(|saw| matches!(saw, Saw::Event { .. }));
    let blocked = said(|saw| matches!(saw, Saw::Blocked { .. }));
    history.counted.insert("events heard", events);
    history.counted.insert("blocks", blocked);
}
