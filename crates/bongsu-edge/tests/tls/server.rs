//! A node with a store in memory behind both listeners with TLS.

use std::net::SocketAddr;
use std::ops::Deref;
use std::sync::Arc;

use bongsu_edge::auth::ApiKeys;
use bongsu_edge::http::{self, Door, HttpParts, HttpService, SocketioOptions};
use bongsu_edge::meters::Meters;
use bongsu_edge::tcp::{self, TcpService};
use bongsu_edge::tls::{ClientAuth, Loaded, Speaks, Tls, TlsFault, TlsSettings};
use bongsu_model::{Limits, Locale, Timestamp};
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::client::{Client, Shows, config};
use crate::pki::{Authority, Good, Issued};
pub(crate) use crate::world::{PATIENCE, World, until};

/// A running server; ends with the test.
pub(crate) struct Server {
    pub(crate) https: SocketAddr,
    pub(crate) tcps: SocketAddr,
    /// Who issued the server's certificate and those of the devices.
    pub(crate) ca: Authority,
    pub(crate) folder: TempDir,
    pub(crate) settings: TlsSettings,
    pub(crate) tls: Arc<Tls>,
    meters: Arc<Meters>,
    world: World,
    stop: watch::Sender<bool>,
    served: Vec<JoinHandle<()>>,
}

impl Deref for Server {
    type Target = World;

    fn deref(&self) -> &World {
        &self.world
    }
}

impl Server {
    pub(crate) async fn start(auth: ClientAuth) -> Self {
        Self::limited(auth, Limits::DEFAULT).await
    }

    /// Room 1 with users 1 to 3; certificates 666 and 667 are revoked.
    pub(crate) async fn limited(auth: ClientAuth, limits: Limits) -> Self {
        let (ca, folder) = (Authority::new("ca"), tempfile::tempdir().unwrap());
        let (certificate, key) = ca.server(1).write(folder.path(), "server");
        let asks = auth != ClientAuth::None;
        let settings = TlsSettings {
            certificate,
            key,
            https_client_auth: auth,
            tcps_client_auth: auth,
            client_ca: asks
                .then(|| ca.write(folder.path(), "ca.pem"))
                .into_iter()
                .collect(),
            crl: asks
                .then(|| ca.write_list(folder.path(), "crl.pem", &[666, 667]))
                .into_iter()
                .collect(),
        };
        let meters = Arc::new(Meters::new());
        let tls = Tls::new(Loaded::read(&settings).unwrap(), &limits, Arc::clone(&meters));
        let world = Box::pin(World::limited(limits)).await;
        let service = HttpService::new(HttpParts {
            node: Arc::clone(&world.node),
            api_keys: Arc::new(ApiKeys::new(&[]).unwrap()),
            admission: Arc::clone(&world.admission),
            meters: Arc::clone(&meters),
            version: "9.8.7",
            started_at: Timestamp(0),
            locale: Locale::En,
            cors_origins: Vec::new(),
            hosts: Vec::new(),
            permessage_deflate: false,
            advertise: None,
            socketio: SocketioOptions::default(),
            device_congestion: bongsu_edge::device::Congestion::System,
        });
        let bind = || tcp::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let (https, tcps) = (bind(), bind());
        let addresses = (https.local_addr().unwrap(), tcps.local_addr().unwrap());
        let (stop, stopped) = watch::channel(false);
        let mut until = stopped.clone();
        let doors = vec![Door::tls(https, tls.gate(Speaks::Http))];
        let action = TcpService {
            node: Arc::clone(&world.node),
            admission: Arc::clone(&world.admission),
            meters: Arc::clone(&meters),
            locale: Locale::En,
        };
        let served = vec![
            tokio::spawn(http::serve_doors(doors, service, async move {
                let _ = until.wait_for(|stopped| *stopped).await;
            })),
            tokio::spawn(tcp::serve_tls(tcps, tls.gate(Speaks::Action), action, stopped)),
        ];
        Self {
            https: addresses.0,
            tcps: addresses.1,
            ca,
            folder,
            settings,
            tls,
            meters,
            world,
            stop,
            served,
        }
    }

    /// A certificate of a device that is good.
    pub(crate) fn car(&self, serial: u64) -> Issued {
        self.ca.device("car-1", serial, Good::Now)
    }

    /// A connection to the HTTP listener.
    pub(crate) async fn http(&self, shows: Shows<'_>) -> Client {
        Client::open(self.https, config(&self.ca, shows)).await.unwrap()
    }

    /// A connection to the TCP listener.
    pub(crate) async fn action(&self, shows: Shows<'_>) -> Client {
        Client::open(self.tcps, config(&self.ca, shows)).await.unwrap()
    }

    /// As SIGHUP: reads the files again; how many connections were cut.
    pub(crate) fn reload(&self) -> Result<usize, TlsFault> {
        Ok(self.tls.replace(Loaded::read(&self.settings)?))
    }

    /// The figure of one line of `/metrics`.
    pub(crate) fn metric(&self, line: &str) -> u64 {
        let text = self.meters.render();
        let value = text
            .lines()
            .find_map(|it| it.strip_prefix(line)?.strip_prefix(' '));
        let value: Option<f64> = value.and_then(|it| it.parse().ok());
        value.map(|value| value as u64).unwrap_or(0)
    }

    /// How many handshakes ended so.
    pub(crate) fn handshakes(&self, outcome: &str) -> u64 {
        self.metric(&format!("bongsu_tls_handshakes_total{{outcome=\"{outcome}\"}}"))
    }

    /// Stops, and waits until the listeners and all connections have ended.
    pub(crate) async fn stopped(self) {
        self.stop.send_replace(true);
        for served in self.served {
            tokio::time::timeout(PATIENCE, served)
                .await
                .expect("the listener ends")
                .unwrap();
        }
    }
}
