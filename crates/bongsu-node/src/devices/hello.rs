//! A device comes in: who it is, which epoch it gets, what it must know at once.
//!
//! Invariant: a session is current here before the open commands of its device are read, so that a command that is recorded
//! meanwhile is seen by one of the two.

use std::net::IpAddr;
use std::sync::Arc;

use bongsu_bus::{Heard, Subject};
use bongsu_core::desk::{DeskInput, Pacing};
use bongsu_core::shadow;
use bongsu_model::device::{
    DeviceSaid, DeviceSession as Kept, Expects, Hello, OpenSession, Opened, SessionOpened, Welcome, print,
};
use bongsu_model::refusal::CloseCause;
use bongsu_model::{Code, DeviceId, Happening, HappeningKind, Refusal, Role, SessionId, Timestamp, UserRef};

use super::Superseded;
use super::outbox::Delta;
use super::session::{Begins, DeviceSession, Standing};
use super::state::to_be_told;
use crate::node::Node;
use crate::usecases::vouch;

/// Who a device's connection says it is, before its hello.
#[derive(Clone, Debug, Default)]
pub struct DeviceClaim {
    /// The token of the handshake: a signed one, or an enrolment token.
    pub token: Option<Arc<str>>,
    /// The device that the client certificate names.
    pub certificate: Option<Arc<str>>,
    /// Where it comes from.
    pub address: Option<IpAddr>,
}

/// A device that may be let in.
pub(crate) struct LetIn {
    pub(crate) hello: Hello,
    pub(crate) standing: Standing,
    pub(crate) address: Option<IpAddr>,
    pub(crate) pacing: Pacing,
    /// Whose place it may take.
    pub(crate) expects: Expects,
    /// Whether it knows a command again that it has had.
    pub(crate) repeats: bool,
}

/// Why a device is not let in.
pub(crate) enum NotLetIn {
    Refused(Refusal),
    /// Another session has its place than was expected.
    Taken,
}

impl From<Refusal> for NotLetIn {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// A session on its way in. Whoever waits for it may stop waiting at any moment: then the session is over, and does not stay
/// as one that is current and writes nothing.
struct Entering(Option<Arc<DeviceSession>>);

impl Drop for Entering {
    fn drop(&mut self) {
        if let Some(session) = self.0.take() {
            tokio::spawn(async move { session.gone().await });
        }
    }
}

impl Node {
    /// Lets a device in. The welcome is the first frame of its outbox; an older session of the device, here or elsewhere,
    /// is told that it was replaced and ends.
    ///
    /// # Errors
    /// `INVALID_TOKEN`, `NOT_AUTHENTICATED`, `PERMISSION_DENIED` with reason `device_id` for who is another device,
    /// `DEVICE_NOT_FOUND` for who is not registered and may not register itself, `OVERLOADED`, `SHUTTING_DOWN`.
    pub async fn device_hello(
        self: &Arc<Self>,
        claim: DeviceClaim,
        hello: Hello,
        pacing: Pacing,
    ) -> Result<Arc<DeviceSession>, Refusal> {
        let limits = &self.ports.limits;
        self.lets_in()?;
        let now = self.now();
        // Before the epoch rises: who is refused ends nobody's session.
        let reported = hello
            .reported
            .as_ref()
            .map_or(0, |reported| print(reported).len());
        if reported > limits.state_bytes_max {
            return Err(Refusal::too_large("reported", limits.state_bytes_max as u64));
        }
        let standing = self.device_standing(&claim, &hello, now).await?;
        let let_in = LetIn {
            hello,
            standing,
            address: claim.address,
            pacing,
            expects: Expects::Any,
            repeats: true,
        };
        self.let_device_in(let_in).await.map_err(|why| match why {
            NotLetIn::Refused(refusal) => refusal,
            // Whoever expects nothing is disappointed by nobody.
            NotLetIn::Taken => Refusal::new(Code::NameTaken),
        })
    }

