//! A device that runs: builder, handle, what commands are given.
//!
//! Invariant: the application is asked for nothing but what it alone knows; links, repeats and deadlines are not its
//! matter.

mod builder;
mod call;
mod line;
mod run;

use std::sync::Arc;
use std::time::Duration;

use bongsu_model::device::Object;
use bongsu_model::{Reconnect, Timestamp};
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::journal::{Answer, Journal};
use crate::session::{Begin, Event, Session, TooMuch};
use crate::time::OwnTime;
use builder::Plan;
pub use builder::{Builder, NotBuilt};
pub use call::{Call, Failure};

/// A device, ready to run.
pub struct Device {
    plan: Plan,
    journal: Option<Journal>,
    shared: Arc<Shared>,
}

/// What the device and all its handles share.
struct Shared {
    session: Mutex<Session>,
    own: OwnTime,
    token: Mutex<Option<Arc<str>>>,
    asked: Mutex<Asked>,
    wake: Notify,
}

/// What a handle asked for.
#[derive(Default)]
struct Asked {
    stop: bool,
    hang_up: Option<Duration>,
}

/// What happens on a device, for logs and screens.
#[derive(Clone, PartialEq, Debug)]
pub enum Happening {
    /// A connection is being made.
    Dials,
    /// There is no connection, or no more; the next try is in so many milliseconds.
    Rests {
        /// Why, in English.
        why: String,
        /// How long.
        rest_ms: u64,
    },
    /// Something of the session.
    Session(Event),
    /// A command is being carried out.
    Begins(Begin),
    /// A command has ended.
    Ends(crate::CommandId, Answer),
    /// The journal cannot be written to: nothing new is begun.
    JournalFails(String),
}

/// Why a device stopped for good.
#[derive(Debug, thiserror::Error)]
pub enum Stopped {
    /// A handle asked for it.
    #[error("stopped")]
    Asked,
    /// The gateway said not to come back.
    #[error("the gateway closed with {close_code} and wants no other connection: {message}")]
    Advised {
        /// The close code: 4409 if another session of this device took its place.
        close_code: u16,
        /// For people.
        message: String,
    },
    /// The gateway did not let it in.
    #[error("the gateway answered with status {0}: the token or certificate is not good, or no longer")]
    NotLetIn(u16),
}

/// Reaches a device that runs. Clones reach the same.
#[derive(Clone)]
pub struct Handle {
    shared: Arc<Shared>,
}

impl Device {
    /// A device of this id at the gateway at `url`: `ws://host:port/device`, or `wss://…`.
    pub fn builder(url: &str, device_id: &str) -> Builder {
        Builder::new(url, device_id)
    }

    /// A handle to this device.
    #[must_use]
    pub fn handle(&self) -> Handle {
        Handle {
            shared: Arc::clone(&self.shared),
        }
    }

    /// Runs until it is stopped, whatever happens to the links. Dropped half way, it leaves commands in its journal as
    /// begun: the next start finds them interrupted.
    pub async fn run(self) -> Stopped {
        run::run(self.plan, self.journal, self.shared).await
    }
}

impl Handle {
    /// The device's state has changed: null takes a key away.
    ///
    /// # Errors
    ///
    /// The state would be more than a gateway takes; it is as before.
    pub fn report(&self, patch: Object) -> Result<(), TooMuch> {
        self.with(|session| session.report(patch))
    }

    /// The device has measured something: the latest of each key is told, as soon as it can be.
    ///
    /// # Errors
    ///
    /// More waits than a gateway takes at once; nothing of it was taken.
    pub fn telemetry(&self, values: Object) -> Result<(), TooMuch> {
        self.with(|session| session.measure(values))
    }

    /// A new token: for this session, and for those to come.
    pub fn auth_update(&self, token: &str) {
        let token: Arc<str> = token.into();
        *self.shared.token.lock() = Some(Arc::clone(&token));
        self.with(|session| session.renew(token));
    }

    /// The gateway's time, as well as it is known; `None` before the first welcome.
    #[must_use]
    pub fn server_now(&self) -> Option<Timestamp> {
        let now = self.shared.own.now();
        self.shared.session.lock().clock().now(now)
    }

    /// Lets the link go without a word and makes no other for `rest`: what a tunnel does to a car.
    pub fn hang_up(&self, rest: Duration) {
        self.shared.asked.lock().hang_up = Some(rest);
        self.shared.wake.notify_one();
    }

    /// Stops the device. Commands that are being carried out are left as they are.
    pub fn stop(&self) {
        self.shared.asked.lock().stop = true;
        self.shared.wake.notify_one();
    }

    fn with<T>(&self, act: impl FnOnce(&mut Session) -> T) -> T {
        let done = act(&mut self.shared.session.lock());
        self.shared.wake.notify_one();
        done
    }
}

/// What a closed session means for the next one.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct Advice {
    reconnect: Option<Reconnect>,
    retry_after_ms: Option<u64>,
    close_code: u16,
    message: String,
    /// The token was not good.
    token: bool,
}

impl Advice {
    /// Whether nobody should connect again: two devices with one id would cut each other off for ever.
    fn is_final(&self) -> bool {
        self.close_code == 4409 || self.reconnect == Some(Reconnect::Never)
    }

    /// What a close frame alone says.
    fn of_close(code: u16, reason: &str) -> Self {
        let word = reason.strip_prefix("reconnect=").unwrap_or_default();
        let known = [Reconnect::Now, Reconnect::Later, Reconnect::Never];
        Self {
            reconnect: known.into_iter().find(|it| it.name() == word),
            retry_after_ms: None,
            close_code: code,
            message: reason.to_owned(),
            token: code == 4401,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_was_replaced_or_is_not_wanted_stays_away() {
        assert!(Advice::of_close(4409, "").is_final());
        assert!(Advice::of_close(4401, "reconnect=never").is_final());
        for (code, reason) in [
            (4503, "reconnect=later"),
            (1006, ""),
            (4408, "reconnect=now"),
            (4400, "x"),
        ] {
            assert!(!Advice::of_close(code, reason).is_final(), "{code} {reason}");
        }
    }
}
