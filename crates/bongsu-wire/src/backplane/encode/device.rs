//! What nodes tell each other of devices, as the contract has it.

use bongsu_model::device::{CommandId, ConnectionEpoch, DeviceId, DeviceSaid};
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
    }
}

const fn named(command: CommandId) -> Option<proto::Id> {
    Some(id(command.0))
}

const fn asked(epoch: ConnectionEpoch, node: String) -> proto::Asked {
    proto::Asked { epoch: epoch.0, node }
}
