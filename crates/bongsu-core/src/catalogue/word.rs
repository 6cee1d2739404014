//! The words of a catalogue that are more than words: names, rates, policies.
//!
//! Invariant: what is read here is within its bounds; what is not says which were meant.

use bongsu_model::device::Pace;

use crate::rate::Rate;

/// Longest name of a command, a target, a part or an action, in bytes.
pub(super) const NAME_BYTES_MAX: usize = 64;
/// Most commands that a rate can let through in its time.
const RATE_MAX: u32 = 1_000_000;
/// Longest time of a rate, in milliseconds: a day.
const RATE_MS_MAX: u64 = 24 * 60 * 60 * 1_000;

/// Whether it is a name: 1 to 64 of `a-z 0-9 _ . -`.
#[must_use]
pub fn is_name(text: &str) -> bool {
    let plain = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'.' | b'-');
    (1..=NAME_BYTES_MAX).contains(&text.len()) && text.bytes().all(plain)
}

/// A text that is no rate.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "a rate is needed such as \"10/1s\" or \"100/5m\": 1 to {RATE_MAX} in at most 24 hours, in ms, s, m or h"
)]
pub struct RateWrong;

/// Reads `10/1s`: so many within so many milliseconds. `10/s` is the same; units are `ms`, `s`, `m` and `h`.
///
/// # Errors
/// Whatever else it is.
pub fn parse_rate(text: &str) -> Result<Rate, RateWrong> {
    let (count, time) = text.split_once('/').ok_or(RateWrong)?;
    let digits = time.bytes().take_while(u8::is_ascii_digit).count();
    let (times, unit) = time.split_at(digits);
    let unit_ms: u64 = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60 * 1_000,
        "h" => 60 * 60 * 1_000,
        _ => return Err(RateWrong),
    };
    let times = if times.is_empty() { Some(1) } else { whole(times) };
    let per_ms = times.and_then(|times| times.checked_mul(unit_ms));
    let per_ms = per_ms.filter(|ms| (1..=RATE_MS_MAX).contains(ms));
    let count = whole(count).and_then(|count| u32::try_from(count).ok());
    let count = count.filter(|count| (1..=RATE_MAX).contains(count));
    let (count, per_ms) = count.zip(per_ms).ok_or(RateWrong)?;
    Ok(Rate::within(count, per_ms))
}

/// A text that is no policy.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("one of \"latest-wins\", \"serial\", \"parallel(4)\", \"exclusive\" is needed")]
pub struct PaceWrong;

/// Reads the policy of a command: `latest-wins`, `serial`, `parallel(4)`, `exclusive`. How many may be parallel is looked
/// at with the rest of the catalogue.
///
/// # Errors
/// Whatever else it is.
pub fn parse_pace(text: &str) -> Result<Pace, PaceWrong> {
    match text {
        "latest-wins" => Ok(Pace::LatestWins),
        "serial" => Ok(Pace::Serial),
        "exclusive" => Ok(Pace::Exclusive),
        _ => {
            let number = text
                .strip_prefix("parallel(")
                .and_then(|rest| rest.strip_suffix(')'));
            let number = number
                .and_then(whole)
                .and_then(|number| u32::try_from(number).ok());
            number.map(Pace::Parallel).ok_or(PaceWrong)
        }
    }
}

/// A number in digits only: `parse` would take a sign.
fn whole(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_of_their_characters_and_no_longer() {
        for good in ["window.set", "a", "front-left_2", &"a".repeat(64)] {
            assert!(is_name(good), "{good}");
        }
        for bad in ["", "Window", "a b", "a/b", "창문", &"a".repeat(65)] {
            assert!(!is_name(bad), "{bad}");
        }
    }

    #[test]
    fn rates_are_a_number_in_a_time() {
        assert_eq!(parse_rate("10/1s"), Ok(Rate::within(10, 1_000)));
        assert_eq!(parse_rate("1/s"), Ok(Rate::within(1, 1_000)));
        assert_eq!(parse_rate("3/500ms"), Ok(Rate::within(3, 500)));
        assert_eq!(parse_rate("100/5m"), Ok(Rate::within(100, 300_000)));
        assert_eq!(parse_rate("1000000/24h"), Ok(Rate::within(1_000_000, 86_400_000)));
        for bad in [
            "",
            "10",
            "10/",
            "/1s",
            "0/1s",
            "1/0s",
            "1/25h",
            "1000001/1s",
            "-1/1s",
            "+1/1s",
            "1/1d",
            "1/1 s",
            "1/99999999999999999999s",
            "1.5/1s",
        ] {
            assert_eq!(parse_rate(bad), Err(RateWrong), "{bad}");
        }
    }

    #[test]
    fn policies_have_their_spelling() {
        assert_eq!(parse_pace("latest-wins"), Ok(Pace::LatestWins));
        assert_eq!(parse_pace("serial"), Ok(Pace::Serial));
        assert_eq!(parse_pace("exclusive"), Ok(Pace::Exclusive));
        assert_eq!(parse_pace("parallel(4)"), Ok(Pace::Parallel(4)));
        for bad in [
            "latest_wins",
            "parallel",
            "parallel()",
            "parallel(-1)",
            "parallel(4",
            "parallel(5000000000)",
            "",
        ] {
            assert_eq!(parse_pace(bad), Err(PaceWrong), "{bad}");
        }
    }
}
