//! `bongsu node list|show|drain|shed`: the nodes behind a running server.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::output::{fields, table};
use super::remote::{Remote, pages};
use super::tongue::Tongue;
use crate::client::{Access, Api, part};

/// Show the nodes of a running server, and have one send its clients elsewhere.
#[derive(Args)]
pub(super) struct Node {
    #[command(subcommand)]
    what: Nodes,
}

#[derive(Subcommand)]
enum Nodes {
    /// List the nodes, ascending by name.
    List {
        /// How many at most.
        #[arg(long, default_value_t = 200)]
        limit: usize,
        #[command(flatten)]
        access: Access,
    },
    /// Show all about one node.
    Show {
        /// The node's name.
        node: String,
        #[command(flatten)]
        access: Access,
    },
    /// Have a node let nobody in any more and send its clients elsewhere; it goes on to run.
    Drain(Drain),
    /// Have a node send some of its clients elsewhere, as after another node was added.
    Shed(Shed),
}

#[derive(Args)]
struct Drain {
    /// The node's name.
    node: String,
    /// Have it take clients again.
    #[arg(long, conflicts_with = "timeout_ms")]
    off: bool,
    /// How long calls and commands may take to end [default: its setting limits.drain_ms].
    #[arg(long, value_name = "MS")]
    timeout_ms: Option<u64>,
    #[command(flatten)]
    access: Access,
}

#[derive(Args)]
struct Shed {
    /// The node's name.
    node: String,
    /// How many sessions of users and devices.
    sessions: u64,
    /// How many each second.
    #[arg(long, value_name = "N", default_value_t = 100)]
    per_s: u64,
    #[command(flatten)]
    access: Access,
}

/// The path of a node.
fn path(node: &str) -> String {
    format!("/nodes/{}", part(node))
}

impl Drain {
    fn body(&self) -> Value {
        match self.timeout_ms {
            Some(ms) => json!({ "on": !self.off, "timeout_ms": ms }),
            None => json!({ "on": !self.off }),
        }
    }

    fn done(&self, tongue: Tongue) -> String {
        let node = &self.node;
        if self.off {
            tongue.say(
                format!("node {node} takes clients again"),
                format!("노드 {node} 이(가) 다시 접속을 받습니다"),
            )
        } else {
            tongue.say(
                format!(
                    "node {node} lets nobody in any more and sends its clients elsewhere; `bongsu node list` shows how far it is"
                ),
                format!(
                    "노드 {node} 이(가) 새 접속을 받지 않고 접속자를 다른 노드로 보냅니다. 진행 상황은 `bongsu node list`로 볼 수 있습니다"
                ),
            )
        }
    }
}

impl Shed {
    fn done(&self, tongue: Tongue) -> String {
        let (node, sessions, per_s) = (&self.node, self.sessions, self.per_s);
        tongue.say(
            format!("node {node} sends {sessions} sessions elsewhere, {per_s} each second"),
            format!("노드 {node} 이(가) 세션 {sessions}개를 초당 {per_s}개씩 다른 노드로 보냅니다"),
        )
    }
}

impl Node {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let access = match &self.what {
            Nodes::List { access, .. }
            | Nodes::Show { access, .. }
            | Nodes::Drain(Drain { access, .. })
            | Nodes::Shed(Shed { access, .. }) => access.clone(),
        };
        Remote::new(access).run(async |api| self.what.carry_out(api).await)
    }
}

impl Nodes {
    async fn carry_out(self, api: &Api) -> anyhow::Result<(Value, String)> {
        const NODE: [&str; 8] = [
            "node_id",
            "state",
            "address",
            "version",
            "silent_ms",
            "figures.connections",
            "figures.sessions",
            "figures.devices",
        ];
        Ok(match self {
            Self::List { limit, .. } => {
                let nodes = pages(api, "/nodes", "nodes", limit).await?;
                let words = table(&nodes, &NODE);
                (Value::Array(nodes), words)
            }
            Self::Show { node, .. } => {
                let answer = api.get(&path(&node)).await?;
                let words = fields(&answer);
                (answer, words)
            }
            Self::Drain(it) => {
                let at = format!("{}/drain", path(&it.node));
                let answer = api.post(&at, it.body()).await?;
                (answer, it.done(Tongue::own()))
            }
            Self::Shed(it) => {
                let at = format!("{}/shed", path(&it.node));
                let body = json!({ "sessions": it.sessions, "per_s": it.per_s });
                let answer = api.post(&at, body).await?;
                (answer, it.done(Tongue::own()))
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn what_is_said_is_true_of_what_is_asked() {
        let drain = |off, timeout_ms| Drain {
            node: "node-1".to_owned(),
            off,
            timeout_ms,
            access: Access {
                url: String::new(),
                token: None,
                api_key: None,
                data_dir: PathBuf::new(),
                json: false,
            },
        };
        assert_eq!(drain(false, None).body(), json!({ "on": true }));
        assert_eq!(
            drain(false, Some(7)).body(),
            json!({ "on": true, "timeout_ms": 7 })
        );
        assert_eq!(drain(true, None).body(), json!({ "on": false }));
        assert!(
            drain(true, None)
                .done(Tongue::English)
                .contains("takes clients again")
        );
        assert!(drain(false, None).done(Tongue::Korean).contains("받지 않고"));
        assert_eq!(path("a/b"), "/nodes/a%2Fb");
    }
}
