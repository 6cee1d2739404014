//! What `bongsu display` and `bongsu preset` have in common: programs as they are given, and what became of them.

use anyhow::bail;
use clap::Args;
use serde_json::{Map, Value};

use super::output::table;
use super::tongue::Tongue;

/// Up to where it is waited for a program.
pub(super) const WAITS: [&str; 4] = ["accepted", "received", "running", "done"];

/// How a program is run and stopped.
#[derive(Args)]
pub(super) struct How {
    /// Have a shell of the display read the command line; else it is split into words, and nothing in it is expanded.
    #[arg(long)]
    shell: bool,
    /// Where it runs [default: where the display likes].
    #[arg(long, value_name = "DIR")]
    cwd: Option<String>,
    /// What is added to its environment; may be given more than once.
    #[arg(long = "env", value_name = "NAME=VALUE", value_parser = variable)]
    env: Vec<(String, String)>,
    /// By what it is asked to stop: TERM, INT, HUP, QUIT or KILL [default: as the display has it].
    #[arg(long, value_name = "SIGNAL", value_parser = ["TERM", "INT", "HUP", "QUIT", "KILL"])]
    stop_signal: Option<String>,
    /// How long it then has before it is killed, in milliseconds [default: as the display has it].
    #[arg(long, value_name = "MS")]
    grace_ms: Option<u64>,
}

impl How {
    /// The fields of a program with this line.
    pub(super) fn program(&self, line: &str) -> Map<String, Value> {
        let mut program = Map::new();
        program.insert("command".to_owned(), line.into());
        put(&mut program, "shell", self.shell.then_some(true));
        put(&mut program, "cwd", self.cwd.as_deref());
        put(&mut program, "stop_signal", self.stop_signal.as_deref());
        put(&mut program, "grace_ms", self.grace_ms);
        let env = self.env.iter();
        let env: Map<_, _> = env
            .map(|(name, value)| (name.clone(), value.as_str().into()))
            .collect();
        put(&mut program, "env", (!env.is_empty()).then_some(env));
        program
    }
}

/// Puts a field into a body, if there is one.
pub(super) fn put(body: &mut Map<String, Value>, name: &str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        body.insert(name.to_owned(), value.into());
    }
}

/// `NAME=VALUE`.
pub(super) fn variable(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=').filter(|(name, _)| !name.is_empty());
    let owned = pair.map(|(name, value)| (name.to_owned(), value.to_owned()));
    owned.ok_or_else(|| "NAME=VALUE is needed".to_owned())
}

/// `DISPLAY=COMMAND`.
pub(super) fn on_display(text: &str) -> Result<(String, String), String> {
    let pair = variable(text).ok().filter(|(_, line)| !line.trim().is_empty());
    pair.ok_or_else(|| "DISPLAY=COMMAND is needed, such as Display_01='mpv intro.mp4'".to_owned())
}

/// When programs are started: what is no number of milliseconds is a moment of RFC 3339.
pub(super) fn moment(text: &str) -> Value {
    text.parse::<i64>().map_or_else(|_| text.into(), Value::from)
}

/// Whether a command came as far as was waited for.
pub(super) fn has_come(answer: &Value, wait: &str) -> bool {
    const STATES: [&str; 6] = [
        "accepted",
        "routed",
        "written",
        "received",
        "in_progress",
        "succeeded",
    ];
    let wanted = match wait {
        "received" => "received",
        "running" => "in_progress",
        "done" => "succeeded",
        _ => "accepted",
    };
    let place = |of: &str| STATES.iter().position(|state| *state == of);
    let state = answer.get("state").and_then(Value::as_str).unwrap_or_default();
    place(state) >= place(wanted) && place(state).is_some()
}

/// What became of a preset on each display: those columns that say something.
pub(super) fn results(answer: &Value) -> String {
    let results = answer.get("results").and_then(Value::as_array);
    let results = results.cloned().unwrap_or_default();
    let said = |name: &&str| results.iter().any(|one| one.get(*name).is_some());
    let columns = [
        "command_id",
        "state",
        "code",
        "reason",
        "message",
        "result",
        "error",
    ];
    let columns: Vec<_> = std::iter::once("display")
        .chain(columns.into_iter().filter(said))
        .collect();
    table(&results, &columns)
}

/// Fails if it did not come about on every display.
pub(super) fn all_well(answer: &Value, tongue: Tongue) -> anyhow::Result<()> {
    if answer.get("ok").and_then(Value::as_bool) == Some(true) {
        return Ok(());
    }
    bail!(tongue.say(
        "not every display has done it".to_owned(),
        "모든 디스플레이가 해내지는 못했습니다".to_owned(),
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_was_waited_for_has_come_or_what_follows_it() {
        let come = |state: &str, wait| has_come(&json!({ "state": state }), wait);
        assert!(come("accepted", "accepted") && come("written", "accepted"));
        assert!(come("in_progress", "running") && come("succeeded", "running"));
        assert!(!come("received", "running") && !come("in_progress", "done"));
        for wait in WAITS {
            for state in ["failed", "rejected", "timed_out", "expired", "offline", ""] {
                assert!(!come(state, wait), "{state} {wait}");
            }
        }
    }

    #[test]
    fn results_are_one_line_for_each_display() {
        let answer = json!({ "preset_id": 7, "ok": false, "results": [
            { "display": "Display_01", "command_id": "c1", "state": "in_progress" },
            { "display": "Display_02", "code": "DEVICE_OFFLINE", "message": "not connected" }
        ] });
        assert_eq!(
            results(&answer),
            "display     command_id  state        code            message\n\
             Display_01  c1          in_progress\n\
             Display_02                           DEVICE_OFFLINE  not connected"
        );
        assert!(all_well(&answer, Tongue::English).is_err());
        assert!(all_well(&json!({ "ok": true }), Tongue::English).is_ok());
    }

    #[test]
    fn pairs_and_moments_are_read() {
        assert_eq!(variable("A=b=c"), Ok(("A".into(), "b=c".into())));
        assert_eq!(variable("A="), Ok(("A".into(), String::new())));
        assert!(variable("=b").is_err() && variable("A").is_err());
        assert!(on_display("Display_01=").is_err() && on_display("Display_01= ").is_err());
        assert_eq!(moment("1767268800000"), json!(1_767_268_800_000_i64));
        assert_eq!(moment("2026-01-01T12:00:00Z"), json!("2026-01-01T12:00:00Z"));
    }
}
