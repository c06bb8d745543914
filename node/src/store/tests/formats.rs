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

/// What stands in all that must not stay.
const CANARY: [u8; 16] = *b"canary of a text";

/// A store as format 1 had it: three messages in a room, the second of them shown and held
/// elsewhere.
fn first_format(folder: &Path) {
    fs::create_dir_all(folder).unwrap();
    let database = sled::open(folder.join(FIRST_FOLDER)).unwrap();
    first_row(&database, Table::Control, &[1; 32], b"control");
    first_row(&database, Table::State, b"company", &[2; 32]);
    for key in [&b"draft/a"[..], b"tail/a", b"read/a", b"instant/a", b"fork/a"] {
        first_row(&database, Table::State, key, &CANARY);
    }
    for (height, shown, arrival) in [(1_u64, 0_u8, 30_u64), (2, 1, 10), (3, 2, 20)] {
        let id = [height as u8; 32];
        let key = [&ROOM[..], &height.to_be_bytes(), &id].concat();
        let value = [&[shown][..], &arrival.to_be_bytes(), &CANARY.repeat(30)].concat();
        first_row(&database, Table::Messages, &key, &value);
        if height == 2 {
            first_row(&database, Table::Marks, &[&ROOM[..], &id].concat(), &[1]);
        }
    }
    database.flush().unwrap();
    fs::write(folder.join("format"), "conclave-store 1\n").unwrap();
}

/// A store as format 2 had it, with more than one place where a text can be.
fn open_format(folder: &Path) {
    let store = Store::open(folder).unwrap();
    let (control, company) = ([1; 32], [2; 32]);
    let message = arrival_key(&ROOM, 1);
    for (id, rows) in [
        (
            1,
            &[
                (Table::Control, &control[..], &b"control"[..]),
                (Table::State, b"company", &company),
            ],
        ),
        (2, &[(Table::Messages, &message, &CANARY), (Table::Waiting, &control, &CANARY)]),
        (3, &[(Table::State, b"draft/a", &CANARY), (Table::State, b"instant/a", &CANARY)]),
        (4, &[(Table::Marks, &message, &[1]), (Table::Index, b"words", &CANARY)]),
    ] {
        store.write_now(put(id, rows).writes).unwrap();
    }
    store.update_index().unwrap();
    store.write_now(put(5, &[(Table::State, b"tail/a", &CANARY)]).writes).unwrap();
    drop(store);
    fs::create_dir_all(folder.join("index.damaged-1")).unwrap();
    for left in ["index.damaged-1/db", "damaged"] {
        fs::write(folder.join(left), CANARY).unwrap();
    }
    fs::write(folder.join("format"), "conclave-store 2\n").unwrap();
}

/// The files below a folder in which the text stands.
fn with_canary(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if fs::read(&path).unwrap().windows(CANARY.len()).any(|part| part == CANARY) {
            found.push(path);
        }
    }
    found
}

/// A store in which all is as a migration leaves it.
fn assert_migrated(folder: &Path) {
    let store = Store::open(folder).unwrap();
    assert_eq!(contents(&store), migrated());
    assert!(!store.is_copy());
    // It can be written to, and what was dropped may come again.
    store.write_now(put(9, &[(Table::State, b"tail/a", b"1")]).writes).unwrap();
    store
        .write_now(vec![Write { table: Table::State, key: b"tail/a".to_vec(), value: None }])
        .unwrap();
    drop(store);
    assert_eq!(read_format(folder), Ok(Some(FORMAT)));
    let store = Store::open(folder).unwrap();
    assert_eq!(contents(&store), migrated());
    assert!(!store.is_copy());
    store.update_index().unwrap();
    drop(store);
    assert_eq!(with_canary(folder), Vec::<std::path::PathBuf>::new());
    for left in [FIRST_FOLDER, NEW_LOG_FOLDER, OLD_LOG_FOLDER] {
        assert!(!folder.join(left).exists(), "{left}");
    }
}

#[test]
fn unencrypted_messages_and_all_that_is_theirs_are_dropped() {
    let folder = TempDir::new().unwrap();
    open_format(folder.path());
    assert!(with_canary(folder.path()).len() >= 4);
    assert_migrated(folder.path());
}

#[test]
fn dropping_them_may_be_cut_off_at_any_moment() {
    for moment in 0..5 {
        let folder = TempDir::new().unwrap();
        let path = folder.path();
        let [log, new, old] =
            [LOG_FOLDER, NEW_LOG_FOLDER, OLD_LOG_FOLDER].map(|name| path.join(name));
        open_format(path);
        if moment < 3 {
            let lock = super::super::files::lock(path).unwrap();
            drop(super::super::migrate::grow(path, lock).unwrap());
            if moment > 0 {
                fs::rename(&log, &old).unwrap();
            }
            if moment > 1 {
                fs::rename(&new, &log).unwrap();
            }
        } else {
            // The origin is written already; in the end the format as well.
            drop(Store::open(path).unwrap());
            fs::create_dir(&old).unwrap();
            fs::write(old.join("00000001"), CANARY).unwrap();
            if moment == 3 {
                fs::write(path.join("format"), "conclave-store 2\n").unwrap();
            }
        }
        assert_migrated(path);
    }
}

#[test]
fn a_copy_stays_one_through_a_migration() {
    let folder = TempDir::new().unwrap();
    let (one, two) = (folder.path().join("one"), folder.path().join("two"));
    open_format(&one);
    copy_folder(&one, &two);
    assert!(Store::open(&two).unwrap().is_copy());
    assert!(Store::open(&two).unwrap().is_copy(), "until it is adopted");
    assert_migrated(&one);
}

#[test]
fn a_backup_of_the_format_before_is_restored_and_migrated() {
    let folder = TempDir::new().unwrap();
    let (one, two) = (folder.path().join("one"), folder.path().join("two"));
    open_format(&one);
    let lock = super::super::files::lock(&one).unwrap();
    let store = Store::opened(&one, Some(OPEN_FORMAT), lock).unwrap();
    let mut bytes = Vec::new();
    store.backup(&mut bytes).unwrap();
    let body = bytes.len() - 32;
    bytes[..8].copy_from_slice(b"cnclvst2");
    let sum = blake3::hash(&bytes[..body]);
    bytes[body..].copy_from_slice(sum.as_bytes());
    Store::restore(&two, &mut &bytes[..]).unwrap();
    let restored = Store::open(&two).unwrap();
    assert_eq!(contents(&restored), migrated());
    assert!(restored.is_copy());
}

fn migrated() -> Rows {
    let mut rows = BTreeMap::new();
    rows.insert((Table::Control, vec![1; 32]), b"control".to_vec());
    rows.insert((Table::State, b"company".to_vec()), vec![2; 32]);
    rows
}

#[test]
fn an_older_format_is_migrated() {
    let folder = TempDir::new().unwrap();
    first_format(folder.path());
    assert_eq!(with_canary(folder.path()).len(), 1);
    assert_migrated(folder.path());
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
    fs::write(path.join("format"), "conclave-store 3\n").unwrap();
    assert_migrated(path);
}

#[test]
fn a_newer_format_is_refused_and_not_touched() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("store");
    fs::create_dir(&path).unwrap();
    fs::write(path.join("format"), "conclave-store 4\n").unwrap();
    let refused = Store::open(&path).err();
    assert_eq!(refused, Some(StoreError::NewerFormat { path: path.clone(), found: 4 }));
    assert_eq!(fs::read_dir(&path).unwrap().count(), 1);
    assert_eq!(fs::read_to_string(path.join("format")).unwrap(), "conclave-store 4\n");
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
