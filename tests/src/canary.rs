//! Words that must not be found: in captured traffic, in the files of homes, in logs, in what a
//! peer was given.
//!
//! Each is looked for as it stands, in hexadecimal digits of both cases, in base64 of both
//! alphabets wherever in a group of three bytes it begins, and in UTF-16 of both byte orders.

use std::collections::{BTreeMap, BTreeSet};

use data_encoding::{BASE64_NOPAD, BASE64URL_NOPAD, Encoding, HEXLOWER, HEXUPPER};

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sighting {
    /// Which of the words.
    pub word: String,
    /// In which encoding.
    pub encoding: &'static str,
    /// Where it begins.
    pub at: usize,
}

/// Looks for words, or bytes, in all encodings at once.
pub struct Scanner {
    needles: Vec<Needle>,
    /// By their first two bytes.
    starts: Vec<Vec<usize>>,
}

struct Needle {
    word: String,
    encoding: &'static str,
    bytes: Vec<u8>,
}

impl Scanner {
    /// For these words.
    ///
    /// # Panics
    /// If one is so short that it would be found by chance.
    #[must_use]
    #[track_caller]
    pub fn new<S: AsRef<str>>(words: &[S]) -> Self {
        Self::of(words.iter().map(|word| (word.as_ref().to_owned(), word.as_ref().as_bytes())))
    }

    /// For secret bytes, each under a name that says what it is; not in UTF-16.
    ///
    /// # Panics
    /// As [`Scanner::new`].
    #[must_use]
    #[track_caller]
    pub fn for_bytes<'a>(secrets: impl IntoIterator<Item = (String, &'a [u8])>) -> Self {
        Self::of(secrets)
    }

    #[track_caller]
    fn of<'a>(secrets: impl IntoIterator<Item = (String, &'a [u8])>) -> Self {
        let mut needles = Vec::new();
        for (word, bytes) in secrets {
            assert!(bytes.len() >= 8, "{word} is so short that chance would find it");
            let forms: BTreeSet<(Vec<u8>, &str)> = encodings(bytes).into_iter().collect();
            let forms = forms.into_iter();
            needles.extend(forms.map(|(bytes, encoding)| Needle {
                word: word.clone(),
                encoding,
                bytes,
            }));
        }
        let mut starts = vec![Vec::new(); 1 << 16];
        for (number, needle) in needles.iter().enumerate() {
            starts[start(needle.bytes[0], needle.bytes[1])].push(number);
        }
        Self { needles, starts }
    }

    /// Where any of the words is in these bytes, in any encoding.
    #[must_use]
    pub fn find(&self, bytes: &[u8]) -> Vec<Sighting> {
        let mut found = Vec::new();
        for (at, pair) in bytes.windows(2).enumerate() {
            for number in &self.starts[start(pair[0], pair[1])] {
                let needle = &self.needles[*number];
                if bytes[at..].starts_with(&needle.bytes) {
                    let (word, encoding) = (needle.word.clone(), needle.encoding);
                    found.push(Sighting { word, encoding, at });
                }
            }
        }
        found
    }

    /// In which encodings each word is in these bytes.
    #[must_use]
    pub fn encodings(&self, bytes: &[u8]) -> BTreeMap<String, BTreeSet<&'static str>> {
        let mut found: BTreeMap<String, BTreeSet<&'static str>> = BTreeMap::new();
        for sighting in self.find(bytes) {
            found.entry(sighting.word).or_default().insert(sighting.encoding);
        }
        found
    }

    /// Checks that these bytes hold none of the words; `place` names them should one be found.
    #[track_caller]
    pub fn assert_clean(&self, place: &str, bytes: &[u8]) {
        let found = self.find(bytes);
        assert!(found.is_empty(), "{place} ({} bytes) holds {found:?}", bytes.len());
    }
}

/// A word that chance finds nowhere, and that holds no digits of its own: not even a list of
/// numbers beside it can be taken for it.
#[must_use]
pub fn canary(what: &str, seed: u64) -> String {
    let hash = blake3::hash(format!("{what} {seed} {}", std::process::id()).as_bytes());
    let letters = hash.as_bytes()[..16].iter().map(|byte| char::from(b'a' + byte % 26));
    format!("{what}{}", letters.collect::<String>())
}

