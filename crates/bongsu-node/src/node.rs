//! The node: every request a client can make, and who serves it.
//!
//! Owns the shards, the live sessions, presence and calls. Invariant: nothing here knows a protocol or a socket.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use async_trait::async_trait;
use bongsu_bus::{Ear, Heard, Subject};
use bongsu_core::call::{CallLimits, Calls};
use bongsu_core::shard::{Input, Shard};
use bongsu_model::records::RoomHead;
use bongsu_model::{
    Asked, Audience, Code, Event, EventBody, Outbound, Refusal, Reply, Request, RoomId, Seq, Timestamp,
};
use parking_lot::Mutex;
use tokio::sync::mpsc;

use crate::cluster::Others;
use crate::counters::Counters;
use crate::devices::Devices;
use crate::displays::Displays;
use crate::failure::Complaints;
use crate::happenings::Happenings;
use crate::host::{self, ShardHandle};
use crate::kept::Recoverable;
use crate::ports::Ports;
use crate::rates::Rates;
use crate::registry::Registry;
use crate::revoked::Revoked;
use crate::routes::Routes;
use crate::session::Session;
use crate::usecases::depart::Departures;
use crate::{tick, usecases};

/// Takes the answer to a request, before anything that follows from the request reaches the same session.
pub type Answer<'a> = &'a mut (dyn FnMut(Reply) + Send);

/// A gateway without sockets.
pub struct Node {
    /// What the node was given.
    pub ports: Ports,
    /// What the node counts.
    pub counters: Arc<Counters>,
    /// The node's own name, stable over restarts.
    pub id: Arc<str>,
    pub(crate) shards: Vec<ShardHandle>,
    pub(crate) routes: Routes,
    pub(crate) registry: Registry,
    pub(crate) recoverable: Recoverable,
    pub(crate) devices: Devices,
    pub(crate) happenings: Happenings,
    pub(crate) displays: Displays,
    pub(crate) others: Others,
    pub(crate) calls: Mutex<Calls>,
    /// Held from a decision about a call until the others have been told of it.
    pub(crate) calls_told: tokio::sync::Mutex<()>,
    pub(crate) rates: Rates,
    pub(crate) revoked: Revoked,
    /// Rooms with a message or a membership change a short while ago; told to the other nodes, then forgotten.
    pub(crate) active: Mutex<BTreeMap<RoomId, RoomHead>>,
    /// Grows with every membership change that is heard, so that a sign-in can tell whether it missed one.
    pub(crate) memberships_heard: AtomicU64,
    /// Grows with every change of blocks that is heard, to the same end.
    pub(crate) blocks_heard: AtomicU64,
    pub(crate) stopping: AtomicBool,
    pub(crate) departures: Departures,
    pub(crate) complaints: Complaints,
}

/// A request being served.
pub(crate) struct Ask<'a> {
    pub(crate) node: &'a Arc<Node>,
    pub(crate) session: &'a Arc<Session>,
    /// The request's own reference, for the events it causes.
    pub(crate) cause: Option<Arc<str>>,
    pub(crate) now: Timestamp,
    pub(crate) answer: Answer<'a>,
}

impl Node {
    /// Starts a node with so many shards (1 to 64) on the current runtime. It stops when it is dropped.
    #[must_use]
    pub fn start(id: Arc<str>, ports: Ports, counters: Arc<Counters>, shards: usize) -> Arc<Self> {
        let limits = Arc::clone(&ports.limits);
        let (handles, inboxes): (Vec<_>, Vec<_>) = (0..shards.clamp(1, 64))
            .map(|_| {
                let (inbox, inputs) = mpsc::channel(limits.shard_inbox_max);
                (ShardHandle::new(inbox), inputs)
            })
            .unzip();
        let boot = ports.number();
        let (devices, desks) = Devices::new(&ports, boot);
        let (happenings, unsaid) = Happenings::new(limits.watchers_max, limits.happenings_max);
        let node = Arc::new(Self {
            others: Others::new(&id, boot, &ports),
            calls: Mutex::new(Calls::new(CallLimits::from(&*limits))),
            calls_told: tokio::sync::Mutex::default(),
            rates: Rates::new(&limits),
            ports,
            counters,
            id,
            shards: handles,
            routes: Routes::default(),
            registry: Registry::default(),
            recoverable: Recoverable::default(),
            devices,
            happenings,
            displays: Displays::new(&limits),
            revoked: Revoked::default(),
            active: Mutex::default(),
            memberships_heard: AtomicU64::new(0),
            blocks_heard: AtomicU64::new(0),
            stopping: AtomicBool::new(false),
            departures: Departures::default(),
            complaints: Complaints::default(),
        });
        for (index, inbox) in inboxes.into_iter().enumerate() {
            let shard = Shard::new((*limits).clone());
            tokio::spawn(host::run(Arc::downgrade(&node), index, shard, inbox));
        }
        desks.run(&node);
        tokio::spawn(unsaid.run(Arc::downgrade(&node)));
        let ear: Arc<dyn Ear> = Arc::clone(&node) as Arc<dyn Ear>;
        node.ports.bus.listen(Arc::downgrade(&ear));
        node.want(Subject::All, true);
        tokio::spawn(tick::run(Arc::downgrade(&node)));
        node
    }

