//! Devices that do not read: nothing grows old where it cannot be taken back, and nobody waits for them.

use std::time::Duration;

use bongsu_model::Limits;
use bongsu_model::device::CommandState;
use bongsu_node::devices::WaitFor;
use bongsu_wire::device::client::What;
use bongsu_wire::websocket::Opcode;

use crate::device::{Device, heartbeat, token, was_told};
use crate::link::{Comes, Kind, Link};
use crate::server::Server;

/// A device whose way is full: the gateway has more to say than the kernel takes.
async fn stopped_up(server: &Server, kind: Kind, device: &str) -> Device {
    // Of a stream the window is as small as a few packets, of a socket the kernel's buffer as it may be.
    let bytes = if kind == Kind::Grpc { 600 } else { 4_096 };
    let link = Link::narrow(kind, server.address, Some(&token(device)), Some(bytes)).await;
    let mut it = Device::on(link, kind);
    it.enter(device).await;
    let path = format!("/api/v1/devices/{device}/connection");
    let filled = async {
        loop {
            // Its own nonsense is answered, and it reads none of the answers.
            for _ in 0..50 {
                match kind {
                    Kind::Json => it.link.socket().frame(Opcode::Text, b"[]").await,
                    Kind::Proto | Kind::Grpc => it.say(&heartbeat(1)).await,
                }
            }
            let (_, shown) = server.get(&path, "ops/service").await;
            if shown["stuck_ms"].as_u64().is_some_and(|ms| ms > 50) {
                return;
            }
        }
    };
    tokio::time::timeout(crate::server::PATIENCE, filled)
        .await
        .expect("a socket is full in the end");
    it
}

fn fast() -> Limits {
    Limits {
        device_frames_per_s: 100_000,
        device_frames_burst: 100_000,
        ..Limits::DEFAULT
    }
}

#[tokio::test]
async fn a_command_that_finds_no_room_expires_and_is_never_told() {
    let server = Server::limited(fast()).await;
    for kind in Kind::ALL {
        let mut device = stopped_up(&server, kind, kind.name()).await;
        let ran = server.run(kind.name(), "window.set", 300, WaitFor::Done).await;
        let command = ran.unwrap().command;
        assert_eq!(command.state, CommandState::Expired, "{kind:?}");
        assert!(!was_told(&command));
        // When it reads again there is all the rest, and no command among it.
        device.say(&heartbeat(77)).await;
        loop {
            match device.link.comes().await {
                Comes::Told(told) => match told.what {
                    What::Command(order) => panic!("{kind:?}: told of {order:?}"),
                    What::Heartbeat { clock, .. } if clock.is_some_and(|it| it.0 == 77) => break,
                    What::Heartbeat { .. } | What::Refused(_) => {}
                    other => panic!("{kind:?}: {other:?}"),
                },
                other => panic!("{kind:?}: {other:?}"),
            }
        }
    }
}

#[tokio::test]
async fn who_takes_nothing_for_too_long_is_cut() {
    let limits = Limits {
        slow_ms: 400,
        ..fast()
    };
    let server = Server::limited(limits).await;
    for kind in Kind::ALL {
        let device = stopped_up(&server, kind, "car").await;
        server.until("it is cut", |it| !it.is_online("car")).await;
        drop(device);
        server.until_empty().await;
    }
}

#[tokio::test]
async fn a_zombie_does_not_block_its_successor() {
    let limits = Limits {
        device_takeover_ms: 400,
        ..fast()
    };
    let server = Server::limited(limits).await;
    for kind in Kind::ALL {
        let _zombie = stopped_up(&server, kind, "car").await;
        let began = tokio::time::Instant::now();
        let mut new = Device::begin(&server, kind, "car").await;
        new.beats(1).await;
        assert!(began.elapsed() < Duration::from_secs(20));
        // The zombie reads nothing, and is gone all the same: one connection is left.
        let gauge = format!("bongsu_device_connections{{transport=\"{}\"}}", kind.name());
        server
            .until("the zombie is cut", |it| it.metric(&gauge) == 1)
            .await;
        drop(new);
        server.until_empty().await;
    }
}
