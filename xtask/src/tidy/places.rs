//! Nothing tracked names a machine's folders or a registry's host.

use super::{Finding, Source};

/// In two parts, so that this table does not find itself.
const PLACES: &[(&str, &str, &str)] = &[
    ("/wo", "rk/", "a folder of one machine"),
    ("/ro", "ot/", "a folder of one machine"),
    ("/ho", "me/", "a folder of one machine"),
    ("/tmp/tar", "get", "a folder of one machine"),
    (".libr", "ary/", "a folder of one machine"),
    ("crates", ".io", "a registry's host name"),
    ("pypi", ".org", "a registry's host name"),
    ("npmjs", ".org", "a registry's host name"),
    ("npmjs", ".com", "a registry's host name"),
    ("proxy.go", "lang.org", "a registry's host name"),
    ("repo1.ma", "ven.org", "a registry's host name"),
];

/// Written by the package tools themselves.
const EXEMPT: &[&str] = &["Cargo.lock", "package-lock.json"];

pub(super) fn check(sources: &[Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in sources {
        if EXEMPT.iter().any(|name| source.path.ends_with(name)) {
            continue;
        }
        for (first, second, what) in PLACES {
            let place = format!("{first}{second}");
            for (at, _) in source.text.match_indices(&place) {
                findings.push(Finding::at(
                    &source.path,
                    source.line_of(at),
                    format!("`{place}` is {what}"),
                ));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_place_is_found_but_in_lock_files() {
        for (first, second, _) in PLACES {
            let text = format!("a\nb {first}{second}x");
            let found = check(&[Source::new("docs/a.md", text.clone())]);
            assert_eq!(found.len(), 1, "{first}{second}");
            assert!(found[0].to_string().starts_with("docs/a.md:2: "));
            assert!(check(&[Source::new("fuzz/Cargo.lock", text)]).is_empty());
        }
    }
}