    /// Serves one request of a signed-in session: the table of contents of the product.
    ///
    /// # Errors
    /// Why the request is refused. `INVALID_TOKEN` means that the session is over.
    pub async fn handle(
        self: &Arc<Self>,
        session: &Arc<Session>,
        asked: Asked,
        answer: Answer<'_>,
    ) -> Result<(), Refusal> {
        let now = self.ports.clock.now();
        self.admit(session, &asked, now)?;
        let _served = session.serve();
        let cause = asked.tag.reference;
        let ask = &mut Ask {
            node: self,
            session,
            cause,
            now,
            answer,
        };
        match asked.request {
            Request::Connect(connect) => usecases::refresh::refresh(ask, &connect.token).await,
            Request::RefreshToken { token } => usecases::refresh::refresh(ask, &token).await,
            Request::Ping => usecases::ping::ping(ask),
            Request::Pong => Ok(()),
            Request::Join { room, after } => usecases::join::join(ask, room, after).await,
            Request::Leave { room } => usecases::leave::leave(ask, room).await,
            Request::Post(post) => usecases::post::post(ask, post).await,
            Request::Emit(emit) => usecases::emit::emit(ask, emit).await,
            Request::Typing { room, is_typing } => usecases::typing::typing(ask, room, is_typing).await,
            Request::MarkRead { room, seq } => usecases::mark_read::mark_read(ask, room, seq).await,
            Request::History { room, from, limit } => {
                usecases::history::history(ask, room, from, limit).await
            }
            Request::CreateCall {
                room,
                name,
                max_participants,
            } => usecases::create_call::create_call(ask, room, name, max_participants).await,
            Request::JoinCall { call, media } => usecases::join_call::join_call(ask, call, media).await,
            Request::LeaveCall { call } => usecases::in_call::leave(ask, call).await,
            Request::EndCall { call } => usecases::in_call::end(ask, call).await,
            Request::Signal { call, target, signal } => {
                usecases::signal::signal(ask, call, &target, signal).await
            }
            Request::SetMedia { call, media } => usecases::in_call::set_media(ask, call, media).await,
            Request::Block { user } => usecases::block::block(ask, &user, true).await,
            Request::Unblock { user } => usecases::block::block(ask, &user, false).await,
        }
    }

    /// What every request must pass: a session that stands, an honest envelope, the general rate.
    pub(crate) fn admit(&self, session: &Session, asked: &Asked, now: Timestamp) -> Result<(), Refusal> {
        self.counters.requests.bump();
        session.stand(now)?;
        if asked
            .claimed_user
            .as_ref()
            .is_some_and(|user| !session.person.is(user))
        {
            return Err(Refusal::because(Code::PermissionDenied, "user_id"));
        }
        self.rated(session, &asked.request, now)
    }

    /// Takes a request that made no sense out of the general rate: nonsense is no cheaper than sense.
    ///
    /// # Errors
    /// `RATE_LIMITED`.
    pub fn tolerate(&self, session: &Session) -> Result<(), Refusal> {
        self.rated(session, &Request::Ping, self.ports.clock.now())
    }

    /// Tells everyone concerned that something happened. The work it came from stands even if nobody hears: a lost
    /// announcement is healed by the shards' gap check or the head exchange.
    pub(crate) async fn announce(&self, event: Event) {
        self.publish(Heard::Event(Outbound::new(event))).await;
    }

    /// Says something to every node that wants to hear it. Without the backplane this node hears it all the same.
    pub(crate) async fn publish(&self, heard: Heard) {
        if let Err(fault) = self.ports.bus.publish(heard).await {
            self.bus_failed(&fault);
        }
    }

