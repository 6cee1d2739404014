//! The negotiation of permessage-deflate (RFC 7692, 7): which offer we take, and what we answer.
//!
//! Invariant: what is answered holds for every connection alike, so one compressed frame serves all of them: no
//! context is kept in either direction, and no reference reaches back further than [`WINDOW_BITS`] allow.

/// The window, as a power of two, that our compressed frames need at most.
pub(super) const WINDOW_BITS: u32 = 12;

/// What a client of ours sends as `Sec-WebSocket-Extensions`.
pub const DEFLATE_OFFER: &str = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";

const ANSWER: &str = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
const ANSWER_WITH_WINDOW: &str =
    "permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=12";

/// The value of `Sec-WebSocket-Extensions` in our answer to a client's; `None` if it offers nothing that we can take.
///
/// `offers` is the client's header, several of them joined with commas. The first offer that we understand and can keep
/// is taken. One that wants a window of less than 2^12 bytes is passed over: our frames are made once for everyone.
#[must_use]
pub fn negotiate_deflate(offers: &str) -> Option<&'static str> {
    split(offers, ',').find_map(answer)
}

/// The answer to one offer.
fn answer(offer: &str) -> Option<&'static str> {
    let mut parts = split(offer, ';');
    if !parts.next()?.eq_ignore_ascii_case("permessage-deflate") {
        return None;
    }
    let mut seen = [false; 4];
    let mut window = false;
    for part in parts {
        let (name, value) = match part.split_once('=') {
            Some((name, value)) => (name.trim_matches(BLANK), Some(bare(value.trim_matches(BLANK))?)),
            None => (part, None),
        };
        let which = match (name.to_ascii_lowercase().as_str(), value) {
            ("server_no_context_takeover", None) => 0,
            ("client_no_context_takeover", None) => 1,
            ("server_max_window_bits", Some(bits)) if window_bits(bits)? >= WINDOW_BITS => {
                window = true;
                2
            }
            ("client_max_window_bits", bits) => {
                // Whatever it wishes to be told: we can read every window.
                bits.map_or(Some(0), window_bits)?;
                3
            }
            _ => return None,
        };
        if std::mem::replace(&mut seen[which], true) {
            return None;
        }
    }
    Some(if window { ANSWER_WITH_WINDOW } else { ANSWER })
}

const BLANK: [char; 2] = [' ', '\t'];

/// The parts between `separator`s outside of quotes, without the blanks around them.
fn split(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    let mut escaped = false;
    text.split(move |char| {
        let cut = !quoted && char == separator;
        if std::mem::take(&mut escaped) {
            return cut;
        }
        match char {
            '"' => quoted = !quoted,
            '\\' if quoted => escaped = true,
            _ => {}
        }
        cut
    })
    .map(|part| part.trim_matches(BLANK))
}

/// A value without its quotes; `None` if they do not match.
fn bare(value: &str) -> Option<&str> {
    match value.strip_prefix('"') {
        Some(value) => value.strip_suffix('"'),
        None => Some(value),
    }
}

/// 8 to 15, without leading zeros.
fn window_bits(value: &str) -> Option<u32> {
    match value {
        "8" => Some(8),
        "9" => Some(9),
        "10" => Some(10),
        "11" => Some(11),
        "12" => Some(12),
        "13" => Some(13),
        "14" => Some(14),
        "15" => Some(15),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offers_that_we_can_keep() {
        for (offers, with_window) in [
            ("permessage-deflate", false),
            ("Permessage-Deflate", false),
            (DEFLATE_OFFER, false),
            ("permessage-deflate; client_max_window_bits", false),
            ("permessage-deflate; client_max_window_bits=8", false),
            ("permessage-deflate;client_max_window_bits=\"15\"", false),
            ("permessage-deflate; server_max_window_bits=12", true),
            ("permessage-deflate; server_max_window_bits=\"13\"", true),
            (
                "permessage-deflate ; server_max_window_bits = 15 ; server_no_context_takeover",
                true,
            ),
            ("x-webkit-deflate-frame, permessage-deflate", false),
            ("foo; bar=\"a,permessage-deflate\\\"\", permessage-deflate", false),
            (
                "permessage-deflate; server_max_window_bits=10, permessage-deflate; server_max_window_bits=15",
                true,
            ),
            (
                "permessage-deflate; server_max_window_bits=10, permessage-deflate",
                false,
            ),
            (", ,permessage-deflate", false),
        ] {
            let answer = if with_window { ANSWER_WITH_WINDOW } else { ANSWER };
            assert_eq!(negotiate_deflate(offers), Some(answer), "{offers:?}");
        }
    }

    #[test]
    fn offers_that_we_cannot_keep_or_understand() {
        for offers in [
            "",
            "foo",
            "permessage-deflat",
            "permessage-bzip2",
            "foo; bar=\"permessage-deflate\"",
            "foo; bar=\", permessage-deflate",
            "permessage-deflate; foo",
            "permessage-deflate;",
            "permessage-deflate; server_max_window_bits",
            "permessage-deflate; server_max_window_bits=11",
            "permessage-deflate; server_max_window_bits=8",
            "permessage-deflate; server_max_window_bits=7",
            "permessage-deflate; server_max_window_bits=16",
            "permessage-deflate; server_max_window_bits=012",
            "permessage-deflate; server_max_window_bits=\"12",
            "permessage-deflate; client_max_window_bits=7",
            "permessage-deflate; client_max_window_bits=",
            "permessage-deflate; client_no_context_takeover=1",
            "permessage-deflate; server_no_context_takeover=\"\"",
            "permessage-deflate; client_no_context_takeover; client_no_context_takeover",
            "permessage-deflate; server_max_window_bits=12; server_max_window_bits=12",
        ] {
            assert_eq!(negotiate_deflate(offers), None, "{offers:?}");
        }
    }
}
