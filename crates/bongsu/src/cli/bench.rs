//! `bongsu bench`: what a server costs, as ratios to a floor measured in the same run.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::Context;
use bongsu_bench::{Fault, Keys, Options, Peer, Program, Protocol, Scenario, Target};
use bongsu_edge::auth::{MintRequest, Signer, TokenSettings, Verifier};
use bongsu_edge::clock::SystemClock;
use bongsu_model::{Limits, Role};
use bongsu_node::Clock;
use clap::Args;
use std::sync::Arc;

/// Measure a server, beside a floor in the same run.
///
/// Every figure is shown with that of a floor: an event loop of our own that writes the same bytes to as many sockets
/// on the same machine at the same time. What counts is the ratio.
///
/// By default the bench starts a server of its own, with data in --work-dir, and ends it afterwards.
#[derive(Args)]
#[command(after_help = "\
Scenarios:
  fanout   one room of many members: CPU per delivery, delivery times
  rooms    many rooms of a few members, saturated
  echo     PING and PONG: a request with an answer and no store
  idle     sessions that do nothing: memory of each
  connect  a storm of connections that sign in
  posts    posters that each wait until their message is durable
  commands callers that each wait until a device has carried their command out
  displays callers that each wait until a display runs their program, and a preset over all displays

Protocols:
  action            the action protocol over TCP
  type              the type protocol over WebSocket
  websocket-action  the action protocol over WebSocket
  socketio          the type protocol as Socket.IO events, over WebSocket
  socketio-chat     the chat of Socket.IO, over WebSocket
  socketio-polling  the type protocol as Socket.IO events, by long polling
  device-json       devices, JSON over WebSocket (idle, commands)
  device-proto      devices, Protobuf over WebSocket (idle, commands)
  device-grpc       devices, Protobuf over gRPC (idle, commands)
  switchboard       displays that answer by commands' ids, over WebSocket (idle, displays)
  switchboard-guide displays that know only the guide (idle, displays)

Examples:
  bongsu bench fanout --members 1000 --in-flight 1,64
  bongsu bench fanout --protocol type --load 0.5
  bongsu bench idle --protocol type --sessions 10000 --json
  bongsu bench fanout --protocol socketio --beside node-socketio
  bongsu bench posts --work-dir /var/tmp -- --durability process
  bongsu bench commands --protocol device-proto --in-flight 64 --load 0.5 --work-dir /var/tmp
  bongsu bench displays --displays 200 --work-dir /var/tmp
  bongsu bench idle --protocol switchboard --sessions 5000
  bongsu bench echo --tcp 127.0.0.1:12345 --pid 4711 --data-dir bongsu-data")]
pub(super) struct Bench {
    /// What is measured: fanout, rooms, echo, idle, connect, posts, commands or displays.
    #[arg(value_parser = |text: &str| text.parse::<Scenario>().map_err(|error| error.to_string()))]
    scenario: Scenario,
    /// What the simulated users or devices speak [default: action; device-json for commands, switchboard for displays].
    #[arg(long, value_parser = |text: &str| text.parse::<Protocol>().map_err(|error| error.to_string()))]
    protocol: Option<Protocol>,
    /// Members of each room [default: 1000 for fanout, else 10].
    #[arg(long, value_name = "N")]
    members: Option<usize>,
    /// Rooms, for rooms [default: 1000].
    #[arg(long, value_name = "N")]
    rooms: Option<usize>,
    /// Sessions, for idle and connect [default: 5000].
    #[arg(long, value_name = "N")]
    sessions: Option<usize>,
    /// Displays, for displays [default: 200].
    #[arg(long, value_name = "N")]
    displays: Option<usize>,
    /// Displays that know only the guide, as --protocol switchboard-guide.
    #[arg(long, conflicts_with = "protocol")]
    guide: bool,
    /// Bytes of a message's text [default: 300].
    #[arg(long, value_name = "BYTES")]
    payload: Option<usize>,
    /// Messages (or connections, or posters) in flight; several, with commas, make several steps.
    #[arg(long, value_name = "N,…", value_delimiter = ',')]
    in_flight: Vec<usize>,
    /// Messages a second instead of as many as go, for delivery times below saturation.
    #[arg(long, value_name = "PER_SECOND")]
    rate: Option<f64>,
    /// This share of what the slower of server and floor gets through with the most in flight, which is measured first:
    /// both then get the same number of messages a second. 0.5 is half load.
    #[arg(long, value_name = "SHARE", conflicts_with = "rate")]
    load: Option<f64>,
    /// Seconds of each step [default: 3].
    #[arg(long)]
    seconds: Option<f64>,
    /// Messages or requests of each step instead of seconds.
    #[arg(long, value_name = "N")]
    messages: Option<u64>,
    /// How often server and floor take turns; medians are shown [default: 3].
    #[arg(long, value_name = "N")]
    rounds: Option<usize>,
    /// Servers of others that take their turn in every round (fanout, rooms, echo, idle): node-socketio, Node's own
    /// Socket.IO server. `make peers` installs them.
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    beside: Vec<String>,
    /// Where those are installed [default: the folder `peers` beside that of this program].
    #[arg(long, value_name = "DIR", requires = "beside")]
    peers_dir: Option<PathBuf>,
    /// Where data goes: on the disk whose durability is measured [default: the system's folder for temporary files].
    #[arg(long, value_name = "DIR")]
    work_dir: Option<PathBuf>,
    /// A running server's TCP address, instead of a server of the bench's own.
    #[arg(long, value_name = "ADDR", requires_all = ["pid", "data_dir"])]
    tcp: Option<SocketAddr>,
    /// That server's HTTP address, where rooms are made and WebSockets are opened.
    #[arg(long, value_name = "ADDR", requires = "tcp")]
    http: Option<SocketAddr>,
    /// That server's process.
    #[arg(long, requires = "tcp")]
    pid: Option<u32>,
    /// That server's data folder, for its key.
    #[arg(long, value_name = "DIR", requires = "tcp")]
    data_dir: Option<PathBuf>,
    /// One JSON object instead of a table.
    #[arg(long)]
    json: bool,
    /// Flags for the bench's own server, behind `--`.
    #[arg(last = true, value_name = "SERVE FLAGS", conflicts_with = "tcp")]
    serve: Vec<String>,
}

