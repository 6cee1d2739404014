//! One command's life in words, from its history.
//!
//! Invariant: every note of the history is told, in its order; what is not understood is shown as it is.

use serde_json::Value;

use super::super::output::visible;
use super::{Tongue, text};

/// The whole story.
pub(super) fn words(command: &Value, tongue: Tongue) -> String {
    let args = command.get("args").map(Value::to_string).unwrap_or_default();
    let (id, device, name) = (
        text(command, "command_id"),
        text(command, "device_id"),
        text(command, "name"),
    );
    let mut lines = vec![tongue.say(
        format!("Command {id} for device {device}: {name} {args}"),
        format!("명령 {id}, 장치 {device}: {name} {args}"),
    )];
    let mut before = "";
    for note in command
        .get("history")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        let told = note_words(note, before, command, tongue);
        lines.push(format!("{}  {told}", text(note, "at")));
        before = text(note, "state");
    }
    lines.push(end_words(command, tongue));
    if let Some(late) = command.get("late_result") {
        let (state, answer) = (text(late, "state"), answer(late));
        lines.push(tongue.say(
            format!(
                "{}  after the end the device said: {state}{answer}",
                text(late, "at")
            ),
            format!(
                "{}  끝난 뒤에 장치가 답했습니다: {state}{answer}",
                text(late, "at")
            ),
        ));
    }
    visible_lines(&lines)
}

fn visible_lines(lines: &[String]) -> String {
    lines
        .iter()
        .map(|line| visible(line))
        .collect::<Vec<_>>()
        .join("\n")
}

/// A word of a note's detail: `epoch` of `session=… epoch=7`.
fn word<'a>(detail: &'a str, key: &str) -> Option<&'a str> {
    let words = detail.split(' ');
    words
        .filter_map(|word| word.split_once('='))
        .find(|(name, _)| *name == key)
        .map(|(_, value)| value)
}

fn note_words(note: &Value, before: &str, command: &Value, tongue: Tongue) -> String {
    let (state, node, detail) = (text(note, "state"), text(note, "node"), text(note, "detail"));
    let by = word(detail, "by");
    let session = word(detail, "session").unwrap_or("?");
    let epoch = word(detail, "epoch").unwrap_or("?");
    let told = match (state, by) {
        ("accepted", Some(by)) if before.is_empty() => {
            let from = text(command, "from");
            let deadline = text(command, "deadline");
            Some((
                format!(
                    "{by} asked for it{}; it may be sent until {deadline}",
                    or_nothing(from, ", from ", "")
                ),
                format!(
                    "{by}이(가) 요청했습니다{}. {deadline}까지 보낼 수 있습니다",
                    or_nothing(from, " (", ")")
                ),
            ))
        }
        (state, Some(by)) if state == before => Some((
            format!("{by} asked for the same, and joined it"),
            format!("{by}이(가) 같은 것을 요청해 이 명령에 합쳐졌습니다"),
        )),
        ("routed", _) => Some((
            format!("given to session {session} (connection epoch {epoch}) on node {node}"),
            format!("노드 {node}의 세션 {session}(연결 에포크 {epoch})에 넘겼습니다"),
        )),
        ("written", _) => {
            let attempt = word(detail, "attempt").unwrap_or("1");
            Some((
                format!("written to session {session} (connection epoch {epoch}), attempt {attempt}"),
                format!("세션 {session}(연결 에포크 {epoch})에 썼습니다({attempt}번째)"),
            ))
        }
        ("received", _) => Some((
            format!("the device has it (connection epoch {epoch})"),
            format!("장치가 받았습니다(연결 에포크 {epoch})"),
        )),
        ("in_progress", _) => Some((
            format!("the device carries it out (connection epoch {epoch})"),
            format!("장치가 실행하고 있습니다(연결 에포크 {epoch})"),
        )),
        ("superseded", _) => word(detail, "superseded_by").map(|newer| {
            (
                format!("superseded by command {newer}"),
                format!("더 새로운 명령 {newer}(으)로 대체되었습니다"),
            )
        }),
        ("cancelled", Some(by)) => Some((format!("{by} took it back"), format!("{by}이(가) 취소했습니다"))),
        _ => None,
    };
    match told {
        Some((english, korean)) => tongue.say(english, korean),
        None => format!("{state}{}", or_nothing(detail, ": ", "")),
    }
}

fn or_nothing(text: &str, before: &str, after: &str) -> String {
    if text.is_empty() {
        String::new()
    } else {
        format!("{before}{text}{after}")
    }
}

