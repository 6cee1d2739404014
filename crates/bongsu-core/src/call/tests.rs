//! Scripts of what happens to calls, and what comes of it. A line is `verb call user@session …`; `wait` lets time pass.

mod script;

use expect_test::{Expect, expect};

fn check(text: &str, expected: Expect) {
    expected.assert_eq(&script::run(text));
}

#[test]
fn the_creator_is_host_and_first_participant() {
    check(
        "create 7 1@11 max=3 seq=c1
         show",
        expect![[r#"
            create 7 1@11 max=3 seq=c1
              answer created
              room 1 ← created by 1, at most 3 [c1]
            show
              call 7: 1@11*
        "#]],
    );
}

#[test]
fn a_joiner_is_told_who_is_there_and_all_are_told_of_it() {
    check(
        "create 7 1@11
         join 7 1@11 av
         join 7 2@21 a seq=j2
         join 7 3@31 -",
        expect![[r#"
            create 7 1@11
              answer created
              room 1 ← created by 1, at most 4
            join 7 1@11 av
              answer joined, there: nobody
              11 ← joined 1 av, 1 in
            join 7 2@21 a seq=j2
              answer joined, there: 1 av
              11 21 ← joined 2 a, 2 in [j2]
            join 7 3@31 -
              answer joined, there: 1 av, 2 a
              11 21 31 ← joined 3 -, 3 in
        "#]],
    );
}

#[test]
fn the_host_that_joins_late_switches_its_media_for_the_others() {
    check(
        "create 7 1@11
         join 7 2@21 a
         join 7 1@11 av seq=j1",
        expect![[r#"
            create 7 1@11
              answer created
              room 1 ← created by 1, at most 4
            join 7 2@21 a
              answer joined, there: 1 -
              11 21 ← joined 2 a, 2 in
            join 7 1@11 av seq=j1
              answer joined, there: 2 a
              11 ← joined 1 av, 2 in [j1]
              21 ← media 1 av
        "#]],
    );
}

#[test]
fn a_full_call_takes_no_more_and_kept_places_count() {
    check(
        "create 7 1@11 max=2
         join 7 2@21 -
         drop 21
         join 7 3@31 -
         join 7 2@22 -",
        expect![[r#"
            create 7 1@11 max=2
              answer created
              room 1 ← created by 1, at most 2
            join 7 2@21 -
              answer joined, there: 1 -
              11 21 ← joined 2 -, 2 in
            drop 21
            join 7 3@31 -
              refuse VIDEO_ROOM_FULL
            join 7 2@22 -
              answer joined, there: 1 -
              22 ← joined 2 -, 2 in
        "#]],
    );
}

#[test]
fn joining_from_another_session_moves_the_call_there() {
    check(
        "create 7 1@11
         join 7 2@21 a
         join 7 2@22 av seq=m
         leave 7 2@21
         media 7 2@21 -
         signal 7 1@11 to=2
         drop 21
         show",
        expect![[r#"
            create 7 1@11
              answer created
              room 1 ← created by 1, at most 4
            join 7 2@21 a
              answer joined, there: 1 -
              11 21 ← joined 2 a, 2 in
            join 7 2@22 av seq=m
              answer joined, there: 1 -
              21 ← left 2 (moved), 2 in
              22 ← joined 2 av, 2 in [m]
              11 ← media 2 av
            leave 7 2@21
              refuse PERMISSION_DENIED
            media 7 2@21 -
              refuse PERMISSION_DENIED
            signal 7 1@11 to=2
              answer done
              22 ← offer from 1
            drop 21
            show
              call 7: 1@11* 2@22
        "#]],
    );
}

#[test]
fn one_who_is_back_in_time_makes_no_noise() {
    check(
        "create 7 1@11
         join 7 2@21 a
         drop 21
         wait 14999
         join 7 2@22 a
         wait 60000
         show",
        expect![[r#"
            create 7 1@11
              answer created
              room 1 ← created by 1, at most 4
            join 7 2@21 a
              answer joined, there: 1 -
              11 21 ← joined 2 a, 2 in
            drop 21
            wait 14999
            join 7 2@22 a
              answer joined, there: 1 -
              22 ← joined 2 a, 2 in
            wait 60000
            show
              call 7: 1@11* 2@22
        "#]],
    );
}

#[test]
fn one_who_is_not_back_in_time_has_left() {
    check(
        "create 7 1@11
         join 7 2@21 a
         drop 21
         wait 14999
         wait 1
         join 7 2@22 a",
        expect![[r#"
            create 7 1@11
              answer created
              room 1 ← created by 1, at most 4
            join 7 2@21 a
              answer joined, there: 1 -
              11 21 ← joined 2 a, 2 in
            drop 21
            wait 14999
            wait 1
              11 ← left 2 (disconnected), 1 in
            join 7 2@22 a
              answer joined, there: 1 -
              11 22 ← joined 2 a, 2 in
        "#]],
    );
}

#[test]
fn when_the_host_leaves_the_longest_standing_takes_over() {
    check(
        "create 7 1@11
         join 7 2@21 -
         join 7 3@31 -
         leave 7 1@11
         end 7 1
         leave 7 3@31
         end 7 2",
        expect![[r#"
            create 7 1@11
              answer created
              room 1 ← created by 1, at most 4
            join 7 2@21 -
              answer joined, there: 1 -
              11 21 ← joined 2 -, 2 in
            join 7 3@31 -
              answer joined, there: 1 -, 2 -
              11 21 31 ← joined 3 -, 3 in
            leave 7 1@11
              answer left
              21 31 ← left 1 (left), 2 in
              21 31 ← host 2
            end 7 1
              refuse PERMISSION_DENIED
            leave 7 3@31
              answer left
              21 ← left 3 (left), 1 in
            end 7 2
              answer ended
              room 1 ← ended (ended_by_host)
        "#]],
    );
}

#[test]
fn moving_keeps_the_place_in_the_order() {
    check(
        "create 7 1@11
         join 7 2@21 -
         join 7 3@31 -
         join 7 2@22 -
         drop 11
         wait 15000",
        expect![[r#"
            create 7 1@11
              answer created
              room 1 ← created by 1, at most 4
            join 7 2@21 -
              answer joined, there: 1 -
              11 21 ← joined 2 -, 2 in
            join 7 3@31 -
              answer joined, there: 1 -, 2 -
              11 21 31 ← joined 3 -, 3 in
            join 7 2@22 -
              answer joined, there: 1 -, 3 -
              21 ← left 2 (moved), 3 in
              22 ← joined 2 -, 3 in
            drop 11
            wait 15000
              22 31 ← left 1 (disconnected), 2 in
              22 31 ← host 2
        "#]],
    );
}

#[test]
fn the_last_one_out_closes_the_call() {
    check(
        "create 7 1@11
         leave 7 1@11
         join 7 1@11 -
         create 8 1@11
         drop 11
         wait 15000
         show",
        expect![[r#"
            create 7 1@11
              answer created
              room 1 ← created by 1, at most 4
            leave 7 1@11
              answer left
              room 1 ← ended (empty)
            join 7 1@11 -
              refuse VIDEO_ROOM_NOT_FOUND
            create 8 1@11
              answer created
              room 1 ← created by 1, at most 4
            drop 11
            wait 15000
              room 1 ← ended (empty)
            show
              no calls
        "#]],
    );
}

#[test]
fn only_the_host_or_an_operator_ends_a_call() {
    check(
        "create 7 1@11
         join 7 2@21 -
         end 7 2
         end 7 9
         end 7 operator
         end 7 operator",
        expect![[r#"
            create 7 1@11
              answer created
              room 1 ← created by 1, at most 4
            join 7 2@21 -
              answer joined, there: 1 -
              11 21 ← joined 2 -, 2 in
            end 7 2
              refuse PERMISSION_DENIED
            end 7 9
              refuse PERMISSION_DENIED
            end 7 operator
              answer ended
              room 1 ← ended (ended_by_operator)
            end 7 operator
              refuse VIDEO_ROOM_NOT_FOUND
        "#]],
    );
}

#[test]
fn signals_go_from_a_participant_to_a_participant() {
    check(
        "create 7 1@11
         join 7 2@21 -
         signal 7 2@21 to=1 seq=s1
         signal 7 2@22 to=1
         signal 7 3@31 to=1
         signal 7 1@11 to=3
         signal 7 1@11 to=1
         signal 8 1@11 to=2
         drop 21
         signal 7 1@11 to=2",
        expect![[r#"
            create 7 1@11
              answer created
              room 1 ← created by 1, at most 4
            join 7 2@21 -
              answer joined, there: 1 -
              11 21 ← joined 2 -, 2 in
            signal 7 2@21 to=1 seq=s1
              answer done
              11 ← offer from 2 [s1]
            signal 7 2@22 to=1
              refuse PERMISSION_DENIED
            signal 7 3@31 to=1
              refuse PERMISSION_DENIED
            signal 7 1@11 to=3
              refuse USER_NOT_FOUND
            signal 7 1@11 to=1
              refuse INVALID_DATA Field { name: "target_user_id", want: Other }
            signal 8 1@11 to=2
              refuse VIDEO_ROOM_NOT_FOUND
            drop 21
            signal 7 1@11 to=2
              refuse USER_NOT_FOUND
        "#]],
    );
}

#[test]
fn a_signal_has_a_size() {
    check(
        "create 7 1@11
         join 7 2@21 -
         signal 7 1@11 to=2 bytes=65536
         signal 7 1@11 to=2 bytes=65537",
        expect![[r#"
            create 7 1@11
              answer created
              room 1 ← created by 1, at most 4
            join 7 2@21 -
              answer joined, there: 1 -
              11 21 ← joined 2 -, 2 in
            signal 7 1@11 to=2 bytes=65536
              answer done
              21 ← offer from 1
            signal 7 1@11 to=2 bytes=65537
              refuse MESSAGE_TOO_LARGE TooLarge { what: "signal", bytes_max: 65536 }
        "#]],
    );
}

#[test]
fn all_hear_of_other_media_the_one_who_switched_too() {
    check(
        "create 7 1@11
         join 7 2@21 a
         media 7 2@21 avs seq=m1
         media 7 3@31 a
         join 7 3@31 -",
        expect![[r#"
            create 7 1@11
              answer created
              room 1 ← created by 1, at most 4
            join 7 2@21 a
              answer joined, there: 1 -
              11 21 ← joined 2 a, 2 in
            media 7 2@21 avs seq=m1
              answer media
              11 21 ← media 2 avs [m1]
            media 7 3@31 a
              refuse PERMISSION_DENIED
            join 7 3@31 -
              answer joined, there: 1 -, 2 avs
              11 21 31 ← joined 3 -, 3 in
        "#]],
    );
}

#[test]
fn who_is_removed_from_the_room_is_out_and_hears_it() {
    check(
        "create 7 1@11
         join 7 2@21 -
         join 7 3@31 -
         gone 2 removed
         gone 9 removed
         gone 1 left
         show",
        expect![[r#"
            create 7 1@11
              answer created
              room 1 ← created by 1, at most 4
            join 7 2@21 -
              answer joined, there: 1 -
              11 21 ← joined 2 -, 2 in
            join 7 3@31 -
              answer joined, there: 1 -, 2 -
              11 21 31 ← joined 3 -, 3 in
            gone 2 removed
              11 31 21 ← left 2 (removed), 2 in
            gone 9 removed
            gone 1 left
              31 11 ← left 1 (left), 1 in
              31 ← host 3
            show
              call 7: 3@31*
        "#]],
    );
}

#[test]
fn who_is_banned_is_out_of_all_calls() {
    check(
        "create 7 1@11
         create 8 2@21
         join 8 1@12 -
         drop 12
         banned 1
         wait 60000
         show",
        expect![[r#"
            create 7 1@11
              answer created
              room 1 ← created by 1, at most 4
            create 8 2@21
              answer created
              room 1 ← created by 2, at most 4
            join 8 1@12 -
              answer joined, there: 2 -
              21 12 ← joined 1 -, 2 in
            drop 12
            banned 1
              11 ← left 1 (removed), 0 in
              room 1 ← ended (empty)
              21 ← left 1 (removed), 1 in
            wait 60000
            show
              call 8: 2@21*
        "#]],
    );
}

#[test]
fn while_a_place_is_only_kept_any_session_of_its_user_may_give_it_up() {
    check(
        "create 7 1@11
         join 7 2@21 -
         drop 21
         leave 7 2@22
         wait 60000
         leave 7 2@22",
        expect![[r#"
            create 7 1@11
              answer created
              room 1 ← created by 1, at most 4
            join 7 2@21 -
              answer joined, there: 1 -
              11 21 ← joined 2 -, 2 in
            drop 21
            leave 7 2@22
              answer left
              11 ← left 2 (left), 1 in
            wait 60000
            leave 7 2@22
              refuse PERMISSION_DENIED
        "#]],
    );
}

#[test]
fn one_session_in_two_calls_drops_out_of_both() {
    check(
        "create 7 1@11
         create 8 2@21
         join 8 1@11 -
         join 7 2@21 -
         drop 11
         wait 15000
         show",
        expect![[r#"
            create 7 1@11
              answer created
              room 1 ← created by 1, at most 4
            create 8 2@21
              answer created
              room 1 ← created by 2, at most 4
            join 8 1@11 -
              answer joined, there: 2 -
              21 11 ← joined 1 -, 2 in
            join 7 2@21 -
              answer joined, there: 1 -
              11 21 ← joined 2 -, 2 in
            drop 11
            wait 15000
              21 ← left 1 (disconnected), 1 in
              21 ← host 2
              21 ← left 1 (disconnected), 1 in
            show
              call 7: 2@21*
              call 8: 2@21*
        "#]],
    );
}

#[test]
fn what_is_made_keeps_the_limits() {
    check(
        "create 1 1@11 max=1
         create 1 1@11 max=51
         create 1 1@11 name=0
         create 1 1@11 name=256
         create 1 1@11 max=50 name=255
         create 2 1@11 max=2 name=1
         create 3 2@21
         create 4 3@31 room=2
         leave 1 1@11
         create 3 2@21",
        expect![[r#"
            create 1 1@11 max=1
              refuse INVALID_DATA Field { name: "max_participants", want: Between(2, 50) }
            create 1 1@11 max=51
              refuse INVALID_DATA Field { name: "max_participants", want: Between(2, 50) }
            create 1 1@11 name=0
              refuse INVALID_DATA Field { name: "video_room_name", want: TextOf(1, 255) }
            create 1 1@11 name=256
              refuse INVALID_DATA Field { name: "video_room_name", want: TextOf(1, 255) }
            create 1 1@11 max=50 name=255
              answer created
              room 1 ← created by 1, at most 50
            create 2 1@11 max=2 name=1
              answer created
              room 1 ← created by 1, at most 2
            create 3 2@21
              refuse PERMISSION_DENIED Reason("too_many_calls")
            create 4 3@31 room=2
              answer created
              room 2 ← created by 3, at most 4
            leave 1 1@11
              answer left
              room 1 ← ended (empty)
            create 3 2@21
              answer created
              room 1 ← created by 2, at most 4
        "#]],
    );
}

mod invariants {
    //! Whatever happens, the indexes say what the calls say.

    use super::script;
    use proptest::prelude::*;

    fn line() -> impl Strategy<Value = String> {
        let user = || (1_i64..5, 1_u8..3).prop_map(|(user, device)| format!("{user}@{user}{device}"));
        let call = || 1_i64..4;
        prop_oneof![
            (call(), user(), 1_i64..3, 2_u8..4)
                .prop_map(|(call, user, room, max)| format!("create {call} {user} room={room} max={max}")),
            (call(), user()).prop_map(|(call, user)| format!("join {call} {user} a")),
            (call(), user()).prop_map(|(call, user)| format!("join {call} {user} -")),
            (call(), user()).prop_map(|(call, user)| format!("leave {call} {user}")),
            (call(), 1_i64..5).prop_map(|(call, user)| format!("end {call} {user}")),
            (call(), user(), 1_i64..5).prop_map(|(call, user, to)| format!("signal {call} {user} to={to}")),
            (1_u8..5, 1_u8..3).prop_map(|(user, device)| format!("drop {user}{device}")),
            (1_i64..5).prop_map(|user| format!("gone {user} removed")),
            (1_i64..5).prop_map(|user| format!("banned {user}")),
            (0_u64..20_000).prop_map(|ms| format!("wait {ms}")),
        ]
    }

    proptest! {
        #[test]
        fn hold(lines in prop::collection::vec(line(), 1..60)) {
            // The runner checks after each line, and that answers and refusals come as promised.
            script::run(&lines.join("\n"));
        }
    }
}
