//! Whatever happens in whatever order: nothing is begun twice, nothing grows, and nobody is woken for nothing.

use std::collections::BTreeMap;

use super::{Bench, COMMANDS, RUN};
use crate::session::words::WORDS_MAX;

/// A chance that repeats itself.
struct Chance(u64);

impl Chance {
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.0 >> 33) % most
    }
}

#[test]
fn nothing_is_begun_twice_and_nobody_is_woken_for_nothing() {
    for seed in 0..60 {
        let (mut chance, mut bench) = (Chance(seed), Bench::new());
        let mut begun = BTreeMap::new();
        for _ in 0..200 {
            let line = line(&mut chance, bench.now.0);
            let repeats = COMMANDS.map(|(_, id)| bench.session.known.0.contains(&id));
            bench.log.clear();
            if line == "register" {
                bench.line(&line);
            } else {
                let mut out = Vec::new();
                bench.happen(&line, &mut out);
                bench.happen(&format!("at {}", bench.now.0), &mut out);
                // What is to be said waits for the link, and wakes nobody before.
                let due = bench.session.next_deadline(false);
                assert!(due.is_none_or(|due| due > bench.now), "{seed}: {line}: {due:?}");
                bench.work_off(out);
            }
            for ((name, _), repeats) in COMMANDS.iter().zip(repeats) {
                let starts = bench.log.matches(&format!("start {name} ")).count();
                // Only the runner, which knows it, is asked again.
                let before = begun.entry(*name).or_insert(0);
                assert!(
                    *before == 0 || starts == 0 || repeats,
                    "{seed}: {line}: {}",
                    bench.log
                );
                *before += starts;
            }
            bench.line(&format!("at {}", bench.now.0));
            let due = bench.session.next_deadline(true);
            assert!(due.is_none_or(|due| due > bench.now), "{seed}: {line}: {due:?}");
            assert!(bench.session.words.len() <= WORDS_MAX);
        }
        assert!(
            begun.values().any(|count| *count > 0),
            "{seed}: a walk that leads nowhere"
        );
    }
}

fn line(chance: &mut Chance, now: i64) -> String {
    let id = COMMANDS[usize::try_from(chance.below(4)).unwrap()].0;
    let number = chance.below(20);
    let later = now + i64::try_from(chance.below(4_000)).unwrap();
    let server = now + 1_000_000;
    match chance.below(24) {
        0..=3 => format!("at {later}"),
        4 => format!("at {}", now + 40_000),
        5..=7 => "register".to_owned(),
        8 => "closed".to_owned(),
        9 => "left".to_owned(),
        10 => format!("report {id} starting"),
        11 => format!("report {id} running"),
        12 => format!("report {id} exited 1"),
        13 => format!("runs {id}"),
        14 => "runs".to_owned(),
        15 => format!("ack {number} {{\"ok\":true}}"),
        16 => format!(r#"ack {number} {{"error":{{"code":"RATE_LIMITED","message":"slow"}}}}"#),
        17 => r#"hear server_shutdown {"reconnectAfter":3000}"#.to_owned(),
        18 => r#"hear heartbeat_response {"status":"error","shouldReconnect":true}"#.to_owned(),
        19 => format!(r#"hear stop_command {{"clientName":"Wall_1","presetId":7,"commandId":"{id}"}}"#),
        20..=21 => format!(r#"{RUN}"{id}","issuedAt":{server},"ttlMs":10000}}"#),
        _ => format!(
            r#"{RUN}"{id}","issuedAt":{server},"ttlMs":10000,"when":{}}}"#,
            server + later - now
        ),
    }
}
