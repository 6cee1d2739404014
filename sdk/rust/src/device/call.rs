//! One command as the application sees it, and what it may answer.
//!
//! Invariant: whatever becomes of the handler, its command has an answer.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bongsu_model::Timestamp;
use bongsu_model::device::{CommandId, Object, Value};

use super::Handle;
use crate::journal::{Answer, End};

/// A command that is to be carried out now.
#[derive(Clone)]
pub struct Call {
    /// Its name for ever.
    pub id: CommandId,
    /// What to do.
    pub name: Arc<str>,
    /// With what.
    pub args: Object,
    /// Its deadline, by the gateway's clock: it was not past when the command was begun.
    pub deadline: Timestamp,
    pub(super) handle: Handle,
}

impl Call {
    /// An argument that is a string.
    #[must_use]
    pub fn text(&self, key: &str) -> Option<&str> {
        self.args.get(key).and_then(Value::as_text)
    }

    /// Reaches the device that carries it out.
    #[must_use]
    pub const fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Says that it goes on, and how far it has come. Before the answer only the latest of these counts.
    pub fn in_progress(&self, so_far: Option<Value>) {
        self.handle.with(|session| session.goes_on(self.id, so_far));
    }
}

/// A command that was not carried out.
#[derive(Clone, PartialEq, Debug)]
pub struct Failure {
    end: End,
    error: Value,
}

impl Failure {
    /// It was begun and could not be done.
    pub fn failed(error: impl Into<Value>) -> Self {
        Self {
            end: End::Failed,
            error: error.into(),
        }
    }

    /// It will not be done, and was not begun.
    pub fn rejected(error: impl Into<Value>) -> Self {
        Self {
            end: End::Rejected,
            error: error.into(),
        }
    }
}

impl From<&str> for Failure {
    fn from(error: &str) -> Self {
        Self::failed(error)
    }
}

/// What a handler ends with, as an answer.
pub(super) fn answer(done: Result<Value, Failure>) -> Answer {
    match done {
        Ok(result) => Answer::ok(result),
        Err(Failure { end, error }) => Answer {
            end,
            result: None,
            error: Some(error),
        },
    }
}

/// A future that a closure of the application returned.
pub(super) type Doing<T> = Pin<Box<dyn Future<Output = T> + Send>>;
/// A closure of the application.
pub(super) type Does<A, T> = Arc<dyn Fn(A) -> Doing<T> + Send + Sync>;

/// The closure in the one form that is kept.
pub(super) fn does<A, T, F, R>(act: F) -> Does<A, T>
where
    F: Fn(A) -> R + Send + Sync + 'static,
    R: Future<Output = T> + Send + 'static,
{
    Arc::new(move |asked| Box::pin(act(asked)))
}
