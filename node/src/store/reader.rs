//! Reading rows: the newest value of a key, and keys in order.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, PoisonError};

use conclave_protocol::engine::{Reader, Table};

use super::places::{Reading, Stands};
use super::rows::{Held, Recent, full_key, number_of};
use super::{Store, StoreError};

/// Rows that a scan looks up at once.
const SCAN_ROWS: usize = 256;
/// Bytes of values that it holds at once, roughly.
const SCAN_BYTES: usize = 1024 * 1024;
/// How often a read is tried while the index is made again.
const TRIES: u32 = 2;

/// Rows in order, and whether they are the last.
struct Block {
    rows: BTreeMap<Vec<u8>, Held>,
    /// Keys up to this one are complete; all, if there is none.
    upto: Option<Vec<u8>>,
}

impl Store {
    /// Looks at the rows; if the index cannot be read it is mended first.
    fn look<T>(
        &self,
        look: impl Fn(&super::Rows) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut tries = 0;
        loop {
            let (result, index) = {
                let rows = self.rows.read().unwrap_or_else(PoisonError::into_inner);
                (look(&rows), rows.index.as_ref().map(Arc::downgrade))
            };
            match result {
                Err(error) if tries < TRIES => {
                    tries += 1;
                    self.mend_index(index, &error)?;
                }
                result => return result,
            }
        }
    }

    fn block(&self, prefix: &[u8], from: &[u8]) -> Result<Block, StoreError> {
        self.look(|rows| {
            let mut found = BTreeMap::new();
            let mut upto = match &rows.index {
                Some(index) => index.rows(prefix, from, SCAN_ROWS, &mut found)?,
                None => return Err(StoreError::Stopped),
            };
            for recent in rows.frozen.as_deref().into_iter().chain([&rows.recent]) {
                let end = add_recent(recent, prefix, from, &mut found);
                upto = match (upto, end) {
                    (Some(a), Some(b)) => Some(a.min(b)),
                    (a, b) => a.or(b),
                };
            }
            if let Some(upto) = &upto {
                found.retain(|full, _| full <= upto);
            }
            Ok(Block { rows: found, upto })
        })
    }

    fn value(&self, reading: &mut Reading<'_>, full: &[u8], held: Held) -> Option<Vec<u8>> {
        let place = match held {
            Held::Removed => return None,
            Held::Inline(value) => return Some(value),
            Held::At(place) => place,
        };
        match reading.read(full, place) {
            Ok(Stands::Value(value)) => Some(value),
            Ok(Stands::Damaged(bytes)) => {
                self.damage.found(full, &bytes);
                None
            }
            Err(error) => {
                tracing::error!(%error, "cannot read from the store");
                None
            }
        }
    }
}

/// Adds the rows of a table to older ones; gives the last key if there are more.
fn add_recent(
    recent: &Recent,
    prefix: &[u8],
    from: &[u8],
    found: &mut BTreeMap<Vec<u8>, Held>,
) -> Option<Vec<u8>> {
    let mut bytes = 0;
    let rows = recent.from(Bound::Included(from));
    for (taken, (full, held)) in rows.take_while(|(full, _)| full.starts_with(prefix)).enumerate() {
        if let Held::Inline(value) = held {
            bytes += value.len();
        }
        found.insert(full.clone(), held.clone());
        if taken + 1 == SCAN_ROWS || bytes > SCAN_BYTES {
            return Some(full.clone());
        }
    }
    None
}

impl Reader for Store {
    fn get(&self, table: Table, key: &[u8]) -> Option<Vec<u8>> {
        let full = full_key(number_of(table), key);
        match self.look(|rows| rows.find(&full)) {
            Ok(Some(Held::At(place))) => match self.segments.read(&full, place) {
                Ok(Stands::Value(value)) => Some(value),
                Ok(Stands::Damaged(bytes)) => {
                    self.damage.found(&full, &bytes);
                    None
                }
                Err(error) => {
                    tracing::error!(%error, "cannot read from the store");
                    None
                }
            },
            Ok(Some(Held::Inline(value))) => Some(value),
            Ok(Some(Held::Removed) | None) => None,
            Err(error) => {
                tracing::error!(%error, "cannot read from the store");
                None
            }
        }
    }

    fn scan_from(
        &self,
        table: Table,
        prefix: &[u8],
        from: &[u8],
        visit: &mut dyn FnMut(&[u8], &[u8]) -> bool,
    ) {
        let prefix = full_key(number_of(table), prefix);
        let mut from = full_key(number_of(table), from);
        let mut reading = self.segments.reading();
        loop {
            let block = match self.block(&prefix, &from) {
                Ok(block) => block,
                Err(error) => {
                    tracing::error!(%error, "cannot read from the store");
                    return;
                }
            };
            for (full, held) in block.rows {
                if held == Held::Removed {
                    continue;
                }
                // Visited all the same, empty: the engine counts it as damaged.
                let value = self.value(&mut reading, &full, held).unwrap_or_default();
                if !visit(full.get(1..).unwrap_or_default(), &value) {
                    return;
                }
            }
            let Some(upto) = block.upto else { return };
            from = upto;
            from.push(0);
        }
    }

    fn take_damaged(&self) -> Vec<(Table, Vec<u8>)> {
        self.damage.take()
    }
}
