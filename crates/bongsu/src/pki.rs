//! An authority for development: what it has issued and revoked, as files in one folder.
//!
//! Invariants: a key is readable by its owner alone; a file is whole or not there; what is there is replaced only if that
//! was said, but for the list, which only grows.

use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use bongsu_edge::clock::{SystemChance, SystemClock};
use bongsu_edge::tls::CertificateFacts;
use bongsu_node::{Chance as _, Clock as _};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, SanType,
    SerialNumber, date_time_ymd,
};

const CA: &str = "ca";
const SERVER: &str = "server";
const LIST: &str = "crl.pem";
/// What the list is made of: one line for each certificate, with its serial number, when it was revoked, and its file.
const REVOKED: &str = "revoked.txt";
const DAY_S: u64 = 86_400;
/// Clocks differ: what is made now was good some time ago.
const BEFORE_S: u64 = 3_600;

/// Who issues certificates.
pub(crate) struct Authority {
    folder: PathBuf,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate that was revoked.
struct Revoked {
    serial: Vec<u8>,
    at_s: u64,
    file: String,
}

impl Authority {
    /// Makes a new one with an empty list; the files.
    pub(crate) fn make(folder: &Path, name: &str, days: u32, force: bool) -> anyhow::Result<Vec<PathBuf>> {
        let made = std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder);
        made.with_context(|| format!("the folder {} cannot be made", folder.display()))?;
        let mut params = ca_params(name);
        good_for(&mut params, days);
        let key = new_key()?;
        let certificate = params
            .self_signed(&key)
            .context("the certificate cannot be signed")?;
        let mut files = write_pair(folder, CA, &certificate.pem(), &key, force)?;
        let authority = Self {
            folder: folder.to_owned(),
            issuer: Issuer::new(params, key),
        };
        // What another one has revoked is nothing of this one's.
        match std::fs::remove_file(folder.join(REVOKED)) {
            Err(fault) if fault.kind() != ErrorKind::NotFound => {
                return Err(fault).context("the list of an earlier authority cannot be removed");
            }
            Ok(()) | Err(_) => {}
        }
        files.push(authority.write_list(&[], days)?);
        Ok(files)
    }

    /// The one in a folder.
    pub(crate) fn open(folder: &Path) -> anyhow::Result<Self> {
        let path = folder.join(format!("{CA}.pem"));
        if !path.exists() {
            bail!(
                "{} has no authority: make one with `bongsu pki ca`",
                folder.display()
            );
        }
        let name = CertificateFacts::read(&path)?.common_name;
        let name =
            name.with_context(|| format!("the certificate in {} has no common name", path.display()))?;
        let path = folder.join(format!("{CA}-key.pem"));
        let text =
            std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let key = KeyPair::from_pem(&text).with_context(|| format!("{} has no key", path.display()))?;
        Ok(Self {
            folder: folder.to_owned(),
            issuer: Issuer::new(ca_params(&name), key),
        })
    }

    /// A server's certificate for names and addresses.
    pub(crate) fn server(&self, names: Vec<String>, days: u32, force: bool) -> anyhow::Result<Vec<PathBuf>> {
        let common = names.first().cloned().unwrap_or_default();
        let params = CertificateParams::new(names).context("a name is none that a certificate can have")?;
        self.issue(
            SERVER,
            params,
            &common,
            ExtendedKeyUsagePurpose::ServerAuth,
            days,
            force,
        )
    }

    /// A device's certificate.
    pub(crate) fn device(&self, device: &str, days: u32, force: bool) -> anyhow::Result<Vec<PathBuf>> {
        let mut params = CertificateParams::default();
        let uri = format!("bongsu:device:{device}");
        params.subject_alt_names = vec![SanType::URI(
            uri.try_into().context("the name fits no certificate")?,
        )];
        let purpose = ExtendedKeyUsagePurpose::ClientAuth;
        self.issue(&device_file(device), params, device, purpose, days, force)
    }

    fn issue(
        &self,
        file: &str,
        mut params: CertificateParams,
        common: &str,
        purpose: ExtendedKeyUsagePurpose,
        days: u32,
        force: bool,
    ) -> anyhow::Result<Vec<PathBuf>> {
        params.distinguished_name = named(common);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![purpose];
        params.use_authority_key_identifier_extension = true;
        params.serial_number = Some(new_serial());
        good_for(&mut params, days);
        let key = new_key()?;
        let certificate = params
            .signed_by(&key, &self.issuer)
            .context("the certificate cannot be signed")?;
        write_pair(&self.folder, file, &certificate.pem(), &key, force)
    }

    /// Where the certificate of a device is.
    pub(crate) fn device_path(&self, device: &str) -> PathBuf {
        self.folder.join(format!("{}.pem", device_file(device)))
    }

