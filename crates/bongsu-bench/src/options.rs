//! What a run is told: everything that the command line of `bongsu bench` can say.
//!
//! Invariant: after `check`, every number is one that the scenarios can divide by.

use std::path::PathBuf;
use std::str::FromStr;

use crate::dialect::Carrier;
use crate::error::BenchError;
use crate::peer::Peer;
use crate::target::{Program, Target};

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scenario {
    /// One room of many members.
    Fanout,
    /// Many rooms of a few members, saturated.
    Rooms,
    /// PING and PONG: a request with a reply and no store.
    Echo,
    /// Sessions that do nothing, each a member of one room: memory.
    Idle,
    /// A storm of connections that sign in.
    Connect,
    /// Posters that each wait for their message to be durable.
    Posts,
    /// Callers that each wait until a device has carried their command out.
    Commands,
    /// Displays that run programs: one each, and those of one preset over all of them.
    Displays,
}

impl Scenario {
    /// All scenarios, in the order of the help text.
    pub const ALL: [Self; 8] = [
        Self::Fanout,
        Self::Rooms,
        Self::Echo,
        Self::Idle,
        Self::Connect,
        Self::Posts,
        Self::Commands,
        Self::Displays,
    ];

    /// The name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Fanout => "fanout",
            Self::Rooms => "rooms",
            Self::Echo => "echo",
            Self::Idle => "idle",
            Self::Connect => "connect",
            Self::Posts => "posts",
            Self::Commands => "commands",
            Self::Displays => "displays",
        }
    }
}

impl FromStr for Scenario {
    type Err = BenchError;

    fn from_str(name: &str) -> Result<Self, BenchError> {
        let advice = "one of fanout, rooms, echo, idle, connect, posts, commands, displays is needed";
        let unknown = || BenchError::Option {
            option: "the scenario",
            value: name.to_owned(),
            advice,
        };
        Self::ALL
            .into_iter()
            .find(|scenario| scenario.name() == name)
            .ok_or_else(unknown)
    }
}

/// What the simulated users speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// The action protocol over TCP.
    Action,
    /// The type protocol over WebSocket.
    Type,
    /// The action protocol over WebSocket.
    WebSocketAction,
    /// The type protocol as Socket.IO events, Engine.IO 4 over WebSocket.
    Socketio,
    /// The chat of Socket.IO (`message` events), Engine.IO 4 over WebSocket.
    SocketioChat,
    /// The type protocol as Socket.IO events, Engine.IO 4 by long polling.
    SocketioPolling,
    /// Devices, JSON over WebSocket.
    DeviceJson,
    /// Devices, Protobuf over WebSocket.
    DeviceProto,
    /// Devices, Protobuf over gRPC.
    DeviceGrpc,
    /// Displays that answer by the commands' ids, Engine.IO 4 over WebSocket.
    Switchboard,
    /// Displays that know only the guide.
    SwitchboardGuide,
}

impl Protocol {
    /// All protocols, in the order of the help text.
    pub const ALL: [Self; 11] = [
        Self::Action,
        Self::Type,
        Self::WebSocketAction,
        Self::Socketio,
        Self::SocketioChat,
        Self::SocketioPolling,
        Self::DeviceJson,
        Self::DeviceProto,
        Self::DeviceGrpc,
        Self::Switchboard,
        Self::SwitchboardGuide,
    ];

    /// The name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Action => "action",
            Self::Type => "type",
            Self::WebSocketAction => "websocket-action",
            Self::Socketio => "socketio",
            Self::SocketioChat => "socketio-chat",
            Self::SocketioPolling => "socketio-polling",
            Self::DeviceJson => "device-json",
            Self::DeviceProto => "device-proto",
            Self::DeviceGrpc => "device-grpc",
            Self::Switchboard => "switchboard",
            Self::SwitchboardGuide => "switchboard-guide",
        }
    }

    /// What the floor beside it speaks: itself, or, for every way to speak Socket.IO, its events over WebSocket, for
    /// devices JSON, and for displays those that answer by ids. A floor writes frames, and what is in them and who asked for
    /// them costs it nothing.
    #[must_use]
    pub fn floor(self) -> Self {
        match self {
            Self::Action | Self::Type | Self::WebSocketAction => self,
            Self::Socketio | Self::SocketioChat | Self::SocketioPolling => Self::Socketio,
            Self::DeviceJson | Self::DeviceProto | Self::DeviceGrpc => Self::DeviceJson,
            Self::Switchboard | Self::SwitchboardGuide => Self::Switchboard,
        }
    }
}

