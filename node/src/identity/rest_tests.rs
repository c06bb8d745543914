//! Keys at rest: what lies in the files, and that no crash between two of them loses a key.

use tempfile::TempDir;

use super::device_keys::DeviceSecrets;
use super::home_key::NEXT_FILE;
use super::passphrase::Cost;
use super::*;

const CHEAP: Cost = Cost { memory_kib: 8, passes: 1 };
/// As the first version of the program has written it: seed 01…, X25519 key 02….
const FIRST: &str = r#"{"version":1,"signing":"0101010101010101010101010101010101010101010101010101010101010101","sealing":"0202020202020202020202020202020202020202020202020202020202020202"}"#;

fn words(text: &str) -> Passphrase {
    Passphrase::new(text).ok().unwrap()
}

fn open(home: &Home, passphrase: Option<&Passphrase>) -> Result<DeviceSecrets, HomeError> {
    home.device_secrets(passphrase).map(|secrets| secrets.unwrap())
}

impl Home {
    /// A change also if it changes nothing but the keys.
    fn reseal(
        &self,
        current: Option<&Passphrase>,
        new: Option<(&Passphrase, Cost)>,
    ) -> Result<(), HomeError> {
        let words = words("any words at all");
        let current = match current {
            Some(current) => current,
            None => {
                self.change_passphrase(None, Some((&words, CHEAP)))?;
                &words
            }
        };
        self.change_passphrase(Some(current), new)
    }
}

type Keys = [Zeroizing<[u8; 32]>; 3];

fn keys(secrets: &DeviceSecrets) -> Keys {
    [secrets.seed(), secrets.sealing_secret(), secrets.vault_key()]
}

fn home_with_keys() -> (TempDir, Home, Keys) {
    let folder = TempDir::new().unwrap();
    let home = Home::open(folder.path()).unwrap();
    let made = keys(&home.create_device_secrets(None).unwrap());
    (folder, home, made)
}

/// No file of the folder has these bytes, raw or in hex.
fn assert_nowhere(folder: &Path, secret: &[u8]) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let bytes = fs::read(&path).unwrap();
        let hex = HEXLOWER.encode(secret);
        for form in [secret, hex.as_bytes(), hex.to_uppercase().as_bytes()] {
            let found = bytes.windows(form.len()).any(|window| window == form);
            assert!(!found, "{} holds it", path.display());
        }
    }
}

#[test]
fn keys_lie_sealed_and_each_write_is_another() {
    let (folder, home, made) = home_with_keys();
    assert_eq!(keys(&open(&home, None).unwrap()), made);
    for key in &made {
        assert_nowhere(folder.path(), &**key);
    }
    assert!(made[0] != made[1] && made[1] != made[2]);
    let before = fs::read(folder.path().join(DEVICE_FILE)).unwrap();
    home.reseal(None, None).unwrap();
    assert_ne!(fs::read(folder.path().join(DEVICE_FILE)).unwrap(), before);
    assert_eq!(keys(&open(&home, Some(&words("of no need"))).unwrap()), made);
}

#[test]
fn a_passphrase_is_set_changed_and_removed() {
    let (folder, home, made) = home_with_keys();
    assert_eq!(home.needs_passphrase(), Ok(false));
    let (first, second) = (words("correct horse"), words("battery staple"));
    let key_of = |home: &Home| fs::read(home.path().join(HOME_KEY_FILE)).unwrap();
    let plain = key_of(&home);
    home.change_passphrase(None, Some((&first, CHEAP))).unwrap();
    assert_eq!(home.needs_passphrase(), Ok(true));
    let here = folder.path().to_owned();
    assert_eq!(open(&home, None).err(), Some(HomeError::NeedsPassphrase(here.clone())));
    assert_eq!(open(&home, Some(&second)).err(), Some(HomeError::WrongPassphrase(here.clone())));
    assert_eq!(keys(&open(&home, Some(&first)).unwrap()), made);
    // Neither is it changed or removed by whoever does not know it.
    for wrong in [None, Some(&second)] {
        assert!(home.change_passphrase(wrong, Some((&second, CHEAP))).is_err());
        assert!(home.remove_passphrase(wrong).is_err());
    }
    let none = HomeError::NoPassphrase(here.clone());
    home.change_passphrase(Some(&first), Some((&second, CHEAP))).unwrap();
    assert!(open(&home, Some(&first)).is_err());
    assert_eq!(keys(&open(&home, Some(&second)).unwrap()), made);
    // The old key in plain opens nothing any more.
    let sealed = key_of(&home);
    fs::write(folder.path().join(HOME_KEY_FILE), &plain).unwrap();
    assert!(matches!(open(&home, None).err(), Some(HomeError::Corrupt { .. })));
    fs::write(folder.path().join(HOME_KEY_FILE), &sealed).unwrap();
    home.remove_passphrase(Some(&second)).unwrap();
    assert_eq!(keys(&open(&home, None).unwrap()), made);
    assert_eq!(home.needs_passphrase(), Ok(false));
    assert_eq!(home.remove_passphrase(None), Err(none));
}

