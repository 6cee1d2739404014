//! Whatever comes from a device is refused, ends the session, or means the same in both formats; and a device survives
//! whatever a gateway says.
#![no_main]

use bongsu_model::Limits;
use bongsu_wire::device::{Format, Heard};
use bongsu_wire::websocket::Opcode;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let limits = Limits { json_depth_max: 8, ..Limits::DEFAULT };
    // Said again it may take more bytes: a number has a longest form.
    let wide = Limits { frame_bytes_max: 1 << 24, ..limits.clone() };
    let text = std::str::from_utf8(bytes).ok();
    let heard = [text.map(|text| Format::Json.text(text, &limits)), Some(Format::Proto.binary(bytes, &limits))];
    for heard in heard.into_iter().flatten() {
        let Ok(Heard::Said(said)) = heard else { continue };
        for format in Format::ALL {
            let (opcode, again) = format.say(&said);
            let again = match opcode {
                Opcode::Text => format.text(std::str::from_utf8(&again).unwrap(), &wide),
                _ => format.binary(&again, &wide),
            };
            assert_eq!(again.unwrap(), Heard::Said(said.clone()));
        }
    }
    for format in Format::ALL {
        let _ = format.told(bytes, &limits);
    }
});
