//! One connection of a display: a way out for its node that stalls and breaks, and what stands for the socket.
//!
//! Invariant: what is said is heard in its order, and what the kernel took before the end can still be read.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use bongsu_model::device::ConnectionEpoch;
use bongsu_model::display::{Doing, Execute, FromDisplay, ToDisplay};
use bongsu_model::{DeviceId, Incoming, Locale, Refusal, Tag, Verb};
use bongsu_node::{Clock as _, Conversation, Line, Mailbox, Node, Speaking, Witness, Wrote};
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use tokio::sync::{Notify, mpsc};

use super::defect::DisplayDefect;
use super::dialect::{WORD_BYTES, Words};
use super::ledger::{Ledger, Saw, Seen, call_of_execute};
use crate::ports::SimClock;
use crate::random::Random;

/// Things said that the kernel takes while a display does not read.
const KERNEL_WORDS: usize = 3;
/// Things that a display may have said and nobody read.
const SAID_MAX: usize = 64;
/// How long something is under way at most, in milliseconds.
const SLOW_MS: u64 = 30;

/// What all of a world share.
#[derive(Clone)]
pub(super) struct Scene {
    pub(super) clock: SimClock,
    pub(super) ledger: Arc<Mutex<Ledger>>,
    pub(super) random: Random,
    pub(super) words: &'static Words,
    pub(super) defect: Option<DisplayDefect>,
    /// All links that there ever were: for defects alone.
    pub(super) links: Arc<Mutex<Vec<Arc<Link>>>>,
}

impl Scene {
    pub(super) fn saw(&self, saw: Saw) {
        let at = self.clock.now();
        self.ledger.lock().seen.push(Seen { at, saw });
    }
}

/// One connection of one display.
pub(super) struct Link {
    pub(super) number: usize,
    pub(super) name: DeviceId,
    scene: Scene,
    said: Mutex<Option<mpsc::Sender<FromDisplay>>>,
    state: Mutex<State>,
    moved: Notify,
}

#[derive(Default)]
struct State {
    words: VecDeque<ToDisplay>,
    stalls: bool,
    epoch: Option<ConnectionEpoch>,
    /// Nothing more is written.
    finished: bool,
    /// Nothing more is read.
    gone: bool,
    /// Its node knows that it is over.
    over: bool,
}

/// What a display hears next.
enum Next {
    Word(Box<ToDisplay>),
    NotYet,
    Nothing,
}

impl Link {
    /// A link on which nothing was said, and what its node will hear.
    pub(super) fn new(
        scene: &Scene,
        number: usize,
        name: DeviceId,
    ) -> (Arc<Self>, mpsc::Receiver<FromDisplay>) {
        let (said, hears) = mpsc::channel(SAID_MAX);
        let link = Self {
            number,
            name,
            scene: scene.clone(),
            said: Mutex::new(Some(said)),
            state: Mutex::default(),
            moved: Notify::new(),
        };
        (Arc::new(link), hears)
    }

    /// Says something, if anybody listens.
    pub(super) fn say(&self, said: FromDisplay) {
        if let Some(line) = &*self.said.lock() {
            // What does not fit is lost, as all that is said on a line that is full for so long.
            let _ = line.try_send(said);
        }
    }

    /// The display is gone, and its node will notice.
    pub(super) fn hang_up(&self) {
        self.said.lock().take();
        self.leave();
    }

    /// The display is gone, and nobody notices.
    pub(super) fn leave(&self) {
        let mut state = self.state.lock();
        (state.gone, state.stalls) = (true, true);
        drop(state);
        self.moved.notify_waiters();
    }

    pub(super) fn stall(&self, stalls: bool) {
        let mut state = self.state.lock();
        if state.gone || (stalls && state.epoch.is_none()) {
            return;
        }
        let begins = stalls && !state.stalls;
        state.stalls = stalls;
        drop(state);
        if begins {
            self.scene.saw(Saw::Stalled { link: self.number });
        }
        self.moved.notify_waiters();
    }

