//! Calls to other servers: to a running Bongsu by the command line, to a reviewer by the server.

mod api;
mod http;

pub(crate) use api::{Access, Api, part};
pub(crate) use http::{Http, HttpFault, check_url};
