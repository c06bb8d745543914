//! A store in memory with a durable half. A crash leaves only that half.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use conclave_protocol::engine::{Batch, BatchId, Reader, Table, Write};
use conclave_protocol::id::ObjectId;
use conclave_protocol::signed::peek_id;

/// All rows, by table and key.
pub type Rows = BTreeMap<(Table, Vec<u8>), Vec<u8>>;

/// See the module's documentation.
#[derive(Debug, Default)]
pub struct Disk {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// What reads show.
    visible: Rows,
    /// What a crash leaves.
    durable: Rows,
    /// Written, not durable.
    pending: VecDeque<Batch>,
    /// Whether reads show what is written before it is durable, as some stores do.
    shows_pending: bool,
    /// Control objects in the durable half.
    ids: BTreeSet<ObjectId>,
    /// Messages in the durable half, by key.
    messages: BTreeMap<Vec<u8>, ObjectId>,
    message_ids: BTreeMap<ObjectId, usize>,
    last: u64,
}

impl Disk {
    /// An empty store.
    pub fn new(shows_pending: bool) -> Self {
        Self { state: Mutex::new(State { shows_pending, ..State::default() }) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a batch; it is not durable yet. Batches come in the order of their numbers.
    pub fn write(&self, batch: Batch) {
        let mut state = self.state();
        assert_eq!(batch.id.0, state.last + 1, "batches have a gap or come out of order");
        state.last = batch.id.0;
        if state.shows_pending {
            apply(&mut state.visible, &batch.writes);
        }
        state.pending.push_back(batch);
    }

    /// Makes this batch and all before it durable.
    pub fn make_durable(&self, up_to: BatchId) {
        let mut state = self.state();
        while state.pending.front().is_some_and(|b| b.id <= up_to) {
            let Some(batch) = state.pending.pop_front() else { break };
            apply(&mut state.durable, &batch.writes);
            state.index(&batch.writes);
            if !state.shows_pending {
                apply(&mut state.visible, &batch.writes);
            }
        }
    }

    /// Power off: what is not durable is gone, and the next engine numbers from 1 again.
    pub fn crash(&self) {
        let mut state = self.state();
        state.pending.clear();
        state.visible = state.durable.clone();
        state.last = 0;
    }

    /// How many batches are written and not durable.
    pub fn pending(&self) -> usize {
        self.state().pending.len()
    }

    /// As [`Disk::crash`], but the first `batches` of those that nobody was told to be durable had
    /// reached the disk all the same.
    pub fn crash_after(&self, batches: usize) {
        let up_to =
            batches.checked_sub(1).and_then(|last| self.state().pending.get(last).map(|b| b.id));
        if let Some(up_to) = up_to {
            self.make_durable(up_to);
        }
        self.crash();
    }

    /// Flips one bit of a durable row. Gives its place, if there is such a row.
    pub fn damage(&self, table: Table, pick: u64) -> Option<Vec<u8>> {
        let mut state = self.state();
        let rows: Vec<Vec<u8>> =
            state.durable.keys().filter(|(t, _)| *t == table).map(|(_, key)| key.clone()).collect();
        let key = rows.get(usize::try_from(pick % (rows.len().max(1) as u64)).ok()?)?.clone();
        let mut bent = state.durable.get(&(table, key.clone()))?.clone();
        let at = bent.len().checked_sub(70).unwrap_or(bent.len() / 2);
        *bent.get_mut(at)? ^= 1;
        if table == Table::Messages {
            // It is here no longer: should nobody else have it, it is lost.
            state.index_message(&key, None);
        }
        state.durable.insert((table, key.clone()), bent.clone());
        state.visible.insert((table, key.clone()), bent);
        Some(key)
    }

    /// Puts an old copy of the durable half in the place of this one.
    pub fn restore(&self, rows: Rows) {
        let mut state = self.state();
        state.ids.clear();
        let write = |((table, key), value): (&(Table, Vec<u8>), &Vec<u8>)| Write {
            table: *table,
            key: key.clone(),
            value: Some(value.clone()),
        };
        let writes: Vec<Write> = rows.iter().map(write).collect();
        state.index(&writes);
        state.pending.clear();
        state.visible = rows.clone();
        state.durable = rows;
        state.last = 0;
    }

    /// Puts a row in, durable at once.
    pub fn put(&self, table: Table, key: &[u8], value: &[u8]) {
        let mut state = self.state();
        let write = Write { table, key: key.to_vec(), value: Some(value.to_vec()) };
        state.index(&[write]);
        state.durable.insert((table, key.to_vec()), value.to_vec());
        state.visible.insert((table, key.to_vec()), value.to_vec());
    }

    /// A copy of the durable half.
    pub fn durable(&self) -> Rows {
        self.state().durable.clone()
    }

    /// How many rows of a table are durable.
    pub fn count(&self, table: Table) -> usize {
        self.state()
            .durable
            .range((table, Vec::new())..)
            .take_while(|((t, _), _)| *t == table)
            .count()
    }

    /// Whether a control object or message is durable.
    pub fn holds(&self, id: ObjectId) -> bool {
        let state = self.state();
        state.ids.contains(&id) || state.message_ids.contains_key(&id)
    }
}

impl State {
    fn index(&mut self, writes: &[Write]) {
        for write in writes {
            match write.table {
                Table::Control => {
                    let Ok(id) = write.key.as_slice().try_into().map(ObjectId) else { continue };
                    if write.value.is_some() {
                        self.ids.insert(id);
                    } else {
                        self.ids.remove(&id);
                    }
                }
                Table::Messages => self.index_message(&write.key, write.value.as_deref()),
                // It goes when the message itself comes.
                Table::Waiting if write.value.is_none() => {}
                Table::Waiting => {
                    let id = write.key.get(32..).and_then(|id| id.try_into().ok());
                    self.ids.extend(id.map(ObjectId));
                }
                Table::Marks | Table::State | Table::Index => {}
            }
        }
    }

    /// A message's id is the hash of what its row holds.
    fn index_message(&mut self, key: &[u8], value: Option<&[u8]>) {
        if let Some(id) = self.messages.remove(key)
            && let Some(rows) = self.message_ids.get_mut(&id)
        {
            *rows -= 1;
            if *rows == 0 {
                self.message_ids.remove(&id);
            }
        }
        if let Some(id) = value.and_then(peek_id) {
            self.messages.insert(key.to_vec(), id);
            *self.message_ids.entry(id).or_default() += 1;
        }
    }
}

fn apply(rows: &mut Rows, writes: &[Write]) {
    for write in writes {
        let key = (write.table, write.key.clone());
        match &write.value {
            Some(value) => drop(rows.insert(key, value.clone())),
            None => drop(rows.remove(&key)),
        }
    }
}

impl Reader for Disk {
    fn get(&self, table: Table, key: &[u8]) -> Option<Vec<u8>> {
        self.state().visible.get(&(table, key.to_vec())).cloned()
    }

    fn scan_from(
        &self,
        table: Table,
        prefix: &[u8],
        from: &[u8],
        visit: &mut dyn FnMut(&[u8], &[u8]) -> bool,
    ) {
        let state = self.state();
        for ((_, key), value) in state
            .visible
            .range((table, from.to_vec())..)
            .take_while(|((t, key), _)| *t == table && key.starts_with(prefix))
        {
            if !visit(key, value) {
                return;
            }
        }
    }
}
