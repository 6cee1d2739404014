//! `/status`: which node a client should connect to, and how the node is that answers.
//!
//! Invariant: a node that takes nobody is never named; who is named is chosen by a pure function of the nodes, the
//! policy and chance.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::header::{CACHE_CONTROL, HOST};
use axum::response::{IntoResponse, Response};
use bongsu_model::cluster::NodeState;
use bongsu_model::{Code, Refusal, Want};
use bongsu_node::cluster::{Introduced, Outside, Standing};
use serde::Serialize;
use utoipa::ToSchema;

use super::advertise::Advertised;
use super::asked::Asked;
use super::problem::{Problem, ProblemDocument};
use super::service::{App, Shared};
use crate::meters::Usage;
use crate::origin::host_name;
use crate::websocket::Peer;

/// When whoever finds all nodes full may ask again.
const FULL_RETRY_MS: u64 = 1_000;
/// The policies by name, the usual one first.
const POLICIES: [&str; 2] = ["two", "least"];

/// Which node to connect to, and how the one is that answers.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "host": "https://ws-1.example", "port": 443, "num_connection": 3,
    "node_id": "node-1", "node_tag": "1a2b3c4d", "version": "0.1.0", "started_at": "2026-01-01T12:00:00.000Z", "uptime_ms": 1000,
    "connections": 4, "sessions": 3, "users_online": 2, "rooms": 1, "video_rooms": 0, "http_connections": 1,
    "listeners": [{ "name": "tcp", "address": "127.0.0.1:12345" }]
}))]
pub(super) struct StatusView {
    /// Where to connect, with scheme and without port.
    host: String,
    port: u16,
    /// Connections of clients at that node; those that only call this API are not among them.
    num_connection: usize,
    /// The node that answers; what follows is about it.
    node_id: String,
    /// What the ids of its Socket.IO sessions begin with, for load balancers; absent where Socket.IO is switched off.
    #[serde(skip_serializing_if = "Option::is_none")]
    node_tag: Option<String>,
    #[schema(value_type = String)]
    version: &'static str,
    started_at: String,
    uptime_ms: u64,
    /// Open connections on all listeners, signed in or not.
    connections: usize,
    /// Of them, to this API.
    http_connections: usize,
    /// Signed in.
    sessions: usize,
    /// With a session here.
    users_online: usize,
    /// With a live member here.
    rooms: usize,
    video_rooms: usize,
    listeners: Vec<ListenerView>,
}

/// One listener.
#[derive(Serialize, ToSchema)]
pub(super) struct ListenerView {
    #[schema(value_type = String)]
    name: &'static str,
    address: String,
}

/// A node, as clients are sent to it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Known {
    pub(super) at: Advertised,
    /// Of clients.
    pub(super) connections: usize,
    pub(super) takes: Takes,
}

/// Whether a node takes connections.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Takes {
    Yes,
    /// Not before others have gone.
    Full,
    /// Nobody: it stops, or sends its clients elsewhere.
    Stopping,
}

/// Who knows the nodes.
pub(super) trait Nodes {
    /// Every node that lives, this one included. `here` is where this one was reached, for when it was told no address.
    fn known(&self, here: Advertised) -> Vec<Known>;
}

/// This node as it is now, and the others as they said last; who is not heard, or has no address, is sent nobody.
impl Nodes for Shared {
    fn known(&self, here: Advertised) -> Vec<Known> {
        let known = self.node.nodes().into_iter();
        known
            .filter(|view| view.standing == Standing::Live)
            .filter_map(|view| {
                let address = view.beat.address.as_deref();
                let at = address.and_then(|address| Advertised::parse(address).ok());
                Some(Known {
                    at: if view.is_here {
                        Some(at.unwrap_or_else(|| here.clone()))
                    } else {
                        at
                    }?,
                    connections: usize::try_from(view.beat.figures.connections).unwrap_or(usize::MAX),
                    takes: match view.beat.state {
                        NodeState::Serving => Takes::Yes,
                        NodeState::Full => Takes::Full,
                        NodeState::Draining | NodeState::Gone => Takes::Stopping,
                    },
                })
            })
            .collect()
    }
}

