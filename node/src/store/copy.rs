//! A store as a stream of bytes, and back.
//!
//! ```text
//! magic 8, key of the checksums 32
//! for each segment: number 4, length 8, bytes
//! number 0 as 4 bytes, BLAKE3 of all before it 32
//! ```

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::Arc;

use super::Store;
use super::checks::{Checks, KEY_BYTES};
use super::error::{StoreError, corrupt, from_io};
use super::files::{
    FORMAT, LOG_FOLDER, NEW_LOG_FOLDER, OPEN_FORMAT, Origin, lock, private_file, private_folder,
    remove_folder, write_format, write_origin,
};
use super::log::{segment_path, segments};
use super::replay::{Met, Route, replay};
use super::window::Window;

const MAGIC: [u8; 8] = *b"cnclvst3";
/// Of a store of the format before, which is migrated when it is opened.
const OPEN_MAGIC: [u8; 8] = *b"cnclvst2";
const STEP: usize = 256 * 1024;

impl Store {
    /// Writes everything that is durable now. The store may be in use meanwhile: its log only
    /// grows.
    ///
    /// # Errors
    /// That of reading the log or of writing to `out`.
    pub fn backup(&self, out: &mut dyn Write) -> io::Result<()> {
        let (last, end) = self.log().end();
        let folder = self.folder.join(LOG_FOLDER);
        let mut out = Summing { inner: out, hasher: blake3::Hasher::new() };
        out.write_all(&MAGIC)?;
        out.write_all(self.checks.key())?;
        for segment in segments(&folder)?.into_iter().filter(|segment| *segment <= last) {
            let file = Arc::new(File::open(segment_path(&folder, segment))?);
            let length = if segment == last { end } else { file.metadata()?.len() };
            out.write_all(&segment.to_be_bytes())?;
            out.write_all(&length.to_be_bytes())?;
            let mut window = Window::new(file, STEP);
            let mut at = 0;
            while at < length {
                let step = usize::try_from(length - at).unwrap_or(STEP).min(STEP);
                let bytes = window.get(at, step)?;
                if bytes.len() < step {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                out.write_all(bytes)?;
                at += step as u64;
            }
        }
        out.write_all(&0_u32.to_be_bytes())?;
        let sum = out.hasher.finalize();
        out.inner.write_all(sum.as_bytes())
    }

    /// Makes a store out of what [`Store::backup`] has written, in a folder that is new or
    /// empty. It is durable when this returns, and says of itself that it is a copy.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] if the bytes are not whole; then nothing is left behind.
    pub fn restore(folder: &Path, input: &mut dyn Read) -> Result<(), StoreError> {
        let fail = |error: io::Error| from_io(folder, &error);
        let existed = folder.exists();
        if existed && fs::read_dir(folder).map_err(fail)?.next().is_some() {
            return Err(corrupt(folder, "the folder to restore to is not empty"));
        }
        private_folder(folder).map_err(fail)?;
        let restored = lock(folder).and_then(|_lock| restore_log(folder, input));
        restored.inspect_err(|_| {
            // The first error is the one to tell.
            let _ = fs::remove_dir_all(folder);
            if existed {
                let _ = private_folder(folder);
            }
        })
    }
}

fn restore_log(folder: &Path, input: &mut dyn Read) -> Result<(), StoreError> {
    let fail = |error: io::Error| match error.kind() {
        io::ErrorKind::UnexpectedEof => corrupt(folder, "the backup is cut short"),
        _ => from_io(folder, &error),
    };
    let new = folder.join(NEW_LOG_FOLDER);
    remove_folder(&new).map_err(fail)?;
    private_folder(&new).map_err(fail)?;
    let mut input = Hashing { inner: input, hasher: blake3::Hasher::new() };
    let format = match input.take::<8>().map_err(fail)? {
        MAGIC => FORMAT,
        OPEN_MAGIC => OPEN_FORMAT,
        _ => {
            return Err(corrupt(folder, "this is no backup of a store that this program knows"));
        }
    };
    let key = input.take::<KEY_BYTES>().map_err(fail)?;
    let mut before = 0;
    loop {
        let segment = u32::from_be_bytes(input.take().map_err(fail)?);
        if segment == 0 {
            break;
        }
        if segment <= before {
            return Err(corrupt(folder, "the backup is altered"));
        }
        before = segment;
        let length = u64::from_be_bytes(input.take().map_err(fail)?);
        let mut file = private_file(&segment_path(&new, segment)).map_err(fail)?;
        let mut left = length;
        let mut buffer = vec![0; STEP];
        while left > 0 {
            let step = usize::try_from(left).unwrap_or(STEP).min(STEP);
            let part = buffer.get_mut(..step).unwrap_or_default();
            input.fill(part).map_err(fail)?;
            file.write_all(part).map_err(fail)?;
            left -= step as u64;
        }
        file.sync_all().map_err(fail)?;
    }
    let sum = input.hasher.finalize();
    let mut told = [0; 32];
    input.inner.read_exact(&mut told).map_err(fail)?;
    if sum != told || before == 0 {
        return Err(corrupt(folder, "the backup is altered"));
    }
    count_damage(folder, &new, &Checks::new(key))?;
    for synced in [&new, folder] {
        File::open(synced).and_then(|folder| folder.sync_all()).map_err(fail)?;
    }
    fs::rename(&new, folder.join(LOG_FOLDER)).map_err(fail)?;
    write_origin(folder, &Origin { key, identity: String::new() }).map_err(fail)?;
    write_format(folder, format).map_err(fail)
}

/// Looks at every checksum. Rows that were damaged already when the backup was made are no
/// reason to refuse the others: the store sets them aside as always.
fn count_damage(folder: &Path, log: &Path, checks: &Checks) -> Result<(), StoreError> {
    let fail = |error: io::Error| from_io(folder, &error);
    let found = segments(log).map_err(fail)?;
    let (after, until, durable) = (None, None, None);
    let route = Route { folder: log, checks, segments: &found, after, until, durable };
    let mut damaged = 0;
    let end = replay(&route, &mut |met| {
        damaged += usize::from(matches!(met, Met::Damage(_)));
        Ok(())
    });
    damaged += end.map_err(fail)?.torn.len();
    if damaged > 0 {
        tracing::warn!(damaged, "parts of the log were damaged when the backup was made");
    }
    Ok(())
}

struct Summing<'a> {
    inner: &'a mut dyn Write,
    hasher: blake3::Hasher,
}

impl Summing<'_> {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hasher.update(bytes);
        self.inner.write_all(bytes)
    }
}

struct Hashing<'a> {
    inner: &'a mut dyn Read,
    hasher: blake3::Hasher,
}

impl Hashing<'_> {
    fn fill(&mut self, bytes: &mut [u8]) -> io::Result<()> {
        self.inner.read_exact(bytes)?;
        self.hasher.update(bytes);
        Ok(())
    }

    fn take<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }
}
