//! Tests wait for conditions, never for the clock.

use super::source::occurrences;
use super::{Finding, Source};

const SLEEPS: &[&str] = &["thread::sleep", "time::sleep", "sleep_until"];

pub(super) fn check(sources: &[&Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in sources {
        // On the paused clock a sleep takes no time and ends at once when nothing else can run.
        if source.path.contains("bongsu-sim/") || source.code.contains("start_paused") {
            continue;
        }
        for sleep in SLEEPS {
            for at in occurrences(&source.code, sleep, true)
                .into_iter()
                .filter(|&at| source.is_test(at))
            {
                let message = format!("`{sleep}` in a test: wait for the condition");
                findings.push(Finding::at(&source.path, source.line_of(at), message));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> usize {
        check(&[&Source::new(path, text.into())]).len()
    }

    #[test]
    fn a_sleep_in_a_test_is_found() {
        let module = "#[cfg(test)]\nmod tests { fn f() { std::thread::sleep(d) } }";
        assert_eq!(found("crates/a/src/b.rs", module), 1);
        assert_eq!(
            found(
                "crates/a/tests/b.rs",
                "async fn f() { tokio::time::sleep(d).await }"
            ),
            1
        );
    }

    #[test]
    fn product_code_and_the_paused_clock_are_free() {
        assert_eq!(found("crates/a/src/b.rs", "fn f() { tokio::time::sleep(d) }"), 0);
        let paused = "#[tokio::test(start_paused = true)]\nasync fn f() { tokio::time::sleep(d).await }";
        assert_eq!(found("crates/a/tests/b.rs", paused), 0);
    }
}
