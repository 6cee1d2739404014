//! Reads scripts, runs them, writes what came of them; checks what must hold after every line.

use std::collections::BTreeMap;
use std::fmt::Write;

use bongsu_model::device::{
    Command, CommandId, CommandState, ConnectionEpoch, DeviceId, IfOffline, Note, Object, Pace, Status, Step,
    StepKind, Value, Word,
};
use bongsu_model::{Limits, SessionId, Timestamp};

use super::super::*;
use crate::machine::Machine;

pub(super) const START: Timestamp = Timestamp(1_000_000);

pub(super) fn car() -> DeviceId {
    DeviceId::parse("car").unwrap()
}

/// A command as it was accepted.
pub(super) fn command(id: u128, at: Timestamp) -> Command {
    Command {
        id: CommandId(id),
        device: car(),
        name: "beep".into(),
        args: Object::new(),
        target: None,
        pace: Pace::Parallel(8),
        if_offline: IfOffline::Queue,
        by: "kim".into(),
        from: None,
        at,
        deadline: at.plus_ms(5_000),
        execution_ms: 20_000,
        state: CommandState::Accepted,
        since: at,
        epoch: ConnectionEpoch(0),
        result: None,
        error: None,
        late: None,
        history: Vec::new(),
    }
}

struct Script {
    desk: Desk,
    now: Timestamp,
    known: BTreeMap<u128, Command>,
    /// Whether every step is kept at once.
    keeps: bool,
    log: String,
}

pub(super) fn run(text: &str) -> String {
    let limits = Limits {
        commands_open_max: 2,
        ..Limits::DEFAULT
    };
    let mut script = Script {
        desk: Desk::new(DeskRules::from(&limits), "n1".into()),
        now: START,
        known: BTreeMap::new(),
        keeps: true,
        log: String::new(),
    };
    for line in text.lines().map(str::trim) {
        writeln!(script.log, "{line}").unwrap();
        let words: Vec<&str> = line.split(' ').collect();
        match words[0] {
            "know" => script.know(&words),
            "keeps" => script.keeps = words[1] == "at_once",
            "show" => {
                let (open, devices) = (script.desk.open(), script.desk.devices());
                writeln!(script.log, "  {open} open, {devices} devices").unwrap();
            }
            "wait" => {
                let until = script.now.plus_ms(words[1].parse().unwrap());
                while let Some(due) = script.desk.next_deadline().filter(|due| *due <= until) {
                    script.now = due;
                    let mut out = Vec::new();
                    script.desk.handle_deadline(due, &mut out);
                    assert!(script.desk.next_deadline().is_none_or(|next| next > due));
                    script.came(out);
                }
                script.now = until;
            }
            _ => {
                let input = script.input(&words);
                script.handle(input);
            }
        }
    }
    script.log
}

impl Script {
    fn handle(&mut self, input: DeskInput) {
        let mut out = Vec::new();
        self.desk.handle(input, self.now, &mut out);
        self.came(out);
    }

    fn came(&mut self, out: Vec<DeskEffect>) {
        self.desk.assert_sound();
        let ms = self.now.ms_since(START);
        for effect in &out {
            writeln!(self.log, "  {ms}: {}", effect_text(effect)).unwrap();
        }
        for effect in out {
            if let DeskEffect::Keep(Step { command, epoch, .. }) = effect
                && self.keeps
            {
                self.handle(DeskInput::Kept { command, epoch });
            }
        }
    }

    /// `know 1 name=window.set target=window pace=latest ttl=5000 run=20000`: what is unlike the usual.
    fn know(&mut self, words: &[&str]) {
        let id = words[1].parse().unwrap();
        let mut it = command(id, self.now);
        for word in &words[2..] {
            let (key, value) = word.split_once('=').unwrap();
            match key {
                "name" => it.name = value.into(),
                "target" => it.target = Some(value.into()),
                "ttl" => it.deadline = it.at.plus_ms(value.parse().unwrap()),
                "run" => it.execution_ms = value.parse().unwrap(),
                "pace" => {
                    it.pace = match value {
                        "latest" => Pace::LatestWins,
                        "serial" => Pace::Serial,
                        "exclusive" => Pace::Exclusive,
                        count => Pace::Parallel(count.parse().unwrap()),
                    };
                }
                _ => panic!("{key} is not known of commands"),
            }
        }
        self.known.insert(id, it);
    }

