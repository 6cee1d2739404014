//! Correct histories from a seed: a store that commits in order, clients that lose their connections, answers that get
//! lost, places that are taken up again or not, members that come and go, commands that end in every way.
//!
//! Invariant: what is written here is what a server without a defect would have clients write.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bongsu_sim::Random;
use serde_json::{Value, json};

/// All lines, in the order in which they were written.
pub(crate) type Record = Vec<Value>;

const ROOMS: i64 = 3;
const CLIENTS: usize = 8;
const STEPS: usize = 260;
/// The wall clock at the beginning.
const EPOCH_MS: i64 = 1_790_000_000_000;

/// A message that the store has.
struct Message {
    sender: i64,
    key: String,
}

/// A message that a client has sent and not been answered.
struct Sent {
    room: i64,
    key: String,
    seq: Option<u64>,
}

#[derive(Default)]
struct Client {
    user: i64,
    connected: bool,
    /// Where it is in which room.
    places: BTreeMap<i64, u64>,
    /// What waits for an answer on this connection, in order.
    waiting: VecDeque<Sent>,
    /// What it has to send again.
    again: Vec<(i64, String)>,
    sent: u32,
}

struct World {
    random: Random,
    record: Record,
    now_us: i64,
    rooms: BTreeMap<i64, Vec<Message>>,
    clients: Vec<Client>,
    members: BTreeSet<(i64, i64)>,
    kept: BTreeMap<(i64, String), u64>,
    commands: Vec<Value>,
    faults: u32,
}

/// The history of a seed.
pub(crate) fn record(seed: u64) -> Record {
    let mut world = World::new(seed);
    for client in 0..CLIENTS {
        world.connect(client, true);
    }
    for _ in 0..STEPS {
        world.step();
    }
    // Each way in which a command can end is in every history.
    for _ in 0..7 {
        world.command();
    }
    world.fault("the last", 1);
    world.calm();
    world.dump();
    world.record
}

fn name(client: usize) -> String {
    format!("c{client}")
}

fn hash(key: &str) -> String {
    format!("hash-of-{key}")
}

fn id(room: i64, seq: u64) -> String {
    format!("{room:016x}{seq:016x}")
}

impl World {
    fn new(seed: u64) -> Self {
        let mut world = Self {
            random: Random::new(seed),
            record: Vec::new(),
            now_us: 0,
            rooms: (1..=ROOMS).map(|room| (room, Vec::new())).collect(),
            clients: Vec::new(),
            members: BTreeSet::new(),
            kept: BTreeMap::new(),
            commands: Vec::new(),
            faults: 0,
        };
        for client in 0..CLIENTS {
            // The last two are another device of the first two users, and stay where they are.
            let user = 1 + (client % (CLIENTS - 2)) as i64;
            world.clients.push(Client {
                user,
                ..Client::default()
            });
            for room in 1..=ROOMS {
                if world.members.insert((room, user)) {
                    let seq = 0;
                    world.say(
                        "operator",
                        "join",
                        json!({ "room": room, "user": user, "seq": seq }),
                    );
                }
            }
        }
        world
    }

    fn say(&mut self, client: &str, kind: &str, mut line: Value) {
        self.now_us += 50 + self.random.within(0..5_000) as i64;
        line["t_ms"] = json!(self.now_us as f64 / 1_000.0);
        line["client"] = json!(client);
        line["node"] = json!("n1");
        line["kind"] = json!(kind);
        self.record.push(line);
    }

    fn says(&mut self, client: usize, kind: &str, line: Value) {
        self.say(&name(client), kind, line);
    }

    fn wall_ms(&self) -> i64 {
        EPOCH_MS + self.now_us / 1_000
    }

    fn head(&self, room: i64) -> u64 {
        self.rooms[&room].len() as u64
    }

    fn step(&mut self) {
        let client = self.random.within(0..CLIENTS as u64) as usize;
        if !self.clients[client].connected {
            return self.connect(client, false);
        }
        match self.random.within(0..100) {
            0..30 => self.send(client),
            30..45 => self.commit(client),
            45..60 => self.answer(client),
            60..85 => self.deliver(client),
            85..88 => self.lose(client),
            88..93 => self.wander(client),
            93..98 => self.command(),
            _ => self.fault("some", self.random.within(1..40)),
        }
    }

    fn send(&mut self, client: usize) {
        let it = &mut self.clients[client];
        let (room, key) = match it.again.pop() {
            Some(again) => again,
            None => {
                let rooms: Vec<i64> = it.places.keys().copied().collect();
                let Some(room) = self.random.one_of(&rooms) else {
                    return;
                };
                it.sent += 1;
                (*room, format!("{client}-{}", it.sent))
            }
        };
        it.waiting.push_back(Sent {
            room,
            key: key.clone(),
            seq: None,
        });
        self.says(
            client,
            "send",
            json!({ "room": room, "client_message_id": key, "hash": hash(&key) }),
        );
    }

