//! Making the rooms of a run through the HTTP API, and members of those who cannot ask to be.
//!
//! Invariant: when this returns, every room exists and is open, so that joining it is all that a user has to do.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use bongsu_model::Role;

use super::Server;
use crate::error::BenchError;
use crate::http::Http;

/// Connections that make rooms side by side: each room waits for its commit, and commits are shared.
const MAKERS: u64 = 16;

/// Who makes the rooms; no simulated user has this id.
const MAKER: i64 = 1;

/// Makes `count` open rooms from the id `first` on, each for `members`; rooms that exist already stay.
///
/// Does nothing where there is no HTTP API.
pub(crate) fn make_rooms(server: &Server, first: i64, count: u64, members: usize) -> Result<(), BenchError> {
    let Some(http) = server.http else { return Ok(()) };
    // A room of one is a group all the same.
    let seats = members.max(2);
    side_by_side(server, http, count, |api, at| {
        let room = first + at as i64;
        let body = format!("{{\"room_id\":{room},\"visibility\":\"open\",\"max_members\":{seats}}}");
        // 409: an earlier round made it on this server.
        asked(api, "POST", "/api/v1/rooms", &body, &[200, 201, 409])
    })
}

/// Makes the users of `all` members of their rooms, as pairs of both; they have been there before.
///
/// # Errors
/// `Http` if that is refused, `Option` where there is no HTTP API.
pub(crate) fn enrol(server: &Server, all: &[(i64, i64)]) -> Result<(), BenchError> {
    let http = server.http.ok_or_else(|| BenchError::Option {
        option: "--http",
        value: "not given".to_owned(),
        advice: "users of this protocol are made members there",
    })?;
    side_by_side(server, http, all.len() as u64, |api, at| {
        let (user, room) = all[at as usize];
        asked(
            api,
            "PUT",
            &format!("/api/v1/rooms/{room}/members/{user}"),
            "",
            &[200, 204],
        )
    })
}

fn asked(
    api: &mut Http,
    method: &'static str,
    path: &str,
    body: &str,
    good: &[u16],
) -> Result<(), BenchError> {
    let (status, body) = api.ask(method, path, body)?;
    if good.contains(&status) {
        return Ok(());
    }
    Err(BenchError::Http {
        method,
        path: path.to_owned(),
        status,
        body,
    })
}

/// Has `each` of `count` done, on a few connections of a service.
fn side_by_side(
    server: &Server,
    http: SocketAddr,
    count: u64,
    each: impl Fn(&mut Http, u64) -> Result<(), BenchError> + Sync,
) -> Result<(), BenchError> {
    let token = server
        .signer
        .mint(MAKER, Role::Service)
        .map_err(BenchError::Token)?;
    let next = AtomicU64::new(0);
    let make = || -> Result<(), BenchError> {
        let mut api = Http::open(http, &token)?;
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            if at >= count {
                return Ok(());
            }
            each(&mut api, at)?;
        }
    };
    std::thread::scope(|scope| {
        let makers: Vec<_> = (0..MAKERS.min(count)).map(|_| scope.spawn(make)).collect();
        makers
            .into_iter()
            .try_for_each(|maker| maker.join().expect("makers do not panic"))
    })
}
