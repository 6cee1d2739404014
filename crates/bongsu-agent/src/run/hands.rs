//! The runner in a thread of its own: whatever its disk does, the link is read meanwhile.
//!
//! Invariant: one order at a time, in their order. What it is asked at its end is done, or given back.

use std::collections::VecDeque;
use std::io;
use std::mem::discriminant;
use std::sync::Arc;
use std::time::Duration;

use bongsu_model::CommandId;
use bongsu_model::display::PresetId;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

use crate::report::{Code, OnExit, Process, Report};
use crate::session::Effect;
use crate::{OpenError, Runner, RunnerConfig};

/// What was done waits in so many places.
const DONE: usize = 16;

/// Whoever starts and stops programs.
pub(super) struct Hands {
    orders: mpsc::Sender<Order>,
    done: mpsc::Receiver<Done>,
    /// Bounded by the session, which is told how many these are.
    waiting: VecDeque<Order>,
}

enum Order {
    Do(Effect),
    Close(OnExit),
}

/// What there is to say, and what runs.
pub(super) struct Now(pub(super) Vec<Report>, pub(super) Vec<Process>);

/// What was done.
pub(super) enum Done {
    /// There is something to say, perhaps.
    Reported(Now),
    /// A program was looked at.
    Prepared {
        command: CommandId,
        preset: Option<PresetId>,
        prepared: Result<(), (Code, Arc<str>)>,
    },
}

impl Hands {
    /// Opens the runner.
    pub(super) async fn open(config: RunnerConfig) -> Result<(Self, Now), OpenError> {
        let (orders, ordered) = mpsc::channel(1);
        let (tell, done) = mpsc::channel(DONE);
        let (opened, opening) = oneshot::channel();
        let work = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            match runtime {
                Ok(runtime) => runtime.block_on(work(config, opened, ordered, tell)),
                Err(fault) => drop(opened.send(Err(OpenError::System(fault)))),
            }
        };
        let named = std::thread::Builder::new().name("bongsu-hands".into());
        named.spawn(work).map_err(OpenError::System)?;
        let gone = |_| {
            Err(OpenError::System(io::Error::other(
                "the runner's thread panicked",
            )))
        };
        let now = opening.await.unwrap_or_else(gone)?;
        let hands = Self {
            orders,
            done,
            waiting: VecDeque::new(),
        };
        Ok((hands, now))
    }

    /// Has something done. What is none of the runner's is left undone.
    pub(super) fn have_done(&mut self, effect: Effect) {
        if let Effect::CatchUp | Effect::Forget(_) = effect {
            // Of these the last is enough, however often the link comes back meanwhile.
            let same = discriminant(&effect);
            let is = |order: &Order| matches!(order, Order::Do(it) if discriminant(it) == same);
            self.waiting.retain(|order| !is(order));
        }
        self.waiting.push_back(Order::Do(effect));
    }

    /// Programs are stopped, or left; then nothing more is done.
    pub(super) fn close(&mut self, on_exit: OnExit) {
        self.waiting.push_back(Order::Close(on_exit));
    }

    /// How much is to be done still.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// What was done next; `None` when nothing will be any more. May be given up at any time.
    pub(super) async fn next(&mut self) -> Option<Done> {
        loop {
            tokio::select! {
                done = self.done.recv() => return done,
                Ok(room) = self.orders.reserve(), if !self.waiting.is_empty() => {
                    if let Some(order) = self.waiting.pop_front() {
                        room.send(order);
                    }
                }
            }
        }
    }

    /// What will not be done.
    pub(super) fn undone(self) -> impl Iterator<Item = Effect> {
        self.waiting.into_iter().filter_map(|order| match order {
            Order::Do(effect) => Some(effect),
            Order::Close(_) => None,
        })
    }
}