#[test]
fn keys_of_the_first_version_are_taken_over_and_wiped() {
    let folder = TempDir::new().unwrap();
    let home = Home::open(folder.path()).unwrap();
    fs::write(folder.path().join(DEVICE_FILE), FIRST).unwrap();
    assert_eq!(home.needs_passphrase(), Ok(false));
    // Somebody who has it open sees what becomes of it.
    let old = File::open(folder.path().join(DEVICE_FILE)).unwrap();
    let taken = keys(&open(&home, None).unwrap());
    assert_eq!((&*taken[0], &*taken[1]), (&[1; 32], &[2; 32]));
    assert_eq!(keys(&open(&home, None).unwrap()), taken, "the vault key stays");
    assert_nowhere(folder.path(), &[1; 32]);
    let old = io::read_to_string(old).unwrap();
    assert!(old.bytes().all(|byte| byte == 0), "{old}");
    // A program that knows version 1 only reads this much, and then the version.
    let text = fs::read_to_string(folder.path().join(DEVICE_FILE)).unwrap();
    let file: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert!(file["version"] == 2 && file["signing"].is_string() && file["sealing"].is_string());
}

/// Every moment at which a change can end, as the files that are there then.
#[test]
fn no_moment_of_a_change_loses_the_keys() {
    let (old, new) = (words("correct horse"), words("battery staple"));
    for first in [None, Some(&old)] {
        for next in [None, Some(&new)] {
            for steps in 0..3 {
                let (folder, home, made) = home_with_keys();
                home.reseal(None, first.map(|words| (words, CHEAP))).unwrap();
                let secrets = open(&home, first).unwrap();
                let mut opens = first;
                if steps > 0 {
                    let key = home.write_next(next.map(|words| (words, CHEAP))).unwrap();
                    if steps > 1 {
                        home.write_sealed(&secrets, &key).unwrap();
                        opens = next;
                    }
                }
                // Another process looks first whether a passphrase is needed, and changes nothing.
                let names = || fs::read_dir(folder.path()).unwrap().count();
                let (home, before) = (Home::open(folder.path()).unwrap(), names());
                assert_eq!(home.needs_passphrase(), Ok(opens.is_some()), "step {steps}");
                assert_eq!(names(), before);
                assert_eq!(keys(&open(&home, opens).unwrap()), made, "step {steps}");
                // And it can be changed again.
                home.reseal(opens, None).unwrap();
                assert_eq!(keys(&open(&home, None).unwrap()), made, "step {steps}");
                assert_eq!(names(), 2);
            }
        }
    }
}

#[test]
fn a_crash_while_keys_are_taken_over_is_of_no_matter() {
    let folder = TempDir::new().unwrap();
    let home = Home::open(folder.path()).unwrap();
    fs::write(folder.path().join(DEVICE_FILE), FIRST).unwrap();
    home.write_next(None).unwrap();
    let taken = keys(&open(&home, None).unwrap());
    assert_eq!(&*taken[0], &[1; 32]);
    assert_eq!(keys(&open(&home, None).unwrap()), taken);
}