    /// Lets in whoever may be, as [`Self::device_hello`] does.
    pub(crate) async fn let_device_in(
        self: &Arc<Self>,
        let_in: LetIn,
    ) -> Result<Arc<DeviceSession>, NotLetIn> {
        let LetIn {
            hello,
            standing,
            address,
            pacing,
            expects,
            repeats,
        } = let_in;
        let (now, id) = (self.now(), SessionId(self.ports.uuid(self.now())));
        let opened = self.open_device(&hello, id, expects, now).await?;
        let session = DeviceSession::new(
            self,
            Begins {
                id,
                device: hello.device.clone(),
                epoch: opened.epoch,
                since: now,
                address,
                pacing,
                repeats,
                standing,
            },
        );
        let mut entering = Entering(Some(Arc::clone(&session)));
        let first = self.first_delta(&session, &hello).await?;
        let version = first.version;
        let welcome = Box::new(Welcome {
            session: id,
            epoch: opened.epoch,
            heartbeat_ms: self.ports.limits.device_heartbeat_ms,
            server_time: self.now(),
            clock: hello.clock,
            delta: (!first.state.is_empty()).then_some((version, first.state)),
        });
        session.welcome(welcome, first.until);
        if let Some(clock) = hello.clock {
            session.says_clock(clock, now);
        }
        let before = opened.before.map(|before| before.session.node);
        self.enter_device(&session, before.is_some_and(|node| node != self.id))
            .await?;
        self.attach(&session, &hello).await?;
        self.catch_up(&session, version).await;
        entering.0 = None;
        Ok(session)
    }

    /// A session is over: its device has none any more, if it has no later one.
    pub(super) async fn device_left(self: &Arc<Self>, session: &Arc<DeviceSession>) {
        if self.forget_device(session) {
            self.happened(HappeningKind::DeviceOffline, |it| offline(it, session));
        }
        let (device, epoch) = (session.device.clone(), session.epoch);
        let closed = self
            .ports
            .store
            .close_device_session(device.clone(), epoch, self.now())
            .await;
        self.healthy(closed);
        session.said().await;
        let left = DeskInput::Detached { device, epoch };
        self.devices.desk(&session.device, left).await;
    }

    async fn open_device(
        self: &Arc<Self>,
        hello: &Hello,
        id: SessionId,
        expects: Expects,
        now: Timestamp,
    ) -> Result<Opened, NotLetIn> {
        let open = OpenSession {
            device: hello.device.clone(),
            session: Kept {
                id,
                node: Arc::clone(&self.id),
                boot: self.devices.boot,
                since: now,
            },
            create: self.ports.policy.create_devices,
            expects,
            kind: hello.kind.clone(),
            version: hello.version.clone(),
            capabilities: hello.capabilities.clone().into(),
        };
        let opened = self.ports.store.open_device_session(open, now).await;
        match opened.map_err(|fault| self.fault(&fault))? {
            SessionOpened::Opened(opened) => Ok(opened),
            SessionOpened::Taken(_) => Err(NotLetIn::Taken),
            SessionOpened::NoDevice => Err(Refusal::new(Code::DeviceNotFound).into()),
        }
    }

    /// Makes the session current here, and has every older one end. Where another node had that, it says before what the
    /// device has measured.
    async fn enter_device(
        self: &Arc<Self>,
        session: &Arc<DeviceSession>,
        from_elsewhere: bool,
    ) -> Result<(), Refusal> {
        let came = || self.want(Subject::Device(session.device.clone()), true);
        let before = match self.devices.enter(session, came) {
            Ok(before) => before,
            // Two came at once, and the other one came later.
            Err(Superseded) => return Err(Refusal::because(Code::PermissionDenied, "replaced")),
        };
        if let Some(before) = &before {
            before.end(CloseCause::Replaced);
        }
        self.happened(HappeningKind::DeviceOnline, |it| {
            it.of_device(&session.device)
                .with("session_id", &*session.id.to_string())
                .with("epoch", session.epoch.0.cast_signed())
                .with("replaced", before.is_some())
        });
        if from_elsewhere {
            let said = DeviceSaid::AskTelemetry {
                device: session.device.clone(),
                from: Arc::clone(&self.id),
            };
            self.publish(Heard::Device(Arc::new(said))).await;
        }
        let said = DeviceSaid::Opened {
            device: session.device.clone(),
            epoch: session.epoch,
        };
        self.publish(Heard::Device(Arc::new(said))).await;
        Ok(())
    }

