//! Which folders of programs that have ended are kept.
//!
//! Invariant: a folder that has no end, or whose program is still followed, is left alone; an end is on the disk in the
//! journal before its folder goes.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use bongsu_model::CommandId;

use super::Runner;
use crate::supervise::folder::all;

impl Runner {
    /// Takes away the oldest folders of programs that have ended, off the loop.
    pub(super) fn sweep(&self) {
        if self.owes {
            // Some end is only in its folder.
            return;
        }
        let journal = Arc::clone(&self.journal);
        let plan = Arc::clone(&self.plan);
        let followed: BTreeSet<CommandId> = self.runs.keys().chain(self.leaving.keys()).copied().collect();
        tokio::task::spawn_blocking(move || {
            let kept = || {
                let fault = |fault| std::io::Error::other(fault);
                journal.lock().sync().map_err(fault)
            };
            if let Err(fault) = sweep(&plan.config.data, &followed, plan.config.limits.ended_kept, kept) {
                tracing::warn!(%fault, "what programs wrote that have ended cannot be taken away");
            }
        });
    }
}

/// `before` comes before anything is taken away, and if it fails nothing is.
fn sweep(
    data: &Path,
    followed: &BTreeSet<CommandId>,
    kept: usize,
    before: impl FnOnce() -> std::io::Result<()>,
) -> std::io::Result<()> {
    let mut ended: Vec<(SystemTime, CommandId, _)> = Vec::new();
    for (id, folder) in all(data)? {
        if !followed.contains(&id)
            && let Ok(is) = fs::metadata(folder.file("end"))
        {
            ended.push((is.modified()?, id, folder));
        }
    }
    ended.sort_unstable_by_key(|(at, id, _)| (*at, *id));
    let past = ended.len().saturating_sub(kept);
    if past > 0 {
        before()?;
    }
    for (_, _, folder) in ended.drain(..past) {
        match fs::remove_dir_all(folder.path()) {
            // Of two sweeps the other was first.
            Err(fault) if fault.kind() == std::io::ErrorKind::NotFound => {}
            removed => removed?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::supervise::folder::{Folder, runs};

    #[test]
    fn the_oldest_that_have_ended_go() {
        let data = tempfile::tempdir().unwrap();
        let make = |id: u128, end: bool| {
            let folder = Folder::of(data.path(), CommandId(id));
            fs::create_dir_all(folder.path()).unwrap();
            if end {
                let file = fs::File::create(folder.file("end")).unwrap();
                let at = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(u64::try_from(id).unwrap());
                file.set_modified(at).unwrap();
            }
        };
        for id in 1..=5 {
            make(id, id != 2);
        }
        fs::create_dir(runs(data.path()).join("notes")).unwrap();
        let unkept = || Err(std::io::ErrorKind::StorageFull.into());
        assert!(sweep(data.path(), &[CommandId(1)].into(), 1, unkept).is_err());
        assert_eq!(all(data.path()).unwrap().len(), 5, "an end is only in its folder");
        sweep(data.path(), &[CommandId(1)].into(), 1, || Ok(())).unwrap();
        let left: Vec<u128> = all(data.path())
            .unwrap()
            .into_iter()
            .map(|(id, _)| id.0)
            .collect();
        assert_eq!(left, [1, 2, 5], "followed, not ended, the youngest");
        assert!(runs(data.path()).join("notes").exists());
    }
}
