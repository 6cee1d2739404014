//! Scripts for a shard: one thing that happens per line, and under it what the shard wants done.
//!
//! A line is a verb and words: `post r=1 seq=6`. Slots stand alone (`close 0`), lists have commas (`u=1,2`), ranges
//! dots (`seqs=6..8`). What waits is served after each line, unless `slices 2` was said: then `step` serves one slice.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

use bongsu_model::records::RoomHead;
use bongsu_model::refusal::CloseCause;
use bongsu_model::{
    Audience, Epoch, Event, EventBody, HistoryPage, Limits, MembersVersion, Message, MessageId, MessageKind,
    NamedRoom, Outbound, Person, Profile, RoomId, RoomToken, Run, Sender, Seq, SessionId, Timestamp, UserId,
};

use super::{Effect, Hear, Input, Shard};

/// Runs a script from a shard without sessions; the script with the effects, one line each.
pub(super) fn run(script: &str) -> String {
    let mut runner = Runner::new();
    for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
        writeln!(runner.log, "{line}").expect("a string takes all");
        runner.line(line);
    }
    runner.log
}

struct Runner {
    shard: Shard,
    limits: Limits,
    now: Timestamp,
    sessions: u128,
    /// The last session opened in each slot.
    slots: BTreeMap<u32, SessionId>,
    by_hand: bool,
    log: String,
}

/// The words after the verb.
struct Words<'a>(Vec<&'a str>);

impl<'a> Words<'a> {
    fn get(&self, key: &str) -> Option<&'a str> {
        self.0
            .iter()
            .find_map(|word| word.strip_prefix(key)?.strip_prefix('='))
    }

    fn has(&self, word: &str) -> bool {
        self.0.contains(&word)
    }

    fn number(&self, key: &str, or: u64) -> u64 {
        self.get(key).map_or(or, |text| {
            text.parse()
                .unwrap_or_else(|_| panic!("{key}={text} is no number"))
        })
    }

    fn slot(&self) -> u32 {
        self.0[0].parse().expect("a slot stands first")
    }

    fn room(&self) -> RoomId {
        RoomId(self.number("r", 1).cast_signed())
    }

    fn user(&self, key: &str, or: i64) -> UserId {
        UserId(self.number(key, or.cast_unsigned()).cast_signed())
    }

    fn users(&self, key: &str) -> Vec<UserId> {
        let list = self
            .get(key)
            .unwrap_or_default()
            .split(',')
            .filter(|text| !text.is_empty());
        list.map(|text| UserId(text.parse().expect("a user is a number")))
            .collect()
    }

    fn rooms(&self, key: &str) -> Arc<[RoomId]> {
        self.users(key).into_iter().map(|user| RoomId(user.0)).collect()
    }

    fn seqs(&self) -> Vec<u64> {
        match self.get("seqs").unwrap_or_default().split_once("..") {
            Some((from, to)) => (from.parse().expect("a number")..=to.parse().expect("a number")).collect(),
            None => self
                .get("seqs")
                .into_iter()
                .map(|text| text.parse().expect("a number"))
                .collect(),
        }
    }

    fn seq(&self, key: &str, or: u64) -> Seq {
        Seq(self.number(key, or))
    }

    fn version(&self, or: u64) -> MembersVersion {
        MembersVersion(self.number("v", or))
    }

    fn epoch(&self) -> Epoch {
        Epoch(self.number("epoch", 1))
    }

    fn head(&self) -> RoomHead {
        RoomHead {
            room: self.room(),
            seq: self.seq("seq", 0),
            epoch: self.epoch(),
            members_version: self.version(1),
        }
    }

    fn message(&self, seq: u64) -> Arc<Message> {
        Arc::new(Message {
            id: MessageId(seq.into()),
            room: self.room(),
            room_name: None,
            room_token: RoomToken([7; 24]),
            seq: Seq(seq),
            epoch: self.epoch(),
            members: self.version(1),
            sender: Sender {
                user: self.user("by", 9),
                handle: "".into(),
                nickname: "".into(),
                profile: Arc::new(Profile::bare("")),
            },
            content: "".into(),
            kind: MessageKind::Text,
            metadata: None,
            reply_to: None,
            created_at: Timestamp(0),
        })
    }

    fn posted(&self, seq: u64) -> Arc<Outbound> {
        let message = self.message(seq);
        event(
            Audience::Room(message.room),
            Some(message.sender.user),
            EventBody::Posted(message),
        )
    }

    fn page(&self) -> Option<HistoryPage> {
        let messages: Vec<_> = self.seqs().into_iter().map(|seq| self.message(seq)).collect();
        let last = messages.last().map_or(Seq::ZERO, |message| message.seq);
        (!self.has("none")).then(|| HistoryPage {
            room: self.room(),
            room_name: None,
            messages,
            has_more: self.has("more"),
            epoch: self.epoch(),
            head: self.seq("head", last.0),
        })
    }

    fn members(&self) -> Vec<(UserId, Seq)> {
        let list = self
            .get("u")
            .unwrap_or_default()
            .split(',')
            .filter(|text| !text.is_empty());
        list.map(|text| {
            let (user, joined) = text.split_once(':').unwrap_or((text, "0"));
            (
                UserId(user.parse().expect("a number")),
                Seq(joined.parse().expect("a number")),
            )
        })
        .collect()
    }

    fn event(&self, verb: &str) -> Option<Arc<Outbound>> {
        let room = self.room();
        if !["post", "join", "leave", "typing", "read", "status"].contains(&verb) {
            return None;
        }
        let user = self.user("u", 1);
        let (named, person) = (NamedRoom::new(room, None), Person::numbered(user, ""));
        let participants_count = 0;
        Some(match verb {
            "post" => self.posted(self.number("seq", 0)),
            "join" => {
                let (joined_seq, version) = (self.seq("at", 0), self.version(1));
                let body = EventBody::UserJoined {
                    room: named,
                    user: person,
                    participants_count,
                    joined_seq,
                    version,
                };
                event(Audience::RoomExcept(room, user), Some(user), body)
            }
            "leave" => {
                let version = self.version(1);
                let body = EventBody::UserLeft {
                    room: named,
                    user: person,
                    participants_count,
                    version,
                };
                event(Audience::RoomExcept(room, user), Some(user), body)
            }
            "typing" => {
                let body = EventBody::Typing {
                    room: named,
                    user: person,
                    is_typing: true,
                };
                event(Audience::RoomExcept(room, user), Some(user), body)
            }
            "read" => {
                let body = EventBody::Read {
                    room: named,
                    user: person,
                    seq: self.seq("seq", 0),
                };
                event(Audience::Room(room), Some(user), body)
            }
            "status" => {
                let body = EventBody::Status {
                    user: person,
                    is_online: true,
                    last_seen: Timestamp(0),
                };
                event(Audience::Related(user, self.rooms("rooms")), Some(user), body)
            }
            _ => return None,
        })
    }
}

