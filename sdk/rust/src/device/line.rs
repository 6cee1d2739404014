//! Where a device is with its link: resting, dialing, or on the line.
//!
//! Invariant: a wait for what comes next may be given up at any time.

use std::pin::Pin;
use std::time::Duration;

use bongsu_model::device::FromDevice;
use tokio::time::Sleep;

use super::builder::Plan;
use super::call::Doing;
use crate::link::{Broken, Came, Link, NotOpened};

/// A gateway that is there answers sooner.
const OPEN_WITHIN: Duration = Duration::from_secs(10);

pub(super) enum Line {
    Resting(Pin<Box<Sleep>>),
    Dialing(Doing<Result<Link, NotOpened>>),
    Up(Box<Link>),
}

/// What becomes of a line.
pub(super) enum Turn {
    Rested,
    Opened(Box<Link>),
    NotOpened(NotOpened),
    Came(Came),
    Broken(Broken),
}

impl Line {
    pub(super) fn resting(rest: Duration) -> Self {
        Self::Resting(Box::pin(tokio::time::sleep(rest)))
    }

    pub(super) fn dialing(plan: &Plan, token: Option<std::sync::Arc<str>>) -> Self {
        let (address, tls) = (plan.address.clone(), plan.tls.clone());
        let subprotocol = plan.format.subprotocol();
        Self::Dialing(Box::pin(async move {
            let opening = Link::open(&address, tls, token.as_deref(), subprotocol);
            match tokio::time::timeout(OPEN_WITHIN, opening).await {
                Ok(opened) => opened,
                Err(_) => Err(NotOpened::TooSlow),
            }
        }))
    }

    /// What comes next. After [`Turn::Rested`], [`Turn::Opened`] and [`Turn::NotOpened`] the line must be replaced.
    pub(super) async fn next(&mut self) -> Turn {
        match self {
            Self::Resting(sleep) => {
                sleep.as_mut().await;
                Turn::Rested
            }
            Self::Dialing(opening) => match opening.await {
                Ok(link) => Turn::Opened(Box::new(link)),
                Err(fault) => Turn::NotOpened(fault),
            },
            Self::Up(link) => match link.next().await {
                Ok(came) => Turn::Came(came),
                Err(fault) => Turn::Broken(fault),
            },
        }
    }

    /// Whether a frame may be written now: at most one waits, so that nothing grows old behind another.
    pub(super) fn is_writable(&self) -> bool {
        match self {
            Self::Up(link) => link.is_idle(),
            Self::Resting(_) | Self::Dialing(_) => false,
        }
    }

    pub(super) fn write(&mut self, plan: &Plan, frame: &FromDevice) {
        if let Self::Up(link) = self {
            let (opcode, message) = plan.format.say(frame);
            link.say(opcode, &message);
        }
    }
}
