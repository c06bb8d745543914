//! Other formats, copies and backups.

use std::fs;

use tempfile::TempDir;

use super::super::migrate::first_sum;
use super::super::rows::number_of;
use super::*;

fn first_row(database: &sled::Db, table: Table, key: &[u8], value: &[u8]) {
    let key = [&[number_of(table)][..], key].concat();
    let row = [&first_sum(&key, value)[..], value].concat();
    database.insert(key, row).unwrap();
}

/// A store as format 1 had it: three messages in a room, the second of them shown and held
/// elsewhere.
fn first_format(folder: &Path) {
    fs::create_dir_all(folder).unwrap();
    let database = sled::open(folder.join(FIRST_FOLDER)).unwrap();
    first_row(&database, Table::Control, &[1; 32], b"control");
    first_row(&database, Table::State, b"company", &[2; 32]);
    for (height, shown, arrival) in [(1_u64, 0_u8, 30_u64), (2, 1, 10), (3, 2, 20)] {
        let id = [height as u8; 32];
        let key = [&ROOM[..], &height.to_be_bytes(), &id].concat();
        let value = [&[shown][..], &arrival.to_be_bytes(), &[height as u8; 400]].concat();
        first_row(&database, Table::Messages, &key, &value);
        if height == 2 {
            first_row(&database, Table::Marks, &[&ROOM[..], &id].concat(), &[1]);
        }
    }
    database.flush().unwrap();
    fs::write(folder.join("format"), "conclave-store 1\n").unwrap();
}

fn migrated() -> Rows {
    let mut rows = BTreeMap::new();
    rows.insert((Table::Control, vec![1; 32]), b"control".to_vec());
    rows.insert((Table::State, b"company".to_vec()), vec![2; 32]);
    for (arrival, height) in [(1, 2), (2, 3), (3, 1)] {
        rows.insert((Table::Messages, arrival_key(&ROOM, arrival)), vec![height; 400]);
    }
    rows.insert((Table::Marks, arrival_key(&ROOM, 1)), vec![3]);
    rows.insert((Table::Marks, arrival_key(&ROOM, 2)), vec![4]);
    rows
}

#[test]
fn an_older_format_is_migrated() {
    let folder = TempDir::new().unwrap();
    first_format(folder.path());
    let store = Store::open(folder.path()).unwrap();
    assert_eq!(contents(&store), migrated());
    assert!(!store.is_copy());
    drop(store);
    assert!(!folder.path().join(FIRST_FOLDER).exists());
    assert_eq!(read_format(folder.path()), Ok(Some(FORMAT)));
    assert_eq!(contents(&Store::open(folder.path()).unwrap()), migrated());
}

#[test]
fn a_migration_that_is_cut_off_is_begun_again_or_complete() {
    let folder = TempDir::new().unwrap();
    let path = folder.path();
    // Killed while the new log grew.
    first_format(path);
    fs::create_dir(path.join(NEW_LOG_FOLDER)).unwrap();
    fs::write(segment_path(&path.join(NEW_LOG_FOLDER), 1), b"half a segm").unwrap();
    assert_eq!(contents(&Store::open(path).unwrap()), migrated());
    // Killed when the new log had its name already, with or without where it was made.
    for origin in [true, false] {
        first_format(path);
        if !origin {
            fs::remove_file(path.join("origin")).unwrap();
        }
        let store = Store::open(path).unwrap();
        assert_eq!(contents(&store), migrated());
        assert!(!store.is_copy());
    }
    // Killed before the old database was removed.
    first_format(path);
    fs::write(path.join("format"), "conclave-store 2\n").unwrap();
    assert_eq!(contents(&Store::open(path).unwrap()), migrated());
    assert!(!path.join(FIRST_FOLDER).exists());
}

#[test]
fn a_newer_format_is_refused_and_not_touched() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("store");
    fs::create_dir(&path).unwrap();
    fs::write(path.join("format"), "conclave-store 3\n").unwrap();
    let refused = Store::open(&path).err();
    assert_eq!(refused, Some(StoreError::NewerFormat { path: path.clone(), found: 3 }));
    assert_eq!(fs::read_dir(&path).unwrap().count(), 1);
    assert_eq!(fs::read_to_string(path.join("format")).unwrap(), "conclave-store 3\n");
}

