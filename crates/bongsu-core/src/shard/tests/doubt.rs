//! Memberships in doubt: read before a change, said to have ended, or found without a word.

use expect_test::{Expect, expect};

use crate::shard::script::run;

fn check(script: &str, expected: Expect) {
    expected.assert_eq(&run(script));
}

#[test]
fn a_membership_read_before_a_change_is_in_doubt() {
    check(
        "
        open 0 u=1
        open 1 u=2
        attach 0 r=1 head=5 v=1
        join u=3 at=5 v=2
        attach 1 r=1 head=5 v=1
        post seq=6 v=2
        typing u=1
        members seq=6 v=2 u=1,2,3:5
        replayed 1 after=5 seqs=6 v=2
        post seq=7 v=2
    ",
        expect![[r#"
        open 0 u=1
        open 1 u=2
        attach 0 r=1 head=5 v=1
          want r1
          check r1
        join u=3 at=5 v=2
          0 <- joined(3)
        attach 1 r=1 head=5 v=1
          reload r1
        post seq=6 v=2
          0 <- 6
        typing u=1
        members seq=6 v=2 u=1,2,3:5
          replay r1 after 5 for 1
        replayed 1 after=5 seqs=6 v=2
          1 <- missed 6
        post seq=7 v=2
          0 <- 7
          1 <- 7
    "#]],
    );
    check(
        "
        open 0 u=1
        open 1 u=2
        attach 0 r=1 head=5 v=1
        leave u=2 v=2
        attach 1 r=1 head=5 v=1
        post seq=6 v=2
        members seq=6 v=2 u=1
        post seq=7 v=2
    ",
        expect![[r#"
        open 0 u=1
        open 1 u=2
        attach 0 r=1 head=5 v=1
          want r1
          check r1
        leave u=2 v=2
          0 <- left(2)
        attach 1 r=1 head=5 v=1
          reload r1
        post seq=6 v=2
          0 <- 6
        members seq=6 v=2 u=1
        post seq=7 v=2
          0 <- 7
    "#]],
    );
}

#[test]
fn an_answer_from_before_a_membership_does_not_end_it() {
    check(
        "
        open 0 u=1
        open 1 u=2
        attach 0 r=1 head=5 v=1
        heads seq=5 v=2
        attach 1 r=1 head=5 v=3
        members seq=5 v=2 u=1
        members seq=5 v=3 u=1,2:5
        post seq=6 v=3
    ",
        expect![[r#"
        open 0 u=1
        open 1 u=2
        attach 0 r=1 head=5 v=1
          want r1
          check r1
        heads seq=5 v=2
          reload r1
        attach 1 r=1 head=5 v=3
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
fn a_membership_that_was_found_and_is_over_begins_nothing_again() {
    // Read before the leave, told after it; nobody else is here.
    check(
        "
        open 0 u=1
        attach 0 r=1 head=5
        post seq=6
        leave u=1 v=2
        found 0 r=1 head=6 after=2 v=1
        members seq=6 v=2 u=3
    ",
        expect![[r#"
            open 0 u=1
            attach 0 r=1 head=5
              want r1
              check r1
            post seq=6
              0 <- 6
            leave u=1 v=2
              unwant r1
              0 <- left(1)
            found 0 r=1 head=6 after=2 v=1
              want r1
              check r1
              reload r1
            members seq=6 v=2 u=3
              unwant r1
        "#]],
    );
}

#[test]
fn a_membership_that_was_found_begins_where_it_is_confirmed_to_begin() {
    // The user has joined again before the room's members were read.
    check(
        "
        open 0 u=1
        open 1 u=2
        attach 0 r=1 head=5
        attach 1 r=1 head=5
        post seq=6
        leave u=1 v=2
        found 0 r=1 head=6 after=2 v=1
        post seq=7 v=2
        attach 0 r=1 head=7 v=2
        join u=1 at=7 v=3
        members seq=7 v=3 u=1:7,2
        post seq=8 v=3
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
            leave u=1 v=2
              0 <- left(1)
              1 <- left(1)
            found 0 r=1 head=6 after=2 v=1
              reload r1
            post seq=7 v=2
              1 <- 7
            attach 0 r=1 head=7 v=2
            join u=1 at=7 v=3
              1 <- joined(1)
            members seq=7 v=3 u=1:7,2
            post seq=8 v=3
              1 <- 8
              0 <- 8
        "#]],
    );
}

#[test]
fn who_asks_for_what_came_before_gets_it_though_its_membership_was_found() {
    check(
        "
        open 0 u=1
        open 1 u=2
        attach 0 r=1 head=5
        attach 1 r=1 head=5
        leave u=1 v=2
        found 0 r=1 head=5 after=2 v=1
        post seq=6 v=2
        post seq=7 v=2
        attach 0 r=1 head=7 after=5 v=2 asked
        join u=1 at=7 v=3
        members seq=7 v=3 u=1:7,2
        replayed 0 after=5 seqs=6..7 v=2
        post seq=8 v=3
    ",
        expect![[r#"
            open 0 u=1
            open 1 u=2
            attach 0 r=1 head=5
              want r1
              check r1
            attach 1 r=1 head=5
            leave u=1 v=2
              0 <- left(1)
              1 <- left(1)
            found 0 r=1 head=5 after=2 v=1
              reload r1
            post seq=6 v=2
              1 <- 6
            post seq=7 v=2
              1 <- 7
            attach 0 r=1 head=7 after=5 v=2 asked
            join u=1 at=7 v=3
              1 <- joined(1)
            members seq=7 v=3 u=1:7,2
              replay r1 after 5 for 0
            replayed 0 after=5 seqs=6..7 v=2
              0 <- missed 6 7
            post seq=8 v=3
              1 <- 8
              0 <- 8
        "#]],
    );
}

#[test]
fn a_membership_that_nobody_told_of_is_found() {
    check(
        "
        open 0 u=1
        found 0 r=1 head=7 after=4 v=2
        attach 0 r=2 head=3
        found 0 r=1 head=7 after=4 v=2 & r=2 head=4 after=1
        members seq=7 v=2 u=1:4
        replayed 0 after=4 seqs=5..7 v=2
        found 0 s=9 r=3 head=1
        post r=2 seq=4
        post r=1 seq=8 v=2
    ",
        expect![[r#"
            open 0 u=1
            found 0 r=1 head=7 after=4 v=2
            attach 0 r=2 head=3
              want r2
              check r2
            found 0 r=1 head=7 after=4 v=2 & r=2 head=4 after=1
              want r1
              check r1
              reload r1
            members seq=7 v=2 u=1:4
              replay r1 after 4 for 0
            replayed 0 after=4 seqs=5..7 v=2
              0 <- missed 5 6 7
            found 0 s=9 r=3 head=1
            post r=2 seq=4
              0 <- 4
            post r=1 seq=8 v=2
              0 <- 8
        "#]],
    );
}

#[test]
fn who_is_said_to_have_left_hears_nothing_more_until_it_is_known() {
    check(
        "
        open 0 u=1
        open 1 u=2
        attach 0 r=1 head=5
        attach 1 r=1 head=5
        post seq=6
        post seq=8
        leave u=2 v=3
        post seq=7
        members seq=8 v=3 u=1
        post seq=9 v=3
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
            post seq=8
            leave u=2 v=3
              reload r1
              1 <- left(2)
            post seq=7
              0 <- 7 8
            members seq=8 v=3 u=1
            post seq=9 v=3
              0 <- 9
        "#]],
    );
}

#[test]
fn who_is_said_to_have_left_and_came_back_goes_on_where_it_was() {
    check(
        "
        slices 1
        open 0 u=1
        open 1 u=2
        attach 0 r=1 head=5
        attach 1 r=1 head=5
        post seq=6
        step
        leave u=1 v=3
        leave u=2 v=5
        step
        step
        step
        step
        step
        members seq=7 v=6 u=1:6,2:7
        replayed 0 after=6 seqs=7 v=2
        replayed 1 after=5 seqs=6..7 v=2
        post seq=8 v=6
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
            step
              0 <- 6
            leave u=1 v=3
              reload r1
            leave u=2 v=5
            step
            step
              0 <- left(1)
            step
              1 <- left(2)
            step
            step
            members seq=7 v=6 u=1:6,2:7
              replay r1 after 5 for 1
            replayed 0 after=6 seqs=7 v=2
            replayed 1 after=5 seqs=6..7 v=2
              1 <- missed 6 7
            post seq=8 v=6
            step
            step
        "#]],
    );
}
