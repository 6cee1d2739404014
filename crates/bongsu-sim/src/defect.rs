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
    /// Memberships of sessions end at once, without time to come back.
    NoGrace,
}
