//! How many streams of events are open, and whose they are.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::auth::Caller;

/// Most streams of one caller: a script that forgets to close them leaves room for the page.
pub(super) const STREAMS_PER_CALLER_MAX: usize = 32;

/// The open streams of each caller.
#[derive(Default)]
pub(super) struct Streams(Mutex<BTreeMap<Caller, usize>>);

impl Streams {
    /// A place for one more, until it is dropped; none if the caller has all it may have.
    pub(super) fn open(self: &Arc<Self>, caller: Caller) -> Option<Place> {
        let mut open = self.lock();
        let count = open.entry(caller).or_default();
        if *count >= STREAMS_PER_CALLER_MAX {
            return None;
        }
        *count += 1;
        Some(Place { streams: Arc::clone(self), caller })
    }

    /// How many are open in all.
    pub(super) fn count(&self) -> usize {
        self.lock().values().sum()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Caller, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A stream that is open.
pub(super) struct Place {
    streams: Arc<Streams>,
    caller: Caller,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.streams.lock();
        if let Some(count) = open.get_mut(&self.caller) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.caller);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_caller_has_its_share_and_gives_it_back() {
        let streams = Arc::new(Streams::default());
        let session = Caller::Session([1; 32]);
        let mut places: Vec<_> = (0..STREAMS_PER_CALLER_MAX)
            .map(|_| streams.open(Caller::Token).expect("its share"))
            .collect();
        assert!(streams.open(Caller::Token).is_none());
        let other = streams.open(session).expect("another's share");
        assert_eq!(streams.count(), STREAMS_PER_CALLER_MAX + 1);
        places.pop();
        places.push(streams.open(Caller::Token).expect("a place was given back"));
        drop((places, other));
        assert_eq!(streams.count(), 0);
        assert!(streams.lock().is_empty());
    }
}
