//! Pages of lists: `?limit=&cursor=` in, one page and the next page's cursor out.
//!
//! Invariant: a cursor holds the last entry of its page, so that entries that come or go move no page.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bongsu_model::{Refusal, Want};

use super::asked::Asked;

/// Entries of a page that was not told how many.
const DEFAULT: u32 = 50;

/// Which page is asked for.
pub(super) struct Page {
    pub(super) limit: u32,
    /// The last entry before it, as text.
    after: Option<String>,
}

impl Page {
    /// Of at most `max` entries.
    pub(super) fn of(asked: &Asked, max: u32) -> Result<Self, Refusal> {
        let limit = asked.between("limit", 1, i64::from(max))?;
        let limit = limit.map_or(DEFAULT.min(max), |limit| {
            u32::try_from(limit).expect("between 1 and a u32")
        });
        let after = asked.text("cursor")?.map(open).transpose()?;
        Ok(Self { limit, after })
    }

    /// The last entry before the page.
    pub(super) fn after<T>(&self, parse: impl Fn(&str) -> Option<T>) -> Result<Option<T>, Refusal> {
        self.after
            .as_deref()
            .map(|text| parse(text).ok_or_else(wrong))
            .transpose()
    }

    /// One more than the page holds, to see whether there is a next one.
    pub(super) fn limit_and_one(&self) -> u32 {
        self.limit.saturating_add(1)
    }

    /// Cuts what was read to the page; the cursor of the next one, if there is one.
    pub(super) fn cut<T>(&self, entries: &mut Vec<T>, key: impl Fn(&T) -> String) -> Option<String> {
        let limit = self.limit as usize;
        if entries.len() <= limit {
            return None;
        }
        entries.truncate(limit);
        entries.last().map(|last| close(&key(last)))
    }
}

fn wrong() -> Refusal {
    Refusal::field("cursor", Want::Other)
}

/// Clients must not build on what a cursor holds, so it does not show it.
pub(super) fn close(key: &str) -> String {
    URL_SAFE_NO_PAD.encode(format!("1.{key}"))
}

fn open(cursor: &str) -> Result<String, Refusal> {
    let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| wrong())?;
    let text = String::from_utf8(bytes).map_err(|_| wrong())?;
    text.strip_prefix("1.").map(str::to_owned).ok_or_else(wrong)
}
