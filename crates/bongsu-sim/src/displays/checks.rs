//! What must hold of everything that was seen in a world of displays, and what must have come about in the end.
//!
//! Invariant: the checks know nothing of how nodes, desks or stores work, only what was seen.

use std::collections::{BTreeMap, BTreeSet};

use bongsu_model::device::{Command, CommandId, CommandState, ConnectionEpoch, DeviceId};
use bongsu_model::{Code, Limits, Timestamp};

use super::ledger::{Claim, Kind, Ledger, Saw, call_of_command};

/// How long a node may take over things beside, in milliseconds: its store answers late.
const SLACK_MS: u64 = 500;
/// How late a word between nodes may come, in milliseconds.
const BUS_MS: u64 = 800;
/// How often a name is looked at again for one who claims it.
const TRIES: u64 = 3;
const PROBE_MS: u64 = Limits::DEFAULT.display_probe_ms;

/// Something that must not be.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Violation {
    /// A display lost its name though it had answered.
    #[error("link {then} was let in as {name} though link {holder} had answered in time")]
    Displaced {
        /// Which name.
        name: DeviceId,
        /// Who had it.
        holder: usize,
        /// Who has it.
        then: usize,
    },
    /// A display was refused a name that nobody has.
    #[error("link {link} was refused {name}, and nobody is there")]
    Unjust {
        /// Which name.
        name: DeviceId,
        /// Who claimed it.
        link: usize,
    },
    /// A display was not told in time whether it is let in.
    #[error("link {link} waits to be let in")]
    Untold {
        /// Which.
        link: usize,
    },
    /// What was asked for when a later session had begun was told to an earlier one.
    #[error("command {command} was told to epoch {told} when {now} had the name")]
    Elsewhere {
        /// Which.
        command: CommandId,
        /// Who was told.
        told: ConnectionEpoch,
        /// Who had the name.
        now: ConnectionEpoch,
    },
    /// A program was begun twice.
    #[error("command {command} was begun twice")]
    BegunTwice {
        /// By which command.
        command: CommandId,
    },
    /// A display that knows no command again was told one twice.
    #[error("command {command} was told twice to one that cannot know")]
    ToldTwice {
        /// Which.
        command: CommandId,
    },
    /// Something began before all that were asked were prepared.
    #[error("call {call} has begun, and {name} was not prepared")]
    Unprepared {
        /// For which call.
        call: usize,
        /// Who was not.
        name: DeviceId,
    },
    /// A program was begun before its time.
    #[error("{name} began for call {call} before it was to")]
    Early {
        /// For which call.
        call: usize,
        /// Who.
        name: DeviceId,
    },
    /// A display that knows no barrier was told before the others were to start.
    #[error("{name} was told for call {call} before the others were to start")]
    GuideFirst {
        /// For which call.
        call: usize,
        /// Who.
        name: DeviceId,
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
    /// A program is said to have ended, and has not.
    #[error("command {command} is {state:?}, and its program runs")]
    Runs {
        /// Which.
        command: CommandId,
        /// How it is said to have ended.
        state: CommandState,
    },
    /// A command is said not to have been carried out, and was.
    #[error("command {command} is {state:?}, and was begun")]
    Untrue {
        /// Which.
        command: CommandId,
        /// How it ended.
        state: CommandState,
    },
    /// A command has not ended.
    #[error("command {command} is {state:?} for ever")]
    Open {
        /// Which.
        command: CommandId,
        /// Where it is.
        state: CommandState,
    },
    /// A caller was never answered.
    #[error("call {call} waits for ever")]
    Unanswered {
        /// Which.
        call: usize,
    },
    /// A name is nobody's in the end.
    #[error("nobody is {name}")]
    Nobody {
        /// Which name.
        name: DeviceId,
    },
}

