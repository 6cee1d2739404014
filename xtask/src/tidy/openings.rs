//! Every Rust file opens by saying what it owns, in at most six lines.

use super::{Finding, Source};

const OPENING_LINES_MAX: usize = 6;

pub(super) fn check(sources: &[&Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in sources {
        let opening = source.text.lines().take_while(|line| line.starts_with("//!"));
        // Lines that only part paragraphs are not counted.
        let lines = opening.filter(|line| line.trim() != "//!").count();
        let message = match lines {
            0 => "opens without `//!`: say what the file owns and its invariant".to_owned(),
            n if n > OPENING_LINES_MAX => {
                format!("opens with {n} lines of `//!`; {OPENING_LINES_MAX} are enough")
            }
            _ => continue,
        };
        findings.push(Finding::at(&source.path, 1, message));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> usize {
        check(&[&Source::new("crates/a/src/b.rs", text.into())]).len()
    }

    #[test]
    fn a_missing_or_endless_opening_is_found() {
        assert_eq!(found("use std::fmt;\n"), 1);
        assert_eq!(found(""), 1);
        assert_eq!(found(&"//! words\n".repeat(7)), 1);
        assert_eq!(found(&"//! words\n".repeat(6)), 0);
        assert_eq!(found("//! Owns x.\n//!\n//! Never y.\nuse z;"), 0);
    }
}
