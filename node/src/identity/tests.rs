use super::*;
use conclave_protocol::keys::{public_key, recovery_hash};
use tempfile::TempDir;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn a_home_is_private_also_if_it_was_not() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a/home");
    let home = Home::open(&path).unwrap();
    assert_eq!(mode(&path), 0o700);
    home.create_device_secrets(None).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
    let key = path.join(DEVICE_FILE);
    fs::set_permissions(&key, Permissions::from_mode(0o644)).unwrap();
    let home = Home::open(&path).unwrap();
    home.device_secrets(None).unwrap().unwrap();
    assert_eq!((mode(&path), mode(&key)), (0o700, 0o600));
}

#[test]
fn a_home_that_is_a_file_is_not_writable() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("file");
    fs::write(&path, "").unwrap();
    assert!(matches!(Home::open(&path), Err(HomeError::NotWritable { .. })));
}

#[test]
fn one_holder_at_a_time() {
    let folder = TempDir::new().unwrap();
    let home = Home::open(folder.path()).unwrap();
    let lock = home.lock().unwrap();
    assert_eq!(home.lock().unwrap_err(), HomeError::InUse(folder.path().to_owned()));
    drop(lock);
    home.lock().unwrap();
}

#[test]
fn device_keys_are_made_once_and_read_back() {
    let folder = TempDir::new().unwrap();
    let home = Home::open(folder.path()).unwrap();
    assert!(home.device_secrets(None).unwrap().is_none());
    let made = home.create_device_secrets(None).unwrap();
    assert!(matches!(home.create_device_secrets(None).err(), Some(HomeError::Exists(_))));
    let read = home.device_secrets(None).unwrap().unwrap();
    assert_eq!(read.seed(), made.seed());
    assert_eq!(read.sealing_secret(), made.sealing_secret());
    assert_eq!(read.keys().device(), public_key(&read.seed()));
    assert_eq!(read.keys().sealing(), made.keys().sealing());
    assert!(read.peer_id().starts_with("12D3Koo"));
    assert_eq!(mode(&folder.path().join(DEVICE_FILE)), 0o600);
    let left: Vec<_> = fs::read_dir(folder.path()).unwrap().collect();
    assert_eq!(left.len(), 2, "no temporary file stays");
}

#[test]
fn a_damaged_key_is_told_and_never_quoted() {
    let folder = TempDir::new().unwrap();
    let home = Home::open(folder.path()).unwrap();
    let file = folder.path().join(DEVICE_FILE);
    for bad in [
        "",
        "{}",
        "[\"5ec4e7\"]",
        r#"{"version":1,"signing":"5ec4e7","sealing":"5ec4e7"}"#,
        r#"{"version":2,"signing":"5ec4e7","sealing":"5ec4e7"}"#,
        r#"{"version":2,"signing":"","sealing":"","home_key":"","nonce":"","sealed":"5ec4e7"}"#,
    ] {
        fs::write(&file, bad).unwrap();
        let error = home.device_secrets(None).err().unwrap();
        assert!(matches!(error, HomeError::Corrupt { .. }), "{bad}");
        assert!(!error.to_string().contains("5ec4e7"));
    }
}

#[test]
fn token_and_small_files() {
    let folder = TempDir::new().unwrap();
    let home = Home::open(folder.path()).unwrap();
    assert_eq!(home.read_api_token().unwrap(), None);
    let token = home.new_api_token().unwrap();
    assert_eq!(token.len(), 64);
    let newer = home.new_api_token().unwrap();
    assert_ne!(newer, token, "each run has its own");
    assert_eq!(home.read_api_token().unwrap(), Some(newer));
    assert_eq!(mode(&folder.path().join(TOKEN_FILE)), 0o600);
    assert!(home.read_api_seal().unwrap().is_none());
    home.new_api_seal().unwrap();
    assert!(home.read_api_seal().unwrap().is_some());
    assert_eq!(mode(&folder.path().join(SEAL_FILE)), 0o600);

    let node = RunningNode { api: "http://127.0.0.1:1".to_owned(), pid: 7 };
    assert_eq!(home.read_running().unwrap(), None);
    home.write_running(&node).unwrap();
    assert_eq!(home.read_running().unwrap(), Some(node));
    home.remove_running().unwrap();
    home.remove_running().unwrap();
    assert_eq!(home.read_running().unwrap(), None);

    let join = PendingJoin {
        agent: "ada".to_owned(),
        company: None,
        peers: vec!["/ip4/10.0.0.1/tcp/1".to_owned()],
        lost: true,
    };
    home.write_join(&join).unwrap();
    assert_eq!(home.read_join().unwrap(), Some(join));
    home.remove_join().unwrap();
    assert_eq!(home.read_join().unwrap(), None);
}

#[test]
fn the_way_in_is_kept_when_a_request_to_join_is_granted() {
    let folder = TempDir::new().unwrap();
    let home = Home::open(folder.path()).unwrap();
    home.settle_join().unwrap();
    assert_eq!(home.read_peers().unwrap(), [""; 0]);
    let peers = vec!["/ip4/10.0.0.1/tcp/1".to_owned()];
    let join =
        PendingJoin { agent: "ada".to_owned(), company: None, peers: peers.clone(), lost: false };
    home.write_join(&join).unwrap();
    assert_eq!(home.read_peers().unwrap(), [""; 0], "not yet granted");
    for _ in 0..2 {
        home.settle_join().unwrap();
        assert_eq!(home.read_join().unwrap(), None);
        assert_eq!(home.read_peers().unwrap(), peers);
    }
    // Found by mDNS later: what was known is not forgotten for it.
    home.write_join(&PendingJoin { peers: Vec::new(), ..join }).unwrap();
    home.settle_join().unwrap();
    assert_eq!(home.read_peers().unwrap(), peers);
}

#[test]
fn recovery_phrases_round_trip_and_errors_name_the_word() {
    let (phrase, entropy) = new_recovery().unwrap();
    assert_eq!(phrase.split(' ').count(), 24);
    assert_eq!(parse_recovery_phrase(&phrase), Ok(entropy.clone()));
    let shouted = phrase.to_uppercase().replace(' ', "\n  ");
    assert_eq!(parse_recovery_phrase(&shouted), Ok(entropy));
    assert_eq!(parse_recovery_phrase("abandon"), Err(PhraseError::WordCount(1)));
    let wrong = ["abandon"; 24].join(" ");
    assert_eq!(parse_recovery_phrase(&wrong), Err(PhraseError::Checksum));
    let unknown = wrong.replacen("abandon abandon", "abandon conclave", 1);
    assert_eq!(parse_recovery_phrase(&unknown), Err(PhraseError::UnknownWord(2)));
}

#[test]
fn recovery_keys_are_found_by_their_commitments() {
    let entropy = [9; 32];
    let genesis = recovery_commitment(&entropy, 1);
    assert_eq!(recovery_index(&entropy, genesis), Some(1));
    let second = recovery_commitment(&entropy, 2);
    assert_eq!(recovery_hash(recovery_keys(&entropy, 1).device(), second), genesis);
    assert_eq!(recovery_root(&entropy, 1).public(), recovery_keys(&entropy, 1).device());
    let last = recovery_commitment(&entropy, RECOVERY_INDEX_MAX);
    assert_eq!(recovery_index(&entropy, last), Some(RECOVERY_INDEX_MAX));
    let beyond = recovery_commitment(&entropy, RECOVERY_INDEX_MAX + 1);
    assert_eq!(recovery_index(&entropy, beyond), None);
    assert_eq!(recovery_index(&[8; 32], genesis), None, "another phrase");
}