#[test]
fn the_old_key_may_be_spoiled_when_the_next_one_counts() {
    let (folder, home, made) = home_with_keys();
    let secrets = open(&home, None).unwrap();
    let key = home.write_next(None).unwrap();
    home.write_sealed(&secrets, &key).unwrap();
    fs::write(folder.path().join(HOME_KEY_FILE), [0; 100]).unwrap();
    assert_eq!(keys(&open(&home, None).unwrap()), made);
    assert!(!folder.path().join(NEXT_FILE).exists());
}

#[test]
fn a_backup_takes_what_belongs_together() {
    let (folder, home, made) = home_with_keys();
    let secrets = open(&home, None).unwrap();
    let key = home.write_next(Some((&words("correct horse"), CHEAP))).unwrap();
    home.write_sealed(&secrets, &key).unwrap();
    // The last step has failed, in a process that goes on.
    let copy = TempDir::new().unwrap();
    for (name, bytes) in home.read_kept().unwrap() {
        fs::write(copy.path().join(name), &bytes).unwrap();
    }
    let copy = Home::open(copy.path()).unwrap();
    assert_eq!(keys(&open(&copy, Some(&words("correct horse"))).unwrap()), made);
    assert!(open(&copy, None).is_err());
    drop(folder);
}

#[test]
fn every_changed_byte_is_noticed() {
    let (folder, home, _) = home_with_keys();
    let passphrase = words("correct horse");
    home.change_passphrase(None, Some((&passphrase, CHEAP))).unwrap();
    for name in [HOME_KEY_FILE, DEVICE_FILE] {
        let path = folder.path().join(name);
        let whole = fs::read(&path).unwrap();
        let text = String::from_utf8(whole.clone()).unwrap();
        let unused = text.find("\"home_key\"").unwrap_or(0);
        for at in (unused..whole.len()).filter(|at| whole[*at].is_ascii_alphanumeric()) {
            let mut altered = whole.clone();
            altered[at] = if altered[at] == b'0' { b'1' } else { b'0' };
            fs::write(&path, &altered).unwrap();
            let error = open(&home, Some(&passphrase)).err();
            let known =
                matches!(error, Some(HomeError::Corrupt { .. } | HomeError::UnknownVersion { .. }));
            assert!(known, "{name} at {at}: {error:?}");
        }
        fs::write(&path, &whole).unwrap();
    }
    open(&home, Some(&passphrase)).unwrap();
}

#[test]
fn a_later_version_is_told_and_not_touched() {
    let (folder, home, _) = home_with_keys();
    for name in [HOME_KEY_FILE, DEVICE_FILE] {
        let path = folder.path().join(name);
        let whole = fs::read(&path).unwrap();
        let later = r#"{"version":9,"what":"ever"}"#;
        fs::write(&path, later).unwrap();
        let error = HomeError::UnknownVersion { file: path.clone(), version: 9 };
        assert_eq!(open(&home, None).err(), Some(error));
        assert_eq!(fs::read_to_string(&path).unwrap(), later);
        fs::write(&path, whole).unwrap();
    }
    let name = folder.path().join(DEVICE_FILE);
    fs::remove_file(folder.path().join(HOME_KEY_FILE)).unwrap();
    assert!(matches!(open(&home, None).err(), Some(HomeError::Corrupt { .. })), "{name:?}");
}

#[test]
fn key_files_are_private_from_their_first_moment() {
    let (folder, home, _) = home_with_keys();
    home.change_passphrase(None, Some((&words("correct horse"), CHEAP))).unwrap();
    home.write_next(None).unwrap();
    for name in [HOME_KEY_FILE, DEVICE_FILE, NEXT_FILE] {
        let mode = fs::metadata(folder.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o600, "{name}");
    }
}

#[test]
fn a_copy_under_another_name_is_not_wiped() {
    let (folder, home, made) = home_with_keys();
    let copy = TempDir::new_in(folder.path().parent().unwrap()).unwrap();
    for name in [HOME_KEY_FILE, DEVICE_FILE] {
        fs::hard_link(folder.path().join(name), copy.path().join(name)).unwrap();
    }
    home.reseal(None, None).unwrap();
    let copy = Home::open(copy.path()).unwrap();
    assert_eq!(keys(&open(&copy, None).unwrap()), made);
}
