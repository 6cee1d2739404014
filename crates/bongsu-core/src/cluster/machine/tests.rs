//! Scripts of what other nodes say (`a:` and `b:`, each boot with its number), and what comes of it.

use std::fmt::Write;

use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::*;
use bongsu_model::cluster::NodeFigures;

fn node(name: &str) -> NodeRef {
    let (id, boot) = name.split_at(1);
    NodeRef {
        id: id.into(),
        boot: boot.parse().unwrap_or(1),
    }
}

fn beat(name: &str, state: NodeState, presence: u64, users: u64) -> NodeBeat {
    let node = node(name);
    NodeBeat {
        state,
        address: None,
        tag: None,
        version: "1".into(),
        started_at: Timestamp(node.boot.cast_signed()),
        figures: NodeFigures::default(),
        presence,
        users,
        watches: false,
        node,
    }
}

fn page(name: &str, number: u64, page: u32, pages: u32, users: &[i64]) -> ClusterInput {
    ClusterInput::Users(PresencePage {
        node: node(name),
        number,
        to: "me".into(),
        page,
        pages,
        users: users.iter().copied().map(UserId).collect(),
    })
}

fn moved(name: &str, number: u64, user: i64, is_here: bool) -> ClusterInput {
    ClusterInput::Moved(PresenceMoved {
        node: node(name),
        number,
        user: UserId(user),
        is_here,
        status: None,
    })
}

/// `a beat 3 2`, `a gone`, `a +7 1` (user 7 came, word 1), `a -7 2`, `a is 2 7,8` (after word 2 these are there),
/// `a is 2 7 1/2` (the second of two parts), `missed`, `~1000` (time passes), `?` (who lives).
fn run(script: &str) -> String {
    let mut now = Timestamp(1_000_000);
    let mut cluster = Cluster::new(ClusterRules::from(&Limits::DEFAULT), node("m1"), now);
    let mut log = String::new();
    for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
        write!(log, "{line}").unwrap();
        let words: Vec<&str> = line.split_whitespace().collect();
        let mut out = Vec::new();
        match words[..] {
            ["?"] => who_lives(&cluster, now, &mut log),
            [time] if time.starts_with('~') => {
                let until = now.plus_ms(time[1..].parse().unwrap());
                while let Some(due) = cluster.next_deadline().filter(|due| *due <= until) {
                    cluster.handle_deadline(due, &mut out);
                }
                now = until;
            }
            _ => cluster.handle(said(&words), now, &mut out),
        }
        for effect in out {
            match effect {
                ClusterEffect::AskUsers(node) => write!(log, " ask-{node}").unwrap(),
                ClusterEffect::Up(node) => write!(log, " up-{}{}", node.id, node.boot).unwrap(),
                ClusterEffect::Down(node) => write!(log, " down-{}{}", node.id, node.boot).unwrap(),
                ClusterEffect::Elsewhere { user, is_there, .. } => {
                    write!(log, " {}{user}", if is_there { '+' } else { '-' }).unwrap();
                }
            }
        }
        log.push('\n');
    }
    log
}

fn who_lives(cluster: &Cluster, now: Timestamp, log: &mut String) {
    for name in ["a", "b"] {
        write!(log, " {name} {:?}", cluster.lives(name, now)).unwrap();
    }
    let users: Vec<_> = cluster.all_users().map(|user| user.0).collect();
    write!(log, " {users:?}").unwrap();
}

fn said(words: &[&str]) -> ClusterInput {
    let number = |at: usize| words.get(at).and_then(|it| it.parse().ok()).unwrap_or(0);
    match *words {
        ["missed"] => ClusterInput::Missed,
        [name, "beat", ..] => ClusterInput::Beat(beat(name, NodeState::Serving, number(2), number(3))),
        [name, "gone"] => ClusterInput::Beat(beat(name, NodeState::Gone, 0, 0)),
        [name, "is", ..] => {
            let users: Vec<i64> = words.get(3).map_or_else(Vec::new, |all| {
                all.split(',').filter_map(|user| user.parse().ok()).collect()
            });
            let (at, of) = words
                .get(4)
                .and_then(|it| it.split_once('/'))
                .unwrap_or(("0", "1"));
            page(name, number(2), at.parse().unwrap(), of.parse().unwrap(), &users)
        }
        [name, change, ..] => {
            let (sign, user) = change.split_at(1);
            moved(name, number(2), user.parse().unwrap(), sign == "+")
        }
        _ => panic!("{words:?} is nothing that can be said"),
    }
}

fn check(script: &str, expected: Expect) {
    expected.assert_eq(&run(script));
}

