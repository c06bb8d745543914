//! The store on its own, in temporary folders.

mod crash;
mod formats;
mod full;
mod spoiled;

use std::collections::BTreeMap;

use conclave_protocol::engine::{Reader, Table};
use tempfile::TempDir;

use super::error::is_full;
use super::*;

/// Rows by table and key.
pub(super) type Rows = BTreeMap<(Table, Vec<u8>), Vec<u8>>;

/// A room of the tests.
const ROOM: [u8; 32] = [7; 32];

pub(super) fn put(id: u64, writes: &[(Table, &[u8], &[u8])]) -> Batch {
    let writes = writes.iter().map(|(table, key, value)| Write {
        table: *table,
        key: key.to_vec(),
        value: (!value.is_empty()).then(|| value.to_vec()),
    });
    Batch { id: BatchId(id), writes: writes.collect() }
}

fn scan(store: &Store, table: Table, prefix: &[u8]) -> Vec<Vec<u8>> {
    let mut keys = Vec::new();
    store.scan(table, prefix, &mut |key, _| keys.push(key.to_vec()));
    keys
}

pub(super) fn arrival_key(room: &[u8; 32], arrival: u64) -> Vec<u8> {
    [&room[..], &arrival.to_be_bytes()].concat()
}

/// Everything that a store gives out.
pub(super) fn contents(store: &Store) -> Rows {
    let mut all = BTreeMap::new();
    for table in Table::ALL {
        store.scan(table, &[], &mut |key, value| {
            all.insert((table, key.to_vec()), value.to_vec());
        });
    }
    all
}

/// Numbers that look random and are the same each time.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040);
        (self.0 >> 33) % bound
    }
}

/// Writes of one batch, of all kinds of keys that occur.
pub(super) fn random_batch(dice: &mut Dice, id: u64) -> Batch {
    let mut writes = Vec::new();
    for _ in 0..=dice.below(4) {
        let table = Table::ALL[dice.below(6) as usize];
        let room = [dice.below(3) as u8; 32];
        let mut key = arrival_key(&room, dice.below(600));
        match dice.below(8) {
            0 => key.truncate(dice.below(8) as usize),
            1 => key.extend_from_slice(&[9; 32]),
            _ => {}
        }
        let length = if table == Table::Marks { 1 + dice.below(8) / 7 } else { dice.below(700) };
        let value = vec![dice.below(256) as u8; length as usize];
        writes.push(Write { table, key, value: (dice.below(6) > 0).then_some(value) });
    }
    Batch { id: BatchId(id), writes }
}

pub(super) fn apply(model: &mut Rows, batch: &Batch) {
    for write in &batch.writes {
        let key = (write.table, write.key.clone());
        match &write.value {
            Some(value) => drop(model.insert(key, value.clone())),
            None => drop(model.remove(&key)),
        }
    }
}

#[test]
fn what_is_written_is_read_and_tables_do_not_mix() {
    let folder = TempDir::new().unwrap();
    let store = Arc::new(Store::open(folder.path()).unwrap());
    let (writer, mut news) = store.writer().unwrap();
    writer
        .write(put(
            1,
            &[
                (Table::Messages, b"room-1", b"a"),
                (Table::Messages, b"room-2", b"b"),
                (Table::Messages, b"ro", b"c"),
                (Table::State, b"room-3", b"d"),
            ],
        ))
        .unwrap();
    assert_eq!(news.blocking_recv(), Some(StoreNews::Durable(BatchId(1))));
    assert_eq!(store.get(Table::Messages, b"room-1"), Some(b"a".to_vec()));
    assert_eq!(store.get(Table::State, b"room-1"), None);
    let rooms = scan(&store, Table::Messages, b"room");
    assert_eq!(rooms, [b"room-1".to_vec(), b"room-2".to_vec()]);
    assert_eq!(scan(&store, Table::State, b""), [b"room-3".to_vec()]);
    writer.write(put(2, &[(Table::Messages, b"room-1", b"")])).unwrap();
    assert_eq!(news.blocking_recv(), Some(StoreNews::Durable(BatchId(2))));
    assert_eq!(store.get(Table::Messages, b"room-1"), None);
}

