//! Scripts of attempts (`+n` granted, `-n` refused), and when they make a flooder.

use std::fmt::Write;

use expect_test::{Expect, expect};

use super::*;

/// Ten times a rate of two, for three seconds.
const LIMIT: FlooderLimit = FlooderLimit { times: 10, ms: 3_000 };
const PER_S: u32 = 2;
const START: Timestamp = Timestamp(1_700_000_000_000);

/// Runs a script for one key, or for several: `a+3 b-20`. `~ms` waits, `<ms` sets the clock back, `sweep` and `?` do
/// what they say. Of a step with a flood it says at which attempts.
fn run(keys_max: usize, script: &str) -> String {
    let mut flooders = Flooders::new(keys_max);
    let (mut now, mut log) = (START, String::new());
    for step in script.split_whitespace() {
        write!(log, "{step}").unwrap();
        let (head, number) = step.split_at(step.find(|c: char| c.is_ascii_digit()).unwrap_or(step.len()));
        match head {
            "~" => now = now.plus_ms(number.parse().unwrap()),
            "<" => now = Timestamp(now.0 - number.parse::<i64>().unwrap()),
            "?" => write!(log, " {} remembered", flooders.len()).unwrap(),
            "sweep" => write!(log, " {} forgotten", flooders.sweep(100, now)).unwrap(),
            _ => {
                let refused = head.ends_with('-');
                let key = head.trim_end_matches(['+', '-']);
                for attempt in 1..=number.parse::<u32>().unwrap() {
                    if flooders.note(key, PER_S, refused, LIMIT, now) {
                        write!(log, " flood at {attempt}").unwrap();
                    }
                }
            }
        }
        log.push('\n');
    }
    log
}

fn check(script: &str, expected: Expect) {
    expected.assert_eq(&run(100, script));
}

#[test]
fn who_goes_on_for_the_whole_time_is_a_flooder() {
    check(
        "-20 ~1000 -20 ~1000 -20 ~999 -400 ~1 -19 -1 -400 ~1000 -20",
        expect![[r#"
            -20
            ~1000
            -20
            ~1000
            -20
            ~999
            -400
            ~1
            -19
            -1 flood at 1
            -400
            ~1000
            -20 flood at 20
        "#]],
    );
}

#[test]
fn one_attempt_less_in_one_second_begins_anew() {
    check(
        "-20 ~1000 -20 ~1000 -19 ~1000 -20 ~1000 -20 ~1000 -20 ~1000 -20",
        expect![[r#"
            -20
            ~1000
            -20
            ~1000
            -19
            ~1000
            -20
            ~1000
            -20
            ~1000
            -20
            ~1000
            -20 flood at 20
        "#]],
    );
}

#[test]
fn a_second_of_silence_begins_anew() {
    check(
        "-20 ~1000 -20 ~1000 -20 ~2000 -20 ~1000 -20",
        expect![[r#"
            -20
            ~1000
            -20
            ~1000
            -20
            ~2000
            -20
            ~1000
            -20
        "#]],
    );
}

#[test]
fn what_is_granted_counts_once_something_was_refused() {
    check(
        "+500 ? -1 +19 ~1000 +2 -18 ~1000 -20 ~1000 -18 +2 -1",
        expect![[r#"
            +500
            ? 0 remembered
            -1
            +19
            ~1000
            +2
            -18
            ~1000
            -20
            ~1000
            -18
            +2
            -1 flood at 1
        "#]],
    );
}

#[test]
fn who_asks_far_too_often_but_not_ten_times_as_often_is_only_refused() {
    check(
        "-19 ~1000 -19 ~1000 -19 ~1000 -19 ~1000 -19 ~1000 -19",
        expect![[r#"
            -19
            ~1000
            -19
            ~1000
            -19
            ~1000
            -19
            ~1000
            -19
            ~1000
            -19
        "#]],
    );
}

#[test]
fn keys_are_apart() {
    check(
        "a-20 b-10 ~1000 a-20 b-10 ~1000 a-20 b-10 ~1000 b-19 a-20",
        expect![[r#"
            a-20
            b-10
            ~1000
            a-20
            b-10
            ~1000
            a-20
            b-10
            ~1000
            b-19
            a-20 flood at 20
        "#]],
    );
}

#[test]
fn who_has_stopped_is_forgotten() {
    check(
        "a-20 b-1 ~1000 a-1 ~999 sweep ? ~1 sweep ~1000 sweep ?",
        expect![[r#"
            a-20
            b-1
            ~1000
            a-1
            ~999
            sweep 0 forgotten
            ? 2 remembered
            ~1
            sweep 1 forgotten
            ~1000
            sweep 1 forgotten
            ? 0 remembered
        "#]],
    );
}

#[test]
fn a_clock_that_goes_back_begins_anew() {
    check(
        "-20 ~1000 -20 ~1000 -20 <60000 -20 ~1000 -20 ~1000 -20 ~1000 -20",
        expect![[r#"
            -20
            ~1000
            -20
            ~1000
            -20
            <60000
            -20
            ~1000
            -20
            ~1000
            -20
            ~1000
            -20 flood at 20
        "#]],
    );
}

#[test]
fn the_table_is_bounded_and_keeps_those_who_went_on_longest() {
    let others: Vec<String> = (0..100).map(|number| format!("k{}-1", letters(number))).collect();
    let others = others.join(" ");
    let script = format!("a-20 ~1000 a-20 {others} ~1000 a-20 {others} ~1000 a-20 ?");
    let log = run(8, &script);
    assert!(log.ends_with("a-20 flood at 20\n? 8 remembered\n"), "{log}");
}

#[test]
fn no_limit_makes_no_flooder() {
    let mut flooders = Flooders::new(8);
    for second in 0..100 {
        let now = START.plus_ms(second * 1_000);
        assert!((0..100).all(|_| !flooders.note(1, 0, true, LIMIT, now)));
    }
}

fn letters(number: u32) -> String {
    number
        .to_string()
        .bytes()
        .map(|digit| char::from(digit + b'a' - b'0'))
        .collect()
}
