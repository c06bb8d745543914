//! A disk that fails, for tests.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// What fails next.
#[derive(Default)]
pub(super) struct Faults {
    /// Writes find no room, half way.
    pub(super) full: AtomicBool,
    /// So many syncs find no room.
    pub(super) full_syncs: AtomicU32,
    /// Syncs fail for good.
    pub(super) broken: AtomicBool,
    /// How often something has failed.
    pub(super) failed: AtomicU32,
}

impl Faults {
    pub(super) fn write(&self, file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
        if !self.full.load(Ordering::SeqCst) {
            return Ok(());
        }
        file.write_all_at(&bytes[..bytes.len() / 2], at)?;
        self.failed.fetch_add(1, Ordering::SeqCst);
        Err(io::ErrorKind::StorageFull.into())
    }

    pub(super) fn sync(&self) -> io::Result<()> {
        if self.broken.load(Ordering::SeqCst) {
            return Err(io::Error::other("injected"));
        }
        let left = self.full_syncs.load(Ordering::SeqCst);
        if left == 0 {
            return Ok(());
        }
        self.full_syncs.store(left - 1, Ordering::SeqCst);
        self.failed.fetch_add(1, Ordering::SeqCst);
        Err(io::ErrorKind::StorageFull.into())
    }
}
