//! Writing a file that nobody but its owner can read, as a whole or not at all.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use super::PRIVATE_FILE;

/// What to do about a file that stands where another is to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// Leave it and fail.
    Refuse,
    /// Put the new one in its place.
    Replace,
}

/// Writes a file beside its place, makes it durable and renames it. It is 0600 from its first
/// moment, whatever the umask.
pub(super) fn write_private(path: &Path, bytes: &[u8], existing: Existing) -> io::Result<()> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let mut hidden = OsString::from(".");
    hidden.push(name);
    hidden.push(format!(".{}.new", std::process::id()));
    let temporary = path.with_file_name(hidden);
    let place = || {
        match fs::remove_file(&temporary) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        // A link counts too, also one that leads nowhere: it is somebody's.
        if existing == Existing::Refuse && fs::symlink_metadata(path).is_ok() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(PRIVATE_FILE);
        let mut file = options.open(&temporary)?;
        file.set_permissions(Permissions::from_mode(PRIVATE_FILE))?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        File::open(folder_of(path))?.sync_all()
    };
    place().inspect_err(|_| {
        // The first error is the one to tell; a leftover is removed by the next write.
        let _ = fs::remove_file(&temporary);
    })
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}
