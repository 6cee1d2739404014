//! Moments and lengths of time as plain numbers, so that machines can be given the time instead of asking for it.

use std::fmt;

/// Milliseconds since 1970-01-01T00:00:00Z. Negative before it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// The last millisecond of the year 9999: the end of what has none.
    pub const FAR: Self = Self(253_402_300_799_999);

    /// The moment `ms` milliseconds later.
    #[must_use]
    pub const fn plus_ms(self, ms: u64) -> Self {
        Self(self.0.saturating_add_unsigned(ms))
    }

    /// How many milliseconds after `earlier` this is; 0 if it is not after it.
    #[must_use]
    pub fn ms_since(self, earlier: Self) -> u64 {
        u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0)
    }

    /// Whole seconds since 1970, rounded down.
    #[must_use]
    pub const fn secs(self) -> i64 {
        self.0.div_euclid(1_000)
    }
}

/// RFC 3339 in UTC with milliseconds and `Z`: `2024-01-01T12:00:00.000Z`.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.rfc_3339()).expect("digits and signs of ASCII"))
    }
}

impl Timestamp {
    /// The 24 ASCII bytes of [`fmt::Display`], for encoders that have no time for `fmt`.
    ///
    /// The format has four digits for the year: moments outside the years 0 to 9999 print as the nearest inside.
    #[must_use]
    pub const fn rfc_3339(self) -> [u8; 24] {
        const FIRST: i64 = -62_167_219_200_000;
        const LAST: i64 = 253_402_300_799_999;
        let at = if self.0 < FIRST {
            FIRST
        } else if self.0 > LAST {
            LAST
        } else {
            self.0
        };
        let (secs, ms) = (at.div_euclid(1_000), at.rem_euclid(1_000));
        let (year, month, day) = civil(secs.div_euclid(86_400));
        let of_day = secs.rem_euclid(86_400);
        let mut text = *b"0000-00-00T00:00:00.000Z";
        text = pair(text, 0, year / 100);
        text = pair(text, 2, year % 100);
        text = pair(text, 5, month);
        text = pair(text, 8, day);
        text = pair(text, 11, of_day / 3_600);
        text = pair(text, 14, of_day / 60 % 60);
        text = pair(text, 17, of_day % 60);
        text[20] = b'0' + (ms / 100) as u8;
        pair(text, 21, ms % 100)
    }
}

/// Puts a number of 0 to 99 into the text as two digits.
const fn pair(mut text: [u8; 24], at: usize, number: i64) -> [u8; 24] {
    text[at] = b'0' + (number / 10) as u8;
    text[at + 1] = b'0' + (number % 10) as u8;
    text
}

/// Year, month and day of a day counted from 1970-01-01, in the proleptic Gregorian calendar.
///
/// Counts in eras of 400 years that begin on 1 March, so that the leap day is the last day of a year.
const fn civil(days: i64) -> (i64, i64, i64) {
    const DAYS_OF_ERA: i64 = 146_097;
    const DAYS_TO_1970_FROM_0000_03_01: i64 = 719_468;
    let shifted = days + DAYS_TO_1970_FROM_0000_03_01;
    let (era, day_of_era) = (shifted.div_euclid(DAYS_OF_ERA), shifted.rem_euclid(DAYS_OF_ERA));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = year_of_era + era * 400 + (month <= 2) as i64;
    (year, month, day)
}

impl Timestamp {
    /// Reads RFC 3339: `2024-01-01T12:00:00Z`, also with a fraction of a second and with an offset such as `+09:00`. What is
    /// finer than a millisecond is cut off; leap seconds are none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        let is = |at: usize, any: &[u8]| bytes.get(at).is_some_and(|byte| any.contains(byte));
        if !(is(4, b"-") && is(7, b"-") && is(10, b"Tt ") && is(13, b":") && is(16, b":")) {
            return None;
        }
        let number = |from: usize, to: usize| digits(bytes.get(from..to)?);
        let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
        let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
        let days = day_number(year, month, day);
        if civil(days) != (year, month, day) || hour > 23 || minute > 59 || second > 59 {
            return None;
        }
        let (ms, rest) = fraction(&bytes[19..])?;
        let secs = ((days * 24 + hour) * 60 + minute - offset(rest)?) * 60 + second;
        Some(Self(secs * 1_000 + ms))
    }
}