/// What must hold at every moment.
///
/// # Errors
/// The first thing that does not.
pub fn always(ledger: &Ledger) -> Result<(), Violation> {
    if !ledger.deaf {
        // What a node does not hear of who is there it cannot go by.
        displaced(ledger)?;
    }
    unjust(ledger)?;
    elsewhere(ledger)?;
    untold(ledger)?;
    twice(ledger)?;
    starts(ledger)?;
    barriers(ledger)?;
    ends(ledger)
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
    let mut waiting = BTreeSet::new();
    let mut here: BTreeMap<usize, &DeviceId> = BTreeMap::new();
    let links = ledger.links();
    for seen in &ledger.seen {
        match &seen.saw {
            Saw::Asked { call, .. } => {
                waiting.insert(*call);
            }
            Saw::Answered { call, .. } | Saw::HungUp { call } => {
                waiting.remove(call);
            }
            Saw::LetIn { link, .. } => {
                here.insert(*link, links[link].name);
            }
            Saw::Over { link } => {
                here.remove(link);
            }
            Saw::Claimed { .. }
            | Saw::Refused { .. }
            | Saw::Alive { .. }
            | Saw::Stalled { .. }
            | Saw::Told { .. }
            | Saw::Prepared { .. }
            | Saw::Began { .. }
            | Saw::Finished { .. } => {}
        }
    }
    if let Some(call) = waiting.first() {
        return Err(Violation::Unanswered { call: *call });
    }
    let there: BTreeSet<_> = here.values().copied().collect();
    match ledger.expected.iter().find(|name| !there.contains(name)) {
        Some(name) => Err(Violation::Nobody { name: name.clone() }),
        None => Ok(()),
    }
}

/// Who has answered in the time in which another was let in was asked, and keeps its name.
fn displaced(ledger: &Ledger) -> Result<(), Violation> {
    let links = ledger.links();
    let mut holders: BTreeMap<&DeviceId, usize> = BTreeMap::new();
    let mut answered: BTreeMap<usize, Vec<Timestamp>> = BTreeMap::new();
    let mut out = BTreeSet::new();
    for seen in &ledger.seen {
        match &seen.saw {
            Saw::Alive { link } => answered.entry(*link).or_default().push(seen.at),
            // Who does not read is not asked, whatever it says.
            Saw::Over { link } | Saw::Stalled { link } => {
                out.insert(*link);
            }
            Saw::LetIn { link, .. } => {
                let name = links[link].name;
                let before = holders.insert(name, *link).filter(|before| !out.contains(before));
                // It was asked that long ago or a little longer; what it said at the very end may have come too late.
                let in_time = |at: &Timestamp| {
                    let ago = seen.at.ms_since(*at);
                    ago < PROBE_MS && ago > SLACK_MS
                };
                if let Some(holder) = before
                    && answered.get(&holder).is_some_and(|all| all.iter().any(in_time))
                {
                    return Err(Violation::Displaced {
                        name: name.clone(),
                        holder,
                        then: *link,
                    });
                }
            }
            Saw::Claimed { .. }
            | Saw::Refused { .. }
            | Saw::Told { .. }
            | Saw::Prepared { .. }
            | Saw::Began { .. }
            | Saw::Finished { .. }
            | Saw::Asked { .. }
            | Saw::Answered { .. }
            | Saw::HungUp { .. } => {}
        }
    }
    Ok(())
}

