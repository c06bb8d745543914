//! The one place where text of others is made safe for a terminal.
//!
//! A name or a message may hold escape sequences that recolour, move or answer for the
//! terminal, marks that reorder what stands around them, and characters that are never seen.
//! All of it is shown, none of it acts. `conclave_protocol::hidden` says which characters.

use std::borrow::Cow;
use std::fmt::Write;

use conclave_protocol::hidden::{acts, faults, shapes};

/// Text for one line of a terminal: no line break survives.
#[must_use]
pub fn line(text: &str) -> Cow<'_, str> {
    if text.is_ascii() && !text.chars().any(acts) || faults(text).all(|(_, f)| f.is_none()) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 8);
    for (c, fault) in faults(text) {
        push(&mut shown, c, fault.is_some());
    }
    Cow::Owned(shown)
}

/// Text of a message: its line breaks begin lines indented by `indent`, so that no line can
/// pass for another message. A tab becomes spaces.
#[must_use]
pub fn block(text: &str, indent: usize) -> String {
    let mut shown = String::with_capacity(text.len());
    for (c, fault) in faults(text) {
        match c {
            '\n' => {
                shown.push('\n');
                shown.extend(std::iter::repeat_n(' ', indent));
            }
            '\t' => shown.push_str("    "),
            c => push(&mut shown, c, fault.is_some()),
        }
    }
    shown
}

/// A document of JSON for a terminal: what acts or hides stands in its strings as `\u….`, which
/// means the same to whoever reads it.
#[must_use]
pub fn json(document: &str) -> Cow<'_, str> {
    if document.is_ascii() && !document.chars().any(acts) {
        return Cow::Borrowed(document);
    }
    let mut shown = String::with_capacity(document.len() + 16);
    for (c, fault) in faults(document) {
        if fault.is_some() || shapes(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing to a String cannot fail.
                let _ = write!(shown, "\\u{unit:04x}");
            }
        } else {
            shown.push(c);
        }
    }
    Cow::Owned(shown)
}

fn push(shown: &mut String, c: char, hidden: bool) {
    if hidden {
        // Writing to a String cannot fail.
        let _ = write!(shown, "\\u{{{:x}}}", u32::from(c));
    } else {
        shown.push(c);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_acts_is_shown() {
        assert_eq!(line("Grüße, 世界 👩‍💻"), "Grüße, 世界 👩‍💻");
        assert_eq!(line("\u{1b}[2J\u{7}"), "\\u{1b}[2J\\u{7}");
        assert_eq!(line("\u{1b}]52;c;aGk=\u{1b}\\"), "\\u{1b}]52;c;aGk=\\u{1b}\\");
        assert_eq!(line("\u{9b}31m\u{7f}"), "\\u{9b}31m\\u{7f}");
        assert_eq!(line("a\u{202e}b\u{2066}c\u{200f}"), "a\\u{202e}b\\u{2066}c\\u{200f}");
        assert_eq!(line("a\nb\rc\td"), "a\\u{a}b\\u{d}c\\u{9}d");
    }

    #[test]
    fn what_hides_is_shown() {
        assert_eq!(line("al\u{200d}ice\u{feff}\u{e0041}"), "al\\u{200d}ice\\u{feff}\\u{e0041}");
        let pile = format!("a{}", "\u{301}".repeat(500));
        assert!(line(&pile).starts_with("a\u{301}"));
        assert_eq!(line(&pile).chars().filter(|c| *c == '\u{301}').count(), 8);
    }

    #[test]
    fn json_means_the_same_and_does_not_act() {
        let value = serde_json::json!({
            "text": "a\u{1b}\u{7f}\u{9b}31m \u{202e}b\u{200d} \u{e0041} 👩\u{200d}💻 \"\\ é 世界",
        });
        let document = value.to_string();
        let shown = json(&document);
        assert!(!shown.chars().any(|c| acts(c) || shapes(c)), "{shown}");
        assert!(shown.contains("é 世界") && shown.contains("\\udb40\\udc41"), "{shown}");
        let read: serde_json::Value = serde_json::from_str(&shown).expect("JSON");
        assert_eq!(read, value);
        assert!(matches!(json("{\"a\":\"plain\"}"), Cow::Borrowed(_)));
    }

    #[test]
    fn lines_of_a_message_stay_inside_it() {
        assert_eq!(block("one\ntwo\n\tthree", 2), "one\n  two\n      three");
        assert_eq!(block("a\r\nb", 4), "a\\u{d}\n    b");
        assert_eq!(block("a\u{85}b\u{2028}c", 4), "a\\u{85}b\\u{2028}c");
    }
}
