//! Bytes that have changed on the disk.

use std::fs;

use tempfile::TempDir;

use super::*;

fn flip(path: &Path, at: u64) {
    let mut bytes = fs::read(path).unwrap();
    let at = at as usize % bytes.len();
    bytes[at] ^= 0x20;
    fs::write(path, bytes).unwrap();
}

/// A store with messages of one batch each, and state that each batch writes anew.
fn fill(folder: &Path, messages: u64, index: bool) {
    let store = Store::open(folder).unwrap();
    for id in 0..messages {
        let key = arrival_key(&ROOM, id);
        let value = [&id.to_be_bytes()[..], &[1; 300]].concat();
        let last = id.to_be_bytes();
        let writes = [
            (Table::Messages, &key[..], &value[..]),
            (Table::Marks, &key[..], &[3][..]),
            (Table::State, b"last", &last[..]),
        ];
        store.write_now(put(id, &writes).writes).unwrap();
    }
    if index {
        store.update_index().unwrap();
    }
}

#[test]
fn a_damaged_message_is_left_out_told_once_and_mended() {
    let folder = TempDir::new().unwrap();
    fill(folder.path(), 10, true);
    let key = arrival_key(&ROOM, 4);
    let value = [&4_u64.to_be_bytes()[..], &[1; 300]].concat();
    let segment = segment_path(&folder.path().join(LOG_FOLDER), 1);
    let bytes = fs::read(&segment).unwrap();
    let at = bytes.windows(value.len()).position(|found| found == value).unwrap();
    flip(&segment, at as u64 + 50);
    let store = Store::open(folder.path()).unwrap();
    assert_eq!(store.get(Table::Messages, &key), None);
    assert_eq!(store.get(Table::Messages, &arrival_key(&ROOM, 5)).map(|v| v.len()), Some(308));
    assert_eq!(contents(&store)[&(Table::Messages, key.clone())], b"");
    assert_eq!(store.take_damaged(), [(Table::Messages, key.clone())]);
    assert!(store.take_damaged().is_empty());
    let aside = fs::read(folder.path().join("damaged")).unwrap();
    assert!(aside.windows(100).any(|found| found == [1; 100]));
    store.write_now(put(1, &[(Table::Messages, &key, &value)]).writes).unwrap();
    assert_eq!(store.get(Table::Messages, &key), Some(value));
}

#[test]
fn flipped_bytes_in_the_log_cost_one_commit_at_most() {
    for indexed in [true, false] {
        let folder = TempDir::new().unwrap();
        fill(folder.path(), 40, indexed);
        let segment = segment_path(&folder.path().join(LOG_FOLDER), 1);
        let whole = fs::read(&segment).unwrap();
        let store = Store::open(folder.path()).unwrap();
        let expected = contents(&store);
        // The last commit could be one that was torn, so the flips are before it.
        let bound = u64::from(store.rows.read().unwrap().recent.end.unwrap().start);
        drop(store);
        let mut dice = Dice(77);
        for _ in 0..40 {
            let at = dice.below(bound);
            fs::write(&segment, &whole).unwrap();
            flip(&segment, at);
            let store = Store::open(folder.path()).unwrap();
            let mut found = contents(&store);
            let told = store.take_damaged();
            found.retain(|_, value| !value.is_empty());
            let lost: Vec<_> = expected.keys().filter(|key| !found.contains_key(key)).collect();
            assert!(lost.len() <= 2, "flip at {at}: {lost:?} lost");
            assert!(found.iter().all(|(key, value)| expected[key] == *value), "flip at {at}");
            assert!(told.iter().all(|key| expected.contains_key(key)), "flip at {at}");
            if indexed {
                let told: Vec<_> = told.iter().collect();
                assert_eq!(told, lost, "flip at {at}");
            }
        }
    }
}

#[test]
fn a_damaged_newest_value_does_not_bring_back_an_older_one() {
    let folder = TempDir::new().unwrap();
    let store = Store::open(folder.path()).unwrap();
    for value in [b"older", b"newer"] {
        store.write_now(put(1, &[(Table::State, b"tail", value)]).writes).unwrap();
    }
    store.write_now(put(1, &[(Table::State, b"other", b"x")]).writes).unwrap();
    drop(store);
    fs::remove_dir_all(folder.path().join(INDEX_FOLDER)).unwrap();
    let segment = segment_path(&folder.path().join(LOG_FOLDER), 1);
    let bytes = fs::read(&segment).unwrap();
    let at = bytes.windows(5).position(|found| found == b"newer").unwrap();
    flip(&segment, at as u64);
    let store = Store::open(folder.path()).unwrap();
    assert_eq!(store.get(Table::State, b"tail"), None);
    assert_eq!(store.take_damaged(), [(Table::State, b"tail".to_vec())]);
    assert_eq!(store.get(Table::State, b"other"), Some(b"x".to_vec()));
}

#[test]
fn flipped_bytes_in_the_index_cost_nothing() {
    let folder = TempDir::new().unwrap();
    fill(folder.path(), 700, true);
    let expected = contents(&Store::open(folder.path()).unwrap());
    let database = folder.path().join(INDEX_FOLDER).join("db");
    let whole = fs::read(&database).unwrap();
    let used = whole.iter().rposition(|byte| *byte != 0).unwrap() as u64;
    let mut dice = Dice(8);
    for _ in 0..15 {
        let at = dice.below(used);
        flip(&database, at);
        let store = Store::open(folder.path()).unwrap();
        assert!(contents(&store) == expected, "flip at {at}");
        assert!(store.take_damaged().is_empty());
        store.update_index().unwrap();
        drop(store);
        let store = Store::open(folder.path()).unwrap();
        assert!(contents(&store) == expected, "flip at {at}, later");
    }
}

#[test]
fn text_that_looks_like_a_record_is_none() {
    // Somebody who knows the format of the log, but not this store's key.
    let forged = {
        let folder = TempDir::new().unwrap();
        let store = Store::open(folder.path()).unwrap();
        store.write_now(put(9, &[(Table::State, b"forged", b"x")]).writes).unwrap();
        let bytes = fs::read(segment_path(&folder.path().join(LOG_FOLDER), 1)).unwrap();
        bytes[SEGMENT_HEAD as usize..].to_vec()
    };
    let folder = TempDir::new().unwrap();
    let store = Store::open(folder.path()).unwrap();
    store.write_now(put(1, &[(Table::Messages, b"text", &forged)]).writes).unwrap();
    store.write_now(put(2, &[(Table::State, b"after", b"x")]).writes).unwrap();
    drop(store);
    let segment = segment_path(&folder.path().join(LOG_FOLDER), 1);
    // The head of the record with the text: now it is searched for the next record.
    flip(&segment, SEGMENT_HEAD + 5);
    let store = Store::open(folder.path()).unwrap();
    assert_eq!(store.get(Table::State, b"forged"), None);
    assert_eq!(store.get(Table::State, b"after"), Some(b"x".to_vec()));
}
