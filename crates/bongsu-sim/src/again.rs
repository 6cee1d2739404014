//! Sessions that are taken up again: what clients and servers of a simulation say to each other of it.
//!
//! None of the simulated protocols has words for it, so it travels beside them: what is asked in the model's own type,
//! what is answered in a line before the greeting. Invariant: a client knows only what such a line says.

use bongsu_model::{Encode, Fatal, Incoming, Notice, Recover, Refusal, Reply, Request, Tag};
use bongsu_node::{Dialect, Setting};
use bytes::Bytes;

use crate::defect::Defect;
use crate::dialect;
use crate::tongue::Tongue;

/// What a client remembers of its session.
#[derive(Clone, Debug, Default)]
pub(crate) struct Memory {
    /// The name that it was given last.
    pub(crate) pid: Option<String>,
    /// The name that its greeting is to confirm: who is gone before that knows nothing of a new session.
    pub(crate) given: Option<String>,
    /// The last message that it has seen on any connection, and the one before.
    seen: [Option<(i64, u64)>; 2],
}

impl Memory {
    /// A message was seen.
    pub(crate) fn saw(&mut self, room: i64, seq: u64) {
        self.seen = [Some((room, seq)), self.seen[0]];
    }

    /// What it asks for when it signs in. With a defect it forgets what it has seen last, as a server would whose trail
    /// lacks the last push.
    pub(crate) fn ask(&self, resume: bool, defect: Option<Defect>) -> Recover {
        let Some(pid) = self.pid.as_deref().filter(|_| resume) else {
            return Recover::Fresh;
        };
        let behind = defect == Some(Defect::PushForgotten) && self.seen[1].is_some();
        let seen = self.seen[usize::from(behind)];
        Recover::From {
            pid: pid.into(),
            offset: seen
                .map_or_else(String::new, |(room, seq)| format!("{room}-{seq}"))
                .into(),
        }
    }
}

/// Puts what a client asks for into its sign-in.
pub(crate) fn ask(incoming: &mut [Incoming], recover: &Recover) {
    for one in incoming {
        if let Incoming::Request(asked) = one
            && let Request::Connect(connect) = &mut asked.request
        {
            connect.recovery = recover.clone();
        }
    }
}

/// The dialect of clients that take their sessions up again.
pub(crate) fn dialect(defect: Option<Defect>) -> &'static dyn Dialect {
    if defect == Some(Defect::RecoveredAnyway) {
        &Again { lies: true }
    } else {
        &Again { lies: false }
    }
}

/// The action protocol on a byte stream, with a line before the greeting that says what became of the earlier session.
struct Again {
    /// It says that everything was recovered, whatever was.
    lies: bool,
}

fn lines() -> &'static dyn Dialect {
    dialect::of(Tongue::Lines, None)
}

impl Dialect for Again {
    fn protocol(&self) -> &'static str {
        lines().protocol()
    }

    fn events(&self) -> &dyn Encode {
        lines().events()
    }

    fn reply(&self, tag: &Tag, reply: &Reply, with: Setting<'_>) -> Option<Bytes> {
        let Reply::Connected(standing) = reply else {
            return lines().reply(tag, reply, with);
        };
        let mut standing = standing.clone();
        if self.lies {
            for room in &mut standing.rooms {
                room.recovered = Some(true);
            }
        }
        let recovery = standing.recovery.clone();
        let recovery = recovery.expect("every client asks for it here");
        let (pid, recovered) = (&recovery.pid, recovery.recovered || self.lies);
        let before = format!(
            r#"{{"action":"RECOVERY","timestamp":"","data":{{"pid":"{pid}","recovered":{recovered}}}}}"#
        );
        let said = lines().reply(tag, &Reply::Connected(standing), with)?;
        Some(Bytes::from([before.as_bytes(), b"\n", &said].concat()))
    }

    fn refusal(&self, tag: &Tag, refusal: &Refusal, with: Setting<'_>) -> Bytes {
        lines().refusal(tag, refusal, with)
    }

    fn notice(&self, notice: &Notice, with: Setting<'_>) -> Bytes {
        lines().notice(notice, with)
    }

    fn broken_off(&self, fatal: &Fatal, signed_in: bool, with: Setting<'_>) -> Bytes {
        lines().broken_off(fatal, signed_in, with)
    }

    fn ping(&self, with: Setting<'_>) -> Option<Bytes> {
        lines().ping(with)
    }
}
