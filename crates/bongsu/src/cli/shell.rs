//! Words as one command line.
//!
//! Invariant: a line that is split by the rules of a shell, with nothing expanded, gives the same words again.

use std::borrow::Cow;

/// What is given as a command: a line as it is, or several words, which become one.
pub(super) fn line(words: &[String]) -> String {
    match words {
        [line] => line.clone(),
        words => words
            .iter()
            .map(|word| quoted(word))
            .collect::<Vec<_>>()
            .join(" "),
    }
}

/// A word that no shell takes for several, or for anything but itself.
fn quoted(word: &str) -> Cow<'_, str> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_@%+:,./-".contains(&byte);
    if !word.is_empty() && word.bytes().all(plain) {
        return Cow::Borrowed(word);
    }
    // Within apostrophes nothing has a meaning but another one.
    Cow::Owned(format!("'{}'", word.replace('\'', r"'\''")))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use proptest::prelude::*;

    use super::*;

    fn owned(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    /// What a shell makes of a line.
    fn split(line: &str) -> Vec<String> {
        let script = format!("printf '%s\\0' {line}");
        let said = Command::new("/bin/sh").arg("-c").arg(script).output().unwrap();
        assert!(said.status.success(), "{line:?}: {said:?}");
        let text = String::from_utf8(said.stdout).unwrap();
        let words = text.strip_suffix('\0').unwrap_or(&text);
        words.split('\0').map(str::to_owned).collect()
    }

    #[test]
    fn one_word_is_the_line_itself() {
        assert_eq!(line(&owned(&["echo hello; sleep 30"])), "echo hello; sleep 30");
        assert_eq!(
            line(&owned(&["mpv", "--loop=inf", "my film.mp4"])),
            "mpv '--loop=inf' 'my film.mp4'"
        );
        assert_eq!(line(&owned(&["echo", "", "it's"])), r"echo '' 'it'\''s'");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(96))]

        #[test]
        fn several_words_split_back_into_themselves(
            words in prop::collection::vec("[^\0]{0,12}|[a-z '\"\\\\$`*?~#!&|;<>(){}\\[\\]=\t\n-]{0,8}", 2..6),
        ) {
            prop_assert_eq!(split(&line(&words)), words);
        }
    }
}
