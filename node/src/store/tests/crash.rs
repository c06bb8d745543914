//! What a crash leaves: the log cut anywhere, and an index that is older.

use std::fs;

use tempfile::TempDir;

use super::*;

/// Writes batches, and gives for each the length of the log after it and all rows then.
fn write_some(folder: &Path, seed: u64, batches: u64) -> Vec<(u64, Rows)> {
    let store = Store::open(folder).unwrap();
    let mut dice = Dice(seed);
    let mut model = BTreeMap::new();
    let mut states = vec![(store.log().end().1, model.clone())];
    for id in 1..=batches {
        let batch = random_batch(&mut dice, id);
        apply(&mut model, &batch);
        store.write_now(batch.writes).unwrap();
        states.push((store.log().end().1, model.clone()));
        if id == batches / 2 {
            store.update_index().unwrap();
        }
    }
    states
}

#[test]
fn a_log_cut_anywhere_holds_what_was_acknowledged_before() {
    let folder = TempDir::new().unwrap();
    let states = write_some(folder.path(), 5, 40);
    let segment = segment_path(&folder.path().join(LOG_FOLDER), 1);
    let whole = fs::read(&segment).unwrap();
    let mut dice = Dice(1);
    for _ in 0..40 {
        let half = states[20].0;
        let cut = half + dice.below(whole.len() as u64 - half);
        fs::write(&segment, &whole[..cut as usize]).unwrap();
        let (length, expected) = states.iter().rev().find(|(end, _)| *end <= cut).unwrap();
        let store = Store::open(folder.path()).unwrap();
        assert!(contents(&store) == *expected, "cut at {cut}");
        assert_eq!(store.log().end().1, *length);
        // It goes on from there.
        store.write_now(put(1, &[(Table::State, b"after", b"x")]).writes).unwrap();
        drop(store);
        let store = Store::open(folder.path()).unwrap();
        assert_eq!(store.get(Table::State, b"after"), Some(b"x".to_vec()));
        assert_eq!(contents(&store).len(), expected.len() + 1);
        assert!(store.take_damaged().is_empty());
    }
}

#[test]
fn a_store_whose_making_was_cut_off_is_made_again() {
    for left in [0, 10, 63] {
        let folder = TempDir::new().unwrap();
        let log = folder.path().join(LOG_FOLDER);
        fs::create_dir(&log).unwrap();
        fs::write(segment_path(&log, 1), vec![0xc0; left]).unwrap();
        let store = Store::open(folder.path()).unwrap();
        store.write_now(put(1, &[(Table::State, b"a", b"1")]).writes).unwrap();
        drop(store);
        let store = Store::open(folder.path()).unwrap();
        assert_eq!(store.get(Table::State, b"a"), Some(b"1".to_vec()));
    }
}

#[test]
fn a_torn_commit_is_not_there_at_all() {
    let folder = TempDir::new().unwrap();
    let states = write_some(folder.path(), 9, 10);
    let (before, expected) = &states[9];
    let segment = segment_path(&folder.path().join(LOG_FOLDER), 1);
    let whole = fs::read(&segment).unwrap();
    for at in *before..whole.len() as u64 {
        if at % 7 != 0 {
            continue;
        }
        let mut torn = whole.clone();
        torn[at as usize] ^= 0x10;
        fs::write(&segment, &torn).unwrap();
        let store = Store::open(folder.path()).unwrap();
        assert!(contents(&store) == *expected, "flipped at {at}");
    }
}

#[test]
fn an_index_that_is_lost_is_made_again() {
    let folder = TempDir::new().unwrap();
    let states = write_some(folder.path(), 3, 100);
    fs::remove_dir_all(folder.path().join(INDEX_FOLDER)).unwrap();
    let store = Store::open(folder.path()).unwrap();
    assert!(contents(&store) == states[100].1);
    store.update_index().unwrap();
    drop(store);
    let store = Store::open(folder.path()).unwrap();
    assert!(contents(&store) == states[100].1);
}

#[test]
fn an_index_of_another_log_is_set_aside() {
    let (one, two) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let states = write_some(one.path(), 3, 50);
    write_some(two.path(), 4, 80);
    // Dropped just now: sled holds it for a moment longer.
    drop(Store::open(two.path()).unwrap());
    let index = one.path().join(INDEX_FOLDER);
    fs::remove_dir_all(&index).unwrap();
    fs::rename(two.path().join(INDEX_FOLDER), &index).unwrap();
    let store = Store::open(one.path()).unwrap();
    assert!(contents(&store) == states[50].1);
    assert!(one.path().join("index.damaged-1").exists());
}

#[test]
fn a_log_goes_on_in_a_new_segment() {
    let folder = TempDir::new().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let value = vec![5; 1024 * 1024];
    for id in 0..70_u64 {
        let key = arrival_key(&ROOM, id);
        store.write_now(put(id, &[(Table::Messages, &key, &value)]).writes).unwrap();
    }
    assert_eq!(store.log().end().0, 2);
    drop(store);
    let store = Store::open(folder.path()).unwrap();
    assert_eq!(scan(&store, Table::Messages, &ROOM).len(), 70);
    assert_eq!(store.get(Table::Messages, &arrival_key(&ROOM, 69)), Some(value));
}