async fn work(
    config: RunnerConfig,
    opened: oneshot::Sender<Result<Now, OpenError>>,
    mut orders: mpsc::Receiver<Order>,
    done: mpsc::Sender<Done>,
) {
    let (runner, reports) = match Runner::open(config) {
        Ok(it) => it,
        Err(fault) => return drop(opened.send(Err(fault))),
    };
    // Whoever has gone has no use for it.
    let _ = opened.send(Ok(Now(reports, runner.running())));
    let mut worker = Worker { runner, done };
    let on_exit = loop {
        tokio::select! {
            order = orders.recv() => match order {
                Some(Order::Do(effect)) => worker.carry_out(effect).await,
                Some(Order::Close(on_exit)) => break on_exit,
                None => return,
            },
            report = worker.runner.next() => worker.report(vec![report]).await,
        }
    };
    worker.close(on_exit, orders).await;
}

struct Worker {
    runner: Runner,
    done: mpsc::Sender<Done>,
}

impl Worker {
    async fn report(&self, reports: Vec<Report>) {
        // Without anybody to say it to it is said by the next agent.
        let _ = self
            .done
            .send(Done::Reported(Now(reports, self.runner.running())))
            .await;
    }

    async fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Start(job) => {
                let reports = self.runner.start(job).await;
                self.report(reports).await;
            }
            Effect::Prepare {
                command,
                preset,
                program,
            } => {
                let prepared = Done::Prepared {
                    command,
                    preset,
                    prepared: self.runner.prepare(&program),
                };
                let _ = self.done.send(prepared).await;
            }
            Effect::Stop {
                command,
                which,
                grace_ms,
                deadline,
            } => {
                let ticket = self.runner.stop(command, which, grace_ms, deadline).await;
                self.report(ticket.answer.into_iter().collect()).await;
            }
            Effect::CatchUp => {
                let reports = self.runner.unacknowledged();
                self.report(reports).await;
            }
            Effect::Acknowledged(report) => self.runner.acknowledged(&report),
            Effect::Forget(now) => self.runner.forget(now),
            Effect::Dial | Effect::Hang(_) | Effect::Tell(_) => {}
        }
    }

    /// Whoever stops programs may be asked to be quicker meanwhile.
    async fn close(mut self, on_exit: OnExit, mut orders: mpsc::Receiver<Order>) {
        if on_exit == OnExit::Stop {
            self.runner.ask_all_to_stop();
            let patience = Instant::now() + Duration::from_millis(self.runner.close_ms());
            loop {
                tokio::select! {
                    report = self.runner.next_of_rest() => match report {
                        Some(report) => self.report(vec![report]).await,
                        None => break,
                    },
                    Some(Order::Do(effect)) = orders.recv() => self.carry_out(effect).await,
                    () = sleep_until(patience) => {
                        self.runner.has_not_ended();
                        break;
                    }
                }
            }
        }
        orders.close();
        while let Some(order) = orders.recv().await {
            if let Order::Do(effect) = order {
                self.carry_out(effect).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bongsu_model::Timestamp;

    #[tokio::test]
    async fn a_link_that_comes_back_often_asks_once() {
        let (orders, mut ordered) = mpsc::channel(1);
        let (tell, done) = mpsc::channel(DONE);
        let waiting = VecDeque::new();
        let mut hands = Hands {
            orders,
            done,
            waiting,
        };
        let now = Timestamp(2);
        for effect in [
            Effect::CatchUp,
            Effect::Forget(Timestamp(1)),
            Effect::Forget(now),
            Effect::CatchUp,
        ] {
            hands.have_done(effect);
        }
        hands.close(OnExit::Leave);
        assert_eq!(hands.waiting(), 3);
        let worked = tokio::spawn(async move {
            let mut seen = Vec::new();
            while let Some(Order::Do(effect)) = ordered.recv().await {
                seen.push(effect);
            }
            drop(tell);
            seen
        });
        assert!(hands.next().await.is_none());
        assert_eq!(worked.await.unwrap(), [Effect::Forget(now), Effect::CatchUp]);
        hands.have_done(Effect::Forget(now));
        assert_eq!(hands.undone().collect::<Vec<_>>(), [Effect::Forget(now)]);
    }
}
