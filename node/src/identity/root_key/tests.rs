use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::*;
use crate::identity::PassphraseError;

const CHEAP: Cost = Cost { memory_kib: 8, passes: 1 };
const SEED: [u8; 32] = [0x5e; 32];

fn passphrase(text: &str) -> Passphrase {
    Passphrase::new(text).ok().unwrap()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

/// A file with a key in a folder of its own.
fn written(words: Option<&str>) -> (TempDir, PathBuf) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("root.key");
    let words = words.map(passphrase);
    RootKey { seed: SEED }.write_at(CHEAP, &path, words.as_ref(), Existing::Refuse).unwrap();
    (folder, path)
}

fn read(path: &Path, words: Option<&str>) -> Result<[u8; 32], RootKeyError> {
    RootKey::read(path, words.map(passphrase).as_ref()).map(|root| root.seed)
}

/// Puts in the check that a text should have.
fn rechecked(text: &str) -> String {
    let body: Vec<&str> = text.lines().filter(|line| !line.starts_with("check ")).collect();
    format!("{}\ncheck {}\n", body.join("\n"), HEXLOWER.encode(&check(&body)))
}

#[test]
fn keys_come_back_plain_and_encrypted() {
    let (folder, path) = written(None);
    assert_eq!(RootKey::is_encrypted(&path), Ok(false));
    assert_eq!(read(&path, None), Ok(SEED));
    assert_eq!(read(&path, Some("not needed")), Ok(SEED));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no temporary file stays");

    let (_folder, path) = written(Some("correct horse"));
    assert_eq!(RootKey::is_encrypted(&path), Ok(true));
    assert_eq!(read(&path, Some("correct horse")), Ok(SEED));
    let wrong = Err(RootKeyError::WrongPassphrase(path.clone()));
    assert_eq!(read(&path, Some("correct horsf")), wrong);
    assert_eq!(read(&path, Some("Correct horse")), wrong);
    assert_eq!(read(&path, None), Err(RootKeyError::NeedsPassphrase(path.clone())));
    let text = fs::read_to_string(&path).unwrap();
    assert!(!text.contains(&HEXLOWER.encode(&SEED)), "{text}");

    let nowhere = path.with_file_name("other");
    assert_eq!(read(&nowhere, None), Err(RootKeyError::NotFound(nowhere.clone())));
    assert!(matches!(read(path.parent().unwrap(), None), Err(RootKeyError::Io { .. })));
}

#[test]
fn it_signs_and_is_named_by_its_public_key() {
    let root = RootKey::generate().unwrap();
    assert_eq!(root.keys().device(), root.public());
    let signature = ed25519_dalek::Signature::from_bytes(&root.keys().sign(b"statement"));
    let public = ed25519_dalek::VerifyingKey::from_bytes(&root.public().0).unwrap();
    public.verify_strict(b"statement", &signature).unwrap();
    assert_ne!(root.public(), RootKey::generate().unwrap().public());
}

#[test]
fn the_usual_work_takes_a_while_and_no_salt_comes_twice() {
    let folder = TempDir::new().unwrap();
    let words = passphrase("correct horse");
    let root = RootKey::from_seed(&SEED);
    let texts = ["one", "two"].map(|name| {
        let path = folder.path().join(name);
        root.write(&path, Some(&words), Existing::Refuse).unwrap();
        fs::read_to_string(path).unwrap()
    });
    assert!(texts[0].contains("kdf argon2id m=262144,t=3,p=1\n"), "{}", texts[0]);
    assert_ne!(texts[0].lines().nth(2), texts[1].lines().nth(2));
    let begin = Instant::now();
    assert_eq!(read(&folder.path().join("one"), Some("correct horse")), Ok(SEED));
    assert!(begin.elapsed() > Duration::from_millis(50), "{:?}", begin.elapsed());
}

