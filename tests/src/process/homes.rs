//! What can happen to a home while no node runs in it: copies, and damage.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::Node;

/// Smaller files hold settings; the store's are larger.
const STORE_FILE_BYTES_MIN: u64 = 2048;

impl Node {
    /// Copies its home into a new folder beside it.
    #[track_caller]
    #[must_use]
    pub fn copy_home(&self, name: &str) -> PathBuf {
        assert!(!self.is_up(), "a copy of a home in use is none");
        let copy = self.home.with_file_name(name);
        copy_folder(&self.home, &copy);
        copy
    }

    /// Puts a copy in place of its home.
    #[track_caller]
    pub fn put_back(&self, copy: &Path) {
        assert!(!self.is_up(), "its home is in use");
        fs::remove_dir_all(&self.home).expect("the home can be removed");
        copy_folder(copy, &self.home);
    }

    /// All files of its home, and what is in them.
    #[track_caller]
    #[must_use]
    pub fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let mut found = Vec::new();
        let mut folders = vec![self.home.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).expect("a folder of the home") {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let bytes = fs::read(&path).expect("a file of the home");
                    found.push((path, bytes));
                }
            }
        }
        found.sort();
        found
    }

    /// The files that hold its objects, whatever the store makes of them.
    #[track_caller]
    #[must_use]
    pub fn store_files(&self) -> Vec<PathBuf> {
        let files = self.files().into_iter();
        let large = files.filter(|(_, bytes)| bytes.len() as u64 >= STORE_FILE_BYTES_MIN);
        let found: Vec<PathBuf> = large.map(|(path, _)| path).collect();
        assert!(!found.is_empty(), "a home without a store");
        found
    }
}

#[track_caller]
fn copy_folder(from: &Path, to: &Path) {
    let status = Command::new("cp").arg("-a").arg(from).arg(to).status();
    assert!(status.is_ok_and(|status| status.success()), "{} can be copied", from.display());
}