    /// Gives the desk what is open of the device.
    async fn attach(self: &Arc<Self>, session: &Arc<DeviceSession>, hello: &Hello) -> Result<(), Refusal> {
        let open = self.ports.store.open_commands(session.device.clone()).await;
        let commands = match open {
            Ok(commands) => commands,
            // Without its commands a session would look alive and carry out nothing.
            Err(fault) => return Err(self.fault(&fault)),
        };
        let attached = DeskInput::Attached {
            device: session.device.clone(),
            epoch: session.epoch,
            session: session.id,
            running: hello.running.clone(),
            commands,
            pacing: session.pacing(),
            repeats: session.repeats(),
        };
        self.devices.desk(&session.device, attached).await;
        Ok(())
    }

    /// What the device reports of itself is kept. What the device should be and is not.
    async fn first_delta(
        self: &Arc<Self>,
        session: &Arc<DeviceSession>,
        hello: &Hello,
    ) -> Result<Delta, Refusal> {
        let now = self.now();
        let (reported, version) = (hello.reported.clone(), hello.reported_version);
        let kept = self
            .change_shadow(&session.device, |state| match &reported {
                Some(reported) => {
                    shadow::report_whole(state, reported.clone(), version, now, &self.ports.limits)
                }
                None => Ok(shadow::expire(state, now)),
            })
            .await?;
        Ok(to_be_told(&kept, now))
    }

    /// Changes of the state come here from when the session is current; of those since it was read for the welcome the
    /// device is told now.
    async fn catch_up(&self, session: &DeviceSession, version: u64) {
        let kept = self.ports.store.shadow(session.device.clone()).await;
        if self
            .healthy(kept)
            .flatten()
            .is_some_and(|kept| kept.version != version)
        {
            self.send_delta(&session.device).await;
        }
    }

    /// By what the device may come in.
    pub(crate) async fn device_standing(
        self: &Arc<Self>,
        claim: &DeviceClaim,
        hello: &Hello,
        now: Timestamp,
    ) -> Result<Standing, Refusal> {
        let another = || Refusal::because(Code::PermissionDenied, "device_id");
        if let Some(named) = &claim.certificate
            && **named != *hello.device.as_str()
        {
            return Err(another());
        }
        match claim.token.as_ref().or(hello.token.as_ref()) {
            Some(token) => self.device_token(&hello.device, token, now).await,
            None if claim.certificate.is_some() => Ok(Standing::default()),
            None => Err(Refusal::new(Code::NotAuthenticated)),
        }
    }

    /// What a token says about a device: a signed one with the role `device`, or an enrolment token.
    pub(super) async fn device_token(
        self: &Arc<Self>,
        device: &DeviceId,
        token: &str,
        now: Timestamp,
    ) -> Result<Standing, Refusal> {
        let another = || Refusal::because(Code::PermissionDenied, "device_id");
        if let Some(hash) = self.ports.tokens.member_token(token) {
            let enrolled = self.ports.store.enrolment(hash, now).await;
            let enrolled = enrolled.map_err(|fault| self.fault(&fault))?;
            let enrolled = enrolled.ok_or_else(|| Refusal::because(Code::InvalidToken, "unknown_token"))?;
            return if enrolled == *device {
                Ok(Standing::default())
            } else {
                Err(another())
            };
        }
        let claims = vouch::claims(self, token, now).await?.claims;
        if claims.role != Role::Device {
            return Err(Refusal::because(Code::PermissionDenied, "role"));
        }
        let named = match &claims.subject {
            UserRef::Id(id) => id.to_string() == device.as_str(),
            UserRef::Handle(handle) => **handle == *device.as_str(),
        };
        if !named {
            return Err(another());
        }
        Ok(Standing {
            jti: claims.jti,
            expires_at: Some(claims.expires_at),
            refused_from: Some(claims.refused_from),
            warned: false,
        })
    }
}

/// A session is over, and its device has none any more.
fn offline(it: Happening, session: &DeviceSession) -> Happening {
    let it = it
        .of_device(&session.device)
        .with("epoch", session.epoch.0.cast_signed());
    match session.ending() {
        Some(closing) => it.with("cause", closing.cause.word()),
        None => it,
    }
}
