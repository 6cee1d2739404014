//! Many displays at once: registered before they come, and renamed.
//!
//! Invariant: of what is registered each is made or refused on its own; of what is renamed all is, or nothing.

use std::sync::Arc;

use bongsu_core::policy;
use bongsu_model::device::{Device, DeviceId, NewDevice};
use bongsu_model::display::KIND;
use bongsu_model::{Code, Refusal, Timestamp, TokenHash, Want};
use bongsu_store::{CreateRefused, NotRenamed, RenameRefused};
use futures_util::StreamExt as _;
use futures_util::stream;

use crate::node::Node;
use crate::usecases::operate::Operator;

/// Tokens and notes that are kept at once: the store takes them together.
const AT_ONCE: usize = 32;

/// A display that is to be registered before it comes.
#[derive(Clone)]
pub struct NewDisplay {
    /// Its name: whether it may be one is looked at.
    pub name: Arc<str>,
    /// What is kept of the token that will let it in.
    pub token: TokenHash,
}

/// A display that was registered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewlyRegistered {
    /// What is kept of it.
    pub device: Device,
    /// When its token ends; `None` if it does not.
    pub expires_at: Option<Timestamp>,
}

/// Why displays were not renamed: none of them was.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum NotAllRenamed {
    /// Whatever else is wrong.
    Refused(Refusal),
    /// This one may not be, by the name that it has.
    Display(DeviceId, NotRenamed),
}

impl From<Refusal> for NotAllRenamed {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl Node {
    /// Registers displays before they come, each with a token that lets it in. The answers are in the order of the displays:
    /// the field `name` for what is no name, `NAME_TAKEN` for one that another device has, or that stands there twice.
    ///
    /// # Errors
    /// `PERMISSION_DENIED`; the field `displays` if there are none or too many; or the store failed.
    pub async fn register_displays(
        self: &Arc<Self>,
        by: &Operator,
        displays: Vec<NewDisplay>,
    ) -> Result<Vec<Result<NewlyRegistered, Refusal>>, Refusal> {
        policy::may_operate(&by.principal)?;
        self.check_count("displays", displays.len())?;
        let named = |new: &NewDisplay| {
            let id = DeviceId::parse(&new.name);
            id.ok_or(Refusal::field("name", Want::TextOf(1, DeviceId::BYTES_MAX)))
        };
        let names: Vec<_> = displays.iter().map(named).collect();
        let new = |id: &DeviceId| NewDevice {
            id: id.clone(),
            kind: KIND.into(),
        };
        let new = names.iter().flatten().map(new).collect();
        let made = self.ports.store.create_devices(new, self.now()).await;
        let mut made = made.map_err(|fault| self.fault(&fault))?.into_iter();
        let each = names.into_iter().zip(displays).map(|(name, asked)| {
            let made = name.and_then(|_| {
                let made = made.next().ok_or_else(|| Refusal::new(Code::InternalError))?;
                made.map_err(|refused| self.not_registered(&refused))
            });
            async move {
                let device = made?;
                let enrolled = self.enrol_device(by, &device.id, asked.token).await?;
                self.note(by, "display.register", format!("device:{}", device.id), None)
                    .await;
                Ok(NewlyRegistered {
                    device,
                    expires_at: enrolled.expires_at,
                })
            }
        });
        Ok(stream::iter(each).buffered(AT_ONCE).collect().await)
    }

    /// Gives displays other names, all of them or none; what is theirs goes with them, presets follow them, and displays may
    /// swap names. Only who is not connected and has no open commands is renamed: it would come back under its old name.
    ///
    /// # Errors
    /// [`NotAllRenamed`]; `PERMISSION_DENIED`; the field `renames` if there are none or too many; or the store failed.
    pub async fn rename_displays(
        self: &Arc<Self>,
        by: &Operator,
        renames: Vec<(DeviceId, DeviceId)>,
    ) -> Result<(), NotAllRenamed> {
        policy::may_operate(&by.principal)?;
        self.check_count("renames", renames.len())?;
        for (from, _) in &renames {
            // What is no display is not renamed as one.
            self.display(by, from).await.map_err(|refusal| {
                if refusal.code == Code::DeviceNotFound {
                    NotAllRenamed::Display(from.clone(), NotRenamed::Absent)
                } else {
                    NotAllRenamed::Refused(refusal)
                }
            })?;
        }
        let renamed = self.ports.store.rename_devices(renames.clone(), self.now()).await;
        renamed.map_err(|refused| match refused {
            RenameRefused::Device { from, why } => NotAllRenamed::Display(from, why),
            RenameRefused::Fault(fault) => NotAllRenamed::Refused(self.fault(&fault)),
        })?;
        let notes = renames.into_iter().map(|(from, to)| async move {
            self.devices.forget_telemetry(&from);
            let (object, detail) = (format!("device:{from}"), format!("to={to}"));
            self.note(by, "display.rename", object, Some(detail)).await;
        });
        stream::iter(notes).buffered(AT_ONCE).collect::<()>().await;
        Ok(())
    }

    fn check_count(&self, field: &'static str, count: usize) -> Result<(), Refusal> {
        let most = self.ports.limits.preset_displays_max;
        match count {
            0 => Err(Refusal::field(field, Want::Present)),
            count if count > most => Err(Refusal::field(field, Want::ArrayOf(most))),
            _ => Ok(()),
        }
    }

    fn not_registered(&self, refused: &CreateRefused) -> Refusal {
        match refused {
            CreateRefused::Fault(fault) => self.fault(fault),
            CreateRefused::IdTaken
            | CreateRefused::NameTaken
            | CreateRefused::NoUser(_)
            | CreateRefused::Members
            | CreateRefused::TooMany => Refusal::new(Code::NameTaken),
        }
    }
}
