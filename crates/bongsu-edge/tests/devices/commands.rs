//! Commands on the last metre, by every transport alike.

use bongsu_model::Limits;
use bongsu_model::device::{CommandState, Status};
use bongsu_node::devices::WaitFor;

use crate::device::{Device, was_told};
use crate::link::Kind;
use crate::server::Server;

#[tokio::test]
async fn a_command_is_carried_out_and_its_caller_hears_of_it() {
    let server = Server::start().await;
    for (number, kind) in (1..).zip(Kind::ALL) {
        let mut device = Device::begin(&server, kind, "car").await;
        let (ran, order) = tokio::join!(
            server.run("car", "window.set", 5_000, WaitFor::Done),
            device.obey()
        );
        let command = ran.unwrap().command;
        assert_eq!(command.state, CommandState::Succeeded);
        assert_eq!((order.id, &*order.name), (command.id, "window.set"));
        assert_eq!((order.ttl_ms, order.attempt), (5_000, 0));
        assert!(was_told(&command));
        assert_eq!(server.metric("bongsu_commands_written_total"), number);
    }
}

#[tokio::test]
async fn what_is_not_acknowledged_is_told_again() {
    let limits = Limits {
        command_retry_ms: 100,
        ..Limits::DEFAULT
    };
    let server = Server::limited(limits).await;
    for kind in Kind::ALL {
        let mut device = Device::begin(&server, kind, "car").await;
        let carry_out = async {
            let first = device.order().await;
            let again = device.order().await;
            assert_eq!((again.id, again.attempt), (first.id, 1), "{kind:?}");
            assert_eq!(again.deadline(), first.deadline());
            device.answer(again.id, Status::Ok).await;
        };
        let (ran, ()) = tokio::join!(server.run("car", "horn", 5_000, WaitFor::Done), carry_out);
        assert_eq!(ran.unwrap().command.state, CommandState::Succeeded);
    }
    assert!(server.metric("bongsu_commands_retried_total") >= 3);
}

#[tokio::test]
async fn a_command_goes_on_in_the_next_session() {
    let server = Server::start().await;
    for (one, other) in [
        (Kind::Json, Kind::Proto),
        (Kind::Proto, Kind::Grpc),
        (Kind::Grpc, Kind::Json),
    ] {
        let mut before = Device::begin(&server, one, "car").await;
        let carry_out = async {
            let first = before.order().await;
            drop(before);
            let mut after = Device::begin(&server, other, "car").await;
            let again = after.obey().await;
            assert_eq!(again.id, first.id);
            after
        };
        let (ran, mut after) = tokio::join!(server.run("car", "lights", 20_000, WaitFor::Done), carry_out);
        assert_eq!(ran.unwrap().command.state, CommandState::Succeeded);
        after.beats(1).await;
    }
}

#[tokio::test]
async fn who_is_not_connected_is_offline_at_once() {
    let server = Server::start().await;
    for kind in Kind::ALL {
        let device = Device::begin(&server, kind, "car").await;
        drop(device);
        server.until("it is gone", |it| !it.is_online("car")).await;
        let refused = server.run("car", "horn", 5_000, WaitFor::Done).await;
        assert_eq!(refused.unwrap_err().code.name(), "DEVICE_OFFLINE");
    }
}
