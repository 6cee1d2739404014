//! The session against scripts: a line is something that happens, and behind it stands what is done and said.
//!
//! Invariant: what is heard and said goes through the codec of the wire, and everything that is said is written at once.

use std::sync::Arc;

use bongsu_model::Timestamp;
use bongsu_model::display::PresetId;
use bongsu_wire::socketio::switchboard::client::{Saying as Where, alive, hear, say};
use expect_test::Expect;

use super::*;

mod commands;
mod connection;
mod walks;

use crate::report::{Code, How, Outcome, Report};

const NAMESPACE: &str = "/switchboard";
/// The commands of a script, `$A` and so on.
const COMMANDS: [(&str, CommandId); 4] = [
    ("$A", CommandId(0x0192_0000_0000_7000_8000_0000_0000_000a)),
    ("$B", CommandId(0x0192_0000_0000_7000_8000_0000_0000_000b)),
    ("$C", CommandId(0x0192_0000_0000_7000_8000_0000_0000_000c)),
    ("$D", CommandId(0x0192_0000_0000_7000_8000_0000_0000_000d)),
];
const REGISTERED: &str = r#"hear registration_success {"clientId":7,"clientName":"Wall_1","epoch":3,"heartbeatMs":30000,"serverTime":"#;

struct Bench {
    session: Session,
    now: Timestamp,
    log: String,
}

/// Runs a script. Its lines:
///
/// `at MS`, `opened`, `closed`, `hear EVENT DATA`, `ack N DATA`, `left`, `report ID WHAT`, `runs ID…`, `stop`,
/// `waiting N`, `rests`, `undone ID`,
/// `register` (all up to a registration with a server that is 1,000 s ahead, and its first heartbeat).
fn check(script: &str, wanted: &Expect) {
    let mut bench = Bench::new();
    for line in script.lines().map(str::trim).filter(|it| !it.is_empty()) {
        bench.line(line);
    }
    wanted.assert_eq(&bench.log);
}

impl Bench {
    fn new() -> Self {
        let who = Identity {
            name: "Wall_1".into(),
            address: None,
            version: "1".into(),
            token: Some("secret".into()),
        };
        Self {
            session: Session::new(who, Timestamp(0)),
            now: Timestamp(0),
            log: String::new(),
        }
    }

    fn line(&mut self, line: &str) {
        if line == "register" {
            let log = std::mem::take(&mut self.log);
            let server = self.now.0 + 1_000_000;
            let at = self.now.0;
            for line in [
                format!("at {at}"),
                "opened".to_owned(),
                "joined".to_owned(),
                format!("{REGISTERED}{server}}}"),
                format!(
                    r#"hear heartbeat_response {{"status":"ok","timestamp":"{}","nextHeartbeatIn":30000}}"#,
                    Timestamp(server)
                ),
            ] {
                self.line(&line);
            }
            let said = std::mem::take(&mut self.log);
            self.log = log + "register\n";
            // Of every registration the same is left out.
            let results = said.lines().filter(|line| line.contains("execution_result"));
            results.for_each(|line| self.note(line.trim()));
            return;
        }
        let shown = line.replace(REGISTERED, "hear registration_success ...");
        self.log.push_str(&format!("{shown}\n"));
        let mut out = Vec::new();
        self.happen(line, &mut out);
        self.work_off(out);
    }

    fn happen(&mut self, line: &str, out: &mut Vec<Effect>) {
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        let (now, chance) = (self.now, 500);
        match verb {
            "at" => {
                self.now = Timestamp(rest.parse().unwrap());
                self.session.tick(self.now, chance, out);
            }
            "opened" => self.session.opened(now),
            "closed" => self.session.closed(now, chance, out),
            "joined" => self.hear(&format!("40{NAMESPACE},{{\"sid\":\"x\"}}"), out),
            "left" => self.hear(&format!("41{NAMESPACE},"), out),
            "ack" => {
                let (number, data) = rest.split_once(' ').unwrap();
                self.hear(&format!("43{NAMESPACE},{number}[{data}]"), out);
            }
            "hear" => {
                let (name, data) = rest.split_once(' ').unwrap();
                self.hear(&format!("42{NAMESPACE},[\"{name}\",{data}]"), out);
            }
            "report" => {
                let (id, what) = rest.split_once(' ').unwrap();
                self.session.reported(report(id, what), out);
            }
            "prepared" => self.session.prepared(id(rest), Some(PresetId(7)), Ok(())),
            "unprepared" => {
                let why = (Code::NotFound, "there is no such program".into());
                self.session.prepared(id(rest), Some(PresetId(7)), Err(why));
            }
            "runs" => {
                let runs = rest.split_whitespace().map(|it| Process {
                    pid: 40,
                    preset: Some(PresetId(7)),
                    command: id(it),
                    uptime_ms: 0,
                });
                self.session.runs(runs.collect(), now);
            }
            "stop" => self.session.stop(),
            "waiting" => self.session.has_waiting(rest.parse().unwrap()),
            "rests" => self.session.rest_hands(),
            "undone" => self.session.undone(&Effect::Stop {
                command: id(rest),
                which: Which::Preset(PresetId(7)),
                grace_ms: None,
                deadline: now,
            }),
            _ => panic!("{line}"),
        }
    }

