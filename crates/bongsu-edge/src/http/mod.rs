//! HTTP: probes, metrics and the API of back ends and operators under `/api/v1`.
//!
//! Invariant: nothing is decided here about who may do what; every handler reads a request, makes one call to the
//! node and writes its answer. Every refusal leaves as one problem document.

mod advertise;
mod announcements;
mod asked;
mod asyncapi;
mod audit;
mod blocks;
mod body;
mod caller;
mod catalogue;
mod commands;
mod cors;
mod device;
mod device_views;
mod devices;
mod display_bulk;
mod displays;
mod docs;
mod events;
mod fields;
mod grpc;
mod idempotency;
mod leases;
mod lent;
mod members;
mod messages;
mod metrics;
mod nodes;
mod openapi;
mod outer;
mod page;
mod preset_runs;
mod presets;
mod probes;
mod problem;
mod programs;
pub mod review;
mod rooms;
mod router;
mod serve;
mod service;
mod sessions;
mod state;
mod status;
mod telemetry;
mod tokens;
mod users;
mod vehicles;
mod video_rooms;
mod views;
mod watch;
mod websocket;
mod yaml;

pub use advertise::{Advertised, NotAdvertisable};
pub use asyncapi::{asyncapi_json, asyncapi_yaml};
pub use openapi::{openapi, openapi_yaml};
pub use serve::{Door, serve, serve_doors};
pub use service::{HttpParts, HttpService, Listening, SocketioOptions};

pub(crate) use caller::bearer;
pub(crate) use grpc::{ended, refused};
pub(crate) use lent::Lent;
pub(crate) use serve::Hold;
