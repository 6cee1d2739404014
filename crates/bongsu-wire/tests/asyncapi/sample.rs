//! Values made from the vocabulary: right ones, and ones that are wrong in one place.

use bongsu_model::Limits;
use bongsu_wire::schema::{Bound, Field, Rule, Shape, Ty};
use serde_json::{Map, Value, json};

/// A right value of a type; an object with all of its fields.
pub(crate) fn right(ty: &Ty) -> Value {
    match ty {
        Ty::Text { min, .. } => "a".repeat(usize::try_from(*min).unwrap().max(1)).into(),
        Ty::Matching(pattern) => {
            let names = ["game.move"];
            let pattern = regex::Regex::new(pattern).unwrap();
            names
                .into_iter()
                .find(|it| pattern.is_match(it))
                .expect("an example of it stands above")
                .into()
        }
        Ty::Hex(digits) => "0".repeat(*digits as usize).into(),
        Ty::Moment => "2024-01-01T12:00:00.100Z".into(),
        Ty::OneOf(names) => names[0].into(),
        Ty::Integer | Ty::Count => json!(7),
        Ty::Between { min, .. } => (*min).into(),
        Ty::Number => json!(1.5),
        // In an envelope `true` may mean that all else is read in another way.
        Ty::Bool => false.into(),
        Ty::Always(value) => (*value).into(),
        Ty::Object(shape) => full(shape),
        Ty::Array { of, .. } => json!([right(of)]),
        Ty::Free { .. } => json!({ "a": 1 }),
        Ty::Anything => json!([]),
        Ty::Nullable(ty) => right(ty),
        Ty::Either(types) => right(&types[0]),
    }
}

/// An object with all of its fields, but for those that another excludes.
pub(crate) fn full(shape: &Shape) -> Value {
    let mut map: Map<String, Value> = shape
        .fields
        .iter()
        .map(|it| (it.name.to_owned(), right(&it.ty)))
        .collect();
    for rule in shape.rules {
        if let Rule::OneAtMost(names) = rule {
            for name in &names[1..] {
                map.remove(*name);
            }
        }
    }
    map.into()
}

/// Values that are just too much or too little, or of no kind that is known: each is to be refused. `None` for a type that
/// takes all of its kind.
pub(crate) fn beyond(ty: &Ty, limits: &Limits) -> Vec<Value> {
    let text = |bytes: u64| Value::from("a".repeat(usize::try_from(bytes).unwrap()));
    match ty {
        Ty::Text { min, max } => {
            let short = (*min > 0).then(|| text(min - 1));
            short
                .into_iter()
                .chain(number(*max, limits).map(|max| text(max + 1)))
                .collect()
        }
        Ty::Hex(digits) => vec![
            text(u64::from(*digits) - 1),
            text(u64::from(*digits) + 1),
            "g".repeat(*digits as usize).into(),
        ],
        Ty::OneOf(names) => {
            let shouted = names[0].to_uppercase();
            let otherwise = if shouted == names[0] {
                names[0].to_lowercase()
            } else {
                shouted
            };
            vec!["no such".into(), otherwise.into()]
        }
        Ty::Matching(_) => vec!["no such".into(), "".into()],
        Ty::Count => vec![json!(-1), json!(1.0)],
        Ty::Integer => vec![json!(1.5), json!(u64::MAX)],
        Ty::Between { min, max } => {
            let low = json!(i64::try_from(*min).unwrap() - 1);
            std::iter::once(low)
                .chain(number(*max, limits).map(|max| json!(max + 1)))
                .collect()
        }
        Ty::Array { of, max } => number(*max, limits)
            .map(|max| vec![right(of); usize::try_from(max).unwrap() + 1].into())
            .into_iter()
            .collect(),
        // The key, its quotes and the braces take the rest.
        Ty::Free { max } => number(*max, limits)
            .map(|max| json!({ "a": text(max - 7) }))
            .into_iter()
            .collect(),
        Ty::Nullable(ty) => beyond(ty, limits),
        Ty::Number | Ty::Moment | Ty::Bool | Ty::Always(_) | Ty::Object(_) | Ty::Anything | Ty::Either(_) => {
            vec![]
        }
    }
}

