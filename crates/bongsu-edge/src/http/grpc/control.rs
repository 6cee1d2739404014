//! `bongsu.v1.Control`: what the HTTP API does with commands and states, over gRPC.
//!
//! Invariant: nothing is decided here; a call is read, makes the node's calls, and its answer is written.

use std::sync::Arc;
use std::time::Duration;

use bongsu_model::device::{Command, IfOffline, Object};
use bongsu_model::{Code, CommandId, DeviceId, Refusal, Want};
use bongsu_node::devices::{RunCommand, Verdict, Wait, WaitFor};
use bongsu_node::usecases::operate::Operator;
use bongsu_proto::v1;
use bongsu_proto::v1::control_server::Control;
use bongsu_wire::device::value::object_from_proto;
use futures_util::stream::{BoxStream, StreamExt as _, unfold};
use tonic::{Request, Response, Status};

use super::super::caller::identify;
use super::super::serve::Hold;
use super::super::service::App;
use super::answers;
use super::status::refused;
use crate::websocket::Peer;

/// When whoever finds all places taken may try again.
const BUSY_RETRY_MS: u64 = 1_000;
/// A watcher looks this often whether the node stops.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Commands and states over gRPC.
pub(super) struct ControlService(pub(super) App);

impl ControlService {
    fn refused(&self, refusal: &Refusal) -> Status {
        self.0.node.counters.refused(refusal.code);
        self.0.meters.refused(refusal);
        refused(refusal, self.0.locale)
    }

    /// Who calls.
    async fn caller<T: Sync>(&self, request: &Request<T>) -> Result<Arc<Operator>, Status> {
        let headers = request.metadata().clone().into_headers();
        match identify(&self.0, &headers).await {
            Ok(caller) => Ok(caller.by),
            Err(problem) => Err(self.refused(&problem.refusal)),
        }
    }

    fn execution(&self, asked: v1::ExecuteRequest, request: &Asked) -> Result<(RunCommand, Wait), Refusal> {
        let limits = self.0.limits();
        let if_offline = match asked.if_offline() {
            v1::IfOffline::Unspecified => None,
            v1::IfOffline::Fail => Some(IfOffline::Fail),
            v1::IfOffline::Queue => Some(IfOffline::Queue),
        };
        let until = match asked.wait() {
            v1::Wait::Unspecified | v1::Wait::Accepted => WaitFor::Accepted,
            v1::Wait::Received => WaitFor::Received,
            v1::Wait::Done => WaitFor::Done,
        };
        let args: Object = object_from_proto(asked.args, limits.json_depth_max)
            .map_err(|wrong| Refusal::field("args", wrong.want()))?;
        if asked
            .idempotency_key
            .as_ref()
            .is_some_and(|key| !(1..=255).contains(&key.len()))
        {
            return Err(Refusal::field("idempotency_key", Want::TextOf(1, 255)));
        }
        let run = RunCommand {
            device: device(&asked.device_id)?,
            name: asked.name.into(),
            args,
            ttl_ms: asked.ttl_ms,
            key: asked.idempotency_key.map(Into::into),
            if_offline,
            fence: None,
            from: request.address,
        };
        let timeout_ms = asked.timeout_ms;
        Ok((run, Wait { until, timeout_ms }))
    }
}

/// Where a call comes from.
struct Asked {
    address: Option<std::net::IpAddr>,
}

fn device(id: &str) -> Result<DeviceId, Refusal> {
    DeviceId::parse(id).ok_or_else(|| Refusal::field("device_id", Want::TextOf(1, DeviceId::BYTES_MAX)))
}

fn command(id: &str) -> Result<CommandId, Refusal> {
    CommandId::parse(id).ok_or_else(|| Refusal::field("command_id", Want::Hex(32)))
}

#[tonic::async_trait]
impl Control for ControlService {
    async fn execute(
        &self,
        request: Request<v1::ExecuteRequest>,
    ) -> Result<Response<v1::ExecuteResponse>, Status> {
        let app = &self.0;
        let Ok(_place) = app.busy.try_acquire() else {
            return Err(self.refused(&Refusal::retry(Code::Overloaded, BUSY_RETRY_MS)));
        };
        let by = self.caller(&request).await?;
        let peer = request.extensions().get::<Peer>();
        let from = Asked {
            address: peer.map(|it| it.address),
        };
        let (run, wait) = self
            .execution(request.into_inner(), &from)
            .map_err(|refusal| self.refused(&refusal))?;
        let ran = app.node.run_command(&by, run, wait).await;
        let ran = ran.map_err(|refusal| self.refused(&refusal))?;
        match ran.verdict() {
            Verdict::Done | Verdict::UnderWay => Ok(Response::new(answers::ran(&ran))),
            Verdict::Refused(refusal) => Err(self.refused(&refusal)),
        }
    }

    type WatchStream = BoxStream<'static, Result<v1::WatchResponse, Status>>;

