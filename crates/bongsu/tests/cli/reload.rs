//! SIGHUP: lists and keys come into force as a whole, or not at all.

use std::path::Path;

use rustix::process::Signal;

use crate::support::{Server, folder, write};

const KEY: &str = "0123456789abcdef01234567";
const OTHER_KEY: &str = "another key of 24 bytes!";

fn says(server: &Server, data: &Path, text: &str) -> Option<i32> {
    server
        .call(data, &["send", "--room", "1", "--as", "1", text])
        .code
}

fn listed_with(server: &Server, data: &Path, key: &str) -> Option<i32> {
    server.call(data, &["user", "list", "--api-key", key]).code
}

#[test]
fn a_bad_list_leaves_the_old_in_force_and_a_good_one_replaces_it() {
    let (home, data) = folder();
    let config = write(
        home.path(),
        "bongsu.toml",
        "[moderation]\nblocklist = \"list.txt\"\n",
    );
    write(home.path(), "list.txt", "barley\n");
    let server = Server::start(&data, &["--dev", "--config", &config]);
    assert_eq!(
        (says(&server, &data, "barley"), says(&server, &data, "millet")),
        (Some(1), Some(0))
    );
    write(home.path(), "list.txt", "millet\n/(/\n");
    server.running.signal(Signal::HUP);
    let line = server.running.err.wait_for("nothing was changed");
    assert!(line.contains("list.txt:2"), "{line}");
    assert_eq!(
        (says(&server, &data, "barley"), says(&server, &data, "millet")),
        (Some(1), Some(0))
    );
    write(home.path(), "list.txt", "millet\n");
    server.running.signal(Signal::HUP);
    server.running.err.wait_for("were read again");
    assert_eq!(
        (says(&server, &data, "barley"), says(&server, &data, "millet")),
        (Some(0), Some(1))
    );
    assert_eq!(server.stop().0, Some(0));
}

#[test]
fn a_bad_catalogue_leaves_the_old_in_force_and_a_good_one_replaces_it() {
    let (home, data) = folder();
    let command = |name: &str, more: &str| format!("[[command]]\nname = \"{name}\"\n{more}\n");
    let file = write(home.path(), "commands.toml", &command("bell.ring", ""));
    let server = Server::start(&data, &["--catalogue", &file]);
    let refused = |name: &str| {
        let said = server.call(&data, &["command", "bell-1", name]);
        assert_eq!(said.code, Some(1));
        said.err
    };
    assert!(refused("bell.ring").contains("DEVICE_OFFLINE"));
    assert!(refused("bell.mute").contains("COMMAND_REFUSED (unlisted)"));
    write(home.path(), "commands.toml", &command("bell.mute", "ttl_ms = 0"));
    server.running.signal(Signal::HUP);
    let line = server.running.err.wait_for("nothing was changed");
    assert!(line.contains("catalogue"), "{line}");
    assert!(refused("bell.ring").contains("DEVICE_OFFLINE"));
    write(home.path(), "commands.toml", &command("bell.mute", ""));
    server.running.signal(Signal::HUP);
    server.running.err.wait_for("were read again");
    assert!(refused("bell.ring").contains("COMMAND_REFUSED"));
    assert!(refused("bell.mute").contains("DEVICE_OFFLINE"));
    assert_eq!(server.stop().0, Some(0));
}

#[test]
fn api_keys_are_read_again_and_what_needs_a_restart_is_named() {
    let (home, data) = folder();
    let api_key = |key: &str| format!("[[api_keys]]\nname = \"shop\"\nkey = \"{key}\"\n");
    let config = write(home.path(), "bongsu.toml", &api_key(KEY));
    let server = Server::start(&data, &["--config", &config]);
    assert_eq!(
        (
            listed_with(&server, &data, KEY),
            listed_with(&server, &data, OTHER_KEY)
        ),
        (Some(0), Some(1))
    );
    write(
        home.path(),
        "bongsu.toml",
        &format!("{}[limits]\nposts_per_s = 21\n", api_key(OTHER_KEY)),
    );
    server.running.signal(Signal::HUP);
    let line = server.running.err.wait_for("were read again");
    assert!(line.contains("limits"), "{line}");
    assert_eq!(
        (
            listed_with(&server, &data, KEY),
            listed_with(&server, &data, OTHER_KEY)
        ),
        (Some(1), Some(0))
    );
    write(home.path(), "bongsu.toml", &format!("{}[limts]\n", api_key(KEY)));
    server.running.signal(Signal::HUP);
    server.running.err.wait_for("limts");
    assert_eq!(
        (
            listed_with(&server, &data, KEY),
            listed_with(&server, &data, OTHER_KEY)
        ),
        (Some(1), Some(0))
    );
}