impl Shared {
    /// What the other nodes are to know of what is around this one.
    pub(super) fn outside(&self, usage: &Usage) -> Outside {
        let all = self.admission.counts().0;
        let (cpu_milli, memory_bytes) = usage.look();
        Outside {
            // Those that only call the API are no clients.
            connections: all.saturating_sub(self.connections.load(Ordering::Relaxed)) as u64,
            is_full: all >= self.limits().connections_max,
            cpu_milli,
            memory_bytes,
        }
    }

    /// Introduces the node to the others.
    pub(super) fn introduce(self: &Arc<Self>) {
        let usage = Usage::new();
        // The node is held by what is around it, not the other way round.
        let outside = Arc::downgrade(self);
        self.node.introduce(Introduced {
            address: self.advertise.as_ref().map(|it| it.to_string().into()),
            tag: self.engines.first().map(|engine| engine.node_tag().into()),
            version: self.version.into(),
            started_at: self.started_at,
            outside: Box::new(move || {
                let outside = outside.upgrade();
                outside.map(|it| it.outside(&usage)).unwrap_or_default()
            }),
        });
    }
}

/// How a node is chosen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Policy {
    /// The emptier of two drawn at random: a crowd that asks at once does not all go to one node.
    Two,
    /// The emptiest.
    Least,
}

/// The node to connect to; else why there is none.
fn choose(known: &[Known], policy: Policy, chance: u128) -> Result<&Known, Refusal> {
    let takers: Vec<&Known> = known.iter().filter(|node| node.takes == Takes::Yes).collect();
    let count = takers.len() as u128;
    let Some(&first) = takers.first() else {
        let full = known.iter().any(|node| node.takes == Takes::Full);
        let code = if full {
            Code::Overloaded
        } else {
            Code::ShuttingDown
        };
        return Err(Refusal::retry(code, FULL_RETRY_MS));
    };
    // Both draws are far below what 64 bits hold, so that no node is favoured by more than can be measured.
    let at = |index: u128| takers[usize::try_from(index % count).unwrap_or(0)];
    let (one, step) = (chance >> 64, chance & u128::from(u64::MAX));
    Ok(match policy {
        _ if takers.len() == 1 => first,
        Policy::Two => {
            let other = one % count + 1 + step % (count - 1);
            emptier(at(one), at(other))
        }
        // Among equals the first after a random one, so that they share what comes.
        Policy::Least => (1..count).fold(at(one), |best, index| emptier(best, at(one % count + index))),
    })
}

fn emptier<'n>(one: &'n Known, other: &'n Known) -> &'n Known {
    if other.connections < one.connections {
        other
    } else {
        one
    }
}

fn policy(asked: &Asked) -> Result<Policy, Refusal> {
    match asked.text("policy")? {
        None | Some("two") => Ok(Policy::Two),
        Some("least") => Ok(Policy::Least),
        Some(_) => Err(Refusal::field("policy", Want::OneOf(&POLICIES))),
    }
}

/// Where this node was reached: at its own address, or, where nobody else can use that, at the host that was asked for.
fn here(app: &Shared, request: &Request) -> Option<Advertised> {
    let peer = request.extensions().get::<Peer>()?;
    let local = peer.local;
    let scheme = if peer.secure { "https" } else { "http" };
    let listening = app.listening.lock();
    let bound = listening.iter().find(|it| it.name == scheme);
    let ip = bound.map_or(local, |it| it.address).ip().to_canonical();
    drop(listening);
    // HTTP/1.1 has it in a header, HTTP/2 in the address.
    let host = match request.headers().get(HOST) {
        Some(host) => host.to_str().ok(),
        None => request.uri().authority().map(axum::http::uri::Authority::as_str),
    };
    // Anybody can ask for any host; one that is not ours is told to nobody.
    let origins = &app.websockets.origins;
    let asked = host
        .filter(|_| ip.is_loopback() || ip.is_unspecified())
        .filter(|host| origins.is_ours(host_name(host), local))
        .and_then(|host| Advertised::parse(&format!("{scheme}://{host}")).ok());
    Some(asked.unwrap_or_else(|| Advertised::at(scheme, local)))
}

/// Which node to connect to, and how the one is that answers.
#[utoipa::path(get, operation_id = "probes_status", path = "/status", tag = "probes", security(()),
    params(("policy" = Option<String>, Query, pattern = "^(two|least)$", description = "`two` (the default): the emptier of two nodes drawn at random; `least`: the emptiest")),
    responses((status = 200, description = "A node, and figures", body = StatusView),
    (status = 422, description = "No such policy", body = ProblemDocument),
    (status = 503, description = "No node takes connections", body = ProblemDocument)))]