impl Bench {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let exe = std::env::current_exe().context("the path of this program is not known")?;
        let target = match (self.tcp, self.pid) {
            (Some(tcp), Some(pid)) => Target::External {
                tcp,
                http: self.http,
                pid,
            },
            (Some(_) | None, _) => Target::Child {
                exe: exe.clone(),
                extra_args: self.serve,
                extra_config: String::new(),
            },
        };
        let floor = Program {
            exe,
            args: vec!["bench-floor".into()],
        };
        let peers_dir = match self.peers_dir {
            Some(dir) => dir,
            None => {
                beside(&floor.exe).context("where peers are installed is not known: --peers-dir names it")?
            }
        };
        let mut options = Options::new(self.scenario, target, floor);
        let guide = self.guide.then_some(Protocol::SwitchboardGuide);
        set(&mut options.protocol, self.protocol.or(guide));
        for name in &self.beside {
            options
                .peers
                .push(Peer::installed(name, &peers_dir, options.protocol)?);
        }
        set(&mut options.members, self.members);
        set(&mut options.rooms, self.rooms);
        set(&mut options.sessions, self.sessions);
        set(&mut options.displays, self.displays);
        if self.scenario == Scenario::Displays {
            // One program at a time, and one on every display.
            options.in_flight = vec![1, options.displays];
        }
        set(&mut options.payload_bytes, self.payload);
        set(&mut options.seconds, self.seconds);
        options.rate = self.rate;
        options.load = self.load;
        options.messages = self.messages;
        set(&mut options.rounds, self.rounds);
        set(&mut options.work_dir, self.work_dir);
        if !self.in_flight.is_empty() {
            options.in_flight = self.in_flight;
        }
        let report = bongsu_bench::run(&options, &DataFolder(self.data_dir))?;
        super::say(&if self.json {
            report.json().to_string()
        } else {
            report.to_string()
        });
        Ok(())
    }
}

/// `target/peers` for `target/release/bongsu`.
fn beside(exe: &Path) -> Option<PathBuf> {
    Some(exe.parent()?.parent()?.join("peers"))
}

fn set<T>(option: &mut T, given: Option<T>) {
    if let Some(given) = given {
        *option = given;
    }
}

/// The key of a data folder: the child's, or the one that was named.
struct DataFolder(Option<PathBuf>);

impl Keys for DataFolder {
    fn open(&self, data_dir: Option<&Path>) -> Result<Box<dyn bongsu_bench::Signer>, Fault> {
        let folder = data_dir
            .or(self.0.as_deref())
            .ok_or("the server's data folder is needed for its key")?;
        let signer = Signer::load(folder)?;
        let verifier = Verifier::load(TokenSettings::default(), Some(&signer), &Limits::DEFAULT)?;
        Ok(Box::new(Minted { signer, verifier }))
    }
}

struct Minted {
    signer: Signer,
    verifier: Arc<Verifier>,
}

impl bongsu_bench::Signer for Minted {
    fn mint(&self, subject: i64, role: Role) -> Result<String, Fault> {
        let request = MintRequest {
            sub: subject.to_string(),
            role,
            ttl_ms: 4 * 3_600_000,
            ..MintRequest::default()
        };
        Ok(self.signer.mint(&request, SystemClock.now()))
    }

    fn verify_once(&self, token: &str) -> Result<(), Fault> {
        self.verifier.verify(token, SystemClock.now())?;
        Ok(())
    }
}
