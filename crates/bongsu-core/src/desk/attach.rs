//! Sessions of a device come, go, and are taken over.
//!
//! Invariant: what one session knew is carried into the next only where it is safe: what may have been written may have
//! been, and nothing is written on the new one before the store knows of it.

use bongsu_model::device::{Command, CommandId, CommandState, ConnectionEpoch, StepKind};

use super::machine::Cx;
use super::seat::{Live, Open, Seat, Stage};

impl Open {
    /// What the store knows of it beyond what is known here: another session may have had it meanwhile.
    fn learns(&mut self, stored: Self) {
        if stored.noted > self.noted {
            self.noted = stored.noted;
            self.sent |= stored.sent;
            self.once |= stored.once;
            self.attempts = self.attempts.max(stored.attempts);
        }
        if stored.command.state > self.command.state {
            self.sent |= stored.sent;
            self.command = stored.command;
        }
    }

    /// The writer that had it when the session was replaced has not written it.
    pub(super) fn is_certain(&mut self) {
        self.doubt = None;
        self.once &= self.sent;
        if self.stage == Stage::Had && !self.sent {
            self.stage = Stage::Waits;
        }
    }
}

impl Seat {
    /// A session has begun.
    pub(super) fn attached(
        &mut self,
        epoch: ConnectionEpoch,
        live: Live,
        running: &[CommandId],
        commands: Vec<Command>,
        cx: &mut Cx<'_>,
    ) {
        if epoch < self.epoch || (epoch == self.epoch && self.live.is_some()) {
            return;
        }
        if self.live.is_some() {
            self.doubt();
        }
        self.start_over();
        self.epoch = epoch;
        self.repeats = live.repeats;
        self.live = Some(live);
        self.take_in(commands, cx);
        for place in 0..self.open.len() {
            self.runs(place, running, cx);
            if self.open[place].stage == Stage::Waits {
                self.route(place, cx);
            }
            self.arm(place, cx);
        }
        self.hold();
        self.go_on(cx);
    }

    /// Another session begins before the writer of this one has said its last word.
    fn doubt(&mut self) {
        for open in &mut self.open {
            if open.is_with_writer() {
                open.doubt = Some(self.epoch);
                open.once |= !self.repeats;
            }
        }
    }

    /// Keeps back what a device may have, if whoever has its place now would not know it again.
    fn hold(&mut self) {
        for open in &mut self.open {
            let again = self.repeats && !open.once;
            if !again && open.stage == Stage::Waits && open.may_be_known() {
                open.stage = Stage::Had;
            }
        }
    }

    /// Nothing is written any more, or yet.
    fn start_over(&mut self) {
        for open in &mut self.open {
            open.times = 0;
            // What the writer was asked to give back, it may still say something of.
            if !matches!(open.stage, Stage::Withdrawn(_)) {
                open.stage = Stage::Waits;
            }
        }
    }

    /// Takes in what the store has, in its order; what it has not listed came later.
    fn take_in(&mut self, commands: Vec<Command>, cx: &mut Cx<'_>) {
        let mut known = std::mem::take(&mut self.open);
        for command in commands {
            let place = known.iter().position(|open| open.command.id == command.id);
            if let Some(place) = place {
                let mut open = known.remove(place);
                open.learns(Open::new(command, self.epoch));
                self.open.push(open);
                continue;
            }
            let room = self.open.len() + known.len() < cx.shared.rules.open_max;
            let mine = command.device == self.device && command.state.is_open();
            if room && mine && !cx.shared.ended.contains(command.id) {
                self.add(Open::new(command, self.epoch), cx);
            }
        }
        self.open.append(&mut known);
        for open in &mut self.open {
            // It was offered before its session was heard of here: nobody else can have written it under this epoch.
            if open.is_fenced(self.epoch) && open.command.state == CommandState::Routed && open.attempts == 0
            {
                open.sent = false;
                open.once = false;
            }
        }
    }

    /// The device carries it out, if it says so and can know of it.
    fn runs(&mut self, place: usize, running: &[CommandId], cx: &mut Cx<'_>) {
        let detail = Some(self.where_now().into());
        let open = &mut self.open[place];
        let id = open.command.id;
        if !open.may_be_known() || !running.contains(&id) {
            return;
        }
        (open.sent, open.doubt) = (true, None);
        open.stage = Stage::Had;
        if open.moves(CommandState::InProgress, cx.now) {
            cx.keep(
                id,
                (&self.device, self.epoch),
                (CommandState::InProgress, detail),
                StepKind::Moves,
            );
        }
    }

    /// The session is over: its commands wait for the next one.
    pub(super) fn detached(&mut self, epoch: ConnectionEpoch, cx: &mut Cx<'_>) {
        if epoch < self.epoch {
            return self.older_is_over(epoch, cx);
        }
        if epoch != self.epoch || self.live.is_none() {
            return;
        }
        self.live = None;
        self.start_over();
        self.hold();
        for place in 0..self.open.len() {
            self.arm(place, cx);
        }
        self.go_on(cx);
    }

    /// An older session is over: what its writer has said nothing of was not written.
    fn older_is_over(&mut self, epoch: ConnectionEpoch, cx: &mut Cx<'_>) {
        for open in &mut self.open {
            if open.doubt == Some(epoch) {
                open.is_certain();
            }
        }
        self.go_on(cx);
    }

    /// A later session began elsewhere.
    pub(super) fn released(&mut self, by: ConnectionEpoch, cx: &mut Cx<'_>) {
        if by <= self.epoch {
            return;
        }
        self.live = None;
        while let Some(place) = self.open.len().checked_sub(1) {
            // Nobody writes it any more: its session is cut.
            self.open[place].stage = Stage::Waits;
            self.remove(place, cx);
        }
    }
}
