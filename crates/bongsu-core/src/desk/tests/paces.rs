//! How commands of one device wait for each other.

use expect_test::expect;

use super::check;

#[test]
fn the_newest_for_a_target_takes_the_place_of_what_was_not_written() {
    check(
        "on @7
         know 1 target=window pace=latest
         know 2 target=window pace=latest
         know 3 target=window pace=latest
         know 4 target=roof pace=latest
         offer 1
         offer 2
         late 1
         offer 4
         offer 3
         late 2
         wrote 4
         wrote 3
         show",
        expect![[r#"
            on @7
            know 1 target=window pace=latest
            know 2 target=window pace=latest
            know 3 target=window pace=latest
            know 4 target=roof pace=latest
            offer 1
              0: keep 1 routed @7 (session=7 epoch=7)
              0: write 1 @7 attempt=0
            offer 2
              0: keep 2 routed @7 (session=7 epoch=7)
              0: withdraw 1 @7
            late 1
              0: end 1 superseded @7 (superseded_by=0000000000000000000000002)
              0: write 2 @7 attempt=0
            offer 4
              0: keep 4 routed @7 (session=7 epoch=7)
            offer 3
              0: keep 3 routed @7 (session=7 epoch=7)
              0: withdraw 2 @7
            late 2
              0: end 2 superseded @7 (superseded_by=0000000000000000000000003)
              0: write 4 @7 attempt=0
            wrote 4
              0: keep 4 written @7 (session=7 epoch=7 attempt=1)
              0: write 3 @7 attempt=0
            wrote 3
              0: keep 3 written @7 (session=7 epoch=7 attempt=1)
            show
              2 open, 1 devices
        "#]],
    );
}

#[test]
fn the_newest_for_a_target_waits_for_what_is_written_or_running() {
    check(
        "on @7
         know 1 target=window pace=latest
         know 2 target=window pace=latest
         know 3 target=window pace=latest
         offer 1
         wrote 1
         offer 2
         word 1 in_progress
         offer 3
         word 1 ok",
        expect![[r#"
            on @7
            know 1 target=window pace=latest
            know 2 target=window pace=latest
            know 3 target=window pace=latest
            offer 1
              0: keep 1 routed @7 (session=7 epoch=7)
              0: write 1 @7 attempt=0
            wrote 1
              0: keep 1 written @7 (session=7 epoch=7 attempt=1)
            offer 2
              0: keep 2 routed @7 (session=7 epoch=7)
            word 1 in_progress
              0: keep 1 in_progress @7 (epoch=7)
            offer 3
              0: keep 3 routed @7 (session=7 epoch=7)
              0: end 2 superseded @7 (superseded_by=0000000000000000000000003)
            word 1 ok
              0: end 1 succeeded @7 (epoch=7)
              0: write 3 @7 attempt=0
        "#]],
    );
}

#[test]
fn an_older_one_is_not_written_while_the_store_is_asked_for_a_newer() {
    check(
        "keeps later
         on @7
         know 1 target=window pace=latest
         know 2 target=window pace=latest
         know 3 target=window pace=latest
         offer 1
         offer 2
         offer 3
         kept 1
         gone 3
         kept 2
         wrote 2",
        expect![[r#"
            keeps later
            on @7
            know 1 target=window pace=latest
            know 2 target=window pace=latest
            know 3 target=window pace=latest
            offer 1
              0: keep 1 routed @7 (session=7 epoch=7)
            offer 2
              0: keep 2 routed @7 (session=7 epoch=7)
            offer 3
              0: keep 3 routed @7 (session=7 epoch=7)
            kept 1
            gone 3
            kept 2
              0: end 1 superseded @7 (superseded_by=0000000000000000000000002)
              0: write 2 @7 attempt=0
            wrote 2
              0: keep 2 written @7 (session=7 epoch=7 attempt=1)
        "#]],
    );
}

#[test]
fn five_taps_in_a_tunnel_are_one_command_when_the_car_comes_out() {
    check(
        "on @7
         know 1 target=window pace=latest
         know 2 target=window pace=latest
         know 3 target=window pace=latest
         offer 1
         wrote 1
         off @7
         offer 2
         offer 3
         on @8 list=1:written@7,2,3",
        expect![[r#"
            on @7
            know 1 target=window pace=latest
            know 2 target=window pace=latest
            know 3 target=window pace=latest
            offer 1
              0: keep 1 routed @7 (session=7 epoch=7)
              0: write 1 @7 attempt=0
            wrote 1
              0: keep 1 written @7 (session=7 epoch=7 attempt=1)
            off @7
            offer 2
            offer 3
            on @8 list=1:written@7,2,3
              0: keep 1 routed @8 (session=8 epoch=8)
              0: keep 2 routed @8 (session=8 epoch=8)
              0: keep 3 routed @8 (session=8 epoch=8)
              0: end 1 superseded @8 (superseded_by=0000000000000000000000002 written=maybe)
              0: end 2 superseded @8 (superseded_by=0000000000000000000000003)
              0: write 3 @8 attempt=0
        "#]],
    );
}

#[test]
fn serial_ones_go_one_by_one_for_a_target_or_a_name() {
    check(
        "on @7
         know 1 target=seat pace=serial
         know 2 target=seat pace=serial
         know 3 name=park pace=serial
         know 4 name=park pace=serial
         offer 1
         offer 2
         offer 3
         offer 4
         wrote 1
         wrote 3
         word 3 ok
         word 1 in_progress
         wrote 4
         word 1 failed",
        expect![[r#"
            on @7
            know 1 target=seat pace=serial
            know 2 target=seat pace=serial
            know 3 name=park pace=serial
            know 4 name=park pace=serial
            offer 1
              0: keep 1 routed @7 (session=7 epoch=7)
              0: write 1 @7 attempt=0
            offer 2
              0: keep 2 routed @7 (session=7 epoch=7)
            offer 3
              0: keep 3 routed @7 (session=7 epoch=7)
            offer 4
              0: keep 4 routed @7 (session=7 epoch=7)
            wrote 1
              0: keep 1 written @7 (session=7 epoch=7 attempt=1)
              0: write 3 @7 attempt=0
            wrote 3
              0: keep 3 written @7 (session=7 epoch=7 attempt=1)
            word 3 ok
              0: end 3 succeeded @7 (epoch=7)
              0: write 4 @7 attempt=0
            word 1 in_progress
              0: keep 1 in_progress @7 (epoch=7)
            wrote 4
              0: keep 4 written @7 (session=7 epoch=7 attempt=1)
            word 1 failed
              0: end 1 failed @7 (epoch=7)
              0: write 2 @7 attempt=0
        "#]],
    );
}

#[test]
fn serial_and_latest_ones_of_a_target_wait_for_each_other_in_order() {
    check(
        "on @7
         know 1 target=seat pace=latest
         know 2 target=seat pace=serial
         know 3 target=seat pace=latest
         offer 1
         wrote 1
         offer 2
         offer 3
         word 1 ok
         wrote 2
         word 2 ok",
        expect![[r#"
            on @7
            know 1 target=seat pace=latest
            know 2 target=seat pace=serial
            know 3 target=seat pace=latest
            offer 1
              0: keep 1 routed @7 (session=7 epoch=7)
              0: write 1 @7 attempt=0
            wrote 1
              0: keep 1 written @7 (session=7 epoch=7 attempt=1)
            offer 2
              0: keep 2 routed @7 (session=7 epoch=7)
            offer 3
              0: keep 3 routed @7 (session=7 epoch=7)
            word 1 ok
              0: end 1 succeeded @7 (epoch=7)
              0: write 2 @7 attempt=0
            wrote 2
              0: keep 2 written @7 (session=7 epoch=7 attempt=1)
            word 2 ok
              0: end 2 succeeded @7 (epoch=7)
              0: write 3 @7 attempt=0
        "#]],
    );
}

#[test]
fn parallel_ones_are_so_many_of_a_name() {
    check(
        "on @7
         know 1 pace=2
         know 2 pace=2
         know 3 pace=2
         know 4 name=other pace=1
         offer 1
         offer 2
         offer 3
         offer 4
         wrote 1
         wrote 2
         wrote 4
         word 2 received
         word 1 ok",
        expect![[r#"
            on @7
            know 1 pace=2
            know 2 pace=2
            know 3 pace=2
            know 4 name=other pace=1
            offer 1
              0: keep 1 routed @7 (session=7 epoch=7)
              0: write 1 @7 attempt=0
            offer 2
              0: keep 2 routed @7 (session=7 epoch=7)
            offer 3
              0: keep 3 routed @7 (session=7 epoch=7)
            offer 4
              0: keep 4 routed @7 (session=7 epoch=7)
            wrote 1
              0: keep 1 written @7 (session=7 epoch=7 attempt=1)
              0: write 2 @7 attempt=0
            wrote 2
              0: keep 2 written @7 (session=7 epoch=7 attempt=1)
              0: write 4 @7 attempt=0
            wrote 4
              0: keep 4 written @7 (session=7 epoch=7 attempt=1)
            word 2 received
              0: keep 2 received @7 (epoch=7)
            word 1 ok
              0: end 1 succeeded @7 (epoch=7)
              0: write 3 @7 attempt=0
        "#]],
    );
}

#[test]
fn an_exclusive_one_waits_for_all_before_it_and_all_after_wait_for_it() {
    check(
        "on @7
         know 2 pace=exclusive
         offer 1
         offer 2
         offer 3
         wrote 1
         word 1 in_progress
         word 1 ok
         wrote 2
         word 2 in_progress
         word 2 ok",
        expect![[r#"
            on @7
            know 2 pace=exclusive
            offer 1
              0: keep 1 routed @7 (session=7 epoch=7)
              0: write 1 @7 attempt=0
            offer 2
              0: keep 2 routed @7 (session=7 epoch=7)
            offer 3
              0: keep 3 routed @7 (session=7 epoch=7)
            wrote 1
              0: keep 1 written @7 (session=7 epoch=7 attempt=1)
            word 1 in_progress
              0: keep 1 in_progress @7 (epoch=7)
            word 1 ok
              0: end 1 succeeded @7 (epoch=7)
              0: write 2 @7 attempt=0
            wrote 2
              0: keep 2 written @7 (session=7 epoch=7 attempt=1)
            word 2 in_progress
              0: keep 2 in_progress @7 (epoch=7)
            word 2 ok
              0: end 2 succeeded @7 (epoch=7)
              0: write 3 @7 attempt=0
        "#]],
    );
}
