//! `device simulate`: a car at a server of its own.

use rustix::process::Signal;

use crate::support::{Lines, Running, Server, bongsu, folder};

#[test]
fn a_car_connects_in_both_formats_and_the_newer_one_stays() {
    let (_home, data) = folder();
    let server = Server::start(&data, &["--dev"]);
    let url = server.url().replace("http://", "ws://") + "/device";
    let car = |format: &str| {
        let mut command = bongsu(&["device", "simulate", "--device", "car-1234", "--url", &url]);
        command.args(["--format", format, "--data-dir"]).arg(&data);
        let (running, out) = Running::start(command);
        (running, Lines::of(out))
    };
    let (mut older, heard) = car("json");
    heard.wait_for("connected, epoch ");
    let (mut newer, out) = car("proto");
    out.wait_for("connected, epoch ");
    heard.wait_for("close code 4409");
    assert_eq!(older.wait(), Some(1));
    newer.signal(Signal::INT);
    assert_eq!(newer.wait(), Some(0));
    assert_eq!(server.stop().0, Some(0));
}
