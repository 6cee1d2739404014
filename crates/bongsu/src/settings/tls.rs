//! `[tls]`: the certificates of the TLS listeners, and whether clients are asked for theirs.
//!
//! Invariant: every file is read here, so that a mistake is found with its line.

use bongsu_edge::tls::{ClientAuth, Loaded, Place, TlsSettings};

use super::reader::Section;
use super::word;

pub(super) fn tls(section: Section<'_, '_>) -> Option<TlsSettings> {
    let (certificate, key) = (section.file("certificate"), section.file("key"));
    let auth = |key| section.text(key, |text| word(text, &ClientAuth::NAMES, ClientAuth::parse));
    let both = auth("client_auth").unwrap_or_default();
    let tcps = auth("tcps_client_auth").unwrap_or(both);
    let client_ca = section.files("client_ca", Ok).unwrap_or_default();
    let crl = section.files("crl", Ok).unwrap_or_default();
    let said = TlsSettings {
        certificate: certificate.clone().unwrap_or_default(),
        key: key.clone().unwrap_or_default(),
        https_client_auth: both,
        tcps_client_auth: tcps,
        client_ca,
        crl,
    };
    let settings = match (certificate, key) {
        (Some(_), Some(_)) => Some(said),
        (None, None) if !section.has("certificate") && !section.has("key") => {
            if said != TlsSettings::default() {
                let wrong = "a certificate is needed for what else this table says";
                section.mistake("certificate", true, wrong);
            }
            None
        }
        // What is there and cannot be read was told.
        (certificate, key) => {
            if certificate.is_none() && !section.has("certificate") {
                section.mistake("certificate", true, "the key needs its certificate: a PEM file");
            }
            if key.is_none() && !section.has("key") {
                section.mistake("key", true, "the certificate needs its key: a PEM file");
            }
            None
        }
    };
    if let Some(settings) = &settings {
        try_out(&section, settings);
    }
    section.close();
    settings
}

fn try_out(section: &Section<'_, '_>, settings: &TlsSettings) {
    let idle = [("client_ca", &settings.client_ca), ("crl", &settings.crl)];
    let idle = idle.iter().find(|(_, files)| !files.is_empty());
    // What was meant by a word that is none is not known.
    let asks =
        settings.asks_clients() || section.text("client_auth", |text| Ok(text != "none")) == Some(true);
    if let Some((key, _)) = idle.filter(|_| !asks) {
        let wrong = "no client is asked for a certificate: `client_auth` is \"none\"";
        section.mistake(key, true, wrong);
    }
    if let Err(fault) = Loaded::read(settings) {
        let key = match fault.place() {
            Place::Certificate => "certificate",
            Place::Key => "key",
            Place::ClientCa => "client_ca",
            Place::Crl => "crl",
        };
        section.mistake(key, true, fault.to_string());
    }
}
