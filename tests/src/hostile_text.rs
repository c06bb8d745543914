//! Text that tries to be more than text: the corpus that every place where text of others is
//! shown is tested with, and what its output must not hold.

use std::sync::LazyLock;

use serde::Deserialize;

/// One hostile text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hostile {
    /// What it attacks, such as `markup`, `link`, `terminal` or `bytes`.
    pub kind: String,
    /// What it is, in a few words.
    pub about: String,
    /// Its bytes; not always UTF-8.
    pub bytes: Vec<u8>,
}

impl Hostile {
    /// It as text; `None` if it is none, which must be refused everywhere.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        std::str::from_utf8(&self.bytes).ok()
    }
}

#[derive(Deserialize)]
struct Entry {
    kind: String,
    about: String,
    text: Option<String>,
    hex: Option<String>,
}

/// The corpus: `tests/fixtures/hostile_text.json`, which is plain ASCII.
///
/// # Panics
/// If the file is damaged.
#[must_use]
pub fn corpus() -> &'static [Hostile] {
    static CORPUS: LazyLock<Vec<Hostile>> = LazyLock::new(|| {
        let file = include_str!("../fixtures/hostile_text.json");
        let entries: Vec<Entry> = serde_json::from_str(file).expect("JSON");
        let hostile = |entry: Entry| {
            let bytes = match (entry.text, entry.hex) {
                (Some(text), None) => text.into_bytes(),
                (None, Some(hex)) => {
                    data_encoding::HEXLOWER.decode(hex.as_bytes()).expect("hexadecimal")
                }
                _ => panic!("{}: either text or hex", entry.about),
            };
            Hostile { kind: entry.kind, about: entry.about, bytes }
        };
        entries.into_iter().map(hostile).collect()
    });
    &CORPUS
}

/// The first character that output for a terminal must not hold, with its place in words.
///
/// Of what cannot be seen only joiners and selectors of variants may stand in it, and only
/// behind a letter of the East or an emoji, which need them.
#[must_use]
pub fn acting(output: &str) -> Option<String> {
    let mut before = '\n';
    let mut marks = 0;
    for (at, c) in output.char_indices() {
        let number = u32::from(c);
        let bad = match number {
            0x0a => false,
            0..=0x1f | 0x7f..=0x9f => true,
            0xad | 0x34f | 0x61c | 0x115f | 0x1160 | 0x17b4 | 0x17b5 | 0x180e => true,
            0x200b | 0x200e | 0x200f | 0x2028..=0x202e | 0x2060..=0x206f => true,
            0x3164 | 0xfeff | 0xffa0 | 0xfff9..=0xfffb => true,
            0x1bca0..=0x1bca3 | 0x1d173..=0x1d17a | 0xe0000..=0xe007f => true,
            0x200c | 0x200d => u32::from(before) < 0x600,
            0xfe00..=0xfe0f | 0xe0100..=0xe01ef => {
                u32::from(before) < 0x600 && !before.is_ascii_digit() && !"#*©®".contains(before)
            }
            _ => number & 0xfffe == 0xfffe || (0xfdd0..=0xfdef).contains(&number),
        };
        let mark = matches!(number, 0x300..=0x36f | 0x483..=0x489 | 0x20d0..=0x20f0);
        marks = if mark { marks + 1 } else { 0 };
        if bad || marks > 8 {
            let begin = output[..at].char_indices().rev().nth(30).map_or(0, |(place, _)| place);
            return Some(format!("U+{number:04X} behind {:?}", &output[begin..at]));
        }
        before = c;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_corpus_is_plain_ascii_and_has_every_kind() {
        let file = include_str!("../fixtures/hostile_text.json");
        assert!(file.bytes().all(|byte| byte == b'\n' || (0x20..0x7f).contains(&byte)));
        assert!(corpus().len() > 100);
        for kind in [
            "markup",
            "link",
            "style",
            "template",
            "terminal",
            "direction",
            "invisible",
            "marks",
            "emoji",
            "long",
            "lookalike",
            "shell",
            "data",
            "bytes",
        ] {
            assert!(corpus().iter().any(|hostile| hostile.kind == kind), "{kind}");
        }
        let bytes = corpus().iter().filter(|hostile| hostile.kind == "bytes");
        assert!(
            bytes.clone().count() > 10 && bytes.clone().all(|hostile| hostile.text().is_none())
        );
    }

    #[test]
    fn what_acts_is_found() {
        assert_eq!(acting("Grüße\n👩\u{200d}💻 שלום e\u{301}"), None);
        for text in ["\t", "\r", "\u{1b}[m", "\u{9b}m", "\u{202e}", "a\u{200d}b", "\u{feff}"] {
            assert!(acting(text).is_some(), "{text:?}");
        }
        assert!(acting(&"\u{301}".repeat(9)).is_some());
    }
}