impl FromStr for Protocol {
    type Err = BenchError;

    fn from_str(name: &str) -> Result<Self, BenchError> {
        let unknown = || BenchError::Option {
            option: "--protocol",
            value: name.to_owned(),
            advice: "one of action, type, websocket-action, socketio, socketio-chat, socketio-polling, device-json, device-proto, device-grpc, switchboard, switchboard-guide is needed",
        };
        Self::ALL
            .into_iter()
            .find(|protocol| protocol.name() == name)
            .ok_or_else(unknown)
    }
}

/// Displays of a run, if nothing else is said.
const DISPLAYS: usize = 200;

/// All that a run needs to know.
#[derive(Clone, Debug)]
pub struct Options {
    /// What is measured.
    pub scenario: Scenario,
    /// What the users speak.
    pub protocol: Protocol,
    /// Whom to put under load.
    pub target: Target,
    /// How to start the floor.
    pub floor: Program,
    /// Servers of others that take their turn in every round.
    pub peers: Vec<Peer>,
    /// Members of a room (fanout, rooms, idle).
    pub members: usize,
    /// Rooms (rooms).
    pub rooms: usize,
    /// Sessions (idle, connect).
    pub sessions: usize,
    /// Displays (displays).
    pub displays: usize,
    /// Bytes of a message's content (fanout, rooms, posts).
    pub payload_bytes: usize,
    /// One measurement for each: messages in flight (fanout, rooms), connections with one request each (echo), posters
    /// (posts), calls under way (commands, displays); for connect, only the first counts: handshakes at a time.
    pub in_flight: Vec<usize>,
    /// Messages a second instead of as many as go (fanout, rooms): for latency under a load below saturation.
    pub rate: Option<f64>,
    /// Messages at this share of what the slower of server and floor gets through with the most in flight, which is
    /// measured first (fanout, rooms). Both then get the same rate.
    pub load: Option<f64>,
    /// Seconds before each measurement.
    pub warmup_seconds: f64,
    /// Seconds of each measurement.
    pub seconds: f64,
    /// Messages or requests of each measurement instead of seconds, without a warm-up.
    pub messages: Option<u64>,
    /// How often server and floor take turns; the figures are medians.
    pub rounds: usize,
    /// Seconds without anything new after which a run that still waits for something is given up.
    pub patience_seconds: f64,
    /// Connections that come from one source address before the next of 127.0.0.0/8 is used.
    pub connections_per_address: usize,
    /// The id of the first simulated user and of the first room.
    pub first_id: i64,
    /// Where data folders are made; on the disk whose durability is to be measured.
    pub work_dir: PathBuf,
}

impl Options {
    /// The options that give the figures of the goals.
    #[must_use]
    pub fn new(scenario: Scenario, target: Target, floor: Program) -> Self {
        let (members, in_flight) = match scenario {
            Scenario::Fanout => (1_000, vec![1, 8, 64]),
            Scenario::Rooms => (10, vec![1_000]),
            Scenario::Echo | Scenario::Connect => (1, vec![64]),
            Scenario::Idle => (10, vec![64]),
            Scenario::Posts => (1, vec![1, 64]),
            Scenario::Commands => (1, vec![1, 64]),
            Scenario::Displays => (1, vec![1, DISPLAYS]),
        };
        Self {
            scenario,
            protocol: match scenario {
                Scenario::Commands => Protocol::DeviceJson,
                Scenario::Displays => Protocol::Switchboard,
                Scenario::Fanout
                | Scenario::Rooms
                | Scenario::Echo
                | Scenario::Idle
                | Scenario::Connect
                | Scenario::Posts => Protocol::Action,
            },
            target,
            floor,
            peers: Vec::new(),
            members,
            rooms: 1_000,
            sessions: 5_000,
            displays: DISPLAYS,
            payload_bytes: 300,
            in_flight,
            rate: None,
            load: None,
            warmup_seconds: 0.5,
            seconds: 3.0,
            messages: None,
            rounds: 3,
            patience_seconds: 20.0,
            connections_per_address: 20_000,
            first_id: 1_000_000,
            work_dir: std::env::temp_dir(),
        }
    }

