//! What may be renamed, and what becomes of the numbers of an id, the same in every store.
//!
//! Invariant: neither the epoch nor the fence of an id falls, whichever device has it.

use std::collections::BTreeSet;

use bongsu_model::device::{DeviceId, Fence, Lease};

use crate::{NotRenamed, RenameRefused, StoreFault};

/// What decides whether a device may be renamed.
pub(crate) struct Standing {
    /// It has a session.
    pub(crate) connected: bool,
    /// It has commands that have not ended.
    pub(crate) ordered: bool,
}

/// Looks whether devices may be renamed, all at once; `standing` reads a device, `None` if there is none.
pub(crate) fn check(
    renames: &[(DeviceId, DeviceId)],
    standing: impl Fn(&DeviceId) -> Result<Option<Standing>, StoreFault>,
) -> Result<(), RenameRefused> {
    let leaving: BTreeSet<_> = renames.iter().map(|(from, _)| from).collect();
    let (mut left, mut given) = (BTreeSet::new(), BTreeSet::new());
    for (from, to) in renames {
        let found = standing(from)?.filter(|_| left.insert(from));
        let is_taken = || Ok::<_, StoreFault>(!leaving.contains(to) && standing(to)?.is_some());
        let why = match found {
            None => NotRenamed::Absent,
            Some(_) if !given.insert(to) || is_taken()? => NotRenamed::Taken,
            Some(it) if it.connected => NotRenamed::Connected,
            Some(it) if it.ordered => NotRenamed::HasOpenCommands,
            Some(_) => continue,
        };
        let from = from.clone();
        return Err(RenameRefused::Device { from, why });
    }
    Ok(())
}

/// The lease of an id after a device has taken it, and whether it may still run: the device's own, `own`, where it has one. Its
/// fence goes with it, unless `there`, the last one under that id, had the same or a later one: then it is the next after that,
/// and who holds the lease must ask for it again.
pub(crate) fn lease(
    to: &DeviceId,
    own: Option<(Lease, bool)>,
    there: Option<(Lease, bool)>,
) -> Option<(Lease, bool)> {
    let (mut lease, runs) = match (own, &there) {
        (Some(own), _) => own,
        (None, Some((there, _))) => (there.clone(), false),
        (None, None) => return None,
    };
    if lease.device != *to
        && let Some((there, _)) = there
        && there.fence >= lease.fence
    {
        lease.fence = Fence(there.fence.0 + 1);
    }
    lease.device = to.clone();
    Some((lease, runs))
}