#[test]
fn files_of_version_one_are_read_for_ever() {
    let seed = "5e".repeat(32);
    let (_folder, path) = written(None);
    let plain = format!("conclave root key v1 plain\nseed {seed}\ncheck aacbfc1de900412c\n");
    assert_eq!(fs::read_to_string(&path).unwrap(), plain);

    fs::write(&path, ENCRYPTED_BEFORE).unwrap();
    assert_eq!(read(&path, Some("correct horse")), Ok(SEED));
    for changed in [ENCRYPTED_BEFORE.replace('\n', "\r\n"), ENCRYPTED_BEFORE.to_owned() + "\n "] {
        fs::write(&path, changed).unwrap();
        assert_eq!(read(&path, Some("correct horse")), Ok(SEED));
    }

    let first = format!(r#"{{"version":1,"signing":"{seed}"}}"#);
    fs::write(&path, &first).unwrap();
    assert_eq!(RootKey::is_encrypted(&path), Ok(false));
    assert_eq!(read(&path, None), Ok(SEED));
    fs::write(&path, first.replace(":1", ":7")).unwrap();
    let newer = |version| Err(RootKeyError::UnknownVersion { file: path.clone(), version });
    assert_eq!(read(&path, None), newer(7));
    fs::write(&path, plain.replace("v1", "v2")).unwrap();
    assert_eq!(read(&path, None), newer(2));
}

#[test]
fn nothing_is_overwritten_unless_asked() {
    let (folder, path) = written(None);
    let other = RootKey::from_seed(&[7; 32]);
    let exists = Err(RootKeyError::Exists(path.clone()));
    assert_eq!(other.write(&path, None, Existing::Refuse), exists);
    assert_eq!(read(&path, None), Ok(SEED));
    other.write(&path, None, Existing::Replace).unwrap();
    assert_eq!(read(&path, None), Ok([7; 32]));

    let link = folder.path().join("link");
    std::os::unix::fs::symlink(folder.path().join("nowhere"), &link).unwrap();
    let exists = Err(RootKeyError::Exists(link.clone()));
    assert_eq!(other.write(&link, None, Existing::Refuse), exists);
    let nowhere = folder.path().join("missing/root.key");
    let refused = other.write(&nowhere, None, Existing::Refuse);
    assert!(matches!(refused, Err(RootKeyError::Io { .. })));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "no temporary file stays");
}

#[test]
fn only_its_owner_can_read_it() {
    let (_folder, path) = written(Some("correct horse"));
    assert_eq!(mode(&path), 0o600);
    fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    RootKey { seed: SEED }.write_at(CHEAP, &path, None, Existing::Replace).unwrap();
    assert_eq!(mode(&path), 0o600);
    fs::set_permissions(&path, Permissions::from_mode(0o666)).unwrap();
    assert_eq!(read(&path, None), Ok(SEED));
    assert_eq!(mode(&path), 0o600);
}

#[test]
fn no_umask_changes_that() {
    // The umask belongs to a process, so the test before runs again in others.
    for umask in ["0", "077"] {
        let again = std::process::Command::new("sh")
            .args(["-c", "umask \"$1\"; shift; exec \"$@\"", "sh", umask])
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", "identity::root_key::tests::only_its_owner_can_read_it"])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&again.stdout);
        assert!(again.status.success() && said.contains("1 passed"), "umask {umask}: {said}");
    }
}

#[test]
fn damage_is_told_at_every_byte_and_never_quoted() {
    for words in [None, Some("correct horse")] {
        let (_folder, path) = written(words);
        let whole = fs::read(&path).unwrap();
        let damaged = |bytes: &[u8]| {
            fs::write(&path, bytes).unwrap();
            let error = read(&path, words).err().unwrap();
            assert!(!error.to_string().contains("5e5e"), "{error}");
            matches!(error, RootKeyError::Damaged { .. } | RootKeyError::UnknownVersion { .. })
        };
        // The line break at the end is no loss.
        for length in 0..whole.len() - 1 {
            assert!(damaged(&whole[..length]), "{length} bytes are enough");
        }
        for at in 0..whole.len() - 1 {
            let mut bytes = whole.clone();
            bytes[at] ^= 1;
            assert!(damaged(&bytes), "byte {at} does not matter");
        }
        assert!(damaged(&[&whole[..], &whole[..]].concat()));
        assert!(damaged(&[&whole[..], &[b'\n'; FILE_BYTES_MAX]].concat()));
    }
}

