//! A device that says what a device says, and knows what it waits for.

use bongsu_model::device::{Command, FromDevice, Hello, Object, Status, Value, Welcome, Word};
use bongsu_model::{CommandId, ConnectionEpoch, DeviceId, Timestamp};
use bongsu_wire::device::client::{Order, Parting, Problem, Told, What};

use crate::link::{Comes, End, Kind, Link};
use crate::server::Server;

/// A device and its connection.
pub(crate) struct Device {
    pub(crate) link: Link,
    pub(crate) kind: Kind,
    pub(crate) epoch: ConnectionEpoch,
}

/// A token of a device.
pub(crate) fn token(device: &str) -> String {
    format!("{device}/device")
}

pub(crate) fn hello(device: &str) -> FromDevice {
    FromDevice::Hello(Box::new(Hello {
        device: DeviceId::parse(device).unwrap(),
        kind: Some("vehicle".into()),
        version: Some("1.2".into()),
        capabilities: vec!["window".into()],
        reported: None,
        reported_version: None,
        running: Vec::new(),
        clock: Some(Timestamp(1_000)),
        token: None,
    }))
}

pub(crate) fn heartbeat(clock: i64) -> FromDevice {
    FromDevice::Heartbeat {
        clock: Some(Timestamp(clock)),
    }
}

pub(crate) fn telemetry(speed: i64) -> FromDevice {
    FromDevice::Telemetry(Object::from([("speed_limit".into(), speed.into())]))
}

pub(crate) fn word(reply_to: CommandId, status: Status) -> FromDevice {
    FromDevice::Word(Word {
        reply_to,
        status,
        result: (status == Status::Ok).then(|| Value::from("done")),
        error: None,
        epoch: None,
    })
}

impl Device {
    /// Connects with a good token, and says nothing yet.
    pub(crate) async fn connect(server: &Server, kind: Kind, device: &str) -> Self {
        let link = Link::open(kind, server.address, Some(&token(device))).await;
        Self::on(link, kind)
    }

    pub(crate) fn on(link: Link, kind: Kind) -> Self {
        Self {
            link,
            kind,
            epoch: ConnectionEpoch(0),
        }
    }

    /// A device that was let in.
    pub(crate) async fn begin(server: &Server, kind: Kind, device: &str) -> Self {
        let mut it = Self::connect(server, kind, device).await;
        it.enter(device).await;
        it
    }

    /// Says hello and is welcome.
    pub(crate) async fn enter(&mut self, device: &str) -> Welcome {
        self.link.say(&hello(device)).await;
        let welcome = self.welcome().await;
        self.epoch = welcome.epoch;
        welcome
    }

    pub(crate) async fn say(&mut self, said: &FromDevice) {
        self.link.say(said).await;
    }

    /// What it is told next, and in which epoch.
    pub(crate) async fn told(&mut self) -> Told {
        match self.link.comes().await {
            Comes::Told(told) => told,
            other @ (Comes::Pong(_) | Comes::End(_)) => panic!("{:?}: not told but {other:?}", self.kind),
        }
    }

    pub(crate) async fn welcome(&mut self) -> Welcome {
        match self.told().await.what {
            What::Welcome(welcome) => *welcome,
            other => panic!("{:?}: not welcome but {other:?}", self.kind),
        }
    }

    /// The next command.
    pub(crate) async fn order(&mut self) -> Order {
        let told = self.told().await;
        match told.what {
            What::Command(order) => {
                assert_eq!(told.epoch, self.epoch, "{:?}", self.kind);
                order
            }
            other => panic!("{:?}: no command but {other:?}", self.kind),
        }
    }

    pub(crate) async fn refused(&mut self) -> Problem {
        match self.told().await.what {
            What::Refused(problem) => problem,
            other => panic!("{:?}: not refused but {other:?}", self.kind),
        }
    }

    /// Its heartbeat is answered: what was said before is heard, and nothing was said to it meanwhile.
    pub(crate) async fn beats(&mut self, clock: i64) {
        self.say(&heartbeat(clock)).await;
        match self.told().await.what {
            What::Heartbeat { clock: answer, .. } => assert_eq!(answer, Some(Timestamp(clock))),
            other => panic!("{:?}: no heartbeat but {other:?}", self.kind),
        }
    }

    /// It is told that its session ends.
    pub(crate) async fn parting(&mut self) -> Parting {
        match self.told().await.what {
            What::Closing(parting) => parting,
            other => panic!("{:?}: no end but {other:?}", self.kind),
        }
    }

    /// It is told that its session ends, with this close code, and its connection does.
    pub(crate) async fn ends(&mut self, close_code: u16) -> Parting {
        let parting = self.parting().await;
        assert_eq!(parting.close_code, close_code, "{:?}: {parting:?}", self.kind);
        match self.link.comes().await {
            Comes::End(End::Closed(code, reason)) => {
                assert_eq!(
                    (code, reason),
                    (close_code, crate::link::advice(parting.reconnect))
                );
            }
            Comes::End(End::Status(_, code)) => assert_eq!(code, *parting.problem.code),
            other => panic!("{:?}: no end but {other:?}", self.kind),
        }
        parting
    }

    /// Answers a command.
    pub(crate) async fn answer(&mut self, command: CommandId, status: Status) {
        self.say(&word(command, status)).await;
    }

    /// Carries out the next command.
    pub(crate) async fn obey(&mut self) -> Order {
        let order = self.order().await;
        self.answer(order.id, Status::Ok).await;
        order
    }
}

/// Whether a command may have been told to its device.
pub(crate) fn was_told(command: &Command) -> bool {
    use bongsu_model::device::CommandState::{InProgress, Received, Written};
    command
        .history
        .iter()
        .any(|note| matches!(note.state, Written | Received | InProgress))
}
