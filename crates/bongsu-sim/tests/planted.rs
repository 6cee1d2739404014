//! Defects planted into histories and into the world: the checks must find each of them, and nothing where there is none.

use bongsu_sim::checks::{self, Violation};
use bongsu_sim::history::{History, Saw};
use bongsu_sim::truth::{Commit, Visit};
use bongsu_sim::{Cast, Defect, run, run_with};

const SEED: u64 = 7;
const OPS: usize = 150;
/// As many things as happen in each of the seeds that are run always, and how many those are.
const WORLD_OPS: usize = 250;
const WORLD_SEEDS: u64 = 200;

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
        let Saw::Connected { rooms, .. } = &record.saw else {
            return None;
        };
        let behind = rooms.iter().find(|it| it.has < it.seq)?;
        Some((index, record.client, record.session, behind.room, behind.has + 1))
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

/// The first clean history of which something is true.
fn history_where<T>(find: impl Fn(&History) -> Option<T>) -> (History, T) {
    let mut seeds = (1..=WORLD_SEEDS).filter_map(|seed| {
        let (history, _) = run(seed, OPS);
        let found = find(&history)?;
        judge(&history).expect("the history holds before a defect is planted");
        Some((history, found))
    });
    seeds.next().expect("in some seed it is so")
}

fn record_where(history: &History, is: impl Fn(&Saw) -> bool) -> Option<usize> {
    history.records.iter().rposition(|record| is(&record.saw))
}

#[test]
fn an_event_that_nobody_sent_so() {
    let (mut history, heard) = history_where(|it| record_where(it, |saw| matches!(saw, Saw::Event { .. })));
    if let Saw::Event { sender, .. } = &mut history.records[heard].saw {
        *sender += 1;
    }
    assert!(matches!(found(&history), Violation::Unsaid { .. }));
}

#[test]
fn an_event_for_someone_who_was_no_member() {
    let (mut history, (heard, user)) = history_where(|it| {
        let heard = record_where(it, |saw| matches!(saw, Saw::Event { .. }))?;
        let Saw::Event { room, .. } = it.records[heard].saw else {
            return None;
        };
        let never = (1..=6).find(|user| it.truth.stays(room, *user).is_empty())?;
        Some((heard, never))
    });
    history.records[heard].user = user;
    assert!(matches!(found(&history), Violation::Stranger { .. }));
}

#[test]
fn an_event_after_the_word_that_one_has_left() {
    // Where somebody was told that it is out, then somebody else sent an event there.
    let (mut history, (told, heard)) = history_where(|it| {
        it.records.iter().enumerate().find_map(|(told, record)| {
            let Saw::Left { room } = record.saw else {
                return None;
            };
            let sent = (told..it.records.len())
                .find(|at| matches!(&it.records[*at].saw, Saw::Emitted { room: r, .. } if *r == room))?;
            let Saw::Emitted { mark, .. } = it.records[sent].saw else {
                return None;
            };
            let heard = (sent..it.records.len())
                .find(|at| matches!(&it.records[*at].saw, Saw::Event { mark: m, .. } if *m == mark))?;
            let stays = it.truth.stays(room, record.user);
            let back = stays
                .last()
                .is_some_and(|stay| stay.until.is_none_or(|until| until >= record.commits));
            (!back).then_some((told, heard))
        })
    });
    let link = history.records[told].clone();
    let event = &mut history.records[heard];
    (event.client, event.session, event.user) = (link.client, link.session, link.user);
    assert!(matches!(found(&history), Violation::Stranger { .. }));
}

#[test]
fn events_of_one_key_that_were_turned_around() {
    let (mut history, (first, second)) = history_where(|it| {
        let events = it.records.iter().enumerate().filter_map(|(at, record)| {
            let Saw::Event { key, mark, room, .. } = &record.saw else {
                return None;
            };
            // One hears oneself on one's own node.
            let own = (record.client, record.session) == (mark.client, mark.session);
            own.then_some((at, (record.client, record.session, *room, key), mark.number))
        });
        let events: Vec<_> = events.collect();
        events.iter().find_map(|(at, place, number)| {
            let later = events.iter().find(|(_, p, n)| p == place && n > number)?;
            Some((*at, later.0))
        })
    });
    let (a, b) = (
        history.records[first].saw.clone(),
        history.records[second].saw.clone(),
    );
    (history.records[first].saw, history.records[second].saw) = (b, a);
    assert!(matches!(found(&history), Violation::Backwards { .. }));
}

