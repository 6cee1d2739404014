//! The way of an append: a bounded queue, then the lane of its room, then one transaction with what else waits there.
//!
//! Invariant: the appends of one room go through one lane in the order in which they were begun, whatever the room is
//! named by. An append that has not been taken up when its time is over was not tried; whoever goes away before undoes
//! nothing.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use bongsu_model::{RoomId, RoomRef};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout_at};

use super::append::{Faces, append};
use super::pool::Pool;
use super::rows::{Columns, is_text};
use super::tx::{Conn, Gate, Mode, Pass, PostgresFault, Run, run};
use crate::{AppendRefused, Appended, NewMessage, StoreFault, StoreMeter};

/// Names of rooms whose numbers are remembered.
const NAMES_KEPT: usize = 65_536;

const WAITS: u8 = 0;
const TAKEN: u8 = 1;
const GIVEN_UP: u8 = 2;

type Answer = Result<Appended, AppendRefused>;

/// An append that waits.
struct Job {
    message: NewMessage,
    state: Arc<AtomicU8>,
    /// By then it is answered.
    deadline: Instant,
    tell: oneshot::Sender<Answer>,
    _pass: Pass,
}

/// An append whose room's number is known.
struct Placed {
    room: RoomId,
    job: Job,
}

/// Where appends go in.
pub(super) struct Lanes {
    intake: mpsc::Sender<Job>,
    gate: Arc<Gate>,
    call: Duration,
}

/// What the tasks behind the queue have in common.
struct Works {
    pool: Pool,
    call: Duration,
    batch_max: usize,
    faces: Faces,
    meter: Arc<StoreMeter>,
}

/// How wide and deep it all is.
pub(super) struct Size {
    pub(super) queue_max: usize,
    pub(super) batch_max: usize,
    pub(super) lanes: usize,
    pub(super) call: Duration,
}

impl Lanes {
    /// Begins to work, on tasks of the current runtime, until it is dropped.
    pub(super) fn begin(pool: Pool, size: &Size, gate: Arc<Gate>, meter: Arc<StoreMeter>) -> Self {
        // The gate lets in no more than these take: nobody waits for a place.
        let (intake, waiting) = mpsc::channel(size.queue_max.max(1));
        let works = Arc::new(Works {
            pool,
            call: size.call,
            batch_max: size.batch_max.max(1),
            faces: Faces::default(),
            meter,
        });
        let mut lanes = Vec::new();
        for _ in 0..size.lanes.max(1) {
            let (lane, waiting) = mpsc::channel(size.queue_max.max(1));
            lanes.push(lane);
            tokio::spawn(Arc::clone(&works).run(waiting));
        }
        let switch = Switch {
            works,
            lanes,
            names: HashMap::new(),
            hash: RandomState::new(),
        };
        tokio::spawn(switch.run(waiting));
        let call = size.call;
        Self { intake, gate, call }
    }

    pub(super) async fn append(&self, message: NewMessage) -> Answer {
        let pass = self.gate.enter()?;
        let (tell, mut answer) = oneshot::channel();
        let (state, deadline) = (Arc::new(AtomicU8::new(WAITS)), Instant::now() + self.call);
        let job = Job {
            message,
            state: Arc::clone(&state),
            deadline,
            tell,
            _pass: pass,
        };
        // Before the first wait: so appends that are begun in order stand in the queue in order.
        self.intake
            .try_send(job)
            .map_err(|_| StoreFault::from(PostgresFault::TaskEnded))?;
        let told = match timeout_at(deadline, &mut answer).await {
            Ok(told) => told,
            Err(_) => {
                let given_up = state.compare_exchange(WAITS, GIVEN_UP, Ordering::AcqRel, Ordering::Acquire);
                if given_up.is_ok() {
                    return Err(StoreFault::Unavailable(Arc::new(PostgresFault::Late)).into());
                }
                // Its transaction runs, and ends in its own time.
                answer.await
            }
        };
        told.unwrap_or_else(|_| Err(StoreFault::from(PostgresFault::TaskEnded).into()))
    }
}

/// Finds the rooms' numbers, and sends each append to its lane.
struct Switch {
    works: Arc<Works>,
    lanes: Vec<mpsc::Sender<Placed>>,
    names: HashMap<RoomRef, RoomId>,
    hash: RandomState,
}

impl Switch {
    async fn run(mut self, mut waiting: mpsc::Receiver<Job>) {
        let mut jobs = Vec::new();
        while waiting.recv_many(&mut jobs, self.works.batch_max).await > 0 {
            let found = self.find(&jobs).await;
            for job in jobs.drain(..) {
                match (self.place(&job.message.room), &found) {
                    (Some(room), _) => self.send(room, job).await,
                    (None, Ok(())) => job.answer(Err(AppendRefused::NoRoom)),
                    (None, Err(fault)) => job.answer(Err(fault.clone().into())),
                }
            }
        }
    }

    fn place(&self, room: &RoomRef) -> Option<RoomId> {
        match room {
            RoomRef::Id(id) => Some(*id),
            RoomRef::Name(_) | RoomRef::Token(_) => self.names.get(room).copied(),
        }
    }

    async fn send(&self, room: RoomId, job: Job) {
        let lanes = self.lanes.len() as u64;
        let number = usize::try_from(self.hash.hash_one(room) % lanes).unwrap_or(0);
        if let Some(lane) = self.lanes.get(number) {
            // A lane that has ended drops the append, and so tells whoever waits.
            let _ = lane.send(Placed { room, job }).await;
        }
    }