    /// `1`, as accepted, or `1:written@6`, with notes of sessions elsewhere `1:routed@6/session=5+session=6/once`.
    fn stored(&self, word: &str) -> Command {
        let (id, place) = word.split_once(':').unwrap_or((word, "accepted@0"));
        let (place, notes) = place.split_once('/').unwrap_or((place, ""));
        let (state, epoch) = place.split_once('@').unwrap();
        let id = id.parse().unwrap();
        let mut it = self
            .known
            .get(&id)
            .cloned()
            .unwrap_or_else(|| command(id, self.now));
        (it.state, it.since) = (CommandState::parse(state).unwrap(), self.now);
        it.epoch = ConnectionEpoch(epoch.parse().unwrap());
        let note = |note: &str| Note {
            state: CommandState::Routed,
            at: self.now,
            node: "elsewhere".into(),
            detail: Some(note.replace('/', " ").into()),
        };
        it.history = notes.split('+').map(note).collect();
        it
    }

    fn input(&self, words: &[&str]) -> DeskInput {
        let option = |name: &str| {
            words
                .iter()
                .find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
        };
        let epoch = words
            .iter()
            .find_map(|word| word.strip_prefix('@'))
            .unwrap_or("7");
        let epoch = ConnectionEpoch(epoch.parse().unwrap());
        let device = option("device").map_or_else(car, |id| DeviceId::parse(id).unwrap());
        let command = || CommandId(words[1].parse().unwrap());
        let list = |name| option(name).into_iter().flat_map(|list| list.split(','));
        match words[0] {
            "on" => DeskInput::Attached {
                device,
                epoch,
                session: SessionId(epoch.0.into()),
                running: list("running").map(|id| CommandId(id.parse().unwrap())).collect(),
                commands: list("list").map(|word| self.stored(word)).collect(),
                pacing: if words.contains(&"acknowledged") {
                    Pacing::Acknowledged
                } else {
                    Pacing::Kernel
                },
                repeats: !words.contains(&"forgetful"),
            },
            "off" => DeskInput::Detached { device, epoch },
            "released" => DeskInput::Released { device, by: epoch },
            "offer" => DeskInput::Offered {
                command: Box::new(self.stored(words[1])),
            },
            "kept" => DeskInput::Kept {
                command: command(),
                epoch,
            },
            "gone" => DeskInput::Gone {
                command: command(),
                epoch,
            },
            "wrote" => DeskInput::Wrote {
                device,
                epoch,
                command: command(),
                attempt: option("attempt").map_or(0, |attempt| attempt.parse().unwrap()),
            },
            "late" => DeskInput::Late {
                device,
                epoch,
                command: command(),
            },
            "unwritten" => DeskInput::Unwritten {
                device,
                epoch,
                command: command(),
            },
            "cancel" => DeskInput::Cancel {
                command: command(),
                by: "kim".into(),
            },
            "word" => DeskInput::Word {
                device,
                epoch,
                word: word(command(), words[2], option("result"), option("error")),
            },
            verb => panic!("{verb} is no verb"),
        }
    }
}

fn word(reply_to: CommandId, status: &str, result: Option<&str>, error: Option<&str>) -> Word {
    let error = error.map(|error| match error.strip_prefix("code:") {
        Some(code) => Object::from([("code".into(), code.into())]).into(),
        None => error.into(),
    });
    Word {
        reply_to,
        status: Status::parse(status).unwrap(),
        result: result.map(Value::text),
        error,
        epoch: None,
    }
}

pub(super) fn effect_text(effect: &DeskEffect) -> String {
    match effect {
        DeskEffect::Keep(step) => {
            let kind = match &step.kind {
                StepKind::Moves => "keep",
                StepKind::Ends(_) => "end",
                StepKind::Late(_) => "late",
            };
            let said = match &step.kind {
                StepKind::Moves => (None, None),
                StepKind::Ends(ends) => (ends.result.as_ref(), ends.error.as_ref()),
                StepKind::Late(late) => (late.result.as_ref(), late.error.as_ref()),
            };
            let mut text = format!(
                "{kind} {} {} @{}",
                step.command.0,
                step.note.state.name(),
                step.epoch
            );
            if let Some(detail) = &step.note.detail {
                let session = format!("session_{:024}", 0);
                write!(
                    text,
                    " ({})",
                    detail.replace(&session, "").replace("=0000000", "=")
                )
                .unwrap();
            }
            for (name, value) in [("result", said.0), ("error", said.1)] {
                if let Some(value) = value {
                    write!(text, " {name}={value}").unwrap();
                }
            }
            text
        }
        DeskEffect::Write { epoch, frame, .. } => {
            format!("write {} @{epoch} attempt={}", frame.command.id.0, frame.attempt)
        }
        DeskEffect::Withdraw { epoch, command, .. } => format!("withdraw {} @{epoch}", command.0),
    }
}
