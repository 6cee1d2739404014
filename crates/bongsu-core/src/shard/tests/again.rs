//! Users who left and came back, when the store told of the coming back before the bus told of the leaving.
//!
//! A node that stood still hears what the bus kept for it after a session that was read from the store: nothing of the
//! old may take away, or begin again, a place of the newer membership.

use expect_test::{Expect, expect};

use crate::shard::script::run;

fn check(script: &str, expected: Expect) {
    expected.assert_eq(&run(script));
}

#[test]
fn a_place_outlasts_the_words_from_before_its_membership() {
    check(
        "
        open 0 u=1
        attach 0 r=1 head=4
        open 1 u=2
        attach 1 r=1 head=11 v=3
        post seq=5
        leave u=2 v=2
        post seq=6 v=2
        join u=2 at=6 v=3
        post seq=7 v=3
        post seq=8 v=3
        post seq=9 v=3
        post seq=10 v=3
        post seq=11 v=3
        post seq=12 v=3
    ",
        expect![[r#"
            open 0 u=1
            attach 0 r=1 head=4
              want r1
              check r1
            open 1 u=2
            attach 1 r=1 head=11 v=3
            post seq=5
              0 <- 5
            leave u=2 v=2
              0 <- left(2)
            post seq=6 v=2
              0 <- 6
            join u=2 at=6 v=3
              0 <- joined(2)
            post seq=7 v=3
              0 <- 7
            post seq=8 v=3
              0 <- 8
            post seq=9 v=3
              0 <- 9
            post seq=10 v=3
              0 <- 10
            post seq=11 v=3
              0 <- 11
            post seq=12 v=3
              0 <- 12
              1 <- 12
        "#]],
    );
}

#[test]
fn words_that_come_again_or_late_change_nothing() {
    check(
        "
        open 0 u=1
        attach 0 r=1 head=4
        open 1 u=2
        attach 1 r=1 head=8 v=3
        join u=2 at=6 v=3
        leave u=2 v=2
        members seq=7 v=2 u=1
        members seq=8 v=3 u=1,2:6
        join u=2 at=6 v=3
        leave u=2 v=2
        wait 1000
        backfilled seqs=5..8 v=3
        post seq=9 v=3
    ",
        expect![[r#"
            open 0 u=1
            attach 0 r=1 head=4
              want r1
              check r1
            open 1 u=2
            attach 1 r=1 head=8 v=3
            join u=2 at=6 v=3
              reload r1
            leave u=2 v=2
              0 <- left(2) joined(2)
            members seq=7 v=2 u=1
              reload r1
            members seq=8 v=3 u=1,2:6
            join u=2 at=6 v=3
            leave u=2 v=2
            wait 1000
              backfill r1 after 4
            backfilled seqs=5..8 v=3
              0 <- 5 6 7 8
            post seq=9 v=3
              0 <- 9
              1 <- 9
        "#]],
    );
}

#[test]
fn a_leave_that_came_before_those_it_follows_does_not_end_it_either() {
    check(
        "
        open 0 u=1
        attach 0 r=1 head=4
        open 1 u=2
        attach 1 r=1 head=8 v=5
        leave u=2 v=4
        leave u=2 v=2
        join u=2 at=4 v=3
        leave u=2 v=4
        join u=2 at=6 v=5
        members seq=8 v=5 u=1,2:6
        wait 1000
        backfilled seqs=5..8 v=5
        post seq=9 v=5
    ",
        expect![[r#"
            open 0 u=1
            attach 0 r=1 head=4
              want r1
              check r1
            open 1 u=2
            attach 1 r=1 head=8 v=5
            leave u=2 v=4
              reload r1
            leave u=2 v=2
              0 <- left(2)
            join u=2 at=4 v=3
              0 <- joined(2) left(2)
            leave u=2 v=4
            join u=2 at=6 v=5
              0 <- joined(2)
            members seq=8 v=5 u=1,2:6
            wait 1000
              backfill r1 after 4
            backfilled seqs=5..8 v=5
              0 <- 5 6 7 8
            post seq=9 v=5
              0 <- 9
              1 <- 9
        "#]],
    );
}

#[test]
fn each_session_has_the_place_of_its_own_membership() {
    check(
        "
        open 0 u=2
        attach 0 r=1 head=4
        open 1 u=2
        attach 1 r=1 head=8 v=3
        leave u=2 v=2
        post seq=5 v=2
        post seq=6 v=2
        join u=2 at=6 v=3
        post seq=7 v=3
        post seq=8 v=3
        post seq=9 v=3
    ",
        expect![[r#"
            open 0 u=2
            attach 0 r=1 head=4
              want r1
              check r1
            open 1 u=2
            attach 1 r=1 head=8 v=3
            leave u=2 v=2
              0 <- left(2)
            post seq=5 v=2
            post seq=6 v=2
            join u=2 at=6 v=3
            post seq=7 v=3
              0 <- 7
            post seq=8 v=3
              0 <- 8
            post seq=9 v=3
              1 <- 9
              0 <- 9
        "#]],
    );
}

#[test]
fn who_begins_while_the_old_words_come_begins_where_it_was_told() {
    check(
        "
        open 0 u=1
        attach 0 r=1 head=4
        open 1 u=2
        join u=2 at=4 v=2
        attach 1 r=1 head=8 v=4
        leave u=2 v=3
        join u=2 at=6 v=4
        post seq=5 v=2
        post seq=6 v=3
        post seq=7 v=4
        post seq=8 v=4
        post seq=9 v=4
    ",
        expect![[r#"
            open 0 u=1
            attach 0 r=1 head=4
              want r1
              check r1
            open 1 u=2
            join u=2 at=4 v=2
              0 <- joined(2)
            attach 1 r=1 head=8 v=4
            leave u=2 v=3
              0 <- left(2)
            join u=2 at=6 v=4
              0 <- joined(2)
            post seq=5 v=2
              0 <- 5
            post seq=6 v=3
              0 <- 6
            post seq=7 v=4
              0 <- 7
            post seq=8 v=4
              0 <- 8
            post seq=9 v=4
              0 <- 9
              1 <- 9
        "#]],
    );
}

#[test]
fn the_place_of_a_join_outlasts_a_leave_that_was_slower() {
    // The join made v=3 itself, so that its place was read at v=2.
    check(
        "
        open 0 u=1
        attach 0 r=1 head=4
        open 1 u=2
        attach 1
        attach 1 r=1 head=8 v=2
        join u=2 at=8 v=3
        leave u=2 v=2
        members seq=8 v=3 u=1,2:8
        heads seq=8 v=3
        wait 1000
        backfilled seqs=5..8 v=2
        post seq=9 v=3
    ",
        expect![[r#"
            open 0 u=1
            attach 0 r=1 head=4
              want r1
              check r1
            open 1 u=2
            attach 1
            attach 1 r=1 head=8 v=2
            join u=2 at=8 v=3
              reload r1
            leave u=2 v=2
              0 <- left(2) joined(2)
            members seq=8 v=3 u=1,2:8
            heads seq=8 v=3
            wait 1000
              backfill r1 after 4
            backfilled seqs=5..8 v=2
              0 <- 5 6 7 8
            post seq=9 v=3
              0 <- 9
              1 <- 9
        "#]],
    );
}

#[test]
fn a_place_does_not_outlast_its_own_end() {
    check(
        "
        open 0 u=1
        attach 0 r=1 head=4
        open 1 u=2
        attach 1 r=1 head=8 v=3
        leave u=2 v=4
        leave u=2 v=2
        join u=2 at=6 v=3
        members seq=8 v=4 u=1
        wait 1000
        backfilled seqs=5..8 v=4
        post seq=9 v=4
    ",
        expect![[r#"
            open 0 u=1
            attach 0 r=1 head=4
              want r1
              check r1
            open 1 u=2
            attach 1 r=1 head=8 v=3
            leave u=2 v=4
              reload r1
              1 <- left(2)
            leave u=2 v=2
              1 <- left(2)
              0 <- left(2)
            join u=2 at=6 v=3
              0 <- joined(2) left(2)
            members seq=8 v=4 u=1
            wait 1000
              backfill r1 after 4
            backfilled seqs=5..8 v=4
              0 <- 5 6 7 8
            post seq=9 v=4
              0 <- 9
        "#]],
    );
    check(
        "
        open 0 u=1
        attach 0 r=1 head=4
        open 1 u=2
        attach 1 r=1 head=4 v=3
        close 1
        open 1 u=2
        attach 1 r=1 head=4 v=1
        leave u=2 v=2
        post seq=5 v=2
    ",
        expect![[r#"
            open 0 u=1
            attach 0 r=1 head=4
              want r1
              check r1
            open 1 u=2
            attach 1 r=1 head=4 v=3
            close 1
            open 1 u=2
            attach 1 r=1 head=4 v=1
            leave u=2 v=2
              1 <- left(2)
              0 <- left(2)
            post seq=5 v=2
              0 <- 5
        "#]],
    );
}
