//! Sessions, by every transport alike: who is let in, when they end, what replaces what.

use bongsu_model::{Limits, Reconnect};
use bongsu_wire::device::client::What;

use crate::device::{Device, heartbeat, hello, telemetry, token};
use crate::link::{Kind, Link};
use crate::server::Server;

#[tokio::test]
async fn a_device_is_welcome_and_its_heartbeats_are_answered() {
    let server = Server::start().await;
    for kind in Kind::ALL {
        let mut device = Device::connect(&server, kind, kind.name()).await;
        let welcome = device.enter(kind.name()).await;
        assert_eq!(welcome.epoch.0, 1);
        assert_eq!(welcome.heartbeat_ms, Limits::DEFAULT.device_heartbeat_ms);
        device.beats(7).await;
        let gauge = format!("bongsu_device_connections{{transport=\"{}\"}}", kind.name());
        assert_eq!(server.metric(&gauge), 1);
        assert!(server.is_online(kind.name()));
        drop(device);
        server.until("it is gone", |it| !it.is_online(kind.name())).await;
        assert_eq!(server.metric(&gauge), 0);
    }
    server.until_empty().await;
}

#[tokio::test]
async fn a_token_may_come_with_the_hello() {
    let server = Server::start().await;
    for kind in Kind::ALL {
        // Of Protobuf the hello has none: there the handshake always can.
        let name = format!("{}-1", kind.name());
        let mut device = Device::on(Link::open(kind, server.address, None).await, kind);
        let bongsu_model::device::FromDevice::Hello(mut said) = hello(&name) else {
            unreachable!("a hello is one");
        };
        said.token = Some(token(&name).into());
        device.say(&bongsu_model::device::FromDevice::Hello(said)).await;
        match kind {
            Kind::Json => assert_eq!(device.welcome().await.epoch.0, 1),
            Kind::Proto | Kind::Grpc => {
                let told = device.told().await;
                assert!(
                    matches!(told.what, What::Welcome(_) | What::Closing(_)),
                    "{told:?}"
                );
            }
        }
    }
}

#[tokio::test]
async fn who_has_no_good_token_is_told_so() {
    let server = Server::start().await;
    for kind in Kind::ALL {
        for (token, close_code, code) in [
            (None, 4401, "NOT_AUTHENTICATED"),
            (Some("nonsense"), 4401, "INVALID_TOKEN"),
            (Some("other/device"), 4403, "PERMISSION_DENIED"),
            (Some("car/user"), 4403, "PERMISSION_DENIED"),
        ] {
            let mut device = Device::on(Link::open(kind, server.address, token).await, kind);
            device.say(&hello("car")).await;
            let parting = device.ends(close_code).await;
            assert_eq!(&*parting.problem.code, code, "{kind:?} {token:?}");
            assert_eq!(parting.reconnect, Reconnect::Never);
        }
    }
    assert!(!server.is_online("car"));
    server.until_empty().await;
}

#[tokio::test]
async fn a_hello_must_come_in_time_and_first_and_once() {
    let limits = Limits {
        sign_in_ms: 300,
        ..Limits::DEFAULT
    };
    let server = Server::limited(limits).await;
    for kind in Kind::ALL {
        let mut late = Device::connect(&server, kind, "late").await;
        late.ends(4401).await;

        let mut early = Device::connect(&server, kind, "early").await;
        early.say(&heartbeat(1)).await;
        early.ends(4400).await;

        let mut twice = Device::begin(&server, kind, "twice").await;
        twice.say(&hello("twice")).await;
        let parting = twice.ends(4400).await;
        assert_eq!(&*parting.problem.code, "INVALID_DATA");
    }
    server.until_empty().await;
}

#[tokio::test]
async fn the_newer_session_wins_and_the_older_is_told() {
    let server = Server::start().await;
    for (number, kind) in (1_u64..).step_by(3).zip(Kind::ALL) {
        let mut old = Device::begin(&server, kind, "car").await;
        assert_eq!(old.epoch.0, number);
        // Whatever carries it.
        let other = Kind::ALL[(number as usize) % 3];
        let mut new = Device::begin(&server, other, "car").await;
        assert_eq!(new.epoch.0, number + 1);
        let parting = old.ends(4409).await;
        assert_eq!(parting.problem.reason.as_deref(), Some("replaced"));
        new.beats(1).await;
        let mut newest = Device::begin(&server, kind, "car").await;
        new.ends(4409).await;
        newest.beats(2).await;
    }
}

#[tokio::test]
async fn who_is_silent_for_three_heartbeats_is_offline() {
    let limits = Limits {
        device_heartbeat_ms: 100,
        ..Limits::DEFAULT
    };
    let server = Server::limited(limits).await;
    for kind in Kind::ALL {
        let mut alive = Device::begin(&server, kind, "alive").await;
        let mut silent = Device::begin(&server, kind, "silent").await;
        let began = tokio::time::Instant::now();
        let ending = silent.ends(4408);
        let beating = async {
            let mut beats = tokio::time::interval(std::time::Duration::from_millis(50));
            loop {
                beats.tick().await;
                alive.say(&telemetry(1)).await;
            }
        };
        tokio::select! {
            parting = ending => assert_eq!(parting.problem.reason.as_deref(), Some("idle")),
            () = beating => unreachable!("it beats for ever"),
        }
        assert!(began.elapsed().as_millis() >= 250, "{kind:?}: too early");
        server.until("it is offline", |it| !it.is_online("silent")).await;
        alive.beats(1).await;
    }
}

#[tokio::test]
async fn a_session_ends_with_its_token_after_a_warning() {
    let limits = Limits {
        token_warning_ms: 60_000,
        ..Limits::DEFAULT
    };
    let server = Server::limited(limits).await;
    for kind in Kind::ALL {
        let end = server.node.now().0 + 90_000;
        let token = format!("car/device/{end}");
        let mut device = Device::on(Link::open(kind, server.address, Some(&token)).await, kind);
        device.enter("car").await;
        server.pass_ms(31_000);
        device.say(&heartbeat(1)).await;
        let mut warned = false;
        while !warned {
            warned =
                matches!(device.told().await.what, What::TokenExpiring { expires_at } if expires_at.0 == end);
        }
        server.pass_ms(28_000);
        device.beats(2).await;
        server.pass_ms(40_000);
        device.say(&heartbeat(3)).await;
        device.ends(4401).await;
    }
    server.until_empty().await;
}

#[tokio::test]
async fn who_measures_too_much_is_told_once_and_its_words_still_count() {
    let limits = Limits {
        device_frames_per_s: 10,
        device_frames_burst: 5,
        ..Limits::DEFAULT
    };
    let server = Server::limited(limits).await;
    for kind in Kind::ALL {
        let mut device = Device::begin(&server, kind, "car").await;
        for speed in 0..30 {
            device.say(&telemetry(speed)).await;
        }
        let problem = device.refused().await;
        assert_eq!(&*problem.code, "RATE_LIMITED");
        assert!(problem.retry_after_ms.is_some_and(|ms| ms <= 1_000));
        // The next thing that it is told is no second complaint.
        device.beats(4).await;
    }
}
