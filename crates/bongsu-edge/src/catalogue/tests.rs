//! Schemas that pass and that do not, and what is said of arguments.

use std::time::Duration;

use super::*;

fn value(json: &serde_json::Value) -> Value {
    match json {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(value) => (*value).into(),
        serde_json::Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(value), _) => value.into(),
            (None, Some(value)) => Value::Number(Number::Uint(value)),
            (None, None) => Value::Number(Number::float(number.as_f64().unwrap()).unwrap()),
        },
        serde_json::Value::String(text) => Value::text(text),
        serde_json::Value::Array(list) => Value::List(list.iter().map(value).collect()),
        serde_json::Value::Object(object) => Value::Object(
            object
                .iter()
                .map(|(key, it)| (key.as_str().into(), value(it)))
                .collect(),
        ),
    }
}

fn compile(schema: &str) -> Result<ArgsSchema, SchemaWrong> {
    ArgsSchema::compile(&value(&serde_json::from_str(schema).unwrap()))
}

fn check(schema: &str, args: &str) -> Result<(), ArgsWrong> {
    let schema = compile(schema).unwrap_or_else(|wrong| panic!("{schema}: {wrong}"));
    let args = value(&serde_json::from_str(args).unwrap());
    schema.check(args.as_object().unwrap())
}

fn wrong(schema: &str) -> SchemaWrong {
    compile(schema).err().expect("it is no good")
}

const WINDOW: &str = r#"{"type":"object","required":["position"],"additionalProperties":false,
    "properties":{"position":{"enum":["open","closed"]},"seats":{"type":"array","items":{"type":"integer","maximum":5}}}}"#;

#[test]
fn what_is_wrong_says_where() {
    assert_eq!(check(WINDOW, r#"{"position":"open","seats":[1,5]}"#), Ok(()));
    let wrong = check(WINDOW, r#"{"position":"ajar"}"#).unwrap_err();
    assert_eq!(&*wrong.pointer, "/position");
    assert!(
        wrong.says.contains("open") && !wrong.says.contains("ajar"),
        "{}",
        wrong.says
    );
    assert_eq!(&*check(WINDOW, "{}").unwrap_err().pointer, "");
    assert_eq!(
        &*check(WINDOW, r#"{"position":"open","seats":[1,6]}"#)
            .unwrap_err()
            .pointer,
        "/seats/1"
    );
    assert!(check(WINDOW, r#"{"position":"open","more":1}"#).is_err());
}

#[test]
fn what_is_said_is_short() {
    let many: Vec<_> = (0..500).map(|n| format!("\"choice-{n}\"")).collect();
    let schema = format!(
        r#"{{"type":"object","properties":{{"a":{{"enum":[{}]}}}}}}"#,
        many.join(",")
    );
    let wrong = check(&schema, r#"{"a":1}"#).unwrap_err();
    assert!(wrong.says.chars().count() <= SAYS_CHARS_MAX + 1, "{}", wrong.says);
}

#[test]
fn a_schema_is_of_an_object() {
    for schema in [
        "true",
        "{}",
        r#"{"type":"array"}"#,
        r#"{"type":["object","null"]}"#,
    ] {
        assert_eq!(wrong(schema), SchemaWrong::NotAnObject, "{schema}");
    }
}

#[test]
fn what_is_no_schema_is_refused() {
    for schema in [
        r#"{"type":"object","properties":{"a":{"type":"whole"}}}"#,
        r#"{"type":"object","required":"a"}"#,
        r#"{"type":"object","properties":{"a":{"pattern":"("}}}"#,
        r#"{"type":"object","properties":{"a":{"pattern":"(a)\\1"}}}"#,
        r##"{"type":"object","properties":{"a":{"$ref":"#/$defs/none"}}}"##,
        r#"{"type":"object","properties":{"a":{"format":"no-such-format"}}}"#,
        r#"{"type":"object","properties":{"a":{"pattern":"(((a{1,1000}){1,1000}){1,1000})"}}}"#,
    ] {
        assert!(matches!(wrong(schema), SchemaWrong::Invalid(_)), "{schema}");
    }
}

#[test]
fn nothing_is_fetched() {
    for reference in ["https://example.com/a.json", "file:///etc/passwd", "a.json"] {
        let schema = format!(r#"{{"type":"object","properties":{{"a":{{"$ref":"{reference}"}}}}}}"#);
        assert_eq!(wrong(&schema), SchemaWrong::Remote(reference.to_owned()));
    }
    let own =
        r##"{"type":"object","properties":{"a":{"$ref":"#/$defs/n"}},"$defs":{"n":{"type":"integer"}}}"##;
    assert_eq!(check(own, r#"{"a":1}"#), Ok(()));
    assert_eq!(&*check(own, r#"{"a":"1"}"#).unwrap_err().pointer, "/a");
}

#[test]
fn references_do_not_go_in_circles() {
    let circle = r##"{"type":"object","properties":{"a":{"$ref":"#/$defs/x"}},
        "$defs":{"x":{"$ref":"#/$defs/y"},"y":{"$ref":"#/$defs/x"}}}"##;
    assert!(matches!(wrong(circle), SchemaWrong::Circle(_)));
    let allof = r##"{"type":"object","allOf":[{"$ref":"#"}]}"##;
    assert_eq!(check(allof, r#"{"a":1}"#), Ok(()));
    // A tree is no circle: it ends where the arguments end.
    let tree = r##"{"type":"object","properties":{"child":{"$ref":"#"}},"additionalProperties":false}"##;
    assert_eq!(check(tree, r#"{"child":{"child":{}}}"#), Ok(()));
    assert_eq!(
        &*check(tree, r#"{"child":{"child":{"x":1}}}"#).unwrap_err().pointer,
        "/child/child"
    );
}

#[test]
fn a_pattern_takes_no_more_time_than_its_text_is_long() {
    let schema = r#"{"type":"object","properties":{"a":{"pattern":"^(a+)+$"}}}"#;
    let args = format!(r#"{{"a":"{}!"}}"#, "a".repeat(30_000));
    let (done, wait) = std::sync::mpsc::sync_channel(1);
    std::thread::spawn(move || done.send(check(schema, &args)));
    // One that tries all ways to match would not be done before the stars go out.
    let checked = wait
        .recv_timeout(Duration::from_secs(20))
        .expect("it is done in time");
    assert_eq!(&*checked.unwrap_err().pointer, "/a");
}
