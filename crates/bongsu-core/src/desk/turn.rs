//! Whose turn it is: how commands of one device wait for each other, by their paces.
//!
//! Invariant: a command waits for another only where a pace says so; otherwise whoever was written least goes first, and
//! among equals whoever came first.

use bongsu_model::Timestamp;
use bongsu_model::device::{ConnectionEpoch, Pace};

use super::seat::{Open, Stage};

/// The place of the command that is to be written now, if one is.
pub(super) fn next(
    open: &[Open],
    (epoch, repeats): (ConnectionEpoch, bool),
    now: Timestamp,
) -> Option<usize> {
    // A retry gives way to what was not written yet: a device that does not answer one command may well answer others.
    (0..open.len())
        .filter(|place| open[*place].is_wanted(epoch, repeats, now))
        .filter(|place| open[*place].is_outstanding() || may_start(open, *place))
        .min_by_key(|place| (open[*place].times, *place))
}

/// A command whose place a newer one is to take, and that one: of several the first, and its newest.
pub(super) fn overtaken(open: &[Open], epoch: ConnectionEpoch) -> Option<(usize, usize)> {
    (0..open.len()).find_map(|older| {
        // One that is only with the writer is taken back, if it can be.
        let waits = match open[older].stage {
            Stage::Waits => !open[older].command.state.is_acknowledged(),
            Stage::Writing => open[older].times == 0 && !open[older].command.state.is_acknowledged(),
            Stage::Recalled | Stage::Withdrawn(_) | Stage::Written(_) | Stage::Had => false,
        };
        let newer = |newer: &usize| open[*newer].is_fenced(epoch) && overtakes(&open[*newer], &open[older]);
        waits
            .then(|| (older + 1..open.len()).rev().find(newer))
            .flatten()
            .map(|newer| (older, newer))
    })
}

/// Whether the one is to take the other's place, being newer.
fn overtakes(newer: &Open, older: &Open) -> bool {
    let latest = |open: &Open| open.command.pace == Pace::LatestWins;
    latest(newer) && latest(older) && newer.command.serial() == older.command.serial()
}

/// Whether one that was not written in this session may be, as far as the others go.
fn may_start(open: &[Open], place: usize) -> bool {
    let it = &open[place];
    let mut others = open
        .iter()
        .enumerate()
        .filter(|(other, _)| *other != place)
        .map(|(other, open)| (other < place, open));
    if it.command.pace == Pace::Exclusive {
        return place == 0 && others.all(|(_, other)| !other.is_outstanding());
    }
    let in_the_way = |(earlier, other): (bool, &Open)| {
        let holds = earlier || other.is_outstanding();
        match (it.command.pace, other.command.pace) {
            (_, Pace::Exclusive) => holds,
            (Pace::LatestWins | Pace::Serial, Pace::LatestWins | Pace::Serial) => {
                let same = it.command.serial() == other.command.serial();
                // A newer one is about to take its place, as soon as the store says that it is there.
                same && (holds || overtakes(other, it))
            }
            (Pace::LatestWins | Pace::Serial, Pace::Parallel(_)) | (Pace::Parallel(_), _) => false,
            (Pace::Exclusive, _) => true,
        }
    };
    if others.clone().any(in_the_way) {
        return false;
    }
    let Pace::Parallel(at_once) = it.command.pace else {
        return true;
    };
    let alike = |other: &Open| {
        matches!(other.command.pace, Pace::Parallel(_)) && other.command.name == it.command.name
    };
    let running = others.filter(|(_, other)| other.is_outstanding() && alike(other));
    running.count() < usize::try_from(at_once.max(1)).unwrap_or(usize::MAX)
}
