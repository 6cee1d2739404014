//! Text as it is kept, as it is shown and as it is compared.
//!
//! Invariant: folding serves comparison only; what is kept is never folded.

use std::borrow::Cow;
use std::sync::Arc;

use bongsu_model::{Refusal, Want};
use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick, is_nfkc_quick};

/// The text in NFC; the same allocation if it was so already. `None` as soon as it is over `bytes_max`.
pub(super) fn normalised(text: &Arc<str>, bytes_max: usize) -> Option<Arc<str>> {
    if text.chars().all(is_plain) || is_nfc_quick(text.chars()) == IsNormalized::Yes {
        return (text.len() <= bytes_max).then(|| Arc::clone(text));
    }
    let mut normal = String::with_capacity(text.len().min(bytes_max));
    for c in text.nfc() {
        normal.push(c);
        if normal.len() > bytes_max {
            return None;
        }
    }
    Some(normal.into())
}

/// Whether a character must not stand in a text.
///
/// By category: Cc (C0 with NUL, DEL, C1) but for newline and tab; Zl and Zp, which break lines behind a reader's back; and of
/// Cf the embeddings and overrides of direction, which can reorder what stands around them. Marks, isolates and joiners
/// stay: Arabic, Hebrew, Persian and many emoji need them.
pub(super) fn is_forbidden(c: char) -> bool {
    match c {
        '\n' | '\t' => false,
        '\u{2028}' | '\u{2029}' | '\u{202A}'..='\u{202E}' => true,
        _ => c.is_control(),
    }
}

/// Whether a character is one of the many that no normalisation and, but for ASCII, no change of case touches, as long as
/// only such stand around it: ASCII, Hangul syllables, Kana, common Han.
// Perf: the tables that say so of any character cost a hundred times as much, for every Korean message.
const fn is_plain(c: char) -> bool {
    matches!(c,
        '\0'..='\x7F' | '\u{AC00}'..='\u{D7A3}' | '\u{4E00}'..='\u{9FFF}' | '\u{3041}'..='\u{3096}'
        | '\u{30A1}'..='\u{30FA}')
}

/// Whether a character shows nothing by itself (Unicode's default ignorable code points).
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{00AD}' | '\u{034F}' | '\u{061C}' | '\u{115F}'..='\u{1160}' | '\u{17B4}'..='\u{17B5}'
        | '\u{180B}'..='\u{180F}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}'
        | '\u{3164}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFA0}' | '\u{FFF0}'..='\u{FFF8}'
        | '\u{1D173}'..='\u{1D17A}' | '\u{E0000}'..='\u{E0FFF}')
}

/// Whether a character is a Hangul letter by itself, as in ㅋㅋ.
///
/// NFKC would take it for the beginning of a syllable and glue it to what follows. Left as it is, it also leaves nearly
/// every Korean text in NFKC, where comparing costs least.
fn is_lone_letter(c: char) -> bool {
    matches!(c, '\u{3131}'..='\u{318E}') && !is_invisible(c)
}

/// The text as it is compared: compatibility forms made one (NFKC), lower case, nothing invisible.
pub(super) fn folded(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        if text.bytes().any(|b| b.is_ascii_uppercase()) {
            return Cow::Owned(text.to_ascii_lowercase());
        }
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    for piece in text.split_inclusive(is_lone_letter) {
        match piece.chars().next_back() {
            Some(letter) if is_lone_letter(letter) => {
                fold_piece(&piece[..piece.len() - letter.len_utf8()], &mut out);
                out.push(letter);
            }
            Some(_) | None => fold_piece(piece, &mut out),
        }
    }
    Cow::Owned(out)
}

/// Folds a piece of text without lone letters.
fn fold_piece(piece: &str, out: &mut String) {
    if piece.chars().all(is_plain) {
        out.extend(piece.chars().map(|c| c.to_ascii_lowercase()));
        return;
    }
    let from = out.len();
    let mut changed = false;
    let mut lower = |c: char| {
        if is_invisible(c) {
            changed = true;
        } else if c.is_lowercase() || !c.is_alphabetic() {
            out.push(c);
        } else {
            for lower in c.to_lowercase() {
                changed |= lower != c;
                out.push(lower);
            }
        }
    };
    // Perf: most text is in NFKC, and asking whether it is costs less than making it so.
    if is_nfkc_quick(piece.chars()) == IsNormalized::Yes {
        piece.chars().for_each(&mut lower);
    } else {
        piece.nfkc().for_each(&mut lower);
    }
    // Lower case may leave a form that composes further, and so may what is left around something invisible.
    if changed && is_nfkc_quick(out[from..].chars()) != IsNormalized::Yes {
        let normal: String = out[from..].nfkc().collect();
        out.truncate(from);
        out.push_str(&normal);
    }
}

