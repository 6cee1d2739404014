//! What is measured: the names that have a field of their own, and the rest by name.
//!
//! Invariant: a number goes into its own field only where it comes out the same; a `float` means the decimal number that
//! it prints as.

use std::collections::BTreeMap;

use bongsu_model::device::{Number, Object, Value};
use bongsu_model::{Refusal, Want};
use bongsu_proto::v1;

use super::super::value;

/// Beyond this, not every whole number is a double.
const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;

/// What a packet measures.
pub(super) fn measured(telemetry: v1::Telemetry, depth_max: usize) -> Result<Object, Refusal> {
    let v1::Telemetry {
        speed,
        battery_level,
        latitude,
        longitude,
        altitude,
        heading,
        odometer,
        temperature,
        data,
    } = telemetry;
    let mut values =
        value::object_from_proto(data, depth_max).map_err(|fault| Refusal::field("data", fault.want()))?;
    let own = [
        ("speed", speed.map(decimal)),
        ("battery_level", battery_level.map(decimal)),
        ("latitude", latitude.map(number)),
        ("longitude", longitude.map(number)),
        ("altitude", altitude.map(decimal)),
        ("heading", heading.map(decimal)),
        ("odometer", odometer.map(decimal)),
        ("temperature", temperature.map(decimal)),
    ];
    for (name, number) in own {
        let Some(number) = number else { continue };
        let number = number.ok_or(Refusal::field(name, Want::Other))?;
        if values.insert(name.into(), Value::Number(number)).is_some() {
            return Err(Refusal::field(name, Want::Once));
        }
    }
    Ok(values)
}

/// A packet that measures this.
pub(super) fn packed(values: &Object) -> v1::Telemetry {
    let mut data = value::object_to_proto(values);
    let mut float = |name: &str| take(&mut data, name, values, narrow);
    v1::Telemetry {
        speed: float("speed"),
        battery_level: float("battery_level"),
        altitude: float("altitude"),
        heading: float("heading"),
        odometer: float("odometer"),
        temperature: float("temperature"),
        latitude: take(&mut data, "latitude", values, wide),
        longitude: take(&mut data, "longitude", values, wide),
        data,
    }
}

/// Takes a value out of `data` if it fits into a field of its own.
fn take<T>(
    data: &mut BTreeMap<String, v1::Value>,
    name: &str,
    values: &Object,
    fit: fn(Number) -> Option<T>,
) -> Option<T> {
    let Some(Value::Number(value)) = values.get(name) else {
        return None;
    };
    let fitting = fit(*value)?;
    data.remove(name);
    Some(fitting)
}

/// The double that comes out as this number.
fn wide(value: Number) -> Option<f64> {
    let double = value.as_f64();
    same(number(double)?, value).then_some(double)
}

/// The float that comes out as this number.
#[expect(
    clippy::cast_possible_truncation,
    reason = "whether it comes out the same is looked at"
)]
fn narrow(value: Number) -> Option<f32> {
    let float = value.as_f64() as f32;
    same(decimal(float)?, value).then_some(float)
}

/// Equal, and of the same form: also the sign of zero is kept.
fn same(one: Number, other: Number) -> bool {
    match (one, other) {
        (Number::Float(one), Number::Float(other)) => one.to_bits() == other.to_bits(),
        (Number::Int(_) | Number::Uint(_) | Number::Float(_), _) => one == other,
    }
}

/// The number that a double is: a whole one where it can be told; `None` if it is not finite.
#[expect(clippy::cast_possible_truncation, reason = "it is whole and in range")]
fn number(double: f64) -> Option<Number> {
    let whole =
        double.fract() == 0.0 && double.abs() <= WHOLE_MAX && !(double == 0.0 && double.is_sign_negative());
    if whole {
        Some(Number::Int(double as i64))
    } else {
        Number::float(double)
    }
}

/// The decimal number that a float prints as; `None` if it is not finite.
fn decimal(float: f32) -> Option<Number> {
    if !float.is_finite() {
        return None;
    }
    let printed = float
        .to_string()
        .parse()
        .expect("a finite float prints as a number");
    number(printed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::Format;
    use bongsu_model::device::FromDevice;

    fn object(text: &str) -> Object {
        value::read_object(text, 32).unwrap()
    }

    fn came(values: &Object) -> Object {
        measured(packed(values), 32).unwrap()
    }

    #[test]
    fn what_is_measured_comes_out_the_same() {
        for number in [
            "0",
            "-0.0",
            "1.0",
            "100",
            "63.4",
            "-40",
            "16777217",
            "0.1",
            "1e300",
            "9007199254740993",
            "18446744073709551615",
            "37.566535",
            "1e-45",
            "null",
            "\"fast\"",
        ] {
            let text =
                format!(r#"{{"speed":{number},"latitude":{number},"odometer":{number},"x":{number}}}"#);
            let values = object(&text);
            assert_eq!(
                bongsu_model::device::print(&came(&values)),
                bongsu_model::device::print(&values),
                "{text}"
            );
        }
    }

    #[test]
    fn a_float_is_the_decimal_that_was_set() {
        let set = v1::Telemetry {
            speed: Some(63.4),
            battery_level: Some(85.0),
            ..Default::default()
        };
        assert_eq!(
            measured(set, 32).unwrap(),
            object(r#"{"speed":63.4,"battery_level":85}"#)
        );
    }

    #[test]
    fn what_is_no_number_or_stands_twice_is_refused() {
        let set = |speed| v1::Telemetry {
            speed: Some(speed),
            ..packed(&object(r#"{"speed":"x"}"#))
        };
        assert_eq!(measured(set(1.0), 32), Err(Refusal::field("speed", Want::Once)));
        let alone = v1::Telemetry {
            heading: Some(f32::NAN),
            ..Default::default()
        };
        assert_eq!(measured(alone, 32), Err(Refusal::field("heading", Want::Other)));
    }

    /// Bytes of a packet and of its JSON, whole messages both.
    fn bytes(values: &str) -> (usize, usize) {
        let said = FromDevice::Telemetry(object(values));
        let (_, packet) = Format::Proto.say(&said);
        let (_, json) = Format::Json.say(&said);
        (packet.len(), json.len())
    }

    /// What the reference promises of Protobuf. Names that have no field of their own cost what they cost in JSON.
    #[test]
    fn a_packet_is_a_third_of_its_json() {
        let (packet, json) = bytes(r#"{"speed":100,"battery_level":85}"#);
        assert!(packet * 3 <= json, "{packet} of {json} bytes");
        let car = r#"{"speed":63.5,"battery_level":85,"latitude":37.566535,"longitude":126.977969,"altitude":38.2,"heading":272,"odometer":18234.7,"temperature":21.5"#;
        let (packet, json) = bytes(&format!("{car}}}"));
        assert!(packet * 3 <= json, "{packet} of {json} bytes");
        let (packet, json) = bytes(&format!(r#"{car},"doors":"locked","engine":true}}"#));
        assert!(packet * 2 <= json, "{packet} of {json} bytes");
    }
}