fn event(audience: Audience, actor: Option<UserId>, body: EventBody) -> Arc<Outbound> {
    Outbound::new(Event {
        id: 0,
        at: Timestamp(0),
        cause: None,
        audience,
        actor,
        body,
    })
}

impl Runner {
    fn new() -> Self {
        let limits = Limits::DEFAULT;
        Self {
            shard: Shard::new(limits.clone()),
            limits,
            now: Timestamp(0),
            sessions: 0,
            slots: BTreeMap::new(),
            by_hand: false,
            log: String::new(),
        }
    }

    fn line(&mut self, line: &str) {
        let mut all = line.split_whitespace();
        let verb = all.next().expect("a line has a verb");
        let words = Words(all.collect());
        let mut out = Vec::new();
        match verb {
            "slices" => {
                self.limits.fanout_slice = words.slot() as usize;
                self.shard = Shard::new(self.limits.clone());
                self.by_hand = true;
            }
            "parks" => {
                self.limits.room_reorder_max = words.slot() as usize;
                self.shard = Shard::new(self.limits.clone());
            }
            "step" => {
                self.shard.step(&mut out);
            }
            "wait" => self.wait(u64::from(words.slot()), &mut out),
            _ => {
                let input = self.input(verb, &words);
                self.shard.handle(input, self.now, &mut out);
            }
        }
        while !self.by_hand && self.shard.has_work() {
            self.shard.step(&mut out);
        }
        for effect in &out {
            self.say(effect);
        }
    }

    fn wait(&mut self, ms: u64, out: &mut Vec<Effect>) {
        let until = self.now.plus_ms(ms);
        while let Some(due) = self.shard.next_deadline().filter(|due| *due <= until) {
            self.now = due;
            self.shard.handle_deadline(due, out);
        }
        self.now = until;
    }

    fn input(&mut self, verb: &str, words: &Words<'_>) -> Input {
        if let Some(outbound) = words.event(verb) {
            return Input::Announced(outbound);
        }
        let room = words.room();
        match verb {
            "open" => {
                self.sessions += 1;
                let session = SessionId(self.sessions);
                self.slots.insert(words.slot(), session);
                Input::Open {
                    slot: words.slot(),
                    session,
                    user: words.user("u", 1),
                    blocked: words.users("blocks").into(),
                }
            }
            "attach" => Input::Attach {
                slot: words.slot(),
                rooms: self.hears(words),
            },
            "found" => {
                let session = words.get("s").map_or_else(
                    || self.session(words),
                    |text| SessionId(text.parse().expect("s=1")),
                );
                Input::Found {
                    slot: words.slot(),
                    session,
                    rooms: self.hears(words),
                }
            }
            "close" => Input::Close { slot: words.slot() },
            "heads" => Input::Heads([words.head()].into()),
            "backfilled" => Input::Backfilled {
                room,
                page: words.page(),
            },
            "members" => Input::Members {
                head: words.head(),
                members: words.members(),
            },
            "unknown" => Input::MembersUnknown { room },
            "blocks" => Input::Blocks {
                user: words.user("u", 1),
                blocked: words.users("whom").into(),
            },
            _ => self.of_slot(verb, words),
        }
    }

