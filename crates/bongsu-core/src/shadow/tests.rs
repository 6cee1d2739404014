//! Merge patches by the cases of RFC 7396, wishes with and without a time, what a device reports, and the difference.

use bongsu_model::Code;
use bongsu_model::device::{CommandId, Number};
use proptest::prelude::*;

use super::*;

const LIMITS: Limits = Limits::DEFAULT;
const BYTES_MAX: usize = LIMITS.state_bytes_max;

fn o<const N: usize>(entries: [(&str, Value); N]) -> Value {
    Value::Object(object(entries))
}

fn object<const N: usize>(entries: [(&str, Value); N]) -> Object {
    entries
        .into_iter()
        .map(|(key, value)| (key.into(), value))
        .collect()
}

fn l<const N: usize>(values: [Value; N]) -> Value {
    Value::List(values.into())
}

fn n(value: i64) -> Value {
    value.into()
}

const NULL: Value = Value::Null;

fn put(shadow: &mut Shadow, state: Object, ttl: &[(&str, u64)], at: i64) -> Result<bool, Refusal> {
    let ttl_ms = ttl.iter().map(|(key, ms)| ((*key).into(), *ms)).collect();
    put_desired(shadow, state, &ttl_ms, &"ops".into(), Timestamp(at), &LIMITS)
}

fn patch(shadow: &mut Shadow, state: &Object, ttl: &[(&str, u64)], at: i64) -> Result<bool, Refusal> {
    let ttl_ms = ttl.iter().map(|(key, ms)| ((*key).into(), *ms)).collect();
    patch_desired(
        shadow,
        state.clone(),
        &ttl_ms,
        &"ops".into(),
        Timestamp(at),
        &LIMITS,
    )
}

fn says(shadow: &mut Shadow, state: &Object, version: Option<u64>, at: i64) -> bool {
    report(shadow, state.clone(), version, Timestamp(at), &LIMITS).expect("it fits")
}

#[test]
fn merge_patches_do_as_the_standard_says() {
    let cases = [
        (
            o([("a", "b".into())]),
            o([("a", "c".into())]),
            o([("a", "c".into())]),
        ),
        (
            o([("a", "b".into())]),
            o([("b", "c".into())]),
            o([("a", "b".into()), ("b", "c".into())]),
        ),
        (o([("a", "b".into())]), o([("a", NULL)]), o([])),
        (
            o([("a", "b".into()), ("b", "c".into())]),
            o([("a", NULL)]),
            o([("b", "c".into())]),
        ),
        (
            o([("a", l(["b".into()]))]),
            o([("a", "c".into())]),
            o([("a", "c".into())]),
        ),
        (
            o([("a", "c".into())]),
            o([("a", l(["b".into()]))]),
            o([("a", l(["b".into()]))]),
        ),
        (
            o([("a", o([("b", "c".into())]))]),
            o([("a", o([("b", "d".into()), ("c", NULL)]))]),
            o([("a", o([("b", "d".into())]))]),
        ),
        (
            o([("a", l([o([("b", "c".into())])]))]),
            o([("a", l([n(1)]))]),
            o([("a", l([n(1)]))]),
        ),
        (
            l(["a".into(), "b".into()]),
            l(["c".into(), "d".into()]),
            l(["c".into(), "d".into()]),
        ),
        (o([("a", "b".into())]), l(["c".into()]), l(["c".into()])),
        (o([("a", "foo".into())]), NULL, NULL),
        (o([("a", "foo".into())]), "bar".into(), "bar".into()),
        (o([("e", NULL)]), o([("a", n(1))]), o([("e", NULL), ("a", n(1))])),
        (
            l([n(1), n(2)]),
            o([("a", "b".into()), ("c", NULL)]),
            o([("a", "b".into())]),
        ),
        (
            o([]),
            o([("a", o([("bb", o([("ccc", NULL)]))]))]),
            o([("a", o([("bb", o([]))]))]),
        ),
    ];
    for (index, (mut document, patch, result)) in cases.into_iter().enumerate() {
        merge(&mut document, &patch);
        assert_eq!(document, result, "case {index}");
    }
}

