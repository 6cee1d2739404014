//! Memberships: repeated, lost, reordered, learned late, and in doubt.

use expect_test::{Expect, expect};

use crate::shard::script::run;

fn check(script: &str, expected: Expect) {
    expected.assert_eq(&run(script));
}

#[test]
fn a_member_hears_what_comes_after_it_joined() {
    check(
        "
        open 0 u=1
        open 1 u=2
        attach 0 r=1 head=5
        attach 1
        post seq=6
        join u=2 at=6 v=2
        join u=2 at=6 v=2
        post seq=7 v=2
        leave u=2 v=3
        leave u=2 v=3
        post seq=8 v=3
    ",
        expect![[r#"
        open 0 u=1
        open 1 u=2
        attach 0 r=1 head=5
          want r1
          check r1
        attach 1
        post seq=6
          0 <- 6
        join u=2 at=6 v=2
          0 <- joined(2)
        join u=2 at=6 v=2
        post seq=7 v=2
          0 <- 7
          1 <- 7
        leave u=2 v=3
          1 <- left(2)
          0 <- left(2)
        leave u=2 v=3
        post seq=8 v=3
          0 <- 8
    "#]],
    );
}

#[test]
fn a_join_into_an_unknown_room_begins_with_its_head() {
    check(
        "
        open 0 u=1
        attach 0
        join u=1 at=4 v=3
        heads seq=6 v=3
        wait 1000
        backfilled seqs=5..6 v=3
        join u=2 at=6 v=4
        leave u=1 v=5
        post seq=7 v=5
    ",
        expect![[r#"
        open 0 u=1
        attach 0
        join u=1 at=4 v=3
          want r1
          check r1
        heads seq=6 v=3
        wait 1000
          backfill r1 after 4
        backfilled seqs=5..6 v=3
          0 <- 5 6
        join u=2 at=6 v=4
          0 <- joined(2)
        leave u=1 v=5
          unwant r1
          0 <- left(1)
        post seq=7 v=5
    "#]],
    );
}

#[test]
fn a_join_of_nobody_here_is_not_heard() {
    check(
        "
        open 0 u=1
        attach 0
        join u=2 at=4 v=3
        leave u=1 r=2 v=2
    ",
        expect![[r#"
        open 0 u=1
        attach 0
        join u=2 at=4 v=3
        leave u=1 r=2 v=2
          0 <- left(1)
    "#]],
    );
}

#[test]
fn a_lost_change_is_made_good_by_reading_the_members() {
    check(
        "
        open 0 u=1
        open 1 u=2
        open 2 u=3
        attach 0 r=1 head=5
        attach 1 r=1 head=5
        attach 2
        join u=3 at=5 v=3
        post seq=6 v=3
        members seq=6 v=3 u=1,3:5
        post seq=7 v=3
    ",
        expect![[r#"
            open 0 u=1
            open 1 u=2
            open 2 u=3
            attach 0 r=1 head=5
              want r1
              check r1
            attach 1 r=1 head=5
            attach 2
            join u=3 at=5 v=3
              reload r1
            post seq=6 v=3
            members seq=6 v=3 u=1,3:5
              0 <- 6
              2 <- 6
            post seq=7 v=3
              0 <- 7
              2 <- 7
        "#]],
    );
}

#[test]
fn changes_are_told_in_their_order_and_do_not_wait_for_one_that_is_lost() {
    check(
        "
        open 0 u=1
        attach 0 r=1 head=5
        join u=2 at=5 v=3
        join u=3 at=5 v=2
        leave u=2 v=5
        leave u=2 v=5
        wait 49
        wait 1
        leave u=3 v=4
        leave u=4 v=6
    ",
        expect![[r#"
            open 0 u=1
            attach 0 r=1 head=5
              want r1
              check r1
            join u=2 at=5 v=3
              reload r1
            join u=3 at=5 v=2
              0 <- joined(3)
              0 <- joined(2)
            leave u=2 v=5
            leave u=2 v=5
            wait 49
            wait 1
              0 <- left(2)
            leave u=3 v=4
            leave u=4 v=6
              0 <- left(4)
        "#]],
    );
}

#[test]
fn a_change_that_comes_late_does_no_harm() {
    check(
        "
        open 0 u=1
        open 1 u=2
        attach 0 r=1 head=5
        attach 1 r=1 head=5
        leave u=2 v=2
        join u=2 at=5 v=3
        leave u=2 v=2
        post seq=6 v=3
    ",
        expect![[r#"
        open 0 u=1
        open 1 u=2
        attach 0 r=1 head=5
          want r1
          check r1
        attach 1 r=1 head=5
        leave u=2 v=2
          1 <- left(2)
          0 <- left(2)
        join u=2 at=5 v=3
          0 <- joined(2)
        leave u=2 v=2
        post seq=6 v=3
          0 <- 6
          1 <- 6
    "#]],
    );
    check(
        "
        open 0 u=1
        open 1 u=2
        attach 0 r=1 head=5
        attach 1 r=1 head=5
        join u=2 at=5 v=3
        leave u=2 v=2
        members seq=5 v=3 u=1,2:5
        post seq=6 v=3
    ",
        expect![[r#"
            open 0 u=1
            open 1 u=2
            attach 0 r=1 head=5
              want r1
              check r1
            attach 1 r=1 head=5
            join u=2 at=5 v=3
              reload r1
            leave u=2 v=2
              1 <- left(2)
              0 <- left(2) joined(2)
            members seq=5 v=3 u=1,2:5
            post seq=6 v=3
              0 <- 6
              1 <- 6
        "#]],
    );
}

#[test]
fn a_message_of_a_newer_membership_waits_until_it_is_known() {
    check(
        "
        open 0 u=1
        open 1 u=2
        attach 0 r=1 head=5
        attach 1 r=1 head=5
        post seq=6 v=2
        post seq=7 v=2
        members seq=7 v=2 u=1
    ",
        expect![[r#"
        open 0 u=1
        open 1 u=2
        attach 0 r=1 head=5
          want r1
          check r1
        attach 1 r=1 head=5
        post seq=6 v=2
          reload r1
        post seq=7 v=2
        members seq=7 v=2 u=1
          0 <- 6 7
    "#]],
    );
}

#[test]
fn a_message_that_waits_goes_out_when_the_change_is_heard() {
    check(
        "
        open 0 u=1
        open 1 u=2
        attach 0 r=1 head=5
        attach 1 r=1 head=5
        post seq=6 v=2
        leave u=2 v=2
        members seq=6 v=2 u=1
    ",
        expect![[r#"
            open 0 u=1
            open 1 u=2
            attach 0 r=1 head=5
              want r1
              check r1
            attach 1 r=1 head=5
            post seq=6 v=2
              reload r1
            leave u=2 v=2
              1 <- left(2)
              0 <- left(2)
              0 <- 6
            members seq=6 v=2 u=1
        "#]],
    );
}

#[test]
fn members_that_could_not_be_read_are_read_again() {
    check(
        "
        open 0 u=1
        open 1 u=2
        attach 0 r=1 head=5
        attach 1 r=1 head=5
        heads seq=5 v=2
        unknown
        wait 1000
        unknown
        wait 999
        wait 1
        members seq=5 v=2 u=1
        wait 5000
        post seq=6 v=2
    ",
        expect![[r#"
        open 0 u=1
        open 1 u=2
        attach 0 r=1 head=5
          want r1
          check r1
        attach 1 r=1 head=5
        heads seq=5 v=2
          reload r1
        unknown
        wait 1000
          reload r1
        unknown
        wait 999
        wait 1
          reload r1
        members seq=5 v=2 u=1
        wait 5000
        post seq=6 v=2
          0 <- 6
    "#]],
    );
}

#[test]
fn members_read_before_a_change_was_heard_are_read_again() {
    check(
        "
        open 0 u=1
        open 1 u=2
        attach 0 r=1 head=5
        attach 1
        join u=2 at=5 v=3
        members seq=5 v=2 u=1
        members seq=5 v=3 u=1,2:5
        post seq=6 v=3
    ",
        expect![[r#"
            open 0 u=1
            open 1 u=2
            attach 0 r=1 head=5
              want r1
              check r1
            attach 1
            join u=2 at=5 v=3
              reload r1
            members seq=5 v=2 u=1
              reload r1
            members seq=5 v=3 u=1,2:5
            post seq=6 v=3
              0 <- 6
              1 <- 6
        "#]],
    );
}

#[test]
fn a_page_is_cut_where_a_newer_membership_begins() {
    check(
        "
        open 0 u=1
        attach 0 r=1 head=9 after=2
        replayed 0 after=2 seqs=3..9 v=2
        members seq=9 v=2 u=7
    ",
        expect![[r#"
        open 0 u=1
        attach 0 r=1 head=9 after=2
          want r1
          check r1
          replay r1 after 2 for 0
        replayed 0 after=2 seqs=3..9 v=2
          reload r1
        members seq=9 v=2 u=7
          unwant r1
    "#]],
    );
    check(
        "
        open 0 u=1
        open 1 u=2
        attach 1 r=2 head=5
        attach 0 r=1 head=9 after=2 & r=2 head=5 after=4
        replayed 0 after=2 seqs=3..9 v=2
        members seq=9 v=2 u=1
        replayed 0 after=2 seqs=3..9 v=2
        replayed 0 r=2 after=4 seqs=5
    ",
        expect![[r#"
        open 0 u=1
        open 1 u=2
        attach 1 r=2 head=5
          want r2
          check r2
        attach 0 r=1 head=9 after=2 & r=2 head=5 after=4
          want r1
          check r1
          replay r1 after 2 for 0
        replayed 0 after=2 seqs=3..9 v=2
          reload r1
        members seq=9 v=2 u=1
          replay r1 after 2 for 0
        replayed 0 after=2 seqs=3..9 v=2
          0 <- missed 3 4 5 6 7 8 9
          replay r2 after 4 for 0
        replayed 0 r=2 after=4 seqs=5
          0 <- missed 5
    "#]],
    );
}

#[test]
fn who_loses_the_room_it_waits_for_goes_on_with_the_next() {
    check(
        "
        open 0 u=1
        open 1 u=2
        attach 1 r=1 head=9
        attach 0 r=1 head=9 after=2 & r=2 head=5 after=4
        heads seq=9 v=3
        replayed 0 after=2 seqs=3..9 v=3
        members seq=9 v=3 u=2
    ",
        expect![[r#"
        open 0 u=1
        open 1 u=2
        attach 1 r=1 head=9
          want r1
          check r1
        attach 0 r=1 head=9 after=2 & r=2 head=5 after=4
          want r2
          check r2
          replay r1 after 2 for 0
        heads seq=9 v=3
          reload r1
        replayed 0 after=2 seqs=3..9 v=3
        members seq=9 v=3 u=2
          replay r2 after 4 for 0
    "#]],
    );
}

#[test]
fn a_membership_learned_while_opening_is_heard_from_where_the_client_is() {
    check(
        "
        open 0 u=1
        join u=1 at=4 v=2
        heads seq=6 v=2
        wait 1000
        backfilled seqs=5..6 v=2
        attach 0 r=1 head=6 v=2
        post seq=7 v=2
    ",
        expect![[r#"
        open 0 u=1
        join u=1 at=4 v=2
          want r1
          check r1
        heads seq=6 v=2
        wait 1000
          backfill r1 after 4
        backfilled seqs=5..6 v=2
        attach 0 r=1 head=6 v=2
        post seq=7 v=2
          0 <- 7
    "#]],
    );
    check(
        "
        open 0 u=1
        join u=1 at=4 v=2
        post seq=5 v=2
        attach 0
        replayed 0 after=4 seqs=5 v=2
        post seq=6 v=2
    ",
        expect![[r#"
        open 0 u=1
        join u=1 at=4 v=2
          want r1
          check r1
        post seq=5 v=2
        attach 0
          replay r1 after 4 for 0
        replayed 0 after=4 seqs=5 v=2
          0 <- missed 5
        post seq=6 v=2
          0 <- 6
    "#]],
    );
}

#[test]
fn a_membership_lost_while_opening_is_not_heard() {
    check(
        "
        open 0 u=1
        open 1 u=2
        attach 1 r=1 head=5
        leave u=1 v=2
        attach 0 r=1 head=5 v=1
        members seq=5 v=2 u=2
        post seq=6 v=2
    ",
        expect![[r#"
        open 0 u=1
        open 1 u=2
        attach 1 r=1 head=5
          want r1
          check r1
        leave u=1 v=2
          1 <- left(1)
        attach 0 r=1 head=5 v=1
          reload r1
        members seq=5 v=2 u=2
        post seq=6 v=2
          1 <- 6
    "#]],
    );
    check(
        "
        open 0 u=1
        leave u=1 v=2
        attach 0 r=1 head=5 v=1
        post seq=6 v=2
        members seq=6 v=2
    ",
        expect![[r#"
        open 0 u=1
        leave u=1 v=2
        attach 0 r=1 head=5 v=1
          want r1
          check r1
        post seq=6 v=2
          reload r1
        members seq=6 v=2
          unwant r1
    "#]],
    );
}

#[test]
fn the_members_of_a_new_room_begin_to_hear_it() {
    check(
        "
        open 0 u=1
        open 1 u=2
        attach 0
        attach 1
        members r=1 v=1 u=1,3
        members r=2 v=1 u=3
        post seq=1
    ",
        expect![[r#"
        open 0 u=1
        open 1 u=2
        attach 0
        attach 1
        members r=1 v=1 u=1,3
          want r1
          check r1
        members r=2 v=1 u=3
        post seq=1
          0 <- 1
    "#]],
    );
}

#[test]
fn a_leave_during_a_run_disturbs_nobody() {
    check(
        "
        slices 2
        open 0 u=1
        open 1 u=2
        open 2 u=3
        open 3 u=4
        open 4 u=5
        attach 0 r=1
        attach 1 r=1
        attach 2 r=1
        attach 3 r=1
        attach 4 r=1
        post seq=1
        step
        leave u=1 v=2
        step
        step
        step
        step
    ",
        expect![[r#"
        slices 2
        open 0 u=1
        open 1 u=2
        open 2 u=3
        open 3 u=4
        open 4 u=5
        attach 0 r=1
          want r1
          check r1
        attach 1 r=1
        attach 2 r=1
        attach 3 r=1
        attach 4 r=1
        post seq=1
        step
          0 <- 1
          1 <- 1
        leave u=1 v=2
        step
          4 <- 1
          2 <- 1
        step
          0 <- left(1)
        step
          3 <- 1
        step
          1 <- left(1)
          4 <- left(1)
    "#]],
    );
}
