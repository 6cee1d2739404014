//! How it stands with a device, in words.

use serde_json::Value;

use super::super::output::{table, visible};
use super::{Tongue, display, text};

/// All of it: the device, its state, its lease and its last commands.
pub(super) fn words(all: &Value, tongue: Tongue) -> String {
    let (device, state, lease) = (&all["device"], &all["state"], &all["lease"]);
    let mut lines = vec![presence(device, tongue)];
    let said = &all["display"];
    if said.is_object() {
        lines.extend(display::lines(said, tongue));
    } else {
        lines.extend(connection(&all["connection"], device, tongue));
    }
    let delta = state
        .get("delta")
        .filter(|delta| delta.as_object().is_some_and(|it| !it.is_empty()));
    // Nobody wishes a display to be in a state.
    if delta.is_some() || !said.is_object() {
        lines.push(match delta {
            Some(delta) => tongue.say(
                format!("It has still to become: {delta}"),
                format!("아직 이루지 못한 상태: {delta}"),
            ),
            None => tongue.say(
                "It is as it should be.".to_owned(),
                "바라는 상태와 같습니다.".to_owned(),
            ),
        });
    }
    lines.push(if lease.is_object() {
        let (holder, until, fence) = (text(lease, "holder"), text(lease, "expires_at"), &lease["fence"]);
        tongue.say(
            format!("{holder} has control of it until {until} (fence {fence})."),
            format!("{holder}이(가) {until}까지 제어권을 가지고 있습니다(펜스 {fence})."),
        )
    } else {
        tongue.say(
            "Nobody has control of it alone.".to_owned(),
            "제어권을 독점한 사람이 없습니다.".to_owned(),
        )
    });
    let commands = all["commands"].as_array().cloned().unwrap_or_default();
    let open = |command: &&Value| {
        ["accepted", "routed", "written", "received", "in_progress"].contains(&text(command, "state"))
    };
    let count = commands.iter().filter(open).count();
    lines.push(tongue.say(
        format!("Of its last {} commands {count} have not ended:", commands.len()),
        format!(
            "최근 명령 {}개 가운데 {count}개가 끝나지 않았습니다:",
            commands.len()
        ),
    ));
    let lines: Vec<_> = lines.iter().map(|line| visible(line)).collect();
    let columns = ["created_at", "command_id", "name", "args", "by", "state"];
    format!("{}\n{}", lines.join("\n"), table(&commands, &columns))
}

/// What carries the device's session, and what its socket is set to.
fn connection(connection: &Value, device: &Value, tongue: Tongue) -> Vec<String> {
    if !connection.is_object() {
        let elsewhere = device["online"] == true;
        let line = || {
            tongue.say(
                "Its connection is not to be seen from this node.".to_owned(),
                "이 노드에서는 연결 상태를 볼 수 없습니다.".to_owned(),
            )
        };
        return elsewhere.then(line).into_iter().collect();
    }
    let (transport, address) = (text(connection, "transport"), text(connection, "address"));
    let (sent, received) = (&connection["frames_sent"], &connection["frames_received"]);
    let silent = &connection["silent_ms"];
    let mut lines = vec![tongue.say(
        format!("It comes from {address} over {transport}: {received} frames received, {sent} sent, nothing heard for {silent} ms."),
        format!("{address}에서 {transport}(으)로 연결: 프레임 {received}개 수신, {sent}개 송신, 마지막 수신 후 {silent} ms."),
    )];
    if let Some(offset) = connection.get("clock_offset_ms") {
        lines.push(tongue.say(
            format!("Its clock is {offset} ms from ours."),
            format!("장치 시계와의 차이: {offset} ms."),
        ));
    }
    let options = connection["socket"].as_object();
    let options = options.map(|all| all.iter().map(|(name, value)| format!("{name}={value}")));
    if let Some(options) = options {
        let options = options.collect::<Vec<_>>().join(" ");
        lines.push(tongue.say(format!("Its socket: {options}"), format!("소켓: {options}")));
    }
    lines
}