/// What the device answered.
fn answer(of: &Value) -> String {
    let parts = ["result", "error"].map(|name| of.get(name).map(|value| format!("{name} {value}")));
    let parts: Vec<_> = parts.into_iter().flatten().collect();
    or_nothing(&parts.join(", "), ", ", "")
}

/// Where it is, and what that means for whoever asked.
fn end_words(command: &Value, tongue: Tongue) -> String {
    let (state, since) = (text(command, "state"), text(command, "since"));
    let (english, korean) = match state {
        "succeeded" => ("the device has done it", "장치가 해냈습니다"),
        "failed" => (
            "the device tried and could not",
            "장치가 시도했으나 하지 못했습니다",
        ),
        "rejected" => ("the device would not do it", "장치가 거절했습니다"),
        "timed_out" => (
            "the device did not say in time how it ended: it may have been carried out",
            "장치가 제때 결과를 알리지 않았습니다. 실행되었을 수도 있습니다",
        ),
        "expired" => (
            "its time was over before it was sent or started: it was not carried out",
            "보내거나 시작하기 전에 시간이 지났습니다. 실행되지 않았습니다",
        ),
        "superseded" => (
            "a newer command for the same target took its place: it was not carried out",
            "같은 대상의 더 새로운 명령이 대신했습니다. 실행되지 않았습니다",
        ),
        "cancelled" => ("it was taken back", "취소되었습니다"),
        "offline" => (
            "the device was connected nowhere: it was not sent",
            "장치가 연결되어 있지 않아 보내지 않았습니다",
        ),
        "in_progress" if text(command, "name") == "display.run" => {
            ("the program runs", "프로그램이 실행 중입니다")
        }
        _ => ("it has not ended yet", "아직 끝나지 않았습니다"),
    };
    let answer = answer(command);
    tongue.say(
        format!("It is {state} since {since}: {english}{answer}"),
        format!("{since}부터 {state}: {korean}{answer}"),
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn command() -> Value {
        let note = |state: &str, at: &str, detail: &str| json!({ "state": state, "at": at, "node": "n1", "detail": detail });
        json!({
            "command_id": "c1", "device_id": "car-1", "name": "window.set", "args": { "position": "open" },
            "from": "192.0.2.7", "deadline": "T5", "state": "timed_out", "since": "T9",
            "late_result": { "at": "T10", "state": "succeeded", "result": { "done": true } },
            "history": [
                note("accepted", "T0", "by=shop"), note("accepted", "T1", "by=ops"),
                note("routed", "T2", "session=s1 epoch=7"), note("written", "T3", "session=s1 epoch=7 attempt=1"),
                note("written", "T6", "session=s2 epoch=8 attempt=2"), note("received", "T7", "epoch=8"),
                note("timed_out", "T9", "")
            ]
        })
    }

    #[test]
    fn every_note_is_told_in_its_order() {
        let told = words(&command(), Tongue::English);
        let lines: Vec<_> = told.lines().collect();
        assert_eq!(
            lines,
            [
                "Command c1 for device car-1: window.set {\"position\":\"open\"}",
                "T0  shop asked for it, from 192.0.2.7; it may be sent until T5",
                "T1  ops asked for the same, and joined it",
                "T2  given to session s1 (connection epoch 7) on node n1",
                "T3  written to session s1 (connection epoch 7), attempt 1",
                "T6  written to session s2 (connection epoch 8), attempt 2",
                "T7  the device has it (connection epoch 8)",
                "T9  timed_out",
                "It is timed_out since T9: the device did not say in time how it ended: it may have been carried out",
                "T10  after the end the device said: succeeded, result {\"done\":true}",
            ]
        );
    }

    #[test]
    fn a_program_that_runs_is_said_to() {
        let mut command = command();
        command["name"] = "display.run".into();
        command["state"] = "in_progress".into();
        assert!(words(&command, Tongue::English).contains("It is in_progress since T9: the program runs"));
        assert!(words(&command, Tongue::Korean).contains("프로그램이 실행 중입니다"));
    }

    #[test]
    fn it_is_told_in_korean_too() {
        let told = words(&command(), Tongue::Korean);
        assert_eq!(told.lines().count(), 10);
        assert!(told.contains("shop이(가) 요청했습니다 (192.0.2.7)"), "{told}");
        assert!(told.contains("실행되었을 수도 있습니다"), "{told}");
    }

    #[test]
    fn what_others_wrote_does_not_move_the_terminal() {
        let mut command = command();
        command["name"] = "a\u{1b}[2J\nb".into();
        let told = words(&command, Tongue::English);
        assert!(!told.contains('\u{1b}'), "{told}");
        assert_eq!(told.lines().count(), 10);
    }
}
