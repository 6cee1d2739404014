//! A command line as words, by a shell's rules for quotes and backslashes, with nothing expanded.
//!
//! Invariant: what a shell would give a meaning to (`$`, `*`, `|`, `;`, `>`, `~`, `#`) is a character like any other.

/// Why a line has no words.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NoWords {
    /// There is nothing in it.
    #[error("the line is empty")]
    Empty,
    /// A quote is not closed.
    #[error("a quote is not closed")]
    OpenQuote,
    /// It ends with a backslash.
    #[error("the line ends with a backslash")]
    Backslash,
    /// It holds a NUL byte.
    #[error("the line holds a NUL byte")]
    Nul,
    /// It is longer than that many bytes.
    #[error("the line has more than {0} bytes")]
    TooLong(usize),
}

/// Whether a line may be used at all.
pub(crate) fn look(line: &str, bytes_max: usize) -> Result<(), NoWords> {
    if line.len() > bytes_max {
        return Err(NoWords::TooLong(bytes_max));
    }
    if line.contains('\0') {
        return Err(NoWords::Nul);
    }
    if line.trim().is_empty() {
        return Err(NoWords::Empty);
    }
    Ok(())
}

/// The words of a line; the first is the program.
pub(crate) fn split(line: &str) -> Result<Vec<String>, NoWords> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut rest = line.chars();
    while let Some(next) = rest.next() {
        match next {
            ' ' | '\t' | '\n' => words.extend(word.take()),
            '\'' => single(&mut rest, word.get_or_insert_default())?,
            '"' => double(&mut rest, word.get_or_insert_default())?,
            '\\' => match rest.next().ok_or(NoWords::Backslash)? {
                // The line goes on.
                '\n' => {}
                escaped => word.get_or_insert_default().push(escaped),
            },
            plain => word.get_or_insert_default().push(plain),
        }
    }
    words.extend(word);
    if words.first().is_none_or(String::is_empty) {
        return Err(NoWords::Empty);
    }
    Ok(words)
}

fn single(rest: &mut std::str::Chars<'_>, word: &mut String) -> Result<(), NoWords> {
    loop {
        match rest.next().ok_or(NoWords::OpenQuote)? {
            '\'' => return Ok(()),
            plain => word.push(plain),
        }
    }
}

fn double(rest: &mut std::str::Chars<'_>, word: &mut String) -> Result<(), NoWords> {
    loop {
        match rest.next().ok_or(NoWords::OpenQuote)? {
            '"' => return Ok(()),
            '\\' => match rest.next().ok_or(NoWords::OpenQuote)? {
                '\n' => {}
                escaped @ ('$' | '`' | '"' | '\\') => word.push(escaped),
                // Before anything else a backslash is itself.
                plain => word.extend(['\\', plain]),
            },
            plain => word.push(plain),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        split(line).unwrap()
    }

    #[test]
    fn words_are_split_as_a_shell_would() {
        assert_eq!(words("  play  a\tb\nc "), ["play", "a", "b", "c"]);
        assert_eq!(
            words(r#"play "one two" 'three "four"'"#),
            ["play", "one two", "three \"four\""]
        );
        assert_eq!(words(r"play one\ two \\ \'"), ["play", "one two", "\\", "'"]);
        assert_eq!(words(r#"play "a\"b\\c\d\$e""#), ["play", r#"a"b\c\d$e"#]);
        assert_eq!(words(r"play a'b c'd"), ["play", "ab cd"]);
        assert_eq!(words(r#"play '' """#), ["play", "", ""]);
        assert_eq!(words("play a\\\nb"), ["play", "ab"]);
        assert_eq!(
            words("/opt/쇼\\ 룸/재생기 '영상 1.mp4'"),
            ["/opt/쇼 룸/재생기", "영상 1.mp4"]
        );
    }

    #[test]
    fn nothing_is_expanded() {
        let line = "play $HOME ~ *.mp4 a|b ; > x # y `id` $(id) &";
        assert_eq!(words(line), line.split(' ').collect::<Vec<_>>());
    }

    #[test]
    fn what_has_no_words_is_said() {
        for empty in ["", "  \n", "''", "\"\" x"] {
            assert_eq!(split(empty), Err(NoWords::Empty), "{empty:?}");
        }
        for open in ["play 'a", "play \"a", "play \"a\\"] {
            assert_eq!(split(open), Err(NoWords::OpenQuote), "{open:?}");
        }
        assert_eq!(split("play \\"), Err(NoWords::Backslash));
        assert_eq!(look("a\0b", 9), Err(NoWords::Nul));
        assert_eq!(look(" ", 9), Err(NoWords::Empty));
        assert_eq!(look("123", 4), Ok(()));
        assert_eq!(look("1234", 4), Ok(()));
        assert_eq!(look("12345", 4), Err(NoWords::TooLong(4)));
    }
}
