//! What nodes say of themselves, as the contract has it.

use bongsu_model::cluster::{NodeBeat, NodeFigures, NodeRef, NodeSaid, PresenceMoved, PresencePage};
use bongsu_proto::backplane::v1 as proto;
use proto::node::Said;

use super::super::codes::Coded;
use super::{event, maybe, text, users};

/// Something about a node.
pub(super) fn node(said: &NodeSaid) -> proto::Node {
    let said = match said {
        NodeSaid::Beat(it) => Said::Beat(beat(it)),
        NodeSaid::Moved(it) => Said::Moved(moved(it)),
        NodeSaid::AskUsers { to, from } => Said::AskUsers(proto::AskUsers {
            to: text(to),
            from: text(from),
        }),
        NodeSaid::Users(it) => Said::Users(page(it)),
        NodeSaid::Drain {
            to,
            on,
            timeout_ms,
            by,
        } => Said::Drain(proto::Drain {
            to: text(to),
            on: *on,
            by: text(by),
            timeout_ms: *timeout_ms,
        }),
        NodeSaid::Shed {
            to,
            sessions,
            per_s,
            by,
        } => Said::Shed(proto::Shed {
            to: text(to),
            sessions: *sessions,
            per_s: *per_s,
            by: text(by),
        }),
    };
    proto::Node { said: Some(said) }
}

fn beat(beat: &NodeBeat) -> proto::Beat {
    proto::Beat {
        node: start(&beat.node),
        state: beat.state.code(),
        address: maybe(beat.address.as_ref()),
        tag: maybe(beat.tag.as_ref()),
        version: text(&beat.version),
        started_at: beat.started_at.0,
        figures: Some(figures(&beat.figures)),
        presence: beat.presence,
        users: beat.users,
        watches: beat.watches,
    }
}

const fn figures(figures: &NodeFigures) -> proto::Figures {
    let NodeFigures {
        connections,
        sessions,
        devices,
        rooms,
        calls,
        cpu_milli,
        memory_bytes,
    } = *figures;
    proto::Figures {
        connections,
        sessions,
        devices,
        rooms,
        calls,
        cpu_milli,
        memory_bytes,
    }
}

fn moved(moved: &PresenceMoved) -> proto::PresenceMoved {
    proto::PresenceMoved {
        node: start(&moved.node),
        number: moved.number,
        user: moved.user.0,
        is_here: moved.is_here,
        status: moved.status.as_deref().map(event::event),
    }
}

fn page(page: &PresencePage) -> proto::PresencePage {
    proto::PresencePage {
        node: start(&page.node),
        number: page.number,
        to: text(&page.to),
        page: page.page,
        pages: page.pages,
        users: Some(users(page.users.iter().copied())),
    }
}

fn start(node: &NodeRef) -> Option<proto::NodeRef> {
    Some(proto::NodeRef {
        id: text(&node.id),
        boot: node.boot,
    })
}
