//! A node with a store in memory behind the TCP listener.

use std::net::SocketAddr;
use std::ops::Deref;
use std::sync::Arc;

use bongsu_edge::meters::Meters;
use bongsu_edge::tcp::{self, TcpService};
use bongsu_model::records::{NewRoom, RoomKind};
use bongsu_model::{Limits, Locale};
use bongsu_node::usecases::operate::Operator;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::client::Client;
pub(crate) use crate::world::{PATIENCE, World, until};

/// A running server; ends with the test.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    world: World,
    stop: watch::Sender<bool>,
    served: JoinHandle<()>,
}

impl Deref for Server {
    type Target = World;

    fn deref(&self) -> &World {
        &self.world
    }
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::limited(Limits::DEFAULT).await
    }

    /// Room 1 with users 1 to 3.
    pub(crate) async fn limited(limits: Limits) -> Self {
        let world = World::limited(limits).await;
        let listener = tcp::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        let service = TcpService {
            node: Arc::clone(&world.node),
            admission: Arc::clone(&world.admission),
            meters: Arc::new(Meters::new()),
            locale: Locale::En,
        };
        let (stop, stopped) = watch::channel(false);
        let served = tokio::spawn(tcp::serve(listener, service, stopped));
        Self {
            address,
            world,
            stop,
            served,
        }
    }

    /// A connection that has said nothing yet.
    pub(crate) async fn connect(&self) -> Client {
        Client::open(self.address).await
    }

    /// A signed-in session.
    pub(crate) async fn session(&self, user: i64) -> Client {
        let mut client = self.connect().await;
        client.sign_in(user).await;
        client
    }

    /// A room of two.
    pub(crate) async fn direct(&self, id: i64, members: &[i64; 2]) {
        let kind = NewRoom {
            kind: RoomKind::Direct,
            ..NewRoom::default()
        };
        self.room_of(id, members, kind).await;
    }

    pub(crate) fn operator() -> Operator {
        World::operator()
    }

    /// Tells the listener to stop.
    pub(crate) fn tell_to_stop(&self) {
        self.stop.send_replace(true);
    }

    /// Waits until the listener and all its connections have ended.
    pub(crate) async fn stopped(self) {
        tokio::time::timeout(PATIENCE, self.served)
            .await
            .expect("the listener ends")
            .unwrap();
    }
}
