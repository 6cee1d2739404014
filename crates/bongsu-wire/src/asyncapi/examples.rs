//! Examples, taken from `vectors/` when the crate is built.
//!
//! Invariant: what stands here is what the tests of the codecs hold the codecs to.

use serde_json::Value;

use crate::schema::{Direction, Message, Protocol};
use crate::socketio::client::Heard;

macro_rules! vectors {
    ($($name:literal)*) => {
        /// Each file's name and text.
        const VECTORS: &[(&str, &str)] =
            &[$(($name, include_str!(concat!("../../../../vectors/", $name, ".txt")))),*];
    };
}

// In the order in which people see them. Those of one message that differ only in the language of a text stand once.
vectors! {
    "request_batch" "request_block" "request_block_named" "request_connect" "request_connect_resume"
    "request_connect_resume_named" "request_create_call" "request_create_call_named" "request_emit"
    "request_emit_claimed" "request_emit_key" "request_end_call" "request_history_after"
    "request_history_before" "request_history_latest" "request_join" "request_join_after" "request_join_call"
    "request_join_named" "request_join_secret" "request_leave" "request_leave_call" "request_mark_read"
    "request_ping" "request_ping_untagged" "request_pong" "request_post" "request_post_full"
    "request_post_plain" "request_refresh_token" "request_refresh_token_beside" "request_set_media"
    "request_signal_answer" "request_signal_candidate" "request_signal_candidates_end" "request_signal_offer"
    "request_typing" "request_typing_plain" "request_unblock" "request_untagged" "reply_blocked"
    "reply_call_created" "reply_call_ended" "reply_call_joined" "reply_call_joined_first" "reply_call_left"
    "reply_connected" "reply_connected_rooms" "reply_joined" "reply_joined_after" "reply_joined_unnamed"
    "reply_left" "reply_marked" "reply_media_set" "reply_page" "reply_page_empty" "reply_pong"
    "reply_pong_untagged" "reply_posted" "reply_posted_client_id" "reply_repeated" "reply_repeated_plain"
    "reply_token_refreshed" "reply_unblocked" "event_announced" "event_application" "event_application_empty"
    "event_application_key" "event_call_created" "event_call_ended" "event_call_host_changed"
    "event_call_joined" "event_call_left" "event_media_changed" "event_posted" "event_posted_full"
    "event_posted_unnamed" "event_read" "event_signalled_answer" "event_signalled_candidate"
    "event_signalled_candidates_end" "event_signalled_offer" "event_status" "event_typing" "event_user_joined"
    "event_user_joined_unnamed" "event_user_left" "refusal_field_en" "refusal_rate_limited_en"
    "refusal_rejected_en" "notice_closed_banned_en" "notice_closed_flooding_en" "notice_closed_idle_en"
    "notice_closed_refused_because_en" "notice_closed_refused_en" "notice_closed_shutting_down_en"
    "notice_closed_slow_en" "notice_missed_en" "notice_ping" "notice_shutdown_en" "notice_token_expiring_en"
    "refusal_connect_en" "refusal_connect_overloaded_en" "refusal_connect_untagged_en" "refusal_field_range_en"
    "refusal_field_room_en" "refusal_frame_too_large_en" "refusal_incident_en" "refusal_malformed_en"
    "refusal_not_authenticated_en" "refusal_room_not_found_en" "refusal_too_large_en" "refusal_user_blocked_en"
    "switchboard_request_register" "switchboard_request_register_full" "switchboard_reply_registered"
    "switchboard_refusal_name_taken_en" "switchboard_refusal_register_later_en" "switchboard_request_heartbeat"
    "switchboard_reply_beat" "switchboard_refusal_beat_en" "switchboard_notice_check" "switchboard_request_alive"
    "switchboard_request_back" "switchboard_notice_shutdown_en" "switchboard_refusal_field_en"
    "switchboard_notice_closed_replaced_en" "switchboard_notice_closed_expired_en" "switchboard_notice_execute"
    "switchboard_notice_execute_full" "switchboard_notice_prepare" "switchboard_notice_stop"
    "switchboard_notice_stop_one" "switchboard_request_starting" "switchboard_request_running"
    "switchboard_request_completed" "switchboard_request_rejected" "switchboard_request_processes"
    "device_said_hello" "device_said_hello_full" "device_told_welcome" "device_told_welcome_delta"
    "device_said_heartbeat_clock" "device_told_heartbeat" "device_told_token_expiring" "device_said_auth_update"
    "device_told_auth_updated" "device_told_refused_field" "device_told_refused_rate" "device_told_closing_replaced"
    "device_told_closing_stop" "device_told_command" "device_told_command_again" "device_said_received"
    "device_said_ok" "device_said_failed" "device_said_rejected" "device_said_telemetry" "device_said_reported"
    "device_told_delta"
}

