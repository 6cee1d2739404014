//! One connection's conversation: what came in is carried out in order and answered.
//!
//! Invariants: a request is carried out after the one before it is answered; posts that came in together share a
//! commit; what a request caused is heard before what comes next is answered. Once closed, nothing is carried out.

use std::net::IpAddr;
use std::sync::Arc;

use bongsu_model::display::{FromDisplay, Registration, ToDisplay};
use bongsu_model::event::Lane;
use bongsu_model::refusal::CloseCause;
use bongsu_model::{
    Asked, Closing, Code, Connect, Fatal, Incoming, Locale, Notice, Refusal, Reply, Request, Tag, Verb,
};

use crate::dialect::{Dialect, Setting};
use crate::displays::{Arriving, Display};
use crate::mailbox::{Mailbox, Pushed};
use crate::node::Node;
use crate::session::{Arrival, Session};
use crate::usecases::post::Unheard;

/// Posts that are put to the store together, at most.
const POSTS_AT_ONCE: usize = 256;

/// Who counts what happens in conversations.
pub trait Witness: Send + Sync {
    /// A request was carried out, or refused.
    fn served(&self, verb: Verb, done: bool);
    /// A refusal was said.
    fn refused(&self, refusal: &Refusal);
    /// What came in could not be read any further.
    fn malformed(&self);
}

/// What a conversation needs of its connection while it is carried on.
#[derive(Clone, Copy)]
pub struct Speaking<'a> {
    /// How the client is spoken to.
    pub dialect: &'static dyn Dialect,
    /// Where it is.
    pub address: IpAddr,
    /// Who counts.
    pub witness: &'a dyn Witness,
}

/// A connection as its client's partner.
pub struct Conversation {
    node: Arc<Node>,
    mailbox: Arc<Mailbox>,
    session: Option<Arc<Session>>,
    /// The display that is spoken with; never together with a session.
    display: Option<Arc<Display>>,
    /// What it caused and may not have been given yet.
    unheard: Option<Unheard>,
    locale: Locale,
    /// Requests without a session.
    tries: u32,
    /// The last sign-in or renewal was refused.
    declined: bool,
    /// It was refused for what may be otherwise in a moment.
    tries_again: bool,
}

impl Conversation {
    /// A conversation in which nothing was said yet.
    #[must_use]
    pub fn new(node: Arc<Node>, mailbox: Arc<Mailbox>, locale: Locale) -> Self {
        Self {
            node,
            mailbox,
            session: None,
            display: None,
            unheard: None,
            locale,
            tries: 0,
            declined: false,
            tries_again: false,
        }
    }

    /// Who is spoken with.
    #[must_use]
    pub fn node(&self) -> &Arc<Node> {
        &self.node
    }

    /// The way out.
    #[must_use]
    pub fn mailbox(&self) -> &Arc<Mailbox> {
        &self.mailbox
    }

    /// Whether the last sign-in, or the last renewal by one, was refused.
    #[must_use]
    pub const fn declined(&self) -> bool {
        self.declined
    }

    /// The session, once it has signed in.
    #[must_use]
    pub fn session(&self) -> Option<&Arc<Session>> {
        self.session.as_ref()
    }

    /// Whether somebody is spoken with: a session, or a display.
    #[must_use]
    pub const fn knows_who(&self) -> bool {
        self.session.is_some() || self.display.is_some()
    }

    /// Whether the time for a sign-in begins anew: a display whose name is taken is to try again, and not to be sent away
    /// meanwhile. Said once.
    pub const fn tries_again(&mut self) -> bool {
        std::mem::replace(&mut self.tries_again, false)
    }

