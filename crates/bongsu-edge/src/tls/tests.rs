//! Who a connection is taken for, as what is served behind a gate is told.

use std::future::poll_fn;
use std::sync::Arc;

use bongsu_model::Limits;
use bongsu_node::Wrote;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use socket2::SockRef;
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;

use super::gate::Passed;
use super::pki::{Authority, Good, Issued};
use super::{ClientAuth, Loaded, Secured, Speaks, Stream, Tls, TlsSettings};
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

#[tokio::test]
async fn a_full_socket_takes_every_byte_once_and_is_told_the_end_when_it_has_room() {
    let (ca, folder) = (Authority::new("ca"), tempfile::tempdir().unwrap());
    let loaded = Loaded::read(&settings(&ca, folder.path(), &[])).unwrap();
    let tls = Tls::new(loaded, &Limits::DEFAULT, Arc::new(Meters::new()));
    let (passed, client) = passed(&tls, &ca, None).await;
    let mut client = client.unwrap();
    let Stream::Tls(tunnel) = passed.unwrap().stream else {
        panic!("it has passed a gate");
    };
    let secured = Arc::new(Secured::new(*tunnel));
    SockRef::from(secured.tcp()).set_send_buffer_size(8_192).unwrap();
    // Pieces of all lengths until nothing is taken, as a mailbox writes: always the rest of what was not taken.
    let wanted: Vec<u8> = (0..8_000_000_u32).map(|at| (at % 251) as u8).collect();
    let mut taken = 0;
    let mut length = 1;
    loop {
        let piece = &wanted[taken..taken + length];
        match secured.try_write(piece) {
            Wrote::Bytes(count) => {
                assert!((1..=piece.len()).contains(&count), "{count} of {length}");
                taken += count;
                length = length * 7 % 40_009;
            }
            Wrote::Full => break,
            Wrote::Gone => panic!("it is there"),
        }
        assert!(taken < 7_000_000, "the kernel takes everything");
    }
    assert_eq!(
        secured.try_write(&wanted[taken..taken + 1]),
        Wrote::Full,
        "it stays so"
    );
    secured.finish();
    assert_eq!(
        secured.try_write(b"x"),
        Wrote::Gone,
        "nothing goes behind the end"
    );
    // Whoever serves the connection waits for it to say something, and so has what is left leave.
    let serving = Arc::clone(&secured);
    let served = tokio::spawn(async move {
        let mut buffer = [0; 8];
        while poll_fn(|context| serving.poll_readable(context)).await.is_ok() {
            if serving.read(&mut buffer).is_err() {
                break;
            }
        }
    });
    let mut read = Vec::new();
    client
        .read_to_end(&mut read)
        .await
        .expect("the end is told in words of TLS");
    // The byte that did not count as taken was in the record that waited.
    assert_eq!(read.len(), taken + 1);
    assert!(read == wanted[..=taken], "every byte once, in order");
    drop(client);
    served.await.unwrap();
}
