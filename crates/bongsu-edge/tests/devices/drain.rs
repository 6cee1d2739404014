//! The gateway stops: devices are told, not all at once, and none is left when the time is over.

use std::time::Duration;

use bongsu_model::{Limits, Reconnect};
use tokio::time::Instant;

use crate::device::Device;
use crate::link::Kind;
use crate::server::Server;

#[tokio::test]
async fn devices_are_told_one_after_the_other_and_end_in_time() {
    let limits = Limits {
        drain_ms: 1_600,
        ..Limits::DEFAULT
    };
    let mut server = Server::limited(limits).await;
    let mut devices = Vec::new();
    for number in 0..9 {
        let name = format!("car-{number}");
        devices.push(Device::begin(&server, Kind::ALL[number % 3], &name).await);
    }
    let began = Instant::now();
    server.tell_to_stop();
    let told = devices.into_iter().map(|mut device| async move {
        let parting = device.ends(4503).await;
        assert_eq!(parting.reconnect, Reconnect::Later);
        began.elapsed()
    });
    let mut told = futures_util::future::join_all(told).await;
    told.sort_unstable();
    server.stopped().await;
    assert!(
        told[8] - told[0] >= Duration::from_millis(600),
        "all at once: {told:?}"
    );
    // Two seconds of grace for a busy machine.
    assert!(told[8] < Duration::from_millis(1_600 + 2_000), "{told:?}");
}

#[tokio::test]
async fn who_does_not_go_is_cut() {
    let limits = Limits {
        drain_ms: 300,
        ..Limits::DEFAULT
    };
    let mut server = Server::limited(limits).await;
    let silent: Vec<_> = futures_util::future::join_all(
        [("a", Kind::Json), ("b", Kind::Proto), ("c", Kind::Grpc)]
            .map(|(name, kind)| Device::begin(&server, kind, name)),
    )
    .await;
    server.tell_to_stop();
    server.stopped().await;
    drop(silent);
}
