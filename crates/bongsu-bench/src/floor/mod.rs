//! The floor: a server that does as little as any server must. One epoll loop, one `send` per member at publish.
//!
//! Over WebSocket it reads the client's masked frames, and consents to every upgrade with bytes that were built before.
//!
//! Invariant: it never checks, keeps or orders anything; with `--durable` alone it commits before it answers.

mod commit;
mod reply;
mod server;

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::path::Path;

use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, getsockname, listen, socket_with};
use rustix::process::{Signal, set_parent_process_death_signal};

use crate::error::{BenchError, Tried};
use crate::options::Protocol;
use crate::process;
use crate::target::child::Ready;
use commit::Commit;
use reply::Speech;
use server::Floor;

/// Listens on a free port of loopback, prints one ready line on stdout and serves until the process is ended.
///
/// `args` are what `run` appended to `Program::args`; the binary passes them on unread. The process ends with its
/// parent.
///
/// # Errors
/// `Option` for an argument it does not know, `Io` for what the system refuses.
pub fn main(args: impl IntoIterator<Item = String>) -> Result<(), BenchError> {
    let asked = Asked::read(args)?;
    set_parent_process_death_signal(Some(Signal::TERM)).tried("asking to end with the parent")?;
    // As many as the load generator may have.
    let _ = process::need_files(1 << 20);
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let listener =
        socket_with(AddressFamily::INET, SocketType::STREAM, flags, None).tried("opening a socket")?;
    bind(&listener, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0)).tried("binding to loopback")?;
    listen(&listener, 4096).tried("listening")?;
    let tcp = SocketAddr::try_from(getsockname(&listener).tried("asking for our address")?)
        .tried("reading our address")?;
    let commit = if asked.durable {
        Some(Commit::open(Path::new("floor.sqlite"))?)
    } else {
        None
    };
    let speech = Speech::new(asked.protocol, asked.frame_bytes, asked.pong_bytes);
    let mut floor = Floor::new(listener, asked.protocol.on_websocket(), speech, commit)?;
    let ready = Ready {
        ready: true,
        http: None,
        tcp,
        pid: std::process::id(),
        version: None,
    };
    let mut line = serde_json::to_vec(&ready).expect("a ready line is JSON");
    line.push(b'\n');
    std::io::stdout()
        .write_all(&line)
        .tried("printing the ready line")?;
    loop {
        floor.turn()?;
    }
}

/// What the command line of a floor says.
#[derive(Debug, PartialEq, Eq)]
struct Asked {
    protocol: Protocol,
    frame_bytes: usize,
    pong_bytes: usize,
    durable: bool,
}

impl Asked {
    fn read(args: impl IntoIterator<Item = String>) -> Result<Self, BenchError> {
        let mut asked = Self {
            protocol: Protocol::Action,
            frame_bytes: 0,
            pong_bytes: 0,
            durable: false,
        };
        let mut args = args.into_iter();
        while let Some(arg) = args.next() {
            let mut number = |option| {
                let value = args.next().unwrap_or_default();
                value.parse().map_err(|_| BenchError::Option {
                    option,
                    value,
                    advice: "a number is needed",
                })
            };
            match arg.as_str() {
                "--protocol" => asked.protocol = args.next().unwrap_or_default().parse::<Protocol>()?.floor(),
                "--frame-bytes" => asked.frame_bytes = number("--frame-bytes")?,
                "--pong-bytes" => asked.pong_bytes = number("--pong-bytes")?,
                "--durable" => asked.durable = true,
                _ => {
                    let advice = "a floor takes --protocol, --frame-bytes, --pong-bytes and --durable";
                    return Err(BenchError::Option {
                        option: "the floor's argument",
                        value: arg,
                        advice,
                    });
                }
            }
        }
        Ok(asked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(args: &[&str]) -> Result<Asked, BenchError> {
        Asked::read(args.iter().map(|arg| (*arg).to_owned()))
    }

    #[test]
    fn arguments() {
        let args = "--frame-bytes 512 --protocol type --durable --pong-bytes 99";
        let asked = read(&args.split(' ').collect::<Vec<_>>()).unwrap();
        assert_eq!(
            asked,
            Asked {
                protocol: Protocol::Type,
                frame_bytes: 512,
                pong_bytes: 99,
                durable: true
            }
        );
        assert_eq!(read(&[]).unwrap().protocol, Protocol::Action);
        for wrong in [
            &["--frame-bytes"][..],
            &["--frame-bytes", "x"],
            &["--protocol", "smoke"],
            &["--tls"],
        ] {
            assert!(matches!(read(wrong), Err(BenchError::Option { .. })), "{wrong:?}");
        }
    }
}
