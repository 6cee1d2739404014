//! Scripts of sessions that come (`+user`) and go (`-user`), and what is announced.

use std::fmt::Write;

use bongsu_model::Limits;
use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::*;

const USERS: [UserId; 3] = [UserId(1), UserId(2), UserId(3)];

fn run(script: &str) -> String {
    let mut roster = Roster::new(Limits::DEFAULT.presence_grace_ms);
    let (start, mut now) = (Timestamp(1_000_000), Timestamp(1_000_000));
    let mut log = String::new();
    for step in script.split_whitespace() {
        write!(log, "{step}").unwrap();
        let (verb, number) = step.split_at(1);
        let number: i64 = number.parse().unwrap_or(0);
        let mut out = Vec::new();
        match verb {
            "+" => roster.handle(RosterInput::Began { user: UserId(number) }, now, &mut out),
            "-" => roster.handle(RosterInput::Ended { user: UserId(number) }, now, &mut out),
            "~" => {
                let until = now.plus_ms(number as u64);
                while let Some(due) = roster.next_deadline().filter(|due| *due <= until) {
                    roster.handle_deadline(due, &mut out);
                }
                now = until;
            }
            "?" => {
                let online: Vec<_> = roster.online_among(&USERS, 2).map(|user| user.0).collect();
                write!(
                    log,
                    " {online:?} of {}, {} sessions",
                    roster.online_count(),
                    roster.sessions_count()
                )
                .unwrap();
            }
            _ => panic!("{verb} is no verb"),
        }
        for effect in out {
            match effect {
                RosterEffect::Online { user } => write!(log, " online {user}").unwrap(),
                RosterEffect::Offline { user, last_seen } => {
                    write!(log, " offline {user} seen at {}", last_seen.ms_since(start)).unwrap();
                }
            }
        }
        log.push('\n');
    }
    log
}

fn check(script: &str, expected: Expect) {
    expected.assert_eq(&run(script));
}

#[test]
fn the_first_session_in_and_the_last_out_count() {
    check(
        "+1 +1 ? -1 ~9000 ? -1 ~4999 ~1 ?",
        expect![[r#"
            +1 online 1
            +1
            ? [1] of 1, 2 sessions
            -1
            ~9000
            ? [1] of 1, 1 sessions
            -1
            ~4999
            ~1 offline 1 seen at 9000
            ? [] of 0, 0 sessions
        "#]],
    );
}

#[test]
fn who_is_back_within_the_grace_time_makes_no_noise() {
    check(
        "+1 -1 ~4999 ? +1 ~60000 ? -1 ~5000 +1",
        expect![[r#"
            +1 online 1
            -1
            ~4999
            ? [1] of 1, 0 sessions
            +1
            ~60000
            ? [1] of 1, 1 sessions
            -1
            ~5000 offline 1 seen at 64999
            +1 online 1
        "#]],
    );
}

#[test]
fn each_user_has_its_own_time() {
    check(
        "+2 +1 -2 ~1000 -1 +3 ? ~4000 ~1000 ?",
        expect![[r#"
            +2 online 2
            +1 online 1
            -2
            ~1000
            -1
            +3 online 3
            ? [1, 2] of 3, 1 sessions
            ~4000 offline 2 seen at 0
            ~1000 offline 1 seen at 1000
            ? [3] of 1, 1 sessions
        "#]],
    );
}

#[test]
fn an_end_without_a_beginning_changes_nothing() {
    check(
        "-1 ~9000 +1 -1 -1 ? ~5000 -1 ~9000",
        expect![[r#"
            -1
            ~9000
            +1 online 1
            -1
            -1
            ? [1] of 1, 0 sessions
            ~5000 offline 1 seen at 9000
            -1
            ~9000
        "#]],
    );
}

#[test]
fn a_user_costs_one_small_entry() {
    assert!(size_of::<(UserId, Standing)>() <= 32);
}

proptest! {
    #[test]
    fn what_is_announced_is_what_a_plain_count_says(steps in prop::collection::vec((0_i64..3, 0_u8..2, 0_u64..4_000), 1..200)) {
        let mut roster = Roster::new(5_000);
        let mut now = Timestamp(0);
        let mut sessions = [0_u32; 3];
        let mut ended_at = [None::<Timestamp>; 3];
        let mut announced = [false; 3];
        for (user, begins, wait_ms) in steps {
            let mut out = Vec::new();
            now = now.plus_ms(wait_ms);
            roster.handle_deadline(now, &mut out);
            let at = user as usize;
            if begins == 1 {
                roster.handle(RosterInput::Began { user: UserId(user) }, now, &mut out);
            } else {
                roster.handle(RosterInput::Ended { user: UserId(user) }, now, &mut out);
            }
            for effect in out {
                match effect {
                    RosterEffect::Online { user } => {
                        prop_assert!(!std::mem::replace(&mut announced[user.0 as usize], true));
                    }
                    RosterEffect::Offline { user, last_seen } => {
                        prop_assert!(std::mem::replace(&mut announced[user.0 as usize], false));
                        prop_assert_eq!(Some(last_seen), ended_at[user.0 as usize]);
                        prop_assert!(now.ms_since(last_seen) >= 5_000);
                    }
                }
            }
            if begins == 1 {
                sessions[at] += 1;
                ended_at[at] = None;
            } else if sessions[at] > 0 {
                sessions[at] -= 1;
                ended_at[at] = (sessions[at] == 0).then_some(now).or(ended_at[at]);
            }
            for user in 0..3 {
                let id = UserId(user as i64);
                let waits = ended_at[user].is_some_and(|ended| now.ms_since(ended) < 5_000);
                prop_assert_eq!(roster.is_online(id), sessions[user] > 0 || waits);
                prop_assert_eq!(roster.is_online(id), announced[user]);
                prop_assert_eq!(roster.sessions_of(id), sessions[user]);
            }
            prop_assert_eq!(roster.sessions_count(), sessions.iter().map(|one| u64::from(*one)).sum::<u64>());
            prop_assert_eq!(roster.online().count(), roster.online_count());
        }
    }
}
