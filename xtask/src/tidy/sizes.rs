//! Sizes of files and functions, with a ratchet of named exceptions that only shrinks.
//!
//! An exception states the size it has now: one line more fails, one line less asks for the entry to be lowered.

use std::collections::BTreeMap;

use super::source::{block_end, occurrences};
use super::{Finding, Source};

const FILE_MEDIAN_MAX: usize = 200;
const FILE_P90_MAX: usize = 500;
const FILE_LINES_MAX: usize = 800;
const FUNCTION_LINES_MAX: usize = 70;
const RATCHET: &str = "xtask/ratchet.txt";

pub(super) fn check(sources: &[&Source], ratchet: &str) -> Vec<Finding> {
    let (mut allowed, mut findings) = parse(ratchet);
    let (median, p90) = spread(sources);
    if median > FILE_MEDIAN_MAX {
        findings.push(Finding::of(
            "all files",
            format!("median {median} lines, at most {FILE_MEDIAN_MAX}"),
        ));
    }
    if p90 > FILE_P90_MAX {
        findings.push(Finding::of(
            "all files",
            format!("90th percentile {p90} lines, at most {FILE_P90_MAX}"),
        ));
    }
    for source in sources {
        let lines = source.text.lines().count();
        findings.extend(judge(&mut allowed, &source.path, lines, FILE_LINES_MAX));
        for (name, line, lines) in functions(source) {
            let key = format!("{}::{name}", source.path);
            let found = judge(&mut allowed, &key, lines, FUNCTION_LINES_MAX);
            findings
                .extend(found.map(|f| Finding::at(&source.path, line, format!("fn {name}: {}", f.message))));
        }
    }
    for name in allowed.into_keys() {
        findings.push(Finding::of(
            RATCHET,
            format!("`{name}` no longer needs its exception: remove it"),
        ));
    }
    findings
}

pub(super) fn summary(sources: &[&Source]) -> String {
    let (median, p90) = spread(sources);
    format!(
        "{} of Rust: median {median} lines, 90th percentile {p90}",
        sources.len()
    )
}

fn judge(allowed: &mut BTreeMap<String, usize>, key: &str, lines: usize, max: usize) -> Option<Finding> {
    if lines <= max {
        return None;
    }
    let message = match allowed.remove(key) {
        Some(size) if size == lines => return None,
        Some(size) if size > lines => format!("{lines} lines; lower its exception in {RATCHET} from {size}"),
        Some(size) => format!("{lines} lines; its exception allows {size}, and exceptions only shrink"),
        None => format!("{lines} lines, at most {max}"),
    };
    Some(Finding::of(key, message))
}

/// Lines of the form `name lines`; `#` starts a comment.
fn parse(ratchet: &str) -> (BTreeMap<String, usize>, Vec<Finding>) {
    let (mut allowed, mut findings) = (BTreeMap::new(), Vec::new());
    for (index, line) in ratchet.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default().trim();
        if line.is_empty() {
            continue;
        }
        match line
            .rsplit_once(' ')
            .and_then(|(name, size)| Some((name.trim(), size.parse().ok()?)))
        {
            Some((name, size)) => {
                allowed.insert(name.to_owned(), size);
            }
            None => findings.push(Finding::at(
                RATCHET,
                index + 1,
                "want `path lines` or `path::function lines`",
            )),
        }
    }
    (allowed, findings)
}

/// Median and 90th percentile of the files' lines.
fn spread(sources: &[&Source]) -> (usize, usize) {
    let mut sizes: Vec<usize> = sources.iter().map(|s| s.text.lines().count()).collect();
    sizes.sort_unstable();
    let at = |percent: usize| {
        sizes
            .get(sizes.len().saturating_sub(1) * percent / 100)
            .copied()
            .unwrap_or_default()
    };
    (at(50), at(90))
}

/// Functions with a body: name, first line, lines.
fn functions(source: &Source) -> Vec<(String, usize, usize)> {
    let code = &source.code;
    let mut found = Vec::new();
    for at in occurrences(code, "fn", true) {
        let after = &code[at + 2..];
        let name: String = after
            .trim_start()
            .chars()
            .take_while(|c| c.is_alphanumeric() || *c == '_')
            .collect();
        // `fn(u8) -> u8` is a type.
        if name.is_empty() {
            continue;
        }
        let Some(open) = body(code, at) else { continue };
        let first = source.line_of(at);
        let last = source.line_of(block_end(code, open).saturating_sub(1).max(at));
        found.push((name, first, last - first + 1));
    }
    found
}

/// The `{` of the body; none where a `;` outside brackets ends the signature.
fn body(code: &str, at: usize) -> Option<usize> {
    let mut depth = 0_i32;
    for (offset, byte) in code.as_bytes()[at..].iter().enumerate() {
        match byte {
            b'(' | b'[' => depth += 1,
            b')' | b']' => depth -= 1,
            b'{' if depth == 0 => return Some(at + offset),
            b';' if depth == 0 => return None,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn function(lines: usize) -> String {
        format!("fn long(a: [u8; 4]) {{\n{}}}\n", "    x();\n".repeat(lines - 2))
    }

    fn found(text: String, ratchet: &str) -> Vec<String> {
        let source = Source::new("crates/a/src/b.rs", text);
        check(&[&source], ratchet)
            .into_iter()
            .map(|f| f.to_string())
            .collect()
    }

    #[test]
    fn a_function_is_measured_to_the_line() {
        assert!(found(function(70), "").is_empty());
        let found = found(format!("fn short() {{}}\n{}", function(71)), "");
        assert_eq!(found, ["crates/a/src/b.rs:2: fn long: 71 lines, at most 70"]);
    }

    #[test]
    fn declarations_and_function_types_have_no_body() {
        let source = Source::new(
            "a.rs",
            "trait T { fn a(x: [u8; 2]); }\ntype F = fn(u8) -> u8;\nfn b() {}\n".into(),
        );
        assert_eq!(functions(&source), [("b".to_owned(), 3, 1)]);
    }

    #[test]
    fn a_file_past_the_cap_is_found() {
        let found = found("//! x\n".repeat(801), "");
        assert!(
            found.contains(&"crates/a/src/b.rs: 801 lines, at most 800".to_owned()),
            "{found:?}"
        );
    }

    #[test]
    fn median_and_percentile_are_watched() {
        let big = Source::new("a.rs", "//! x\n".repeat(600));
        let found = check(&[&big], "");
        assert!(found.iter().any(|f| f.message.starts_with("median 600")));
        assert!(found.iter().any(|f| f.message.starts_with("90th percentile 600")));
    }

    #[test]
    fn the_ratchet_only_shrinks() {
        let name = "crates/a/src/b.rs::long";
        assert!(found(function(80), &format!("# why\n{name} 80\n")).is_empty());
        assert!(found(function(81), &format!("{name} 80"))[0].contains("only shrink"));
        assert!(found(function(79), &format!("{name} 80"))[0].contains("lower its exception"));
        assert!(found(function(60), &format!("{name} 80"))[0].contains("remove it"));
        assert!(found(function(60), "nonsense")[0].contains("want `path lines`"));
    }
}
