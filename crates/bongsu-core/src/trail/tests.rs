//! Trails, from what was pushed to where each room stands.

use bongsu_model::{Epoch, RoomId, Seq};

use super::{Damaged, Offset, Trail, TrailLimits};

const LIMITS: TrailLimits = TrailLimits {
    steps_max: 4,
    rooms_max: 3,
};

/// What happens to a session, a word each: `1+5` hears room 1 from after message 5 on, `1-6` is pushed message 6 of room
/// 1, `1x` hears room 1 no more.
fn trail(script: &str) -> Trail {
    let mut trail = Trail::new(LIMITS);
    go_on(&mut trail, script);
    trail
}

fn go_on(trail: &mut Trail, script: &str) {
    for word in script.split_whitespace() {
        let room = RoomId(i64::from(word.as_bytes()[0] - b'0'));
        let seq = || Seq(word[2..].parse().unwrap());
        match word.as_bytes()[1] {
            b'+' => trail.began(room, seq(), Epoch(7)),
            b'-' => trail.pushed(room, seq(), Epoch(7)),
            _ => trail.left(room),
        }
    }
}

/// Where the rooms stand, as `1:5 2:0`.
fn after(trail: &Trail, offset: &str) -> Option<String> {
    let places = trail.after(Offset::parse(offset).unwrap())?;
    let words: Vec<_> = places
        .iter()
        .map(|(room, place)| format!("{}:{}", room.0, place.seq.0))
        .collect();
    Some(words.join(" "))
}

fn check(script: &str, offset: &str, expected: &str) {
    let before = trail(script);
    assert_eq!(
        after(&before, offset).as_deref(),
        Some(expected),
        "{script} after {offset:?}"
    );
    let read = Trail::from_bytes(&before.to_bytes(), LIMITS).unwrap();
    assert_eq!(read, before, "{script}");
}

fn refused(script: &str, offset: &str) {
    assert_eq!(after(&trail(script), offset), None, "{script} after {offset:?}");
}

#[test]
fn offsets_are_read() {
    assert_eq!(Offset::parse(""), Some(Offset::Nothing));
    assert_eq!(Offset::parse("3-41"), Some(Offset::At(RoomId(3), Seq(41))));
    assert_eq!(Offset::parse("-3-41"), Some(Offset::At(RoomId(-3), Seq(41))));
    for wrong in ["3", "3-", "-", "a-1", "1-a", "1--1", "3-18446744073709551616"] {
        assert_eq!(Offset::parse(wrong), None, "{wrong}");
    }
}

#[test]
fn every_room_stands_where_it_stood_then() {
    let script = "1+5 2+8 1-6 2-9 1-7";
    check(script, "", "1:5 2:8");
    check(script, "1-6", "1:6 2:8");
    check(script, "2-9", "1:6 2:9");
    check(script, "1-7", "1:7 2:9");
}

#[test]
fn a_message_of_before_the_session_is_none() {
    check("1+5 1-6", "1-5", "1:5");
    check("1+5 1-6", "1-2", "1:5");
    refused("1+5 1-6", "9-3");
}

#[test]
fn a_message_that_was_not_pushed_is_not_believed() {
    refused("1+5 1-6", "1-7");
    // A sender that was blocked: it was passed by.
    refused("1+5 1-7", "1-6");
    refused("1+5 1-6 2+8 2-9", "2-10");
    refused("1+5 1-6 2-9", "2-10");
}

#[test]
fn the_oldest_are_folded_at_the_limit() {
    // One below the limit and at it, everything is known; one above, the first is not.
    check("1+5 1-6 1-7 1-8", "", "1:5");
    check("1+5 1-6 1-7 1-8 1-9", "", "1:5");
    check("1+5 1-6 1-7 1-8 1-9", "1-6", "1:6");
    let script = "1+5 1-6 1-7 1-8 1-9 1-10";
    refused(script, "");
    refused(script, "1-5");
    refused(script, "1-6");
    check(script, "1-7", "1:7");
    check(script, "1-10", "1:10");
}

