//! What must hold of everything that was seen in a world of devices, and what must have come about in the end.
//!
//! Invariant: the checks know nothing of how nodes, desks or stores work, only what was seen.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bongsu_model::Timestamp;
use bongsu_model::device::{
    AtLapse, Command, CommandId, CommandState, ConnectionEpoch, DeviceId, Fence, Lease, Note, Value,
};

use super::clock::NODE_OFF_MS;
use super::ledger::{Ledger, Saw};

/// Something that must not be.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Violation {
    /// A device did something twice.
    #[error("command {command} was begun twice")]
    Twice {
        /// What.
        command: CommandId,
    },
    /// A device did something too late.
    #[error("command {command} was begun {late_ms} ms after its deadline")]
    Late {
        /// What.
        command: CommandId,
        /// By how much.
        late_ms: i64,
    },
    /// A device followed a frame of a session that was over.
    #[error("command {command} was begun by a frame of epoch {frame} in epoch {now}")]
    OldFrame {
        /// What.
        command: CommandId,
        /// The frame's epoch.
        frame: ConnectionEpoch,
        /// The device's.
        now: ConnectionEpoch,
    },
    /// What a device said in one session was taken for its word in another.
    #[error("command {command} ended by a word of epoch {said}, taken in epoch {taken}")]
    OldWord {
        /// Which.
        command: CommandId,
        /// Where it was said.
        said: i64,
        /// Where it was taken.
        taken: i64,
    },
    /// What an older session says was kept after a newer one had spoken.
    #[error("epoch {older} was kept of command {command} after epoch {newer}")]
    Epochs {
        /// Which.
        command: CommandId,
        /// What came first.
        newer: i64,
        /// What came after.
        older: i64,
    },
    /// A command was sent on a session when its device had a later one before it was asked for.
    #[error("command {command} was sent in epoch {sent}, after epoch {now} had begun")]
    Elsewhere {
        /// Which.
        command: CommandId,
        /// On which session.
        sent: ConnectionEpoch,
        /// On which the device was already.
        now: ConnectionEpoch,
    },
    /// A command that had ended was sent again and again.
    #[error("command {command} was sent again after its end")]
    SentAfterEnd {
        /// Which.
        command: CommandId,
    },
    /// A command ended twice.
    #[error("command {command} ended as {first:?} and as {then:?}")]
    EndedTwice {
        /// Which.
        command: CommandId,
        /// First.
        first: CommandState,
        /// Then.
        then: CommandState,
    },
    /// A command is said not to have been carried out, and was; or the other way round.
    #[error("command {command} is {state:?}, and was begun: {begun}")]
    Untrue {
        /// Which.
        command: CommandId,
        /// How it ended.
        state: CommandState,
        /// Whether a device began it.
        begun: bool,
    },
    /// A caller was answered with a command that it did not ask for.
    #[error("caller {caller} asked for another thing than command {command}")]
    Another {
        /// Which caller.
        caller: usize,
        /// What it was answered.
        command: CommandId,
    },
    /// One key of one caller was two commands.
    #[error("commands {first} and {then} are of one key")]
    TwoOfAKey {
        /// One.
        first: CommandId,
        /// The other.
        then: CommandId,
    },
    /// Two operators had a device at the same time.
    #[error("{device} was given to {then} while {first} had it")]
    TwoHolders {
        /// Which device.
        device: DeviceId,
        /// Who had it.
        first: Arc<str>,
        /// Who was given it.
        then: Arc<str>,
    },
    /// A command has not ended.
    #[error("command {command} is {state:?} for ever")]
    Open {
        /// Which.
        command: CommandId,
        /// Where it is.
        state: CommandState,
    },
    /// A wish that came with a command is left when the command has ended.
    #[error("{device} is still to have what command {command} wished")]
    Wish {
        /// Whose.
        device: DeviceId,
        /// Of which command.
        command: CommandId,
    },
    /// What a lapsed lease wanted sent was sent more than once, or not at all.
    #[error("what the lease of {device} wanted sent was sent {times} times")]
    Lapse {
        /// Whose.
        device: DeviceId,
        /// How often.
        times: usize,
    },
    /// A caller was never answered.
    #[error("caller {caller} waits for ever")]
    Unanswered {
        /// Which.
        caller: usize,
    },
}

