//! `check`: every mistake of a file with its line, and the state of a data folder.

use std::fs;

use crate::support::{Server, folder, run, write};

const WRONG: &str = "\
[server]
http = \"localhost\"
lokale = \"ko\"

[limits]
frame_bytes_max = \"large\"
idle_ms = 1000

[no_such_table]
x = 1

[[api_keys]]
name = \"shop\"
key = \"hunter2\"
";

#[test]
fn every_mistake_is_told_at_once_with_its_line_and_serve_says_the_same() {
    let (home, data) = folder();
    let config = write(home.path(), "bongsu.toml", WRONG);
    let checked = run(&["check", "--config", &config]).bad(1);
    for part in [
        ":2: server.http = \"localhost\": ",
        ":3: server.lokale: ",
        "`server.locale` is near",
        ":6: limits.frame_bytes_max = \"large\": ",
        ":7: limits.idle_ms = 1000: ",
        ":9: no_such_table: ",
        ":14: api_keys[0].key: ",
        "6 mistakes in ",
    ] {
        assert!(checked.contains(part), "{part:?}: {checked}");
    }
    assert!(!checked.contains("hunter2"), "{checked}");
    let served = run(&["serve", "--config", &config, "--data-dir", data.to_str().unwrap()]).bad(1);
    for line in checked.lines().filter(|line| line.starts_with(&config)) {
        assert!(served.contains(line), "{line}: {served}");
    }
    assert!(!data.exists(), "nothing is begun with a wrong configuration");
}

#[test]
fn the_default_configuration_passes() {
    let (home, _) = folder();
    let text = run(&["config", "default"]).good();
    let config = write(home.path(), "bongsu.toml", &text);
    run(&["check", "--config", &config]).good();
    assert!(text.contains("[limits]") && text.lines().filter(|line| line.starts_with('#')).count() > 80);
}

#[test]
fn a_catalogue_is_checked_and_the_example_has_no_mistakes() {
    let (home, data) = folder();
    let text = run(&["config", "catalogue"]).good();
    let good = write(home.path(), "good.toml", &text);
    run(&["check", "--catalogue", &good]).good();
    let bad = "[[command]]\nname = \"window.toggle\"\nttl_ms = 0\n[command.args]\ntype = \"objekt\"\n";
    let bad = write(home.path(), "bad.toml", bad);
    let checked = run(&["check", "--catalogue", &bad]).bad(1);
    for part in [
        ":1: command[0].target: ",
        ":3: command[0].ttl_ms = 0: ",
        ":4: command[0].args: ",
        "3 mistakes in ",
    ] {
        assert!(checked.contains(part), "{part:?}: {checked}");
    }
    let data_dir = data.to_str().unwrap();
    let served = run(&["serve", "--catalogue", &bad, "--data-dir", data_dir]).bad(1);
    assert!(served.contains(":3: command[0].ttl_ms = 0: "), "{served}");
    assert!(!data.exists(), "nothing is begun with a wrong catalogue");
    let config = write(
        home.path(),
        "bongsu.toml",
        "[devices]\ncatalogue = \"bad.toml\"\n",
    );
    let checked = run(&["check", "--config", &config]).bad(1);
    assert!(
        checked.contains(":2: devices.catalogue = ") && checked.contains("bad.toml:3: "),
        "{checked}"
    );
}

#[test]
fn what_is_not_there_is_said() {
    let (home, data) = folder();
    let path = home.path().join("none.toml");
    let err = run(&["check", "--config", path.to_str().unwrap()]).bad(1);
    assert!(err.contains("none.toml"), "{err}");
    let err = run(&["check", "--data-dir", data.to_str().unwrap()]).bad(1);
    assert!(err.contains("signing-key.pem"), "{err}");
    let err = run(&["migrate", "--data-dir", data.to_str().unwrap()]).bad(1);
    assert!(err.contains("--data-dir") && !data.exists(), "{err}");
}

#[test]
fn a_data_folder_is_examined_beside_a_server_and_without_one() {
    let (_home, data) = folder();
    let server = Server::start(&data, &["--dev"]);
    let path = data.to_str().unwrap();
    run(&["check", "--data-dir", path]).good();
    let err = run(&["migrate", "--data-dir", path]).bad(1);
    assert!(err.contains("in use"), "{err}");
    assert_eq!(server.stop().0, Some(0));
    run(&["check", "--data-dir", path]).good();
    let said = run(&["migrate", "--data-dir", path]).good();
    assert!(said.contains("nothing to do"), "{said}");
    let file = data.join("bongsu.sqlite");
    let mut bytes = fs::read(&file).unwrap();
    // Every page but the first becomes noise.
    bytes[4_096..].fill(0x5a);
    fs::write(&file, bytes).unwrap();
    let err = run(&["check", "--data-dir", path]).bad(1);
    assert!(err.contains("bongsu.sqlite"), "{err}");
}
