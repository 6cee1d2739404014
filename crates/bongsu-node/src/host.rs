//! Runs one shard: takes what its inbox brings, lets it work in slices, and does what it wants done.
//!
//! Invariant: the shard's inputs are handled one after the other, and a session's mailbox is filled from here in the
//! order in which the shard says so.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use bongsu_bus::Subject;
use bongsu_core::shard::{Effect, Hear, Input, Shard, SlotNo};
use bongsu_model::event::Lane;
use bongsu_model::records::RoomHead;
use bongsu_model::refusal::CloseCause;
use bongsu_model::{EventBody, HistoryPage, Notice, PageFrom, RoomId, Run, Seq, Timestamp};
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};

use crate::kept::Kept;
use crate::mailbox::{Mailbox, Pushed};
use crate::node::Node;
use crate::session::Session;

/// Inputs taken from the inbox before the shard works off a slice.
const INPUTS_AT_ONCE: usize = 256;

/// A shard, from outside.
pub(crate) struct ShardHandle {
    pub(crate) inbox: mpsc::Sender<Input>,
    slots: Mutex<Slots>,
    tickets: Mutex<Tickets>,
}

/// The sessions by slot. Written by those who open and close, read by the host.
#[derive(Default)]
struct Slots {
    sessions: Vec<Option<Arc<Session>>>,
    free: Vec<SlotNo>,
}

#[derive(Default)]
struct Tickets {
    last: u64,
    waiting: HashMap<u64, oneshot::Sender<()>>,
}

impl ShardHandle {
    pub(crate) fn new(inbox: mpsc::Sender<Input>) -> Self {
        Self {
            inbox,
            slots: Mutex::default(),
            tickets: Mutex::default(),
        }
    }

    /// Gives out a free slot.
    pub(crate) fn take_slot(&self) -> SlotNo {
        let mut slots = self.slots.lock();
        slots.free.pop().unwrap_or_else(|| {
            slots.sessions.push(None);
            SlotNo::try_from(slots.sessions.len() - 1).unwrap_or(SlotNo::MAX)
        })
    }

    pub(crate) fn fill_slot(&self, slot: SlotNo, session: &Arc<Session>) {
        self.slots.lock().sessions[slot as usize] = Some(Arc::clone(session));
    }

    /// Called by the host once the shard has closed the slot: nobody will be served under it any more.
    fn free_slot(&self, slot: SlotNo) {
        let mut slots = self.slots.lock();
        slots.sessions[slot as usize] = None;
        slots.free.push(slot);
    }

    fn session(&self, slot: SlotNo) -> Option<Arc<Session>> {
        self.slots.lock().sessions.get(slot as usize).cloned().flatten()
    }

    /// A ticket for a barrier, and what completes when it is passed.
    pub(crate) fn ticket(&self) -> (u64, oneshot::Receiver<()>) {
        let (passed, wait) = oneshot::channel();
        let mut tickets = self.tickets.lock();
        tickets.last += 1;
        let ticket = tickets.last;
        tickets.waiting.insert(ticket, passed);
        (ticket, wait)
    }

    fn passed(&self, ticket: u64) {
        if let Some(passed) = self.tickets.lock().waiting.remove(&ticket) {
            // The one who asked may be gone.
            let _ = passed.send(());
        }
    }
}

/// Runs a shard until its inbox is closed or its node is gone.
pub(crate) async fn run(node: Weak<Node>, index: usize, mut shard: Shard, mut inbox: mpsc::Receiver<Input>) {
    let mut inputs = Vec::with_capacity(INPUTS_AT_ONCE);
    let mut out = Vec::new();
    let mut sessions = Vec::new();
    loop {
        let wait = shard.next_deadline();
        let Some(now) = node.upgrade().map(|node| node.ports.clock.now()) else {
            return;
        };
        if shard.has_work() {
            // Others have their turn between slices; the inbox is only looked at.
            tokio::task::yield_now().await;
            while inputs.len() < INPUTS_AT_ONCE {
                let Ok(input) = inbox.try_recv() else { break };
                inputs.push(input);
            }
        } else {
            let due = wait.map(|at| std::time::Duration::from_millis(at.ms_since(now)));
            tokio::select! {
                biased;
                count = inbox.recv_many(&mut inputs, INPUTS_AT_ONCE) => if count == 0 { return },
                () = sleep(due) => {}
            }
        }
        let Some(node) = node.upgrade() else { return };
        let mut host = Host {
            node: &node,
            index,
            shard: &mut shard,
            sessions: &mut sessions,
            delivered: 0,
        };
        let now = node.ports.clock.now();
        for input in inputs.drain(..) {
            host.handle(input, now, &mut out);
        }
        if host.shard.next_deadline().is_some_and(|at| at <= now) {
            host.shard.handle_deadline(now, &mut out);
            host.apply(&mut out, now);
        }
        host.shard.step(&mut out);
        host.apply(&mut out, now);
    }
}

