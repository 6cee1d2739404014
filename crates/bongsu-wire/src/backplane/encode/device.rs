//! What nodes tell each other of devices, as the contract has it.

use std::collections::BTreeMap;
use std::sync::Arc;

use bongsu_model::Timestamp;
use bongsu_model::device::{CommandId, ConnectionEpoch, DeviceId, DeviceSaid, Value};
use bongsu_model::display::{DisplayNow, Process};
use bongsu_proto::backplane::v1 as proto;
use proto::device::Said;

use super::super::codes::Coded;
use super::{id, text};
use crate::device::value;

/// Something about a device.
pub(super) fn device(said: &DeviceSaid) -> proto::Device {
    let of = |device: &DeviceId, said| proto::Device {
        device: text(device.shared()),
        said: Some(said),
    };
    match said {
        DeviceSaid::Opened { device, epoch } => of(device, Said::Opened(epoch.0)),
        DeviceSaid::Offered {
            device,
            command,
            from,
        } => {
            let (command, from) = (named(*command), text(from));
            of(device, Said::Offered(proto::Offered { command, from }))
        }
        DeviceSaid::Taken { command, to } => proto::Device {
            device: String::new(),
            said: Some(Said::Taken(proto::Taken {
                command: named(*command),
                to: text(to),
            })),
        },
        DeviceSaid::Cancel { device, command, by } => {
            let (command, by) = (named(*command), text(by));
            of(device, Said::Cancel(proto::Cancel { command, by }))
        }
        DeviceSaid::Moved {
            device,
            command,
            state,
            to,
        } => {
            let (command, state, to) = (named(*command), state.code(), text(to));
            of(device, Said::Moved(proto::Moved { command, state, to }))
        }
        DeviceSaid::Desired { device, version } => of(device, Said::Desired(*version)),
        DeviceSaid::Telemetry { device, values, at } => {
            let (values, at) = (value::object_to_proto(values), at.0);
            of(device, Said::Telemetry(proto::Telemetry { values, at }))
        }
        DeviceSaid::Probe { device, epoch, from } => of(device, Said::Probe(asked(*epoch, text(from)))),
        DeviceSaid::Alive { device, epoch, to } => of(device, Said::Alive(asked(*epoch, text(to)))),
        DeviceSaid::Disconnect { device } => of(device, Said::Disconnect(proto::Disconnect {})),
        DeviceSaid::Changed { device, version } => {
            let version = *version;
            of(device, Said::Changed(proto::Changed { version }))
        }
        DeviceSaid::AskTelemetry { device, from } => of(device, Said::AskTelemetry(text(from))),
        DeviceSaid::Measured {
            device,
            values,
            at,
            to,
        } => of(device, Said::Measured(measured(values, *at, text(to)))),
        DeviceSaid::AskDisplays { displays, from, to } => proto::Device {
            device: String::new(),
            said: Some(Said::AskDisplays(proto::AskDisplays {
                displays: displays.iter().map(|it| text(it.shared())).collect(),
                from: text(from),
                to: text(to),
            })),
        },
        DeviceSaid::Shown { device, now, to } => {
            let (now, to) = (now.as_deref().map(shown), text(to));
            of(device, Said::Shown(proto::Shown { now, to }))
        }
    }
}

fn measured(values: &BTreeMap<Arc<str>, (Value, Timestamp)>, at: Timestamp, to: String) -> proto::Measured {
    let heard = values.iter().map(|(key, (_, at))| (text(key), at.0)).collect();
    let values = values
        .iter()
        .map(|(key, (value, _))| (Arc::clone(key), value.clone()));
    proto::Measured {
        values: value::object_to_proto(&values.collect()),
        heard,
        at: at.0,
        to,
    }
}

fn shown(now: &DisplayNow) -> proto::DisplayNow {
    let process = |process: &Process| proto::Process {
        preset: process.preset.map(|preset| preset.0),
        command: process.command.and_then(named),
        pid: process.pid,
        uptime_ms: process.uptime_ms,
    };
    proto::DisplayNow {
        status: now.status.as_ref().map(text),
        uptime_ms: now.uptime_ms,
        beat_at: now.beat_at.0,
        process_count: now.process_count,
        processes: now.processes.iter().map(process).collect(),
        address: now.address.as_ref().map(text),
        client_type: now.client_type.as_ref().map(text),
    }
}

const fn named(command: CommandId) -> Option<proto::Id> {
    Some(id(command.0))
}

const fn asked(epoch: ConnectionEpoch, node: String) -> proto::Asked {
    proto::Asked { epoch: epoch.0, node }
}