    /// The next thing that its display hears; `None` when there is no more.
    pub(super) async fn hears(&self) -> Option<ToDisplay> {
        loop {
            let moved = self.moved.notified();
            match self.next() {
                Next::Word(word) => {
                    self.moved.notify_waiters();
                    self.passes().await;
                    return Some(*word);
                }
                Next::Nothing => return None,
                Next::NotYet => moved.await,
            }
        }
    }

    fn next(&self) -> Next {
        let mut state = self.state.lock();
        let word = if state.stalls {
            None
        } else {
            state.words.pop_front()
        };
        match word {
            _ if state.gone => Next::Nothing,
            Some(word) => Next::Word(Box::new(word)),
            None if !state.stalls && (state.finished || state.over) => Next::Nothing,
            None => Next::NotYet,
        }
    }

    async fn passes(&self) {
        tokio::time::sleep(Duration::from_millis(self.scene.random.within(1..SLOW_MS))).await;
    }

    /// Its display is gone, whoever knows.
    pub(super) fn is_gone(&self) -> bool {
        self.state.lock().gone
    }

    /// It was told that it is let in.
    pub(super) fn is_let_in(&self) -> bool {
        self.state.lock().epoch.is_some()
    }

    /// Its node knows that it is over.
    pub(super) fn is_over(&self) -> bool {
        self.state.lock().over
    }

    /// Its node knows from here on that it is over.
    pub(super) fn ends(&self) {
        let known = std::mem::replace(&mut self.state.lock().over, true);
        if !known {
            self.scene.saw(Saw::Over { link: self.number });
        }
        self.moved.notify_waiters();
    }

    async fn ended(&self) {
        loop {
            let moved = self.moved.notified();
            if self.is_over() {
                return;
            }
            moved.await;
        }
    }

    /// The kernel has taken something.
    fn takes(&self, state: &mut State, word: ToDisplay) {
        let link = self.number;
        match &word {
            ToDisplay::Registered { epoch, .. } if state.epoch.is_none() => {
                state.epoch = Some(*epoch);
                self.scene.saw(Saw::LetIn { link, epoch: *epoch });
            }
            ToDisplay::NotRegistered(refusal) => {
                if self.scene.defect == Some(DisplayDefect::Untold) {
                    return;
                }
                let code = refusal.code;
                self.scene.saw(Saw::Refused { link, code });
            }
            ToDisplay::Execute(execute) => self.told(state, execute, true),
            ToDisplay::Prepare(execute) => self.told(state, execute, false),
            ToDisplay::Check if state.gone && self.scene.defect == Some(DisplayDefect::AnsweredFor) => {
                let name = Arc::clone(self.name.shared());
                self.say(FromDisplay::Alive { name });
            }
            ToDisplay::Check
            | ToDisplay::Registered { .. }
            | ToDisplay::Beat { .. }
            | ToDisplay::NotBeat(_)
            | ToDisplay::Stop(_)
            | ToDisplay::Shutdown { .. }
            | ToDisplay::Taken
            | ToDisplay::Refused(_)
            | ToDisplay::Closed(_) => {}
        }
        let twice = self.scene.defect == Some(DisplayDefect::ToldTwice);
        if let (true, ToDisplay::Execute(execute)) = (twice, &word) {
            self.told(state, execute, true);
            state.words.push_back(word.clone());
        }
        state.words.push_back(word);
    }

    fn told(&self, state: &State, execute: &Execute, runs: bool) {
        self.scene.saw(Saw::Told {
            link: self.number,
            epoch: state.epoch.unwrap_or(ConnectionEpoch(0)),
            command: execute.command,
            runs,
            call: call_of_execute(execute),
            start_at: execute.start_at,
        });
    }

    /// The planted defect: those who had the name before are told as well.
    fn tells_others(&self, word: &ToDisplay) {
        let all = self.scene.links.lock().clone();
        for other in all
            .iter()
            .filter(|it| it.number < self.number && it.name == self.name)
        {
            let mut state = other.state.lock();
            if !state.over && !state.gone && state.epoch.is_some() {
                other.takes(&mut state, word.clone());
                other.moved.notify_waiters();
            }
        }
    }
}

