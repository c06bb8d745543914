use std::fs;

use tempfile::TempDir;

use super::*;

fn found_in(home: &Path, words: Option<&str>) -> Result<Founded, StartError> {
    let words = words.map(|words| Passphrase::new(words).ok().unwrap());
    found(home, "Acme", "alice", words.as_ref(), None)
}

/// A home whose founding ended right after its keys were written.
fn interrupted(words: Option<&str>) -> (TempDir, RootKey) {
    let folder = TempDir::new().unwrap();
    let home = Home::open(folder.path()).unwrap();
    drop(home.lock().unwrap());
    home.create_device_secrets(None).unwrap();
    let root = RootKey::generate().unwrap();
    let words = words.map(|words| Passphrase::new(words).ok().unwrap());
    root.write(&Home::root_key_path(folder.path()), words.as_ref(), Existing::Refuse).unwrap();
    (folder, root)
}

fn kept(founded: &Founded, words: Option<&str>) -> DeviceId {
    let words = words.map(|words| Passphrase::new(words).ok().unwrap());
    RootKey::read(&founded.root_key, words.as_ref()).ok().unwrap().public()
}

#[test]
fn the_root_key_is_encrypted_if_there_is_a_passphrase() {
    for words in [None, Some("correct horse")] {
        let folder = TempDir::new().unwrap();
        let founded = found_in(folder.path(), words).unwrap();
        assert_eq!(founded.root_key, folder.path().join("root.key"));
        assert_eq!(RootKey::is_encrypted(&founded.root_key), Ok(words.is_some()));
        kept(&founded, words);
        // A company does without the file, and a second one never takes its place.
        fs::remove_file(&founded.root_key).unwrap();
        assert_eq!(found_in(folder.path(), words).unwrap_err().kind, StartErrorKind::Conflict);
        assert!(!founded.root_key.exists());
    }
}

#[test]
fn a_second_try_keeps_the_root_key_of_the_first() {
    let (folder, root) = interrupted(None);
    assert_eq!(kept(&found_in(folder.path(), None).unwrap(), None), root.public());

    let (folder, root) = interrupted(None);
    let founded = found_in(folder.path(), Some("correct horse")).unwrap();
    assert_eq!(RootKey::is_encrypted(&founded.root_key), Ok(true), "as it is wanted now");
    assert_eq!(kept(&founded, Some("correct horse")), root.public());

    let (folder, root) = interrupted(Some("correct horse"));
    assert_eq!(found_in(folder.path(), None).unwrap_err().kind, StartErrorKind::Usage);
    let wrong = found_in(folder.path(), Some("battery staple")).unwrap_err();
    assert_eq!(wrong.kind, StartErrorKind::Refused);
    let founded = found_in(folder.path(), Some("correct horse")).unwrap();
    assert_eq!(kept(&founded, Some("correct horse")), root.public());
}
