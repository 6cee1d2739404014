//! How commands end: by the device, by a caller, by time; and what comes after the end.

use expect_test::expect;

use super::check;

#[test]
fn a_device_may_fail_reject_or_find_it_too_late() {
    check(
        "on @7
         offer 1
         wrote 1
         word 1 failed error=jammed
         offer 2
         wrote 2
         word 2 rejected error=unknown
         offer 3
         wrote 3
         word 3 rejected error=expired
         offer 4
         wrote 4
         word 4 rejected error=code:expired
         offer 5
         wrote 5
         word 5 failed error=expired",
        expect![[r#"
            on @7
            offer 1
              0: keep 1 routed @7 (session=7 epoch=7)
              0: write 1 @7 attempt=0
            wrote 1
              0: keep 1 written @7 (session=7 epoch=7 attempt=1)
            word 1 failed error=jammed
              0: end 1 failed @7 (epoch=7) error="jammed"
            offer 2
              0: keep 2 routed @7 (session=7 epoch=7)
              0: write 2 @7 attempt=0
            wrote 2
              0: keep 2 written @7 (session=7 epoch=7 attempt=1)
            word 2 rejected error=unknown
              0: end 2 rejected @7 (epoch=7) error="unknown"
            offer 3
              0: keep 3 routed @7 (session=7 epoch=7)
              0: write 3 @7 attempt=0
            wrote 3
              0: keep 3 written @7 (session=7 epoch=7 attempt=1)
            word 3 rejected error=expired
              0: end 3 expired @7 (epoch=7) error="expired"
            offer 4
              0: keep 4 routed @7 (session=7 epoch=7)
              0: write 4 @7 attempt=0
            wrote 4
              0: keep 4 written @7 (session=7 epoch=7 attempt=1)
            word 4 rejected error=code:expired
              0: end 4 expired @7 (epoch=7) error={"code":"expired"}
            offer 5
              0: keep 5 routed @7 (session=7 epoch=7)
              0: write 5 @7 attempt=0
            wrote 5
              0: keep 5 written @7 (session=7 epoch=7 attempt=1)
            word 5 failed error=expired
              0: end 5 failed @7 (epoch=7) error="expired"
        "#]],
    );
}

#[test]
fn what_was_never_written_expires() {
    check(
        "offer 1
         wait 4999
         wait 1
         show
         on @7
         keeps later
         offer 2
         wait 5000
         show",
        expect![[r#"
            offer 1
            wait 4999
            wait 1
              5000: end 1 expired @0
            show
              0 open, 0 devices
            on @7
            keeps later
            offer 2
              5000: keep 2 routed @7 (session=7 epoch=7)
            wait 5000
              10000: end 2 expired @7
            show
              0 open, 1 devices
        "#]],
    );
}

#[test]
fn what_was_written_and_not_acknowledged_times_out() {
    check(
        "on @7
         offer 1
         wrote 1
         wait 3000
         wait 2000
         wrote 1 attempt=1",
        expect![[r#"
            on @7
            offer 1
              0: keep 1 routed @7 (session=7 epoch=7)
              0: write 1 @7 attempt=0
            wrote 1
              0: keep 1 written @7 (session=7 epoch=7 attempt=1)
            wait 3000
              3000: write 1 @7 attempt=1
            wait 2000
              5000: withdraw 1 @7
              5000: end 1 timed_out @7
            wrote 1 attempt=1
        "#]],
    );
}

#[test]
fn what_the_device_has_goes_on_until_its_execution_limit() {
    check(
        "on @7
         know 1 run=20000
         offer 1
         wrote 1
         wait 4000
         word 1 received
         wait 19000
         word 1 in_progress
         word 1 received
         wait 19999
         wait 1
         know 2 run=10
         offer 2
         wrote 2
         word 2 received
         wait 4999
         wait 1",
        expect![[r#"
            on @7
            know 1 run=20000
            offer 1
              0: keep 1 routed @7 (session=7 epoch=7)
              0: write 1 @7 attempt=0
            wrote 1
              0: keep 1 written @7 (session=7 epoch=7 attempt=1)
            wait 4000
              3000: write 1 @7 attempt=1
            word 1 received
              4000: keep 1 received @7 (epoch=7)
              4000: withdraw 1 @7
            wait 19000
            word 1 in_progress
              23000: keep 1 in_progress @7 (epoch=7)
            word 1 received
            wait 19999
            wait 1
              43000: end 1 timed_out @7
            know 2 run=10
            offer 2
              43000: keep 2 routed @7 (session=7 epoch=7)
              43000: write 2 @7 attempt=0
            wrote 2
              43000: keep 2 written @7 (session=7 epoch=7 attempt=1)
            word 2 received
              43000: keep 2 received @7 (epoch=7)
            wait 4999
            wait 1
              48000: end 2 timed_out @7
        "#]],
    );
}

#[test]
fn what_is_with_the_writer_at_the_deadline_ends_as_the_writer_says() {
    check(
        "on @7
         offer 1
         wait 5000
         late 1
         offer 2
         wait 5000
         wrote 2
         offer 3
         wait 5000
         wait 1000
         offer 4
         wait 5000
         word 4 received",
        expect![[r#"
            on @7
            offer 1
              0: keep 1 routed @7 (session=7 epoch=7)
              0: write 1 @7 attempt=0
            wait 5000
              5000: withdraw 1 @7
            late 1
              5000: end 1 expired @7
            offer 2
              5000: keep 2 routed @7 (session=7 epoch=7)
              5000: write 2 @7 attempt=0
            wait 5000
              10000: withdraw 2 @7
            wrote 2
              10000: keep 2 written @7 (session=7 epoch=7 attempt=1)
              10000: end 2 timed_out @7
            offer 3
              10000: keep 3 routed @7 (session=7 epoch=7)
              10000: write 3 @7 attempt=0
            wait 5000
              15000: withdraw 3 @7
            wait 1000
              16000: end 3 timed_out @7
            offer 4
              16000: keep 4 routed @7 (session=7 epoch=7)
              16000: write 4 @7 attempt=0
            wait 5000
              21000: withdraw 4 @7
            word 4 received
              21000: keep 4 written @7 (session=7 epoch=7 attempt=1)
              21000: keep 4 received @7 (epoch=7)
        "#]],
    );
}

#[test]
fn a_writer_that_finds_it_too_late_says_how_it_ends() {
    check(
        "on @7
         offer 1
         late 1
         offer 2
         wrote 2
         wait 3000
         late 2
         offer 3
         wrote 3
         late 3",
        expect![[r#"
            on @7
            offer 1
              0: keep 1 routed @7 (session=7 epoch=7)
              0: write 1 @7 attempt=0
            late 1
              0: end 1 expired @7
            offer 2
              0: keep 2 routed @7 (session=7 epoch=7)
              0: write 2 @7 attempt=0
            wrote 2
              0: keep 2 written @7 (session=7 epoch=7 attempt=1)
            wait 3000
              3000: write 2 @7 attempt=1
            late 2
              3000: end 2 timed_out @7
            offer 3
              3000: keep 3 routed @7 (session=7 epoch=7)
              3000: write 3 @7 attempt=0
            wrote 3
              3000: keep 3 written @7 (session=7 epoch=7 attempt=1)
            late 3
        "#]],
    );
}

#[test]
fn a_caller_takes_back_what_is_in_the_store_with_the_writer_or_on_the_device() {
    check(
        "offer 1
         cancel 1
         on @7
         offer 2
         cancel 2
         wrote 2
         late 2
         offer 3
         wrote 3
         cancel 3
         offer 4
         wrote 4
         word 4 in_progress
         cancel 4
         word 4 ok result=done
         word 4 ok result=done
         cancel 4
         cancel 9
         show",
        expect![[r#"
            offer 1
            cancel 1
              0: end 1 cancelled @0 (by=kim)
            on @7
            offer 2
              0: keep 2 routed @7 (session=7 epoch=7)
              0: write 2 @7 attempt=0
            cancel 2
              0: withdraw 2 @7
              0: end 2 cancelled @7 (by=kim)
            wrote 2
            late 2
            offer 3
              0: keep 3 routed @7 (session=7 epoch=7)
              0: write 3 @7 attempt=0
            wrote 3
              0: keep 3 written @7 (session=7 epoch=7 attempt=1)
            cancel 3
              0: end 3 cancelled @7 (by=kim)
            offer 4
              0: keep 4 routed @7 (session=7 epoch=7)
              0: write 4 @7 attempt=0
            wrote 4
              0: keep 4 written @7 (session=7 epoch=7 attempt=1)
            word 4 in_progress
              0: keep 4 in_progress @7 (epoch=7)
            cancel 4
              0: end 4 cancelled @7 (by=kim)
            word 4 ok result=done
              0: late 4 succeeded @7 (epoch=7) result="done"
            word 4 ok result=done
            cancel 4
            cancel 9
            show
              0 open, 1 devices
        "#]],
    );
}

#[test]
fn the_first_last_word_after_the_end_is_kept_and_no_repeat() {
    check(
        "on @7
         offer 1
         wrote 1
         wait 5000
         word 1 received
         word 1 in_progress
         word 1 ok result=done
         word 1 failed error=no
         offer 2
         wrote 2
         word 2 ok
         word 2 ok
         word 2 failed",
        expect![[r#"
            on @7
            offer 1
              0: keep 1 routed @7 (session=7 epoch=7)
              0: write 1 @7 attempt=0
            wrote 1
              0: keep 1 written @7 (session=7 epoch=7 attempt=1)
            wait 5000
              3000: write 1 @7 attempt=1
              5000: withdraw 1 @7
              5000: end 1 timed_out @7
            word 1 received
            word 1 in_progress
            word 1 ok result=done
              5000: late 1 succeeded @7 (epoch=7) result="done"
            word 1 failed error=no
            offer 2
              5000: keep 2 routed @7 (session=7 epoch=7)
              5000: write 2 @7 attempt=0
            wrote 2
              5000: keep 2 written @7 (session=7 epoch=7 attempt=1)
            word 2 ok
              5000: end 2 succeeded @7 (epoch=7)
            word 2 ok
            word 2 failed
        "#]],
    );
}

#[test]
fn a_late_word_after_a_restart_is_kept_too_and_once() {
    check(
        "on @7
         word 1 received
         word 1 ok result=done
         word 1 ok result=done
         gone 1
         on @9 device=bus
         offer 2
         word 2 ok device=bus @9",
        expect![[r#"
            on @7
            word 1 received
            word 1 ok result=done
              0: late 1 succeeded @7 (epoch=7) result="done"
            word 1 ok result=done
            gone 1
            on @9 device=bus
            offer 2
              0: keep 2 routed @7 (session=7 epoch=7)
              0: write 2 @7 attempt=0
            word 2 ok device=bus @9
        "#]],
    );
}

#[test]
fn a_word_of_another_epoch_or_about_what_was_never_written_is_nothing() {
    check(
        "word 1 ok
         on @7
         offer 1
         offer 2
         word 2 ok
         wrote 1
         word 1 ok @6
         word 1 ok @8
         word 1 ok @7",
        expect![[r#"
            word 1 ok
            on @7
            offer 1
              0: keep 1 routed @7 (session=7 epoch=7)
              0: write 1 @7 attempt=0
            offer 2
              0: keep 2 routed @7 (session=7 epoch=7)
            word 2 ok
            wrote 1
              0: keep 1 written @7 (session=7 epoch=7 attempt=1)
              0: write 2 @7 attempt=0
            word 1 ok @6
            word 1 ok @8
            word 1 ok @7
              0: end 1 succeeded @7 (epoch=7)
        "#]],
    );
}

#[test]
fn what_ended_elsewhere_is_forgotten_and_taken_back_from_the_writer() {
    check(
        "keeps later
         on @7
         offer 1
         gone 1
         offer 2:routed@7
         gone 2 @6
         gone 2 @7
         show",
        expect![[r#"
            keeps later
            on @7
            offer 1
              0: keep 1 routed @7 (session=7 epoch=7)
            gone 1
            offer 2:routed@7
              0: write 2 @7 attempt=0
            gone 2 @6
            gone 2 @7
              0: withdraw 2 @7
            show
              0 open, 1 devices
        "#]],
    );
}
