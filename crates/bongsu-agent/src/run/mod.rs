//! The agent as it runs: its session decides, its link carries, its runner starts and stops.
//!
//! Invariant: one task, which waits for the link, the runner, the clock and its end, and for no disk; without
//! anything to do it sleeps until the next heartbeat or report.

mod hands;
mod line;

use std::collections::VecDeque;
use std::pin::{Pin, pin};
use std::time::Duration;

use bongsu_device::link::chance;
use bongsu_device::time::OwnTime;
use bongsu_model::Timestamp;
use bongsu_wire::socketio::client::{connect as join, disconnect as leave};
use bongsu_wire::socketio::switchboard::client::{Problem, Said, Saying as Where, alive, hear, say};
use tokio::time::{sleep, timeout};

use crate::link::{Came, LinkConfig, said};
use crate::report::{OnExit, Outcome};
use crate::session::{Effect, Event, Identity, Saying, Session};
use crate::{OpenError, RunnerConfig};
use hands::{Done, Hands, Now};
use line::{Line, Opened, Turn};

/// What the server is told at the end may take so long.
const FAREWELL: Duration = Duration::from_secs(5);

/// What an agent goes by.
pub struct AgentConfig {
    /// Where the server is.
    pub server: LinkConfig,
    /// The namespace of displays there.
    pub namespace: String,
    /// Who the display is.
    pub identity: Identity,
    /// How programs are run.
    pub runner: RunnerConfig,
    /// What becomes of programs when the agent ends.
    pub on_exit: OnExit,
}

/// Runs an agent until `stop`. Then it takes no commands any more, ends programs or leaves them, tells the server, and
/// closes the link. For a runtime of one thread, with time and I/O.
///
/// # Errors
/// The data folder cannot be used. Whatever else goes wrong is logged, and tried again.
pub async fn run(config: AgentConfig, stop: impl Future<Output = ()>) -> Result<(), OpenError> {
    let (hands, now) = Hands::open(config.runner).await?;
    let own = OwnTime::start();
    let mut agent = Agent {
        session: Session::new(config.identity, own.now()),
        own,
        server: config.server,
        namespace: config.namespace,
        line: Line::Down,
        hands: Some(hands),
        effects: VecDeque::new(),
    };
    agent.reported(now);
    let mut stop = pin!(stop);
    loop {
        agent.work_off();
        agent.write();
        if agent.wait(stop.as_mut()).await {
            break;
        }
    }
    Box::pin(agent.end(config.on_exit)).await;
    Ok(())
}

struct Agent {
    session: Session,
    own: OwnTime,
    server: LinkConfig,
    namespace: String,
    line: Line,
    /// Until the agent ends.
    hands: Option<Hands>,
    effects: VecDeque<Effect>,
}

impl Agent {
    /// Waits for something to happen, and takes it in; whether it was `stop`.
    async fn wait(&mut self, stop: Pin<&mut impl Future<Output = ()>>) -> bool {
        let now = self.own.now();
        let due = self.session.next_deadline(self.line.is_writable());
        let Self { line, hands, .. } = self;
        tokio::select! {
            turn = line.next() => self.turned(turn),
            done = next(hands) => match done {
                Some(done) => self.done(done),
                // It has been logged why. Whoever started the agent starts it anew; its programs go on.
                None => return true,
            },
            () = until(due, now) => self.tick(),
            () = stop => return true,
        }
        false
    }

    fn tick(&mut self) {
        let (now, mut out) = (self.own.now(), Vec::new());
        self.session.tick(now, any(), &mut out);
        self.effects.extend(out);
    }

    fn turned(&mut self, turn: Turn) {
        match turn {
            Turn::Opened(Opened { link, address }) => {
                tracing::debug!(websocket = link.is_websocket(), "connected");
                self.line = Line::Up(link);
                self.session.is_at(address);
                self.session.opened(self.own.now());
            }
            Turn::NotOpened(fault) => {
                tracing::warn!(fault = said(&fault), "no connection to the server");
                self.lost();
            }
            Turn::Came(Came::Packet(packet)) => self.heard(&packet),
            Turn::Came(Came::Written) => {}
            Turn::Came(Came::Upgraded) => tracing::debug!("the connection is a websocket now"),
            Turn::Came(Came::Closed { code, reason }) => {
                tracing::warn!(code, reason, "the server closed the connection");
                self.lost();
            }
            Turn::Broken(fault) => {
                tracing::warn!(fault = said(&fault), "the connection broke");
                self.lost();
            }
        }
    }

    fn heard(&mut self, packet: &str) {
        match hear(packet, &self.namespace) {
            Ok(said) => self.take_in(said),
            // It may be of a newer server: what is not understood is not done.
            Err(fault) => tracing::warn!(fault = said(&fault), "the server says what is not understood"),
        }
    }

    fn take_in(&mut self, said: Said) {
        let (now, mut out) = (self.own.now(), Vec::new());
        let waiting = self.hands.as_ref().map_or(0, Hands::waiting);
        self.session.has_waiting(waiting);
        self.session.heard(said, now, any(), &mut out);
        self.effects.extend(out);
    }

    /// The link is of no use any more.
    fn lost(&mut self) {
        self.line = Line::Down;
        let (now, mut out) = (self.own.now(), Vec::new());
        self.session.closed(now, any(), &mut out);
        self.effects.extend(out);
    }

    fn done(&mut self, done: Done) {
        match done {
            Done::Reported(now) => self.reported(now),
            Done::Prepared {
                command,
                preset,
                prepared,
            } => self.session.prepared(command, preset, prepared),
        }
    }