#[test]
fn a_store_is_marked_with_its_format() {
    let folder = TempDir::new().unwrap();
    drop(Store::open(folder.path()).unwrap());
    assert_eq!(read_format(folder.path()), Ok(Some(FORMAT)));
    fs::write(folder.path().join("format"), "nonsense").unwrap();
    assert!(matches!(Store::open(folder.path()), Err(StoreError::Corrupt { .. })));
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_folder(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

#[test]
fn a_copy_knows_that_it_is_one() {
    let folder = TempDir::new().unwrap();
    let (one, two) = (folder.path().join("one"), folder.path().join("two"));
    let store = Store::open(&one).unwrap();
    store.write_now(put(1, &[(Table::State, b"a", b"1")]).writes).unwrap();
    assert!(!store.is_copy());
    drop(store);
    copy_folder(&one, &two);
    let store = Store::open(&two).unwrap();
    assert!(store.is_copy());
    assert_eq!(store.get(Table::State, b"a"), Some(b"1".to_vec()));
    drop(store);
    assert!(Store::open(&two).unwrap().is_copy(), "until it is adopted");
    Store::open(&two).unwrap().adopt().unwrap();
    assert!(!Store::open(&two).unwrap().is_copy());
    assert!(!Store::open(&one).unwrap().is_copy());
    let moved = folder.path().join("moved");
    fs::rename(&one, &moved).unwrap();
    assert!(!Store::open(&moved).unwrap().is_copy(), "a new name makes no copy");
}

#[test]
fn a_store_whose_log_was_put_back_in_its_place_knows_that_it_is_a_copy() {
    let folder = TempDir::new().unwrap();
    let segment = super::segment_path(&folder.path().join(LOG_FOLDER), 1);
    let write = |key: &[u8]| {
        let store = Store::open(folder.path()).unwrap();
        assert!(!store.is_copy());
        store.write_now(put(1, &[(Table::State, key, b"1")]).writes).unwrap();
        store.update_index().unwrap();
    };
    write(b"a");
    let older = fs::read(&segment).unwrap();
    write(b"b");
    // As `cp` does it: the file stays the same one.
    fs::write(&segment, older).unwrap();
    assert!(Store::open(folder.path()).unwrap().is_copy());
    let store = Store::open(folder.path()).unwrap();
    assert!(store.is_copy(), "until it is adopted");
    assert_eq!(store.get(Table::State, b"b"), None);
    store.adopt().unwrap();
    drop(store);
    write(b"c");
}

#[test]
fn a_backup_of_a_running_store_is_restored() {
    let folder = TempDir::new().unwrap();
    let store = Store::open(&folder.path().join("one")).unwrap();
    let mut dice = Dice(6);
    for id in 0..200 {
        store.write_now(random_batch(&mut dice, id).writes).unwrap();
    }
    let expected = contents(&store);
    let mut bytes = Vec::new();
    store.backup(&mut bytes).unwrap();
    store.write_now(put(1, &[(Table::State, b"later", b"1")]).writes).unwrap();
    let two = folder.path().join("two");
    Store::restore(&two, &mut &bytes[..]).unwrap();
    let restored = Store::open(&two).unwrap();
    assert!(contents(&restored) == expected);
    assert!(restored.is_copy());
    drop(restored);
    assert!(Store::restore(&two, &mut &bytes[..]).is_err(), "never over another");
    assert!(contents(&Store::open(&two).unwrap()) == expected);
}

/// Files and folders that others than their owner may use, those of the index left out: sled
/// makes them, and nobody else gets as far as there.
fn open_to_others(folder: &Path) -> Vec<std::path::PathBuf> {
    use std::os::unix::fs::PermissionsExt;
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(path) = open.pop() {
        let meta = fs::metadata(&path).unwrap();
        if meta.permissions().mode() & 0o077 != 0 {
            found.push(path.clone());
        }
        if meta.is_dir() {
            open.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            open.retain(|path| !path.ends_with(INDEX_FOLDER));
        }
    }
    found
}

#[test]
fn a_store_and_what_is_restored_of_it_are_their_owners_alone() {
    let folder = TempDir::new().unwrap();
    let (one, two) = (folder.path().join("one"), folder.path().join("two"));
    let store = Store::open(&one).unwrap();
    store.write_now(put(1, &[(Table::State, b"a", b"1")]).writes).unwrap();
    store.update_index().unwrap();
    let mut bytes = Vec::new();
    store.backup(&mut bytes).unwrap();
    Store::restore(&two, &mut &bytes[..]).unwrap();
    drop(Store::open(&two).unwrap());
    for store in [one, two] {
        assert_eq!(open_to_others(&store), Vec::<std::path::PathBuf>::new());
    }
}

#[test]
fn a_backup_that_is_not_whole_leaves_nothing_behind() {
    let folder = TempDir::new().unwrap();
    let store = Store::open(&folder.path().join("one")).unwrap();
    store.write_now(put(1, &[(Table::State, b"a", &[9; 3000])]).writes).unwrap();
    let mut bytes = Vec::new();
    store.backup(&mut bytes).unwrap();
    let two = folder.path().join("two");
    let mut dice = Dice(2);
    for _ in 0..40 {
        let at = dice.below(bytes.len() as u64) as usize;
        let short = Store::restore(&two, &mut &bytes[..at]);
        assert!(matches!(short, Err(StoreError::Corrupt { .. })), "cut at {at}");
        let mut altered = bytes.clone();
        altered[at] ^= 4;
        let altered = Store::restore(&two, &mut &altered[..]);
        assert!(matches!(altered, Err(StoreError::Corrupt { .. })), "altered at {at}");
        assert!(!two.exists());
    }
}
