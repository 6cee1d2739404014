//! What nodes tell each other of devices, where it arrives.

use std::sync::Arc;

use bongsu_model::Timestamp;
use bongsu_model::device::{CommandId, ConnectionEpoch, DeviceSaid};
use bongsu_proto::backplane::v1 as proto;
use proto::device::Said;

use super::super::NotHeard;
use super::super::codes::Coded;
use super::{Result, bits, device_id, need, object};

/// Something about a device.
pub(super) fn device(of: proto::Device) -> Result<DeviceSaid> {
    let said = of.said.ok_or(NotHeard::Unknown)?;
    let device = || device_id(&of.device);
    Ok(match said {
        Said::Opened(epoch) => DeviceSaid::Opened {
            device: device()?,
            epoch: ConnectionEpoch(epoch),
        },
        Said::Offered(it) => DeviceSaid::Offered {
            device: device()?,
            command: command(it.command)?,
            from: it.from.into(),
        },
        Said::Taken(it) => DeviceSaid::Taken {
            command: command(it.command)?,
            to: it.to.into(),
        },
        Said::Cancel(it) => DeviceSaid::Cancel {
            device: device()?,
            command: command(it.command)?,
            by: it.by.into(),
        },
        Said::Moved(it) => DeviceSaid::Moved {
            device: device()?,
            command: command(it.command)?,
            state: Coded::of(it.state)?,
            to: it.to.into(),
        },
        Said::Desired(version) => DeviceSaid::Desired {
            device: device()?,
            version,
        },
        Said::Telemetry(it) => DeviceSaid::Telemetry {
            device: device()?,
            values: Arc::new(object(it.values)?),
            at: Timestamp(it.at),
        },
        Said::Probe(it) => DeviceSaid::Probe {
            device: device()?,
            epoch: ConnectionEpoch(it.epoch),
            from: it.node.into(),
        },
        Said::Alive(it) => DeviceSaid::Alive {
            device: device()?,
            epoch: ConnectionEpoch(it.epoch),
            to: it.node.into(),
        },
        Said::Disconnect(proto::Disconnect {}) => DeviceSaid::Disconnect { device: device()? },
    })
}

fn command(id: Option<proto::Id>) -> Result<CommandId> {
    need(id, "no id of a command").map(|it| CommandId(bits(it)))
}
