//! A tracked file and, for Rust, two views of it with the same lines and columns:
//! `uncommented` (comments blanked) and `code` (comments and literals blanked).
//!
//! The lexer knows comments, strings, raw strings, characters and lifetimes, and nothing else.

/// One tracked text file.
pub(crate) struct Source {
    pub(crate) path: String,
    pub(crate) text: String,
    /// The text without comments.
    pub(crate) uncommented: String,
    /// The text without comments and without the contents of literals.
    pub(crate) code: String,
    /// Byte ranges of `#[cfg(test)]` modules.
    tests: Vec<std::ops::Range<usize>>,
}

impl Source {
    pub(crate) fn new(path: &str, text: String) -> Self {
        if !path.ends_with(".rs") {
            return Self {
                path: path.into(),
                text,
                uncommented: String::new(),
                code: String::new(),
                tests: vec![],
            };
        }
        let (uncommented, code) = blank(&text);
        let tests = test_modules(&code);
        Self {
            path: path.into(),
            text,
            uncommented,
            code,
            tests,
        }
    }

    /// Is this byte in test code: a `#[cfg(test)]` module, or a file of tests?
    pub(crate) fn is_test(&self, at: usize) -> bool {
        let name = self.path.rsplit('/').next().unwrap_or_default();
        self.path.contains("/tests/")
            || name == "tests.rs"
            || name.ends_with("_tests.rs")
            || self.tests.iter().any(|range| range.contains(&at))
    }

    /// The crate's short name (`core` for `crates/bongsu-core/…`), when the file is in a crate's `src`.
    pub(crate) fn krate(&self) -> Option<&str> {
        let (name, rest) = self.path.strip_prefix("crates/")?.split_once('/')?;
        rest.starts_with("src/")
            .then(|| name.strip_prefix("bongsu-").unwrap_or(name))
    }

    pub(crate) fn line_of(&self, at: usize) -> usize {
        self.text.as_bytes()[..at].iter().filter(|&&b| b == b'\n').count() + 1
    }
}

/// Places where `word` stands in `text`; with `whole`, not inside a longer identifier.
pub(crate) fn occurrences(text: &str, word: &str, whole: bool) -> Vec<usize> {
    let bytes = text.as_bytes();
    let in_name = |at: Option<usize>| {
        at.and_then(|i| bytes.get(i))
            .is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_')
    };
    text.match_indices(word)
        .map(|(at, _)| at)
        .filter(|&at| !whole || (!in_name(at.checked_sub(1)) && !in_name(Some(at + word.len()))))
        .collect()
}

/// The end (past the brace) of the block whose `{` stands at `open` in blanked code.
pub(crate) fn block_end(code: &str, open: usize) -> usize {
    let mut depth = 0_usize;
    for (offset, byte) in code.as_bytes()[open..].iter().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return open + offset + 1;
                }
            }
            _ => {}
        }
    }
    code.len()
}

fn test_modules(code: &str) -> Vec<std::ops::Range<usize>> {
    let mut found = Vec::new();
    for at in occurrences(code, "#[cfg(test)]", false) {
        let Some(open) = code[at..].find(['{', ';']).map(|o| at + o) else {
            continue;
        };
        if code.as_bytes()[open] == b'{' {
            found.push(at..block_end(code, open));
        }
    }
    found
}

/// Blanks comments (first result), and literals too (second result). Newlines stay.
fn blank(text: &str) -> (String, String) {
    let bytes = text.as_bytes();
    let mut uncommented = bytes.to_vec();
    let mut code = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let (end, comment) = match bytes[at] {
            b'/' if bytes.get(at + 1) == Some(&b'/') => (line_end(bytes, at), true),
            b'/' if bytes.get(at + 1) == Some(&b'*') => (comment_end(bytes, at), true),
            b'"' => (string_end(bytes, at), false),
            b'r' if !follows_name(bytes, at) && raw_hashes(bytes, at).is_some() => {
                (raw_end(bytes, at), false)
            }
            b'\'' => (char_end(bytes, at), false),
            _ => (at + 1, false),
        };
        if comment {
            erase(&mut uncommented[at..end]);
            erase(&mut code[at..end]);
        } else if end > at + 1 {
            erase(&mut code[at + 1..end - 1]);
        }
        at = end;
    }
    let text_of = |bytes| String::from_utf8(bytes).expect("whole characters are replaced by spaces");
    (text_of(uncommented), text_of(code))
}