pub(super) async fn status(
    State(app): State<App>,
    asked: Asked,
    request: Request,
) -> Result<Response, Problem> {
    let policy = policy(&asked)?;
    let here = here(&app, &request).ok_or_else(Problem::no_route)?;
    let known = app.known(here);
    let chosen = choose(&known, policy, app.node.ports.chance.bits())?;
    // What one is told must not be told to the next: neither the host that was asked for nor who was the emptiest.
    let headers = [(CACHE_CONTROL, "no-store")];
    Ok((headers, Json(view(&app, chosen))).into_response())
}

fn view(app: &App, chosen: &Known) -> StatusView {
    let node = &app.node;
    let (users_online, video_rooms) = node.present();
    let listening = app.listening.lock().clone();
    StatusView {
        host: chosen.at.host.to_string(),
        port: chosen.at.port,
        num_connection: chosen.connections,
        node_id: node.id.to_string(),
        node_tag: app.engines.first().map(|engine| engine.node_tag()),
        version: app.version,
        started_at: app.started_at.to_string(),
        uptime_ms: node.now().ms_since(app.started_at),
        connections: app.admission.counts().0,
        http_connections: app.connections.load(Ordering::Relaxed),
        sessions: node.sessions_count(),
        users_online,
        rooms: node.rooms_count(),
        video_rooms,
        listeners: listening
            .iter()
            .map(|it| ListenerView {
                name: it.name,
                address: it.address.to_string(),
            })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(port: u16, connections: usize, takes: Takes) -> Known {
        Known {
            at: Advertised {
                host: "http://x".into(),
                port,
            },
            connections,
            takes,
        }
    }

    fn nodes(connections: &[usize]) -> Vec<Known> {
        let each = connections.iter().enumerate();
        each.map(|(index, count)| node(index as u16, *count, Takes::Yes))
            .collect()
    }

    /// How often each is chosen, over all pairs of draws.
    fn shares(known: &[Known], policy: Policy) -> Vec<u32> {
        let mut shares = vec![0; known.len()];
        for one in 0..60_u128 {
            for step in 0..60_u128 {
                let chosen = choose(known, policy, one << 64 | step).unwrap();
                shares[usize::from(chosen.at.port)] += 1;
            }
        }
        shares
    }

    #[test]
    fn of_two_different_nodes_the_emptier_is_named() {
        // Of the ten pairs of five nodes, four have the emptiest, three the next, and so on.
        let shares = shares(&nodes(&[40, 10, 30, 0, 20]), Policy::Two);
        assert_eq!(shares, [0, 1_080, 360, 1_440, 720]);
        assert_eq!(shares.iter().sum::<u32>(), 3_600);
    }

    #[test]
    fn the_emptiest_is_named_whatever_chance_says_and_equals_share() {
        assert_eq!(shares(&nodes(&[3, 1, 2]), Policy::Least), [0, 3_600, 0]);
        assert_eq!(shares(&nodes(&[1, 1, 1]), Policy::Least), [1_200; 3]);
        assert_eq!(shares(&nodes(&[5, 5]), Policy::Two), [1_800; 2]);
    }

    #[test]
    fn one_node_is_named_by_any_policy_with_any_chance() {
        for policy in [Policy::Two, Policy::Least] {
            for chance in [0, 1, u128::MAX] {
                let one = [node(7, 99, Takes::Yes)];
                assert_eq!(choose(&one, policy, chance).unwrap().at.port, 7);
            }
        }
    }

    #[test]
    fn who_takes_nobody_is_never_named() {
        let mut known = nodes(&[50, 60]);
        known.push(node(2, 0, Takes::Full));
        known.push(node(3, 0, Takes::Stopping));
        for policy in [Policy::Two, Policy::Least] {
            let shares = shares(&known, policy);
            assert_eq!((shares[0], shares[2], shares[3]), (3_600, 0, 0));
        }
        let refused = |known: &[Known]| choose(known, Policy::Two, 5).unwrap_err();
        let full = refused(&known[2..]);
        assert_eq!((full.code, full.retry_after_ms), (Code::Overloaded, Some(1_000)));
        assert_eq!(refused(&known[3..]).code, Code::ShuttingDown);
        assert_eq!(refused(&[]).code, Code::ShuttingDown);
    }
}
