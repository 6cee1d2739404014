//! `bongsu token`: an access token, alone on stdout.

use std::path::PathBuf;

use anyhow::Context;
use bongsu_edge::auth::{MintRequest, Signer};
use bongsu_edge::clock::SystemClock;
use bongsu_model::Role;
use bongsu_node::Clock;
use clap::Args;

#[derive(Args)]
pub(super) struct Token {
    /// Whose: a user's id or handle.
    #[arg(long)]
    sub: String,
    /// The user's name for people.
    #[arg(long)]
    nickname: Option<String>,
    /// As what: user, device, service or admin.
    #[arg(long, default_value = "user", value_parser = role)]
    role: Role,
    /// How long it is good for: 90s, 15m, 1h, 7d.
    #[arg(long, default_value = "1h", value_parser = duration_ms)]
    ttl: u64,
    /// The data folder whose key signs.
    #[arg(long, default_value = "bongsu-data", env = "BONGSU_DATA_DIR")]
    data_dir: PathBuf,
}

impl Token {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let signer = Signer::load_or_create(&self.data_dir).context("the signing key cannot be used")?;
        let request = MintRequest {
            sub: self.sub,
            role: self.role,
            nickname: self.nickname,
            ttl_ms: self.ttl,
            ..MintRequest::default()
        };
        super::say(&signer.mint(&request, SystemClock.now()));
        Ok(())
    }
}

fn role(text: &str) -> Result<Role, String> {
    Role::parse(text).ok_or_else(|| "one of user, device, service, admin is needed".to_owned())
}

/// Reads a length of time: a whole number and one of s, m, h, d.
fn duration_ms(text: &str) -> Result<u64, String> {
    let advice = || "a number and a unit is needed, such as 90s, 15m, 1h or 7d".to_owned();
    let split = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(advice)?;
    let (number, unit) = text.split_at(split);
    let number: u64 = number.parse().map_err(|_| advice())?;
    let unit_ms = match unit {
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(advice()),
    };
    number.checked_mul(unit_ms).filter(|ms| *ms > 0).ok_or_else(advice)
}
