//! Runs one desk: takes what its inbox brings, has its steps kept by the store in their order, and does what it wants done.
//!
//! Invariant: a step is told to nobody before the store has it, and steps reach the store in the order in which the desk
//! made them: one batch at a time, and while that is under way the next one gathers.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};
use std::time::Duration;

use bongsu_core::desk::{Desk, DeskEffect, DeskInput};
use bongsu_core::machine::Machine;
use bongsu_model::Timestamp;
use bongsu_model::device::{Step, StepKind, Stepped};
use bongsu_store::StoreFault;
use futures_util::future::BoxFuture;
use tokio::sync::mpsc;

use crate::node::Node;

/// Inputs taken from the inbox at once.
const INPUTS_AT_ONCE: usize = 256;
/// Steps in one transaction: bounds how long the first waits for the last.
const STEPS_AT_ONCE: usize = 256;
/// With so many steps that wait for the store, nothing more is taken in: who tells the desk something waits, too.
const STEPS_MAX: usize = 4_096;
/// How long the store is left alone that had its full load or failed.
const STORE_REST: Duration = Duration::from_millis(50);

type Keeping = BoxFuture<'static, (Vec<Step>, Result<Vec<Stepped>, StoreFault>)>;

/// One desk and what is between it and the store.
struct Host {
    node: Weak<Node>,
    desk: Desk,
    out: Vec<DeskEffect>,
    steps: VecDeque<Step>,
    keeping: Option<Keeping>,
    /// So many steps are kept one by one, to find the one whose command's record is damaged.
    one_by_one: usize,
}

/// Runs a desk until its inbox is closed or its node is gone.
pub(crate) async fn run(node: Weak<Node>, desk: Desk, mut inbox: mpsc::Receiver<DeskInput>) {
    let mut host = Host {
        node,
        desk,
        out: Vec::new(),
        steps: VecDeque::new(),
        keeping: None,
        one_by_one: 0,
    };
    let mut inputs = Vec::with_capacity(INPUTS_AT_ONCE);
    loop {
        let Some(wait) = host.wait() else { return };
        let open = host.steps.len() < STEPS_MAX;
        let keeping = host.keeping.as_mut();
        tokio::select! {
            // In this order, so that a desk does the same whenever the same happens to it.
            biased;
            kept = async { keeping.expect("only asked when there is one").await }, if keeping.is_some() => {
                host.keeping = None;
                if host.kept(kept).await.is_err() {
                    return;
                }
            }
            () = tokio::time::sleep(wait.unwrap_or(Duration::MAX)), if wait.is_some() => {}
            count = inbox.recv_many(&mut inputs, INPUTS_AT_ONCE), if open => {
                if count == 0 {
                    return;
                }
            }
        }
        if host.handle(&mut inputs).is_none() {
            return;
        }
    }
}

impl Host {
    /// How long until the desk's next deadline; the outer `None` when the node is gone.
    fn wait(&self) -> Option<Option<Duration>> {
        let now = self.node.upgrade()?.ports.clock.now();
        let next = self.desk.next_deadline();
        Some(next.map(|at| Duration::from_millis(at.ms_since(now))))
    }

    fn handle(&mut self, inputs: &mut Vec<DeskInput>) -> Option<()> {
        let node = self.node.upgrade()?;
        let now = node.ports.clock.now();
        for input in inputs.drain(..) {
            self.desk.handle(input, now, &mut self.out);
        }
        self.settle(&node, now);
        Some(())
    }

