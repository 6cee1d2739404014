//! The node dies after each point of a command's life; a new desk takes over what the store has, and the device comes back.

use expect_test::expect;

use super::check;

#[test]
fn accepted_was_never_sent() {
    check(
        "on @8 list=1:accepted@0
         late 1 @8",
        expect![[r#"
            on @8 list=1:accepted@0
              0: keep 1 routed @8 (session=8 epoch=8)
              0: write 1 @8 attempt=0
            late 1 @8
              0: end 1 expired @8
        "#]],
    );
}

#[test]
fn routed_may_have_been_written() {
    check(
        "keeps later
         on @8 list=1:routed@7
         wait 5000",
        expect![[r#"
            keeps later
            on @8 list=1:routed@7
              0: keep 1 routed @8 (session=8 epoch=8)
            wait 5000
              5000: end 1 timed_out @8
        "#]],
    );
}

#[test]
fn routed_is_sent_again_and_its_deadline_stands() {
    check(
        "on @8 list=1:routed@7
         wrote 1 @8
         wait 5000",
        expect![[r#"
            on @8 list=1:routed@7
              0: keep 1 routed @8 (session=8 epoch=8)
              0: write 1 @8 attempt=0
            wrote 1 @8
              0: keep 1 written @8 (session=8 epoch=8 attempt=1)
            wait 5000
              3000: write 1 @8 attempt=1
              5000: withdraw 1 @8
              5000: end 1 timed_out @8
        "#]],
    );
}

#[test]
fn routed_and_answered_before_it_is_sent_again() {
    check(
        "keeps later
         on @8 list=1:routed@7
         word 1 ok @8",
        expect![[r#"
            keeps later
            on @8 list=1:routed@7
              0: keep 1 routed @8 (session=8 epoch=8)
            word 1 ok @8
              0: end 1 succeeded @8 (epoch=8)
        "#]],
    );
}

#[test]
fn written_is_sent_again_as_another_attempt() {
    check(
        "on @8 list=1:written@7
         wrote 1 @8 attempt=1
         word 1 ok @8",
        expect![[r#"
            on @8 list=1:written@7
              0: keep 1 routed @8 (session=8 epoch=8)
              0: write 1 @8 attempt=1
            wrote 1 @8 attempt=1
              0: keep 1 written @8 (session=8 epoch=8 attempt=2)
            word 1 ok @8
              0: end 1 succeeded @8 (epoch=8)
        "#]],
    );
}

#[test]
fn received_is_asked_for_again_within_its_execution_limit() {
    check(
        "on @8 list=1:received@7
         wrote 1 @8 attempt=1
         word 1 ok @8",
        expect![[r#"
            on @8 list=1:received@7
              0: keep 1 routed @8 (session=8 epoch=8)
              0: write 1 @8 attempt=1
            wrote 1 @8 attempt=1
              0: keep 1 written @8 (session=8 epoch=8 attempt=2)
            word 1 ok @8
              0: end 1 succeeded @8 (epoch=8)
        "#]],
    );
}

#[test]
fn in_progress_and_listed_goes_on_and_times_out() {
    check(
        "on @8 list=1:in_progress@7 running=1
         wait 20000",
        expect![[r#"
            on @8 list=1:in_progress@7 running=1
            wait 20000
              20000: end 1 timed_out @8
        "#]],
    );
}

#[test]
fn ended_is_not_taken_up_again() {
    check(
        "on @8 list=1:succeeded@7
         show
         word 1 ok @8",
        expect![[r#"
            on @8 list=1:succeeded@7
            show
              0 open, 1 devices
            word 1 ok @8
              0: late 1 succeeded @8 (epoch=8)
        "#]],
    );
}

#[test]
fn past_its_time_it_ends_without_being_sent() {
    check(
        "know 1
         know 2
         know 3 run=10
         wait 5000
         on @8 list=1:accepted@0,2:routed@7
         wait 0",
        expect![[r#"
            know 1
            know 2
            know 3 run=10
            wait 5000
            on @8 list=1:accepted@0,2:routed@7
            wait 0
              5000: end 1 expired @8
              5000: end 2 timed_out @8
        "#]],
    );
}
