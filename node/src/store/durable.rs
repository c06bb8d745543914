//! Making what sled has written survive a power cut.
//!
//! Sled's own flush uses `sync_file_range`, which does not reach the disk's cache. The log file
//! is synced at every commit; all other files and the folders only when they have changed, for
//! sled writes those once, under new names.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// The file that sled appends to and rewrites in place.
const LOG_FILE: &str = "db";

/// What a file looked like when it was synced last.
type Stamp = (u64, u64, Option<SystemTime>);

/// The files of one database.
#[derive(Debug)]
pub(super) struct Durable {
    folder: PathBuf,
    log: Option<(u64, File)>,
    files: BTreeMap<PathBuf, Stamp>,
    folders: BTreeMap<PathBuf, Vec<PathBuf>>,
}

impl Durable {
    /// Nothing of the folder is known to be durable yet.
    pub(super) fn new(folder: PathBuf) -> Self {
        Self { folder, log: None, files: BTreeMap::new(), folders: BTreeMap::new() }
    }

    /// Returns when everything written before the call will survive.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        let folder = self.folder.clone();
        self.sync_folder(&folder)
    }

    fn sync_folder(&mut self, folder: &Path) -> io::Result<()> {
        let mut names = Vec::new();
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            // Sled removes old snapshots and blobs at any time.
            match self.sync_entry(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                other => other?,
            }
            names.push(path);
        }
        names.sort_unstable();
        if self.folders.get(folder) != Some(&names) {
            File::open(folder)?.sync_all()?;
            self.folders.insert(folder.to_owned(), names);
        }
        Ok(())
    }

    fn sync_entry(&mut self, path: &Path) -> io::Result<()> {
        let meta = fs::metadata(path)?;
        if meta.is_dir() {
            return self.sync_folder(path);
        }
        if path.file_name().is_some_and(|name| name == LOG_FILE) {
            return self.sync_log(path, meta.ino());
        }
        let stamp = (meta.ino(), meta.len(), meta.modified().ok());
        if self.files.get(path) != Some(&stamp) {
            File::open(path)?.sync_all()?;
            self.files.insert(path.to_owned(), stamp);
        }
        Ok(())
    }

    fn sync_log(&mut self, path: &Path, inode: u64) -> io::Result<()> {
        let log = match self.log.take().filter(|(open, _)| *open == inode) {
            Some((_, log)) => log,
            None => File::open(path)?,
        };
        // The length, as far as it is needed to read the data, is included.
        log.sync_data()?;
        self.log = Some((inode, log));
        Ok(())
    }
}