fn erase(bytes: &mut [u8]) {
    for byte in bytes {
        if *byte != b'\n' {
            *byte = b' ';
        }
    }
}

fn line_end(bytes: &[u8], at: usize) -> usize {
    bytes[at..]
        .iter()
        .position(|&b| b == b'\n')
        .map_or(bytes.len(), |o| at + o)
}

fn comment_end(bytes: &[u8], start: usize) -> usize {
    let (mut at, mut depth) = (start, 0_usize);
    while at < bytes.len() {
        match (bytes[at], bytes.get(at + 1)) {
            (b'/', Some(b'*')) => (depth, at) = (depth + 1, at + 2),
            (b'*', Some(b'/')) => {
                (depth, at) = (depth - 1, at + 2);
                if depth == 0 {
                    return at;
                }
            }
            _ => at += 1,
        }
    }
    bytes.len()
}

fn string_end(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// An identifier that ends in `r` is no raw string; `br` and `cr` prefixes are.
fn follows_name(bytes: &[u8], at: usize) -> bool {
    let Some(before) = at.checked_sub(1) else {
        return false;
    };
    match bytes[before] {
        b'b' | b'c' => before
            .checked_sub(1)
            .is_some_and(|i| bytes[i].is_ascii_alphanumeric() || bytes[i] == b'_'),
        other => other.is_ascii_alphanumeric() || other == b'_',
    }
}

fn raw_hashes(bytes: &[u8], at: usize) -> Option<usize> {
    let hashes = bytes[at + 1..].iter().take_while(|&&b| b == b'#').count();
    (bytes.get(at + 1 + hashes) == Some(&b'"')).then_some(hashes)
}

fn raw_end(bytes: &[u8], at: usize) -> usize {
    let hashes = raw_hashes(bytes, at).unwrap_or_default();
    let close: Vec<u8> = std::iter::once(b'"')
        .chain(std::iter::repeat_n(b'#', hashes))
        .collect();
    let body = at + 2 + hashes;
    bytes[body..]
        .windows(close.len())
        .position(|w| w == close)
        .map_or(bytes.len(), |o| body + o + close.len())
}

/// `'a'`, `'\n'`, `'{'` are characters; `'a` alone is a lifetime, which is left as it is.
fn char_end(bytes: &[u8], at: usize) -> usize {
    match bytes.get(at + 1) {
        Some(b'\\') => bytes[at + 2..]
            .iter()
            .skip(1)
            .position(|&b| b == b'\'')
            .map_or(bytes.len(), |o| at + 2 + 1 + o + 1),
        Some(first) => {
            let width = match first {
                0xF0.. => 4,
                0xE0.. => 3,
                0xC0.. => 2,
                _ => 1,
            };
            if bytes.get(at + 1 + width) == Some(&b'\'') {
                at + width + 2
            } else {
                at + 1
            }
        }
        None => at + 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> Source {
        Source::new("crates/bongsu-core/src/a.rs", text.into())
    }

    #[test]
    fn comments_and_literals_are_blanked_and_code_is_not() {
        let s = source(
            "let a = \"tokio \\\" x\"; // tokio\n/* tokio /* */ */ let r = r#\"tokio \"q\"#; tokio();",
        );
        assert_eq!(occurrences(&s.code, "tokio", true).len(), 1);
        assert_eq!(occurrences(&s.uncommented, "tokio", true).len(), 3);
        assert_eq!(s.code.len(), s.text.len());
        assert_eq!(s.code.lines().count(), s.text.lines().count());
    }

    #[test]
    fn braces_in_characters_do_not_count_and_lifetimes_are_no_characters() {
        let s = source("fn f<'a>(x: &'a str) { let c = '{'; let d = '\\''; let e = '봉'; }\nfn g() {}");
        let open = s.code.find('{').unwrap();
        assert_eq!(&s.text[block_end(&s.code, open)..], "\nfn g() {}");
    }

    #[test]
    fn test_modules_are_known() {
        let s = source("fn a() {}\n#[cfg(test)]\nmod tests { fn b() { {} } }\nfn c() {}");
        assert!(!s.is_test(s.text.find("fn a").unwrap()));
        assert!(s.is_test(s.text.find("fn b").unwrap()));
        assert!(!s.is_test(s.text.find("fn c").unwrap()));
    }

    #[test]
    fn words_are_found_whole_or_in_part() {
        assert_eq!(occurrences("rand operand rand_core", "rand", true), [0]);
        assert_eq!(occurrences("rand operand", "rand", false), [0, 8]);
    }
}
