//! Scripts and executable files in text: the clear cases only.
//!
//! Clients must show text as text whatever this finds; it keeps the plain attacks away from those that do not.

use aho_corasick::AhoCorasick;
use regex::RegexSet;

/// Patterns over folded text. Tabs and newlines inside a scheme are allowed for, as browsers do.
const SCRIPTS: [&str; 6] = [
    // A tag that runs or embeds what it holds.
    r"<(?:script|iframe)(?:[\s/>]|$)",
    // A handler in any tag.
    r#"<[a-z][^>]*[\s/"']on[a-z]{3,}\s*="#,
    // A scheme that runs, with something to run …
    r"j\s*a\s*v\s*a\s*s\s*c\s*r\s*i\s*p\s*t:\S",
    // … or as the value of an attribute or a Markdown link.
    r#"[=(]\s*["'<]?\s*j\s*a\s*v\s*a\s*s\s*c\s*r\s*i\s*p\s*t\s*:"#,
    r"(?-u:\b)vbscript:\S",
    // A document that runs.
    r"data:(?:text/html|text/javascript|application/javascript|application/xhtml\+xml|image/svg\+xml)\s*[,;]",
];

/// How Base64 of a PE file (the usual DOS header) and of an ELF file (class and byte order) begin.
const EXECUTABLES: [&str; 5] = ["TVqQAAMAAAAE", "f0VMRgIB", "f0VMRgEB", "f0VMRgIC", "f0VMRgEC"];

/// The patterns, made ready.
#[derive(Clone, Debug)]
pub(super) struct Scripts {
    scripts: RegexSet,
    executables: AhoCorasick,
}

impl Scripts {
    pub(super) fn new() -> Self {
        Self {
            scripts: RegexSet::new(SCRIPTS).expect("fixed patterns compile"),
            executables: AhoCorasick::new(EXECUTABLES).expect("a few short needles fit"),
        }
    }

    /// Whether there is a script in the folded text, or an executable in the text as it is.
    pub(super) fn found(&self, text: &str, folded: &str) -> bool {
        // Perf: every pattern holds one of these two, and most messages hold neither.
        let worth_a_look = folded.bytes().any(|b| matches!(b, b'<' | b':'));
        (worth_a_look && self.scripts.is_match(folded)) || self.executables.is_match(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::moderation::text::folded;

    fn found(text: &str) -> bool {
        Scripts::new().found(text, &folded(text))
    }

    #[test]
    fn scripts_are_found() {
        for bad in [
            "<script>alert(1)</script>",
            "<SCRIPT src=//x>",
            "<script\nasync>",
            "＜script＞",
            "<scr\u{200B}ipt>",
            "<img src=x onerror=alert(1)>",
            "<svg/onload=alert(1)>",
            "<a href='x'onclick = go()>",
            "<iframe srcdoc='x'>",
            "javascript:alert(1)",
            "<a href=\"java\nscript:x()\">",
            "[click](javascript: x())",
            "VBScript:MsgBox(1)",
            "data:text/html,<b>",
            "data:text/html;base64,PGI+",
            "data:image/svg+xml;utf8,<svg>",
        ] {
            assert!(found(bad), "{bad}");
        }
    }

    #[test]
    fn executables_are_found() {
        for bad in [
            "TVqQAAMAAAAEAAAA//8AALgAAAA",
            "data:;base64,f0VMRgIBAQAAAAAA",
            "x f0VMRgEBAQA",
        ] {
            assert!(found(bad), "{bad}");
        }
        assert!(!found("tvqqaamaaaae"), "Base64 has cases");
    }

    #[test]
    fn prose_passes() {
        for good in [
            "I like JavaScript: it is fun",
            "a < b and on = 3",
            "List<String> names",
            "<b>on the go</b> = 3",
            "the scripture says",
            "<scripture>",
            "data: text/html is a type",
            "1 <2, one=1",
            "봉수대 <3",
        ] {
            assert!(!found(good), "{good}");
        }
    }
}
