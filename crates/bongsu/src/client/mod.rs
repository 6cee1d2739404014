//! Calls to a running server by the commands that need one, and sessions of those that listen.

mod api;
mod http;
mod line;
mod socketio;
mod stream;
mod websocket;

pub(crate) use api::{Access, Api, part};
pub(crate) use http::{check_url, locale};
pub(crate) use line::{Asked, Draft, Event, Line, Message, Protocol, Told};
