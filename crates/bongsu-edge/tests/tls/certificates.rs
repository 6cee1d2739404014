//! Who gets in with which certificate.

use std::sync::Arc;

use bongsu_edge::tls::ClientAuth;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, SupportedProtocolVersion};

use crate::client::{Client, config, config_of};
use crate::pki::{Authority, Good};
use crate::server::{Server, until};

const VERSIONS: [&SupportedProtocolVersion; 2] = [&TLS12, &TLS13];

/// Whether a request is answered. With TLS 1.3 a client learns only then what was thought of its certificate.
async fn is_let_in(server: &Server, config: Arc<ClientConfig>) -> bool {
    match Client::open(server.https, config).await {
        Ok(mut client) => client.try_get("/healthz").await.is_ok(),
        Err(_) => false,
    }
}

#[tokio::test]
async fn only_a_good_certificate_of_the_right_authority_is_let_in() {
    let server = Server::start(ClientAuth::Required).await;
    let other = Authority::new("other");
    // Of the same name, and not the same.
    let forged = Authority::new("ca");
    for (what, shown, let_in) in [
        ("a good one", server.ca.device("car-1", 5, Good::Now), true),
        ("of another authority", other.device("car-1", 5, Good::Now), false),
        (
            "of another authority of that name",
            forged.device("car-1", 5, Good::Now),
            false,
        ),
        ("expired", server.ca.device("car-1", 5, Good::NoMore), false),
        ("not yet valid", server.ca.device("car-1", 5, Good::NotYet), false),
        ("revoked", server.ca.device("car-1", 666, Good::Now), false),
    ] {
        for version in VERSIONS {
            let config = config_of(&[version], &server.ca, Some(&shown));
            assert_eq!(is_let_in(&server, config).await, let_in, "{what}, {version:?}");
        }
    }
    assert_eq!(server.handshakes("certificate"), 10);
    assert_eq!(server.handshakes("done"), 2);
}

#[tokio::test]
async fn who_shows_none_is_let_in_where_it_is_optional_and_nowhere_else() {
    for (auth, let_in) in [
        (ClientAuth::None, true),
        (ClientAuth::Optional, true),
        (ClientAuth::Required, false),
    ] {
        let server = Server::start(auth).await;
        for version in VERSIONS {
            let config = config_of(&[version], &server.ca, None);
            assert_eq!(is_let_in(&server, config).await, let_in, "{auth:?}, {version:?}");
        }
    }
}

#[tokio::test]
async fn what_is_shown_must_be_good_where_nothing_need_be_shown() {
    let server = Server::start(ClientAuth::Optional).await;
    let revoked = server.car(666);
    let expired = server.ca.device("car-1", 5, Good::NoMore);
    for shown in [&revoked, &expired] {
        assert!(!is_let_in(&server, config(&server.ca, Some(shown))).await);
    }
    let good = server.car(5);
    assert!(is_let_in(&server, config(&server.ca, Some(&good))).await);
}

#[tokio::test]
async fn a_session_is_never_resumed_where_certificates_are_asked_for() {
    for (auth, resumed) in [
        (ClientAuth::None, true),
        (ClientAuth::Optional, false),
        (ClientAuth::Required, false),
    ] {
        let server = Server::start(auth).await;
        let car = server.car(5);
        for version in VERSIONS {
            // The same client, which offers to go on wherever it may.
            let config = config_of(&[version], &server.ca, Some(&car));
            for round in 0..2 {
                let mut client = Client::open(server.https, Arc::clone(&config)).await.unwrap();
                // Tickets come with the first answer.
                client.get("/healthz").await;
                assert_eq!(
                    client.is_resumed(),
                    resumed && round > 0,
                    "{auth:?}, {version:?}, {round}"
                );
            }
        }
    }
}

#[tokio::test]
async fn a_revoked_certificate_does_not_get_in_by_an_earlier_session() {
    let server = Server::start(ClientAuth::Required).await;
    let car = server.car(5);
    for version in VERSIONS {
        server.ca.write_list(server.folder.path(), "crl.pem", &[666]);
        server.reload().unwrap();
        let config = config_of(&[version], &server.ca, Some(&car));
        assert!(is_let_in(&server, Arc::clone(&config)).await);
        server.ca.write_list(server.folder.path(), "crl.pem", &[666, 5]);
        server.reload().unwrap();
        assert!(!is_let_in(&server, config).await, "{version:?}");
    }
}

#[tokio::test]
async fn connections_by_certificate_are_known_while_they_are_open() {
    let server = Server::start(ClientAuth::Optional).await;
    let car = server.car(5);
    let mut first = server.http(Some(&car)).await;
    first.get("/healthz").await;
    let mut second = server.action(Some(&car)).await;
    second.connect(1).await;
    let mut nameless = server.http(None).await;
    nameless.get("/healthz").await;
    assert_eq!(server.tls.live().count(), 2);
    drop((first, second, nameless));
    until("nothing is kept of who has gone", || {
        server.tls.live().count() == 0
    })
    .await;
    server.until_empty().await;
}
