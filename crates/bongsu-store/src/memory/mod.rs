//! The store of tests and of the simulator: everything in maps, nothing on disk.
//!
//! Invariant: the same calls in the same order on the same seed give the same answers; there is no clock, no thread and
//! no iteration in hash order. Reads see only what is committed.

mod commands;
mod device_store;
mod devices;
mod messages;
mod presets;
mod renames;
mod rooms;
mod state;
mod store;
mod users;

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::{StoreFault, StoreLimits};
use state::State;

/// A handle on a store in memory; all handles made by [`Memory::view`] share what is kept.
///
/// A handle stands for one node's connection to the store: it crashes, restarts and stops on its own.
pub struct Memory {
    shared: Arc<Mutex<Shared>>,
    view: u32,
}

/// What an injected fault does to a write.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Injected {
    /// Refused with [`StoreFault::Overloaded`]; nothing is kept.
    Overloaded,
    /// Refused with [`StoreFault::Broken`]; nothing is kept.
    Broken,
    /// Kept at the next sync, and then answered with [`StoreFault::Broken`]: the caller cannot know which it was.
    KeptButBroken,
}

/// The reason inside [`StoreFault::Broken`] of this store.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum MemoryFault {
    /// The test asked for it.
    #[error("an injected fault")]
    Injected,
    /// The handle crashed while the write waited to become durable.
    #[error("crashed before the write was durable")]
    Crashed,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Standing {
    Up,
    Crashed,
    Stopped,
}

/// Runs a write on what is kept, and answers its caller.
type Job = Box<dyn FnOnce(&mut State) + Send>;

struct Shared {
    state: State,
    /// `None`: durable at once.
    unsynced: Option<VecDeque<(u32, Job)>>,
    views: Vec<Standing>,
    /// Faults for the next appends, whatever handle makes them.
    append_faults: VecDeque<Injected>,
    /// Faults for the next writes of any kind but appends.
    write_faults: VecDeque<Injected>,
}

/// Whether a write is an append, for injected faults.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Append,
    Other,
}

fn broken(fault: MemoryFault) -> StoreFault {
    StoreFault::Broken(Arc::new(fault))
}

