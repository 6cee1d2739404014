//! Scripts of what happens to commands, and what comes of it. Every step is kept at once unless `keeps later` says
//! otherwise; `wait` lets time pass. A line of what came begins with the milliseconds since the start.

mod random;
mod script;

use expect_test::{Expect, expect};

mod deaths;
mod ends;
mod forgetful;
mod overtaken;
mod paces;
mod sessions;

fn check(text: &str, expected: Expect) {
    expected.assert_eq(&script::run(text));
}

#[test]
fn a_command_goes_its_way_from_the_store_to_its_end() {
    check(
        "on @7
         offer 1
         wrote 1
         word 1 received
         word 1 in_progress
         word 1 ok result=done
         show
         off @7
         show",
        expect![[r#"
            on @7
            offer 1
              0: keep 1 routed @7 (session=7 epoch=7)
              0: write 1 @7 attempt=0
            wrote 1
              0: keep 1 written @7 (session=7 epoch=7 attempt=1)
            word 1 received
              0: keep 1 received @7 (epoch=7)
            word 1 in_progress
              0: keep 1 in_progress @7 (epoch=7)
            word 1 ok result=done
              0: end 1 succeeded @7 (epoch=7) result="done"
            show
              0 open, 1 devices
            off @7
            show
              0 open, 0 devices
        "#]],
    );
}

#[test]
fn nothing_is_sent_before_the_store_has_it_as_routed() {
    check(
        "keeps later
         on @7
         offer 1
         wait 100
         kept 1 @6
         kept 1 @7
         offer 2:routed@7",
        expect![[r#"
            keeps later
            on @7
            offer 1
              0: keep 1 routed @7 (session=7 epoch=7)
            wait 100
            kept 1 @6
            kept 1 @7
              100: write 1 @7 attempt=0
            offer 2:routed@7
        "#]],
    );
}

#[test]
fn one_command_at_a_time_is_with_the_writer() {
    check(
        "on @7
         offer 1
         offer 2
         offer 3
         wrote 1
         word 2 ok
         wrote 2
         late 3
         show",
        expect![[r#"
            on @7
            offer 1
              0: keep 1 routed @7 (session=7 epoch=7)
              0: write 1 @7 attempt=0
            offer 2
              0: keep 2 routed @7 (session=7 epoch=7)
            offer 3
              0: keep 3 routed @7 (session=7 epoch=7)
            wrote 1
              0: keep 1 written @7 (session=7 epoch=7 attempt=1)
              0: write 2 @7 attempt=0
            word 2 ok
              0: keep 2 written @7 (session=7 epoch=7 attempt=1)
              0: end 2 succeeded @7 (epoch=7)
              0: write 3 @7 attempt=0
            wrote 2
            late 3
              0: end 3 expired @7
            show
              1 open, 1 devices
        "#]],
    );
}

#[test]
fn where_the_kernel_is_not_seen_the_device_s_word_frees_the_session_or_the_retry_does() {
    check(
        "on @7 acknowledged
         offer 1
         offer 2
         wrote 1
         wait 2999
         wait 1
         wrote 2
         word 2 received
         wrote 1 attempt=1
         show",
        expect![[r#"
            on @7 acknowledged
            offer 1
              0: keep 1 routed @7 (session=7 epoch=7)
              0: write 1 @7 attempt=0
            offer 2
              0: keep 2 routed @7 (session=7 epoch=7)
            wrote 1
              0: keep 1 written @7 (session=7 epoch=7 attempt=1)
            wait 2999
            wait 1
              3000: write 2 @7 attempt=0
            wrote 2
              3000: keep 2 written @7 (session=7 epoch=7 attempt=1)
            word 2 received
              3000: keep 2 received @7 (epoch=7)
              3000: write 1 @7 attempt=1
            wrote 1 attempt=1
              3000: keep 1 written @7 (session=7 epoch=7 attempt=2)
            show
              2 open, 1 devices
        "#]],
    );
}

#[test]
fn a_repeated_offer_and_more_than_a_device_may_have_change_nothing() {
    check(
        "on @7
         offer 1
         offer 1
         wrote 1
         word 1 ok
         offer 1
         offer 2:succeeded@7
         offer 2
         offer 3
         offer 4
         offer 5
         offer 6
         show",
        expect![[r#"
            on @7
            offer 1
              0: keep 1 routed @7 (session=7 epoch=7)
              0: write 1 @7 attempt=0
            offer 1
            wrote 1
              0: keep 1 written @7 (session=7 epoch=7 attempt=1)
            word 1 ok
              0: end 1 succeeded @7 (epoch=7)
            offer 1
            offer 2:succeeded@7
            offer 2
              0: keep 2 routed @7 (session=7 epoch=7)
              0: write 2 @7 attempt=0
            offer 3
              0: keep 3 routed @7 (session=7 epoch=7)
            offer 4
              0: keep 4 routed @7 (session=7 epoch=7)
            offer 5
              0: keep 5 routed @7 (session=7 epoch=7)
            offer 6
            show
              4 open, 1 devices
        "#]],
    );
}

#[test]
fn a_device_that_does_not_answer_is_asked_again_with_doubling_waits() {
    check(
        "on @7
         know 1 ttl=60000
         offer 1
         wrote 1
         wait 3000
         wrote 1 attempt=1
         wait 6000
         wrote 1 attempt=2
         wait 11999
         wait 1
         word 1 received
         wait 60000",
        expect![[r#"
            on @7
            know 1 ttl=60000
            offer 1
              0: keep 1 routed @7 (session=7 epoch=7)
              0: write 1 @7 attempt=0
            wrote 1
              0: keep 1 written @7 (session=7 epoch=7 attempt=1)
            wait 3000
              3000: write 1 @7 attempt=1
            wrote 1 attempt=1
              3000: keep 1 written @7 (session=7 epoch=7 attempt=2)
            wait 6000
              9000: write 1 @7 attempt=2
            wrote 1 attempt=2
              9000: keep 1 written @7 (session=7 epoch=7 attempt=3)
            wait 11999
            wait 1
              21000: write 1 @7 attempt=3
            word 1 received
              21000: keep 1 received @7 (epoch=7)
              21000: withdraw 1 @7
            wait 60000
              60000: end 1 timed_out @7
        "#]],
    );
}

#[test]
fn a_retry_gives_way_to_what_was_not_written_yet() {
    check(
        "on @7
         offer 1
         wrote 1
         wait 2999
         offer 2
         offer 3
         wait 1
         wrote 2
         wrote 3",
        expect![[r#"
            on @7
            offer 1
              0: keep 1 routed @7 (session=7 epoch=7)
              0: write 1 @7 attempt=0
            wrote 1
              0: keep 1 written @7 (session=7 epoch=7 attempt=1)
            wait 2999
            offer 2
              2999: keep 2 routed @7 (session=7 epoch=7)
              2999: write 2 @7 attempt=0
            offer 3
              2999: keep 3 routed @7 (session=7 epoch=7)
            wait 1
            wrote 2
              3000: keep 2 written @7 (session=7 epoch=7 attempt=1)
              3000: write 3 @7 attempt=0
            wrote 3
              3000: keep 3 written @7 (session=7 epoch=7 attempt=1)
              3000: write 1 @7 attempt=1
        "#]],
    );
}