    /// What happens to the mailbox and the catch-up of one session.
    fn of_slot(&self, verb: &str, words: &Words<'_>) -> Input {
        let room = words.room();
        match verb {
            "replayed" => {
                let session = words.get("s").map_or_else(
                    || self.session(words),
                    |text| SessionId(text.parse().expect("s=1")),
                );
                Input::Replayed {
                    slot: words.slot(),
                    session,
                    room,
                    after: words.seq("after", 0),
                    page: words.page(),
                }
            }
            "full" => {
                let events = words.seqs().into_iter().map(|seq| words.posted(seq)).collect();
                Input::Full {
                    slot: words.slot(),
                    run: Run::new(events),
                }
            }
            "unfit" => Input::Unfit {
                slot: words.slot(),
                room,
                after: words.seq("after", 0),
            },
            "congested" => Input::Congested { slot: words.slot() },
            "drained" => Input::Drained {
                slot: words.slot(),
                session: self.session(words),
            },
            "barrier" => {
                let upto = words.get("seq").map(|_| (room, words.seq("seq", 0)));
                Input::Barrier {
                    slot: words.slot(),
                    ticket: words.number("t", 0),
                    upto,
                }
            }
            _ => panic!("{verb} is no verb"),
        }
    }

    fn session(&self, words: &Words<'_>) -> SessionId {
        self.slots[&words.slot()]
    }

    fn hears(&self, words: &Words<'_>) -> Vec<Hear> {
        let all = words
            .0
            .split(|word| *word == "&")
            .map(|words| Words(words.to_vec()));
        let hears = all.filter(|words| words.get("r").is_some()).map(|words| Hear {
            room: words.room(),
            head: words.seq("head", 0),
            epoch: words.epoch(),
            version: words.version(1),
            after: words.seq("after", words.number("head", 0)),
            asked: words.has("asked"),
        });
        hears.collect()
    }

    fn say(&mut self, effect: &Effect) {
        let text = match effect {
            Effect::Deliver { slot, run } => format!("{slot} <- {}", events(run)),
            Effect::Missed { slot, page, .. } => {
                let seqs: Vec<_> = page
                    .messages
                    .iter()
                    .map(|message| message.seq.to_string())
                    .collect();
                format!(
                    "{slot} <- missed {}{}",
                    seqs.join(" "),
                    if page.has_more { " more" } else { "" }
                )
            }
            Effect::Backfill { room, after } => format!("backfill r{room} after {after}"),
            Effect::Replay {
                slot, room, after, ..
            } => format!("replay r{room} after {after} for {slot}"),
            Effect::Reload { room } => format!("reload r{room}"),
            Effect::CheckHead { room } => format!("check r{room}"),
            Effect::Interest { room, wanted } => {
                format!("{} r{room}", if *wanted { "want" } else { "unwant" })
            }
            Effect::Passed { ticket } => format!("passed {ticket}"),
            Effect::Fanned { .. } => return,
            Effect::Close { slot, cause } => {
                assert_eq!(*cause, CloseCause::Slow, "a shard knows no other cause");
                format!("close {slot}")
            }
        };
        writeln!(self.log, "  {text}").expect("a string takes all");
    }
}

fn events(run: &Run) -> String {
    let texts = run.events().iter().map(|outbound| match &outbound.event().body {
        EventBody::Posted(message) => message.seq.to_string(),
        EventBody::UserJoined { user, .. } => format!("joined({})", user.id),
        EventBody::UserLeft { user, .. } => format!("left({})", user.id),
        EventBody::Typing { user, .. } => format!("typing({})", user.id),
        EventBody::Read { user, .. } => format!("read({})", user.id),
        EventBody::Status { user, .. } => format!("status({})", user.id),
        EventBody::CallCreated { .. }
        | EventBody::CallJoined { .. }
        | EventBody::CallLeft { .. }
        | EventBody::CallHostChanged { .. }
        | EventBody::CallEnded { .. }
        | EventBody::MediaChanged { .. }
        | EventBody::Signalled { .. }
        | EventBody::Application(_)
        | EventBody::Announced { .. } => "other".to_owned(),
    });
    texts.collect::<Vec<_>>().join(" ")
}
