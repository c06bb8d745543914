//! The end of the log, where it is written. One write and one sync make a group durable.
//!
//! What a failed write leaves behind is cut off again. After a failed sync nobody knows what the
//! disk holds of the file, whatever the page cache says: what was to be written goes into a new
//! segment.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::checks::Checks;
#[cfg(test)]
use super::faults::Faults;
use super::records::{Group, RECORD_HEAD, RecordHead, SEGMENT_HEAD, segment_head};
use super::rows::Place;

/// A segment that is longer gets no further record.
const SEGMENT_BYTES: u64 = 64 * 1024 * 1024;
/// Longest record; what the node writes is far below.
const RECORD_BYTES_MAX: usize = 1 << 30;

/// Names a record that was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Marker {
    pub(super) segment: u32,
    /// Where it begins.
    pub(super) start: u32,
    /// Where it ends.
    pub(super) end: u32,
    pub(super) head: RecordHead,
}

impl Marker {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(32);
        for number in [self.segment, self.start, self.end, self.head.length] {
            bytes.extend_from_slice(&number.to_be_bytes());
        }
        bytes.extend_from_slice(&self.head.seq.to_be_bytes());
        bytes.extend_from_slice(&self.head.sum);
        bytes
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let number = |at: usize| Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
        let head = RecordHead {
            length: number(12)?,
            seq: u64::from_be_bytes(bytes.get(16..24)?.try_into().ok()?),
            sum: bytes.get(24..32)?.try_into().ok()?,
        };
        Some(Self { segment: number(0)?, start: number(4)?, end: number(8)?, head })
    }
}

/// The path of a segment.
pub(super) fn segment_path(folder: &Path, segment: u32) -> PathBuf {
    folder.join(format!("{segment:08}"))
}

/// The segments in a folder, in order.
pub(super) fn segments(folder: &Path) -> io::Result<Vec<u32>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        let number = name.to_str().filter(|name| name.len() == 8);
        found.extend(number.and_then(|number| number.parse::<u32>().ok()));
    }
    found.sort_unstable();
    Ok(found)
}

/// Where a write at an offset of a segment is found.
pub(super) fn place(segment: u32, offset: u32) -> Place {
    (u64::from(segment) << 32) | u64::from(offset)
}

/// The log's last segment.
pub(super) struct Log {
    folder: PathBuf,
    checks: Checks,
    file: File,
    segment: u32,
    /// Everything before it is durable.
    end: u64,
    seq: u64,
    /// The segment's name in the folder is not known to be durable.
    unnamed: bool,
    /// A sync has failed.
    suspect: bool,
    #[cfg(test)]
    pub(super) faults: std::sync::Arc<Faults>,
}

impl Log {
    /// Begins a log with a first segment.
    pub(super) fn create(folder: &Path, checks: Checks) -> io::Result<Self> {
        let file = new_segment(folder, &checks, 1)?;
        file.sync_all()?;
        File::open(folder)?.sync_all()?;
        Ok(Self::at(folder, checks, file, 1, SEGMENT_HEAD, 0))
    }

    /// Goes on where a log ends. What stands behind its end is cut off.
    pub(super) fn resume(
        folder: &Path,
        checks: Checks,
        (segment, end): (u32, u64),
        seq: u64,
    ) -> io::Result<Self> {
        let path = segment_path(folder, segment);
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        let length = file.metadata()?.len();
        if length < SEGMENT_HEAD {
            file.write_all_at(&segment_head(&checks, segment), 0)?;
        }
        if length != end {
            file.set_len(end)?;
            file.sync_all()?;
        }
        Ok(Self::at(folder, checks, file, segment, end, seq))
    }

    fn at(folder: &Path, checks: Checks, file: File, segment: u32, end: u64, seq: u64) -> Self {
        Self {
            folder: folder.to_owned(),
            checks,
            file,
            segment,
            end,
            seq,
            unnamed: false,
            suspect: false,
            #[cfg(test)]
            faults: std::sync::Arc::default(),
        }
    }

    /// The segment that is written, and up to where it is durable.
    pub(super) fn end(&self) -> (u32, u64) {
        (self.segment, self.end)
    }

    /// Makes a group durable. Gives its record and the place of each of its rows, in order.
    /// After an error nothing of it is there, and the same may be tried again.
    pub(super) fn append(&mut self, group: &Group) -> io::Result<(Marker, Vec<Place>)> {
        let (mut bytes, starts) = group.encode(&self.checks);
        if bytes.len() > RECORD_BYTES_MAX {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a batch is too large"));
        }
        let used = self.end > SEGMENT_HEAD;
        if self.suspect || (used && self.end + bytes.len() as u64 > SEGMENT_BYTES) {
            self.begin_segment(if used { self.segment + 1 } else { self.segment })?;
        }
        // A number of its own for each try: halves of two tries never fit together.
        self.seq += 1;
        let (front, writes) = bytes.split_at_mut(RECORD_HEAD);
        let head = RecordHead::new(&self.checks, self.seq, writes);
        front.copy_from_slice(&head.encode(&self.checks, self.segment));
        if let Err(error) = self.write(&bytes) {
            self.cut();
            return Err(error);
        }
        if let Err(error) = self.sync() {
            self.suspect = true;
            self.cut();
            return Err(error);
        }
        self.unnamed = false;
        let start = offset(self.end);
        self.end += bytes.len() as u64;
        let marker = Marker { segment: self.segment, start, end: offset(self.end), head };
        let places = starts.into_iter().map(|at| place(self.segment, start + at)).collect();
        Ok((marker, places))
    }

    fn begin_segment(&mut self, segment: u32) -> io::Result<()> {
        match fs::remove_file(segment_path(&self.folder, segment)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        self.file = new_segment(&self.folder, &self.checks, segment)?;
        self.segment = segment;
        self.end = SEGMENT_HEAD;
        self.unnamed = true;
        self.suspect = false;
        Ok(())
    }

    fn write(&self, bytes: &[u8]) -> io::Result<()> {
        #[cfg(test)]
        self.faults.write(&self.file, bytes, self.end)?;
        self.file.write_all_at(bytes, self.end)
    }

    fn sync(&self) -> io::Result<()> {
        #[cfg(test)]
        self.faults.sync()?;
        if !self.unnamed {
            // The length, as far as it is needed to read the data, is included.
            return self.file.sync_data();
        }
        self.file.sync_all()?;
        File::open(&self.folder)?.sync_all()
    }

    fn cut(&self) {
        if let Err(error) = self.file.set_len(self.end) {
            // The next try writes over it, and a start cuts what is not whole.
            tracing::warn!(%error, "cannot cut the end of the log");
        }
    }
}

fn offset(at: u64) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

fn new_segment(folder: &Path, checks: &Checks, segment: u32) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true).mode(0o600);
    let path = segment_path(folder, segment);
    let file = options.open(&path)?;
    let written = file.write_all_at(&segment_head(checks, segment), 0);
    written.inspect_err(|_| {
        // The first error is the one to tell; a leftover is removed by the next try.
        let _ = fs::remove_file(&path);
    })?;
    Ok(file)
}
