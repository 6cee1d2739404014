//! Who may connect: so many in all, so many from one address, over all listeners.
//!
//! Invariant: a permit counts from its admission to its drop.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use bongsu_model::Limits;
use parking_lot::Mutex;

use crate::meters::{Meters, TurnedAway};

/// The connections of this node, counted.
pub struct Admission {
    connections_max: usize,
    per_address_max: usize,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    connections: usize,
    by_address: HashMap<IpAddr, usize>,
    refused: u64,
}

/// Lets one connection be open; given back when dropped.
pub struct Permit {
    admission: Arc<Admission>,
    address: IpAddr,
}

impl Admission {
    /// Nobody is connected.
    #[must_use]
    pub fn new(limits: &Limits) -> Arc<Self> {
        Arc::new(Self {
            connections_max: limits.connections_max,
            per_address_max: limits.connections_per_address_max,
            open: Mutex::default(),
        })
    }

    /// Lets a connection in, or not.
    #[must_use]
    pub fn admit(self: &Arc<Self>, address: IpAddr) -> Option<Permit> {
        let address = address.to_canonical();
        let mut open = self.open.lock();
        let from_there = open.by_address.get(&address).copied().unwrap_or(0);
        if open.connections >= self.connections_max || from_there >= self.per_address_max {
            open.refused += 1;
            return None;
        }
        open.connections += 1;
        *open.by_address.entry(address).or_default() += 1;
        Some(Permit {
            admission: Arc::clone(self),
            address,
        })
    }

    /// As [`Self::admit`]; who is not let in is counted, with the reason.
    pub(crate) fn admit_counted(self: &Arc<Self>, address: IpAddr, meters: &Meters) -> Option<Permit> {
        let permit = self.admit(address);
        if permit.is_none() {
            let full = self.counts().0 >= self.connections_max;
            meters.turned_away(if full {
                TurnedAway::NodeFull
            } else {
                TurnedAway::AddressFull
            });
        }
        permit
    }

    /// How many connections are open, and how many were refused so far.
    #[must_use]
    pub fn counts(&self) -> (usize, u64) {
        let open = self.open.lock();
        (open.connections, open.refused)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut open = self.admission.open.lock();
        open.connections -= 1;
        if let Some(count) = open.by_address.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                open.by_address.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_caps_hold_to_the_last_connection() {
        let limits = Limits {
            connections_max: 3,
            connections_per_address_max: 2,
            ..Limits::DEFAULT
        };
        let admission = Admission::new(&limits);
        let [a, b, c] = [1, 2, 3].map(|last| IpAddr::from([127, 0, 0, last]));
        let first = admission.admit(a);
        let second = admission.admit(a);
        assert!(first.is_some() && second.is_some());
        assert!(admission.admit(a).is_none(), "the third from one address");
        let third = admission.admit(b);
        assert!(third.is_some());
        assert!(admission.admit(c).is_none(), "the fourth in all");
        drop(first);
        let again = admission.admit(c);
        assert!(again.is_some());
        drop((second, third, again));
        assert_eq!(admission.counts(), (0, 2));
        assert!(
            admission.open.lock().by_address.is_empty(),
            "nothing is kept of who has gone"
        );
    }
}