/// A name is refused only while somebody shows that it is there, or while others claim it, too.
fn unjust(ledger: &Ledger) -> Result<(), Violation> {
    let links = ledger.links();
    for seen in &ledger.seen {
        let Saw::Refused {
            link,
            code: Code::NameTaken,
        } = &seen.saw
        else {
            continue;
        };
        let (name, claimed) = (links[link].name, links[link].at);
        let from = Timestamp(claimed.0.saturating_sub_unsigned(BUS_MS));
        let since = |at: Timestamp| at >= from && at <= seen.at;
        let there = ledger.seen.iter().any(|other| match &other.saw {
            Saw::Alive { link } | Saw::LetIn { link, .. } => links[link].name == name && since(other.at),
            // Who claims it at the same time may have it by now, even if it is gone before it is told.
            Saw::Claimed {
                link: rival,
                name: theirs,
                ..
            } => {
                let asked_ms = TRIES * PROBE_MS + SLACK_MS;
                let near = other.at <= seen.at && claimed.ms_since(other.at) <= asked_ms;
                rival != link && theirs == name && near && !was_told(ledger, *rival, claimed)
            }
            Saw::Refused { .. }
            | Saw::Stalled { .. }
            | Saw::Over { .. }
            | Saw::Told { .. }
            | Saw::Prepared { .. }
            | Saw::Began { .. }
            | Saw::Finished { .. }
            | Saw::Asked { .. }
            | Saw::Answered { .. }
            | Saw::HungUp { .. } => false,
        });
        if !there {
            let (name, link) = (name.clone(), *link);
            return Err(Violation::Unjust { name, link });
        }
    }
    Ok(())
}

/// Whether it was known of a link by then whether it is let in.
fn was_told(ledger: &Ledger, link: usize, by: Timestamp) -> bool {
    ledger.seen.iter().take_while(|seen| seen.at < by).any(|seen| {
        matches!(&seen.saw, Saw::LetIn { link: it, .. } | Saw::Refused { link: it, .. } if *it == link)
    })
}

/// Who claims a name is told in time whether it has it: within the time of one question if nobody else claims it.
fn untold(ledger: &Ledger) -> Result<(), Violation> {
    let mut claims: BTreeMap<usize, Timestamp> = BTreeMap::new();
    let late = |since: Timestamp, at: Timestamp| at.ms_since(since) > TRIES * (PROBE_MS + SLACK_MS);
    for seen in &ledger.seen {
        match &seen.saw {
            Saw::Claimed { link, .. } => {
                claims.insert(*link, seen.at);
            }
            Saw::LetIn { link, .. } | Saw::Refused { link, .. } | Saw::Over { link } => {
                let since = claims.remove(link);
                if since.is_some_and(|since| late(since, seen.at)) {
                    return Err(Violation::Untold { link: *link });
                }
            }
            Saw::Alive { .. }
            | Saw::Stalled { .. }
            | Saw::Told { .. }
            | Saw::Prepared { .. }
            | Saw::Began { .. }
            | Saw::Finished { .. }
            | Saw::Asked { .. }
            | Saw::Answered { .. }
            | Saw::HungUp { .. } => {}
        }
    }
    let waits = claims.iter().find(|(_, since)| late(**since, ledger.until));
    waits.map_or(Ok(()), |(link, _)| Err(Violation::Untold { link: *link }))
}

/// What is asked for goes to the session that has the name then, or to a later one.
fn elsewhere(ledger: &Ledger) -> Result<(), Violation> {
    let links = ledger.links();
    let asked: BTreeMap<CommandId, &Command> = ledger.commands.iter().map(|it| (it.id, it)).collect();
    let mut begun: BTreeMap<&DeviceId, Vec<(Timestamp, ConnectionEpoch)>> = BTreeMap::new();
    for seen in &ledger.seen {
        match &seen.saw {
            Saw::LetIn { link, epoch } => {
                begun.entry(links[link].name).or_default().push((seen.at, *epoch));
            }
            Saw::Told {
                link,
                epoch: told,
                command,
                ..
            } => {
                let at = asked.get(command).map_or(Timestamp(0), |command| command.at);
                let sessions = begun.get(links[link].name).into_iter().flatten();
                let mut later = sessions.filter(|(since, epoch)| epoch > told && *since < at);
                if let Some((_, now)) = later.next_back() {
                    return Err(Violation::Elsewhere {
                        command: *command,
                        told: *told,
                        now: *now,
                    });
                }
            }
            Saw::Claimed { .. }
            | Saw::Refused { .. }
            | Saw::Alive { .. }
            | Saw::Stalled { .. }
            | Saw::Over { .. }
            | Saw::Prepared { .. }
            | Saw::Began { .. }
            | Saw::Finished { .. }
            | Saw::Asked { .. }
            | Saw::Answered { .. }
            | Saw::HungUp { .. } => {}
        }
    }
    Ok(())
}

