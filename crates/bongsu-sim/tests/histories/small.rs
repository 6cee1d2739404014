//! Small histories by hand: what is a violation, and what only looks like one.
//!
//! Invariant: each of them stands for one sentence of `docs/history.md`.

use bongsu_sim::judge::{Promise, Source, Unreadable, judge};

const DUMP: &str = r#"
{"kind":"room","room":1,"seq":2,"epoch":"e"}
{"kind":"message","room":1,"seq":1,"message_id":"m1","sender":1,"hash":"h1"}
{"kind":"message","room":1,"seq":2,"message_id":"m2","sender":1,"hash":"h2"}
{"kind":"member","room":1,"user":1}
{"kind":"dumped"}
"#;

/// Two messages of one client, both answered and both delivered.
const HISTORY: &str = r#"
{"kind":"joining","t_ms":0,"client":"a","room":1}
{"kind":"connect","t_ms":1,"client":"a","node":"n1","user":1}
{"kind":"hears","t_ms":1,"client":"a","room":1,"seq":0,"epoch":"e"}
{"kind":"send","t_ms":2,"client":"a","room":1,"client_message_id":"k1","hash":"h1"}
{"kind":"send","t_ms":3,"client":"a","room":1,"client_message_id":"k2","hash":"h2"}
{"kind":"ack","t_ms":4,"client":"a","room":1,"client_message_id":"k1","seq":1,"message_id":"m1"}
{"kind":"deliver","t_ms":4,"client":"a","room":1,"seq":1,"message_id":"m1","sender":1,"hash":"h1","how":"live"}
{"kind":"ack","t_ms":5,"client":"a","room":1,"client_message_id":"k2","seq":2,"message_id":"m2"}
{"kind":"deliver","t_ms":5,"client":"a","room":1,"seq":2,"message_id":"m2","sender":1,"hash":"h2","how":"live"}
{"kind":"rest","t_ms":9,"client":"a"}
"#;

/// Which promises are broken, after the first line with `from` in it has become `to`.
fn broken(from: &str, to: &str) -> Vec<Promise> {
    let whole = format!("{HISTORY}{DUMP}");
    assert!(whole.contains(from), "{from:?} stands nowhere");
    let changed: Vec<&str> = whole.lines().collect();
    let at = changed.iter().position(|line| line.contains(from));
    let text: Vec<String> = changed
        .iter()
        .enumerate()
        .map(|(n, line)| {
            if Some(n) == at {
                line.replace(from, to)
            } else {
                (*line).to_owned()
            }
        })
        .collect();
    said(&text.join("\n"))
}

fn said(text: &str) -> Vec<Promise> {
    let file = ("history".to_owned(), text.to_owned());
    let verdict = judge(&[&file as &dyn Source]).expect("a history");
    verdict.counts.into_keys().collect()
}

#[test]
fn says_nothing_of_what_is_right() {
    assert_eq!(broken("\"t_ms\":0", "\"t_ms\":0.5"), []);
}

