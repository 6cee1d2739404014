//! What a display says of itself, in words.

use serde_json::Value;

use super::{Tongue, text};

/// How it is, when it was heard last, and what runs there.
pub(super) fn lines(display: &Value, tongue: Tongue) -> Vec<String> {
    if display["online"] != true {
        return Vec::new();
    }
    let Some(beat) = display["last_heartbeat"].as_str() else {
        return vec![tongue.say(
            "What it says of itself is not to be seen from this node.".to_owned(),
            "이 노드에서는 디스플레이가 알린 내용을 볼 수 없습니다.".to_owned(),
        )];
    };
    let mut lines = vec![kind(display, tongue), beats(display, beat, tongue)];
    let (count, processes) = (&display["process_count"], display["processes"].as_array());
    lines.push(tongue.say(
        format!("It says that {count} programs run:"),
        format!("실행 중이라고 알린 프로그램 {count}개:"),
    ));
    lines.extend(
        processes
            .into_iter()
            .flatten()
            .map(|process| one(process, tongue)),
    );
    lines
}

fn kind(display: &Value, tongue: Tongue) -> String {
    let or_unknown = |name| match text(display, name) {
        "" => "?",
        text => text,
    };
    let (client, version) = (or_unknown("client_type"), or_unknown("version"));
    let (address, number) = (or_unknown("address"), &display["client_id"]);
    let capabilities = display["capabilities"].as_array();
    let knows_ids = capabilities.is_some_and(|all| all.iter().any(|it| it == "command_ids"));
    let (english, korean) = if knows_ids {
        (
            "answers by the commands' ids, and runs none twice",
            "명령 ID로 응답하며 같은 명령을 두 번 실행하지 않습니다",
        )
    } else {
        (
            "knows only the guide, so its answers are matched by preset",
            "가이드만 알고 있어 프리셋 번호로 응답을 맞춥니다",
        )
    };
    tongue.say(
        format!("It is display number {number} ({client} {version}) at {address}, and {english}."),
        format!("{number}번 디스플레이({client} {version}), 주소 {address}. {korean}."),
    )
}

fn beats(display: &Value, beat: &str, tongue: Tongue) -> String {
    let status = match text(display, "status") {
        "" => "?",
        status => status,
    };
    let uptime = display["uptime_ms"].as_u64().map(|ms| ms / 1_000);
    let (english, korean) = uptime.map_or_else(Default::default, |seconds| {
        (
            format!(", up for {seconds} s then"),
            format!(", 가동 {seconds}초"),
        )
    });
    tongue.say(
        format!("Its last heartbeat came at {beat}: {status}{english}."),
        format!("마지막 하트비트 {beat}: {status}{korean}."),
    )
}

fn one(process: &Value, tongue: Tongue) -> String {
    let or_none = |name: &str| match &process[name] {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        other @ (Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => other.to_string(),
    };
    let (pid, preset, command) = (or_none("pid"), or_none("preset_id"), or_none("command_id"));
    let seconds = process["uptime_ms"]
        .as_u64()
        .map_or_else(|| "-".to_owned(), |ms| (ms / 1_000).to_string());
    tongue.say(
        format!("  process {pid} of preset {preset}, command {command}, for {seconds} s"),
        format!("  프로세스 {pid}, 프리셋 {preset}, 명령 {command}, {seconds}초째"),
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_display_is_told_of_in_both_languages() {
        let display = json!({
            "client_id": 3, "online": true, "status": "active", "process_count": 2, "last_heartbeat": "T1",
            "uptime_ms": 61_500, "client_type": "python", "version": "1.0", "address": "10.0.0.7",
            "capabilities": ["command_ids"],
            "processes": [
                { "preset_id": 7, "command_id": "c1", "pid": 4711, "uptime_ms": 9_000 }, { "pid": 4712 }
            ]
        });
        let told = lines(&display, Tongue::English);
        assert_eq!(
            told,
            [
                "It is display number 3 (python 1.0) at 10.0.0.7, and answers by the commands' ids, and runs none twice.",
                "Its last heartbeat came at T1: active, up for 61 s then.",
                "It says that 2 programs run:",
                "  process 4711 of preset 7, command c1, for 9 s",
                "  process 4712 of preset -, command -, for - s",
            ]
        );
        let told = lines(&display, Tongue::Korean).join("\n");
        assert!(
            told.contains("3번 디스플레이") && told.contains("9초째"),
            "{told}"
        );
    }

    #[test]
    fn one_that_is_elsewhere_or_away_is_not_spoken_for() {
        assert!(lines(&json!({ "online": false, "processes": [] }), Tongue::English).is_empty());
        let elsewhere = lines(&json!({ "online": true, "processes": [] }), Tongue::English);
        assert!(elsewhere[0].contains("not to be seen"), "{elsewhere:?}");
        let guide = json!({ "online": true, "last_heartbeat": "T1", "capabilities": [], "processes": [] });
        assert!(lines(&guide, Tongue::English)[0].contains("knows only the guide"));
    }
}
