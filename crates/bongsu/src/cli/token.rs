//! `bongsu token`: an access token, alone on stdout; or one revoked.

use std::path::PathBuf;

use anyhow::Context;
use bongsu_edge::auth::{MintRequest, Signer};
use bongsu_edge::clock::SystemClock;
use bongsu_model::{Role, RoomId};
use bongsu_node::Clock as _;
use clap::{Args, Subcommand};
use serde_json::json;

use super::remote::Remote;
use crate::client::Access;

/// Make an access token (JWT), signed by a data folder's key; or revoke one.
///
/// The token alone is printed on stdout. No server need run; a folder without a key gets one.
#[derive(Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(super) struct Token {
    #[command(subcommand)]
    what: Option<What>,
    /// Whose: a user's number or handle.
    #[arg(long, required = true, value_parser = clap::builder::NonEmptyStringValueParser::new())]
    sub: Option<String>,
    /// The user's name for people.
    #[arg(long)]
    nickname: Option<String>,
    /// As what: user, device, service or admin.
    #[arg(long, default_value = "user", value_parser = role)]
    role: Role,
    /// How long it is good for: 90s, 15m, 1h, 7d.
    #[arg(long, default_value = "1h", value_parser = duration_ms)]
    ttl: u64,
    /// The only rooms it may join, by number [default: any].
    #[arg(long, value_name = "ROOM", value_delimiter = ',')]
    rooms: Vec<i64>,
    /// The token's own id, by which it can be revoked [default: a random one].
    #[arg(long)]
    jti: Option<String>,
    /// The data folder whose key signs.
    #[arg(
        long,
        value_name = "DIR",
        default_value = "bongsu-data",
        env = "BONGSU_DATA_DIR"
    )]
    data_dir: PathBuf,
}

#[derive(Subcommand)]
enum What {
    /// Refuse a token from now on, at a running server, and cut the sessions it opened.
    Revoke(Revoke),
}

#[derive(Args)]
struct Revoke {
    /// The token's `jti` claim.
    jti: String,
    /// The token's `exp` claim, in seconds since 1970: after that nobody needs to remember.
    #[arg(long, value_name = "SECONDS")]
    expires_at: Option<i64>,
    #[command(flatten)]
    access: Access,
}

impl Token {
    pub(super) fn run(self) -> anyhow::Result<()> {
        if let Some(What::Revoke(revoke)) = self.what {
            return revoke.run();
        }
        let sub = self.sub.context("--sub is needed")?;
        let signer = Signer::load_or_create(&self.data_dir).context("the signing key cannot be used")?;
        let rooms: Vec<RoomId> = self.rooms.into_iter().map(RoomId).collect();
        let request = MintRequest {
            sub,
            role: self.role,
            nickname: self.nickname,
            rooms: (!rooms.is_empty()).then_some(rooms),
            ttl_ms: self.ttl,
            jti: self.jti,
        };
        super::say(&signer.mint(&request, SystemClock.now()));
        Ok(())
    }
}

impl Revoke {
    fn run(self) -> anyhow::Result<()> {
        Remote::new(self.access).run(async |api| {
            let mut body = json!({ "jti": self.jti });
            if let Some(at) = self.expires_at {
                body["expires_at"] = at.into();
            }
            Ok((
                api.post("/tokens/revoke", body).await?,
                format!("token {} is revoked", self.jti),
            ))
        })
    }
}

fn role(text: &str) -> Result<Role, String> {
    Role::parse(text).ok_or_else(|| "one of user, device, service, admin is needed".to_owned())
}

/// Reads a length of time: a whole number and one of s, m, h, d.
pub(super) fn duration_ms(text: &str) -> Result<u64, String> {
    let advice = || "a number and a unit are needed, such as 90s, 15m, 1h or 7d".to_owned();
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
    number
        .checked_mul(unit_ms)
        .filter(|ms| *ms > 0)
        .ok_or_else(advice)
}

#[cfg(test)]
mod tests {
    use super::duration_ms;

    #[test]
    fn lengths_of_time_have_units() {
        assert_eq!(duration_ms("90s"), Ok(90_000));
        assert_eq!(duration_ms("7d"), Ok(604_800_000));
        for bad in ["", "5", "h", "0s", "-1s", "1.5h", "99999999999999999d", "1w"] {
            assert!(duration_ms(bad).is_err(), "{bad}");
        }
    }
}
