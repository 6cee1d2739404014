//! Devices that do not know a command again: nothing is written to them twice, whatever happens between.

use expect_test::expect;

use super::check;

#[test]
fn what_is_not_answered_is_not_written_again() {
    check(
        "on @7 forgetful
         offer 1
         wrote 1
         offer 2
         wrote 2
         word 2 received
         wait 4999
         wait 1
         wait 20000",
        expect![[r#"
            on @7 forgetful
            offer 1
              0: keep 1 routed @7 (session=7 epoch=7 once)
              0: write 1 @7 attempt=0
            wrote 1
              0: keep 1 written @7 (session=7 epoch=7 once attempt=1)
            offer 2
              0: keep 2 routed @7 (session=7 epoch=7 once)
              0: write 2 @7 attempt=0
            wrote 2
              0: keep 2 written @7 (session=7 epoch=7 once attempt=1)
            word 2 received
              0: keep 2 received @7 (epoch=7)
            wait 4999
            wait 1
              5000: end 1 timed_out @7
            wait 20000
              20000: end 2 timed_out @7
        "#]],
    );
}

#[test]
fn where_the_kernel_is_not_seen_the_session_is_free_when_a_retry_would_be_due() {
    check(
        "on @7 forgetful acknowledged
         offer 1
         offer 2
         wrote 1
         wait 3000
         wrote 2
         wait 5000",
        expect![[r#"
            on @7 forgetful acknowledged
            offer 1
              0: keep 1 routed @7 (session=7 epoch=7 once)
              0: write 1 @7 attempt=0
            offer 2
              0: keep 2 routed @7 (session=7 epoch=7 once)
            wrote 1
              0: keep 1 written @7 (session=7 epoch=7 once attempt=1)
            wait 3000
              3000: write 2 @7 attempt=0
            wrote 2
              3000: keep 2 written @7 (session=7 epoch=7 once attempt=1)
            wait 5000
              5000: end 1 timed_out @7
              5000: end 2 timed_out @7
        "#]],
    );
}

#[test]
fn a_new_session_gets_what_was_not_written_and_its_word_counts_for_what_was() {
    check(
        "on @7 forgetful
         know 1 target=window pace=latest
         know 2 target=window pace=latest
         know 3 target=roof pace=latest
         offer 1
         wrote 1
         offer 2
         offer 3
         off @7
         on @8 forgetful list=1:written@7,2:routed@7,3:routed@7
         wrote 3 @8
         word 1 in_progress @8
         word 1 ok @8
         wrote 2 @8",
        expect![[r#"
            on @7 forgetful
            know 1 target=window pace=latest
            know 2 target=window pace=latest
            know 3 target=roof pace=latest
            offer 1
              0: keep 1 routed @7 (session=7 epoch=7 once)
              0: write 1 @7 attempt=0
            wrote 1
              0: keep 1 written @7 (session=7 epoch=7 once attempt=1)
            offer 2
              0: keep 2 routed @7 (session=7 epoch=7 once)
            offer 3
              0: keep 3 routed @7 (session=7 epoch=7 once)
              0: write 3 @7 attempt=0
            off @7
            on @8 forgetful list=1:written@7,2:routed@7,3:routed@7
              0: keep 1 routed @8 (session=8 epoch=8 once)
              0: keep 2 routed @8 (session=8 epoch=8 once)
              0: keep 3 routed @8 (session=8 epoch=8 once)
              0: write 3 @8 attempt=0
            wrote 3 @8
              0: keep 3 written @8 (session=8 epoch=8 once attempt=1)
            word 1 in_progress @8
              0: keep 1 in_progress @8 (epoch=8)
            word 1 ok @8
              0: end 1 succeeded @8 (epoch=8)
              0: write 2 @8 attempt=0
            wrote 2 @8
              0: keep 2 written @8 (session=8 epoch=8 once attempt=1)
        "#]],
    );
}

#[test]
fn what_it_had_and_does_not_speak_of_any_more_ends_by_its_time() {
    check(
        "on @7 forgetful
         offer 1
         wrote 1
         offer 2
         wrote 2
         word 2 received
         off @7
         on @8 forgetful list=1:written@7,2:received@7
         wait 20000",
        expect![[r#"
            on @7 forgetful
            offer 1
              0: keep 1 routed @7 (session=7 epoch=7 once)
              0: write 1 @7 attempt=0
            wrote 1
              0: keep 1 written @7 (session=7 epoch=7 once attempt=1)
            offer 2
              0: keep 2 routed @7 (session=7 epoch=7 once)
              0: write 2 @7 attempt=0
            wrote 2
              0: keep 2 written @7 (session=7 epoch=7 once attempt=1)
            word 2 received
              0: keep 2 received @7 (epoch=7)
            off @7
            on @8 forgetful list=1:written@7,2:received@7
              0: keep 1 routed @8 (session=8 epoch=8 once)
              0: keep 2 routed @8 (session=8 epoch=8 once)
            wait 20000
              5000: end 1 timed_out @8
              20000: end 2 timed_out @8
        "#]],
    );
}

#[test]
fn another_node_s_session_may_have_written_it() {
    check(
        "on @8 forgetful list=1:routed@7,2:accepted@0
         wrote 2 @8
         wait 4999
         word 2 ok @8
         wait 1",
        expect![[r#"
            on @8 forgetful list=1:routed@7,2:accepted@0
              0: keep 1 routed @8 (session=8 epoch=8 once)
              0: keep 2 routed @8 (session=8 epoch=8 once)
              0: write 2 @8 attempt=0
            wrote 2 @8
              0: keep 2 written @8 (session=8 epoch=8 once attempt=1)
            wait 4999
            word 2 ok @8
              4999: end 2 succeeded @8 (epoch=8)
            wait 1
              5000: end 1 timed_out @8
        "#]],
    );
}

#[test]
fn a_newer_one_does_not_take_the_place_of_what_may_be_carried_out() {
    check(
        "on @7 forgetful
         know 1 target=window pace=latest
         know 2 target=window pace=latest ttl=9000
         offer 1
         wrote 1
         offer 2
         off @7
         wait 1000
         on @8 forgetful list=1:written@7,2:routed@7
         wait 4000
         wrote 2 @8",
        expect![[r#"
            on @7 forgetful
            know 1 target=window pace=latest
            know 2 target=window pace=latest ttl=9000
            offer 1
              0: keep 1 routed @7 (session=7 epoch=7 once)
              0: write 1 @7 attempt=0
            wrote 1
              0: keep 1 written @7 (session=7 epoch=7 once attempt=1)
            offer 2
              0: keep 2 routed @7 (session=7 epoch=7 once)
            off @7
            wait 1000
            on @8 forgetful list=1:written@7,2:routed@7
              1000: keep 1 routed @8 (session=8 epoch=8 once)
              1000: keep 2 routed @8 (session=8 epoch=8 once)
            wait 4000
              5000: end 1 timed_out @8
              5000: write 2 @8 attempt=0
            wrote 2 @8
              5000: keep 2 written @8 (session=8 epoch=8 once attempt=1)
        "#]],
    );
}

#[test]
fn what_a_session_without_memory_had_is_not_for_one_that_has_it_either() {
    check(
        "on @7 forgetful
         offer 1
         wrote 1
         offer 2
         off @7
         on @8 list=1:written@7,2:routed@7
         wrote 2 @8
         wait 3000
         wait 2000",
        expect![[r#"
            on @7 forgetful
            offer 1
              0: keep 1 routed @7 (session=7 epoch=7 once)
              0: write 1 @7 attempt=0
            wrote 1
              0: keep 1 written @7 (session=7 epoch=7 once attempt=1)
            offer 2
              0: keep 2 routed @7 (session=7 epoch=7 once)
              0: write 2 @7 attempt=0
            off @7
            on @8 list=1:written@7,2:routed@7
              0: keep 1 routed @8 (session=8 epoch=8)
              0: keep 2 routed @8 (session=8 epoch=8)
              0: write 2 @8 attempt=0
            wrote 2 @8
              0: keep 2 written @8 (session=8 epoch=8 attempt=1)
            wait 3000
              3000: write 2 @8 attempt=1
            wait 2000
              5000: end 1 timed_out @8
              5000: withdraw 2 @8
              5000: end 2 timed_out @8
        "#]],
    );
    check(
        "on @7 forgetful
         offer 1
         on @8 list=1:routed@7
         off @7
         wrote 1 @8
         wait 3000",
        expect![[r#"
            on @7 forgetful
            offer 1
              0: keep 1 routed @7 (session=7 epoch=7 once)
              0: write 1 @7 attempt=0
            on @8 list=1:routed@7
              0: keep 1 routed @8 (session=8 epoch=8)
            off @7
              0: write 1 @8 attempt=0
            wrote 1 @8
              0: keep 1 written @8 (session=8 epoch=8 attempt=1)
            wait 3000
              3000: write 1 @8 attempt=1
        "#]],
    );
}

#[test]
fn what_a_session_with_memory_had_is_not_for_one_that_has_none() {
    check(
        "on @8
         offer 1
         wrote 1 @8
         off @8
         on @9 forgetful list=1:written@8
         wait 5000",
        expect![[r#"
            on @8
            offer 1
              0: keep 1 routed @8 (session=8 epoch=8)
              0: write 1 @8 attempt=0
            wrote 1 @8
              0: keep 1 written @8 (session=8 epoch=8 attempt=1)
            off @8
            on @9 forgetful list=1:written@8
              0: keep 1 routed @9 (session=9 epoch=9 once)
            wait 5000
              5000: end 1 timed_out @9
        "#]],
    );
}

#[test]
fn what_a_replaced_session_may_still_write_waits_until_it_has_said_so() {
    check(
        "on @7 forgetful
         offer 1
         on @8 forgetful list=1:routed@7
         wrote 1 @7
         word 1 ok @8",
        expect![[r#"
            on @7 forgetful
            offer 1
              0: keep 1 routed @7 (session=7 epoch=7 once)
              0: write 1 @7 attempt=0
            on @8 forgetful list=1:routed@7
              0: keep 1 routed @8 (session=8 epoch=8 once)
            wrote 1 @7
              0: keep 1 written @8 (epoch=7 attempt=1)
            word 1 ok @8
              0: end 1 succeeded @8 (epoch=8)
        "#]],
    );
    check(
        "on @7 forgetful
         offer 1
         on @8 forgetful list=1:routed@7
         off @7
         wrote 1 @8",
        expect![[r#"
            on @7 forgetful
            offer 1
              0: keep 1 routed @7 (session=7 epoch=7 once)
              0: write 1 @7 attempt=0
            on @8 forgetful list=1:routed@7
              0: keep 1 routed @8 (session=8 epoch=8 once)
            off @7
              0: write 1 @8 attempt=0
            wrote 1 @8
              0: keep 1 written @8 (session=8 epoch=8 once attempt=1)
        "#]],
    );
    check(
        "on @7 forgetful
         offer 1
         on @8 forgetful list=1:routed@7
         late 1 @7
         late 1 @8",
        expect![[r#"
            on @7 forgetful
            offer 1
              0: keep 1 routed @7 (session=7 epoch=7 once)
              0: write 1 @7 attempt=0
            on @8 forgetful list=1:routed@7
              0: keep 1 routed @8 (session=8 epoch=8 once)
            late 1 @7
              0: write 1 @8 attempt=0
            late 1 @8
              0: end 1 expired @8
        "#]],
    );
}

#[test]
fn what_the_device_says_of_it_meanwhile_counts() {
    check(
        "on @7 forgetful
         offer 1
         on @8 forgetful list=1:routed@7
         word 1 received @8
         wrote 1 @7
         off @7",
        expect![[r#"
            on @7 forgetful
            offer 1
              0: keep 1 routed @7 (session=7 epoch=7 once)
              0: write 1 @7 attempt=0
            on @8 forgetful list=1:routed@7
              0: keep 1 routed @8 (session=8 epoch=8 once)
            word 1 received @8
              0: keep 1 written @8 (epoch=7 attempt=1)
              0: keep 1 received @8 (epoch=8)
            wrote 1 @7
            off @7
        "#]],
    );
    check(
        "on @7 forgetful
         offer 1
         on @8 forgetful list=1:routed@7 running=1
         off @7
         wait 20000",
        expect![[r#"
            on @7 forgetful
            offer 1
              0: keep 1 routed @7 (session=7 epoch=7 once)
              0: write 1 @7 attempt=0
            on @8 forgetful list=1:routed@7 running=1
              0: keep 1 in_progress @8 (session=8 epoch=8 once)
            off @7
            wait 20000
              20000: end 1 timed_out @8
        "#]],
    );
}

#[test]
fn what_nobody_says_anything_of_may_have_been_written() {
    check(
        "on @7 forgetful
         offer 1
         on @8 forgetful list=1:routed@7
         wait 5000
         off @7",
        expect![[r#"
            on @7 forgetful
            offer 1
              0: keep 1 routed @7 (session=7 epoch=7 once)
              0: write 1 @7 attempt=0
            on @8 forgetful list=1:routed@7
              0: keep 1 routed @8 (session=8 epoch=8 once)
            wait 5000
              5000: end 1 timed_out @8
            off @7
        "#]],
    );
}

#[test]
fn what_one_elsewhere_may_have_had_that_knows_nothing_again_is_not_written_to_another() {
    check(
        "on @7 list=1:routed@6/session=6/epoch=6/once,2:routed@6/session=6/epoch=6
         wait 5000",
        expect![[r#"
            on @7 list=1:routed@6/session=6/epoch=6/once,2:routed@6/session=6/epoch=6
              0: keep 1 routed @7 (session=7 epoch=7)
              0: keep 2 routed @7 (session=7 epoch=7)
              0: write 2 @7 attempt=0
            wait 5000
              5000: end 1 timed_out @7
              5000: withdraw 2 @7
              5000: end 2 timed_out @7
        "#]],
    );
}

#[test]
fn what_was_held_back_from_one_that_knows_nothing_again_is_written_to_the_next() {
    check(
        "on @7 list=1:written@6/session=5/epoch=5/attempt=1+session=6/epoch=6/once",
        expect![[r#"
            on @7 list=1:written@6/session=5/epoch=5/attempt=1+session=6/epoch=6/once
              0: keep 1 routed @7 (session=7 epoch=7)
              0: write 1 @7 attempt=1
        "#]],
    );
}

#[test]
fn what_was_written_to_one_that_knows_nothing_again_is_not_written_to_another() {
    check(
        "on @7 list=1:written@6/session=5/epoch=5+session=6/epoch=6/once+session=6/epoch=6/once/attempt=1
         wait 5000",
        expect![[r#"
            on @7 list=1:written@6/session=5/epoch=5+session=6/epoch=6/once+session=6/epoch=6/once/attempt=1
              0: keep 1 routed @7 (session=7 epoch=7)
            wait 5000
              5000: end 1 timed_out @7
        "#]],
    );
}
