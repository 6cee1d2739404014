//! Displays and presets from the command line, with the agent that is in the same binary.

use std::path::Path;

use rustix::process::Signal;
use serde_json::Value;

use crate::support::{Running, Server, bongsu, folder, run};

/// A demo's own name for its display.
const DISPLAY: &str = "Display_01";

/// An agent that is registered, with a data folder of its own.
fn agent(server: &Server, name: &str, data: &Path, more: &[&str]) -> Running {
    let mut command = bongsu(&["agent", "--server", &server.url(), "--name", name, "--allow-any"]);
    command.args(more).arg("--data").arg(data);
    let (agent, _) = Running::start(command);
    agent.err.wait_for("registered");
    agent
}

fn local(data: &Path, args: &[&str]) -> String {
    let data = data.to_str().unwrap();
    run(&[&["agent"], args, &["--data", data]].concat()).good()
}

#[test]
fn the_demo_s_preset_runs_on_an_agent_and_is_stopped() {
    let (home, data) = folder();
    let agent_data = home.path().join("agent");
    let server = Server::start(&data, &["--dev"]);
    let hint = server.running.err.wait_for(" preset run ");
    assert!(hint.contains("preset run hello --wait"), "{hint}");
    let err = server.call(&data, &["preset", "run", "hello", "--wait"]);
    assert_eq!(err.code, Some(1), "nobody is there");
    assert!(err.out.contains("DEVICE_OFFLINE"), "{}", err.out);
    let mut display = agent(&server, DISPLAY, &agent_data, &["--on-exit", "stop"]);
    let ran = server.ask(&data, &["preset", "run", "hello", "--wait"]);
    assert_eq!(
        (&ran["ok"], &ran["results"][0]["state"]),
        (&Value::from(true), &Value::from("in_progress"))
    );
    let command = ran["results"][0]["command_id"].as_str().unwrap().to_owned();
    let list = server.call(&data, &["display", "list"]).good();
    assert!(list.lines().count() == 2 && list.contains(DISPLAY), "{list}");
    let shown = server.ask(&data, &["display", "show", DISPLAY]);
    assert_eq!(shown["processes"][0]["command_id"], command.as_str(), "{shown}");
    let told = server.call(&data, &["explain", "device", DISPLAY]).good();
    for part in ["answers by the commands' ids", "1 programs run", &command] {
        assert!(told.contains(part), "{part}: {told}");
    }
    let told = server.call(&data, &["explain", "command", &command]).good();
    assert!(told.contains("the program runs"), "{told}");
    assert!(local(&agent_data, &["list", "--running"]).contains(&command));
    // The program says it before it is waited for to end.
    server.call(&data, &["preset", "stop", "hello"]).good();
    assert_eq!(local(&agent_data, &["logs", &command]), "hello\n");
    let told = server.call(&data, &["explain", "command", &command]).good();
    assert!(told.contains("\"status\":\"stopped\""), "{told}");
    display.signal(Signal::TERM);
    assert_eq!(display.wait(), Some(0));
    assert_eq!(server.stop().0, Some(0));
}

#[test]
fn programs_are_run_and_stopped_on_one_display() {
    let (home, data) = folder();
    let server = Server::start(&data, &["--dev"]);
    let mut display = agent(
        &server,
        "wall",
        &home.path().join("agent"),
        &["--on-exit", "stop"],
    );
    let ask = |args: &[&str]| server.ask(&data, args);
    // Flags of ours stand before the program, whose words stay as they are.
    let words = ["printf", "%s|", "it's", "a  b", "$HOME"];
    let run = ["display", "run", "--json", "--wait", "done", "wall"];
    let done = server.call(&data, &[&run[..], &words].concat()).good();
    let done: Value = serde_json::from_str(&done).unwrap();
    assert_eq!(done["state"], "succeeded", "{done}");
    let id = done["command_id"].as_str().unwrap();
    let logs = local(&home.path().join("agent"), &["logs", id]);
    assert_eq!(logs, "it's|a  b|$HOME|");
    let failed = server.call(&data, &["display", "run", "--wait", "done", "wall", "false"]);
    assert_eq!(failed.code, Some(1), "{}", failed.out);
    assert!(failed.out.contains("failed"), "{}", failed.out);
    let sleeps = server
        .call(&data, &["display", "run", "--json", "wall", "sleep", "300"])
        .good();
    let sleeps: Value = serde_json::from_str(&sleeps).unwrap();
    let id = sleeps["command_id"].as_str().unwrap();
    let stopped = ask(&["display", "stop", "wall", "--command", id]);
    assert_eq!(stopped["result"]["stopped"], 1, "{stopped}");
    display.signal(Signal::TERM);
    assert_eq!(display.wait(), Some(0));
}

#[test]
fn presets_are_made_changed_and_forgotten() {
    let (_home, data) = folder();
    let server = Server::start(&data, &[]);
    let ask = |args: &[&str]| server.ask(&data, args);
    let made = ask(&[
        "preset",
        "create",
        "opening",
        "--display",
        "a=clock --full",
        "--display",
        "b=mpv x",
        "--cwd",
        "/srv",
    ]);
    assert_eq!(made["displays"]["a"]["cwd"], "/srv", "{made}");
    let id = made["preset_id"].as_i64().unwrap().to_string();
    let set = ask(&["preset", "set", &id, "--without", "a", "--display", "c=true"]);
    let displays: Vec<_> = set["displays"].as_object().unwrap().keys().collect();
    assert_eq!(displays, ["b", "c"]);
    assert_eq!(set["displays"]["b"]["cwd"], "/srv", "what is not named stays");
    let shown = server.call(&data, &["preset", "show", "opening"]).good();
    assert!(shown.contains("mpv x"), "{shown}");
    let run = server.call(&data, &["preset", "run", "opening", "--wait", "--display", "c"]);
    assert!(run.code == Some(1) && !run.out.contains("\nb "), "{}", run.out);
    server.call(&data, &["preset", "delete", "opening"]).good();
    assert_eq!(ask(&["preset", "list"]).as_array().unwrap().len(), 0);
    let err = server.call(&data, &["preset", "show", "opening"]).bad(1);
    assert!(err.contains("PRESET_NOT_FOUND"), "{err}");
}

#[test]
fn displays_are_registered_before_they_come_and_renamed() {
    let (home, data) = folder();
    let server = Server::start(&data, &[]);
    let added = server
        .call(&data, &["display", "add", "Lobby_01", "Lobby_02"])
        .good();
    let lines: Vec<_> = added.lines().filter_map(|line| line.split_once(' ')).collect();
    let names: Vec<_> = lines.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["Lobby_01", "Lobby_02"]);
    assert!(lines.iter().all(|(_, token)| token.len() == 48), "{added}");
    let again = server.call(&data, &["display", "add", "Lobby_01", "Lobby_03"]);
    assert_eq!(
        (again.code, again.out.lines().count()),
        (Some(1), 1),
        "{}",
        again.out
    );
    assert!(again.err.contains("Lobby_01"), "{}", again.err);
    server
        .call(&data, &["display", "rename", "Lobby_02", "Hall_01"])
        .good();
    assert_eq!(
        server.ask(&data, &["display", "show", "Hall_01"])["online"],
        false
    );
    // The token goes with the display, and lets in nobody of another name.
    let mut hall = agent(
        &server,
        "Hall_01",
        &home.path().join("agent"),
        &["--token", lines[1].1],
    );
    let told = server.call(&data, &["explain", "device", "Hall_01"]).good();
    assert!(told.contains("0 programs run"), "{told}");
    hall.signal(Signal::TERM);
    assert_eq!(hall.wait(), Some(0));
}
