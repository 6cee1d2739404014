//! `bongsu device simulate`: a car that is not there.
//!
//! Invariant: all that it does with the gateway, the device library does; here is only what a car knows.

mod car;
mod words;

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use bongsu_device::{Builder, Call, Device, Failure, Format, Handle, Stopped, Value};
use bongsu_edge::auth::{MintRequest, Role, Signer};
use bongsu_edge::clock::SystemClock;
use bongsu_node::Clock as _;
use clap::Args;

use self::car::Car;
use super::remote::block_on;
use super::token::duration_ms;

/// A token for a car; it gets another when it ends.
const TOKEN_MS: u64 = 3_600_000;
/// How often it says what it measures.
const MEASURE_EVERY: Duration = Duration::from_secs(1);

/// Play a car that takes commands: window, doors, trunk, climate, horn.
///
/// It connects, keeps a state and reports it, carries commands out with a delay, and prints what happens, line by line.
/// Ends with Ctrl-C.
#[derive(Args)]
#[command(after_help = "\
Examples:
  bongsu device simulate --device car-1234
  bongsu device simulate --device car-1234 --format proto --delay 2s --fail-rate 0.2
  bongsu device simulate --device car-1234 --tunnel 10s/30s --journal car-1234.journal
  bongsu device simulate --device car-1234 --url wss://gate.example/device --ca ca.pem --cert car.pem --key car.key")]
pub(super) struct Simulate {
    /// Which device it is.
    #[arg(long, value_name = "DEVICE")]
    device: String,
    /// Where it connects.
    #[arg(long, default_value = "ws://127.0.0.1:8000/device", env = "BONGSU_DEVICE_URL")]
    url: String,
    /// What it speaks: json or proto.
    #[arg(long, default_value = "json", value_parser = format)]
    format: Format,
    /// Its token: an access token with the role device, or an enrolment token; without it (and without --cert) one is
    /// signed with the data folder's key.
    #[arg(long, env = "BONGSU_DEVICE_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// The server's data folder, for its key.
    #[arg(
        long,
        default_value = "bongsu-data",
        value_name = "DIR",
        env = "BONGSU_DATA_DIR"
    )]
    data_dir: PathBuf,
    /// How long it takes over a command.
    #[arg(long, default_value = "300ms", value_parser = span)]
    delay: Duration,
    /// This share of the commands fails.
    #[arg(long, default_value_t = 0.0, value_name = "SHARE", value_parser = share)]
    fail_rate: f64,
    /// It loses its link for the first time in every second: 10s/30s.
    #[arg(long, value_name = "TIME/TIME")]
    tunnel: Option<Tunnel>,
    /// Where it remembers commands across restarts.
    #[arg(long, value_name = "FILE")]
    journal: Option<PathBuf>,
    /// The authorities that the server's certificate may be of, as PEM [default: the system's].
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Its own certificate, as PEM.
    #[arg(long, value_name = "FILE", requires = "key")]
    cert: Option<PathBuf>,
    /// The key of its certificate, as PEM.
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
}

/// A link that is lost for `dark` in every `each`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Tunnel {
    dark: Duration,
    each: Duration,
}

impl FromStr for Tunnel {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (dark, each) = text
            .split_once('/')
            .ok_or("two lengths of time are needed, such as 10s/30s")?;
        let (dark, each) = (span(dark)?, span(each)?);
        if dark >= each {
            return Err("the first must be shorter than the second".to_owned());
        }
        Ok(Self { dark, each })
    }
}

