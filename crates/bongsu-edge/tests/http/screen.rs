//! A display by the guide, polled for over HTTP: what it is told, and what it says.

use std::net::SocketAddr;

use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::client::{Line, request};
use crate::server::Server;

const OPEN: &str = "/socket.io/?EIO=4&transport=polling";
const NAMESPACE: &str = "/switchboard,";

/// A display that is registered. It leaves with the test.
pub(crate) struct Screen {
    address: SocketAddr,
    session: String,
    name: String,
    told: mpsc::Receiver<(String, Value)>,
    polling: JoinHandle<()>,
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.polling.abort();
    }
}

async fn ask(address: SocketAddr, method: &str, path: &str, body: Option<&str>) -> Option<String> {
    let mut line = Line::open(address).await;
    let headers = [("content-type", "text/plain;charset=UTF-8")];
    line.send(request(method, path, &headers, body.map(str::as_bytes)))
        .await;
    let answer = line.read().await?;
    (answer.status == 200).then(|| answer.text().to_owned())
}

impl Screen {
    /// Registers as a display that knows only the guide.
    pub(crate) async fn comes(server: &Server, name: &str) -> Self {
        Self::comes_with(server, name, json!({ "capabilities": ["execute"] }))
            .await
            .unwrap()
    }

    /// Registers with these fields, too; otherwise why it may not.
    pub(crate) async fn comes_with(server: &Server, name: &str, more: Value) -> Result<Self, Value> {
        let address = server.address;
        let opening = ask(address, "GET", OPEN, None).await.unwrap();
        let opening: Value = serde_json::from_str(&opening[1..]).unwrap();
        let session = format!("{OPEN}&sid={}", opening["sid"].as_str().unwrap());
        let (tells, told) = mpsc::channel(256);
        let path = session.clone();
        let polling = tokio::spawn(async move {
            while let Some(payload) = ask(address, "GET", &path, None).await {
                for packet in payload.split('\u{1e}') {
                    let event = packet
                        .strip_prefix("42")
                        .and_then(|it| it.strip_prefix(NAMESPACE));
                    if let Some(event) = event {
                        let (name, data) = serde_json::from_str(event).unwrap();
                        // A test that has ended hears nothing.
                        let _ = tells.send((name, data)).await;
                    }
                }
            }
        });
        let mut screen = Self {
            address,
            session,
            name: name.to_owned(),
            told,
            polling,
        };
        screen.sends(&format!("40{NAMESPACE}")).await;
        let mut registration = json!({
            "name": name, "clientType": "python", "ip_address": "192.0.2.7", "version": "1.2.0", "timestamp": 1
        });
        registration
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        screen.emits("register_client", &registration).await;
        loop {
            let (event, data) = screen.told.recv().await.expect("an answer");
            match event.as_str() {
                "registration_success" => return Ok(screen),
                "registration_failed" => return Err(data),
                _ => {}
            }
        }
    }

    async fn sends(&self, packets: &str) {
        let taken = ask(self.address, "POST", &self.session, Some(packets)).await;
        assert_eq!(taken.as_deref(), Some("ok"), "{packets}");
    }

    /// Says something.
    pub(crate) async fn emits(&self, event: &str, data: &Value) {
        let packet = format!("42{NAMESPACE}{}", json!([event, data]));
        self.sends(&packet).await;
    }

    /// The next that it is told of this kind.
    pub(crate) async fn told(&mut self, event: &str) -> Value {
        loop {
            let (name, data) = self.told.recv().await.expect("it is connected");
            if name == event {
                return data;
            }
        }
    }

    /// Says how a program, or what was asked, is doing.
    pub(crate) async fn says(&self, told: &Value, status: &str, details: Value) {
        let result = json!({
            "clientName": self.name, "status": status, "presetId": told["presetId"], "commandId": told["commandId"],
            "timestamp": 1, "details": details
        });
        self.emits("execution_result", &result).await;
    }

    /// The next program that it is told to run is begun, and runs.
    pub(crate) async fn runs_one(&mut self) -> Value {
        let told = self.told("execute_command").await;
        self.says(&told, "starting", json!({})).await;
        self.says(&told, "running", json!({ "pid": 4711 })).await;
        told
    }

    /// Says which programs run.
    pub(crate) async fn reports(&self, processes: Value) {
        let count = processes.as_array().unwrap().len();
        let report = json!({
            "clientName": self.name, "running_process_count": count, "running_processes": processes, "status": "active",
            "timestamp": 1
        });
        self.emits("process_status", &report).await;
    }
}
