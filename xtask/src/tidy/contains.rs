//! What a crate must never contain, by text search outside comments, literals and tests.

use super::source::occurrences;
use super::{Finding, Source};

enum Seen {
    /// A whole word in code.
    Word,
    /// Part of any name in code, whatever its case.
    Part,
    /// In a literal (or anywhere else but a comment).
    Literal,
}

const BANS: &[(&str, &[&str], Seen, &str)] = &[
    (
        "model",
        &["serde", "async", "tokio"],
        Seen::Word,
        "the model has no encoding and no scheduling",
    ),
    (
        "core",
        &["tokio", "async", "await"],
        Seen::Word,
        "the core is synchronous: machines take inputs and give effects",
    ),
    (
        "core",
        &["Instant::now", "SystemTime"],
        Seen::Word,
        "time is an argument in the core",
    ),
    (
        "core",
        &["rand", "getrandom"],
        Seen::Word,
        "chance is an argument in the core",
    ),
    (
        "core",
        &["std::io", "std::net", "std::fs", "serde"],
        Seen::Word,
        "the core neither reads nor writes",
    ),
    (
        "wire",
        &["tokio", "SystemTime", "Instant"],
        Seen::Word,
        "codecs know neither runtime nor clock",
    ),
    (
        "node",
        &["serde_json", "TcpStream", "TcpListener"],
        Seen::Word,
        "the node has no encoding and no sockets",
    ),
    (
        "node",
        &["websocket", "socketio", "socket_io"],
        Seen::Part,
        "the node knows no protocol's name",
    ),
    (
        "edge",
        &["rusqlite", "tokio_postgres"],
        Seen::Word,
        "SQL lives in the store",
    ),
    (
        "edge",
        &["SELECT ", "INSERT INTO ", "DELETE FROM "],
        Seen::Literal,
        "SQL lives in the store",
    ),
    (
        "store",
        &["bongsu_bus"],
        Seen::Word,
        "store and bus do not know each other",
    ),
    (
        "bus",
        &["bongsu_store"],
        Seen::Word,
        "store and bus do not know each other",
    ),
];

const WALKS: &[&str] = &[
    ".iter()",
    ".iter_mut()",
    ".keys()",
    ".values()",
    ".values_mut()",
    ".into_iter()",
    ".drain()",
    ".retain(",
];

pub(super) fn check(sources: &[&Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in sources {
        let Some(krate) = source.krate() else { continue };
        for (_, words, seen, why) in BANS.iter().filter(|(of, ..)| *of == krate) {
            for word in *words {
                for at in places(source, word, seen)
                    .into_iter()
                    .filter(|&at| !source.is_test(at))
                {
                    let message = format!("{krate} must not contain `{}`: {why}", word.trim());
                    findings.push(Finding::at(&source.path, source.line_of(at), message));
                }
            }
        }
        if krate == "core" {
            findings.extend(hash_walks(source));
        }
    }
    findings
}

fn places(source: &Source, word: &str, seen: &Seen) -> Vec<usize> {
    match seen {
        Seen::Word => occurrences(&source.code, word, true),
        Seen::Part => occurrences(&source.code.to_ascii_lowercase(), word, false),
        Seen::Literal => occurrences(&source.uncommented, word, false),
    }
}

/// Walks over fields and variables declared as `HashMap` or `HashSet`: their order differs between runs.
fn hash_walks(source: &Source) -> Vec<Finding> {
    let code = &source.code;
    let mut findings = Vec::new();
    for at in [": HashMap<", ": HashSet<"]
        .iter()
        .flat_map(|d| occurrences(code, d, false))
    {
        let start = code[..at]
            .rfind(|c: char| !c.is_alphanumeric() && c != '_')
            .map_or(0, |i| i + 1);
        let name = &code[start..at];
        // A variable goes by its name, a field by its name behind a dot: `rooms` need not be `self.rooms`.
        let is_variable =
            code[..start].trim_end().ends_with("let") || code[..start].trim_end().ends_with("let mut");
        for place in occurrences(code, name, true) {
            if code[..place].ends_with('.') == is_variable {
                continue;
            }
            let rest = &code[place + name.len()..];
            let walked = WALKS.iter().any(|walk| rest.starts_with(walk)) || is_loop_over(code, place, rest);
            if walked && !source.is_test(place) {
                let message =
                    format!("core must not iterate over the hash table `{name}`: its order is chance");
                findings.push(Finding::at(&source.path, source.line_of(place), message));
            }
        }
    }
    findings
}

fn is_loop_over(code: &str, place: usize, rest: &str) -> bool {
    let line = &code[code[..place].rfind('\n').map_or(0, |i| i + 1)..place];
    let head = line
        .trim_end_matches("self.")
        .trim_end_matches("&mut ")
        .trim_end_matches('&');
    line.trim_start().starts_with("for ") && head.ends_with(" in ") && rest.trim_start().starts_with('{')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(krate: &str, text: &str) -> Vec<String> {
        let source = Source::new(&format!("crates/bongsu-{krate}/src/a.rs"), text.into());
        check(&[&source]).into_iter().map(|f| f.to_string()).collect()
    }

    #[test]
    fn each_ban_can_fail() {
        for (krate, words, _, _) in BANS {
            for word in *words {
                let text = format!("//! x\nfn f() {{ {word} }}\n");
                let found = found(krate, &text);
                assert_eq!(found.len(), 1, "{krate} {word}: {found:?}");
                assert!(
                    found[0].starts_with(&format!("crates/bongsu-{krate}/src/a.rs:2: ")),
                    "{found:?}"
                );
            }
        }
    }

    #[test]
    fn comments_literals_and_tests_are_free() {
        assert!(
            found(
                "core",
                "//! tokio\nconst A: &str = \"serde\";\n#[cfg(test)]\nmod tests { use serde; }"
            )
            .is_empty()
        );
        assert!(found("edge", "// SELECT x\nfn f() {}").is_empty());
        assert_eq!(found("edge", "const Q: &str = \"SELECT 1\";").len(), 1);
    }

    #[test]
    fn walks_over_hash_tables_are_found() {
        let text = "struct S { rooms: HashMap<u8, u8>, order: Vec<u8> }\nfn f(s: &S) {\nfor x in &self.rooms {}\ns.rooms.values();\ns.order.iter();\ns.rooms.get(&1);\nlet rooms = [1];\nrooms.iter();\n}";
        let found = found("core", text);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].contains(":3:") && found[1].contains(":4:"), "{found:?}");
    }

    #[test]
    fn walks_over_hash_variables_are_found() {
        assert_eq!(
            found(
                "core",
                "fn f() { let mut seen: HashSet<u8> = x();\nfor y in &seen {}\n}"
            )
            .len(),
            1
        );
    }
}
