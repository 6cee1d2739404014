//! `pki`, and what a server makes of certificates.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use rustix::process::Signal;

use crate::support::{Server, folder, run, write};

/// Makes certificates in a folder of their own; its path.
fn pki(home: &Path) -> String {
    let dir = home.join("pki").to_str().unwrap().to_owned();
    run(&["pki", "ca", "--dir", &dir]).good();
    run(&["pki", "server", "--dir", &dir]).good();
    run(&["pki", "device", "--device", "car-1", "--dir", &dir]).good();
    dir
}

const CONFIG: &str = "\
[server]
https = \"127.0.0.1:0\"
tcps = \"127.0.0.1:0\"
[tls]
certificate = \"pki/server.pem\"
key = \"pki/server-key.pem\"
client_auth = \"optional\"
client_ca = [\"pki/ca.pem\"]
crl = [\"pki/crl.pem\"]
";

#[test]
fn what_pki_makes_is_private_and_never_replaced_unasked() {
    let (home, _) = folder();
    let dir = pki(home.path());
    let mut files: Vec<_> = fs::read_dir(&dir)
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort();
    let want = [
        "ca-key.pem",
        "ca.pem",
        "crl.pem",
        "device-car-1-key.pem",
        "device-car-1.pem",
        "server-key.pem",
        "server.pem",
    ];
    assert_eq!(files, want);
    for file in want {
        let mode = fs::metadata(format!("{dir}/{file}"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o077, 0, "{file}: {mode:o}");
    }
    for what in [&["ca"][..], &["server"], &["device", "--device", "car-1"]] {
        let before = fs::read(format!("{dir}/ca-key.pem")).unwrap();
        let words: Vec<_> = ["pki"]
            .iter()
            .chain(what)
            .chain(&["--dir", &dir])
            .copied()
            .collect();
        let said = run(&words).bad(1);
        assert!(
            said.contains("is there already") && said.contains("--force"),
            "{said}"
        );
        assert_eq!(fs::read(format!("{dir}/ca-key.pem")).unwrap(), before);
    }
    let made = run(&["pki", "server", "--dir", &dir, "--force"]).good();
    assert_eq!(made, format!("{dir}/server.pem\n{dir}/server-key.pem\n"));
}

#[test]
fn pki_refuses_what_makes_no_sense() {
    let (home, _) = folder();
    let none = home.path().join("none").to_str().unwrap().to_owned();
    let said = run(&["pki", "server", "--dir", &none]).bad(1);
    assert!(said.contains("bongsu pki ca"), "{said}");
    for device in ["", "a/b", "car 1"] {
        run(&["pki", "device", "--device", device, "--dir", &none]).bad(2);
    }
    run(&["pki", "revoke", "--dir", &none]).bad(2);
    let dir = pki(home.path());
    let other = home.path().join("other").to_str().unwrap().to_owned();
    run(&["pki", "ca", "--name", "another", "--dir", &other]).good();
    let said = run(&["pki", "revoke", &format!("{other}/ca.pem"), "--dir", &dir]).bad(1);
    assert!(said.contains("another"), "{said}");
    assert!(!Path::new(&format!("{dir}/revoked.txt")).exists());
}

#[test]
fn a_list_grows_and_has_everyone_once() {
    let (home, _) = folder();
    let dir = pki(home.path());
    run(&["pki", "device", "--device", "car-2", "--dir", &dir]).good();
    for device in ["car-1", "car-2", "car-1"] {
        let made = run(&["pki", "revoke", "--device", device, "--dir", &dir]).good();
        assert_eq!(made, format!("{dir}/crl.pem\n"));
    }
    let revoked = fs::read_to_string(format!("{dir}/revoked.txt")).unwrap();
    assert_eq!(revoked.lines().count(), 2, "{revoked}");
    write(&home.path().join("pki"), "revoked.txt", "nonsense\n");
    let said = run(&["pki", "revoke", "--device", "car-1", "--dir", &dir]).bad(1);
    assert!(said.contains("revoked.txt:1"), "{said}");
}

#[test]
fn a_server_says_where_it_listens_with_tls_and_reads_its_files_again() {
    let (home, data) = folder();
    let dir = pki(home.path());
    let config = write(home.path(), "bongsu.toml", CONFIG);
    run(&["check", "--config", &config]).good();
    let server = Server::start(&data, &["--config", &config]);
    for name in ["https", "tcps"] {
        let address = server.ready[name].as_str().unwrap();
        assert!(
            address.starts_with("127.0.0.1:") && !address.ends_with(":0"),
            "{address}"
        );
    }
    let key = fs::read(format!("{dir}/server-key.pem")).unwrap();
    fs::write(format!("{dir}/server-key.pem"), "no key").unwrap();
    server.running.signal(Signal::HUP);
    let line = server.running.err.wait_for("nothing was changed");
    assert!(line.contains("server-key.pem"), "{line}");
    fs::write(format!("{dir}/server-key.pem"), key).unwrap();
    run(&["pki", "revoke", "--device", "car-1", "--dir", &dir]).good();
    server.running.signal(Signal::HUP);
    server.running.err.wait_for("were read again");
}

#[test]
fn mistakes_about_certificates_have_their_lines() {
    let (home, data) = folder();
    pki(home.path());
    let device = "pki/device-car-1-key.pem";
    for (text, line) in [
        (
            "[server]\nhttps = \"127.0.0.1:0\"\n".to_owned(),
            ":2: server.https = \"127.0.0.1:0\": TLS needs a certificate",
        ),
        (
            "[server]\ntcps = \"127.0.0.1:0\"\n[tls]\nclient_auth = \"none\"\n".to_owned(),
            ":2: server.tcps = \"127.0.0.1:0\": TLS needs a certificate",
        ),
        (
            "[server]\ntcps = \"never\"\n".to_owned(),
            ":2: server.tcps = \"never\": ",
        ),
        (
            "[tls]\ncertificate = \"pki/server.pem\"\n".to_owned(),
            ":1: tls.key: the certificate needs its key",
        ),
        (
            "[tls]\nkey = \"pki/server-key.pem\"\n".to_owned(),
            ":1: tls.certificate: the key needs its certificate",
        ),
        (
            "[tls]\nclient_auth = \"required\"\n".to_owned(),
            ":1: tls.certificate: a certificate is needed",
        ),
        (CONFIG.replace("pki/server-key.pem", device), ":6: tls.key = "),
        (
            CONFIG.replace("pki/server.pem", "none.pem"),
            ":5: tls.certificate = \"none.pem\": cannot read",
        ),
        (
            CONFIG.replace("optional", "maybe"),
            ":7: tls.client_auth = \"maybe\": one of none, optional, required",
        ),
        (CONFIG.replace("optional", "none"), ":8: tls.client_ca = "),
        (
            CONFIG.replace("pki/ca.pem", "pki/ca-key.pem"),
            ":8: tls.client_ca = ",
        ),
        (
            CONFIG.replace("client_ca = [\"pki/ca.pem\"]", ""),
            "tls.client_ca: who may have issued",
        ),
        (CONFIG.replace("pki/crl.pem", "pki/ca.pem"), ":9: tls.crl = "),
    ] {
        let config = write(home.path(), "bongsu.toml", &text);
        let checked = run(&["check", "--config", &config]).bad(1);
        assert!(checked.contains(line), "{line:?}: {checked}\n{text}");
        assert!(checked.contains("1 mistake in "), "{checked}\n{text}");
        assert!(!checked.contains("BEGIN"), "nothing of a key is shown: {checked}");
    }
    assert!(!data.exists());
}

#[test]
fn a_listener_that_wants_a_certificate_says_where_to_name_one() {
    let (_home, data) = folder();
    let data = data.to_str().unwrap();
    let said = run(&[
        "serve",
        "--data-dir",
        data,
        "--https",
        "127.0.0.1:0",
        "--http",
        "127.0.0.1:0",
        "--tcp",
        "127.0.0.1:0",
    ]);
    let said = said.bad(1);
    assert!(
        said.contains("--https 127.0.0.1:0") && said.contains("[tls]"),
        "{said}"
    );
}