#[test]
fn forged_files_are_wrong_passphrases_not_keys() {
    let (_folder, path) = written(Some("correct horse"));
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(rechecked(&text), text);
    for name in ["salt ", "sealed "] {
        let at = text.find(name).unwrap() + name.len();
        let digit = if text.as_bytes()[at] == b'0' { "1" } else { "0" };
        let mut forged = text.clone();
        forged.replace_range(at..=at, digit);
        fs::write(&path, rechecked(&forged)).unwrap();
        let wrong = Err(RootKeyError::WrongPassphrase(path.clone()));
        assert_eq!(read(&path, Some("correct horse")), wrong, "{name}");
    }
}

#[test]
fn absurd_work_is_refused_at_once() {
    let (_folder, path) = written(Some("correct horse"));
    let text = fs::read_to_string(&path).unwrap();
    for kdf in [
        "argon2id m=4294967295,t=1,p=1",
        "argon2id m=1048577,t=1,p=1",
        "argon2id m=262144,t=11,p=1",
        "argon2id m=262144,t=4294967295,p=1",
        "argon2id m=99999999999999999999,t=3,p=1",
        "argon2id m=262144,t=3,p=16777215",
        "argon2id m=262144,t=0,p=1",
        "argon2id m=0,t=3,p=1",
        "argon2id m=-1,t=3,p=1",
        "argon2id m=262144,t=3",
        "scrypt n=20",
        "",
    ] {
        let forged = rechecked(&text.replace("argon2id m=8,t=1,p=1", kdf));
        assert_ne!(forged, text);
        fs::write(&path, forged).unwrap();
        let begin = Instant::now();
        let error = read(&path, Some("correct horse")).err().unwrap();
        assert!(matches!(error, RootKeyError::Damaged { .. }), "{kdf}: {error}");
        assert!(begin.elapsed() < Duration::from_millis(50), "{kdf}: {:?}", begin.elapsed());
    }
}

#[test]
fn no_bytes_make_it_panic() {
    // Deterministic noise, also behind heads that lead further in.
    let mut random = blake3::Hasher::new_derive_key("conclave test noise").finalize_xof();
    let heads = [
        "",
        "{",
        r#"{"version":1,"signing":""#,
        "conclave root key v",
        "conclave root key v1 plain\nseed ",
        "conclave root key v1 encrypted\nkdf argon2id m=",
    ];
    for round in 0..20_000_usize {
        let mut bytes = vec![0; round % 200];
        random.fill(&mut bytes);
        if round % 2 == 0 {
            bytes
                .iter_mut()
                .for_each(|byte| *byte = b"0123456789abcdef \n:,={}\"v"[usize::from(*byte) % 25]);
        }
        let bytes = [heads[round % heads.len()].as_bytes(), &bytes].concat();
        assert!(parse(&bytes).is_err(), "{}", String::from_utf8_lossy(&bytes));
        if let Ok(text) = str::from_utf8(&bytes) {
            // What a checksum keeps out otherwise.
            assert!(parse(rechecked(text).as_bytes()).is_err(), "{text}");
        }
    }
}

#[test]
fn passphrases_are_bounded_and_normal() {
    let refused = |text: &str| Passphrase::new(text).err();
    assert_eq!(refused(""), Some(PassphraseError::Empty));
    assert_eq!(refused("            "), Some(PassphraseError::Empty));
    assert_eq!(refused("seven77"), Some(PassphraseError::TooShort));
    assert_eq!(refused("  seven77  "), Some(PassphraseError::TooShort));
    assert_eq!(refused("eight888"), None);
    assert_eq!(refused("höchst€n"), None, "characters, not bytes");
    assert_eq!(refused(&"a".repeat(1024)), None);
    assert_eq!(refused(&"a".repeat(1025)), Some(PassphraseError::TooLong));
    assert_eq!(
        passphrase("Gru\u{308}ße aus Wien").text(),
        passphrase("Gr\u{fc}ße aus Wien").text()
    );
    assert_eq!(passphrase(" two  blanks ").text(), " two  blanks ");
}

/// Written on the day that the format was made; other implementations of Argon2id, ChaCha20 and
/// Poly1305 open it too.
const ENCRYPTED_BEFORE: &str = "\
conclave root key v1 encrypted
kdf argon2id m=8,t=1,p=1
salt 209dd597af46db814080a7dbd57aaac5
sealed e3794678e099292da435ac29f02aec39dcb3c395928cb13f2c93157f6dcf3ebdfcf44cdc210d0d401b066cc5f8b6d1e1
check 1f5a7d1464915bee
";