/// The node's end of a link.
struct Socket(Arc<Link>);

impl Line for Socket {
    fn try_write(&self, bytes: &[u8]) -> Wrote {
        let link = &*self.0;
        let mut heard = Vec::new();
        {
            let mut state = link.state.lock();
            if state.over || state.finished {
                return Wrote::Gone;
            }
            if state.stalls && state.words.len() >= KERNEL_WORDS {
                return Wrote::Full;
            }
            for word in bytes.chunks(WORD_BYTES) {
                if let Some(word) = link.scene.words.read(word) {
                    heard.push(word.clone());
                    link.takes(&mut state, word);
                }
            }
        }
        link.moved.notify_waiters();
        if link.scene.defect == Some(DisplayDefect::ToldBoth) {
            let executes = heard.iter().filter(|word| matches!(word, ToDisplay::Execute(_)));
            executes.for_each(|word| link.tells_others(word));
        }
        Wrote::Bytes(bytes.len())
    }

    fn writable(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            loop {
                let moved = self.0.moved.notified();
                if self.takes() {
                    return;
                }
                moved.await;
            }
        })
    }

    fn takes(&self) -> bool {
        let state = self.0.state.lock();
        !state.stalls || state.words.len() < KERNEL_WORDS || state.over
    }

    fn finish(&self) {
        self.0.state.lock().finished = true;
        self.0.ends();
    }

    fn abort(&self) {
        self.0.ends();
    }
}

struct Silent;

impl Witness for Silent {
    fn served(&self, _: Verb, _: bool) {}
    fn refused(&self, _: &Refusal) {}
    fn malformed(&self) {}
}

/// What stands for the socket, until the link is over.
pub(super) async fn serve(
    scene: Scene,
    node: Arc<Node>,
    link: Arc<Link>,
    mut hears: mpsc::Receiver<FromDisplay>,
) {
    let (limits, clock) = (Arc::clone(&node.ports.limits), Arc::clone(&node.ports.clock));
    let counters = Arc::clone(&node.counters);
    let line = Arc::new(Socket(Arc::clone(&link)));
    let mailbox = Mailbox::new(line, scene.words, limits, clock, counters);
    let mut conversation = Conversation::new(node, mailbox, Locale::En);
    let speaking = Speaking {
        dialect: scene.words,
        address: IpAddr::V4(Ipv4Addr::LOCALHOST),
        witness: &Silent,
    };
    loop {
        let said = tokio::select! {
            biased;
            said = hears.recv() => said,
            () = link.ended() => None,
        };
        let Some(said) = said else { break };
        link.passes().await;
        let Some(said) = arrives(&scene, &link, said) else {
            continue;
        };
        let incoming = Incoming::Display {
            tag: Tag::default(),
            said,
        };
        Box::pin(conversation.carry_out(vec![incoming], None, speaking)).await;
        let cut_off = scene.defect == Some(DisplayDefect::CutOff) && link.is_let_in();
        if link.is_over() || cut_off {
            break;
        }
    }
    link.ends();
    conversation.end().await;
}

/// What has come to the node, as the defects leave it.
fn arrives(scene: &Scene, link: &Link, mut said: FromDisplay) -> Option<FromDisplay> {
    let answered_for = scene.defect == Some(DisplayDefect::AnsweredFor) && link.is_gone();
    if matches!(said, FromDisplay::Alive { .. }) && !answered_for {
        scene.saw(Saw::Alive { link: link.number });
        if scene.defect == Some(DisplayDefect::AnswersLost) {
            return None;
        }
    }
    if let FromDisplay::Execution(execution) = &mut said
        && scene.defect == Some(DisplayDefect::PreparedAnyway)
        && execution.status == Doing::Rejected
        && execution.details.contains_key("prepares")
    {
        execution.status = Doing::Prepared;
    }
    Some(said)
}