/// Nothing is begun twice, and who would not know it is told nothing twice.
fn twice(ledger: &Ledger) -> Result<(), Violation> {
    let links = ledger.links();
    // By command, whether one of those that were told would not know it again.
    let mut told: BTreeMap<CommandId, bool> = BTreeMap::new();
    let mut begun = BTreeSet::new();
    for seen in &ledger.seen {
        if let Saw::Told { link, command, .. } = &seen.saw {
            let guide = links[link].kind == Kind::Guide;
            let before = told.insert(*command, guide);
            if before.is_some_and(|forgotten| forgotten || guide) {
                return Err(Violation::ToldTwice { command: *command });
            }
        }
        if let Saw::Began { command, .. } = &seen.saw
            && !begun.insert(*command)
        {
            return Err(Violation::BegunTwice { command: *command });
        }
    }
    Ok(())
}

/// Behind a barrier nothing begins unless everybody who was asked was prepared before.
fn barriers(ledger: &Ledger) -> Result<(), Violation> {
    let links = ledger.links();
    let mut here: BTreeMap<&DeviceId, usize> = BTreeMap::new();
    // What must be prepared for which call, and what is.
    let mut wanted: BTreeMap<usize, BTreeMap<DeviceId, usize>> = BTreeMap::new();
    let mut prepared = BTreeSet::new();
    for seen in &ledger.seen {
        match &seen.saw {
            Saw::LetIn { link, .. } => {
                here.insert(links[link].name, *link);
            }
            Saw::Over { link } => {
                here.retain(|_, it| it != link);
                // Whoever is gone may have been gone when it was looked for.
                wanted
                    .values_mut()
                    .for_each(|names| names.retain(|_, it| it != link));
            }
            Saw::Asked {
                call,
                barrier: true,
                names,
                ..
            } => {
                let asked = wanted.entry(*call).or_default();
                for link in here.values() {
                    let Claim { name, kind, .. } = links[link];
                    if kind == Kind::Barrier && names.contains(name) {
                        asked.insert(name.clone(), *link);
                    }
                }
            }
            Saw::Prepared { name, call } => {
                prepared.insert((name, *call));
            }
            Saw::Began { call, .. } => {
                let asked = wanted.get(call).into_iter().flatten();
                let mut missing = asked.filter(|(name, _)| !prepared.contains(&(*name, *call)));
                if let Some((name, _)) = missing.next() {
                    let (call, name) = (*call, name.clone());
                    return Err(Violation::Unprepared { call, name });
                }
            }
            Saw::Claimed { .. }
            | Saw::Refused { .. }
            | Saw::Alive { .. }
            | Saw::Stalled { .. }
            | Saw::Told { .. }
            | Saw::Finished { .. }
            | Saw::Asked { .. }
            | Saw::Answered { .. }
            | Saw::HungUp { .. } => {}
        }
    }
    answers(ledger)
}

/// If one of those that were asked to prepare did not say that it is, nobody is told to run anything.
fn answers(ledger: &Ledger) -> Result<(), Violation> {
    let mut behind = BTreeSet::new();
    for seen in &ledger.seen {
        if let Saw::Asked {
            call, barrier: true, ..
        } = &seen.saw
        {
            behind.insert(*call);
        }
    }
    let of_calls = || {
        let all = ledger.commands.iter();
        all.filter_map(|it| Some((it, call_of_command(it)?)))
            .filter(|(_, (call, _))| behind.contains(call))
    };
    let runs: BTreeSet<usize> = of_calls()
        .filter(|(it, (_, runs))| *runs && it.state != CommandState::Offline)
        .map(|(_, (call, _))| call)
        .collect();
    for (command, (call, is_run)) in of_calls() {
        if !is_run && command.state != CommandState::Succeeded && runs.contains(&call) {
            let name = command.device.clone();
            return Err(Violation::Unprepared { call, name });
        }
    }
    Ok(())
}