fn presence(device: &Value, tongue: Tongue) -> String {
    let (id, kind) = (text(device, "device_id"), text(device, "kind"));
    let session = &device["session"];
    let epoch = &device["epoch"];
    if device["online"] == true {
        let (node, since, which) = (
            text(session, "node"),
            text(session, "since"),
            text(session, "session_id"),
        );
        return tongue.say(
            format!("Device {id} ({kind}) is connected to node {node} since {since}: session {which}, connection epoch {epoch}."),
            format!("장치 {id}({kind})은(는) {since}부터 노드 {node}에 연결되어 있습니다: 세션 {which}, 연결 에포크 {epoch}."),
        );
    }
    match text(device, "last_seen") {
        "" => tongue.say(
            format!("Device {id} ({kind}) has not been connected yet."),
            format!("장치 {id}({kind})은(는) 아직 연결된 적이 없습니다."),
        ),
        seen => tongue.say(
            format!("Device {id} ({kind}) is not connected; its last session (epoch {epoch}) ended at {seen}."),
            format!("장치 {id}({kind})은(는) 연결되어 있지 않습니다. 마지막 세션(에포크 {epoch})은 {seen}에 끝났습니다."),
        ),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_device_is_told_of_in_both_languages() {
        let all = json!({
            "device": { "device_id": "car-1", "kind": "vehicle", "online": true, "epoch": 7,
                "session": { "session_id": "s1", "node": "n1", "since": "T0" } },
            "connection": { "transport": "grpc", "address": "10.0.0.7", "frames_sent": 2, "frames_received": 3,
                "silent_ms": 40, "clock_offset_ms": -5, "socket": { "nodelay": true, "notsent_lowat_bytes": 1 } },
            "state": { "delta": { "window": "open" } },
            "lease": { "holder": "ops", "fence": 3, "expires_at": "T9" },
            "commands": [{ "created_at": "T1", "command_id": "c1", "name": "horn.honk", "args": {}, "by": "ops", "state": "written" }]
        });
        let told = words(&all, Tongue::English);
        for part in [
            "connected to node n1 since T0",
            "10.0.0.7 over grpc: 3 frames received",
            "-5 ms",
            "notsent_lowat_bytes=1",
            "{\"window\":\"open\"}",
            "ops has control",
            "1 commands 1 have",
            "horn.honk",
        ] {
            assert!(told.contains(part), "{part}: {told}");
        }
        assert!(words(&all, Tongue::Korean).contains("노드 n1에 연결되어 있습니다"));
        let mut away = all;
        away["device"] = json!({ "device_id": "car-1", "kind": "vehicle", "online": false, "epoch": 7, "last_seen": "T8" });
        away["connection"] = Value::Null;
        away["state"]["delta"] = json!({});
        away["lease"] = Value::Null;
        let told = words(&away, Tongue::English);
        for part in ["ended at T8", "as it should be", "Nobody has control"] {
            assert!(told.contains(part), "{part}: {told}");
        }
    }

    #[test]
    fn a_display_speaks_for_itself_and_is_wished_nothing() {
        let mut all = json!({
            "device": { "device_id": "Display_01", "kind": "display", "online": true, "epoch": 2,
                "session": { "session_id": "s1", "node": "n1", "since": "T0" } },
            "connection": null, "state": { "delta": {} }, "lease": null, "commands": [],
            "display": { "online": true, "last_heartbeat": "T1", "status": "active", "process_count": 0,
                "capabilities": [], "processes": [] }
        });
        let told = words(&all, Tongue::English);
        assert!(told.contains("Its last heartbeat came at T1: active."), "{told}");
        for absent in ["not to be seen", "as it should be"] {
            assert!(!told.contains(absent), "{absent}: {told}");
        }
        all["display"] = Value::Null;
        assert!(words(&all, Tongue::English).contains("not to be seen from this node"));
    }
}