    /// Connections that the run will hold open at once.
    #[must_use]
    pub fn connections(&self) -> usize {
        match self.scenario {
            Scenario::Fanout => self.members,
            Scenario::Rooms => self.members.saturating_mul(self.rooms),
            Scenario::Echo | Scenario::Posts | Scenario::Commands => {
                self.in_flight.iter().copied().max().unwrap_or(0)
            }
            Scenario::Idle | Scenario::Connect => self.sessions,
            Scenario::Displays => self.displays,
        }
    }

    /// Sockets that these connections may take: who polls has a second one for what it says.
    #[must_use]
    pub fn sockets(&self) -> usize {
        let polls = |protocol: Protocol| protocol.carrier() == Carrier::Polls;
        let second = polls(self.protocol) || self.peers.iter().any(|peer| polls(peer.protocol));
        self.connections().saturating_mul(if second { 2 } else { 1 })
    }

    /// Finds the first option that makes no sense.
    ///
    /// # Errors
    /// `Option`, naming it.
    pub fn check(&self) -> Result<(), BenchError> {
        let positive = |option, value: usize| match value {
            0 => Err(BenchError::Option {
                option,
                value: "0".to_owned(),
                advice: "at least 1 is needed",
            }),
            1.. => Ok(()),
        };
        positive("--members", self.members)?;
        positive("--rooms", self.rooms)?;
        positive("--sessions", self.sessions)?;
        positive("--displays", self.displays)?;
        positive("--rounds", self.rounds)?;
        positive("--connections-per-address", self.connections_per_address)?;
        positive("--in-flight", self.in_flight.iter().copied().min().unwrap_or(0))?;
        if let Some(messages) = self.messages {
            positive("--messages", usize::try_from(messages).unwrap_or(usize::MAX))?;
        }
        let times = [
            ("--seconds", self.seconds, self.seconds > 0.0),
            (
                "--patience-seconds",
                self.patience_seconds,
                self.patience_seconds > 0.0,
            ),
            (
                "--warmup-seconds",
                self.warmup_seconds,
                self.warmup_seconds >= 0.0,
            ),
            (
                "--rate",
                self.rate.unwrap_or(1.0),
                self.rate.is_none_or(|rate| rate > 0.0),
            ),
        ];
        for (option, value, sensible) in times {
            if !sensible || !value.is_finite() {
                let value = value.to_string();
                return Err(BenchError::Option {
                    option,
                    value,
                    advice: "a positive number is needed",
                });
            }
        }
        self.check_pace()?;
        self.check_devices()?;
        self.check_peers()?;
        if self.connections() > 1_000_000 {
            let value = self.connections().to_string();
            return Err(BenchError::Option {
                option: "--members × --rooms",
                value,
                advice: "at most 1,000,000 fit",
            });
        }
        Ok(())
    }

    /// Peers keep nothing and verify nobody, so that what those scenarios measure is not there.
    fn check_peers(&self) -> Result<(), BenchError> {
        match (self.scenario, self.peers.first()) {
            (Scenario::Connect | Scenario::Posts | Scenario::Commands | Scenario::Displays, Some(peer)) => {
                Err(BenchError::Option {
                    option: "--beside",
                    value: peer.name.clone(),
                    advice: "only fanout, rooms, echo and idle can be run beside another server",
                })
            }
            (_, _) => Ok(()),
        }
    }

    /// Devices are in no rooms, nobody else takes commands, and only displays run programs.
    fn check_devices(&self) -> Result<(), BenchError> {
        let (device, display) = (self.protocol.device(), self.protocol.display());
        let advice = match (self.scenario, device, display) {
            (Scenario::Idle, _, _) | (Scenario::Commands, Some(_), _) => return Ok(()),
            (Scenario::Displays, _, Some(_)) => return self.check_displays(),
            (Scenario::Commands, None, _) => "commands are for device-json, device-proto or device-grpc",
            (Scenario::Displays, _, None) => "displays are of switchboard or switchboard-guide",
            (_, Some(_), _) => "devices can be idle or take commands",
            (_, _, Some(_)) => "displays can be idle or run programs",
            (_, None, None) => return Ok(()),
        };
        Err(BenchError::Option {
            option: "--protocol",
            value: self.protocol.name().to_owned(),
            advice,
        })
    }

    /// Each call is about a display of its own.
    fn check_displays(&self) -> Result<(), BenchError> {
        match self.in_flight.iter().max() {
            Some(most) if *most > self.displays => Err(BenchError::Option {
                option: "--in-flight",
                value: most.to_string(),
                advice: "there cannot be more calls under way than there are --displays",
            }),
            Some(_) | None => Ok(()),
        }
    }