#[test]
fn who_is_on_two_nodes_comes_once_and_goes_once() {
    check(
        "a1 beat 0 0\n b1 beat 0 0\n a1 +7 1\n b1 +7 1\n a1 -7 2\n ?\n b1 -7 2\n ?",
        expect![[r#"
            a1 beat 0 0 up-a1
            b1 beat 0 0 up-b1
            a1 +7 1 +7
            b1 +7 1
            a1 -7 2
            ? a Yes b Yes [7]
            b1 -7 2 -7
            ? a Yes b Yes []
        "#]],
    );
}

#[test]
fn a_word_that_was_missed_is_made_good_by_all_users() {
    check(
        "a1 beat 0 0\n a1 +1 1\n a1 +3 3\n a1 +4 4\n a1 is 3 1,2,3\n ?\n a1 +4 4\n a1 +5 5\n ?",
        expect![[r#"
            a1 beat 0 0 up-a1
            a1 +1 1 +1
            a1 +3 3 ask-a
            a1 +4 4
            a1 is 3 1,2,3 +2 +3 +4
            ? a Yes b Unknown [1, 2, 3, 4]
            a1 +4 4
            a1 +5 5 +5
            ? a Yes b Unknown [1, 2, 3, 4, 5]
        "#]],
    );
}

#[test]
fn what_a_beat_says_and_nobody_heard_is_asked_for_once() {
    check(
        "a1 beat 2 2\n a1 beat 2 2\n a1 is 2 8 0/2\n a1 is 2 9 1/2\n a1 beat 2 2\n ?",
        expect![[r#"
            a1 beat 2 2 up-a1 ask-a
            a1 beat 2 2
            a1 is 2 8 0/2
            a1 is 2 9 1/2 +8 +9
            a1 beat 2 2
            ? a Yes b Unknown [8, 9]
        "#]],
    );
}

#[test]
fn an_answer_that_is_lost_is_asked_for_again() {
    check(
        "a1 beat 2 2\n ~5000\n a1 beat 2 2\n a1 is 2 8,9\n missed\n ~5000\n a1 beat 2 2\n a1 +5 3\n a1 is 3 5,8,9\n ?",
        expect![[r#"
            a1 beat 2 2 up-a1 ask-a
            ~5000
            a1 beat 2 2 ask-a
            a1 is 2 8,9 +8 +9
            missed ask-a
            ~5000
            a1 beat 2 2
            a1 +5 3 ask-a
            a1 is 3 5,8,9 +5
            ? a Yes b Unknown [5, 8, 9]
        "#]],
    );
}

#[test]
fn nobody_is_online_on_a_node_that_is_silent() {
    check(
        "a1 beat 0 0\n a1 +7 1\n ~5000\n ?\n ~2501\n ?\n ~7498\n ?\n ~1\n ?\n a1 beat 1 1\n ?\n ~15000\n a1 beat 3 1\n ?\n a1 is 3 9\n ~2000000\n ?",
        expect![[r#"
            a1 beat 0 0 up-a1
            a1 +7 1 +7
            ~5000
            ? a Yes b Unknown [7]
            ~2501
            ? a Unknown b Unknown [7]
            ~7498
            ? a Unknown b Unknown [7]
            ~1 -7 down-a1
            ? a No b No []
            a1 beat 1 1 up-a1 +7
            ? a Yes b No [7]
            ~15000 -7 down-a1
            a1 beat 3 1 up-a1 ask-a
            ? a Yes b No []
            a1 is 3 9 +9
            ~2000000 -9 down-a1
            ? a No b No []
        "#]],
    );
}

#[test]
fn a_restart_leaves_time_to_come_back() {
    check(
        "a1 beat 0 0\n a1 +7 1\n a1 +8 2\n a2 beat 0 0\n a1 +9 3\n a1 beat 3 3\n a2 +7 1\n ?\n ~5000\n ?\n a1 beat 3 3\n a2 gone\n ?\n ~5000\n ?",
        expect![[r#"
            a1 beat 0 0 up-a1
            a1 +7 1 +7
            a1 +8 2 +8
            a2 beat 0 0 down-a1 up-a2
            a1 +9 3 +9
            a1 beat 3 3
            a2 +7 1
            ? a Yes b Unknown [7, 8, 9]
            ~5000 -8 -9
            ? a Yes b Unknown [7]
            a1 beat 3 3
            a2 gone down-a2
            ? a No b Unknown [7]
            ~5000 -7
            ? a Unknown b Unknown []
        "#]],
    );
}

#[test]
fn whoever_just_began_to_listen_knows_nothing() {
    check(
        "?\n ~15000\n ?\n m1 beat 5 5\n m9 beat 5 5",
        expect![[r#"
        ? a Unknown b Unknown []
        ~15000
        ? a No b No []
        m1 beat 5 5
        m9 beat 5 5
    "#]],
    );
}

proptest! {
    /// Words that are lost, repeated and come in any order: once a beat and an answer come through, what is known is so.
    #[test]
    fn what_was_missed_is_found(
        said in prop::collection::vec((0_i64..6, any::<bool>(), 0_u8..10), 1..60),
        seed in any::<u64>(),
    ) {
        let mut now = Timestamp(0);
        let mut cluster = Cluster::new(ClusterRules::from(&Limits::DEFAULT), node("m1"), now);
        let mut here = std::collections::BTreeSet::new();
        let (mut out, mut number, mut late) = (Vec::new(), 0, Vec::new());
        cluster.handle(ClusterInput::Beat(beat("a1", NodeState::Serving, 0, 0)), now, &mut out);
        for (index, (user, comes, fate)) in said.iter().enumerate() {
            let changes = if *comes { here.insert(*user) } else { here.remove(user) };
            if !changes {
                continue;
            }
            number += 1;
            let word = moved("a1", number, *user, *comes);
            now = now.plus_ms(700);
            match fate {
                0 | 1 => {}
                2 | 3 => late.push(word),
                _ => cluster.handle(word, now, &mut out),
            }
            if seed.rotate_left(index as u32) % 3 == 0
                && let Some(word) = late.pop()
            {
                cluster.handle(word.clone(), now, &mut out);
                cluster.handle(word, now, &mut out);
            }
        }
        now = now.plus_ms(Limits::DEFAULT.node_answer_ms);
        out.clear();
        cluster.handle(ClusterInput::Beat(beat("a1", NodeState::Serving, number, here.len() as u64)), now, &mut out);
        if out.iter().any(|effect| matches!(effect, ClusterEffect::AskUsers(_))) {
            let users: Vec<i64> = here.iter().copied().collect();
            cluster.handle(page("a1", number, 0, 1, &users), now, &mut out);
        }
        let known: Vec<i64> = cluster.all_users().map(|user| user.0).collect();
        prop_assert_eq!(known, here.into_iter().collect::<Vec<_>>());
    }
}
