//! What nodes say of themselves, where it arrives.

use std::sync::Arc;

use bongsu_model::cluster::{NodeBeat, NodeFigures, NodeRef, NodeSaid, PresenceMoved, PresencePage};
use bongsu_model::{Timestamp, UserId};
use bongsu_proto::backplane::v1 as proto;
use proto::node::Said;

use super::super::NotHeard;
use super::super::codes::Coded;
use super::{Result, event, maybe, need, users};

/// Something about a node.
pub(super) fn node(node: proto::Node) -> Result<NodeSaid> {
    Ok(match node.said.ok_or(NotHeard::Unknown)? {
        Said::Beat(it) => NodeSaid::Beat(Box::new(beat(it)?)),
        Said::Moved(it) => NodeSaid::Moved(moved(it)?),
        Said::AskUsers(it) => NodeSaid::AskUsers {
            to: it.to.into(),
            from: it.from.into(),
        },
        Said::Users(it) => NodeSaid::Users(page(it)?),
        Said::Drain(it) => NodeSaid::Drain {
            to: it.to.into(),
            on: it.on,
            timeout_ms: it.timeout_ms,
            by: it.by.into(),
        },
        Said::Shed(it) => NodeSaid::Shed {
            to: it.to.into(),
            sessions: it.sessions,
            per_s: it.per_s,
            by: it.by.into(),
        },
    })
}

fn beat(beat: proto::Beat) -> Result<NodeBeat> {
    Ok(NodeBeat {
        node: start(beat.node)?,
        state: Coded::of(beat.state)?,
        address: maybe(beat.address),
        tag: maybe(beat.tag),
        version: beat.version.into(),
        started_at: Timestamp(beat.started_at),
        figures: figures(need(beat.figures, "no figures")?),
        presence: beat.presence,
        users: beat.users,
        watches: beat.watches,
    })
}

const fn figures(figures: proto::Figures) -> NodeFigures {
    NodeFigures {
        connections: figures.connections,
        sessions: figures.sessions,
        devices: figures.devices,
        rooms: figures.rooms,
        calls: figures.calls,
        cpu_milli: figures.cpu_milli,
        memory_bytes: figures.memory_bytes,
    }
}

fn moved(moved: proto::PresenceMoved) -> Result<PresenceMoved> {
    Ok(PresenceMoved {
        node: start(moved.node)?,
        number: moved.number,
        user: UserId(moved.user),
        is_here: moved.is_here,
        status: moved.status.map(event::event).transpose()?.map(Arc::new),
    })
}

fn page(page: proto::PresencePage) -> Result<PresencePage> {
    if page.page >= page.pages {
        return Err(NotHeard::Malformed("a page beyond the last"));
    }
    Ok(PresencePage {
        node: start(page.node)?,
        number: page.number,
        to: page.to.into(),
        page: page.page,
        pages: page.pages,
        users: users(need(page.users, "no users")?)?.into(),
    })
}

fn start(node: Option<proto::NodeRef>) -> Result<NodeRef> {
    let node = need(node, "no node")?;
    Ok(NodeRef {
        id: node.id.into(),
        boot: node.boot,
    })
}
