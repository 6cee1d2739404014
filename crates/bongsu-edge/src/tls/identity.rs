//! Who a client is by its certificate.
//!
//! Invariant: it is made only of certificates that a handshake has accepted.

use aws_lc_rs::digest::{SHA256, digest};
use bongsu_model::DeviceId;
use rustls::pki_types::CertificateDer;

use super::der;

/// What URIs of devices begin with.
const PREFIXES: [&str; 2] = ["bongsu:device:", "urn:bongsu:device:"];
const SPIFFE: &str = "spiffe://";

/// A client's certificate, as far as others need to know. Requests that came over such a connection carry it as an
/// extension, as `Arc<ClientIdentity>`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ClientIdentity {
    /// The device that it names: by a URI among its alternative names (`bongsu:device:ID`, `urn:bongsu:device:ID` or
    /// `spiffe://…/device/ID`), else by its common name. `None` if it names none or several, or what can be no name.
    pub device: Option<String>,
    /// The certificate's serial number, in lower-case hex.
    pub serial: String,
    /// Who issued it, for people.
    pub issuer: String,
    /// The SHA-256 of the certificate, in lower-case hex.
    pub fingerprint: String,
}

impl ClientIdentity {
    /// Reads an accepted certificate; `None` if it cannot be read, which an accepted one can.
    pub(super) fn of(certificate: &CertificateDer<'_>) -> Option<Self> {
        let parsed = webpki::EndEntityCert::try_from(certificate).ok()?;
        let uris: Vec<_> = parsed.valid_uri_names().filter_map(named_by_uri).collect();
        let device = match uris.split_first() {
            Some((first, others)) => others.iter().all(|other| other == first).then_some(*first),
            None => None,
        };
        let common = uris
            .is_empty()
            .then(|| der::common_name(parsed.subject()))
            .flatten();
        let device = device.map(str::to_owned).or(common);
        Some(Self {
            device: device.filter(|name| DeviceId::parse(name).is_some()),
            serial: hex(parsed.serial()),
            issuer: der::readable(parsed.issuer()),
            fingerprint: hex(digest(&SHA256, certificate).as_ref()),
        })
    }
}

/// What a URI names, if it is one of a device.
fn named_by_uri(uri: &str) -> Option<&str> {
    let plain = PREFIXES.iter().find_map(|prefix| uri.strip_prefix(prefix));
    plain.or_else(|| {
        let (_, path) = uri.strip_prefix(SPIFFE)?.split_once('/')?;
        let (before, name) = path.rsplit_once('/')?;
        (before == "device" || before.ends_with("/device")).then_some(name)
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, KeyPair, SanType};

    use super::*;

    fn identity(common: Option<&str>, uris: &[&str]) -> ClientIdentity {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::OrganizationName, "Fleet");
        if let Some(common) = common {
            params.distinguished_name.push(DnType::CommonName, common);
        }
        params.subject_alt_names = uris
            .iter()
            .map(|uri| SanType::URI((*uri).try_into().unwrap()))
            .collect();
        let made = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        ClientIdentity::of(made.der()).unwrap()
    }

    #[test]
    fn a_device_is_named_by_its_uri_and_else_by_the_common_name() {
        for (common, uris, want) in [
            (Some("car-9"), &["bongsu:device:car-1"][..], Some("car-1")),
            (None, &["urn:bongsu:device:car:1"], Some("car:1")),
            (None, &["spiffe://fleet.example/kr/device/car-1"], Some("car-1")),
            (None, &["spiffe://fleet.example/device/car-1"], Some("car-1")),
            (Some("car-9"), &[], Some("car-9")),
            (
                Some("car-9"),
                &["https://fleet.example/device/car-1"],
                Some("car-9"),
            ),
            (Some("car-9"), &["spiffe://fleet.example/car-1"], Some("car-9")),
            (Some("car-9"), &["spiffe://device/car-1"], Some("car-9")),
            (None, &["bongsu:device:a", "urn:bongsu:device:a"], Some("a")),
            // Who names two, or none that can be one, is nobody; the common name is no way around that.
            (Some("car-9"), &["bongsu:device:a", "bongsu:device:b"], None),
            (Some("car-9"), &["bongsu:device:"], None),
            (Some("car-9"), &["bongsu:device:a/b"], None),
            (Some("car 9"), &[], None),
            (Some("차"), &[], None),
            (None, &[], None),
        ] {
            assert_eq!(
                identity(common, uris).device.as_deref(),
                want,
                "{common:?} {uris:?}"
            );
        }
    }

    #[test]
    fn names_have_a_longest_length() {
        let longest = "a".repeat(DeviceId::BYTES_MAX);
        assert_eq!(identity(Some(&longest), &[]).device, Some(longest.clone()));
        assert_eq!(identity(Some(&format!("{longest}a")), &[]).device, None);
    }

    #[test]
    fn the_rest_is_told_for_people() {
        let it = identity(Some("car-1"), &[]);
        assert_eq!(it.issuer, "CN=car-1, O=Fleet");
        assert_eq!(it.fingerprint.len(), 64);
        assert!(!it.serial.is_empty() && it.serial.bytes().all(|byte| byte.is_ascii_hexdigit()));
    }
}
