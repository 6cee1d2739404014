//! Words that say nothing, in the names that we declare, and macros that stand for work undone.

use super::source::occurrences;
use super::{Finding, Source};

const DECLARE: &[&str] = &[
    "struct", "enum", "union", "trait", "type", "fn", "mod", "const", "static",
];
const EMPTY_PARTS: &[&str] = &["manager", "helper", "helpers", "util", "utils", "channel"];
const EMPTY_NAMES: &[&str] = &["data", "info"];
/// What other crates' traits call their functions: whoever implements one has no choice.
const FOREIGN: &[&str] = &["channel_binding"];
const UNDONE: &[&str] = &["todo!", "unimplemented!", "#[ignore"];

pub(super) fn check(sources: &[&Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in sources {
        for keyword in DECLARE {
            for at in occurrences(&source.code, keyword, true) {
                let name = declared(&source.code[at + keyword.len()..]);
                if let Some(word) = empty_word(name).filter(|_| !FOREIGN.contains(&name)) {
                    let message = format!("`{name}`: `{word}` says nothing; name what it does");
                    findings.push(Finding::at(&source.path, source.line_of(at), message));
                }
            }
        }
        for undone in UNDONE {
            for at in occurrences(&source.code, undone, false) {
                let message = format!("`{undone}` stands for work undone");
                findings.push(Finding::at(&source.path, source.line_of(at), message));
            }
        }
        let stem = source
            .path
            .rsplit('/')
            .next()
            .and_then(|n| n.strip_suffix(".rs"))
            .unwrap_or_default();
        if let Some(word) = empty_word(stem) {
            findings.push(Finding::of(
                &source.path,
                format!("`{word}` says nothing; name the file after what it owns"),
            ));
        }
    }
    findings
}

fn declared(after: &str) -> &str {
    let after = after.trim_start();
    let end = after
        .find(|c: char| !c.is_alphanumeric() && c != '_')
        .unwrap_or(after.len());
    &after[..end]
}

fn empty_word(name: &str) -> Option<&'static str> {
    let parts = parts(name);
    let whole = parts.join("_");
    EMPTY_NAMES
        .iter()
        .find(|word| whole == **word)
        .or_else(|| EMPTY_PARTS.iter().find(|word| parts.iter().any(|p| p == **word)))
        .copied()
}

/// `RoomHelper` and `ROOM_HELPER` and `room_helper` all give `room`, `helper`.
fn parts(name: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut lower_before = false;
    for c in name.chars() {
        if c == '_' || (c.is_uppercase() && lower_before) {
            parts.push(String::new());
        }
        lower_before = c.is_lowercase();
        if c != '_' {
            parts
                .last_mut()
                .expect("parts starts with one")
                .extend(c.to_lowercase());
        }
    }
    parts.retain(|p| !p.is_empty());
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> usize {
        check(&[&Source::new(path, text.into())]).len()
    }

    #[test]
    fn empty_words_are_found_in_every_spelling() {
        for text in [
            "struct RoomManager;",
            "fn helper() {}",
            "mod util;",
            "const FD_UTILS: u8 = 1;",
            "enum Info {}",
        ] {
            assert_eq!(found("crates/a/src/b.rs", text), 1, "{text}");
        }
        assert_eq!(found("crates/a/src/b.rs", "fn channel_binding() {}"), 0);
        assert_eq!(found("crates/a/src/helper.rs", ""), 1);
    }

    #[test]
    fn foreign_crates_and_longer_words_are_free() {
        assert_eq!(
            found(
                "crates/a/src/b.rs",
                "use hyper_util::rt; fn data_dir() {} fn utility() {} // struct Helper"
            ),
            0
        );
    }

    #[test]
    fn undone_work_is_found() {
        for text in [
            "fn f() { todo!() }",
            "fn f() { unimplemented!() }",
            "#[ignore]\nfn f() {}",
        ] {
            assert_eq!(found("crates/a/src/b.rs", text), 1, "{text}");
        }
        assert_eq!(
            found("crates/a/src/b.rs", "// todo!\nconst A: &str = \"todo!\";"),
            0
        );
    }
}
