//! What may happen next, chosen by the seed.

use crate::bus::Faults;
use bongsu_store::memory::Injected;

use crate::world::{Cast, ROOMS, USERS, World};

/// One thing that happens.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Op {
    Nothing,
    Connect {
        client: usize,
        node: usize,
        resume: bool,
    },
    Drop {
        client: usize,
    },
    Post {
        client: usize,
        room: i64,
        count: u64,
        named: bool,
    },
    Retry {
        client: usize,
    },
    Join {
        client: usize,
        room: i64,
        after: Option<u64>,
    },
    Leave {
        client: usize,
        room: i64,
    },
    Chatter {
        client: usize,
        room: i64,
    },
    /// So many application events, one right after the other.
    Emit {
        client: usize,
        room: i64,
        key: &'static str,
        count: u64,
    },
    Block {
        client: usize,
        user: i64,
    },
    /// The connection breaks off within a post.
    Break {
        client: usize,
        room: i64,
        per_mille: u64,
    },
    /// The client ends the conversation as its protocol says.
    Goodbye {
        client: usize,
    },
    Read {
        client: usize,
        reads: bool,
    },
    Wait {
        ms: u64,
    },
    Crash {
        node: usize,
    },
    /// It is told to stop, and does.
    Stop {
        node: usize,
    },
    Start {
        node: usize,
    },
    Bus(Faults),
    FailAppends {
        count: usize,
        injected: Injected,
    },
    FailWrites {
        count: usize,
    },
    /// Everything but the last so many messages of each room is deleted.
    Retain {
        keep: u64,
    },
    Operate {
        node: usize,
        user: i64,
        room: i64,
        deed: Deed,
    },
}

/// What an operator does.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Deed {
    Kick,
    Add,
    Ban,
    Unban,
    Disconnect,
}

impl Op {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Connect { .. } => "connect",
            Self::Drop { .. } => "drop",
            Self::Post { .. } => "post",
            Self::Retry { .. } => "retry",
            Self::Join { .. } => "join",
            Self::Leave { .. } => "leave",
            Self::Chatter { .. } => "chatter",
            Self::Emit { .. } => "emit",
            Self::Block { .. } => "block",
            Self::Break { .. } => "break",
            Self::Goodbye { .. } => "goodbye",
            Self::Read { .. } => "read",
            Self::Wait { .. } => "wait",
            Self::Crash { .. } => "crash",
            Self::Stop { .. } => "stop",
            Self::Start { .. } => "start",
            Self::Bus(_) => "bus",
            Self::FailAppends { .. } => "fail appends",
            Self::FailWrites { .. } => "fail writes",
            Self::Retain { .. } => "retain",
            Self::Operate { deed, .. } => match deed {
                Deed::Kick => "kick",
                Deed::Add => "add",
                Deed::Ban => "ban",
                Deed::Unban => "unban",
                Deed::Disconnect => "disconnect",
            },
        }
    }
}

/// What happens next. Whatever cannot happen now is nothing.
pub(crate) fn choose(world: &World) -> Op {
    let random = &world.random;
    match random.within(0..1_000) {
        0..680 => of_client(world),
        680..750 => of_operator(world),
        750..800 => Op::Wait {
            ms: random.within(0..1_500),
        },
        800..860 => Op::Bus(faults(world)),
        860..900 => of_node(world),
        900..930 => {
            let kept = Injected::KeptButBroken;
            let kinds = [Injected::Broken, Injected::Overloaded, kept, kept];
            let injected = random.one_of(&kinds).copied().unwrap_or(Injected::Broken);
            Op::FailAppends {
                count: small(random.within(1..4)),
                injected,
            }
        }
        930..940 => Op::FailWrites {
            count: small(random.within(1..3)),
        },
        940..960 if world.retains => Op::Retain {
            keep: random.within(3..20),
        },
        _ => Op::Wait {
            ms: random.within(0..100),
        },
    }
}

fn small(number: u64) -> usize {
    usize::try_from(number).unwrap_or(0)
}

