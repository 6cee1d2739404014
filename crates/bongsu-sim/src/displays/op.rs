//! What may happen next in a world of displays, chosen by the seed.

use crate::bus::Faults;

use super::screen::Manner;
use super::world::{SCREENS, World};
use crate::random::Random;

/// One thing that happens.
#[derive(Clone, Copy, Debug)]
pub(super) enum Op {
    Wait {
        ms: u64,
    },
    /// A display claims its name, on a new connection; the one before is gone.
    Connect {
        screen: usize,
        node: usize,
    },
    /// A display is gone; its node may not notice.
    Leave {
        screen: usize,
        noticed: bool,
    },
    Stall {
        screen: usize,
        stalls: bool,
    },
    Manner {
        screen: usize,
        manner: Manner,
    },
    /// Somebody runs a preset.
    Run {
        node: usize,
        barrier: bool,
        /// In so many milliseconds, if not at once.
        start_ms: Option<u64>,
        ttl_ms: u64,
    },
    Crash {
        node: usize,
    },
    Start {
        node: usize,
    },
    Bus(Faults),
}

impl Op {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Wait { .. } => "wait",
            Self::Connect { .. } => "connect",
            Self::Leave { .. } => "leave",
            Self::Stall { .. } => "stall",
            Self::Manner { .. } => "manner",
            Self::Run { .. } => "run",
            Self::Crash { .. } => "crash",
            Self::Start { .. } => "start",
            Self::Bus(_) => "bus",
        }
    }
}

/// The next thing.
pub(super) fn choose(world: &World) -> Op {
    let random = &world.random;
    let pick = |count: usize| usize::try_from(random.within(0..count as u64)).unwrap_or(0);
    let (node, screen) = (pick(world.nodes.len()), pick(SCREENS));
    let per_mille = |random: &Random| u16::try_from(random.within(0..600)).unwrap_or(0);
    match random.within(0..100) {
        0..30 => Op::Run {
            node,
            barrier: random.often(650),
            start_ms: random.often(150).then(|| random.within(200..2_000)),
            ttl_ms: random.within(700..5_000),
        },
        30..56 if world.is_away(screen) || random.often(150) => Op::Connect { screen, node },
        56..63 => Op::Leave {
            screen,
            noticed: random.often(400),
        },
        63..68 => Op::Stall {
            screen,
            stalls: random.often(400),
        },
        68..76 => Op::Manner {
            screen,
            manner: if random.often(500) {
                Manner::Prompt
            } else {
                Manner::ALL[pick(Manner::ALL.len())]
            },
        },
        76..78 if !world.is_mixed => Op::Crash { node },
        78..84 => Op::Start { node },
        84 if world.is_deaf => Op::Bus(Faults {
            lose: per_mille(random),
            repeat: per_mille(random),
            delay: per_mille(random),
            unreachable: random.often(200),
        }),
        _ => Op::Wait {
            ms: random.within(1..2_500),
        },
    }
}