impl Memory {
    /// A store whose writes are durable at once. Epochs and tokens come from the seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self::with_limits(seed, StoreLimits::default())
    }

    /// The same, with other limits.
    #[must_use]
    pub fn with_limits(seed: u64, limits: StoreLimits) -> Self {
        Self::build(seed, limits, None)
    }

    /// A store whose writes wait, unseen and unanswered, until [`Memory::sync`] makes them durable.
    #[must_use]
    pub fn manual(seed: u64, limits: StoreLimits) -> Self {
        Self::build(seed, limits, Some(VecDeque::new()))
    }

    fn build(seed: u64, limits: StoreLimits, unsynced: Option<VecDeque<(u32, Job)>>) -> Self {
        let shared = Shared {
            state: State::new(seed, limits),
            unsynced,
            views: vec![Standing::Up],
            append_faults: VecDeque::new(),
            write_faults: VecDeque::new(),
        };
        Self {
            shared: Arc::new(Mutex::new(shared)),
            view: 0,
        }
    }

    /// Another node's handle on the same store.
    #[must_use]
    pub fn view(&self) -> Self {
        let mut shared = self.shared.lock();
        let view = u32::try_from(shared.views.len()).expect("a test makes few handles");
        shared.views.push(Standing::Up);
        drop(shared);
        Self {
            shared: Arc::clone(&self.shared),
            view,
        }
    }

    /// Makes everything that waits durable, in the order it was asked for, and answers it. How many writes that were.
    pub fn sync(&self) -> usize {
        self.sync_some(usize::MAX)
    }

    /// Makes the oldest `most` waiting writes durable and answers them. How many there were.
    pub fn sync_some(&self, most: usize) -> usize {
        let mut shared = self.shared.lock();
        let shared = &mut *shared;
        let Some(unsynced) = &mut shared.unsynced else {
            return 0;
        };
        let count = most.min(unsynced.len());
        for (_, job) in unsynced.drain(..count) {
            job(&mut shared.state);
        }
        count
    }

    /// How many writes of all handles wait to become durable.
    #[must_use]
    pub fn unsynced(&self) -> usize {
        self.shared.lock().unsynced.as_ref().map_or(0, VecDeque::len)
    }

    /// This handle's node dies: what it had not made durable is gone and its waiters fail. Until [`Memory::restart`],
    /// its calls fail with [`StoreFault::Stopped`]. Other handles notice nothing.
    pub fn crash(&self) {
        let mut shared = self.shared.lock();
        shared.views[self.view as usize] = Standing::Crashed;
        if let Some(unsynced) = &mut shared.unsynced {
            unsynced.retain(|(view, _)| *view != self.view);
        }
    }

    /// The store's machine dies: what no handle had made durable is gone, and every handle has crashed.
    pub fn crash_all(&self) {
        let mut shared = self.shared.lock();
        shared.views.fill(Standing::Crashed);
        if let Some(unsynced) = &mut shared.unsynced {
            unsynced.clear();
        }
    }

    /// This handle works again after a crash or a stop, on what was durable.
    pub fn restart(&self) {
        self.shared.lock().views[self.view as usize] = Standing::Up;
    }

    /// Does this to each of the next `count` appends, of all handles.
    pub fn fail_appends(&self, count: usize, injected: Injected) {
        self.shared
            .lock()
            .append_faults
            .extend(std::iter::repeat_n(injected, count));
    }

    /// Does this to each of the next `count` writes that are no appends, of all handles.
    pub fn fail_writes(&self, count: usize, injected: Injected) {
        self.shared
            .lock()
            .write_faults
            .extend(std::iter::repeat_n(injected, count));
    }

    /// Forgets the faults that were injected and have not happened yet.
    pub fn heal(&self) {
        let mut shared = self.shared.lock();
        shared.append_faults.clear();
        shared.write_faults.clear();
    }

    fn read<T>(&self, read: impl FnOnce(&State) -> T) -> Result<T, StoreFault> {
        let shared = self.shared.lock();
        match shared.views[self.view as usize] {
            Standing::Up => Ok(read(&shared.state)),
            Standing::Crashed | Standing::Stopped => Err(StoreFault::Stopped),
        }
    }

    async fn write<T, E>(
        &self,
        kind: Kind,
        write: impl FnOnce(&mut State) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreFault> + Send + 'static,
    {
        match self.begin(kind, write)? {
            Begun::Done(answer) => answer,
            Begun::Waits(answer) => answer
                .await
                .unwrap_or_else(|_| Err(broken(MemoryFault::Crashed).into())),
        }
    }

    fn begin<T, E>(
        &self,
        kind: Kind,
        write: impl FnOnce(&mut State) -> Result<T, E> + Send + 'static,
    ) -> Result<Begun<T, E>, StoreFault>
    where
        T: Send + 'static,
        E: From<StoreFault> + Send + 'static,
    {
        let mut shared = self.shared.lock();
        let shared = &mut *shared;
        if shared.views[self.view as usize] != Standing::Up {
            return Err(StoreFault::Stopped);
        }
        let injected = match kind {
            Kind::Append => shared.append_faults.pop_front(),
            Kind::Other => shared.write_faults.pop_front(),
        };
        let lost_answer = match injected {
            Some(Injected::Overloaded) => return Err(StoreFault::Overloaded),
            Some(Injected::Broken) => return Err(broken(MemoryFault::Injected)),
            Some(Injected::KeptButBroken) => true,
            None => false,
        };
        let run = move |state: &mut State| {
            let answer = write(state);
            if lost_answer {
                Err(broken(MemoryFault::Injected).into())
            } else {
                answer
            }
        };
        let Some(unsynced) = &mut shared.unsynced else {
            return Ok(Begun::Done(run(&mut shared.state)));
        };
        let (tell, answer) = oneshot::channel();
        let job: Job = Box::new(move |state| {
            // Who asked may be gone; what it asked for is kept all the same.
            let _ = tell.send(run(state));
        });
        unsynced.push_back((self.view, job));
        Ok(Begun::Waits(answer))
    }

    fn halt(&self) {
        let mut shared = self.shared.lock();
        let shared = &mut *shared;
        if let Some(unsynced) = &mut shared.unsynced {
            for (view, job) in std::mem::take(unsynced) {
                if view == self.view {
                    job(&mut shared.state);
                } else {
                    unsynced.push_back((view, job));
                }
            }
        }
        shared.views[self.view as usize] = Standing::Stopped;
    }
}

enum Begun<T, E> {
    Done(Result<T, E>),
    Waits(oneshot::Receiver<Result<T, E>>),
}
