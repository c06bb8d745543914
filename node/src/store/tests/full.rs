//! A disk that is full, or fails.

use std::sync::atomic::Ordering;

use tempfile::TempDir;

use super::*;

#[test]
fn a_full_disk_is_waited_for_and_nothing_is_lost() {
    for syncs in [false, true] {
        let folder = TempDir::new().unwrap();
        let store = Arc::new(Store::open(folder.path()).unwrap());
        let faults = Arc::clone(&store.log().faults);
        let (writer, mut news) = store.writer().unwrap();
        writer.write(put(1, &[(Table::State, b"a", b"1")])).unwrap();
        assert_eq!(news.blocking_recv(), Some(StoreNews::Durable(BatchId(1))));
        if syncs {
            faults.full_syncs.store(2, Ordering::SeqCst);
        } else {
            faults.full.store(true, Ordering::SeqCst);
        }
        writer.write(put(2, &[(Table::State, b"b", b"2")])).unwrap();
        let path = folder.path().to_owned();
        let stalled = StoreNews::Stalled(StoreError::DiskFull { path });
        assert_eq!(news.blocking_recv(), Some(stalled));
        assert_eq!(store.get(Table::State, b"a"), Some(b"1".to_vec()), "readable");
        assert_eq!(store.get(Table::State, b"b"), None);
        writer.write(put(3, &[(Table::State, b"c", b"3")])).unwrap();
        faults.full.store(false, Ordering::SeqCst);
        let mut durable = 0;
        while durable < 3 {
            let Some(StoreNews::Durable(BatchId(now))) = news.blocking_recv() else { panic!() };
            durable = now;
        }
        assert!(faults.failed.load(Ordering::SeqCst) > 0);
        writer.stop();
        let before = contents(&store);
        assert_eq!(before.len(), 3);
        // After a failed sync a new segment is written.
        assert_eq!(store.log().end().0, if syncs { 2 } else { 1 });
        drop(store);
        let store = Store::open(folder.path()).unwrap();
        assert!(contents(&store) == before);
        assert!(store.take_damaged().is_empty());
    }
}

#[test]
fn a_node_can_stop_while_the_disk_is_full() {
    let folder = TempDir::new().unwrap();
    let store = Arc::new(Store::open(folder.path()).unwrap());
    store.log().faults.full.store(true, Ordering::SeqCst);
    let (writer, mut news) = store.writer().unwrap();
    writer.write(put(1, &[(Table::State, b"a", b"1")])).unwrap();
    assert!(matches!(news.blocking_recv(), Some(StoreNews::Stalled(_))));
    writer.stop();
    assert!(matches!(news.blocking_recv(), Some(StoreNews::Failed(_))));
    drop(store);
    let store = Store::open(folder.path()).unwrap();
    assert!(contents(&store).is_empty());
}

#[test]
fn any_other_error_ends_the_writer() {
    let folder = TempDir::new().unwrap();
    let store = Arc::new(Store::open(folder.path()).unwrap());
    store.log().faults.broken.store(true, Ordering::SeqCst);
    let (writer, mut news) = store.writer().unwrap();
    writer.write(put(1, &[(Table::State, b"a", b"1")])).unwrap();
    assert!(matches!(news.blocking_recv(), Some(StoreNews::Failed(StoreError::Io { .. }))));
    writer.stop();
    assert_eq!(news.blocking_recv(), None);
}