#[test]
fn what_was_folded_still_counts() {
    check("1+5 2+8 2-9 1-6 1-7 1-8 1-9", "1-6", "1:6 2:9");
}

#[test]
fn a_room_that_began_later_is_owed_from_its_beginning() {
    check("1+5 1-6 2+8 2-9", "1-6", "1:6 2:8");
    check("1+5 1-6 2+8 2-9", "2-9", "1:6 2:9");
    check("1+5 1-6 2+8", "1-6", "1:6 2:8");
    // Another device's join is not noted before its first message.
    check("1+5 1-6 2-9", "1-6", "1:6 2:8");
    check("1+5 2-9", "", "1:5 2:8");
}

#[test]
fn a_room_that_was_left_is_not_told_of() {
    check("1+5 2+8 1-6 1x", "1-6", "2:8");
    check("1+5 2+8 2-9 1x 1+7", "2-9", "1:7 2:9");
    // That it had left was not told, and shows when it comes back.
    check("1+5 2+8 2-9 1+7", "2-9", "1:7 2:9");
    check("1+5 2+8 1-6 1x 2-9", "2-9", "2:9");
    // One who comes back hears what came after that.
    check("1+5 2+8 1x 2-9 1+7", "2-9", "1:7 2:9");
    // What was pushed before it left, and not seen, is owed all the same.
    check("1+5 2-9 1-6 1x 1+7", "2-9", "1:5 2:9");
    check("1+5 2-9 1-6 1x", "2-9", "1:5 2:9");
}

#[test]
fn what_was_pushed_again_is_told_apart_or_refused() {
    // It joined once more and asked for what it had: message 7 came again.
    let script = "1+6 1-7 1-8 1-7";
    check(script, "1-8", "1:8");
    refused(script, "1-7");
    check("1+6 1-7 1-8", "1-8", "1:8");
}

#[test]
fn rooms_are_bounded() {
    check("1+1 2+1", "", "1:1 2:1");
    check("1+1 2+1 3+1", "", "1:1 2:1 3:1");
    refused("1+1 2+1 3+1 4+1", "");
    check("1+1 2+1 3+1 1x 4+1", "4-1", "2:1 3:1 4:1");
    let mut lost = trail("1+1 2+1 3+1 4+1");
    assert!(lost.is_lost());
    go_on(&mut lost, "1-2 1x 1+2");
    assert_eq!(after(&lost, "1-2"), None, "it stays lost");
    let read = Trail::from_bytes(&lost.to_bytes(), LIMITS).unwrap();
    assert!(read.is_lost());
}

#[test]
fn another_history_is_no_place_to_go_on() {
    let mut trail = trail("1+5 1-6");
    trail.pushed(RoomId(1), Seq(1), Epoch(8));
    assert!(trail.is_lost());
    assert_eq!(after(&trail, "1-6"), None);
}

#[test]
fn bytes_that_are_no_trail_are_damaged() {
    let mut whole = Trail::new(TrailLimits {
        steps_max: 9,
        rooms_max: 9,
    });
    whole.began(RoomId(i64::MIN), Seq(u64::MAX), Epoch(u64::MAX));
    whole.pushed(RoomId(i64::MAX), Seq(1), Epoch(0));
    whole.left(RoomId(i64::MAX));
    let bytes = whole.to_bytes();
    let limits = whole.limits;
    assert_eq!(Trail::from_bytes(&bytes, limits), Ok(whole));
    for cut in 0..bytes.len() {
        assert_eq!(Trail::from_bytes(&bytes[..cut], limits), Err(Damaged), "{cut}");
    }
    let longer = [&bytes[..], &[0]].concat();
    let other_form = [&[9], &bytes[1..]].concat();
    let flags = [&bytes[..1], &[4], &bytes[2..]].concat();
    let claims = [1, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
    let too_large = [1, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02];
    for wrong in [&longer[..], &other_form, &flags, &claims, &too_large] {
        assert_eq!(Trail::from_bytes(wrong, limits), Err(Damaged));
    }
}
