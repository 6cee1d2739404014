//! What is shown of a device's connection, by every transport alike.

use bongsu_model::Limits;

use crate::device::Device;
use crate::link::Kind;
use crate::server::Server;

#[tokio::test]
async fn the_socket_is_set_up_for_a_device_and_says_so() {
    let server = Server::start().await;
    for kind in Kind::ALL {
        let mut device = Device::begin(&server, kind, "car").await;
        device.beats(2_000).await;
        let (status, shown) = server.get("/api/v1/devices/car/connection", "ops/service").await;
        assert_eq!(status, 200, "{shown}");
        assert_eq!(shown["device_id"], "car");
        assert_eq!(shown["transport"], kind.name());
        assert_eq!(shown["epoch"], device.epoch.0);
        assert_eq!(shown["address"], "127.0.0.1");
        assert_eq!(shown["tls"], false);
        assert_eq!(
            (&shown["frames_received"], &shown["frames_sent"]),
            (&2.into(), &2.into())
        );
        assert!(shown["silent_ms"].as_u64().unwrap() < 60_000);
        // Its clock says 2000 ms after 1970.
        assert!(shown["clock_offset_ms"].as_i64().unwrap() < -1_000_000, "{shown}");
        let socket = &shown["socket"];
        assert_eq!(socket["nodelay"], true);
        assert_eq!(socket["notsent_lowat_bytes"], Limits::DEFAULT.device_unsent_bytes);
        assert_eq!(socket["user_timeout_ms"], 30_000);
        assert!(!socket["congestion"].as_str().unwrap().is_empty(), "{socket}");
        if !socket["rtt_us"].is_null() {
            assert_eq!(socket["unsent_bytes"], 0);
        }
    }
}

#[tokio::test]
async fn only_operators_see_it_and_only_where_it_is() {
    let server = Server::start().await;
    let _device = Device::begin(&server, Kind::Json, "car").await;
    let path = "/api/v1/devices/car/connection";
    for other in ["7/user", "car/device", "nonsense"] {
        let (status, problem) = server.get(path, other).await;
        assert!(matches!(status, 401 | 403), "{other}: {problem}");
    }
    let (status, problem) = server
        .get("/api/v1/devices/elsewhere/connection", "ops/admin")
        .await;
    assert_eq!((status, &problem["code"]), (404, &"DEVICE_OFFLINE".into()));
    assert_eq!(
        server
            .get("/api/v1/devices/a%20b/connection", "ops/admin")
            .await
            .0,
        404
    );
}
