//! The golden vectors: any change of the format shows here.

use std::path::{Path, PathBuf};

use conclave_protocol::signed::peek_id;
use conclave_protocol::sync::{Request, Response};
use conclave_tests::vectors::{self, BadVector, FrameVector, Vector};
use data_encoding::HEXLOWER;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors")
}

fn read<T: serde::de::DeserializeOwned>(file: &str) -> Vec<T> {
    let text = std::fs::read_to_string(folder().join(file)).expect("the file is there");
    serde_json::from_str(&text).expect("valid JSON")
}

fn bytes(hex: &str) -> Vec<u8> {
    HEXLOWER.decode(hex.as_bytes()).expect("hexadecimal")
}

#[test]
fn vectors_are_what_this_version_makes() {
    for (file, made) in vectors::files() {
        let held = std::fs::read_to_string(folder().join(file)).expect("the file is there");
        assert!(held == made, "{file} differs: see tests/vectors/README.md before changing it");
    }
}

#[test]
fn vectors_of_objects_verify_and_add_up() {
    let mut types = std::collections::BTreeSet::new();
    for vector in read::<Vector>("control.json").into_iter().chain(read("envelope.json")) {
        let signed = bytes(&vector.bytes);
        assert_eq!(vectors::verdict(&signed), "ok", "{}", vector.name);
        assert_eq!(peek_id(&signed).map(|id| id.to_string()), Some(vector.id), "{}", vector.name);
        let joined = [&bytes(&vector.body)[..], &[0x58, 0x40], &bytes(&vector.signature)].concat();
        assert!(signed.ends_with(&joined));
        assert!(!vector.fields.is_empty());
        types.insert(vector.type_name);
    }
    let all = conclave_protocol::object::ObjectType::ALL.len();
    assert_eq!(types.len(), all, "a type has no vector: {types:?}");
}

#[test]
fn vectors_of_the_control_log_all_count() {
    use conclave_protocol::control::{Added, ControlLog};
    use conclave_protocol::signed::{Trust, Verified};
    let mut log = ControlLog::new(vectors::foundation().company);
    for vector in read::<Vector>("control.json") {
        let signed = bytes(&vector.bytes);
        let added = if vector.type_name == "genesis" {
            log.add_genesis(Verified::genesis(&signed, Trust::Nothing).expect("good"))
        } else {
            log.add(Verified::control(&signed, log.company(), Trust::Nothing).expect("good"))
        };
        assert!(matches!(added, Added::Counts(_)), "{}: {added:?}", vector.name);
    }
}

#[test]
fn vectors_of_frames_decode_to_the_same_bytes() {
    for vector in read::<FrameVector>("frames.json") {
        let frame = bytes(&vector.bytes);
        let again = if vector.name.starts_with("request") {
            Request::decode(&frame).map(|r| r.encode())
        } else {
            Response::decode(&frame).map(|r| r.encode())
        };
        assert_eq!(again, Ok(frame), "{}", vector.name);
    }
}

#[test]
fn vectors_that_are_bad_are_refused() {
    let bad: Vec<BadVector> = read("bad.json");
    assert!(bad.len() >= 25);
    for vector in bad {
        assert_eq!(vectors::verdict(&bytes(&vector.bytes)), vector.expected, "{}", vector.name);
    }
}

#[test]
#[ignore = "writes the golden vectors anew: see tests/vectors/README.md"]
fn regenerate_vectors() {
    for (file, made) in vectors::files() {
        std::fs::write(folder().join(file), made).expect("writable");
    }
}
