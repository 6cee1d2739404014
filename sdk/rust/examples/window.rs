//! A device with one window, in as few lines as it takes.
//!
//! `cargo run -p bongsu-device --example window -- ws://127.0.0.1:8000/device car-1234 TOKEN`

#![allow(clippy::print_stdout, reason = "an example that shows what happens")]

use std::time::Duration;

use bongsu_device::{Call, Device, Failure, Object, Value};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let mut next = |what| args.next().ok_or(format!("{what} is needed"));
    let (url, id, token) = (next("the address")?, next("the device's id")?, next("a token")?);
    let device = Device::builder(&url, &id)
        .token(&token)
        .kind("vehicle")
        .journal(format!("{id}.journal"))
        .on("window.set", window)
        .on_happening(|it| println!("{it:?}"))
        .build()?;
    device.handle().report(position("closed"))?;
    Err(device.run().await.into())
}

/// Called once for each command, however often it comes, and never when it is late.
async fn window(call: Call) -> Result<Value, Failure> {
    let wanted = match call.text("position") {
        Some(position @ ("open" | "closed")) => position,
        Some(_) | None => return Err(Failure::rejected("no such position")),
    };
    call.in_progress(None);
    tokio::time::sleep(Duration::from_secs(1)).await;
    call.handle()
        .report(position(wanted))
        .map_err(|_| "the state is too large")?;
    Ok(wanted.into())
}

fn position(value: &str) -> Object {
    let window = Object::from([("position".into(), value.into())]);
    Object::from([("window".into(), window.into())])
}
