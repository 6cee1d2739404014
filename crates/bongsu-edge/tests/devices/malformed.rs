//! What is no frame of a device: some of it is told to it, some of it ends its session, none of it does more.

use bongsu_model::Limits;
use bongsu_proto::v1::WebSocketPacket;
use bongsu_wire::websocket::Opcode;
use tokio::io::AsyncWriteExt as _;

use crate::device::Device;
use crate::link::{Comes, End, Kind};
use crate::server::Server;

#[tokio::test]
async fn unknown_bytes_on_the_protobuf_socket_end_it_at_once() {
    let server = Server::start().await;
    for (opcode, bytes) in [
        (Opcode::Binary, &b"\xff\xff\xff"[..]),
        (Opcode::Binary, b""),
        (Opcode::Binary, b"{\"type\":\"heartbeat\"}"),
        (Opcode::Text, b"{\"type\":\"heartbeat\"}"),
    ] {
        for welcome in [false, true] {
            let mut device = Device::connect(&server, Kind::Proto, "car").await;
            if welcome {
                device.enter("car").await;
            }
            device.link.socket().frame(opcode, bytes).await;
            let parting = device.ends(4400).await;
            assert_eq!(&*parting.problem.code, "INVALID_DATA");
        }
    }
    server.until_empty().await;
}

#[tokio::test]
async fn an_empty_packet_ends_a_stream_at_once() {
    let server = Server::start().await;
    let mut device = Device::begin(&server, Kind::Grpc, "car").await;
    let empty = WebSocketPacket { payload: None };
    device.link.stream().packet(empty).await;
    let parting = device.parting().await;
    assert_eq!(parting.close_code, 4400);
    let end = device.link.comes().await;
    let wanted = End::Status(tonic::Code::InvalidArgument, "INVALID_DATA".to_owned());
    assert_eq!(end, Comes::End(wanted));
    drop(device);
    server.until_empty().await;
}

#[tokio::test]
async fn nonsense_in_json_is_refused_and_the_session_goes_on() {
    let server = Server::start().await;
    let mut device = Device::begin(&server, Kind::Json, "car").await;
    for text in [
        &b"{"[..],
        b"[]",
        b"{\"type\":\"fly\"}",
        b"{\"reply_to\":\"1\",\"status\":\"ok\"}",
    ] {
        device.link.socket().frame(Opcode::Text, text).await;
        assert_ne!(&*device.refused().await.code, "INTERNAL_ERROR");
    }
    device.beats(1).await;
    // Bytes are another protocol's.
    device.link.socket().frame(Opcode::Binary, b"{}").await;
    device.ends(4400).await;
    server.until_empty().await;
}

#[tokio::test]
async fn a_first_frame_that_is_nonsense_is_the_last() {
    let server = Server::start().await;
    let mut device = Device::connect(&server, Kind::Json, "car").await;
    device.link.socket().frame(Opcode::Text, b"{}").await;
    let parting = device.parting().await;
    assert_eq!(parting.close_code, 4400, "{parting:?}");
    server.until_empty().await;
}

#[tokio::test]
async fn a_broken_framing_is_told_by_the_code_of_websocket() {
    let server = Server::start().await;
    for kind in [Kind::Json, Kind::Proto] {
        let mut device = Device::begin(&server, kind, "car").await;
        // A frame without a mask.
        let unmasked = [0x81, 0x02, b'{', b'}'];
        device.link.socket().stream.write_all(&unmasked).await.unwrap();
        device.parting().await;
        match device.link.comes().await {
            Comes::End(End::Closed(code, _)) => assert_eq!(code, 1002),
            other => panic!("{other:?}"),
        }
    }
    server.until_empty().await;
}

#[tokio::test]
async fn a_frame_over_the_limit_is_not_waited_for() {
    let server = Server::start().await;
    let bytes = vec![b' '; Limits::DEFAULT.frame_bytes_max + 1];
    for (kind, opcode) in [(Kind::Json, Opcode::Text), (Kind::Proto, Opcode::Binary)] {
        let mut device = Device::begin(&server, kind, "car").await;
        device.link.socket().frame(opcode, &bytes).await;
        device.ends(4413).await;
    }
    server.until_empty().await;
}

#[tokio::test]
async fn a_frame_that_is_begun_must_be_finished_in_time() {
    let limits = Limits {
        frame_ms: 200,
        ..Limits::DEFAULT
    };
    let server = Server::limited(limits).await;
    for kind in [Kind::Json, Kind::Proto] {
        let mut device = Device::begin(&server, kind, "car").await;
        let socket = device.link.socket();
        socket
            .stream
            .write_all(&[0x81, 0x85, 1, 2, 3, 4, 5])
            .await
            .unwrap();
        device.ends(4400).await;
    }
    server.until_empty().await;
}
