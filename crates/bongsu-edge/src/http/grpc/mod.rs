//! gRPC on the HTTP port: the services of the contract, health and reflection.
//!
//! Invariant: a call that no service takes is answered as gRPC answers, and not with a document.

mod answers;
mod control;
mod status;

use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use bongsu_model::{Code, Refusal};
use bongsu_proto::v1::control_server::ControlServer;
use bongsu_proto::v1::device_gateway_server::DeviceGatewayServer;
use futures_util::FutureExt as _;
use tonic::server::NamedService;
use tonic_health::ServingStatus;
use tonic_health::pb::health_server::HealthServer;
use tonic_health::server::{HealthReporter, HealthService};
use tower::Service;

use super::service::{App, Shared};
use crate::device::Gateway;

use control::ControlService;

pub(crate) use status::{ended, refused};

/// Health, as gRPC asks for it: serving until the node stops.
pub(super) struct Health(HealthReporter);

impl Default for Health {
    fn default() -> Self {
        let reporter = HealthReporter::new();
        for name in bongsu_proto::SERVICES {
            // Nobody else holds it yet.
            let _ = reporter
                .set_service_status(name, ServingStatus::Serving)
                .now_or_never();
        }
        Self(reporter)
    }
}

impl Health {
    /// From now on nothing new is taken.
    pub(super) async fn stop(&self) {
        for name in ["", bongsu_proto::SERVICES[0], bongsu_proto::SERVICES[1]] {
            self.0.set_service_status(name, ServingStatus::NotServing).await;
        }
    }
}

/// The services, each at its path.
pub(super) fn routes(app: &App, router: Router<App>) -> Router<App> {
    let frame_bytes_max = app.limits().frame_bytes_max;
    let gateway = DeviceGatewayServer::new(Gateway(Arc::clone(&app.devices)));
    let control = ControlServer::new(ControlService(Arc::clone(app)));
    let health = HealthServer::new(HealthService::from_health_reporter(app.health.0.clone()));
    let router = with(router, gateway.max_decoding_message_size(frame_bytes_max));
    let router = with(router, control.max_decoding_message_size(frame_bytes_max));
    let router = with(router, health.max_decoding_message_size(frame_bytes_max));
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(bongsu_proto::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let v1 = reflection().build_v1().expect("descriptors that were compiled");
    let v1alpha = reflection()
        .build_v1alpha()
        .expect("descriptors that were compiled");
    with(with(router, v1), v1alpha)
}

fn with<S>(router: Router<App>, service: S) -> Router<App>
where
    S: Service<axum::extract::Request, Error = Infallible> + NamedService + Clone + Send + Sync + 'static,
    S::Response: axum::response::IntoResponse,
    S::Future: Send + 'static,
{
    router.route_service(&format!("/{}/{{*method}}", S::NAME), service)
}

/// Whether a request is a call of gRPC.
pub(super) fn is_call(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|it| it.to_str().ok());
    kind.is_some_and(|it| it.starts_with("application/grpc"))
}

/// What a call is answered that no service takes.
pub(super) fn no_service(app: &Shared) -> Response {
    let refusal = Refusal::because(Code::InvalidAction, "no_such_path");
    refused(&refusal, app.locale)
        .into_http::<axum::body::Body>()
        .into_response()
}