/// What must hold at every moment.
///
/// # Errors
/// The first thing that does not.
pub fn always(ledger: &Ledger) -> Result<(), Violation> {
    begins(ledger)?;
    truths(ledger)?;
    sends(ledger)?;
    elsewhere(ledger)?;
    ends(ledger)?;
    answers(ledger)?;
    leases(ledger)?;
    ledger.commands.iter().try_for_each(history)
}

/// What must have come about when the last fault is long over.
///
/// # Errors
/// The first thing that has not.
pub fn eventually(ledger: &Ledger) -> Result<(), Violation> {
    if let Some(open) = ledger.commands.iter().find(|command| command.state.is_open()) {
        return Err(Violation::Open {
            command: open.id,
            state: open.state,
        });
    }
    for (device, shadow) in &ledger.shadows {
        if let Some(command) = shadow.desired.values().find_map(|desired| desired.command) {
            let device = device.clone();
            return Err(Violation::Wish { device, command });
        }
    }
    lapses(ledger)?;
    let mut waiting = BTreeSet::new();
    for seen in &ledger.seen {
        match &seen.saw {
            Saw::Asked { caller, .. } => {
                waiting.insert(*caller);
            }
            Saw::Answered { caller, .. } | Saw::Refused { caller, .. } | Saw::HungUp { caller } => {
                waiting.remove(caller);
            }
            Saw::Started { .. }
            | Saw::Sent { .. }
            | Saw::Leased(_)
            | Saw::Released { .. }
            | Saw::Ended { .. } => {}
        }
    }
    waiting
        .first()
        .map_or(Ok(()), |caller| Err(Violation::Unanswered { caller: *caller }))
}

/// No device begins anything twice, too late, or because a connection that is over says so.
fn begins(ledger: &Ledger) -> Result<(), Violation> {
    let mut begun = BTreeSet::new();
    for seen in &ledger.seen {
        let Saw::Started {
            command,
            deadline,
            epoch: (frame, now),
            ..
        } = seen.saw
        else {
            continue;
        };
        if !begun.insert(command) {
            return Err(Violation::Twice { command });
        }
        // The deadline is by the clock of the node that took the command on, the device's time by another's.
        let late_ms = seen.at.0 - deadline.0;
        if late_ms > 2 * NODE_OFF_MS {
            return Err(Violation::Late { command, late_ms });
        }
        if frame < now {
            return Err(Violation::OldFrame { command, frame, now });
        }
    }
    Ok(())
}

/// A command that has ended is not sent any more; a session that did not know finds out by sending it once.
fn sends(ledger: &Ledger) -> Result<(), Violation> {
    let mut sent = BTreeSet::new();
    for seen in &ledger.seen {
        let Saw::Sent {
            command,
            epoch,
            ended: true,
            overtaken,
        } = seen.saw
        else {
            continue;
        };
        if !sent.insert((command, epoch)) || overtaken {
            return Err(Violation::SentAfterEnd { command });
        }
    }
    Ok(())
}

/// What is asked for goes to the session that the device has then, or to a later one.
fn elsewhere(ledger: &Ledger) -> Result<(), Violation> {
    let asked: BTreeMap<CommandId, &Command> = ledger.commands.iter().map(|it| (it.id, it)).collect();
    // The last epoch of a device, and since when it is known, as far as something was sent under it.
    let mut begun: BTreeMap<&DeviceId, Vec<(Timestamp, ConnectionEpoch)>> = BTreeMap::new();
    for seen in &ledger.seen {
        let Saw::Sent { command, epoch, .. } = seen.saw else {
            continue;
        };
        let Some(it) = asked.get(&command) else { continue };
        let sessions = begun.entry(&it.device).or_default();
        // When it was asked for is by the clock of a node.
        let before = Timestamp(it.at.0 - NODE_OFF_MS);
        if let Some((_, now)) = sessions.iter().find(|(at, now)| *now > epoch && *at < before) {
            return Err(Violation::Elsewhere {
                command,
                sent: epoch,
                now: *now,
            });
        }
        if sessions.last().is_none_or(|(_, last)| *last < epoch) {
            sessions.push((seen.at, epoch));
        }
    }
    Ok(())
}

