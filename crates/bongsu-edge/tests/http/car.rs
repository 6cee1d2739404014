//! A car behind the node, without a socket: what it is sent, and what it says. And what it can be asked to do.

use std::sync::Arc;

use bongsu_edge::catalogue::ArgsSchema;
use bongsu_model::device::{
    Command, FromDevice, Hello, IfOffline, Object, Pace, Status, ToDevice, Value, Word,
};
use bongsu_model::{CommandId, DeviceId, Limits};
use bongsu_node::devices::catalogue::{Catalogue, Entry, Safety, Short};
use bongsu_node::devices::{DeviceClaim, DeviceSession, Pacing};
use serde_json::json;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::server::Server;

pub(crate) const CAR: &str = "car-1";

/// Windows that open and close, a door that may wait, a horn, and a wheel that nobody turns.
pub(crate) fn catalogue(limits: &Limits) -> Catalogue {
    let position = |text: &str| Object::from([("position".into(), text.into())]);
    let short = |action: &str, text: &str| Short {
        part: "window".into(),
        action: action.into(),
        args: position(text),
    };
    let positions = Value::List(["open".into(), "closed".into()].into());
    let allowed = Object::from([("enum".into(), positions)]);
    let schema = Value::Object(Object::from([
        ("type".into(), "object".into()),
        ("required".into(), Value::List(["position".into()].into())),
        (
            "properties".into(),
            Value::Object(Object::from([("position".into(), allowed.into())])),
        ),
    ]));
    let window = Entry {
        target: Some("window".into()),
        short: vec![short("open", "open"), short("close", "closed")],
        pace: Pace::LatestWins,
        args: Arc::new(ArgsSchema::compile(&schema).unwrap()),
        schema,
        ..Entry::plain("window.set".into(), limits)
    };
    let door = Entry {
        target: Some("door".into()),
        pace: Pace::LatestWins,
        if_offline: IfOffline::Queue,
        ..Entry::plain("door.lock".into(), limits)
    };
    let wheel = Entry {
        safety: Safety::Critical,
        ..Entry::plain("steering.set".into(), limits)
    };
    let horn = Entry {
        debounce_ms: 0,
        ..Entry::plain("horn.honk".into(), limits)
    };
    Catalogue::new(vec![window, door, wheel, horn], false, limits).unwrap()
}

/// A connected car. It takes all that is written to it, and says what it is told to.
pub(crate) struct Car {
    pub(crate) session: Arc<DeviceSession>,
    frames: mpsc::Receiver<ToDevice>,
    taking: JoinHandle<()>,
}

impl Drop for Car {
    fn drop(&mut self) {
        self.taking.abort();
    }
}

impl Car {
    pub(crate) async fn comes(server: &Server) -> Self {
        Self::comes_with(server, "car-1/device").await.unwrap()
    }

    pub(crate) async fn comes_with(server: &Server, token: &str) -> Result<Self, bongsu_model::Refusal> {
        let hello = Hello {
            device: DeviceId::parse(CAR).unwrap(),
            kind: Some("vehicle".into()),
            version: Some("2.1".into()),
            capabilities: vec!["window.set".into()],
            reported: None,
            reported_version: None,
            running: Vec::new(),
            clock: None,
            token: Some(token.into()),
        };
        let claim = DeviceClaim::default();
        let session = server.node.device_hello(claim, hello, Pacing::Kernel).await?;
        let (to, frames) = mpsc::channel(64);
        let taking = Arc::clone(&session);
        let taking = tokio::spawn(async move {
            while taking.ending().is_none() {
                taking.wakes().await;
                while let Some(outgoing) = taking.take() {
                    taking.wrote(outgoing.ticket);
                    // A test that has ended hears nothing.
                    let _ = to.send(outgoing.frame).await;
                }
            }
        });
        Ok(Self {
            session,
            frames,
            taking,
        })
    }

    /// The next command that it is sent.
    pub(crate) async fn command(&mut self) -> Arc<Command> {
        loop {
            let frame = self.frames.recv().await.expect("the car is connected");
            if let ToDevice::Command(frame) = frame {
                return frame.command;
            }
        }
    }

    /// The next difference that it is sent.
    pub(crate) async fn delta(&mut self) -> Object {
        loop {
            if let ToDevice::Delta { state, .. } = self.frames.recv().await.expect("the car is connected") {
                return state;
            }
        }
    }

    pub(crate) async fn says(&self, command: CommandId, status: Status) {
        let word = Word {
            reply_to: command,
            status,
            result: (status == Status::Ok)
                .then(|| Value::Object(Object::from([("done".into(), true.into())]))),
            error: (status == Status::Failed).then(|| "jammed".into()),
            epoch: None,
        };
        self.session.hear(FromDevice::Word(word)).await.unwrap();
    }

    pub(crate) async fn measures(&self, speed: i64) {
        let heard = Object::from([("speed".into(), speed.into())]);
        self.session.hear(FromDevice::Telemetry(heard)).await.unwrap();
    }

    pub(crate) async fn reports(&self, state: Object) {
        let frame = FromDevice::Reported { version: None, state };
        self.session.hear(frame).await.unwrap();
    }
}

/// A car that something of every kind is known of; and its command.
pub(crate) async fn used(server: &Server) -> (Car, String) {
    let mut car = Car::comes(server).await;
    let path = |rest: &str| format!("/api/v1/devices/{CAR}{rest}");
    let horn = json!({ "name": "horn.honk", "args": { "times": 1 } });
    let ran = server
        .service("POST", &path("/commands"), Some(horn))
        .await
        .is(202);
    let id = ran["command_id"].as_str().unwrap().to_owned();
    let command = car.command().await;
    car.says(command.id, Status::Ok).await;
    // What comes after the end is kept beside it.
    car.says(command.id, Status::Failed).await;
    car.measures(42).await;
    car.reports(Object::from([("window".into(), "closed".into())]))
        .await;
    let desired = json!({ "desired": { "light": "on" }, "ttl_ms": { "light": 60_000 } });
    server
        .service("PUT", &path("/state"), Some(desired))
        .await
        .is(200);
    let lease = json!({ "at_lapse": { "name": "horn.honk" } });
    server.service("POST", &path("/lease"), Some(lease)).await.is(200);
    (car, id)
}
