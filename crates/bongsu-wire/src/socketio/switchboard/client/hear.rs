//! What a display is told, from packets.
//!
//! Invariant: what a server says of a display is read as what it said; what it does not know is passed over.

use std::sync::Arc;

use bongsu_model::display::{Program, StopSignal};
use bongsu_model::{CommandId, ConnectionEpoch, Reconnect, Refusal, Timestamp, Want};

use super::super::{decode, lenient};
use super::{NotUnderstood, Order, Problem, Registered, Said, StopOrder};
use crate::json::field::{Field, Given};
use crate::socketio::client::Heard;

/// Reads one packet of text, as one to who is in this namespace.
///
/// # Errors
/// What no server says, or a field of it that is missing or wrong.
pub fn hear(packet: &str, namespace: &str) -> Result<Said, NotUnderstood> {
    let heard = Heard::parse(packet)?;
    Ok(match heard {
        Heard::Connected { namespace: at, .. } if at == namespace => Said::Connected,
        Heard::NotConnected { namespace: at, why } if at == namespace => Said::NotConnected {
            problem: not_connected(why),
        },
        Heard::Disconnected { namespace: at } if at == namespace => Said::Disconnected,
        Heard::Event {
            namespace: at,
            name,
            data,
            ..
        } if at == namespace => event(
            &name,
            Given {
                name: "data",
                raw: data,
            },
        )?,
        Heard::Ack {
            namespace: at,
            id,
            data,
        } if at == namespace => ack(
            id,
            Given {
                name: "data",
                raw: data,
            },
        )?,
        Heard::Connected { .. }
        | Heard::NotConnected { .. }
        | Heard::Disconnected { .. }
        | Heard::Event { .. }
        | Heard::Ack { .. }
        | Heard::Open(_)
        | Heard::Ping
        | Heard::Closed
        | Heard::Nothing => Said::Other,
    })
}

fn event(name: &str, data: Given<'_>) -> Result<Said, Refusal> {
    Ok(match name {
        "registration_success" => Said::Registered(registered(data)?),
        "registration_failed" => {
            let [code, reason, message, retry] =
                data.fields("", ["code", "reason", "message", "retryAfterMs"])?;
            Said::NotRegistered {
                code: code.optional(word)?,
                reason: text(reason)?,
                message: text(message)?,
                retry_after_ms: retry.optional(lenient::count)?,
            }
        }
        "heartbeat_response" => beat(data)?,
        "connection_check" => {
            let [timestamp] = data.fields("", ["timestamp"])?;
            Said::Check {
                timestamp: timestamp.raw.map(Into::into),
            }
        }
        "execute_command" => Said::Execute(Box::new(order(data)?)),
        "prepare_command" => Said::Prepare(Box::new(order(data)?)),
        "stop_command" => Said::Stop(stop(data)?),
        "server_shutdown" => {
            let [after, message] = data.fields("", ["reconnectAfter", "message"])?;
            Said::Shutdown {
                reconnect_after_ms: after.optional(lenient::count)?,
                message: text(message)?,
            }
        }
        "server_error" => Said::Error(problem(data)?),
        _ => Said::Other,
    })
}

fn registered(data: Given<'_>) -> Result<Registered, Refusal> {
    let [client, name, message] = data.fields("", ["clientId", "clientName", "message"])?;
    let [epoch, heartbeat_ms, server_time] = data.fields("", ["epoch", "heartbeatMs", "serverTime"])?;
    Ok(Registered {
        client: client.optional(lenient::integer)?,
        name: text(name)?,
        message: text(message)?,
        epoch: epoch.optional(lenient::count)?.map(ConnectionEpoch),
        heartbeat_ms: heartbeat_ms.optional(lenient::count)?,
        server_time: moment(server_time)?,
    })
}

fn beat(data: Given<'_>) -> Result<Said, Refusal> {
    let [status, timestamp, message, next] =
        data.fields("", ["status", "timestamp", "message", "nextHeartbeatIn"])?;
    let [again, code] = data.fields("", ["shouldReconnect", "code"])?;
    if &*status.required()?.text()? == "ok" {
        let written = timestamp.optional(Given::text).ok().flatten();
        return Ok(Said::Beat {
            server_time: written.and_then(|it| rfc_3339(&it)),
            next_ms: next.optional(lenient::count)?,
        });
    }
    Ok(Said::NotBeat {
        should_reconnect: again.optional(Given::bool)?.unwrap_or(false),
        code: code.optional(word)?,
        message: text(message)?,
    })
}

