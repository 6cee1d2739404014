//! Defects planted into histories and into the world: the checks must find each of them, and nothing where there is none.

use bongsu_sim::checks::{self, Violation};
use bongsu_sim::history::{History, Saw};
use bongsu_sim::run;
use bongsu_sim::truth::Commit;

const SEED: u64 = 7;
const OPS: usize = 150;

fn clean() -> History {
    let (history, _) = run(SEED, OPS);
    judge(&history).expect("the history holds before a defect is planted");
    history
}

fn judge(history: &History) -> Result<(), Violation> {
    checks::always(history).and_then(|()| checks::eventually(history))
}

fn found(history: &History) -> Violation {
    judge(history).expect_err("the planted defect is found")
}

/// Where a session was given two messages of one room, one right after the other.
fn pair(history: &History) -> (usize, usize) {
    let records = &history.records;
    let place = |index: usize| {
        let record = &records[index];
        let Saw::Message { room, seq, .. } = record.saw else {
            return None;
        };
        Some((record.client, record.session, room, seq))
    };
    let pairs = (0..records.len()).filter_map(|first| {
        let (client, session, room, seq) = place(first)?;
        let second =
            (first + 1..records.len()).find(|it| place(*it) == Some((client, session, room, seq + 1)))?;
        // Somebody goes on after them, so that a missing one shows.
        (second + 1..records.len()).find(|it| place(*it) == Some((client, session, room, seq + 2)))?;
        Some((first, second))
    });
    pairs.max().expect("somebody hears three messages in a row")
}

#[test]
fn a_dropped_delivery() {
    let mut history = clean();
    let (_, second) = pair(&history);
    history.records.remove(second);
    assert!(matches!(found(&history), Violation::Order { .. }));
}

#[test]
fn a_dropped_last_delivery() {
    let mut history = clean();
    let standing = history.standing.clone();
    let last = history.records.iter().rposition(|record| {
        let stands = standing
            .iter()
            .any(|it| (it.client, it.session) == (record.client, record.session));
        stands && matches!(record.saw, Saw::Message { .. })
    });
    history
        .records
        .remove(last.expect("somebody who stands was given a message"));
    assert!(matches!(found(&history), Violation::Level { .. }));
}

#[test]
fn a_repeated_delivery() {
    let mut history = clean();
    let (first, _) = pair(&history);
    let again = history.records[first].clone();
    history.records.insert(first + 1, again);
    assert!(matches!(found(&history), Violation::Order { .. }));
}

#[test]
fn two_deliveries_in_the_wrong_order() {
    let mut history = clean();
    let (first, second) = pair(&history);
    history.records.swap(first, second);
    assert!(matches!(found(&history), Violation::Order { .. }));
}

#[test]
fn a_delivery_to_someone_who_was_no_member() {
    let mut history = clean();
    let (index, room, seq, user) = leak(&history).expect("somebody misses something while away");
    let mut record = history.records[index].clone();
    record.user = user;
    record.client = 99;
    history.records.push(record);
    assert!(matches!(found(&history), Violation::Private { room: r, seq: s, .. } if (r, s) == (room, seq)));
}

/// A delivered message that some user must never have: it was posted after the user's last membership, or it had none.
fn leak(history: &History) -> Option<(usize, i64, u64, i64)> {
    history.records.iter().enumerate().find_map(|(index, record)| {
        let Saw::Message { room, seq, .. } = record.saw else {
            return None;
        };
        let outsider = (1..=6).find(|user| {
            let stays = history.truth.stays(room, *user);
            stays
                .iter()
                .all(|stay| stay.left.is_some_and(|left| left < seq) || stay.since >= record.commits)
        })?;
        Some((index, room, seq, outsider))
    })
}

