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
}
