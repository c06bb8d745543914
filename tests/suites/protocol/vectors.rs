//! The golden vectors: any change of the format shows here.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use conclave_protocol::id::ObjectId;
use conclave_protocol::object::{ControlObject, ObjectType};
use conclave_protocol::signed::{peek_id, peek_type};
use conclave_protocol::sync::{Request, Response};
use conclave_tests::forge;
use conclave_tests::vectors::{
    self, BadVector, FrameVector, Group, HashVector, NameVector, SignatureVector, Vector,
};
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
    let mut types = BTreeSet::new();
    for vector in read::<Vector>("control.json").into_iter().chain(read("envelope.json")) {
        let signed = bytes(&vector.bytes);
        assert_eq!(vectors::verdict(&signed), "ok", "{}", vector.name);
        assert_eq!(peek_id(&signed).map(|id| id.to_string()), Some(vector.id), "{}", vector.name);
        let joined = [&bytes(&vector.body)[..], &[0x58, 0x40], &bytes(&vector.signature)].concat();
        assert!(signed.ends_with(&joined));
        assert!(vector.fields.as_object().is_some_and(|fields| !fields.is_empty()));
        types.insert(vector.type_name);
    }
    let all = ObjectType::ALL.len();
    assert_eq!(types.len(), all, "a type has no vector: {types:?}");
}

/// Everything in it counts in the real log, in whatever order it comes.
#[test]
fn vectors_of_the_control_log_are_all_carried() {
    use conclave_protocol::control::ControlLog;
    use conclave_protocol::signed::{Trust, Verified};
    let vectors: Vec<Vector> = read("control.json");
    for backwards in [false, true] {
        let company = vectors::foundation().company;
        let mut log = ControlLog::new(company);
        let mut signed: Vec<Vec<u8>> = vectors.iter().map(|v| bytes(&v.bytes)).collect();
        if backwards {
            signed.reverse();
        }
        for bytes in signed {
            if peek_type(&bytes) == Some(ObjectType::Genesis) {
                log.add_genesis(Verified::genesis(&bytes, Trust::Nothing).expect("good"));
            } else {
                log.add(Verified::control(&bytes, company, Trust::Nothing).expect("good"));
            }
        }
        log.refresh();
        for vector in &vectors {
            let id = vector.id.parse().expect("an id");
            assert!(log.counts(id), "{} does not count: {:?}", vector.name, log.explain(id));
        }
        assert_eq!(log.order().len(), vectors.len());
    }
}

#[test]
fn vectors_of_logs_are_what_the_log_says() {
    let held: Vec<Group> = read("logs.json");
    let made = vectors::logs(held.clone());
    let text = std::fs::read_to_string(folder().join("logs.json")).expect("the file is there");
    assert!(text == vectors::logs_json(&made), "logs.json differs from what the log makes of it");
    let count: usize = held.iter().map(|group| group.logs.len()).sum();
    assert!(count >= 60 && text.len() < 400_000, "{count} logs, {} bytes", text.len());
}

#[test]
fn vectors_of_logs_are_what_the_reference_says() {
    let held: Vec<Group> = read("logs.json");
    let logs = held.iter().flat_map(|group| group.logs.iter().map(move |log| (group, log)));
    let otherwise: Vec<String> = logs.filter_map(|(group, log)| group.disagreement(log)).collect();
    assert!(otherwise.is_empty(), "the reference says otherwise:\n{}", otherwise.join("\n"));
}

/// What the log may take in is decided by the log; that its objects hang together is not.
#[test]
fn vectors_of_the_control_log_refer_to_what_stands_before_them() {
    let mut heights: BTreeMap<ObjectId, u64> = BTreeMap::new();
    for vector in read::<Vector>("control.json") {
        let signed = bytes(&vector.bytes);
        let id = peek_id(&signed).expect("an object");
        let (number, body, _) = forge::split(&signed);
        let object_type = ObjectType::from_number(number).expect("known");
        if object_type == ObjectType::Genesis {
            heights.insert(id, 1);
            continue;
        }
        let object = ControlObject::decode(object_type, &body).expect("good");
        let highest = object.references().iter().map(|id| heights[id]).max();
        assert_eq!(highest.map(|h| h + 1), Some(object.header.height), "{}", vector.name);
        heights.insert(id, object.header.height);
    }
}

