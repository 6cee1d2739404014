//! Defects that are planted into the world of devices, to see that the checks find them.

/// What is wrong with a world of devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceDefect {
    /// Devices keep no journal: what comes twice is done twice.
    NoDedupe,
    /// Devices look at the deadline when a command comes, and not when they come to it.
    DeadlineOnArrival,
    /// Words of an older epoch are taken for words of this one.
    EpochIgnored,
    /// Commands are sent again when they have ended.
    RetryAfterTerminal,
    /// The same arguments for another target join.
    DebounceAcrossTargets,
    /// A newer command takes the place of one that is just being written.
    SupersededAnyway,
    /// The store has commands routed to sessions that their devices have not any more.
    Unfenced,
    /// Nobody ends commands that nobody owns.
    SweeperOff,
}

impl DeviceDefect {
    /// Every one.
    pub const ALL: [Self; 8] = [
        Self::NoDedupe,
        Self::DeadlineOnArrival,
        Self::EpochIgnored,
        Self::RetryAfterTerminal,
        Self::DebounceAcrossTargets,
        Self::SupersededAnyway,
        Self::Unfenced,
        Self::SweeperOff,
    ];
}
