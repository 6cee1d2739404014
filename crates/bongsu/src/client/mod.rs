//! Calls to a running server by the commands that need one.

mod api;
mod http;
mod stream;

pub(crate) use api::{Access, Api, part};
pub(crate) use http::{check_url, locale};
pub(crate) use stream::{Said, Stream};
