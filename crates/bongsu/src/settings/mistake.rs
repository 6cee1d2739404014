//! What is wrong with a configuration, for the person who has to put it right.
//!
//! Invariant: the value of a key that holds a secret is never shown.

use std::fmt;
use std::path::PathBuf;

/// One thing that is wrong.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Mistake {
    /// Where; the first line is 1.
    pub(crate) line: usize,
    /// Of what, with its table; empty for what is no TOML.
    pub(crate) key: String,
    /// As it stands in the file.
    pub(crate) value: Option<String>,
    /// What would be right.
    pub(crate) wrong: String,
}

/// Everything that is wrong with a file, in its order.
#[derive(Clone, Debug)]
pub(crate) struct Mistakes {
    pub(crate) file: PathBuf,
    pub(crate) found: Vec<Mistake>,
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for mistake in &self.found {
            write!(f, "{}:{}: ", self.file.display(), mistake.line)?;
            match (mistake.key.as_str(), &mistake.value) {
                ("", _) => {}
                (key, None) => write!(f, "{key}: ")?,
                (key, Some(value)) => write!(f, "{key} = {value}: ")?,
            }
            writeln!(f, "{}", mistake.wrong)?;
        }
        let many = self.found.len();
        write!(
            f,
            "{many} {} in {}",
            if many == 1 { "mistake" } else { "mistakes" },
            self.file.display()
        )
    }
}

impl std::error::Error for Mistakes {}

/// The known name that is meant by `name`, if one is near enough to guess.
pub(crate) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let near = known
        .into_iter()
        .map(|it| (distance(name, it), it))
        .min_by_key(|(distance, _)| *distance)?;
    (near.0 <= (name.len() / 3).max(2)).then_some(near.1)
}

/// How many letters must be put in, taken out or changed to make one of the other.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let changed = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_is_understood() {
        let known = ["idle_ms", "frame_ms", "sign_in_ms"];
        assert_eq!(nearest("idel_ms", known), Some("idle_ms"));
        assert_eq!(nearest("signin_ms", known), Some("sign_in_ms"));
        assert_eq!(nearest("colour", known), None);
        assert_eq!(
            (
                distance("", "abc"),
                distance("abc", "abc"),
                distance("봉수", "봉화")
            ),
            (3, 0, 1)
        );
    }
}
