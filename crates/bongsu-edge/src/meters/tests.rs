//! What Prometheus reads after things were counted.

use std::collections::BTreeSet;
use std::sync::Arc;

use bongsu_model::{Request, RoomId, RoomRef};
use bongsu_node::Counters;

use super::*;

fn value(text: &str, series: &str) -> Option<f64> {
    text.lines()
        .find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok())
}

#[test]
fn what_was_counted_is_shown() {
    let meters = Meters::new();
    meters.connection_opened(Protocol::Action);
    meters.connection_opened(Protocol::Action);
    meters.connection_closed(Protocol::Action, Some(&CloseCause::Idle));
    meters.turned_away(TurnedAway::AddressFull);
    meters.bytes_read.inc_by(300);
    meters.request(Request::Ping.verb(), Outcome::Done);
    meters.request(
        Request::Leave {
            room: RoomRef::Id(RoomId(1)),
        }
        .verb(),
        Outcome::Refused,
    );
    meters.refused(&Refusal::because(Code::InvalidToken, "expired"));
    meters.refused(&Refusal::because(Code::MessageRejected, "flood"));
    meters.refused(&Refusal::retry(Code::RateLimited, 5));
    meters.refused(&Refusal::new(Code::RoomFull));
    meters.http(
        Some("/api/v1/rooms/{room}"),
        "GET",
        200,
        Some(Duration::from_millis(3)),
    );
    meters.http(None, "BREW", 404, Some(Duration::from_millis(3)));
    let text = meters.render();
    for (series, expected) in [
        ("bongsu_connections_opened_total{protocol=\"action\"}", 2.0),
        ("bongsu_connections{protocol=\"action\"}", 1.0),
        ("bongsu_connections{protocol=\"http\"}", 0.0),
        ("bongsu_connections_closed_total{cause=\"idle\"}", 1.0),
        ("bongsu_connections_refused_total{reason=\"address_full\"}", 1.0),
        ("bongsu_read_bytes_total", 300.0),
        ("bongsu_requests_total{verb=\"ping\",outcome=\"done\"}", 1.0),
        ("bongsu_requests_total{verb=\"leave\",outcome=\"refused\"}", 1.0),
        ("bongsu_requests_total{verb=\"unblock\",outcome=\"done\"}", 0.0),
        ("bongsu_tokens_refused_total{reason=\"expired\"}", 1.0),
        ("bongsu_messages_rejected_total{reason=\"flood\"}", 1.0),
        ("bongsu_rate_limited_total", 1.0),
        (
            "bongsu_http_requests_total{route=\"/api/v1/rooms/{room}\",method=\"GET\",status=\"200\"}",
            1.0,
        ),
        (
            "bongsu_http_requests_total{route=\"none\",method=\"other\",status=\"404\"}",
            1.0,
        ),
        ("bongsu_http_request_seconds_bucket{le=\"0.002\"}", 0.0),
        ("bongsu_http_request_seconds_bucket{le=\"0.005\"}", 2.0),
        ("bongsu_http_request_seconds_count", 2.0),
    ] {
        assert_eq!(value(&text, series), Some(expected), "{series}\n{text}");
    }
    assert!(text.ends_with("# EOF\n"));
}

#[test]
fn a_nodes_counters_are_shown() {
    let (meters, counters) = (Meters::new(), Arc::new(Counters::default()));
    meters.follow(&counters);
    counters.posts.add(7);
    counters.refused(Code::RoomFull);
    counters.mailbox_bytes.add(40);
    counters.accept_to_commit_ms.note(5);
    counters.accept_to_commit_ms.note(6);
    counters.accept_to_commit_ms.note(60_000);
    let text = meters.render();
    for (series, expected) in [
        ("bongsu_messages_accepted_total", 7.0),
        ("bongsu_refusals_total{code=\"ROOM_FULL\"}", 1.0),
        ("bongsu_refusals_total{code=\"INTERNAL_ERROR\"}", 0.0),
        ("bongsu_mailbox_bytes", 40.0),
        ("bongsu_accept_to_commit_seconds_bucket{le=\"0.005\"}", 1.0),
        ("bongsu_accept_to_commit_seconds_bucket{le=\"0.01\"}", 2.0),
        ("bongsu_accept_to_commit_seconds_bucket{le=\"+Inf\"}", 3.0),
        ("bongsu_accept_to_commit_seconds_count", 3.0),
        ("bongsu_accept_to_commit_seconds_sum", 60.011),
    ] {
        assert_eq!(value(&text, series), Some(expected), "{series}\n{text}");
    }
}

#[test]
fn the_process_is_shown() {
    let text = Meters::new().render();
    for series in [
        "process_cpu_seconds_total",
        "process_resident_memory_bytes",
        "process_open_fds",
        "process_max_fds",
    ] {
        assert!(value(&text, series).is_some(), "{series}\n{text}");
    }
    assert!(value(&text, "process_resident_memory_bytes") > Some(0.0));
    assert!(value(&text, "process_open_fds") > Some(0.0));
}

#[test]
fn names_and_helps_are_each_there_once() {
    let meters = Meters::new();
    meters.follow(&Arc::new(Counters::default()));
    let text = meters.render();
    let of = |kind: &str| -> Vec<String> {
        let lines = text.lines().filter_map(|line| line.strip_prefix(kind));
        lines
            .map(|line| line.split(' ').next().unwrap().to_owned())
            .collect()
    };
    let (types, helps) = (of("# TYPE "), of("# HELP "));
    assert_eq!(types, helps);
    assert_eq!(
        types.iter().collect::<BTreeSet<_>>().len(),
        types.len(),
        "{types:?}"
    );
    for name in types {
        assert!(
            name.starts_with("bongsu_") || name.starts_with("process_"),
            "{name}"
        );
        assert!(!name.ends_with("_total") && !name.contains("_ms"), "{name}");
    }
    assert!(!text.contains(".."), "helps end with one full stop");
}

#[test]
fn two_servers_in_one_process_count_apart() {
    let (one, other) = (Meters::new(), Meters::new());
    one.bytes_read.inc();
    assert_eq!(value(&one.render(), "bongsu_read_bytes_total"), Some(1.0));
    assert_eq!(value(&other.render(), "bongsu_read_bytes_total"), Some(0.0));
}

#[test]
fn each_request_has_its_own_verb() {
    let text = Meters::new().render();
    let verbs: BTreeSet<_> = Verb::NAMES.iter().collect();
    assert_eq!(verbs.len(), Verb::NAMES.len());
    assert_eq!(
        text.lines()
            .filter(|line| line.starts_with("bongsu_requests_total"))
            .count(),
        Verb::NAMES.len() * 2
    );
}