#[test]
fn numbers_are_the_same_however_they_are_written() {
    let float = |value: f64| Value::Number(Number::float(value).expect("it is finite"));
    assert!(same(&n(21), &float(21.0)));
    assert!(same(&float(-0.0), &n(0)));
    assert!(!same(&n(21), &float(21.5)));
    assert!(
        !same(&n(i64::MAX), &float(9_223_372_036_854_775_808.0)),
        "it is one more"
    );
    assert!(same(
        &Value::Number(Number::Uint(1 << 63)),
        &float(9_223_372_036_854_775_808.0)
    ));
    assert!(!same(&Value::Number(Number::Uint(u64::MAX)), &float(1e300)));
    assert!(same(&l([n(1)]), &l([float(1.0)])));
    assert!(!same(&l([n(1)]), &l([n(1), n(1)])));
    assert!(same(&o([("a", n(1))]), &o([("a", float(1.0))])));
    assert!(!same(&o([("a", n(1))]), &o([("b", n(1))])));
    assert!(!same(&NULL, &Value::Bool(false)));
}

#[test]
fn the_difference_is_what_is_still_to_be_done() {
    let wish = o([
        ("lock", "on".into()),
        ("seat", o([("heat", n(2)), ("tilt", n(5))])),
    ]);
    assert_eq!(difference(&wish, None), Some(wish.clone()));
    assert_eq!(difference(&wish, Some(&wish)), None);
    let nearly = o([
        ("lock", "on".into()),
        ("seat", o([("heat", n(1)), ("tilt", n(5))])),
        ("more", n(1)),
    ]);
    assert_eq!(
        difference(&wish, Some(&nearly)),
        Some(o([("seat", o([("heat", n(2))]))]))
    );
    assert_eq!(difference(&o([]), None), Some(o([])));
    assert_eq!(difference(&o([]), Some(&n(1))), Some(o([])));
    assert_eq!(difference(&o([]), Some(&o([("a", n(1))]))), None);
    assert_eq!(difference(&o([("gone", NULL)]), Some(&o([]))), None);
    assert_eq!(
        difference(&o([("gone", NULL)]), Some(&o([("gone", n(1))]))),
        Some(o([("gone", NULL)]))
    );
    assert_eq!(difference(&l([n(1)]), Some(&l([n(1), n(2)]))), Some(l([n(1)])));
}

#[test]
fn a_put_replaces_all_and_rises_by_one() {
    let mut shadow = Shadow::default();
    assert_eq!(
        put(
            &mut shadow,
            object([("window", "open".into()), ("light", NULL)]),
            &[],
            10
        ),
        Ok(true)
    );
    assert_eq!(
        (shadow.version, shadow.desired.len()),
        (1, 1),
        "null is what is not there"
    );
    assert_eq!(
        put(&mut shadow, object([("window", "open".into())]), &[], 20),
        Ok(false)
    );
    assert_eq!((shadow.version, shadow.desired["window"].at), (1, Timestamp(10)));
    let two = object([("light", n(1)), ("seat", o([("heat", NULL), ("tilt", n(1))]))]);
    assert_eq!(put(&mut shadow, two, &[], 30), Ok(true));
    assert_eq!(shadow.version, 2);
    assert_eq!(
        desired(&shadow, Timestamp(30)),
        object([("light", n(1)), ("seat", o([("tilt", n(1))]))])
    );
    assert_eq!(&*shadow.desired["light"].by, "ops");
}

#[test]
fn a_patch_touches_what_it_names() {
    let mut shadow = Shadow::default();
    put(
        &mut shadow,
        object([("a", o([("x", n(1)), ("y", n(2))])), ("b", n(1))]),
        &[("b", 100)],
        10,
    )
    .unwrap();
    assert_eq!(
        patch(
            &mut shadow,
            &object([("a", o([("x", NULL), ("z", n(3))]))]),
            &[],
            20
        ),
        Ok(true)
    );
    assert_eq!(shadow.version, 2);
    assert_eq!(shadow.desired["a"].value, o([("y", n(2)), ("z", n(3))]));
    assert_eq!(
        (shadow.desired["a"].at, shadow.desired["b"].at),
        (Timestamp(20), Timestamp(10))
    );
    assert_eq!(
        shadow.desired["b"].expires_at,
        Some(Timestamp(110)),
        "it keeps its time"
    );
    assert_eq!(patch(&mut shadow, &object([("b", n(1))]), &[], 30), Ok(true));
    assert_eq!(shadow.desired["b"].expires_at, None, "it is a lasting wish now");
    assert_eq!(
        patch(&mut shadow, &object([("b", NULL), ("c", NULL)]), &[], 40),
        Ok(true)
    );
    assert_eq!(patch(&mut shadow, &object([("b", NULL)]), &[], 50), Ok(false));
    assert_eq!((shadow.version, shadow.desired.len()), (4, 1));
}

