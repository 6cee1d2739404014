//! What nodes tell each other of devices, where it arrives.

use std::sync::Arc;

use bongsu_model::Timestamp;
use bongsu_model::device::{CommandId, ConnectionEpoch, DeviceId, DeviceSaid, Value};
use bongsu_model::display::{DisplayNow, PresetId, Process};
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
        Said::Changed(it) => DeviceSaid::Changed {
            device: device()?,
            version: it.version,
        },
        Said::AskTelemetry(from) => DeviceSaid::AskTelemetry {
            device: device()?,
            from: from.into(),
        },
        Said::Measured(it) => measured(device()?, it)?,
        Said::AskDisplays(it) => DeviceSaid::AskDisplays {
            displays: device_ids(&it.displays)?,
            from: it.from.into(),
            to: it.to.into(),
        },
        Said::Shown(it) => DeviceSaid::Shown {
            device: device()?,
            now: it.now.map(|now| Arc::new(shown(now))),
            to: it.to.into(),
        },
    })
}

fn device_ids(texts: &[String]) -> Result<Arc<[DeviceId]>> {
    texts.iter().map(|it| device_id(it)).collect()
}

fn measured(device: DeviceId, it: proto::Measured) -> Result<DeviceSaid> {
    let heard = it.heard;
    let timed = |(key, value): (Arc<str>, Value)| {
        let at = need(heard.get(&*key), "a value without its moment")?;
        Ok((key, (value, Timestamp(*at))))
    };
    let values = object(it.values)?.into_iter().map(timed);
    Ok(DeviceSaid::Measured {
        device,
        values: Arc::new(values.collect::<Result<_>>()?),
        at: Timestamp(it.at),
        to: it.to.into(),
    })
}

fn shown(now: proto::DisplayNow) -> DisplayNow {
    let process = |process: proto::Process| Process {
        preset: process.preset.map(PresetId),
        command: process.command.map(|it| CommandId(bits(it))),
        pid: process.pid,
        uptime_ms: process.uptime_ms,
    };
    DisplayNow {
        status: now.status.map(Into::into),
        uptime_ms: now.uptime_ms,
        beat_at: Timestamp(now.beat_at),
        process_count: now.process_count,
        processes: now.processes.into_iter().map(process).collect(),
        address: now.address.map(Into::into),
        client_type: now.client_type.map(Into::into),
    }
}

fn command(id: Option<proto::Id>) -> Result<CommandId> {
    need(id, "no id of a command").map(|it| CommandId(bits(it)))
}
