//! Reading writes from the log by their places.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use super::checks::Checks;
use super::error::is_want_of_descriptors;
use super::log::segment_path;
use super::records::{length_of_write, open_write};
use super::rows::Place;
use super::window::Window;

/// Segments that are kept open.
const OPEN_MAX: usize = 4;
/// Most rows are no longer than this.
const ROW_BYTES: usize = 1024;
/// Longer ones do not exist.
const ROW_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Read at once by who goes through many rows.
const SCAN_BYTES: usize = 64 * 1024;
/// How often, and how long apart, a file descriptor is asked for again.
const DESCRIPTOR_TRIES: u32 = 20;
const DESCRIPTOR_REST: Duration = Duration::from_millis(25);

/// What stands at a place.
pub(super) enum Stands {
    /// This value, its checksum checked.
    Value(Vec<u8>),
    /// Bytes that do not fit.
    Damaged(Vec<u8>),
}

/// Segments that are open for reading.
pub(super) struct Segments {
    folder: PathBuf,
    checks: Checks,
    open: Mutex<VecDeque<(u32, Arc<File>)>>,
}

impl Segments {
    pub(super) fn new(folder: &Path, checks: Checks) -> Self {
        Self { folder: folder.to_owned(), checks, open: Mutex::default() }
    }

    /// Reads one row.
    pub(super) fn read(&self, full: &[u8], place: Place) -> io::Result<Stands> {
        Reading { segments: self, window: None, step: ROW_BYTES }.read(full, place)
    }

    /// For who reads many rows, most of them in the order of the log.
    pub(super) fn reading(&self) -> Reading<'_> {
        Reading { segments: self, window: None, step: SCAN_BYTES }
    }

    /// Opens a segment that will be read soon, while there are descriptors. If there are none
    /// it is opened when it is needed.
    pub(super) fn keep_open(&self, segment: u32) {
        if let Err(error) = self.file(segment) {
            tracing::debug!(%error, "a segment cannot be opened yet");
        }
    }

    fn file(&self, segment: u32) -> io::Result<Arc<File>> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, file)) = open.iter().find(|(number, _)| *number == segment) {
            return Ok(Arc::clone(file));
        }
        let mut tries = 0;
        let file = loop {
            match File::open(segment_path(&self.folder, segment)) {
                Err(error) if is_want_of_descriptors(&error) && tries < DESCRIPTOR_TRIES => {
                    tries += 1;
                    thread::sleep(DESCRIPTOR_REST);
                }
                opened => break Arc::new(opened?),
            }
        };
        open.truncate(OPEN_MAX - 1);
        open.push_front((segment, Arc::clone(&file)));
        Ok(file)
    }
}

/// Goes from place to place.
pub(super) struct Reading<'a> {
    segments: &'a Segments,
    window: Option<(u32, Window)>,
    step: usize,
}

impl Reading<'_> {
    pub(super) fn read(&mut self, full: &[u8], place: Place) -> io::Result<Stands> {
        let segment = u32::try_from(place >> 32).unwrap_or_default();
        let at = place & u64::from(u32::MAX);
        let window = match &mut self.window {
            Some((open, window)) if *open == segment => window,
            other => {
                let file = match self.segments.file(segment) {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {
                        return Ok(Stands::Damaged(Vec::new()));
                    }
                    file => file?,
                };
                &mut other.insert((segment, Window::new(file, self.step))).1
            }
        };
        let mut bytes = window.get(at, ROW_BYTES)?;
        let length = length_of_write(bytes).unwrap_or(ROW_BYTES).min(ROW_BYTES_MAX);
        if length > bytes.len() {
            bytes = window.get(at, length)?;
        }
        let bytes = bytes.get(..length).unwrap_or(bytes);
        let (table, key) = full.split_first().unwrap_or((&0, &[]));
        Ok(match open_write(&self.segments.checks, bytes, *table, key) {
            Some(value) => Stands::Value(value.to_vec()),
            None => Stands::Damaged(bytes.to_vec()),
        })
    }
}
