//! The nodes behind a server, from the command line.

use crate::support::{Server, folder};

#[test]
fn a_node_is_listed_drained_and_takes_clients_again() {
    let (_home, data) = folder();
    let server = Server::start(&data, &["--node-id", "seoul-1", "--drain-timeout", "5s"]);
    let table = server.call(&data, &["node", "list"]).good();
    assert!(table.contains("seoul-1") && table.contains("serving"), "{table}");
    let one = server.ask(&data, &["node", "show", "seoul-1"]);
    assert_eq!(
        (&one["is_here"], &one["state"]),
        (&true.into(), &"serving".into())
    );
    let told = server.call(&data, &["node", "drain", "seoul-1"]).good();
    assert!(told.contains("seoul-1"), "{told}");
    assert_eq!(
        server.ask(&data, &["node", "show", "seoul-1"])["state"],
        "draining"
    );
    let off = ["node", "drain", "seoul-1", "--off"];
    assert_eq!(server.ask(&data, &off)["state"], "serving");
    server
        .call(&data, &["node", "shed", "seoul-1", "10", "--per-s", "5"])
        .good();
    let err = server.call(&data, &["node", "drain", "busan-1"]).bad(1);
    assert!(err.contains("unknown_node"), "{err}");
    assert_eq!(server.stop().0, Some(0));
}