    /// Puts the certificate of a file on the list; the list's file.
    pub(crate) fn revoke(&self, file: &Path, days: u32) -> anyhow::Result<PathBuf> {
        let facts = CertificateFacts::read(file)?;
        let ours = CertificateFacts::read(&self.folder.join(format!("{CA}.pem")))?;
        if facts.identity.issuer != ours.identity.issuer {
            bail!(
                "the certificate in {} was issued by {}, not by {}",
                file.display(),
                facts.identity.issuer,
                ours.identity.issuer
            );
        }
        let mut revoked = self.revoked()?;
        if revoked.iter().all(|it| it.serial != facts.serial) {
            revoked.push(Revoked {
                serial: facts.serial,
                at_s: now_s(),
                file: file
                    .file_name()
                    .unwrap_or_default()
                    .to_string_lossy()
                    .replace(char::is_whitespace, "_"),
            });
        }
        let mut text = String::new();
        for it in &revoked {
            writeln!(text, "{} {} {}", hex(&it.serial), it.at_s, it.file)?;
        }
        replace(&self.folder.join(REVOKED), &text)?;
        self.write_list(&revoked, days)
    }

    fn revoked(&self) -> anyhow::Result<Vec<Revoked>> {
        let path = self.folder.join(REVOKED);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(fault) if fault.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(fault) => return Err(fault).with_context(|| format!("cannot read {}", path.display())),
        };
        let read = |line: &str| {
            let mut words = line.split(' ');
            Some(Revoked {
                serial: unhex(words.next()?)?,
                at_s: words.next()?.parse().ok()?,
                file: words.next()?.to_owned(),
            })
        };
        let lines = text.lines().enumerate();
        lines
            .map(|(index, line)| {
                read(line).with_context(|| {
                    format!(
                        "{}:{}: a serial number, a time and a file are needed",
                        path.display(),
                        index + 1
                    )
                })
            })
            .collect()
    }

    fn write_list(&self, revoked: &[Revoked], days: u32) -> anyhow::Result<PathBuf> {
        let now = now_s();
        let one = |it: &Revoked| RevokedCertParams {
            serial_number: SerialNumber::from_slice(&it.serial),
            revocation_time: date_time_ymd(1970, 1, 1) + Duration::from_secs(it.at_s),
            reason_code: None,
            invalidity_date: None,
        };
        let params = CertificateRevocationListParams {
            this_update: date_time_ymd(1970, 1, 1) + Duration::from_secs(now - BEFORE_S),
            next_update: date_time_ymd(1970, 1, 1) + Duration::from_secs(now + u64::from(days) * DAY_S),
            // It must grow from list to list.
            crl_number: SerialNumber::from(now),
            issuing_distribution_point: None,
            revoked_certs: revoked.iter().map(one).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let list = params.signed_by(&self.issuer).and_then(|list| list.pem());
        let path = self.folder.join(LIST);
        replace(&path, &list.context("the list cannot be signed")?)?;
        Ok(path)
    }
}

/// What the authority's own certificate says; its name and its key make it the issuer of others.
fn ca_params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = named(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.serial_number = Some(new_serial());
    params
}

fn named(common: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common);
    name
}

fn good_for(params: &mut CertificateParams, days: u32) {
    let now = now_s();
    params.not_before = date_time_ymd(1970, 1, 1) + Duration::from_secs(now - BEFORE_S);
    params.not_after = date_time_ymd(1970, 1, 1) + Duration::from_secs(now + u64::from(days) * DAY_S);
}

fn new_key() -> anyhow::Result<KeyPair> {
    KeyPair::generate().context("no key can be made")
}

/// 127 random bits: positive, and never made twice.
fn new_serial() -> SerialNumber {
    let bits = SystemChance.bits() >> 1;
    SerialNumber::from_slice(&bits.to_be_bytes())
}

fn device_file(device: &str) -> String {
    format!("device-{device}")
}

fn now_s() -> u64 {
    u64::try_from(SystemClock.now().0 / 1_000).unwrap_or(0)
}

/// Writes a certificate and its key, both or neither.
fn write_pair(
    folder: &Path,
    name: &str,
    certificate: &str,
    key: &KeyPair,
    force: bool,
) -> anyhow::Result<Vec<PathBuf>> {
    let paths = [format!("{name}.pem"), format!("{name}-key.pem")].map(|file| folder.join(file));
    if let Some(there) = paths.iter().find(|path| !force && path.exists()) {
        bail!("{} is there already; --force replaces it", there.display());
    }
    replace(&paths[1], &key.serialize_pem())?;
    replace(&paths[0], certificate)?;
    Ok(paths.to_vec())
}

/// Writes a file for its owner alone, in one step.
fn replace(path: &Path, text: &str) -> anyhow::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    let write = || {
        let mut options = OpenOptions::new();
        let mut file: File = options
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&beside)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&beside, path)
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let pair = |at: usize| u8::from_str_radix(text.get(at..at + 2)?, 16).ok();
    let plain =
        !text.is_empty() && text.len().is_multiple_of(2) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    plain
        .then(|| (0..text.len()).step_by(2).map(pair).collect())
        .flatten()
}