#[test]
fn an_acknowledged_post_that_was_lost() {
    let mut history = clean();
    let (room, content) = acknowledged(&history);
    let messages = history
        .stored
        .iter_mut()
        .find(|(r, _)| *r == room)
        .map(|(_, messages)| messages);
    let (_, text) = messages
        .into_iter()
        .flatten()
        .find(|(_, text)| *text == content)
        .expect("it is stored");
    text.push_str(" but not so");
    assert!(matches!(found(&history), Violation::Lost { content: lost, .. } if lost == content));
}

fn acknowledged(history: &History) -> (i64, String) {
    let all = history.records.iter().rev();
    let mut all = all.filter_map(|record| {
        let Saw::Acknowledged { room, content, .. } = &record.saw else {
            return None;
        };
        Some((*room, content.clone()))
    });
    all.next().expect("something was acknowledged")
}

#[test]
fn an_acknowledgement_before_the_commit() {
    let mut history = clean();
    let (_, content) = acknowledged(&history);
    let committed = history
        .truth
        .commits
        .iter()
        .position(|commit| matches!(commit, Commit::Posted { content: text, .. } if *text == content));
    let record = history
        .records
        .iter_mut()
        .find(|record| matches!(&record.saw, Saw::Acknowledged { content: text, .. } if *text == content));
    record.expect("it was acknowledged").commits = committed.expect("it was committed");
    assert!(matches!(found(&history), Violation::Durable { .. }));
}

#[test]
fn a_text_that_was_changed_on_its_way() {
    let mut history = clean();
    let (first, _) = pair(&history);
    if let Saw::Message { content, .. } = &mut history.records[first].saw {
        content.push('!');
    }
    assert!(matches!(found(&history), Violation::Durable { .. }));
}

#[test]
fn a_post_that_is_stored_twice() {
    let mut history = clean();
    let named = history.records.iter().find_map(|record| {
        let Saw::Sent {
            content,
            client_id: Some(_),
            ..
        } = &record.saw
        else {
            return None;
        };
        Some(content.clone())
    });
    let content = named.expect("somebody names its post");
    let (_, messages) = &mut history.stored[0];
    for _ in 0..2 {
        let next = messages.last().map_or(1, |(seq, _)| seq + 1);
        messages.push((next, content.clone()));
    }
    assert!(matches!(found(&history), Violation::Twice { .. }));
}

#[test]
fn a_hole_in_the_numbers() {
    let mut history = clean();
    let (_, messages) = history
        .stored
        .iter_mut()
        .find(|(_, messages)| messages.len() > 2)
        .expect("a busy room");
    messages.remove(1);
    assert!(matches!(found(&history), Violation::Hole { .. }));
}

#[test]
fn a_resume_that_was_promised_and_not_kept() {
    let mut history = clean();
    let records = &history.records;
    let resumed = records.iter().enumerate().rev().find_map(|(index, record)| {
        let Saw::Connected { rooms } = &record.saw else {
            return None;
        };
        let behind = rooms.iter().find(|(_, seq, has)| has < seq)?;
        Some((index, record.client, record.session, behind.0, behind.2 + 1))
    });
    let (index, client, session, room, next) = resumed.expect("somebody resumes and has missed something");
    let first = (index..records.len()).find(|it| {
        let record = &records[*it];
        let place = (record.client, record.session) == (client, session);
        place && matches!(&record.saw, Saw::Message { room: r, seq, .. } if (*r, *seq) == (room, next))
    });
    history
        .records
        .remove(first.expect("it is given the first message that it missed"));
    assert!(matches!(
        found(&history),
        Violation::Order { .. } | Violation::Level { .. }
    ));
}

#[test]
fn a_banned_user_who_stays() {
    let mut history = clean();
    history.lingering.push(3);
    assert_eq!(found(&history), Violation::Lingers { client: 3 });
}

#[test]
fn a_post_that_is_never_answered() {
    let mut history = clean();
    history.unanswered.push("0.1".to_owned());
    assert_eq!(
        found(&history),
        Violation::Unanswered {
            content: "0.1".to_owned()
        }
    );
}
