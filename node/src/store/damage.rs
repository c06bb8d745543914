//! What was found damaged: kept aside for whoever wants to look at it, and told once.

use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use conclave_protocol::engine::Table;
use data_encoding::HEXLOWER;

use super::rows::table_of;

/// Where what was damaged is kept.
pub(super) const DAMAGED_FILE: &str = "damaged";
/// Kept aside at most.
const ASIDE_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Most keys that are remembered as damaged.
const KEYS_MAX: usize = 64 * 1024;

/// The damage of one store.
pub(super) struct Damage {
    path: PathBuf,
    keys: Mutex<Keys>,
}

#[derive(Default)]
struct Keys {
    /// Full keys that were told, or are about to be.
    known: BTreeSet<Vec<u8>>,
    untold: Vec<(Table, Vec<u8>)>,
}

impl Damage {
    pub(super) fn new(folder: &Path) -> Self {
        Self { path: folder.join(DAMAGED_FILE), keys: Mutex::default() }
    }

    /// The row of a full key is damaged; these are its bytes.
    pub(super) fn found(&self, full: &[u8], bytes: &[u8]) {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        if keys.known.len() >= KEYS_MAX || !keys.known.insert(full.to_vec()) {
            return;
        }
        if let Some((table, key)) = full.split_first()
            && let Some(table) = table_of(*table)
        {
            tracing::warn!(table = table.name(), "a damaged row is set aside");
            keys.untold.push((table, key.to_vec()));
        }
        drop(keys);
        self.keep(&HEXLOWER.encode(full), bytes);
    }

    /// Keeps bytes of which nobody knows whose they are.
    pub(super) fn keep(&self, name: &str, bytes: &[u8]) {
        let keep = || -> io::Result<()> {
            let mut options = OpenOptions::new();
            let mut file = options.append(true).create(true).mode(0o600).open(&self.path)?;
            if file.metadata()?.len() + bytes.len() as u64 > ASIDE_BYTES_MAX {
                return Ok(());
            }
            let mut entry = format!("{name} {}\n", bytes.len()).into_bytes();
            entry.extend_from_slice(bytes);
            entry.push(b'\n');
            file.write_all(&entry)
        };
        // It is of use to somebody who looks for the cause; nothing depends on it.
        if let Err(error) = keep() {
            tracing::debug!(%error, "cannot set damaged bytes aside");
        }
    }

    /// A full key was written: what was damaged is mended.
    pub(super) fn mended<'a>(&self, written: impl Iterator<Item = &'a Vec<u8>>) {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        if keys.known.is_empty() {
            return;
        }
        for full in written {
            keys.known.remove(full);
        }
    }

    /// What was found since this was last asked.
    pub(super) fn take(&self) -> Vec<(Table, Vec<u8>)> {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut keys.untold)
    }
}