#[test]
fn vectors_of_the_founding_give_the_digest_of_the_log() {
    use conclave_protocol::control::ControlLog;
    use conclave_protocol::signed::{Trust, Verified};
    let founded = vectors::foundation();
    let mut log = ControlLog::new(founded.company);
    for (n, (_, bytes)) in founded.objects.iter().enumerate() {
        if n == 0 {
            log.add_genesis(Verified::genesis(bytes, Trust::Nothing).expect("good"));
        } else {
            log.add(Verified::control(bytes, founded.company, Trust::Nothing).expect("good"));
        }
    }
    let vectors = read::<HashVector>("hashes.json");
    let founding = |v: &&HashVector| v.rule == "control digest" && v.name == "a founding";
    let expected = vectors.iter().find(founding).map(|v| v.output.clone());
    assert_eq!(Some(log.digest().to_string()), expected);
}

#[test]
fn vectors_of_frames_decode_to_the_same_bytes() {
    for vector in read::<FrameVector>("frames.json") {
        let frame = bytes(&vector.bytes);
        let again = if vector.direction == "request" {
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
    assert!(bad.len() >= 200);
    let mut names = BTreeSet::new();
    for vector in bad {
        let expected = (vector.expected.as_str(), vector.reason.as_str());
        assert_eq!(vector.found(), expected, "{}: {}", vector.decoder, vector.name);
        assert!(names.insert((vector.decoder, vector.name.clone())), "{} twice", vector.name);
    }
}

#[test]
fn vectors_of_names_and_signatures_have_both_sides() {
    let names: Vec<NameVector> = read("names.json");
    let verdicts: BTreeSet<&str> = names.iter().map(|v| v.verdict.as_str()).collect();
    let all = ["control", "edge", "empty", "ok", "separator", "too_long"];
    assert!(verdicts.into_iter().eq(all));
    let signatures: Vec<SignatureVector> = read("signatures.json");
    let good: Vec<&str> =
        signatures.iter().filter(|v| v.expected == "ok").map(|v| v.name.as_str()).collect();
    // Strict leaves these in: a key or an R with a part of small order that adds up.
    let expected = [
        "a device's signature",
        "a key of prime order",
        "a key of mixed order, equation holds",
        "R and key of mixed order, equation holds",
    ];
    assert_eq!(good, expected);
}

#[test]
#[ignore = "writes the golden vectors anew: see tests/vectors/README.md"]
fn regenerate_vectors() {
    for (file, made) in vectors::files() {
        std::fs::write(folder().join(file), made).expect("writable");
    }
    // The logs that are there stay; without the file others are chosen.
    let held = folder().join("logs.json").exists();
    let groups = if held { read("logs.json") } else { vectors::choice() };
    let made = vectors::logs_json(&vectors::logs(groups));
    std::fs::write(folder().join("logs.json"), made).expect("writable");
}

/// `CONCLAVE_LOGS=FILE` and how many, for comparing the evaluators on many random logs.
#[test]
#[ignore = "writes a file for tests/wire_checker/logs.py"]
fn write_many_logs() {
    let file = std::env::var("CONCLAVE_LOGS").expect("CONCLAVE_LOGS names the file");
    let cases = std::env::var("CONCLAVE_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(100);
    let groups: Vec<Group> = (1_000..1_000 + cases).map(|n| vectors::random(n, 45, 5)).collect();
    for group in &groups {
        let otherwise = group.logs.iter().filter_map(|log| group.disagreement(log));
        otherwise.for_each(|what| println!("the reference says otherwise: {what}"));
    }
    std::fs::write(file, vectors::logs_json(&vectors::logs(groups))).expect("writable");
}