impl Simulate {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let stopped = block_on(async {
            let tunnel = self.tunnel;
            let device = self.car()?.build().context("this car cannot be")?;
            let handle = device.handle();
            handle
                .report(Car::default().state())
                .context("its state is too large")?;
            tokio::select! {
                stopped = device.run() => Ok(stopped),
                () = measures(&handle) => Ok(Stopped::Asked),
                () = goes_through(&handle, tunnel) => Ok(Stopped::Asked),
                heard = tokio::signal::ctrl_c() => {
                    heard.context("signals cannot be heard")?;
                    Ok(Stopped::Asked)
                }
            }
        })?;
        match stopped {
            Stopped::Asked => Ok(()),
            for_good @ (Stopped::Advised { .. } | Stopped::NotLetIn(_)) => Err(for_good.into()),
        }
    }

    fn car(&self) -> anyhow::Result<Builder> {
        let mut builder = Device::builder(&self.url, &self.device)
            .format(self.format)
            .kind("vehicle")
            .version(env!("CARGO_PKG_VERSION"));
        if let Some(ca) = &self.ca {
            builder = builder.authorities(ca);
        }
        if let Some(journal) = &self.journal {
            builder = builder.journal(journal);
        }
        builder = match (&self.cert, &self.key, &self.token) {
            (Some(cert), Some(key), _) => builder.identity(cert, key),
            (_, _, Some(token)) => builder.token(token),
            (_, _, None) => self.signs(builder)?,
        };
        let url = self.url.clone();
        builder = builder.on_happening(move |happening| {
            // Whoever does not read any more has seen enough.
            if !super::say(&words::line(&happening, &url, SystemClock.now())) {
                std::process::exit(0);
            }
        });
        Ok(self.acts(builder))
    }

    /// Signs its own tokens with the data folder's key.
    fn signs(&self, builder: Builder) -> anyhow::Result<Builder> {
        let token = mint(&self.data_dir, &self.device)
            .context("no token can be signed: name the server's data folder with --data-dir, or give a token with --token")?;
        let (data_dir, device) = (self.data_dir.clone(), self.device.clone());
        Ok(builder.token(&token).on_token_needed(move |()| {
            let token = mint(&data_dir, &device).ok();
            async move { token }
        }))
    }

    /// What the car can do, and how it becomes what it should be.
    fn acts(&self, mut builder: Builder) -> Builder {
        let car = Arc::new(parking_lot::Mutex::new(Car::default()));
        let (delay, fail_rate) = (self.delay, self.fail_rate);
        for name in car::COMMANDS {
            let car = Arc::clone(&car);
            builder = builder.capability(name).on(name, move |call: Call| {
                let car = Arc::clone(&car);
                async move {
                    car::wanted(&call.name, &call.args).map_err(Failure::rejected)?;
                    call.in_progress(None);
                    tokio::time::sleep(delay).await;
                    if chance() < fail_rate {
                        return Err(Failure::failed("the motor is stuck"));
                    }
                    let changed = car.lock().obey(&call.name, &call.args);
                    call.handle()
                        .report(changed.clone())
                        .map_err(|it| Failure::failed(it.to_string().as_str()))?;
                    Ok(Value::Object(changed))
                }
            });
        }
        let wishes = Arc::clone(&car);
        builder.on_desired(move |handle, state| {
            let car = Arc::clone(&wishes);
            async move {
                tokio::time::sleep(delay).await;
                let changed = car.lock().turn_into(&state);
                super::say(&words::wish(&state, &changed, SystemClock.now()));
                // What it cannot say now it says with the next change.
                let _ = handle.report(changed);
            }
        })
    }
}

fn mint(data_dir: &Path, device: &str) -> anyhow::Result<String> {
    let request = MintRequest {
        sub: device.to_owned(),
        role: Role::Device,
        ttl_ms: TOKEN_MS,
        ..MintRequest::default()
    };
    Ok(Signer::load(data_dir)?.mint(&request, SystemClock.now()))
}

/// Says what it measures, for ever.
async fn measures(handle: &Handle) {
    let mut clock = tokio::time::interval(MEASURE_EVERY);
    let mut driven = 0;
    loop {
        clock.tick().await;
        if let Err(too_much) = handle.telemetry(car::measured(driven)) {
            eprintln!("bongsu: {too_much}");
        }
        driven += 1;
    }
}

/// Loses the link again and again; without a tunnel, never.
async fn goes_through(handle: &Handle, tunnel: Option<Tunnel>) {
    let Some(Tunnel { dark, each }) = tunnel else {
        return std::future::pending().await;
    };
    loop {
        tokio::time::sleep(each - dark).await;
        handle.hang_up(dark);
        tokio::time::sleep(dark).await;
    }
}

/// A number from 0 up to 1.
fn chance() -> f64 {
    use std::hash::{BuildHasher as _, RandomState};
    let bits = RandomState::new().hash_one(0) >> 32;
    f64::from(u32::try_from(bits).unwrap_or_default()) / (f64::from(u32::MAX) + 1.0)
}

fn format(name: &str) -> Result<Format, String> {
    match name {
        "json" => Ok(Format::Json),
        "proto" => Ok(Format::Proto),
        _ => Err("json or proto is needed".to_owned()),
    }
}

/// A length of time, in milliseconds too.
fn span(text: &str) -> Result<Duration, String> {
    let ms = match text.strip_suffix("ms").map(str::parse) {
        Some(Ok(ms)) => ms,
        Some(Err(_)) => return Err("a number and a unit are needed, such as 300ms or 2s".to_owned()),
        None => duration_ms(text)?,
    };
    Ok(Duration::from_millis(ms))
}

fn share(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|share| (0.0..=1.0).contains(share))
        .ok_or_else(|| "a share from 0 to 1 is needed".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_may_be_short() {
        assert_eq!(span("300ms"), Ok(Duration::from_millis(300)));
        assert_eq!(span("0ms"), Ok(Duration::ZERO));
        assert_eq!(span("2s"), Ok(Duration::from_secs(2)));
        for bad in ["ms", "-1ms", "300", "1.5ms"] {
            assert!(span(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_tunnel_has_two_ends() {
        let tunnel: Tunnel = "10s/30s".parse().unwrap();
        assert_eq!((tunnel.dark.as_secs(), tunnel.each.as_secs()), (10, 30));
        for bad in ["10s", "30s/30s", "30s/10s", "a/b"] {
            assert!(bad.parse::<Tunnel>().is_err(), "{bad}");
        }
    }

    #[test]
    fn shares_are_shares() {
        assert_eq!((share("0.25"), share("1")), (Ok(0.25), Ok(1.0)));
        for bad in ["1.1", "-0.1", "NaN", "x"] {
            assert!(share(bad).is_err(), "{bad}");
        }
        assert!((0.0..1.0).contains(&chance()));
    }
}
