//! Mistakes on the command line: exit code 2, and the flag is named.

use crate::support::{bongsu, run};

#[test]
fn mistakes_of_usage_name_the_flag() {
    for (args, name) in [
        (&["serve", "--no-such-flag"][..], "--no-such-flag"),
        (&["serve", "--tcp", "nonsense"], "--tcp"),
        (&["serve", "--log-format", "xml"], "text, json"),
        (&["serve", "--log", "info,="], "--log"),
        (&["serve", "--node-id", "a b"], "--node-id"),
        (&["serve", "--advertise", "ws-1.example"], "--advertise"),
        (&["serve", "--shards", "0"], "--shards"),
        (&["token"], "--sub"),
        (&["token", "--sub", ""], "--sub"),
        (&["token", "--sub", "7", "--ttl", "soon"], "--ttl"),
        (&["token", "--sub", "7", "--role", "emperor"], "emperor"),
        (&["send", "--room", "1", "--protocol", "smoke", "x"], "smoke"),
        (&["tail", "--room", "1", "--protocol", "http"], "--protocol"),
        (&["bench", "fanout", "--load", "0.5", "--rate", "9"], "--rate"),
        (&["user", "list", "--url", "127.0.0.1:8000"], "http://"),
        (&["fly"], "fly"),
        (&["check"], "--config"),
        (&[], "Usage"),
    ] {
        let err = run(args).bad(2);
        assert!(err.contains(name), "{args:?}: {err}");
    }
}

#[test]
fn mistakes_in_the_environment_name_the_flag_too() {
    let output = bongsu(&["serve"]).env("BONGSU_TCP", "nonsense").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stderr).unwrap().contains("--tcp"));
}

#[test]
fn help_lists_every_command() {
    let help = run(&["--help"]).good();
    for name in [
        "serve", "token", "user", "room", "send", "announce", "tail", "check", "config", "migrate",
        "openapi", "asyncapi", "bench",
    ] {
        assert!(help.contains(&format!("\n  {name} ")), "{name}");
    }
    assert!(!help.contains("bench-floor"));
}

#[test]
fn the_api_describes_itself() {
    let json: serde_json::Value = serde_json::from_str(&run(&["openapi"]).good()).unwrap();
    assert!(json["openapi"].as_str().unwrap().starts_with("3."));
    assert!(run(&["openapi", "--yaml"]).good().contains("openapi: "));
    let json: serde_json::Value = serde_json::from_str(&run(&["asyncapi", "--json"]).good()).unwrap();
    assert_eq!(json["asyncapi"], "3.0.0");
    let kept = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/asyncapi.yaml");
    assert_eq!(run(&["asyncapi"]).good(), std::fs::read_to_string(kept).unwrap());
}
