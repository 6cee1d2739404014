//! The three tasks of a backplane: the mouth gives to the link, the ear tells what the link brought, the heart says canaries.
//!
//! Invariant: only the mouth calls the link, and only the ear calls ears with what others said; so both orders are kept.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bongsu_wire::backplane::{self, NotHeard, Word};
use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

use super::inlet::Shared;
use super::link::{Link, Parcel, Purpose};
use super::meter::add;
use super::pulse::Beat;
use super::scale::Load;
use crate::{LocalBus, Subject};

/// What is given to the link, or told, at once.
const BATCH: usize = 256;
/// Between two times that ears are told that they may have missed something: to look everything up is dear.
const MISSED_EVERY: Duration = Duration::from_secs(1);

/// What waits for the mouth.
pub(super) enum Errand {
    /// To be carried, and what it weighs.
    Carry(Parcel, Option<Load>),
    /// Whoever waits here wants all before it to be gone.
    Flush(oneshot::Sender<()>),
}

/// Gives to the link what is wanted and what is said, until nobody says anything any more.
pub(super) async fn mouth<L: Link>(shared: Arc<Shared>, link: Arc<L>, mut queue: mpsc::Receiver<Errand>) {
    let mut errands = Vec::with_capacity(BATCH);
    loop {
        let taken = tokio::select! {
            taken = queue.recv_many(&mut errands, BATCH) => Some(taken),
            () = shared.for_mouth.notified() => None,
        };
        if taken == Some(0) {
            return;
        }
        // What is said next may be answered on a subject that was wanted before it.
        tell_wants(&shared, &*link).await;
        let (mut parcels, mut loads) = (Vec::new(), Vec::new());
        for errand in errands.drain(..) {
            match errand {
                Errand::Carry(parcel, load) => {
                    parcels.push(parcel);
                    loads.extend(load);
                }
                Errand::Flush(done) => {
                    carry(&shared, &*link, std::mem::take(&mut parcels)).await;
                    link.flush().await;
                    // Whoever waited may have given up.
                    done.send(()).ok();
                }
            }
        }
        carry(&shared, &*link, parcels).await;
        drop(loads);
    }
}

async fn tell_wants(shared: &Shared, link: &impl Link) {
    while shared.is_up() {
        let (changes, told) = {
            let mut wants = shared.wants.lock();
            (wants.next(BATCH), wants.link())
        };
        if changes.is_empty() {
            return;
        }
        if link.want(&changes).await.is_err() {
            shared.wants.lock().not_told(changes, told);
            return;
        }
    }
}

async fn carry(shared: &Shared, link: &impl Link, parcels: Vec<Parcel>) {
    let count = parcels.len();
    if count == 0 {
        return;
    }
    // Of what was put into the queue before the link went away nobody hears: whoever asked learns that by the parcel's end.
    if !shared.is_up() || link.carry(parcels).await.is_err() {
        add(&shared.meter.unreachable, count);
    }
}

/// Tells the ears what the link brought, in that order.
pub(super) async fn ear(shared: Arc<Shared>, local: Arc<LocalBus>, mut inbox: mpsc::Receiver<(Bytes, Load)>) {
    let mut next_missed = Instant::now();
    loop {
        let is_missed = shared.missed.load(Ordering::Acquire);
        if is_missed && next_missed <= Instant::now() && inbox.len() <= inbox.max_capacity() / 2 {
            shared.missed.store(false, Ordering::Release);
            add(&shared.meter.missed, 1);
            for ear in local.ears() {
                ear.missed().await;
            }
            next_missed = Instant::now() + MISSED_EVERY;
            continue;
        }
        tokio::select! {
            bytes = inbox.recv() => match bytes {
                Some((bytes, _load)) => hear(&shared, &local, &bytes).await,
                None => return,
            },
            () = shared.for_ear.notified() => {}
            () = sleep_until(next_missed), if is_missed && next_missed > Instant::now() => {}
        }
    }
}

async fn hear(shared: &Shared, local: &LocalBus, bytes: &[u8]) {
    match backplane::decode(bytes) {
        Ok(Word::Heard(heard)) => {
            add(&shared.meter.heard, 1);
            local.tell(heard).await;
        }
        // Another node's, which comes back to it and is nothing to us.
        Ok(Word::Canary(_)) => {}
        Err(why @ NotHeard::Malformed(_)) => {
            add(&shared.meter.malformed, 1);
            shared.skip(why);
        }
        Err(why @ (NotHeard::Unknown | NotHeard::Newer)) => {
            add(&shared.meter.unknown, 1);
            shared.skip(why);
        }
    }
}

/// Says canaries in their time.
pub(super) async fn heart(shared: Arc<Shared>, own: Subject, queue: mpsc::Sender<Errand>) {
    loop {
        let beat = shared.pulse.lock().beat(shared.now());
        match beat {
            Beat::Say(number) => {
                let bytes = backplane::encode_canary(shared.origin, number);
                add(&shared.meter.bytes_out, bytes.len());
                let parcel = Parcel {
                    subject: own.clone(),
                    bytes,
                    purpose: Purpose::Canary,
                };
                // One that finds the queue full is lost, as it would be behind a link that takes nothing.
                queue.try_send(Errand::Carry(parcel, None)).ok();
            }
            Beat::Wait(until) => tokio::select! {
                () = sleep_until(shared.at(until)) => {}
                () = shared.for_heart.notified() => {}
            },
        }
    }
}