#[test]
fn compares_what_was_acknowledged_with_the_store() {
    assert_eq!(
        broken(r#""seq":2,"message_id":"m2"}"#, r#""seq":2,"message_id":"m3"}"#),
        [Promise::Durable]
    );
    assert_eq!(
        broken(r#"{"kind":"member","room":1,"user":1}"#, ""),
        [] as [Promise; 0],
        "nobody confirmed it"
    );
}

#[test]
fn orders_what_came_after_an_answer() {
    // The second was sent when the first had been acknowledged as a higher number.
    let swapped = HISTORY
        .replace(
            r#""k1","seq":1,"message_id":"m1""#,
            r#""k1","seq":2,"message_id":"m2""#,
        )
        .replace(
            r#""k2","seq":2,"message_id":"m2""#,
            r#""k2","seq":1,"message_id":"m1""#,
        )
        .replace(r#""t_ms":3"#, r#""t_ms":4.5"#);
    let dump = DUMP
        .replace("\"h1\"", "\"h\"")
        .replace("\"h2\"", "\"h1\"")
        .replace("\"h\"", "\"h2\"");
    assert!(said(&format!("{swapped}{dump}")).contains(&Promise::Order));
}

#[test]
fn keeps_the_order_of_one_connection() {
    let swapped = HISTORY
        .replace(r#""k1","hash":"h1""#, r#""k1","hash":"h2""#)
        .replace(r#""k2","hash":"h2""#, r#""k2","hash":"h1""#)
        .replace(
            r#""k1","seq":1,"message_id":"m1""#,
            r#""k1","seq":2,"message_id":"m2""#,
        )
        .replace(
            r#""k2","seq":2,"message_id":"m2""#,
            r#""k2","seq":1,"message_id":"m1""#,
        );
    assert_eq!(said(&format!("{swapped}{DUMP}")), [Promise::Order]);
}

#[test]
fn what_was_never_answered_may_be_there_or_not() {
    let without_ack: Vec<&str> = HISTORY
        .lines()
        .filter(|line| !line.contains(r#""ack","t_ms":5"#))
        .collect();
    assert_eq!(said(&format!("{}{DUMP}", without_ack.join("\n"))), []);
}

#[test]
fn what_was_refused_is_not_there() {
    let nack = r#""kind":"nack","t_ms":5,"client":"a","client_message_id":"k2","code":"#;
    let refused = |code: &str| {
        let lines = HISTORY.lines().map(|line| {
            if line.contains(r#""ack","t_ms":5"#) {
                format!("{{{nack}\"{code}\"}}")
            } else {
                line.to_owned()
            }
        });
        said(&format!("{}{DUMP}", lines.collect::<Vec<_>>().join("\n")))
    };
    assert_eq!(refused("room_not_found"), [Promise::Honest]);
    assert_eq!(refused("OVERLOADED"), [], "which says that nobody knows");
    assert_eq!(
        refused("INTERNAL_ERROR"),
        [Promise::Honest],
        "which names no cause"
    );
}

#[test]
fn a_client_that_rests_has_everything() {
    let lines: Vec<&str> = HISTORY
        .lines()
        .filter(|line| !line.contains(r#""deliver","t_ms":5"#))
        .collect();
    assert_eq!(said(&format!("{}{DUMP}", lines.join("\n"))), [Promise::Delivery]);
}

#[test]
fn what_is_sent_after_the_last_fault_is_acknowledged_soon() {
    let fault = r#"{"kind":"fault_begin","t_ms":0,"what":"x","at":1}
{"kind":"fault_end","t_ms":1.5,"what":"x","at":2}"#;
    assert_eq!(said(&format!("{fault}{HISTORY}{DUMP}")), []);
    let slow = HISTORY.replace(r#""ack","t_ms":5"#, r#""ack","t_ms":5004"#);
    assert_eq!(said(&format!("{fault}{slow}{DUMP}")), [Promise::Live]);
}

#[test]
fn a_history_that_proves_nothing_is_none() {
    let judged = |text: &str| judge(&[&("history".to_owned(), text.to_owned()) as &dyn Source]);
    assert!(matches!(judged(HISTORY), Err(Unreadable::NoDump)));
    assert!(matches!(judged(DUMP), Err(Unreadable::Nothing)));
    assert!(matches!(
        judged("{\"kind\":\"ack\"}"),
        Err(Unreadable::Line { line: 1, .. })
    ));
    assert!(matches!(
        judged("{\"kind\":\"acks\"}"),
        Err(Unreadable::Line { line: 1, .. })
    ));
}

#[test]
fn a_join_without_an_answer_may_have_been_carried_out() {
    let deliver = |t_ms: u32, seq: u64| {
        format!(
            r#"{{"kind":"deliver","t_ms":{t_ms},"client":"b","room":1,"seq":{seq},"message_id":"m{seq}","sender":1,"hash":"h{seq}","how":"live"}}"#
        )
    };
    let join = |seq: u64| format!(r#"{{"kind":"join","t_ms":8,"client":"b","room":1,"seq":{seq}}}"#);
    let lost = [
        r#"{"kind":"connect","t_ms":1,"client":"b","user":2}"#.to_owned(),
        r#"{"kind":"joining","t_ms":2,"client":"b","room":1}"#.to_owned(),
        r#"{"kind":"connect","t_ms":3,"client":"b","user":2}"#.to_owned(),
    ];
    let again = r#"{"kind":"joining","t_ms":6,"client":"b","room":1}"#.to_owned();
    let rest = r#"{"kind":"rest","t_ms":9,"client":"b"}"#.to_owned();
    let member = r#"{"kind":"member","room":1,"user":2}"#.to_owned();
    let judged = |lines: &[String]| {
        let lines = [&lost[..], lines, &[rest.clone(), member.clone()]].concat();
        said(&format!("{HISTORY}{}\n{DUMP}", lines.join("\n")))
    };
    assert_eq!(
        judged(&[deliver(5, 1), again.clone(), deliver(7, 2), join(2)]),
        []
    );
    assert_eq!(
        judged(&[again.clone(), join(2), deliver(9, 1), deliver(9, 2)]),
        [],
        "both were on their way"
    );
    assert_eq!(
        judged(&[again.clone(), join(0), deliver(9, 2)]),
        [Promise::Delivery],
        "but not less"
    );
}

#[test]
fn what_overtakes_the_answer_to_a_join_is_counted() {
    let deliver = |seq: u64| {
        format!(
            r#"{{"kind":"deliver","t_ms":7,"client":"b","room":1,"seq":{seq},"message_id":"m{seq}","sender":1,"hash":"h{seq}","how":"live"}}"#
        )
    };
    let join = |seq: u64| format!(r#"{{"kind":"join","t_ms":8,"client":"b","room":1,"seq":{seq}}}"#);
    let judged = |lines: &[String]| {
        let begin = [
            r#"{"kind":"connect","t_ms":1,"client":"b","user":2}"#.to_owned(),
            r#"{"kind":"joining","t_ms":2,"client":"b","room":1}"#.to_owned(),
        ];
        let end = [
            r#"{"kind":"rest","t_ms":9,"client":"b"}"#,
            r#"{"kind":"member","room":1,"user":2}"#,
        ];
        let lines = [&begin[..], lines, &end.map(str::to_owned)].concat();
        said(&format!("{HISTORY}{}\n{DUMP}", lines.join("\n")))
    };
    assert_eq!(judged(&[deliver(1), join(0), deliver(2)]), []);
    assert_eq!(judged(&[deliver(1), deliver(2), join(1)]), []);
    assert_eq!(
        judged(&[deliver(2), join(0)]),
        [Promise::Delivery],
        "the first is missing"
    );
    assert_eq!(
        judged(&[deliver(1), join(0), deliver(1), deliver(2)]),
        [Promise::Delivery],
        "it came twice"
    );
}

#[test]
fn a_leave_without_an_answer_may_be_carried_out_late() {
    let lines: Vec<&str> = HISTORY
        .lines()
        .filter(|line| !line.contains(r#""deliver","t_ms":5"#))
        .collect();
    let leaving = r#"{"kind":"leaving","t_ms":3,"client":"a","room":1}"#;
    let lines = lines.join("\n").replacen(
        r#"{"kind":"send","t_ms":3"#,
        &format!("{leaving}\n{{\"kind\":\"send\",\"t_ms\":3"),
        1,
    );
    assert_eq!(said(&format!("{lines}{DUMP}")), []);
}
