//! Sessions that are behind: resume, replay, full mailboxes, barriers, and the ends of sessions.

use expect_test::{Expect, expect};

use crate::shard::script::run;

fn check(script: &str, expected: Expect) {
    expected.assert_eq(&run(script));
}

#[test]
fn what_was_missed_comes_before_anything_live() {
    check(
        "
        open 0 u=1
        attach 0 r=1 head=5 after=2
        post seq=6
        replayed 0 after=2 seqs=3..4 more head=6
        post seq=7
        replayed 0 after=4 seqs=5..7
        post seq=8
    ",
        expect![[r#"
        open 0 u=1
        attach 0 r=1 head=5 after=2
          want r1
          check r1
          replay r1 after 2 for 0
        post seq=6
        replayed 0 after=2 seqs=3..4 more head=6
          0 <- missed 3 4 more
          replay r1 after 4 for 0
        post seq=7
        replayed 0 after=4 seqs=5..7
          0 <- missed 5 6 7
        post seq=8
          0 <- 8
    "#]],
    );
}

#[test]
fn a_page_may_be_ahead_of_the_announcements() {
    check(
        "
        open 0 u=1
        attach 0 r=1 head=5 after=4
        replayed 0 after=4 seqs=5..7
        post seq=6
        post seq=7
        post seq=8
    ",
        expect![[r#"
        open 0 u=1
        attach 0 r=1 head=5 after=4
          want r1
          check r1
          replay r1 after 4 for 0
        replayed 0 after=4 seqs=5..7
          0 <- missed 5 6 7
        post seq=6
        post seq=7
        post seq=8
          0 <- 8
    "#]],
    );
}

#[test]
fn rooms_are_caught_up_one_after_the_other() {
    check(
        "
        open 0 u=1
        attach 0 r=1 head=5 after=4 & r=2 head=3 after=1 & r=3 head=7
        post r=3 seq=8
        replayed 0 r=1 after=4 seqs=5
        replayed 0 r=2 after=1 seqs=2..3
        post r=2 seq=4
    ",
        expect![[r#"
        open 0 u=1
        attach 0 r=1 head=5 after=4 & r=2 head=3 after=1 & r=3 head=7
          want r1
          check r1
          want r2
          check r2
          want r3
          check r3
          replay r1 after 4 for 0
        post r=3 seq=8
          0 <- 8
        replayed 0 r=1 after=4 seqs=5
          0 <- missed 5
          replay r2 after 1 for 0
        replayed 0 r=2 after=1 seqs=2..3
          0 <- missed 2 3
        post r=2 seq=4
          0 <- 4
    "#]],
    );
}

#[test]
fn a_page_in_flight_while_a_run_is_under_way() {
    check(
        "
        slices 2
        open 0 u=1
        open 1 u=2
        open 2 u=3
        open 3 u=4
        attach 0 r=1 head=5 after=4
        attach 1 r=1 head=5
        attach 2 r=1 head=5
        attach 3 r=1 head=5 after=3
        post seq=6
        step
        replayed 0 after=4 seqs=5
        replayed 3 after=3 seqs=4..5
        step
        replayed 0 after=5 seqs=6
        post seq=7
        step
        step
    ",
        expect![[r#"
        slices 2
        open 0 u=1
        open 1 u=2
        open 2 u=3
        open 3 u=4
        attach 0 r=1 head=5 after=4
          want r1
          check r1
          replay r1 after 4 for 0
        attach 1 r=1 head=5
        attach 2 r=1 head=5
        attach 3 r=1 head=5 after=3
          replay r1 after 3 for 3
        post seq=6
        step
          1 <- 6
        replayed 0 after=4 seqs=5
          0 <- missed 5
          replay r1 after 5 for 0
        replayed 3 after=3 seqs=4..5
          3 <- missed 4 5
        step
          2 <- 6
          3 <- 6
        replayed 0 after=5 seqs=6
          0 <- missed 6
        post seq=7
        step
          0 <- 7
          1 <- 7
        step
          2 <- 7
          3 <- 7
    "#]],
    );
}

#[test]
fn a_hole_in_what_was_missed_ends_the_session() {
    check(
        "
        open 0 u=1
        attach 0 r=1 head=9 after=2
        replayed 0 after=2 seqs=5..9
    ",
        expect![[r#"
        open 0 u=1
        attach 0 r=1 head=9 after=2
          want r1
          check r1
          replay r1 after 2 for 0
        replayed 0 after=2 seqs=5..9
          close 0
    "#]],
    );
    check(
        "
        open 0 u=1
        attach 0 r=1 head=9 after=2
        replayed 0 after=2 head=9
    ",
        expect![[r#"
        open 0 u=1
        attach 0 r=1 head=9 after=2
          want r1
          check r1
          replay r1 after 2 for 0
        replayed 0 after=2 head=9
          close 0
    "#]],
    );
    check(
        "
        open 0 u=1
        attach 0 r=1 head=9 after=2
        replayed 0 after=2 seqs=3..9 epoch=2
    ",
        expect![[r#"
        open 0 u=1
        attach 0 r=1 head=9 after=2
          want r1
          check r1
          replay r1 after 2 for 0
        replayed 0 after=2 seqs=3..9 epoch=2
          close 0
    "#]],
    );
    check(
        "
        open 0 u=1
        attach 0 r=1 head=9 after=2
        replayed 0 after=2 none
    ",
        expect![[r#"
        open 0 u=1
        attach 0 r=1 head=9 after=2
          want r1
          check r1
          replay r1 after 2 for 0
        replayed 0 after=2 none
          close 0
    "#]],
    );
}

#[test]
fn a_full_session_is_caught_up_when_it_has_drained() {
    check(
        "
        open 0 u=1
        open 1 u=2
        attach 0 r=1 head=5
        attach 1 r=1 head=5
        post seq=6
        full 0 seqs=6
        post seq=7
        drained 0
        replayed 0 after=5 seqs=6..7
        post seq=8
    ",
        expect![[r#"
        open 0 u=1
        open 1 u=2
        attach 0 r=1 head=5
          want r1
          check r1
        attach 1 r=1 head=5
        post seq=6
          0 <- 6
          1 <- 6
        full 0 seqs=6
        post seq=7
          1 <- 7
        drained 0
          replay r1 after 5 for 0
        replayed 0 after=5 seqs=6..7
          0 <- missed 6 7
        post seq=8
          0 <- 8
          1 <- 8
    "#]],
    );
}

#[test]
fn a_congested_session_gets_no_page_until_it_has_drained() {
    check(
        "
        open 0 u=1
        attach 0 r=1 head=9 after=1
        replayed 0 after=1 seqs=2..3 more head=9
        congested 0
        replayed 0 after=3 seqs=4..5 more head=9
        drained 0
        replayed 0 after=5 seqs=6..9
        post seq=10
    ",
        expect![[r#"
        open 0 u=1
        attach 0 r=1 head=9 after=1
          want r1
          check r1
          replay r1 after 1 for 0
        replayed 0 after=1 seqs=2..3 more head=9
          0 <- missed 2 3 more
          replay r1 after 3 for 0
        congested 0
        replayed 0 after=3 seqs=4..5 more head=9
          0 <- missed 4 5 more
        drained 0
          replay r1 after 5 for 0
        replayed 0 after=5 seqs=6..9
          0 <- missed 6 7 8 9
        post seq=10
          0 <- 10
    "#]],
    );
}

#[test]
fn a_page_that_did_not_fit_is_asked_for_again() {
    check(
        "
        open 0 u=1
        attach 0 r=1 head=9 after=1
        replayed 0 after=1 seqs=2..5 more head=9
        unfit 0 after=1
        replayed 0 after=5 seqs=6..9
        drained 0
        replayed 0 after=1 seqs=2..9
        post seq=10
    ",
        expect![[r#"
        open 0 u=1
        attach 0 r=1 head=9 after=1
          want r1
          check r1
          replay r1 after 1 for 0
        replayed 0 after=1 seqs=2..5 more head=9
          0 <- missed 2 3 4 5 more
          replay r1 after 5 for 0
        unfit 0 after=1
        replayed 0 after=5 seqs=6..9
        drained 0
          replay r1 after 1 for 0
        replayed 0 after=1 seqs=2..9
          0 <- missed 2 3 4 5 6 7 8 9
        post seq=10
          0 <- 10
    "#]],
    );
}

#[test]
fn a_full_mailbox_of_other_events_makes_nobody_fall_behind() {
    check(
        "
        open 0 u=1
        attach 0 r=1 head=5
        congested 0
        post seq=6
        barrier 0 t=1
        drained 0
    ",
        expect![[r#"
        open 0 u=1
        attach 0 r=1 head=5
          want r1
          check r1
        congested 0
        post seq=6
          0 <- 6
        barrier 0 t=1
        drained 0
          passed 1
    "#]],
    );
}

#[test]
fn a_barrier_waits_for_the_message_or_for_being_level() {
    check(
        "
        slices 1
        open 0 u=1
        open 1 u=2
        attach 0 r=1 head=5
        attach 1 r=1 head=5 after=4
        barrier 0 t=1
        barrier 1 t=2
        barrier 0 t=3 seq=6
        post seq=6
        step
        replayed 1 after=4 seqs=5
        step
        barrier 0 t=4 seq=6
        barrier 0 t=5 seq=7
        close 0
    ",
        expect![[r#"
        slices 1
        open 0 u=1
        open 1 u=2
        attach 0 r=1 head=5
          want r1
          check r1
        attach 1 r=1 head=5 after=4
          replay r1 after 4 for 1
        barrier 0 t=1
          passed 1
        barrier 1 t=2
        barrier 0 t=3 seq=6
        post seq=6
        step
          0 <- 6
        replayed 1 after=4 seqs=5
          1 <- missed 5
          passed 2
        step
          1 <- 6
          passed 3
        barrier 0 t=4 seq=6
          passed 4
        barrier 0 t=5 seq=7
        close 0
          passed 5
    "#]],
    );
}

#[test]
fn a_session_may_close_while_it_is_caught_up() {
    check(
        "
        open 0 u=1
        attach 0 r=1 head=5 after=3
        close 0
        replayed 0 after=3 seqs=4..5
        drained 0
    ",
        expect![[r#"
        open 0 u=1
        attach 0 r=1 head=5 after=3
          want r1
          check r1
          replay r1 after 3 for 0
        close 0
          unwant r1
        replayed 0 after=3 seqs=4..5
        drained 0
    "#]],
    );
}

#[test]
fn a_slot_used_again_gets_nothing_of_the_one_before() {
    check(
        "
        slices 1
        open 0 u=1
        open 1 u=2
        attach 0 r=1 head=5 after=3
        attach 1 r=1 head=5
        join u=3 at=5 v=2
        leave u=2 v=3
        close 1
        open 1 u=4
        attach 1
        step
        step
        step
        close 0
        open 0 u=5
        attach 0 r=2 head=1 after=0
        replayed 0 s=1 r=1 after=3 seqs=4..5
        replayed 0 r=2 after=0 seqs=1
    ",
        expect![[r#"
        slices 1
        open 0 u=1
        open 1 u=2
        attach 0 r=1 head=5 after=3
          want r1
          check r1
          replay r1 after 3 for 0
        attach 1 r=1 head=5
        join u=3 at=5 v=2
        leave u=2 v=3
        close 1
        open 1 u=4
        attach 1
        step
          0 <- joined(3)
        step
        step
          0 <- left(2)
        close 0
          unwant r1
        open 0 u=5
        attach 0 r=2 head=1 after=0
          want r2
          check r2
          replay r2 after 0 for 0
        replayed 0 s=1 r=1 after=3 seqs=4..5
        replayed 0 r=2 after=0 seqs=1
          0 <- missed 1
    "#]],
    );
}

#[test]
fn a_replay_that_was_asked_for_goes_back() {
    check(
        "
        open 0 u=1
        attach 0 r=1 head=5
        post seq=6
        attach 0 r=1 head=6 after=4
        attach 0 r=1 head=6 after=4 asked
        replayed 0 after=4 seqs=5..6
        post seq=7
    ",
        expect![[r#"
        open 0 u=1
        attach 0 r=1 head=5
          want r1
          check r1
        post seq=6
          0 <- 6
        attach 0 r=1 head=6 after=4
        attach 0 r=1 head=6 after=4 asked
          replay r1 after 4 for 0
        replayed 0 after=4 seqs=5..6
          0 <- missed 5 6
        post seq=7
          0 <- 7
    "#]],
    );
}

#[test]
fn a_page_for_a_place_that_was_moved_is_asked_for_again() {
    check(
        "
        open 0 u=1
        attach 0 r=1 head=9 after=6
        attach 0 r=1 head=9 after=2 asked
        replayed 0 after=6 seqs=7..9
        replayed 0 after=2 seqs=3..9
    ",
        expect![[r#"
        open 0 u=1
        attach 0 r=1 head=9 after=6
          want r1
          check r1
          replay r1 after 6 for 0
        attach 0 r=1 head=9 after=2 asked
        replayed 0 after=6 seqs=7..9
          replay r1 after 2 for 0
        replayed 0 after=2 seqs=3..9
          0 <- missed 3 4 5 6 7 8 9
    "#]],
    );
}

#[test]
fn a_barrier_without_a_message_waits_for_all_that_was_announced_before() {
    check(
        "
        slices 1
        open 0 u=1
        open 1 u=2
        attach 0 r=1 head=5
        attach 1 r=1 head=5
        post seq=6
        barrier 1 t=1
        step
        post seq=7
        step
        step
        step
        step
        step
    ",
        expect![[r#"
            slices 1
            open 0 u=1
            open 1 u=2
            attach 0 r=1 head=5
              want r1
              check r1
            attach 1 r=1 head=5
            post seq=6
            barrier 1 t=1
            step
              0 <- 6
            post seq=7
            step
            step
              1 <- 6
            step
              passed 1
            step
              0 <- 7
            step
              1 <- 7
        "#]],
    );
}
