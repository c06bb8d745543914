//! Reading a segment a stretch at a time, forwards.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// A stretch of a file in memory.
pub(super) struct Window {
    file: Arc<File>,
    /// Bytes read at once, at least.
    step: usize,
    start: u64,
    bytes: Vec<u8>,
}

impl Window {
    pub(super) fn new(file: Arc<File>, step: usize) -> Self {
        Self { file, step, start: 0, bytes: Vec::new() }
    }

    /// Up to `length` bytes from an offset on; fewer only at the end of the file.
    pub(super) fn get(&mut self, at: u64, length: usize) -> io::Result<&[u8]> {
        let end = at + length as u64;
        if at < self.start || end > self.start + self.bytes.len() as u64 {
            self.start = at;
            self.bytes.resize(length.max(self.step), 0);
            // A large record is not a reason to keep as much for ever.
            self.bytes.shrink_to(length.max(self.step));
            let read = read_up_to(&self.file, &mut self.bytes, at)?;
            self.bytes.truncate(read);
        }
        let from = usize::try_from(at - self.start).unwrap_or(usize::MAX);
        let rest = self.bytes.get(from..).unwrap_or_default();
        Ok(rest.get(..length).unwrap_or(rest))
    }
}

/// Reads until the buffer is full or the file ends.
pub(super) fn read_up_to(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, at + filled as u64) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}