fn start(first: u8, second: u8) -> usize {
    usize::from(first) << 8 | usize::from(second)
}

/// A word in all forms in which a program may write it down.
#[must_use]
pub fn encodings(word: &[u8]) -> Vec<(Vec<u8>, &'static str)> {
    let mut forms = vec![
        (word.to_vec(), "raw"),
        (HEXLOWER.encode(word).into_bytes(), "hex"),
        (HEXUPPER.encode(word).into_bytes(), "hex"),
    ];
    for before in 0..3 {
        for alphabet in [BASE64_NOPAD, BASE64URL_NOPAD] {
            forms.push((base64(word, before, &alphabet), "base64"));
        }
    }
    if let Ok(text) = std::str::from_utf8(word) {
        let units: Vec<u16> = text.encode_utf16().collect();
        forms.push((units.iter().flat_map(|unit| unit.to_le_bytes()).collect(), "UTF-16 LE"));
        forms.push((units.iter().flat_map(|unit| unit.to_be_bytes()).collect(), "UTF-16 BE"));
    }
    forms
}

/// What is certain of a word's base64 if so many bytes stand before it, and any behind it.
fn base64(word: &[u8], before: usize, alphabet: &Encoding) -> Vec<u8> {
    let padded = [&vec![0; before], word].concat();
    let digits = alphabet.encode(&padded).into_bytes();
    let first = (before * 8).div_ceil(6);
    let last = padded.len() * 8 / 6;
    digits[first..last].to_vec()
}

#[cfg(test)]
mod tests {
    use data_encoding::{BASE64, BASE64URL};

    use super::*;

    const WORD: &str = "canary~~??>>sings";

    fn found(bytes: &[u8]) -> Vec<&'static str> {
        Scanner::new(&[WORD]).find(bytes).into_iter().map(|sighting| sighting.encoding).collect()
    }

    #[test]
    fn each_encoding_is_found_wherever_it_begins() {
        for before in 0..7 {
            for after in 0..4 {
                let inside = [&vec![b'x'; before], WORD.as_bytes(), &vec![b'y'; after]].concat();
                assert_eq!(found(&inside), ["raw"]);
                assert_eq!(found(HEXLOWER.encode(&inside).as_bytes()), ["hex"]);
                assert_eq!(found(HEXUPPER.encode(&inside).as_bytes()), ["hex"]);
                assert_eq!(found(BASE64.encode(&inside).as_bytes()), ["base64"]);
                assert_eq!(found(BASE64URL.encode(&inside).as_bytes()), ["base64"]);
                let text = String::from_utf8(inside).expect("text");
                let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
                assert!(found(&little).contains(&"UTF-16 LE"));
                let big: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
                assert!(found(&big).contains(&"UTF-16 BE"));
            }
        }
    }

    #[test]
    fn what_is_not_there_is_not_found() {
        let other = "canary~~??>>sing";
        assert_eq!(found(other.as_bytes()), [""; 0]);
        assert_eq!(found(&[]), [""; 0]);
        assert_eq!(found(&[7; 1000]), [""; 0]);
        Scanner::new(&[WORD]).assert_clean("nothing", b"nothing");
    }

    #[test]
    fn bytes_are_found_under_their_name() {
        let secret = [0xfe, 0xff, 0x80, 0, 1, 2, 3, 4];
        let scanner = Scanner::for_bytes([("key".to_owned(), &secret[..])]);
        let text = format!("... {} ...", HEXUPPER.encode(&secret));
        let expected = Sighting { word: "key".to_owned(), encoding: "hex", at: 4 };
        assert_eq!(scanner.find(text.as_bytes()), [expected]);
    }

    #[test]
    fn canaries_differ() {
        assert_ne!(canary("room", 1), canary("room", 2));
        assert!(canary("room", 1).len() > 16);
    }
}
