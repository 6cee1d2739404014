//! What waits for a display is written: one frame at a time, taken when its line takes bytes.
//!
//! Invariant: a command is taken from the session when its bytes can go to the line, and its deadline is looked at then.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};

use bongsu_model::CommandId;
use bongsu_model::device::{FromDevice, Object, Status, ToDevice, Value};
use bongsu_model::display::ToDisplay;
use bytes::Bytes;

use super::display::Display;
use super::hear::word;
use crate::devices::Ticket;
use crate::dialect::Dialect;
use crate::mailbox::Pulled;
use crate::node::Node;

/// Something that was taken to be written.
enum Taken {
    /// Written when its bytes are.
    Said(Ticket),
    /// Its session is over with it.
    Last,
}

/// Writes until the session is over or the connection is gone.
pub(super) async fn run(node: Weak<Node>, display: Arc<Display>) {
    loop {
        display.device.wakes().await;
        loop {
            if display.left.load(Ordering::Acquire) {
                return;
            }
            let unsent_bytes = {
                let Some(node) = node.upgrade() else { return };
                node.ports.limits.device_unsent_bytes
            };
            display.mailbox.holds_few(unsent_bytes);
            display.mailbox.room().await;
            let Some(node) = node.upgrade() else { return };
            match display.mailbox.pull(|dialect| next(dialect, &node, &display)) {
                Pulled::Written(Taken::Said(ticket)) => display.device.wrote(ticket),
                Pulled::Begun(Taken::Said(ticket)) => {
                    drop(node);
                    display.mailbox.emptied().await;
                    if display.mailbox.is_closed() {
                        return;
                    }
                    display.device.wrote(ticket);
                }
                Pulled::Written(Taken::Last) | Pulled::Begun(Taken::Last) => {
                    display.mailbox.close(None);
                    return;
                }
                Pulled::Nothing => break,
                Pulled::NoRoom => {}
                Pulled::Closed => return,
            }
        }
    }
}

/// The next frames, if there is something to be said now.
fn next(dialect: &dyn Dialect, node: &Arc<Node>, display: &Arc<Display>) -> Option<(Bytes, Taken)> {
    loop {
        if display.left.load(Ordering::Acquire) {
            return None;
        }
        let out = display.device.take()?;
        let said = match out.frame {
            ToDevice::Welcome(_) => display.registered(&node.ports.limits),
            ToDevice::Command(frame) => match ToDisplay::of_command(&frame.command) {
                Ok(Some(said)) => {
                    display.state.lock().ran.told(&frame.command);
                    said
                }
                Ok(None) => {
                    reject(display, frame.command.id, "unsupported");
                    display.device.wrote(out.ticket);
                    continue;
                }
                Err(wrong) => {
                    reject(display, frame.command.id, wrong.0);
                    display.device.wrote(out.ticket);
                    continue;
                }
            },
            ToDevice::Heartbeat { .. } => ToDisplay::Beat {
                next_ms: node.ports.limits.display_heartbeat_ms,
            },
            ToDevice::Refused(refusal) => ToDisplay::Refused(refusal),
            ToDevice::Closing(closing) => {
                let last = display.words(dialect, &node.ports, &display.tag, &ToDisplay::Closed(closing));
                return Some((last.unwrap_or_default(), Taken::Last));
            }
            // A display has no words for these.
            ToDevice::Delta { .. } | ToDevice::AuthUpdated { .. } | ToDevice::TokenExpiring { .. } => {
                display.device.wrote(out.ticket);
                continue;
            }
        };
        match display.words(dialect, &node.ports, &display.tag, &said) {
            Some(bytes) => return Some((bytes, Taken::Said(out.ticket))),
            None => display.device.wrote(out.ticket),
        }
    }
}

/// Says for the display that it will not do what it has no words for.
fn reject(display: &Arc<Display>, command: CommandId, code: &'static str) {
    let device = Arc::clone(&display.device);
    let error: Object = [("code".into(), Value::text(code))].into();
    let word = word(command, Status::Rejected, error);
    tokio::spawn(async move {
        // What the session does not take any more is nobody's to be told.
        let _ = device.hear(FromDevice::Word(word)).await;
    });
}