    /// From now on this node hears of a subject, or does not any more.
    pub(crate) fn want(&self, subject: Subject, wanted: bool) {
        self.ports.bus.want(subject, wanted);
    }

    /// Notes how far a room is, for the exchange of heads.
    pub(crate) fn note_head(&self, head: RoomHead) {
        let mut active = self.active.lock();
        let known = active.entry(head.room).or_insert(head);
        if (head.seq, head.members_version) > (known.seq, known.members_version) {
            *known = head;
        }
    }

    /// Waits until a session has been given everything up to a place, or is given nothing any more.
    pub(crate) async fn barrier(&self, session: &Session, upto: Option<(RoomId, Seq)>) {
        let shard = &self.shards[session.shard];
        let (ticket, passed) = shard.ticket();
        if shard
            .inbox
            .send(Input::Barrier {
                slot: session.slot,
                ticket,
                upto,
            })
            .await
            .is_ok()
        {
            tokio::select! {
                biased;
                // A shard that is gone passes nobody; its node is going too.
                _ = passed => {}
                // Who is behind and reads no more never catches up.
                () = session.mailbox.ended() => {}
            }
        }
    }

    /// How many sessions are live.
    #[must_use]
    pub fn sessions_count(&self) -> usize {
        self.registry.len()
    }

    /// How many rooms have a live member here.
    #[must_use]
    pub fn rooms_count(&self) -> usize {
        self.routes.rooms()
    }

    /// How many users are online here, and how many calls are alive.
    #[must_use]
    pub fn present(&self) -> (usize, usize) {
        (
            self.others.presence.lock().here.online_count(),
            self.calls.lock().len(),
        )
    }

    /// Whether the node has been told to stop.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    pub(crate) async fn to_shard(&self, shard: usize, input: Input) {
        // A shard that is gone hears nothing; its node is going too.
        let _ = self.shards[shard].inbox.send(input).await;
    }

    /// Takes an event to the shards that have someone in its audience.
    pub(crate) async fn route(&self, outbound: Arc<Outbound>) {
        let event = outbound.event();
        let room = match (&event.body, &event.audience) {
            // A membership concerns its user's sessions wherever they are, room or not.
            (EventBody::UserJoined { .. } | EventBody::UserLeft { .. }, _) => {
                self.memberships_heard.fetch_add(1, Ordering::AcqRel);
                None
            }
            (_, Audience::Room(room) | Audience::RoomExcept(room, _)) => Some(*room),
            (_, Audience::User(_) | Audience::Sessions(_) | Audience::Related(..) | Audience::All) => None,
        };
        match room {
            Some(room) => {
                for shard in self.routes.of(room) {
                    self.to_shard(shard, Input::Announced(Arc::clone(&outbound)))
                        .await;
                }
            }
            None => {
                for shard in 0..self.shards.len() {
                    self.to_shard(shard, Input::Announced(Arc::clone(&outbound)))
                        .await;
                }
            }
        }
    }
}

#[async_trait]
impl Ear for Node {
    async fn hear(&self, heard: Heard) {
        match heard {
            Heard::Event(outbound) => self.route(outbound).await,
            Heard::Heads(heads) => {
                for shard in 0..self.shards.len() {
                    self.to_shard(shard, Input::Heads(Arc::clone(&heads))).await;
                }
            }
            Heard::Blocks(user, blocked) => {
                self.blocks_heard.fetch_add(1, Ordering::AcqRel);
                for shard in 0..self.shards.len() {
                    self.to_shard(
                        shard,
                        Input::Blocks {
                            user,
                            blocked: Arc::clone(&blocked),
                        },
                    )
                    .await;
                }
            }
            Heard::Members(head, members) => {
                self.memberships_heard.fetch_add(1, Ordering::AcqRel);
                for shard in 0..self.shards.len() {
                    self.to_shard(
                        shard,
                        Input::Members {
                            head,
                            members: members.to_vec(),
                        },
                    )
                    .await;
                }
            }
            Heard::Cut(cut) => usecases::cut::cut(self, &cut),
            Heard::Device(said) => self.device_said(&said).await,
            Heard::Node(said) => self.node_said(&said).await,
            Heard::Happening(happening) => self.happened_somewhere(&happening),
        }
    }

    async fn missed(&self) {
        self.others.resync.ask();
    }
}