/// What a room has after a message, as much as goes into a page; `None` if the store could not say.
async fn page_after(node: &Node, room: RoomId, after: Seq) -> Option<HistoryPage> {
    let limit = node.ports.limits.history_page_max;
    let page = node
        .ports
        .store
        .history(room, PageFrom::After(after), limit)
        .await;
    node.healthy(page).flatten()
}

async fn sleep(due: Option<std::time::Duration>) {
    match due {
        Some(due) => tokio::time::sleep(due).await,
        None => std::future::pending().await,
    }
}

struct Host<'a> {
    node: &'a Arc<Node>,
    index: usize,
    shard: &'a mut Shard,
    /// The sessions by slot, as the shard knows them.
    sessions: &'a mut Vec<Option<Held>>,
    /// Deliveries not yet counted: the count is shared by all shards, and so is its line of memory.
    delivered: u64,
}

/// What a delivery needs of a session, side by side.
struct Held {
    mailbox: Arc<Mailbox>,
    /// For a session that can be taken up again after its end; known when it is attached.
    kept: Option<Arc<Kept>>,
    session: Arc<Session>,
}

impl Host<'_> {
    fn handle(&mut self, input: Input, now: Timestamp, out: &mut Vec<Effect>) {
        if let Input::Open { slot, .. } = &input {
            let index = *slot as usize;
            if self.sessions.len() <= index {
                self.sessions.resize_with(index + 1, || None);
            }
            self.sessions[index] = self.node.shards[self.index].session(*slot).map(|session| Held {
                mailbox: Arc::clone(&session.mailbox),
                kept: None,
                session,
            });
        }
        if let Input::Attach { slot, rooms } = &input {
            self.attaches(*slot, rooms);
        }
        let closed = if let Input::Close { slot } = &input {
            Some(*slot)
        } else {
            None
        };
        self.shard.handle(input, now, out);
        self.apply(out, now);
        if let Some(slot) = closed {
            self.sessions[slot as usize] = None;
            self.node.shards[self.index].free_slot(slot);
        }
    }

    /// Notes which rooms a session begins to hear besides those of its sign-in.
    fn attaches(&mut self, slot: SlotNo, rooms: &[Hear]) {
        let held = self.sessions.get_mut(slot as usize).and_then(Option::as_mut);
        let Some(held) = held else { return };
        match &held.kept {
            // Those of its sign-in are noted by then: it may end before it is attached.
            None => held.kept = held.session.kept().cloned(),
            Some(kept) => {
                let begin = rooms.iter().filter(|hear| !self.shard.hears(slot, hear.room));
                kept.note().begin(begin);
            }
        }
    }

    /// Does what the shard wants done. What comes of it goes back into the shard at once, and so on.
    fn apply(&mut self, out: &mut Vec<Effect>, now: Timestamp) {
        let mut back = Vec::new();
        while !out.is_empty() {
            for effect in out.drain(..) {
                self.effect(effect, &mut back);
            }
            for input in back.drain(..) {
                self.shard.handle(input, now, out);
            }
        }
        if self.delivered > 0 {
            self.node
                .counters
                .deliveries
                .add(std::mem::take(&mut self.delivered));
        }
    }

    fn effect(&mut self, effect: Effect, back: &mut Vec<Input>) {
        let node = self.node;
        match effect {
            Effect::Deliver { slot, run } => self.deliver(slot, run, back),
            Effect::Missed { slot, after, page } => self.missed(slot, after, page, back),
            Effect::Backfill { room, after } => {
                node.counters.backfills.bump();
                self.ask(async move |node| Input::Backfilled {
                    room,
                    page: page_after(&node, room, after).await,
                });
            }
            Effect::Replay {
                slot,
                session,
                room,
                after,
            } => self.ask(async move |node| Input::Replayed {
                slot,
                session,
                room,
                after,
                page: page_after(&node, room, after).await,
            }),
            Effect::Reload { room } => {
                node.counters.reloads.bump();
                self.ask(async move |node| {
                    let members = node.ports.store.room_members(room).await;
                    node.healthy(members)
                        .flatten()
                        .map_or(Input::MembersUnknown { room }, |all| Input::Members {
                            head: all.head,
                            members: all.members,
                        })
                });
            }
            Effect::CheckHead { room } => self.ask(async move |node| {
                let heads: Vec<RoomHead> = node
                    .healthy(node.ports.store.heads(vec![room]).await)
                    .unwrap_or_default();
                Input::Heads(heads.into())
            }),
            Effect::Interest { room, wanted } => node.routes.set(room, self.index, wanted, |any| {
                node.want(Subject::Room(room), any);
            }),
            Effect::Passed { ticket } => node.shards[self.index].passed(ticket),
            Effect::Fanned { oldest, .. } => node
                .counters
                .commit_to_last_write_ms
                .note(node.ports.clock.now().ms_since(oldest)),
            Effect::Close { slot, cause } => self.end(slot, cause),
        }
    }

    fn session(&self, slot: SlotNo) -> Option<&Arc<Session>> {
        Some(&self.held(slot)?.session)
    }

    fn held(&self, slot: SlotNo) -> Option<&Held> {
        self.sessions.get(slot as usize)?.as_ref()
    }

    fn deliver(&mut self, slot: SlotNo, run: Arc<Run>, back: &mut Vec<Input>) {
        self.delivered += run.events().len() as u64;
        let Some(held) = self.held(slot) else { return };
        let events = run.events();
        let body = &events[0].event().body;
        // One's own leaving comes alone: the room's runs are told to all but the one who left.
        if matches!(body, EventBody::UserLeft { user, .. } if user.id == held.session.user) {
            held.mailbox.promote_ephemeral();
        }
        let notes = held.kept.as_ref().map(|kept| kept.note());
        let pushed = held.mailbox.deliver(body.lane(), body.conflation_key(), &run);
        if let (Some(mut notes), Pushed::Written | Pushed::Queued) = (notes, pushed) {
            notes.run(&run, held.session.user);
        }
        match pushed {
            Pushed::Written | Pushed::Queued | Pushed::Closed => {}
            Pushed::Full if body.lane() == Lane::Ephemeral => {}
            Pushed::Full => {
                // Messages can be had again from the store; the rest of the run cannot, and there is room for it.
                let format = held.mailbox.dialect().events();
                for event in events.iter().filter(|event| event.message().is_none()) {
                    if held.mailbox.push_beyond(Lane::Message, event.encoded(format)) == Pushed::Full {
                        self.end(slot, CloseCause::Slow);
                        return;
                    }
                }
                self.node.counters.lags.bump();
                back.push(Input::Full { slot, run });
                if !held.mailbox.want_drained() {
                    back.push(Input::Drained {
                        slot,
                        session: held.session.id,
                    });
                }
            }
        }
    }

    fn missed(&self, slot: SlotNo, after: Seq, page: HistoryPage, back: &mut Vec<Input>) {
        let Some(Held { session, kept, .. }) = self.held(slot) else {
            return;
        };
        let notes = kept.as_ref().map(|kept| kept.note());
        let room = page.room;
        let missed = Notice::Missed(page);
        let bytes = session.saying(&self.node.ports, &missed);
        let pushed = session.mailbox.push_beyond(Lane::Message, &bytes);
        if let (Some(mut notes), Pushed::Written | Pushed::Queued, Notice::Missed(page)) =
            (notes, pushed, &missed)
        {
            notes.page(page);
        }
        match pushed {
            Pushed::Written | Pushed::Closed => {}
            Pushed::Queued => {
                if session.mailbox.want_drained() {
                    back.push(Input::Congested { slot });
                }
            }
            Pushed::Full => {
                back.push(Input::Unfit { slot, room, after });
                if !session.mailbox.want_drained() {
                    back.push(Input::Drained {
                        slot,
                        session: session.id,
                    });
                }
            }
        }
    }

    fn end(&self, slot: SlotNo, cause: CloseCause) {
        if let Some(session) = self.session(slot) {
            session.end(&self.node.ports, cause);
        }
    }

    /// Asks the store, and brings its answer to the shard's inbox.
    fn ask<F>(&self, question: impl FnOnce(Arc<Node>) -> F + Send + 'static)
    where
        F: Future<Output = Input> + Send + 'static,
    {
        let node = Arc::clone(self.node);
        let inbox = node.shards[self.index].inbox.clone();
        tokio::spawn(async move {
            let answer = question(node).await;
            // A shard that is gone needs no answer.
            let _ = inbox.send(answer).await;
        });
    }
}
