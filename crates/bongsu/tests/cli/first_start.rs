//! The data folder: what the first start makes, and what keeps a later one from using it.

use std::fs;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::support::{ANY, Server, folder, run};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn refused(data: &Path) -> String {
    run(&[&["serve", "--data-dir", data.to_str().unwrap()], &ANY[..]].concat()).bad(1)
}

#[test]
fn everything_is_made_for_its_owner_alone() {
    let (_home, data) = folder();
    let server = Server::start(&data, &[]);
    assert_eq!(mode(&data), 0o700);
    for name in ["bongsu.sqlite", "signing-key.pem", "node-id", "bongsu.lock"] {
        assert_eq!(mode(&data.join(name)), 0o600, "{name}");
    }
    server.running.err.wait_for("first start");
    let name = server.address("node_id").to_owned();
    assert_eq!(server.stop().0, Some(0));
    let again = Server::start(&data, &[]);
    assert_eq!(again.address("node_id"), name, "the node keeps its name");
    again.running.err.wait_for("ready");
    assert_eq!(again.stop().0, Some(0));
}

#[test]
fn a_token_is_alone_on_one_line_and_wants_no_server() {
    let (_home, data) = folder();
    let token = run(&["token", "--sub", "123", "--data-dir", data.to_str().unwrap()]).good();
    assert_eq!(
        (token.matches('\n').count(), token.matches('.').count()),
        (1, 2),
        "{token}"
    );
    assert_eq!(mode(&data.join("signing-key.pem")), 0o600);
}

#[test]
fn a_key_that_others_can_read_is_not_used() {
    let (_home, data) = folder();
    run(&["token", "--sub", "1", "--data-dir", data.to_str().unwrap()]).good();
    fs::set_permissions(data.join("signing-key.pem"), fs::Permissions::from_mode(0o644)).unwrap();
    let err = refused(&data);
    assert!(
        err.contains("signing-key.pem") && err.contains("chmod 600"),
        "{err}"
    );
}

#[test]
fn a_database_of_a_newer_version_is_left_alone() {
    let (_home, data) = folder();
    assert_eq!(Server::start(&data, &[]).stop().0, Some(0));
    let path = data.join("bongsu.sqlite");
    // SQLite keeps the schema's version in its header, at byte 60.
    let mut file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.seek(SeekFrom::Start(60)).unwrap();
    file.write_all(&99_u32.to_be_bytes()).unwrap();
    drop(file);
    let before = fs::read(&path).unwrap();
    for err in [
        refused(&data),
        run(&["migrate", "--data-dir", data.to_str().unwrap()]).bad(1),
    ] {
        assert!(err.contains("99") && err.contains("newer"), "{err}");
    }
    assert_eq!(fs::read(&path).unwrap()[..100], before[..100]);
}

#[test]
fn demo_data_is_made_once_and_shown_with_a_token() {
    let (_home, data) = folder();
    let first = Server::start(&data, &["--dev"]);
    first.running.err.wait_for("DEMO");
    first.running.err.wait_for("nc 127.0.0.1");
    let shown = first.running.err.wait_for(r#""jwt_token":"eyJ"#);
    assert!(
        shown.starts_with('{') && shown.ends_with('}'),
        "ready to paste: {shown}"
    );
    let shown = first.running.err.wait_for("postinit_req");
    let token = shown.split('"').find(|part| part.len() == 48).unwrap_or_default();
    assert!(
        token.bytes().all(|byte| byte.is_ascii_hexdigit()) && !token.is_empty(),
        "{shown}"
    );
    let rooms = first.ask(&data, &["room", "list"]);
    assert_eq!(
        (rooms[0]["room_id"].as_i64(), rooms[0]["name"].as_str()),
        (Some(1), Some("general"))
    );
    first.running.err.wait_for(rooms[0]["token"].as_str().unwrap());
    first.call(&data, &["room", "remove", "1", "3"]).good();
    assert_eq!(first.stop().0, Some(0));
    let second = Server::start(&data, &["--dev"]);
    let users = second.ask(&data, &["user", "list"]);
    let names: Vec<_> = users
        .as_array()
        .unwrap()
        .iter()
        .map(|user| user["nickname"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["하나", "두리", "세나"]);
    let rooms = second.ask(&data, &["room", "list"]);
    assert_eq!(rooms.as_array().unwrap().len(), 2);
    assert_eq!(rooms[0]["members_count"], 2, "what was changed stays so");
}
