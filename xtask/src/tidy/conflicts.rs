//! What a merge leaves behind that was not finished.

use super::{Finding, Source};

/// Line beginnings that nothing but a merge writes. Put together here, so that this file has none.
const MARKS: [char; 2] = ['<', '>'];

pub(super) fn check(sources: &[Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in sources {
        for (at, line) in source.text.lines().enumerate() {
            let marked = MARKS.iter().any(|mark| {
                line.strip_prefix(&mark.to_string().repeat(7))
                    .is_some_and(|rest| rest.starts_with(' '))
            });
            if marked {
                let message = "a merge was not finished here";
                findings.push(Finding::at(&source.path, at + 1, message));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_merge_leaves_is_found_and_nothing_else() {
        let found = |text: &str| check(&[Source::new("docs/x.md", text.to_owned())]).len();
        let mark = |mark: &str| mark.repeat(7);
        assert_eq!(
            found(&format!("a\n{} HEAD\nb\n{} 5c4a (x)\n", mark("<"), mark(">"))),
            2
        );
        assert_eq!(
            found(&format!("{}\n {} HEAD\n=======\n", mark("<"), mark("<"))),
            0
        );
    }
}
