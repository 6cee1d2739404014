//! What those who watch the node are told of users. Of devices: in the tests of the HTTP API.

use bongsu_model::{Code, HappeningKind, Limits, Role};
use bongsu_node::happenings::{Told, Watching};
use bongsu_node::usecases::operate::Operator;

use crate::world::{World, world};

fn watch(world: &World, role: Role) -> Result<Watching, Code> {
    let by = Operator::api_key("shop".into(), role);
    let watching = world.node.watch_happenings(&by, vec!["user.".into()]);
    watching.map_err(|refusal| refusal.code)
}

async fn kind(watching: &Watching) -> HappeningKind {
    match watching.next().await {
        Told::Happened(_, happening) => happening.kind,
        Told::Missed(missed) => panic!("missed {missed}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_user_is_online_once_until_it_has_been_gone_for_a_while() {
    let world = world();
    let watching = watch(&world, Role::Admin).unwrap();
    let first = world.client("mina").await;
    let second = world.client("mina").await;
    assert_eq!(kind(&watching).await, HappeningKind::UserOnline);
    first.leave_off().await;
    second.leave_off().await;
    let begins = tokio::time::Instant::now();
    assert_eq!(kind(&watching).await, HappeningKind::UserOffline);
    let grace_ms = u128::from(Limits::DEFAULT.presence_grace_ms);
    assert!(begins.elapsed().as_millis() >= grace_ms, "{:?}", begins.elapsed());
}

#[tokio::test(start_paused = true)]
async fn only_operators_watch() {
    let world = world();
    for role in [Role::User, Role::Device] {
        assert_eq!(watch(&world, role).err(), Some(Code::PermissionDenied));
    }
}