#[test]
fn a_wish_ends_with_its_time() {
    let mut shadow = Shadow::default();
    put(&mut shadow, object([("a", n(1)), ("b", n(1))]), &[("a", 100)], 10).unwrap();
    assert!(!expire(&mut shadow, Timestamp(109)));
    assert_eq!(delta(&shadow, Timestamp(109), false).len(), 2);
    assert_eq!(
        delta(&shadow, Timestamp(110), false),
        object([("b", n(1))]),
        "it need not be swept first"
    );
    assert!(expire(&mut shadow, Timestamp(110)));
    assert!(!expire(&mut shadow, Timestamp(110)));
    assert_eq!((shadow.version, shadow.desired.len()), (2, 1));
    // The same wish again is a new one once its time was over.
    put(&mut shadow, object([("b", n(1))]), &[("b", 100)], 200).unwrap();
    assert_eq!(
        patch(&mut shadow, &object([("b", n(1))]), &[("b", 50)], 300),
        Ok(true)
    );
    assert_eq!(shadow.desired["b"].at, Timestamp(300));
}

#[test]
fn a_time_is_in_its_range_and_of_a_key_that_is_written() {
    for (ms, right) in [
        (0, false),
        (1, true),
        (WISH_MS_MAX, true),
        (WISH_MS_MAX + 1, false),
    ] {
        let put = put(&mut Shadow::default(), object([("a", n(1))]), &[("a", ms)], 0);
        assert_eq!(put.is_ok(), right, "{ms}");
    }
    let mut shadow = Shadow::default();
    let refusal = put(&mut shadow, object([("a", n(1))]), &[("b/c", 1)], 0).expect_err("b/c is not written");
    assert!(matches!(refusal.why, Why::Argument { pointer, .. } if &*pointer == "/ttl_ms/b~1c"));
    assert_eq!(shadow, Shadow::default());
    put(&mut shadow, object([("a", n(1))]), &[], 0).unwrap();
    patch(&mut shadow, &object([("b", n(1))]), &[("a", 1)], 0).expect_err("a is not written");
    patch(&mut shadow, &object([("a", NULL)]), &[("a", 1)], 0).expect_err("a is taken away");
    assert_eq!(shadow.version, 1);
}

#[test]
fn a_wish_of_a_command_is_the_writers_once_written() {
    let mut shadow = Shadow::default();
    put(
        &mut shadow,
        object([("window", "open".into()), ("b", n(1))]),
        &[],
        10,
    )
    .unwrap();
    shadow.desired.get_mut("window").unwrap().command = Some(CommandId(7));
    assert_eq!(delta(&shadow, Timestamp(10), true), object([("b", n(1))]));
    assert_eq!(delta(&shadow, Timestamp(10), false).len(), 2);
    assert_eq!(
        patch(&mut shadow, &object([("window", "open".into())]), &[], 20),
        Ok(true)
    );
    assert_eq!(shadow.desired["window"].command, None);
}

