//! A user as the Socket.IO chat shows it: names by language, pictures, and a few words about it.
//!
//! Invariant: the languages of a [`LocalizedNick`] are language tags, ascending, and none is there twice.

use std::cmp::Ordering;
use std::sync::Arc;

/// What others are shown of a user beyond its name. One value is shared by all that is shown of the user.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Profile {
    /// A random public name for protocols that show users by token: 48 hex digits. It signs nobody in.
    pub public_token: Arc<str>,
    /// Its name for people by language.
    pub nick: LocalizedNick,
    /// The address of its picture.
    pub profile_img: Option<Arc<str>>,
    /// The address of its small picture.
    pub profile_thumb: Option<Arc<str>>,
    /// Where it lives, as the application writes it.
    pub region: Option<Arc<str>>,
    /// Its language, as the application writes it.
    pub language: Option<Arc<str>>,
    /// Its gender, as the application writes it.
    pub gender: Option<Arc<str>>,
}

impl Profile {
    /// A profile with a public token and nothing else.
    #[must_use]
    pub fn bare(public_token: &str) -> Self {
        Self {
            public_token: public_token.into(),
            nick: LocalizedNick::default(),
            profile_img: None,
            profile_thumb: None,
            region: None,
            language: None,
            gender: None,
        }
    }
}

/// A name for people in several languages, ascending by language. Languages that differ in case are one language.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct LocalizedNick(Vec<(Arc<str>, Arc<str>)>);

/// Why names by language are not taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NickFault {
    /// A language is no tag such as `ko` or `zh-TW`: `[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*`, at most
    /// [`LocalizedNick::TAG_BYTES_MAX`] bytes.
    #[error("a language is no language tag")]
    Language,
    /// A language is there twice, perhaps in another case.
    #[error("a language is there twice")]
    Twice,
    /// There are more languages than the limit.
    #[error("there are more than {0} languages")]
    TooMany(usize),
}

impl LocalizedNick {
    /// The longest language tag, in bytes.
    pub const TAG_BYTES_MAX: usize = 16;

    /// Takes pairs of language and name, in any order.
    ///
    /// # Errors
    /// What is wrong with the languages, of which there may be `languages_max`. The names are taken as they are.
    pub fn new(
        pairs: impl IntoIterator<Item = (Arc<str>, Arc<str>)>,
        languages_max: usize,
    ) -> Result<Self, NickFault> {
        let mut nick = Self::default();
        for (language, name) in pairs {
            if nick.get(&language).is_some() {
                return Err(NickFault::Twice);
            }
            nick.set(&language, Some(name), languages_max)?;
        }
        Ok(nick)
    }

    /// Whether a text is a language tag.
    #[must_use]
    pub fn is_language(text: &str) -> bool {
        let mut parts = text.split('-');
        let first = parts.next().unwrap_or_default();
        text.len() <= Self::TAG_BYTES_MAX
            && (2..=3).contains(&first.len())
            && first.bytes().all(|b| b.is_ascii_alphabetic())
            && parts
                .all(|part| (2..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric()))
    }

    /// Sets the name in a language, or (`None`) takes it away.
    ///
    /// # Errors
    /// The language is no tag, or one more than `languages_max`. Nothing is changed then.
    pub fn set(
        &mut self,
        language: &str,
        name: Option<Arc<str>>,
        languages_max: usize,
    ) -> Result<(), NickFault> {
        if !Self::is_language(language) {
            return Err(NickFault::Language);
        }
        match (self.place(language), name) {
            (Ok(at), Some(name)) => self.0[at].1 = name,
            (Ok(at), None) => drop(self.0.remove(at)),
            (Err(_), Some(_)) if self.0.len() >= languages_max => {
                return Err(NickFault::TooMany(languages_max));
            }
            (Err(at), Some(name)) => self.0.insert(at, (language.into(), name)),
            (Err(_), None) => {}
        }
        Ok(())
    }

    /// The name in a language.
    #[must_use]
    pub fn get(&self, language: &str) -> Option<&Arc<str>> {
        self.place(language).ok().map(|at| &self.0[at].1)
    }

    /// Each language and the name in it, ascending by language.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&Arc<str>, &Arc<str>)> {
        self.0.iter().map(|(language, name)| (language, name))
    }

    /// How many languages there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn place(&self, language: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(known, _)| in_order(known, language))
    }
}

/// The order of languages: that of their letters in lower case.
fn in_order(one: &str, other: &str) -> Ordering {
    let lower = |text: &str| -> Vec<u8> { text.bytes().map(|b| b.to_ascii_lowercase()).collect() };
    lower(one).cmp(&lower(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nick(languages: &[&str], max: usize) -> Result<LocalizedNick, NickFault> {
        let pairs = languages
            .iter()
            .map(|it| ((*it).into(), format!("in {it}").into()));
        LocalizedNick::new(pairs, max)
    }

    #[test]
    fn languages_stand_in_order_whatever_their_case() {
        let nick = nick(&["zh-TW", "ko", "en", "EO"], 16).unwrap();
        let languages: Vec<_> = nick.iter().map(|(language, _)| &**language).collect();
        assert_eq!(languages, ["en", "EO", "ko", "zh-TW"]);
        assert_eq!(nick.get("ZH-tw").map(|it| &**it), Some("in zh-TW"));
        assert_eq!((nick.get("zh"), nick.len()), (None, 4));
    }

    #[test]
    fn only_language_tags_are_languages() {
        let longest = "abc-defgh-ijklmn";
        assert_eq!(longest.len(), LocalizedNick::TAG_BYTES_MAX);
        for tag in [
            "ko",
            "kor",
            "zh-TW",
            "zh-Hant-TW",
            "es-419",
            "sl-rozaj",
            &longest[..15],
            longest,
        ] {
            assert!(LocalizedNick::is_language(tag), "{tag}");
        }
        let one_more = format!("{longest}o");
        for text in [
            "",
            "k",
            "korea",
            "k0",
            "ko-",
            "-ko",
            "ko-K",
            "ko_KR",
            "ko-KR-",
            "ko--KR",
            "ko-abcdefghi",
            "한국",
            "ko ",
            &one_more,
        ] {
            assert!(!LocalizedNick::is_language(text), "{text}");
            assert_eq!(nick(&[text], 16), Err(NickFault::Language), "{text}");
        }
    }

    #[test]
    fn a_language_is_there_once() {
        assert_eq!(nick(&["ko", "KO"], 16), Err(NickFault::Twice));
    }

    #[test]
    fn languages_are_bounded() {
        let all: Vec<String> = ('a'..='q').map(|letter| format!("x{letter}")).collect();
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        for count in [15, 16] {
            assert_eq!(nick(&all[..count], 16).unwrap().len(), count);
        }
        assert_eq!(nick(&all[..17], 16), Err(NickFault::TooMany(16)));
        let mut full = nick(&all[..16], 16).unwrap();
        let before = full.clone();
        assert_eq!(
            full.set("xq", Some("new".into()), 16),
            Err(NickFault::TooMany(16))
        );
        assert_eq!(full, before, "nothing is changed by what is refused");
        full.set("xa", Some("other".into()), 16).unwrap();
        assert_eq!(
            full.get("xa").map(|it| &**it),
            Some("other"),
            "one that is there may change"
        );
        full.set("xb", None, 16).unwrap();
        full.set("xb", None, 16).unwrap();
        full.set("xq", Some("new".into()), 16).unwrap();
        assert_eq!((full.len(), full.get("xb")), (16, None));
    }
}
