//! The bodies of the fuzz targets over their corpus and over random bytes, so that they stay
//! compiled and what once was found stays mended. The fuzzing itself: `tests/fuzz/README.md`.

use std::fs;
use std::path::{Path, PathBuf};

use conclave_tests::fuzzing::{codec, evaluator, frames};
use conclave_tests::vectors::{FrameVector, Vector};
use data_encoding::HEXLOWER;

fn folder(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target)
}

fn corpus(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let entries = fs::read_dir(folder(target)).expect("the corpus is there");
    let paths = entries.map(|entry| entry.expect("readable").path());
    let mut files: Vec<_> =
        paths.map(|path| (path.clone(), fs::read(path).expect("readable"))).collect();
    files.sort();
    assert!(!files.is_empty(), "no corpus for {target}");
    files
}

/// Bytes that follow from a number (BLAKE3 as a stream), and how many.
fn random(n: u64, longest: usize) -> Vec<u8> {
    let mut stream = blake3::Hasher::new().update(&n.to_le_bytes()).finalize_xof();
    let mut length = [0; 8];
    stream.fill(&mut length);
    let length = u64::from_le_bytes(length) % (longest as u64 + 1);
    let mut bytes = vec![0; usize::try_from(length).expect("small")];
    stream.fill(&mut bytes);
    bytes
}

/// Runs a target over its corpus, over parts of the corpus put together, and over random bytes.
fn run(target: &str, body: fn(&[u8]), mixed: u64, longest: usize) {
    let corpus = corpus(target);
    for (path, bytes) in &corpus {
        println!("{}", path.display());
        body(bytes);
    }
    for n in 0..mixed {
        println!("{target}: random bytes {n}");
        let mut bytes = random(n, longest);
        let pick = |by: u64| {
            let place = n.wrapping_mul(by) % corpus.len() as u64;
            &corpus[usize::try_from(place).expect("small")].1
        };
        match n % 3 {
            // The beginning of one and the end of another.
            0 => {
                let (a, b) = (pick(31), pick(17));
                bytes = [&a[..a.len() / 2], &b[b.len() / 2..]].concat();
            }
            // One with a few bytes changed.
            1 if !pick(7).is_empty() => {
                let changes = bytes;
                bytes = pick(7).clone();
                for change in changes.chunks_exact(3).take(4) {
                    let place = usize::from(change[0]) << 8 | usize::from(change[1]);
                    let length = bytes.len();
                    bytes[place % length] = change[2];
                }
            }
            _ => {}
        }
        body(&bytes);
    }
}

#[test]
fn any_bytes_are_decoded_or_refused() {
    run("codec", codec::run, 6_000, 400);
}

#[test]
fn any_log_means_one_thing() {
    run("evaluator", evaluator::run, cases(300), 300);
}

#[test]
fn any_answers_end_a_pull() {
    run("frames", frames::run, 600, 300);
}

/// More with `CONCLAVE_CASES`.
fn cases(few: u64) -> u64 {
    std::env::var("CONCLAVE_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(few)
}

/// A crash as a list of objects: `CONCLAVE_FUZZ=file cargo test … show_log -- --ignored --nocapture`.
#[test]
#[ignore = "prints a file"]
fn show_log() {
    let path = std::env::var("CONCLAVE_FUZZ").expect("a file in CONCLAVE_FUZZ");
    println!("{}", evaluator::print(&fs::read(path).expect("readable")));
}

/// The seeds of the codec, from the golden vectors. The corpus grew from these.
#[test]
#[ignore = "writes files"]
fn write_seeds() {
    let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors");
    let read = |file: &str| fs::read_to_string(vectors.join(file)).expect("the file is there");
    let bytes = |hex: &str| HEXLOWER.decode(hex.as_bytes()).expect("hexadecimal");
    let mut seeds: Vec<Vec<u8>> = Vec::new();
    for file in ["control.json", "envelope.json"] {
        let objects: Vec<Vector> = serde_json::from_str(&read(file)).expect("valid JSON");
        seeds.extend(objects.iter().flat_map(|v| [bytes(&v.bytes), bytes(&v.body)]));
    }
    let frames: Vec<FrameVector> = serde_json::from_str(&read("frames.json")).expect("valid JSON");
    seeds.extend(frames.iter().map(|v| bytes(&v.bytes)));
    let folder = std::env::var("CONCLAVE_FUZZ").expect("a folder in CONCLAVE_FUZZ");
    for seed in seeds {
        let name = blake3::hash(&seed).to_hex();
        fs::write(Path::new(&folder).join(&name.as_str()[..16]), seed).expect("writable");
    }
}
