//! Whatever text comes as a packet of Socket.IO is refused, or is whole: its JSON is JSON, its attachments have their
//! places, and said again it is the same packet.
#![no_main]

use bongsu_model::Limits;
use bongsu_wire::socketio::packet::{self, ID_MAX, Kind, NAMESPACE_BYTES_MAX, decode, placeholders};
use bongsu_wire::websocket::{Decoder, Heard, MessageLimits, Role};
use libfuzzer_sys::fuzz_target;

/// The packet in the one frame that these bytes are.
fn framed(bytes: &[u8]) -> String {
    let limits = MessageLimits { message_bytes_max: 1 << 24, fragments_max: 1 };
    let mut texts = Vec::new();
    Decoder::new(Role::Client, false)
        .push(&mut bytes.to_vec(), &limits, &mut |heard| match heard {
            Heard::Text(text) => texts.push(text.strip_prefix('4').unwrap().to_owned()),
            other => panic!("{other:?}"),
        })
        .unwrap();
    assert_eq!(texts.len(), 1);
    texts.remove(0)
}

fuzz_target!(|text: &str| {
    let limits = Limits { attachments_max: 5, json_depth_max: 8, ..Limits::DEFAULT };
    let Ok(read) = decode(text, &limits) else {
        return;
    };
    assert!(read.attachments <= limits.attachments_max);
    assert!(read.namespace.starts_with('/') && read.namespace.len() <= NAMESPACE_BYTES_MAX);
    assert!(read.id.is_none_or(|id| id <= ID_MAX));
    if let Some(data) = read.data {
        serde_json::from_str::<serde::de::IgnoredAny>(data).unwrap();
        assert!(bongsu_wire::json::depth(data) <= limits.json_depth_max);
        if read.attachments > 0 {
            placeholders(data, read.attachments).unwrap();
        }
    }
    let arguments = read.arguments(usize::MAX).unwrap();
    let again = match read.kind {
        Kind::Connect => packet::connect(read.namespace, read.data),
        Kind::Disconnect => packet::disconnect(read.namespace),
        Kind::ConnectError => packet::connect_error(read.namespace, read.data.unwrap()),
        Kind::Ack => packet::ack(read.namespace, read.id.unwrap(), read.attachments, &arguments),
        Kind::Event => {
            let event = read.event.as_ref().unwrap();
            assert_eq!((event.arguments, event.argument), (arguments.len(), arguments.first().copied()));
            packet::event(read.namespace, read.id, read.attachments, &event.name, &arguments)
        }
    };
    let again = framed(&again);
    let second = decode(&again, &limits).unwrap();
    assert_eq!((second.kind, second.attachments, second.id), (read.kind, read.attachments, read.id));
    assert_eq!(second.namespace, read.namespace);
    assert_eq!(second.arguments(usize::MAX).unwrap(), arguments);
    assert_eq!(second.event.map(|it| it.name), read.event.map(|it| it.name));
});