    /// The server takes the next request of a client that it has not taken yet.
    fn commit(&mut self, client: usize) {
        let user = self.clients[client].user;
        let Some(at) = self.clients[client]
            .waiting
            .iter()
            .position(|sent| sent.seq.is_none())
        else {
            return;
        };
        let (room, key) = (
            self.clients[client].waiting[at].room,
            self.clients[client].waiting[at].key.clone(),
        );
        if !self.members.contains(&(room, user)) {
            return;
        }
        let known = self.kept.get(&(user, key.clone())).copied();
        let seq = known.unwrap_or_else(|| {
            let rows = self.rooms.get_mut(&room).expect("a room");
            rows.push(Message {
                sender: user,
                key: key.clone(),
            });
            self.kept.insert((user, key), rows.len() as u64);
            rows.len() as u64
        });
        self.clients[client].waiting[at].seq = Some(seq);
    }

    fn answer(&mut self, client: usize) {
        let Some(first) = self.clients[client].waiting.pop_front() else {
            return;
        };
        match first.seq {
            Some(seq) => {
                let line = json!({ "room": first.room, "client_message_id": first.key, "seq": seq, "message_id": id(first.room, seq) });
                self.says(client, "ack", line);
            }
            None => {
                let code = self.random.one_of(&["RATE_LIMITED", "OVERLOADED"]).expect("one");
                let line = json!({ "room": first.room, "client_message_id": first.key, "code": code });
                self.says(client, "nack", line);
                // One that was kept before, and whose repeat was refused, would be sent again until it is answered.
                if self.random.often(500)
                    || self
                        .kept
                        .contains_key(&(self.clients[client].user, first.key.clone()))
                {
                    self.clients[client].again.push((first.room, first.key));
                }
            }
        }
    }

    fn deliver(&mut self, client: usize) {
        let rooms: Vec<i64> = self.clients[client].places.keys().copied().collect();
        let Some(room) = self.random.one_of(&rooms).copied() else {
            return;
        };
        let upto = self
            .head(room)
            .min(self.clients[client].places[&room] + self.random.within(1..6));
        self.give(client, room, upto, "live");
    }

    fn give(&mut self, client: usize, room: i64, upto: u64, how: &str) {
        for seq in self.clients[client].places[&room] + 1..=upto {
            let message = &self.rooms[&room][seq as usize - 1];
            let line = json!({
                "room": room, "seq": seq, "message_id": id(room, seq), "sender": message.sender,
                "hash": hash(&message.key), "how": how,
            });
            self.says(client, "deliver", line);
            self.clients[client].places.insert(room, seq);
        }
    }

    /// A connection ends: what was not answered may have been kept, or may not.
    fn lose(&mut self, client: usize) {
        if self.random.often(300) {
            self.commit(client);
        }
        let waiting = std::mem::take(&mut self.clients[client].waiting);
        for sent in waiting {
            self.says(
                client,
                "timeout",
                json!({ "room": sent.room, "client_message_id": sent.key }),
            );
            // Some clients never try again: that message stays what it is.
            if self.random.often(700) {
                self.clients[client].again.push((sent.room, sent.key));
            }
        }
        self.clients[client].connected = false;
        self.says(client, "close", json!({}));
    }

    fn connect(&mut self, client: usize, first: bool) {
        let user = self.clients[client].user;
        let places: Vec<(i64, u64)> = self.clients[client]
            .places
            .iter()
            .map(|(room, seq)| (*room, *seq))
            .collect();
        for (room, after) in &places {
            self.says(
                client,
                "resume",
                json!({ "room": room, "after": after, "epoch": "e" }),
            );
        }
        self.says(client, "connect", json!({ "user": user }));
        self.clients[client].connected = true;
        if first {
            for room in 1..=ROOMS {
                if self.members.contains(&(room, user)) {
                    self.says(
                        client,
                        "hears",
                        json!({ "room": room, "seq": self.head(room), "epoch": "e" }),
                    );
                    let head = self.head(room);
                    self.clients[client].places.insert(room, head);
                }
            }
        }
        for (room, _) in places {
            let recovered = self.random.often(700);
            let head = self.head(room);
            self.says(
                client,
                "recovered",
                json!({ "room": room, "recovered": recovered, "seq": head, "epoch": "e" }),
            );
            if recovered {
                self.give(client, room, head, "missed");
            } else {
                self.says(client, "gap", json!({ "room": room }));
                self.give(client, room, head, "page");
            }
        }
    }

    /// A client with one device leaves the room of comers and goers, or comes.
    fn wander(&mut self, client: usize) {
        let user = self.clients[client].user;
        if !(2..CLIENTS - 2).contains(&client)
            || self.clients[client].waiting.iter().any(|sent| sent.room == ROOMS)
        {
            return;
        }
        if self.members.contains(&(ROOMS, user)) {
            self.says(client, "leaving", json!({ "room": ROOMS }));
            self.members.remove(&(ROOMS, user));
            self.clients[client].again.retain(|(room, _)| *room != ROOMS);
            // What was on its way comes before the answer, or behind it.
            let upto = self.head(ROOMS);
            let after = self.random.often(200);
            if !after {
                self.give(client, ROOMS, upto, "live");
            }
            self.says(client, "leave", json!({ "room": ROOMS }));
            if after {
                self.give(client, ROOMS, upto, "live");
            }
            self.clients[client].places.remove(&ROOMS);
        } else {
            self.says(client, "joining", json!({ "room": ROOMS }));
            self.members.insert((ROOMS, user));
            let seq = self.head(ROOMS);
            self.clients[client].places.insert(ROOMS, seq);
            self.says(client, "join", json!({ "room": ROOMS, "seq": seq, "epoch": "e" }));
        }
    }