/// What the names of vectors of displays begin with.
const DISPLAYS: &str = "switchboard_";
/// The same of devices.
const DEVICES: &str = "device_";

/// One example of a message.
pub(super) struct Example {
    /// The vector's name.
    pub(super) name: &'static str,
    /// What it shows.
    pub(super) about: &'static str,
    /// The whole message.
    pub(super) payload: Value,
}

/// The examples of a message, in order.
pub(super) fn of(protocol: &Protocol, message: &Message) -> Vec<Example> {
    VECTORS
        .iter()
        .filter_map(|(name, text)| example(protocol, message, name, text))
        .collect()
}

fn example(
    protocol: &Protocol,
    message: &Message,
    name: &'static str,
    text: &'static str,
) -> Option<Example> {
    let kinds: &[&str] = match message.direction {
        Direction::Request => &["request"],
        Direction::Reply => &["reply"],
        Direction::Event => &["event"],
        Direction::Notice => &["notice"],
        // The end of a session is said as a refusal where there is no other word for it.
        Direction::Error => &["refusal", "notice"],
    };
    if let Some(said) = name.strip_prefix(DEVICES) {
        if said.starts_with("said_") != (message.direction == Direction::Request) {
            return None;
        }
    } else if !kinds.contains(&name.strip_prefix(DISPLAYS).unwrap_or(name).split('_').next()?) {
        return None;
    }
    // Where a protocol has two manners of speaking the second has a section of its own.
    let [json, manner] = ["json", "chat"].map(|it| format!("{}_{it}", protocol.name));
    let sections = [protocol.name, &json, &manner]
        .into_iter()
        .filter_map(|it| section(text, it));
    let (_, payload) =
        sections
            .filter_map(|it| said(protocol, it))
            .find(|(called, _)| match message.pattern {
                None => called == message.name,
                // What answers to no name of its own belongs to a family.
                Some(_) => protocol.message(message.direction, called).is_none(),
            })?;
    let about = section(text, "about")?.trim();
    Some(Example { name, about, payload })
}

/// The name and the message of what stands in a section.
fn said(protocol: &Protocol, text: &str) -> Option<(String, Value)> {
    let Some(key) = protocol.names_in else {
        return text.lines().find_map(|it| packet(it).or_else(|| frame(it)));
    };
    let payload: Value = serde_json::from_str(text).ok()?;
    let called = payload.get(key)?.as_str()?.to_owned();
    Some((called, payload))
}

/// An event's name and what it says.
fn packet(text: &str) -> Option<(String, Value)> {
    match Heard::parse(text).ok()? {
        Heard::Event { name, data, .. } => Some((name, serde_json::from_str(data).ok()?)),
        // Of all acknowledgements only this has no event of the same.
        Heard::Ack { data, .. } => Some(("message".into(), serde_json::from_str(data).ok()?)),
        Heard::Open(_)
        | Heard::Ping
        | Heard::Connected { .. }
        | Heard::NotConnected { .. }
        | Heard::Disconnected { .. }
        | Heard::Closed
        | Heard::Nothing => None,
    }
}

/// What a frame of a device is called, and the frame. Two kinds have no name in themselves.
fn frame(text: &str) -> Option<(String, Value)> {
    let frame: Value = serde_json::from_str(text).ok()?;
    let name = match (frame.get("type"), frame.get("msg_id")) {
        (Some(kind), _) => kind.as_str()?,
        (None, Some(_)) => "command",
        (None, None) => "word",
    };
    Some((name.to_owned(), frame))
}

/// What stands under `-- name`, up to the next such line.
fn section<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let mut rest = text;
    loop {
        let at = rest.find("-- ")?;
        let (head, body) = rest[at + 3..].split_once('\n')?;
        let end = body.find("\n-- ").map_or(body.len(), |at| at + 1);
        if head == name {
            return Some(&body[..end]);
        }
        rest = &body[end..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_ends_where_the_next_begins() {
        let text = "-- about\nOne.\nTwo -- and.\n-- action\n{\"a\":\n1}\n";
        assert_eq!(section(text, "about"), Some("One.\nTwo -- and.\n"));
        assert_eq!(section(text, "action"), Some("{\"a\":\n1}\n"));
        assert_eq!(section(text, "type"), None);
    }
}
