//! The operator's list of what must not be said.
//!
//! Invariant: every term and pattern is tried in one pass over the folded text (two machines, each passing once), in time
//! linear in it, whatever the list holds.

use std::collections::BTreeSet;

use aho_corasick::AhoCorasick;
use regex::{RegexBuilder, RegexSet, RegexSetBuilder};

use super::text::folded;

const ENTRIES_MAX: usize = 100_000;
const ENTRY_BYTES_MAX: usize = 1_024;
const PATTERN_SIZE_MAX: usize = 256 * 1024;
const PATTERNS_SIZE_MAX: usize = 16 * 1024 * 1024;

/// A list of terms and patterns, made ready.
///
/// The file: one entry on a line, white space at its ends ignored. Empty lines and lines that begin with `#` say nothing. A line
/// between slashes (`/\bbad\w*/`) is a regular expression. Any other line is a term, found wherever it stands, also inside
/// words; a backslash before it lets a term begin with `#`, `/` or `\`. Terms and texts are compared in NFKC, in lower case and
/// without invisible characters; patterns see the text so. `\b` knows the letters of all languages, which makes a list that uses
/// it dearer for texts beyond ASCII (tens of microseconds); `(?-u:\b)` knows those of ASCII and is not.
#[derive(Clone, Debug, Default)]
pub struct Blocklist {
    terms: Option<AhoCorasick>,
    patterns: Option<RegexSet>,
    entries: usize,
}

/// A mistake in a list.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
#[error("line {line}: {wrong}")]
pub struct BlocklistFault {
    /// Where; the first line is 1.
    pub line: usize,
    /// What.
    pub wrong: Wrong,
}

/// What is wrong with a line.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
pub enum Wrong {
    /// Nothing visible is in the term, so that it would be found everywhere or nowhere.
    #[error("nothing of the term is left to look for")]
    Blank,
    /// The entry is too long.
    #[error("the entry is longer than {ENTRY_BYTES_MAX} bytes")]
    TooLong,
    /// The pattern does not compile.
    #[error("the pattern is not a regular expression: {0}")]
    Pattern(#[source] regex::Error),
    /// The pattern matches every text.
    #[error("the pattern matches the empty text, and so every text")]
    MatchesAll,
    /// The list is too long, or its patterns are too large together; the rest was not read.
    #[error("the list is too large from here on")]
    TooMany,
}

impl Blocklist {
    /// Reads a list.
    ///
    /// # Errors
    ///
    /// Every mistake in it, ascending by line. A list with a mistake is refused whole.
    pub fn parse(file: &str) -> Result<Self, Vec<BlocklistFault>> {
        let mut faults = Vec::new();
        // Repeated terms would be found once and cost time over and over.
        let (mut terms, mut patterns) = (BTreeSet::new(), Vec::new());
        let mut entries = 0;
        let mut pattern_line = 0;
        let file = file.strip_prefix('\u{FEFF}').unwrap_or(file);
        for (index, entry) in file.lines().map(str::trim).enumerate() {
            let line = index + 1;
            if entry.is_empty() || entry.starts_with('#') {
                continue;
            }
            if entries >= ENTRIES_MAX {
                faults.push(BlocklistFault {
                    line,
                    wrong: Wrong::TooMany,
                });
                break;
            }
            entries += 1;
            match Entry::read(entry) {
                Ok(Entry::Term(term)) => {
                    terms.insert(term);
                }
                Ok(Entry::Pattern(pattern)) => {
                    patterns.push(pattern);
                    pattern_line = line;
                }
                Err(wrong) => faults.push(BlocklistFault { line, wrong }),
            }
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        let too_many = |line| {
            vec![BlocklistFault {
                line,
                wrong: Wrong::TooMany,
            }]
        };
        Ok(Self {
            terms: (!terms.is_empty())
                .then(|| AhoCorasick::new(&terms))
                .transpose()
                .map_err(|_| too_many(1))?,
            patterns: (!patterns.is_empty())
                .then(|| {
                    RegexSetBuilder::new(&patterns)
                        .case_insensitive(true)
                        .size_limit(PATTERNS_SIZE_MAX)
                        .build()
                })
                .transpose()
                .map_err(|_| too_many(pattern_line))?,
            entries,
        })
    }

    /// How many terms and patterns there are, repeats included.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.entries
    }

    /// Whether the list forbids nothing.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.entries == 0
    }

