//! What may happen next in a world of devices, chosen by the seed.

use crate::bus::Faults;
use bongsu_store::memory::Injected;

use super::world::{CARS, World};
use crate::random::Random;

/// One thing that happens.
#[derive(Clone, Copy, Debug)]
pub(super) enum Op {
    Wait {
        ms: u64,
    },
    /// Somebody asks for something, so many times at once.
    Ask {
        node: usize,
        car: usize,
        times: u64,
    },
    /// Somebody asks again, perhaps elsewhere.
    AskAgain {
        node: usize,
        which: u64,
    },
    /// Somebody stops waiting.
    HangUp {
        which: u64,
    },
    Cancel {
        node: usize,
        which: u64,
    },
    Lease {
        node: usize,
        car: usize,
        who: usize,
        ttl_ms: Option<u64>,
    },
    Connect {
        car: usize,
        node: usize,
    },
    /// The connection is gone; the node may not notice.
    Drop {
        car: usize,
        noticed: bool,
    },
    Stall {
        car: usize,
        stalls: bool,
    },
    Restart {
        car: usize,
    },
    DeviceClock {
        car: usize,
    },
    NodeClock {
        node: usize,
    },
    Crash {
        node: usize,
    },
    Start {
        node: usize,
    },
    Bus(Faults),
    FailWrites {
        count: usize,
        injected: Injected,
    },
}

impl Op {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Wait { .. } => "wait",
            Self::Ask { .. } => "ask",
            Self::AskAgain { .. } => "ask again",
            Self::HangUp { .. } => "hang up",
            Self::Cancel { .. } => "cancel",
            Self::Lease { .. } => "lease",
            Self::Connect { .. } => "connect",
            Self::Drop { .. } => "drop",
            Self::Stall { .. } => "stall",
            Self::Restart { .. } => "restart",
            Self::DeviceClock { .. } => "device clock",
            Self::NodeClock { .. } => "node clock",
            Self::Crash { .. } => "crash",
            Self::Start { .. } => "start",
            Self::Bus(_) => "bus",
            Self::FailWrites { .. } => "fail writes",
        }
    }
}

/// What a world is full of, besides everything else.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Mood {
    /// Nothing in particular.
    Mixed,
    /// Nodes that die.
    Deadly,
    /// Links that stall and burst.
    Tunnels,
    /// One device that everybody wants something of.
    Crowd,
}

impl Mood {
    pub(super) fn new(random: &Random) -> Self {
        match random.within(0..5) {
            0 | 1 => Self::Mixed,
            2 => Self::Deadly,
            3 => Self::Tunnels,
            _ => Self::Crowd,
        }
    }
}

/// The next thing.
pub(super) fn choose(world: &World) -> Op {
    let random = &world.random;
    let pick = |count: usize| usize::try_from(random.within(0..count as u64)).unwrap_or(0);
    let (node, which) = (pick(world.nodes.len()), random.next());
    let car = if world.mood == Mood::Crowd { 0 } else { pick(CARS) };
    let per_mille = |random: &Random| u16::try_from(random.within(0..600)).unwrap_or(0);
    match world.mood {
        Mood::Deadly if random.often(150) => {
            return if world.up().contains(&node) {
                Op::Crash { node }
            } else {
                Op::Start { node }
            };
        }
        Mood::Tunnels if random.often(250) => {
            let stalls = random.often(600);
            return Op::Stall { car, stalls };
        }
        Mood::Mixed | Mood::Deadly | Mood::Tunnels | Mood::Crowd => {}
    }
    match random.within(0..100) {
        0..34 => Op::Ask {
            node,
            car,
            times: if random.often(150) { random.within(2..6) } else { 1 },
        },
        34..41 => Op::AskAgain { node, which },
        41..44 => Op::HangUp { which },
        44..49 => Op::Cancel { node, which },
        49..54 => Op::Lease {
            node,
            car,
            who: pick(3),
            ttl_ms: random.often(650).then(|| random.within(50..1_500)),
        },
        54..70 if world.is_away(car) || random.often(150) => Op::Connect { car, node },
        70..75 => Op::Drop {
            car,
            noticed: random.often(500),
        },
        75..83 => Op::Stall {
            car,
            stalls: random.often(500),
        },
        83..85 => Op::Restart { car },
        85 => Op::DeviceClock { car },
        86 => Op::NodeClock { node },
        87 | 88 if world.up().len() > 1 || random.often(500) => Op::Crash { node },
        89..94 => Op::Start { node },
        94 | 95 => Op::Bus(Faults {
            lose: per_mille(random),
            repeat: per_mille(random),
            delay: per_mille(random),
            unreachable: random.often(200),
        }),
        96 => Op::FailWrites {
            count: pick(4),
            injected: [Injected::Broken, Injected::Overloaded, Injected::KeptButBroken][pick(3)],
        },
        _ => Op::Wait {
            ms: random.within(1..1_500),
        },
    }
}
