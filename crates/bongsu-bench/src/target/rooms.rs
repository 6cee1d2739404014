//! Making the rooms of a run through the HTTP API.
//!
//! Invariant: when this returns, every room exists and is open, so that joining it is all that a user has to do.

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
    let token = server
        .signer
        .mint(MAKER, Role::Service)
        .map_err(BenchError::Token)?;
    // A room of one is a group all the same.
    let seats = members.max(2);
    let next = AtomicU64::new(0);
    let make = || -> Result<(), BenchError> {
        let mut api = Http::open(http, &token)?;
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            if at >= count {
                return Ok(());
            }
            let room = first + at as i64;
            let body = format!("{{\"room_id\":{room},\"visibility\":\"open\",\"max_members\":{seats}}}");
            let (status, body) = api.post("/api/v1/rooms", &body)?;
            // 409: an earlier round made it on this server.
            if !matches!(status, 200 | 201 | 409) {
                let path = "/api/v1/rooms".to_owned();
                return Err(BenchError::Http {
                    method: "POST",
                    path,
                    status,
                    body,
                });
            }
        }
    };
    std::thread::scope(|scope| {
        let makers: Vec<_> = (0..MAKERS.min(count)).map(|_| scope.spawn(make)).collect();
        makers
            .into_iter()
            .try_for_each(|maker| maker.join().expect("makers do not panic"))
    })
}
