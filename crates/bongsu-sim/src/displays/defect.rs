//! Defects that are planted into the world of displays, to see that the checks find them.

/// What is wrong with a world of displays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DisplayDefect {
    /// What a display answers when it is asked whether it is there gets lost on this side.
    AnswersLost,
    /// Connections answer for displays that are gone.
    AnsweredFor,
    /// Who is not let in is not told.
    Untold,
    /// What the holder of a name is told, who had it before is told, too.
    ToldBoth,
    /// Programs are told twice.
    ToldTwice,
    /// Displays keep no journal: what comes twice is begun twice.
    NoJournal,
    /// Presets are run without the barrier that was asked for.
    NoBarrier,
    /// Who refuses to prepare is taken for prepared.
    PreparedAnyway,
    /// Displays that know no barrier are told at once.
    GuidesFirst,
    /// Displays begin when they are told, and not when they are to.
    NoStart,
    /// An end is told that the store does not have.
    EndsForgotten,
    /// The store has commands routed to sessions that their displays have not any more.
    Unfenced,
    /// Displays begin what they have refused.
    BegunAnyway,
    /// Displays do not list what they run.
    NothingListed,
    /// Programs of which nothing is heard any more go on for ever.
    Endless,
    /// Callers are not answered.
    Unanswered,
    /// Who is let in is cut off.
    CutOff,
}

impl DisplayDefect {
    /// Every one.
    pub const ALL: [Self; 17] = [
        Self::AnswersLost,
        Self::AnsweredFor,
        Self::Untold,
        Self::ToldBoth,
        Self::ToldTwice,
        Self::NoJournal,
        Self::NoBarrier,
        Self::PreparedAnyway,
        Self::GuidesFirst,
        Self::NoStart,
        Self::EndsForgotten,
        Self::Unfenced,
        Self::BegunAnyway,
        Self::NothingListed,
        Self::Endless,
        Self::Unanswered,
        Self::CutOff,
    ];
}