/// A number of nothing but digits, few enough to fit.
fn digits(text: &[u8]) -> Option<i64> {
    let number = |number: i64, digit: &u8| {
        digit
            .is_ascii_digit()
            .then(|| number * 10 + i64::from(digit - b'0'))
    };
    text.iter().try_fold(0, number)
}

/// The milliseconds of a fraction of a second, if there is one, and what follows it.
fn fraction(text: &[u8]) -> Option<(i64, &[u8])> {
    let Some(text) = text.strip_prefix(b".") else {
        return Some((0, text));
    };
    let count = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (fraction, rest) = text.split_at(count);
    let first = digits(fraction.get(..3).unwrap_or(fraction))?;
    match count {
        0 => None,
        1 => Some((first * 100, rest)),
        2 => Some((first * 10, rest)),
        _ => Some((first, rest)),
    }
}

/// How far a clock is ahead of UTC, in minutes: `Z`, or `+09:00`.
fn offset(text: &[u8]) -> Option<i64> {
    match text {
        b"Z" | b"z" => Some(0),
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let (hours, minutes) = (digits(&[*h1, *h2])?, digits(&[*m1, *m2])?);
            let ahead = (hours <= 23 && minutes <= 59).then_some(hours * 60 + minutes)?;
            Some(if *sign == b'-' { -ahead } else { ahead })
        }
        _ => None,
    }
}

/// The day counted from 1970-01-01, of a year, a month and a day: [`civil`], the other way. What is no day becomes another.
const fn day_number(year: i64, month: i64, day: i64) -> i64 {
    let year = year - (month <= 2) as i64;
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_print_as_rfc_3339() {
        for (ms, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
            (1_704_110_400_000, "2024-01-01T12:00:00.000Z"),
            (951_782_400_123, "2000-02-29T00:00:00.123Z"),
            (4_107_542_399_999, "2100-02-28T23:59:59.999Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
            (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
            (i64::MAX, "9999-12-31T23:59:59.999Z"),
            (i64::MIN, "0000-01-01T00:00:00.000Z"),
        ] {
            assert_eq!(Timestamp(ms).to_string(), text);
        }
    }

    #[test]
    fn what_was_printed_reads_back() {
        for ms in [
            0,
            -1,
            951_782_400_123,
            1_704_110_400_000,
            4_107_542_400_000,
            Timestamp::FAR.0,
        ] {
            assert_eq!(Timestamp::parse(&Timestamp(ms).to_string()), Some(Timestamp(ms)));
        }
        let noon = Timestamp(1_704_110_400_000);
        for text in [
            "2024-01-01T12:00:00Z",
            "2024-01-01t12:00:00.0z",
            "2024-01-01 21:00:00+09:00",
            "2024-01-01T08:30:00.000999-03:30",
            "2024-01-02T00:00:00.00+12:00",
        ] {
            assert_eq!(Timestamp::parse(text), Some(noon), "{text}");
        }
        assert_eq!(
            Timestamp::parse("2024-01-01T12:00:00.12Z"),
            Some(noon.plus_ms(120))
        );
    }

    #[test]
    fn what_is_no_moment_is_not_read() {
        for text in [
            "",
            "2024-01-01",
            "2024-01-01T12:00:00",
            "2024-01-01T12:00:00.Z",
            "2024-01-01T12:00:00Z ",
            "2024-01-01T12:00:00+0900",
            "2024-01-01T12:00:00+24:00",
            "2024-01-01T24:00:00Z",
            "2024-01-01T12:60:00Z",
            "2024-01-01T12:00:60Z",
            "2023-02-29T12:00:00Z",
            "2024-00-01T12:00:00Z",
            "2024-13-01T12:00:00Z",
            "2024-01-00T12:00:00Z",
            "2024-01-32T12:00:00Z",
            "2024-1-01T12:00:00Z",
            "+024-01-01T12:00:00Z",
            "2024-01-01T12:00:00.éZ",
        ] {
            assert_eq!(Timestamp::parse(text), None, "{text}");
        }
    }
}