/// Nothing begins before it is to, and who knows no barrier is told when the others are to start.
fn starts(ledger: &Ledger) -> Result<(), Violation> {
    let links = ledger.links();
    let mut behind = BTreeSet::new();
    // The guide displays that were told for a call.
    let mut told: BTreeMap<usize, Vec<(Timestamp, &DeviceId)>> = BTreeMap::new();
    let mut starts: BTreeMap<usize, Timestamp> = BTreeMap::new();
    for seen in &ledger.seen {
        match &seen.saw {
            Saw::Asked {
                call, barrier: true, ..
            } => {
                behind.insert(*call);
            }
            Saw::Told {
                link,
                runs: true,
                call,
                start_at,
                ..
            } if behind.contains(call) => {
                let name = links[link].name;
                match start_at {
                    Some(at) => {
                        starts.insert(*call, *at);
                    }
                    None => told.entry(*call).or_default().push((seen.at, name)),
                }
            }
            Saw::Began {
                name,
                call,
                start_at: Some(start),
                ..
            } if seen.at < *start => {
                let (call, name) = (*call, name.clone());
                return Err(Violation::Early { call, name });
            }
            Saw::Claimed { .. }
            | Saw::LetIn { .. }
            | Saw::Refused { .. }
            | Saw::Alive { .. }
            | Saw::Stalled { .. }
            | Saw::Over { .. }
            | Saw::Told { .. }
            | Saw::Prepared { .. }
            | Saw::Began { .. }
            | Saw::Finished { .. }
            | Saw::Asked { .. }
            | Saw::Answered { .. }
            | Saw::HungUp { .. } => {}
        }
    }
    for (call, start) in starts {
        let early = told.get(&call).into_iter().flatten().find(|(at, _)| *at < start);
        if let Some((_, name)) = early {
            let name = DeviceId::clone(name);
            return Err(Violation::GuideFirst { call, name });
        }
    }
    Ok(())
}

/// How a command ended is how it has ended, for whoever is told; and what was not done was not.
fn ends(ledger: &Ledger) -> Result<(), Violation> {
    let last: BTreeMap<_, _> = ledger.commands.iter().map(|it| (it.id, it.state)).collect();
    let mut finished = BTreeMap::new();
    for seen in &ledger.seen {
        if let Saw::Finished { command } = &seen.saw {
            finished.insert(*command, seen.at);
        }
    }
    for it in &ledger.commands {
        let is_run = call_of_command(it).is_some_and(|(_, runs)| runs);
        let over = matches!(it.state, CommandState::Succeeded | CommandState::Failed);
        let was = finished.get(&it.id).is_some_and(|at| *at <= it.since);
        // Of what another did who follows knows nothing.
        if is_run && over && !was && !ledger.mixed {
            let (command, state) = (it.id, it.state);
            return Err(Violation::Runs { command, state });
        }
    }
    for seen in &ledger.seen {
        if let Saw::Answered { commands, .. } = &seen.saw {
            for (command, state) in commands {
                let then = last.get(command).copied().unwrap_or(CommandState::Accepted);
                if state.is_terminal() && *state != then {
                    return Err(Violation::EndedTwice {
                        command: *command,
                        first: *state,
                        then,
                    });
                }
            }
        }
        if let Saw::Began { command, .. } = &seen.saw {
            let state = last.get(command).copied().unwrap_or(CommandState::Accepted);
            let never = [
                CommandState::Expired,
                CommandState::Offline,
                CommandState::Rejected,
            ];
            if never.contains(&state) {
                let command = *command;
                return Err(Violation::Untrue { command, state });
            }
        }
    }
    Ok(())
}
