//! Certificates, keys and lists that change while connections are open.

use bongsu_edge::tls::{ClientAuth, TlsFault};

use crate::pki::{Authority, write};
use crate::server::Server;

#[tokio::test]
async fn another_certificate_is_for_new_connections_and_old_ones_stay() {
    let server = Server::start(ClientAuth::None).await;
    let mut before = server.http(None).await;
    before.get("/healthz").await;
    let mut action = server.action(None).await;
    action.connect(1).await;
    server.ca.server(2).write(server.folder.path(), "server");
    assert_eq!(server.reload().unwrap(), 0);
    let mut after = server.http(None).await;
    after.get("/healthz").await;
    assert_ne!(before.certificate(), after.certificate());
    before.get("/healthz").await;
    action
        .raw(crate::client::action("GET_ROOMS", &serde_json::json!({})))
        .await;
    assert!(action.line().await.is_some());
}

#[tokio::test]
async fn a_session_of_before_is_not_resumed_with_another_certificate() {
    let server = Server::start(ClientAuth::None).await;
    let config = crate::client::config(&server.ca, None);
    let open = || crate::client::Client::open(server.https, std::sync::Arc::clone(&config));
    open().await.unwrap().get("/healthz").await;
    assert!(open().await.unwrap().is_resumed());
    server.ca.server(2).write(server.folder.path(), "server");
    server.reload().unwrap();
    assert!(!open().await.unwrap().is_resumed());
}

#[tokio::test]
async fn what_is_wrong_changes_nothing() {
    let server = Server::start(ClientAuth::Required).await;
    let folder = server.folder.path();
    let car = server.car(5);
    let mut before = server.http(Some(&car)).await;
    before.get("/healthz").await;
    let certificate = before.certificate();
    let (other, forged) = (Authority::new("other"), Authority::new("ca"));
    let fault = |what: &str| {
        let fault = server.reload().expect_err(what).to_string();
        // A fault names the file.
        assert!(fault.contains(folder.to_str().unwrap()), "{what}: {fault}");
        fault
    };
    let restore = || {
        server.ca.server(3).write(folder, "server");
        server.ca.write(folder, "ca.pem");
        server.ca.write_list(folder, "crl.pem", &[666, 667]);
    };

    let good = std::fs::read_to_string(&server.settings.key).unwrap();
    server.ca.server(2).write(folder, "server");
    write(folder, "server-key.pem", &good);
    assert!(fault("a key of another certificate").contains("does not belong"));
    restore();
    write(folder, "server-key.pem", "no key");
    fault("no key");
    restore();
    write(
        folder,
        "server.pem",
        "-----BEGIN CERTIFICATE-----\nbm8=\n-----END CERTIFICATE-----\n",
    );
    fault("no certificate");
    restore();
    write(
        folder,
        "crl.pem",
        "-----BEGIN X509 CRL-----\nbm8=\n-----END X509 CRL-----\n",
    );
    fault("no list");
    restore();
    forged.write_list(folder, "crl.pem", &[5]);
    assert!(fault("a list that somebody else signed").contains("was not signed"));
    restore();
    std::fs::remove_file(folder.join("ca.pem")).unwrap();
    fault("no authority");
    restore();
    other.write(folder, "ca.pem");
    assert!(
        matches!(server.reload(), Err(TlsFault::NoList { .. })),
        "a list for nobody"
    );

    before.get("/healthz").await;
    let mut after = server.http(Some(&car)).await;
    after.get("/healthz").await;
    assert_eq!(after.certificate(), certificate);
    restore();
    server.reload().unwrap();
}

#[tokio::test]
async fn whoever_is_revoked_is_cut_at_once_and_nobody_else() {
    let server = Server::start(ClientAuth::Optional).await;
    let (bad, good) = (server.car(5), server.car(6));
    let mut nameless = server.http(None).await;
    nameless.upgrade().await;
    let mut stays = server.http(Some(&good)).await;
    stays.upgrade().await;
    stays.sign_in(1).await;
    // A connection that idles, one that was upgraded, one of the TCP listener, and one of HTTP/2 that has said nothing.
    let mut idle = server.http(Some(&bad)).await;
    idle.get("/healthz").await;
    let mut socket = server.http(Some(&bad)).await;
    socket.upgrade().await;
    socket.sign_in(2).await;
    let mut action = server.action(Some(&bad)).await;
    action.connect(3).await;

    server
        .ca
        .write_list(server.folder.path(), "crl.pem", &[666, 667, 5]);
    assert_eq!(server.reload().unwrap(), 3);
    assert!(idle.try_get("/healthz").await.is_err());
    while socket.hear().await.is_some() {}
    while action.line().await.is_some() {}
    stays.say(&serde_json::json!({ "type": "chat.message", "id": "1", "data": { "room": "1", "text": "still here" } })).await;
    stays.wait("chat.message").await;
    assert_eq!(server.tls.live().count(), 1);
    server
        .until("only the others are left", |it| {
            it.node.sessions_count() <= 2 && it.admission.counts().0 == 2
        })
        .await;
    assert_eq!(server.reload().unwrap(), 0, "once");
}
