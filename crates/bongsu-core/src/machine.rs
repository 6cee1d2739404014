//! What every state machine of the house looks like from outside.

use bongsu_model::Timestamp;

/// Long-lived, timed, contended state that takes inputs and gives effects.
///
/// A machine does nothing by itself: whoever runs it carries out the effects in their order, and calls
/// [`Machine::handle_deadline`] when [`Machine::next_deadline`] has come. Being late is allowed; being early does nothing.
pub trait Machine {
    /// What may happen to it.
    type Input;
    /// What it wants done.
    type Effect;

    /// Takes one input. Effects are added to the end of `out`.
    fn handle(&mut self, input: Self::Input, now: Timestamp, out: &mut Vec<Self::Effect>);

    /// When it next wants to be called without an input; `None` while nothing waits.
    fn next_deadline(&self) -> Option<Timestamp>;

    /// Does everything that was due at `now`, in the order of the deadlines.
    fn handle_deadline(&mut self, now: Timestamp, out: &mut Vec<Self::Effect>);
}