#[test]
fn everything_accepted_is_there_after_reopening() {
    let folder = TempDir::new().unwrap();
    let store = Arc::new(Store::open(folder.path()).unwrap());
    let (writer, mut news) = store.writer().unwrap();
    for id in 1..=500_u64 {
        let batch = put(
            id,
            &[
                (Table::Control, &id.to_be_bytes(), &[7; 100]),
                (Table::State, b"last", &id.to_be_bytes()),
            ],
        );
        writer.write(batch).unwrap();
    }
    writer.stop();
    let mut newest = BatchId(0);
    let mut commits = 0;
    while let Ok(done) = news.try_recv() {
        let StoreNews::Durable(done) = done else { panic!("{done:?}") };
        assert!(done > newest);
        newest = done;
        commits += 1;
    }
    assert_eq!(newest, BatchId(500));
    assert!(commits < 500, "batches that wait share a commit");
    drop(store);

    let store = Store::open(folder.path()).unwrap();
    assert_eq!(scan(&store, Table::Control, b"").len(), 500);
    assert_eq!(store.get(Table::State, b"last"), Some(500_u64.to_be_bytes().to_vec()));
}

#[test]
fn any_rows_read_as_in_a_map() {
    for seed in 1..=12 {
        let folder = TempDir::new().unwrap();
        let mut store = Store::open(folder.path()).unwrap();
        let mut dice = Dice(seed);
        let mut model = BTreeMap::new();
        for id in 1..=400 {
            let batch = random_batch(&mut dice, id);
            apply(&mut model, &batch);
            store.write_now(batch.writes).unwrap();
            match dice.below(60) {
                0 => store.update_index().unwrap(),
                1 => {
                    drop(store);
                    store = Store::open(folder.path()).unwrap();
                }
                _ => {}
            }
        }
        assert!(contents(&store) == model, "seed {seed}");
        for (table, key) in model.keys() {
            assert_eq!(store.get(*table, key).as_ref(), model.get(&(*table, key.clone())));
        }
        let from = arrival_key(&[1; 32], dice.below(600));
        for table in Table::ALL {
            let mut seen = Vec::new();
            store.scan_from(table, &[1; 32], &from, &mut |key, _| {
                seen.push(key.to_vec());
                seen.len() < 300
            });
            let rows = model
                .keys()
                .filter(|(t, key)| *t == table && *key >= from && key.starts_with(&[1; 32]));
            let expected: Vec<_> = rows.map(|(_, key)| key.clone()).take(300).collect();
            assert_eq!(seen, expected, "seed {seed}, {table:?}");
        }
    }
}

#[test]
fn scans_are_complete_while_rows_move_into_the_index() {
    let folder = TempDir::new().unwrap();
    let store = Arc::new(Store::open(folder.path()).unwrap());
    let (writer, mut news) = store.writer().unwrap();
    let updater = {
        let store = Arc::clone(&store);
        std::thread::spawn(move || {
            for _ in 0..20 {
                store.update_index().unwrap();
            }
        })
    };
    for id in 1..=2000_u64 {
        let key = arrival_key(&ROOM, id);
        writer.write(put(id, &[(Table::Messages, &key, &[1; 200])])).unwrap();
    }
    let mut durable = 0;
    while durable < 2000 {
        let Some(StoreNews::Durable(BatchId(now))) = news.blocking_recv() else { panic!() };
        durable = now;
        let seen = scan(&store, Table::Messages, &ROOM).len() as u64;
        assert!(seen >= durable, "{seen} of {durable}");
    }
    updater.join().unwrap();
}

#[test]
fn a_second_opener_is_told_so() {
    let folder = TempDir::new().unwrap();
    let _store = Store::open(folder.path()).unwrap();
    let path = folder.path().to_owned();
    assert_eq!(Store::open(folder.path()).err(), Some(StoreError::InUse { path }));
}

#[test]
fn errors_of_the_system_are_told_apart() {
    let path = Path::new("home");
    let full = io::Error::from(io::ErrorKind::StorageFull);
    assert!(matches!(from_io(path, &full), StoreError::DiskFull { .. }));
    assert!(is_full(&full));
    let denied = io::Error::from(io::ErrorKind::PermissionDenied);
    assert!(matches!(from_io(path, &denied), StoreError::Permission { .. }));
}