fn order(data: Given<'_>) -> Result<Order, Refusal> {
    let [name, line, preset, command] =
        data.fields("", ["clientName", "command", "presetId", "commandId"])?;
    let [shell, cwd, env, signal, grace] =
        data.fields("", ["shell", "cwd", "env", "stopSignal", "graceMs"])?;
    let [issued_at, ttl, when] = data.fields("", ["issuedAt", "ttlMs", "when"])?;
    let signal = signal.optional(|it| {
        let known = StopSignal::parse(&it.text()?);
        known.ok_or(it.wants(Want::OneOf(StopSignal::NAMES)))
    })?;
    Ok(Order {
        command: command.optional(decode::command)?,
        name: word(name.required()?)?,
        preset: lenient::preset(preset)?,
        program: Program {
            line: word(line.required()?)?,
            shell: shell.optional(Given::bool)?.unwrap_or(true),
            cwd: cwd.optional(word)?,
            env: env.optional(decode::environment)?.unwrap_or_default(),
            stop_signal: signal,
            grace_ms: grace.optional(lenient::count)?,
        },
        issued_at: moment(issued_at)?,
        ttl_ms: ttl.optional(lenient::count)?,
        when: moment(when)?,
    })
}

fn stop(data: Given<'_>) -> Result<StopOrder, Refusal> {
    let [name, preset, command, run, grace] =
        data.fields("", ["clientName", "presetId", "commandId", "runId", "graceMs"])?;
    let id = |field: Field<'_>| -> Result<Option<CommandId>, Refusal> { field.optional(decode::command) };
    Ok(StopOrder {
        command: id(command)?,
        name: word(name.required()?)?,
        preset: lenient::preset(preset)?,
        run: id(run)?,
        grace_ms: grace.optional(lenient::count)?,
    })
}

/// Who answers otherwise than we do has taken it.
fn ack(id: u64, data: Given<'_>) -> Result<Said, Refusal> {
    let error = if data.raw.starts_with('{') {
        let [error] = data.fields("", ["error"])?;
        error.optional(problem)?
    } else {
        None
    };
    Ok(Said::Ack {
        id,
        taken: error.map_or(Ok(()), Err),
    })
}

fn problem(data: Given<'_>) -> Result<Problem, Refusal> {
    let [code, message, retry, advice] =
        data.fields("", ["code", "message", "retry_after_ms", "reconnect"])?;
    let advice = advice.optional(Given::text)?;
    Ok(Problem {
        code: text(code)?,
        message: text(message)?,
        retry_after_ms: retry.optional(lenient::count)?,
        reconnect: advice.and_then(|it| reconnect(&it)),
    })
}

/// What every server may write in its own way.
fn not_connected(why: &str) -> Problem {
    let said = || -> Result<Problem, Refusal> {
        let why = Given {
            name: "data",
            raw: why,
        };
        if why.raw.starts_with('"') {
            return Ok(Problem {
                message: word(why)?,
                ..Problem::default()
            });
        }
        let [message, more] = why.fields("", ["message", "data"])?;
        let problem = more.optional(problem).ok().flatten();
        Ok(Problem {
            message: text(message)?,
            ..problem.unwrap_or_default()
        })
    };
    said().unwrap_or_else(|_| Problem {
        message: why.into(),
        ..Problem::default()
    })
}

fn reconnect(name: &str) -> Option<Reconnect> {
    [Reconnect::Now, Reconnect::Later, Reconnect::Never]
        .into_iter()
        .find(|it| it.name() == name)
}

/// A text for people, or a name, which may be missing.
fn text(field: Field<'_>) -> Result<Arc<str>, Refusal> {
    Ok(field.optional(word)?.unwrap_or_default())
}

fn word(given: Given<'_>) -> Result<Arc<str>, Refusal> {
    lenient::text(given, 0, usize::MAX)
}

/// Milliseconds since 1970.
fn moment(field: Field<'_>) -> Result<Option<Timestamp>, Refusal> {
    Ok(field.optional(lenient::integer)?.map(Timestamp))
}

/// A moment in UTC with milliseconds, as we write it; `None` if it is written otherwise.
fn rfc_3339(text: &str) -> Option<Timestamp> {
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<i64>().ok();
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    // Counted from March on, the leap day is the last of a year.
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let of_era = year.rem_euclid(400);
    let days = year.div_euclid(400) * 146_097 + of_era * 365 + of_era / 4 - of_era / 100
        + (153 * month + 2) / 5
        + day
        - 1
        - 719_468;
    let seconds = ((days * 24 + number(11, 13)?) * 60 + number(14, 16)?) * 60 + number(17, 19)?;
    let at = Timestamp(seconds * 1_000 + number(20, 23)?);
    // Whatever is no moment, or has another form, is printed otherwise.
    (at.rfc_3339() == text.as_bytes()).then_some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_reads_back_as_it_is_printed() {
        for ms in [
            0,
            -1,
            951_782_400_123,
            1_704_110_400_000,
            4_107_542_399_999,
            Timestamp::FAR.0,
        ] {
            assert_eq!(rfc_3339(&Timestamp(ms).to_string()), Some(Timestamp(ms)), "{ms}");
        }
        for other in [
            "",
            "2024-01-15T10:30:00Z",
            "2024-01-15T10:30:00.000+00:00",
            "2024-02-30T10:30:00.000Z",
            "2024-01-15T25:30:00.000Z",
            "+024-01-15T10:30:00.000Z",
        ] {
            assert_eq!(rfc_3339(other), None, "{other}");
        }
    }
}