    /// Whether anything of the list is in a folded text.
    pub(super) fn matches(&self, folded: &str) -> bool {
        self.terms.as_ref().is_some_and(|terms| terms.is_match(folded))
            || self
                .patterns
                .as_ref()
                .is_some_and(|patterns| patterns.is_match(folded))
    }
}

enum Entry {
    Term(String),
    Pattern(String),
}

impl Entry {
    fn read(entry: &str) -> Result<Self, Wrong> {
        if entry.len() > ENTRY_BYTES_MAX {
            return Err(Wrong::TooLong);
        }
        let inside = entry.strip_prefix('/').and_then(|rest| rest.strip_suffix('/'));
        if let Some(pattern) = inside.filter(|pattern| !pattern.is_empty()) {
            let regex = RegexBuilder::new(pattern)
                .case_insensitive(true)
                .size_limit(PATTERN_SIZE_MAX)
                .build();
            return match regex {
                Ok(regex) if regex.is_match("") => Err(Wrong::MatchesAll),
                Ok(_) => Ok(Self::Pattern(pattern.into())),
                Err(error) => Err(Wrong::Pattern(error)),
            };
        }
        let term = folded(entry.strip_prefix('\\').unwrap_or(entry)).into_owned();
        if term.trim().is_empty() {
            Err(Wrong::Blank)
        } else {
            Ok(Self::Term(term))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(file: &str) -> Blocklist {
        Blocklist::parse(file).unwrap()
    }

    fn found(list: &Blocklist, text: &str) -> bool {
        list.matches(&folded(text))
    }

    #[test]
    fn terms_and_patterns_are_found_in_any_dress() {
        let list = list("\u{FEFF}# a comment\n\n  Spam \r\n나쁜말\n/\\bcheap\\s+\\w+/\n\\#tag\n\\/slash/\n");
        assert_eq!(list.len(), 5);
        for bad in [
            "spam",
            "no SPAMMING",
            "ｓｐａｍ",
            "s\u{200B}pam",
            "이 나쁜말은",
            "CHEAP  watches",
            "#tag",
            "/slash/",
        ] {
            assert!(found(&list, bad), "{bad}");
        }
        for good in ["spa m", "a comment", "cheaper watches", "cheap", "slash", ""] {
            assert!(!found(&list, good), "{good}");
        }
    }

    #[test]
    fn a_decomposed_term_finds_a_composed_text() {
        let list = list("\u{1112}\u{1161}\u{11ab}");
        assert!(found(&list, "한글"));
    }

    #[test]
    fn an_empty_list_forbids_nothing() {
        for empty in ["", "# only\n#comments", "\n \n"] {
            let list = list(empty);
            assert!(list.is_empty() && !found(&list, "anything"));
        }
    }

    #[test]
    fn every_mistake_is_named_with_its_line() {
        let long = "x".repeat(ENTRY_BYTES_MAX + 1);
        let file = format!(
            "good\n/(/\n/x*/\n\u{200B}\n{long}\n/a{{1000}}{{1000}}/\n{}",
            "y".repeat(ENTRY_BYTES_MAX)
        );
        let faults = Blocklist::parse(&file).unwrap_err();
        let lines: Vec<_> = faults.iter().map(|fault| fault.line).collect();
        assert_eq!(lines, [2, 3, 4, 5, 6]);
        assert!(matches!(faults[0].wrong, Wrong::Pattern(_)));
        assert_eq!(faults[1].wrong, Wrong::MatchesAll);
        assert_eq!(faults[2].wrong, Wrong::Blank);
        assert_eq!(faults[3].wrong, Wrong::TooLong);
        assert!(
            matches!(faults[4].wrong, Wrong::Pattern(_)),
            "too large to compile"
        );
        assert_eq!(
            faults[2].to_string(),
            "line 4: nothing of the term is left to look for"
        );
    }

    #[test]
    fn the_number_of_entries_is_bounded() {
        let file: String = (0..ENTRIES_MAX)
            .map(|number| format!("term {}\n", number % 1_000))
            .collect();
        assert_eq!(list(&file).len(), ENTRIES_MAX);
        let faults = Blocklist::parse(&(file + "one more\nand more")).unwrap_err();
        assert_eq!(
            faults,
            [BlocklistFault {
                line: ENTRIES_MAX + 1,
                wrong: Wrong::TooMany
            }]
        );
    }
}