    fn hear(&mut self, packet: &str, out: &mut Vec<Effect>) {
        let mut packet = packet.to_owned();
        for (name, id) in COMMANDS {
            packet = packet.replace(name, &id.to_string());
        }
        let said = hear(&packet, NAMESPACE).unwrap();
        self.session.heard(said, self.now, 500, out);
    }

    /// What is done and said, until there is nothing more.
    fn work_off(&mut self, mut out: Vec<Effect>) {
        loop {
            for effect in out.drain(..) {
                let text = match effect {
                    Effect::Start(job) => format!(
                        "start {} of {:?}: {} until {}",
                        job.command, job.preset, job.program.line, job.deadline.0
                    ),
                    Effect::Stop {
                        command,
                        which,
                        grace_ms,
                        deadline,
                    } => format!("stop {command}: {which:?} {grace_ms:?} until {}", deadline.0),
                    Effect::Prepare { command, program, .. } => {
                        format!("prepare {command}: {}", program.line)
                    }
                    Effect::Acknowledged(report) => {
                        format!("acknowledged {} {:?}", report.command, report.outcome)
                    }
                    Effect::Dial
                    | Effect::Hang(_)
                    | Effect::CatchUp
                    | Effect::Forget(_)
                    | Effect::Tell(_) => {
                        format!("{effect:?}")
                    }
                };
                self.note(&text);
            }
            let Some(saying) = self.session.next_said(self.now, &mut out) else {
                if out.is_empty() {
                    break;
                }
                continue;
            };
            let text = match saying {
                Saying::Join => "join".to_owned(),
                Saying::Event { said, number, check } => {
                    let at = Where {
                        namespace: "/",
                        ack: number,
                        now: self.now,
                    };
                    let packet = if let FromDisplay::Alive { name } = &said {
                        alive(at, name, check.as_deref())
                    } else {
                        say(at, &said)
                    };
                    let (what, _) = packet[2..].rsplit_once(",\"timestamp\"").unwrap();
                    format!("say {what}")
                }
            };
            self.note(&text);
        }
        let due = self.session.next_deadline(true);
        assert!(
            due.is_none_or(|due| due > self.now) || matches!(self.session.phase, Phase::Resting { .. }),
            "the loop would spin: {due:?} at {:?}",
            self.now
        );
    }

    fn note(&mut self, text: &str) {
        let mut text = text.to_owned();
        for (name, id) in COMMANDS {
            text = text.replace(&id.to_string(), name);
        }
        self.log.push_str(&format!("    {text}\n"));
    }
}

fn id(name: &str) -> CommandId {
    let known = COMMANDS.iter().find(|(it, _)| *it == name);
    known.map_or_else(|| CommandId::parse(name).unwrap(), |(_, id)| *id)
}

fn report(name: &str, what: &str) -> Report {
    let ended = |how, stopped| Outcome::Ended {
        how,
        stopped,
        lasted_ms: 1_500,
    };
    let (what, number) = what.split_once(' ').unwrap_or((what, "0"));
    let number: i32 = number.parse().unwrap();
    Report {
        command: id(name),
        preset: Some(PresetId(7)),
        outcome: match what {
            "starting" => Outcome::Starting,
            "running" => Outcome::Running {
                pid: 40,
                started_at: Timestamp(1_500),
                line: Arc::from("가".repeat(400)),
            },
            "exited" => ended(How::Exited(number), false),
            "killed" => ended(How::Killed(number), false),
            "ended" => ended(How::Killed(number), true),
            "lost" => ended(How::Lost(crate::report::Lost::Reboot), false),
            "unstarted" => Outcome::NotStarted {
                code: Code::NotFound,
                error: "there is no such program".into(),
            },
            "stopped" => Outcome::Stopped {
                programs: number.unsigned_abs().into(),
            },
            _ => panic!("{what}"),
        },
    }
}

const RUN: &str =
    r#"hear execute_command {"clientName":"Wall_1","command":"clock","presetId":7,"commandId":"#;

/// A script in which `RUN` stands for most of an order.
fn run(script: &str, wanted: &Expect) {
    check(&script.replace("RUN", RUN), wanted);
}
