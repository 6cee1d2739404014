//! A display says who it is: whether it is let in, and what becomes of who had its name.
//!
//! Invariant: a holder that is alive keeps its name; who is not let in learns nothing of who is, and has nobody asked.

use std::net::IpAddr;
use std::sync::Arc;

use bongsu_core::desk::Pacing;
use bongsu_model::device::{Expects, Hello};
use bongsu_model::display::{COMMAND_IDS, KIND, Registration};
use bongsu_model::{Code, DeviceId, HappeningKind, Locale, Refusal, Tag, Value, Want};

use super::display::{Display, Made, can};
use super::probe::Holder;
use super::ran::Ran;
use super::writer;
use crate::devices::{DeviceClaim, DeviceSession, LetIn, NotLetIn, Standing};
use crate::mailbox::Mailbox;
use crate::node::Node;

/// What a device is that has not said what it is.
const UNTOLD: &str = "device";
/// How often a name is looked at again that changed its holder meanwhile.
const TRIES: u32 = 3;

/// A connection on which a display says who it is.
pub(crate) struct Arriving {
    pub(crate) mailbox: Arc<Mailbox>,
    pub(crate) address: IpAddr,
    pub(crate) locale: Locale,
    /// What it is spoken to as, unasked.
    pub(crate) tag: Tag,
}

impl Node {
    /// Lets a display in. That it is registered is the first that it is told then.
    ///
    /// # Errors
    /// The field `name`; `NOT_AUTHENTICATED`, `INVALID_TOKEN` or `PERMISSION_DENIED` for who may not; `NAME_TAKEN` while
    /// another display of this name is alive; as [`Node::device_hello`] otherwise.
    pub(crate) async fn register_display(
        self: &Arc<Self>,
        arriving: Arriving,
        registration: &Registration,
    ) -> Result<Arc<Display>, Refusal> {
        let address = arriving.address;
        let registered = self.lets_display_in(arriving, registration).await;
        if let Err(refusal) = &registered {
            self.happened(HappeningKind::DisplayRefused, |mut it| {
                // A name that is none is not repeated.
                it.device = DeviceId::parse(&registration.name);
                it.detail.insert("code".into(), Value::text(refusal.code.name()));
                it.detail
                    .insert("address".into(), Value::text(&address.to_string()));
                it
            });
        }
        registered
    }

    async fn lets_display_in(
        self: &Arc<Self>,
        arriving: Arriving,
        registration: &Registration,
    ) -> Result<Arc<Display>, Refusal> {
        let name = DeviceId::parse(&registration.name);
        let name = name.ok_or(Refusal::field("name", Want::TextOf(1, DeviceId::BYTES_MAX)))?;
        self.lets_in()?;
        let hello = Hello {
            device: name.clone(),
            kind: Some(KIND.into()),
            version: registration.version.clone(),
            capabilities: registration.capabilities.clone(),
            reported: None,
            reported_version: None,
            running: registration.running.clone(),
            clock: None,
            token: registration.token.clone(),
        };
        let certificate = registration.certificate.clone();
        let standing = self.display_standing(&arriving, certificate, &hello).await?;
        let knows_ids = can(&registration.capabilities, COMMAND_IDS);
        for _ in 0..TRIES {
            let expects = match self.holder(&name).await? {
                Holder::Nobody => Expects::Free,
                Holder::Session(epoch, here) if !self.is_alive(&name, epoch, here).await => {
                    Expects::Held(epoch)
                }
                Holder::Session(..) => return Err(Refusal::new(Code::NameTaken)),
            };
            let let_in = LetIn {
                hello: hello.clone(),
                standing: standing.clone(),
                address: Some(arriving.address),
                pacing: Pacing::Kernel,
                expects,
                repeats: knows_ids,
            };
            match self.let_device_in(let_in).await {
                Ok(device) => {
                    let replaces = matches!(expects, Expects::Held(_));
                    return self.begins(arriving, registration, device, replaces).await;
                }
                Err(NotLetIn::Refused(refusal)) => return Err(refusal),
                // Somebody else was faster, and may be alive.
                Err(NotLetIn::Taken) => {}
            }
        }
        Err(Refusal::new(Code::NameTaken))
    }

    /// By what a display may come in: as a device, or from where displays need nothing.
    async fn display_standing(
        self: &Arc<Self>,
        arriving: &Arriving,
        certificate: Option<Arc<str>>,
        hello: &Hello,
    ) -> Result<Standing, Refusal> {
        let known = self.ports.store.device(hello.device.clone()).await;
        let known = known.map_err(|fault| self.fault(&fault))?.map(|known| known.kind);
        if known
            .as_ref()
            .is_some_and(|kind| **kind != *KIND && **kind != *UNTOLD)
        {
            // A car is no display, whoever says so.
            return Err(Refusal::because(Code::PermissionDenied, "kind"));
        }
        let ranges = &self.ports.policy.display_ranges;
        let open = ranges.iter().any(|range| range.contains(arriving.address));
        if open && hello.token.is_none() && certificate.is_none() {
            // What was made for somebody who has a token is not to be had for being asked from the right place.
            return match known {
                Some(kind) if *kind != *KIND => Err(Refusal::new(Code::NotAuthenticated)),
                Some(_) | None => Ok(Standing::default()),
            };
        }
        let claim = DeviceClaim {
            token: None,
            certificate,
            address: Some(arriving.address),
        };
        self.device_standing(&claim, hello, self.now()).await
    }

    async fn begins(
        self: &Arc<Self>,
        arriving: Arriving,
        registration: &Registration,
        device: Arc<DeviceSession>,
        replaces: bool,
    ) -> Result<Arc<Display>, Refusal> {
        let known = async {
            let kept = self.ports.store.device(device.device.clone()).await;
            let kept = kept.map_err(|fault| self.fault(&fault))?;
            let kept = kept.ok_or_else(|| Refusal::new(Code::DeviceNotFound))?;
            let open = self.ports.store.open_commands(device.device.clone()).await;
            Ok((kept.client, open.map_err(|fault| self.fault(&fault))?))
        };
        let (client, open) = match known.await {
            Ok(known) => known,
            Err(refusal) => {
                device.gone().await;
                return Err(refusal);
            }
        };
        let made = Made {
            device,
            client,
            tag: arriving.tag,
            mailbox: arriving.mailbox,
            locale: arriving.locale,
            ran: Ran::of(
                &open,
                &registration.running,
                self.ports.limits.display_reports_apart_ms,
            ),
        };
        let display = Display::new(made, registration, self.now());
        self.displays.enter(&display);
        tokio::spawn(writer::run(Arc::downgrade(self), Arc::clone(&display)));
        if replaces {
            self.happened(HappeningKind::DisplayReplaced, |it| it.of_device(display.name()));
        }
        self.happened(HappeningKind::DisplayRegistered, |mut it| {
            it.detail.insert("client_id".into(), client.into());
            it.of_device(display.name())
        });
        Ok(display)
    }
}
