//! gRPC itself: health, reflection, what is not there, and how a stream ends.

use bongsu_proto::v1::WebSocketPacket;
use bongsu_proto::v1::device_gateway_client::DeviceGatewayClient;
use futures_util::{StreamExt as _, stream};
use tonic::Request;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

use crate::device::Device;
use crate::link::{Comes, End, Kind, http2};
use crate::server::Server;

fn origin(server: &Server) -> hyper::Uri {
    format!("http://{}", server.address).parse().unwrap()
}

#[tokio::test]
async fn health_is_that_of_the_services() {
    let server = Server::start().await;
    let service = http2(server.address, None).await;
    let mut client = HealthClient::with_origin(service, origin(&server));
    for name in ["", "bongsu.v1.DeviceGateway", "bongsu.v1.Control"] {
        let asked = HealthCheckRequest {
            service: name.to_owned(),
        };
        let answer = client.check(asked).await.unwrap().into_inner();
        assert_eq!(answer.status, ServingStatus::Serving as i32, "{name}");
    }
    let asked = HealthCheckRequest {
        service: "bongsu.v1.Nothing".to_owned(),
    };
    let refused = client.check(asked).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::NotFound);
}

#[tokio::test]
async fn reflection_tells_what_there_is() {
    let server = Server::start().await;
    let service = http2(server.address, None).await;
    let mut client = ServerReflectionClient::with_origin(service, origin(&server));
    let asked = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let mut answers = client
        .server_reflection_info(stream::iter([asked]))
        .await
        .unwrap()
        .into_inner();
    let answer = answers.next().await.unwrap().unwrap();
    let Some(MessageResponse::ListServicesResponse(list)) = answer.message_response else {
        panic!("{answer:?}");
    };
    let names: Vec<_> = list.service.into_iter().map(|it| it.name).collect();
    for name in bongsu_proto::SERVICES {
        assert!(names.iter().any(|it| it == name), "{names:?}");
    }
}

#[tokio::test]
async fn what_is_not_there_is_unimplemented() {
    let server = Server::start().await;
    let service = http2(server.address, None).await;
    let elsewhere = format!("http://{}/elsewhere", server.address);
    let mut client = DeviceGatewayClient::with_origin(service, elsewhere.parse().unwrap());
    let said = stream::iter(Vec::<WebSocketPacket>::new());
    let refused = client.connect(said).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::Unimplemented);
}

#[tokio::test]
async fn a_token_that_cannot_be_read_is_refused_and_not_ignored() {
    let server = Server::start().await;
    let service = http2(server.address, None).await;
    let mut client = DeviceGatewayClient::with_origin(service, origin(&server));
    for tokens in [
        &["Basic abc"][..],
        &["Bearer a/device", "Bearer b/device"],
        &["Bearer "],
    ] {
        let mut request = Request::new(stream::iter(Vec::<WebSocketPacket>::new()));
        for token in tokens {
            request
                .metadata_mut()
                .append("authorization", token.parse().unwrap());
        }
        let refused = client.connect(request).await.unwrap_err();
        assert_eq!(refused.code(), tonic::Code::Unauthenticated, "{tokens:?}");
        assert_eq!(refused.metadata().get("bongsu-code").unwrap(), "INVALID_TOKEN");
    }
}

#[tokio::test]
async fn who_says_no_more_has_said_farewell() {
    let server = Server::start().await;
    let mut device = Device::begin(&server, Kind::Grpc, "car").await;
    device.link.stream().finish();
    assert_eq!(device.link.comes().await, Comes::End(End::Done));
    server.until("it is offline", |it| !it.is_online("car")).await;
    drop(device);
    server.until_empty().await;
}

#[tokio::test]
async fn many_devices_on_one_connection_end_one_by_one() {
    let server = Server::start().await;
    let mut one = Device::begin(&server, Kind::Grpc, "one").await;
    let mut other = Device::begin(&server, Kind::Grpc, "other").await;
    drop(one.link);
    server.until("one is offline", |it| !it.is_online("one")).await;
    other.beats(1).await;
    one = Device::begin(&server, Kind::Grpc, "one").await;
    one.beats(2).await;
    assert_eq!(one.epoch.0, 2);
}
