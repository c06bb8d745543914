//! House rules as tests: the direction of dependencies, the size of files, links that lead
//! somewhere. See `docs/src/design.md`.

use std::fs;
use std::path::{Path, PathBuf};

/// Longer files hold more than one concept.
const LINES_MAX: usize = 600;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Bytes of all that a browser loads of the page.
const PAGE_BYTES_MAX: u64 = 200_000;

/// All files below a folder of the repository with one of the endings.
fn files(folder: &str, endings: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if endings.iter().any(|e| path.extension().is_some_and(|x| x == *e)) {
                found.push(path);
            }
        }
    }
    assert!(!found.is_empty(), "no files in {folder}: has it moved?");
    found
}

fn dependencies(package: &str) -> Vec<String> {
    let manifest = fs::read_to_string(root().join(package).join("Cargo.toml")).unwrap();
    manifest
        .lines()
        .skip_while(|line| *line != "[dependencies]")
        .skip(1)
        .take_while(|line| !line.starts_with('['))
        .filter_map(|line| line.split(['.', ' ', '=']).next())
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect()
}

#[test]
fn dependencies_point_one_way() {
    // Pure: encoding, hashing, signatures, encryption, text. Anything that could do IO is a decision.
    let pure = [
        "blake3",
        "chacha20poly1305",
        "data-encoding",
        "ed25519-dalek",
        "hpke",
        "minicbor",
        "rand_core",
        "serde",
        "thiserror",
        "unicode-normalization",
        "zeroize",
    ];
    for name in dependencies("protocol") {
        assert!(pure.contains(&name.as_str()), "protocol depends on {name}");
    }
    assert!(dependencies("node").iter().any(|d| d == "conclave-protocol"));
    assert!(!dependencies("node").iter().any(|d| d == "conclave" || d == "clap"));
    for name in dependencies("cli") {
        assert!(!["libp2p", "sled", "axum"].contains(&name.as_str()), "cli depends on {name}");
    }
}

#[test]
fn the_command_line_names_neither_network_nor_store() {
    for path in files("cli/src", &["rs"]) {
        let text = fs::read_to_string(&path).unwrap();
        for word in ["libp2p::", "sled::"] {
            assert!(!text.contains(word), "{} names {word}", path.display());
        }
    }
}

#[test]
fn the_protocol_reads_no_clock_and_has_no_unordered_maps() {
    for path in files("protocol/src", &["rs"]) {
        let text = fs::read_to_string(&path).unwrap();
        for word in ["SystemTime", "Instant::", "HashMap", "HashSet", "std::fs", "std::net"] {
            assert!(!text.contains(word), "{} uses {word}", path.display());
        }
    }
}

#[test]
fn files_stay_small() {
    for folder in ["protocol/src", "node/src", "cli/src", "tests"] {
        for path in files(folder, &["rs", "py"]) {
            let lines = fs::read_to_string(&path).unwrap().lines().count();
            assert!(lines <= LINES_MAX, "{} has {lines} lines", path.display());
        }
    }
}

#[test]
fn the_page_stays_small_and_loads_nothing_from_elsewhere() {
    let files = files("node/web", &["html", "css", "js", "svg"]);
    let bytes: u64 = files.iter().map(|path| fs::metadata(path).unwrap().len()).sum();
    assert!(bytes <= PAGE_BYTES_MAX, "the page has {bytes} bytes");
    for path in files {
        let text = fs::read_to_string(&path).unwrap();
        // Ways to turn text into markup or code, and to load what is not the node's own.
        for word in [
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
            "new Function",
            "src=\"http",
            "url(http",
            "@import",
            "from 'http",
        ] {
            assert!(!text.contains(word), "{} has {word}", path.display());
        }
    }
}

#[test]
fn links_in_documents_lead_to_files() {
    let mut documents = files("docs", &["md"]);
    documents.push(root().join("README.md"));
    for document in documents {
        let text = fs::read_to_string(&document).unwrap();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let path = link.split('#').next().unwrap_or_default();
            if path.is_empty() || path.contains("://") {
                continue;
            }
            let target = document.parent().unwrap().join(path);
            assert!(target.exists(), "{} links to {link}", document.display());
        }
    }
}

#[test]
fn every_bound_says_what_it_bounds() {
    let limits = fs::read_to_string(root().join("protocol/src/limits.rs")).unwrap();
    let lines: Vec<&str> = limits.lines().collect();
    for pair in lines.windows(2).filter(|pair| pair[1].starts_with("pub const")) {
        assert!(pair[0].starts_with("///"), "no comment above: {}", pair[1]);
    }
}
