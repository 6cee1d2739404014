//! Servers of others, measured beside ours in the same rounds, with the same users.
//!
//! Invariant: nothing is fetched here; a peer that is not installed is refused with the way to install it.
//!
//! Another peer is a folder in `tests/peers`, a row in `KNOWN`, and, if it has a protocol of its own, a [`Protocol`].

use std::path::Path;

use crate::error::BenchError;
use crate::options::Protocol;
use crate::target::Program;

/// A server of others.
///
/// It is started as `program` with `--frame-bytes N` (of a delivered message) or `--pong-bytes N` (of the answer to a
/// ping) behind its arguments, the sizes of the server's own, prints one ready line as the product does, with `tcp` the
/// address for users and `version` what it is, and serves until it is ended.
#[derive(Clone, Debug)]
pub struct Peer {
    /// What the report calls it.
    pub name: String,
    /// What users say to it.
    pub protocol: Protocol,
    /// How it is started.
    pub program: Program,
}

struct Known {
    name: &'static str,
    /// Its folder in the one where peers are installed.
    folder: &'static str,
    runs: &'static str,
    /// What must be there besides the script.
    needs: &'static str,
    script: &'static str,
    /// The way in which it says most like ours, unless the run's own protocol is among `speaks`.
    protocol: Protocol,
    speaks: &'static [Protocol],
}

const KNOWN: [Known; 1] = [Known {
    name: "node-socketio",
    folder: "socketio",
    runs: "node",
    needs: "node_modules/socket.io/package.json",
    script: "server.mjs",
    protocol: Protocol::Socketio,
    speaks: &[Protocol::Socketio, Protocol::SocketioPolling],
}];

impl Peer {
    /// The peer `name` as `make peers` has installed it below `dir`, for a run over `protocol`.
    ///
    /// # Errors
    /// `Option` for a name that is not known, `NoPeer` if it is not installed.
    pub fn installed(name: &str, dir: &Path, protocol: Protocol) -> Result<Self, BenchError> {
        let known = KNOWN.iter().find(|known| known.name == name);
        let known = known.ok_or_else(|| BenchError::Option {
            option: "--beside",
            value: name.to_owned(),
            advice: "one of node-socketio is needed",
        })?;
        let folder = dir.join(known.folder);
        if !folder.join(known.needs).is_file() || !folder.join(known.script).is_file() {
            return Err(BenchError::NoPeer {
                name: known.name,
                folder,
            });
        }
        let script =
            std::path::absolute(folder.join(known.script)).unwrap_or_else(|_| folder.join(known.script));
        let spoken = known.speaks.contains(&protocol);
        Ok(Self {
            name: known.name.to_owned(),
            protocol: if spoken { protocol } else { known.protocol },
            program: Program {
                exe: known.runs.into(),
                args: vec![script.to_string_lossy().into_owned()],
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_must_be_installed_and_speaks_as_the_run_does_if_it_can() {
        let dir = tempfile::tempdir().unwrap();
        let ask = |protocol| Peer::installed("node-socketio", dir.path(), protocol);
        let fault = ask(Protocol::Socketio).unwrap_err();
        assert!(fault.to_string().contains("make peers"), "{fault}");
        let folder = dir.path().join("socketio");
        std::fs::create_dir_all(folder.join("node_modules/socket.io")).unwrap();
        std::fs::write(folder.join("node_modules/socket.io/package.json"), "{}").unwrap();
        assert!(ask(Protocol::Socketio).is_err(), "there is no script");
        std::fs::write(folder.join("server.mjs"), "").unwrap();
        assert_eq!(
            ask(Protocol::SocketioPolling).unwrap().protocol,
            Protocol::SocketioPolling
        );
        for other in [Protocol::Action, Protocol::Type, Protocol::SocketioChat] {
            assert_eq!(ask(other).unwrap().protocol, Protocol::Socketio);
        }
        let fault = Peer::installed("smoke", dir.path(), Protocol::Type).unwrap_err();
        assert!(
            matches!(
                fault,
                BenchError::Option {
                    option: "--beside",
                    ..
                }
            ),
            "{fault}"
        );
    }
}