/// How a command ended is how it has ended, for whoever looks or is told.
fn ends(ledger: &Ledger) -> Result<(), Violation> {
    let last: BTreeMap<_, _> = ledger.commands.iter().map(|it| (it.id, it.state)).collect();
    for seen in &ledger.seen {
        let (Saw::Ended { command, state } | Saw::Answered { command, state, .. }) = seen.saw else {
            continue;
        };
        let then = last.get(&command).copied().unwrap_or(CommandState::Accepted);
        if state.is_terminal() && state != then {
            return Err(Violation::EndedTwice {
                command,
                first: state,
                then,
            });
        }
    }
    Ok(())
}

/// What is said to have been done was begun, and what is said not to have been done was not.
fn truths(ledger: &Ledger) -> Result<(), Violation> {
    let begun: BTreeSet<_> = ledger
        .seen
        .iter()
        .filter_map(|seen| match seen.saw {
            Saw::Started { command, .. } => Some(command),
            Saw::Sent { .. }
            | Saw::Asked { .. }
            | Saw::Answered { .. }
            | Saw::Refused { .. }
            | Saw::HungUp { .. }
            | Saw::Leased(_)
            | Saw::Released { .. }
            | Saw::Ended { .. } => None,
        })
        .collect();
    for it in &ledger.commands {
        let begun = begun.contains(&it.id);
        let untrue = match it.state {
            CommandState::Expired | CommandState::Offline | CommandState::Rejected => begun,
            CommandState::Succeeded | CommandState::Failed => !begun,
            CommandState::Superseded => begun && !may_have_left(it),
            CommandState::Accepted
            | CommandState::Routed
            | CommandState::Written
            | CommandState::Received
            | CommandState::InProgress
            | CommandState::TimedOut
            | CommandState::Cancelled => false,
        };
        if untrue {
            return Err(Violation::Untrue {
                command: it.id,
                state: it.state,
                begun,
            });
        }
    }
    Ok(())
}

/// Whether it is said of a superseded command that it may have left on a session that was over.
fn may_have_left(command: &Command) -> bool {
    let superseded = |note: &&Note| note.state == CommandState::Superseded;
    let note = command.history.iter().find(superseded);
    let detail = note.and_then(|note| note.detail.as_ref());
    detail.is_some_and(|detail| detail.split(' ').any(|word| word == "written=maybe"))
}

/// A caller is answered with what it asked for, and under one key always with the same.
fn answers(ledger: &Ledger) -> Result<(), Violation> {
    let mut asked = BTreeMap::new();
    let mut keys: BTreeMap<_, CommandId> = BTreeMap::new();
    for seen in &ledger.seen {
        match &seen.saw {
            Saw::Asked { caller, key, name } => {
                asked.insert(*caller, (key, name));
            }
            Saw::Answered {
                caller,
                command,
                name,
                ..
            } => {
                let Some((key, wanted)) = asked.get(caller) else {
                    continue;
                };
                if *wanted != name {
                    return Err(Violation::Another {
                        caller: *caller,
                        command: *command,
                    });
                }
                if key.1.is_some() {
                    let first = *keys.entry(*key).or_insert(*command);
                    if first != *command {
                        return Err(Violation::TwoOfAKey {
                            first,
                            then: *command,
                        });
                    }
                }
            }
            Saw::Started { .. }
            | Saw::Sent { .. }
            | Saw::Refused { .. }
            | Saw::HungUp { .. }
            | Saw::Leased(_)
            | Saw::Released { .. }
            | Saw::Ended { .. } => {}
        }
    }
    Ok(())
}

