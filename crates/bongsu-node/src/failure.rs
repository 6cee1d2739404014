//! From what the store says to what a client is told.
//!
//! Invariant: a fault of which a client is told is logged once, with its chain, under a number; the client sees only the
//! number. What nobody is told a number of is counted, and logged rarely: while a server is away it fails all the time.

use bongsu_bus::BusFault;
use bongsu_model::{Code, Incident, Refusal, Timestamp, Want};
use bongsu_store::{AppendRefused, CreateRefused, JoinRefused, StoreFault};

use crate::node::Node;
use crate::rarely::Rarely;

/// How long a client should wait when the store has its full load.
const OVERLOAD_RETRY_MS: u64 = 1_000;

/// The lines about what fails for as long as the store or the backplane is away.
#[derive(Debug, Default)]
pub(crate) struct Complaints {
    store: Rarely,
    bus: Rarely,
}

impl Node {
    /// What a client is told of a fault of the store.
    pub(crate) fn fault(&self, fault: &StoreFault) -> Refusal {
        match fault {
            StoreFault::Overloaded => Refusal::retry(Code::Overloaded, OVERLOAD_RETRY_MS),
            StoreFault::Stopped => Refusal::retry(Code::ShuttingDown, OVERLOAD_RETRY_MS),
            StoreFault::Unavailable(_) => Refusal::retry(Code::Overloaded, OVERLOAD_RETRY_MS),
            StoreFault::Broken(_) | StoreFault::InDoubt(_) | StoreFault::Damaged { .. } => {
                self.incident(fault)
            }
        }
    }

    /// Logs that we broke; the client gets the number.
    pub(crate) fn incident(&self, fault: &dyn std::error::Error) -> Refusal {
        let incident = Incident(self.ports.number());
        self.counters.faults.bump();
        let cause = fault.source().map(ToString::to_string);
        tracing::error!(%incident, %fault, cause, "a request failed on our side");
        Refusal::incident(incident)
    }

    /// The value, or `None` with the fault logged: for work that nobody waits for.
    pub(crate) fn healthy<T>(&self, result: Result<T, StoreFault>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(StoreFault::Stopped) => None,
            Err(fault) => {
                self.counters.faults.bump();
                if let Some(unshown) = self.complaints.store.failed(self.ports.clock.now()) {
                    match fault {
                        // Nothing is broken, and what was to be looked up is so when the store is back.
                        StoreFault::Overloaded | StoreFault::Unavailable(_) => {
                            tracing::warn!(%fault, unshown, "the store takes no work in the background");
                        }
                        StoreFault::Stopped
                        | StoreFault::Broken(_)
                        | StoreFault::InDoubt(_)
                        | StoreFault::Damaged { .. } => {
                            tracing::error!(%fault, unshown, "the store failed in the background");
                        }
                    }
                }
                None
            }
        }
    }

    /// Notes that the bus took no announcement, or could not say who heard it.
    pub(crate) fn bus_failed(&self, fault: &BusFault) {
        self.counters.bus_faults.bump();
        if let Some(unshown) = self.complaints.bus.failed(self.ports.clock.now()) {
            tracing::warn!(%fault, unshown, "an announcement was not taken by the bus");
        }
    }

    /// Tells of the failures that had no line of their own, when nothing has failed since.
    pub(crate) fn complaints_due(&self, now: Timestamp) {
        if let Some(unshown) = self.complaints.store.rest(now) {
            tracing::warn!(unshown, "the store had failed more often in the background");
        }
        if let Some(unshown) = self.complaints.bus.rest(now) {
            tracing::warn!(unshown, "more announcements had not been taken by the bus");
        }
    }

    pub(crate) fn append_refused(&self, refused: &AppendRefused) -> Refusal {
        match refused {
            AppendRefused::NoRoom => Refusal::new(Code::RoomNotFound),
            AppendRefused::NotMember | AppendRefused::NotOwner => Refusal::new(Code::PermissionDenied),
            AppendRefused::Blocked => Refusal::new(Code::UserBlocked),
            AppendRefused::NoSuchReply => Refusal::field("reply_to", Want::Other),
            AppendRefused::Fault(fault) => self.fault(fault),
        }
    }

    pub(crate) fn join_refused(&self, refused: &JoinRefused) -> Refusal {
        match refused {
            // A closed room must not be revealed to a stranger.
            JoinRefused::NoRoom | JoinRefused::Closed => Refusal::new(Code::RoomNotFound),
            JoinRefused::NoUser => Refusal::new(Code::UserNotFound),
            JoinRefused::Full => Refusal::new(Code::RoomFull),
            JoinRefused::TooManyRooms => Refusal::because(Code::PermissionDenied, "too_many_rooms"),
            JoinRefused::Fault(fault) => self.fault(fault),
        }
    }

    pub(crate) fn create_refused(&self, refused: &CreateRefused, name: &'static str) -> Refusal {
        match refused {
            CreateRefused::IdTaken | CreateRefused::NameTaken => Refusal::field(name, Want::Other),
            CreateRefused::TooMany => Refusal::because(Code::RateLimited, "too_many"),
            CreateRefused::NoUser(_) => Refusal::new(Code::UserNotFound),
            CreateRefused::Members => Refusal::field("members", Want::Other),
            CreateRefused::Fault(fault) => self.fault(fault),
        }
    }
}
