//! What a rate limit lets through, by example and over any window.

use super::*;
use proptest::prelude::*;

const NOW: Timestamp = Timestamp(1_700_000_000_000);

fn rate(per_s: u32, burst: u32) -> Rate {
    Rate::new(per_s, burst)
}

#[test]
fn the_burst_passes_at_once_and_then_the_rate() {
    let mut bucket = Bucket::default();
    let rate = rate(20, 40);
    for _ in 0..40 {
        assert_eq!(check(&mut bucket, rate, NOW), Ok(()));
    }
    assert_eq!(
        check(&mut bucket, rate, NOW),
        Err(50),
        "one of twenty a second comes back in 50 ms"
    );
    assert_eq!(check(&mut bucket, rate, NOW.plus_ms(49)), Err(1));
    assert_eq!(check(&mut bucket, rate, NOW.plus_ms(50)), Ok(()));
    assert_eq!(check(&mut bucket, rate, NOW.plus_ms(50)), Err(50));
}

#[test]
fn a_rate_may_be_of_any_time() {
    let mut bucket = Bucket::default();
    let rate = Rate::within(2, 60_000);
    assert_eq!(check(&mut bucket, rate, NOW), Ok(()));
    assert_eq!(check(&mut bucket, rate, NOW), Ok(()));
    assert_eq!(check(&mut bucket, rate, NOW), Err(30_000));
    assert_eq!(check(&mut bucket, rate, NOW.plus_ms(30_000)), Ok(()));
    assert_eq!(check(&mut bucket, rate, NOW.plus_ms(30_000)), Err(30_000));
}

#[test]
fn a_cost_is_taken_whole_or_not_at_all() {
    let mut bucket = Bucket::default();
    let rate = rate(10, 10);
    assert_eq!(check_cost(&mut bucket, rate, 7, NOW), Ok(()));
    assert_eq!(check_cost(&mut bucket, rate, 4, NOW), Err(100));
    assert_eq!(check_cost(&mut bucket, rate, 3, NOW), Ok(()));
    assert_eq!(
        check_cost(&mut bucket, rate, 99, NOW.plus_ms(999)),
        Err(1),
        "counts as the whole burst"
    );
    assert_eq!(check_cost(&mut bucket, rate, 99, NOW.plus_ms(1_000)), Ok(()));
}

#[test]
fn no_rate_is_no_limit_and_no_burst_is_one() {
    let mut bucket = Bucket::default();
    assert!((0..1_000).all(|_| check(&mut bucket, rate(0, 1), NOW).is_ok()));
    assert_eq!(check(&mut bucket, rate(1, 0), NOW), Ok(()));
    assert_eq!(check(&mut bucket, rate(1, 0), NOW), Err(1_000));
}

#[test]
fn a_clock_that_goes_back_keeps_nobody_out_for_longer_than_the_burst() {
    let mut bucket = Bucket::default();
    let rate = rate(1, 5);
    assert_eq!(check(&mut bucket, rate, NOW), Ok(()));
    let hour_before = Timestamp(NOW.0 - 3_600_000);
    assert_eq!(check(&mut bucket, rate, hour_before), Err(1_000));
    assert_eq!(check_cost(&mut bucket, rate, 5, hour_before), Err(5_000));
    assert_eq!(
        check(&mut bucket, rate, Timestamp(-1)),
        Err(1_000),
        "before 1970 nothing overflows"
    );
    assert_eq!(
        check(&mut bucket, rate, Timestamp(i64::MAX)),
        Ok(()),
        "nor at the end of time"
    );
}

#[test]
fn full_buckets_are_forgotten() {
    let mut buckets = Buckets::new(100);
    for key in 0..50 {
        assert_eq!(buckets.check(key, rate(1, 2), NOW), Ok(()));
    }
    assert_eq!(buckets.sweep(100, NOW.plus_ms(999)), 0);
    assert_eq!(buckets.sweep(20, NOW.plus_ms(1_000)), 20);
    assert_eq!(buckets.sweep(100, NOW.plus_ms(1_000)), 30);
    assert!(buckets.is_empty());
}

#[test]
fn the_table_is_bounded_and_keeps_those_who_used_most() {
    let mut buckets = Buckets::new(8);
    let rate = rate(1, 10);
    assert_eq!(buckets.check_cost(0, rate, 10, NOW), Ok(()));
    for key in 1..1_000 {
        assert_eq!(buckets.check(key, rate, NOW), Ok(()));
    }
    assert_eq!(buckets.len(), 8);
    assert_eq!(
        buckets.check(0, rate, NOW),
        Err(1_000),
        "the one who floods is not forgotten for the others"
    );
}

proptest! {
    #[test]
    fn no_window_lets_more_than_burst_and_rate_through(
        per_s in 1_u32..2_000,
        burst in 1_u32..50,
        steps in prop::collection::vec((0_u64..400, 1_u32..5), 1..200),
    ) {
        let rate = rate(per_s, burst);
        let mut bucket = Bucket::default();
        let mut now = NOW;
        let mut passed: Vec<(Timestamp, u64)> = Vec::new();
        for (wait_ms, cost) in steps {
            now = now.plus_ms(wait_ms);
            if check_cost(&mut bucket, rate, cost, now).is_ok() {
                passed.push((now, u64::from(cost.min(burst))));
            }
        }
        for from in 0..passed.len() {
            let mut sum = 0;
            for (at, cost) in &passed[from..] {
                sum += cost;
                let ms = at.ms_since(passed[from].0);
                prop_assert!(sum * 1_000 <= u64::from(burst) * 1_000 + u64::from(per_s) * ms, "{sum} in {ms} ms");
            }
        }
    }

    #[test]
    fn waiting_as_told_is_enough_and_not_too_much(
        per_s in 1_u32..2_000,
        burst in 1_u32..50,
        steps in prop::collection::vec((0_u64..100, 1_u32..60), 1..100),
    ) {
        let rate = rate(per_s, burst);
        let mut bucket = Bucket::default();
        let mut now = NOW;
        for (wait_ms, cost) in steps {
            now = now.plus_ms(wait_ms);
            if let Err(retry_after_ms) = check_cost(&mut bucket, rate, cost, now) {
                prop_assert!(retry_after_ms >= 1);
                prop_assert!(check_cost(&mut bucket, rate, cost, now.plus_ms(retry_after_ms - 1)).is_err());
                now = now.plus_ms(retry_after_ms);
                prop_assert_eq!(check_cost(&mut bucket, rate, cost, now), Ok(()));
            }
        }
    }

    #[test]
    fn a_table_that_is_large_enough_answers_as_single_buckets_do(
        steps in prop::collection::vec((0_u64..300, 0_u8..6, 0_usize..4), 1..200),
    ) {
        let rate = rate(5, 3);
        let mut table = Buckets::new(6);
        let mut single = [Bucket::default(); 6];
        let mut now = NOW;
        for (wait_ms, key, slice) in steps {
            now = now.plus_ms(wait_ms);
            table.sweep(slice, now);
            prop_assert_eq!(table.check(key, rate, now), check(&mut single[usize::from(key)], rate, now));
        }
    }
}