    fn reported(&mut self, Now(reports, running): Now) {
        let mut out = Vec::new();
        for report in reports {
            let (command, outcome) = (report.command, word(&report.outcome));
            tracing::debug!(%command, outcome, "reported");
            self.session.reported(report, &mut out);
        }
        self.effects.extend(out);
        self.session.runs(running, self.own.now());
    }

    fn work_off(&mut self) {
        while let Some(effect) = self.effects.pop_front() {
            match effect {
                Effect::Dial => self.line = Line::dialing(&self.server),
                Effect::Hang(why) => {
                    tracing::warn!(%why, "hangs up");
                    self.hang();
                }
                Effect::Tell(event) => tell(&event),
                Effect::Start(_)
                | Effect::Prepare { .. }
                | Effect::Stop { .. }
                | Effect::CatchUp
                | Effect::Acknowledged(_)
                | Effect::Forget(_) => match &mut self.hands {
                    Some(hands) => hands.have_done(effect),
                    // What is not done is said by the next agent.
                    None => self.session.undone(&effect),
                },
            }
        }
    }

    fn write(&mut self) {
        let now = self.own.now();
        let Line::Up(link) = &mut self.line else { return };
        if !link.is_idle() {
            return;
        }
        let mut out = Vec::new();
        let saying = self.session.next_said(now, &mut out);
        self.effects.extend(out);
        let (packet, number) = match saying {
            None => return,
            Some(Saying::Join) => (join(&self.namespace, None), None),
            Some(Saying::Event { said, number, check }) => {
                let at = Where {
                    namespace: &self.namespace,
                    ack: number,
                    now,
                };
                let packet = match &check {
                    Some(check) => alive(at, self.session.name(), Some(check)),
                    None => say(at, &said),
                };
                (packet, number)
            }
        };
        if let Err(fault) = link.say(packet) {
            tracing::warn!(%fault, "something cannot be said to this server");
            if let Some(id) = number {
                let problem = Problem {
                    code: "MESSAGE_TOO_LARGE".into(),
                    message: fault.to_string().into(),
                    ..Problem::default()
                };
                let taken = Err(problem);
                self.take_in(Said::Ack { id, taken });
            }
        }
    }

    /// Ends the link as one should, without waiting for it.
    fn hang(&mut self) {
        if let Line::Up(link) = std::mem::replace(&mut self.line, Line::Down) {
            tokio::spawn(link.close());
        }
    }

    async fn end(mut self, on_exit: OnExit) {
        tracing::info!(?on_exit, "ends");
        self.session.stop();
        if let Some(hands) = &mut self.hands {
            hands.close(on_exit);
        }
        while self.hands.is_some() {
            self.go_on();
            let now = self.own.now();
            let due = self.session.next_deadline(self.line.is_writable());
            let Self { line, hands, .. } = &mut self;
            tokio::select! {
                turn = line.next() => self.turned(turn),
                done = next(hands) => match done {
                    Some(done) => self.done(done),
                    None => self.rest(),
                },
                () = until(due, now) => self.tick(),
            }
        }
        // Whatever is not heard in time the next agent says again.
        let _ = timeout(FAREWELL, Box::pin(self.settle())).await;
        if let Line::Up(mut link) = self.line {
            // What does not fit any more was the farewell only.
            let _ = link.say(leave(&self.namespace));
            link.close().await;
        }
    }

    /// Nothing more is done.
    fn rest(&mut self) {
        self.session.rest_hands();
        for effect in self.hands.take().into_iter().flat_map(Hands::undone) {
            self.session.undone(&effect);
        }
    }

    /// Until the server knows all that there is to know, or there is no link.
    async fn settle(&mut self) {
        loop {
            self.go_on();
            if self.session.is_settled() && self.line.is_writable() || !self.session.is_open() {
                return;
            }
            let now = self.own.now();
            let due = self.session.next_deadline(self.line.is_writable());
            tokio::select! {
                turn = self.line.next() => self.turned(turn),
                () = until(due, now) => self.tick(),
            }
        }
    }

    fn go_on(&mut self) {
        self.work_off();
        self.write();
    }
}

async fn next(hands: &mut Option<Hands>) -> Option<Done> {
    match hands {
        Some(hands) => hands.next().await,
        None => std::future::pending().await,
    }
}

async fn until(due: Option<Timestamp>, now: Timestamp) {
    match due {
        Some(due) => sleep(Duration::from_millis(due.ms_since(now))).await,
        None => std::future::pending().await,
    }
}

/// Any number.
fn any() -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = chance();
    u64::from_ne_bytes([a, b, c, d, e, f, g, h])
}

/// For the log: what is said of it is for the server.
const fn word(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Starting => "starting",
        Outcome::Running { .. } => "running",
        Outcome::Ended { stopped: true, .. } | Outcome::Stopped { .. } => "stopped",
        Outcome::Ended { .. } => "ended",
        Outcome::NotStarted { code, .. } | Outcome::Rejected { code, .. } => code.name(),
    }
}

fn tell(event: &Event) {
    match event {
        Event::Registered { epoch } => tracing::info!(epoch = epoch.map(|it| it.0), "registered"),
        Event::NotRegistered { code, reason } => {
            tracing::warn!(code = code.as_deref(), %reason, "not registered");
        }
        Event::Rests(ms) => tracing::info!(ms, "rests before the next connection"),
        Event::NotMine { name, total } => tracing::warn!(%name, total, "a command for another display"),
        Event::NotBegun { command, why } => tracing::warn!(%command, why, "not begun"),
        Event::Overloaded(command) => tracing::warn!(%command, "too much is unsaid to take a command"),
        Event::ServerStops(ms) => tracing::info!(ms, "the server stops, and wants this display back"),
        Event::Refused { code, message } => tracing::warn!(%code, why = %message, "refused"),
    }
}
