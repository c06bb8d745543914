//! The store on its own, in temporary folders.

use conclave_protocol::engine::Write;

use super::*;
use tempfile::TempDir;

fn put(id: u64, writes: &[(Table, &[u8], &[u8])]) -> Batch {
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
    assert_eq!(news.blocking_recv(), Some(Ok(BatchId(1))));
    assert_eq!(store.get(Table::Messages, b"room-1"), Some(b"a".to_vec()));
    assert_eq!(store.get(Table::State, b"room-1"), None);
    let rooms = scan(&store, Table::Messages, b"room");
    assert_eq!(rooms, [b"room-1".to_vec(), b"room-2".to_vec()]);
    assert_eq!(scan(&store, Table::State, b""), [b"room-3".to_vec()]);
    writer.write(put(2, &[(Table::Messages, b"room-1", b"")])).unwrap();
    assert_eq!(news.blocking_recv(), Some(Ok(BatchId(2))));
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
        assert!(done.clone().unwrap() > newest);
        newest = done.unwrap();
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
fn a_large_group_is_one_unit() {
    let folder = TempDir::new().unwrap();
    let store = Arc::new(Store::open(folder.path()).unwrap());
    let mut group = sled::Batch::default();
    for id in 0..300_u64 {
        let value = vec![1; 32 * 1024];
        add(&mut group, put(id, &[(Table::Messages, &id.to_be_bytes(), &value)]));
    }
    store.commit(group).unwrap();
    drop(store);
    let store = Store::open(folder.path()).unwrap();
    assert_eq!(scan(&store, Table::Messages, b"").len(), 300);
}

#[test]
fn a_newer_format_is_refused_and_not_touched() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("store");
    fs::create_dir(&path).unwrap();
    fs::write(path.join(FORMAT_FILE), "conclave-store 2\n").unwrap();
    let refused = Store::open(&path).err();
    assert_eq!(refused, Some(StoreError::NewerFormat { path: path.clone(), found: 2 }));
    assert_eq!(fs::read_dir(&path).unwrap().count(), 1);
    assert_eq!(fs::read_to_string(path.join(FORMAT_FILE)).unwrap(), "conclave-store 2\n");
}

#[test]
fn a_store_is_marked_with_its_format() {
    let folder = TempDir::new().unwrap();
    drop(Store::open(folder.path()).unwrap());
    assert_eq!(read_format(folder.path()), Ok(Some(FORMAT)));
    fs::write(folder.path().join(FORMAT_FILE), "nonsense").unwrap();
    assert!(matches!(Store::open(folder.path()), Err(StoreError::Corrupt { .. })));
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
    let denied = io::Error::from(io::ErrorKind::PermissionDenied);
    assert!(matches!(from_io(path, &denied), StoreError::Permission { .. }));
}

#[test]
fn a_damaged_row_is_left_out_and_counted() {
    let folder = TempDir::new().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let write = |key: &[u8]| Write {
        table: Table::Control,
        key: key.to_vec(),
        value: Some(b"value".to_vec()),
    };
    store.write_now(vec![write(b"good"), write(b"bad")]).unwrap();
    let key = full_key(Table::Control, b"bad");
    let mut row = store.database.get(&key).unwrap().unwrap().to_vec();
    *row.last_mut().unwrap() ^= 1;
    store.database.insert(key, row).unwrap();
    assert_eq!(store.get(Table::Control, b"good"), Some(b"value".to_vec()));
    assert_eq!(store.get(Table::Control, b"bad"), None);
    let mut seen = Vec::new();
    store.scan(Table::Control, b"", &mut |key, value| seen.push((key.to_vec(), value.len())));
    assert_eq!(seen, [(b"bad".to_vec(), 0), (b"good".to_vec(), 5)]);
    // A row in another's place is damaged as well.
    let row = store.database.get(full_key(Table::Control, b"good")).unwrap().unwrap();
    store.database.insert(full_key(Table::State, b"good"), row).unwrap();
    assert_eq!(store.get(Table::State, b"good"), None);
}
