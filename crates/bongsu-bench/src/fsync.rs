//! The floor under every commit: as many bytes as one message, appended to a file and synced.
//!
//! Invariant: nothing is written but what is synced, and the file is gone afterwards.

use std::io::Write;
use std::path::Path;

use crate::clock;
use crate::error::{BenchError, Tried};
use crate::report::median;

const TIMES: usize = 50;

/// Microseconds of one append of `bytes` bytes and one `fdatasync` in `dir`: the median of 50.
///
/// # Errors
/// `Io` if the folder cannot be written.
pub(crate) fn one_us(dir: &Path, bytes: usize) -> Result<f64, BenchError> {
    let mut file = tempfile::tempfile_in(dir).tried("making a file to sync")?;
    let line = vec![b'x'; bytes.max(1)];
    let mut waits = Vec::with_capacity(TIMES);
    for _ in 0..TIMES {
        let began = clock::now_ns();
        file.write_all(&line).tried("writing the file to sync")?;
        file.sync_data().tried("syncing a file")?;
        waits.push((clock::now_ns() - began) as f64 / 1e3);
    }
    Ok(median(&waits))
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_sync_takes_time() {
        assert!(super::one_us(&std::env::temp_dir(), 300).unwrap() > 0.0);
        assert!(super::one_us(std::path::Path::new("/proc/no such folder"), 300).is_err());
    }
}