    /// Does what is due and what the desk wants done, and gives the store its next batch.
    fn settle(&mut self, node: &Arc<Node>, now: Timestamp) {
        if self.desk.next_deadline().is_some_and(|at| at <= now) {
            self.desk.handle_deadline(now, &mut self.out);
        }
        for effect in self.out.drain(..) {
            match effect {
                DeskEffect::Keep(step) => self.steps.push_back(step),
                DeskEffect::Write { device, epoch, frame } => {
                    // A session that is gone says so itself: the desk hears of it next.
                    if let Some(session) = node.devices.session(&device)
                        && session.epoch == epoch
                    {
                        if frame.attempt > 0 {
                            node.counters.commands_retried.bump();
                        }
                        session.offer(frame);
                    }
                }
                DeskEffect::Withdraw {
                    device,
                    epoch,
                    command,
                } => {
                    if let Some(session) = node.devices.session(&device)
                        && session.epoch == epoch
                    {
                        session.withdraw(command);
                    }
                }
            }
        }
        if self.keeping.is_none() && !self.steps.is_empty() {
            let most = if self.one_by_one > 0 { 1 } else { STEPS_AT_ONCE };
            self.one_by_one = self.one_by_one.saturating_sub(1);
            let count = self.steps.len().min(most);
            let batch: Vec<_> = self.steps.drain(..count).collect();
            self.keeping = Some(keep(node, batch));
        }
    }

    /// The store has answered.
    async fn kept(
        &mut self,
        (batch, answer): (Vec<Step>, Result<Vec<Stepped>, StoreFault>),
    ) -> Result<(), ()> {
        let node = self.node.upgrade().ok_or(())?;
        let now = node.ports.clock.now();
        let stepped = match answer {
            Ok(stepped) => stepped,
            Err(StoreFault::Stopped) => return Err(()),
            Err(fault @ StoreFault::Damaged { .. }) if batch.len() == 1 => {
                // Trying again mends nothing, and would hold up all other devices.
                node.counters.faults.bump();
                let gone = |step: &Step| (step.command, step.epoch);
                for (command, epoch) in batch.iter().map(gone) {
                    tracing::error!(%fault, %command, "a command's record is damaged; what happened to it is not kept");
                    self.desk
                        .handle(DeskInput::Gone { command, epoch }, now, &mut self.out);
                }
                return Ok(());
            }
            Err(fault) => {
                node.counters.faults.bump();
                tracing::error!(%fault, steps = batch.len(), "what happened to commands could not be kept; it is tried again");
                if matches!(fault, StoreFault::Damaged { .. }) {
                    self.one_by_one = batch.len();
                }
                // Nobody hears of what is not kept. The same batch again, so that the order stays.
                for step in batch.into_iter().rev() {
                    self.steps.push_front(step);
                }
                drop(node);
                tokio::time::sleep(STORE_REST).await;
                return Ok(());
            }
        };
        for (step, stepped) in batch.iter().zip(stepped) {
            let (command, epoch) = (step.command, step.epoch);
            let input = match stepped {
                Stepped::Kept(kept) => {
                    // What is late is no news of where the command is.
                    let moved = !matches!(step.kind, StepKind::Late(_));
                    node.command_moved(kept, moved).await;
                    DeskInput::Kept { command, epoch }
                }
                Stepped::Refused(kept) => {
                    let ended = kept.state.is_terminal() || kept.epoch > step.epoch;
                    node.command_moved(kept, false).await;
                    if !ended && matches!(step.kind, StepKind::Late(_)) {
                        // A late word about a command that is open after all: there is nothing to be kept of it.
                        continue;
                    }
                    if !ended {
                        // Its device has a later session. The command stays as it is, not written, until the desk hears of
                        // that one; should that be elsewhere, this has the desk forget it.
                        let (node, device) = (Arc::clone(&node), step.device.clone());
                        tokio::spawn(async move { node.not_routed(device, epoch).await });
                        continue;
                    }
                    DeskInput::Gone { command, epoch }
                }
                Stepped::Absent => DeskInput::Gone { command, epoch },
            };
            self.desk.handle(input, now, &mut self.out);
        }
        Ok(())
    }
}

fn keep(node: &Arc<Node>, batch: Vec<Step>) -> Keeping {
    let store = Arc::clone(&node.ports.store);
    let steps: Vec<Step> = batch.clone();
    Box::pin(async move {
        let answer = store.step_commands(steps).await;
        (batch, answer)
    })
}
