//! The Protobuf contract: the messages of `proto/bongsu/v1`, and with the feature `grpc` its services; and what nodes say to
//! each other, `proto/bongsu/backplane/v1`.
//!
//! Invariant: nothing here is written by hand but this file; what the messages mean is said in `proto/`, what may be
//! in them is checked in `bongsu-wire`.

use std::fmt;

pub use prost;

/// The package `bongsu.v1`.
pub mod v1 {
    #![allow(
        missing_docs,
        unreachable_pub,
        clippy::all,
        clippy::wildcard_enum_match_arm,
        reason = "generated; its comments are those of proto/"
    )]
    include!(concat!(env!("OUT_DIR"), "/bongsu.v1.rs"));
}

/// What nodes say to each other.
pub mod backplane {
    /// The package `bongsu.backplane.v1`.
    pub mod v1 {
        #![allow(
            missing_docs,
            unreachable_pub,
            clippy::all,
            clippy::wildcard_enum_match_arm,
            reason = "generated; its comments are those of proto/"
        )]
        include!(concat!(env!("OUT_DIR"), "/bongsu.backplane.v1.rs"));
    }
}

/// The public contract as an encoded `google.protobuf.FileDescriptorSet`, without comments: what reflection reads.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

/// The names of the services, as in a path of gRPC.
pub const SERVICES: [&str; 2] = ["bongsu.v1.Control", "bongsu.v1.DeviceGateway"];

impl fmt::Debug for v1::AuthUpdate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AuthUpdate({} bytes)", self.token.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use prost::Message;
    use prost_types::FileDescriptorSet;

    fn descriptors() -> FileDescriptorSet {
        FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).unwrap()
    }

    #[test]
    fn the_services_are_those_of_the_contract() {
        let mut found: Vec<_> = descriptors()
            .file
            .iter()
            .flat_map(|file| {
                file.service
                    .iter()
                    .map(|it| format!("{}.{}", file.package(), it.name()))
            })
            .collect();
        found.sort_unstable();
        assert_eq!(found, SERVICES);
    }

    /// What devices in the field were built with: these numbers are never given to anything else.
    #[test]
    fn the_first_payloads_keep_their_numbers() {
        let files = descriptors().file;
        let packet = files
            .iter()
            .flat_map(|file| &file.message_type)
            .find(|message| message.name() == "WebSocketPacket")
            .unwrap();
        let payloads = packet
            .field
            .iter()
            .map(|it| (it.name(), it.number(), it.type_name()))
            .take(3);
        let law = [
            ("telemetry", 1, ".bongsu.v1.Telemetry"),
            ("command", 2, ".bongsu.v1.ControlCommand"),
            ("ping", 3, ".bongsu.v1.Heartbeat"),
        ];
        assert!(payloads.eq(law));
    }

    #[test]
    fn a_token_is_not_printed() {
        let packet = v1::WebSocketPacket {
            payload: Some(v1::web_socket_packet::Payload::AuthUpdate(v1::AuthUpdate {
                token: "secret".into(),
            })),
        };
        let printed = format!("{packet:?}");
        assert!(
            !printed.contains("secret") && printed.contains("6 bytes"),
            "{printed}"
        );
    }
}
