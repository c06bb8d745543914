//! The writer's thread: it commits what waits, and sees that the index follows.

use std::sync::mpsc;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use conclave_protocol::engine::{Batch, BatchId};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::error::{from_io, is_full, is_want_of_descriptors};
use super::records::Group;
use super::{Store, StoreError};

/// Between the end of one commit and the beginning of the next, if there is a stream of batches.
const COMMIT_REST: Duration = Duration::from_millis(2);
/// So many batches in one commit are a stream.
const STREAM_BATCHES: usize = 16;
/// Bounds of what is committed at once.
const GROUP_BATCHES_MAX: usize = 4096;
/// See [`GROUP_BATCHES_MAX`].
const GROUP_BYTES_MAX: usize = 1024 * 1024;
/// How often, and how long apart, a commit asks again for a file descriptor: half a minute.
const DESCRIPTOR_TRIES_MAX: u32 = 600;
const DESCRIPTOR_REST: Duration = Duration::from_millis(50);
/// Between two tries when the disk is full.
const FULL_REST: Duration = Duration::from_millis(500);

/// What the writer has to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreNews {
    /// A batch and all before it are durable.
    Durable(BatchId),
    /// There is no room. What was accepted waits, and is written when there is room again; then
    /// [`StoreNews::Durable`] follows by itself.
    Stalled(StoreError),
    /// Nothing is accepted any more.
    Failed(StoreError),
}

/// Set once the writer is to end.
#[derive(Default)]
struct Ending {
    set: Mutex<bool>,
    changed: Condvar,
}

impl Ending {
    fn set(&self) {
        *self.set.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.changed.notify_all();
    }

    /// Whether it is set, at the latest after a time.
    fn within(&self, rest: Duration) -> bool {
        let set = self.set.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.changed.wait_timeout_while(set, rest, |set| !*set);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

impl Store {
    /// Starts the one writer of this store, and gives its news: the newest batch of each commit.
    ///
    /// # Errors
    /// [`StoreError::Io`] if the system has no thread left.
    pub fn writer(
        self: &Arc<Self>,
    ) -> Result<(StoreWriter, UnboundedReceiver<StoreNews>), StoreError> {
        let (batches, waiting) = mpsc::channel();
        let (news_in, news) = unbounded_channel();
        let ending = Arc::new(Ending::default());
        let mut work = Work {
            store: Arc::clone(self),
            news: news_in,
            ending: Arc::clone(&ending),
            stalled: false,
            updating: None,
            update_after: Instant::now(),
        };
        let thread = thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || {
                if let Err(error) = work.write_all(&waiting) {
                    // Nobody listens when the node is being torn down.
                    let _ = work.news.send(StoreNews::Failed(error));
                }
                work.finish();
            })
            .map_err(|error| from_io(&self.folder, &error))?;
        Ok((StoreWriter { batches: Some(batches), thread: Some(thread), ending }, news))
    }
}

/// The way to write. Dropping it, or [`StoreWriter::stop`], waits for what was accepted.
pub struct StoreWriter {
    batches: Option<mpsc::Sender<Batch>>,
    thread: Option<JoinHandle<()>>,
    ending: Arc<Ending>,
}

impl StoreWriter {
    /// Hands over a batch. Batches become durable in the order of these calls.
    ///
    /// # Errors
    /// [`StoreError::Stopped`] after a failure, which was reported once.
    pub fn write(&self, batch: Batch) -> Result<(), StoreError> {
        let batches = self.batches.as_ref().ok_or(StoreError::Stopped)?;
        batches.send(batch).map_err(|_| StoreError::Stopped)
    }

    /// Returns when everything that was accepted is durable, or has failed. Blocks.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.batches = None;
        self.ending.set();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the store's writer has panicked");
        }
    }
}

impl Drop for StoreWriter {
    fn drop(&mut self) {
        self.end();
    }
}

/// What the thread works with.
struct Work {
    store: Arc<Store>,
    news: UnboundedSender<StoreNews>,
    ending: Arc<Ending>,
    stalled: bool,
    /// Brings the index up to date.
    updating: Option<JoinHandle<Result<(), StoreError>>>,
    /// Not before, after a failure.
    update_after: Instant,
}

