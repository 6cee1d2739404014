//! `bongsu pki`: certificates for development: an authority, servers, devices, and a list of those that are revoked.
//!
//! Invariant: what is there is not replaced unless that is said.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use crate::pki::Authority;

/// Make certificates for development: an authority, servers, devices; and revoke them.
///
/// The files are PEM, keys for their owner alone. What was made is printed on stdout, one path a line. For production use
/// an authority that keeps its key elsewhere than on a disk.
#[derive(Args)]
#[command(after_help = "\
To try TLS out:  bongsu pki ca && bongsu pki server && bongsu pki device --device car-1234
and in the --config file:
  [server]
  https = \"127.0.0.1:8443\"
  [tls]
  certificate = \"bongsu-pki/server.pem\"
  key = \"bongsu-pki/server-key.pem\"
  client_auth = \"optional\"
  client_ca = [\"bongsu-pki/ca.pem\"]
  crl = [\"bongsu-pki/crl.pem\"]")]
pub(super) struct Pki {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Make an authority: ca.pem, ca-key.pem, and crl.pem with nobody on it.
    Ca {
        /// What it is called.
        #[arg(long, default_value = "Bongsu development CA", value_parser = clap::builder::NonEmptyStringValueParser::new())]
        name: String,
        /// How long it is good for.
        #[arg(long, default_value_t = 3_650, value_parser = days())]
        days: u32,
        #[command(flatten)]
        place: Place,
    },
    /// Make a server's certificate: server.pem, server-key.pem.
    Server {
        /// A name or address that clients connect to; may be given several times [default: localhost, 127.0.0.1, ::1].
        #[arg(long = "name", value_name = "NAME")]
        names: Vec<String>,
        /// How long it is good for.
        #[arg(long, default_value_t = 397, value_parser = days())]
        days: u32,
        #[command(flatten)]
        place: Place,
    },
    /// Make a device's certificate: device-ID.pem, device-ID-key.pem.
    Device {
        /// The device that it names.
        #[arg(long, value_name = "ID", value_parser = device)]
        device: String,
        /// How long it is good for.
        #[arg(long, default_value_t = 397, value_parser = days())]
        days: u32,
        #[command(flatten)]
        place: Place,
    },
    /// Put a certificate on the list of revoked ones, crl.pem. A server takes it over at SIGHUP.
    #[command(group = clap::ArgGroup::new("whose").required(true))]
    Revoke {
        /// The certificate of this device, as it was made here.
        #[arg(long, value_name = "ID", value_parser = device, group = "whose")]
        device: Option<String>,
        /// The certificate in this file.
        #[arg(value_name = "FILE", group = "whose")]
        file: Option<PathBuf>,
        /// For how long the list counts as new.
        #[arg(long, default_value_t = 397, value_parser = days())]
        days: u32,
        /// The folder with the authority.
        #[arg(
            long,
            value_name = "DIR",
            default_value = "bongsu-pki",
            env = "BONGSU_PKI_DIR"
        )]
        dir: PathBuf,
    },
}

#[derive(Args)]
struct Place {
    /// The folder with the authority; made if it is missing.
    #[arg(
        long,
        value_name = "DIR",
        default_value = "bongsu-pki",
        env = "BONGSU_PKI_DIR"
    )]
    dir: PathBuf,
    /// Replace what is there.
    #[arg(long)]
    force: bool,
}

impl Pki {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let made = match self.what {
            What::Ca { name, days, place } => Authority::make(&place.dir, &name, days, place.force)?,
            What::Server { names, days, place } => {
                let usual = || ["localhost", "127.0.0.1", "::1"].map(str::to_owned).to_vec();
                let names = if names.is_empty() { usual() } else { names };
                Authority::open(&place.dir)?.server(names, days, place.force)?
            }
            What::Device { device, days, place } => {
                Authority::open(&place.dir)?.device(&device, days, place.force)?
            }
            What::Revoke {
                device,
                file,
                days,
                dir,
            } => {
                let authority = Authority::open(&dir)?;
                let named = device.map(|device| authority.device_path(&device));
                let file = file.or(named).unwrap_or_default();
                vec![authority.revoke(&file, days)?]
            }
        };
        for path in made {
            super::say(&shown(&path));
        }
        Ok(())
    }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

fn days() -> clap::builder::RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(1..=36_500)
}

fn device(text: &str) -> Result<String, String> {
    bongsu_model::DeviceId::parse(text)
        .map(|_| text.to_owned())
        .ok_or_else(|| "1 to 128 of A-Z a-z 0-9 . _ : - are needed".to_owned())
}
