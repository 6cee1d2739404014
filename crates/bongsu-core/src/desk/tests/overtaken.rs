//! A newer command takes the place of an older one that the writer has: whether it was in time is the writer's to say.

use expect_test::expect;

use super::check;

#[test]
fn what_the_writer_had_not_begun_is_superseded() {
    check(
        "on @7
         know 1 target=window pace=latest
         know 2 target=window pace=latest ttl=60000
         know 3 target=window pace=latest
         offer 1
         offer 2
         offer 3
         late 1
         wrote 3",
        expect![[r#"
            on @7
            know 1 target=window pace=latest
            know 2 target=window pace=latest ttl=60000
            know 3 target=window pace=latest
            offer 1
              0: keep 1 routed @7 (session=7 epoch=7)
              0: write 1 @7 attempt=0
            offer 2
              0: keep 2 routed @7 (session=7 epoch=7)
              0: withdraw 1 @7
            offer 3
              0: keep 3 routed @7 (session=7 epoch=7)
              0: end 2 superseded @7 (superseded_by=0000000000000000000000003)
            late 1
              0: end 1 superseded @7 (superseded_by=0000000000000000000000003)
              0: write 3 @7 attempt=0
            wrote 3
              0: keep 3 written @7 (session=7 epoch=7 attempt=1)
        "#]],
    );
}

#[test]
fn what_the_writer_had_begun_stays_and_the_newer_waits_for_its_end() {
    check(
        "on @7
         know 1 target=window pace=latest
         know 2 target=window pace=latest ttl=60000
         offer 1
         offer 2
         wrote 1
         wait 3000
         wrote 1 attempt=1
         word 1 ok
         wrote 2",
        expect![[r#"
            on @7
            know 1 target=window pace=latest
            know 2 target=window pace=latest ttl=60000
            offer 1
              0: keep 1 routed @7 (session=7 epoch=7)
              0: write 1 @7 attempt=0
            offer 2
              0: keep 2 routed @7 (session=7 epoch=7)
              0: withdraw 1 @7
            wrote 1
              0: keep 1 written @7 (session=7 epoch=7 attempt=1)
            wait 3000
              3000: write 1 @7 attempt=1
            wrote 1 attempt=1
              3000: keep 1 written @7 (session=7 epoch=7 attempt=2)
            word 1 ok
              3000: end 1 succeeded @7 (epoch=7)
              3000: write 2 @7 attempt=0
            wrote 2
              3000: keep 2 written @7 (session=7 epoch=7 attempt=1)
        "#]],
    );
    check(
        "on @7
         know 1 target=window pace=latest
         know 2 target=window pace=latest ttl=60000
         offer 1
         offer 2
         unwritten 1
         off @7",
        expect![[r#"
            on @7
            know 1 target=window pace=latest
            know 2 target=window pace=latest ttl=60000
            offer 1
              0: keep 1 routed @7 (session=7 epoch=7)
              0: write 1 @7 attempt=0
            offer 2
              0: keep 2 routed @7 (session=7 epoch=7)
              0: withdraw 1 @7
            unwritten 1
              0: keep 1 written @7 (session=7 epoch=7 attempt=1)
            off @7
              0: end 1 superseded @7 (superseded_by=0000000000000000000000002 written=maybe)
        "#]],
    );
}

#[test]
fn a_writer_that_says_nothing_holds_the_session_until_it_is_over() {
    check(
        "on @7
         know 1 target=window pace=latest
         know 2 target=window pace=latest ttl=60000
         offer 1
         offer 2
         offer 3
         wait 4000
         off @7
         on @8 list=2:routed@7,3:routed@7",
        expect![[r#"
            on @7
            know 1 target=window pace=latest
            know 2 target=window pace=latest ttl=60000
            offer 1
              0: keep 1 routed @7 (session=7 epoch=7)
              0: write 1 @7 attempt=0
            offer 2
              0: keep 2 routed @7 (session=7 epoch=7)
              0: withdraw 1 @7
            offer 3
              0: keep 3 routed @7 (session=7 epoch=7)
            wait 4000
            off @7
              4000: end 1 superseded @7 (superseded_by=0000000000000000000000002)
            on @8 list=2:routed@7,3:routed@7
              4000: keep 2 routed @8 (session=8 epoch=8)
              4000: keep 3 routed @8 (session=8 epoch=8)
              4000: write 2 @8 attempt=0
        "#]],
    );
}

#[test]
fn whose_time_ends_meanwhile_was_written_or_was_not() {
    check(
        "on @7
         know 1 target=window pace=latest
         know 2 target=window pace=latest ttl=60000
         offer 1
         offer 2
         wait 5000
         late 1",
        expect![[r#"
            on @7
            know 1 target=window pace=latest
            know 2 target=window pace=latest ttl=60000
            offer 1
              0: keep 1 routed @7 (session=7 epoch=7)
              0: write 1 @7 attempt=0
            offer 2
              0: keep 2 routed @7 (session=7 epoch=7)
              0: withdraw 1 @7
            wait 5000
            late 1
              5000: end 1 expired @7
              5000: write 2 @7 attempt=0
        "#]],
    );
    check(
        "on @7
         know 1 target=window pace=latest
         know 2 target=window pace=latest ttl=60000
         offer 1
         offer 2
         wait 5000
         wrote 1",
        expect![[r#"
            on @7
            know 1 target=window pace=latest
            know 2 target=window pace=latest ttl=60000
            offer 1
              0: keep 1 routed @7 (session=7 epoch=7)
              0: write 1 @7 attempt=0
            offer 2
              0: keep 2 routed @7 (session=7 epoch=7)
              0: withdraw 1 @7
            wait 5000
            wrote 1
              5000: keep 1 written @7 (session=7 epoch=7 attempt=1)
              5000: end 1 timed_out @7
              5000: write 2 @7 attempt=0
        "#]],
    );
}

#[test]
fn whose_time_ends_and_of_which_nothing_is_said_may_have_been_written() {
    check(
        "on @7
         know 1 target=window pace=latest
         know 2 target=window pace=latest ttl=60000
         offer 1
         offer 2
         wait 6000",
        expect![[r#"
            on @7
            know 1 target=window pace=latest
            know 2 target=window pace=latest ttl=60000
            offer 1
              0: keep 1 routed @7 (session=7 epoch=7)
              0: write 1 @7 attempt=0
            offer 2
              0: keep 2 routed @7 (session=7 epoch=7)
              0: withdraw 1 @7
            wait 6000
              6000: end 1 timed_out @7
              6000: write 2 @7 attempt=0
        "#]],
    );
}

#[test]
fn when_the_newer_has_ended_meanwhile_the_older_is_written_after_all() {
    check(
        "on @7
         know 1 target=window pace=latest
         know 2 target=window pace=latest ttl=60000
         offer 1
         offer 2
         cancel 2
         late 1
         wrote 1",
        expect![[r#"
            on @7
            know 1 target=window pace=latest
            know 2 target=window pace=latest ttl=60000
            offer 1
              0: keep 1 routed @7 (session=7 epoch=7)
              0: write 1 @7 attempt=0
            offer 2
              0: keep 2 routed @7 (session=7 epoch=7)
              0: withdraw 1 @7
            cancel 2
              0: end 2 cancelled @7 (by=kim)
            late 1
              0: write 1 @7 attempt=0
            wrote 1
              0: keep 1 written @7 (session=7 epoch=7 attempt=1)
        "#]],
    );
}

#[test]
fn the_device_may_be_faster_than_the_writer() {
    check(
        "on @7
         know 1 target=window pace=latest
         know 2 target=window pace=latest ttl=60000
         offer 1
         offer 2
         word 1 received
         wrote 1
         word 1 ok",
        expect![[r#"
            on @7
            know 1 target=window pace=latest
            know 2 target=window pace=latest ttl=60000
            offer 1
              0: keep 1 routed @7 (session=7 epoch=7)
              0: write 1 @7 attempt=0
            offer 2
              0: keep 2 routed @7 (session=7 epoch=7)
              0: withdraw 1 @7
            word 1 received
              0: keep 1 written @7 (session=7 epoch=7 attempt=1)
              0: keep 1 received @7 (epoch=7)
            wrote 1
            word 1 ok
              0: end 1 succeeded @7 (epoch=7)
              0: write 2 @7 attempt=0
        "#]],
    );
    check(
        "on @7
         know 1 target=window pace=latest
         know 2 target=window pace=latest ttl=60000
         offer 1
         wrote 1
         off @7
         on @8 list=1:written@7
         offer 2
         word 1 received @8
         late 1 @8
         word 1 ok @8",
        expect![[r#"
            on @7
            know 1 target=window pace=latest
            know 2 target=window pace=latest ttl=60000
            offer 1
              0: keep 1 routed @7 (session=7 epoch=7)
              0: write 1 @7 attempt=0
            wrote 1
              0: keep 1 written @7 (session=7 epoch=7 attempt=1)
            off @7
            on @8 list=1:written@7
              0: keep 1 routed @8 (session=8 epoch=8)
              0: write 1 @8 attempt=1
            offer 2
              0: keep 2 routed @8 (session=8 epoch=8)
              0: withdraw 1 @8
            word 1 received @8
              0: keep 1 received @8 (epoch=8)
            late 1 @8
            word 1 ok @8
              0: end 1 succeeded @8 (epoch=8)
              0: write 2 @8 attempt=0
        "#]],
    );
}

#[test]
fn what_left_on_a_session_that_is_over_is_superseded_as_perhaps_carried_out() {
    check(
        "on @7
         know 1 target=window pace=latest
         know 2 target=window pace=latest ttl=60000
         offer 1
         wrote 1
         off @7
         on @8 list=1:written@7
         offer 2
         late 1 @8",
        expect![[r#"
            on @7
            know 1 target=window pace=latest
            know 2 target=window pace=latest ttl=60000
            offer 1
              0: keep 1 routed @7 (session=7 epoch=7)
              0: write 1 @7 attempt=0
            wrote 1
              0: keep 1 written @7 (session=7 epoch=7 attempt=1)
            off @7
            on @8 list=1:written@7
              0: keep 1 routed @8 (session=8 epoch=8)
              0: write 1 @8 attempt=1
            offer 2
              0: keep 2 routed @8 (session=8 epoch=8)
              0: withdraw 1 @8
            late 1 @8
              0: end 1 superseded @8 (superseded_by=0000000000000000000000002 written=maybe)
              0: write 2 @8 attempt=0
        "#]],
    );
}

#[test]
fn a_later_session_does_not_know_what_the_former_one_s_writer_did() {
    check(
        "on @7
         know 1 target=window pace=latest
         know 2 target=window pace=latest ttl=60000
         offer 1
         offer 2
         on @8 list=1:routed@7,2:routed@7
         wrote 1 @7",
        expect![[r#"
            on @7
            know 1 target=window pace=latest
            know 2 target=window pace=latest ttl=60000
            offer 1
              0: keep 1 routed @7 (session=7 epoch=7)
              0: write 1 @7 attempt=0
            offer 2
              0: keep 2 routed @7 (session=7 epoch=7)
              0: withdraw 1 @7
            on @8 list=1:routed@7,2:routed@7
              0: keep 1 routed @8 (session=8 epoch=8)
              0: keep 2 routed @8 (session=8 epoch=8)
              0: end 1 superseded @8 (superseded_by=0000000000000000000000002 written=maybe)
              0: write 2 @8 attempt=0
            wrote 1 @7
        "#]],
    );
}

#[test]
fn a_later_session_of_one_that_knows_nothing_again_waits_for_the_former_one_s_writer() {
    check(
        "on @7 forgetful
         know 1 target=window pace=latest
         know 2 target=window pace=latest ttl=60000
         offer 1
         offer 2
         on @8 forgetful list=1:routed@7,2:routed@7
         wrote 1 @7
         off @7
         word 1 ok @8",
        expect![[r#"
            on @7 forgetful
            know 1 target=window pace=latest
            know 2 target=window pace=latest ttl=60000
            offer 1
              0: keep 1 routed @7 (session=7 epoch=7 once)
              0: write 1 @7 attempt=0
            offer 2
              0: keep 2 routed @7 (session=7 epoch=7 once)
              0: withdraw 1 @7
            on @8 forgetful list=1:routed@7,2:routed@7
              0: keep 1 routed @8 (session=8 epoch=8 once)
              0: keep 2 routed @8 (session=8 epoch=8 once)
            wrote 1 @7
              0: keep 1 written @8 (epoch=7 attempt=1)
            off @7
            word 1 ok @8
              0: end 1 succeeded @8 (epoch=8)
              0: write 2 @8 attempt=0
        "#]],
    );
    check(
        "on @7 forgetful
         know 1 target=window pace=latest
         know 2 target=window pace=latest ttl=60000
         offer 1
         offer 2
         on @8 forgetful list=1:routed@7,2:routed@7
         off @7",
        expect![[r#"
            on @7 forgetful
            know 1 target=window pace=latest
            know 2 target=window pace=latest ttl=60000
            offer 1
              0: keep 1 routed @7 (session=7 epoch=7 once)
              0: write 1 @7 attempt=0
            offer 2
              0: keep 2 routed @7 (session=7 epoch=7 once)
              0: withdraw 1 @7
            on @8 forgetful list=1:routed@7,2:routed@7
              0: keep 1 routed @8 (session=8 epoch=8 once)
              0: keep 2 routed @8 (session=8 epoch=8 once)
            off @7
              0: end 1 superseded @8 (superseded_by=0000000000000000000000002)
              0: write 2 @8 attempt=0
        "#]],
    );
}