/// The most that is right, where there is such a thing.
pub(crate) fn utmost(ty: &Ty, limits: &Limits) -> Option<Value> {
    let text = |bytes: u64| Value::from("a".repeat(usize::try_from(bytes).unwrap()));
    match ty {
        Ty::Text { max, .. } => number(*max, limits).map(text),
        Ty::Count => Some(json!(i64::MAX)),
        Ty::Integer => Some(json!(i64::MIN)),
        Ty::Between { max, .. } => number(*max, limits).map(Value::from),
        Ty::Array { of, max } => {
            number(*max, limits).map(|max| vec![right(of); usize::try_from(max).unwrap()].into())
        }
        Ty::Free { max } => number(*max, limits).map(|max| json!({ "a": text(max - 8) })),
        Ty::Nullable(_) => Some(Value::Null),
        Ty::Hex(_)
        | Ty::OneOf(_)
        | Ty::Number
        | Ty::Moment
        | Ty::Matching(_)
        | Ty::Bool
        | Ty::Always(_)
        | Ty::Object(_)
        | Ty::Anything
        | Ty::Either(_) => None,
    }
}

/// Values of other JSON types.
pub(crate) fn mistyped(ty: &Ty) -> Vec<Value> {
    let all = [json!("x y"), json!(7), json!(true), json!({ "a": 1 }), json!([1])];
    all.into_iter().filter(|value| !kind(ty, value)).collect()
}

/// Whether a value has the JSON type of what is wanted.
fn kind(ty: &Ty, value: &Value) -> bool {
    match ty {
        Ty::Text { .. } | Ty::Matching(_) | Ty::Hex(_) | Ty::Moment | Ty::OneOf(_) => value.is_string(),
        Ty::Integer | Ty::Count | Ty::Between { .. } | Ty::Number => value.is_number(),
        Ty::Bool | Ty::Always(_) => value.is_boolean(),
        Ty::Object(_) | Ty::Free { .. } => value.is_object(),
        Ty::Array { .. } => value.is_array(),
        Ty::Anything => true,
        Ty::Nullable(ty) => value.is_null() || kind(ty, value),
        Ty::Either(types) => types.iter().any(|ty| kind(ty, value)),
    }
}

fn number(bound: Bound, limits: &Limits) -> Option<u64> {
    match bound {
        Bound::No => None,
        Bound::Of(value) => Some(value),
        Bound::Limit(name) => Some(limits.entries().into_iter().find(|it| it.0 == name).unwrap().1),
    }
}

/// A place in a request: the keys to it; where one is an array's, its first entry is meant.
pub(crate) type Place = Vec<&'static str>;

/// Every field of a shape and of the shapes inside it, with its place below `at`.
pub(crate) fn places(shape: &Shape, at: &[&'static str], out: &mut Vec<(Place, Field)>) {
    for field in shape.fields {
        let place: Place = at.iter().copied().chain([field.name]).collect();
        let mut inner = &field.ty;
        while let Ty::Array { of, .. } | Ty::Nullable(of) = inner {
            inner = of;
        }
        if let Ty::Object(shape) = inner {
            places(shape, &place, out);
        }
        out.push((place, *field));
    }
}

/// The object that holds what stands at a place.
pub(crate) fn holder<'v>(value: &'v mut Value, place: &[&str]) -> &'v mut Map<String, Value> {
    let mut inner = value;
    for key in &place[..place.len() - 1] {
        inner = &mut inner[*key];
        if inner.is_array() {
            inner = &mut inner[0];
        }
    }
    inner.as_object_mut().unwrap()
}