/// A name for people (a nickname, a call's name): in NFC, without white space at its ends, on one line.
///
/// # Errors
///
/// `INVALID_DATA` for `field` if nothing visible is left, if it is over `bytes_max`, or if a character must not stand in a name.
pub fn clean_name(field: &'static str, name: &str, bytes_max: usize) -> Result<Arc<str>, Refusal> {
    let wrong = Refusal::field(field, Want::TextOf(1, bytes_max));
    let Some(name) = normalised(&name.trim().into(), bytes_max) else {
        return Err(wrong);
    };
    if name.chars().all(|c| is_invisible(c) || c.is_whitespace()) {
        return Err(wrong);
    }
    if name.chars().any(|c| is_forbidden(c) || matches!(c, '\n' | '\t')) {
        return Err(Refusal::field(field, Want::Other));
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_normal_text_is_not_copied() {
        for text in ["plain", "안녕하세요", "👩‍👩‍👧"] {
            let text: Arc<str> = text.into();
            assert!(Arc::ptr_eq(&text, &normalised(&text, 100).unwrap()), "{text}");
        }
    }

    #[test]
    fn the_limit_counts_normal_bytes() {
        let decomposed: Arc<str> = "\u{1112}\u{1161}\u{11ab}".into();
        assert_eq!(decomposed.len(), 9);
        assert_eq!(normalised(&decomposed, 3).as_deref(), Some("한"));
        assert_eq!(normalised(&decomposed, 2), None);
        let growing: Arc<str> = "\u{1D160}".into();
        assert_eq!(
            (growing.len(), normalised(&growing, 12).map(|text| text.len())),
            (4, Some(12))
        );
        assert_eq!(normalised(&growing, 11), None);
    }

    #[test]
    fn plain_characters_are_what_the_tables_say() {
        for c in ('\0'..='\u{FFFF}').filter(|c| is_plain(*c)) {
            let text = c.to_string();
            assert!(
                text.nfkc().eq(text.chars()) && text.nfd().nfc().eq(text.chars()),
                "{c:?}"
            );
            assert!(c.is_ascii() || c.to_lowercase().eq([c]), "{c:?}");
            assert!(!is_invisible(c) && !is_lone_letter(c), "{c:?}");
            assert_eq!(
                unicode_normalization::char::canonical_combining_class(c),
                0,
                "{c:?}"
            );
            for first in ['a', '가', '각', 'か', 'カ', '中'] {
                assert_eq!(
                    unicode_normalization::char::compose(first, c),
                    None,
                    "{first} {c:?}"
                );
            }
        }
    }

    #[test]
    fn folding_makes_look_alikes_equal() {
        for (text, folded_text) in [
            ("MiXed", "mixed"),
            ("ＦＵＬＬ　width", "full width"),
            ("b\u{200B}a\u{00AD}d", "bad"),
            ("ﬁne ①", "fine 1"),
            ("ÀÉ", "àé"),
            ("ㅋㅋ ㅎㅏ", "ㅋㅋ ㅎㅏ"),
            ("ㄱ\u{3164}Ａㄴ", "ㄱaㄴ"),
            ("e\u{200D}\u{301}", "é"),
            ("\u{130}", "i\u{307}"),
            ("ǅ", "dž"),
        ] {
            assert_eq!(folded(text), folded_text);
        }
        assert!(matches!(folded("as it is"), Cow::Borrowed(_)));
    }

    #[test]
    fn names_are_clean() {
        assert_eq!(clean_name("name", "  하나 ", 255).unwrap().as_ref(), "하나");
        for (bad, want) in [
            ("", Want::TextOf(1, 8)),
            (" \u{3164} ", Want::TextOf(1, 8)),
            ("123456789", Want::TextOf(1, 8)),
            ("a\nb", Want::Other),
            ("a\u{202E}b", Want::Other),
            ("a\u{0}b", Want::Other),
        ] {
            assert_eq!(
                clean_name("name", bad, 8),
                Err(Refusal::field("name", want)),
                "{bad:?}"
            );
        }
        assert!(clean_name("name", "12345678", 8).is_ok());
    }
}