impl Work {
    /// Everything that waits goes into one commit, up to a bound.
    fn write_all(&mut self, waiting: &mpsc::Receiver<Batch>) -> Result<(), StoreError> {
        let mut rest_until = Instant::now();
        while let Ok(first) = waiting.recv() {
            // A lone batch is written at once. Under load a short rest between commits lets more
            // batches gather, since most of a commit's cost is the same for one and for many.
            thread::sleep(rest_until.saturating_duration_since(Instant::now()));
            let mut newest = first.id;
            let mut group = Group::default();
            group.add(first);
            let mut batches = 1;
            while batches < GROUP_BATCHES_MAX && group.bytes() < GROUP_BYTES_MAX {
                let Ok(next) = waiting.try_recv() else { break };
                newest = next.id;
                batches += 1;
                group.add(next);
            }
            self.commit(group)?;
            self.stalled = false;
            // Nobody listens when the node is being torn down; it is written all the same.
            let _ = self.news.send(StoreNews::Durable(newest));
            if batches >= STREAM_BATCHES {
                rest_until = Instant::now() + COMMIT_REST;
            }
            self.follow(newest)?;
        }
        Ok(())
    }

    /// Commits, however long there is no room for it.
    fn commit(&mut self, mut group: Group) -> Result<(), StoreError> {
        let mut descriptor_tries = 0;
        loop {
            let error = match self.store.commit(group) {
                Ok(()) => return Ok(()),
                Err((back, error)) => {
                    group = back;
                    error
                }
            };
            if is_want_of_descriptors(&error) && descriptor_tries < DESCRIPTOR_TRIES_MAX {
                // It passes.
                descriptor_tries += 1;
                thread::sleep(DESCRIPTOR_REST);
            } else if is_full(&error) {
                self.stall(from_io(&self.store.folder, &error))?;
            } else {
                return Err(from_io(&self.store.folder, &error));
            }
        }
    }

    /// Tells that there is no room, and waits a little. An error if the writer is to end: what
    /// waits was not acknowledged.
    fn stall(&mut self, error: StoreError) -> Result<(), StoreError> {
        if !self.stalled {
            self.stalled = true;
            tracing::error!(%error, "the store waits for room");
            let _ = self.news.send(StoreNews::Stalled(error.clone()));
        }
        if self.ending.within(FULL_REST) { Err(error) } else { Ok(()) }
    }

    /// Sees that the index follows the log, and waits for it if it is far behind.
    fn follow(&mut self, newest: BatchId) -> Result<(), StoreError> {
        if self.updating.as_ref().is_some_and(JoinHandle::is_finished) {
            self.updated()?;
        }
        loop {
            let (much, too_much) = self.store.is_behind();
            if much && self.updating.is_none() && Instant::now() >= self.update_after {
                let store = Arc::clone(&self.store);
                let update = thread::Builder::new().name("store-index".to_owned());
                // Without a thread it is done the next time.
                self.updating = update.spawn(move || store.update_index()).ok();
            }
            if !too_much {
                break;
            }
            if self.updating.is_none() && self.ending.within(FULL_REST) {
                break;
            }
            self.updated()?;
        }
        if self.stalled {
            self.stalled = false;
            let _ = self.news.send(StoreNews::Durable(newest));
        }
        Ok(())
    }

    /// Waits for the index. What it could not take in is in the log, and it is tried again.
    fn updated(&mut self) -> Result<(), StoreError> {
        let Some(updating) = self.updating.take() else { return Ok(()) };
        let Ok(Err(error)) = updating.join() else { return Ok(()) };
        tracing::warn!(%error, "the index of the store could not be written");
        self.update_after = Instant::now() + FULL_REST;
        match error {
            _ if !self.store.is_behind().1 => Ok(()),
            StoreError::DiskFull { .. } => self.stall(error),
            error => Err(error),
        }
    }

    fn finish(&mut self) {
        if let Some(updating) = self.updating.take() {
            // The next start does what it could not.
            let _ = updating.join();
        }
        if let Err(error) = self.store.update_index() {
            tracing::warn!(%error, "the index of the store could not be written");
        }
    }
}
