//! Sessions come and go; commands stay.

use expect_test::expect;

use super::check;

#[test]
fn what_waits_is_sent_at_once_on_a_new_session_and_noted_before() {
    check(
        "offer 1
         on @7 list=1
         wrote 1
         off @7
         keeps later
         on @8 list=1:written@7
         kept 1 @7
         kept 1 @8
         wrote 1 @8 attempt=1",
        expect![[r#"
            offer 1
            on @7 list=1
              0: keep 1 routed @7 (session=7 epoch=7)
              0: write 1 @7 attempt=0
            wrote 1
              0: keep 1 written @7 (session=7 epoch=7 attempt=1)
            off @7
            keeps later
            on @8 list=1:written@7
              0: keep 1 routed @8 (session=8 epoch=8)
            kept 1 @7
            kept 1 @8
              0: write 1 @8 attempt=1
            wrote 1 @8 attempt=1
              0: keep 1 written @8 (session=8 epoch=8 attempt=2)
        "#]],
    );
}

#[test]
fn a_device_that_lists_a_command_as_running_carries_it_out() {
    check(
        "on @7
         offer 1
         wrote 1
         offer 2
         off @7
         on @8 list=1:written@7,2:routed@7,3 running=1,2,3,4
         wait 20000",
        expect![[r#"
            on @7
            offer 1
              0: keep 1 routed @7 (session=7 epoch=7)
              0: write 1 @7 attempt=0
            wrote 1
              0: keep 1 written @7 (session=7 epoch=7 attempt=1)
            offer 2
              0: keep 2 routed @7 (session=7 epoch=7)
              0: write 2 @7 attempt=0
            off @7
            on @8 list=1:written@7,2:routed@7,3 running=1,2,3,4
              0: keep 1 in_progress @8 (session=8 epoch=8)
              0: keep 2 routed @8 (session=8 epoch=8)
              0: keep 3 routed @8 (session=8 epoch=8)
              0: write 2 @8 attempt=0
            wait 20000
              5000: withdraw 2 @8
              5000: end 3 expired @8
              6000: end 2 timed_out @8
              20000: end 1 timed_out @8
        "#]],
    );
}

#[test]
fn what_a_device_had_and_does_not_list_is_asked_for_again() {
    check(
        "on @7
         know 1 target=seat pace=serial
         know 2 target=seat pace=serial
         offer 1
         wrote 1
         word 1 in_progress
         offer 2
         wait 3000
         off @7
         on @8 list=1:in_progress@7
         wrote 1 @8 attempt=1
         wait 3000
         wait 13999
         wait 1",
        expect![[r#"
            on @7
            know 1 target=seat pace=serial
            know 2 target=seat pace=serial
            offer 1
              0: keep 1 routed @7 (session=7 epoch=7)
              0: write 1 @7 attempt=0
            wrote 1
              0: keep 1 written @7 (session=7 epoch=7 attempt=1)
            word 1 in_progress
              0: keep 1 in_progress @7 (epoch=7)
            offer 2
              0: keep 2 routed @7 (session=7 epoch=7)
            wait 3000
            off @7
            on @8 list=1:in_progress@7
              3000: keep 1 routed @8 (session=8 epoch=8)
              3000: keep 2 routed @8 (session=8 epoch=8)
              3000: write 1 @8 attempt=1
            wrote 1 @8 attempt=1
              3000: keep 1 written @8 (session=8 epoch=8 attempt=2)
            wait 3000
              5000: end 2 expired @8
            wait 13999
            wait 1
              20000: end 1 timed_out @8
        "#]],
    );
}

#[test]
fn an_older_session_changes_nothing() {
    check(
        "on @7
         offer 1
         on @6 list=2
         off @6
         on @7 list=2
         released @7
         show
         wrote 1
         on @8 list=1:written@7
         wrote 1 @8 attempt=1
         off @7
         word 1 ok @7
         word 1 ok @8",
        expect![[r#"
            on @7
            offer 1
              0: keep 1 routed @7 (session=7 epoch=7)
              0: write 1 @7 attempt=0
            on @6 list=2
            off @6
            on @7 list=2
            released @7
            show
              1 open, 1 devices
            wrote 1
              0: keep 1 written @7 (session=7 epoch=7 attempt=1)
            on @8 list=1:written@7
              0: keep 1 routed @8 (session=8 epoch=8)
              0: write 1 @8 attempt=1
            wrote 1 @8 attempt=1
              0: keep 1 written @8 (session=8 epoch=8 attempt=2)
            off @7
            word 1 ok @7
            word 1 ok @8
              0: end 1 succeeded @8 (epoch=8)
        "#]],
    );
}

#[test]
fn a_session_elsewhere_takes_the_commands_along() {
    check(
        "on @7
         offer 1
         wrote 1
         offer 2
         offer 3
         released @8
         show
         wrote 2
         word 1 ok
         wait 10000",
        expect![[r#"
            on @7
            offer 1
              0: keep 1 routed @7 (session=7 epoch=7)
              0: write 1 @7 attempt=0
            wrote 1
              0: keep 1 written @7 (session=7 epoch=7 attempt=1)
            offer 2
              0: keep 2 routed @7 (session=7 epoch=7)
              0: write 2 @7 attempt=0
            offer 3
              0: keep 3 routed @7 (session=7 epoch=7)
            released @8
            show
              0 open, 0 devices
            wrote 2
            word 1 ok
            wait 10000
        "#]],
    );
}

#[test]
fn what_the_old_session_still_wrote_is_a_fact() {
    check(
        "on @7
         offer 1
         off @7
         unwritten 1 @7
         wait 5000
         on @8
         offer 2
         off @8
         wait 5000
         on @9
         offer 3
         on @10 list=3:routed@9
         wrote 3 @9
         wait 5000",
        expect![[r#"
            on @7
            offer 1
              0: keep 1 routed @7 (session=7 epoch=7)
              0: write 1 @7 attempt=0
            off @7
            unwritten 1 @7
              0: keep 1 written @7 (epoch=7 attempt=1)
            wait 5000
              5000: end 1 timed_out @7
            on @8
            offer 2
              5000: keep 2 routed @8 (session=8 epoch=8)
              5000: write 2 @8 attempt=0
            off @8
            wait 5000
              10000: end 2 expired @8
            on @9
            offer 3
              10000: keep 3 routed @9 (session=9 epoch=9)
              10000: write 3 @9 attempt=0
            on @10 list=3:routed@9
              10000: keep 3 routed @10 (session=a epoch=10)
              10000: write 3 @10 attempt=0
            wrote 3 @9
              10000: keep 3 written @10 (epoch=9 attempt=1)
            wait 5000
              15000: withdraw 3 @10
              15000: end 3 timed_out @10
        "#]],
    );
}

#[test]
fn a_command_may_be_offered_before_its_session_is_heard_of() {
    check(
        "offer 1:routed@7
         on @7 list=1:routed@7
         late 1",
        expect![[r#"
            offer 1:routed@7
            on @7 list=1:routed@7
              0: write 1 @7 attempt=0
            late 1
              0: end 1 expired @7
        "#]],
    );
}

#[test]
fn another_session_meanwhile_may_have_written_what_was_not_written_here() {
    check(
        "on @7
         offer 1
         off @7
         on @9 list=1:routed@8
         late 1 @9",
        expect![[r#"
            on @7
            offer 1
              0: keep 1 routed @7 (session=7 epoch=7)
              0: write 1 @7 attempt=0
            off @7
            on @9 list=1:routed@8
              0: keep 1 routed @9 (session=9 epoch=9)
              0: write 1 @9 attempt=0
            late 1 @9
              0: end 1 timed_out @9
        "#]],
    );
}

#[test]
fn after_its_deadline_nothing_is_written_not_even_what_the_device_had() {
    check(
        "on @7
         offer 1
         wrote 1
         word 1 received
         wait 4999
         off @7
         wait 1
         on @8 list=1:received@7
         word 1 ok @8",
        expect![[r#"
            on @7
            offer 1
              0: keep 1 routed @7 (session=7 epoch=7)
              0: write 1 @7 attempt=0
            wrote 1
              0: keep 1 written @7 (session=7 epoch=7 attempt=1)
            word 1 received
              0: keep 1 received @7 (epoch=7)
            wait 4999
            off @7
            wait 1
            on @8 list=1:received@7
              5000: keep 1 routed @8 (session=8 epoch=8)
            word 1 ok @8
              5000: end 1 succeeded @8 (epoch=8)
        "#]],
    );
}
