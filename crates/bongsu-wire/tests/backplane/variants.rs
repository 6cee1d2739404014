//! The name of everything that can be said. A new variant does not compile before it has one here, and a name wants a vector.

use bongsu_model::cluster::NodeSaid;
use bongsu_model::device::DeviceSaid;
use bongsu_model::event::Audience;
use bongsu_model::{Cut, EventBody, Heard};

macro_rules! named {
    ($function:ident, $names:ident: $of:ty; $($pattern:pat => $name:literal,)*) => {
        fn $function(said: &$of) -> &'static str {
            match said { $($pattern => $name,)* }
        }

        const $names: &[&str] = &[$($name),*];
    };
}

named! { of_body, BODIES: EventBody;
    EventBody::Posted(_) => "event_posted",
    EventBody::UserJoined { .. } => "event_user_joined",
    EventBody::UserLeft { .. } => "event_user_left",
    EventBody::Typing { .. } => "event_typing",
    EventBody::Read { .. } => "event_read",
    EventBody::Status { .. } => "event_status",
    EventBody::CallCreated { .. } => "event_call_created",
    EventBody::CallJoined { .. } => "event_call_joined",
    EventBody::CallLeft { .. } => "event_call_left",
    EventBody::CallHostChanged { .. } => "event_call_host_changed",
    EventBody::CallEnded { .. } => "event_call_ended",
    EventBody::MediaChanged { .. } => "event_media_changed",
    EventBody::Signalled { .. } => "event_signalled",
    EventBody::Application(_) => "event_application",
    EventBody::Announced { .. } => "event_announced",
}

named! { of_audience, AUDIENCES: Audience;
    Audience::Room(_) => "room",
    Audience::RoomExcept(..) => "room_except",
    Audience::User(_) => "user",
    Audience::Sessions(_) => "sessions",
    Audience::Related(..) => "related",
    Audience::All => "all",
}

named! { of_cut, CUTS: Cut;
    Cut::Banned(_) => "cut_banned",
    Cut::Disconnected(_) => "cut_disconnected",
    Cut::Session(_) => "cut_session",
    Cut::Revoked(_) => "cut_revoked",
    Cut::MemberTokens { .. } => "cut_member_tokens",
}

named! { of_device, DEVICES: DeviceSaid;
    DeviceSaid::Opened { .. } => "device_opened",
    DeviceSaid::Offered { .. } => "device_offered",
    DeviceSaid::Taken { .. } => "device_taken",
    DeviceSaid::Cancel { .. } => "device_cancel",
    DeviceSaid::Moved { .. } => "device_moved",
    DeviceSaid::Desired { .. } => "device_desired",
    DeviceSaid::Telemetry { .. } => "device_telemetry",
    DeviceSaid::Probe { .. } => "device_probe",
    DeviceSaid::Alive { .. } => "device_alive",
    DeviceSaid::Disconnect { .. } => "device_disconnect",
    DeviceSaid::Changed { .. } => "device_changed",
    DeviceSaid::AskTelemetry { .. } => "device_ask_telemetry",
    DeviceSaid::Measured { .. } => "device_measured",
    DeviceSaid::AskDisplays { .. } => "device_ask_displays",
    DeviceSaid::Shown { .. } => "device_shown",
}

named! { of_node, NODES: NodeSaid;
    NodeSaid::Beat(_) => "node_beat",
    NodeSaid::Moved(_) => "node_moved",
    NodeSaid::AskUsers { .. } => "node_ask_users",
    NodeSaid::Users(_) => "node_users",
    NodeSaid::Drain { .. } => "node_drain",
    NodeSaid::Shed { .. } => "node_shed",
}

const OTHERS: &[&str] = &["heads", "blocks", "members", "happening"];

/// The name of what is said.
pub(crate) fn name(heard: &Heard) -> &'static str {
    match heard {
        Heard::Event(outbound) => of_body(&outbound.event().body),
        Heard::Heads(_) => "heads",
        Heard::Blocks(..) => "blocks",
        Heard::Members(..) => "members",
        Heard::Cut(cut) => of_cut(cut),
        Heard::Device(said) => of_device(said),
        Heard::Node(said) => of_node(said),
        Heard::Happening(_) => "happening",
    }
}

/// The name of who hears it, if it is an event.
pub(crate) fn audience(heard: &Heard) -> Option<&'static str> {
    let Heard::Event(outbound) = heard else {
        return None;
    };
    Some(of_audience(&outbound.event().audience))
}

/// All names of what can be said, and of who can hear it.
pub(crate) fn all() -> (Vec<&'static str>, Vec<&'static str>) {
    let names = [BODIES, CUTS, DEVICES, NODES, OTHERS].concat();
    (names, AUDIENCES.to_vec())
}

/// What of these nobody says or hears.
pub(crate) fn missing<'h>(said: impl IntoIterator<Item = &'h Heard>) -> Vec<&'static str> {
    let (mut names, mut audiences) = all();
    for heard in said {
        names.retain(|it| *it != name(heard));
        audiences.retain(|it| Some(*it) != audience(heard));
    }
    [names, audiences].concat()
}