    /// Whether whoever is spoken with has been ended from this side.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.session.as_ref().is_some_and(|session| session.is_cut())
            || self.display.as_ref().is_some_and(|display| display.is_cut())
    }

    /// Signs in with what came with the connection itself, as if it were its first request; `tag` names that request.
    pub async fn begin(&mut self, tag: Tag, connect: Connect, speaking: Speaking<'_>) {
        let asked = Asked {
            tag,
            claimed_user: None,
            request: Request::Connect(connect),
        };
        self.request(asked, speaking).await;
    }

    /// Carries out what came in, then ends the connection if what came after it makes no sense.
    pub async fn carry_out(&mut self, incoming: Vec<Incoming>, fatal: Option<Fatal>, speaking: Speaking<'_>) {
        // Whoever is signed in is told things as before until what it asks for is done: it may be refused.
        let changes = |one: &Incoming| match one {
            Incoming::SignOut => true,
            Incoming::Request(asked) => matches!(asked.request, Request::Connect(_)),
            Incoming::Display { .. }
            | Incoming::Refused { .. }
            | Incoming::Echo(_)
            | Incoming::Goodbye(_) => false,
        };
        let waits = self.session.is_some() && incoming.iter().any(changes);
        if !waits {
            self.mailbox.speaks(speaking.dialect);
        }
        let mut posts = Vec::new();
        for one in incoming {
            if self.mailbox.is_closed() {
                return;
            }
            match one {
                Incoming::Request(asked)
                    if self.session.is_some() && matches!(asked.request, Request::Post(_)) =>
                {
                    posts.push(asked);
                    if posts.len() >= POSTS_AT_ONCE {
                        self.post(&mut posts, speaking).await;
                    }
                }
                Incoming::Request(asked) => {
                    self.post(&mut posts, speaking).await;
                    self.request(asked, speaking).await;
                }
                Incoming::Echo(bytes) => {
                    self.relief().await;
                    match self.tolerate() {
                        Ok(()) => self.push(Lane::Control, &bytes),
                        Err(refusal) => self.refuse(&Tag::default(), &refusal, speaking),
                    }
                }
                seldom @ (Incoming::Refused { .. }
                | Incoming::Display { .. }
                | Incoming::SignOut
                | Incoming::Goodbye(_)) => {
                    self.post(&mut posts, speaking).await;
                    // Boxed: of many connections few say these.
                    Box::pin(self.seldom(seldom, speaking)).await;
                }
            }
        }
        self.post(&mut posts, speaking).await;
        if waits && !self.declined {
            self.mailbox.speaks(speaking.dialect);
        }
        if let Some(fatal) = fatal {
            self.settle().await;
            self.broken_off(&fatal, speaking);
        }
    }

    /// Carries out what most clients never say; what came before it has been posted.
    async fn seldom(&mut self, one: Incoming, speaking: Speaking<'_>) {
        self.settle().await;
        match one {
            Incoming::Refused { tag, refusal } => {
                self.relief().await;
                self.tries += u32::from(!self.knows_who());
                if let Some(display) = &self.display {
                    self.node.slow_down(display).await;
                }
                let refusal = self.tolerate().err().unwrap_or(refusal);
                self.refuse(&tag, &refusal, speaking);
            }
            Incoming::Display { tag, said } => {
                self.relief().await;
                self.display(tag, said, speaking).await;
            }
            Incoming::SignOut => {
                self.sign_out().await;
                self.mailbox.speaks(speaking.dialect);
            }
            Incoming::Goodbye(last) => self.mailbox.close(Some(&last)),
            // These are carried out where they come in.
            Incoming::Request(_) | Incoming::Echo(_) => {}
        }
    }

    /// Lets what is owed be written, if anyone still reads it, and signs out.
    pub async fn end(&mut self) {
        if !self.mailbox.is_closed() {
            self.settle().await;
            self.mailbox.relief(0).await;
        }
        if let Some(session) = self.session.take() {
            self.node.sign_out(&session).await;
        }
        if let Some(display) = self.display.take() {
            display.gone(&self.node).await;
        }
        self.mailbox.abort();
    }

    /// Ends the session, and goes on with whoever signs in next: who must hear nothing of what was told to this one.
    async fn sign_out(&mut self) {
        if let Some(session) = self.session.take() {
            self.node.sign_out(&session).await;
            self.node.barrier(&session, None).await;
        }
        if let Some(display) = self.display.take() {
            display.gone(&self.node).await;
        }
    }

    /// Hears a display, and answers it.
    async fn display(&mut self, tag: Tag, said: FromDisplay, speaking: Speaking<'_>) {
        let node = Arc::clone(&self.node);
        let answer = match (&self.display, said) {
            (Some(display), said) => node.display_says(display, &tag, said).await,
            (None, FromDisplay::Register(registration)) => {
                match self.registers(&tag, &registration, speaking).await {
                    // That it is let in it is told by its session: this is for who awaits an answer beside.
                    Ok(()) => ToDisplay::Taken,
                    Err(refusal) => {
                        node.counters.refused(refusal.code);
                        speaking.witness.refused(&refusal);
                        self.tries_again = refusal.code == Code::NameTaken;
                        ToDisplay::NotRegistered(refusal)
                    }
                }
            }
            (None, FromDisplay::Heartbeat(_)) => ToDisplay::NotBeat(Refusal::new(Code::NotAuthenticated)),
            (
                None,
                FromDisplay::Alive { .. }
                | FromDisplay::Execution(_)
                | FromDisplay::Processes(_)
                | FromDisplay::Back { .. },
            ) => ToDisplay::Refused(Refusal::new(Code::NotAuthenticated)),
        };
        if let Some(bytes) = speaking.dialect.display(&tag, &answer, self.setting()) {
            self.push(Lane::Control, &bytes);
        }
    }

    async fn registers(
        &mut self,
        tag: &Tag,
        registration: &Registration,
        speaking: Speaking<'_>,
    ) -> Result<(), Refusal> {
        if self.session.is_some() {
            return Err(Refusal::because(Code::PermissionDenied, "role"));
        }
        self.tries += 1;
        if self.tries > self.node.ports.limits.sign_in_tries_max {
            return Err(Refusal::retry(
                Code::RateLimited,
                self.node.ports.limits.sign_in_ms,
            ));
        }
        let arriving = Arriving {
            mailbox: Arc::clone(&self.mailbox),
            address: speaking.address,
            locale: self.locale,
            tag: Tag {
                reference: None,
                verb: tag.verb.clone(),
            },
        };
        let display = Box::pin(self.node.register_display(arriving, registration)).await?;
        self.display = Some(display);
        Ok(())
    }

    /// Posts what has gathered.
    async fn post(&mut self, posts: &mut Vec<Asked>, speaking: Speaking<'_>) {
        if posts.is_empty() {
            return;
        }
        let posts = std::mem::take(posts);
        let Some(session) = self.session.clone() else {
            return;
        };
        if self.unheard == Some(Unheard::Rooms) {
            // What is announced where nobody listens yet is only found when heads are exchanged.
            self.settle().await;
        }
        self.relief().await;
        let node = Arc::clone(&self.node);
        let this = &*self;
        let unheard = node
            .post_all(&session, posts, &mut |tag, outcome| {
                speaking.witness.served(Verb::POST, outcome.is_ok());
                match outcome {
                    Ok(reply) => this.reply(tag, &reply, speaking),
                    Err(refusal) => this.refuse(tag, &refusal, speaking),
                }
            })
            .await;
        self.unheard = unheard.or(self.unheard);
    }

    /// Lets what was caused before be heard before what comes next is answered.
    async fn settle(&mut self) {
        if let (Some(session), Some(unheard)) = (&self.session, self.unheard.take()) {
            self.node.settle(session, unheard).await;
        }
    }

    /// Waits until there is room for an answer: who does not read what it asked for is not served more.
    async fn relief(&self) {
        let bytes_max = self.node.ports.limits.mailbox_bytes_max / 2;
        self.mailbox.relief(bytes_max).await;
    }

    async fn request(&mut self, asked: Asked, speaking: Speaking<'_>) {
        self.settle().await;
        if matches!(asked.request, Request::History { .. }) {
            // A page is the largest answer there is, so it goes out alone.
            self.mailbox.relief(0).await;
        } else {
            self.relief().await;
        }
        match self.session.clone() {
            Some(session) => self.serve(&session, asked, speaking).await,
            None => self.sign_in(asked, speaking).await,
        }
    }

    async fn serve(&mut self, session: &Arc<Session>, asked: Asked, speaking: Speaking<'_>) {
        let (tag, verb) = (asked.tag.clone(), asked.request.verb());
        let signs_in = matches!(asked.request, Request::Connect(_));
        let comes_back = comes_back(&asked.request);
        let node = Arc::clone(&self.node);
        let this = &*self;
        let served = node
            .handle(session, asked, &mut |reply| this.reply(&tag, &reply, speaking))
            .await;
        speaking.witness.served(verb, served.is_ok());
        if signs_in {
            self.declined = served.is_err();
        }
        if let Err(refusal) = served {
            self.refuse(&tag, &refusal, speaking);
        } else if comes_back {
            self.unheard = Some(Unheard::Events);
        }
    }

    async fn sign_in(&mut self, asked: Asked, speaking: Speaking<'_>) {
        let Asked {
            tag,
            claimed_user,
            request,
        } = asked;
        self.tries += 1;
        let verb = request.verb();
        if self.display.is_some() {
            speaking.witness.served(verb, false);
            self.refuse(&tag, &Refusal::because(Code::PermissionDenied, "role"), speaking);
            return;
        }
        let Request::Connect(connect) = request else {
            speaking.witness.served(verb, false);
            self.refuse(&tag, &Refusal::new(Code::NotAuthenticated), speaking);
            return;
        };
        if self.tries > self.node.ports.limits.sign_in_tries_max {
            // Signing in and out again is work, too.
            speaking.witness.served(verb, false);
            let retry_ms = self.node.ports.limits.sign_in_ms;
            self.refuse(&tag, &Refusal::retry(Code::RateLimited, retry_ms), speaking);
            return;
        }
        self.locale = connect.locale.unwrap_or(self.locale);
        let arrival = Arrival {
            mailbox: Arc::clone(&self.mailbox),
            address: speaking.address,
            locale: self.locale,
            claimed_user,
        };
        let node = Arc::clone(&self.node);
        let this = &*self;
        let signed_in = node
            .sign_in(arrival, connect, &mut |reply| this.reply(&tag, &reply, speaking))
            .await;
        speaking.witness.served(verb, signed_in.is_ok());
        self.declined = signed_in.is_err();
        match signed_in {
            Ok(session) => {
                self.session = Some(session);
                self.unheard = Some(Unheard::Rooms);
            }
            Err(refusal) => self.refuse(&tag, &refusal, speaking),
        }
    }

    /// Whether a session may send nonsense yet again.
    fn tolerate(&self) -> Result<(), Refusal> {
        self.session
            .as_ref()
            .map_or(Ok(()), |session| self.node.tolerate(session))
    }

    /// Answers, unless the event that the request causes is the answer.
    fn reply(&self, tag: &Tag, reply: &Reply, speaking: Speaking<'_>) {
        let Some(bytes) = speaking.dialect.reply(tag, reply, self.setting()) else {
            return;
        };
        let lane = if matches!(reply, Reply::Pong { .. }) {
            Lane::Control
        } else {
            Lane::Message
        };
        if matches!(reply, Reply::Left { .. }) {
            self.mailbox.promote_ephemeral();
        }
        self.push(lane, &bytes);
    }

    /// Answers with a refusal; closes where that is due: before sign-in, and when the token is no good any more.
    fn refuse(&self, tag: &Tag, refusal: &Refusal, speaking: Speaking<'_>) {
        self.node.counters.refused(refusal.code);
        speaking.witness.refused(refusal);
        let (dialect, with) = (speaking.dialect, self.numbered());
        if self.display.is_some() {
            self.push(Lane::Control, &dialect.refusal(tag, refusal, with));
            return;
        }
        let Some(session) = &self.session else {
            if dialect.forgives(tag, refusal) && self.tries < self.node.ports.limits.sign_in_tries_max {
                self.push(Lane::Control, &dialect.refusal(tag, refusal, with));
            } else {
                self.mailbox.close(Some(&dialect.turned_away(tag, refusal, with)));
            }
            return;
        };
        self.push(Lane::Message, &dialect.refusal(tag, refusal, with));
        // Where another token may be tried, one that is no good takes nothing from a session whose own one is.
        let stands = || dialect.forgives(tag, refusal) && session.stand(with.now).is_ok();
        if refusal.code == Code::InvalidToken && !stands() {
            let notice = Notice::Closed(Closing::new(CloseCause::Refused(refusal.clone())));
            self.mailbox.close(Some(&dialect.notice(&notice, with)));
        }
    }

    /// What came in makes no sense any more: says where, and closes.
    fn broken_off(&self, fatal: &Fatal, speaking: Speaking<'_>) {
        self.node.counters.refused(fatal.refusal.code);
        speaking.witness.malformed();
        let last = speaking
            .dialect
            .broken_off(fatal, self.session.is_some(), self.numbered());
        self.mailbox.close(Some(&last));
    }

    fn push(&self, lane: Lane, bytes: &bytes::Bytes) {
        if self.mailbox.answer(lane, bytes) == Pushed::Full {
            // It was held back before and still there is no room: it does not read.
            self.node.counters.slow_closes.bump();
            self.mailbox.abort();
        }
    }

    /// For answers: they carry the reference of their request, and need no number of ours.
    fn setting(&self) -> Setting<'_> {
        let ports = &self.node.ports;
        Setting {
            locale: self.locale,
            now: ports.clock.now(),
            id: 0,
            limits: &ports.limits,
        }
    }

    fn numbered(&self) -> Setting<'_> {
        Setting {
            id: self.node.ports.number(),
            ..self.setting()
        }
    }
}

/// Whether a request that is granted causes an event that the one who asked hears, too.
const fn comes_back(request: &Request) -> bool {
    match request {
        Request::Emit(_)
        | Request::MarkRead { .. }
        | Request::CreateCall { .. }
        | Request::JoinCall { .. }
        | Request::EndCall { .. }
        | Request::SetMedia { .. } => true,
        // Posts are told apart by their room and number; see `post`.
        Request::Post(_)
        | Request::Connect(_)
        | Request::RefreshToken { .. }
        | Request::Ping
        | Request::Pong
        | Request::Join { .. }
        | Request::Leave { .. }
        | Request::Typing { .. }
        | Request::History { .. }
        | Request::LeaveCall { .. }
        | Request::Signal { .. }
        | Request::Block { .. }
        | Request::Unblock { .. } => false,
    }
}
