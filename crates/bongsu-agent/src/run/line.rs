//! Where an agent is with its link: none, dialing, or on the line.
//!
//! Invariant: a wait for what comes next may be given up at any time.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;

use tokio::net::UdpSocket;

use crate::link::{Broken, Came, Link, LinkConfig, NotConnected, connect};

type Doing<T> = Pin<Box<dyn Future<Output = T>>>;

pub(super) enum Line {
    Down,
    Dialing(Doing<Result<Opened, NotConnected>>),
    Up(Box<Link>),
}

/// A link, and where this machine is as seen from it.
pub(super) struct Opened {
    pub(super) link: Box<Link>,
    pub(super) address: Option<Arc<str>>,
}

/// What becomes of a line.
pub(super) enum Turn {
    Opened(Opened),
    NotOpened(NotConnected),
    Came(Came),
    Broken(Broken),
}

impl Line {
    pub(super) fn dialing(config: &LinkConfig) -> Self {
        let config = config.clone();
        Self::Dialing(Box::pin(async move {
            let link = Box::new(connect(&config).await?);
            let address = here(config.address.host(), config.address.port()).await;
            Ok(Opened { link, address })
        }))
    }

    /// What comes next. After [`Turn::Opened`] and [`Turn::NotOpened`] the line must be replaced.
    pub(super) async fn next(&mut self) -> Turn {
        match self {
            Self::Down => std::future::pending().await,
            Self::Dialing(dialing) => match dialing.await {
                Ok(opened) => Turn::Opened(opened),
                Err(fault) => Turn::NotOpened(fault),
            },
            Self::Up(link) => match link.next().await {
                Ok(came) => Turn::Came(came),
                Err(fault) => Turn::Broken(fault),
            },
        }
    }

    /// Whether something may be said now: one thing at a time, so that nothing grows old behind another.
    pub(super) fn is_writable(&self) -> bool {
        match self {
            Self::Up(link) => link.is_idle(),
            Self::Down | Self::Dialing(_) => false,
        }
    }
}

/// From which address packets leave for there. None is sent.
async fn here(host: &str, port: u16) -> Option<Arc<str>> {
    let there = tokio::net::lookup_host((host, port)).await.ok()?.next()?;
    let any = match there {
        SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
        SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
    };
    let socket = UdpSocket::bind(any).await.ok()?;
    socket.connect(there).await.ok()?;
    Some(socket.local_addr().ok()?.ip().to_string().into())
}
