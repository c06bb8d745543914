//! The one place where text of others is made safe for a terminal.
//!
//! A name or a message may hold escape sequences that recolour, move or answer for the
//! terminal, and marks that reorder what stands around them. All of it is shown, none of it
//! acts.

use std::borrow::Cow;
use std::fmt::Write;

/// Text for one line of a terminal: no line break survives.
#[must_use]
pub fn line(text: &str) -> Cow<'_, str> {
    if !text.chars().any(acts) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        push(&mut shown, c);
    }
    Cow::Owned(shown)
}

/// Text of a message: its line breaks begin lines indented by `indent`, so that no line can
/// pass for another message. A tab becomes spaces.
#[must_use]
pub fn block(text: &str, indent: usize) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => {
                shown.push('\n');
                shown.extend(std::iter::repeat_n(' ', indent));
            }
            '\t' => shown.push_str("    "),
            c => push(&mut shown, c),
        }
    }
    shown
}

fn push(shown: &mut String, c: char) {
    if acts(c) {
        // Writing to a String cannot fail.
        let _ = write!(shown, "\\u{{{:x}}}", u32::from(c));
    } else {
        shown.push(c);
    }
}

/// Characters that act on a terminal or on the text around them instead of being seen:
/// C0, DEL, C1, direction marks, line and paragraph separators.
fn acts(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{61c}'
                | '\u{200e}'
                | '\u{200f}'
                | '\u{2028}'
                | '\u{2029}'
                | '\u{202a}'..='\u{202e}'
                | '\u{2066}'..='\u{2069}'
        )
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
    fn lines_of_a_message_stay_inside_it() {
        assert_eq!(block("one\ntwo\n\tthree", 2), "one\n  two\n      three");
        assert_eq!(block("a\r\nb", 4), "a\\u{d}\n    b");
        assert_eq!(block("a\u{85}b\u{2028}c", 4), "a\\u{85}b\\u{2028}c");
    }
}
