//! What can be wrong with a store, and how the system's errors are told apart.

use std::io;
use std::path::{Path, PathBuf};

use super::files::FORMAT;

/// Why the store cannot be opened or written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Written by a newer program; nothing was touched.
    #[error(
        "the store in {path} has format {found}; this program knows formats up to {FORMAT} only"
    )]
    NewerFormat {
        /// Where.
        path: PathBuf,
        /// Its format.
        found: u32,
    },
    /// Another process has it open.
    #[error("another process uses the store in {path}")]
    InUse {
        /// Where.
        path: PathBuf,
    },
    /// No room.
    #[error("the disk is full: cannot write to the store in {path}")]
    DiskFull {
        /// Where.
        path: PathBuf,
    },
    /// Not allowed.
    #[error("no permission to use the store in {path}")]
    Permission {
        /// Where.
        path: PathBuf,
    },
    /// What is there makes no sense.
    #[error("the store in {path} is damaged: {detail}")]
    Corrupt {
        /// Where.
        path: PathBuf,
        /// What was found.
        detail: String,
    },
    /// Any other failure of the system.
    #[error("cannot use the store in {path}: {detail}")]
    Io {
        /// Where.
        path: PathBuf,
        /// What the system says.
        detail: String,
    },
    /// The writer has failed or has been stopped.
    #[error("the store accepts no more writes")]
    Stopped,
}

/// This process, or the whole system, has too many files open.
pub(super) fn is_want_of_descriptors(error: &io::Error) -> bool {
    // ENFILE and EMFILE, the same numbers on all Unix systems.
    matches!(error.raw_os_error(), Some(23 | 24))
}

/// There is no room, which may pass.
pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

pub(super) fn corrupt(folder: &Path, detail: impl Into<String>) -> StoreError {
    StoreError::Corrupt { path: folder.to_owned(), detail: detail.into() }
}

pub(super) fn from_io(folder: &Path, error: &io::Error) -> StoreError {
    use io::ErrorKind as Kind;
    let path = folder.to_owned();
    match error.kind() {
        Kind::StorageFull | Kind::QuotaExceeded => StoreError::DiskFull { path },
        Kind::PermissionDenied | Kind::ReadOnlyFilesystem => StoreError::Permission { path },
        _ => {
            let detail = error.to_string();
            // Sled wraps the system's error in text of its own.
            if detail.contains("could not acquire lock") {
                StoreError::InUse { path }
            } else {
                StoreError::Io { path, detail }
            }
        }
    }
}

pub(super) fn from_sled(folder: &Path, error: sled::Error) -> StoreError {
    match error {
        sled::Error::Io(error) => from_io(folder, &error),
        other => corrupt(folder, other.to_string()),
    }
}