    /// Learns the numbers of the rooms that are named otherwise. A room keeps its names for ever.
    async fn find(&mut self, jobs: &[Job]) -> Result<(), StoreFault> {
        let mut unknown = self.unknown(jobs);
        if unknown.is_empty() {
            return Ok(());
        }
        if self.names.len() + 2 * unknown.len() > NAMES_KEPT {
            // All that is asked for now is learnt anew.
            self.names.clear();
            unknown = self.unknown(jobs);
        }
        let works = &self.works;
        let run = Run::until(&works.pool, Mode::Read, Instant::now() + works.call);
        let found = learn(run, &unknown).await?;
        self.names.extend(found);
        Ok(())
    }

    fn unknown(&self, jobs: &[Job]) -> Vec<RoomRef> {
        let rooms = jobs.iter().map(|job| &job.message.room);
        rooms.filter(|room| self.place(room).is_none()).cloned().collect()
    }
}

async fn learn(run: Run, unknown: &[RoomRef]) -> Result<Vec<(RoomRef, RoomId)>, StoreFault> {
    run!(run, |conn| find(&conn, unknown).await)
}

async fn find(conn: &Conn, unknown: &[RoomRef]) -> Result<Vec<(RoomRef, RoomId)>, StoreFault> {
    const SQL: &str = "SELECT id, name, token FROM rooms WHERE name = ANY($1) OR token = ANY($2)";
    let (mut names, mut tokens) = (Vec::new(), Vec::new());
    for room in unknown {
        match room {
            RoomRef::Id(_) => {}
            RoomRef::Name(name) => names.extend(Some(&**name).filter(|name| is_text(name))),
            RoomRef::Token(token) => tokens.push(&token.0[..]),
        }
    }
    let found = conn
        .all(SQL, &[&names, &tokens], |row| {
            let columns = Columns::of("rooms", row);
            let id = RoomId(columns.int(0, "id")?);
            let token = bongsu_model::RoomToken(columns.bytes(2, "token")?);
            let name = columns.text_if(1, "name")?;
            Ok((id, name, token))
        })
        .await?;
    let mut all = Vec::new();
    for (id, name, token) in found {
        all.extend(name.map(|name| (RoomRef::Name(name), id)));
        all.push((RoomRef::Token(token), id));
    }
    Ok(all)
}

impl Job {
    /// Whether it is to be done: nobody has given it up.
    fn take(&self) -> bool {
        self.state
            .compare_exchange(WAITS, TAKEN, Ordering::AcqRel, Ordering::Acquire)
            .is_ok()
    }

    fn answer(self, answer: Answer) {
        // Who asked may be gone; what it asked for is kept all the same.
        let _ = self.tell.send(answer);
    }
}

impl Works {
    /// One lane: takes whatever waits, and answers when it is committed.
    async fn run(self: Arc<Self>, mut waiting: mpsc::Receiver<Placed>) {
        let mut taken = Vec::new();
        while waiting.recv_many(&mut taken, self.batch_max).await > 0 {
            let latest = Instant::now() + self.call / 2;
            let (mut batch, mut deadline) = (Vec::with_capacity(taken.len()), None::<Instant>);
            for placed in taken.drain(..).filter(|placed| placed.job.take()) {
                if placed.job.deadline < latest {
                    // Too little of its time is left to begin with: nobody shall wait longer than is said.
                    let late = StoreFault::Unavailable(Arc::new(PostgresFault::Late));
                    placed.job.answer(Err(late.into()));
                } else {
                    deadline = Some(deadline.map_or(placed.job.deadline, |it| it.min(placed.job.deadline)));
                    batch.push(placed);
                }
            }
            if let Some(deadline) = deadline {
                self.settle(batch, deadline).await;
            }
        }
    }

    /// Commits a batch and answers. If that fails because of something in it, its halves are committed each by itself,
    /// until what cannot be kept is alone.
    async fn settle(&self, batch: Vec<Placed>, deadline: Instant) {
        let mut rest = vec![batch];
        while let Some(mut batch) = rest.pop() {
            let begun = Instant::now();
            let messages: Vec<_> = batch.iter().map(|it| (it.room, &it.job.message)).collect();
            let work = Run::until(&self.pool, Mode::Write, deadline);
            match commit(work, &self.faces, &messages).await {
                Ok(answers) => {
                    self.count(&answers, begun);
                    for (placed, answer) in batch.into_iter().zip(answers) {
                        placed.job.answer(answer);
                    }
                }
                Err(StoreFault::Broken(_) | StoreFault::Damaged { .. }) if batch.len() > 1 => {
                    let behind = batch.split_off(batch.len() / 2);
                    rest.extend([behind, batch]);
                }
                Err(fault) => {
                    self.meter.commit_failed();
                    for placed in batch {
                        placed.job.answer(Err(fault.clone().into()));
                    }
                }
            }
        }
    }

    fn count(&self, answers: &[Answer], begun: Instant) {
        let (mut appended, mut repeats) = (0, 0);
        for answer in answers {
            match answer {
                Ok(Appended::New(_)) => appended += 1,
                Ok(Appended::Repeat(_)) => repeats += 1,
                Err(_) => {}
            }
        }
        let us = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.meter.committed(answers.len(), appended, repeats, us);
    }
}

async fn commit(
    work: Run,
    faces: &Faces,
    batch: &[(RoomId, &NewMessage)],
) -> Result<Vec<Answer>, StoreFault> {
    run!(work, |conn| append(&conn, faces, batch).await)
}
