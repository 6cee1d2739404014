//! Order: repeats, holes, reordering, retention, epochs, and who else hears what.

use expect_test::{Expect, expect};

use crate::shard::script::run;

fn check(script: &str, expected: Expect) {
    expected.assert_eq(&run(script));
}

#[test]
fn messages_come_in_order_and_once() {
    check(
        "
        open 0 u=1
        attach 0 r=1 head=5
        post seq=6
        post seq=6
        post seq=7
        post seq=5
    ",
        expect![[r#"
        open 0 u=1
        attach 0 r=1 head=5
          want r1
          check r1
        post seq=6
          0 <- 6
        post seq=6
        post seq=7
          0 <- 7
        post seq=5
    "#]],
    );
}

#[test]
fn what_waits_for_a_room_goes_out_as_one_run() {
    check(
        "
        slices 64
        open 0 u=1
        attach 0 r=1 head=5
        post seq=6
        typing u=2
        post seq=7
        post seq=8
        step
        step
        step
        step
    ",
        expect![[r#"
        slices 64
        open 0 u=1
        attach 0 r=1 head=5
          want r1
          check r1
        post seq=6
        typing u=2
        post seq=7
        post seq=8
        step
          0 <- 6
        step
          0 <- typing(2)
        step
          0 <- 7 8
        step
    "#]],
    );
}

#[test]
fn a_reordered_message_needs_no_store() {
    check(
        "
        open 0 u=1
        attach 0 r=1 head=5
        post seq=7
        wait 20
        post seq=6
        wait 100
    ",
        expect![[r#"
        open 0 u=1
        attach 0 r=1 head=5
          want r1
          check r1
        post seq=7
        wait 20
        post seq=6
          0 <- 6 7
        wait 100
    "#]],
    );
}

#[test]
fn a_hole_is_read_from_the_store_after_a_wait() {
    check(
        "
        open 0 u=1
        attach 0 r=1 head=5
        post seq=8
        wait 49
        wait 1
        post seq=9
        backfilled seqs=6..9
    ",
        expect![[r#"
        open 0 u=1
        attach 0 r=1 head=5
          want r1
          check r1
        post seq=8
        wait 49
        wait 1
          backfill r1 after 5
        post seq=9
        backfilled seqs=6..9
          0 <- 6 7 8 9
    "#]],
    );
}

#[test]
fn a_hole_may_take_several_pages() {
    check(
        "
        open 0 u=1
        attach 0 r=1 head=5
        heads seq=10
        wait 1000
        backfilled seqs=6..7 more head=10
        backfilled seqs=8..9 more head=10
        backfilled seqs=10 head=10
        wait 1000
    ",
        expect![[r#"
        open 0 u=1
        attach 0 r=1 head=5
          want r1
          check r1
        heads seq=10
        wait 1000
          backfill r1 after 5
        backfilled seqs=6..7 more head=10
          backfill r1 after 7
          0 <- 6 7
        backfilled seqs=8..9 more head=10
          backfill r1 after 9
          0 <- 8 9
        backfilled seqs=10 head=10
          0 <- 10
        wait 1000
    "#]],
    );
}

#[test]
fn a_store_that_cannot_say_is_asked_again() {
    check(
        "
        open 0 u=1
        attach 0 r=1 head=5
        post seq=7
        wait 50
        backfilled none
        wait 50
        backfilled seqs=6..7
    ",
        expect![[r#"
        open 0 u=1
        attach 0 r=1 head=5
          want r1
          check r1
        post seq=7
        wait 50
          backfill r1 after 5
        backfilled none
        wait 50
          backfill r1 after 5
        backfilled seqs=6..7
          0 <- 6 7
    "#]],
    );
}

#[test]
fn what_retention_took_does_not_hold_up_the_rest() {
    check(
        "
        open 0 u=1
        attach 0 r=1 head=5
        post seq=20
        wait 1000
        backfilled seqs=18..20
        heads seq=30
        wait 1000
        backfilled head=30
        post seq=31
    ",
        expect![[r#"
            open 0 u=1
            attach 0 r=1 head=5
              want r1
              check r1
            post seq=20
            wait 1000
              backfill r1 after 5
            backfilled seqs=18..20
              close 0
              0 <- 18 19 20
            heads seq=30
            wait 1000
              backfill r1 after 20
            backfilled head=30
              close 0
            post seq=31
              0 <- 31
        "#]],
    );
}

#[test]
fn a_parked_message_that_the_store_has_deleted_is_still_given() {
    check(
        "
        open 0 u=1
        attach 0 r=1 head=5
        post seq=8
        wait 50
        backfilled seqs=9..10
        wait 1000
    ",
        expect![[r#"
            open 0 u=1
            attach 0 r=1 head=5
              want r1
              check r1
            post seq=8
            wait 50
              backfill r1 after 5
            backfilled seqs=9..10
              close 0
              0 <- 8 9 10
            wait 1000
        "#]],
    );
}

#[test]
fn what_was_said_to_exist_and_does_not_is_forgotten() {
    check(
        "
        open 0 u=1
        attach 0 r=1 head=5
        heads seq=9
        wait 1000
        backfilled head=5
        wait 1000
        post seq=6
    ",
        expect![[r#"
        open 0 u=1
        attach 0 r=1 head=5
          want r1
          check r1
        heads seq=9
        wait 1000
          backfill r1 after 5
        backfilled head=5
        wait 1000
        post seq=6
          0 <- 6
    "#]],
    );
}

#[test]
fn only_so_many_messages_wait_for_a_hole() {
    check(
        "
        parks 2
        open 0 u=1
        attach 0 r=1 head=5
        post seq=7
        post seq=8
        post seq=9
        wait 50
        backfilled seqs=6..9
    ",
        expect![[r#"
        parks 2
        open 0 u=1
        attach 0 r=1 head=5
          want r1
          check r1
        post seq=7
        post seq=8
        post seq=9
        wait 50
          backfill r1 after 5
        backfilled seqs=6..9
          0 <- 6 7 8 9
    "#]],
    );
}

#[test]
fn a_lost_last_message_is_found_by_the_head() {
    check(
        "
        open 0 u=1
        attach 0 r=1 head=5
        heads seq=6
        wait 1000
        backfilled seqs=6
        heads seq=6
        wait 1000
    ",
        expect![[r#"
        open 0 u=1
        attach 0 r=1 head=5
          want r1
          check r1
        heads seq=6
        wait 1000
          backfill r1 after 5
        backfilled seqs=6
          0 <- 6
        heads seq=6
        wait 1000
    "#]],
    );
}

#[test]
fn what_a_head_knows_first_is_given_time_to_be_announced() {
    check(
        "
        open 0 u=1
        attach 0 r=1 head=5
        heads seq=6
        wait 50
        post seq=6
        heads seq=7
        wait 900
        post seq=8
        wait 50
    ",
        expect![[r#"
            open 0 u=1
            attach 0 r=1 head=5
              want r1
              check r1
            heads seq=6
            wait 50
            post seq=6
              0 <- 6
            heads seq=7
            wait 900
            post seq=8
            wait 50
              backfill r1 after 6
        "#]],
    );
}

#[test]
fn a_new_history_is_heard_once_its_members_are_known() {
    check(
        "
        open 0 u=1
        attach 0 r=1 head=5
        post seq=8
        post seq=1 epoch=2
        members seq=1 epoch=2 v=1 u=1
        wait 50
        post seq=2 epoch=2
        post seq=9 epoch=1
        members seq=2 epoch=2 v=1 u=1
        post seq=3 epoch=2
    ",
        expect![[r#"
        open 0 u=1
        attach 0 r=1 head=5
          want r1
          check r1
        post seq=8
        post seq=1 epoch=2
          reload r1
        members seq=1 epoch=2 v=1 u=1
          0 <- 1
        wait 50
        post seq=2 epoch=2
          0 <- 2
        post seq=9 epoch=1
          reload r1
        members seq=2 epoch=2 v=1 u=1
        post seq=3 epoch=2
          0 <- 3
    "#]],
    );
}

#[test]
fn a_page_of_an_old_history_is_not_given() {
    check(
        "
        open 0 u=1
        attach 0 r=1 head=5
        post seq=8
        wait 50
        post seq=1 epoch=2
        backfilled seqs=6..8 epoch=1
        members seq=1 epoch=2 v=1 u=1
        post seq=2 epoch=2
    ",
        expect![[r#"
        open 0 u=1
        attach 0 r=1 head=5
          want r1
          check r1
        post seq=8
        wait 50
          backfill r1 after 5
        post seq=1 epoch=2
          reload r1
        backfilled seqs=6..8 epoch=1
        members seq=1 epoch=2 v=1 u=1
          0 <- 1
        post seq=2 epoch=2
          0 <- 2
    "#]],
    );
}

#[test]
fn who_has_blocked_a_user_hears_nothing_of_it() {
    check(
        "
        open 0 u=1 blocks=3
        open 1 u=2
        attach 0 r=1 head=5
        attach 1 r=1 head=5
        post seq=6 by=3
        post seq=7 by=2
        typing u=3
        blocks u=1
        post seq=8 by=3
        blocks u=2 whom=1,3
        post seq=9 by=3
        heads seq=11
        wait 1000
        backfilled seqs=10..11 by=3
    ",
        expect![[r#"
        open 0 u=1 blocks=3
        open 1 u=2
        attach 0 r=1 head=5
          want r1
          check r1
        attach 1 r=1 head=5
        post seq=6 by=3
          1 <- 6
        post seq=7 by=2
          0 <- 7
          1 <- 7
        typing u=3
          1 <- typing(3)
        blocks u=1
        post seq=8 by=3
          0 <- 8
          1 <- 8
        blocks u=2 whom=1,3
        post seq=9 by=3
          0 <- 9
        heads seq=11
        wait 1000
          backfill r1 after 9
        backfilled seqs=10..11 by=3
          0 <- 10 11
    "#]],
    );
}

#[test]
fn who_shares_two_rooms_hears_of_a_status_once() {
    check(
        "
        open 0 u=1
        open 1 u=2
        open 2 u=3
        open 3 u=4
        attach 0 r=1 & r=2
        attach 1 r=1 & r=2
        attach 2 r=2
        attach 3 r=3
        status u=1 rooms=1,2
    ",
        expect![[r#"
        open 0 u=1
        open 1 u=2
        open 2 u=3
        open 3 u=4
        attach 0 r=1 & r=2
          want r1
          check r1
          want r2
          check r2
        attach 1 r=1 & r=2
        attach 2 r=2
        attach 3 r=3
          want r3
          check r3
        status u=1 rooms=1,2
          1 <- status(1)
          2 <- status(1)
    "#]],
    );
}

#[test]
fn rooms_take_turns() {
    check(
        "
        slices 1
        open 0 u=1
        open 1 u=2
        attach 0 r=1 & r=2
        attach 1 r=1 & r=2
        post r=1 seq=1
        post r=2 seq=1
        step
        step
        step
        step
    ",
        expect![[r#"
        slices 1
        open 0 u=1
        open 1 u=2
        attach 0 r=1 & r=2
          want r1
          check r1
          want r2
          check r2
        attach 1 r=1 & r=2
        post r=1 seq=1
        post r=2 seq=1
        step
          0 <- 1
        step
          0 <- 1
        step
          1 <- 1
        step
          1 <- 1
    "#]],
    );
}
