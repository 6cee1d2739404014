//! Who a connection is taken for, as what is served behind a gate is told.

use std::sync::Arc;

use bongsu_model::Limits;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;

use super::gate::Passed;
use super::pki::{Authority, Good, Issued};
use super::{ClientAuth, Loaded, Speaks, Tls, TlsSettings};
use crate::meters::Meters;

fn client(ca: &Authority, shows: Option<&Issued>) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots.add(ca.certificate.clone()).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let config = match shows {
        Some(it) => builder
            .with_client_auth_cert(vec![it.certificate.clone()], it.key())
            .unwrap(),
        None => builder.with_no_client_auth(),
    };
    Arc::new(config).into()
}

fn settings(ca: &Authority, folder: &std::path::Path, revoked: &[u64]) -> TlsSettings {
    let (certificate, key) = ca.server(1).write(folder, "server");
    TlsSettings {
        certificate,
        key,
        https_client_auth: ClientAuth::Optional,
        tcps_client_auth: ClientAuth::Optional,
        client_ca: vec![ca.write(folder, "ca.pem")],
        crl: vec![ca.write_list(folder, "crl.pem", revoked)],
    }
}

/// What passes the gate for one client, and the client's end.
async fn passed(
    tls: &Arc<Tls>,
    ca: &Authority,
    shows: Option<&Issued>,
) -> (
    Option<Passed>,
    std::io::Result<tokio_rustls::client::TlsStream<TcpStream>>,
) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let tcp = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (accepted, _) = listener.accept().await.unwrap();
    let gate = tls.gate(Speaks::Http);
    let name = ServerName::try_from("localhost").unwrap();
    tokio::join!(gate.pass(accepted), client(ca, shows).connect(name, tcp))
}

#[tokio::test]
async fn a_connection_is_the_device_that_its_certificate_names_and_no_other() {
    let (ca, folder) = (Authority::new("ca"), tempfile::tempdir().unwrap());
    let loaded = Loaded::read(&settings(&ca, folder.path(), &[])).unwrap();
    let tls = Tls::new(loaded, &Limits::DEFAULT, Arc::new(Meters::new()));
    for (name, serial) in [("car-1", 0x1f), ("car-2", 0x0102)] {
        let device = ca.device(name, serial, Good::Now);
        let (passed, _client) = passed(&tls, &ca, Some(&device)).await;
        let identity = passed.unwrap().identity.unwrap();
        assert_eq!(identity.device.as_deref(), Some(name));
        assert_eq!(u64::from_str_radix(&identity.serial, 16), Ok(serial));
        assert_eq!(identity.issuer, "CN=ca");
    }
    let (passed, _client) = passed(&tls, &ca, None).await;
    assert_eq!(passed.unwrap().identity, None);
}

#[tokio::test]
async fn who_is_revoked_between_handshake_and_entry_does_not_enter() {
    let (ca, folder) = (Authority::new("ca"), tempfile::tempdir().unwrap());
    let before = Loaded::read(&settings(&ca, folder.path(), &[])).unwrap();
    let tls = Tls::new(before, &Limits::DEFAULT, Arc::new(Meters::new()));
    // The lists alone are newer than what handshakes are made with: the moment between the two steps of a reload.
    let after = Loaded::read(&settings(&ca, folder.path(), &[5])).unwrap();
    tls.live().revoke(&after.lists);
    let car = ca.device("car-1", 5, Good::Now);
    let (passed, client) = passed(&tls, &ca, Some(&car)).await;
    assert!(passed.is_none());
    let mut client = client.unwrap();
    assert!(!matches!(client.read(&mut [0; 1]).await, Ok(1..)));
    assert_eq!(tls.live().count(), 0);
}

#[tokio::test]
async fn what_is_open_is_cut_whether_it_reads_or_writes() {
    use tokio::io::AsyncWriteExt as _;
    let (ca, folder) = (Authority::new("ca"), tempfile::tempdir().unwrap());
    let loaded = Loaded::read(&settings(&ca, folder.path(), &[])).unwrap();
    let tls = Tls::new(loaded, &Limits::DEFAULT, Arc::new(Meters::new()));
    let car = ca.device("car-1", 5, Good::Now);
    let (passed, _client) = passed(&tls, &ca, Some(&car)).await;
    let mut stream = passed.unwrap().stream;
    let mut buffer = [0; 1];
    let revoked = async {
        let loaded = Loaded::read(&settings(&ca, folder.path(), &[5])).unwrap();
        // After the reader has begun to wait.
        tokio::task::yield_now().await;
        assert_eq!(tls.replace(loaded), 1);
    };
    let (read, ()) = tokio::join!(stream.read(&mut buffer), revoked);
    assert!(read.is_err());
    assert!(stream.write(b"x").await.is_err());
}