    fn check_pace(&self) -> Result<(), BenchError> {
        let wrong = |option, value: f64, advice| BenchError::Option {
            option,
            value: value.to_string(),
            advice,
        };
        if let Some(load) = self.load {
            if !(load > 0.0 && load < 1.0) {
                return Err(wrong(
                    "--load",
                    load,
                    "a share between 0 and 1 is needed, such as 0.5",
                ));
            }
            if self.rate.is_some() {
                return Err(wrong("--load", load, "it excludes --rate"));
            }
        }
        let paced = [("--rate", self.rate), ("--load", self.load)];
        match self.scenario {
            Scenario::Fanout | Scenario::Rooms | Scenario::Commands => Ok(()),
            Scenario::Echo | Scenario::Idle | Scenario::Connect | Scenario::Posts | Scenario::Displays => {
                let given = paced
                    .into_iter()
                    .find_map(|(option, value)| Some((option, value?)));
                given.map_or(Ok(()), |(option, value)| {
                    Err(wrong(
                        option,
                        value,
                        "only fanout, rooms and commands can be paced",
                    ))
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(scenario: Scenario) -> Options {
        let program = Program {
            exe: "x".into(),
            args: Vec::new(),
        };
        Options::new(
            scenario,
            Target::Child {
                exe: "x".into(),
                extra_args: Vec::new(),
                extra_config: String::new(),
            },
            program,
        )
    }

    #[test]
    fn the_defaults_are_sensible() {
        for scenario in Scenario::ALL {
            options(scenario).check().unwrap();
            assert!(options(scenario).connections() > 0);
            assert_eq!(scenario.name().parse::<Scenario>().unwrap(), scenario);
        }
        assert_eq!(options(Scenario::Rooms).connections(), 10_000);
        for protocol in Protocol::ALL {
            assert_eq!(protocol.name().parse::<Protocol>().unwrap(), protocol);
        }
        assert!("fan-out".parse::<Scenario>().is_err() && "smoke".parse::<Protocol>().is_err());
    }

    #[test]
    fn nonsense_is_named() {
        let named = |change: fn(&mut Options)| {
            let mut options = options(Scenario::Rooms);
            change(&mut options);
            match options.check() {
                Err(BenchError::Option { option, .. }) => option,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(named(|o| o.members = 0), "--members");
        assert_eq!(named(|o| o.in_flight.clear()), "--in-flight");
        assert_eq!(named(|o| o.in_flight.push(0)), "--in-flight");
        assert_eq!(named(|o| o.messages = Some(0)), "--messages");
        assert_eq!(named(|o| o.seconds = f64::INFINITY), "--seconds");
        assert_eq!(named(|o| o.warmup_seconds = f64::NAN), "--warmup-seconds");
        assert_eq!(named(|o| o.rate = Some(-1.0)), "--rate");
        assert_eq!(
            named(|o| (o.scenario, o.rate) = (Scenario::Echo, Some(9.0))),
            "--rate"
        );
        assert_eq!(named(|o| o.load = Some(0.0)), "--load");
        assert_eq!(named(|o| o.load = Some(1.0)), "--load");
        assert_eq!(named(|o| o.load = Some(f64::NAN)), "--load");
        assert_eq!(named(|o| (o.load, o.rate) = (Some(0.5), Some(9.0))), "--load");
        assert_eq!(
            named(|o| (o.scenario, o.load) = (Scenario::Idle, Some(0.5))),
            "--load"
        );
        assert_eq!(named(|o| o.members = usize::MAX), "--members × --rooms");
        assert_eq!(named(|o| o.protocol = Protocol::DeviceJson), "--protocol");
        assert_eq!(named(|o| o.scenario = Scenario::Commands), "--protocol");
        assert_eq!(named(|o| o.scenario = Scenario::Displays), "--protocol");
        assert_eq!(named(|o| o.protocol = Protocol::Switchboard), "--protocol");
        let displays = |change: fn(&mut Options)| {
            let mut options = options(Scenario::Displays);
            change(&mut options);
            options.check().unwrap_err().to_string()
        };
        assert!(displays(|o| o.displays = 0).starts_with("--displays"));
        assert!(displays(|o| o.in_flight = vec![201]).starts_with("--in-flight"));
        assert!(displays(|o| o.protocol = Protocol::DeviceJson).starts_with("--protocol"));
        assert!(displays(|o| o.rate = Some(9.0)).starts_with("--rate"));
    }
}