/// A device is given to another only when the one who had it had given it back, or had let it lapse.
fn leases(ledger: &Ledger) -> Result<(), Violation> {
    let mut given: BTreeMap<&DeviceId, BTreeMap<Fence, Lease>> = BTreeMap::new();
    let mut released: BTreeSet<(&DeviceId, &Arc<str>)> = BTreeSet::new();
    for seen in &ledger.seen {
        match &seen.saw {
            Saw::Leased(lease) => {
                let of_device = given.entry(&lease.device).or_default();
                let known = of_device.entry(lease.fence).or_insert_with(|| lease.clone());
                if known.holder != lease.holder {
                    return Err(two_holders(known, lease));
                }
                known.expires_at = known.expires_at.max(lease.expires_at);
            }
            Saw::Released { device, holder } => {
                released.insert((device, holder));
            }
            Saw::Started { .. }
            | Saw::Sent { .. }
            | Saw::Asked { .. }
            | Saw::Answered { .. }
            | Saw::Refused { .. }
            | Saw::HungUp { .. }
            | Saw::Ended { .. } => {}
        }
    }
    for (device, leases) in &given {
        let all: Vec<&Lease> = leases.values().collect();
        for pair in all.windows(2) {
            let [first, then] = pair else { continue };
            let given_back = released.contains(&(*device, &first.holder));
            if then.since < first.expires_at && !given_back {
                return Err(two_holders(first, then));
            }
        }
    }
    Ok(())
}

/// What a lapsed lease wants sent is sent once: at most, and for the last lease of a device at least.
fn lapses(ledger: &Ledger) -> Result<(), Violation> {
    let times = |lapse: &AtLapse| {
        let sent = ledger.commands.iter().filter(|it| it.args == lapse.args);
        sent.count()
    };
    let mut released = BTreeSet::new();
    let mut last: BTreeMap<&DeviceId, (Fence, &Arc<str>, Vec<&AtLapse>)> = BTreeMap::new();
    for seen in &ledger.seen {
        match &seen.saw {
            Saw::Leased(lease) => {
                let Some(at_lapse) = &lease.at_lapse else { continue };
                let times = times(at_lapse);
                if times > 1 {
                    let device = lease.device.clone();
                    return Err(Violation::Lapse { device, times });
                }
                let begins = || (lease.fence, &lease.holder, Vec::new());
                let known = last.entry(&lease.device).or_insert_with(begins);
                if known.0 < lease.fence {
                    *known = begins();
                }
                if known.0 == lease.fence {
                    known.2.push(at_lapse);
                }
            }
            Saw::Released { device, holder } => {
                released.insert((device, holder));
            }
            Saw::Started { .. }
            | Saw::Sent { .. }
            | Saw::Asked { .. }
            | Saw::Answered { .. }
            | Saw::Refused { .. }
            | Saw::HungUp { .. }
            | Saw::Ended { .. } => {}
        }
    }
    for (device, (_, holder, asked)) in last {
        // Whoever wanted to give it back may have had its way, and who was never answered may have it now.
        let unknown = ledger.lease_doubts.contains(device) || released.contains(&(device, holder));
        // Of several renewals the store's last one counts.
        if !unknown && asked.iter().all(|at_lapse| times(at_lapse) == 0) {
            let device = device.clone();
            return Err(Violation::Lapse { device, times: 0 });
        }
    }
    Ok(())
}

fn two_holders(first: &Lease, then: &Lease) -> Violation {
    Violation::TwoHolders {
        device: first.device.clone(),
        first: Arc::clone(&first.holder),
        then: Arc::clone(&then.holder),
    }
}

/// No session is heard after a later one has spoken, and a word ends a command only in the session in which it was said.
fn history(command: &Command) -> Result<(), Violation> {
    let epochs = command.history.iter().filter_map(|note| {
        let detail = note.detail.as_ref()?;
        detail
            .split(' ')
            .find_map(|word| word.strip_prefix("epoch=")?.parse::<i64>().ok())
    });
    let mut newest = 0;
    for epoch in epochs {
        if epoch < newest {
            return Err(Violation::Epochs {
                command: command.id,
                newer: newest,
                older: epoch,
            });
        }
        newest = epoch;
    }
    let said = command.result.as_ref().and_then(Value::as_object);
    let said = said.and_then(|result| match result.get("said_in") {
        Some(Value::Number(bongsu_model::device::Number::Int(epoch))) => Some(*epoch),
        Some(_) | None => None,
    });
    match said {
        Some(said) if said != newest => Err(Violation::OldWord {
            command: command.id,
            said,
            taken: newest,
        }),
        Some(_) | None => Ok(()),
    }
}