#[test]
fn what_a_device_says_is_taken_in_once() {
    let mut shadow = Shadow::default();
    put(
        &mut shadow,
        object([("window", "open".into()), ("c", n(21))]),
        &[],
        10,
    )
    .unwrap();
    assert!(says(
        &mut shadow,
        &object([("window", "closed".into()), ("odo", n(5))]),
        Some(1),
        20
    ));
    assert_eq!((shadow.version, shadow.reported_version), (2, Some(1)));
    assert!(!says(&mut shadow, &object([("odo", n(5))]), Some(1), 30));
    assert_eq!(shadow.reported["odo"].at, Timestamp(20));
    assert_eq!(
        delta(&shadow, Timestamp(30), false),
        object([("window", "open".into()), ("c", n(21))])
    );
    // Only the version is another: it is kept, and nothing rises that would be answered again.
    assert!(says(&mut shadow, &object([]), Some(2), 40));
    assert_eq!((shadow.version, shadow.reported_version), (2, Some(2)));
    let c = Value::Number(Number::float(21.0).unwrap());
    assert!(says(
        &mut shadow,
        &object([("window", "open".into()), ("c", c), ("odo", NULL)]),
        None,
        50
    ));
    assert_eq!(delta(&shadow, Timestamp(50), false), object([]));
    assert_eq!(reported(&shadow).len(), 2);
    assert_eq!(shadow.reported_version, Some(2));
}

#[test]
fn a_hello_says_all_there_is() {
    let mut shadow = Shadow::default();
    says(&mut shadow, &object([("a", n(1)), ("b", n(2))]), None, 10);
    let whole = |shadow: &mut Shadow, state, at| report_whole(shadow, state, Some(3), Timestamp(at), &LIMITS);
    assert_eq!(
        whole(
            &mut shadow,
            object([("b", n(2)), ("c", o([("d", NULL)])), ("e", NULL)]),
            20
        ),
        Ok(true)
    );
    assert_eq!(reported(&shadow), object([("b", n(2)), ("c", o([]))]));
    assert_eq!(
        (shadow.reported["b"].at, shadow.reported["c"].at),
        (Timestamp(10), Timestamp(20))
    );
    assert_eq!(shadow.version, 2);
    assert_eq!(
        whole(&mut shadow, object([("b", n(2)), ("c", o([]))]), 30),
        Ok(false)
    );
}

#[test]
fn a_state_has_its_size_and_no_more() {
    // {"a":"…"} is eight bytes around the text.
    let of = |bytes: usize| object([("a", Value::text(&"x".repeat(bytes - 8)))]);
    let mut shadow = Shadow::default();
    assert_eq!(Value::Object(of(BYTES_MAX)).bytes(), BYTES_MAX);
    let too_large = Refusal::too_large("state", BYTES_MAX as u64);
    assert_eq!(
        put(&mut shadow, of(BYTES_MAX + 1), &[], 0),
        Err(too_large.clone())
    );
    assert_eq!(put(&mut shadow, of(BYTES_MAX), &[], 0), Ok(true));
    assert_eq!(
        patch(&mut shadow, &object([("b", n(1))]), &[], 0),
        Err(too_large.clone())
    );
    assert_eq!(
        report(&mut shadow, of(BYTES_MAX + 1), None, Timestamp(0), &LIMITS),
        Err(too_large)
    );
    assert_eq!(shadow.version, 1);
    assert!(says(&mut shadow, &of(BYTES_MAX), None, 0));
    let refusal = report_whole(&mut shadow, of(BYTES_MAX + 1), None, Timestamp(0), &LIMITS);
    assert_eq!(refusal.expect_err("it is too large").code, Code::MessageTooLarge);
    assert_eq!(fits([].into_iter(), 2), Ok(()));
    assert!(fits([].into_iter(), 1).is_err());
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Bool(true)),
        (0..3i64).prop_map(Value::from),
        "[ab]{0,2}".prop_map(|text| Value::text(&text)),
    ];
    leaf.prop_recursive(3, 16, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(|list| Value::List(list.into())),
            proptest::collection::btree_map("[abc]", inner, 0..3).prop_map(|object| {
                Value::Object(
                    object
                        .into_iter()
                        .map(|(key, value)| (key.into(), value))
                        .collect(),
                )
            }),
        ]
    })
}

proptest! {
    /// A device that merges the difference into what it is has nothing left to do.
    #[test]
    fn doing_the_difference_leaves_none(wish in value(), reported in value()) {
        let mut now = reported;
        if let Some(todo) = difference(&wish, Some(&now)) {
            merge(&mut now, &todo);
        }
        prop_assert_eq!(difference(&wish, Some(&now)), None);
    }
}
