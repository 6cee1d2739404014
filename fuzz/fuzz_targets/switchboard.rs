//! Whatever comes from a display is refused, ends the session, or is said again as the same; and a display survives
//! whatever a server says.
#![no_main]

use bongsu_model::display::FromDisplay;
use bongsu_model::{Incoming, Limits, Timestamp};
use bongsu_wire::incoming::Rules;
use bongsu_wire::socketio::chat::Chat;
use bongsu_wire::socketio::connection::Connection;
use bongsu_wire::socketio::engine::{Heard, Version};
use bongsu_wire::socketio::switchboard::NAMESPACE;
use bongsu_wire::socketio::switchboard::client::{Saying, hear, say};
use libfuzzer_sys::fuzz_target;

/// What a server makes of a packet in a namespace that is connected.
fn heard(text: &str, limits: &Limits) -> Vec<FromDisplay> {
    let rules = Rules { limits, application_domains: &[] };
    let mut connection = Connection::new(Version::V4, 1, None, Chat::new());
    let mut out = Vec::new();
    connection.hear(Heard::Text("0/switchboard,"), &rules, &mut out).unwrap();
    let _ = connection.hear(Heard::Text(text), &rules, &mut out);
    let said = out.into_iter().filter_map(|it| match it {
        Incoming::Display { said, .. } => Some(said),
        _ => None,
    });
    said.collect()
}

/// Whether no time is so long that a double does not hold it to the millisecond.
fn holds(said: &FromDisplay) -> bool {
    let short = |ms: Option<u64>| ms.is_none_or(|ms| ms < 1 << 42);
    match said {
        FromDisplay::Heartbeat(beat) => short(beat.uptime_ms),
        FromDisplay::Processes(processes) => processes.running.iter().all(|it| short(it.uptime_ms)),
        _ => true,
    }
}

fuzz_target!(|text: &str| {
    let limits = Limits { json_depth_max: 8, ..Limits::DEFAULT };
    for said in heard(text, &limits).into_iter().filter(holds) {
        let saying = Saying { namespace: NAMESPACE, ack: None, now: Timestamp(1_704_110_400_123) };
        let again = say(saying, &said);
        assert_eq!(heard(again.strip_prefix('4').unwrap(), &limits), [said]);
    }
    let _ = hear(text, NAMESPACE);
    let _ = hear(text, "/");
});
