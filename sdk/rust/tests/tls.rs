//! A device over TLS: it shows its certificate, and speaks with nobody whose certificate it does not trust.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::path::Path;
use std::sync::Arc;

use bongsu_device::{Device, Happening};
use bongsu_wire::websocket::accept_key;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// An authority, with its certificate in a file.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        Self {
            issuer: Issuer::new(params, key),
            pem,
        }
    }

    /// A certificate of this name and its key, in files of `folder`.
    fn issue(&self, name: &str, folder: &Path) -> (std::path::PathBuf, std::path::PathBuf) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let files = (
            folder.join(format!("{name}.pem")),
            folder.join(format!("{name}.key")),
        );
        std::fs::write(&files.0, certificate.pem()).unwrap();
        std::fs::write(&files.1, key.serialize_pem()).unwrap();
        files
    }
}

fn acceptor(authority: &Authority, folder: &Path) -> TlsAcceptor {
    let (certificate, key) = authority.issue("localhost", folder);
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(authority.pem.as_bytes()).unwrap())
        .unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier.build().unwrap())
        .with_single_cert(
            vec![CertificateDer::from_pem_file(certificate).unwrap()],
            PrivateKeyDer::from_pem_file(key).unwrap(),
        )
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

#[tokio::test]
async fn a_device_shows_its_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let trusted = folder.path().join("ca.pem");
    std::fs::write(&trusted, &authority.pem).unwrap();
    let (certificate, key) = authority.issue("car-1234", folder.path());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("wss://localhost:{}/device", listener.local_addr().unwrap().port());
    let device = Device::builder(&url, "car-1234").authorities(&trusted);
    let device = device.identity(&certificate, &key).build().unwrap();
    let running = tokio::spawn(device.run());

    let (tcp, _) = listener.accept().await.unwrap();
    let mut stream = acceptor(&authority, folder.path()).accept(tcp).await.unwrap();
    let shown = stream.get_ref().1.peer_certificates().unwrap()[0].clone();
    assert_eq!(shown, CertificateDer::from_pem_file(&certificate).unwrap());
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap();
    assert!(!head.contains("Authorization"), "{head}");
    let key = head
        .lines()
        .find_map(|line| line.strip_prefix("Sec-WebSocket-Key: "));
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {}\r\nSec-WebSocket-Protocol: bongsu.device.json.v1\r\n\r\n",
        accept_key(key.unwrap()).unwrap()
    );
    stream.write_all(answer.as_bytes()).await.unwrap();
    stream.flush().await.unwrap();
    assert_eq!(stream.read_u8().await.unwrap(), 0x81, "the hello's frame");
    running.abort();
}

#[tokio::test]
async fn a_gateway_of_another_authority_is_not_spoken_with() {
    let folder = tempfile::tempdir().unwrap();
    let (theirs, trusted) = (Authority::new(), folder.path().join("ca.pem"));
    std::fs::write(&trusted, Authority::new().pem).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("wss://localhost:{}/device", listener.local_addr().unwrap().port());
    let (said, mut happened) = tokio::sync::mpsc::channel(8);
    let device = Device::builder(&url, "car-1234").authorities(&trusted);
    let device = device.on_happening(move |it| {
        let _ = said.try_send(it);
    });
    let running = tokio::spawn(device.build().unwrap().run());
    let (tcp, _) = listener.accept().await.unwrap();
    assert!(acceptor(&theirs, folder.path()).accept(tcp).await.is_err());
    let why = loop {
        if let Some(Happening::Rests { why, .. }) = happened.recv().await {
            break why;
        }
    };
    assert!(why.contains("certificate"), "{why}");
    running.abort();
}