    async fn watch(&self, request: Request<v1::WatchRequest>) -> Result<Response<Self::WatchStream>, Status> {
        let by = self.caller(&request).await?;
        let begun = async {
            let id = command(&request.get_ref().command_id)?;
            let watch = self.0.node.watch_commands(id)?;
            Ok((watch, self.0.node.command(&by, id).await?))
        };
        let (watch, now) = begun.await.map_err(|refusal: Refusal| self.refused(&refusal))?;
        let watched = Watched {
            app: Arc::clone(&self.0),
            watch,
            command: now,
            told: 0,
            over: false,
            _hold: request.extensions().get::<Hold>().cloned(),
        };
        Ok(Response::new(unfold(watched, Watched::next).boxed()))
    }

    async fn cancel(
        &self,
        request: Request<v1::CancelRequest>,
    ) -> Result<Response<v1::CancelResponse>, Status> {
        let by = self.caller(&request).await?;
        let id = command(&request.get_ref().command_id).map_err(|refusal| self.refused(&refusal))?;
        let ended = self.0.node.cancel_command(&by, id).await;
        let ended = ended.map_err(|refusal| self.refused(&refusal))?;
        Ok(Response::new(v1::CancelResponse {
            command_id: ended.id.to_string(),
            state: answers::state(ended.state).into(),
        }))
    }

    type WatchStateStream = BoxStream<'static, Result<v1::WatchStateResponse, Status>>;

    async fn watch_state(
        &self,
        request: Request<v1::WatchStateRequest>,
    ) -> Result<Response<Self::WatchStateStream>, Status> {
        let by = self.caller(&request).await?;
        let begun = async {
            let device = device(&request.get_ref().device_id)?;
            // From before it is read, so that no change is missed.
            let watch = self.0.node.watch_state(&by, &device).await?;
            Ok((device, watch))
        };
        let (device, watch) = begun.await.map_err(|refusal: Refusal| self.refused(&refusal))?;
        let watched = WatchedState {
            app: Arc::clone(&self.0),
            by,
            device,
            watch,
            told: None,
            over: false,
            _hold: request.extensions().get::<Hold>().cloned(),
        };
        Ok(Response::new(unfold(watched, WatchedState::next).boxed()))
    }
}

/// Somebody watches a command.
struct Watched {
    app: App,
    watch: bongsu_node::devices::Watch<CommandId, Arc<Command>>,
    command: Arc<Command>,
    /// Notes of its history that were told.
    told: usize,
    over: bool,
    _hold: Option<Hold>,
}

impl Watched {
    async fn next(mut self) -> Option<(Result<v1::WatchResponse, Status>, Self)> {
        loop {
            if self.over {
                return None;
            }
            if let Some(note) = self.command.history.get(self.told) {
                self.told += 1;
                let last = self.told == self.command.history.len();
                self.over = last && self.command.state.is_terminal();
                return Some((Ok(answers::step(&self.command, note, last)), self));
            }
            if self.command.state.is_terminal() {
                return None;
            }
            let id = self.command.id;
            match self.app.node.next_of_command(&mut self.watch, id).await {
                Ok(_) if self.app.node.is_stopping() => return Some((Err(self.stops()), self)),
                Ok(command) => self.command = command,
                Err(refusal) => {
                    self.over = true;
                    return Some((Err(refused(&refusal, self.app.locale)), self));
                }
            }
        }
    }

    fn stops(&mut self) -> Status {
        self.over = true;
        stopping(&self.app)
    }
}

/// Somebody watches a device's state.
struct WatchedState {
    app: App,
    by: Arc<Operator>,
    device: DeviceId,
    watch: bongsu_node::devices::Watch<DeviceId, u64>,
    /// The version that was told last.
    told: Option<u64>,
    over: bool,
    _hold: Option<Hold>,
}

impl WatchedState {
    async fn next(mut self) -> Option<(Result<v1::WatchStateResponse, Status>, Self)> {
        loop {
            if self.over {
                return None;
            }
            let node = Arc::clone(&self.app.node);
            if self.told.is_some() && tokio::time::timeout(LOOK_EVERY, self.watch.next()).await.is_err() {
                if node.is_stopping() {
                    self.over = true;
                    let status = stopping(&self.app);
                    return Some((Err(status), self));
                }
                continue;
            }
            match node.state(&self.by, &self.device).await {
                Ok(view) if self.told == Some(view.shadow.version) => {}
                Ok(view) => {
                    self.told = Some(view.shadow.version);
                    return Some((Ok(answers::shadow(&view)), self));
                }
                Err(refusal) => {
                    self.over = true;
                    return Some((Err(refused(&refusal, self.app.locale)), self));
                }
            }
        }
    }
}

fn stopping(app: &App) -> Status {
    let refusal = Refusal::retry(Code::ShuttingDown, app.limits().drain_ms);
    refused(&refusal, app.locale)
}