#[test]
fn a_membership_that_ended_while_its_user_was_there() {
    let (mut history, (user, at_ms)) = history_where(|it| {
        let mut commits = it.truth.commits.iter().zip(&it.truth.at_ms);
        commits.find_map(|(commit, at_ms)| match commit {
            Commit::Left { room, user, .. } if it.stage.session_rooms.contains(room) => {
                let asked = it
                    .records
                    .iter()
                    .any(|record| record.saw == Saw::Leaving { room: *room } && record.user == *user);
                (!asked).then_some((*user, *at_ms))
            }
            Commit::Left { .. } | Commit::Joined { .. } | Commit::Posted { .. } => None,
        })
    });
    history.truth.visits.push(Visit {
        node: 0,
        user,
        since_ms: 0,
        until_ms: Some(at_ms - 1),
    });
    assert!(matches!(found(&history), Violation::Early { user: u, .. } if u == user));
}

#[test]
fn a_departure_that_was_told_twice_or_never() {
    let (history, gone) = history_where(|it| {
        let (user, since) = it.stage.absent?;
        let standing = |client, session| {
            let mut all = it.standing.iter();
            all.any(|it| (it.client, it.session) == (client, session))
        };
        it.records.iter().position(|record| {
            let told = matches!(record.saw, Saw::Gone { user: u, room } if u == user && room > 3);
            told && record.at_ms > since && standing(record.client, record.session)
        })
    });
    let (mut twice, mut never) = (history.clone(), history);
    twice.records.insert(gone, twice.records[gone].clone());
    never.records.remove(gone);
    assert!(matches!(found(&twice), Violation::Farewell { times: 2, .. }));
    assert!(matches!(found(&never), Violation::Farewell { times: 0, .. }));
}

/// Among the seeds that are always run there is one in which a defect shows as it should.
fn shows(defect: Defect, is: impl Fn(&Violation) -> bool) {
    shows_in(Cast::Mixed, defect, is);
}

fn shows_in(cast: Cast, defect: Defect, is: impl Fn(&Violation) -> bool) {
    let shown = (1..=WORLD_SEEDS).any(|seed| {
        let (history, _) = run_with(seed, WORLD_OPS, cast, Some(defect));
        judge(&history).is_err_and(|violation| is(&violation))
    });
    assert!(shown, "no seed shows it: {defect:?}");
}

#[test]
fn a_place_that_the_type_protocol_miscounts() {
    shows(Defect::WrongSeq, |it| matches!(it, Violation::Durable { .. }));
}

#[test]
fn a_resume_of_the_type_protocol_that_lacks_a_part() {
    shows(Defect::PartOfAResume, |it| {
        matches!(it, Violation::Order { .. } | Violation::Level { .. })
    });
}

#[test]
fn a_resume_that_is_refused_though_nothing_is_lost() {
    shows(Defect::ResumeRefused, |it| {
        matches!(it, Violation::Unrecovered { .. })
    });
}

#[test]
fn blocks_that_no_node_respects() {
    shows(Defect::BlocksForgotten, |it| {
        matches!(it, Violation::Blocked { .. })
    });
}

#[test]
fn posts_that_are_acknowledged_and_not_kept() {
    shows(Defect::AcknowledgedAnyway, |it| {
        matches!(it, Violation::Durable { .. })
    });
}

#[test]
fn memberships_of_sessions_that_stay() {
    shows(Defect::MembershipsStay, |it| {
        matches!(it, Violation::Remains { .. })
    });
}

#[test]
fn memberships_of_sessions_that_end_though_their_user_comes_back() {
    shows(Defect::NoGrace, |it| matches!(it, Violation::Early { .. }));
}

#[test]
fn a_push_that_a_trail_forgets() {
    shows_in(Cast::Again, Defect::PushForgotten, |it| {
        matches!(it, Violation::Order { .. })
    });
}

#[test]
fn a_session_that_is_said_to_be_taken_up_and_is_not() {
    shows_in(Cast::Again, Defect::RecoveredAnyway, |it| {
        matches!(it, Violation::Order { .. } | Violation::Level { .. })
    });
}