    fn command(&mut self) {
        let command = format!("{:032x}", self.commands.len() + 1);
        let key = format!("k{}", self.commands.len());
        self.say("caller", "ask", json!({ "key": key, "device": "car" }));
        let accepted_at = self.wall_ms();
        let (not_after, execution_ms) = (accepted_at + 5_000, 10_000);
        self.say(
            "caller",
            "accepted",
            json!({ "key": key, "command_id": command, "not_after": not_after }),
        );
        let ways = [
            "succeeded",
            "failed",
            "rejected",
            "timed_out",
            "expired",
            "offline",
            "superseded",
        ];
        let state = ways[self.commands.len() % ways.len()];
        let starts = match state {
            "succeeded" | "failed" => true,
            "timed_out" => self.random.often(500),
            _ => false,
        };
        let mut steps = vec!["accepted", "routed", "written"];
        if starts {
            self.say(
                "car",
                "device_start",
                json!({ "command_id": command, "device_time": self.wall_ms() }),
            );
            steps.push("received");
        }
        let said = match state {
            "succeeded" => Some("ok"),
            "failed" => Some("failed"),
            "rejected" => Some("rejected"),
            // It comes late: it is kept beside the end.
            "timed_out" => starts.then_some("ok"),
            _ => None,
        };
        if let Some(status) = said {
            self.say(
                "car",
                "device_result",
                json!({ "command_id": command, "status": status }),
            );
        }
        steps.push(state);
        if self.random.often(500) {
            self.say(
                "caller",
                "terminal",
                json!({ "command_id": command, "state": state, "at": self.wall_ms() }),
            );
        }
        let steps: Vec<_> = steps
            .into_iter()
            .map(|state| json!({ "state": state, "at": self.wall_ms() }))
            .collect();
        self.commands.push(json!({
            "kind": "command", "command_id": command, "device": "car", "state": state, "accepted_at": accepted_at,
            "not_after": not_after, "execution_ms": execution_ms, "ended_at": self.wall_ms(), "steps": steps,
        }));
    }

    /// Something is broken for a while, and some clients lose their connections.
    fn fault(&mut self, what: &str, lasts: u64) {
        self.faults += 1;
        let what = format!("{what} {}", self.faults);
        self.say(
            "chaos",
            "fault_begin",
            json!({ "what": what, "at": self.wall_ms() }),
        );
        for client in 0..CLIENTS {
            if self.clients[client].connected && self.random.often(300) {
                self.lose(client);
            }
        }
        self.now_us += 1_000 * lasts as i64;
        self.say(
            "chaos",
            "fault_end",
            json!({ "what": what, "at": self.wall_ms() }),
        );
    }

    /// Everybody comes back, says what it still has to say, and one thing more; then all have everything.
    fn calm(&mut self) {
        for client in 0..CLIENTS {
            if !self.clients[client].connected {
                self.connect(client, false);
            }
        }
        // One of them has left before the others speak.
        while !self.clients[2].waiting.is_empty() {
            self.commit(2);
            self.answer(2);
        }
        if !self.members.contains(&(ROOMS, self.clients[2].user)) {
            self.wander(2);
        }
        self.wander(2);
        let key = "the last".to_owned();
        self.clients[0].again.push((ROOMS, key));
        for client in 0..CLIENTS {
            for _ in 0..=self.clients[client].again.len() {
                self.send(client);
            }
        }
        for client in 0..CLIENTS {
            while !self.clients[client].waiting.is_empty() {
                self.commit(client);
                self.answer(client);
            }
        }
        for client in 0..CLIENTS {
            for room in self.clients[client].places.clone().into_keys() {
                self.give(client, room, self.head(room), "live");
            }
            self.says(client, "rest", json!({}));
            self.says(client, "close", json!({}));
        }
    }

    fn dump(&mut self) {
        for (room, rows) in &self.rooms {
            self.record
                .push(json!({ "kind": "room", "room": room, "seq": rows.len(), "epoch": "e" }));
            for (at, message) in rows.iter().enumerate() {
                let seq = at as u64 + 1;
                self.record.push(json!({
                    "kind": "message", "room": room, "seq": seq, "message_id": id(*room, seq), "sender": message.sender,
                    "hash": hash(&message.key),
                }));
            }
        }
        for (room, user) in &self.members {
            self.record
                .push(json!({ "kind": "member", "room": room, "user": user }));
        }
        self.record.append(&mut self.commands);
        self.record.push(json!({ "kind": "dumped" }));
    }
}