fn of_client(world: &World) -> Op {
    let random = &world.random;
    let client = small(random.within(0..world.clients.len() as u64));
    let it = &world.clients[client];
    if it.link.is_none() {
        let up = world.up();
        // A client whose link broke comes back soon; one that is kept out does not know it and tries now and then.
        let tries = !it.banned || random.often(100);
        return match random.one_of(&up) {
            Some(node) if tries => Op::Connect {
                client,
                node: *node,
                resume: random.often(850),
            },
            Some(_) | None => Op::Nothing,
        };
    }
    if !it.is_signed_in() {
        return if random.often(100) {
            Op::Drop { client }
        } else {
            Op::Nothing
        };
    }
    if world.cast == Cast::Mixed && random.often(260) {
        return of_mixed_client(world, client);
    }
    let any = random.within(1..world.rooms + 1).cast_signed();
    let own = random.one_of(&it.rooms()).copied().unwrap_or(any);
    match random.within(0..100) {
        0..55 => {
            let room = if random.often(970) { own } else { any };
            let count = if random.often(150) {
                random.within(2..12)
            } else {
                1
            };
            Op::Post {
                client,
                room,
                count,
                named: random.often(700),
            }
        }
        55..62 => Op::Retry { client },
        62..70 => {
            let after = random.often(300).then(|| random.within(0..30));
            let known = it.rooms().contains(&any) || (world.retains && world.cast == Cast::Plain);
            // What is pushed once more makes it unclear what was seen.
            let known = known || world.cast == Cast::Again;
            Op::Join {
                client,
                room: any,
                after: after.filter(|_| !known),
            }
        }
        70..76 => Op::Leave { client, room: own },
        76..82 => Op::Chatter { client, room: own },
        82..93 => {
            let reading = it.link.as_ref().is_some_and(|link| link.pipe.is_reading());
            Op::Read {
                client,
                reads: !reading,
            }
        }
        _ => Op::Drop { client },
    }
}

/// What only clients of a mixed world do.
fn of_mixed_client(world: &World, client: usize) -> Op {
    let (random, it) = (&world.random, &world.clients[client]);
    let own = random.one_of(&it.rooms()).copied();
    let Some(room) = own else { return Op::Nothing };
    match random.within(0..100) {
        0..55 => Op::Emit {
            client,
            room,
            key: random.one_of(&["", "a", "a", "b"]).copied().unwrap_or_default(),
            count: random.within(1..5),
        },
        55..70 => {
            // Of a user's devices each has its own to block, so that nobody else undoes what it has done.
            let user = random.within(1..USERS + 1).cast_signed();
            let second = client as u64 >= USERS;
            if user == it.user || (user % 2 == 0) != second {
                Op::Nothing
            } else {
                Op::Block { client, user }
            }
        }
        70..85 => Op::Break {
            client,
            room,
            per_mille: random.within(0..1_001),
        },
        _ => Op::Goodbye { client },
    }
}

fn of_operator(world: &World) -> Op {
    let random = &world.random;
    let Some(node) = random.one_of(&world.up()).copied() else {
        return Op::Nothing;
    };
    let (user, room) = (
        random.within(1..USERS + 1).cast_signed(),
        // Nobody but its members and the time ends what is bound to sessions, so that it can be told who did.
        random.within(1..ROOMS + 1).cast_signed(),
    );
    let deed = match random.within(0..10) {
        0..4 => Deed::Kick,
        4..6 => Deed::Add,
        6 => Deed::Ban,
        7..9 => Deed::Unban,
        _ => Deed::Disconnect,
    };
    Op::Operate {
        node,
        user,
        room,
        deed,
    }
}

fn of_node(world: &World) -> Op {
    let random = &world.random;
    let node = small(random.within(0..world.nodes.len() as u64));
    match world.nodes[node].node {
        Some(_) if world.cast == Cast::Again && random.often(500) => Op::Stop { node },
        Some(_) if random.often(400) => Op::Crash { node },
        Some(_) => Op::Nothing,
        None => Op::Start { node },
    }
}

fn faults(world: &World) -> Faults {
    let random = &world.random;
    let rate = |most| u16::try_from(random.within(0..most)).unwrap_or(0);
    if random.often(350) {
        return Faults::default();
    }
    Faults {
        lose: rate(400),
        repeat: rate(300),
        delay: rate(500),
        unreachable: random.often(150),
    }
}
