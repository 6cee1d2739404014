//! Back ends over gRPC: a command, its life, a state; and how it is refused.

use std::collections::BTreeMap;

use bongsu_model::device::{FromDevice, Object, Status};
use bongsu_proto::v1;
use bongsu_proto::v1::control_client::ControlClient;
use futures_util::StreamExt as _;
use tonic::Request;

use crate::device::Device;
use crate::link::{Kind, Service, http2};
use crate::server::Server;

async fn client(server: &Server) -> ControlClient<Service> {
    let origin = format!("http://{}", server.address).parse().unwrap();
    ControlClient::with_origin(http2(server.address, None).await, origin)
}

fn signed<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    let bearer = "Bearer ops/service".parse().unwrap();
    request.metadata_mut().insert("authorization", bearer);
    request
}

fn execution(device: &str, wait: v1::Wait) -> v1::ExecuteRequest {
    v1::ExecuteRequest {
        device_id: device.to_owned(),
        name: "window.set".to_owned(),
        args: BTreeMap::new(),
        wait: wait.into(),
        ttl_ms: Some(5_000),
        ..v1::ExecuteRequest::default()
    }
}

#[tokio::test]
async fn a_command_is_given_watched_and_taken_back() {
    let server = Server::start().await;
    let mut client = client(&server).await;
    let mut device = Device::begin(&server, Kind::Proto, "car").await;

    let executed = client.execute(signed(execution("car", v1::Wait::Done)));
    let (answer, order) = tokio::join!(executed, device.obey());
    let answer = answer.unwrap().into_inner();
    assert_eq!(answer.command_id, order.id.to_string());
    assert_eq!(answer.state(), v1::CommandState::Succeeded);
    assert!(answer.result.is_some());

    let watched = v1::WatchRequest {
        command_id: answer.command_id.clone(),
    };
    let life = client.watch(signed(watched)).await.unwrap().into_inner();
    let life: Vec<_> = life.map(|step| step.unwrap().state()).collect().await;
    assert_eq!(life.first(), Some(&v1::CommandState::Accepted));
    assert_eq!(life.last(), Some(&v1::CommandState::Succeeded));

    let given = client
        .execute(signed(execution("car", v1::Wait::Accepted)))
        .await
        .unwrap();
    let order = device.order().await;
    device.answer(order.id, Status::Received).await;
    let taken = v1::CancelRequest {
        command_id: given.into_inner().command_id,
    };
    let ended = client.cancel(signed(taken)).await.unwrap().into_inner();
    assert_eq!(ended.state(), v1::CommandState::Cancelled);
}

#[tokio::test]
async fn a_state_is_watched() {
    let server = Server::start().await;
    let mut client = client(&server).await;
    let mut device = Device::begin(&server, Kind::Json, "car").await;
    let asked = v1::WatchStateRequest {
        device_id: "car".to_owned(),
    };
    let mut states = client.watch_state(signed(asked)).await.unwrap().into_inner();
    let before = states.next().await.unwrap().unwrap();
    device
        .say(&FromDevice::Reported {
            version: None,
            state: Object::from([("window".into(), "open".into())]),
        })
        .await;
    let after = states.next().await.unwrap().unwrap();
    assert!(after.version > before.version);
    assert!(after.reported.contains_key("window") && after.reported_written.contains_key("window"));
}

#[tokio::test]
async fn refusals_have_the_code_that_all_protocols_share() {
    let server = Server::start().await;
    let mut client = client(&server).await;
    let nobody = client
        .execute(execution("car", v1::Wait::Done))
        .await
        .unwrap_err();
    assert_eq!(nobody.code(), tonic::Code::Unauthenticated);
    let offline = client
        .execute(signed(execution("car", v1::Wait::Done)))
        .await
        .unwrap_err();
    assert_eq!(offline.code(), tonic::Code::FailedPrecondition);
    assert_eq!(offline.metadata().get("bongsu-code").unwrap(), "DEVICE_OFFLINE");
    let wrong = client
        .execute(signed(execution("a b", v1::Wait::Done)))
        .await
        .unwrap_err();
    assert_eq!(wrong.code(), tonic::Code::InvalidArgument);
    assert_eq!(wrong.metadata().get("bongsu-field").unwrap(), "device_id");
    let unknown = v1::WatchRequest {
        command_id: "0".repeat(32),
    };
    let unknown = client.watch(signed(unknown)).await.unwrap_err();
    assert_eq!(unknown.code(), tonic::Code::NotFound);
}
