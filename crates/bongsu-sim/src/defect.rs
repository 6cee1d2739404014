//! Defects that are planted into a world, to see that the checks find them.

/// What is wrong with a world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Defect {
    /// The type protocol acknowledges a message one place too far.
    WrongSeq,
    /// What the type protocol replays lacks its first message.
    PartOfAResume,
    /// The type protocol says of every room that it cannot be resumed.
    ResumeRefused,
    /// Nodes believe that nobody has blocked anyone.
    BlocksForgotten,
    /// The type protocol acknowledges a post though the store has failed.
    AcknowledgedAnyway,
    /// Memberships of sessions do not end.
    MembershipsStay,
    /// Trails lack what was pushed last.
    PushForgotten,
    /// A session is said to be taken up again whatever became of it.
    RecoveredAnyway,
    /// Memberships of sessions end at once, without time to come back.
    NoGrace,
    /// The same arguments for another target of a device join.
    DebounceAcrossTargets,
    /// A command of a device that is just being written is told to have been superseded if a newer one waits.
    SupersededAnyway,
    /// Ends of commands are told that are not kept.
    EndsForgotten,
    /// Commands are routed to sessions that their devices have not any more.
    Unfenced,
}
